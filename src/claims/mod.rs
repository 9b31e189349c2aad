//! The claims of tokens: those of JWT Auth here (spec §2.4; RFC 7519 §4.1), those of access tokens in [`access_token`];
//! and the chain of types that proves what was checked of a JWT Auth token: `UnverifiedToken` → [`CheckedToken`] (its
//! claims are right, its signature unknown) → [`AcceptedClaims`].
//!
//! Claims need no key, so they are looked at before the signature. Nothing of a token is used until both are right.

pub(crate) mod access_token;
mod claim;
pub(crate) mod verified;

#[cfg(test)]
pub(crate) use claim::MAX_JTI_LENGTH;
pub use claim::{Claim, Fault};

use std::borrow::Cow;
use std::time::Duration;

use crate::jose::{Algorithm, JwsError, UnverifiedToken, VerificationKey};
use crate::json::Value;
use crate::signature::SignatureMismatch;
use crate::time::UnixTime;

use claim::{InvalidClaim, check_not_passed, check_reached, equals, names_one_of, required, time};
use verified::VerifiedTokens;

/// The claims that are looked at, in the order of the standard's table.
const NAMES: [&str; 7] = [
    Claim::Issuer.name(),
    Claim::Subject.name(),
    Claim::Audience.name(),
    Claim::Expiry.name(),
    Claim::IssuedAt.name(),
    Claim::NotBefore.name(),
    Claim::TokenId.name(),
];

/// What the claims of a token must say.
#[derive(Debug)]
pub struct ClaimRules<'a> {
    /// `iss`: the `O` of the peer certificate.
    pub issuer: &'a str,
    /// `sub`: the `OU` of the peer certificate.
    pub subject: &'a str,
    /// `aud`: our provider id, or several of which one must be named.
    pub audiences: &'a [String],
    /// How far the sender's clock and ours may differ.
    pub clock_skew: Duration,
    /// The longest `exp` − `iat`.
    pub max_lifetime: Duration,
}

/// A token whose claims are right for this caller and this moment. Its signature has not been verified.
#[derive(Debug)]
pub struct CheckedToken<'a> {
    token: UnverifiedToken<'a>,
    claims: Claims<'a>,
}

/// The claims of a token that was checked and whose signature was verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AcceptedClaims<'a>(Claims<'a>);

/// What later steps need to know of accepted claims.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Claims<'a> {
    token_id: Cow<'a, str>,
    expiry: UnixTime,
    valid_until: UnixTime,
}

/// Why claims are not right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClaimsError {
    /// The payload is not a JSON object.
    Malformed(JwsError),
    /// A claim is not as it must be.
    Invalid(Claim, Fault),
}

impl ClaimRules<'_> {
    /// Checks every claim of a token at the time `now`.
    ///
    /// # Errors
    /// See [`ClaimsError`]: the first claim that is wrong, in the order of the standard's table.
    pub fn check<'t>(&self, token: UnverifiedToken<'t>, now: UnixTime) -> Result<CheckedToken<'t>, ClaimsError> {
        let claims = self.check_claims(token.claims_named(&NAMES).map_err(ClaimsError::Malformed)?, now)?;
        Ok(CheckedToken { token, claims })
    }

    /// Checks the claims of these [`NAMES`].
    fn check_claims<'t>(
        &self,
        claims: [Option<Value<'t>>; NAMES.len()],
        now: UnixTime,
    ) -> Result<Claims<'t>, InvalidClaim> {
        let [issuer, subject, audience, expiry, issued_at, not_before, token_id] = claims;
        equals(issuer.as_ref(), Claim::Issuer, self.issuer)?;
        equals(subject.as_ref(), Claim::Subject, self.subject)?;
        if !names_one_of(required(audience.as_ref(), Claim::Audience)?, self.audiences)? {
            return Err(InvalidClaim(Claim::Audience, Fault::Mismatch));
        }
        let expiry = time(required(expiry.as_ref(), Claim::Expiry)?, Claim::Expiry)?;
        check_not_passed(expiry, self.clock_skew, now)?;
        let valid_until = expiry.after(self.clock_skew);
        let issued_at = time(required(issued_at.as_ref(), Claim::IssuedAt)?, Claim::IssuedAt)?;
        check_reached(issued_at, Claim::IssuedAt, self.clock_skew, now)?;
        if expiry > issued_at.after(self.max_lifetime) {
            return Err(InvalidClaim(Claim::Expiry, Fault::LifetimeTooLong));
        }
        if let Some(not_before) = &not_before {
            check_reached(time(not_before, Claim::NotBefore)?, Claim::NotBefore, self.clock_skew, now)?;
        }
        let token_id = token_id.ok_or(InvalidClaim(Claim::TokenId, Fault::Missing))?;
        claim::token_id(&token_id)?;
        let token_id = token_id.into_text().unwrap_or_default();
        Ok(Claims { token_id, expiry, valid_until })
    }
}

