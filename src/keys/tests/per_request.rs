//! The rules where no request can wait for another's fetch: who fetches, how often at most, and on which keys the others go
//! on meanwhile.

use proptest::prelude::*;

use super::super::fetch_group::{MAX_ABANDONED, MAX_FETCHES};
use super::*;

/// How long a fetch is waited for, in seconds.
const PATIENCE: u64 = 10;

/// On a gateway that wakes nobody. Its timer, if it had one, would help no one.
fn alone() -> Bench {
    beside(&SharedMemory::default())
}

/// The same, with what its workers share.
fn beside(memory: &SharedMemory) -> Bench {
    Bench(KeyCache::new(policy(), &GatewayKind::Kong.capabilities(Some(Rc::new(memory.clone())), true)))
}

/// The same, with keys `a` and `b` fetched for `hub` at second 0.
fn alone_with_keys() -> Bench {
    let mut bench = alone();
    let fetch = bench.expect_fetch(0, "a");
    bench.finish(0, fetch, Ok(keys(&["a", "b"]))).unwrap();
    bench
}

/// What so many requests at this second say, in the order of the first of each kind.
fn count(bench: &mut Bench, requests: usize, second: u64, key_id: &str) -> Vec<(String, usize)> {
    let mut said: Vec<(String, usize)> = Vec::new();
    for _ in 0..requests {
        let says = bench.says(second, key_id);
        match said.iter_mut().find(|(earlier, _)| *earlier == says) {
            Some((_, times)) => *times += 1,
            None => said.push((says, 1)),
        }
    }
    said
}

/// So many fetches for this key at this second.
fn fetches(bench: &mut Bench, number: usize, second: u64, key_id: &str) -> Vec<CalloutId> {
    (0..number).map(|_| bench.expect_fetch(second, key_id)).collect()
}

#[test]
fn at_a_cold_start_four_of_a_hundred_requests_fetch_and_the_others_are_told_to_come_again() {
    let mut bench = alone();
    let started = fetches(&mut bench, MAX_FETCHES, 0, "a");
    assert_eq!(started.len(), 4);
    assert_eq!(count(&mut bench, 96, 0, "a"), [("unavailable 1".into(), 96)]);
    bench.finish(1, started[2], Ok(keys(&["a"]))).unwrap();
    assert_eq!(bench.says_after_fetch(1, "a"), "key");
    assert_eq!(count(&mut bench, 100, 1, "a"), [("key".into(), 100)]);
    assert_eq!(count(&mut bench, 100, 1, "new"), [("unavailable 1".into(), 100)], "the round goes on");
    for (n, fetch) in started.into_iter().enumerate().filter(|(n, _)| *n != 2) {
        assert!(bench.finish(2 + n as u64, fetch, Ok(keys(&["a"]))).is_some(), "each is reported once");
        assert!(bench.finish(2 + n as u64, fetch, Ok(keys(&["a"]))).is_none(), "each is reported once");
    }
    assert_eq!(bench.says(5, "new"), "fetch", "the next round");
}

#[test]
fn what_another_worker_has_fetched_is_taken_over_instead_of_a_fetch() {
    let memory = SharedMemory::default();
    let (mut first, mut second) = (beside(&memory), beside(&memory));
    let fetch = first.expect_fetch(0, "a");
    let own = second.expect_fetch(0, "a");
    first.finish(0, fetch, Ok(keys(&["a"]))).unwrap();
    assert_eq!(second.says(0, "a"), "key", "nobody waits for a fetch, but what it brought is there");
    second.finish(0, own, Ok(keys(&["a"]))).unwrap();

    let fetch = first.expect_fetch(480, "a");
    assert_eq!(second.says(481, "a"), "fetch", "what is shared is as old as its own");
    first.finish(482, fetch, Ok(keys(&["a", "new"]))).unwrap();
    assert_eq!(beside(&memory).says(482, "new"), "key");
    assert_eq!(beside(&memory).says(482 + 480, "new"), "fetch", "it is old by now");
    assert_eq!(beside(&memory).says(482 + 601, "new"), "fetch", "it has ended by now");
}

