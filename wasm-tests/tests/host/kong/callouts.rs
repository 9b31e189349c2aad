//! Callouts on Kong: where they go, how they fail, and the request that goes upstream by itself.

use super::super::fixture::texts;
use super::{at_request, fixture, kong, request_headers, running};
use std::time::Duration;
use wasm_tests::host::{Answer, CalloutOutcome, Gateway, Outcome, Request, Upstream};

/// Each request fetches the keys and waits. The answer's `:status`, `:dispatch_status`, number of headers, size and body (or
/// the statuses of reading them) are logged; nothing is continued.
const FETCH_AND_WAIT: &str = r#"
    (func (export "proxy_on_request_headers") (param $context i32) (param i32 i32) (result i32)
      (drop (call $fetch)) (i32.const 1))
    (func $say_answer_header (param $name i32) (param $length i32)
      (local $status i32)
      (local.set $status
        (call $get_header (i32.const 6) (local.get $name) (local.get $length) (i32.const 0) (i32.const 4)))
      (if (local.get $status) (then (call $say_status (local.get $status))) (else (call $say_value))))
    (func (export "proxy_on_http_call_response") (param i32 i32 i32 i32 i32)
      (local $status i32)
      (call $say_answer_header {":status"}) (call $say_answer_header {":dispatch_status"})
      (call $say_status (local.get 2)) (call $say_status (local.get 3))
      (local.set $status (call $get_buffer (i32.const 4) (i32.const 0) (i32.const 999) (i32.const 0) (i32.const 4)))
      (if (local.get $status) (then (call $say_status (local.get $status))) (else (call $say_value))))"#;

fn milliseconds(count: u64) -> Duration {
    Duration::from_millis(count)
}

fn with_keys(answer: Answer) -> Gateway {
    let keystore = Upstream::new().otherwise(answer);
    kong().upstream("keystore", keystore).start(&fixture(FETCH_AND_WAIT)).unwrap()
}

#[test]
fn after_the_callback_the_request_goes_upstream_by_itself() {
    let gateway = with_keys(Answer::ok("keys").after(milliseconds(20)));
    let exchange = gateway.send(Request::get("/"));
    gateway.advance(milliseconds(19));
    assert_eq!(exchange.outcome(), Outcome::Pending);
    gateway.advance(milliseconds(1));
    assert!(exchange.upstream().is_some(), "although the module has not continued it");
    assert_eq!(texts(&gateway), ["200", "ok", "1", "4", "keys"]);
}

#[test]
fn a_reply_in_the_callback_keeps_the_request_from_the_bank() {
    let gateway = kong()
        .upstream("keystore", Upstream::new())
        .start(&fixture(
            r#"(func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
              (drop (call $fetch)) (i32.const 1))
            (func (export "proxy_on_http_call_response") (param i32 i32 i32 i32 i32) (call $reject (i32.const 401) {"no"}))"#,
        ))
        .unwrap();
    let exchange = gateway.send(Request::get("/"));
    gateway.settle();
    assert_eq!(exchange.reply().unwrap().status, 401);
}

#[test]
fn a_callout_dispatched_in_the_callback_holds_the_request_on() {
    let gateway = kong()
        .upstream("keystore", Upstream::new().otherwise(Answer::ok("").after(milliseconds(10))))
        .start(&fixture(
            r#"(global $left (mut i32) (i32.const 2))
            (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
              (drop (call $fetch)) (i32.const 1))
            (func (export "proxy_on_http_call_response") (param i32 i32 i32 i32 i32)
              (call $say_status (local.get 1))
              (global.set $left (i32.sub (global.get $left) (i32.const 1)))
              (if (global.get $left) (then (drop (call $fetch)))))"#,
        ))
        .unwrap();
    let exchange = gateway.send(Request::get("/"));
    gateway.advance(milliseconds(10));
    assert_eq!(exchange.outcome(), Outcome::Pending);
    gateway.advance(milliseconds(10));
    assert!(exchange.upstream().is_some());
    assert_eq!(texts(&gateway), ["0", "1"], "callouts are counted from 0");
}

#[test]
fn of_several_callouts_the_last_callback_lets_the_request_go() {
    let gateway = kong()
        .upstream("keystore", Upstream::new().otherwise(Answer::ok("").after(milliseconds(10))))
        .upstream("other", Upstream::new().otherwise(Answer::ok("").after(milliseconds(30))))
        .start(&fixture(
            r#"(func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
              (drop (call $fetch))
              (drop (call $http_call {"other"} {map:":method=GET,:path=/"} (i32.const 0) (i32.const 0)
                (i32.const 0) (i32.const 0) (i32.const 1000) (i32.const 8)))
              (i32.const 1))
            (func (export "proxy_on_http_call_response") (param i32 i32 i32 i32 i32) (call $say {"called back"}))"#,
        ))
        .unwrap();
    let exchange = gateway.send(Request::get("/"));
    gateway.advance(milliseconds(10));
    assert_eq!((exchange.outcome(), texts(&gateway).len()), (Outcome::Pending, 1));
    gateway.advance(milliseconds(20));
    assert!(exchange.upstream().is_some());
    assert_eq!(texts(&gateway).len(), 2);
}

