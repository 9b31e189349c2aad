//! Callouts on APISIX: where they go, how they fail, and the request that goes upstream by itself.

use super::super::fixture::{fixture, texts};
use super::{apisix, at_request, request_headers, running};
use std::time::Duration;
use wasm_tests::host::{Answer, Gateway, Outcome, Request, Upstream};

/// Each request fetches the keys and returns this action. The answer's `:status`, number of headers, size and body (or the
/// statuses of reading them) are logged.
fn fetch(action: u32) -> String {
    format!(
        r#"(func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
          (drop (call $fetch)) (i32.const {action}))
        (func (export "proxy_on_http_call_response") (param i32 i32 i32 i32 i32)
          (local $status i32)
          (local.set $status (call $get_header (i32.const 6) {{":status"}} (i32.const 0) (i32.const 4)))
          (if (local.get $status) (then (call $say_status (local.get $status))) (else (call $say_value)))
          (call $say_status (local.get 2)) (call $say_status (local.get 3))
          (local.set $status
            (call $get_buffer (i32.const 4) (i32.const 0) (i32.const 999) (i32.const 0) (i32.const 4)))
          (if (local.get $status) (then (call $say_status (local.get $status))) (else (call $say_value)))
          (if (i32.eqz (local.get 2))
            (then (call $say_status (call $get_headers (i32.const 6) (i32.const 0) (i32.const 4))))))"#
    )
}

fn milliseconds(count: u64) -> Duration {
    Duration::from_millis(count)
}

fn with_keys(answer: Answer) -> Gateway {
    apisix().upstream("keystore", Upstream::new().otherwise(answer)).start(&fixture(&fetch(1))).unwrap()
}

#[test]
fn after_the_callback_the_request_goes_upstream_by_itself() {
    let gateway = with_keys(Answer::ok("keys").after(milliseconds(20)));
    let exchange = gateway.send(Request::get("/"));
    gateway.advance(milliseconds(19));
    assert_eq!(exchange.outcome(), Outcome::Pending);
    gateway.advance(milliseconds(1));
    assert!(exchange.upstream().is_some(), "although the module has not continued it");
    assert_eq!(texts(&gateway), ["200", "2", "4", "keys"]);
}

#[test]
fn the_call_itself_holds_the_request_whatever_action_is_returned() {
    for action in [0, 1, 2] {
        let gateway = apisix().upstream("keystore", Upstream::new()).start(&fixture(&fetch(action))).unwrap();
        let exchange = gateway.send(Request::get("/"));
        assert_eq!(exchange.outcome(), Outcome::Pending, "{action}");
        gateway.settle();
        assert!(exchange.upstream().is_some());
    }
}

