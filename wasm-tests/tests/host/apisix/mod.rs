//! APISIX's host: what a filter gets of a request, what it can change, and what its replies become. The table at the top of
//! `profile/apisix.rs` says which test shows which statement.

mod callouts;
mod workers;

use super::fixture::{fixture, texts};
use wasm_tests::host::{Answer, Builder, Gateway, Level, Outcome, Peer, Profile, Request};

/// An APISIX with one worker that is about to start, and logs what fixtures say.
fn apisix() -> Builder {
    Gateway::new(Profile::apisix()).log_level(Level::Info)
}

fn running(text: &str) -> Gateway {
    apisix().start(&fixture(text)).expect("a fixture that starts")
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

const FACTS: &str = r#"
    (call $say_property {"ssl_client_verify"}) (call $say_property {"ssl_client_s_dn"})
    (call $say_property {"ssl_client_i_dn"}) (call $say_property {"ssl_client_raw_cert"})"#;

#[test]
fn a_property_is_one_nginx_variable() {
    let hub = Peer::verified("CN=abc,OU=3c1f").issuer("CN=CA").pem("-----BEGIN\n");
    let request = Request::get("/a%20b?c").peer(hub);
    assert_eq!(said_at_request(FACTS, request.clone()), ["SUCCESS", "CN=abc,OU=3c1f", "CN=CA", "-----BEGIN\n"]);
    let others = r#"(call $say_property {"SSL_Client_Verify"}) (call $say_property {"request_uri"})
        (call $say_property {"ngx\0ssl_client_verify"}) (call $say_property {"ngx.ssl_client_verify"})
        (call $say_property {"connection\0mtls"}) (call $say_property {"request\0path"})"#;
    assert_eq!(said_at_request(others, request), ["SUCCESS", "/a%20b?c", "1", "1", "1", "1"]);
}

#[test]
fn without_a_client_certificate_only_the_result_of_its_verification_is_there() {
    assert_eq!(said_at_request(FACTS, Request::get("/")), ["NONE", "1", "1", "1"]);
}

#[test]
fn on_plain_http_there_is_no_certificate_variable() {
    assert_eq!(said_at_request(FACTS, Request::get("/").peer(Peer::plaintext())), ["1"; 4]);
}

#[test]
fn a_distrusted_certificate_reaches_the_filter_with_its_subject_readable() {
    let evil = Peer::untrusted("CN=abc,OU=3c1f", "self-signed certificate").issuer("CN=evil");
    let said = said_at_request(FACTS, Request::get("/").peer(evil));
    assert_eq!(said, ["FAILED:self-signed certificate", "CN=abc,OU=3c1f", "CN=evil", "1"]);
}

#[test]
fn a_property_read_outside_a_request_is_status_2() {
    let text = format!(
        r#"(func (export "proxy_on_configure") (param i32 i32) (result i32)
          (call $say_property {{"ssl_client_verify"}}) (call $say_property {{"plugin_root_id"}})
          (call $say_header {{":path"}}) (i32.const 1)) {}"#,
        request_headers("(i32.const 0)"),
    );
    let gateway = running(&text);
    gateway.send(Request::get("/"));
    assert_eq!(texts(&gateway), ["2", "hub-auth-filter", "2"]);
}

#[test]
fn of_the_variables_only_some_can_be_set() {
    let text = r#"(call $say_status (call $set_property {"ssl_client_verify"} {"SUCCESS"}))
        (call $say_property {"ssl_client_verify"})
        (call $say_status (call $set_property {"no_such"} {"x"}))
        (call $say_status (call $set_property {"upstream_scheme"} {"invalid"}))"#;
    let gateway = at_request(&format!("{text} (i32.const 0)"));
    let exchange = gateway.send(Request::get("/"));
    assert_eq!(texts(&gateway), ["10", "NONE", "1", "0"]);
    assert_eq!(exchange.reply().expect("no way upstream").status, 500);
}

fn with_headers(count: usize) -> Request {
    (1..count).fold(Request::get("/"), |request, n| request.header(format!("x-{n}"), "there"))
}

#[test]
fn the_map_shows_the_first_100_headers_and_a_lookup_finds_all() {
    let text = r#"(drop (call $get_headers (i32.const 0) (i32.const 0) (i32.const 4)))
        (call $say_number (i64.load32_u (i32.load (i32.const 0)))) (call $say_header {"x-149"})"#;
    assert_eq!(said_at_request(text, with_headers(96)), ["103", "1"], "with four pseudo headers");
    assert_eq!(said_at_request(text, with_headers(150)), ["104", "there"]);
    let gateway = at_request("(i32.const 0)");
    assert_eq!(gateway.send(with_headers(150)).upstream().unwrap().len(), 157);
}

