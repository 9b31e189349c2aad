//! Whether a clock is right, by the keystore's: tokens say from when to when they count (spec §2.4), so the bank's clock has to be the
//! Trust Framework's.

use super::report::Finding;

/// From here on, in seconds, somebody ought to look after a clock.
const WARNS_FROM: u64 = 5;

/// Compares a clock with the keystore's. Each is how far it is ahead of this machine's, in seconds, or why that is not known. `tolerated` is
/// what the filter forgives, in seconds.
pub(super) fn check(whose: &str, clock: i64, keystore: Result<i64, String>, tolerated: u64) -> Finding {
    let keystore = match keystore {
        Ok(ahead) => ahead,
        Err(why) => return Finding::not_checked(format!("the keystore does not tell the time: {why}")),
    };
    let ahead = clock.saturating_sub(keystore);
    let difference = ahead.unsigned_abs();
    let direction = if ahead < 0 { "behind" } else { "ahead of" };
    let found = format!("{whose} is {difference} s {direction} the keystore's");
    // One second may be the way, or what the header leaves out.
    if difference > tolerated {
        Finding::failed(format!("{found}: more than the {tolerated} s that are tolerated"))
    } else if difference >= WARNS_FROM {
        Finding::warning(found)
    } else {
        Finding::passed(found)
    }
}

#[cfg(test)]
mod tests {
    use super::super::report::Outcome;
    use super::*;

    #[test]
    fn a_clock_is_right_or_to_be_looked_after_or_wrong() {
        for (clock, keystore, expected) in [
            (0, 0, Outcome::Passed),
            (4, 0, Outcome::Passed),
            (-4, 0, Outcome::Passed),
            (3600, 3600, Outcome::Passed),
            (5, 0, Outcome::Warning),
            (0, 10, Outcome::Warning),
            (0, -11, Outcome::Failed),
            (-3600, 0, Outcome::Failed),
            (i64::MIN, i64::MAX, Outcome::Failed),
        ] {
            let found = check("the clock", clock, Ok(keystore), 10);
            assert_eq!(found.outcome, expected, "{clock} {keystore}: {}", found.found);
        }
        assert_eq!(check("the clock", 0, Err("no Date".to_owned()), 10).outcome, Outcome::NotChecked);
    }
}
