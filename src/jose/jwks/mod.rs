//! JWK sets (RFC 7517 §5): which of the keys that somebody published may verify which signatures.
//!
//! A set holds foreign, old and broken keys too. Each is skipped by itself (RFC 7517 §5), so that one of them never takes
//! the good ones away; what remains is found by `kid` and algorithm.

use litemap::LiteMap;
use serde::Serialize;

use crate::ecdsa::P256PublicKey;
use crate::json::{self, Object, Value};
use crate::rsa::RsaPublicKey;

use super::algorithm::Algorithm;
use super::base64url::{base64url, to_base64url};
use super::key::{PublicKey, VerificationKey, is_key_id};

/// The largest key set that is read, in bytes. Trust Framework keys carry `x5c` and have 2 to 3 KB each.
pub(crate) const MAX_SET_LENGTH: usize = 256 * 1024;

/// The most keys that are kept of one set; the rest is ignored.
pub(crate) const MAX_KEYS: usize = 64;

/// The members that only a private key has (RFC 7518 §6.2.2, §6.3.2). A key that was published with one is not secret any
/// more.
const PRIVATE_MEMBERS: [&str; 7] = ["d", "p", "q", "dp", "dq", "qi", "oth"];

/// The `crv` of P-256 (RFC 7518 §6.2.1.1).
const P256_CURVE: &str = "P-256";

/// Public keys that may verify an accepted algorithm; never empty.
#[derive(Debug)]
pub(crate) struct KeySet {
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
    Once(VerificationKey),
    /// Several keys claim the id, so that it names none of them.
    Often,
}

/// Why a body gives no key set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum JwksError {
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
    /// that several of them of one type claim names none of these.
    ///
    /// # Errors
    /// See [`JwksError`].
    pub(crate) fn parse(body: &[u8], accepted: &[Algorithm]) -> Result<Self, JwksError> {
        if body.len() > MAX_SET_LENGTH {
            return Err(JwksError::TooLong);
        }
        let usable = json::raw_items(body, "keys")
            .ok_or(JwksError::NotASet)?
            .into_iter()
            .filter_map(|jwk| usable_key(jwk, accepted));
        let mut keys: LiteMap<String, SameId> = LiteMap::new_vec();
        for (key_id, key) in usable.take(MAX_KEYS) {
            keys.entry(key_id).or_default().of_type_of(key.public()).claim(key);
        }
        let set = Self { accepted: accepted.to_vec(), keys };
        if set.len() == 0 { Err(JwksError::NoUsableKey) } else { Ok(set) }
    }

    /// The key of this id that may verify this algorithm. There is none for an algorithm that is not accepted.
    #[must_use]
    pub(crate) fn key(&self, key_id: &str, algorithm: Algorithm) -> Option<&VerificationKey> {
        if !self.accepted.contains(&algorithm) {
            return None;
        }
        self.keys.get(key_id)?.iter().find(|key| key.may_verify(algorithm))
    }

    /// How many keys there are: 1 to [`MAX_KEYS`].
    #[must_use]
    pub(crate) fn len(&self) -> usize {
        self.keys.values().flat_map(SameId::iter).count()
    }

    /// The set as a JWK set of the members that matter here: [`KeySet::parse`] makes the same set of it.
    #[must_use]
    pub(crate) fn to_jwks(&self) -> String {
        let keys = self.keys.iter().flat_map(|(key_id, keys)| keys.iter().map(|key| Jwk::of(key_id, key)));
        let set = JwkSet { keys: keys.collect() };
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
            Claimed::Once(key) => Some(key),
            Claimed::Never | Claimed::Often => None,
        })
    }
}

impl Claimed {
    /// A second claim leaves [`Claimed::Often`] behind, so that a third one cannot bring a key back.
    fn claim(&mut self, key: VerificationKey) {
        *self = match self {
            Self::Never => Self::Once(key),
            Self::Once(_) | Self::Often => Self::Often,
        };
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
    fn of(kid: &'a str, key: &VerificationKey) -> Self {
        let alg = key.restriction().map(Algorithm::name);
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
fn usable_key(json: &[u8], accepted: &[Algorithm]) -> Option<(String, VerificationKey)> {
    let Ok(Value::Object(jwk)) = Value::parse(json) else { return None };
    if PRIVATE_MEMBERS.iter().any(|member| jwk.contains(member)) || !may_verify_signatures(&jwk) {
        return None;
    }
    let key_id = jwk.text("kid").filter(|kid| is_key_id(kid))?;
    let key = public_key(&jwk)?;
    let key = match jwk.member("alg") {
        None => key,
        Some(name) => key.restricted_to(Algorithm::from_name(name.as_text()?)?),
    };
    let usable = accepted.iter().any(|algorithm| key.may_verify(*algorithm));
    usable.then(|| (key_id.to_owned(), key))
}

/// Whether `use` (RFC 7517 §4.2) and `key_ops` (§4.3), where they are given, allow to verify signatures.
fn may_verify_signatures(jwk: &Object<'_>) -> bool {
    let for_signatures = jwk.member("use").is_none_or(|usage| usage.as_text() == Some("sig"));
    let operations = match jwk.member("key_ops") {
        None => true,
        Some(Value::List(operations)) => operations.iter().any(|operation| operation.as_text() == Some("verify")),
        Some(_) => false,
    };
    for_signatures && operations
}

/// The public key of a JWK (RFC 7518 §6).
fn public_key(jwk: &Object<'_>) -> Option<VerificationKey> {
    match jwk.text("kty")? {
        "RSA" => RsaPublicKey::new(&unsigned(jwk, "n")?, &unsigned(jwk, "e")?).ok().map(Into::into),
        "EC" if jwk.text("crv") == Some(P256_CURVE) => {
            let coordinate = |name| base64url(jwk.text(name)?);
            P256PublicKey::new(&coordinate("x")?, &coordinate("y")?).ok().map(Into::into)
        }
        _ => None,
    }
}

/// A Base64urlUInt (RFC 7518 §2): big-endian, in as few bytes as possible.
fn unsigned(jwk: &Object<'_>, name: &str) -> Option<Vec<u8>> {
    base64url(jwk.text(name)?).filter(|bytes| bytes.first().is_some_and(|byte| *byte != 0))
}

#[cfg(test)]
mod tests;
