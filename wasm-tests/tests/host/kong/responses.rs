//! Responses on Kong: which callbacks are called for them, what becomes of a reply in their place, and what a client makes of it.

use super::super::fixture;
use super::{kong, running};
use wasm_tests::host::{Answer, Cut, Gateway, Outcome, Request, Upstream};

/// A response is replaced, and `text` runs before that.
fn replaces(text: &str, details: &str) -> String {
    format!(
        r#"(func (export "proxy_on_response_headers") (param i32 i32 i32) (result i32) {text}
          (drop (call $reply (i32.const 502) {{"{details}"}} {{"bad"}} {{map:"x-fixture=1"}} (i32.const -1))) (i32.const 0))"#
    )
}

/// What a careful filter does first.
const SETS_THE_LENGTH: &str = r#"(drop (call $replace_header (i32.const 2) {"content-length"} {"4"}))"#;

fn broken(text: &str) -> Gateway {
    let gateway = kong().expect_broken_http().start(&super::fixture(text)).unwrap();
    gateway.bank(Answer::ok("secret").header("x-bank", "1"));
    gateway.send(Request::get("/"));
    gateway
}

#[test]
fn an_export_that_is_missing_kills_the_worker() {
    let gateway = kong().expect_crashes().start(&fixture::fixture("")).unwrap();
    let exchange = gateway.send(Request::post("/").body("body"));
    assert_eq!(exchange.outcome(), Outcome::Failed(Cut::Reset));
    let crashes = gateway.crashes();
    assert!(crashes[0].contains("the module does not export proxy_on_request_headers"), "{crashes:?}");
}

#[test]
fn from_response_headers_only_status_and_body_of_a_reply_apply() {
    let gateway = running(&replaces(SETS_THE_LENGTH, ""));
    gateway.bank(Answer::ok("secret").header("x-bank", "1"));
    let response = gateway.send(Request::get("/")).response().unwrap();
    assert_eq!((response.status(), response.body.as_slice()), (502, b"bad\n".as_slice()));
    assert!(response.headers.has("x-bank") && !response.headers.has("x-fixture"));
}

#[test]
fn the_details_of_a_reply_in_the_response_are_its_whole_status_line() {
    let broken = broken(&replaces(SETS_THE_LENGTH, "GenericError")).broken_http();
    assert!(broken[0].contains("the status line is \"HTTP/1.1 GenericError\""), "{broken:?}");
}

#[test]
fn a_reply_in_the_response_keeps_the_length_of_what_it_replaces() {
    let broken = broken(&replaces("", "")).broken_http();
    assert!(broken[0].contains("the client waits for 2 more bytes"), "{broken:?}");
}

#[test]
fn only_the_first_part_of_a_long_body_is_replaced() {
    let gateway = kong().expect_broken_http().start(&super::fixture(&replaces(SETS_THE_LENGTH, ""))).unwrap();
    gateway.bank(Answer::ok("x".repeat(10_000)));
    gateway.send(Request::get("/"));
    assert!(gateway.broken_http()[0].contains("5904 bytes too many"), "{:?}", gateway.broken_http());
    let closes =
        format!(r#"{SETS_THE_LENGTH} (drop (call $replace_header (i32.const 2) {{"connection"}} {{"close"}}))"#);
    let gateway = running(&replaces(&closes, ""));
    gateway.bank(Answer::ok("x".repeat(10_000)));
    assert_eq!(gateway.send(Request::get("/")).response().unwrap().body, b"bad\n");
}

#[test]
fn a_reply_in_the_response_takes_the_end_away_unless_one_without_a_body_came_first() {
    let marks = r#"(drop (call $reply (i32.const 502) {""} {""} {map:"x-fixture=1"} (i32.const -1)))"#;
    for (text, is_whole) in [(SETS_THE_LENGTH.to_owned(), false), (format!("{marks} {SETS_THE_LENGTH}"), true)] {
        let gateway = kong().expect_broken_http().start(&super::fixture(&replaces(&text, ""))).unwrap();
        gateway.bank(Answer::ok(""));
        gateway.send(Request::get("/"));
        gateway.send(Request::get("/").answered_before_the_filter(Answer::ok("not found")));
        let broken = gateway.broken_http();
        let expected = if is_whole { 0 } else { 2 };
        assert_eq!(broken.iter().filter(|broken| broken.ends_with("waits for ever")).count(), expected, "{broken:?}");
    }
}

#[test]
fn rewriting_the_body_of_a_response_kills_the_worker() {
    let gateway = kong()
        .expect_crashes()
        .start(&super::fixture(
            r#"(func (export "proxy_on_response_body") (param i32 i32 i32) (result i32)
              (drop (call $set_buffer (i32.const 1) (i32.const 0) (i32.const 999) {"mine"})) (i32.const 0))"#,
        ))
        .unwrap();
    gateway.bank(Answer::ok("body"));
    gateway.send(Request::get("/"));
    assert!(gateway.crashes()[0].contains("were freed"), "{:?}", gateway.crashes());
}

