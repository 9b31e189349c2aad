//! APISIX's workers: loading, configurations, what is not implemented, traps and the log.

use super::super::fixture::{fixture, texts};
use super::{apisix, at_request, request_headers, running};
use std::time::Duration;
use wasm_tests::host::{
    AfterTrap, Answer, Cut, Exchange, Gateway, Level, Module, Outcome, Profile, Request, StartFailure, Upstream,
};

/// Says what it is configured with, and which root context each request has.
const CONFIGURED: &str = r#"
    (func $say_configuration
      (drop (call $get_buffer (i32.const 7) (i32.const 0) (i32.const 1) (i32.const 0) (i32.const 4))) (call $say_value))
    (func (export "proxy_on_vm_start") (param i32 i32) (result i32) (call $say {"vm start"}) (i32.const 1))
    (func (export "proxy_on_configure") (param $root i32) (param i32) (result i32)
      (call $say_status (local.get $root)) (call $say_configuration) (i32.const 1))
    (func (export "proxy_on_context_create") (param $context i32) (param $root i32)
      (if (local.get $root) (then (call $say_status (local.get $root)) (call $say_status (local.get $context)))))
    (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) (call $say_configuration) (i32.const 0))"#;

#[test]
fn a_root_context_is_made_for_each_configuration_at_its_first_request() {
    let gateway = apisix().workers(2).configuration("one").start(&fixture(CONFIGURED)).unwrap();
    assert!(texts(&gateway).is_empty(), "nothing is configured at the start");
    gateway.send(Request::get("/"));
    assert_eq!(texts(&gateway), ["1", "one", "1", "2", "one"], "and there is no proxy_on_vm_start");
    gateway.send(Request::get("/").configuration("two"));
    assert_eq!(texts(&gateway)[5..], ["3", "two", "3", "4", "two"]);
    gateway.send(Request::get("/").configuration("one"));
    assert_eq!(texts(&gateway)[10..], ["1", "2", "one"], "in the same VM, with the number of a stream that has ended");
    gateway.worker(1).send(Request::get("/"));
    assert_eq!(texts(&gateway)[13..], ["1", "one", "1", "2", "one"], "each worker for itself");
}

#[test]
fn configurations_share_the_memory_of_one_vm_per_worker() {
    let count = r#"(global $count (mut i32) (i32.const 0))
        (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
          (global.set $count (i32.add (global.get $count) (i32.const 1)))
          (call $say_status (global.get $count)) (i32.const 0))"#;
    let gateway = apisix().workers(2).start(&fixture(count)).unwrap();
    gateway.send(Request::get("/").configuration("one"));
    gateway.send(Request::get("/").configuration("two"));
    gateway.worker(1).send(Request::get("/"));
    assert_eq!(texts(&gateway), ["1", "2", "1"]);
}

#[test]
fn a_refused_configuration_is_a_503_at_each_request() {
    let gateway = running(
        r#"(func (export "proxy_on_configure") (param i32 i32) (result i32) (call $say {"no"}) (i32.const 0))
        (func (export "proxy_on_delete") (param i32) (call $say {"delete"}))"#,
    );
    for _ in 0..2 {
        assert_eq!(gateway.send(Request::get("/")).reply().unwrap().status, 503);
    }
    assert_eq!(texts(&gateway), ["no", "delete", "no", "delete"], "it is asked again each time");
}

fn unloadable(text: &str) -> Result<Gateway, StartFailure> {
    apisix().start(&fixture(&format!("{} (func {text})", request_headers("unreachable"))))
}

#[test]
fn a_module_that_can_not_be_loaded_lets_traffic_pass() {
    for text in [
        "(drop (call $log_level (i32.const 8)))",
        "(drop (call $get_metric (i32.const 0) (i32.const 8)))",
        "(drop (call $headers_size (i32.const 0) (i32.const 8)))",
        "(drop (call $buffer_status (i32.const 0) (i32.const 8) (i32.const 12)))",
    ] {
        let gateway = unloadable(text).expect("the gateway starts all the same");
        let exchange = gateway.send(Request::get("/"));
        assert!(exchange.upstream().is_some() && exchange.response().is_some(), "{text}");
    }
    let unknown = Module::from_wat(
        r#"(module (import "env" "thread_spawn" (func)) (memory (export "memory") 1)
           (func (export "proxy_abi_version_0_2_1")))"#,
    );
    assert!(apisix().start(&unknown).unwrap().send(Request::get("/")).upstream().is_some());
    let traps = fixture(r#"(func (export "_initialize") unreachable)"#);
    assert!(apisix().expect_traps().start(&traps).unwrap().send(Request::get("/")).upstream().is_some());
}