#[test]
fn a_reply_in_the_callback_keeps_the_request_from_the_bank() {
    let gateway = apisix()
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
fn a_callout_swallows_a_reply_beside_it() {
    let gateway = apisix()
        .upstream("keystore", Upstream::new())
        .start(&fixture(&request_headers(
            r#"(drop (call $fetch)) (call $reject (i32.const 401) {"no"}) (i32.const 1)"#,
        )))
        .unwrap();
    let exchange = gateway.send(Request::get("/"));
    assert_eq!(exchange.outcome(), Outcome::Pending);
    gateway.settle();
    assert!(exchange.upstream().is_some(), "the reply is lost");
}

#[test]
fn a_callout_dispatched_in_the_callback_holds_the_request_on() {
    let gateway = apisix()
        .upstream("keystore", Upstream::new().otherwise(Answer::ok("").after(milliseconds(10))))
        .start(&fixture(
            r#"(global $left (mut i32) (i32.const 2))
            (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
              (drop (call $fetch)) (i32.const 1))
            (func (export "proxy_on_http_call_response") (param i32 i32 i32 i32 i32)
              (call $say_status (local.get 1))
              (global.set $left (i32.sub (global.get $left) (i32.const 1)))
              (if (global.get $left) (then (call $say_status (call $fetch)))))"#,
        ))
        .unwrap();
    let exchange = gateway.send(Request::get("/"));
    gateway.advance(milliseconds(10));
    assert_eq!(exchange.outcome(), Outcome::Pending);
    gateway.advance(milliseconds(10));
    assert!(exchange.upstream().is_some());
    assert_eq!(texts(&gateway), ["0", "0", "1"], "callouts are counted from 0");
}

#[test]
fn a_second_callout_of_a_request_is_refused() {
    let text = request_headers("(call $say_status (call $fetch)) (call $say_status (call $fetch)) (i32.const 1)");
    let gateway = apisix().upstream("keystore", Upstream::new()).start(&fixture(&text)).unwrap();
    gateway.send(Request::get("/"));
    assert_eq!((texts(&gateway), gateway.callouts().len()), (vec!["0".to_owned(), "10".to_owned()], 1));
}

#[test]
#[should_panic(expected = "Action::Pause without a callout or a local response")]
fn pausing_without_a_callout_or_reply_crashes_the_worker() {
    at_request("(i32.const 1)").send(Request::get("/"));
}

#[test]
fn continuing_and_waking_have_no_effect() {
    let gateway = apisix()
        .upstream("keystore", Upstream::new().otherwise(Answer::never()))
        .start(&fixture(
            r#"(global $first (mut i32) (i32.const 0))
            (func (export "proxy_on_request_headers") (param $context i32) (param i32 i32) (result i32)
              (if (i32.eqz (global.get $first))
                (then (global.set $first (local.get $context)) (drop (call $fetch)) (return (i32.const 1))))
              (call $say_status (call $act_as (global.get $first))) (call $say_header {":path"})
              (call $say_status (call $continue (i32.const 0))) (i32.const 0))"#,
        ))
        .unwrap();
    let first = gateway.send(Request::get("/1"));
    gateway.send(Request::get("/2"));
    assert_eq!(texts(&gateway), ["0", "/2", "0"]);
    assert_eq!(first.outcome(), Outcome::Pending);
}

#[test]
fn a_failure_has_no_headers_and_nothing_else() {
    for answer in [
        Answer::refused(),
        Answer::reset(),
        Answer::half(),
        Answer::unresolved(),
        Answer::tls_failure(),
        Answer::unreadable(),
        Answer::never(),
    ] {
        let gateway = with_keys(answer);
        let exchange = gateway.send(Request::get("/"));
        gateway.settle();
        assert_eq!(texts(&gateway), ["1", "0", "0", "1", "1"]);
        assert!(exchange.upstream().is_some(), "a failure holds nobody back");
    }
}

#[test]
fn a_dripping_server_outlives_the_timeout() {
    let gateway = with_keys(Answer::ok("drip").body_after(Duration::from_secs(60)));
    let exchange = gateway.send(Request::get("/"));
    gateway.advance(Duration::from_secs(59));
    assert_eq!(exchange.outcome(), Outcome::Pending, "the timeout of one second is for each wait");
    gateway.advance(Duration::from_secs(1));
    assert_eq!(texts(&gateway), ["200", "2", "4", "drip"]);
}

fn answer_of(headers: usize) -> Answer {
    // `content-length` is one of them.
    (1..headers).fold(Answer::ok("x"), |answer, n| answer.header(format!("x-{n}"), "1"))
}

#[test]
fn an_answer_of_127_headers_is_read() {
    let gateway = with_keys(answer_of(127));
    gateway.send(Request::get("/"));
    gateway.settle();
    assert_eq!(texts(&gateway)[..2], ["200", "128"]);
}

#[test]
#[should_panic(expected = "an answer to a callout has 128 headers")]
fn an_answer_of_128_headers_crashes_the_worker() {
    let gateway = with_keys(answer_of(128));
    gateway.send(Request::get("/"));
    gateway.settle();
}

/// Sends one request whose callout goes to this upstream with these headers.
fn call(gateway: Gateway) -> Vec<String> {
    gateway.send(Request::get("/"));
    gateway.settle();
    texts(&gateway)
}

fn calling(upstream: &str, map: &str) -> String {
    format!(
        r#"(func (export "proxy_on_http_call_response") (param i32 i32 i32 i32 i32) (call $say_status (local.get 2)))
        {}"#,
        request_headers(&format!(
            r#"(call $say_status (call $http_call {{"{upstream}"}} {{map:"{map}"}} (i32.const 0) (i32.const 0)
              (i32.const 0) (i32.const 0) (i32.const 1000) (i32.const 8))) (i32.const 0)"#
        ))
    )
}

#[test]
fn an_upstream_is_a_host_with_or_without_port_and_no_url() {
    let map = ":method=GET,:path=/,:scheme=http,:authority=k";
    for (upstream, said) in [
        ("keys.example", vec!["0", "0"]),
        ("keys.example:8200", vec!["0", "0"]),
        ("", vec!["2"]),
        (":443", vec!["2"]),
        ("keys.example:x", vec!["2"]),
        ("https://keys.example", vec!["2"]),
        ("keys.example/path", vec!["2"]),
    ] {
        assert_eq!(call(running(&calling(upstream, map))), said, "{upstream}");
    }
}

