//! What an access token must say (spec §2.3), whether it says so itself as a JWT (RFC 9068 §4) or its authorisation
//! server does in an introspection response (RFC 7662 §2.2): one set of facts, and one set of rules for them.
//!
//! Facts are read first, so that those of a response can be kept and held to the rules again at each use.

use std::time::Duration;

use crate::jose::{Algorithm, JwsError, UnverifiedToken, VerificationKey, base64url};
use crate::json::{Object, Value};
use crate::peer::Fingerprint;
use crate::signature::SignatureMismatch;
use crate::time::UnixTime;

use super::claim::{self, Claim, Fault, InvalidClaim};
use super::verified::VerifiedTokens;

/// The member of `cnf` that binds a token to a certificate (RFC 8705 §3.1).
const CERTIFICATE_THUMBPRINT: &str = "x5t#S256";

/// The members of `cnf` that bind a token to a key which its sender proves to have in another way: DPoP (RFC 9449 §6.1), and
/// RFC 7800 §3.
const OTHER_CONFIRMATIONS: [&str; 3] = ["jkt", "jwk", "jwe"];

/// What an access token says, or its authorisation server says of it. Nobody has judged it yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessTokenFacts {
    issuer: Option<String>,
    audiences: Option<Vec<String>>,
    expiry: Option<UnixTime>,
    not_before: Option<UnixTime>,
    issued_at: Option<UnixTime>,
    scopes: Vec<String>,
    confirmation: Option<Confirmation>,
    token_id: Option<String>,
}

/// What a token is bound to (RFC 7800).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Confirmation {
    /// The certificate with this SHA-256.
    Certificate([u8; 32]),
    /// Something that this filter cannot check.
    Other,
}

/// What an introspection response says (RFC 7662 §2.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Introspected {
    /// The token is active.
    Active(AccessTokenFacts),
    /// The token is expired, revoked, somebody else's or no token at all. The server does not say which.
    Inactive,
    /// The token is active, and what else is said of it cannot be right.
    Invalid(AccessTokenFault),
}

/// What an access token must say.
#[derive(Debug, Clone, Copy)]
pub struct AccessTokenRules<'a> {
    /// `iss`, where it is configured. It is mandatory then.
    pub issuer: Option<&'a str>,
    /// `aud`, where it is configured. It is mandatory then, and must name this one.
    pub audience: Option<&'a str>,
    /// The scopes of which each must be granted.
    pub scopes: &'a [String],
    /// Whether a token without `exp` is refused.
    pub needs_expiry: bool,
    /// How far the issuer's clock and ours may differ.
    pub clock_skew: Duration,
    /// Whether a token that is bound to nothing is refused.
    pub needs_binding: bool,
    /// The fingerprint of the peer's certificate, if the gateway gives it. A token that is bound must be bound to this one.
    pub fingerprint: Option<Fingerprint>,
}

/// A JWT access token whose claims are right but for its scopes. Its signature has not been verified.
#[derive(Debug)]
pub(crate) struct CheckedAccessToken<'a> {
    token: UnverifiedToken<'a>,
    facts: AccessTokenFacts,
}

/// Why an access token is not right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccessTokenFault {
    /// The payload is not a JSON object.
    Malformed(JwsError),
    /// A claim is not as it must be.
    Invalid(Claim, Fault),
    /// It is not bound to any certificate.
    NotBound,
    /// It is bound to another certificate.
    BoundToAnother,
    /// It is bound to something that this filter cannot check.
    BoundOtherwise,
    /// It must be bound to the peer's certificate, and the gateway does not say which that is.
    FingerprintUnknown,
    /// It is right, and does not have every scope that is needed.
    ScopeMissing,
}

impl AccessTokenFacts {
    /// Reads the claims of a JWT access token (RFC 9068 §2.2).
    ///
    /// # Errors
    /// [`AccessTokenFault::Invalid`] for a claim of the wrong kind.
    pub fn from_claims(members: &Object<'_>) -> Result<Self, AccessTokenFault> {
        Ok(Self::read(members)?)
    }

    /// `exp`: from when on the token does not count.
    #[must_use]
    pub(crate) fn expiry(&self) -> Option<UnixTime> {
        self.expiry
    }

