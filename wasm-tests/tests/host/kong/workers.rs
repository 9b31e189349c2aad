//! Kong's workers: starting, ticks, shared data, metrics and the log.

use super::super::fixture::texts;
use super::{at_request, fixture, kong, request_headers};
use std::time::Duration;
use wasm_tests::host::{Gateway, Isolation, Level, Profile, Request, SharedStore};

#[test]
fn a_refused_configuration_lets_traffic_pass_without_the_filter() {
    let gateway = kong()
        .start(&fixture(
            r#"(func (export "proxy_on_configure") (param i32 i32) (result i32) (i32.const 0))
            (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
              (call $reject (i32.const 401) {"no"}) (i32.const 1))"#,
        ))
        .expect("Kong starts, without a filter chain");
    let exchange = gateway.send(Request::post("/a").body("x"));
    assert_eq!(exchange.upstream().unwrap().get(":path"), Some(b"/a".as_slice()));
    assert_eq!((exchange.upstream_body(), exchange.response().unwrap().status()), (b"x".to_vec(), 200));
}

#[test]
fn imports_that_the_host_lacks_stop_the_module_from_loading() {
    for (name, text) in [
        ("proxy_get_log_level", "(drop (call $log_level (i32.const 8)))"),
        ("proxy_get_header_map_size", "(drop (call $headers_size (i32.const 0) (i32.const 8)))"),
        ("proxy_get_buffer_status", "(drop (call $buffer_status (i32.const 0) (i32.const 8) (i32.const 12)))"),
    ] {
        let failure = kong().start(&fixture(&format!("(func {text})"))).unwrap_err();
        assert!(failure.to_string().contains(name), "{failure}");
    }
    let unknown = r#"(import "env" "thread_spawn" (func))"#;
    let module = wasm_tests::host::Module::from_wat(&format!(
        r#"(module {unknown} (memory (export "memory") 1) (func (export "proxy_abi_version_0_2_1")))"#
    ));
    assert!(kong().start(&module).is_err());
}

/// Sets a tick period as the root context, and as a stream in a request.
fn ticking(at_tick: &str) -> String {
    format!(
        r#"(func (export "proxy_on_configure") (param i32 i32) (result i32)
          (call $say {{"configured"}}) (drop (call $tick_every (i32.const 1000))) (i32.const 1))
        (func (export "proxy_on_tick") (param i32) (call $say {{"tick"}}) {at_tick})"#
    )
}

fn ticks(gateway: &Gateway) -> usize {
    texts(gateway).iter().filter(|text| *text == "tick").count()
}

#[test]
fn every_worker_ticks() {
    let gateway = kong().workers(2).start(&fixture(&ticking(""))).unwrap();
    gateway.advance(Duration::from_secs(3));
    assert_eq!(ticks(&gateway), 6);
}

#[test]
fn a_second_tick_period_and_one_of_a_stream_trap() {
    let again = fixture(&ticking("(drop (call $tick_every (i32.const 500)))"));
    let gateway = kong().expect_traps().start(&again).unwrap();
    gateway.advance(Duration::from_secs(1));
    assert!(gateway.traps()[0].contains("the tick period has already been set"), "{}", gateway.traps()[0]);
    let stream = fixture(&request_headers("(drop (call $tick_every (i32.const 500))) (i32.const 0)"));
    let gateway = kong().expect_traps().start(&stream).unwrap();
    gateway.send(Request::get("/"));
    assert!(gateway.traps()[0].contains("only the root context"), "{}", gateway.traps()[0]);
}

#[test]
fn a_trap_leaks_a_ticker() {
    let text = format!("{} {}", ticking(""), request_headers("unreachable"));
    let gateway = kong().expect_traps().start(&fixture(&text)).unwrap();
    gateway.send(Request::get("/"));
    gateway.send(Request::get("/"));
    gateway.advance(Duration::from_secs(1));
    // The third VM was loaded for the first tick: its own ticker begins later.
    assert_eq!(ticks(&gateway), 2, "those of the first two VMs");
    gateway.advance(Duration::from_secs(1));
    assert_eq!(ticks(&gateway), 2 + 3);
}

