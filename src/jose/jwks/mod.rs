//! JWK sets (RFC 7517 §5): which of the keys that somebody published may verify which signatures.
//!
//! A set holds foreign, old and broken keys too. Each is skipped by itself (RFC 7517 §5), so that one of them never takes
//! the good ones away; what remains is found by `kid` and algorithm. How servers write keys differs: where nothing is lost, a
//! key is read although it is not written as the standard says.

mod skipped;

use litemap::LiteMap;
use serde::Serialize;

use crate::ecdsa::P256PublicKey;
use crate::json::{self, Object, Value};
use crate::rsa::{RsaKeyError, RsaPublicKey};

use super::algorithm::Algorithm;
use super::base64url::{base64url, to_base64url};
use super::key::{PublicKey, VerificationKey, is_key_id};

pub(crate) use skipped::{SkipReason, SkippedKeys};

/// The largest key set that is read, in bytes. Trust Framework keys carry `x5c` and have 2 to 3 KB each.
pub(crate) const MAX_SET_LENGTH: usize = 256 * 1024;

/// The most keys that are kept of one set; the rest is ignored.
pub(crate) const MAX_KEYS: usize = 64;

/// The members that only a private key has (RFC 7518 §6.2.2, §6.3.2). A key that was published with one is not secret any
/// more. Some servers write them empty.
const PRIVATE_MEMBERS: [&str; 7] = ["d", "p", "q", "dp", "dq", "qi", "oth"];

/// The `crv` of P-256 (RFC 7518 §6.2.1.1).
const P256_CURVE: &str = "P-256";

/// Public keys that may verify an accepted algorithm; never empty.
#[derive(Debug)]
pub struct KeySet {
    accepted: Vec<Algorithm>,
    keys: LiteMap<String, SameId>,
}

/// The keys of one `kid`, which keys of different types may share (RFC 7517 §4.5).
#[derive(Debug, Default)]
struct SameId {
    rsa: Claimed,
    p256: Claimed,
}

/// The key of one `kid` and type.
#[derive(Debug, Default)]
enum Claimed {
    #[default]
    Never,
    Once(Box<VerificationKey>),
    /// Different keys claim the id, so that it names none of them.
    Often,
}

/// Why a body gives no key set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JwksError {
    /// Longer than [`MAX_SET_LENGTH`].
    TooLong,
    /// Not a JSON object with exactly one array `keys`.
    NotASet,
    /// No key of the set may verify an accepted algorithm.
    NoUsableKey,
}

impl KeySet {
    /// Reads a JWK set and keeps the keys that may verify an accepted algorithm: `kty` RSA with 2048 to 4096 bits or `kty`
    /// EC on P-256, with a `kid`, public, and allowed to verify as far as `use`, `key_ops` and `alg` say anything. A `kid`
    /// that different ones of one type claim names none of these; the same key twice is one key.
    ///
    /// # Errors
    /// See [`JwksError`].
    pub fn parse(body: &[u8], accepted: &[Algorithm]) -> Result<Self, JwksError> {
        Self::parse_and_tell(body, accepted, &mut SkippedKeys::default())
    }

    /// The same, and tells which keys were skipped.
    ///
    /// # Errors
    /// See [`JwksError`].
    pub(crate) fn parse_and_tell(
        body: &[u8],
        accepted: &[Algorithm],
        skipped: &mut SkippedKeys,
    ) -> Result<Self, JwksError> {
        if body.len() > MAX_SET_LENGTH {
            return Err(JwksError::TooLong);
        }
        let mut keys: LiteMap<String, SameId> = LiteMap::new_vec();
        let mut kept: usize = 0;
        for json in json::raw_items(body, "keys").ok_or(JwksError::NotASet)? {
            let Ok(Value::Object(jwk)) = Value::parse(json) else {
                skipped.note(None, SkipReason::NotAnObject);
                continue;
            };
            let key_id = jwk.text("kid");
            let is_full = kept >= MAX_KEYS;
            // Behind the last that is kept only what is published once more, for another algorithm, is worth the time to read it.
            let is_known = key_id.is_some_and(|key_id| keys.contains_key(key_id));
            let key = if is_full && !is_known { Err(SkipReason::TooMany) } else { usable_key(&jwk, accepted) };
            let (name, key) = match key {
                Ok(usable) => usable,
                Err(reason) => {
                    skipped.note(key_id, reason);
                    continue;
                }
            };
            match keys.entry(name).or_default().of_type_of(key.public()) {
                Claimed::Never if is_full => skipped.note(key_id, SkipReason::TooMany),
                claimed => match claimed.claim(key) {
                    Claim::First => kept = kept.saturating_add(1),
                    Claim::Again => {}
                    Claim::Contradicts { first } => {
                        // The one before is skipped too, which is noted once.
                        if first {
                            skipped.note(key_id, SkipReason::Ambiguous);
                        }
                        skipped.note(key_id, SkipReason::Ambiguous);
                    }
                },
            }
        }
        let set = Self { accepted: accepted.to_vec(), keys };
        if set.len() == 0 { Err(JwksError::NoUsableKey) } else { Ok(set) }
    }

