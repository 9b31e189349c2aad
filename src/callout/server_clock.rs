//! What the time of a server's answer says of this machine's clock. Everything expires by that clock: a wrong one is noticed here
//! before it refuses the Hub.

use std::time::{Duration, UNIX_EPOCH};

use super::answer::{Answer, decimal};
use crate::time::UnixTime;

/// By how much this machine's clock differs from that of a server at the least, in whole seconds: one of the two is 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClockDifference {
    /// It is ahead by this much.
    pub ahead: Duration,
    /// It is behind by this much.
    pub behind: Duration,
}

/// How much time a `Date` leaves open, as it names whole seconds.
const RESOLUTION: Duration = Duration::from_secs(1);

impl Answer {
    /// When the server wrote the answer, by its clock: its `Date` (RFC 9110 §6.6.1), which is rounded down to the second.
    #[must_use]
    pub fn time(&self) -> Option<UnixTime> {
        let date = std::str::from_utf8(self.date.as_deref()?).ok()?;
        let date = httpdate::parse_http_date(date).ok()?.duration_since(UNIX_EPOCH).ok()?;
        Some(UnixTime::EPOCH.after(date))
    }

    /// How this clock differs from that of the server which sent this answer (RFC 9110 §6.6.1) to what was sent at one time and
    /// received at another; an answer that a cache has kept is as old as its `Age` says (RFC 9111 §5.1). `None` without a `Date` that
    /// can be read.
    #[must_use]
    pub fn clock_difference(&self, sent: UnixTime, received: UnixTime) -> Option<ClockDifference> {
        let date = self.time()?;
        let age = self.age.as_deref().filter(|age| !age.is_empty()).and_then(decimal).unwrap_or(0);
        let age = Duration::from_secs(u64::try_from(age).unwrap_or(u64::MAX));
        let earliest = date.after(age);
        let whole = |time: Duration| Duration::from_secs(time.as_secs());
        Some(ClockDifference {
            ahead: whole(earliest.after(RESOLUTION).until(sent)),
            behind: whole(received.until(earliest)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-22T00:11:40Z.
    const DATE: &[u8] = b"Sun, 22 Nov 2026 00:11:40 GMT";
    const SECONDS: u64 = 1_795_306_300;

    fn at(milliseconds: i64) -> UnixTime {
        UnixTime::from_millis((SECONDS * 1000).saturating_add_signed(milliseconds))
    }

    fn difference(date: &[u8], age: Option<&[u8]>, sent: i64, received: i64) -> Option<(u64, u64)> {
        let answer = Answer { date: Some(date.to_vec()), age: age.map(<[u8]>::to_vec), ..Answer::default() };
        let ClockDifference { ahead, behind } = answer.clock_difference(at(sent), at(received))?;
        assert_eq!((ahead.subsec_nanos(), behind.subsec_nanos()), (0, 0));
        Some((ahead.as_secs(), behind.as_secs()))
    }

    #[test]
    fn a_clock_is_ahead_or_behind_by_what_the_way_and_whole_seconds_cannot_explain() {
        for (sent, received, expected) in [
            (0, 0, (0, 0)),
            (999, 999, (0, 0)),
            (-400, 300, (0, 0)),
            // The answer took 20 s: it may have been written at any moment of them.
            (-15_000, 5_000, (0, 0)),
            (1_999, 2_500, (0, 0)),
            (2_000, 2_500, (1, 0)),
            (61_000, 61_200, (60, 0)),
            (-1_500, -999, (0, 0)),
            (-1_500, -1_000, (0, 1)),
            (-3_600_000, -3_600_000, (0, 3_600)),
        ] {
            assert_eq!(difference(DATE, None, sent, received), Some(expected), "{sent} {received}");
        }
    }

    #[test]
    fn an_answer_that_a_cache_has_kept_is_as_old_as_it_says() {
        assert_eq!(difference(DATE, Some(b"300"), 300_500, 300_600), Some((0, 0)));
        assert_eq!(difference(DATE, Some(b"300"), 0, 100), Some((0, 299)));
        for age in [&b""[..], b"x", b"-5", b"1.5"] {
            assert_eq!(difference(DATE, Some(age), 61_000, 61_200), Some((60, 0)), "{age:?}");
        }
        assert!(difference(DATE, Some(b"18446744073709551615"), 0, 0).is_some());
    }

    #[test]
    fn all_forms_of_a_date_are_read_and_nothing_else() {
        for date in [DATE, b"Sunday, 22-Nov-26 00:11:40 GMT", b"Sun Nov 22 00:11:40 2026"] {
            assert_eq!(difference(date, None, 61_000, 61_200), Some((60, 0)), "{}", String::from_utf8_lossy(date));
        }
        for bad in [
            &b""[..],
            b"yesterday",
            b"Sun, 22 Nov 2026 00:11:40",
            b"Sun, 32 Nov 2026 00:11:40 GMT",
            b"\xff",
            &[b'0'; 9000],
        ] {
            assert_eq!(difference(bad, None, 0, 0), None, "{}", String::from_utf8_lossy(bad));
        }
        assert_eq!(Answer::default().clock_difference(at(0), at(0)), None);
    }
}
