//! The rules of the introspection cache: how long an answer counts, who asks, and what a failing server changes.

mod clocks;
mod per_request;

use super::*;
use crate::gateway::kinds::GatewayKind;
use crate::time::UnixTime;
use crate::url::HttpUrl;
use proptest::prelude::*;
use serde_json::{Value as Json, json};

const T0: u64 = 1_795_253_400;
const POLICY: IntrospectionPolicy = IntrospectionPolicy {
    timeout: Duration::from_secs(5),
    max_age: Duration::from_secs(60),
    negative_max_age: Duration::from_secs(5),
    capacity: 100,
};

fn at(seconds: u64) -> Moment {
    Moment::by_wall_clock(UnixTime::from_secs(T0 + seconds))
}

fn active() -> Json {
    json!({"active": true, "jti": "j1"})
}

fn inactive() -> Json {
    json!({"active": false})
}

/// A cache with short names for what the tests do with it.
struct Bench(IntrospectionCache);

impl Bench {
    fn new() -> Self {
        Self::with(POLICY)
    }

    fn with(policy: IntrospectionPolicy) -> Self {
        Self::on(GatewayKind::Envoy, policy)
    }

    fn on(gateway: GatewayKind, policy: IntrospectionPolicy) -> Self {
        let url = HttpUrl::parse("https://as.example/introspect").unwrap();
        let capabilities = gateway.capabilities(None, true);
        Self(IntrospectionCache::new(Endpoint::new("as", url, "client", Some("s3cret")), policy, &capabilities))
    }

    /// How many calls are in flight, lost or not.
    fn in_flight(&self) -> usize {
        self.0.calls.len()
    }

    /// What a first lookup at this second says: `active`, `inactive`, `invalid`, `unconfirmed`, `wait`, `call` or
    /// `unavailable N`.
    fn says(&mut self, second: u64, token: &str) -> String {
        self.says_to(at(second), token, CalloutPermission::Allowed)
    }

    fn says_after(&mut self, second: u64, token: &str) -> String {
        self.says_to(at(second), token, CalloutPermission::Used)
    }

    fn says_to(&mut self, now: Moment, token: &str, permission: CalloutPermission) -> String {
        match self.0.lookup(now, token, &TokenDigest::of(token), permission) {
            Ok(Readiness::Ready(None)) => "unconfirmed".into(),
            Ok(Readiness::Ready(Some(Introspected::Active(_)))) => "active".into(),
            Ok(Readiness::Ready(Some(Introspected::Inactive))) => "inactive".into(),
            Ok(Readiness::Ready(Some(Introspected::Invalid(_)))) => "invalid".into(),
            Ok(Readiness::Wait(Wait { callout: None, .. })) => "wait".into(),
            Ok(Readiness::Wait(Wait { callout: Some(_), .. })) => "call".into(),
            Err(Unavailable { retry_after }) => format!("unavailable {}", retry_after.as_secs()),
        }
    }

    fn call(&mut self, second: u64, token: &str) -> CalloutId {
        match self.0.lookup(at(second), token, &TokenDigest::of(token), CalloutPermission::Allowed) {
            Ok(Readiness::Wait(Wait { callout: Some(callout), .. })) => callout.id,
            other => panic!("a call was expected, not {other:?}"),
        }
    }

    fn finish(
        &mut self,
        second: u64,
        call: CalloutId,
        token: &str,
        answer: Result<&[u8], CalloutError>,
    ) -> Option<IntrospectionReport> {
        self.0.finish(at(second), call, &TokenDigest::of(token), answer, None)
    }

    /// A call at this second, and its answer at once.
    fn learn(&mut self, second: u64, token: &str, answer: &Json) -> IntrospectionReport {
        let call = self.call(second, token);
        self.finish(second, call, token, Ok(answer.to_string().as_bytes())).unwrap()
    }

    /// A call at this second, and what comes of it at once.
    fn end(&mut self, second: u64, token: &str, answer: Result<&[u8], CalloutError>) -> IntrospectionReport {
        let call = self.call(second, token);
        self.finish(second, call, token, answer).unwrap()
    }

    /// A call at this second that fails at once.
    fn fail(&mut self, second: u64, token: &str) -> IntrospectionReport {
        self.end(second, token, Err(CalloutError::NoAnswer))
    }