#[test]
fn the_map_of_a_response_with_more_than_20_headers_cannot_be_read() {
    let gateway = running(
        r#"(func (export "proxy_on_response_headers") (param i32 i32 i32) (result i32)
          (drop (call $get_headers (i32.const 2) (i32.const 0) (i32.const 4)))
          (call $say_number (i64.load32_u (i32.load (i32.const 0)))) (call $say_property {"upstream_http_x_a"}) (i32.const 0))"#,
    );
    for (count, shown) in [(17, "20"), (18, "0")] {
        let answer = (1..count).fold(Answer::ok(""), |answer, n| answer.header(format!("x-{n}"), "1"));
        gateway.bank(answer.header("x-a", "1").header("x-a", "2"));
        let before = gateway.logs().len();
        gateway.send(Request::get("/"));
        assert_eq!(
            texts(&gateway)[before..],
            [shown, "1, 2"],
            "`:status`, a length, and {count} more, one of them twice"
        );
    }
}

#[test]
fn three_headers_are_added_before_the_filter() {
    let text = r#"(call $say_header {"x-forwarded-proto"}) (call $say_header {"x-forwarded-host"})
        (call $say_header {"x-forwarded-port"})"#;
    assert_eq!(said_at_request(text, Request::get("/").authority("bank.example")), ["https", "bank.example", "9443"]);
}

#[test]
fn after_a_write_to_the_configuration_there_are_new_root_contexts() {
    let text = r#"(func (export "proxy_on_configure") (param i32 i32) (result i32) (call $say {"configured"}) (i32.const 1))
        (func (export "proxy_on_delete") (param i32) (call $say {"deleted"}))
        (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) (call $say {"request"}) (i32.const 0))"#;
    let gateway = running(text);
    gateway.send(Request::get("/"));
    gateway.rewrite_configuration();
    gateway.send(Request::get("/"));
    let said = texts(&gateway);
    assert_eq!(
        said,
        ["configured", "request", "deleted", "configured", "request", "deleted"],
        "each request ends, no root does"
    );
}

#[test]
fn there_are_always_0_headers_and_the_stream_always_ends() {
    let text = "(call $say_status (local.get 1)) (call $say_status (local.get 2))";
    assert_eq!(said_at_request(text, Request::post("/").body("x").header("x-a", "1")), ["0", "1"]);
}

#[test]
fn the_path_is_as_it_came_and_authority_is_the_host() {
    let text = r#"(call $say_header {":path"}) (call $say_header {":authority"}) (call $say_header {"host"})"#;
    let request = Request::get("/a%2Fb?c").authority("bank.example:8443");
    assert_eq!(said_at_request(text, request), ["/a%2Fb?c", "bank.example:8443", "bank.example:8443"]);
}

#[test]
#[should_panic(expected = "the map of a request without a host")]
fn without_a_host_the_map_crashes_the_worker() {
    let gateway = at_request("(drop (call $get_headers (i32.const 0) (i32.const 0) (i32.const 4))) (i32.const 0)");
    gateway.send(Request::get("/").authority(""));
}

