//! Points in time. Nothing here reads a clock: the gateway hands the time in with every event.

use std::time::{Duration, UNIX_EPOCH};

/// A point in time in whole milliseconds since 1970-01-01T00:00:00Z, leap seconds not counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct UnixTime(u64);

impl UnixTime {
    /// 1970-01-01T00:00:00Z.
    pub const EPOCH: Self = Self(0);

    /// From the nanoseconds that hosts count, rounded down.
    #[must_use]
    pub fn from_nanos(nanoseconds: u64) -> Self {
        Self(nanoseconds.checked_div(1_000_000).unwrap_or(0))
    }

    /// From whole seconds.
    #[must_use]
    pub const fn from_secs(seconds: u64) -> Self {
        Self(seconds.saturating_mul(1000))
    }

    /// From milliseconds since the epoch.
    #[must_use]
    pub const fn from_millis(milliseconds: u64) -> Self {
        Self(milliseconds)
    }

    /// Milliseconds since the epoch.
    #[must_use]
    pub fn as_millis(self) -> u64 {
        self.0
    }

    /// The point `later` after this one; the end of time if there is none.
    #[must_use]
    pub fn after(self, later: Duration) -> Self {
        Self(self.0.saturating_add(millis(later)))
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

    /// RFC 3339 in UTC with milliseconds, such as `2026-11-21T09:30:00.000Z`.
    #[must_use]
    pub fn to_rfc3339(self) -> String {
        use std::fmt::Write as _;
        let mut text = String::new();
        let written = UNIX_EPOCH
            .checked_add(Duration::from_millis(self.0))
            .map(|time| write!(text, "{}", humantime::format_rfc3339_millis(time)));
        if matches!(written, Some(Ok(()))) { text } else { self.0.to_string() }
    }
}

/// A duration in whole milliseconds, at most 2^64 − 1.
fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
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
    fn arithmetic_saturates_at_both_ends() {
        let end = UnixTime(u64::MAX);
        assert_eq!(end.after(Duration::MAX), end);
        assert_eq!(end.until(UnixTime(0)), Duration::ZERO);
        assert_eq!(UnixTime(0).since(end), None);
        assert_eq!(UnixTime(5).since(UnixTime(2)), Some(Duration::from_millis(3)));
    }

    #[test]
    fn it_prints_as_rfc_3339_and_never_panics() {
        assert_eq!(UnixTime::from_secs(1_795_253_400).to_rfc3339(), "2026-11-21T09:30:00.000Z");
        assert_eq!(UnixTime(u64::MAX).to_rfc3339(), u64::MAX.to_string());
    }
}
