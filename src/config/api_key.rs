//! The settings of the method API key (spec §2.2): the digests of the keys that the bank gave the Hub, each with an id and
//! its time, and where a request carries its key. The keys themselves never stand in a configuration.

use std::time::{Duration, UNIX_EPOCH};

use sha2::{Digest as _, Sha256};
use subtle::{Choice, ConstantTimeEq};

use super::errors::ConfigErrors;
use super::reader::{Keys, ListRule, Node, TextRule};
use crate::reserved::is_reserved;
use crate::time::UnixTime;

const KEYS: Keys = Keys { supported: &["keys", "header", "scheme"], planned: &[] };
const KEY_KEYS: Keys = Keys { supported: &["id", "sha256", "not_before", "expires"], planned: &[] };

/// Two keys overlap during a rotation, and a bank with several Hubs may give each its own; every one is compared on every
/// request.
const KNOWN_KEYS: ListRule = ListRule { of: "keys", min: 1, max: 16 };

/// The longest `id`, in bytes. It stands in log lines and in a header for the bank.
pub const MAX_KEY_ID_BYTES: usize = 64;

const ID: &str = "a string of 1 to 64 visible ASCII characters";

const DIGEST: &str = "the SHA-256 digest of a key in 64 hex digits";

const TIME: &str = "a time in UTC such as \"2026-11-21T00:00:00Z\"";

/// A token of RFC 9110 §5.6.2; the bound is above every header name and scheme in use.
const fn token(expected: &'static str) -> TextRule {
    let allows = |character: char| character.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(character);
    TextRule { expected, max_bytes: 64, allows }
}

const HEADER: TextRule = token("a header name of 1 to 64 characters");
const SCHEME: TextRule = token("a scheme such as \"ApiKey\" of 1 to 64 characters");

/// Headers that mean something else to the gateway, to HTTP or to this filter. The interaction ids are even logged.
const OTHER_HEADERS: [&str; 22] = [
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "date",
    "expect",
    "host",
    "keep-alive",
    "o3-aspsp-id",
    "o3-caller-interaction-id",
    "o3-ozone-interaction-id",
    "o3-provider-id",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "via",
    "x-fapi-interaction-id",
    "x-forwarded-client-cert",
    "x-forwarded-for",
    "x-request-id",
];

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

