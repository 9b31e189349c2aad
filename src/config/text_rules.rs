//! What texts may be that several settings have in common.

use super::reader::TextRule;
use crate::jose::MAX_KID_LENGTH;

/// The `kid` of a key of the bank: what is accepted as the `kid` of others.
pub(super) const KEY_ID: TextRule = TextRule {
    expected: "a string of 1 to 256 bytes without control characters",
    max_bytes: MAX_KID_LENGTH,
    allows: |character| !character.is_control(),
};

/// The `PROVIDER_ID` of a bank: a header value and a claim. No white space that a gateway could trim, nothing that two
/// encodings spell apart.
pub(super) const PROVIDER_ID: TextRule = TextRule {
    expected: "a string of 1 to 128 visible ASCII characters",
    max_bytes: 128,
    allows: |character| character.is_ascii_graphic(),
};

/// A token of RFC 9110 §5.6.2; the bound is above every header name and scheme in use.
pub(super) const fn token(expected: &'static str) -> TextRule {
    let allows = |character: char| character.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(character);
    TextRule { expected, max_bytes: 64, allows }
}

/// The characters of PEM, and of the texts that are put in its place by mistake. A private key of 4096 bits has 3.3 KB, a
/// public one 800 bytes.
pub(super) const fn pem(expected: &'static str) -> TextRule {
    TextRule { expected, max_bytes: 16 * 1024, allows: |character| matches!(character, ' '..='~' | '\t' | '\r' | '\n') }
}