#[test]
fn shared_data_that_fail_or_are_damaged_only_cost_a_fetch() {
    let memory = SharedMemory::default();
    let mut first = beside(&memory);
    let fetch = first.expect_fetch(0, "a");
    first.finish(0, fetch, Ok(keys(&["a"]))).unwrap();
    memory.fail(true);
    assert_eq!(beside(&memory).says(1, "a"), "fetch");
    memory.fail(false);
    memory.change_all(|value| value.truncate(value.len() / 2));
    assert_eq!(beside(&memory).says(1, "a"), "fetch");
}

/// A limit on those that are under way would not do: whoever replaces each fetch that ends keeps the round going.
#[test]
fn a_round_has_four_fetches_in_all_and_not_at_a_time() {
    let mut bench = alone_with_keys();
    let slow = bench.expect_fetch(1, "new");
    for second in 1..4 {
        let fetch = bench.expect_fetch(second, "new");
        bench.finish(second, fetch, Ok(keys(&["a"]))).unwrap();
    }
    assert_eq!(bench.says(4, "new"), "unavailable 1", "one is under way, and the round has had four");
    assert_eq!(bench.says(4, "a"), "key", "known keys are served meanwhile");
    bench.finish(5, slow, Ok(keys(&["a"]))).unwrap();
    assert_eq!(bench.says(5, "new"), "unknown", "the round is over, and the cooldown is not");
}

#[test]
fn a_client_that_hangs_up_keeps_no_place_from_others() {
    for hung_up in 1..=MAX_FETCHES {
        let mut bench = alone();
        let first = fetches(&mut bench, MAX_FETCHES, 0, "a");
        for fetch in &first[..hung_up] {
            bench.0.abandon(*fetch, &url("hub"));
        }
        let others = fetches(&mut bench, hung_up, 0, "a");
        assert_eq!(bench.says(0, "a"), "unavailable 1", "{hung_up}");
        assert!(bench.finish(1, first[0], Ok(keys(&["a"]))).is_none(), "it does not count any more");
        bench.finish(1, others[0], Ok(keys(&["a"]))).unwrap();
        assert_eq!(bench.says(1, "a"), "key");
    }
}

#[test]
fn an_unknown_key_id_is_looked_for_after_the_client_that_asked_first_has_hung_up() {
    let mut bench = alone_with_keys();
    let first = bench.expect_fetch(1, "new");
    bench.0.abandon(first, &url("hub"));
    let second = bench.expect_fetch(2, "new");
    bench.finish(3, second, Ok(keys(&["a", "new"]))).unwrap();
    assert_eq!(bench.says(3, "new"), "key");
    assert_eq!(bench.says(4, "newer"), "unknown", "the cooldown runs");

    let mut bench = alone_with_keys();
    let [first, second] = [1, 1].map(|second| bench.expect_fetch(second, "new"));
    bench.finish(2, second, Ok(keys(&["a"]))).unwrap();
    bench.0.abandon(first, &url("hub"));
    assert_eq!(bench.says(3, "new"), "unknown", "the other fetch has told");
}

/// Answers never come, because nobody waits for one.
#[test]
fn who_asks_and_hangs_up_has_few_more_fetches_made_than_who_waits() {
    for has_keys in [true, false] {
        let mut bench = if has_keys { alone_with_keys() } else { alone() };
        let mut began = Vec::new();
        for n in 0..3_000 {
            let second = 1 + n / 25;
            let wanted = format!("kid-{n}");
            if let Ok(Readiness::Wait(Wait { callout: Some(fetch), .. })) =
                bench.0.lookup(at(second), &url("hub"), &wanted, Algorithm::Ps256, CalloutPermission::Allowed)
            {
                began.push(second);
                bench.0.abandon(fetch.id, &url("hub"));
            }
        }
        for (n, second) in began.iter().enumerate() {
            let within = began[n..].iter().take_while(|other| **other < second + 30).count();
            // Without keys a place that was kept is free again after 10 seconds.
            let rounds = if has_keys { 1 } else { 4 };
            assert!(within <= MAX_ABANDONED + MAX_FETCHES * rounds, "{within} in the 30 seconds from second {second}");
        }
    }
}

