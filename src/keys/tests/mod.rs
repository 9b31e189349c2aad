mod clocks;
mod per_request;

use std::rc::Rc;
use std::time::Duration;

use super::*;
use crate::callout::REPORT_GRACE;
use crate::gateway::kinds::GatewayKind;
use crate::testing::{SharedMemory, SigningKey};
use crate::time::UnixTime;
use crate::url::JwksLocation;

const T0: Moment = Moment::by_wall_clock(UnixTime::from_secs(1_795_253_400));
const TIMEOUT: Duration = Duration::from_secs(5);
const MAX_AGE: Duration = Duration::from_secs(600);

fn policy() -> KeyPolicy {
    KeyPolicy {
        upstream: "keystore".into(),
        algorithms: vec![Algorithm::Ps256],
        max_age: MAX_AGE,
        timeout: TIMEOUT,
        refetch_cooldown: Duration::from_secs(30),
    }
}

fn unshared() -> KeyCache {
    KeyCache::new(policy(), &GatewayKind::Envoy.capabilities(None, true))
}

fn sharing(policy: KeyPolicy, memory: &SharedMemory) -> KeyCache {
    KeyCache::new(policy, &GatewayKind::Envoy.capabilities(Some(Rc::new(memory.clone())), true))
}

fn at(seconds: u64) -> Moment {
    T0.after(Duration::from_secs(seconds))
}

fn url(organisational_unit: &str) -> HttpUrl {
    let template = JwksLocation::template("https://keystore.test/{OU}/application.jwks").unwrap();
    template.expand(organisational_unit, None).unwrap()
}

/// A key set with one key under each of these ids.
fn keys(ids: &[&str]) -> Vec<u8> {
    let keys: Vec<_> = ids.iter().map(|id| SigningKey::first().jwk(id)).collect();
    serde_json::json!({ "keys": keys }).to_string().into_bytes()
}

/// A cache with short names for what the tests do with it.
struct Bench(KeyCache);

impl Bench {
    fn new() -> Self {
        Self(unshared())
    }

    /// A cache that fetched keys `a` and `b` for `hub` at second 0.
    fn with_keys() -> Self {
        let mut bench = Self::new();
        let fetch = bench.expect_fetch(0, "a");
        bench.finish(0, fetch, Ok(keys(&["a", "b"]))).unwrap();
        bench
    }

    /// What a first lookup at this second says: `key`, `unknown`, `wait`, `fetch` or `unavailable N`.
    fn says(&mut self, second: u64, key_id: &str) -> String {
        self.says_to(at(second), key_id, CalloutPermission::Allowed)
    }

    fn says_after_fetch(&mut self, second: u64, key_id: &str) -> String {
        self.says_to(at(second), key_id, CalloutPermission::Used)
    }

    fn says_to(&mut self, now: Moment, key_id: &str, permission: CalloutPermission) -> String {
        match self.0.lookup(now, &url("hub"), key_id, Algorithm::Ps256, permission) {
            Ok(Readiness::Ready(Some(_))) => "key".into(),
            Ok(Readiness::Ready(None)) => "unknown".into(),
            Ok(Readiness::Wait(Wait { callout: None, .. })) => "wait".into(),
            Ok(Readiness::Wait(Wait { callout: Some(_), .. })) => "fetch".into(),
            Err(Unavailable { retry_after }) => format!("unavailable {}", retry_after.as_secs()),
        }
    }

    fn expect_fetch(&mut self, second: u64, key_id: &str) -> CalloutId {
        match self.0.lookup(at(second), &url("hub"), key_id, Algorithm::Ps256, CalloutPermission::Allowed) {
            Ok(Readiness::Wait(Wait { callout: Some(fetch), .. })) => fetch.id,
            other => panic!("a fetch was expected, not {other:?}"),
        }
    }

    fn finish(&mut self, second: u64, fetch: CalloutId, answer: Result<Vec<u8>, CalloutError>) -> Option<FetchReport> {
        self.0.finish(at(second), fetch, &url("hub"), answer.as_deref().map_err(|error| *error))
    }

    fn fail(&mut self, second: u64, fetch: CalloutId) -> FetchReport {
        self.finish(second, fetch, Err(CalloutError::NoAnswer)).unwrap()
    }