#[test]
fn https_to_an_ip_address_fails() {
    for (upstream, scheme, headers) in
        [("192.0.2.1:443", "https", "0"), ("192.0.2.1:443", "http", "2"), ("keys.example:443", "https", "2")]
    {
        let text = calling(upstream, &format!(":method=GET,:path=/,:scheme={scheme}"));
        let gateway = apisix().upstream(upstream, Upstream::new()).start(&fixture(&text)).unwrap();
        assert_eq!(call(gateway), ["0", headers], "{upstream} {scheme}");
    }
}

#[test]
fn missing_pseudo_headers_are_those_of_an_earlier_callout() {
    let text = request_headers(
        r#"(if (call $get_header (i32.const 0) {"x-bare"} (i32.const 0) (i32.const 4))
          (then (drop (call $http_call {"k"} {map:":method=POST,:path=/sign,:scheme=https"} (i32.const 0) (i32.const 0)
            (i32.const 0) (i32.const 0) (i32.const 1000) (i32.const 8))))
          (else (drop (call $http_call {"k"} {map:"accept=x"} (i32.const 0) (i32.const 0)
            (i32.const 0) (i32.const 0) (i32.const 1000) (i32.const 8)))))
        (i32.const 0)"#,
    );
    let gateway = apisix().workers(2).start(&fixture(&text)).unwrap();
    let bare = || Request::get("/").header("x-bare", "1");
    gateway.send(bare());
    gateway.send(Request::get("/"));
    gateway.send(bare());
    gateway.worker(1).send(bare());
    let sent: Vec<_> = gateway.callouts().into_iter().map(|callout| callout.headers).collect();
    let of = |place: usize| [":method", ":path", ":scheme"].map(|name| sent[place].text(name).unwrap().into_owned());
    assert_eq!(of(0), ["GET", "/", "http"], "the client library's own");
    assert_eq!(of(1), ["POST", "/sign", "https"]);
    assert_eq!(of(2), ["POST", "/sign", "https"], "of another request");
    assert_eq!(of(3), ["GET", "/", "http"], "each worker for itself");
}

#[test]
fn a_callout_is_for_request_headers_and_not_for_the_configuration_or_a_response() {
    let gateway = apisix()
        .upstream("keystore", Upstream::new())
        .start(&fixture(
            r#"(func (export "proxy_on_configure") (param i32 i32) (result i32)
              (call $say_status (call $fetch)) (i32.const 1))
            (func (export "proxy_on_response_headers") (param i32 i32 i32) (result i32)
              (call $say_status (call $fetch)) (i32.const 0))"#,
        ))
        .unwrap();
    gateway.send(Request::get("/"));
    assert_eq!(texts(&gateway), ["2", "2"]);
    assert!(gateway.callouts().is_empty());
}

#[test]
fn the_callback_is_told_the_root_context_and_acts_upon_the_request() {
    let gateway = apisix()
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
fn a_second_callout_is_sent_on_a_connection_that_is_dead_unless_the_first_one_closes_it() {
    let ask = |headers: &str| {
        format!(
            r#"(drop (call $http_call {{"signer"}} {{map:":method=POST,:path=/,:authority=s,:scheme=http{headers}"}} {{"body"}}
            (i32.const 0) (i32.const 0) (i32.const 1000) (i32.const 32)))"#
        )
    };
    for (headers, statuses) in [("", ["412", "1"]), (",connection=close", ["412", "412"])] {
        let ask = ask(headers);
        let gateway = running(&format!(
            r#"(global $asked (mut i32) (i32.const 0))
            (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) {ask} (i32.const 1))
            (func (export "proxy_on_http_call_response") (param i32 i32 i32 i32 i32)
              (local $status i32)
              (local.set $status (call $get_header (i32.const 6) {{":status"}} (i32.const 0) (i32.const 4)))
              (if (local.get $status) (then (call $say_status (local.get $status))) (else (call $say_value)))
              (if (i32.eqz (global.get $asked)) (then (global.set $asked (i32.const 1)) {ask})))"#
        ));
        gateway.upstream("signer", Upstream::new().otherwise(Answer::status(412).body("{}").then_closes()));
        gateway.send(Request::get("/"));
        gateway.settle();
        assert_eq!(texts(&gateway), statuses);
    }
}
