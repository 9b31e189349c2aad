//! Durations in the configuration: a whole number and a unit (`ms`, `s`, `m`, `h`), such as `"30s"`, within a range.
//! A bare number is refused, because its unit would be a guess.

use std::fmt;
use std::time::Duration;

pub(super) const MILLISECONDS_PER_UNIT: [(&str, u64); 4] = [("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// What a setting allows, and its value when it is left out.
#[derive(Debug, Clone, Copy)]
pub(super) struct DurationRange {
    /// The shortest.
    pub(super) min: Duration,
    /// The longest.
    pub(super) max: Duration,
    /// When the setting is left out.
    pub(super) default: Duration,
}

/// Why a text is not a duration of the range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DurationFault {
    /// Not digits and a unit.
    Malformed,
    /// Below the range.
    TooShort,
    /// Above the range.
    TooLong,
}

impl DurationRange {
    /// Reads a duration and checks that it lies in the range.
    pub(super) fn parse(&self, text: &str) -> Result<Duration, DurationFault> {
        let duration = parse(text).ok_or(DurationFault::Malformed)?;
        if duration < self.min {
            return Err(DurationFault::TooShort);
        }
        if duration > self.max {
            return Err(DurationFault::TooLong);
        }
        Ok(duration)
    }
}

impl fmt::Display for DurationRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [min, max, example] = [self.min, self.max, self.default].map(print);
        write!(f, "a duration from {min} to {max} such as \"{example}\"")
    }
}

impl fmt::Display for DurationFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Malformed => "a string that is not a whole number with a unit (ms, s, m or h)",
            Self::TooShort => "a shorter one",
            Self::TooLong => "a longer one",
        })
    }
}

impl std::error::Error for DurationFault {}

fn parse(text: &str) -> Option<Duration> {
    let (digits, unit) = text.split_at_checked(text.find(|c: char| !c.is_ascii_digit())?)?;
    if digits.is_empty() {
        return None;
    }
    let (_, milliseconds) = MILLISECONDS_PER_UNIT.into_iter().find(|(name, _)| *name == unit)?;
    // Only an overflow is left to fail here: far above every range, and said to be so.
    let number = digits.parse().unwrap_or(u64::MAX);
    Some(Duration::from_millis(milliseconds.saturating_mul(number)))
}

/// In the largest unit that gives a whole number.
pub(super) fn print(duration: Duration) -> String {
    let milliseconds = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let whole = |per_unit| milliseconds.checked_rem(per_unit) == Some(0);
    let (unit, per_unit) = match MILLISECONDS_PER_UNIT.into_iter().find(|(_, per_unit)| whole(*per_unit)) {
        Some(found) if milliseconds > 0 => found,
        _ => ("s", 1_000),
    };
    format!("{}{unit}", milliseconds.checked_div(per_unit).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    const RANGE: DurationRange = DurationRange {
        min: Duration::from_millis(100),
        max: Duration::from_secs(60),
        default: Duration::from_secs(5),
    };

    #[test]
    fn a_whole_number_with_a_unit_is_a_duration() {
        for (text, milliseconds) in
            [("0s", 0), ("1ms", 1), ("100ms", 100), ("5s", 5_000), ("010m", 600_000), ("24h", 86_400_000)]
        {
            assert_eq!(parse(text), Some(Duration::from_millis(milliseconds)), "{text}");
        }
    }

    #[test]
    fn anything_else_is_not_a_duration() {
        let others =
            ["", "5", "s", "ms", "-5s", "+5s", "1.5s", "5 s", " 5s", "5s ", "5S", "5sec", "5us", "5d", "1m30s"];
        for text in others.into_iter().chain(["٥s", "5ש", "0x5s", "1e3ms", "5\0s"]) {
            assert_eq!(RANGE.parse(text), Err(DurationFault::Malformed), "{text}");
        }
    }

    #[test]
    fn both_ends_of_a_range_belong_to_it() {
        for (text, result) in [
            ("99ms", Err(DurationFault::TooShort)),
            ("100ms", Ok(RANGE.min)),
            ("60s", Ok(RANGE.max)),
            ("1m", Ok(RANGE.max)),
            ("60001ms", Err(DurationFault::TooLong)),
        ] {
            assert_eq!(RANGE.parse(text), result, "{text}");
        }
    }

    #[test]
    fn a_number_too_large_for_the_machine_is_too_long_and_does_not_wrap() {
        // The first wraps to 128 ms.
        for text in
            ["26476201841349237h", "18446744073709551615h", "18446744073709551616ms", "99999999999999999999999999s"]
        {
            assert_eq!(RANGE.parse(text), Err(DurationFault::TooLong), "{text}");
        }
    }

    #[test]
    fn a_range_prints_as_an_operator_would_write_it() {
        assert_eq!(RANGE.to_string(), "a duration from 100ms to 1m such as \"5s\"");
        for text in ["0s", "1ms", "1500ms", "90s", "10m", "24h"] {
            assert_eq!(print(parse(text).unwrap()), text);
        }
    }
}
