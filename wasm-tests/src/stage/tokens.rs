//! Mints JWT Auth tokens (the standard's *JWT Auth*; RFC 7515, RFC 7519) and publishes JWK sets (RFC 7517) as the
//! Trust Framework does, with full control of every byte, so that a test can also mint what nobody should.
//!
//! aws-lc-rs signs, so neither signatures nor keys come from the code under test.

use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use aws_lc_rs::signature::KeyPair as _;
use aws_lc_rs::{hmac, signature};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use super::subject::Subject;

/// An RSA key that signs tokens, with its id and the certificates that the Trust Framework issued for it.
pub struct SigningKey {
    /// The id under which the set publishes it.
    pub kid: String,
    pair: signature::RsaKeyPair,
    pkcs8: Vec<u8>,
    chain: Vec<Vec<u8>>,
}

impl SigningKey {
    /// A key from PKCS#8 DER; `chain` is its certificate and those above it, DER.
    #[must_use]
    pub fn new(kid: &str, pkcs8: &[u8], chain: Vec<Vec<u8>>) -> Self {
        let pair = signature::RsaKeyPair::from_pkcs8(pkcs8).expect("an RSA key");
        Self { kid: kid.to_owned(), pair, pkcs8: pkcs8.to_vec(), chain }
    }

    /// The private key in PKCS#8 PEM (RFC 5958).
    #[must_use]
    pub fn pkcs8_pem(&self) -> String {
        pem("PRIVATE KEY", &self.pkcs8)
    }

    /// The private key in PKCS#1 PEM (RFC 8017 appendix A.1.2).
    #[must_use]
    pub fn pkcs1_pem(&self) -> String {
        let (info, _) = element(&self.pkcs8, 0x30);
        let (_version, rest) = element(info, 0x02);
        let (_algorithm, rest) = element(rest, 0x30);
        let (key, _) = element(rest, 0x04);
        pem("RSA PRIVATE KEY", key)
    }

    /// The public key in PKCS#1 PEM (RFC 8017 appendix A.1.1).
    #[must_use]
    pub fn public_pem(&self) -> String {
        pem("RSA PUBLIC KEY", self.public_der())
    }

    /// The public key as a JWK with `x5c`, as the Trust Framework publishes it.
    #[must_use]
    pub fn jwk(&self) -> Value {
        let (modulus, exponent) = modulus_and_exponent(self.public_der());
        json!({
            "kty": "RSA", "use": "sig", "alg": "PS256", "kid": self.kid,
            "n": URL_SAFE_NO_PAD.encode(modulus), "e": URL_SAFE_NO_PAD.encode(exponent),
            "x5c": self.chain.iter().map(|der| STANDARD.encode(der)).collect::<Vec<_>>(),
        })
    }

    /// The modulus, big-endian.
    #[must_use]
    pub fn modulus(&self) -> &[u8] {
        modulus_and_exponent(self.public_der()).0
    }

    /// The public key as RFC 8017 `RSAPublicKey` DER: what an HS256 forger uses as the secret.
    #[must_use]
    pub fn public_der(&self) -> &[u8] {
        self.pair.public_key().as_ref()
    }

    fn sign(&self, encoding: &'static dyn signature::RsaEncoding, message: &[u8]) -> Vec<u8> {
        let mut out = vec![0; self.pair.public_modulus_len()];
        self.pair.sign(encoding, &SystemRandom::new(), message, &mut out).expect("signature");
        out
    }
}

