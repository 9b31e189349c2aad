//! The settings of the method API key (spec §2.2): the digests of the keys that the bank gave the Hub, each with an id and
//! its time, and where a request carries its key. The keys themselves never stand in a configuration.

use std::fmt;

use sha2::{Digest as _, Sha256};
use subtle::{Choice, ConstantTimeEq};

use super::errors::ConfigErrors;
use super::header_name;
use super::reader::{Keys, ListRule, Node, TextRule};
use super::seen::Seen;
use super::text_rules::token;
use super::time::read_time;
use crate::hex;
use crate::time::UnixTime;

pub(super) const KEYS: Keys = Keys { supported: &["keys", "header", "scheme"], refused: &[] };
pub(super) const KEY_KEYS: Keys = Keys { supported: &["id", "sha256", "not_before", "expires"], refused: &[] };

/// Two keys overlap during a rotation, and a bank with several Hubs may give each its own; every one is compared on every
/// request.
pub(super) const KNOWN_KEYS: ListRule = ListRule { of: "keys", min: 1, max: 16 };

/// The longest `id`, in bytes. It stands in log lines and in a header for the bank.
pub(crate) const MAX_KEY_ID_BYTES: usize = 64;

const ID: &str = "a string of 1 to 64 visible ASCII characters";

const DIGEST: &str = "the SHA-256 digest of a key in 64 hex digits";

pub(super) const SCHEME: TextRule = token("a scheme such as \"ApiKey\" of 1 to 64 characters");

pub(super) const DIGEST_OCTETS: usize = 32;

/// The settings of the method API key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKey {
    /// The keys that are known, at least one. During a rotation two of them are valid at once.
    pub keys: Vec<KnownKey>,
    /// The header that carries the key, in lower case.
    pub header: String,
    /// The scheme before the key, such as `ApiKey`, if there is one.
    pub scheme: Option<String>,
}

/// What is known of a key: not the key itself.
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

/// SHA-256 of a key. Compared in constant time, and never printed: whoever knows it can try keys at home. It is kept in words, because
/// each request is compared with every key, whole, and a word takes as long as an octet.
#[derive(Clone, Copy)]
pub struct KeyDigest([u64; DIGEST_OCTETS / 8]);

impl ApiKey {
    pub(super) fn read(node: &Node<'_>, errors: &mut ConfigErrors) -> Option<Self> {
        let object = node.object(&KEYS, errors)?;
        let mut ids = Seen::new("ids");
        let mut digests = Seen::new("digests");
        let keys = object.member("keys").list(&KNOWN_KEYS, errors, |item, errors| {
            // Noted for every item, also for a broken one: errors name positions.
            let object = item.object(&KEY_KEYS, errors);
            let id = object.as_ref().and_then(|object| read_id(&object.member("id"), errors));
            let digest = object.as_ref().and_then(|object| read_digest(&object.member("sha256"), errors));
            let (earlier_id, earlier_digest) = (ids.note(id.clone()), digests.note(digest));
            let object = object?;
            ids.refuse(earlier_id, &object.member("id"), errors);
            digests.refuse(earlier_digest, &object.member("sha256"), errors);
            let not_before = read_time(&object.member("not_before"), errors);
            let expires = read_time(&object.member("expires"), errors);
            if let (Some(Some(start)), Some(Some(end))) = (not_before, expires)
                && start >= end
            {
                object.member("expires").refuse("expected a time after \"not_before\", got none after it", errors);
            }
            Some(KnownKey { id: id?, digest: digest?, not_before: not_before?, expires: expires? })
        });
        let header = header_name::read_of_request(&object.member("header"), errors);
        let scheme = object.member("scheme");
        let scheme = if scheme.is_absent() || scheme.is_null() {
            Some(None)
        } else {
            scheme.text(&SCHEME, errors).map(|scheme| Some(scheme.to_owned()))
        };
        Some(Self { keys: keys?, header: header?, scheme: scheme? })
    }
}

impl KeyId {
    /// The name, if it can be one.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let fits =
            !text.is_empty() && text.len() <= MAX_KEY_ID_BYTES && text.bytes().all(|byte| byte.is_ascii_graphic());
        fits.then(|| Self(text.to_owned()))
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl KeyDigest {
    /// The digest of this key.
    #[must_use]
    pub fn of(key: &[u8]) -> Self {
        Self::from_octets(&Sha256::digest(key).into())
    }

    /// Reads 64 hexadecimal digits of either case.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        hex::octets(text.as_bytes()).map(|octets| Self::from_octets(&octets))
    }

    fn from_octets(octets: &[u8; DIGEST_OCTETS]) -> Self {
        let (octets, _) = octets.as_chunks();
        let mut words = [0; DIGEST_OCTETS / 8];
        words.iter_mut().zip(octets).for_each(|(word, octets)| *word = u64::from_ne_bytes(*octets));
        Self(words)
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

impl fmt::Debug for KeyDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

fn read_id(node: &Node<'_>, errors: &mut ConfigErrors) -> Option<KeyId> {
    match KeyId::new(node.string(ID, errors)?) {
        Some(id) => Some(id),
        None => node.refuse_text(ID, "a string that is not one", errors),
    }
}

fn read_digest(node: &Node<'_>, errors: &mut ConfigErrors) -> Option<KeyDigest> {
    match KeyDigest::parse(node.string(DIGEST, errors)?) {
        // What a script digests when the variable with the key is not set.
        Some(digest) if digest == KeyDigest::of(b"") => {
            node.refuse_text("the digest of a key", "that of an empty one", errors)
        }
        Some(digest) => Some(digest),
        None => node.refuse_text(DIGEST, "a string that is not one", errors),
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