#[test]
fn a_reply_cancels_the_callouts_that_are_pending() {
    let gateway = kong()
        .upstream("keystore", Upstream::new())
        .start(&fixture(&request_headers(
            r#"(drop (call $fetch)) (call $reject (i32.const 401) {"no"}) (i32.const 1)"#,
        )))
        .unwrap();
    assert_eq!(gateway.send(Request::get("/")).reply().unwrap().status, 401);
    assert_eq!(gateway.callouts()[0].outcome, CalloutOutcome::Cancelled);
}

#[test]
fn failures_have_no_headers_and_a_dispatch_status() {
    let late = milliseconds(5000);
    for (answer, dispatch_status) in [
        (Answer::refused(), "broken connection"),
        (Answer::reset(), "broken connection"),
        (Answer::unresolved(), "resolver failure"),
        (Answer::tls_failure(), "tls handshake failure"),
        (Answer::unreadable(), "reader failure"),
        (Answer::never(), "timeout"),
        (Answer::ok("late").after(late), "timeout"),
    ] {
        let gateway = with_keys(answer);
        let exchange = gateway.send(Request::get("/"));
        gateway.settle();
        assert_eq!(texts(&gateway), ["1", dispatch_status, "0", "0", "1"]);
        assert!(exchange.upstream().is_some(), "a failure holds nobody back");
    }
}

#[test]
fn a_server_that_closes_mid_body_says_200_and_a_size_and_reading_fails() {
    let gateway = with_keys(Answer::half());
    gateway.send(Request::get("/"));
    gateway.settle();
    assert_eq!(texts(&gateway), ["200", "ok", "1", "64", "2"]);
}

#[test]
fn a_dripping_server_outlives_the_timeout() {
    let gateway = with_keys(Answer::ok("drip").body_after(Duration::from_secs(60)));
    let exchange = gateway.send(Request::get("/"));
    gateway.advance(Duration::from_secs(59));
    assert_eq!(exchange.outcome(), Outcome::Pending, "the timeout of one second is for each wait");
    gateway.advance(Duration::from_secs(1));
    assert_eq!(texts(&gateway), ["200", "ok", "1", "4", "drip"]);
}

#[test]
#[should_panic(expected = "Action::Continue with a callout pending")]
fn continuing_with_a_callout_pending_crashes_the_worker() {
    kong()
        .upstream("keystore", Upstream::new())
        .start(&fixture(&request_headers("(drop (call $fetch)) (i32.const 0)")))
        .unwrap()
        .send(Request::get("/"));
}

#[test]
fn pausing_without_a_callout_hangs_the_request() {
    let gateway = at_request("(i32.const 1)");
    let exchange = gateway.send(Request::get("/"));
    gateway.advance(Duration::from_secs(1_000_000));
    assert_eq!(exchange.outcome(), Outcome::Pending);
}

#[test]
fn continuing_a_stream_has_no_effect() {
    let gateway = at_request("(call $say_status (call $continue (i32.const 0))) (i32.const 1)");
    let exchange = gateway.send(Request::get("/"));
    gateway.advance(Duration::from_secs(60));
    assert_eq!((exchange.outcome(), texts(&gateway)), (Outcome::Pending, vec!["0".to_owned()]));
}

#[test]
fn another_stream_can_not_be_woken() {
    let gateway = running(
        r#"(global $first (mut i32) (i32.const 0))
        (func (export "proxy_on_request_headers") (param $context i32) (param i32 i32) (result i32)
          (if (i32.eqz (global.get $first)) (then (global.set $first (local.get $context)) (return (i32.const 1))))
          (call $say_status (call $act_as (global.get $first))) (call $say_header {":path"})
          (drop (call $continue (i32.const 0))) (i32.const 0))"#,
    );
    let first = gateway.send(Request::get("/1"));
    gateway.send(Request::get("/2"));
    assert_eq!(texts(&gateway), ["0", "/2"], "calls act upon the stream that was called");
    assert_eq!(first.outcome(), Outcome::Pending);
}

/// What a dispatch to this upstream with these headers returns.
fn attempt(upstream: &str, map: &str) -> Gateway {
    let text = request_headers(&format!(
        r#"(call $say_status (call $http_call {{"{upstream}"}} {{map:"{map}"}} (i32.const 0) (i32.const 0)
          (i32.const 0) (i32.const 0) (i32.const 1000) (i32.const 8))) (i32.const 1)"#
    ));
    let gateway = kong().expect_traps().start(&fixture(&text)).unwrap();
    gateway.send(Request::get("/"));
    gateway
}