    fn refreshes(&mut self, second: u64) -> Vec<CalloutId> {
        self.0.due(at(second)).fetches.into_iter().map(|fetch| fetch.id).collect()
    }
}

#[test]
fn keys_that_are_known_to_be_needed_are_fetched_before_a_request_needs_them() {
    let mut bench = Bench::new();
    bench.0.warm([url("hub")]);
    let fetch = bench.refreshes(1)[0];
    assert_eq!(bench.refreshes(2), [], "one is under way");
    assert_eq!(bench.says(2, "a"), "wait", "for that one");
    bench.finish(3, fetch, Ok(keys(&["a"]))).unwrap();
    assert_eq!(bench.says(3, "a"), "key");
    assert_eq!(bench.refreshes(4), []);
    for second in [605, 1000, 5000] {
        assert_eq!(bench.refreshes(second), [], "that was for the start");
    }
}

#[test]
fn keys_that_nobody_needs_yet_are_asked_for_after_each_pause_until_they_come() {
    let mut bench = Bench::new();
    bench.0.warm([url("hub")]);
    let mut fetches = Vec::new();
    for second in 1..40 {
        for fetch in bench.refreshes(second) {
            fetches.push(second);
            let report = bench.fail(second, fetch);
            assert!(report.to_string().starts_with("no keys from https://keystore.test/hub/"), "{report}");
        }
    }
    assert_eq!(fetches, [1, 2, 4, 8, 16, 26, 36]);
    let fetch = bench.refreshes(46)[0];
    bench.finish(46, fetch, Ok(keys(&["a"]))).unwrap();
    assert_eq!((bench.refreshes(47), bench.says(47, "a")), (vec![], "key".into()));
}

#[test]
fn keys_that_nobody_needs_yet_are_fetched_by_one_worker_for_all_that_share_data() {
    let memory = SharedMemory::default();
    let [mut first, mut second] = [(); 2].map(|()| Bench(sharing(policy(), &memory)));
    for bench in [&mut first, &mut second] {
        bench.0.warm([url("hub")]);
    }
    let fetch = first.refreshes(1)[0];
    assert_eq!(second.refreshes(1), []);
    assert!(second.0.awaits_others());
    first.finish(2, fetch, Ok(keys(&["a"]))).unwrap();
    assert_eq!(second.refreshes(2), []);
    assert_eq!((second.says(2, "a"), second.0.awaits_others()), ("key".into(), false));
}

#[test]
fn where_each_request_makes_its_own_callout_nothing_is_fetched_before() {
    let mut bench = Bench(KeyCache::new(policy(), &GatewayKind::Kong.capabilities(None, true)));
    bench.0.warm([url("hub")]);
    assert_eq!(bench.refreshes(1), []);
}

#[test]
fn the_first_request_fetches_and_others_wait_for_the_same_fetch() {
    let mut bench = Bench::new();
    assert_eq!(bench.says(0, "a"), "fetch");
    assert_eq!(bench.says(1, "a"), "wait");
    assert_eq!(bench.says(1, "b"), "wait");
}

#[test]
fn a_fetch_says_where_and_for_how_long() {
    let mut cache = unshared();
    let Ok(Readiness::Wait(Wait { callout: Some(fetch), .. })) =
        cache.lookup(T0, &url("hub"), "a", Algorithm::Ps256, CalloutPermission::Allowed)
    else {
        panic!()
    };
    assert_eq!(fetch.subject, CalloutSubject::KeySet(url("hub")));
    assert_eq!(fetch.request.url.as_str(), "https://keystore.test/hub/application.jwks");
    assert_eq!(fetch.request.upstream, "keystore");
    assert_eq!(fetch.request.timeout, TIMEOUT);
}

#[test]
fn fetched_keys_are_valid_for_exactly_their_age() {
    let mut bench = Bench::with_keys();
    assert_eq!(bench.says(0, "a"), "key");
    let last_millisecond = T0.after(MAX_AGE - Duration::from_millis(1));
    assert_eq!(bench.says_to(last_millisecond, "a", CalloutPermission::Allowed), "key");
    assert_eq!(bench.says(600, "a"), "fetch");
}

