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

const BEGIN: &str = "-----BEGIN ";
const END: &str = "-----END ";
const DASHES: &str = "-----";

/// One PEM block: what it says it is, and the bytes in it, which are overwritten when they go.
pub(crate) struct Block<'p> {
    pub(crate) label: &'p str,
    body: &'p str,
}

/// Why a text is not one PEM block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PemError {
    /// It is none, something stands before or after it, or it is longer than [`MAX_PEM_BYTES`].
    NotPem,
    /// There are several.
    SeveralBlocks,
}

impl<'p> Block<'p> {
    /// Finds the one block that a text consists of. White space around it is left out.
    pub(crate) fn find(pem: &'p str) -> Result<Self, PemError> {
        if pem.len() > MAX_PEM_BYTES {
            return Err(PemError::NotPem);
        }
        if pem.matches(BEGIN).count() > 1 {
            return Err(PemError::SeveralBlocks);
        }
        let find = || {
            let (label, rest) = pem.trim_ascii().strip_prefix(BEGIN)?.split_once(DASHES)?;
            let (body, end) = rest.rsplit_once(END)?;
            (end.strip_suffix(DASHES)? == label).then_some(Self { label, body })
        };
        find().ok_or(PemError::NotPem)
    }

    /// Whether header fields say that it is encrypted (RFC 1421 §4.6.1.1), as OpenSSL does. No base64 has a hyphen.
    pub(crate) fn is_encrypted(&self) -> bool {
        self.body.trim_ascii_start().starts_with("Proc-Type: 4,ENCRYPTED")
    }

    /// The bytes.
    pub(crate) fn decode(&self) -> Option<Zeroizing<Vec<u8>>> {
        // Both buffers have their full size from the start: one that grows leaves copies behind.
        let mut base64 = Zeroizing::new(Vec::with_capacity(self.body.len()));
        base64.extend(self.body.bytes().filter(|byte| !byte.is_ascii_whitespace()));
        let mut bytes = Zeroizing::new(vec![0; base64.len()]);
        let length = STANDARD.decode_slice(&base64, &mut bytes).ok()?;
        bytes.truncate(length);
        Some(bytes)
    }
}

/// The first block with this label, as it stands in a text. RFC 7468 §2 allows any text around blocks.
pub(crate) fn first<'p>(text: &'p str, label: &str) -> Option<&'p str> {
    let (begin, end) = (format!("{BEGIN}{label}{DASHES}"), format!("{END}{label}{DASHES}"));
    let block = text.get(text.find(&begin)?..)?;
    let (body, _) = block.strip_prefix(&begin)?.split_once(&end)?;
    block.get(..begin.len() + body.len() + end.len())
}

/// Whether a text that should hold something public holds a private key, of whatever format.
pub(crate) fn has_private_key(text: &str) -> bool {
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
        fn what_is_found_first_begins_and_ends_with_its_boundaries(before in "[ -~]{0,20}", body in "[ -~]{0,40}") {
            let text = format!("{before}-----BEGIN A-----{body}-----END A-----{before}");
            let found = first(&text, "A").unwrap();
            prop_assert!(found.starts_with("-----BEGIN A-----") && found.ends_with("-----END A-----"));
        }
    }
}
