//! What texts may be that several settings have in common.

use super::reader::TextRule;
use crate::jose::MAX_KID_LENGTH;
use crate::pem::MAX_FILE_BYTES;

/// The `kid` of a key of the bank: what is accepted as the `kid` of others.
pub(super) const KEY_ID: TextRule = TextRule {
    expected: "a string of 1 to 256 bytes without control characters",
    max_bytes: MAX_KID_LENGTH,
    allows: |character| !character.is_control(),
};

/// The `PROVIDER_ID` of a bank: a header value and a claim. No white space that a gateway could trim, nothing that two
/// encodings spell apart.
pub(super) const PROVIDER_ID: TextRule = visible("a string of 1 to 128 visible ASCII characters", 128);

/// Up to so many visible ASCII characters: the value of a header, or of a member of JSON that goes into one.
pub(super) const fn visible(expected: &'static str, max_bytes: usize) -> TextRule {
    TextRule { expected, max_bytes, allows: |character| character.is_ascii_graphic() }
}

/// A token of RFC 9110 §5.6.2; the bound is above every header name and scheme in use.
pub(super) const fn token(expected: &'static str) -> TextRule {
    let allows = |character: char| character.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(character);
    TextRule { expected, max_bytes: 64, allows }
}

/// A file with PEM. What stands before the block may be a name in any script, so only control characters are refused here.
pub(super) const fn pem(expected: &'static str) -> TextRule {
    let allows = |character: char| matches!(character, '\t' | '\r' | '\n') || !character.is_control();
    TextRule { expected, max_bytes: MAX_FILE_BYTES, allows }
}