#[test]
fn calls_that_are_not_implemented_say_so() {
    for call in [
        r#"(call $get_shared {"key"} (i32.const 0) (i32.const 4) (i32.const 8))"#,
        r#"(call $set_shared {"key"} {"value"} (i32.const 0))"#,
        r#"(call $register_queue {"queue"} (i32.const 8))"#,
        r#"(call $resolve_queue (i32.const 0) (i32.const 0) {"queue"} (i32.const 8))"#,
        r#"(call $enqueue (i32.const 1) {"entry"})"#,
        "(call $dequeue (i32.const 1) (i32.const 0) (i32.const 4))",
        "(call $now (i32.const 8))",
        "(call $tick_every (i32.const 100))",
        r#"(call $set_headers (i32.const 0) {map:"a=1"})"#,
        r#"(call $set_buffer (i32.const 0) (i32.const 0) (i32.const 0) {"x"})"#,
        r#"(call $foreign {"x"} (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0))"#,
        "(call $get_status (i32.const 8) (i32.const 0) (i32.const 4))",
        "(call $done)",
    ] {
        let gateway = at_request(&format!("(call $say_status {call}) (i32.const 0)"));
        gateway.send(Request::get("/"));
        gateway.advance(Duration::from_secs(10));
        assert_eq!(texts(&gateway), ["12"], "{call}");
    }
}

#[test]
fn the_wasi_clock_works() {
    let gateway = at_request(
        r#"(call $say_status (call $clock (i32.const 0) (i64.const 0) (i32.const 16)))
        (call $say_number (i64.div_u (i64.load (i32.const 16)) (i64.const 1000000000))) (i32.const 0)"#,
    );
    gateway.send(Request::get("/"));
    assert_eq!(texts(&gateway), ["0".to_owned(), gateway.now().as_secs().to_string()]);
}

#[test]
fn the_steady_clock_begins_with_the_vm() {
    let gateway = at_request(
        r#"(call $say_status (call $clock (i32.const 1) (i64.const 0) (i32.const 16)))
        (call $say_number (i64.div_u (i64.load (i32.const 16)) (i64.const 1000000000))) (i32.const 0)"#,
    );
    gateway.advance(Duration::from_secs(7));
    gateway.send(Request::get("/"));
    assert_eq!(texts(&gateway), ["0", "7"]);
}

#[test]
fn metrics_have_no_effect() {
    let gateway = at_request(
        r#"(i32.store (i32.const 8) (i32.const 77))
        (call $say_status (call $define_metric (i32.const 0) {"requests"} (i32.const 8)))
        (call $say_status (i32.load (i32.const 8)))
        (call $say_status (call $increment_metric (i32.const 77) (i64.const 1)))
        (call $say_status (call $record_metric (i32.const 77) (i64.const 1))) (i32.const 0)"#,
    );
    gateway.send(Request::get("/"));
    assert_eq!(texts(&gateway), ["0", "77", "0", "0"], "no id is written");
    assert!(gateway.metrics().is_empty());
}

#[test]
fn a_stream_ends_with_done_and_delete_and_is_not_logged() {
    let gateway = running(
        r#"(func (export "proxy_on_log") (param i32) (call $say {"log"}))
        (func (export "proxy_on_done") (param i32) (result i32) (call $say {"done"}) (i32.const 1))
        (func (export "proxy_on_delete") (param i32) (call $say {"delete"}))"#,
    );
    gateway.send(Request::get("/"));
    assert_eq!(texts(&gateway), ["done", "delete"]);
}