#[test]
fn stream_isolation_leaks_a_ticker_for_every_request() {
    let profile = Profile { isolation: Isolation::Stream, ..Profile::kong() };
    let gateway = Gateway::new(profile).log_level(Level::Info).start(&fixture(&ticking(""))).unwrap();
    gateway.send(Request::get("/"));
    gateway.advance(Duration::from_secs(1));
    assert_eq!(ticks(&gateway), 2);
}

/// GET writes `x-value` under `x-key` with cas 0 and then with the current one, logging the statuses, then the value.
const STORE: &str = r#"
    (global $key (mut i32) (i32.const 0)) (global $length (mut i32) (i32.const 0))
    (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
      (drop (call $get_header (i32.const 0) {"x-key"} (i32.const 0) (i32.const 4)))
      (global.set $key (i32.load (i32.const 0))) (global.set $length (i32.load (i32.const 4)))
      (drop (call $get_header (i32.const 0) {"x-value"} (i32.const 0) (i32.const 4)))
      (call $say_status (call $set_shared (global.get $key) (global.get $length)
        (i32.load (i32.const 0)) (i32.load (i32.const 4)) (i32.const 0)))
      (call $say_status
        (call $get_shared (global.get $key) (global.get $length) (i32.const 0) (i32.const 4) (i32.const 8)))
      (call $say_value)
      (call $say_status (call $set_shared (global.get $key) (global.get $length)
        (i32.load (i32.const 0)) (i32.load (i32.const 4)) (i32.load (i32.const 8))))
      (i32.const 0))"#;

fn storing(key: &str, value: &str) -> Request {
    Request::get("/").header("x-key", key).header("x-value", value)
}

#[test]
fn shared_data_that_are_not_configured_trap() {
    let gateway = kong().expect_traps().start(&fixture(STORE)).unwrap();
    assert_eq!(gateway.send(storing("a", "1")).reply().unwrap().status, 500);
    assert!(gateway.traps()[0].contains("no store for shared data"));
}

#[test]
fn keys_with_the_same_crc32_are_the_same_and_cas_0_writes_only_what_is_absent() {
    let profile = Profile { shared_data: SharedStore::ByCrc32, ..Profile::kong() };
    let gateway = Gateway::new(profile).log_level(Level::Info).start(&fixture(STORE)).unwrap();
    gateway.send(storing("plumless", "one"));
    assert_eq!(texts(&gateway), ["0", "0", "one", "0"]);
    gateway.send(storing("buckeroo", "two"));
    assert_eq!(texts(&gateway)[4..], ["8", "0", "one", "0"], "the other key's value, written over with its cas");
    assert_eq!(gateway.shared_data("plumless"), Some(b"one".to_vec()));
}

#[test]
fn metrics_count_and_their_names_are_limited() {
    let define = |length: usize| {
        let name = "m".repeat(length);
        let text = request_headers(&format!(
            r#"(drop (call $define_metric (i32.const 0) {{"{name}"}} (i32.const 8)))
            (drop (call $increment_metric (i32.load (i32.const 8)) (i64.const 2))) (i32.const 0)"#
        ));
        let gateway = kong().expect_traps().start(&fixture(&text)).unwrap();
        gateway.send(Request::get("/"));
        (gateway.metric(&name), gateway.traps().len())
    };
    assert_eq!(define(237), (2, 0), "with `pw:hub-auth-filter:` before it, 256");
    assert_eq!(define(238), (0, 1));
}

#[test]
#[should_panic(expected = "metric 400 is unknown")]
fn an_unknown_metric_traps() {
    at_request("(drop (call $increment_metric (i32.const 400) (i64.const 1))) (i32.const 0)").send(Request::get("/"));
}

#[test]
fn info_is_hidden_at_the_default_level() {
    let text =
        request_headers(r#"(call $say {"info"}) (drop (call $proxy_log (i32.const 3) {"warning"})) (i32.const 0)"#);
    let gateway = Gateway::new(Profile::kong()).start(&fixture(&text)).unwrap();
    gateway.send(Request::get("/"));
    assert_eq!(texts(&gateway), ["warning"]);
}
