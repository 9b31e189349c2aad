//! Traps and crashes on Kong, and who gets through because of them.

use super::super::fixture::texts;
use super::{fixture, hub, kong, request_headers};
use std::time::Duration;
use wasm_tests::host::{Answer, Builder, Cut, Gateway, Isolation, Level, Outcome, Profile, Reason, Request, Upstream};

/// A request with a body traps; others fetch the keys and wait, or with `x-guard` set an invalid scheme before that. An answer
/// with a body traps, one without is logged with its context's path.
const TRAPS: &str = r#"
    (func (export "proxy_on_configure") (param i32 i32) (result i32) (call $say {"configured"}) (i32.const 1))
    (func (export "proxy_on_context_create") (param $context i32) (param $root i32)
      (if (local.get $root) (then (call $say {"created"}))))
    (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
      (if (i32.eqz (call $get_header (i32.const 0) {"content-length"} (i32.const 0) (i32.const 4))) (then unreachable))
      (if (i32.eqz (call $get_header (i32.const 0) {"x-guard"} (i32.const 0) (i32.const 4)))
        (then (drop (call $set_property {"ngx.upstream_scheme"} {"undecided"}))))
      (drop (call $fetch))
      (i32.const 1))
    (func (export "proxy_on_http_call_response") (param i32 i32 i32) (param $body i32) (param i32)
      (if (local.get $body) (then unreachable))
      (call $say_header {":path"}))
    (func (export "proxy_on_response_headers") (param i32 i32 i32) (result i32) (call $say {"response"}) (i32.const 0))"#;

fn of(profile: Profile, answer: Answer) -> Gateway {
    let keystore = Upstream::new().otherwise(answer.after(Duration::from_millis(500)));
    let gateway: Builder = Gateway::new(profile).log_level(Level::Info).expect_traps();
    gateway.upstream("keystore", keystore).start(&fixture(TRAPS)).unwrap()
}

fn trap() -> Request {
    Request::post("/").body("x")
}

#[test]
#[should_panic(expected = "the module trapped in proxy_on_request_headers")]
fn a_trap_fails_the_test() {
    kong().start(&fixture(TRAPS)).unwrap().send(trap());
}

#[test]
fn a_trap_in_a_request_is_a_500_and_the_next_request_gets_a_fresh_vm() {
    let gateway = of(Profile::kong(), Answer::ok(""));
    assert_eq!(gateway.send(trap()).reply().unwrap().status, 500);
    assert_eq!(gateway.send(trap()).reply().unwrap().status, 500);
    assert_eq!(texts(&gateway), ["configured", "created", "configured", "created"]);
}

#[test]
fn a_trap_in_the_callback_lets_the_request_go_upstream() {
    let gateway = of(Profile::kong(), Answer::ok("traps"));
    let exchange = gateway.send(Request::get("/"));
    gateway.settle();
    assert!(exchange.upstream().is_some(), "fail-open");
    assert_eq!(exchange.response().unwrap().status(), 200);
    assert_eq!(texts(&gateway), ["configured", "created"], "not even the response is shown to the filter");
}

#[test]
fn another_requests_trap_lets_the_one_that_waits_go_upstream() {
    let gateway = of(Profile::kong(), Answer::ok(""));
    let waiting = gateway.send(Request::get("/waiting").peer(hub()));
    gateway.send(trap());
    assert_eq!(waiting.outcome(), Outcome::Pending);
    gateway.settle();
    assert!(waiting.upstream().is_some(), "fail-open");
    // Its callback runs in a fresh VM, in a context that is new there.
    let after = ["configured", "created", "/waiting", "response"];
    assert_eq!(texts(&gateway)[3..], after, "{:?}", texts(&gateway));
}

#[test]
fn an_invalid_upstream_scheme_turns_a_lost_decision_into_500() {
    let guarded = || Request::get("/").header("x-guard", "1");
    let gateway = of(Profile::kong(), Answer::ok("traps"));
    let exchange = gateway.send(guarded());
    gateway.settle();
    assert_eq!(exchange.reply().expect("not at the bank").status, 500);
    let gateway = of(Profile::kong(), Answer::ok(""));
    let waiting = gateway.send(guarded());
    gateway.send(trap());
    gateway.settle();
    assert_eq!(waiting.reply().expect("not at the bank").status, 500);
}

