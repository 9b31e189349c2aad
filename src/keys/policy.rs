//! How keys are kept and fetched.

use std::time::Duration;

use crate::callout;
use crate::jose::Algorithm;

/// How keys are kept and fetched.
#[derive(Debug, Clone)]
pub(crate) struct KeyPolicy {
    /// The gateway's name for the server that has them.
    pub upstream: String,
    /// The algorithms that a key may be used with; other keys of a set are ignored.
    pub algorithms: Vec<Algorithm>,
    /// How long a set is used after it was fetched.
    pub max_age: Duration,
    /// How long a fetch may take.
    pub timeout: Duration,
    /// The time between two fetches of one address that unknown key ids cause.
    pub refetch_cooldown: Duration,
}

/// Why a fetch is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FetchReason {
    /// There are no valid keys, or they grow old.
    Age,
    /// A key id is unknown: allowed once per cooldown.
    UnknownKeyId,
}

impl KeyPolicy {
    /// How long a fetch is waited for.
    pub(super) fn patience(&self) -> Duration {
        callout::patience(self.timeout)
    }
}
