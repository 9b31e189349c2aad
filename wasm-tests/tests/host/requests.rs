//! The way of a request through a filter on Envoy: headers, properties, pausing, replies, bodies, responses, the end.

use super::fixture::{envoy, fixture, running, texts};
use std::time::Duration;
use wasm_tests::host::{Answer, Cut, Gateway, Headers, Outcome, Peer, Request};

/// Runs this at each request's headers; it leaves the action on the stack.
fn at_request(text: &str) -> Gateway {
    running(&format!(
        r#"(func (export "proxy_on_request_headers") (param $context i32) (param i32 i32) (result i32) {text})"#
    ))
}

fn said_at_request(text: &str, request: Request) -> Vec<String> {
    let gateway = at_request(&format!("{text} (i32.const 0)"));
    gateway.send(request);
    texts(&gateway)
}

#[test]
fn a_request_that_continues_reaches_the_bank_with_the_headers_as_changed() {
    let gateway = at_request(
        r#"(drop (call $add_header (i32.const 0) {"X-Added"} {"1"}))
        (drop (call $replace_header (i32.const 0) {"x-kept"} {"new"}))
        (drop (call $remove_header (i32.const 0) {"authorization"})) (i32.const 0)"#,
    );
    let request = Request::get("/accounts?a=1").header("Authorization", "Bearer x").header("X-Kept", "old");
    let sent = gateway.send(request).upstream().expect("the request at the bank");
    let expected: Headers = [
        (":authority", "bank.example"),
        (":path", "/accounts?a=1"),
        (":method", "GET"),
        (":scheme", "https"),
        ("x-kept", "new"),
        ("x-forwarded-proto", "https"),
        ("x-request-id", "00000000-0000-4000-8000-000000000001"),
        ("x-added", "1"),
    ]
    .into_iter()
    .collect();
    assert_eq!(sent, expected);
}

#[test]
fn the_module_gets_the_context_the_number_of_headers_and_the_end_of_the_stream() {
    let text =
        r#"(call $say_status (local.get $context)) (call $say_status (local.get 1)) (call $say_status (local.get 2))"#;
    assert_eq!(said_at_request(text, Request::get("/")), ["2", "6", "1"]);
    assert_eq!(said_at_request(text, Request::post("/").body("x")), ["2", "7", "0"]);
}

#[test]
fn a_paused_request_stays_pending_until_envoys_idle_timeout() {
    for action in ["(i32.const 1)", "(i32.const 2)", "(i32.const 99)"] {
        let gateway = at_request(action);
        let exchange = gateway.send(Request::get("/"));
        gateway.advance(Duration::from_secs(299));
        assert_eq!(exchange.outcome(), Outcome::Pending, "{action}");
        gateway.advance(Duration::from_secs(1));
        let reply = exchange.reply().expect("a timeout");
        assert_eq!((reply.status, reply.body.as_slice()), (504, b"stream timeout".as_slice()));
    }
}