#[test]
fn stream_isolation_contains_another_requests_trap_and_configures_each_request() {
    let gateway = of(Profile { isolation: Isolation::Stream, ..Profile::kong() }, Answer::ok(""));
    let waiting = gateway.send(Request::get("/waiting"));
    gateway.send(trap());
    assert_eq!(texts(&gateway), ["configured", "configured", "created", "configured", "created"]);
    gateway.settle();
    assert!(waiting.upstream().is_some());
    assert_eq!(texts(&gateway)[5..], ["/waiting", "response"], "in the VM that dispatched");
}

#[test]
fn a_trap_in_the_response_lets_it_pass_as_it_is() {
    let gateway = kong()
        .expect_traps()
        .start(&fixture(r#"(func (export "proxy_on_response_headers") (param i32 i32 i32) (result i32) unreachable)"#))
        .unwrap();
    gateway.bank(Answer::ok("whole"));
    assert_eq!(gateway.send(Request::get("/")).response().unwrap().body, b"whole");
}

#[test]
fn a_crash_cuts_off_everything_at_the_worker_and_a_new_one_starts() {
    let gateway = kong()
        .expect_crashes()
        .workers(2)
        .upstream("keystore", Upstream::new())
        .start(&fixture(
            r#"(func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
              (drop (call $fetch))
              (call $get_header (i32.const 0) {"x-wait"} (i32.const 0) (i32.const 4)) (i32.eqz))"#,
        ))
        .unwrap();
    let wait = || Request::get("/").header("x-wait", "1");
    let (waiting, elsewhere) = (gateway.send(wait()), gateway.worker(1).send(wait()));
    let crashing = gateway.send(Request::get("/"));
    for cut in [&waiting, &crashing] {
        assert_eq!(cut.outcome(), Outcome::Failed(Cut::Reset));
    }
    let after = gateway.send(wait());
    gateway.settle();
    assert!(after.upstream().is_some() && elsewhere.upstream().is_some());
    assert_eq!(gateway.crashes().len(), 1);
}

#[test]
#[should_panic(expected = "worker 0 crashed: proxy_get_property outside a request")]
fn a_property_read_outside_a_request_crashes_the_worker() {
    let _ = kong().start(&fixture(
        r#"(func (export "proxy_on_configure") (param i32 i32) (result i32)
          (call $say_property {"ngx.hostname"}) (i32.const 1))"#,
    ));
}

#[test]
fn headers_replies_and_continuing_outside_a_request_crash_the_worker_too() {
    for call in [
        r#"(call $say_header {":path"})"#,
        "(drop (call $get_headers (i32.const 0) (i32.const 0) (i32.const 4)))",
        r#"(call $reject (i32.const 401) {"no"})"#,
        "(drop (call $continue (i32.const 0)))",
    ] {
        let module = fixture(&format!(
            r#"(func (export "proxy_on_configure") (param i32 i32) (result i32)
              (drop (call $tick_every (i32.const 100))) (i32.const 1))
            (func (export "proxy_on_tick") (param i32) {call})"#
        ));
        let gateway = kong().expect_crashes().start(&module).unwrap();
        gateway.advance(Duration::from_secs(1));
        assert_eq!(gateway.crashes().len(), 1, "{call}; the ticks of a dead worker end with it");
    }
}

#[test]
fn a_host_call_while_the_module_initializes_itself_crashes_the_worker() {
    for call in [r#"(call $say {"hello"})"#, "(drop (call $tick_every (i32.const 1)))"] {
        let module = fixture(&format!(r#"(func (export "_initialize") {call})"#));
        let failure = kong().expect_crashes().start(&module).unwrap_err();
        assert!(matches!(failure.reason, Reason::Crashed(_)), "{failure}");
    }
    let environment = r#"(func (export "_initialize") (drop (call $environ_get (i32.const 0) (i32.const 512))))"#;
    assert!(kong().start(&fixture(environment)).is_ok(), "WASI may be called");
}

#[test]
fn calls_that_are_not_implemented_trap() {
    for call in [
        "(call $get_status (i32.const 8) (i32.const 0) (i32.const 4))",
        "(call $done)",
        "(call $close (i32.const 0))",
        r#"(call $foreign {"clear_route_cache"} (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0))"#,
        r#"(call $register_queue {"queue"} (i32.const 8))"#,
    ] {
        let module = fixture(&request_headers(&format!("(drop {call}) (i32.const 0)")));
        let gateway = kong().expect_traps().start(&module).unwrap();
        assert_eq!(gateway.send(Request::get("/")).reply().unwrap().status, 500, "{call}");
    }
}
