//! What came of a fetch, for the log.

use std::fmt;
use std::time::Duration;

use crate::callout::{CalloutError, CalloutId, CalloutKind, CalloutReport, FetchedKeySet};
use crate::jose::{JwksError, SkippedKeys};
use crate::log_line::printable;
use crate::time::UnixTime;
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
    /// From when they are; of no meaning where none came.
    pub fetched: UnixTime,
    /// Which keys of the set are not used, where that is news.
    pub skipped: Option<SkippedKeys>,
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
        let text = report.to_string();
        let key_set = is_success.then(|| FetchedKeySet { url: report.url, at: report.fetched });
        Self { callout: report.fetch, kind, is_success, text, key_set }
    }
}

impl fmt::Display for FetchReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let url = self.url.as_str();
        match self.result {
            Ok(keys) => {
                write!(f, "fetched {keys} keys from {url}")?;
                self.tell_of_skipped(f)
            }
            Err(error) => {
                write!(f, "no keys from {url}: {error}")?;
                self.tell_of_skipped(f)?;
                f.write_str("; ")?;
                match self.cached_for {
                    Duration::ZERO => f.write_str("no valid keys are cached; ")?,
                    left => write!(f, "the cached keys stay valid for {} s; ", left.as_secs())?,
                }
                write!(f, "next try in {} s or later", self.retry_after.as_secs())
            }
        }
    }
}

impl FetchReport {
    fn tell_of_skipped(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(skipped) = &self.skipped else { return Ok(()) };
        write!(f, "; skipped {}:", skipped.len())?;
        for (n, key) in skipped.named().iter().enumerate() {
            let separator = if n == 0 { "" } else { "," };
            match &key.key_id {
                Some(key_id) => write!(f, "{separator} \"{}\" ({})", printable(key_id.as_bytes()), key.reason)?,
                None => write!(f, "{separator} one without a kid ({})", key.reason)?,
            }
        }
        match skipped.len().saturating_sub(skipped.named().len()) {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }
}

impl FetchError {
    /// Whether no key set came: nothing is known of its keys then.
    #[must_use]
    pub(super) fn is_not_a_set(&self) -> bool {
        !matches!(self, Self::Unusable(JwksError::NoUsableKey))
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