#[test]
fn repeated_headers_are_joined_when_envoy_knows_the_name_and_kept_apart_otherwise() {
    let request = Request::get("/")
        .header("authorization", "Bearer a")
        .header("Authorization", "Bearer b")
        .header("x-other", "a")
        .header("x-other", "b");
    let said =
        said_at_request(r#"(call $say_header {"authorization"}) (call $say_header {"X-Other"})"#, request.clone());
    assert_eq!(said, ["Bearer a,Bearer b", "a"]);
    let gateway = at_request("(i32.const 0)");
    let sent = gateway.send(request).upstream().unwrap();
    assert_eq!(sent.all("authorization"), [b"Bearer a,Bearer b"]);
    assert_eq!(sent.all("x-other"), [b"a", b"b"]);
}

#[test]
fn header_values_are_bytes() {
    let gateway = at_request(
        r#"(drop (call $get_header (i32.const 0) {"x-raw"} (i32.const 0) (i32.const 4)))
        (drop (call $add_header (i32.const 0) {"x-copy"} (i32.load (i32.const 0)) (i32.load (i32.const 4))))
        (i32.const 0)"#,
    );
    let sent = gateway.send(Request::get("/").header("x-raw", b"\xff\x00\xc3")).upstream().unwrap();
    assert_eq!(sent.get("x-copy"), Some(b"\xff\x00\xc3".as_slice()));
}

#[test]
fn absent_and_empty_headers_and_unknown_maps_have_their_statuses() {
    let said = said_at_request(
        r#"(call $say_header {"x-absent"}) (call $say_header {"x-empty"})
        (call $say_status (i32.load (i32.const 0)))
        (call $say_status (call $get_header (i32.const 2) {"x"} (i32.const 0) (i32.const 4)))
        (call $say_status (call $get_header (i32.const 8) {"x"} (i32.const 0) (i32.const 4)))
        (call $say_status (call $get_headers (i32.const 2) (i32.const 0) (i32.const 4)))
        (call $say_status (i32.load (i32.const 4)))"#,
        Request::get("/").header("x-empty", ""),
    );
    assert_eq!(said, ["1", "", "0", "2", "2", "0", "0"]);
}

#[test]
fn the_map_of_all_headers_is_serialized() {
    let gateway = at_request(
        r#"(drop (call $get_headers (i32.const 0) (i32.const 0) (i32.const 4)))
        (call $say_number (i64.load32_u (i32.load (i32.const 0))))
        (call $say_status (i32.load (i32.const 4))) (i32.const 0)"#,
    );
    let sent = gateway.send(Request::get("/")).upstream().unwrap();
    let size: usize = 4 + sent.iter().map(|(name, value)| 8 + name.len() + 1 + value.len() + 1).sum::<usize>();
    assert_eq!(texts(&gateway), ["6".to_owned(), size.to_string()]);
}

#[test]
fn properties_are_those_of_envoy() {
    let subject = r"CN=abc,OU=3c1f,O=\D8\A8,C=AE";
    let verified = Peer::verified(subject).fingerprint("ab12").dns("hub.example");
    let mtls = r#"(drop (call $get_property {"connection\0mtls"} (i32.const 0) (i32.const 4)))
        (call $say_status (i32.load (i32.const 4))) (call $say_status (i32.load8_u (i32.load (i32.const 0))))"#;
    let rest = r#"(call $say_property {"connection\0subject_peer_certificate"})
        (call $say_property {"connection\0sha256_peer_certificate_digest"})
        (call $say_property {"connection\0dns_san_peer_certificate"})
        (call $say_property {"connection\0tls_version"})
        (call $say_property {"request\0id"}) (call $say_property {"request\0url_path"})
        (call $say_property {"request\0headers\0authorization"})
        (call $say_property {"plugin_name"}) (call $say_property {"connection"})
        (call $say_property {"ngx\0ssl_client_verify"})"#;
    let said = |peer| {
        let request = Request::get("/a?b").header("authorization", "x").peer(peer);
        said_at_request(&format!("{mtls} {rest}"), request)
    };
    let id = "00000000-0000-4000-8000-000000000001";
    let tail = [id, "/a", "x", "hub-auth-filter", "3", "1"];
    assert_eq!(said(verified), [["1", "1", subject, "ab12", "hub.example", "TLSv1.3"].as_slice(), &tail].concat());
    assert_eq!(said(Peer::none()), [["1", "0", "", "1", "1", "TLSv1.3"].as_slice(), &tail].concat());
    assert_eq!(said(Peer::plaintext()), [["1", "0", "1", "1", "1", "1"].as_slice(), &tail].concat());
}

#[test]
fn a_peer_can_override_any_property() {
    let peer = Peer::verified("CN=a")
        .property(&["connection", "subject_peer_certificate"], b"odd")
        .without_property(&["connection", "mtls"]);
    let text =
        r#"(call $say_property {"connection\0subject_peer_certificate"}) (call $say_property {"connection\0mtls"})"#;
    assert_eq!(said_at_request(text, Request::get("/").peer(peer)), ["odd", "1"]);
}

#[test]
fn connection_properties_are_absent_from_the_root_context() {
    let gateway = running(
        r#"(func (export "proxy_on_configure") (param i32 i32) (result i32)
          (call $say_property {"connection\0mtls"}) (call $say_property {"plugin_vm_id"}) (i32.const 1))"#,
    );
    assert_eq!(texts(&gateway), ["1", "hub-auth-filter"]);
}