#[test]
fn a_failing_refresh_never_extends_the_life_of_keys() {
    let mut bench = Bench::with_keys();
    for second in (480..600).step_by(20) {
        assert_eq!(bench.says(second, "a"), "key");
        let fetch = bench.refreshes(second)[0];
        bench.fail(second, fetch);
    }
    assert_eq!(bench.says(599, "a"), "key");
    let fetch = bench.expect_fetch(600, "a");
    bench.fail(600, fetch);
    assert_eq!(bench.says_after_fetch(600, "a"), "unavailable 10");
}

#[test]
fn a_failed_answer_does_not_replace_valid_keys_and_a_good_one_does() {
    let mut bench = Bench::with_keys();
    bench.says(490, "a");
    let fetch = bench.refreshes(490)[0];
    let report = bench.finish(490, fetch, Ok(b"{\"keys\":[]}".to_vec())).unwrap();
    assert_eq!(report.cached_for, Duration::from_secs(110));
    assert_eq!(bench.says(491, "a"), "key");
    let fetch = bench.refreshes(500)[0];
    bench.finish(500, fetch, Ok(keys(&["c"]))).unwrap();
    assert_eq!(bench.says(501, "c"), "key");
    assert_eq!(bench.says(1099, "c"), "key", "the new keys have a life of their own");
    assert_eq!(bench.says(501, "a"), "fetch", "a key that is gone is unknown");
}

#[test]
fn sets_in_use_are_refreshed_once_from_80_percent_of_their_life() {
    let mut bench = Bench::with_keys();
    bench.says(400, "a");
    assert_eq!(bench.refreshes(479), []);
    assert_eq!(bench.refreshes(480).len(), 1);
    assert_eq!(bench.refreshes(481), [], "one fetch at a time");
    assert_eq!(bench.says(481, "a"), "key", "requests go on with the old keys meanwhile");
}

#[test]
fn a_set_that_nobody_used_since_it_came_is_not_refreshed_and_is_dropped_in_the_end() {
    let mut bench = Bench::with_keys();
    let fetch = bench.refreshes(490)[0];
    bench.finish(490, fetch, Ok(keys(&["a"]))).unwrap();
    assert_eq!(bench.refreshes(1080), []);
    assert_eq!(bench.0.entries.len(), 1);
    assert_eq!(bench.refreshes(1200), []);
    assert_eq!(bench.0.entries.len(), 0);
}

#[test]
fn an_unknown_key_id_causes_one_extra_fetch_per_cooldown() {
    let mut bench = Bench::with_keys();
    let fetch = bench.expect_fetch(1, "new");
    assert_eq!(bench.says(1, "newer"), "wait");
    assert_eq!(bench.says(1, "a"), "key", "known keys never wait");
    bench.finish(2, fetch, Ok(keys(&["a"]))).unwrap();
    assert_eq!(bench.says_after_fetch(2, "new"), "unknown");
    for second in 3..31 {
        assert_eq!(bench.says(second, "new"), "unknown", "second {second}");
    }
    assert_eq!(bench.says(31, "new"), "fetch");
}

#[test]
fn ten_thousand_unknown_key_ids_cause_one_fetch_per_cooldown() {
    let mut bench = Bench::with_keys();
    let mut fetches = 0;
    for n in 0..10_000_u64 {
        let second = n / 100;
        if let Ok(Readiness::Wait(Wait { callout: Some(fetch), .. })) =
            bench.0.lookup(at(second), &url("hub"), &format!("kid-{n}"), Algorithm::Ps256, CalloutPermission::Allowed)
        {
            fetches += 1;
            bench.finish(second, fetch.id, Ok(keys(&["a"]))).unwrap();
        }
    }
    assert_eq!(fetches, 4, "100 seconds hold the starts of four cooldowns of 30 seconds");
    assert_eq!(bench.0.entries.len(), 1);
}

#[test]
fn a_failed_extra_fetch_leaves_the_key_unknown() {
    let mut bench = Bench::with_keys();
    let fetch = bench.expect_fetch(1, "new");
    bench.fail(1, fetch);
    assert_eq!(bench.says_after_fetch(1, "new"), "unknown");
    assert_eq!(bench.says(1, "a"), "key");
}