/// A request to `/` fetches the keys; one to `/go` goes upstream; one with a body traps.
const TRAPS: &str = r#"
    (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
      (if (i32.eqz (call $get_header (i32.const 0) {"content-length"} (i32.const 0) (i32.const 4))) (then unreachable))
      (drop (call $get_header (i32.const 0) {":path"} (i32.const 0) (i32.const 4)))
      (if (i32.eq (i32.load (i32.const 4)) (i32.const 1)) (then (drop (call $fetch))))
      (i32.const 0))
    (func (export "proxy_on_http_call_response") (param i32 i32 i32) (param $body i32) (param i32)
      (if (local.get $body) (then unreachable)))
    (func (export "proxy_on_response_headers") (param i32 i32 i32) (result i32) (call $say {"response"}) (i32.const 0))"#;

fn trapping(after_trap: AfterTrap, answer: Answer) -> Gateway {
    let keystore = Upstream::new().otherwise(answer.after(Duration::from_millis(500)));
    let gateway = Gateway::new(Profile { after_trap, ..Profile::apisix() }).log_level(Level::Info).workers(2);
    gateway.expect_traps().expect_crashes().upstream("keystore", keystore).start(&fixture(TRAPS)).unwrap()
}

fn trap() -> Request {
    Request::post("/go").body("x")
}

fn status(exchange: &Exchange) -> u16 {
    exchange.reply().map_or(0, |reply| reply.status)
}

#[test]
#[should_panic(expected = "the module trapped in proxy_on_request_headers")]
fn a_trap_fails_the_test() {
    apisix().start(&fixture(TRAPS)).unwrap().send(trap());
}

#[test]
fn a_trap_bricks_the_plugin_on_its_worker() {
    let gateway = trapping(AfterTrap::Bricked, Answer::ok(""));
    let waiting = gateway.send(Request::get("/"));
    gateway.bank(Answer::ok("late").after(Duration::from_secs(1)));
    let at_the_bank = gateway.send(Request::get("/go"));
    assert_eq!(status(&gateway.send(trap())), 503);
    assert_eq!(status(&gateway.send(Request::get("/go"))), 503, "until the gateway is loaded anew");
    assert!(gateway.worker(1).send(Request::get("/go")).upstream().is_some(), "other workers go on");
    gateway.settle();
    assert_eq!(status(&waiting), 503, "when its callout has ended");
    assert_eq!(at_the_bank.response().unwrap().body, b"late", "a response passes as it is");
    gateway.advance(Duration::from_secs(1000));
    assert_eq!(status(&gateway.send(Request::get("/go"))), 503);
}

#[test]
fn a_trap_in_the_callback_is_a_503() {
    let gateway = trapping(AfterTrap::Bricked, Answer::ok("traps"));
    let exchange = gateway.send(Request::get("/"));
    gateway.settle();
    assert_eq!((status(&exchange), gateway.traps().len()), (503, 1));
}

#[test]
fn a_trap_may_kill_the_worker() {
    let gateway = trapping(AfterTrap::Crash, Answer::ok(""));
    let waiting = gateway.send(Request::get("/"));
    let exchange = gateway.send(trap());
    for cut in [&waiting, &exchange] {
        assert_eq!(cut.outcome(), Outcome::Failed(Cut::Reset));
    }
    assert!(gateway.send(Request::get("/go")).upstream().is_some(), "at the worker's successor");
    assert_eq!(gateway.crashes().len(), 1);
}

#[test]
fn a_trap_in_the_configuration_is_a_503() {
    let module = fixture(r#"(func (export "proxy_on_configure") (param i32 i32) (result i32) unreachable)"#);
    let gateway = apisix().expect_traps().start(&module).unwrap();
    assert_eq!(status(&gateway.send(Request::get("/"))), 503);
    assert_eq!(status(&gateway.send(Request::get("/"))), 503);
}

#[test]
fn log_lines_are_written_raw_and_info_is_hidden() {
    let text = request_headers(
        r#"(call $say {"info"})
        (drop (call $get_header (i32.const 0) {"x-raw"} (i32.const 0) (i32.const 4)))
        (drop (call $proxy_log (i32.const 3) (i32.load (i32.const 0)) (i32.load (i32.const 4)))) (i32.const 0)"#,
    );
    let gateway = Gateway::new(Profile::apisix()).start(&fixture(&text)).unwrap();
    let raw = b"a\x1b[2J\xff\n2026/11/21 [alert] forged";
    gateway.send(Request::get("/").header("x-raw", raw));
    let logs = gateway.logs();
    assert_eq!((logs.len(), logs[0].bytes.as_slice()), (1, raw.as_slice()));
}
