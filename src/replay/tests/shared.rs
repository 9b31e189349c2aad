//! What only shared data brings: several workers at once, and hosts that mix names up, lose values or fail.

use std::cell::Cell;

use super::fake::Locked;
use super::*;
use crate::replay::buckets::{MAX_ENTRIES, NOMINAL_ENTRIES};
use crate::shared_data::envelope;

/// Presents a token that lives from 0 to 40,000.
fn present(data: &Fake, capacity: usize, number: u64) -> Result<(), ReplayError> {
    gateway(capacity, data).admit(at(0), &token(number), at(40_000))
}

fn forgotten(result: Result<(), ReplayError>) -> bool {
    matches!(result, Err(ReplayError::Forgotten { .. }))
}

#[test]
fn all_workers_together_let_a_token_in_once() {
    for capacity in [10, MANY] {
        let data = Fake::default();
        let mut workers: Vec<_> = (0..4).map(|_| gateway(capacity, &data)).collect();
        let results: Vec<_> = (0..100).map(|n| workers[n % 4].admit(at(0), &token(1), at(40_000))).collect();
        assert_eq!(results[0], Ok(()));
        assert!(results[1..].iter().all(|result| *result == Err(ReplayError::Replayed)));
    }
}

#[test]
fn four_threads_let_each_token_in_once() {
    for capacity in [200, MANY] {
        let data = Locked::default();
        for number in 0..50 {
            let admitted: usize = std::thread::scope(|scope| {
                let present = || {
                    let shared = Rc::new(data.clone());
                    let mut guard = ReplayGuard::new(ReplayScope::Gateway, capacity, LONGEST_LIFE, shared);
                    let results: Vec<_> = (0..25).map(|_| guard.admit(at(0), &token(number), at(40_000))).collect();
                    let refused = results.iter().filter(|result| **result == Err(ReplayError::Replayed)).count();
                    assert!(refused >= 24, "{results:?}");
                    25 - refused
                };
                let threads: Vec<_> = (0..4).map(|_| scope.spawn(present)).collect();
                threads.into_iter().map(|thread| thread.join().unwrap()).sum::<usize>()
            });
            assert_eq!(admitted, 1, "token {number}");
        }
    }
}

#[test]
fn four_threads_with_different_tokens_lose_none() {
    let data = Locked::default();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let data = data.clone();
            scope.spawn(move || {
                let mut guard = ReplayGuard::new(ReplayScope::Gateway, 256, LONGEST_LIFE, Rc::new(data));
                for number in 0..64 {
                    let token = token(thread * 100 + number);
                    // Threads that do nothing else may lose all races of one admission; the Hub would try again.
                    let results = std::iter::repeat_with(|| guard.admit(at(0), &token, at(40_000)));
                    let result = results.into_iter().find(|result| *result != Err(ReplayError::Unavailable));
                    assert_eq!(result, Some(Ok(())));
                }
            });
        }
    });
    let mut guard = ReplayGuard::new(ReplayScope::Gateway, 256, LONGEST_LIFE, Rc::new(data));
    for (thread, number) in (0..4).flat_map(|thread| (0..64).map(move |number| (thread, number))) {
        let again = guard.admit(at(0), &token(thread * 100 + number), at(40_000));
        assert_eq!(again, Err(ReplayError::Replayed));
    }
}

/// With a fresh memory, and in a bucket that is there already; and at each read that the first worker makes.
#[test]
fn a_worker_that_comes_between_read_and_write_is_noticed() {
    for bucket_exists in [false, true] {
        for reads_before in 0..2 {
            let data = Fake::default();
            if bucket_exists {
                assert_eq!(present(&data, 10, 0), Ok(()));
            }
            let between = Rc::new(Cell::new(None));
            for _ in 0..reads_before {
                data.after_read(|| ());
            }
            let (result, other) = (Rc::clone(&between), data.clone());
            data.after_read(move || result.set(Some(present(&other, 10, 1))));
            let mut guard = gateway(10, &data);
            let first = guard.admit(at(0), &token(1), at(40_000));
            let Some(second) = between.take() else {
                assert!(bucket_exists && reads_before == 1, "one read was enough");
                continue;
            };
            assert_eq!((first, second), (Err(ReplayError::Replayed), Ok(())));
        }
    }
}

#[test]
fn a_worker_that_comes_between_with_another_token_costs_nobody_anything() {
    let data = Fake::default();
    assert_eq!(present(&data, 10, 0), Ok(()));
    let other = data.clone();
    data.after_read(move || assert_eq!(present(&other, 10, 1), Ok(())));
    assert_eq!(present(&data, 10, 2), Ok(()));
    for number in 0..3 {
        assert_eq!(present(&data, 10, number), Err(ReplayError::Replayed));
    }
}