#[test]
fn where_others_wait_for_a_fetch_a_client_that_hangs_up_changes_nothing() {
    let mut bench = Bench(KeyCache::new(policy(), &GatewayKind::Envoy.capabilities(None, true)));
    let fetch = bench.expect_fetch(0, "a");
    bench.0.abandon(fetch, &url("hub"));
    assert_eq!(bench.says(0, "a"), "wait");
    bench.finish(1, fetch, Ok(keys(&["a"]))).unwrap();
    assert_eq!(bench.says(1, "a"), "key");
}

#[test]
fn an_unknown_key_id_causes_one_round_per_cooldown() {
    let mut bench = alone_with_keys();
    let fetch = bench.expect_fetch(1, "new");
    bench.finish(2, fetch, Ok(keys(&["a"]))).unwrap();
    assert_eq!(bench.says_after_fetch(2, "new"), "unknown");
    for second in 2..31 {
        assert_eq!(bench.says(second, "new"), "unknown", "second {second}");
    }
    assert_eq!(bench.says(31, "new"), "fetch");
}

/// Answers take from nothing to longer than they may, or never come, and each mix is another flood.
#[test]
fn ten_thousand_unknown_key_ids_cause_at_most_four_fetches_per_cooldown() {
    for (mix, answer_after) in
        [|_| Some(0), |n| Some(n % 3), |n| Some(n % 7), |n| (n % 2 == 0).then_some(4), |_| None].into_iter().enumerate()
    {
        let answer_after: fn(u64) -> Option<u64> = answer_after;
        let mut bench = alone_with_keys();
        let mut began: Vec<u64> = Vec::new();
        let mut under_way: Vec<(u64, CalloutId)> = Vec::new();
        for n in 0..10_000 {
            let second = 1 + n / 25;
            let (ended, others) = under_way.into_iter().partition(|(end, _)| *end <= second);
            under_way = others;
            for (_, fetch) in ended {
                bench.finish(second, fetch, Ok(keys(&["a"])));
            }
            let key_id = format!("kid-{n}");
            if let Ok(Readiness::Wait(Wait { callout: Some(fetch), .. })) =
                bench.0.lookup(at(second), &url("hub"), &key_id, Algorithm::Ps256, CalloutPermission::Allowed)
            {
                began.push(second);
                under_way.extend(answer_after(began.len() as u64).map(|delay| (second + delay, fetch.id)));
            }
            assert_eq!(bench.says(second, "a"), "key", "who has a known key does not notice");
        }
        for (n, second) in began.iter().enumerate() {
            let within = began[n..].iter().take_while(|other| **other < second + 30).count();
            assert!(within <= MAX_FETCHES, "mix {mix}: {within} in the 30 seconds from second {second}");
        }
        assert!(began.len() >= 10, "mix {mix}: there was a flood in many a cooldown");
        assert_eq!(bench.0.entries.len(), 1);
    }
}

/// Otherwise a flood would turn each refresh into four fetches, whatever the cooldown says.
#[test]
fn an_unknown_key_id_joins_a_refresh_only_if_it_might_have_fetched_without() {
    let mut bench = alone_with_keys();
    let first = bench.expect_fetch(470, "new");
    bench.fail(470, first);
    let refresh = bench.expect_fetch(480, "a");
    assert_eq!(bench.says(480, "new"), "unavailable 1", "it may be in the set that is coming");
    bench.fail(481, refresh);
    assert_eq!(bench.says(481, "new"), "unknown");

    let mut bench = alone_with_keys();
    let refresh = bench.expect_fetch(480, "a");
    let joined = fetches(&mut bench, MAX_FETCHES - 1, 481, "new");
    assert_eq!(bench.says(481, "new"), "unavailable 1");
    for fetch in joined.into_iter().chain([refresh]) {
        bench.finish(482, fetch, Ok(keys(&["a"]))).unwrap();
    }
    assert_eq!(bench.says(510, "new"), "unknown", "joining costs the cooldown too");
    assert_eq!(bench.says(511, "new"), "fetch");
}