    /// The key of this id that may verify this algorithm. There is none for an algorithm that is not accepted.
    #[must_use]
    pub fn key(&self, key_id: &str, algorithm: Algorithm) -> Option<&VerificationKey> {
        if !self.accepted.contains(&algorithm) {
            return None;
        }
        self.keys.get(key_id)?.iter().find(|key| key.may_verify(algorithm))
    }

    /// The key that may verify this algorithm, if there is exactly one: for tokens that name none. The same key under several ids is
    /// one.
    #[must_use]
    pub(crate) fn only_key(&self, algorithm: Algorithm) -> Option<&VerificationKey> {
        if !self.accepted.contains(&algorithm) {
            return None;
        }
        let mut keys = self.keys.values().flat_map(SameId::iter).filter(|key| key.may_verify(algorithm));
        let only = keys.next()?;
        keys.all(|key| key.thumbprint() == only.thumbprint()).then_some(only)
    }

    /// Their ids, in order.
    #[cfg(not(target_family = "wasm"))]
    pub(crate) fn key_ids(&self) -> impl Iterator<Item = &str> {
        self.keys.iter().filter(|(_, keys)| keys.iter().next().is_some()).map(|(key_id, _)| key_id.as_str())
    }

    /// How many keys there are: 1 to [`MAX_KEYS`].
    #[must_use]
    pub(crate) fn len(&self) -> usize {
        self.keys.values().flat_map(SameId::iter).count()
    }

    /// The set as a JWK set of the members that matter here: [`KeySet::parse`] makes the same set of it.
    #[must_use]
    pub fn to_jwks(&self) -> String {
        let keys = self.keys.iter().flat_map(|(key_id, keys)| keys.iter().map(move |key| (key_id, key)));
        let mut written = Vec::new();
        for (key_id, key) in keys {
            match key.restriction() {
                [] => written.push(Jwk::of(key_id, key, None)),
                // Once for each algorithm, as it was published.
                only => written.extend(only.iter().map(|algorithm| Jwk::of(key_id, key, Some(*algorithm)))),
            }
        }
        let set = JwkSet { keys: written };
        // Strings always serialise; were that ever to change, an empty text is no set.
        serde_json::to_string(&set).unwrap_or_default()
    }
}

impl SameId {
    fn of_type_of(&mut self, key: &PublicKey) -> &mut Claimed {
        match key {
            PublicKey::Rsa(_) => &mut self.rsa,
            PublicKey::P256(_) => &mut self.p256,
        }
    }

    fn iter(&self) -> impl Iterator<Item = &VerificationKey> {
        [&self.rsa, &self.p256].into_iter().filter_map(|claimed| match claimed {
            Claimed::Once(key) => Some(&**key),
            Claimed::Never | Claimed::Often => None,
        })
    }
}

/// What a claim of an id is to those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Claim {
    /// There is none.
    First,
    /// It is by the same key.
    Again,
    /// It is by another key.
    Contradicts {
        /// As the first one that is.
        first: bool,
    },
}

impl Claimed {
    /// A claim by another key leaves [`Claimed::Often`] behind, so that a third one cannot bring a key back. The same key may be
    /// published several times: for each algorithm, or for each certificate that it has.
    fn claim(&mut self, key: VerificationKey) -> Claim {
        let (claimed, claim) = match std::mem::take(self) {
            Self::Never => (Self::Once(Box::new(key)), Claim::First),
            Self::Once(known) if known.thumbprint() == key.thumbprint() => {
                (Self::Once(Box::new(known.or(key))), Claim::Again)
            }
            Self::Once(_) => (Self::Often, Claim::Contradicts { first: true }),
            Self::Often => (Self::Often, Claim::Contradicts { first: false }),
        };
        *self = claimed;
        claim
    }
}

/// A JWK set to be written.
#[derive(Serialize)]
struct JwkSet<'a> {
    keys: Vec<Jwk<'a>>,
}

/// A JWK to be written. Which members it has depends on `kty`.
#[derive(Serialize)]
struct Jwk<'a> {
    kid: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    alg: Option<&'static str>,
    kty: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    crv: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    n: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    e: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    x: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    y: Option<String>,
}

