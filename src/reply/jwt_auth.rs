//! What people are told of a JWT Auth token that is not accepted (spec §3), and the error code of each fault.

use std::borrow::Cow;

use crate::auth::CredentialError;
use crate::auth::jwt_auth::{HeaderError, JwtAuthError};
use crate::claims::{Claim, ClaimsError, Fault};
use crate::jose::JwsError;
use crate::replay::ReplayError;

use super::ErrorCode;

/// The error code that stands for it.
pub(super) fn code(error: &JwtAuthError) -> ErrorCode {
    match error {
        JwtAuthError::SubjectHasNoAddress => ErrorCode::CertificateMalformed,
        JwtAuthError::Credential(CredentialError::Missing) => ErrorCode::CredentialMissing,
        JwtAuthError::Credential(_) => ErrorCode::CredentialMalformed,
        JwtAuthError::Malformed(_) | JwtAuthError::Claims(ClaimsError::Malformed(_)) => ErrorCode::JwsMalformed,
        JwtAuthError::Header(_) => ErrorCode::JwsInvalidHeader,
        JwtAuthError::Claims(ClaimsError::Invalid(..)) | JwtAuthError::Replay(ReplayError::Replayed) => {
            ErrorCode::JwsInvalidClaim
        }
        JwtAuthError::Signature => ErrorCode::JwsInvalidSignature,
        JwtAuthError::KeysUnavailable { .. }
        | JwtAuthError::Replay(
            ReplayError::Full { .. }
            | ReplayError::Forgotten { .. }
            | ReplayError::Unavailable
            | ReplayError::StoreUnavailable { .. },
        ) => ErrorCode::GenericRecoverableError,
    }
}

/// What was wrong, for people.
pub(super) fn message(error: &JwtAuthError) -> Cow<'static, str> {
    match error {
        JwtAuthError::Credential(error) => credential_message(*error).into(),
        JwtAuthError::Malformed(error) | JwtAuthError::Claims(ClaimsError::Malformed(error)) => jws_message(error),
        JwtAuthError::Header(error) => header_message(*error).into(),
        JwtAuthError::Claims(ClaimsError::Invalid(claim, fault)) => claim_message(*claim, *fault).into(),
        JwtAuthError::Signature => "The signature of the token is not by the key that its kid names.".into(),
        JwtAuthError::Replay(ReplayError::Replayed) => "The token was used before: its jti is not unique.".into(),
        JwtAuthError::Replay(ReplayError::Full { .. }) => {
            "As many tokens as can be remembered were used and are still valid. Try again.".into()
        }
        JwtAuthError::Replay(ReplayError::Forgotten { .. }) => {
            "It is not known any more whether the token was used before. Try again with a new one.".into()
        }
        JwtAuthError::Replay(ReplayError::Unavailable | ReplayError::StoreUnavailable { .. }) => {
            "It cannot be found out now whether the token was used before. Try again.".into()
        }
        JwtAuthError::SubjectHasNoAddress => {
            "The subject of the client certificate does not name exactly one CN that a key set can be published under."
                .into()
        }
        JwtAuthError::KeysUnavailable { .. } => {
            "The keys to verify the token with cannot be had now. Try again.".into()
        }
    }
}

pub(super) fn credential_message(error: CredentialError) -> &'static str {
    match error {
        CredentialError::Missing => "The header Authorization is missing.",
        CredentialError::Several => "The header Authorization has more than one value.",
        CredentialError::NotBearer => "The header Authorization does not start with Bearer and a space.",
        CredentialError::NotOneToken => "The header Authorization does not hold exactly one token after Bearer.",
    }
}

pub(super) fn jws_message(error: &JwsError) -> Cow<'static, str> {
    use crate::jose::compact::{MAX_TOKEN_LENGTH, Part};
    let part = |part: &Part| match part {
        Part::Header => "header",
        Part::Payload => "payload",
        Part::Signature => "signature",
    };
    match error {
        JwsError::TooLong => format!("The token is longer than {MAX_TOKEN_LENGTH} bytes.").into(),
        JwsError::NotThreeParts => "The token does not have three parts with a dot between them.".into(),
        JwsError::NotBase64Url(at) => format!("The {} of the token is not base64url without padding.", part(at)).into(),
        JwsError::NotJson(at, error) => format!("The {} of the token is refused: {error}.", part(at)).into(),
        JwsError::NotAnObject(at) => format!("The {} of the token is not a JSON object.", part(at)).into(),
    }
}

pub(super) fn header_message(error: HeaderError) -> &'static str {
    match error {
        HeaderError::Algorithm => "The header of the token must have alg PS256.",
        HeaderError::Type => "The header of the token must have typ JOSE.",
        HeaderError::ContentType => "The header of the token must have cty json.",
        HeaderError::KeyId => "The header of the token must have a kid: text of 1 to 256 bytes.",
        HeaderError::Extensions => "The header of the token asks for extensions (crit or b64), and none is supported.",
        HeaderError::UnknownKeyId => "The kid of the token is not in the caller's key set.",
    }
}

pub(super) fn claim_message(claim: Claim, fault: Fault) -> String {
    let wrong = match (claim, fault) {
        (_, Fault::Missing) => "is missing.",
        (Claim::Expiry | Claim::IssuedAt | Claim::NotBefore, Fault::WrongType) => "is not a number of seconds.",
        (Claim::Audience, Fault::WrongType) => "is neither text nor an array of texts.",
        (_, Fault::WrongType) => "is not text.",
        (Claim::TokenId, Fault::OutOfRange) => "is not text of 1 to 256 bytes without control characters.",
        (_, Fault::OutOfRange) => "is not a time between the years 1970 and 9999.",
        (Claim::Issuer, Fault::Mismatch) => "is not the O of the client certificate.",
        (Claim::Subject, Fault::Mismatch) => "is not the OU of the client certificate.",
        (_, Fault::Mismatch) => "does not name this receiver.",
        (_, Fault::Passed) => "has passed: the token is expired.",
        (_, Fault::NotReached) => "lies in the future: the token is not valid yet.",
        (_, Fault::LifetimeTooLong) => "is too long after iat.",
    };
    // Not by `format!`, which takes as long again as all the rest of it: this is what a flood of bad tokens is told.
    ["The claim ", claim.name(), " ", wrong].concat()
}