#[test]
fn each_part_of_a_body_is_shown_and_one_as_long_as_the_whole_is_taken_for_the_last() {
    let gateway = running(
        r#"(func (export "proxy_on_response_body") (param i32 i32 i32) (result i32)
          (call $say_status (local.get 1)) (call $say_status (local.get 2)) (i32.const 0))"#,
    );
    let shown = |body: &str| {
        gateway.bank(Answer::ok(body));
        let before = gateway.logs().len();
        assert_eq!(gateway.send(Request::get("/")).response().unwrap().body, body.as_bytes());
        fixture::texts(&gateway).split_off(before)
    };
    assert_eq!(shown("body"), ["4", "1"]);
    assert_eq!(shown(&"x".repeat(5000)), ["4096", "0", "904", "0"]);
    assert_eq!(shown(""), ["0", "1"]);
}

#[test]
fn replacing_a_repeated_response_header_removes_it() {
    let gateway = running(
        r#"(func (export "proxy_on_response_headers") (param i32 i32 i32) (result i32)
          (drop (call $replace_header (i32.const 2) {"x-a"} {"new"})) (drop (call $replace_header (i32.const 2) {"x-b"} {"new"}))
          (i32.const 0))"#,
    );
    gateway.bank(Answer::ok("").header("x-a", "1").header("x-a", "2").header("x-b", "1"));
    let headers = gateway.send(Request::get("/")).response().unwrap().headers;
    assert_eq!((headers.all("x-a").len(), headers.all("x-b")), (0, vec![b"new".as_slice()]));
}

#[test]
fn a_head_request_gets_no_body() {
    let gateway = running("");
    gateway.bank(Answer::ok("body"));
    let response = gateway.send(Request::new("HEAD", "/")).response().unwrap();
    assert_eq!((response.status(), response.body.as_slice()), (200, b"".as_slice()));
}

/// Each request asks a signer, with a body, and waits. In the callback `text` runs.
fn asks(text: &str) -> String {
    format!(
        r#"(func $ask (drop (call $http_call {{"signer"}} {{map:":method=POST,:path=/,:authority=s,:scheme=http"}} {{"body"}}
            (i32.const 0) (i32.const 0) (i32.const 1000) (i32.const 32))))
        (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) (call $ask) (i32.const 1))
        (func (export "proxy_on_http_call_response") (param i32 i32 i32 i32 i32) {text})"#
    )
}

const UNANSWERED: fn() -> [Answer; 6] = || {
    let answers =
        [Answer::reset(), Answer::refused(), Answer::never(), Answer::status(307), Answer::ok(""), Answer::status(500)];
    answers.map(|answer| answer.body_after(std::time::Duration::ZERO))
};

fn asked(text: &str, answer: Answer) -> Gateway {
    let signer = Upstream::new().otherwise(answer);
    kong().expect_crashes().upstream("signer", signer).start(&super::fixture(&asks(text))).unwrap()
}

#[test]
fn after_an_unanswered_callout_with_a_body_another_one_has_the_worker_spin() {
    let again = "(if (i32.eqz (local.get 1)) (then (call $ask)))";
    for answer in UNANSWERED() {
        let gateway = asked(again, answer);
        gateway.send(Request::get("/"));
        gateway.settle();
        assert!(gateway.crashes()[0].contains("it spins for ever"), "{:?}", gateway.crashes());
    }
    for answer in [Answer::ok("x"), Answer::status(503).body("sealed")] {
        let gateway = asked(again, answer);
        let exchange = gateway.send(Request::get("/"));
        gateway.settle();
        assert!(exchange.upstream().is_some());
        assert_eq!(gateway.crashes(), [""; 0]);
    }
}