#[test]
fn a_local_reply_goes_to_the_client_and_not_to_the_bank() {
    let gateway = at_request(r#"(call $reject (i32.const 401) {"no"}) (i32.const 0)"#);
    let exchange = gateway.send(Request::get("/"));
    let reply = exchange.reply().expect("a reply");
    let headers = [(":status", "401"), ("x-fixture", "1"), ("content-length", "2"), ("content-type", "text/plain")];
    assert_eq!(reply.headers, headers.into_iter().collect());
    assert_eq!(
        (reply.status, reply.body.as_slice(), reply.details.as_str()),
        (401, b"no".as_slice(), "by_the_fixture")
    );
    assert_eq!(exchange.response().unwrap().status(), 401);
    assert_eq!(exchange.upstream(), None);
}

#[test]
fn continue_and_reply_happen_only_after_the_call_has_returned() {
    let gateway = running(
        r#"(func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
          (call $reject (i32.const 401) {"no"}) (call $say {"still in the request"}) (i32.const 1))
        (func (export "proxy_on_response_headers") (param i32 i32 i32) (result i32)
          (call $say {"in the response"}) (i32.const 0))"#,
    );
    gateway.send(Request::get("/"));
    assert_eq!(texts(&gateway), ["still in the request", "in the response"]);
}

#[test]
fn after_continuing_a_stream_its_headers_are_out_of_reach() {
    let gateway = at_request(
        r#"(drop (call $add_header (i32.const 0) {"x-before"} {"1"}))
        (call $say_status (call $continue (i32.const 0)))
        (call $say_status (call $add_header (i32.const 0) {"x-after"} {"1"})) (i32.const 1)"#,
    );
    let sent = gateway.send(Request::get("/")).upstream().expect("the request at the bank");
    assert_eq!(texts(&gateway), ["0", "2"]);
    assert!(sent.has("x-before") && !sent.has("x-after"));
}

#[test]
fn one_stream_can_wake_another_or_reject_it() {
    // The first request waits; the second wakes it, the third (POST) rejects the one that then waits.
    let gateway = running(
        r#"(global $waiting (mut i32) (i32.const 0))
        (func (export "proxy_on_request_headers") (param $context i32) (param i32) (param $end i32) (result i32)
          (if (i32.eqz (global.get $waiting))
            (then (global.set $waiting (local.get $context)) (return (i32.const 1))))
          (call $say_status (call $act_as (global.get $waiting)))
          (if (local.get $end)
            (then
              (drop (call $add_header (i32.const 0) {"x-woken"} {"1"}))
              (drop (call $continue (i32.const 0)))
              (global.set $waiting (i32.const 0))
              (return (i32.const 0))))
          (call $reject (i32.const 403) {"no"})
          (i32.const 0))"#,
    );
    let first = gateway.send(Request::get("/1"));
    assert_eq!(first.outcome(), Outcome::Pending);
    let second = gateway.send(Request::get("/2"));
    assert!(first.upstream().unwrap().has("x-woken"));
    assert!(!second.upstream().unwrap().has("x-woken"));
    let third = gateway.send(Request::get("/3"));
    let fourth = gateway.send(Request::post("/4").body("x"));
    assert_eq!(third.reply().unwrap().status, 403);
    // Envoy stops the stream that was being called, although the reply was for another.
    assert_eq!(fourth.outcome(), Outcome::Pending);
    assert_eq!(texts(&gateway), ["0", "0"]);
}