#[test]
fn an_upstream_is_a_host_with_or_without_port_or_a_socket() {
    for upstream in ["keys.example", "keys.example:443", "192.0.2.1:8200", "[2001:db8::1]:443", "unix:/run/keys"] {
        let gateway = attempt(upstream, ":method=GET,:path=/");
        assert_eq!((texts(&gateway), gateway.traps().len()), (vec!["0".to_owned()], 0), "{upstream}");
        assert_eq!(gateway.callouts()[0].upstream, upstream);
    }
}

#[test]
fn an_unusable_upstream_and_a_missing_method_or_path_trap() {
    for upstream in
        ["", ":443", "keys.example:", "keys.example:x", "keys.example:65536", "https://keys.example", "unix:"]
    {
        assert_eq!(attempt(upstream, ":method=GET,:path=/").traps().len(), 1, "{upstream}");
    }
    for map in [":path=/,:authority=k", ":method=GET,:authority=k", ":method=GET,:path="] {
        assert_eq!(attempt("keys.example", map).traps().len(), 1, "{map}");
    }
}

#[test]
fn a_name_without_a_port_has_that_of_its_scheme() {
    for (scheme, port) in [("https", 443), ("http", 80)] {
        let text = request_headers(&format!(
            r#"(drop (call $http_call {{"k"}} {{map:":method=GET,:path=/,:scheme={scheme}"}} (i32.const 0) (i32.const 0)
              (i32.const 0) (i32.const 0) (i32.const 1000) (i32.const 8))) (i32.const 1)"#
        ));
        let server = Upstream::new().otherwise(Answer::ok("found"));
        let gateway = kong().upstream(format!("k:{port}"), server).start(&fixture(&text)).unwrap();
        gateway.send(Request::get("/"));
        gateway.settle();
        assert!(matches!(&gateway.callouts()[0].outcome, CalloutOutcome::Answered(answer) if answer.body == b"found"));
    }
}

#[test]
fn the_callback_is_told_the_root_context_and_acts_upon_the_request() {
    let gateway = kong()
        .upstream("keystore", Upstream::new())
        .start(&fixture(
            r#"(func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
              (drop (call $fetch)) (i32.const 1))
            (func (export "proxy_on_http_call_response") (param i32 i32 i32 i32 i32)
              (call $say_status (local.get 0)) (call $say_header {":path"})
              (drop (call $add_header (i32.const 0) {"x-added"} {"1"})))"#,
        ))
        .unwrap();
    let exchange = gateway.send(Request::get("/a"));
    gateway.settle();
    assert_eq!(texts(&gateway), ["1", "/a"]);
    assert!(exchange.upstream().unwrap().has("x-added"));
}

#[test]
#[should_panic(expected = "can only get dispatch response body")]
fn reading_a_callouts_body_outside_its_callback_traps() {
    at_request(
        r#"(drop (call $get_buffer (i32.const 4) (i32.const 0) (i32.const 9) (i32.const 0) (i32.const 4))) (i32.const 0)"#,
    )
    .send(Request::get("/"));
}

#[test]
fn a_callout_in_on_configure_traps_and_the_worker_exits() {
    let module = fixture(
        r#"(func (export "proxy_on_configure") (param i32 i32) (result i32) (drop (call $fetch)) (i32.const 1))"#,
    );
    let failure = kong().expect_traps().start(&module).unwrap_err();
    assert!(failure.to_string().contains("cannot send HTTP dispatch during proxy_on_configure"), "{failure}");
}

#[test]
fn a_tick_can_dispatch_and_an_unusable_upstream_is_only_a_status_there() {
    let gateway = kong()
        .upstream("keystore", Upstream::new().otherwise(Answer::ok("k")))
        .start(&fixture(
            r#"(func (export "proxy_on_configure") (param i32 i32) (result i32)
              (drop (call $tick_every (i32.const 100))) (i32.const 1))
            (func (export "proxy_on_tick") (param i32)
              (call $say_status (call $fetch))
              (call $say_status (call $http_call {""} {map:":method=GET,:path=/"} (i32.const 0) (i32.const 0)
                (i32.const 0) (i32.const 0) (i32.const 1000) (i32.const 8))))
            (func (export "proxy_on_http_call_response") (param i32 i32 i32 i32 i32)
              (drop (call $get_header (i32.const 6) {":status"} (i32.const 0) (i32.const 4))) (call $say_value))"#,
        ))
        .unwrap();
    gateway.advance(milliseconds(150));
    assert_eq!(texts(&gateway), ["0", "10", "200"]);
}