/// How a token is signed.
#[derive(Clone, Copy)]
pub enum Signer<'a> {
    /// RSASSA-PSS, SHA-256, salt of 32 bytes: the one that is right.
    Ps256(&'a SigningKey),
    /// RSASSA-PSS, SHA-384, salt of 48 bytes.
    Ps384(&'a SigningKey),
    /// RSASSA-PSS, SHA-512, salt of 64 bytes.
    Ps512(&'a SigningKey),
    /// RSASSA-PKCS1-v1_5, SHA-256.
    Rs256(&'a SigningKey),
    /// HMAC-SHA-256 with these bytes.
    Hs256(&'a [u8]),
    /// An empty signature.
    Unsigned,
}

/// Header and claims of a token before it is signed.
#[derive(Clone, Debug)]
pub struct Token {
    /// The JOSE header.
    pub header: Value,
    /// The claims.
    pub claims: Value,
}

impl Token {
    /// What `subject` sends to `audience` at `now`: right in everything, and valid for 30 seconds.
    #[must_use]
    pub fn new(subject: &Subject, kid: &str, audience: &str, now: u64) -> Self {
        Self {
            header: json!({"alg": "PS256", "typ": "JOSE", "cty": "json", "kid": kid}),
            claims: json!({
                "iss": subject.organisation, "sub": subject.organisational_unit, "aud": audience,
                "iat": now, "exp": now + 30, "jti": uuid(),
            }),
        }
    }

    /// With a header parameter set, or with `null` left out.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl Into<Value>) -> Self {
        set(&mut self.header, name, value.into());
        self
    }

    /// With a claim set, or with `null` left out.
    #[must_use]
    pub fn claim(mut self, name: &str, value: impl Into<Value>) -> Self {
        set(&mut self.claims, name, value.into());
        self
    }

    /// Valid from `iat` to `exp`.
    #[must_use]
    pub fn valid(self, iat: u64, exp: u64) -> Self {
        self.claim("iat", iat).claim("exp", exp)
    }

    /// The compact JWS.
    #[must_use]
    pub fn sign(&self, signer: Signer<'_>) -> String {
        compact(&self.header.to_string(), &self.claims.to_string(), signer)
    }
}

/// A compact JWS of exactly these bytes.
#[must_use]
pub fn compact(header: &str, claims: &str, signer: Signer<'_>) -> String {
    let input = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    sign_input(&input, signer)
}

/// A compact JWS over parts that are encoded already, well or badly.
#[must_use]
pub fn sign_input(input: &str, signer: Signer<'_>) -> String {
    let signature = match signer {
        Signer::Ps256(key) => key.sign(&signature::RSA_PSS_SHA256, input.as_bytes()),
        Signer::Ps384(key) => key.sign(&signature::RSA_PSS_SHA384, input.as_bytes()),
        Signer::Ps512(key) => key.sign(&signature::RSA_PSS_SHA512, input.as_bytes()),
        Signer::Rs256(key) => key.sign(&signature::RSA_PKCS1_SHA256, input.as_bytes()),
        Signer::Hs256(secret) => {
            hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), input.as_bytes()).as_ref().to_vec()
        }
        Signer::Unsigned => Vec::new(),
    };
    format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature))
}

/// The token with one bit of its signature changed.
#[must_use]
pub fn with_broken_signature(token: &str) -> String {
    let (input, encoded) = token.rsplit_once('.').expect("a compact JWS");
    let mut bytes = URL_SAFE_NO_PAD.decode(encoded).expect("base64url");
    *bytes.first_mut().expect("a signature") ^= 1;
    format!("{input}.{}", URL_SAFE_NO_PAD.encode(bytes))
}

/// The token with other claims under the signature of the first ones.
#[must_use]
pub fn with_swapped_claims(token: &str, claims: &Value) -> String {
    let mut parts = token.splitn(3, '.');
    let (header, _, signature) = (parts.next().expect("header"), parts.next(), parts.next().expect("signature"));
    format!("{header}.{}.{signature}", URL_SAFE_NO_PAD.encode(claims.to_string()))
}

/// A JWK set.
#[must_use]
pub fn jwks<'a>(keys: impl IntoIterator<Item = &'a SigningKey>) -> Value {
    json!({"keys": keys.into_iter().map(SigningKey::jwk).collect::<Vec<_>>()})
}

/// An RSA public key as a JWK, from its SubjectPublicKeyInfo (RFC 5280 §4.1.2.7).
#[must_use]
pub fn rsa_jwk(public_key_info: &[u8], kid: &str) -> Value {
    let (info, _) = element(public_key_info, 0x30);
    let (_algorithm, rest) = element(info, 0x30);
    let (bits, _) = element(rest, 0x03);
    let (modulus, exponent) = modulus_and_exponent(bits.strip_prefix(&[0]).expect("whole bytes"));
    let (n, e) = (URL_SAFE_NO_PAD.encode(modulus), URL_SAFE_NO_PAD.encode(exponent));
    json!({"kty": "RSA", "use": "sig", "alg": "PS256", "kid": kid, "n": n, "e": e})
}

/// Seconds since 1970.
#[must_use]
pub fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970").as_secs()
}