impl<'a> CheckedToken<'a> {
    /// Verifies the signature at the time `now`, which makes the claims true. One that is `known` is not calculated again.
    ///
    /// # Errors
    /// [`SignatureMismatch`].
    pub(crate) fn verify_ps256(
        self,
        now: UnixTime,
        key: &VerificationKey,
        known: &mut VerifiedTokens,
    ) -> Result<AcceptedClaims<'a>, SignatureMismatch> {
        known.verify(now, &self.token, self.claims.expiry, Algorithm::Ps256, key)?;
        Ok(AcceptedClaims(self.claims))
    }
}

impl<'a> AcceptedClaims<'a> {
    /// `jti`: 1 to [`MAX_JTI_LENGTH`] bytes without control characters.
    #[must_use]
    pub(crate) fn token_id(&self) -> &str {
        &self.0.token_id
    }

    /// The same, out of the token.
    #[must_use]
    pub(crate) fn into_token_id(self) -> Cow<'a, str> {
        self.0.token_id
    }

    /// The last moment at which the token is accepted: `exp` and the clock skew.
    #[must_use]
    pub(crate) fn valid_until(&self) -> UnixTime {
        self.0.valid_until
    }
}

impl From<InvalidClaim> for ClaimsError {
    fn from(InvalidClaim(claim, fault): InvalidClaim) -> Self {
        Self::Invalid(claim, fault)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::LazyLock;

    use crate::testing::{SigningKey, buffer, token};
    use serde_json::{Value as Json, json};

    const NOW: u64 = 1_795_253_400;
    static RULES: LazyLock<ClaimRules<'static>> = LazyLock::new(|| ClaimRules {
        issuer: "Ozone Financial Technology, Limited",
        subject: "233bcd1d",
        audiences: Box::leak(Box::new(["retail".to_owned()])),
        clock_skew: Duration::from_secs(10),
        max_lifetime: Duration::from_secs(300),
    });

    fn claims() -> Json {
        json!({
            "iss": RULES.issuer, "sub": RULES.subject, "aud": "retail",
            "exp": NOW + 30, "iat": NOW, "jti": "8d5bd4e6-7f0a-4a24-9f58-0b0c1c7b2f6e",
        })
    }

    fn check_at(now: UnixTime, payload: &str) -> Result<(), ClaimsError> {
        let text = token("{}", payload, b"");
        RULES.check(UnverifiedToken::parse(&text, buffer()).unwrap(), now).map(|_| ())
    }

    fn check(change: impl FnOnce(&mut Json)) -> Result<(), ClaimsError> {
        let mut claims = claims();
        change(&mut claims);
        check_at(UnixTime::from_secs(NOW), &claims.to_string())
    }

    /// The standard claims with one value written as raw JSON text, which `serde_json` could not print itself.
    fn check_raw(name: &str, raw: &str) -> Result<(), ClaimsError> {
        let mut claims = claims();
        claims[name] = json!("PLACE");
        check_at(UnixTime::from_secs(NOW), &claims.to_string().replace("\"PLACE\"", raw))
    }

    fn invalid(claim: Claim, fault: Fault) -> Result<(), ClaimsError> {
        Err(ClaimsError::Invalid(claim, fault))
    }

    const MANDATORY: [Claim; 6] =
        [Claim::Issuer, Claim::Subject, Claim::Audience, Claim::Expiry, Claim::IssuedAt, Claim::TokenId];

    #[test]
    fn the_standards_claims_are_right() {
        assert_eq!(check(|_| ()), Ok(()));
    }

    #[test]
    fn each_mandatory_claim_must_be_there() {
        for claim in MANDATORY {
            let missing = check(|claims| drop(claims.as_object_mut().unwrap().remove(claim.name())));
            assert_eq!(missing, invalid(claim, Fault::Missing));
        }
    }

    #[test]
    fn a_claim_of_another_type_is_refused() {
        let texts = ["1", "null", "true", "[]", "{}", "[\"a\"]"];
        let times = ["\"1795253430\"", "null", "true", "[1795253430]", "{}"];
        let audiences = ["1", "null", "{}", "[1]", "[\"retail\", 1]", "[\"retail\", null]", "[[\"retail\"]]"];
        for (claims, values) in [
            (vec![Claim::Issuer, Claim::Subject, Claim::TokenId], texts.as_slice()),
            (vec![Claim::Expiry, Claim::IssuedAt, Claim::NotBefore], times.as_slice()),
            (vec![Claim::Audience], audiences.as_slice()),
        ] {
            for claim in claims {
                for raw in values {
                    assert_eq!(check_raw(claim.name(), raw), invalid(claim, Fault::WrongType), "{raw}");
                }
            }
        }
    }

    #[test]
    fn issuer_and_subject_equal_the_certificates_exactly() {
        for (claim, value) in [
            (Claim::Issuer, "ozone financial technology, limited"),
            (Claim::Issuer, "Ozone Financial Technology, Limited "),
            (Claim::Issuer, ""),
            (Claim::Subject, "233BCD1D"),
            (Claim::Subject, "233bcd1d\u{0}"),
        ] {
            assert_eq!(check(|claims| claims[claim.name()] = json!(value)), invalid(claim, Fault::Mismatch), "{value}");
        }
    }

    #[test]
    fn the_audience_names_us_alone_or_among_others() {
        for audience in
            [json!("retail"), json!(["retail"]), json!(["corporate", "retail"]), json!(["retail", "corporate"])]
        {
            assert_eq!(check(|claims| claims["aud"] = audience), Ok(()));
        }
        for audience in
            [json!("corporate"), json!("Retail"), json!("retail "), json!([]), json!(["corporate"]), json!("")]
        {
            assert_eq!(check(|claims| claims["aud"] = audience), invalid(Claim::Audience, Fault::Mismatch));
        }
    }

    #[test]
    fn time_claims_hold_to_the_millisecond_of_the_skew() {
        let now = UnixTime::from_secs(NOW);
        let later = |millis| now.after(Duration::from_millis(millis));
        let payload = |change: &dyn Fn(&mut Json)| {
            let mut claims = claims();
            change(&mut claims);
            claims.to_string()
        };
        // exp = NOW: valid up to and including NOW + 10 s
        let expiring = payload(&|claims| (claims["exp"], claims["iat"]) = (json!(NOW), json!(NOW - 30)));
        assert_eq!(check_at(later(10_000), &expiring), Ok(()));
        assert_eq!(check_at(later(10_001), &expiring), invalid(Claim::Expiry, Fault::Passed));
        // iat = NOW + 20: valid from NOW + 10 s
        let issued = payload(&|claims| (claims["exp"], claims["iat"]) = (json!(NOW + 50), json!(NOW + 20)));
        assert_eq!(check_at(later(10_000), &issued), Ok(()));
        assert_eq!(check_at(later(9_999), &issued), invalid(Claim::IssuedAt, Fault::NotReached));
        let not_before = payload(&|claims| claims["nbf"] = json!(NOW + 20));
        assert_eq!(check_at(later(10_000), &not_before), Ok(()));
        assert_eq!(check_at(later(9_999), &not_before), invalid(Claim::NotBefore, Fault::NotReached));
    }

    #[test]
    fn times_may_have_fractions_and_exponents() {
        for raw in ["1795253430.5", "1.79525343e9", "1795253430.0"] {
            assert_eq!(check_raw("exp", raw), Ok(()), "{raw}");
        }
        assert_eq!(check_raw("exp", "1795253389.9"), invalid(Claim::Expiry, Fault::Passed));
        assert_eq!(check_raw("exp", "1795253390.0"), Ok(()));
        assert_eq!(check_raw("iat", "1795253410.01"), invalid(Claim::IssuedAt, Fault::NotReached));
        assert_eq!(check_raw("nbf", "1795253410.5"), invalid(Claim::NotBefore, Fault::NotReached));
    }

    #[test]
    fn negative_and_huge_times_are_refused() {
        for claim in [Claim::Expiry, Claim::IssuedAt, Claim::NotBefore] {
            for raw in [
                "-1",
                "-0.5",
                "-1795253430",
                "-1e300",
                "253402300800",
                "1795253430000",
                "9223372036854775807",
                "18446744073709551615",
                "18446744073709551616",
                "1e300",
            ] {
                assert_eq!(check_raw(claim.name(), raw), invalid(claim, Fault::OutOfRange), "{} {raw}", claim.name());
            }
            // Out of range for JSON numbers as well: the token is malformed.
            assert!(matches!(check_raw(claim.name(), "1e400"), Err(ClaimsError::Malformed(_))));
        }
        assert_eq!(check_raw("exp", "0"), invalid(Claim::Expiry, Fault::Passed));
    }

    #[test]
    fn a_lifetime_above_the_bound_is_refused() {
        assert_eq!(check(|claims| claims["exp"] = json!(NOW + 300)), Ok(()));
        assert_eq!(check(|claims| claims["exp"] = json!(NOW + 301)), invalid(Claim::Expiry, Fault::LifetimeTooLong));
        assert_eq!(check_raw("iat", "0"), invalid(Claim::Expiry, Fault::LifetimeTooLong));
    }

    #[test]
    fn the_token_id_is_short_text_without_control_characters() {
        for jti in ["a", "بنك", &"j".repeat(MAX_JTI_LENGTH)] {
            assert_eq!(check(|claims| claims["jti"] = json!(jti)), Ok(()), "{jti}");
        }
        for jti in ["", "a\r\nx-injected: 1", "\u{0}", "\u{85}", &"j".repeat(MAX_JTI_LENGTH + 1)] {
            assert_eq!(
                check(|claims| claims["jti"] = json!(jti)),
                invalid(Claim::TokenId, Fault::OutOfRange),
                "{jti:?}"
            );
        }
    }

    #[test]
    fn claims_are_accepted_only_with_their_signature() {
        let text = SigningKey::first().token("{}", &claims().to_string());
        let checked =
            || RULES.check(UnverifiedToken::parse(&text, buffer()).unwrap(), UnixTime::from_secs(NOW)).unwrap();
        let key = |key: &SigningKey| {
            VerificationKey::from(crate::rsa::RsaPublicKey::new(&key.modulus(), &key.exponent()).unwrap())
        };
        let verify =
            |by: &SigningKey| checked().verify_ps256(UnixTime::from_secs(NOW), &key(by), &mut VerifiedTokens::new(0));
        let accepted = verify(SigningKey::first()).unwrap();
        assert_eq!(accepted.token_id(), "8d5bd4e6-7f0a-4a24-9f58-0b0c1c7b2f6e");
        assert_eq!(accepted.valid_until(), UnixTime::from_secs(NOW + 40), "exp and the clock skew");
        assert_eq!(verify(SigningKey::second()), Err(SignatureMismatch));
    }
}