#[test]
fn without_a_host_authority_crashes_the_worker_and_other_headers_can_be_read() {
    let gateway = apisix().expect_crashes();
    let gateway =
        gateway.start(&fixture(&request_headers(r#"(call $say_header {":authority"}) (i32.const 0)"#))).unwrap();
    gateway.send(Request::get("/").authority(""));
    assert_eq!(gateway.crashes().len(), 1);
    let text = r#"(call $say_header {"host"}) (call $say_header {"x-a"}) (call $say_header {":path"})"#;
    assert_eq!(said_at_request(text, Request::get("/").authority("").header("x-a", "a")), ["1", "a", "/"]);
}

#[test]
fn a_removed_header_is_gone() {
    let gateway =
        at_request(r#"(drop (call $remove_header (i32.const 0) {"x-a"})) (call $say_header {"x-a"}) (i32.const 0)"#);
    let sent = gateway.send(Request::get("/").header("x-a", "1").header("x-a", "2")).upstream().unwrap();
    assert_eq!((texts(&gateway), sent.has("x-a")), (vec!["1".to_owned()], false));
}

#[test]
fn an_empty_value_removes_a_header() {
    for call in ["$replace_header", "$add_header"] {
        let gateway = at_request(&format!(
            r#"(drop (call {call} (i32.const 0) {{"x-a"}} (i32.const 0) (i32.const 0))) (i32.const 0)"#
        ));
        let sent = gateway.send(Request::get("/").header("x-a", "1")).upstream().unwrap();
        assert!(!sent.has("x-a"), "{call}");
    }
}

#[test]
fn the_first_of_repeated_headers_is_found_and_replacing_replaces_all() {
    let request = Request::get("/").header("x-a", "a").header("x-a", "b");
    let gateway = at_request(
        r#"(call $say_header {"x-a"}) (drop (call $replace_header (i32.const 0) {"x-a"} {"3"})) (i32.const 0)"#,
    );
    let sent = gateway.send(request).upstream().unwrap();
    assert_eq!((texts(&gateway), sent.all("x-a")), (vec!["a".to_owned()], vec![b"3".as_slice()]));
}

#[test]
fn two_authorization_headers_are_a_400_before_the_filter() {
    let gateway = at_request(r#"(call $say {"seen"}) (i32.const 0)"#);
    let request = Request::get("/").header("authorization", "Bearer a").header("Authorization", "Bearer b");
    assert_eq!(gateway.send(request).reply().unwrap().status, 400);
    assert!(texts(&gateway).is_empty());
}

#[test]
fn bodies_are_not_shown() {
    let gateway = running(
        r#"(func (export "proxy_on_request_body") (param i32 i32 i32) (result i32) (call $say {"request"}) (i32.const 0))
        (func (export "proxy_on_response_body") (param i32 i32 i32) (result i32) (call $say {"response"}) (i32.const 0))"#,
    );
    gateway.bank(Answer::ok("ok"));
    let exchange = gateway.send(Request::post("/").body("body"));
    assert_eq!((exchange.upstream_body(), exchange.response().unwrap().body), (b"body".to_vec(), b"ok".to_vec()));
    assert!(texts(&gateway).is_empty());
}

#[test]
fn a_reply_keeps_repeated_headers() {
    let gateway = at_request(
        r#"(drop (call $reply (i32.const 401) {"no"} {"body"} {map:"x-a=1,x-a=2"} (i32.const -1))) (i32.const 1)"#,
    );
    let reply = gateway.send(Request::get("/")).reply().unwrap();
    assert_eq!((reply.status, reply.body.as_slice()), (401, b"body".as_slice()));
    assert_eq!(reply.headers.all("x-a"), [b"1", b"2"]);
}

#[test]
fn a_reply_without_a_body_is_an_error_page_of_nginx() {
    let gateway = at_request(
        r#"(drop (call $reply (i32.const 401) {""} (i32.const 0) (i32.const 0) {map:"x-a=1"} (i32.const -1)))
        (i32.const 1)"#,
    );
    let reply = gateway.send(Request::get("/")).reply().unwrap();
    assert!(reply.body.starts_with(b"<html>"), "{reply:?}");
}

#[test]
fn a_reply_with_a_status_below_100_is_none_and_the_request_goes_upstream() {
    let gateway = at_request(
        r#"(call $say_status (call $reply (i32.const 99) {""} {"x"} {map:"x-a=1"} (i32.const -1))) (i32.const 0)"#,
    );
    assert!(gateway.send(Request::get("/")).upstream().is_some());
    assert_eq!(texts(&gateway), ["0"]);
}

#[test]
fn the_second_of_two_replies_wins_with_the_headers_of_both() {
    let gateway = at_request(
        r#"(drop (call $reply (i32.const 401) {""} {"1"} {map:"x-a=1"} (i32.const -1)))
        (drop (call $reply (i32.const 402) {""} {"2"} {map:"x-b=2"} (i32.const -1))) (i32.const 0)"#,
    );
    let reply = gateway.send(Request::get("/")).reply().unwrap();
    assert_eq!((reply.status, reply.body.as_slice()), (402, b"2".as_slice()));
    assert!(reply.headers.has("x-a") && reply.headers.has("x-b"));
}

#[test]
fn in_the_response_only_headers_of_a_reply_apply() {
    for action in ["0", "1"] {
        let gateway = running(&format!(
            r#"(func (export "proxy_on_response_headers") (param i32 i32 i32) (result i32)
              (call $reject (i32.const 502) {{"bad"}}) (i32.const {action}))"#
        ));
        gateway.bank(Answer::ok("secret"));
        let response = gateway.send(Request::get("/")).response().unwrap();
        assert_eq!((response.status(), response.body.as_slice()), (200, b"secret".as_slice()));
        assert!(response.headers.has("x-fixture"));
    }
}

/// Rejects requests to `/no`; says whether the context of a response has seen a request.
const RESPONSES: &str = r#"(global $seen (mut i32) (i32.const 0))
    (func (export "proxy_on_request_headers") (param $context i32) (param i32 i32) (result i32)
      (global.set $seen (local.get $context))
      (drop (call $get_header (i32.const 0) {":path"} (i32.const 0) (i32.const 4)))
      (if (i32.eq (i32.load (i32.const 4)) (i32.const 3)) (then (call $reject (i32.const 401) {"no"})))
      (i32.const 0))
    (func (export "proxy_on_response_headers") (param $context i32) (param i32 i32) (result i32)
      (if (i32.eq (global.get $seen) (local.get $context)) (then (call $say {"seen"})) (else (call $say {"fresh"})))
      (global.set $seen (i32.const 0))
      (drop (call $get_header (i32.const 2) {":status"} (i32.const 0) (i32.const 4))) (call $say_value) (i32.const 0))"#;

#[test]
fn the_response_callback_runs_for_local_replies_too() {
    let gateway = running(RESPONSES);
    gateway.send(Request::get("/"));
    gateway.send(Request::get("/no"));
    assert_eq!(texts(&gateway), ["seen", "200", "seen", "401"]);
}

#[test]
fn the_response_callback_of_an_answer_of_another_plugin_runs_on_a_fresh_context() {
    let gateway = running(RESPONSES);
    let exchange = gateway.send(Request::get("/").answered_before_the_filter(Answer::status(429)));
    assert_eq!(texts(&gateway), ["fresh", "429"]);
    assert!(matches!(exchange.outcome(), Outcome::Replied(reply) if reply.status == 429));
}