    /// A call at this second, to which a server with too much to do says at once when to come back.
    fn put_off(&mut self, second: u64, token: &str, status: u16, retry_after: u64) -> IntrospectionReport {
        let call = self.call(second, token);
        let (error, asked) = (CalloutError::Status(status), Some(Duration::from_secs(retry_after)));
        self.0.finish(at(second), call, &TokenDigest::of(token), Err(error), asked).unwrap()
    }
}

#[test]
fn a_token_is_asked_about_once_and_then_known() {
    let mut bench = Bench::new();
    let Ok(Readiness::Wait(Wait { callout: Some(callout), .. })) =
        bench.0.lookup(at(0), "t", &TokenDigest::of("t"), CalloutPermission::Allowed)
    else {
        panic!()
    };
    assert_eq!(callout.subject, CalloutSubject::Token(TokenDigest::of("t")));
    assert_eq!(callout.request.body, b"token=t&token_type_hint=access_token");
    assert_eq!(callout.request.timeout, POLICY.timeout);
    assert_eq!(bench.says(0, "t"), "wait");
    assert_eq!(bench.says(0, "u"), "call");
    bench.finish(1, callout.id, "t", Ok(active().to_string().as_bytes())).unwrap();
    assert_eq!((bench.says_after(1, "t"), bench.says(2, "t")), ("active".into(), "active".into()));
    let Ok(Readiness::Ready(Some(Introspected::Active(facts)))) =
        bench.0.lookup(at(2), "t", &TokenDigest::of("t"), CalloutPermission::Allowed)
    else {
        panic!()
    };
    assert_eq!(facts.token_id(), Some("j1"));
}

#[test]
fn the_word_on_an_active_token_counts_for_the_maximum_age() {
    let mut bench = Bench::new();
    bench.learn(0, "t", &active());
    assert_eq!(bench.says(59, "t"), "active");
    assert_eq!(bench.says(60, "t"), "call");
}

/// RFC 7662 §4: never beyond `exp`.
#[test]
fn the_word_on_an_active_token_never_counts_beyond_its_expiry() {
    let mut bench = Bench::new();
    bench.learn(0, "t", &json!({"active": true, "exp": T0 + 20}));
    assert_eq!(bench.says(19, "t"), "active");
    assert_eq!(bench.says(20, "t"), "call");
    bench.learn(100, "u", &json!({"active": true, "exp": T0 + 1000}));
    assert_eq!((bench.says(159, "u"), bench.says(160, "u")), ("active".into(), "call".into()));
}

/// The server's clock is behind ours: the rules for claims decide, with their skew, and nobody else is served.
#[test]
fn a_token_that_expired_a_moment_ago_is_shown_to_those_who_waited_alone() {
    let mut bench = Bench::new();
    let call = bench.call(0, "t");
    let answer = json!({"active": true, "exp": T0 - 3}).to_string();
    bench.finish(1, call, "t", Ok(answer.as_bytes())).unwrap();
    assert_eq!(bench.says_after(1, "t"), "active");
    assert_eq!(bench.says(1, "t"), "call");
}

#[test]
fn the_word_on_any_other_token_counts_briefly() {
    let mut bench = Bench::new();
    bench.learn(0, "inactive", &inactive());
    bench.learn(0, "invalid", &json!({"active": true, "exp": "tomorrow"}));
    for (token, said) in [("inactive", "inactive"), ("invalid", "invalid")] {
        assert_eq!((bench.says(4, token), bench.says(5, token)), (said.into(), "call".into()));
    }
}

#[test]
fn an_active_token_may_become_inactive_and_the_other_way_round() {
    let mut bench = Bench::new();
    bench.learn(0, "t", &active());
    bench.learn(60, "t", &inactive());
    assert_eq!(bench.says(61, "t"), "inactive");
    bench.learn(65, "t", &active());
    assert_eq!(bench.says(66, "t"), "active");
}

#[test]
fn answers_of_the_future_do_not_count_after_the_clock_was_set_back() {
    let mut bench = Bench::new();
    bench.learn(1000, "t", &active());
    assert_eq!(bench.says(999, "t"), "call");
}

