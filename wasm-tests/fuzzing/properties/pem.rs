//! PEM that pem-rfc7468 reads, which is strict, is read as the same; and a block that is read is the same when pem-rfc7468 has written it.

use std::time::Duration;

use hub_auth_filter::facade::pem::{Block, first, has_private_key};
use hub_auth_filter::facade::rsa::{RsaPrivateKey, RsaPublicKey};
use pem_rfc7468::LineEnding;

use crate::cost::{Bound, bounded};

/// A key is checked, which takes its numbers apart.
const KEY: Bound = Bound { base: 512 * 1024, per_byte: 512, time: Duration::from_secs(1) };

pub(crate) fn check(data: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(data) else { return false };
    let block = bounded(Bound::TEXT, text.len(), || Block::find(text).ok());
    let in_file = bounded(Bound::TEXT, text.len(), || Block::find_in_file(text).ok());
    let read = |block: &Block<'_>| {
        let decoded = bounded(Bound::TEXT, text.len(), || block.decode());
        decoded.map(|bytes| (block.label.to_owned(), bytes.to_vec()))
    };
    let [alone, in_file] = [&block, &in_file].map(|block| block.as_ref().map(read));
    if block.is_some() {
        assert_eq!(alone, in_file, "a block alone is a file");
    }
    if let Ok((label, bytes)) = pem_rfc7468::decode_vec(data)
        && text.matches("-----BEGIN ").count() == 1
    {
        let theirs = Some(Some((label.to_owned(), bytes)));
        assert_eq!(in_file, theirs);
        if text.starts_with("-----BEGIN ") && !text.contains('\\') {
            assert_eq!(alone, theirs);
        }
    }
    if let Some(Some((label, bytes))) = &in_file {
        check_written(label, bytes);
    }
    check_first(text);
    check_private(text, block.as_ref());
    let _ = bounded(KEY, text.len(), || RsaPublicKey::from_pem(text).is_ok());
    let _ = bounded(KEY, text.len(), || RsaPrivateKey::from_pem(text).is_ok());
    in_file.is_some_and(|decoded| decoded.is_some())
}

fn check_written(label: &str, bytes: &[u8]) {
    for ending in [LineEnding::LF, LineEnding::CRLF] {
        let Ok(written) = pem_rfc7468::encode_string(label, ending, bytes) else { continue };
        if written.len() <= 16 * 1024 {
            let block = Block::find(&written).expect("a block");
            assert_eq!((block.label, block.decode().map(|bytes| bytes.to_vec()).as_deref()), (label, Some(bytes)));
        }
    }
}

/// The first block of a label begins where that label begins first, and ends where it ends next.
fn check_first(text: &str) {
    const LABEL: &str = "CERTIFICATE";
    let (begin, end) = ("-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----");
    let found = bounded(Bound::TEXT, text.len(), || first(text, LABEL));
    let start = text.find(begin);
    let stop = start.and_then(|start| Some(start + begin.len() + text[start + begin.len()..].find(end)? + end.len()));
    assert_eq!(found, start.zip(stop).map(|(start, stop)| &text[start..stop]));
}

fn check_private(text: &str, block: Option<&Block<'_>>) {
    let is_private = bounded(Bound::TEXT, text.len(), || has_private_key(text));
    if block.is_some_and(|block| block.label.ends_with("PRIVATE KEY")) {
        assert!(is_private);
    }
}
