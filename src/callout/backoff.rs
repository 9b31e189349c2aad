//! The pauses that a failing server is given, by the steady clock.

use std::time::Duration;

use crate::time::SteadyTime;

/// The pause after the first failure; each further one in a row doubles it.
pub(crate) const FIRST_BACKOFF: Duration = Duration::from_secs(1);

/// The longest pause. A server that is back is noticed this fast; one that is down gets one request per worker and pause.
pub(crate) const LONGEST_BACKOFF: Duration = Duration::from_secs(10);

/// The longest pause that a server may ask for with `Retry-After`. One that asks for hours would keep every caller out for
/// as long, even when it is back after a minute.
pub(crate) const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(60);

/// How many callouts have failed in a row, and the pause that follows.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Backoff {
    failures: u32,
    not_before: Option<SteadyTime>,
    /// Whether the server asked for this pause, which may then be as long as [`LONGEST_RETRY_AFTER`].
    is_asked_for: bool,
}

impl Backoff {
    /// Whether no pause is running. One that is longer than any that is ever made means that the only clock was
    /// set back.
    #[must_use]
    pub(crate) fn may_try(&self, now: SteadyTime) -> bool {
        let pause = self.retry_after(now);
        pause.is_zero() || pause > if self.is_asked_for { LONGEST_RETRY_AFTER } else { LONGEST_BACKOFF }
    }

    /// How long it is until the end of the pause.
    #[must_use]
    pub(crate) fn retry_after(&self, now: SteadyTime) -> Duration {
        self.not_before.map_or(Duration::ZERO, |not_before| now.until(not_before))
    }

    /// The end of the pause that is running.
    #[must_use]
    pub(crate) fn running(&self, now: SteadyTime) -> Option<SteadyTime> {
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
    pub(crate) fn pause(&mut self, now: SteadyTime, longest: Duration) -> SteadyTime {
        let doublings = self.failures.saturating_sub(1).min(8);
        let pause = FIRST_BACKOFF.saturating_mul(1_u32.checked_shl(doublings).unwrap_or(u32::MAX));
        let end = now.after(pause.min(LONGEST_BACKOFF).min(longest));
        self.pause_until(end);
        end
    }

    /// Begins the pause that the server asked for, within bounds, or prolongs the one that is running to it.
    pub(crate) fn pause_as_asked(&mut self, now: SteadyTime, retry_after: Duration) {
        let end = now.after(retry_after.clamp(FIRST_BACKOFF, LONGEST_RETRY_AFTER));
        if self.running(now).is_none_or(|running| running < end) {
            self.pause_until(end);
            self.is_asked_for = true;
        }
    }

    /// Pauses until this time.
    pub(crate) fn pause_until(&mut self, not_before: SteadyTime) {
        self.not_before = Some(not_before);
        self.is_asked_for = false;
    }

    /// Pauses until this time if that is later than the end of the pause so far.
    pub(crate) fn prolong(&mut self, not_before: Option<SteadyTime>) {
        self.not_before = self.not_before.max(not_before);
    }

    /// Ends the row of failures, and the pause.
    pub(crate) fn reset(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> SteadyTime {
        SteadyTime::from_secs(1_000 + seconds)
    }

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_pause_that_the_server_asks_for_has_bounds() {
        for (asked, pause) in [(0, 1), (1, 1), (30, 30), (60, 60), (61, 60), (u64::MAX, 60)] {
            let mut backoff = Backoff::default();
            backoff.count_failure();
            backoff.pause_as_asked(at(0), seconds(asked));
            assert_eq!(backoff.retry_after(at(0)), seconds(pause), "{asked}");
            assert!(!backoff.may_try(at(pause - 1)) && backoff.may_try(at(pause)), "{asked}");
        }
    }

    #[test]
    fn a_pause_that_the_server_asks_for_prolongs_the_running_one_and_never_shortens_it() {
        let mut backoff = Backoff::default();
        backoff.count_failure();
        backoff.pause_as_asked(at(0), seconds(30));
        backoff.pause_as_asked(at(1), seconds(5));
        assert_eq!(backoff.retry_after(at(1)), seconds(29));
        backoff.pause_as_asked(at(1), seconds(40));
        assert_eq!(backoff.retry_after(at(1)), seconds(40));
    }

    /// A pause that is longer than any that is made comes of a clock that was set back.
    #[test]
    fn no_pause_outlasts_a_clock_that_was_set_back() {
        let mut backoff = Backoff::default();
        backoff.count_failure();
        backoff.pause_as_asked(at(100), seconds(60));
        assert!(!backoff.may_try(at(100)) && backoff.may_try(at(99)));
        backoff.pause(at(200), LONGEST_BACKOFF);
        assert!(!backoff.may_try(at(200)) && backoff.may_try(at(180)), "one that nobody asked for is short");
    }
}
