//! The pauses that a failing server is given.

use std::time::Duration;

use crate::time::UnixTime;

/// The pause after the first failure; each further one in a row doubles it.
pub(crate) const FIRST_BACKOFF: Duration = Duration::from_secs(1);

/// The longest pause. A server that is back is noticed this fast; one that is down gets one request per worker and pause.
pub(crate) const LONGEST_BACKOFF: Duration = Duration::from_secs(10);

/// How many callouts have failed in a row, and the pause that follows.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Backoff {
    failures: u32,
    not_before: Option<UnixTime>,
}

impl Backoff {
    /// Whether no pause is running. One that is longer than any that is ever made means that the clock was set back.
    #[must_use]
    pub(crate) fn may_try(&self, now: UnixTime) -> bool {
        let pause = self.retry_after(now);
        pause.is_zero() || pause > LONGEST_BACKOFF
    }

    /// How long it is until the end of the pause.
    #[must_use]
    pub(crate) fn retry_after(&self, now: UnixTime) -> Duration {
        self.not_before.map_or(Duration::ZERO, |not_before| now.until(not_before))
    }

    /// The end of the pause that is running.
    #[must_use]
    pub(crate) fn running(&self, now: UnixTime) -> Option<UnixTime> {
        self.not_before.filter(|_| !self.may_try(now))
    }

    /// How many callouts have failed in a row.
    #[must_use]
    pub(crate) fn failures(&self) -> u32 {
        self.failures
    }

    /// Notes that as many have failed in a row, if more than are known: other workers have failed too.
    pub(crate) fn note_failures(&mut self, failures: u32) {
        self.failures = self.failures.max(failures);
    }

    /// Notes one more failure.
    pub(crate) fn count_failure(&mut self) {
        self.failures = self.failures.saturating_add(1);
    }

    /// Begins a pause that follows from the failures so far, of at most this length. Its end.
    pub(crate) fn pause(&mut self, now: UnixTime, longest: Duration) -> UnixTime {
        let doublings = self.failures.saturating_sub(1).min(8);
        let pause = FIRST_BACKOFF.saturating_mul(1_u32.checked_shl(doublings).unwrap_or(u32::MAX));
        let end = now.after(pause.min(LONGEST_BACKOFF).min(longest));
        self.not_before = Some(end);
        end
    }

    /// Pauses until this time.
    pub(crate) fn pause_until(&mut self, not_before: UnixTime) {
        self.not_before = Some(not_before);
    }

    /// Pauses until this time if that is later than the end of the pause so far.
    pub(crate) fn prolong(&mut self, not_before: Option<UnixTime>) {
        self.not_before = self.not_before.max(not_before);
    }

    /// Ends the row of failures, and the pause.
    pub(crate) fn reset(&mut self) {
        *self = Self::default();
    }
}
