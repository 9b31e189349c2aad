//! How many signatures there are in a second at most: the generic cell rate algorithm, with a second's worth at once.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// See the module.
pub(super) struct Limit {
    interval: Duration,
    /// When the next one would come if they came evenly.
    due: Mutex<Instant>,
}

impl Limit {
    /// So many in a second, at least one.
    pub(super) fn per_second(number: u32) -> Self {
        Self { interval: Duration::from_secs(1) / number.max(1), due: Mutex::new(Instant::now()) }
    }

    /// Whether there may be one more at this time.
    pub(super) fn allows(&self, now: Instant) -> bool {
        let mut due = self.due.lock().unwrap_or_else(PoisonError::into_inner);
        let next = (*due).max(now) + self.interval;
        let is_allowed = next.saturating_duration_since(now) <= Duration::from_secs(1);
        if is_allowed {
            *due = next;
        }
        is_allowed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seconds_worth_comes_at_once_and_then_one_by_one() {
        let limit = Limit::per_second(4);
        let start = Instant::now() + Duration::from_secs(5);
        let allowed = |milliseconds| limit.allows(start + Duration::from_millis(milliseconds));
        assert_eq!([0, 0, 0, 0, 0].map(allowed), [true, true, true, true, false]);
        assert_eq!([249, 250, 250, 500].map(allowed), [false, true, false, true]);
        assert_eq!([5000; 5].map(allowed), [true, true, true, true, false]);
    }
}