#[test]
fn a_worker_that_comes_between_with_the_last_room_takes_it() {
    let data = Fake::default();
    assert_eq!(present(&data, 2, 0), Ok(()));
    let other = data.clone();
    data.after_read(move || assert_eq!(present(&other, 2, 1), Ok(())));
    assert_eq!(present(&data, 2, 2), Err(ReplayError::Full { retry_after: millis(40_001) }));
}

#[test]
fn a_token_costs_one_read_and_one_write_and_a_replay_only_a_read() {
    let data = Fake::default();
    let mut guard = gateway(10, &data);
    assert_eq!(guard.admit(at(0), &token(0), at(40_000)), Ok(()));
    assert_eq!(data.calls(), (2, 2), "the bucket is begun first");
    assert_eq!(guard.admit(at(0), &token(1), at(40_000)), Ok(()));
    assert_eq!(data.calls(), (1, 1));
    assert_eq!(guard.admit(at(0), &token(1), at(40_000)), Err(ReplayError::Replayed));
    assert_eq!(data.calls(), (1, 0));
}

#[test]
fn guards_of_another_capacity_do_not_share_a_bucket() {
    let data = Fake::default();
    for capacity in [1, 2, 256, 257, 2_000] {
        assert_eq!(present(&data, capacity, 1), Ok(()), "{capacity}");
        assert_eq!(present(&data, capacity, 1), Err(ReplayError::Replayed), "{capacity}");
    }
}

#[test]
fn a_large_capacity_is_there_and_memory_has_its_bound() {
    const CAPACITY: usize = 3_000;
    let data = Fake::default();
    let mut guard = gateway(CAPACITY, &data);
    for number in 0..CAPACITY as u64 {
        assert_eq!(guard.admit(at(0), &token(number), at(40_000)), Ok(()), "{number}");
    }
    let buckets = CAPACITY.div_ceil(NOMINAL_ENTRIES);
    assert_eq!(data.values().len(), buckets);
    // However many come, and in whatever order.
    let more = (CAPACITY as u64..4 * CAPACITY as u64).filter(|n| guard.admit(at(0), &token(*n), at(40_000)).is_ok());
    assert_eq!(CAPACITY + more.count(), buckets * MAX_ENTRIES);
    assert!(data.values().iter().all(|value| value.len() <= 24 * MAX_ENTRIES + 128));
}

#[test]
fn full_is_a_matter_of_the_tokens_own_bucket() {
    let data = Fake::default();
    let mut guard = gateway(257, &data);
    for number in 0..2_000 {
        let _ = guard.admit(at(0), &token(number), at(40_000));
    }
    let again: Vec<_> = (0..2_000).map(|number| guard.admit(at(0), &token(number), at(40_000))).collect();
    let count = |wanted| again.iter().filter(|result| **result == Err(wanted)).count();
    assert_eq!(count(ReplayError::Replayed), 3 * MAX_ENTRIES);
    assert_eq!(count(ReplayError::Full { retry_after: millis(40_001) }), 2_000 - 3 * MAX_ENTRIES);
}

#[test]
fn a_host_that_mixes_names_up_does_not_mix_tokens_up() {
    // Each name has one of five slots; the four names of a bucket have different ones, as with any CRC.
    let hash = |name: &str| {
        let number = |part: Option<&str>| part.and_then(|text| text.parse::<usize>().ok()).unwrap_or(0);
        let mut parts = name.rsplit('/');
        let (alternative, bucket) = (number(parts.next()), number(parts.next()));
        ((alternative + bucket % 2) % 5).to_string()
    };
    let data = Fake::hashing(hash);
    let mut results = Vec::new();
    for round in 0..3 {
        for number in 0..200 {
            // Three buckets: the second one of a slot is begun under its second name.
            let mut guard = gateway(300, &data);
            results.push((number, guard.admit(at(round * 400_000), &token(number), at(round * 400_000 + 40_000))));
            let again = guard.admit(at(round * 400_000), &token(number), at(round * 400_000 + 40_000));
            assert_ne!(again, Ok(()), "{number}");
        }
    }
    let admitted = |results: &[(u64, Result<(), ReplayError>)]| results.iter().filter(|(_, r)| r.is_ok()).count();
    assert!((1..200).contains(&admitted(&results[..200])), "a displaced bucket starts with what it may have forgotten");
    assert!(results[..200].iter().all(|(_, result)| result.is_ok() || forgotten(*result)));
    assert_eq!(admitted(&results[200..400]), 200, "all of which ends");
    assert_eq!(admitted(&results[400..]), 200);
}

