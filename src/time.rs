//! Points in time, by clocks that must not be mixed up: each has a type of its own. Nothing here reads a clock: the gateway
//! hands the [`Moment`] in with every event.
//!
//! | clock | what it is for |
//! |---|---|
//! | [`Wall`] | what others have written down: claims, certificates, the configuration; and the log |
//! | [`Steady`] | how long something takes: timeouts, pauses, what waits. It is never set, but may stand still while the machine sleeps |
//! | [`Aging`] | how old something is at the least that must not be believed for too long: keys, answers. It is never behind either of the others |

use std::cmp::Ordering;
use std::fmt;
use std::marker::PhantomData;
use std::time::{Duration, UNIX_EPOCH};

/// A point in time by one of the clocks, in whole milliseconds since its beginning.
pub struct Time<Clock>(u64, PhantomData<Clock>);

/// The clock on the wall, which may be set. It begins at 1970-01-01T00:00:00Z; leap seconds are not counted.
#[derive(Debug, Clone, Copy)]
pub enum Wall {}

/// A clock that is never set. It begins at some time: the start of the machine, mostly.
#[derive(Debug, Clone, Copy)]
pub enum Steady {}

/// A clock that runs as fast as the faster of the two: see [`Clocks`].
#[derive(Debug, Clone, Copy)]
pub enum Aging {}

/// A point in time in whole milliseconds since 1970-01-01T00:00:00Z, leap seconds not counted.
pub type UnixTime = Time<Wall>;

/// A point in time by the steady clock.
pub type SteadyTime = Time<Steady>;

/// A point in time by the clock by which things age.
pub(crate) type AgingTime = Time<Aging>;

/// One moment by all clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// By the clock on the wall.
    pub wall: UnixTime,
    /// By the steady clock.
    pub steady: SteadyTime,
    /// By the clock by which things age.
    pub aging: AgingTime,
}

impl<Clock> Time<Clock> {
    /// When the clock began.
    pub const BEGINNING: Self = Self(0, PhantomData);

    /// From the nanoseconds that hosts count, rounded down.
    #[must_use]
    pub fn from_nanos(nanoseconds: u64) -> Self {
        Self::from_millis(nanoseconds.checked_div(1_000_000).unwrap_or(0))
    }

    /// In whole seconds, rounded down.
    #[must_use]
    pub(crate) fn as_secs(self) -> u64 {
        self.0.checked_div(1000).unwrap_or(0)
    }

    /// From whole seconds.
    #[must_use]
    pub const fn from_secs(seconds: u64) -> Self {
        Self::from_millis(seconds.saturating_mul(1000))
    }

    /// From milliseconds since the beginning.
    #[must_use]
    pub const fn from_millis(milliseconds: u64) -> Self {
        Self(milliseconds, PhantomData)
    }

    /// Milliseconds since the beginning.
    #[must_use]
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// The point `later` after this one; the end of time if there is none.
    #[must_use]
    pub fn after(self, later: Duration) -> Self {
        Self::from_millis(self.0.saturating_add(millis(later)))
    }

    /// The point `earlier` before this one; `None` if the clock had not begun.
    #[must_use]
    pub fn before(self, earlier: Duration) -> Option<Self> {
        self.0.checked_sub(millis(earlier)).map(Self::from_millis)
    }

    /// How long ago `earlier` was; `None` if it lies in the future, as it does after a clock was set back.
    #[must_use]
    pub fn since(self, earlier: Self) -> Option<Duration> {
        self.0.checked_sub(earlier.0).map(Duration::from_millis)
    }

    /// How long it is until `later`; zero once it has passed.
    #[must_use]
    pub fn until(self, later: Self) -> Duration {
        Duration::from_millis(later.0.saturating_sub(self.0))
    }
}

impl UnixTime {
    /// 1970-01-01T00:00:00Z.
    pub const EPOCH: Self = Self::BEGINNING;

    /// RFC 3339 in UTC with milliseconds, such as `2026-11-21T09:30:00.000Z`.
    #[must_use]
    pub fn to_rfc3339(self) -> String {
        use std::fmt::Write as _;
        let mut text = String::with_capacity(32);
        let written = UNIX_EPOCH
            .checked_add(Duration::from_millis(self.0))
            .map(|time| write!(text, "{}", humantime::format_rfc3339_millis(time)));
        if matches!(written, Some(Ok(()))) { text } else { self.0.to_string() }
    }
}