/// A random UUID, version 4.
#[must_use]
pub fn uuid() -> String {
    let mut bytes = [0_u8; 16];
    SystemRandom::new().fill(&mut bytes).expect("random bytes");
    let value = u128::from_be_bytes(bytes) & !(0xf << 76 | 0b11 << 62) | 0x4 << 76 | 0b10 << 62;
    let hex = format!("{value:032x}");
    [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
}

pub(crate) fn pem(label: &str, der: &[u8]) -> String {
    let encoded = STANDARD.encode(der);
    let lines: Vec<&str> = encoded.as_bytes().chunks(64).map(|line| str::from_utf8(line).expect("base64")).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

fn set(object: &mut Value, name: &str, value: Value) {
    let members = object.as_object_mut().expect("an object");
    if value.is_null() {
        members.remove(name);
    } else {
        members.insert(name.to_owned(), value);
    }
}

/// The two INTEGERs of an `RSAPublicKey`, without the zero byte that keeps a modulus positive.
fn modulus_and_exponent(der: &[u8]) -> (&[u8], &[u8]) {
    let (sequence, _) = element(der, 0x30);
    let (modulus, rest) = element(sequence, 0x02);
    let (exponent, _) = element(rest, 0x02);
    (modulus.strip_prefix(&[0]).unwrap_or(modulus), exponent)
}

/// The contents of the DER element at the front, and what follows it.
fn element(der: &[u8], tag: u8) -> (&[u8], &[u8]) {
    assert_eq!(der[0], tag, "an unexpected DER element");
    let (length, header) = match der[1] {
        short @ 0..0x80 => (usize::from(short), 2),
        long => {
            let bytes = usize::from(long & 0x7f);
            (der[2..2 + bytes].iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte)), 2 + bytes)
        }
    };
    der[header..].split_at(length)
}

#[cfg(test)]
mod tests {
    use super::super::pki::Pki;
    use super::*;

    #[test]
    fn a_minted_token_verifies_with_the_published_key_in_another_library() {
        let hub = &Pki::shared().hub;
        let token = Token::new(&hub.subject, &hub.signing.kid, "retail", now()).sign(Signer::Ps256(&hub.signing));
        let jwk: jsonwebtoken::jwk::Jwk = serde_json::from_value(hub.signing.jwk()).expect("a JWK");
        let key = jsonwebtoken::DecodingKey::from_jwk(&jwk).expect("a key");
        let mut rules = jsonwebtoken::Validation::new(jsonwebtoken::Algorithm::PS256);
        rules.set_audience(&["retail"]);
        assert!(jsonwebtoken::decode::<Value>(&token, &key, &rules).is_ok());
        assert!(jsonwebtoken::decode::<Value>(with_broken_signature(&token), &key, &rules).is_err());
    }

    #[test]
    fn a_private_key_in_either_pem_is_the_key_that_is_published() {
        let signing = &Pki::shared().bank.signing;
        let from_pkcs8 = jsonwebtoken::EncodingKey::from_rsa_pem(signing.pkcs8_pem().as_bytes()).expect("PKCS#8");
        let from_pkcs1 = jsonwebtoken::EncodingKey::from_rsa_pem(signing.pkcs1_pem().as_bytes()).expect("PKCS#1");
        let jwk: jsonwebtoken::jwk::Jwk = serde_json::from_value(signing.jwk()).expect("a JWK");
        let published = jsonwebtoken::DecodingKey::from_jwk(&jwk).expect("a key");
        let header = jsonwebtoken::Header::new(jsonwebtoken::Algorithm::PS256);
        let mut rules = jsonwebtoken::Validation::new(jsonwebtoken::Algorithm::PS256);
        rules.validate_aud = false;
        for key in [from_pkcs8, from_pkcs1] {
            let token = jsonwebtoken::encode(&header, &json!({"exp": now() + 30}), &key).expect("a token");
            assert!(jsonwebtoken::decode::<Value>(&token, &published, &rules).is_ok());
        }
    }

    #[test]
    fn a_uuid_says_version_four_and_the_rfc_variant() {
        let id = uuid();
        assert_eq!((id.len(), &id[14..15]), (36, "4"));
        assert!(matches!(&id[19..20], "8" | "9" | "a" | "b"), "{id}");
    }
}
