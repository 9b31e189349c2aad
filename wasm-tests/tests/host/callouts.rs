//! Callouts on Envoy: delays, timeouts, failures as its router shows them, and whose they are.

use super::fixture::{envoy, fixture, texts};
use std::time::Duration;
use wasm_tests::host::{Answer, CalloutOutcome, Failure, Gateway, Outcome, Owner, Profile, Request, Upstream};

/// Each request fetches the keys and waits. The answer's status, body and number of headers are logged, and every waiting
/// request continues.
const FETCH_AND_WAIT: &str = r#"
    (global $waiting (mut i32) (i32.const 0))
    (func (export "proxy_on_request_headers") (param $context i32) (param i32 i32) (result i32)
      (local $status i32)
      (local.set $status (call $fetch))
      (if (local.get $status) (then (call $say_status (local.get $status)) (return (i32.const 0))))
      (global.set $waiting (local.get $context))
      (i32.const 1))
    (func (export "proxy_on_http_call_response")
      (param $context i32) (param $token i32) (param $headers i32) (param $body i32) (param i32)
      (local $status i32)
      (drop (call $act_as (global.get $waiting)))
      (local.set $status (call $get_header (i32.const 6) {":status"} (i32.const 0) (i32.const 4)))
      (if (local.get $status) (then (call $say_status (local.get $status))) (else (call $say_value)))
      (local.set $status (call $get_buffer (i32.const 4) (i32.const 0) (local.get $body) (i32.const 0) (i32.const 4)))
      (if (local.get $status) (then (call $say_status (local.get $status))) (else (call $say_value)))
      (call $say_status (local.get $headers))
      (drop (call $continue (i32.const 0))))"#;

fn milliseconds(count: u64) -> Duration {
    Duration::from_millis(count)
}

fn with_keys(answer: Answer) -> Gateway {
    let keystore = Upstream::new().route("/keys", answer);
    envoy().upstream("keystore", keystore).start(&fixture(FETCH_AND_WAIT)).unwrap()
}

#[test]
fn an_answer_arrives_after_its_delay_and_not_before() {
    let gateway = with_keys(Answer::ok("the keys").header("etag", "1").after(milliseconds(20)));
    let exchange = gateway.send(Request::get("/"));
    gateway.advance(milliseconds(19));
    assert_eq!(exchange.outcome(), Outcome::Pending);
    gateway.advance(milliseconds(1));
    assert!(exchange.upstream().is_some());
    assert_eq!(texts(&gateway), ["200", "the keys", "3"]);
}

#[test]
fn even_an_answer_without_delay_never_arrives_inside_the_dispatching_call() {
    let gateway = with_keys(Answer::ok(""));
    let exchange = gateway.send(Request::get("/"));
    assert_eq!(exchange.outcome(), Outcome::Pending);
    gateway.advance(Duration::ZERO);
    assert!(exchange.upstream().is_some());
}

#[test]
fn failures_look_as_envoys_router_makes_them() {
    let reset = "upstream connect error or disconnect/reset before headers. reset reason: connection termination";
    let timeout = "upstream request timeout";
    let late = milliseconds(5000);
    let cases = [
        (Answer::reset(), Failure::ResetBeforeHeaders, ["503", reset, "3"]),
        (Answer::never(), Failure::TimeoutBeforeHeaders, ["504", timeout, "3"]),
        (Answer::ok("late").after(late), Failure::TimeoutBeforeHeaders, ["504", timeout, "3"]),
        (Answer::reset().after(late), Failure::TimeoutBeforeHeaders, ["504", timeout, "3"]),
        (Answer::half(), Failure::ResetInBody, ["2", "1", "0"]),
        (Answer::ok("drip").body_after(late), Failure::TimeoutInBody, ["2", "1", "0"]),
    ];
    for (answer, failure, said) in cases {
        let gateway = with_keys(answer);
        let exchange = gateway.send(Request::get("/"));
        gateway.settle();
        assert_eq!(texts(&gateway), said);
        assert_eq!(gateway.callouts()[0].outcome, CalloutOutcome::Failed(failure));
        assert!(exchange.upstream().is_some(), "the fixture continues whatever happened");
    }
    let gateway = with_keys(Answer::refused());
    gateway.send(Request::get("/"));
    gateway.settle();
    assert_eq!(texts(&gateway)[0], "503");
    assert!(texts(&gateway)[1].contains("remote connection failure"));
}

#[test]
fn a_timeout_strikes_at_its_time() {
    let gateway = with_keys(Answer::never());
    let exchange = gateway.send(Request::get("/"));
    gateway.advance(milliseconds(999));
    assert_eq!(exchange.outcome(), Outcome::Pending);
    gateway.advance(milliseconds(1));
    assert!(exchange.upstream().is_some());
}

#[test]
fn a_failure_without_headers_has_a_status_to_ask_for() {
    let module = fixture(
        r#"(func (export "proxy_on_configure") (param i32 i32) (result i32) (drop (call $fetch)) (i32.const 1))
        (func (export "proxy_on_http_call_response") (param i32 i32 i32 i32 i32)
          (drop (call $get_status (i32.const 16) (i32.const 0) (i32.const 4)))
          (call $say_status (i32.load (i32.const 16))) (call $say_value))"#,
    );
    let gateway = envoy().upstream("keystore", Upstream::new().otherwise(Answer::half())).start(&module).unwrap();
    gateway.settle();
    assert_eq!(texts(&gateway), ["11", "reset"]);
}

