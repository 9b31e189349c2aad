//! What people are told of an access token that is not accepted (spec §3), and the error code of each fault.

use std::borrow::Cow;

use crate::auth::client_credentials::{AccessTokenError, AccessTokenHeaderError};
use crate::claims::access_token::AccessTokenFault;
use crate::claims::{Claim, Fault};

use super::ErrorCode;
use super::jwt_auth::{credential_message, jws_message};
use crate::auth::CredentialError;

/// The error code that stands for it.
pub(super) fn code(error: &AccessTokenError) -> ErrorCode {
    match error {
        AccessTokenError::Credential(CredentialError::Missing) => ErrorCode::CredentialMissing,
        AccessTokenError::Credential(_) => ErrorCode::CredentialMalformed,
        AccessTokenError::Fault(AccessTokenFault::ScopeMissing) => ErrorCode::AccessTokenInvalidScope,
        AccessTokenError::Malformed(_)
        | AccessTokenError::Header(_)
        | AccessTokenError::Fault(_)
        | AccessTokenError::Signature
        | AccessTokenError::Inactive
        | AccessTokenError::Unconfirmed => ErrorCode::AccessTokenInvalid,
        AccessTokenError::KeysUnavailable { .. } | AccessTokenError::IntrospectionUnavailable { .. } => {
            ErrorCode::GenericRecoverableError
        }
    }
}

/// What was wrong, for people.
pub(super) fn message(error: &AccessTokenError) -> Cow<'static, str> {
    match error {
        AccessTokenError::Credential(error) => credential_message(*error).into(),
        AccessTokenError::Malformed(error) | AccessTokenError::Fault(AccessTokenFault::Malformed(error)) => {
            jws_message(error)
        }
        AccessTokenError::Header(error) => header_message(*error).into(),
        AccessTokenError::Fault(AccessTokenFault::Invalid(claim, fault)) => claim_message(*claim, *fault).into(),
        AccessTokenError::Fault(AccessTokenFault::NotBound) => {
            "The access token is not bound to a client certificate (cnf with x5t#S256).".into()
        }
        AccessTokenError::Fault(AccessTokenFault::BoundToAnother) => {
            "The access token is bound to another client certificate.".into()
        }
        AccessTokenError::Fault(AccessTokenFault::BoundOtherwise) => {
            "The access token is bound to a key in a way that is not supported (cnf without x5t#S256, or with more)."
                .into()
        }
        AccessTokenError::Fault(AccessTokenFault::FingerprintUnknown) => {
            "The access token is bound to a client certificate, whose fingerprint is not known.".into()
        }
        AccessTokenError::Fault(AccessTokenFault::ScopeMissing) => {
            "The access token does not have every scope that is needed.".into()
        }
        AccessTokenError::Signature => {
            "The signature of the access token is not by the key that its kid names, or by the only one if it names none.".into()
        }
        AccessTokenError::Inactive => "The access token is not active.".into(),
        AccessTokenError::Unconfirmed => {
            "The server that knows access tokens did not say that this one is active.".into()
        }
        AccessTokenError::KeysUnavailable { .. } => {
            "The keys to verify the access token with cannot be had now. Try again.".into()
        }
        AccessTokenError::IntrospectionUnavailable { .. } => {
            "The server that knows the access token cannot be asked now. Try again.".into()
        }
    }
}

fn header_message(error: AccessTokenHeaderError) -> &'static str {
    match error {
        AccessTokenHeaderError::Algorithm => "The alg of the access token is not one that is accepted.",
        AccessTokenHeaderError::Type => "The typ of the access token must be at+jwt, or JWT, or absent.",
        AccessTokenHeaderError::KeyId => "The kid of the access token must be text of 1 to 256 bytes.",
        AccessTokenHeaderError::NoKeyId => {
            "The header of the access token has no kid, and the key set of the authorisation server does not have exactly one key \
             for its alg."
        }
        AccessTokenHeaderError::Extensions => {
            "The header of the access token asks for extensions (crit or b64), and none is supported."
        }
        AccessTokenHeaderError::UnknownKeyId => {
            "The kid of the access token is not in the key set of the authorisation server, or not for its alg."
        }
    }
}