#[test]
fn keys_are_refreshed_from_80_percent_of_their_life_by_one_request_while_others_use_them() {
    let mut bench = alone_with_keys();
    let just_before = T0.after(Duration::from_millis(479_999));
    assert_eq!(bench.says_to(just_before, "a", CalloutPermission::Allowed), "key");
    let fetch = bench.expect_fetch(480, "a");
    assert_eq!(count(&mut bench, 50, 480, "a"), [("key".into(), 50)]);
    assert_eq!(count(&mut bench, 50, 484, "b"), [("key".into(), 50)]);
    bench.finish(484, fetch, Ok(keys(&["a"]))).unwrap();
    assert_eq!(bench.says_after_fetch(484, "a"), "key");
    assert_eq!(bench.says(963, "a"), "key", "the new keys have a life of their own");
    assert_eq!(bench.says(964, "a"), "fetch");
}

#[test]
fn who_only_prepares_refreshes_too() {
    let mut bench = alone_with_keys();
    assert_eq!(bench.0.prepare(at(479), &url("hub"), CalloutPermission::Allowed), Ok(Readiness::Ready(())));
    assert!(matches!(
        bench.0.prepare(at(480), &url("hub"), CalloutPermission::Allowed),
        Ok(Readiness::Wait(Wait { callout: Some(_), .. }))
    ));
    assert_eq!(bench.0.prepare(at(480), &url("hub"), CalloutPermission::Allowed), Ok(Readiness::Ready(())));
    assert_eq!(bench.0.prepare(at(480), &url("hub"), CalloutPermission::Used), Ok(Readiness::Ready(())));
}

#[test]
fn who_has_fetched_is_decided_on_what_there_is_and_does_not_fetch_again() {
    let mut bench = alone_with_keys();
    assert_eq!(bench.says_after_fetch(480, "a"), "key");
    assert_eq!(bench.says_after_fetch(480, "new"), "unknown");
    assert_eq!(bench.says_after_fetch(600, "a"), "unavailable 0");
}

#[test]
fn a_failing_refresh_is_paused_and_keeps_the_keys_until_their_end_and_no_longer() {
    let mut bench = alone_with_keys();
    let mut refreshes = 0;
    for second in 480..600 {
        if bench.says(second, "a") == "fetch" {
            let fetch = bench.0.ids.last();
            bench.fail(second, fetch);
            refreshes += 1;
        }
        assert_eq!(bench.says(second, "a"), "key", "second {second}");
        assert_eq!(bench.says_after_fetch(second, "a"), "key", "second {second}");
    }
    // After pauses of 1, 2, 4 and 8 seconds, one in 10.
    assert_eq!(refreshes, 5 + (600 - 495 - 1) / 10);
    let last_millisecond = T0.after(MAX_AGE - Duration::from_millis(1));
    assert_eq!(bench.says_to(last_millisecond, "a", CalloutPermission::Allowed), "key");
    for second in 600..700 {
        for says in [bench.says_after_fetch(second, "a"), bench.says(second, "a")] {
            assert!(says == "fetch" || says.starts_with("unavailable"), "expired keys are never used: {says}");
        }
    }
}

#[test]
fn keys_that_expire_during_a_refresh_are_not_used() {
    let mut bench = alone_with_keys();
    let refresh = bench.expect_fetch(599, "a");
    assert_eq!(bench.says(600, "a"), "fetch", "it joins");
    bench.fail(601, refresh);
    assert_eq!(bench.says_after_fetch(601, "a"), "unavailable 1");
}