#[test]
fn an_unknown_path_is_404_and_an_upstream_can_be_replaced_at_any_time() {
    let gateway = with_keys(Answer::ok("old"));
    for (upstream, said) in [
        (None, ["200", "old"]),
        (Some(Upstream::new()), ["404", ""]),
        (Some(Upstream::new().route("/keys", Answer::ok("new"))), ["200", "new"]),
    ] {
        upstream.into_iter().for_each(|upstream| gateway.upstream("keystore", upstream));
        let before = gateway.logs().len();
        gateway.send(Request::get("/"));
        gateway.settle();
        assert_eq!(texts(&gateway)[before..before + 2], said);
    }
}

#[test]
fn a_dispatch_that_envoy_refuses_fails_at_once() {
    let gateway = envoy().start(&fixture(FETCH_AND_WAIT)).unwrap();
    gateway.send(Request::get("/"));
    gateway.upstream("keystore", Upstream::new().otherwise(Answer::unavailable()));
    gateway.send(Request::get("/"));
    assert_eq!(texts(&gateway), ["2", "10"], "an unknown upstream, and one without a healthy server");
    assert!(gateway.callouts().is_empty());
}

#[test]
fn method_path_authority_and_a_positive_timeout_are_mandatory() {
    let attempt = |map: &str, timeout: &str| {
        let module = fixture(&format!(
            r#"(func (export "proxy_on_configure") (param i32 i32) (result i32)
              (call $say_status (call $http_call {{"keystore"}} {{map:"{map}"}} (i32.const 0) (i32.const 0)
                (i32.const 0) (i32.const 0) (i32.const {timeout}) (i32.const 8))) (i32.const 1))"#
        ));
        texts(&envoy().upstream("keystore", Upstream::new()).start(&module).unwrap()).remove(0)
    };
    let complete = ":method=GET,:path=/,:authority=k";
    assert_eq!(attempt(complete, "1"), "0");
    for (map, timeout) in [
        (":path=/,:authority=k", "1"),
        (":method=GET,:authority=k", "1"),
        (":method=GET,:path=/", "1"),
        (complete, "-1"),
    ] {
        assert_eq!(attempt(map, timeout), "2", "{map} {timeout}");
    }
}

#[test]
fn a_callout_without_a_timeout_waits_for_ever() {
    let module = fixture(
        r#"(func (export "proxy_on_configure") (param i32 i32) (result i32)
          (drop (call $http_call {"keystore"} {map:":method=GET,:path=/,:authority=k"} (i32.const 0) (i32.const 0)
            (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 8))) (i32.const 1))
        (func (export "proxy_on_http_call_response") (param i32 i32 i32 i32 i32) (call $say {"ended"}))"#,
    );
    let silent = Upstream::new().otherwise(Answer::never());
    let gateway = envoy().upstream("keystore", silent).start(&module).unwrap();
    gateway.advance(Duration::from_secs(1_000_000));
    assert!(texts(&gateway).is_empty());
    assert_eq!(gateway.callouts()[0].outcome, CalloutOutcome::InFlight);
}

#[test]
fn every_callout_is_on_record() {
    let gateway = envoy()
        .workers(2)
        .upstream("keystore", Upstream::new().otherwise(Answer::ok("k").after(milliseconds(5))))
        .start(&fixture(FETCH_AND_WAIT))
        .unwrap();
    gateway.advance(milliseconds(100));
    gateway.worker(1).send(Request::get("/"));
    let callout = gateway.callouts().remove(0);
    assert_eq!((callout.at, callout.worker, callout.upstream.as_str()), (gateway.now(), 1, "keystore"));
    assert_eq!(callout.headers.text(":path").as_deref(), Some("/keys"));
    assert_eq!(callout.timeout, Some(milliseconds(1000)));
    assert_eq!(callout.outcome, CalloutOutcome::InFlight);
    gateway.settle();
    let CalloutOutcome::Answered(answer) = gateway.callouts().remove(0).outcome else { panic!("no answer") };
    assert_eq!((answer.status(), answer.body), (200, b"k".to_vec()));
}

#[test]
fn on_envoy_a_callout_belongs_to_the_root_context_and_outlives_the_request() {
    let module = fixture(
        r#"(func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) (drop (call $fetch)) (i32.const 1))
        (func (export "proxy_on_http_call_response") (param $context i32) (param i32 i32 i32 i32)
          (call $say_status (local.get $context)))"#,
    );
    let keystore = || Upstream::new().otherwise(Answer::ok("").after(milliseconds(5)));
    let gateway = envoy().upstream("keystore", keystore()).start(&module).unwrap();
    gateway.send(Request::get("/")).disconnect();
    gateway.settle();
    assert_eq!(texts(&gateway), ["1"]);

    let profile = Profile { owner: Owner::Dispatcher, ..Profile::envoy() };
    let gateway = Gateway::new(profile).upstream("keystore", keystore()).start(&module).unwrap();
    gateway.send(Request::get("/")).disconnect();
    gateway.send(Request::get("/"));
    gateway.settle();
    assert_eq!(texts(&gateway), ["3"]);
    assert_eq!(gateway.callouts()[0].outcome, CalloutOutcome::Cancelled);
}
