//! The rules of replay detection, for both scopes, and what only shared data brings: other workers between a read and a
//! write, hosts that mix names up, lose values or fail.

mod fake;
mod model;
mod shared;

use std::rc::Rc;
use std::time::Duration;

use fake::Fake;

use super::*;
use crate::shared_data::NoSharedData;

const LONGEST_LIFE: Duration = Duration::from_secs(320);

/// A capacity that needs several buckets.
const MANY: usize = 1_000;

/// Milliseconds after a moment in 2026.
fn at(millis: u64) -> UnixTime {
    UnixTime::from_secs(1_795_253_400).after(Duration::from_millis(millis))
}

fn token(number: u64) -> TokenIdentity {
    TokenIdentity::new("Ozone", "hub", &format!("jti-{number}"))
}

fn millis(count: u64) -> Duration {
    Duration::from_millis(count)
}

fn gateway(capacity: usize, data: &Fake) -> ReplayGuard {
    ReplayGuard::new(ReplayScope::Gateway, capacity, LONGEST_LIFE, Rc::new(data.clone()))
}

fn worker(capacity: usize) -> ReplayGuard {
    ReplayGuard::new(ReplayScope::Worker, capacity, LONGEST_LIFE, Rc::new(NoSharedData))
}

/// A guard of each scope with exactly this much room.
fn exact(capacity: usize) -> [ReplayGuard; 2] {
    [worker(capacity), gateway(capacity, &Fake::default())]
}

/// Guards for which room is no matter.
fn roomy() -> [ReplayGuard; 3] {
    [worker(MANY), gateway(200, &Fake::default()), gateway(MANY, &Fake::default())]
}

#[test]
fn a_token_is_let_in_once() {
    for mut guard in roomy() {
        for number in 0..100 {
            assert_eq!(guard.admit(at(0), &token(number), at(40_000)), Ok(()), "{guard:?}");
        }
        for number in 0..100 {
            assert_eq!(guard.admit(at(1), &token(number), at(40_000)), Err(ReplayError::Replayed), "{guard:?}");
        }
    }
}

#[test]
fn tokens_are_the_same_by_issuer_subject_and_id() {
    let identities = [
        ("a", "b", "c"),
        ("x", "b", "c"),
        ("a", "x", "c"),
        ("a", "b", "x"),
        ("ab", "", "c"),
        ("", "ab", "c"),
        ("a", "bc", ""),
        ("a", "", "bc"),
    ];
    for mut guard in roomy() {
        for (issuer, subject, id) in identities {
            let token = TokenIdentity::new(issuer, subject, id);
            assert_eq!(guard.admit(at(0), &token, at(10)), Ok(()), "{issuer} {subject} {id}");
            assert_eq!(guard.admit(at(0), &token, at(10)), Err(ReplayError::Replayed));
        }
    }
}

#[test]
fn the_identity_does_not_change_between_releases_that_share_data() {
    // SHA-256 of 0000000000000005 "Ozone" 0000000000000003 "hub" 0000000000000001 "1", by Python's hashlib.
    let token = TokenIdentity::new("Ozone", "hub", "1");
    let hex: String = token.fingerprint.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!((hex.as_str(), token.place), ("149fdb79ac40a828a8587f82112a167f", 0xf46b337f08ce53b4));
}

#[test]
fn the_same_id_with_another_expiry_is_a_replay() {
    for mut guard in roomy() {
        assert_eq!(guard.admit(at(0), &token(1), at(40_000)), Ok(()));
        for valid_until in [at(0), at(39_999), at(40_001), at(300_000)] {
            assert_eq!(guard.admit(at(0), &token(1), valid_until), Err(ReplayError::Replayed));
        }
    }
}

#[test]
fn a_token_is_remembered_up_to_and_including_its_last_millisecond() {
    for mut guard in roomy() {
        assert_eq!(guard.admit(at(0), &token(1), at(40_000)), Ok(()));
        assert_eq!(guard.admit(at(40_000), &token(1), at(80_000)), Err(ReplayError::Replayed));
        assert_eq!(guard.admit(at(40_001), &token(1), at(80_000)), Ok(()), "{guard:?}");
        assert_eq!(guard.admit(at(80_000), &token(1), at(90_000)), Err(ReplayError::Replayed), "with the new expiry");
        assert_eq!(guard.admit(at(80_001), &token(1), at(90_000)), Ok(()));
    }
}

#[test]
fn a_token_is_let_in_in_its_last_millisecond_and_not_after_its_end() {
    for mut guard in roomy() {
        assert_eq!(guard.admit(at(10), &token(1), at(10)), Ok(()));
        assert_eq!(guard.admit(at(10), &token(1), at(10)), Err(ReplayError::Replayed));
        let ended = Err(ReplayError::Forgotten { retry_after: Duration::ZERO });
        assert_eq!(guard.admit(at(10), &token(2), at(9)), ended);
    }
}

#[test]
fn exactly_the_capacity_is_remembered() {
    for capacity in [1, 2, 3, 17, 255, 256] {
        for mut guard in exact(capacity) {
            for number in 0..capacity as u64 {
                assert_eq!(guard.admit(at(0), &token(number), at(1_000 + number)), Ok(()), "{number} of {capacity}");
            }
            let full = Err(ReplayError::Full { retry_after: millis(1_001) });
            assert_eq!(guard.admit(at(0), &token(9_999), at(1_000)), full, "{capacity}");
        }
    }
}