#[test]
fn a_context_that_is_gone_cannot_be_chosen() {
    let gateway =
        at_request(r#"(call $say_status (call $act_as (i32.sub (local.get $context) (i32.const 1)))) (i32.const 0)"#);
    gateway.send(Request::get("/"));
    gateway.send(Request::get("/"));
    assert_eq!(texts(&gateway), ["0", "2"]);
}

#[test]
fn a_stream_ends_with_log_done_and_delete() {
    let text = r#"(func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
          (call $get_header (i32.const 0) {"x-wait"} (i32.const 0) (i32.const 4)) (i32.eqz))
        (func (export "proxy_on_log") (param i32) (call $say {"log"}) (call $say_header {":path"}))
        (func (export "proxy_on_done") (param i32) (result i32) (call $say {"done"}) (i32.const 1))
        (func (export "proxy_on_delete") (param i32) (call $say {"delete"}))"#;
    let end = ["log", "/", "done", "delete"];
    let gateway = running(text);
    gateway.send(Request::get("/"));
    assert_eq!(texts(&gateway), end, "after the bank's answer");
    let gateway = running(text);
    let waiting = gateway.send(Request::get("/").header("x-wait", "1"));
    assert!(texts(&gateway).is_empty());
    waiting.disconnect();
    assert_eq!(texts(&gateway), end, "after the client has gone");
    assert_eq!(waiting.outcome(), Outcome::Failed(Cut::ClientGone));
    waiting.disconnect();
    assert_eq!(texts(&gateway), end, "once only");
}

/// Logs what it sees of each body; puts a `-` before every piece of the request's that it lets go; holds the body of a
/// request with the header `x-hold` back until its end.
const BODIES: &str = r#"
    (global $hold (mut i32) (i32.const 0))
    (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
      (global.set $hold (i32.eqz (call $get_header (i32.const 0) {"x-hold"} (i32.const 0) (i32.const 4))))
      (i32.const 0))
    (func $see (param $buffer i32) (param $size i32) (param $end i32)
      (call $say_status (local.get $size)) (call $say_status (local.get $end))
      (drop (call $get_buffer (local.get $buffer) (i32.const 0) (i32.const 99) (i32.const 0) (i32.const 4)))
      (call $say_value))
    (func (export "proxy_on_request_body") (param i32) (param $size i32) (param $end i32) (result i32)
      (call $see (i32.const 0) (local.get $size) (local.get $end))
      (if (i32.and (global.get $hold) (i32.eqz (local.get $end))) (then (return (i32.const 1))))
      (call $say_status (call $set_buffer (i32.const 0) (i32.const 0) (i32.const 0) {"-"}))
      (i32.const 0))
    (func (export "proxy_on_response_body") (param i32) (param $size i32) (param $end i32) (result i32)
      (call $see (i32.const 1) (local.get $size) (local.get $end)) (i32.const 0))"#;

#[test]
fn a_body_passes_the_filter_as_bytes_and_then_as_an_end() {
    let gateway = running(BODIES);
    gateway.bank(Answer::ok("ok"));
    let exchange = gateway.send(Request::post("/").body("body"));
    let said = texts(&gateway);
    assert_eq!(said[..8], ["4", "0", "body", "0", "0", "1", "", "0"]);
    assert_eq!(said[8..], ["2", "0", "ok", "0", "1", ""]);
    assert_eq!(exchange.upstream_body(), b"-body-");
    assert_eq!(exchange.response().unwrap().body, b"ok");
}

