//! Points in time in the configuration: RFC 3339 in UTC, such as `2026-11-21T00:00:00Z`. A time with an offset is refused,
//! because an operator who reads it must not have to compute.

use std::time::{Duration, UNIX_EPOCH};

use super::errors::ConfigErrors;
use super::reader::Node;
use crate::time::UnixTime;

const TIME: &str = "a time in UTC such as \"2026-11-21T00:00:00Z\"";

/// A time that may be left out: `Some(None)` then.
pub(super) fn read_time(node: &Node<'_>, errors: &mut ConfigErrors) -> Option<Option<UnixTime>> {
    if node.is_absent() {
        return Some(None);
    }
    let text = node.string(TIME, errors)?;
    match parse_time(text) {
        Ok(time) => Some(Some(time)),
        Err(got) => node.refuse_text(TIME, got, errors),
    }
}

/// RFC 3339 in UTC, with `T` and `Z` and at most nine decimal places. `humantime` alone reads more than that.
fn parse_time(text: &str) -> Result<UnixTime, &'static str> {
    let no_time = "a string that is not one";
    let (date_and_time, zone) = text.split_at_checked(19).ok_or(no_time)?;
    if !zone.ends_with('Z') {
        let has_offset = date_and_time.is_ascii() && zone.contains(['+', '-']);
        return Err(if has_offset { "one with an offset" } else { no_time });
    }
    let is_fraction =
        |digits: &str| (1..=9).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
    if zone != "Z" && !zone.strip_prefix('.').and_then(|rest| rest.strip_suffix('Z')).is_some_and(is_fraction) {
        return Err(no_time);
    }
    let time = humantime::parse_rfc3339(text).map_err(|_| no_time)?;
    let since_epoch = time.duration_since(UNIX_EPOCH).map_err(|_| no_time)?;
    let nanoseconds = Duration::from_nanos(since_epoch.subsec_nanos().into());
    Ok(UnixTime::from_secs(since_epoch.as_secs()).after(nanoseconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_rfc_3339_in_utc_to_the_millisecond() {
        for (text, printed) in [
            ("1970-01-01T00:00:00Z", "1970-01-01T00:00:00.000Z"),
            ("2026-11-21T09:30:00Z", "2026-11-21T09:30:00.000Z"),
            ("2026-11-21T09:30:00.5Z", "2026-11-21T09:30:00.500Z"),
            ("2028-02-29T23:59:59.123999999Z", "2028-02-29T23:59:59.123Z"),
            ("9999-12-31T23:59:59.999Z", "9999-12-31T23:59:59.999Z"),
        ] {
            assert_eq!(parse_time(text).map(UnixTime::to_rfc3339).as_deref(), Ok(printed));
        }
        for offset in ["+04:00", "-04:00", "+00:00", "-00:00", ".5+04:00"] {
            assert_eq!(parse_time(&format!("2026-11-21T09:30:00{offset}")), Err("one with an offset"), "{offset}");
        }
        for text in [
            "",
            "2026-11-21",
            "2026-11-21T09:30Z",
            "2026-11-21T09:30:00",
            "2026-11-21 09:30:00Z",
            "2026-11-21t09:30:00z",
            "2026-11-21T09:30:00z",
            "2026-11-21T09:30:00.Z",
            "2026-11-21T09:30:00.1234567890Z",
            "2026-11-21T09:30:00,5Z",
            "2026-11-21T09:30:00ZZ",
            "2026-11-21T09:30:00ZxxZ",
            "2026-11-21T09:30:00.5+00:00Z",
            "2026-11-21T09:30:00Z ",
            " 2026-11-21T09:30:00Z",
            "2026-02-29T00:00:00Z",
            "2026-13-01T00:00:00Z",
            "2026-00-01T00:00:00Z",
            "2026-11-21T24:00:00Z",
            "1969-12-31T23:59:59Z",
            "10000-01-01T00:00:00Z",
            "+026-11-21T00:00:00Z",
            "1795253400",
            "٢٠٢٦-11-21T09:30:00+04:00",
        ] {
            assert_eq!(parse_time(text), Err("a string that is not one"), "{text}");
        }
    }
}