#[test]
fn after_an_unanswered_callout_with_a_body_a_reply_with_one_is_lost_and_one_without_is_not() {
    for answer in UNANSWERED() {
        let gateway = asked(r#"(call $reject (i32.const 503) {"later"})"#, answer.clone());
        let exchange = gateway.send(Request::get("/"));
        gateway.settle();
        assert_eq!(exchange.outcome(), Outcome::Failed(Cut::Reset));
        let empty =
            r#"(drop (call $reply (i32.const 503) {""} (i32.const 0) (i32.const 0) {map:"x-a=1"} (i32.const -1)))"#;
        let gateway = asked(empty, answer);
        let exchange = gateway.send(Request::get("/"));
        gateway.settle();
        let reply = exchange.reply().unwrap();
        assert_eq!((reply.status, reply.body.as_slice()), (503, b"".as_slice()));
    }
}

/// Also where it has no body itself.
#[test]
fn after_a_second_unanswered_callout_a_reply_with_a_body_is_lost_and_after_the_first_it_is_not() {
    let asks = |answered: &str| {
        let call = r#"(drop (call $http_call {"signer"} {map:":method=GET,:path=/,:authority=s,:scheme=http"} {""}
            (i32.const 0) (i32.const 0) (i32.const 1000) (i32.const 32)))"#;
        format!(
            r#"(global $asked (mut i32) (i32.const 0))
            (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) {call} (i32.const 1))
            (func (export "proxy_on_http_call_response") (param i32 i32 i32 i32 i32)
                (if (i32.eqz (global.get $asked))
                    (then (global.set $asked (i32.const 1)) {answered})
                    (else (call $reject (i32.const 503) {{"later"}}))))"#,
            answered = if answered == "again" { call } else { r#"(call $reject (i32.const 503) {"first"})"# },
        )
    };
    let start = |text: &str| {
        let signer = Upstream::new().otherwise(Answer::reset());
        kong().expect_crashes().upstream("signer", signer).start(&super::fixture(text)).unwrap()
    };
    let gateway = start(&asks("again"));
    let exchange = gateway.send(Request::get("/"));
    gateway.settle();
    assert_eq!(exchange.outcome(), Outcome::Failed(Cut::Reset));
    let gateway = start(&asks("no more"));
    let exchange = gateway.send(Request::get("/"));
    gateway.settle();
    assert!(exchange.reply().unwrap().body.starts_with(b"first"));
}

#[test]
fn after_a_callout_a_reply_that_leaves_the_connection_open_has_a_body_read_as_requests() {
    let post = || Request::new("POST", "/").header("content-length", "40000");
    let closes = r#"(drop (call $reply (i32.const 503) {""} (i32.const 0) (i32.const 0) {map:"connection=close"} (i32.const -1)))"#;
    for (text, request, crashes) in [
        (r#"(call $reject (i32.const 503) {"later"})"#, post(), 1),
        (r#"(call $reject (i32.const 503) {"later"})"#, Request::get("/"), 0),
        (closes, post(), 0),
    ] {
        let gateway = asked(text, Answer::ok("x"));
        gateway.send(request);
        gateway.settle();
        assert_eq!(gateway.crashes().len(), crashes, "{text}: {:?}", gateway.crashes());
    }
}

#[test]
fn a_client_that_hangs_up_is_noticed_once_the_callout_has_ended() {
    let gateway = running(&format!(
        r#"{} (func (export "proxy_on_delete") (param i32) (call $say {{"gone"}}))"#,
        asks(r#"(call $say {"answered"})"#)
    ));
    gateway.upstream("signer", Upstream::new().otherwise(Answer::ok("x").after(std::time::Duration::from_secs(1))));
    let exchange = gateway.send(Request::get("/"));
    exchange.disconnect();
    assert_eq!((exchange.outcome(), fixture::texts(&gateway).len()), (Outcome::Pending, 0));
    gateway.settle();
    assert_eq!(fixture::texts(&gateway), ["answered", "gone"]);
}

#[test]
fn answers_of_other_forms_cannot_be_read() {
    let said = |answer: Answer| {
        let text = r#"(call $say_status (call $get_header (i32.const 6) {":status"} (i32.const 0) (i32.const 4)))
            (if (i32.load (i32.const 4)) (then (call $say_value))) (call $say_status (local.get 3))"#;
        let gateway = asked(text, answer);
        gateway.send(Request::get("/"));
        gateway.settle();
        fixture::texts(&gateway)
    };
    assert_eq!(said(Answer::ok("body")), ["0", "200", "4"]);
    assert_eq!(said(Answer::ok("body").after_informational(103)), ["0", "103", "0"], "the first one counts");
    for answer in [Answer::ok("body").http_1_0(), Answer::ok("body").until_the_end()] {
        assert_eq!(said(answer)[0], "1");
    }
}
