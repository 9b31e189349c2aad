//! Virtual time: it stands still unless the test moves it, and everything due happens in order.

use super::fixture::{envoy, fixture, running, texts};
use std::time::Duration;
use wasm_tests::host::{Answer, Fault, Request, Upstream};

/// Logs the clock of the ABI, and WASI's wall and monotonic clocks, at each request.
const SAY_TIMES: &str = r#"
    (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
      (drop (call $now (i32.const 0))) (call $say_number (i64.load (i32.const 0)))
      (drop (call $clock (i32.const 0) (i64.const 0) (i32.const 0))) (call $say_number (i64.load (i32.const 0)))
      (drop (call $clock (i32.const 1) (i64.const 0) (i32.const 0))) (call $say_number (i64.load (i32.const 0)))
      (i32.const 0))"#;

const TICK: &str = r#"
    (func (export "proxy_on_configure") (param i32 i32) (result i32)
      (drop (call $tick_every (i32.const 300))) (i32.const 1))
    (func (export "proxy_on_tick") (param i32)
      (drop (call $now (i32.const 0)))
      (call $say_number (i64.div_u (i64.load (i32.const 0)) (i64.const 1000000))))"#;

fn milliseconds(count: u64) -> Duration {
    Duration::from_millis(count)
}

fn times(gateway: &wasm_tests::host::Gateway) -> [u64; 3] {
    let before = gateway.logs().len();
    gateway.send(Request::get("/"));
    let times: Vec<u64> = texts(gateway)[before..].iter().map(|text| text.parse().unwrap()).collect();
    times.try_into().unwrap()
}

#[test]
fn time_stands_still_until_it_is_advanced() {
    let gateway = envoy().start_at(Duration::from_secs(50)).start(&fixture(SAY_TIMES)).unwrap();
    let [abi, wall, monotonic] = times(&gateway);
    assert_eq!((abi, wall), (50_000_000_000, 50_000_000_000));
    assert_eq!(times(&gateway), [abi, wall, monotonic]);
    gateway.advance(milliseconds(7));
    assert_eq!(times(&gateway), [abi, wall, monotonic].map(|time| time + 7_000_000));
    assert_eq!(gateway.now(), Duration::from_millis(50_007));
}

#[test]
fn the_wall_clock_can_be_set_back_and_the_monotonic_clock_does_not_care() {
    let gateway = envoy().start_at(Duration::from_secs(50)).start(&fixture(SAY_TIMES)).unwrap();
    let [_, _, monotonic] = times(&gateway);
    gateway.set_clock(Duration::from_secs(20));
    assert_eq!(times(&gateway), [20_000_000_000, 20_000_000_000, monotonic]);
}

#[test]
fn the_monotonic_clock_stands_still_while_the_machine_sleeps_and_nothing_happens() {
    let gateway = envoy().start_at(Duration::from_secs(50)).start(&fixture(SAY_TIMES)).unwrap();
    let [_, _, monotonic] = times(&gateway);
    gateway.sleep(Duration::from_secs(20));
    assert_eq!(times(&gateway), [70_000_000_000, 70_000_000_000, monotonic]);
}

#[test]
fn one_of_the_clocks_can_fail_alone() {
    let gateway = envoy().start_at(Duration::from_secs(50)).start(&fixture(SAY_TIMES)).unwrap();
    let [abi, wall, monotonic] = times(&gateway);
    gateway.fault(Fault::host_call("clock_time_get").returns(58_u32).only_for("monotonic"));
    assert_eq!(times(&gateway), [abi, wall, wall], "what was written last");
    gateway.heal();
    gateway.fault(Fault::host_call("clock_time_get").returns(58_u32).only_for("realtime"));
    assert_eq!(times(&gateway), [abi, abi, monotonic]);
}

#[test]
fn a_root_context_ticks_by_its_period_at_the_exact_times() {
    let gateway = envoy().start_at(Duration::ZERO).start(&fixture(TICK)).unwrap();
    gateway.advance(milliseconds(299));
    assert!(texts(&gateway).is_empty());
    gateway.advance(milliseconds(701));
    assert_eq!(texts(&gateway), ["300", "600", "900"]);
}

#[test]
fn setting_the_wall_clock_back_delays_no_tick() {
    let gateway = envoy().start_at(Duration::from_secs(9)).start(&fixture(TICK)).unwrap();
    gateway.set_clock(Duration::from_secs(1));
    gateway.advance(milliseconds(300));
    assert_eq!(texts(&gateway), ["1300"]);
}

#[test]
fn every_worker_ticks() {
    let gateway = envoy().workers(2).start(&fixture(TICK)).unwrap();
    gateway.advance(milliseconds(300));
    assert_eq!(gateway.logs().iter().map(|log| log.worker).collect::<Vec<_>>(), [0, 1]);
}

#[test]
fn a_new_tick_period_replaces_the_old_one_and_zero_ends_it() {
    let gateway = running(
        r#"(global $ticks (mut i32) (i32.const 0))
        (func (export "proxy_on_configure") (param i32 i32) (result i32)
          (drop (call $tick_every (i32.const 500))) (drop (call $tick_every (i32.const 100))) (i32.const 1))
        (func (export "proxy_on_tick") (param i32)
          (call $say {"tick"})
          (global.set $ticks (i32.add (global.get $ticks) (i32.const 1)))
          (if (i32.eq (global.get $ticks) (i32.const 2)) (then (drop (call $tick_every (i32.const 0))))))"#,
    );
    gateway.advance(milliseconds(5000));
    assert_eq!(texts(&gateway), ["tick", "tick"]);
}

#[test]
fn ticks_and_answers_happen_in_the_order_of_time() {
    let module = fixture(
        r#"(func (export "proxy_on_configure") (param i32 i32) (result i32)
          (drop (call $tick_every (i32.const 100))) (drop (call $fetch)) (i32.const 1))
        (func (export "proxy_on_tick") (param i32) (call $say {"tick"}))
        (func (export "proxy_on_http_call_response") (param i32 i32 i32 i32 i32) (call $say {"answer"}))"#,
    );
    let keystore = Upstream::new().route("/keys", Answer::ok("").after(milliseconds(250)));
    let gateway = envoy().upstream("keystore", keystore).start(&module).unwrap();
    gateway.advance(milliseconds(300));
    assert_eq!(texts(&gateway), ["tick", "tick", "answer", "tick"]);
}

#[test]
fn settle_runs_to_the_last_answer_and_not_further() {
    let module = fixture(
        r#"(func (export "proxy_on_configure") (param i32 i32) (result i32)
          (drop (call $tick_every (i32.const 100))) (drop (call $fetch)) (i32.const 1))"#,
    );
    let keystore = Upstream::new().route("/keys", Answer::ok("").after(milliseconds(250)));
    let gateway = envoy().start_at(Duration::ZERO).upstream("keystore", keystore).start(&module).unwrap();
    gateway.settle();
    assert_eq!(gateway.now(), milliseconds(250));
}
