//! The time in which a certificate is valid (RFC 5280 §4.1.2.5): from `notBefore` to `notAfter`, both included.
//!
//! Who verifies a certificate compares these times when a connection begins. Here they are compared for every request, because a
//! certificate may end before its connection does. Nothing is added to either for clocks that differ: the gateway, too, verifies
//! by its own clock alone.

use std::fmt;

use der::asn1::AnyRef;
use der::{DateTime, Tag};

use crate::der::Elements;
use crate::time::UnixTime;

/// When a certificate is valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Validity {
    not_before: UnixTime,
    /// The last millisecond of the second that the certificate names.
    not_after: UnixTime,
}

/// Why a certificate is not valid now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ValidityError {
    /// `notBefore` is to come.
    NotYetValid,
    /// `notAfter` has passed.
    Expired,
}

impl Validity {
    /// Reads the two times in the SEQUENCE of a certificate. Nothing for times that are not written as RFC 5280 demands (in UTC,
    /// with seconds and without fractions of them), and for those before 1970, which no certificate in use begins with.
    pub(super) fn read(mut elements: Elements<'_>) -> Option<Self> {
        let not_before = seconds(elements.any()?)?;
        let not_after = seconds(elements.any()?)?;
        elements.end()?;
        Some(Self {
            not_before: UnixTime::from_secs(not_before),
            not_after: UnixTime::from_millis(UnixTime::from_secs(not_after).as_millis().saturating_add(999)),
        })
    }

    /// Its first moment.
    #[cfg(not(target_family = "wasm"))]
    #[must_use]
    pub fn not_before(self) -> UnixTime {
        self.not_before
    }

    /// Its last moment: the last millisecond of the second that the certificate names.
    #[must_use]
    pub fn not_after(self) -> UnixTime {
        self.not_after
    }

    /// Whether the certificate is valid at this moment.
    ///
    /// # Errors
    /// See [`ValidityError`].
    pub fn check(self, now: UnixTime) -> Result<(), ValidityError> {
        if now > self.not_after {
            Err(ValidityError::Expired)
        } else if now < self.not_before {
            Err(ValidityError::NotYetValid)
        } else {
            Ok(())
        }
    }
}

/// A UTCTime or a GeneralizedTime, in seconds since 1970. RFC 5280 wants the one for years before 2050 and the other from then on;
/// what both say is beyond doubt in any year. The crate `der` has the calendar; its types for the two would be 3 KB more.
fn seconds(time: AnyRef<'_>) -> Option<u64> {
    let (pairs, []) = time.value().strip_suffix(b"Z")?.as_chunks::<2>() else { return None };
    let numbers: Vec<u8> = pairs.iter().map(decimal).collect::<Option<_>>()?;
    let (year, rest) = match (time.header().tag(), numbers.as_slice()) {
        // Two digits are of the years from 1950 to 2049 (RFC 5280 §4.1.2.5.1).
        (Tag::UtcTime, [year, rest @ ..]) => {
            (u16::from(*year).saturating_add(if *year < 50 { 2000 } else { 1900 }), rest)
        }
        (Tag::GeneralizedTime, [century, year, rest @ ..]) => {
            (u16::from(*century).saturating_mul(100).saturating_add(u16::from(*year)), rest)
        }
        _ => return None,
    };
    let [month, day, hour, minute, second] = *rest else { return None };
    DateTime::new(year, month, day, hour, minute, second).ok().map(|time| time.unix_duration().as_secs())
}

/// A number of two digits.
fn decimal([tens, units]: &[u8; 2]) -> Option<u8> {
    let digit = |octet: u8| octet.checked_sub(b'0').filter(|digit| *digit < 10);
    Some(digit(*tens)?.saturating_mul(10).saturating_add(digit(*units)?))
}

impl fmt::Display for ValidityError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotYetValid => "it is not valid yet",
            Self::Expired => "it has expired",
        })
    }
}

