//! The checks of JWT Auth, in the order in which they are made.

use crate::auth::JwtAuthError;
use crate::auth::jwt_auth::HeaderError;
use crate::claims::{Claim, ClaimsError, Fault};
use crate::peer::PeerError;
use crate::reply::RejectReason;

/// A check that a request passes or fails. The order is that of the filter: each is made only if those before it were passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Check {
    /// There is a client certificate that makes sense.
    Certificate,
    /// It may call.
    Pin,
    /// No header is one that only the filter may set.
    Headers,
    /// It is known which provider the request is for.
    Provider,
    /// The certificate's subject gives an address for keys.
    KeyAddress,
    /// There is one bearer token.
    Credential,
    /// It is a compact JWS.
    Form,
    /// `alg`
    Algorithm,
    /// `typ`
    Type,
    /// `cty`
    ContentType,
    /// `crit` and `b64`
    Extensions,
    /// `kid`
    KeyId,
    /// The payload is a JSON object.
    Payload,
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
    /// `exp` − `iat`
    Lifetime,
    /// `nbf`
    NotBefore,
    /// `jti`
    TokenId,
    /// The caller's key set can be had.
    KeySet,
    /// It has the `kid`.
    Key,
    /// The signature is by that key.
    Signature,
    /// The token was not used before.
    Replay,
}

impl Check {
    /// All of them, in their order.
    pub const ALL: [Self; 25] = [
        Self::Certificate,
        Self::Pin,
        Self::Headers,
        Self::Provider,
        Self::KeyAddress,
        Self::Credential,
        Self::Form,
        Self::Algorithm,
        Self::Type,
        Self::ContentType,
        Self::Extensions,
        Self::KeyId,
        Self::Payload,
        Self::Issuer,
        Self::Subject,
        Self::Audience,
        Self::Expiry,
        Self::IssuedAt,
        Self::Lifetime,
        Self::NotBefore,
        Self::TokenId,
        Self::KeySet,
        Self::Key,
        Self::Signature,
        Self::Replay,
    ];

    /// The check that was failed, if the reason is one of JWT Auth's.
    pub(super) fn failed_by(reason: &RejectReason) -> Option<Self> {
        Some(match reason {
            RejectReason::Peer(PeerError::NotPinned(_)) => Self::Pin,
            RejectReason::Peer(_) => Self::Certificate,
            RejectReason::ReservedHeader | RejectReason::MisspeltProviderHeader => Self::Headers,
            RejectReason::Provider(_) => Self::Provider,
            RejectReason::JwtAuth(error) => match error {
                JwtAuthError::SubjectHasNoAddress => Self::KeyAddress,
                JwtAuthError::Credential(_) => Self::Credential,
                JwtAuthError::Malformed(_) => Self::Form,
                JwtAuthError::Header(error) => Self::of_header(*error),
                JwtAuthError::Claims(ClaimsError::Malformed(_)) => Self::Payload,
                JwtAuthError::Claims(ClaimsError::Invalid(claim, fault)) => Self::of_claim(*claim, *fault),
                JwtAuthError::KeysUnavailable { .. } => Self::KeySet,
                JwtAuthError::Signature => Self::Signature,
                JwtAuthError::Replay(_) => Self::Replay,
            },
            _ => return None,
        })
    }

    fn of_header(error: HeaderError) -> Self {
        match error {
            HeaderError::Algorithm => Self::Algorithm,
            HeaderError::Type => Self::Type,
            HeaderError::ContentType => Self::ContentType,
            HeaderError::Extensions => Self::Extensions,
            HeaderError::KeyId => Self::KeyId,
            HeaderError::UnknownKeyId => Self::Key,
        }
    }

    fn of_claim(claim: Claim, fault: Fault) -> Self {
        match (claim, fault) {
            (Claim::Expiry, Fault::LifetimeTooLong) => Self::Lifetime,
            (Claim::Issuer, _) => Self::Issuer,
            (Claim::Subject, _) => Self::Subject,
            (Claim::Audience, _) => Self::Audience,
            (Claim::Expiry, _) => Self::Expiry,
            (Claim::IssuedAt, _) => Self::IssuedAt,
            (Claim::NotBefore, _) => Self::NotBefore,
            // The others are of access tokens.
            (Claim::TokenId | Claim::Scope | Claim::Confirmation | Claim::TokenType, _) => Self::TokenId,
        }
    }
}
