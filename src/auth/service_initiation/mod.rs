//! The service initiation token (spec §2.6): on some requests the Hub sends a token that the bank made instead of its own
//! credential. Only the bank's backend can check it, so it passes on mutual TLS and pinning alone.
//!
//! It must not become a way around the configured method: a token that is meant for that method has to pass its checks,
//! and is refused when it fails them. To tell, tokens are read here as leniently as any backend might; nothing is believed.

use std::borrow::Cow;

use base64::Engine as _;
use base64::alphabet::URL_SAFE;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use crate::config;
use crate::json::{JsonError, Object, Value};

/// The longest opaque token, in bytes: as long as the tokens that are looked into.
pub(crate) const MAX_OPAQUE_TOKEN_BYTES: usize = 8 * 1024;

/// base64url however somebody may have written it.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The requests that may bring such a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ServiceInitiation {
    settings: config::ServiceInitiation,
}

impl ServiceInitiation {
    /// The requests of these settings.
    #[must_use]
    pub(crate) fn new(settings: config::ServiceInitiation) -> Self {
        Self { settings }
    }

    /// Whether a request with this method and path may bring a service initiation token. The path may have a query; what
    /// stands before it is compared as it is, and neither decoded nor normalised.
    #[must_use]
    pub(crate) fn allows(&self, method: &[u8], path: &[u8]) -> bool {
        let path = path.split(|byte| *byte == b'?').next().unwrap_or_default();
        self.settings.allow.iter().any(|request| request.method.as_bytes() == method && request.path.as_bytes() == path)
    }
}

/// Whether a Bearer value can be passed on unread: visible ASCII of at most [`MAX_OPAQUE_TOKEN_BYTES`].
#[must_use]
pub(crate) fn is_opaque_token(token: &str) -> bool {
    let bytes = token.as_bytes();
    !bytes.is_empty() && bytes.len() <= MAX_OPAQUE_TOKEN_BYTES && bytes.iter().all(u8::is_ascii_graphic)
}

/// Whether a Bearer value is meant as a JWT Auth token, whatever is wrong with it: three parts, the first of which is an
/// object with `typ` `JOSE`, or with `cty` `json` and `alg` `PS256`, in any case.
#[must_use]
pub(crate) fn is_jwt_auth_token(token: &str) -> bool {
    let Some([header, ..]) = three_parts(token) else { return false };
    let json = decode(header);
    let header = Members::of(&json);
    header.may_be("typ", |typ| media_type(typ).eq_ignore_ascii_case("jose"))
        || (header.may_be("cty", |cty| media_type(cty).eq_ignore_ascii_case("json"))
            && header.may_be("alg", |alg| alg.eq_ignore_ascii_case("PS256")))
}

/// Whether a Bearer value is meant as a JWT access token (RFC 9068 §2.1) of this issuer, if it is known, whatever is wrong
/// with it: three parts, with `typ` `at+jwt` or the issuer as `iss`.
#[must_use]
pub(crate) fn is_access_token(token: &str, issuer: Option<&str>) -> bool {
    let Some([header, payload, _]) = three_parts(token) else { return false };
    let (header, payload) = (decode(header), decode(payload));
    Members::of(&header).may_be("typ", |typ| media_type(typ).eq_ignore_ascii_case("at+jwt"))
        || issuer.is_some_and(|issuer| Members::of(&payload).may_be("iss", |iss| iss == issuer))
}

fn three_parts(token: &str) -> Option<[&str; 3]> {
    let mut parts = token.split('.');
    let three = [parts.next()?, parts.next()?, parts.next()?];
    parts.next().is_none().then_some(three)
}

fn decode(part: &str) -> Vec<u8> {
    let standard_alphabet = part.contains(['+', '/']);
    let part = if standard_alphabet { Cow::from(part.replace('+', "-").replace('/', "_")) } else { Cow::from(part) };
    // What is no base64 is no JSON either.
    LENIENT.decode(part.as_bytes()).unwrap_or_default()
}

/// The type without the prefix that RFC 7515 §4.1.9 lets a sender omit.
fn media_type(text: &str) -> &str {
    match text.split_once('/') {
        Some((prefix, rest)) if prefix.eq_ignore_ascii_case("application") => rest,
        _ => text,
    }
}

/// What is known of the members of a part.
enum Members<'a> {
    Known(Object<'a>),
    /// An object that this filter does not read to its end, and a more patient reader might.
    Unknown,
    None,
}

impl<'a> Members<'a> {
    fn of(json: &'a [u8]) -> Self {
        match Value::parse_noting_repetition(json) {
            Ok(Value::Object(members)) => Self::Known(members),
            Err(JsonError::TooDeep | JsonError::TooManyMembers) => Self::Unknown,
            Ok(_) | Err(JsonError::Syntax { .. } | JsonError::DuplicateMember { .. }) => Self::None,
        }
    }

    /// Whether any reader might find a text like this under `name`. Of repeated members, each might be the one.
    fn may_be(&self, name: &str, like: impl Fn(&str) -> bool) -> bool {
        match self {
            Self::Known(members) => {
                members.text(name).is_some_and(like) || members.repeated().any(|repeated| repeated == name)
            }
            Self::Unknown => true,
            Self::None => false,
        }
    }
}

#[cfg(test)]
mod tests;