#[test]
fn a_host_for_which_all_names_are_one_serves_one_bucket_and_fails_closed_for_the_others() {
    let data = Fake::hashing(|_| String::new());
    let results: Vec<_> = (0..200).map(|number| (number, present(&data, 300, number))).collect();
    for (number, result) in results {
        match result {
            Ok(()) => assert_eq!(present(&data, 300, number), Err(ReplayError::Replayed)),
            error => assert_eq!(error, Err(ReplayError::Unavailable)),
        }
    }
    assert_eq!(data.values().len(), 1);
}

#[test]
fn a_value_of_others_is_never_overwritten_while_it_is_whole() {
    let data = Fake::hashing(|name| name.rsplit('/').next().unwrap_or_default().to_owned());
    let others = envelope::seal("hub-auth-filter/keys/…", b"somebody's");
    for alternative in 0..4 {
        data.0.slots.borrow_mut().insert(alternative.to_string(), (others.clone(), 7));
    }
    assert_eq!(present(&data, 10, 1), Err(ReplayError::Unavailable));
    assert!(data.values().iter().all(|value| *value == others));
}

#[test]
fn a_damaged_bucket_refuses_what_it_may_have_forgotten_and_heals() {
    let damages: [fn(&mut Vec<u8>); 5] = [
        |value| value.clear(),
        |value| value.truncate(value.len() / 2),
        |value| *value.last_mut().unwrap() ^= 1,
        |value| *value = b"somebody else's".to_vec(),
        |value| *value = vec![0xff; 70_000],
    ];
    for damage in damages {
        let data = Fake::default();
        let mut guard = gateway(10, &data);
        assert_eq!(guard.admit(at(0), &token(1), at(40_000)), Ok(()));
        data.damage(damage);
        let waiting = |millis| Err(ReplayError::Forgotten { retry_after: Duration::from_millis(millis) });
        assert_eq!(guard.admit(at(1_000), &token(1), at(40_000)), waiting(320_000));
        assert_eq!(guard.admit(at(1_000), &token(2), at(40_000)), waiting(320_000), "nobody knows which they were");
        assert_eq!(guard.admit(at(11_000), &token(3), at(321_000)), waiting(310_000), "the longest there can be");
        assert_eq!(guard.admit(at(11_000), &token(3), at(321_001)), Ok(()), "certainly not among the lost");
        assert_eq!(guard.admit(at(11_000), &token(3), at(321_001)), Err(ReplayError::Replayed));
        data.calls();
        assert_eq!(guard.admit(at(321_001), &token(4), at(361_000)), Ok(()), "healed");
        assert_eq!(data.calls(), (1, 1), "under its first name");
    }
}

#[test]
fn no_bit_of_a_value_can_be_changed_so_that_a_token_passes_twice() {
    let data = Fake::default();
    assert_eq!(present(&data, 10, 1), Ok(()));
    let whole = data.values().remove(0);
    let check = |damaged: &[u8]| {
        data.damage(|value| *value = damaged.to_vec());
        assert!(forgotten(present(&data, 10, 1)));
    };
    (0..whole.len()).for_each(|length| check(&whole[..length]));
    for byte in 0..whole.len() {
        let mut changed = whole.clone();
        changed[byte] ^= 0x80;
        check(&changed);
    }
}

/// What is begun anew after a loss is reckoned by the life that its guard knows.
#[test]
fn a_guard_of_shorter_lives_forgets_nothing_for_one_of_longer_lives() {
    for (shorter, longer) in [(20_000, 320_000), (319_999, 320_000), (0, 86_420_000)] {
        for loss in [0, 20, 60] {
            let data = Fake::default();
            let of = |life| ReplayGuard::new(ReplayScope::Gateway, 10, millis(life), Rc::new(data.clone()));
            let end = at(longer);
            assert_eq!(of(longer).admit(at(0), &token(1), end), Ok(()));
            data.damage(|value| value.truncate(loss));
            // The other one begins its bucket anew.
            let _ = of(shorter).admit(at(0), &token(2), at(shorter));
            let again = of(longer).admit(at(1), &token(1), end);
            assert!(again.is_err(), "{shorter} {longer} {loss}");
        }
    }
}

