//! PEM, the text of keys and certificates (RFC 7468 §2). White space inside a block means nothing (the lax grammar of §3), so lines
//! may have any length.
//!
//! No library reads it: an operator is to be told what was given in place of a key (several blocks, an encrypted key), and the
//! buffers that a private key goes through are to be overwritten.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

/// The longest block that is read, in bytes. A leaf with an RSA key of 4096 bits and many extensions has about 4 KiB, a private
/// key of 4096 bits 3.3 KB, and one of 16,384 bits still fits, so that it is refused for its size.
pub(crate) const MAX_PEM_BYTES: usize = 16 * 1024;

/// The longest file of a key that is read, in bytes. What `openssl rsa -text` writes before a key of 4096 bits has 8 KB.
pub(crate) const MAX_FILE_BYTES: usize = 2 * MAX_PEM_BYTES;

/// The ends of lines as two characters each: how several lines stand in a file of environment variables, which can hold nothing
/// else (Docker's, systemd's). No base64 has a backslash.
const WRITTEN_LINE_ENDS: [&str; 2] = ["\\n", "\\r"];

const BEGIN: &str = "-----BEGIN ";
const END: &str = "-----END ";
const DASHES: &str = "-----";

/// One PEM block: what it says it is, and the bytes in it, which are overwritten when they go.
pub struct Block<'p> {
    /// What stands behind `BEGIN`.
    pub label: &'p str,
    body: &'p str,
}

/// Why a text is not one PEM block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PemError {
    /// It is none, something stands before or after it that must not, or it is too long.
    NotPem,
    /// There are several.
    SeveralBlocks,
}

impl<'p> Block<'p> {
    /// Finds the one block that a text consists of. White space around it is left out.
    pub fn find(pem: &'p str) -> Result<Self, PemError> {
        if pem.len() > MAX_PEM_BYTES {
            return Err(PemError::NotPem);
        }
        if pem.matches(BEGIN).count() > 1 {
            return Err(PemError::SeveralBlocks);
        }
        // Line ends as two characters are for files alone.
        if pem.contains('\\') {
            return Err(PemError::NotPem);
        }
        Self::parse(pem.trim_ascii()).ok_or(PemError::NotPem)
    }

    /// Finds the one block in the text of a file. What stands before it is left out, such as `Bag Attributes` or what `openssl
    /// -text` writes (RFC 7468 §2). Behind it nothing may stand. The ends of its lines may be written as `\n` or `\r\n`.
    pub fn find_in_file(text: &'p str) -> Result<Self, PemError> {
        if text.len() > MAX_FILE_BYTES {
            return Err(PemError::NotPem);
        }
        let mut begins = text.match_indices(BEGIN).map(|(begin, _)| begin);
        let begin = begins.next().ok_or(PemError::NotPem)?;
        if begins.next().is_some() {
            return Err(PemError::SeveralBlocks);
        }
        let mut block = text.get(begin..).unwrap_or_default().trim_ascii_end();
        while let Some(shorter) = WRITTEN_LINE_ENDS.iter().find_map(|end| block.strip_suffix(end)) {
            block = shorter.trim_ascii_end();
        }
        Self::parse(block).filter(|_| block.len() <= MAX_PEM_BYTES).ok_or(PemError::NotPem)
    }

    fn parse(block: &'p str) -> Option<Self> {
        let (label, rest) = block.strip_prefix(BEGIN)?.split_once(DASHES)?;
        let (body, end) = rest.rsplit_once(END)?;
        (end.strip_suffix(DASHES)? == label).then_some(Self { label, body })
    }

    /// Whether header fields say that it is encrypted (RFC 1421 §4.6.1.1), as OpenSSL does. No base64 has a hyphen.
    pub fn is_encrypted(&self) -> bool {
        let first = self.lines().find(|line| !line.trim_ascii().is_empty());
        first.is_some_and(|line| line.trim_ascii_start().starts_with("Proc-Type: 4,ENCRYPTED"))
    }

    /// The bytes.
    pub fn decode(&self) -> Option<Zeroizing<Vec<u8>>> {
        // Both buffers have their full size from the start: one that grows leaves copies behind.
        let mut base64 = Zeroizing::new(Vec::with_capacity(self.body.len()));
        base64.extend(self.lines().flat_map(str::bytes).filter(|byte| !byte.is_ascii_whitespace()));
        let mut bytes = Zeroizing::new(vec![0; base64.len()]);
        let length = STANDARD.decode_slice(&base64, &mut bytes).ok()?;
        bytes.truncate(length);
        Some(bytes)
    }

    /// What stands between line ends that are written.
    fn lines(&self) -> impl Iterator<Item = &'p str> {
        let [line_feed, carriage_return] = WRITTEN_LINE_ENDS;
        self.body.split(line_feed).flat_map(move |line| line.split(carriage_return))
    }
}

/// The first block with this label, as it stands in a text. RFC 7468 §2 allows any text around blocks.
pub fn first<'p>(text: &'p str, label: &str) -> Option<&'p str> {
    let (begin, end) = (format!("{BEGIN}{label}{DASHES}"), format!("{END}{label}{DASHES}"));
    let block = text.get(text.find(&begin)?..)?;
    let (body, _) = block.strip_prefix(&begin)?.split_once(&end)?;
    block.get(..begin.len() + body.len() + end.len())
}