#[test]
fn fetches_of_a_round_that_fail_are_one_failure_and_the_pause_begins_with_the_last() {
    let mut bench = alone();
    let mut second = 0;
    for pause in [1, 2, 4, 8, 10] {
        let started = fetches(&mut bench, MAX_FETCHES, second, "a");
        for (n, fetch) in started.into_iter().enumerate() {
            assert_eq!(bench.fail(second + n as u64, fetch).retry_after.as_secs(), pause);
        }
        second += MAX_FETCHES as u64 - 1;
        assert_eq!(bench.says(second + pause - 1, "a"), "unavailable 1");
        second += pause;
    }
}

#[test]
fn nobody_joins_a_round_during_the_pause_after_a_failure_in_it() {
    let mut bench = alone();
    let started = fetches(&mut bench, 2, 0, "a");
    bench.fail(1, started[0]);
    assert_eq!(bench.says_to(T0.after(Duration::from_millis(1_999)), "a", CalloutPermission::Allowed), "unavailable 1");
    let joined = bench.expect_fetch(2, "a");
    assert_eq!(bench.fail(3, joined).retry_after.as_secs(), 1, "it is the same failure still");
    bench.fail(5, started[1]);
    let next = bench.expect_fetch(6, "a");
    assert_eq!(bench.fail(6, next).retry_after.as_secs(), 2, "the next round is the next failure");
}

#[test]
fn a_failure_of_a_fetch_that_began_before_a_success_changes_nothing() {
    let mut bench = alone();
    let started = fetches(&mut bench, 3, 0, "a");
    bench.finish(1, started[1], Ok(keys(&["a"]))).unwrap();
    let report = bench.fail(2, started[0]);
    assert_eq!((report.retry_after, report.cached_for), (Duration::ZERO, Duration::from_secs(599)));
    assert_eq!(bench.says(2, "a"), "key");
    let extra = bench.expect_fetch(3, "new");
    assert_eq!(bench.fail(3, extra).retry_after.as_secs(), 1, "it began after the success");
    assert_eq!(bench.fail(4, started[2]).retry_after, Duration::ZERO, "and the third one before");
}

#[test]
fn a_success_ends_the_pause_of_a_failure_before_it_and_the_row_of_failures() {
    let mut bench = alone();
    let started = fetches(&mut bench, 2, 0, "a");
    bench.fail(1, started[0]);
    bench.finish(1, started[1], Ok(keys(&["a"]))).unwrap();
    assert_eq!(bench.says(1, "new"), "fetch");
    let mut bench = alone();
    let started = fetches(&mut bench, 3, 0, "a");
    bench.fail(0, started[0]);
    bench.finish(0, started[1], Ok(keys(&["a"]))).unwrap();
    let extra = bench.expect_fetch(0, "new");
    assert_eq!(bench.fail(0, extra).retry_after.as_secs(), 1);
    bench.fail(0, started[2]);
    let next = bench.expect_fetch(480, "a");
    assert_eq!(bench.fail(480, next).retry_after.as_secs(), 2, "the second after the success");
}

/// Otherwise a slow answer could take a key away that was just published, and a revoked one back.
#[test]
fn an_answer_to_an_earlier_fetch_does_not_replace_that_to_a_later_one() {
    let mut bench = alone();
    let earlier = bench.expect_fetch(0, "a");
    let later = bench.expect_fetch(1, "a");
    let latest = bench.expect_fetch(1, "a");
    bench.finish(2, later, Ok(keys(&["a", "new"]))).unwrap();
    assert_eq!(bench.finish(3, earlier, Ok(keys(&["a", "old"]))).unwrap().result, Ok(2));
    assert_eq!((bench.says(3, "new"), bench.says_after_fetch(3, "old")), ("key".into(), "unknown".into()));
    bench.finish(4, latest, Ok(keys(&["newest"]))).unwrap();
    assert_eq!(bench.says(4, "newest"), "key");
    assert_eq!(bench.says(483, "newest"), "key", "they are as old as their own answer");
    let mut bench = alone();
    let started = fetches(&mut bench, 3, 0, "a");
    for (fetch, key_id) in [(started[2], "third"), (started[0], "first"), (started[1], "second")] {
        bench.finish(1, fetch, Ok(keys(&[key_id]))).unwrap();
        assert_eq!(bench.says_after_fetch(1, "third"), "key", "after the {key_id}");
    }
}