#[test]
fn a_failure_is_not_retried_before_a_pause_that_grows_to_ten_seconds() {
    let mut bench = Bench::new();
    let mut second = 0;
    for pause in [1, 2, 4, 8, 10, 10, 10, 10, 10, 10, 10] {
        let fetch = bench.expect_fetch(second, "a");
        assert_eq!(bench.fail(second, fetch).retry_after.as_secs(), pause);
        assert_eq!(bench.says_after_fetch(second, "a"), format!("unavailable {pause}"));
        assert_eq!(bench.says(second + pause - 1, "a"), "unavailable 1");
        second += pause;
    }
    let fetch = bench.expect_fetch(second, "a");
    bench.finish(second, fetch, Ok(keys(&["a"]))).unwrap();
    let fetch = bench.expect_fetch(second + 600, "a");
    assert_eq!(bench.fail(second + 600, fetch).retry_after.as_secs(), 1, "a success ends the row of failures");
}

#[test]
fn an_answer_counts_once_and_only_for_its_own_fetch() {
    let mut bench = Bench::new();
    let first = bench.expect_fetch(0, "a");
    bench.fail(11, first);
    assert!(bench.finish(11, first, Ok(keys(&["a"]))).is_none(), "a second answer");
    let second = bench.expect_fetch(12, "a");
    assert!(bench.finish(12, first, Ok(keys(&["a"]))).is_none(), "a late answer to a fetch that was given up");
    assert!(bench.finish(12, second, Ok(keys(&["a"]))).is_some());
    assert!(bench.0.finish(at(12), second, &url("other"), Ok(&keys(&["a"]))).is_none(), "another address");
}

#[test]
fn a_fetch_that_nobody_reports_on_is_given_up() {
    let mut bench = Bench::new();
    let fetch = bench.expect_fetch(0, "a");
    assert_eq!(bench.0.timed_out(at(10)), []);
    assert_eq!(bench.says(10, "a"), "wait");
    assert_eq!(bench.0.timed_out(at(11)), [(fetch, url("hub"))]);
    assert_eq!(bench.says(11, "a"), "fetch", "a request that comes before the next tick does not wait for nothing");
}

#[test]
fn a_clock_that_was_set_back_makes_keys_of_unknown_age_invalid() {
    let mut bench = Bench::new();
    let fetch = bench.expect_fetch(1000, "a");
    bench.finish(1000, fetch, Ok(keys(&["a"]))).unwrap();
    assert_eq!(bench.says(999, "a"), "fetch");
    // A pause that would last until the clock has caught up is not kept either.
    let mut bench = Bench::new();
    let fetch = bench.expect_fetch(1000, "a");
    bench.fail(1000, fetch);
    assert_eq!(bench.says(0, "a"), "fetch");
}

#[test]
fn the_number_of_sets_is_bounded_and_the_longest_unused_goes_first() {
    let mut cache = unshared();
    for n in 0..MAX_SETS {
        let url = url(&format!("ou-{n}"));
        let Ok(Readiness::Wait(Wait { callout: Some(fetch), .. })) =
            cache.lookup(at(n as u64), &url, "a", Algorithm::Ps256, CalloutPermission::Allowed)
        else {
            panic!()
        };
        cache.finish(at(n as u64), fetch.id, &url, Ok(&keys(&["a"])));
    }
    let now = at(100);
    assert!(matches!(
        cache.lookup(now, &url("ou-0"), "a", Algorithm::Ps256, CalloutPermission::Allowed),
        Ok(Readiness::Ready(Some(_)))
    ));
    assert!(matches!(
        cache.lookup(now, &url("one-more"), "a", Algorithm::Ps256, CalloutPermission::Allowed),
        Ok(Readiness::Wait(Wait { callout: Some(_), .. }))
    ));
    assert_eq!(cache.entries.len(), MAX_SETS);
    assert!(cache.entries.contains_key(&url("ou-0")), "it was just used");
    assert!(!cache.entries.contains_key(&url("ou-1")), "it was not");
}

