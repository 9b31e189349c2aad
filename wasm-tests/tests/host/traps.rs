//! Traps: they fail the test, or have the aftermath that they have on Envoy.

use super::fixture::{envoy, fixture, texts};
use std::time::Duration;
use wasm_tests::host::{AfterTrap, Answer, Exchange, Gateway, Module, Outcome, Profile, Reason, Request, Upstream};

/// A request with a body traps, one to a path of length 1 continues, others fetch the keys and wait.
/// An answer with a body traps.
const TRAPS: &str = r#"
    (func (export "proxy_on_configure") (param i32 i32) (result i32) (call $say {"configured"}) (i32.const 1))
    (func (export "proxy_on_request_headers") (param i32 i32) (param $end i32) (result i32)
      (if (i32.eqz (local.get $end)) (then unreachable))
      (drop (call $get_header (i32.const 0) {":path"} (i32.const 0) (i32.const 4)))
      (if (i32.eq (i32.load (i32.const 4)) (i32.const 1)) (then (return (i32.const 0))))
      (drop (call $fetch))
      (i32.const 1))
    (func (export "proxy_on_http_call_response") (param i32 i32 i32) (param $body i32) (param i32)
      (if (local.get $body) (then unreachable)))
    (func (export "proxy_on_done") (param i32) (result i32) (call $say {"done"}) (i32.const 1))"#;

fn trapping() -> Module {
    fixture(TRAPS)
}

fn gateway(profile: Profile) -> Gateway {
    let keystore = Upstream::new().otherwise(Answer::ok("x").after(Duration::from_secs(5)));
    let gateway = Gateway::new(profile).workers(2).upstream("keystore", keystore);
    let gateway = gateway.expect_traps().start(&trapping()).unwrap();
    gateway.advance(Duration::from_secs(2));
    gateway
}

fn trap() -> Request {
    Request::post("/").body("x")
}

fn failed(exchange: &Exchange) -> bool {
    exchange.reply().is_some_and(|reply| reply.status == 503 && reply.details == "wasm_fail_stream")
}

#[test]
#[should_panic(expected = "the module trapped in proxy_on_request_headers")]
fn a_trap_fails_the_test() {
    envoy().start(&trapping()).unwrap().send(trap());
}

#[test]
#[should_panic(expected = "last host calls")]
fn a_trap_at_the_start_fails_the_test() {
    let _ = envoy().start(&fixture(r#"(func (export "_initialize") unreachable)"#));
}

#[test]
fn a_trap_at_the_start_can_be_expected() {
    for export in ["_initialize", "proxy_on_context_create", "proxy_on_vm_start", "proxy_on_configure"] {
        let (params, results) = match export {
            "_initialize" => ("", ""),
            "proxy_on_context_create" => ("(param i32 i32)", ""),
            _ => ("(param i32 i32)", "(result i32)"),
        };
        let module = fixture(&format!(r#"(func (export "{export}") {params} {results} unreachable)"#));
        let failure = envoy().expect_traps().start(&module).unwrap_err();
        assert!(matches!(failure.reason, Reason::Trapped(report) if report.contains(export)));
    }
}

#[test]
fn with_reload_the_next_request_gets_a_fresh_vm_and_those_who_wait_time_out() {
    let gateway = gateway(Profile::envoy());
    let waiting = gateway.worker(0).send(Request::get("/wait"));
    gateway.upstream("keystore", Upstream::new().otherwise(Answer::ok("")));
    let elsewhere = gateway.worker(1).send(Request::get("/wait"));
    assert!(failed(&gateway.worker(0).send(trap())));
    assert!(gateway.worker(0).send(Request::get("/")).upstream().is_some());
    assert_eq!(texts(&gateway).iter().filter(|text| *text == "configured").count(), 3);
    assert_eq!(gateway.traps().len(), 1);
    gateway.advance(Duration::from_secs(299));
    assert_eq!(waiting.outcome(), Outcome::Pending);
    gateway.advance(Duration::from_secs(1));
    assert!(failed(&waiting));
    assert_eq!(elsewhere.reply().unwrap().status, 504, "the other worker has a VM");
}

#[test]
fn the_banks_answer_does_not_pass_a_vm_that_has_trapped() {
    let gateway = gateway(Profile::envoy());
    gateway.bank(Answer::ok("secret").after(Duration::from_secs(1)));
    let exchange = gateway.send(Request::get("/"));
    gateway.send(trap());
    gateway.settle();
    assert!(exchange.upstream().is_some());
    assert_eq!(exchange.response().unwrap().status(), 503);
}

#[test]
fn nothing_more_is_called_in_a_vm_that_has_trapped() {
    let gateway = gateway(Profile::envoy());
    gateway.send(Request::get("/wait"));
    gateway.send(trap());
    gateway.settle();
    assert!(!texts(&gateway).contains(&"done".to_owned()));
    assert_eq!(gateway.traps().len(), 1, "the answer to the callout of the dead VM does not arrive");
}

#[test]
fn a_trap_in_the_callback_of_a_callout_lets_nobody_through() {
    let gateway = gateway(Profile::envoy());
    let waiting = gateway.send(Request::get("/wait"));
    gateway.settle();
    assert_eq!((waiting.outcome(), gateway.traps().len()), (Outcome::Pending, 1));
    assert!(gateway.send(Request::get("/")).upstream().is_some(), "in a fresh VM");
    gateway.advance(Duration::from_secs(300));
    assert!(failed(&waiting));
}

#[test]
fn a_vm_is_not_reloaded_twice_within_a_second() {
    let gateway = gateway(Profile::envoy());
    gateway.send(trap());
    gateway.send(trap());
    assert_eq!(gateway.traps().len(), 2, "the VM was loaded two seconds before the first trap");
    assert!(failed(&gateway.send(Request::get("/"))));
    gateway.advance(Duration::from_millis(999));
    assert!(failed(&gateway.send(Request::get("/"))));
    gateway.advance(Duration::from_millis(1));
    assert!(gateway.send(Request::get("/")).upstream().is_some());
}

#[test]
fn without_reload_the_worker_stays_dead() {
    let gateway = gateway(Profile { after_trap: AfterTrap::Dead, ..Profile::envoy() });
    assert!(failed(&gateway.send(trap())));
    gateway.advance(Duration::from_secs(1000));
    assert!(failed(&gateway.send(Request::get("/"))));
    assert!(gateway.worker(1).send(Request::get("/")).upstream().is_some());
}

#[test]
fn a_call_that_never_ends_is_a_trap() {
    let module = fixture(
        r#"(func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
          (loop $ever (br $ever)) (i32.const 0))"#,
    );
    let gateway = envoy().fuel_limit(10_000).expect_traps().start(&module).unwrap();
    assert!(failed(&gateway.send(Request::get("/"))));
    assert!(gateway.traps()[0].contains("within 10000 units of fuel"), "{}", gateway.traps()[0]);
}

#[test]
fn host_calls_that_envoy_forbids_before_the_start_are_traps() {
    let module = fixture(
        r#"(func (export "_initialize") (drop (call $get_property {"plugin_name"} (i32.const 0) (i32.const 4))))"#,
    );
    let failure = envoy().expect_traps().start(&module).unwrap_err();
    assert!(failure.to_string().contains("proxy_get_property called while Initializing"), "{failure}");
}