fn claim_message(claim: Claim, fault: Fault) -> String {
    let name = claim.name();
    let wrong = match (claim, fault) {
        (_, Fault::Missing) => "is missing",
        (Claim::Expiry | Claim::IssuedAt | Claim::NotBefore, Fault::WrongType) => "is not a number of seconds",
        (Claim::Audience, Fault::WrongType) => "is neither text nor an array of texts",
        (Claim::Confirmation, Fault::WrongType) => "is not an object with text in x5t#S256",
        (Claim::Scope, Fault::WrongType) => "is neither text nor a list of texts",
        (_, Fault::WrongType) => "is not text",
        (Claim::TokenId, Fault::OutOfRange) => "is not text of 1 to 256 bytes without control characters",
        (Claim::Confirmation, Fault::OutOfRange) => "does not hold the base64url of 32 bytes in x5t#S256",
        (_, Fault::OutOfRange) => "is not a time between the years 1970 and 9999",
        (Claim::Issuer, Fault::Mismatch) => "does not name the authorisation server of this receiver",
        (Claim::TokenType, Fault::Mismatch) => "is not Bearer",
        (_, Fault::Mismatch) => "does not name this receiver",
        (_, Fault::Passed) => "has passed: it is expired",
        (_, Fault::NotReached) => "lies in the future: it is not valid yet",
        (_, Fault::LifetimeTooLong) => "is too long after iat",
    };
    ["The ", name, " of the access token ", wrong, "."].concat()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::jose::JwsError;
    use crate::jose::compact::Part;
    use crate::reply::{RejectReason, Rejection};

    /// One error of each kind, with the row of spec §3 that it belongs to.
    fn errors() -> Vec<(AccessTokenError, u16, &'static str)> {
        let invalid = |error| (error, 401, "AccessToken.Invalid");
        let header = |error| invalid(AccessTokenError::Header(error));
        let fault = |fault| invalid(AccessTokenError::Fault(fault));
        let claim = |claim, wrong| fault(AccessTokenFault::Invalid(claim, wrong));
        let retry_after = Duration::from_millis(1500);
        vec![
            (AccessTokenError::Credential(CredentialError::Missing), 401, "Credential.Missing"),
            (AccessTokenError::Credential(CredentialError::Several), 401, "Credential.Malformed"),
            invalid(AccessTokenError::Malformed(JwsError::TooLong)),
            fault(AccessTokenFault::Malformed(JwsError::NotAnObject(Part::Payload))),
            header(AccessTokenHeaderError::Algorithm),
            header(AccessTokenHeaderError::Type),
            header(AccessTokenHeaderError::KeyId),
            header(AccessTokenHeaderError::NoKeyId),
            header(AccessTokenHeaderError::Extensions),
            header(AccessTokenHeaderError::UnknownKeyId),
            claim(Claim::Issuer, Fault::Missing),
            claim(Claim::Issuer, Fault::WrongType),
            claim(Claim::Issuer, Fault::Mismatch),
            claim(Claim::Audience, Fault::Missing),
            claim(Claim::Audience, Fault::WrongType),
            claim(Claim::Audience, Fault::Mismatch),
            claim(Claim::Expiry, Fault::WrongType),
            claim(Claim::Expiry, Fault::OutOfRange),
            claim(Claim::Expiry, Fault::Passed),
            claim(Claim::IssuedAt, Fault::NotReached),
            claim(Claim::NotBefore, Fault::NotReached),
            claim(Claim::TokenId, Fault::OutOfRange),
            claim(Claim::Scope, Fault::WrongType),
            claim(Claim::Confirmation, Fault::WrongType),
            claim(Claim::Confirmation, Fault::OutOfRange),
            claim(Claim::TokenType, Fault::WrongType),
            claim(Claim::TokenType, Fault::Mismatch),
            fault(AccessTokenFault::NotBound),
            fault(AccessTokenFault::BoundToAnother),
            fault(AccessTokenFault::BoundOtherwise),
            fault(AccessTokenFault::FingerprintUnknown),
            (AccessTokenError::Fault(AccessTokenFault::ScopeMissing), 403, "AccessToken.InvalidScope"),
            invalid(AccessTokenError::Signature),
            invalid(AccessTokenError::Inactive),
            invalid(AccessTokenError::Unconfirmed),
            (AccessTokenError::KeysUnavailable { retry_after }, 503, "GenericRecoverableError"),
            (AccessTokenError::IntrospectionUnavailable { retry_after }, 503, "GenericRecoverableError"),
        ]
    }

    #[test]
    fn each_error_has_the_status_and_code_of_the_standards_table() {
        for (error, status, code) in errors() {
            let rejection = Rejection::bare(RejectReason::AccessToken(error));
            assert_eq!((rejection.reply().status, rejection.code().as_str()), (status, code), "{error:?}");
        }
    }

    #[test]
    fn every_503_says_when_to_try_again_and_everything_else_carries_a_challenge() {
        for (error, status, _) in errors() {
            let reply = Rejection::bare(RejectReason::AccessToken(error)).reply();
            let header = |name| reply.headers.iter().find(|(known, _)| *known == name).map(|(_, value)| &**value);
            assert_eq!(header("retry-after"), (status == 503).then_some("2"), "{error:?}");
            assert_eq!(header("www-authenticate").is_some(), status != 503, "{error:?}");
            let insufficient = header("www-authenticate").is_some_and(|value| value.contains("insufficient_scope"));
            assert_eq!(insufficient, status == 403, "{error:?}");
        }
    }

    #[test]
    fn messages_are_sentences_of_their_own_that_fit_into_a_challenge() {
        let mut messages: Vec<_> = errors().iter().map(|(error, ..)| message(error)).collect();
        for message in &messages {
            assert!(message.starts_with("The ") && message.ends_with('.'), "{message}");
            let fits = |byte: u8| (b' '..=b'~').contains(&byte) && byte != b'"' && byte != b'\\';
            assert!(message.bytes().all(fits), "{message}");
        }
        let count = messages.len();
        messages.sort();
        messages.dedup();
        assert_eq!(messages.len(), count);
    }
}
