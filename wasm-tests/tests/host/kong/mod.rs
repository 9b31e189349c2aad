//! Kong's host: what a filter gets of a request, what it can change, and what its replies become. The table at the top of
//! `profile/kong.rs` says which test shows which statement.

mod callouts;
mod responses;
mod traps;
mod workers;

use super::fixture::{self, texts};
use wasm_tests::host::{Answer, Builder, Gateway, Level, Module, Outcome, Peer, Profile, Request};

/// A Kong with one worker that is about to start, and logs what fixtures say.
fn kong() -> Builder {
    Gateway::new(Profile::kong()).log_level(Level::Info)
}

/// A module with this and, as filters made with an SDK have them, all the callbacks that it leaves out.
fn fixture(text: &str) -> Module {
    let callbacks = [
        ("proxy_on_request_headers", "i32 i32 i32", "(result i32) (i32.const 0)"),
        ("proxy_on_request_body", "i32 i32 i32", "(result i32) (i32.const 0)"),
        ("proxy_on_response_headers", "i32 i32 i32", "(result i32) (i32.const 0)"),
        ("proxy_on_response_body", "i32 i32 i32", "(result i32) (i32.const 0)"),
        ("proxy_on_response_trailers", "i32 i32", "(result i32) (i32.const 0)"),
        ("proxy_on_http_call_response", "i32 i32 i32 i32 i32", ""),
        ("proxy_on_done", "i32", "(result i32) (i32.const 1)"),
        ("proxy_on_log", "i32", ""),
        ("proxy_on_delete", "i32", ""),
    ];
    let absent = callbacks.iter().filter(|(name, ..)| !text.contains(&format!("(export \"{name}\")")));
    let absent: String =
        absent.map(|(name, params, rest)| format!("\n(func (export \"{name}\") (param {params}) {rest})")).collect();
    fixture::fixture(&format!("{text}{absent}"))
}

fn running(text: &str) -> Gateway {
    kong().start(&fixture(text)).expect("a fixture that starts")
}

/// Runs this at each request's headers; it leaves the action on the stack.
fn at_request(text: &str) -> Gateway {
    running(&request_headers(text))
}