#[test]
fn a_body_that_is_held_back_is_whole_at_its_end() {
    let gateway = running(BODIES);
    let exchange = gateway.send(Request::post("/").body("body").header("x-hold", "1"));
    assert_eq!(texts(&gateway)[..7], ["4", "0", "body", "4", "1", "body", "0"]);
    assert_eq!(exchange.upstream_body(), b"-body");
}

#[test]
fn a_body_of_a_request_that_has_waited_arrives_whole() {
    let gateway = running(
        r#"(func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
          (drop (call $continue (i32.const 0))) (i32.const 1))
        (func (export "proxy_on_request_body") (param i32) (param $size i32) (param $end i32) (result i32)
          (call $say_status (local.get $size)) (call $say_status (local.get $end)) (i32.const 0))"#,
    );
    assert_eq!(gateway.send(Request::post("/").body("body")).upstream_body(), b"body");
    assert_eq!(texts(&gateway), ["4", "1"]);
}

#[test]
fn a_body_can_be_changed_at_its_ends_or_as_a_whole_only() {
    let attempts = [("0", "0", "0", "+body"), ("0", "9", "0", "+"), ("4", "0", "0", "body+"), ("1", "1", "2", "body")];
    for (start, length, status, body) in attempts {
        let gateway = running(&format!(
            r#"(func (export "proxy_on_request_body") (param i32 i32) (param $end i32) (result i32)
              (if (local.get $end) (then (return (i32.const 0))))
              (call $say_status (call $set_buffer (i32.const 0) (i32.const {start}) (i32.const {length}) {{"+"}}))
              (i32.const 0))"#
        ));
        let exchange = gateway.send(Request::post("/").body("body"));
        assert_eq!((texts(&gateway), exchange.upstream_body()), (vec![status.to_owned()], body.into()));
    }
}

#[test]
#[should_panic(expected = "Envoy would send it twice")]
fn continuing_a_stream_twice_over_fails_the_test() {
    at_request("(drop (call $continue (i32.const 0))) (i32.const 0)").send(Request::get("/"));
}

#[test]
fn a_reply_without_a_body_has_no_content_type() {
    let gateway = at_request(
        r#"(drop (call $reply (i32.const 503) {""} (i32.const 0) (i32.const 0)
            {map:"content-type=application/json,retry-after=1"} (i32.const -1))) (i32.const 1)"#,
    );
    let reply = gateway.send(Request::get("/")).reply().unwrap();
    assert_eq!(reply.headers, [(":status", "503"), ("retry-after", "1")].into_iter().collect());
}

#[test]
fn the_first_of_two_replies_wins() {
    let gateway =
        at_request(r#"(call $reject (i32.const 401) {"1"}) (call $reject (i32.const 402) {"2"}) (i32.const 0)"#);
    assert_eq!(gateway.send(Request::get("/")).reply().unwrap().status, 401);
}

#[test]
fn a_reply_wins_over_continuing_after_it() {
    let gateway =
        at_request(r#"(call $reject (i32.const 401) {"1"}) (drop (call $continue (i32.const 0))) (i32.const 1)"#);
    assert_eq!(gateway.send(Request::get("/")).reply().unwrap().status, 401);
}

#[test]
fn a_reply_that_passes_the_filter_can_be_replaced_there() {
    let gateway = running(
        r#"(func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
          (call $reject (i32.const 401) {"1"}) (i32.const 1))
        (func (export "proxy_on_response_headers") (param i32 i32 i32) (result i32)
          (call $reject (i32.const 502) {"2"}) (i32.const 1))"#,
    );
    assert_eq!(gateway.send(Request::get("/")).reply().unwrap().status, 502);
}

#[test]
fn a_reply_to_a_request_that_is_at_the_bank_reaches_the_client() {
    let gateway = running(
        r#"(func (export "proxy_on_request_headers") (param i32 i32) (param $get i32) (result i32)
          (if (i32.eqz (local.get $get))
            (then (drop (call $act_as (i32.const 2))) (call $reject (i32.const 403) {"no"})))
          (i32.const 0))"#,
    );
    gateway.bank(Answer::ok("").after(Duration::from_secs(1)));
    let exchange = gateway.send(Request::get("/"));
    gateway.send(Request::post("/").body("x"));
    assert_eq!(exchange.response().unwrap().status(), 403);
    assert!(exchange.upstream().is_some() && exchange.reply().is_none());
}

