//! When a server was in trouble, and which refusals that excuses.

use std::time::{Duration, Instant};

/// How long after a trouble a server may still be left alone: the longest pause of the filter, which is 10 s, and the time that a
/// callout takes that began in it.
const AFTER: Duration = Duration::from_secs(16);

/// The troubles of one server, in order.
#[derive(Debug, Default)]
pub(crate) struct Troubles {
    /// From when until when; the last one may last.
    times: Vec<(Instant, Option<Instant>)>,
    /// How long what is cached serves without the server.
    cached: Duration,
}

impl Troubles {
    /// Of a server without which what is cached serves for so long at least.
    pub(crate) fn new(cached: Duration) -> Self {
        Self { times: Vec::new(), cached }
    }

    /// One begins.
    pub(crate) fn begin(&mut self, now: Instant) {
        self.times.push((now, None));
    }

    /// The last one ends.
    pub(crate) fn end(&mut self, now: Instant) {
        if let Some((_, end)) = self.times.last_mut() {
            *end = Some(now);
        }
    }

    /// How many there were.
    pub(crate) fn count(&self) -> u64 {
        self.times.len() as u64
    }

    /// Whether a request is excused that was sent and refused at these times: a trouble had lasted for longer by then than what is
    /// cached serves, and had not ended long before.
    pub(crate) fn excuse(&self, sent: Instant, refused: Instant) -> bool {
        self.times
            .iter()
            .any(|(from, until)| *from + self.cached <= refused && until.is_none_or(|until| sent <= until + AFTER))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trouble_excuses_from_when_the_cache_may_end_until_the_pause_after_it_is_over() {
        let start = Instant::now();
        let at = |seconds: u64| start + Duration::from_secs(seconds);
        let mut troubles = Troubles::new(Duration::from_secs(4));
        assert!(!troubles.excuse(at(0), at(0)));
        troubles.begin(at(10));
        assert_eq!([at(9), at(13), at(14), at(60)].map(|time| troubles.excuse(time, time)), [false, false, true, true]);
        troubles.end(at(20));
        assert_eq!(
            [at(13), at(14), at(36), at(37)].map(|time| troubles.excuse(time, time)),
            [false, true, true, false]
        );
        assert!(troubles.excuse(at(5), at(14)), "sent before, refused in it");
        assert_eq!(troubles.count(), 1);
    }
}