/// Whether a text that should hold something public holds a private key, of whatever format.
pub fn has_private_key(text: &str) -> bool {
    text.contains("PRIVATE KEY-----")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const A: &str = "-----BEGIN A-----\r\n\tAAE\n= -----END A-----";

    fn read(pem: &str) -> Result<(&str, Option<Vec<u8>>), PemError> {
        Block::find(pem).map(|block| (block.label, block.decode().map(|bytes| bytes.to_vec())))
    }

    #[test]
    fn a_block_has_a_label_and_bytes_whatever_its_white_space_is() {
        assert_eq!(read(A), Ok(("A", Some(vec![0, 1]))));
        assert_eq!(read(&format!(" \n{A}\t ")), read(A));
        assert_eq!(
            read(&A.replace(char::is_whitespace, "").replace("BEGINA", "BEGIN A").replace("ENDA", "END A")),
            read(A)
        );
        assert_eq!(read("-----BEGIN A-----!-----END A-----"), Ok(("A", None)));
    }

    #[test]
    fn a_text_that_is_not_one_block_is_refused() {
        let long = A.replace('=', &format!("={}", " ".repeat(MAX_PEM_BYTES)));
        for pem in [
            "",
            "A",
            &format!("a{A}"),
            &format!("{A}a"),
            &A.replace("END A", "END B"),
            &A.replace("-----END A-----", ""),
            &long,
        ] {
            assert_eq!(read(pem), Err(PemError::NotPem), "{pem}");
        }
        assert_eq!(read(&format!("{A}{A}")), Err(PemError::SeveralBlocks));
    }

    #[test]
    fn in_a_file_text_before_the_block_is_left_out() {
        let read =
            |text: &str| Block::find_in_file(text).map(|block| (block.label == "A", block.decode().unwrap().to_vec()));
        let good = Ok((true, vec![0, 1]));
        for before in [
            "Bag Attributes\n    friendlyName: \u{628}\u{646}\u{643}\nKey Attributes: <No Attributes>\n",
            "Private-Key: (2 bit)\n",
            "-- \\n",
        ] {
            assert_eq!(read(&format!("{before}{A}\n")), good, "{before}");
            assert_eq!(Block::find(&format!("{before}{A}\n")).err(), Some(PemError::NotPem), "{before}");
        }
        assert_eq!(read(A), good);
        assert_eq!(read(&format!("{A}after")), Err(PemError::NotPem));
        assert_eq!(read(&format!("before{A}{A}")), Err(PemError::SeveralBlocks));
        assert_eq!(read("before"), Err(PemError::NotPem));
        let spaces = " ".repeat(MAX_PEM_BYTES);
        assert_eq!(read(&format!("{spaces}{A}")), good, "it is not part of the block");
        assert_eq!(read(&format!("{spaces}{spaces}{A}")), Err(PemError::NotPem));
        assert_eq!(read(&A.replace('=', &format!("={spaces}"))), Err(PemError::NotPem));
    }

    #[test]
    fn in_a_file_line_ends_may_be_written_as_two_characters() {
        for text in [
            "-----BEGIN A-----\\nAA\\nE=\\n-----END A-----\\n",
            "-----BEGIN A-----\\r\\nAAE=\\r\\n-----END A-----\\r\\n \\n",
            "key:\\n-----BEGIN A-----\\nAA\nE=\n-----END A-----\n",
        ] {
            let block = Block::find_in_file(text).unwrap();
            assert_eq!(block.decode().unwrap().to_vec(), [0, 1], "{text}");
            assert!(!block.is_encrypted());
            assert_eq!(Block::find(text).err(), Some(PemError::NotPem), "{text}");
        }
        for text in ["-----BEGIN A-----\\tAAE=-----END A-----", "-----BEGIN A-----\\\\nAAE=-----END A-----"] {
            assert_eq!(Block::find_in_file(text).unwrap().decode(), None, "{text}");
        }
        let encrypted = "-----BEGIN A-----\\nProc-Type: 4,ENCRYPTED\\nDEK-Info: x\\n\\nAAE=\\n-----END A-----\\n";
        assert!(Block::find_in_file(encrypted).unwrap().is_encrypted());
    }

    #[test]
    fn of_a_text_the_first_block_with_a_label_is_found() {
        let b = A.replace(" A-", " B-");
        for text in [A.to_owned(), format!("{b}text{A}{A}"), format!("-----END A-----{A}-----BEGIN A-----")] {
            assert_eq!(first(&text, "A"), Some(A), "{text}");
        }
        for text in ["", "-----BEGIN A-----", "-----BEGIN A-----END A-----", &b, &format!("-----END A----- {b}")] {
            assert_eq!(first(text, "A"), None, "{text}");
        }
    }

    #[test]
    fn a_private_key_of_any_format_is_noticed_wherever_it_stands() {
        for format in ["", "RSA ", "EC ", "ENCRYPTED ", "OPENSSH "] {
            assert!(has_private_key(&format!("{A}\n-----BEGIN {format}PRIVATE KEY-----\n")), "{format}");
        }
        assert!(!has_private_key(&A.replace(" A-", " PUBLIC KEY-")));
    }

    proptest! {
        #[test]
        fn a_file_is_read_as_its_block_is_whatever_stands_before(before in "[^-]{0,40}", text in "(\\PC|-----BEGIN A-----|-----END A-----|\\\\n){0,8}") {
            let file = format!("{before}{A}");
            let (found, block) = (Block::find_in_file(&file).unwrap(), Block::find(A).unwrap());
            prop_assert_eq!((found.label, found.body), (block.label, block.body));
            let _ = Block::find_in_file(&text).map(|block| block.decode());
        }

        #[test]
        fn what_is_found_first_begins_and_ends_with_its_boundaries(before in "[ -~]{0,20}", body in "[ -~]{0,40}") {
            let text = format!("{before}-----BEGIN A-----{body}-----END A-----{before}");
            let found = first(&text, "A").unwrap();
            prop_assert!(found.starts_with("-----BEGIN A-----") && found.ends_with("-----END A-----"));
        }
    }
}
