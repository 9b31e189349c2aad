//! How the Hub verifies the bank's tokens: all of spec §2.4 and §4, with libraries that the filter does not use, and against
//! the certificate that arrived on the same connection.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde_json::{Value, json};
use x509_parser::prelude::{FromDer, X509Certificate, X509Name};
use x509_parser::x509::AttributeTypeAndValue;

use super::super::keystore::Publications;

/// How far the clocks of the Hub and the bank may differ, in seconds.
const SKEW: u64 = 10;
/// The longest token that is read.
const MAX_BYTES: usize = 8192;

/// A right token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// The compact JWS.
    pub token: String,
    /// Its header.
    pub header: Value,
    /// Its claims.
    pub claims: Value,
}

/// The subject of a certificate, as the Hub reads it.
pub(super) struct Caller {
    /// The subject in one line.
    pub(super) subject: String,
    /// The issuer in one line.
    pub(super) issuer: String,
    organisation: String,
    organisational_unit: String,
    common_name: String,
}

impl Caller {
    /// Of a certificate in DER.
    pub(super) fn of(certificate: &[u8]) -> Result<Self, String> {
        let (_, certificate) = X509Certificate::from_der(certificate).map_err(|error| error.to_string())?;
        let subject = certificate.subject();
        Ok(Self {
            subject: text(subject),
            issuer: text(certificate.issuer()),
            organisation: only("O", subject.iter_organization())?,
            organisational_unit: only("OU", subject.iter_organizational_unit())?,
            common_name: only("CN", subject.iter_common_name())?,
        })
    }
}

/// Verifies tokens, and remembers which it has seen.
pub(super) struct Verifier {
    publications: Publications,
    audience: &'static str,
    seen: Mutex<BTreeSet<String>>,
}

impl Verifier {
    /// With the keys that the keystore publishes, and the `aud` that tokens must have.
    pub(super) fn new(publications: Publications, audience: &'static str) -> Self {
        Self { publications, audience, seen: Mutex::default() }
    }

    /// Verifies the values of `Authorization` in a request of this caller; the error says what is wrong.
    pub(super) fn verify(&self, caller: &Caller, values: &[&[u8]], now: u64) -> Result<Accepted, String> {
        let [value] = values else { return Err(format!("Authorization came {} times", values.len())) };
        let value = std::str::from_utf8(value).map_err(|_| "Authorization is no text")?;
        let token = value.strip_prefix("Bearer ").ok_or("the scheme is not Bearer")?;
        demand(token.len() <= MAX_BYTES, || "the token is too long".to_owned())?;
        let header = self.header(token)?;
        let claims = self.signed_claims(caller, token, &header)?;
        self.verify_claims(caller, &claims, now)?;
        Ok(Accepted { token: token.to_owned(), header, claims })
    }

    fn header(&self, token: &str) -> Result<Value, String> {
        let encoded = token.split('.').next().unwrap_or_default();
        let bytes = URL_SAFE_NO_PAD.decode(encoded).map_err(|error| format!("header: {error}"))?;
        let header: Value = serde_json::from_slice(&bytes).map_err(|error| format!("header: {error}"))?;
        let right = json!({"alg": "PS256", "typ": "JOSE", "cty": "json", "kid": header["kid"]});
        demand(header["kid"].is_string() && header == right, || format!("the header is {header}"))?;
        Ok(header)
    }

    fn signed_claims(&self, caller: &Caller, token: &str, header: &Value) -> Result<Value, String> {
        let set = self.publications.of(&caller.organisational_unit, &caller.common_name);
        let set = set.ok_or("the keystore has no keys of this caller")?;
        let set: JwkSet = serde_json::from_value(set).map_err(|error| format!("JWKS: {error}"))?;
        let kid = header["kid"].as_str().unwrap_or_default();
        let key = set.find(kid).ok_or_else(|| format!("the kid {kid} is not published"))?;
        let key = DecodingKey::from_jwk(key).map_err(|error| format!("JWK: {error}"))?;
        // The signature only: the claims are verified below, and not by the library's defaults.
        let mut rules = Validation::new(Algorithm::PS256);
        rules.required_spec_claims.clear();
        (rules.validate_exp, rules.validate_nbf, rules.validate_aud) = (false, false, false);
        let token = jsonwebtoken::decode::<Value>(token, &key, &rules).map_err(|error| format!("token: {error}"))?;
        Ok(token.claims)
    }

