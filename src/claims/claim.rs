//! A claim by itself: its name, the form that its value must have (RFC 7519 §4.1), and what can be wrong with it. The rules for
//! every kind of token are made of these.

use std::time::Duration;

use crate::ascii::{are_same, is_plain};
use crate::json::Value;
use crate::time::UnixTime;

/// The longest `jti`, in bytes. It becomes a request header for the bank and, with replay detection, a stored key.
pub(crate) const MAX_JTI_LENGTH: usize = 256;

/// The latest NumericDate (RFC 7519 §2) that is believed, in seconds: the end of the year 9999. Later ones are mistakes
/// such as milliseconds, or attempts to make sums overflow.
const MAX_NUMERIC_DATE: Duration = Duration::from_secs(253_402_300_799);

/// A claim of a token, or what an introspection response says in its place (RFC 7662 §2.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claim {
    /// `iss`
    Issuer,
    /// `sub`
    Subject,
    /// `aud`
    Audience,
    /// `exp`
    Expiry,
    /// `iat`
    IssuedAt,
    /// `nbf`
    NotBefore,
    /// `jti`
    TokenId,
    /// `scope`, of access tokens
    Scope,
    /// `cnf`, of access tokens
    Confirmation,
    /// `token_type`, of introspection responses
    TokenType,
}

/// Which claim is not as it must be, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct InvalidClaim(pub(super) Claim, pub(super) Fault);

/// What is wrong with a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It is mandatory and not there.
    Missing,
    /// It has another JSON type.
    WrongType,
    /// A time before 1970 or after 9999; an empty or overlong id; an id with control characters; a thumbprint that is
    /// not the base64url of 32 bytes.
    OutOfRange,
    /// It names somebody else.
    Mismatch,
    /// The time has passed.
    Passed,
    /// The time has not come.
    NotReached,
    /// `exp` is too long after `iat`.
    LifetimeTooLong,
}

impl Claim {
    /// The claim's name in the token.
    #[must_use]
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Issuer => "iss",
            Self::Subject => "sub",
            Self::Audience => "aud",
            Self::Expiry => "exp",
            Self::IssuedAt => "iat",
            Self::NotBefore => "nbf",
            Self::TokenId => "jti",
            Self::Scope => "scope",
            Self::Confirmation => "cnf",
            Self::TokenType => "token_type",
        }
    }
}

pub(super) fn required<'m, 'a>(value: Option<&'m Value<'a>>, claim: Claim) -> Result<&'m Value<'a>, InvalidClaim> {
    value.ok_or(InvalidClaim(claim, Fault::Missing))
}

pub(super) fn text<'v>(value: &'v Value<'_>, claim: Claim) -> Result<&'v str, InvalidClaim> {
    value.as_text().ok_or(InvalidClaim(claim, Fault::WrongType))
}

pub(super) fn equals(value: Option<&Value<'_>>, claim: Claim, expected: &str) -> Result<(), InvalidClaim> {
    let is_equal = are_same(text(required(value, claim)?, claim)?.as_bytes(), expected.as_bytes());
    if is_equal { Ok(()) } else { Err(InvalidClaim(claim, Fault::Mismatch)) }
}

/// Whether `aud` is, or contains, one of these.
pub(super) fn names_one_of(value: &Value<'_>, accepted: &[String]) -> Result<bool, InvalidClaim> {
    let is_one = |audience: &Value<'_>| {
        let audience = text(audience, Claim::Audience)?;
        Ok(accepted.iter().any(|accepted| accepted == audience))
    };
    match value {
        // Each is held to be text, those behind the right one too.
        Value::List(list) => list.iter().try_fold(false, |found, audience| Ok(is_one(audience)? || found)),
        one => is_one(one),
    }
}

/// `aud` is one string or an array of strings (RFC 7519 §4.1.3).
pub(super) fn audiences<'v>(value: &'v Value<'_>) -> Result<Vec<&'v str>, InvalidClaim> {
    match value {
        Value::List(list) => list.iter().map(|member| text(member, Claim::Audience)).collect(),
        one => Ok(vec![text(one, Claim::Audience)?]),
    }
}

/// A `jti` that fits into a header and a log line.
pub(super) fn token_id<'v>(value: &'v Value<'_>) -> Result<&'v str, InvalidClaim> {
    let id = text(value, Claim::TokenId)?;
    let is_printable = is_plain(id.as_bytes()) || !id.chars().any(char::is_control);
    let usable = !id.is_empty() && id.len() <= MAX_JTI_LENGTH && is_printable;
    if usable { Ok(id) } else { Err(InvalidClaim(Claim::TokenId, Fault::OutOfRange)) }
}

/// A NumericDate (RFC 7519 §2): seconds since 1970, which may have a fraction.
pub(super) fn time(value: &Value<'_>, claim: Claim) -> Result<UnixTime, InvalidClaim> {
    let since_epoch = match value {
        Value::Integer(seconds) => u64::try_from(*seconds).ok().map(Duration::from_secs),
        Value::Fraction(seconds) => Duration::try_from_secs_f64(*seconds).ok(),
        _ => return Err(InvalidClaim(claim, Fault::WrongType)),
    };
    since_epoch
        .filter(|time| *time <= MAX_NUMERIC_DATE)
        .map(|time| UnixTime::EPOCH.after(time))
        .ok_or(InvalidClaim(claim, Fault::OutOfRange))
}

/// `exp` is invalid if now > exp + skew (spec §2.4).
pub(super) fn check_not_passed(expiry: UnixTime, skew: Duration, now: UnixTime) -> Result<(), InvalidClaim> {
    if now > expiry.after(skew) { Err(InvalidClaim(Claim::Expiry, Fault::Passed)) } else { Ok(()) }
}

/// `iat` and `nbf` are invalid if now < claim − skew (spec §2.4).
pub(super) fn check_reached(start: UnixTime, claim: Claim, skew: Duration, now: UnixTime) -> Result<(), InvalidClaim> {
    if now.after(skew) < start { Err(InvalidClaim(claim, Fault::NotReached)) } else { Ok(()) }
}
