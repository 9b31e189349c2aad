//! base64url without padding (RFC 7515 §2): the encoding of a JWS and of the numbers in a JWK.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// Decodes base64url. Padding, white space, foreign characters and non-zero trailing bits
/// are refused, so that no two texts stand for the same bytes.
pub(crate) fn base64url(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}

/// Decodes like [`base64url`] to the beginning of `room`, of which the rest is left. There is always enough for a text that is not longer.
pub(crate) fn base64url_into<'a>(room: &mut &'a mut [u8], text: &str) -> Option<&'a [u8]> {
    let length = URL_SAFE_NO_PAD.decode_slice(text, room).ok()?;
    let (decoded, rest) = std::mem::take(room).split_at_mut_checked(length)?;
    *room = rest;
    Some(decoded)
}

/// How many bytes a text has that [`base64url`] decodes.
pub(super) fn decoded_length(text: &str) -> usize {
    text.len().saturating_mul(3) / 4
}

/// Encodes as [`base64url`] decodes.
pub(crate) fn to_base64url(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

#[cfg(test)]
mod tests {
    use super::{base64url, to_base64url};

    #[test]
    fn base64url_is_canonical_or_refused() {
        // RFC 7515 appendix C
        assert_eq!(base64url("A-z_4ME"), Some(vec![3, 236, 255, 224, 193]));
        assert_eq!(to_base64url(&[3, 236, 255, 224, 193]), "A-z_4ME");
        assert_eq!(base64url(""), Some(vec![]));
        for text in ["A-z_4ME=", "A+z/4ME", "A-z_4MF", "A", "A-z_ 4ME", "A-z_4ME\n", "A-z_4M\u{c9}"] {
            assert_eq!(base64url(text), None, "{text:?}");
        }
    }
}