#[test]
fn a_set_that_requests_wait_for_is_not_pushed_out() {
    let mut cache = unshared();
    for n in 0..MAX_SETS {
        assert!(matches!(
            cache.lookup(T0, &url(&format!("ou-{n}")), "a", Algorithm::Ps256, CalloutPermission::Allowed),
            Ok(Readiness::Wait(Wait { callout: Some(_), .. }))
        ));
    }
    assert!(matches!(
        cache.lookup(T0, &url("one-more"), "a", Algorithm::Ps256, CalloutPermission::Allowed),
        Err(Unavailable { .. })
    ));
    assert_eq!(cache.entries.len(), MAX_SETS);
}

#[test]
fn a_report_says_what_happened_and_what_follows() {
    let mut bench = Bench::new();
    let fetch = bench.expect_fetch(0, "a");
    assert_eq!(
        bench.finish(0, fetch, Err(CalloutError::Status(503))).unwrap().to_string(),
        "no keys from https://keystore.test/hub/application.jwks: status 503 instead of 200; \
         no valid keys are cached; next try in 1 s or later"
    );
    let fetch = bench.expect_fetch(1, "a");
    assert_eq!(
        bench.finish(1, fetch, Ok(keys(&["a", "b"]))).unwrap().to_string(),
        "fetched 2 keys from https://keystore.test/hub/application.jwks"
    );
}

#[test]
fn the_keys_that_a_set_has_in_vain_are_told_once_and_again_when_they_change() {
    let mut bench = Bench::new();
    let key = |kid: &str, usage: &str| {
        let mut key = SigningKey::first().jwk(kid);
        key["use"] = serde_json::json!(usage);
        key
    };
    let published = |keys: &[serde_json::Value]| serde_json::json!({ "keys": keys }).to_string().into_bytes();
    let told = |bench: &mut Bench, second: u64, keys: &[serde_json::Value]| {
        let fetch = bench.expect_fetch(second, "a");
        bench.finish(second, fetch, Ok(published(keys))).unwrap().to_string()
    };
    let url = "https://keystore.test/hub/application.jwks";
    let mut keys = vec![key("a", "sig"), key("e\n\"1", "enc"), serde_json::json!({})];
    assert_eq!(
        told(&mut bench, 0, &keys),
        format!(
            "fetched 1 keys from {url}; skipped 2: \"e??1\" (its use is not sig), one without a kid (its kid is not text of 1 to \
             256 bytes)"
        )
    );
    assert_eq!(told(&mut bench, 600, &keys), format!("fetched 1 keys from {url}"));
    keys.extend((0..10).map(|n| key(&n.to_string(), "enc")));
    let text = told(&mut bench, 1200, &keys);
    assert!(text.contains("; skipped 12: ") && text.ends_with(" and 4 more"), "{text}");
    assert_eq!(told(&mut bench, 1800, &keys), format!("fetched 1 keys from {url}"));
    assert_eq!(
        told(&mut bench, 2400, &keys[1..2]),
        format!(
            "no keys from {url}: the JWK set has no key that may be used; skipped 1: \"e??1\" (its use is not sig); no valid keys \
             are cached; next try in 1 s or later"
        )
    );
}

/// Workers that share what they learn.
struct Workers(Vec<Bench>, SharedMemory);

impl Workers {
    fn new(count: usize) -> Self {
        let memory = SharedMemory::default();
        let worker = |_| Bench(sharing(policy(), &memory));
        Self((0..count).map(worker).collect(), memory)
    }

    /// Workers of which the first fetched keys `a` and `b` at second 0.
    fn with_keys(count: usize) -> Self {
        let mut workers = Self::new(count);
        let fetch = workers.0[0].expect_fetch(0, "a");
        workers.0[0].finish(0, fetch, Ok(keys(&["a", "b"]))).unwrap();
        workers
    }

    /// What every worker says to a lookup at this second.
    fn say(&mut self, second: u64, key_id: &str) -> Vec<String> {
        self.0.iter_mut().map(|worker| worker.says(second, key_id)).collect()
    }
}

#[test]
fn of_sixteen_workers_one_fetches_and_the_others_wait_for_what_it_gets() {
    let mut workers = Workers::new(16);
    let fetch = workers.0[0].expect_fetch(0, "a");
    assert_eq!(workers.say(0, "a"), ["wait"; 16]);
    assert_eq!(workers.0[1].0.due(at(0)).ended_elsewhere, []);
    workers.0[0].finish(1, fetch, Ok(keys(&["a"]))).unwrap();
    for worker in &mut workers.0[1..] {
        assert_eq!(worker.0.due(at(1)).ended_elsewhere, [url("hub")], "those that wait are told, and once");
        assert_eq!(worker.0.due(at(1)).ended_elsewhere, []);
    }
    assert_eq!(workers.say(1, "a"), ["key"; 16]);
}