impl Moment {
    /// A moment where there is no clock but the one on the wall, which stands for the others.
    #[must_use]
    pub const fn by_wall_clock(wall: UnixTime) -> Self {
        let milliseconds = wall.as_millis();
        Self { wall, steady: SteadyTime::from_millis(milliseconds), aging: AgingTime::from_millis(milliseconds) }
    }

    /// This moment for what has aged by so much before it: later for nothing but its timeouts.
    #[must_use]
    pub(crate) fn aged_by(self, age: Duration) -> Self {
        let wall = self.wall.before(age).unwrap_or(UnixTime::EPOCH);
        Self { wall, aging: self.aging.before(age).unwrap_or(AgingTime::BEGINNING), ..self }
    }

    /// The moment after so much time, in which no clock was set and none stood still.
    #[must_use]
    pub fn after(self, later: Duration) -> Self {
        Self { wall: self.wall.after(later), steady: self.steady.after(later), aging: self.aging.after(later) }
    }
}

/// Makes moments of what the two clocks of a gateway say.
///
/// Linux's steady clock (`CLOCK_MONOTONIC`) stands still while the machine sleeps, and the wall clock may be set back. So between
/// two readings as much time has passed, for what ages, as either of them says. Where the steady clock fails once, it does not
/// count any more: the wall clock stands for it, as where there is none.
#[derive(Debug, Default)]
pub(crate) struct Clocks {
    /// How far what ages is ahead of the steady clock, in milliseconds.
    ahead: u64,
    /// How far the wall clock was ahead of the steady clock when that was last compared, in milliseconds.
    wall_ahead: Option<i64>,
    has_failed: bool,
}

/// By how much two readings may differ because they are not made at once, in milliseconds. If less counted, their jitter would
/// add up.
const JITTER: u64 = 10;

impl Clocks {
    /// Not read yet.
    #[must_use]
    pub(crate) const fn new() -> Self {
        Self { ahead: 0, wall_ahead: None, has_failed: false }
    }

    /// Whether the steady clock has never failed: its readings alone can be compared then.
    #[must_use]
    pub(crate) fn are_steady(&self) -> bool {
        !self.has_failed
    }

    /// The moment at which the clocks say so, `None` where there is no steady clock. To be asked in the order of readings.
    pub(crate) fn moment(&mut self, wall: UnixTime, steady: Option<SteadyTime>) -> Moment {
        let Some(steady) = steady.filter(|_| !self.has_failed) else {
            self.has_failed = true;
            return Moment::by_wall_clock(wall);
        };
        let wall_ahead = wall.0.cast_signed().saturating_sub(steady.0.cast_signed());
        let passed = wall_ahead.saturating_sub(self.wall_ahead.unwrap_or(wall_ahead));
        if self.wall_ahead.is_none() || passed.unsigned_abs() > JITTER {
            self.wall_ahead = Some(wall_ahead);
            self.ahead = self.ahead.saturating_add(u64::try_from(passed).unwrap_or(0));
        }
        Moment { wall, steady, aging: AgingTime::from_millis(steady.0.saturating_add(self.ahead)) }
    }
}

/// A duration in whole milliseconds, at most 2^64 − 1.
fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

// By hand, because derived ones would demand the same of the clock.
impl<Clock> Clone for Time<Clock> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<Clock> Copy for Time<Clock> {}

impl<Clock> PartialEq for Time<Clock> {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl<Clock> Eq for Time<Clock> {}

impl<Clock> PartialOrd for Time<Clock> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<Clock> Ord for Time<Clock> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.cmp(&other.0)
    }
}

