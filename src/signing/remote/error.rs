//! Why a remote signer did not sign: what callers are told of it, and whether a second try may help.

use std::fmt;

use crate::callout::CalloutError;

/// The longest answer that is read, in bytes. With a key of 4096 bits real ones have about 1 KiB.
pub(crate) const MAX_RESPONSE_LENGTH: usize = 16 * 1024;

/// Why an answer is not the signature that was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AnswerFault {
    /// It is longer than [`MAX_RESPONSE_LENGTH`].
    TooLong,
    /// The signer does not answer like this: what is wrong, for the log.
    Unreadable(&'static str),
    /// The signature is not as long as one with the public key.
    Length,
    /// The signature does not verify with the public key.
    Mismatch,
    /// The signature is by a version of the key that is not among the public keys that the signer tells.
    UnknownVersion,
}

/// Why the remote signer did not sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RemoteError {
    /// No answer that counts, or one that says that the signer cannot sign now.
    Unavailable(CalloutError),
    /// The answer came after the deadline.
    Late,
    /// The wall clock was set meanwhile, by so much that the token is old or from the future.
    Outdated,
    /// It refuses, with this status.
    Refused(u16),
    /// Its answer is not the signature that was asked for.
    Wrong(AnswerFault),
    /// It answered with success and without a body, and this gateway cannot ask it once more.
    Unrepeated,
    /// It gave no answer with a body to a request that had one, and this gateway cannot ask it once more.
    Unanswered(CalloutError),
    /// It refuses, with this status and no body, a request that had one, and this gateway cannot ask it once more.
    RefusedAlone(u16),
}

impl RemoteError {
    /// What a callout without an answer that counts says of the signer. `may_pass` tells of which statuses time may help.
    pub(super) fn of(error: CalloutError, may_pass: impl Fn(u16) -> bool) -> Self {
        match error {
            CalloutError::NotDispatched | CalloutError::NoAnswer | CalloutError::Incomplete => Self::Unavailable(error),
            CalloutError::Status(status) | CalloutError::StatusAlone(status) if may_pass(status) => {
                Self::Unavailable(error)
            }
            CalloutError::Status(status) | CalloutError::StatusAlone(status) => Self::Refused(status),
            CalloutError::TooLong => Self::Wrong(AnswerFault::TooLong),
        }
    }

    /// The status of the signer's answer, where that was the fault.
    #[must_use]
    pub fn status(self) -> Option<u16> {
        match self {
            Self::Unavailable(error) | Self::Unanswered(error) => error.status(),
            Self::Refused(status) | Self::RefusedAlone(status) => Some(status),
            Self::Late | Self::Outdated | Self::Wrong(_) | Self::Unrepeated => None,
        }
    }

    /// Whether the signer is out of reach (a 503), rather than unwilling or wrong (a 500).
    #[must_use]
    pub fn is_unavailable(&self) -> bool {
        matches!(self, Self::Unavailable(_) | Self::Late | Self::Outdated | Self::Unrepeated | Self::Unanswered(_))
    }

    /// Whether a second try at once may go better. A gateway that does not take the callout will not take the next one,
    /// and a quota counts tries.
    pub(super) fn may_pass(self) -> bool {
        match self {
            Self::Unavailable(CalloutError::NotDispatched) => false,
            Self::Unavailable(error) => error.status() != Some(429),
            Self::Wrong(_) | Self::Outdated => true,
            Self::Late | Self::Refused(_) | Self::RefusedAlone(_) | Self::Unrepeated | Self::Unanswered(_) => false,
        }
    }

    /// The same where there is, or may be had, an access token with which the next request goes on, and this one cannot.
    pub(super) fn passing(self) -> Self {
        match self {
            Self::Refused(status) | Self::RefusedAlone(status) => Self::Unavailable(CalloutError::Status(status)),
            other => other,
        }
    }

    /// Whether another callout may follow where not all may.
    pub(super) fn may_be_followed(self) -> bool {
        !matches!(self, Self::Unrepeated | Self::Unanswered(_) | Self::RefusedAlone(_))
    }

    /// The same where no other callout may follow.
    pub(super) fn unanswered(self) -> Self {
        match self.unrepeated() {
            Self::Unavailable(error) => Self::Unanswered(error),
            Self::Refused(status) => Self::RefusedAlone(status),
            other => other,
        }
    }

    /// The same where no second try can tell more: success without a body is then taken for a passing fault.
    pub(super) fn unrepeated(self) -> Self {
        match self {
            Self::Wrong(_) | Self::Refused(200..=299) => Self::Unrepeated,
            other => other,
        }
    }
}