    fn verify_claims(&self, caller: &Caller, claims: &Value, now: u64) -> Result<(), String> {
        let wrong = |claim: &str| format!("the claim {claim} is {}", claims[claim]);
        let seconds = |claim: &str| claims[claim].as_u64().ok_or_else(|| wrong(claim));
        demand(claims["iss"] == caller.organisation.as_str(), || wrong("iss"))?;
        demand(claims["sub"] == caller.organisational_unit.as_str(), || wrong("sub"))?;
        demand(claims["aud"] == self.audience, || wrong("aud"))?;
        let (iat, exp) = (seconds("iat")?, seconds("exp")?);
        demand(iat <= now + SKEW, || wrong("iat"))?;
        demand(now <= exp + SKEW, || wrong("exp"))?;
        demand(claims["nbf"].is_null() || seconds("nbf")? <= now + SKEW, || wrong("nbf"))?;
        let lifetime = exp.checked_sub(iat);
        demand(lifetime.is_some_and(|lifetime| (10..=30).contains(&lifetime)), || {
            format!("the token lives from {iat} to {exp}")
        })?;
        let id = claims["jti"].as_str().filter(|id| is_uuid_v4(id)).ok_or_else(|| wrong("jti"))?;
        let new = self.seen.lock().unwrap_or_else(PoisonError::into_inner).insert(id.to_owned());
        demand(new, || format!("the jti {id} was used before"))
    }
}

fn demand(holds: bool, otherwise: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(otherwise()) }
}

/// The one value of an attribute.
fn only<'a>(name: &str, values: impl Iterator<Item = &'a AttributeTypeAndValue<'a>>) -> Result<String, String> {
    let values: Vec<_> = values.collect();
    let [value] = values.as_slice() else { return Err(format!("the subject has {} {name}", values.len())) };
    value.as_str().map(ToOwned::to_owned).map_err(|error| format!("{name}: {error}"))
}

fn text(name: &X509Name<'_>) -> String {
    name.to_string()
}

/// Lower-case hex in the usual form, version 4, the variant of RFC 9562.
fn is_uuid_v4(id: &str) -> bool {
    let right = |(index, byte): (usize, u8)| match index {
        8 | 13 | 18 | 23 => byte == b'-',
        14 => byte == b'4',
        19 => matches!(byte, b'8' | b'9' | b'a' | b'b'),
        _ => matches!(byte, b'0'..=b'9' | b'a'..=b'f'),
    };
    id.len() == 36 && id.bytes().enumerate().all(right)
}

#[cfg(test)]
mod tests {
    use super::super::super::PROVIDER_ID;
    use super::super::super::keystore::Keystore;
    use super::super::super::pki::{BANK_ORGANISATION, BANK_UNIT, Pki};
    use super::super::super::tokens::{Signer, Token, jwks, now, uuid, with_broken_signature};
    use super::*;

    /// A verifier, and the caller whose tokens it gets.
    struct Setup {
        verifier: Verifier,
        caller: Caller,
        _keystore: Keystore,
    }

    impl Setup {
        async fn new() -> Self {
            let pki = Pki::shared();
            let keystore = Keystore::start(&pki.keystore).await;
            keystore.publish(&pki.bank.subject, jwks([&pki.bank.signing]));
            let verifier = Verifier::new(keystore.publications(), PROVIDER_ID);
            Self { verifier, caller: Caller::of(&pki.bank.transport.chain[0]).expect("C3"), _keystore: keystore }
        }

        fn verify(&self, values: &[&str]) -> Result<Accepted, String> {
            let values: Vec<&[u8]> = values.iter().map(|value| value.as_bytes()).collect();
            self.verifier.verify(&self.caller, &values, now())
        }
    }

    fn right() -> Token {
        let bank = &Pki::shared().bank;
        Token::new(&bank.subject, &bank.signing.kid, PROVIDER_ID, now())
    }

