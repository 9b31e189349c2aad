//! The settings of the method API key (spec §2.2): the digests of the keys that the bank gave the Hub, each with an id and
//! its time, and where a request carries its key. The keys themselves never stand in a configuration.

use sha2::{Digest as _, Sha256};
use subtle::{Choice, ConstantTimeEq};

use crate::time::UnixTime;

/// The longest `id`, in bytes. It stands in log lines and in a header for the bank.
pub const MAX_KEY_ID_BYTES: usize = 64;

const DIGEST_OCTETS: usize = 32;

/// The settings of the method API key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKey {
    /// The keys that are known, at least one. During a rotation two of them are valid at once.
    pub keys: Vec<KnownKey>,
    /// The header that carries the key, in lower case.
    pub header: String,
    /// What stands before the key, if anything does: a scheme as `Basic` is one.
    pub scheme: Option<String>,
}

/// A key as far as it is known here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownKey {
    /// Its name. No other key has the same.
    pub id: KeyId,
    /// Its digest. No other key has the same.
    pub digest: KeyDigest,
    /// From when on it is valid; always, if absent.
    pub not_before: Option<UnixTime>,
    /// From when on it is no longer valid, later than `not_before`; never, if absent.
    pub expires: Option<UnixTime>,
}

/// The name of a key: 1 to 64 visible ASCII characters, so that it can stand in a log line and in a header.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct KeyId(String);

/// SHA-256 of a key. Compared in constant time, and never printed: whoever knows it can try keys at home.
#[derive(Clone, Copy)]
pub struct KeyDigest([u8; DIGEST_OCTETS]);

impl KeyId {
    /// The name, if it can be one.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let fits =
            !text.is_empty() && text.len() <= MAX_KEY_ID_BYTES && text.bytes().all(|byte| byte.is_ascii_graphic());
        fits.then(|| Self(text.to_owned()))
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for KeyId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl KeyDigest {
    /// The digest of this key.
    #[must_use]
    pub fn of(key: &[u8]) -> Self {
        Self(Sha256::digest(key).into())
    }

    /// Reads 64 hexadecimal digits of either case.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (pairs, []) = text.as_bytes().as_chunks::<2>() else { return None };
        let pairs: &[[u8; 2]; DIGEST_OCTETS] = pairs.try_into().ok()?;
        let mut octets = [0; DIGEST_OCTETS];
        for (octet, [high, low]) in octets.iter_mut().zip(pairs) {
            let digit = |byte: &u8| char::from(*byte).to_digit(16);
            *octet = u8::try_from(digit(high)? * 16 + digit(low)?).ok()?;
        }
        Some(Self(octets))
    }
}

impl ConstantTimeEq for KeyDigest {
    fn ct_eq(&self, other: &Self) -> Choice {
        self.0.ct_eq(&other.0)
    }
}

impl PartialEq for KeyDigest {
    fn eq(&self, other: &Self) -> bool {
        self.ct_eq(other).into()
    }
}

impl Eq for KeyDigest {}

impl std::fmt::Debug for KeyDigest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[redacted]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// SHA-256 of `abc`, from FIPS 180-4's examples.
    const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    #[test]
    fn a_digest_is_64_hexadecimal_digits_of_either_case() {
        assert_eq!(KeyDigest::parse(ABC), Some(KeyDigest::of(b"abc")));
        assert_eq!(KeyDigest::parse(&ABC.to_uppercase()), Some(KeyDigest::of(b"abc")));
        let plus = ABC.replacen("ba", "+a", 1);
        let arabic = ABC.replacen("ba", "\u{661}", 1);
        for text in ["", "ba", ABC.split_at(62).0, &format!("{ABC}00"), &format!("{ABC} "), &plus, &arabic] {
            assert_eq!(KeyDigest::parse(text), None, "{text}");
        }
    }

    #[test]
    fn digests_of_different_keys_differ_and_none_is_printed() {
        let digest = KeyDigest::of(b"abc");
        assert_ne!(digest, KeyDigest::of(b"abd"));
        let last_bit = ABC.replacen("15ad", "15ac", 1);
        assert_ne!(KeyDigest::parse(&last_bit), Some(digest));
        assert_eq!(format!("{digest:?}"), "[redacted]");
    }

    #[test]
    fn a_key_id_can_stand_in_a_header_and_in_a_log_line() {
        for id in ["2026", "!~", &"x".repeat(MAX_KEY_ID_BYTES)] {
            assert_eq!(KeyId::new(id).map(|id| id.to_string()).as_deref(), Some(id));
        }
        for id in ["", "a b", "a\n", "a\u{7f}", "بنك", &"x".repeat(MAX_KEY_ID_BYTES + 1)] {
            assert_eq!(KeyId::new(id), None, "{id:?}");
        }
    }
}