fn request_headers(text: &str) -> String {
    format!(r#"(func (export "proxy_on_request_headers") (param $context i32) (param i32 i32) (result i32) {text})"#)
}

fn said_at_request(text: &str, request: Request) -> Vec<String> {
    let gateway = at_request(&format!("{text} (i32.const 0)"));
    gateway.send(request);
    texts(&gateway)
}

fn hub() -> Peer {
    Peer::verified(r"CN=abc,OU=3c1f,O=\D8\A8,C=AE").issuer("CN=CA").pem("-----BEGIN\n").sha1("c0ffee")
}

const FACTS: &str = r#"
    (call $say_property {"ngx\0ssl_client_verify"}) (call $say_property {"ngx\0ssl_client_s_dn"})
    (call $say_property {"ngx\0ssl_client_i_dn"}) (call $say_property {"ngx\0ssl_client_raw_cert"})
    (call $say_property {"ngx\0ssl_client_fingerprint"}) (call $say_property {"connection\0mtls"})"#;

#[test]
fn the_client_certificate_is_in_nginx_variables() {
    let said = said_at_request(FACTS, Request::get("/").peer(hub()));
    assert_eq!(said, ["SUCCESS", r"CN=abc,OU=3c1f,O=\D8\A8,C=AE", "CN=CA", "-----BEGIN\n", "c0ffee", "true"]);
}

#[test]
fn a_property_has_the_same_name_in_one_segment_and_in_two() {
    let text = r#"(call $say_property {"ngx.ssl_client_verify"}) (call $say_property {"ngx\0ssl_client_verify"})
        (call $say_property {"ssl_client_verify"})"#;
    assert_eq!(said_at_request(text, Request::get("/").peer(hub())), ["SUCCESS", "SUCCESS", "1"]);
    let odd = hub().property(&["ngx", "ssl_client_verify"], "odd");
    assert_eq!(said_at_request(text, Request::get("/").peer(odd)), ["odd", "odd", "1"]);
}

#[test]
fn without_a_client_certificate_only_the_result_of_its_verification_is_there() {
    assert_eq!(said_at_request(FACTS, Request::get("/")), ["NONE", "1", "1", "1", "1", "false"]);
    let plain = Request::get("/").peer(Peer::plaintext());
    assert_eq!(said_at_request(FACTS, plain), ["1"; 6], "without TLS not even that");
}

#[test]
fn an_untrusted_certificate_is_a_400_before_the_filter() {
    let gateway = at_request(r#"(call $say {"seen"}) (i32.const 0)"#);
    let exchange = gateway.send(Request::get("/").peer(Peer::untrusted("CN=abc", "unable to verify")));
    assert_eq!(exchange.reply().unwrap().status, 400);
    assert!(texts(&gateway).is_empty());
}

#[test]
fn the_other_properties_of_envoys_connection_are_absent_and_an_alert_at_each_question() {
    let text = r#"(call $say_property {"connection\0subject_peer_certificate"})
        (call $say_property {"connection\0sha256_peer_certificate_digest"})"#;
    let alert = |name| format!(r#"[alert] NYI - "connection.{name}" property"#);
    let expected = [&alert("subject_peer_certificate"), "1", &alert("sha256_peer_certificate_digest"), "1"];
    assert_eq!(said_at_request(text, Request::get("/").peer(hub())), expected);
}

#[test]
fn the_upstream_scheme_can_be_read_and_set_and_an_invalid_one_ends_in_500() {
    let set = |scheme: &str| {
        at_request(&format!(
            r#"(call $say_property {{"ngx\0upstream_scheme"}})
            (call $say_status (call $set_property {{"ngx\0upstream_scheme"}} {{"{scheme}"}}))
            (call $say_property {{"ngx.upstream_scheme"}}) (i32.const 0)"#
        ))
    };
    let gateway = set("invalid");
    let exchange = gateway.send(Request::get("/"));
    assert_eq!(texts(&gateway), ["http", "0", "invalid"]);
    assert_eq!(exchange.reply().expect("no way upstream").status, 500);
    assert!(set("https").send(Request::get("/")).upstream().is_some());
}

#[test]
fn other_nginx_variables_can_not_be_set() {
    let text = r#"(call $say_status (call $set_property {"ngx\0ssl_client_verify"} {"SUCCESS"}))
        (call $say_property {"ngx\0ssl_client_verify"})
        (call $say_status (call $set_property {"ngx\0no_such"} {"x"}))
        (call $say_status (call $set_property {"mine"} {"x"}))"#;
    assert_eq!(said_at_request(text, Request::get("/")), ["10", "NONE", "1", "1"]);
}

#[test]
fn authority_is_the_server_name_with_its_port_and_host_is_the_real_one() {
    let text = r#"(call $say_header {":authority"}) (call $say_header {"host"})"#;
    assert_eq!(said_at_request(text, Request::get("/").authority("bank.example")), ["kong:8443", "bank.example"]);
    let sent = at_request("(i32.const 0)").send(Request::get("/")).upstream().unwrap();
    assert_eq!(sent.get(":authority"), Some(b"bank.example".as_slice()));
}

#[test]
fn the_path_is_percent_decoded_and_the_property_is_raw() {
    let text = r#"(call $say_header {":path"}) (call $say_property {"request\0path"})
        (call $say_property {"request\0url_path"}) (call $say_property {"request\0query"})"#;
    let request = Request::get("/a%2Fb%zz?c=%64");
    assert_eq!(said_at_request(text, request.clone()), ["/a/b%zz?c=%64", "/a%2Fb%zz?c=%64", "/a/b%zz", "c=%64"]);
    let sent = at_request("(i32.const 0)").send(request).upstream().unwrap();
    assert_eq!(sent.get(":path"), Some(b"/a%2Fb%zz?c=%64".as_slice()));
}

fn with_headers(count: usize) -> Request {
    (1..count).fold(Request::get("/"), |request, n| request.header(format!("x-{n}"), "there"))
}

const READ_MAP: &str = r#"(call $say_status (local.get 1)) (call $say_status (local.get 2))
    (call $say_status (call $get_headers (i32.const 0) (i32.const 0) (i32.const 4)))
    (call $say_number (i64.load32_u (i32.load (i32.const 0)))) (i32.const 0)"#;

#[test]
fn the_number_of_headers_is_without_pseudo_headers_and_the_stream_never_ends_with_them() {
    let gateway = at_request(READ_MAP);
    gateway.send(with_headers(96));
    assert_eq!(texts(&gateway), ["96", "0", "0", "100"]);
}

#[test]
#[should_panic(expected = "a map of 101 headers overruns the module's memory")]
fn a_map_of_more_than_100_pairs_crashes_the_worker() {
    at_request(READ_MAP).send(with_headers(97));
}

#[test]
fn a_single_header_can_be_read_however_many_there_are() {
    let said = said_at_request(r#"(call $say_header {"x-150"})"#, with_headers(200));
    assert_eq!(said, ["there"]);
}

#[test]
fn a_removed_header_stays_readable_and_goes_upstream() {
    let gateway = at_request(
        r#"(call $say_status (call $remove_header (i32.const 0) {"X-Id"})) (call $say_header {"x-id"})
        (drop (call $get_headers (i32.const 0) (i32.const 0) (i32.const 4)))
        (call $say_number (i64.load32_u (i32.load (i32.const 0)))) (i32.const 0)"#,
    );
    let sent = gateway.send(Request::get("/").header("x-id", "evil")).upstream().unwrap();
    assert_eq!(texts(&gateway), ["0", "evil", "5"], "only the map does not show it");
    assert_eq!(sent.all("x-id"), [b"evil"]);
}

#[test]
fn replacing_overwrites_the_first_and_its_repetitions_still_go_upstream() {
    let gateway = at_request(r#"(drop (call $replace_header (i32.const 0) {"x-id"} {"good"})) (i32.const 0)"#);
    let request = Request::get("/").header("x-id", "evil").header("x-id", "worse");
    assert_eq!(gateway.send(request).upstream().unwrap().all("x-id"), [b"good".as_slice(), b"worse"]);
    let gateway = at_request(
        r#"(drop (call $remove_header (i32.const 0) {"x-id"}))
        (drop (call $replace_header (i32.const 0) {"x-id"} {"good"})) (call $say_header {"x-id"}) (i32.const 0)"#,
    );
    let sent = gateway.send(Request::get("/").header("x-id", "evil")).upstream().unwrap();
    assert_eq!(sent.all("x-id"), [b"evil".as_slice(), b"good"], "what was removed is not found");
    assert_eq!(texts(&gateway), ["evil"]);
}

#[test]
fn the_first_of_repeated_headers_is_found() {
    let request = Request::get("/").header("x-a", "a").header("x-a", "b");
    assert_eq!(said_at_request(r#"(call $say_header {"x-a"})"#, request), ["a"]);
}

#[test]
fn two_authorization_headers_are_a_400_before_the_filter() {
    let gateway = at_request(r#"(call $say {"seen"}) (i32.const 0)"#);
    let request = Request::get("/").header("authorization", "Bearer a").header("Authorization", "Bearer b");
    assert_eq!(gateway.send(request).reply().unwrap().status, 400);
    assert!(texts(&gateway).is_empty());
}

#[test]
fn headers_of_the_request_and_the_configuration_can_be_read_at_any_time() {
    let text = r#"(func (export "proxy_on_response_headers") (param i32 i32 i32) (result i32)
        (call $say_header {"x-a"})
        (drop (call $get_buffer (i32.const 7) (i32.const 0) (i32.const 99) (i32.const 0) (i32.const 4)))
        (call $say_value) (i32.const 0))"#;
    let gateway = kong().configuration("{}").start(&fixture(text)).unwrap();
    gateway.send(Request::get("/").header("x-a", "a"));
    assert_eq!(texts(&gateway), ["a", "{}"]);
}

#[test]
fn the_place_to_read_a_buffer_from_is_ignored_and_nothing_is_written_for_nothing() {
    let text = request_headers(
        r#"(drop (call $get_buffer (i32.const 7) (i32.const 2) (i32.const 3) (i32.const 0) (i32.const 4)))
        (call $say_value)
        (i64.store (i32.const 16) (i64.const 7))
        (call $say_status (call $get_buffer (i32.const 7) (i32.const 0) (i32.const 0) (i32.const 16) (i32.const 20)))
        (call $say_status (i32.load (i32.const 16))) (i32.const 0)"#,
    );
    let gateway = kong().configuration("abcdef").start(&fixture(&text)).unwrap();
    gateway.send(Request::get("/"));
    assert_eq!(texts(&gateway), ["abc", "0", "7"]);
}

#[test]
fn a_body_is_shown_once_and_whole() {
    let gateway = running(
        r#"(func (export "proxy_on_request_body") (param i32 i32 i32) (result i32)
          (call $say_status (local.get 1)) (call $say_status (local.get 2)) (i32.const 0))"#,
    );
    let exchange = gateway.send(Request::post("/").body("body"));
    assert_eq!((texts(&gateway), exchange.upstream_body()), (vec!["4".to_owned(), "1".to_owned()], b"body".to_vec()));
}

#[test]
fn a_reply_gains_a_line_feed_and_keeps_the_last_of_repeated_headers() {
    let gateway = at_request(
        r#"(drop (call $reply (i32.const 401) {"no"} {"body"} {map:"x-a=1,x-b=2,x-a=3"} (i32.const -1))) (i32.const 1)"#,
    );
    let reply = gateway.send(Request::get("/")).reply().unwrap();
    assert_eq!((reply.status, reply.body.as_slice()), (401, b"body\n".as_slice()));
    assert_eq!(reply.headers.all("x-a"), [b"3"]);
    assert_eq!(reply.headers.get("content-length"), Some(b"5".as_slice()));
}

#[test]
fn a_reply_with_an_impossible_status_is_refused() {
    for status in ["99", "1000"] {
        let gateway = at_request(&format!(
            r#"(call $say_status (call $reply (i32.const {status}) {{""}} {{"x"}} {{map:"x-a=1"}} (i32.const -1)))
            (i32.const 0)"#
        ));
        assert!(gateway.send(Request::get("/")).upstream().is_some());
        assert_eq!(texts(&gateway), ["2"]);
    }
}

#[test]
#[should_panic(expected = "a local response has been sent already")]
fn a_second_reply_traps() {
    at_request(r#"(call $reject (i32.const 401) {"1"}) (call $reject (i32.const 402) {"2"}) (i32.const 0)"#)
        .send(Request::get("/"));
}

#[test]
fn a_response_goes_on_whatever_the_filter_returns() {
    let gateway = running(
        r#"(func (export "proxy_on_response_headers") (param i32 i32 i32) (result i32)
          (drop (call $add_header (i32.const 2) {"x-filter"} {"1"})) (i32.const 1))"#,
    );
    gateway.bank(Answer::ok("ok"));
    let response = gateway.send(Request::get("/")).response().expect("no hanging");
    assert!(response.headers.has("x-filter"));
    assert_eq!(response.body, b"ok");
}

/// A request marks its context; a response of a context without the mark is replaced.
const NOTICES: &str = r#"(global $seen (mut i32) (i32.const 0))
    (func (export "proxy_on_request_headers") (param $context i32) (param i32 i32) (result i32)
      (global.set $seen (local.get $context)) (i32.const 0))
    (func (export "proxy_on_response_headers") (param $context i32) (param i32 i32) (result i32)
      (if (i32.ne (global.get $seen) (local.get $context)) 
        (then
          (drop (call $reply (i32.const 500) {""} {""} {map:"x-fixture=1"} (i32.const -1)))
          (drop (call $replace_header (i32.const 2) {"content-length"} {"7"}))
          (drop (call $reply (i32.const 500) {""} {"unseen"} {map:"x-fixture=1"} (i32.const -1)))))
      (i32.const 0))"#;

#[test]
fn buffered_proxying_skips_the_request_phase_and_only_the_response_can_be_replaced() {
    let gateway = running(NOTICES);
    assert_eq!(gateway.send(Request::get("/")).response().unwrap().status(), 200);
    let exchange = gateway.send(Request::get("/").skips_the_request_phase());
    assert!(matches!(exchange.outcome(), Outcome::Upstream(_)), "the bank has seen it");
    assert_eq!(exchange.response().unwrap().status(), 500);
}

#[test]
fn an_answer_of_another_plugin_passes_the_filter_on_a_fresh_context() {
    let gateway = running(NOTICES);
    let exchange = gateway.send(Request::get("/").answered_before_the_filter(Answer::status(429)));
    assert_eq!(exchange.response().unwrap().status(), 500);
    assert!(exchange.upstream().is_none());
}