#[test]
fn a_whole_value_that_is_not_a_bucket_is_damage() {
    let name = "hub-auth-filter/replay/2/1x2/320000/0/0";
    for payload in [&[][..], &[0; 7], &[0; 9], &[0; 31], &[0; 33], &[0; 8 + 3 * 24]] {
        let data = Fake::default();
        data.0.slots.borrow_mut().insert(name.to_owned(), (envelope::seal(name, payload), 1));
        assert!(forgotten(present(&data, 2, 1)), "{} bytes", payload.len());
    }
    let data = Fake::default();
    data.0.slots.borrow_mut().insert(name.to_owned(), (envelope::seal(name, &[0; 8 + 2 * 24]), 1));
    assert_eq!(present(&data, 2, 1), Ok(()), "this is the bucket's name");
}

#[test]
fn a_value_that_is_whole_again_by_the_time_of_the_write_was_not_damaged() {
    let data = Fake::default();
    assert_eq!(present(&data, 10, 1), Ok(()));
    let whole = data.values().remove(0);
    data.damage(|value| value.truncate(50));
    let other = data.clone();
    data.after_read(move || {
        other.0.slots.borrow_mut().values_mut().for_each(|(value, version)| {
            value.clone_from(&whole);
            *version += 1;
        });
    });
    assert_eq!(present(&data, 10, 2), Ok(()));
    assert_eq!(present(&data, 10, 1), Err(ReplayError::Replayed));
}

/// Bucket A is lost where a bucket B looks for itself; B takes the place.
#[test]
fn a_bucket_whose_place_was_taken_after_damage_does_not_begin_as_if_it_were_new() {
    let data = Fake::hashing(|name| name.rsplit('/').next().unwrap_or_default().to_owned());
    let first = 0;
    assert_eq!(present(&data, 300, first), Ok(()));
    let of_another_bucket = (1..).find(|number| token(*number).place % 3 != token(first).place % 3).unwrap();
    data.damage(|value| value.truncate(50));
    assert!(forgotten(present(&data, 300, of_another_bucket)));
    assert!(forgotten(present(&data, 300, first)));
    let mut guard = gateway(300, &data);
    assert_eq!(guard.admit(at(320_001), &token(first), at(360_000)), Ok(()));
    assert_eq!(guard.admit(at(320_001), &token(of_another_bucket), at(360_000)), Ok(()));
}

#[test]
fn damage_after_the_clock_was_set_back_counts_from_the_latest_time() {
    let data = Fake::default();
    let mut guard = gateway(10, &data);
    assert_eq!(guard.admit(at(500_000), &token(1), at(820_000)), Ok(()));
    data.damage(|value| value.clear());
    for valid_until in [at(40_000), at(820_000)] {
        assert!(forgotten(guard.admit(at(0), &token(1), valid_until)));
    }
}

#[test]
fn shared_data_that_fails_lets_nobody_in_and_recovers() {
    for bucket_exists in [false, true] {
        let data = Fake::default();
        if bucket_exists {
            assert_eq!(present(&data, 10, 0), Ok(()));
        }
        data.0.reads_fail.set(true);
        assert_eq!(present(&data, 10, 1), Err(ReplayError::Unavailable));
        data.0.reads_fail.set(false);
        data.0.writes_fail.set(true);
        assert_eq!(present(&data, 10, 1), Err(ReplayError::Unavailable));
        data.0.writes_fail.set(false);
        assert_eq!(present(&data, 10, 1), Ok(()));
    }
    let nothing = Rc::new(NoSharedData);
    let mut guard = ReplayGuard::new(ReplayScope::Gateway, 10, LONGEST_LIFE, nothing);
    assert_eq!(guard.admit(at(0), &token(1), at(10)), Err(ReplayError::Unavailable));
}

#[test]
fn a_host_that_keeps_nothing_lets_nobody_in() {
    for capacity in [10, MANY] {
        let data = Fake::default();
        data.0.writes_are_lost.set(true);
        assert_eq!(present(&data, capacity, 1), Err(ReplayError::Unavailable));
        let (reads, writes) = data.calls();
        assert!(reads <= 32 && writes <= 32, "{reads} {writes}");
    }
}

#[test]
fn conflicts_are_overcome_if_they_end() {
    for (conflicts, result) in [(1, Ok(())), (31, Ok(())), (32, Err(ReplayError::Unavailable))] {
        let data = Fake::default();
        assert_eq!(present(&data, 10, 0), Ok(()));
        data.0.conflicts.set(conflicts);
        assert_eq!(present(&data, 10, 1), result, "{conflicts}");
        assert_eq!(data.0.conflicts.get(), 0);
    }
}