    /// `jti`, if there is one: 1 to [`super::MAX_JTI_LENGTH`] bytes without control characters.
    #[must_use]
    pub(crate) fn token_id(&self) -> Option<&str> {
        self.token_id.as_deref()
    }

    fn read(members: &Object<'_>) -> Result<Self, InvalidClaim> {
        let text = |claim: Claim| members.member(claim.name()).map(|value| claim::text(value, claim)).transpose();
        let time = |claim: Claim| members.member(claim.name()).map(|value| claim::time(value, claim)).transpose();
        let audiences = members.member(Claim::Audience.name()).map(claim::audiences).transpose()?;
        let token_id = members.member(Claim::TokenId.name()).map(claim::token_id).transpose()?;
        Ok(Self {
            issuer: text(Claim::Issuer)?.map(str::to_owned),
            audiences: audiences.map(|audiences| audiences.into_iter().map(str::to_owned).collect()),
            expiry: time(Claim::Expiry)?,
            not_before: time(Claim::NotBefore)?,
            issued_at: time(Claim::IssuedAt)?,
            scopes: members.member(Claim::Scope.name()).map(scopes).transpose()?.unwrap_or_default(),
            confirmation: members.member(Claim::Confirmation.name()).map(confirmation).transpose()?,
            token_id: token_id.map(str::to_owned),
        })
    }
}

impl Introspected {
    /// Reads an introspection response. `None` if it does not say whether the token is active.
    #[must_use]
    pub(crate) fn read(members: &Object<'_>) -> Option<Self> {
        match members.member("active")? {
            Value::Bool(false) => Some(Self::Inactive),
            Value::Bool(true) => {
                let facts = check_token_type(members).and_then(|()| AccessTokenFacts::read(members));
                Some(facts.map_or_else(|fault| Self::Invalid(fault.into()), Self::Active))
            }
            _ => None,
        }
    }
}

impl AccessTokenRules<'_> {
    /// Checks the claims of a JWT access token at the time `now`, all but its scopes: that a token does not allow enough is
    /// told only to a caller whose token is valid.
    ///
    /// # Errors
    /// See [`AccessTokenFault`]: the first check that failed.
    pub(crate) fn check_token<'t>(
        &self,
        token: UnverifiedToken<'t>,
        now: UnixTime,
    ) -> Result<CheckedAccessToken<'t>, AccessTokenFault> {
        let facts = AccessTokenFacts::from_claims(&token.claims().map_err(AccessTokenFault::Malformed)?)?;
        self.check_validity(&facts, now)?;
        Ok(CheckedAccessToken { token, facts })
    }

    /// Checks everything at the time `now`.
    ///
    /// # Errors
    /// See [`AccessTokenFault`]: the first check that failed.
    pub fn check(&self, facts: &AccessTokenFacts, now: UnixTime) -> Result<(), AccessTokenFault> {
        self.check_validity(facts, now)?;
        self.check_scopes(facts)
    }

    /// Checks that every scope that is needed was granted.
    ///
    /// # Errors
    /// [`AccessTokenFault::ScopeMissing`].
    pub(crate) fn check_scopes(&self, facts: &AccessTokenFacts) -> Result<(), AccessTokenFault> {
        let granted = self.scopes.iter().all(|needed| facts.scopes.contains(needed));
        if granted { Ok(()) } else { Err(AccessTokenFault::ScopeMissing) }
    }

    fn check_validity(&self, facts: &AccessTokenFacts, now: UnixTime) -> Result<(), AccessTokenFault> {
        self.check_claims(facts, now)?;
        self.check_binding(facts)
    }

    fn check_claims(&self, facts: &AccessTokenFacts, now: UnixTime) -> Result<(), InvalidClaim> {
        if let Some(expected) = self.issuer {
            let issuer = facts.issuer.as_deref().ok_or(InvalidClaim(Claim::Issuer, Fault::Missing))?;
            if issuer != expected {
                return Err(InvalidClaim(Claim::Issuer, Fault::Mismatch));
            }
        }
        if let Some(expected) = self.audience {
            let audiences = facts.audiences.as_ref().ok_or(InvalidClaim(Claim::Audience, Fault::Missing))?;
            if !audiences.iter().any(|audience| audience == expected) {
                return Err(InvalidClaim(Claim::Audience, Fault::Mismatch));
            }
        }
        match facts.expiry {
            Some(expiry) => claim::check_not_passed(expiry, self.clock_skew, now)?,
            None if self.needs_expiry => return Err(InvalidClaim(Claim::Expiry, Fault::Missing)),
            None => {}
        }
        for (start, claim) in [(facts.issued_at, Claim::IssuedAt), (facts.not_before, Claim::NotBefore)] {
            if let Some(start) = start {
                claim::check_reached(start, claim, self.clock_skew, now)?;
            }
        }
        Ok(())
    }

    /// RFC 8705 §3, RFC 9449 §7: a token that says what it is bound to is good for nobody else, whether or not it need be bound.
    fn check_binding(&self, facts: &AccessTokenFacts) -> Result<(), AccessTokenFault> {
        match &facts.confirmation {
            None if self.needs_binding => Err(AccessTokenFault::NotBound),
            None => Ok(()),
            Some(Confirmation::Other) => Err(AccessTokenFault::BoundOtherwise),
            Some(Confirmation::Certificate(thumbprint)) => {
                let fingerprint = self.fingerprint.ok_or(AccessTokenFault::FingerprintUnknown)?;
                let is_ours = thumbprint == fingerprint.as_bytes();
                if is_ours { Ok(()) } else { Err(AccessTokenFault::BoundToAnother) }
            }
        }
    }
}