impl fmt::Display for RemoteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unavailable(error) | Self::Unanswered(error) => error.fmt(f),
            Self::Late => f.write_str("the answer came after the deadline"),
            Self::Outdated => f.write_str("the clock was set meanwhile, and the token is not of this time"),
            Self::Refused(status) | Self::RefusedAlone(status) => CalloutError::Status(*status).fmt(f),
            Self::Wrong(fault) => fault.fmt(f),
            Self::Unrepeated => f.write_str("the answer has no body, and this gateway cannot ask once more"),
        }
    }
}

impl fmt::Display for AnswerFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong => write!(f, "the answer is longer than {MAX_RESPONSE_LENGTH} bytes"),
            Self::Unreadable(fault) => f.write_str(fault),
            Self::Length => f.write_str("the signature is not as long as one with the RSA key that is expected"),
            Self::Mismatch => f.write_str(
                "the signature does not verify with the public key as RSASSA-PSS with a salt of 32 bytes: the key may have been \
                 rotated or be another, or the signer sign otherwise",
            ),
            Self::UnknownVersion => f.write_str("the signature is by a version of the key that the signer does not tell of"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::signing::remote::tests::vault;

    /// What Vault and OpenBao mean.
    fn of(error: CalloutError) -> RemoteError {
        RemoteError::of(error, |status| vault().signer().may_pass(status))
    }

    fn status(status: u16) -> RemoteError {
        of(CalloutError::Status(status))
    }

    #[test]
    fn a_signer_that_can_not_sign_now_is_unavailable() {
        for error in [CalloutError::NotDispatched, CalloutError::NoAnswer, CalloutError::Incomplete] {
            assert_eq!(of(error), RemoteError::Unavailable(error));
            assert!(of(error).is_unavailable());
        }
        for code in [307, 408, 412, 425, 429, 500, 502, 503, 504, 599] {
            assert_eq!(status(code), RemoteError::Unavailable(CalloutError::Status(code)));
            let alone = CalloutError::StatusAlone(code);
            assert_eq!(of(alone), RemoteError::Unavailable(alone));
        }
        assert!(RemoteError::Late.is_unavailable() && RemoteError::Outdated.is_unavailable());
    }

    #[test]
    fn a_signer_that_refuses_or_answers_wrongly_is_not_unavailable() {
        for code in [100, 201, 204, 206, 301, 302, 400, 401, 403, 404, 405, 413, 422, 428, 499, 600, u16::MAX] {
            assert_eq!(status(code), RemoteError::Refused(code));
            assert!(!status(code).is_unavailable(), "{code}");
        }
        let too_long = of(CalloutError::TooLong);
        assert_eq!(too_long, RemoteError::Wrong(AnswerFault::TooLong));
        assert!(!too_long.is_unavailable());
    }

    #[test]
    fn a_second_try_is_for_what_may_pass() {
        for (error, may_pass) in [
            (of(CalloutError::NoAnswer), true),
            (of(CalloutError::Incomplete), true),
            (of(CalloutError::TooLong), true),
            (RemoteError::Wrong(AnswerFault::Mismatch), true),
            (status(408), true),
            (status(412), true),
            (status(425), true),
            (status(500), true),
            (status(502), true),
            (status(503), true),
            (status(504), true),
            (of(CalloutError::NotDispatched), false),
            (RemoteError::Late, false),
            (RemoteError::Outdated, true),
            (status(429), false),
            (status(204), false),
            (status(307), true),
            (status(302), false),
            (status(400), false),
            (status(403), false),
            (status(404), false),
        ] {
            assert_eq!(error.may_pass(), may_pass, "{error:?}");
        }
    }

    #[test]
    fn each_error_tells_the_operator_where_to_look() {
        for (error, text) in [
            (of(CalloutError::NoAnswer), "no answer"),
            (of(CalloutError::NotDispatched), "the gateway refused the callout"),
            (of(CalloutError::Incomplete), "the answer is not complete"),
            (RemoteError::Late, "the answer came after the deadline"),
            (RemoteError::Outdated, "the clock was set meanwhile, and the token is not of this time"),
            (status(302), "status 302 instead of 200: a redirect, which is not followed"),
            (status(307), "status 307 instead of 200: it is a standby, and redirects are not followed"),
            (status(400), "status 400 instead of 200: there is no such key, or it cannot sign like this"),
            (status(403), "status 403 instead of 200: the token is invalid, expired, or may not sign with this key"),
            (status(404), "status 404 instead of 200: there is no such mount or namespace"),
            (status(405), "status 405 instead of 200"),
            (status(429), "status 429 instead of 200: a quota is exhausted"),
            (status(500), "status 500 instead of 200: an internal error, or the key has no such version"),
            (status(502), "status 502 instead of 200"),
            (status(503), "status 503 instead of 200: it cannot be reached, or it is sealed or in maintenance"),
            (status(504), "status 504 instead of 200: no answer in time"),
            (
                RemoteError::Wrong(AnswerFault::Unreadable("the answer is not a JSON object")),
                "the answer is not a JSON object",
            ),
        ] {
            assert_eq!(vault().explain(error), text);
        }
    }
}