#[test]
fn a_set_of_another_worker_ends_when_it_would_have_ended_there() {
    let mut workers = Workers::with_keys(2);
    assert_eq!(workers.say(599, "a"), ["key"; 2]);
    assert_eq!(workers.say(600, "a"), ["fetch", "wait"]);
}

#[test]
fn one_worker_refreshes_for_all() {
    let mut workers = Workers::with_keys(8);
    workers.say(470, "a");
    let refreshes: Vec<_> = workers.0.iter_mut().map(|worker| worker.refreshes(480)).collect();
    assert_eq!(refreshes.iter().flatten().count(), 1);
    workers.0[0].finish(481, refreshes[0][0], Ok(keys(&["a"]))).unwrap();
    for worker in &mut workers.0 {
        assert_eq!(worker.refreshes(481), []);
        assert_eq!(worker.says(1080, "a"), "key", "the new set has replaced the old one everywhere");
    }
}

#[test]
fn unknown_key_ids_cause_one_extra_fetch_per_cooldown_in_all_workers_together() {
    let mut workers = Workers::with_keys(3);
    workers.say(0, "a");
    let fetch = workers.0[0].expect_fetch(1, "new");
    assert_eq!(workers.say(1, "new"), ["wait"; 3]);
    workers.0[0].finish(2, fetch, Ok(keys(&["a", "new"]))).unwrap();
    assert_eq!(workers.say(2, "new"), ["key"; 3], "the others find it in the set that came");
    workers.0.iter_mut().for_each(|worker| drop(worker.0.due(at(2))));
    assert_eq!(workers.say(30, "newer"), ["unknown"; 3]);
    assert_eq!(workers.say(31, "newer"), ["fetch", "wait", "wait"]);
}

#[test]
fn a_keystore_that_fails_is_asked_once_per_pause_by_all_workers_together() {
    let mut workers = Workers::new(3);
    let mut second = 0;
    for (n, pause) in [1, 2, 4, 8, 10, 10].into_iter().enumerate() {
        let fetch = workers.0[n % 3].expect_fetch(second, "a");
        assert_eq!(workers.say(second, "a"), ["wait"; 3]);
        assert_eq!(workers.0[n % 3].fail(second, fetch).retry_after.as_secs(), pause);
        for (other, worker) in workers.0.iter_mut().enumerate().filter(|(other, _)| *other != n % 3) {
            assert_eq!(worker.0.due(at(second)).ended_elsewhere, [url("hub")], "worker {other}");
            assert_eq!(worker.says_after_fetch(second, "a"), format!("unavailable {pause}"));
        }
        assert_eq!(workers.say(second + pause - 1, "a"), ["unavailable 1"; 3]);
        second += pause;
    }
}

#[test]
fn a_worker_that_dies_while_it_fetches_holds_the_others_up_no_longer_than_a_fetch_may_take() {
    let mut workers = Workers::new(2);
    workers.0[0].expect_fetch(0, "a");
    assert_eq!(workers.0[1].says(0, "a"), "wait");
    let patience = (TIMEOUT + REPORT_GRACE).as_secs();
    assert_eq!(workers.0[1].0.due(at(patience - 1)).ended_elsewhere, []);
    assert_eq!(workers.0[1].0.due(at(patience)).ended_elsewhere, [url("hub")]);
    assert_eq!(workers.0[1].says(patience, "a"), "fetch");
}

#[test]
fn a_worker_that_fetches_itself_does_not_await_another_any_more_nor_the_other_way_round() {
    let mut workers = Workers::new(2);
    let lost = workers.0[0].expect_fetch(0, "a");
    assert_eq!(workers.0[1].says(0, "a"), "wait");
    let patience = (TIMEOUT + REPORT_GRACE).as_secs();
    workers.0[1].expect_fetch(patience, "a");
    assert!(!workers.0[1].0.awaits_others());
    assert_eq!(workers.0[0].says(patience + 1, "a"), "wait");
    assert!(workers.0[0].0.awaits_others());
    assert_eq!(workers.0[0].0.timed_out(at(patience + 1)), []);
    assert!(workers.0[0].finish(patience + 1, lost, Ok(keys(&["a"]))).is_none());
}