#[test]
fn the_requests_headers_stay_at_hand_while_a_reply_passes_the_filter() {
    let text = r#"(func (export "proxy_on_request_headers") (param i32 i32) (param $get i32) (result i32)
          (if (i32.eqz (local.get $get)) (then (return (i32.const 0))))
          (call $reject (i32.const 401) {"no"}) (i32.const 1))
        (func (export "proxy_on_response_headers") (param i32 i32 i32) (result i32)
          (call $say_header {":path"}) (i32.const 0))"#;
    let gateway = running(text);
    gateway.send(Request::get("/"));
    gateway.send(Request::post("/").body("x"));
    assert_eq!(texts(&gateway), ["/", "2"], "after a reply, and after the bank's answer");
}

#[test]
fn the_banks_answer_passes_the_filter_on_its_way_to_the_client() {
    let gateway = running(
        r#"(func (export "proxy_on_response_headers") (param i32 i32 i32) (result i32)
          (drop (call $add_header (i32.const 2) {"x-filter"} {"1"})) (i32.const 0))"#,
    );
    gateway.bank(Answer::status(201).header("x-bank", "1").after(Duration::from_millis(30)));
    let exchange = gateway.send(Request::get("/"));
    assert!(exchange.upstream().is_some() && exchange.response().is_none());
    gateway.settle();
    let response = exchange.response().unwrap();
    assert_eq!(response.status(), 201);
    assert!(response.headers.has("x-bank") && response.headers.has("x-filter"));
}

#[test]
fn a_reply_in_the_response_replaces_the_banks_answer() {
    let gateway = running(
        r#"(func (export "proxy_on_response_headers") (param i32 i32 i32) (result i32)
          (call $say {"response"}) (call $reject (i32.const 502) {"bad"}) (i32.const 0))"#,
    );
    let exchange = gateway.send(Request::get("/"));
    assert_eq!(exchange.response().unwrap().status(), 502);
    assert!(exchange.upstream().is_some(), "the bank has seen the request all the same");
    assert_eq!(texts(&gateway), ["response"]);
}

#[test]
fn the_map_of_all_headers_can_be_replaced() {
    let gateway = at_request(
        r#"(drop (call $set_headers (i32.const 0) {map:":path=/,a=1,a=2"}))
        (drop (call $headers_size (i32.const 0) (i32.const 8))) (call $say_status (i32.load (i32.const 8)))
        (i32.const 0)"#,
    );
    let sent = gateway.send(Request::get("/old")).upstream().unwrap();
    assert_eq!(sent, [(":path", "/"), ("a", "1"), ("a", "2")].into_iter().collect());
    assert_eq!(texts(&gateway), ["10"]);
}

#[test]
fn a_property_can_be_set_for_its_stream() {
    let text = r#"(call $say_property {"mine"})
        (call $say_status (call $set_property {"mine"} {"value"})) (call $say_property {"mine"})"#;
    assert_eq!(said_at_request(text, Request::get("/")), ["1", "0", "value"]);
    let gateway = running(
        r#"(func (export "proxy_on_configure") (param i32 i32) (result i32)
          (call $say_status (call $set_property {"mine"} {"value"})) (i32.const 1))"#,
    );
    assert_eq!(texts(&gateway), ["1"]);
}

#[test]
fn a_closed_stream_has_no_answer() {
    let gateway = at_request("(drop (call $close (i32.const 0))) (i32.const 1)");
    assert_eq!(gateway.send(Request::get("/")).outcome(), Outcome::Failed(Cut::Reset));
}