impl CheckedAccessToken<'_> {
    /// Verifies the signature at the time `now`, which makes the claims true. One that is `known` is not calculated again.
    ///
    /// # Errors
    /// [`SignatureMismatch`].
    pub(crate) fn verify(
        self,
        now: UnixTime,
        algorithm: Algorithm,
        key: &VerificationKey,
        known: &mut VerifiedTokens,
    ) -> Result<AccessTokenFacts, SignatureMismatch> {
        // A token without `exp` is refused before.
        let expiry = self.facts.expiry.unwrap_or(UnixTime::EPOCH);
        known.verify(now, &self.token, expiry, algorithm, key)?;
        Ok(self.facts)
    }
}

impl From<InvalidClaim> for AccessTokenFault {
    fn from(InvalidClaim(claim, fault): InvalidClaim) -> Self {
        Self::Invalid(claim, fault)
    }
}

/// `scope` is a list of words with a space between each two (RFC 6749 §3.3). Some servers write a list of texts, one for each.
fn scopes(value: &Value<'_>) -> Result<Vec<String>, InvalidClaim> {
    match value {
        Value::List(list) => list.iter().map(|scope| claim::text(scope, Claim::Scope).map(str::to_owned)).collect(),
        one => {
            let words = claim::text(one, Claim::Scope)?.split(' ');
            Ok(words.filter(|scope| !scope.is_empty()).map(str::to_owned).collect())
        }
    }
}

/// What `cnf` binds the token to. One without a certificate thumbprint binds it to something else.
fn confirmation(confirmation: &Value<'_>) -> Result<Confirmation, InvalidClaim> {
    let invalid = |fault| InvalidClaim(Claim::Confirmation, fault);
    let Value::Object(members) = confirmation else { return Err(invalid(Fault::WrongType)) };
    let Some(thumbprint) = members.member(CERTIFICATE_THUMBPRINT) else { return Ok(Confirmation::Other) };
    let text = claim::text(thumbprint, Claim::Confirmation)?;
    let bytes = base64url(text).and_then(|bytes| bytes.try_into().ok()).ok_or(invalid(Fault::OutOfRange))?;
    let has_other = OTHER_CONFIRMATIONS.iter().any(|member| members.contains(member));
    Ok(if has_other { Confirmation::Other } else { Confirmation::Certificate(bytes) })
}

/// `token_type`, where it is said, is Bearer in any case (RFC 6749 §7.1): a token of another type proves more than this
/// filter could check.
fn check_token_type(members: &Object<'_>) -> Result<(), InvalidClaim> {
    let Some(token_type) = members.member(Claim::TokenType.name()) else { return Ok(()) };
    let is_bearer = claim::text(token_type, Claim::TokenType)?.eq_ignore_ascii_case("bearer");
    if is_bearer { Ok(()) } else { Err(InvalidClaim(Claim::TokenType, Fault::Mismatch)) }
}

#[cfg(test)]
mod tests;