    fn bearer(token: &Token) -> String {
        format!("Bearer {}", token.sign(Signer::Ps256(&Pki::shared().bank.signing)))
    }

    #[tokio::test]
    async fn a_right_token_is_accepted_once() {
        let setup = Setup::new().await;
        let token = right();
        let value = bearer(&token);
        assert_eq!(setup.verify(&[&value]).expect("accepted").claims, token.claims);
        assert!(setup.verify(&[&value]).expect_err("a second time").contains("used before"));
    }

    #[tokio::test]
    async fn everything_else_is_refused_for_its_own_reason() {
        let setup = Setup::new().await;
        let now = now();
        let claim = |name: &str, value: Value| bearer(&right().claim(name, value));
        let header = |name: &str, value: Value| bearer(&right().header(name, value));
        let another = |signer| format!("Bearer {}", right().sign(signer));
        let pki = Pki::shared();
        let cases = [
            ("0 times", vec![]),
            ("2 times", vec![bearer(&right()), bearer(&right())]),
            ("not Bearer", vec![bearer(&right()).replace("Bearer", "bearer")]),
            ("too long", vec![claim("padding", json!("x".repeat(8000)))]),
            ("header", vec!["Bearer a.b.c".to_owned()]),
            ("the header is", vec![header("alg", json!("RS256"))]),
            ("the header is", vec![header("typ", json!("JWT"))]),
            ("the header is", vec![header("cty", Value::Null)]),
            ("the header is", vec![header("kid", Value::Null)]),
            ("the header is", vec![header("x5t", json!("x"))]),
            ("not published", vec![header("kid", json!("unheard-of"))]),
            ("InvalidSignature", vec![with_broken_signature(&bearer(&right()))]),
            ("InvalidSignature", vec![another(Signer::Ps256(&pki.next_bank_signing))]),
            ("InvalidSignature", vec![another(Signer::Rs256(&pki.bank.signing))]),
            ("claim iss", vec![claim("iss", json!("Another Bank PJSC"))]),
            ("claim sub", vec![claim("sub", json!(pki.other_bank.subject.organisational_unit))]),
            ("claim aud", vec![claim("aud", json!(["retail"]))]),
            ("claim iat", vec![bearer(&right().valid(now + 15, now + 40))]),
            ("claim exp", vec![bearer(&right().valid(now - 45, now - 15))]),
            ("claim exp", vec![claim("exp", json!(now.to_string()))]),
            ("claim nbf", vec![claim("nbf", json!(now + 15))]),
            ("token lives", vec![bearer(&right().valid(now, now + 31))]),
            ("token lives", vec![bearer(&right().valid(now, now + 9))]),
            ("claim jti", vec![claim("jti", json!("1"))]),
            ("claim jti", vec![claim("jti", json!(uuid().to_uppercase()))]),
            ("claim jti", vec![claim("jti", Value::Null)]),
        ];
        for (reason, values) in cases {
            let values: Vec<&str> = values.iter().map(String::as_str).collect();
            let refusal = setup.verify(&values).expect_err(reason);
            assert!(refusal.contains(reason), "{reason}: {refusal}");
        }
    }

    #[tokio::test]
    async fn a_right_token_of_one_caller_is_wrong_for_another() {
        let mut setup = Setup::new().await;
        setup.caller = Caller::of(&Pki::shared().other_bank.transport.chain[0]).expect("a certificate");
        assert!(setup.verify(&[&bearer(&right())]).expect_err("another").contains("no keys of this caller"));
    }

    #[test]
    fn a_caller_is_what_its_certificate_says() {
        let caller = Caller::of(&Pki::shared().bank.transport.chain[0]).expect("C3");
        assert_eq!((caller.organisation.as_str(), caller.organisational_unit.as_str()), (BANK_ORGANISATION, BANK_UNIT));
        assert_eq!(caller.common_name, Pki::shared().bank.subject.common_name);
        assert!(caller.subject.contains(BANK_UNIT) && caller.issuer.contains("Issuing CA"), "{}", caller.subject);
    }
}