impl ApiKey {
    pub(super) fn read(node: &Node<'_>, errors: &mut ConfigErrors) -> Option<ApiKey> {
        let object = node.object(&KEYS, errors)?;
        let mut ids = Seen::new("ids");
        let mut digests = Seen::new("digests");
        let keys = object.member("keys").list(&KNOWN_KEYS, errors, |item, errors| {
            // Noted for every item, also for a broken one, because its position is told.
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
        let header = read_header(&object.member("header"), errors);
        let scheme = object.member("scheme");
        let scheme = if scheme.is_absent() || scheme.is_null() {
            Some(None)
        } else {
            scheme.text(&SCHEME, errors).map(|scheme| Some(scheme.to_owned()))
        };
        Some(ApiKey { keys: keys?, header: header?, scheme: scheme? })
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

/// The values of one member in the items of a list so far.
struct Seen<T> {
    of: &'static str,
    values: Vec<Option<T>>,
}

impl<T: PartialEq> Seen<T> {
    fn new(of: &'static str) -> Self {
        Self { of, values: Vec::new() }
    }

    /// The position of the item that had the same value, if one did.
    fn note(&mut self, value: Option<T>) -> Option<usize> {
        let earlier = self.values.iter().position(|seen| value.is_some() && *seen == value);
        self.values.push(value);
        earlier
    }

    fn refuse(&self, earlier: Option<usize>, node: &Node<'_>, errors: &mut ConfigErrors) {
        if let Some(position) = earlier {
            let of = self.of;
            node.refuse(format!("expected {of} without duplicates, got the same as at [{position}]"), errors);
        }
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

fn read_header(node: &Node<'_>, errors: &mut ConfigErrors) -> Option<String> {
    if node.is_absent() {
        return Some("authorization".to_owned());
    }
    let name = node.text(&HEADER, errors)?.to_ascii_lowercase();
    if OTHER_HEADERS.contains(&name.as_str()) || is_reserved(name.as_bytes()) {
        return node.refuse_text("a header of its own", "one that means something else", errors);
    }
    Some(name)
}

/// `Some(None)` if there is none.
fn read_time(node: &Node<'_>, errors: &mut ConfigErrors) -> Option<Option<UnixTime>> {
    if node.is_absent() {
        return Some(None);
    }
    let text = node.string(TIME, errors)?;
    match parse_time(text) {
        Ok(time) => Some(Some(time)),
        Err(got) => node.refuse_text(TIME, got, errors),
    }
}

/// RFC 3339 in UTC, with `T` and `Z` and at most nine decimal places. `humantime` alone reads more than that.
fn parse_time(text: &str) -> Result<UnixTime, &'static str> {
    let no_time = "a string that is not one";
    let (date_and_time, zone) = text.split_at_checked(19).ok_or(no_time)?;
    if !zone.ends_with('Z') {
        let has_offset = date_and_time.is_ascii() && zone.contains(['+', '-']);
        return Err(if has_offset { "one with an offset" } else { no_time });
    }
    let is_fraction =
        |digits: &str| (1..=9).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
    if zone != "Z" && !zone.strip_prefix('.').and_then(|rest| rest.strip_suffix('Z')).is_some_and(is_fraction) {
        return Err(no_time);
    }
    let time = humantime::parse_rfc3339(text).map_err(|_| no_time)?;
    let since_epoch = time.duration_since(UNIX_EPOCH).map_err(|_| no_time)?;
    let nanoseconds = Duration::from_nanos(since_epoch.subsec_nanos().into());
    Ok(UnixTime::from_secs(since_epoch.as_secs()).after(nanoseconds))
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
    fn a_time_is_rfc_3339_in_utc_to_the_millisecond() {
        for (text, printed) in [
            ("1970-01-01T00:00:00Z", "1970-01-01T00:00:00.000Z"),
            ("2026-11-21T09:30:00Z", "2026-11-21T09:30:00.000Z"),
            ("2026-11-21T09:30:00.5Z", "2026-11-21T09:30:00.500Z"),
            ("2028-02-29T23:59:59.123999999Z", "2028-02-29T23:59:59.123Z"),
            ("9999-12-31T23:59:59.999Z", "9999-12-31T23:59:59.999Z"),
        ] {
            assert_eq!(parse_time(text).map(UnixTime::to_rfc3339).as_deref(), Ok(printed));
        }
        for offset in ["+04:00", "-04:00", "+00:00", "-00:00", ".5+04:00"] {
            assert_eq!(parse_time(&format!("2026-11-21T09:30:00{offset}")), Err("one with an offset"), "{offset}");
        }
        for text in [
            "",
            "2026-11-21",
            "2026-11-21T09:30Z",
            "2026-11-21T09:30:00",
            "2026-11-21 09:30:00Z",
            "2026-11-21t09:30:00z",
            "2026-11-21T09:30:00z",
            "2026-11-21T09:30:00.Z",
            "2026-11-21T09:30:00.1234567890Z",
            "2026-11-21T09:30:00,5Z",
            "2026-11-21T09:30:00ZZ",
            "2026-11-21T09:30:00ZxxZ",
            "2026-11-21T09:30:00.5+00:00Z",
            "2026-11-21T09:30:00Z ",
            " 2026-11-21T09:30:00Z",
            "2026-02-29T00:00:00Z",
            "2026-13-01T00:00:00Z",
            "2026-00-01T00:00:00Z",
            "2026-11-21T24:00:00Z",
            "1969-12-31T23:59:59Z",
            "10000-01-01T00:00:00Z",
            "+026-11-21T00:00:00Z",
            "1795253400",
            "٢٠٢٦-11-21T09:30:00+04:00",
        ] {
            assert_eq!(parse_time(text), Err("a string that is not one"), "{text}");
        }
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