/// Nobody could tell that it is the older one: what is shared counts from when it came.
#[test]
fn an_answer_to_an_earlier_fetch_is_not_shared_either() {
    for revoked in [&["a"][..], &["a", "b"], &["a", "c"]] {
        let memory = SharedMemory::default();
        let (mut first, mut second) = (beside(&memory), beside(&memory));
        let started = fetches(&mut first, 2, 0, "b");
        first.finish(1, started[1], Ok(keys(&["b"]))).unwrap();
        first.finish(2, started[0], Ok(keys(revoked))).unwrap();
        assert_eq!(second.says(3, "b"), "key", "{revoked:?}");
        assert_eq!(second.says(3, "a"), "fetch", "what was revoked is gone for the other worker, {revoked:?}");
        assert_eq!(first.says(3, "a"), "fetch", "and does not come back to this one, {revoked:?}");
    }
}

#[test]
fn an_unusable_answer_does_not_replace_valid_keys() {
    let mut bench = alone_with_keys();
    let fetch = bench.expect_fetch(490, "a");
    let report = bench.finish(490, fetch, Ok(b"{\"keys\":[]}".to_vec())).unwrap();
    assert_eq!((report.cached_for.as_secs(), report.retry_after.as_secs()), (110, 1));
    assert_eq!(bench.says(490, "a"), "key");
}

#[test]
fn a_fetch_that_nobody_reports_on_has_failed_when_it_was_given_up() {
    let mut bench = alone();
    let lost = fetches(&mut bench, MAX_FETCHES, 0, "a");
    assert_eq!(bench.0.timed_out(at(1_000)), [], "nobody could be woken");
    assert_eq!(bench.says(PATIENCE, "a"), "unavailable 1", "they may come still");
    let given_up = T0.after(Duration::from_millis(PATIENCE * 1_000 + 1));
    assert_eq!(bench.says_to(given_up, "a", CalloutPermission::Allowed), "unavailable 0", "the pause of a failure");
    let next = bench.expect_fetch(PATIENCE + 1, "a");
    for fetch in lost {
        assert!(bench.finish(PATIENCE + 1, fetch, Ok(keys(&["a"]))).is_none(), "they were given up");
    }
    assert_eq!(bench.fail(PATIENCE + 1, next).retry_after.as_secs(), 2, "four lost fetches were one failure");

    let mut bench = alone();
    bench.expect_fetch(0, "a");
    assert_eq!(bench.says(3_600, "a"), "fetch", "that was long ago");
}

#[test]
fn a_lost_fetch_does_not_shorten_the_pause_of_a_later_failure() {
    let mut bench = alone();
    bench.expect_fetch(0, "a");
    let other = bench.expect_fetch(1, "a");
    bench.fail(10, other);
    // The lost one was given up at second 10 too, and this one is noticed at second 12.
    let lost = bench.expect_fetch(11, "a");
    assert_eq!(bench.fail(11, lost).retry_after.as_secs(), 2);
    assert_eq!(bench.says(12, "a"), "unavailable 1");
    let mut bench = alone();
    let started = fetches(&mut bench, 2, 0, "a");
    let late = T0.after(Duration::from_millis(10_500));
    bench.0.finish(late, started[1], &url("hub"), Err(CalloutError::NoAnswer)).unwrap();
    assert_eq!(bench.says(11, "a"), "unavailable 0", "the pause ends at 11.5 and not at 11");
    assert_eq!(bench.says(12, "a"), "fetch");
}

#[test]
fn a_lost_fetch_of_a_round_that_succeeded_is_no_failure() {
    let mut bench = alone();
    let started = fetches(&mut bench, 2, 0, "a");
    bench.finish(1, started[0], Ok(keys(&["a"]))).unwrap();
    assert_eq!(bench.says(PATIENCE + 1, "new"), "fetch");
}

