//! What came of a call, for the log.

use std::fmt;
use std::time::Duration;

use crate::callout::{CalloutError, CalloutId, CalloutKind, CalloutReport};
use crate::claims::access_token::Introspected;
use crate::url::HttpUrl;

/// The longest response that is read, in bytes. Real ones have under 1 KiB, and thousands are kept.
pub(crate) const MAX_RESPONSE_LENGTH: usize = 16 * 1024;

/// What the end of a call changed, for the log. Nothing in it tells which token it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct IntrospectionReport {
    /// Which call it was.
    pub call: CalloutId,
    /// The server's address.
    pub url: HttpUrl,
    /// What the server said, or why it said nothing.
    pub result: Result<TokenState, IntrospectionError>,
    /// How long until the next call, after a failure.
    pub retry_after: Duration,
}

/// What a server says of a token, in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TokenState {
    /// Active.
    Active,
    /// Not active.
    Inactive,
    /// Active, with claims that cannot be right.
    Invalid,
}

/// Why a call told nothing of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IntrospectionError {
    /// There is no complete answer with status 200.
    Callout(CalloutError),
    /// The response is longer than [`MAX_RESPONSE_LENGTH`].
    TooLong,
    /// It is not a JSON object.
    NotAnObject,
    /// It does not say whether the token is active.
    NotAnAnswer,
}

impl IntrospectionError {
    /// Whether it tells of the server: nothing came of it, it has a fault or too much to do, or it does not accept who asks.
    /// Everything else is said of the one token.
    #[must_use]
    pub(super) fn is_about_server(self) -> bool {
        match self {
            Self::Callout(CalloutError::Status(status) | CalloutError::StatusAlone(status)) => {
                matches!(status, ..200 | 401 | 403 | 407 | 408 | 429 | 500..)
            }
            Self::Callout(CalloutError::NotDispatched | CalloutError::NoAnswer | CalloutError::Incomplete) => true,
            Self::Callout(CalloutError::TooLong) | Self::TooLong | Self::NotAnObject | Self::NotAnAnswer => false,
        }
    }

    /// The status of the answer, where that was the fault.
    #[must_use]
    pub(super) fn status(self) -> Option<u16> {
        match self {
            Self::Callout(error) => error.status(),
            Self::TooLong | Self::NotAnObject | Self::NotAnAnswer => None,
        }
    }
}

impl TokenState {
    pub(super) fn of(answer: &Introspected) -> Self {
        match answer {
            Introspected::Active(_) => Self::Active,
            Introspected::Inactive => Self::Inactive,
            Introspected::Invalid(_) => Self::Invalid,
        }
    }
}

impl From<IntrospectionReport> for CalloutReport {
    fn from(report: IntrospectionReport) -> Self {
        let (kind, is_success) = (CalloutKind::Introspection, report.result.is_ok());
        Self { callout: report.call, kind, is_success, text: report.to_string(), key_set: None }
    }
}

impl fmt::Display for IntrospectionReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let url = self.url.as_str();
        match self.result {
            Ok(TokenState::Active) => write!(f, "{url} says that a token is active"),
            Ok(TokenState::Inactive) => write!(f, "{url} says that a token is not active"),
            Ok(TokenState::Invalid) => {
                write!(f, "{url} says that a token is active, with claims that cannot be right")
            }
            Err(error) if !error.is_about_server() => {
                write!(f, "no word on a token from {url}: {error}; this token is refused, others are not affected")
            }
            Err(error) => {
                let seconds = self.retry_after.as_secs();
                write!(f, "no word on a token from {url}: {error}; next try in {seconds} s or later")
            }
        }
    }
}

impl fmt::Display for IntrospectionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // RFC 7662 §2.3
            Self::Callout(error) if error.status() == Some(401) => {
                f.write_str("status 401 instead of 200: it does not accept client_id and client_secret")
            }
            Self::Callout(error) => error.fmt(f),
            Self::TooLong => write!(f, "the answer is longer than {MAX_RESPONSE_LENGTH} bytes"),
            Self::NotAnObject => f.write_str("the answer is not a JSON object"),
            Self::NotAnAnswer => f.write_str("the answer does not say whether the token is active"),
        }
    }
}