#[test]
fn what_is_not_an_answer_makes_no_token_active_and_none_inactive() {
    let long = format!("{}{}", active(), " ".repeat(MAX_RESPONSE_LENGTH - active().to_string().len()));
    let too_long = format!("{long} ");
    let cases: [(Result<&str, CalloutError>, IntrospectionError, &str); 13] = [
        (Err(CalloutError::NoAnswer), IntrospectionError::Callout(CalloutError::NoAnswer), "unavailable 1"),
        (Err(CalloutError::Status(401)), IntrospectionError::Callout(CalloutError::Status(401)), "unavailable 1"),
        (Ok(""), IntrospectionError::NotAnObject, "unconfirmed"),
        (Ok("<html>"), IntrospectionError::NotAnObject, "unconfirmed"),
        (Ok("false"), IntrospectionError::NotAnObject, "unconfirmed"),
        (Ok("[{\"active\":true}]"), IntrospectionError::NotAnObject, "unconfirmed"),
        (Ok("{\"active\":true}{}"), IntrospectionError::NotAnObject, "unconfirmed"),
        (Ok("{\"active\":true,\"active\":true}"), IntrospectionError::NotAnObject, "unconfirmed"),
        (Ok("{}"), IntrospectionError::NotAnAnswer, "unconfirmed"),
        (Ok("{\"active\":\"true\"}"), IntrospectionError::NotAnAnswer, "unconfirmed"),
        (Ok("{\"active\":null}"), IntrospectionError::NotAnAnswer, "unconfirmed"),
        (Ok("{\"error\":\"invalid_client\"}"), IntrospectionError::NotAnAnswer, "unconfirmed"),
        (Ok(&too_long), IntrospectionError::TooLong, "unconfirmed"),
    ];
    for (answer, error, said) in cases {
        let mut bench = Bench::new();
        let report = bench.end(0, "t", answer.map(str::as_bytes));
        assert_eq!(report.result, Err(error));
        assert_eq!(bench.says_after(0, "t"), said, "{answer:?}");
    }
    let mut bench = Bench::new();
    bench.end(0, "t", Ok(long.as_bytes()));
    assert_eq!(bench.says_after(0, "t"), "active");
}