#[test]
fn small_calls_answer_as_envoy_does() {
    let said = said_at_request(
        r#"(drop (call $log_level (i32.const 8))) (call $say_status (i32.load (i32.const 8)))
        (call $say_status (call $foreign {"no such"} (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)))
        (call $say_status (call $done))
        (call $say_status (call $buffer_status (i32.const 6) (i32.const 8) (i32.const 12)))
        (call $say_status (call $buffer_status (i32.const 4) (i32.const 8) (i32.const 12)))
        (call $say_status (call $buffer_status (i32.const 9) (i32.const 8) (i32.const 12)))"#,
        Request::get("/"),
    );
    assert_eq!(said, ["2", "1", "1", "0", "1", "2"]);
}

#[test]
fn each_host_call_of_a_request_is_on_record_with_its_subject_and_status() {
    let gateway = at_request(r#"(call $say_header {"x-a"}) (call $say_property {"connection\0mtls"}) (i32.const 0)"#);
    let other = gateway.send(Request::get("/"));
    let exchange = gateway.send(Request::get("/").header("x-a", "1"));
    let calls = |exchange: &wasm_tests::host::Exchange| {
        let calls = exchange.host_calls().into_iter().filter(|call| call.name != "proxy_log");
        calls.map(|call| (call.name, call.subject.unwrap_or_default(), call.code)).collect::<Vec<_>>()
    };
    let expected = |code| {
        [("proxy_get_header_map_value", "x-a".into(), code), ("proxy_get_property", "connection.mtls".into(), 0)]
    };
    assert_eq!(calls(&exchange), expected(0));
    assert_eq!(calls(&other), expected(1));
}

#[test]
fn fuel_is_counted_for_each_call_and_each_request() {
    let gateway = at_request(
        r#"(local $left i32) (local.set $left (i32.mul (local.get 1) (i32.const 1000)))
        (loop $more (br_if $more (local.tee $left (i32.sub (local.get $left) (i32.const 1))))) (i32.const 0)"#,
    );
    let small = gateway.send(Request::get("/"));
    let large = gateway.send((0..60).fold(Request::get("/"), |request, n| request.header(format!("x-{n}"), "1")));
    assert!(small.fuel() > 10_000, "{}", small.fuel());
    assert!(large.fuel() > 10 * small.fuel(), "{} and {}", small.fuel(), large.fuel());
    let exports: Vec<_> = small.vm_calls().iter().map(|call| call.export).collect();
    assert_eq!(exports, ["proxy_on_request_headers"]);
    assert_eq!(small.fuel(), gateway.send(Request::get("/")).fuel(), "the same work costs the same");
}

#[test]
fn stopping_ends_the_root_contexts() {
    let module = fixture(
        r#"(func (export "proxy_on_done") (param i32) (result i32) (call $say {"done"}) (i32.const 1))
        (func (export "proxy_on_delete") (param i32) (call $say {"delete"}))"#,
    );
    let gateway = envoy().start(&module).unwrap();
    gateway.stop();
    assert_eq!(texts(&gateway), ["done", "delete"]);
}

#[test]
fn a_root_context_that_is_not_done_says_so_later() {
    let gateway = running(
        r#"(func (export "proxy_on_configure") (param i32 i32) (result i32)
          (drop (call $tick_every (i32.const 100))) (i32.const 1))
        (func (export "proxy_on_done") (param i32) (result i32) (call $say {"not yet"}) (i32.const 0))
        (func (export "proxy_on_tick") (param i32) (call $say_status (call $done)))
        (func (export "proxy_on_delete") (param i32) (call $say {"delete"}))"#,
    );
    gateway.advance(Duration::from_millis(100));
    gateway.stop();
    assert_eq!(texts(&gateway), ["1", "not yet"]);
    gateway.advance(Duration::from_secs(9));
    assert_eq!(texts(&gateway)[2..], ["0", "delete"]);
}