impl<Clock> fmt::Debug for Time<Clock> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Time").field(&self.0).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nanoseconds_are_rounded_down() {
        assert_eq!(UnixTime::from_nanos(1_999_999), UnixTime::from_nanos(1_000_000));
        assert_eq!(UnixTime::from_nanos(2_000_000).as_millis(), 2);
    }

    #[test]
    fn arithmetic_stops_at_both_ends() {
        let at = UnixTime::from_millis;
        let end = at(u64::MAX);
        assert_eq!(end.after(Duration::MAX), end);
        assert_eq!(end.until(at(0)), Duration::ZERO);
        assert_eq!(at(0).since(end), None);
        assert_eq!(at(5).since(at(2)), Some(Duration::from_millis(3)));
        assert_eq!(at(5).before(Duration::from_millis(5)), Some(at(0)));
        assert_eq!(at(5).before(Duration::from_millis(6)), None);
    }

    #[test]
    fn it_prints_as_rfc_3339_and_never_panics() {
        assert_eq!(UnixTime::from_secs(1_795_253_400).to_rfc3339(), "2026-11-21T09:30:00.000Z");
        for milliseconds in [253_402_300_800_000, u64::MAX] {
            assert_eq!(UnixTime::from_millis(milliseconds).to_rfc3339(), milliseconds.to_string());
        }
    }

    /// Two clocks, in seconds since they were first read, and what has passed at the least by them.
    fn aged(readings: &[(i64, i64)]) -> Vec<u64> {
        let mut clocks = Clocks::new();
        let at = |start: u64, seconds: i64| start.saturating_add_signed(seconds * 1000);
        let mut read = |(wall, steady)| {
            let (wall, steady) = (at(1_795_253_400_000, wall), at(86_400_000, steady));
            clocks.moment(UnixTime::from_millis(wall), Some(SteadyTime::from_millis(steady))).aging
        };
        let start = read((0, 0));
        readings.iter().map(|reading| read(*reading).since(start).unwrap().as_secs()).collect()
    }

    #[test]
    fn things_age_by_the_clock_that_says_that_more_has_passed_whatever_it_did_before() {
        let ages = |what, readings: &[(i64, i64)], expected: &[u64]| assert_eq!(aged(readings), expected, "{what}");
        ages("both go on", &[(10, 10), (20, 20)], &[10, 20]);
        ages("the wall clock is set back", &[(10, 10), (-3590, 10), (-3580, 20)], &[10, 10, 20]);
        ages("it is set forward", &[(10, 10), (3610, 10), (3620, 20)], &[10, 3610, 3620]);
        ages("the machine sleeps", &[(10, 10), (670, 10), (680, 20)], &[10, 670, 680]);
        ages("it is set back and the machine sleeps", &[(-3600, 0), (-2940, 1), (-2930, 11)], &[0, 660, 670]);
        ages("it is set forward and back", &[(3600, 0), (0, 0), (10, 10)], &[3600, 3600, 3610]);
    }

    /// Two readings are never made at once: that alone must not let time pass.
    #[test]
    fn nothing_ages_faster_for_being_looked_at_often() {
        let mut clocks = Clocks::new();
        let mut last = None;
        for n in 0..100_000_u64 {
            let (wall, steady) = (1_000_000 + n * 13 / 10, 5_000 + (n * 13 + 7) / 10 + n % 3);
            let moment = clocks.moment(UnixTime::from_millis(wall), Some(SteadyTime::from_millis(steady)));
            last = Some(moment);
        }
        let moment = last.unwrap();
        assert_eq!(moment.aging.as_millis(), moment.steady.as_millis());
    }

    #[test]
    fn without_a_steady_clock_the_one_on_the_wall_stands_for_it_from_then_on() {
        let mut clocks = Clocks::new();
        let (wall, steady) = (UnixTime::from_secs(1_000), SteadyTime::from_secs(7));
        assert_eq!(clocks.moment(wall, Some(steady)).steady, steady);
        for steady in [None, Some(steady)] {
            assert_eq!(clocks.moment(wall, steady), Moment::by_wall_clock(wall));
        }
    }

    #[test]
    fn no_reading_is_too_odd() {
        let mut clocks = Clocks::new();
        for (wall, steady) in [(0, u64::MAX), (u64::MAX, 0), (0, 0), (u64::MAX, u64::MAX), (1, u64::MAX / 2)] {
            let _ = clocks.moment(UnixTime::from_millis(wall), Some(SteadyTime::from_millis(steady)));
        }
    }
}