impl std::error::Error for ValidityError {}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const UTC_TIME: u8 = 0x17;
    const GENERALIZED_TIME: u8 = 0x18;

    fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
        [&[tag, u8::try_from(content.len()).unwrap()], content].concat()
    }

    fn read(not_before: (u8, &str), not_after: (u8, &str)) -> Option<Validity> {
        let content = [not_before, not_after].map(|(tag, text)| tlv(tag, text.as_bytes())).concat();
        Validity::read(Elements::of(&content).unwrap())
    }

    /// What a certificate with this end and no beginning to speak of is at this moment.
    fn until(not_after: (u8, &str), now: UnixTime) -> Result<(), ValidityError> {
        read((UTC_TIME, "700101000000Z"), not_after).expect("two times").check(now)
    }

    #[test]
    fn both_times_are_included_to_the_second() {
        // date -u -d @1795253400: 2026-11-21 09:30:00.
        let validity = read((UTC_TIME, "261121093000Z"), (UTC_TIME, "261121093010Z")).unwrap();
        for (millis, expected) in [
            (1_795_253_399_999, Err(ValidityError::NotYetValid)),
            (1_795_253_400_000, Ok(())),
            (1_795_253_410_000, Ok(())),
            (1_795_253_410_999, Ok(())),
            (1_795_253_411_000, Err(ValidityError::Expired)),
            (0, Err(ValidityError::NotYetValid)),
            (u64::MAX, Err(ValidityError::Expired)),
        ] {
            assert_eq!(validity.check(UnixTime::from_millis(millis)), expected, "{millis}");
        }
    }

    #[test]
    fn either_type_says_any_year() {
        // Each end in seconds, as `date -u -d … +%s` prints it.
        for (time, seconds) in [
            ((UTC_TIME, "491231235959Z"), 2_524_607_999),
            ((GENERALIZED_TIME, "20500101000000Z"), 2_524_608_000),
            ((GENERALIZED_TIME, "20261121093000Z"), 1_795_253_400),
            ((UTC_TIME, "280229120000Z"), 1_835_438_400),
            ((GENERALIZED_TIME, "20000229000000Z"), 951_782_400),
            // RFC 5280 §4.1.2.5: a certificate without an end.
            ((GENERALIZED_TIME, "99991231235959Z"), 253_402_300_799),
            ((UTC_TIME, "991231235959Z"), 946_684_799),
        ] {
            assert_eq!(until(time, UnixTime::from_secs(seconds)), Ok(()), "{time:?}");
            assert_eq!(until(time, UnixTime::from_secs(seconds + 1)), Err(ValidityError::Expired), "{time:?}");
        }
    }

    #[test]
    fn a_certificate_that_ends_before_it_begins_is_never_valid() {
        let validity = read((UTC_TIME, "270101000000Z"), (UTC_TIME, "260101000000Z")).unwrap();
        for millis in [0, 1_767_225_600_000, 1_780_000_000_000, 1_798_761_600_000, u64::MAX] {
            assert!(validity.check(UnixTime::from_millis(millis)).is_err(), "{millis}");
        }
    }

    #[test]
    fn times_that_are_not_written_as_rfc_5280_demands_are_none() {
        for (what, time) in [
            ("no seconds", (UTC_TIME, "2611210930Z")),
            ("another zone", (UTC_TIME, "261121093000+0400")),
            ("no zone", (UTC_TIME, "261121093000")),
            ("the long form in the short type", (UTC_TIME, "20261121093000Z")),
            ("fractions", (GENERALIZED_TIME, "20261121093000.5Z")),
            ("the short form in the long type", (GENERALIZED_TIME, "261121093000Z")),
            ("no zone", (GENERALIZED_TIME, "20261121093000")),
            ("a 13th month", (UTC_TIME, "261321093000Z")),
            ("no such day", (UTC_TIME, "270229093000Z")),
            ("an hour too many", (UTC_TIME, "261121240000Z")),
            ("a leap second", (UTC_TIME, "161231235960Z")),
            ("a sign", (UTC_TIME, "26-121093000Z")),
            ("before 1970", (UTC_TIME, "691231235959Z")),
            ("before 1970", (GENERALIZED_TIME, "19491231235959Z")),
            ("another type", (0x0c, "261121093000Z")),
            ("nothing", (UTC_TIME, "")),
        ] {
            assert_eq!(read(time, (UTC_TIME, "300101000000Z")), None, "{what}: {time:?}");
            assert_eq!(read((UTC_TIME, "700101000000Z"), time), None, "{what}: {time:?}");
        }
    }

    #[test]
    fn there_are_two_times_and_no_more() {
        let time = tlv(UTC_TIME, b"261121093000Z");
        for times in [0, 1, 3] {
            assert_eq!(Validity::read(Elements::of(&time.repeat(times)).unwrap()), None, "{times}");
        }
        assert!(Validity::read(Elements::of(&time.repeat(2)).unwrap()).is_some());
    }

    proptest! {
        #[test]
        fn arbitrary_times_never_panic(tags: [u8; 2], not_before in "[0-9Z+.]{0,20}", not_after: Vec<u8>, now: u64) {
            let content = [tlv(tags[0], not_before.as_bytes()), tlv(tags[1], &not_after)].concat();
            if let Some(validity) = Elements::of(&content).and_then(Validity::read) {
                let _ = validity.check(UnixTime::from_millis(now));
            }
        }
    }
}