/// What may come of a call on one odd token, from a server that is well.
fn odd_answers() -> Vec<(&'static str, Result<Vec<u8>, CalloutError>)> {
    let statuses = [302, 400, 404, 413, 414, 422].into_iter();
    let errors = statuses.flat_map(|status| [CalloutError::Status(status), CalloutError::StatusAlone(status)]);
    let too_long = format!("{}{}", active(), " ".repeat(MAX_RESPONSE_LENGTH));
    let bodies =
        ["{}", r#"{"active":"true"}"#, "<html>", "eyJhbGciOiJQUzI1NiJ9.eyJhY3RpdmUiOnRydWV9.AA", "", &too_long];
    errors
        .chain([CalloutError::TooLong])
        .map(|error| ("no 200", Err(error)))
        .chain(bodies.map(|body| ("200", Ok(body.as_bytes().to_vec()))))
        .collect()
}

/// Otherwise one odd token a second would keep everybody out.
#[test]
fn what_is_said_of_one_odd_token_starts_no_pause_for_others() {
    for gateway in [GatewayKind::Envoy, GatewayKind::Kong] {
        for (what, answer) in odd_answers() {
            let mut bench = Bench::on(gateway, POLICY);
            for second in 0..3 {
                bench.end(second, &format!("odd {second}"), answer.as_deref().map_err(|error| *error));
                assert_eq!(bench.says(second, &format!("good {second}")), "call", "{what} {answer:?}");
            }
        }
    }
}

#[test]
fn an_odd_token_is_refused_and_asked_about_once_in_a_while() {
    for (what, answer) in odd_answers() {
        let mut bench = Bench::new();
        let report = bench.end(0, "odd", answer.as_deref().map_err(|error| *error));
        let said = ["unconfirmed", "unconfirmed", "call"].map(str::to_owned);
        assert_eq!([0, 4, 5].map(|second| bench.says(second, "odd")), said, "{what} {answer:?}");
        let text = report.to_string();
        assert!(text.ends_with("; this token is refused, others are not affected"), "{text}");
    }
}

#[test]
fn an_odd_answer_ends_a_pause_and_leaves_what_another_call_on_the_same_token_brought() {
    let mut bench = Bench::new();
    let odd = bench.call(0, "odd");
    bench.fail(0, "t");
    bench.finish(0, odd, "odd", Err(CalloutError::Status(400))).unwrap();
    assert_eq!(bench.says(0, "u"), "call", "the server is there");
    let mut bench = Bench::on(GatewayKind::Kong, POLICY);
    let (first, second) = (bench.call(0, "t"), bench.call(0, "t"));
    bench.finish(1, first, "t", Ok(active().to_string().as_bytes())).unwrap();
    bench.finish(1, second, "t", Err(CalloutError::Status(400))).unwrap();
    assert_eq!(bench.says(1, "t"), "active");
}

#[test]
fn what_tells_of_the_server_starts_a_pause_for_all() {
    let statuses = [103, 401, 403, 407, 408, 429, 500, 502, 503, 504, u16::MAX].map(CalloutError::Status);
    let without_status = [CalloutError::NotDispatched, CalloutError::NoAnswer, CalloutError::Incomplete];
    for error in statuses.into_iter().chain(without_status) {
        let mut bench = Bench::new();
        let text = bench.end(0, "t", Err(error)).to_string();
        assert_eq!(["t", "u"].map(|token| bench.says(0, token)), ["unavailable 1", "unavailable 1"], "{error:?}");
        assert!(text.ends_with("; next try in 1 s or later"), "{text}");
    }
}

#[test]
fn a_server_is_left_alone_for_as_long_as_it_asks_within_bounds() {
    for (status, asked, pause) in [(429, 7, 7), (503, 30, 30), (429, 0, 1), (503, 3600, 60)] {
        let mut bench = Bench::new();
        assert_eq!(bench.put_off(0, "t", status, asked).retry_after, Duration::from_secs(pause));
        assert_eq!(bench.says(pause - 1, "u"), "unavailable 1", "{status} {asked}");
        assert_eq!(bench.says(pause, "u"), "call", "{status} {asked}");
    }
}

#[test]
fn what_a_late_answer_asks_for_does_not_count() {
    let mut bench = Bench::new();
    let call = bench.call(0, "t");
    let (error, asked) = (CalloutError::Status(503), Some(Duration::from_secs(30)));
    bench.0.finish(at(6), call, &TokenDigest::of("t"), Err(error), asked).unwrap();
    assert_eq!(bench.says(6, "u"), "unavailable 1");
}

#[test]
fn after_a_pause_one_call_finds_out_whether_the_server_is_back() {
    for gateway in [GatewayKind::Envoy, GatewayKind::Kong] {
        for answer in [Ok(active().to_string().into_bytes()), Err(CalloutError::Status(404))] {
            let mut bench = Bench::on(gateway, POLICY);
            bench.fail(0, "t");
            let probe = bench.call(1, "first");
            assert_eq!([1, 4].map(|second| bench.says(second, "second")), ["unavailable 1", "unavailable 1"]);
            bench.finish(4, probe, "first", answer.as_deref().map_err(|error| *error)).unwrap();
            assert_eq!(["second", "third"].map(|token| bench.says(4, token)), ["call", "call"], "{answer:?}");
        }
        let mut bench = Bench::on(gateway, POLICY);
        bench.fail(0, "t");
        assert_eq!(bench.fail(1, "first").retry_after, Duration::from_secs(2));
        assert_eq!(bench.says(2, "second"), "unavailable 1");
        bench.call(3, "second");
        assert_eq!(bench.says(3, "third"), "unavailable 1", "again one");
    }
}

#[test]
fn a_call_that_nobody_reports_on_keeps_others_from_asking_for_no_longer_than_it_may_take() {
    for gateway in [GatewayKind::Envoy, GatewayKind::Kong] {
        let mut bench = Bench::on(gateway, POLICY);
        bench.fail(100, "t");
        bench.call(101, "lost");
        assert_eq!(bench.says(105, "u"), "unavailable 1");
        assert_eq!(bench.says(106, "u"), "call");
        let mut bench = Bench::on(gateway, POLICY);
        bench.fail(100, "t");
        bench.call(101, "lost");
        assert_eq!(bench.says(50, "u"), "call", "the clock was set back");
    }
}

#[test]
fn a_failure_leaves_what_is_known_of_other_tokens() {
    let mut bench = Bench::new();
    bench.learn(0, "good", &active());
    bench.learn(0, "bad", &inactive());
    bench.fail(1, "t");
    assert_eq!((bench.says(1, "good"), bench.says(1, "bad")), ("active".into(), "inactive".into()));
}

#[test]
fn a_failure_does_not_prolong_what_was_known() {
    let mut bench = Bench::new();
    bench.learn(0, "t", &active());
    bench.fail(60, "t");
    assert_eq!(bench.says_after(60, "t"), "unavailable 1");
}

#[test]
fn the_pause_after_failures_is_shared_and_doubles_up_to_10_seconds() {
    let mut bench = Bench::new();
    let mut second = 0;
    for pause in [1, 2, 4, 8, 10, 10] {
        let report = bench.fail(second, &format!("token-{second}"));
        assert_eq!(report.retry_after, Duration::from_secs(pause));
        assert_eq!(bench.says(second, "other"), format!("unavailable {pause}"));
        assert_eq!(bench.says(second + pause - 1, "another"), "unavailable 1");
        second += pause;
    }
    bench.learn(second, "t", &inactive());
    assert_eq!(bench.fail(second, "u").retry_after, Duration::from_secs(1), "an answer ends the row of failures");
}

#[test]
fn calls_that_fail_together_are_one_failure() {
    let mut bench = Bench::new();
    let calls: Vec<_> = (0..10).map(|n| (format!("t{n}"), bench.call(0, &format!("t{n}")))).collect();
    for (token, call) in calls {
        let report = bench.finish(0, call, &token, Err(CalloutError::NoAnswer)).unwrap();
        assert_eq!(report.retry_after, Duration::from_secs(1));
    }
}

#[test]
fn an_answer_during_a_pause_ends_it() {
    let mut bench = Bench::new();
    let slow = bench.call(0, "slow");
    bench.fail(0, "t");
    assert_eq!(bench.says(0, "u"), "unavailable 1");
    bench.finish(0, slow, "slow", Ok(inactive().to_string().as_bytes())).unwrap();
    assert_eq!(bench.says(0, "u"), "call");
}

#[test]
fn a_pause_does_not_outlast_a_clock_that_was_set_back() {
    let mut bench = Bench::new();
    bench.fail(1000, "t");
    assert_eq!(bench.says(900, "u"), "call");
}

#[test]
fn a_request_waits_once() {
    let mut bench = Bench::new();
    let call = bench.call(0, "t");
    assert_eq!(bench.says_after(0, "t"), "unavailable 0");
    bench.finish(1, call, "t", Err(CalloutError::NoAnswer)).unwrap();
    assert_eq!(bench.says_after(5, "t"), "unavailable 0");
}

#[test]
fn only_the_call_that_is_waited_for_is_listened_to() {
    let mut bench = Bench::new();
    let first = bench.call(0, "t");
    assert_eq!(bench.finish(0, first.next(), "t", Ok(b"{}")), None);
    assert_eq!(bench.finish(0, first, "u", Ok(b"{}")), None);
    let again = bench.call(11, "t");
    assert_eq!(bench.finish(11, first, "t", Ok(active().to_string().as_bytes())), None, "it was given up");
    assert_eq!(bench.says(11, "t"), "wait");
    assert!(bench.finish(11, again, "t", Ok(active().to_string().as_bytes())).is_some());
    assert_eq!(bench.finish(11, again, "t", Ok(inactive().to_string().as_bytes())), None, "it was answered");
    assert_eq!(bench.says(11, "t"), "active");
}

#[test]
fn an_answer_that_comes_late_is_none() {
    for gateway in [GatewayKind::Envoy, GatewayKind::Kong] {
        for (second, in_time) in [(105, true), (106, false), (99, false)] {
            let mut bench = Bench::on(gateway, POLICY);
            let call = bench.call(100, "t");
            let report = bench.finish(second, call, "t", Ok(active().to_string().as_bytes())).unwrap();
            let no_answer = IntrospectionError::Callout(CalloutError::NoAnswer);
            assert_eq!(report.result, if in_time { Ok(TokenState::Active) } else { Err(no_answer) }, "{second}");
            assert_eq!(bench.says_after(second, "t"), if in_time { "active" } else { "unavailable 1" });
        }
    }
}

#[test]
fn a_call_is_lost_when_nobody_reports_on_it_in_time() {
    let mut bench = Bench::new();
    let call = bench.call(100, "t");
    assert_eq!(bench.0.timed_out(at(110)), []);
    assert_eq!(bench.says(110, "t"), "wait");
    let expected = [(call, TokenDigest::of("t"))];
    assert_eq!(bench.0.timed_out(at(111)), expected);
    assert_eq!(bench.0.timed_out(at(98)), expected, "the clock was set back");
    assert_eq!(bench.0.timed_out(at(99)), [], "by a little");
    bench.finish(111, call, "t", Err(CalloutError::NoAnswer)).unwrap();
    assert_eq!(bench.0.timed_out(at(111)), []);
    assert_eq!(bench.says(111, "t"), "unavailable 1");
}

#[test]
fn at_most_64_calls_are_in_flight() {
    let mut bench = Bench::new();
    let calls: Vec<_> = (0..MAX_CALLS).map(|n| bench.call(0, &format!("t{n}"))).collect();
    assert_eq!(bench.says(0, "one more"), "unavailable 1");
    assert_eq!(bench.says(0, "t0"), "wait");
    bench.finish(1, calls[0], "t0", Ok(inactive().to_string().as_bytes())).unwrap();
    assert_eq!(bench.says(1, "one more"), "call");
    assert_eq!(bench.says(1, "two more"), "unavailable 1");
}

#[test]
fn calls_that_were_lost_long_ago_do_not_block_the_server_for_ever() {
    let mut bench = Bench::new();
    for n in 0..MAX_CALLS {
        bench.call(0, &format!("t{n}"));
    }
    assert_eq!(bench.says(15, "one more"), "unavailable 1", "a tick may still tell those who wait");
    assert_eq!(bench.0.timed_out(at(15)).len(), MAX_CALLS);
    assert_eq!(bench.says(16, "one more"), "call");
}

#[test]
fn the_number_of_answers_is_bounded_and_an_answer_to_one_who_waits_is_never_dropped_for_it() {
    let mut bench = Bench::with(IntrospectionPolicy { capacity: 2, ..POLICY });
    for (n, token) in ["a", "b", "c"].into_iter().enumerate() {
        bench.learn(n as u64, token, &active());
    }
    bench.learn(10, "d", &inactive());
    assert_eq!(bench.says_after(10, "d"), "inactive");
    assert_eq!(["a", "b", "c", "d"].map(|token| bench.says(10, token)), ["call", "call", "active", "inactive"]);
}

#[test]
fn a_report_tells_the_address_and_the_reason_and_not_the_token() {
    let mut bench = Bench::new();
    let printed: Vec<String> = [active(), inactive(), json!({"active": true, "exp": null})]
        .iter()
        .enumerate()
        .map(|(n, answer)| bench.learn(n as u64, &format!("s3cret-{n}"), answer).to_string())
        .collect();
    assert_eq!(
        printed,
        [
            "https://as.example/introspect says that a token is active",
            "https://as.example/introspect says that a token is not active",
            "https://as.example/introspect says that a token is active, with claims that cannot be right",
        ]
    );
    let call = bench.call(5, "s3cret");
    let report = bench.finish(5, call, "s3cret", Err(CalloutError::Status(401))).unwrap();
    assert_eq!(
        report.to_string(),
        "no word on a token from https://as.example/introspect: status 401 instead of 200: it does not \
         accept client_id and client_secret; next try in 1 s or later"
    );
    assert!(!format!("{report:?} {:?}", bench.0).contains("s3cret"));
}

proptest! {
    /// Whatever happens in whatever order, the bounds hold and a token that the server called inactive is never active.
    #[test]
    fn no_order_of_events_breaks_a_bound(
        gateway in prop::sample::select(&GatewayKind::ALL),
        events in prop::collection::vec((0..120_u64, 0..6_usize, 0..4_usize), 1..200),
    ) {
        let mut bench = Bench::on(gateway, IntrospectionPolicy { capacity: 3, ..POLICY });
        let mut calls: Vec<(CalloutId, String)> = Vec::new();
        for (second, token, kind) in events {
            let name = format!("{}-{token}", if token % 2 == 0 { "good" } else { "bad" });
            match kind {
                0 | 1 => {
                    match bench.0.lookup(at(second), &name, &TokenDigest::of(&name), CalloutPermission::Allowed) {
                        Ok(Readiness::Wait(Wait { callout: Some(callout), .. })) => calls.push((callout.id, name)),
                        Ok(Readiness::Wait(Wait { callout: None, .. })) => prop_assert_eq!(gateway, GatewayKind::Envoy, "nobody would wake it"),
                        _ => {}
                    }
                }
                2 => {
                    if let Some((call, name)) = calls.pop() {
                        let answer = if name.starts_with("good") { active() } else { inactive() }.to_string();
                        bench.finish(second, call, &name, Ok(answer.as_bytes()));
                    }
                }
                _ => {
                    if let Some((call, name)) = calls.pop() {
                        bench.finish(second, call, &name, Ok(b"<html>"));
                    }
                }
            }
            prop_assert!(bench.in_flight() <= MAX_CALLS);
            for n in 0..6 {
                let name = format!("{}-{n}", if n % 2 == 0 { "good" } else { "bad" });
                let says = bench.says_after(second, &name);
                let wrong = if name.starts_with("good") { "inactive" } else { "active" };
                prop_assert_ne!(says, wrong);
            }
        }
    }
}