#[test]
fn an_answer_that_comes_late_is_none() {
    let end = T0.after(TIMEOUT);
    let late = end.after(Duration::from_millis(1));
    for mut bench in [alone(), Bench::new()] {
        let fetch = bench.expect_fetch(0, "a");
        let report = bench.0.finish(late, fetch, &url("hub"), Ok(&keys(&["a"]))).unwrap();
        assert_eq!(report.result, Err(FetchError::Callout(CalloutError::NoAnswer)));
        assert_eq!(bench.says_to(late, "a", CalloutPermission::Used), "unavailable 1");
    }
    for mut bench in [alone(), Bench::new()] {
        let fetch = bench.expect_fetch(0, "a");
        bench.0.finish(end, fetch, &url("hub"), Ok(&keys(&["a"]))).unwrap();
        assert_eq!(bench.says_to(end, "a", CalloutPermission::Used), "key");
    }
}

#[test]
fn a_late_answer_leaves_valid_keys_as_they_are() {
    let mut bench = alone_with_keys();
    let fetch = bench.expect_fetch(480, "a");
    let report = bench.finish(486, fetch, Ok(keys(&["c"]))).unwrap();
    assert_eq!(report.retry_after.as_secs(), 1);
    assert_eq!((bench.says(486, "a"), bench.says_after_fetch(486, "c")), ("key".into(), "unknown".into()));
}

#[test]
fn after_the_clock_was_set_back_nothing_from_the_future_counts() {
    let mut bench = alone();
    let fetch = bench.expect_fetch(1_000, "a");
    bench.finish(1_000, fetch, Ok(keys(&["a"]))).unwrap();
    assert_eq!(bench.says(999, "a"), "fetch", "keys of unknown age");
    let mut bench = alone();
    let fetch = bench.expect_fetch(1_000, "a");
    bench.fail(1_000, fetch);
    assert_eq!(bench.says(0, "a"), "fetch", "a pause that would last until the clock has caught up");
    let mut bench = alone_with_keys();
    let fetch = bench.expect_fetch(300, "new");
    bench.finish(300, fetch, Err(CalloutError::NoAnswer)).unwrap();
    assert_eq!(bench.says(200, "new"), "fetch", "a cooldown that would do the same");
    for mut bench in [alone(), Bench::new()] {
        let fetch = bench.expect_fetch(1_000, "a");
        let report = bench.finish(999, fetch, Ok(keys(&["a"]))).unwrap();
        assert_eq!(report.result, Err(FetchError::Callout(CalloutError::NoAnswer)), "how long it took nobody knows");
    }
    let mut bench = alone();
    fetches(&mut bench, MAX_FETCHES, 1_000, "a");
    assert_eq!(bench.says(0, "a"), "unavailable 1", "fetches that cannot be waited for have failed");
    assert_eq!(bench.says(1, "a"), "fetch");
    let mut bench = alone();
    let fetch = bench.expect_fetch(1_000, "a");
    bench.fail(1_000, fetch);
    bench.expect_fetch(0, "a");
    assert_eq!(bench.says(11, "a"), "unavailable 1", "the pause of a lost fetch is not hidden by one from the future");
}

#[test]
fn time_alone_fetches_nothing_and_forgets_what_nobody_uses() {
    let mut bench = alone_with_keys();
    bench.says(479, "a");
    let refresh = bench.0.due(at(500));
    assert!(refresh.fetches.is_empty() && refresh.ended_elsewhere.is_empty());
    bench.0.due(at(1_079));
    assert_eq!(bench.0.entries.len(), 1, "a pause or a cooldown may still run");
    bench.0.due(at(1_080));
    assert_eq!(bench.0.entries.len(), 0);
}