#[test]
fn a_set_that_another_worker_fetches_is_not_forgotten_while_requests_wait_for_it() {
    let policy = KeyPolicy { max_age: Duration::from_secs(1), timeout: Duration::from_secs(60), ..policy() };
    let policy = KeyPolicy { refetch_cooldown: Duration::ZERO, ..policy };
    let memory = SharedMemory::default();
    let [mut first, mut second] = [(); 2].map(|()| Bench(sharing(policy.clone(), &memory)));
    first.expect_fetch(0, "a");
    assert_eq!(second.says(0, "a"), "wait");
    assert_eq!(second.0.due(at(64)).ended_elsewhere, []);
    assert_eq!(second.0.due(at(65)).ended_elsewhere, [url("hub")]);
}

#[test]
fn requests_wait_for_one_fetch_of_another_worker_and_not_for_the_next_one_too() {
    let mut workers = Workers::new(3);
    workers.0[0].expect_fetch(0, "a");
    assert_eq!(workers.0[1].says(0, "a"), "wait");
    let patience = (TIMEOUT + REPORT_GRACE).as_secs();
    workers.0[2].expect_fetch(patience, "a");
    assert_eq!(workers.0[1].0.due(at(patience)).ended_elsewhere, [url("hub")]);
}

#[test]
fn a_turn_that_a_clock_has_left_in_the_future_holds_nobody_up() {
    let mut workers = Workers::new(2);
    workers.0[0].expect_fetch(1000, "a");
    assert_eq!(workers.0[1].says(0, "a"), "fetch");
    let mut workers = Workers::new(2);
    let fetch = workers.0[0].expect_fetch(1000, "a");
    workers.0[0].fail(1000, fetch);
    assert_eq!(workers.0[1].says(0, "a"), "fetch");
}

#[test]
fn a_damaged_or_foreign_set_is_ignored() {
    for change in [
        |value: &mut Vec<u8>| value.truncate(100),
        |value: &mut Vec<u8>| value[60] ^= 1,
        |value: &mut Vec<u8>| *value = b"somebody else's".to_vec(),
        |value: &mut Vec<u8>| *value = crate::shared_data::envelope::seal("another name", b"payload"),
        |value: &mut Vec<u8>| value.clear(),
    ] {
        let mut workers = Workers::with_keys(2);
        workers.1.change_all(change);
        assert_eq!(workers.0[1].says(1, "a"), "fetch");
        assert_eq!(workers.0[0].says(1, "a"), "key", "the worker that fetched keeps its own");
    }
}

#[test]
fn a_set_from_the_future_is_ignored() {
    let mut workers = Workers::new(2);
    let fetch = workers.0[0].expect_fetch(100, "a");
    workers.0[0].finish(100, fetch, Ok(keys(&["a"]))).unwrap();
    assert_eq!(workers.0[1].says(98, "a"), "fetch");
}

#[test]
fn sets_are_not_shared_with_those_that_ask_another_server_or_for_other_algorithms() {
    let mut workers = Workers::with_keys(1);
    for policy in [
        KeyPolicy { upstream: "another".into(), ..policy() },
        KeyPolicy { algorithms: vec![Algorithm::Ps256, Algorithm::Es256], ..policy() },
    ] {
        let mut other = Bench(sharing(policy, &workers.1));
        assert_eq!(other.says(1, "a"), "fetch");
    }
    assert_eq!(workers.say(1, "a"), ["key"]);
}

#[test]
fn where_sharing_fails_each_worker_fetches_for_itself() {
    let mut workers = Workers::new(3);
    workers.1.fail(true);
    assert_eq!(workers.say(0, "a"), ["fetch"; 3]);
    workers.1.fail(false);
    let mut workers = Workers::with_keys(2);
    workers.1.fail(true);
    assert_eq!(workers.say(1, "a"), ["key", "fetch"]);
}
