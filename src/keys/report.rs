//! What came of a fetch, for the log.

use std::fmt;
use std::time::Duration;

use crate::callout::{CalloutError, CalloutId, CalloutKind, CalloutReport};
use crate::jose::JwksError;
use crate::url::HttpUrl;

/// What a result changed, for the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FetchReport {
    /// Which fetch it was.
    pub fetch: CalloutId,
    /// Where from.
    pub url: HttpUrl,
    /// How many usable keys came, or why none did.
    pub result: Result<usize, FetchError>,
    /// How long until the next try, after a failure.
    pub retry_after: Duration,
    /// How long the keys of an earlier fetch are still valid; zero if there are none.
    pub cached_for: Duration,
}

/// Why a fetch gave no keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FetchError {
    /// No answer that counts.
    Callout(CalloutError),
    /// Not a usable key set.
    Unusable(JwksError),
}

impl From<FetchReport> for CalloutReport {
    fn from(report: FetchReport) -> Self {
        let (kind, is_success) = (CalloutKind::Keys, report.result.is_ok());
        Self { callout: report.fetch, kind, is_success, text: report.to_string() }
    }
}

impl fmt::Display for FetchReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let url = self.url.as_str();
        match self.result {
            Ok(keys) => write!(f, "fetched {keys} keys from {url}"),
            Err(error) => {
                write!(f, "no keys from {url}: {error}; ")?;
                match self.cached_for {
                    Duration::ZERO => f.write_str("no valid keys are cached; ")?,
                    left => write!(f, "the cached keys stay valid for {} s; ", left.as_secs())?,
                }
                write!(f, "next try in {} s or later", self.retry_after.as_secs())
            }
        }
    }
}

impl fmt::Display for FetchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FetchError::Callout(error) => error.fmt(f),
            FetchError::Unusable(JwksError::TooLong) => CalloutError::TooLong.fmt(f),
            FetchError::Unusable(JwksError::NotASet) => f.write_str("the answer is not a JWK set"),
            FetchError::Unusable(JwksError::NoUsableKey) => f.write_str("the JWK set has no key that may be used"),
        }
    }
}