impl<'a> Jwk<'a> {
    fn of(kid: &'a str, key: &VerificationKey, algorithm: Option<Algorithm>) -> Self {
        let alg = algorithm.map(Algorithm::name);
        let empty = Self { kid, alg, kty: "", crv: None, n: None, e: None, x: None, y: None };
        let number = |bytes: &[u8]| Some(to_base64url(bytes));
        match key.public() {
            PublicKey::Rsa(key) => Self { kty: "RSA", n: number(&key.modulus()), e: number(&key.exponent()), ..empty },
            PublicKey::P256(key) => {
                Self { kty: "EC", crv: Some(P256_CURVE), x: number(key.x()), y: number(key.y()), ..empty }
            }
        }
    }
}

/// The key and its id, if it may verify an accepted algorithm.
fn usable_key(jwk: &Object<'_>, accepted: &[Algorithm]) -> Result<(String, VerificationKey), SkipReason> {
    if PRIVATE_MEMBERS.iter().any(|member| jwk.member(member).is_some_and(|value| !is_empty(value))) {
        return Err(SkipReason::Private);
    }
    check_may_verify_signatures(jwk)?;
    let key_id = jwk.text("kid").filter(|kid| is_key_id(kid)).ok_or(SkipReason::KeyId)?;
    let key = public_key(jwk)?;
    let key = match stated(jwk, "alg") {
        None => key,
        Some(name) => {
            let algorithm = name.as_text().and_then(Algorithm::from_name).ok_or(SkipReason::Algorithm)?;
            key.restricted_to(algorithm)
        }
    };
    let usable = accepted.iter().any(|algorithm| key.may_verify(*algorithm));
    if usable { Ok((key_id.to_owned(), key)) } else { Err(SkipReason::Algorithm) }
}

/// A member that says something: some servers write `null` for what they do not know.
fn stated<'m, 'a>(jwk: &'m Object<'a>, name: &str) -> Option<&'m Value<'a>> {
    jwk.member(name).filter(|value| !matches!(value, Value::Null))
}

/// Whether there is nothing in it.
fn is_empty(value: &Value<'_>) -> bool {
    match value {
        Value::Null => true,
        Value::List(items) => items.is_empty(),
        other => other.as_text() == Some(""),
    }
}

/// Whether `use` (RFC 7517 §4.2) and `key_ops` (§4.3), where they say anything, allow to verify signatures.
fn check_may_verify_signatures(jwk: &Object<'_>) -> Result<(), SkipReason> {
    if stated(jwk, "use").is_some_and(|usage| usage.as_text() != Some("sig")) {
        return Err(SkipReason::Usage);
    }
    let operations = match stated(jwk, "key_ops") {
        None => true,
        Some(Value::List(operations)) => {
            operations.is_empty() || operations.iter().any(|operation| operation.as_text() == Some("verify"))
        }
        Some(_) => false,
    };
    if operations { Ok(()) } else { Err(SkipReason::Operations) }
}

/// The public key of a JWK (RFC 7518 §6).
fn public_key(jwk: &Object<'_>) -> Result<VerificationKey, SkipReason> {
    match jwk.text("kty") {
        Some("RSA") => {
            let key = RsaPublicKey::new(&unsigned(jwk, "n")?, &unsigned(jwk, "e")?);
            key.map(Into::into).map_err(|error| match error {
                RsaKeyError::ModulusSize => SkipReason::Size,
                _ => SkipReason::NotAKey,
            })
        }
        Some("EC") if jwk.text("crv") == Some(P256_CURVE) => {
            let key = P256PublicKey::new(&octets(jwk, "x")?, &octets(jwk, "y")?);
            key.map(Into::into).map_err(|_| SkipReason::NotAKey)
        }
        _ => Err(SkipReason::Type),
    }
}

/// A Base64urlUInt (RFC 7518 §2): big-endian. In as few bytes as possible, but some servers write the sign of their own
/// integers too, or all bytes of a word: a zero in front changes nothing.
fn unsigned(jwk: &Object<'_>, name: &str) -> Result<Vec<u8>, SkipReason> {
    let mut bytes = octets(jwk, name)?;
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    bytes.drain(..zeros);
    if bytes.is_empty() { Err(SkipReason::Number) } else { Ok(bytes) }
}

/// The bytes of a member in base64url, which may be padded to whole groups of four.
fn octets(jwk: &Object<'_>, name: &str) -> Result<Vec<u8>, SkipReason> {
    let text = jwk.text(name).ok_or(SkipReason::Number)?;
    let is_padded = text.len().is_multiple_of(4);
    let unpadded = text.strip_suffix("==").or_else(|| text.strip_suffix('=')).filter(|_| is_padded);
    base64url(unpadded.unwrap_or(text)).ok_or(SkipReason::Number)
}

#[cfg(test)]
mod tests;