#[test]
fn a_full_memory_forgets_nobody_and_says_when_there_is_room() {
    for mut guard in exact(3) {
        for (number, valid_until) in [(1, at(300)), (2, at(100)), (3, at(200))] {
            assert_eq!(guard.admit(at(0), &token(number), valid_until), Ok(()));
        }
        let full_for = |millis| Err(ReplayError::Full { retry_after: Duration::from_millis(millis) });
        for _ in 0..10 {
            assert_eq!(guard.admit(at(0), &token(4), at(400)), full_for(101));
        }
        for number in 1..=3 {
            assert_eq!(guard.admit(at(100), &token(number), at(400)), Err(ReplayError::Replayed), "{number}");
        }
        assert_eq!(guard.admit(at(100), &token(4), at(400)), full_for(1), "the last millisecond of the first");
        assert_eq!(guard.admit(at(101), &token(4), at(400)), Ok(()), "its room");
        assert_eq!(guard.admit(at(101), &token(5), at(400)), full_for(100), "and no more");
        assert_eq!(guard.admit(at(101), &token(2), at(400)), full_for(100), "also not for its own jti");
        assert_eq!(guard.admit(at(301), &token(5), at(400)), Ok(()));
        assert_eq!(guard.admit(at(301), &token(6), at(400)), Ok(()));
        assert_eq!(guard.admit(at(301), &token(4), at(400)), Err(ReplayError::Replayed));
    }
}

#[test]
fn a_clock_that_is_set_back_makes_tokens_live_longer() {
    for mut guard in roomy() {
        assert_eq!(guard.admit(at(100_000), &token(1), at(140_000)), Ok(()));
        for now in [at(0), at(139_999), at(140_000)] {
            assert_eq!(guard.admit(now, &token(1), at(140_000)), Err(ReplayError::Replayed));
        }
    }
}

#[test]
fn a_token_that_was_dropped_before_the_clock_was_set_back_is_not_let_in_again() {
    // One bucket, so that the other token meets what is dropped.
    for mut guard in exact(10) {
        assert_eq!(guard.admit(at(0), &token(1), at(40_000)), Ok(()));
        assert_eq!(guard.admit(at(50_000), &token(2), at(90_000)), Ok(()), "drops the first");
        let forgotten = Err(ReplayError::Forgotten { retry_after: millis(30_000) });
        assert_eq!(guard.admit(at(10_000), &token(1), at(40_000)), forgotten);
        assert_eq!(guard.admit(at(10_000), &token(3), at(40_000)), forgotten, "nobody knows which they were");
        assert_eq!(guard.admit(at(10_000), &token(4), at(40_001)), Ok(()), "later ones were never dropped");
        assert_eq!(guard.admit(at(10_000), &token(2), at(90_000)), Err(ReplayError::Replayed));
    }
}

#[test]
fn a_dropped_token_of_the_same_id_counts_as_dropped() {
    for mut guard in exact(10) {
        assert_eq!(guard.admit(at(0), &token(1), at(100)), Ok(()));
        assert_eq!(guard.admit(at(101), &token(1), at(200)), Ok(()), "takes the place of the first");
        assert!(matches!(guard.admit(at(0), &token(2), at(100)), Err(ReplayError::Forgotten { .. })));
    }
}

#[test]
fn workers_remember_each_for_itself() {
    let mut guards = [worker(10), worker(10), worker(10)];
    let admitted = (0..30).filter(|n| guards[n % 3].admit(at(0), &token(1), at(10)).is_ok()).count();
    assert_eq!(admitted, 3);
}

#[test]
fn a_backlog_of_expired_tokens_takes_no_room_and_costs_no_request_much() {
    let mut guard = worker(1_000);
    for number in 0..1_000 {
        assert_eq!(guard.admit(at(0), &token(number), at(number % 2)), Ok(()));
    }
    for number in 0..1_000 {
        let Memory::Worker(memory) = &guard.memory else { panic!() };
        let before = memory.checked_len();
        // Some have the id of one that has expired and was not dropped yet.
        let id = if number % 3 == 0 { 999 - number } else { 10_000 + number };
        assert_eq!(guard.admit(at(2), &token(id), at(10)), Ok(()), "{number}");
        let Memory::Worker(memory) = &guard.memory else { panic!() };
        let after = memory.checked_len();
        assert!(after <= 1_000 && after + 17 > before, "{before} to {after}");
    }
    assert!(matches!(guard.admit(at(2), &token(20_000), at(10)), Err(ReplayError::Full { .. })));
    assert_eq!(guard.admit(at(11), &token(20_000), at(20)), Ok(()));
}

#[test]
fn how_full_a_memory_is_is_told_once_and_again_after_a_hundredth_of_its_room() {
    let mut guard = worker(1_000);
    assert_eq!(guard.usage(), Some(ReplayUsage { used: 0, capacity: 1_000 }));
    let mut told = Vec::new();
    for number in 0..25 {
        assert_eq!(guard.admit(at(0), &token(number), at(9)), Ok(()));
        told.extend(guard.usage().map(|usage| usage.used));
    }
    assert_eq!(told, [10, 20]);
    // All have ended; this admission drops 16 of them.
    assert_eq!(guard.admit(at(20), &token(100), at(30)), Ok(()));
    assert_eq!(guard.usage().map(|usage| usage.used), Some(10));
    let mut least = worker(1);
    assert_eq!(least.usage().map(|usage| usage.used), Some(0));
    assert_eq!(least.admit(at(0), &token(1), at(9)), Ok(()));
    assert_eq!(least.usage(), Some(ReplayUsage { used: 1, capacity: 1 }));
    assert_eq!(least.usage(), None);
}
