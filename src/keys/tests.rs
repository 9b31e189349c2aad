use super::*;
use crate::config::JwksLocation;
use crate::testing::SigningKey;

const T0: UnixTime = UnixTime::from_secs(1_795_253_400);
const POLICY: KeyPolicy = KeyPolicy {
    max_age: Duration::from_secs(600),
    timeout: Duration::from_secs(5),
    refetch_cooldown: Duration::from_secs(30),
};

fn at(seconds: u64) -> UnixTime {
    T0.after(Duration::from_secs(seconds))
}

fn url(organisational_unit: &str) -> HttpUrl {
    let template = JwksLocation::template("https://keystore.test/{OU}/application.jwks").unwrap();
    template.expand(organisational_unit, None).unwrap()
}

fn keys(ids: &[&str]) -> KeySet {
    let keys: Vec<_> = ids.iter().map(|id| SigningKey::first().jwk(id)).collect();
    KeySet::parse(serde_json::json!({ "keys": keys }).to_string().as_bytes(), &[Algorithm::Ps256]).unwrap()
}

/// A cache with short names for what the tests do with it.
struct Bench(KeyCache);

impl Bench {
    fn new() -> Self {
        Self(KeyCache::new(POLICY))
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
        self.says_to(at(second), key_id, Attempt::First)
    }

    fn says_after_fetch(&mut self, second: u64, key_id: &str) -> String {
        self.says_to(at(second), key_id, Attempt::AfterFetch)
    }

    fn says_to(&mut self, now: UnixTime, key_id: &str, attempt: Attempt) -> String {
        match self.0.lookup(now, &url("hub"), key_id, Algorithm::Ps256, attempt) {
            Lookup::Found(_) => "key".into(),
            Lookup::UnknownKeyId => "unknown".into(),
            Lookup::Wait => "wait".into(),
            Lookup::Fetch(_) => "fetch".into(),
            Lookup::Unavailable { retry_after } => format!("unavailable {}", retry_after.as_secs()),
        }
    }

    fn expect_fetch(&mut self, second: u64, key_id: &str) -> FetchId {
        match self.0.lookup(at(second), &url("hub"), key_id, Algorithm::Ps256, Attempt::First) {
            Lookup::Fetch(fetch) => fetch.id,
            other => panic!("a fetch was expected, not {other:?}"),
        }
    }

    fn finish(&mut self, second: u64, fetch: FetchId, result: Result<KeySet, FetchError>) -> Option<FetchReport> {
        self.0.finish(at(second), fetch, &url("hub"), result)
    }

    fn fail(&mut self, second: u64, fetch: FetchId) -> FetchReport {
        self.finish(second, fetch, Err(FetchError::NoAnswer)).unwrap()
    }

    fn refreshes(&mut self, second: u64) -> Vec<FetchId> {
        self.0.due(at(second)).into_iter().map(|fetch| fetch.id).collect()
    }
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
    let mut cache = KeyCache::new(POLICY);
    let Lookup::Fetch(fetch) = cache.lookup(T0, &url("hub"), "a", Algorithm::Ps256, Attempt::First) else { panic!() };
    assert_eq!(fetch.url.as_str(), "https://keystore.test/hub/application.jwks");
    assert_eq!(fetch.timeout, POLICY.timeout);
}

#[test]
fn fetched_keys_are_valid_for_exactly_their_age() {
    let mut bench = Bench::with_keys();
    assert_eq!(bench.says(0, "a"), "key");
    let last_millisecond = T0.after(POLICY.max_age - Duration::from_millis(1));
    assert_eq!(bench.says_to(last_millisecond, "a", Attempt::First), "key");
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
    let report = bench.finish(490, fetch, Err(FetchError::Unusable(JwksError::NoUsableKey))).unwrap();
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
        if let Lookup::Fetch(fetch) =
            bench.0.lookup(at(second), &url("hub"), &format!("kid-{n}"), Algorithm::Ps256, Attempt::First)
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
    assert!(bench.0.finish(at(12), second, &url("other"), Ok(keys(&["a"]))).is_none(), "another address");
}

#[test]
fn a_fetch_that_nobody_reports_on_is_given_up() {
    let mut bench = Bench::new();
    let fetch = bench.expect_fetch(0, "a");
    assert_eq!(bench.0.lost(at(10)), []);
    assert_eq!(bench.says(10, "a"), "wait");
    assert_eq!(bench.0.lost(at(11)), [(fetch, url("hub"))]);
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
    let mut cache = KeyCache::new(POLICY);
    for n in 0..MAX_SETS {
        let url = url(&format!("ou-{n}"));
        let Lookup::Fetch(fetch) = cache.lookup(at(n as u64), &url, "a", Algorithm::Ps256, Attempt::First) else {
            panic!()
        };
        cache.finish(at(n as u64), fetch.id, &url, Ok(keys(&["a"])));
    }
    let now = at(100);
    assert!(matches!(cache.lookup(now, &url("ou-0"), "a", Algorithm::Ps256, Attempt::First), Lookup::Found(_)));
    assert!(matches!(cache.lookup(now, &url("one-more"), "a", Algorithm::Ps256, Attempt::First), Lookup::Fetch(_)));
    assert_eq!(cache.entries.len(), MAX_SETS);
    assert!(cache.entries.contains_key(&url("ou-0")), "it was just used");
    assert!(!cache.entries.contains_key(&url("ou-1")), "it was not");
}

#[test]
fn a_set_that_requests_wait_for_is_not_pushed_out() {
    let mut cache = KeyCache::new(POLICY);
    for n in 0..MAX_SETS {
        assert!(matches!(
            cache.lookup(T0, &url(&format!("ou-{n}")), "a", Algorithm::Ps256, Attempt::First),
            Lookup::Fetch(_)
        ));
    }
    assert!(matches!(
        cache.lookup(T0, &url("one-more"), "a", Algorithm::Ps256, Attempt::First),
        Lookup::Unavailable { .. }
    ));
    assert_eq!(cache.entries.len(), MAX_SETS);
}

#[test]
fn a_report_says_what_happened_and_what_follows() {
    let mut bench = Bench::new();
    let fetch = bench.expect_fetch(0, "a");
    assert_eq!(
        bench.finish(0, fetch, Err(FetchError::Status(503))).unwrap().to_string(),
        "hub-auth-filter: no keys from https://keystore.test/hub/application.jwks: status 503 instead of 200; \
         no valid keys are cached; next try in 1 s or later"
    );
    let fetch = bench.expect_fetch(1, "a");
    assert_eq!(
        bench.finish(1, fetch, Ok(keys(&["a", "b"]))).unwrap().to_string(),
        "hub-auth-filter: fetched 2 keys from https://keystore.test/hub/application.jwks"
    );
}
