//! What the bank's own applications are told when a request to the Hub could not be signed, or a response could not be
//! verified.

use std::borrow::Cow;

use crate::auth::{CredentialError, JwtAuthError};
use crate::claims::{Claim, ClaimsError, Fault};
use crate::signing::SigningError;

use super::{ErrorCode, jwt_auth};

/// The error code that stands for it: a fault of the signer is one of this filter; a signer out of reach may come back.
pub(super) fn signing_code(error: &SigningError) -> ErrorCode {
    match error {
        SigningError::Remote(error) if error.is_unavailable() => ErrorCode::GenericRecoverableError,
        SigningError::Paused { .. } | SigningError::TooManyPending => ErrorCode::GenericRecoverableError,
        SigningError::NoActiveKey | SigningError::Fault | SigningError::Remote(_) => ErrorCode::GenericError,
    }
}

/// What was wrong, for people. Why a remote signer did not sign is for the log alone.
pub(super) fn signing_message(error: &SigningError) -> &'static str {
    match error {
        SigningError::NoActiveKey => "No key to sign tokens with is active yet.",
        SigningError::Fault => "The token could not be signed.",
        SigningError::Remote(error) if error.is_unavailable() => {
            "The remote signer cannot be reached, or cannot sign now. Try again."
        }
        SigningError::Remote(_) => "The remote signer did not sign the token.",
        SigningError::Paused { .. } => "The remote signer has too much to do. Try again.",
        SigningError::TooManyPending => "Too many requests are waiting for the remote signer. Try again.",
    }
}

/// Why a response is not taken for the Hub's.
pub(super) fn response_message(error: &JwtAuthError) -> String {
    let reason: Cow<'static, str> = match error {
        JwtAuthError::Credential(CredentialError::Missing) => "It carries no token.".into(),
        JwtAuthError::Credential(CredentialError::Several) => "It carries more than one token.".into(),
        JwtAuthError::Credential(CredentialError::NotBearer | CredentialError::NotOneToken) => {
            "The header for its token does not hold Bearer, a space and one token.".into()
        }
        JwtAuthError::Claims(ClaimsError::Invalid(claim @ Claim::Issuer, Fault::Mismatch)) => {
            format!("The claim {} is not the O of the API Hub.", claim.name()).into()
        }
        JwtAuthError::Claims(ClaimsError::Invalid(claim @ Claim::Subject, Fault::Mismatch)) => {
            format!("The claim {} is not the OU of the API Hub.", claim.name()).into()
        }
        JwtAuthError::KeysUnavailable { .. } => "The keys to verify its token with cannot be had now.".into(),
        other => jwt_auth::message(other),
    };
    format!("The response is not verified to be the API Hub's. {reason}")
}
