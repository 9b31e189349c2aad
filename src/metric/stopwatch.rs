//! How long requests and responses take until there is a verdict on them.

use std::time::Duration;

use litemap::LiteMap;

use crate::request::RequestId;
use crate::time::SteadyTime;

/// What there is no verdict on yet, and since when.
#[derive(Debug)]
pub(crate) struct Stopwatch(LiteMap<RequestId, Lap>);

/// A request or a response without a verdict.
#[derive(Debug, Clone, Copy)]
struct Lap {
    since: SteadyTime,
    /// It is a request, and waits.
    is_held: bool,
}

/// What has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ended {
    /// How long it took. `None` where no clock tells.
    pub took: Option<Duration>,
    /// Whether it was a request that had to wait.
    pub was_held: bool,
}

impl Stopwatch {
    pub(crate) fn new() -> Self {
        Self(LiteMap::new_vec())
    }

    /// A request or a response has come.
    pub(crate) fn start(&mut self, id: RequestId, now: SteadyTime) {
        self.0.insert(id, Lap { since: now, is_held: false });
    }

    /// A request has to wait. `false` if that was known, or nothing is known of it.
    pub(crate) fn hold(&mut self, id: RequestId) -> bool {
        self.0.get_mut(&id).is_some_and(|lap| !std::mem::replace(&mut lap.is_held, true))
    }

    /// There is a verdict, or nobody waits for one any more. `None` if that was so before: then no clock is looked at.
    pub(crate) fn stop(&mut self, id: RequestId, now: impl FnOnce() -> Option<SteadyTime>) -> Option<Ended> {
        let Lap { since, is_held } = self.0.remove(&id)?;
        Some(Ended { took: now().and_then(|now| now.since(since)), was_held: is_held })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: RequestId = RequestId(1);
    const B: RequestId = RequestId(2);

    fn at(milliseconds: u64) -> SteadyTime {
        SteadyTime::from_millis(milliseconds)
    }

    fn ended(took: Option<u64>, was_held: bool) -> Option<Ended> {
        Some(Ended { took: took.map(Duration::from_millis), was_held })
    }

    #[test]
    fn each_is_timed_from_its_start_to_its_verdict_and_once() {
        let mut stopwatch = Stopwatch::new();
        stopwatch.start(A, at(100));
        stopwatch.start(B, at(150));
        assert!(stopwatch.hold(A));
        assert_eq!(stopwatch.stop(B, || Some(at(150))), ended(Some(0), false));
        assert_eq!(stopwatch.stop(A, || Some(at(350))), ended(Some(250), true));
        assert_eq!(stopwatch.stop(A, || Some(at(400))), None);
        assert!(!stopwatch.hold(A));
        // Its response.
        stopwatch.start(A, at(500));
        assert_eq!(stopwatch.stop(A, || Some(at(501))), ended(Some(1), false));
    }

    #[test]
    fn what_has_to_wait_is_noted_once() {
        let mut stopwatch = Stopwatch::new();
        stopwatch.start(A, at(0));
        assert_eq!([stopwatch.hold(A), stopwatch.hold(A), stopwatch.hold(B)], [true, false, false]);
    }

    #[test]
    fn without_a_clock_or_with_one_that_was_set_back_nothing_took_any_time() {
        let mut stopwatch = Stopwatch::new();
        for now in [None, Some(at(99))] {
            stopwatch.start(A, at(100));
            assert_eq!(stopwatch.stop(A, || now), ended(None, false));
        }
    }
}