#[test]
fn what_is_being_fetched_is_kept_no_longer_than_the_fetch_may_take() {
    let policy = KeyPolicy { max_age: Duration::from_secs(1), refetch_cooldown: Duration::ZERO, ..policy() };
    let timeout = Duration::from_secs(60);
    let capabilities = GatewayKind::Apisix.capabilities(None, false);
    let mut bench = Bench(KeyCache::new(KeyPolicy { timeout, ..policy }, &capabilities));
    bench.expect_fetch(0, "a");
    bench.0.due(at(65));
    assert_eq!(bench.0.entries.len(), 1);
    bench.0.due(at(66));
    assert_eq!(bench.0.entries.len(), 0);
}

#[test]
fn a_set_that_is_being_fetched_is_not_pushed_out_before_the_fetch_is_lost() {
    let mut cache = alone().0;
    let mut look = |second: u64, name: &str| match cache.lookup(
        at(second),
        &url(name),
        "a",
        Algorithm::Ps256,
        CalloutPermission::Allowed,
    ) {
        Ok(Readiness::Wait(Wait { callout: Some(_), .. })) => "fetch",
        Err(Unavailable { .. }) => "unavailable",
        other => panic!("{other:?}"),
    };
    for n in 0..MAX_SETS {
        assert_eq!(look(0, &format!("ou-{n}")), "fetch");
    }
    assert_eq!(look(PATIENCE, "one-more"), "unavailable");
    assert_eq!(look(PATIENCE + 1, "one-more"), "fetch");
    assert_eq!(cache.entries.len(), MAX_SETS);
}

proptest! {
    /// Whatever happens in whatever order, and wherever the clock jumps.
    #[test]
    fn no_order_of_events_makes_a_request_wait_or_breaks_a_bound_or_revives_keys(
        events in prop::collection::vec((-3..60_i64, 0..12_usize, 0..3_usize), 1..300),
    ) {
        let mut bench = alone();
        let mut begun: Vec<CalloutId> = Vec::new();
        // Those that can still be waited for, and when they began.
        let mut under_way: Vec<(CalloutId, u64)> = Vec::new();
        let mut successes: Vec<u64> = Vec::new();
        let mut second: u64 = 0;
        for (step, kind, which) in events {
            second = second.saturating_add_signed(step);
            match kind {
                0 if !begun.is_empty() => {
                    let fetch = begun.swap_remove(which % begun.len());
                    under_way.retain(|(other, _)| *other != fetch);
                    let answer = Ok(keys(&["a", "b"]));
                    if bench.finish(second, fetch, answer).is_some_and(|report| report.result.is_ok()) {
                        successes.push(second);
                    }
                }
                1 | 2 if !begun.is_empty() => {
                    let fetch = begun.swap_remove(0);
                    under_way.retain(|(other, _)| *other != fetch);
                    bench.finish(second, fetch, Err(CalloutError::NoAnswer));
                }
                3 => prop_assert!(bench.0.due(at(second)).fetches.is_empty()),
                _ => {
                    let key_id = ["a", "b", "new"][which];
                    under_way.retain(|(_, since)| (*since..=since + PATIENCE).contains(&second));
                    match bench.0.lookup(at(second), &url("hub"), key_id, Algorithm::Ps256, CalloutPermission::Allowed) {
                        Ok(Readiness::Wait(Wait { callout: None, .. })) => prop_assert!(false, "nobody would wake it"),
                        Ok(Readiness::Wait(Wait { callout: Some(fetch), .. })) => {
                            begun.push(fetch.id);
                            under_way.push((fetch.id, second));
                        }
                        Ok(Readiness::Ready(Some(_))) => prop_assert!(successes.iter().any(|at| (*at..at + 600).contains(&second))),
                        Ok(Readiness::Ready(None)) => prop_assert_eq!(key_id, "new"),
                        Err(Unavailable { .. }) => {}
                    }
                }
            }
            prop_assert!(under_way.len() <= MAX_FETCHES);
            prop_assert!(!bench.0.awaits_others() && bench.0.timed_out(at(second)).is_empty());
        }
    }
}
