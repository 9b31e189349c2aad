//! Why a token is not let in, and the two judgements that both memories make in the same way.

use std::time::Duration;

use crate::time::UnixTime;

/// Why a token is not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ReplayError {
    /// It was let in before.
    Replayed,
    /// As many tokens as fit are remembered, and each could still be replayed.
    Full {
        /// When the first of them ends.
        retry_after: Duration,
    },
    /// Tokens that end as late as this one may have been forgotten: a shared value was damaged, or the clock set back.
    Forgotten {
        /// When all of them have ended. A token that ends later than that is let in even before.
        retry_after: Duration,
    },
    /// The gateway's shared data does not answer, takes no value, or is changed by others again and again; or too many ask at once.
    Unavailable,
    /// The store that several gateways share does not answer.
    StoreUnavailable {
        /// When to try again.
        retry_after: Duration,
    },
}

impl ReplayError {
    /// All room is taken until after `earliest`.
    pub(super) fn full(now: UnixTime, earliest: UnixTime) -> Self {
        Self::Full { retry_after: now.until(earliest.after(Duration::from_millis(1))) }
    }
}

/// Refuses a token that is not remembered but may have been forgotten: one that ends no later than what was dropped.
pub(super) fn check_not_forgotten(
    now: UnixTime,
    valid_until: UnixTime,
    forgotten: UnixTime,
) -> Result<(), ReplayError> {
    // What has ended already cannot be remembered. Claims are checked before, so that this is only a second lock.
    if valid_until <= forgotten || valid_until < now {
        return Err(ReplayError::Forgotten { retry_after: now.until(forgotten) });
    }
    Ok(())
}
