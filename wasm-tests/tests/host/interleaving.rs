//! Workers that come between: another worker's request in the middle of a host call.

use super::fixture::{envoy, fixture, texts};
use std::panic::{AssertUnwindSafe, catch_unwind};
use wasm_tests::host::{Gateway, InterleavingPoint, Interruption, Outcome, Request};

/// Each request reads `key` and writes its header `x-value` there with the cas that it has read, or with one that nothing
/// has; it logs the statuses of both. A request with a body traps after that.
const SWAP: &str = r#"
    (func (export "proxy_on_request_headers") (param i32 i32) (param $end i32) (result i32)
      (local $read i32)
      (local.set $read (call $get_shared {"key"} (i32.const 0) (i32.const 4) (i32.const 8)))
      (if (local.get $read) (then (i32.store (i32.const 8) (i32.const -1))))
      (call $say_status (local.get $read))
      (drop (call $get_header (i32.const 0) {"x-value"} (i32.const 0) (i32.const 4)))
      (call $say_status (call $set_shared {"key"}
        (i32.load (i32.const 0)) (i32.load (i32.const 4)) (i32.load (i32.const 8))))
      (if (i32.eqz (local.get $end)) (then unreachable))
      (i32.const 0))"#;

fn workers(count: usize) -> Gateway {
    let gateway = envoy().workers(count).start(&fixture(SWAP)).unwrap();
    gateway.worker(0).send(writing("first"));
    gateway
}

fn writing(value: &str) -> Request {
    Request::get("/").header("x-value", value)
}

/// Worker and status of each log line after the first request's.
fn statuses(gateway: &Gateway) -> Vec<(usize, String)> {
    gateway.logs().into_iter().skip(2).map(|log| (log.worker, log.text)).collect()
}

fn said(lines: &[(usize, &str)]) -> Vec<(usize, String)> {
    lines.iter().map(|(worker, text)| (*worker, (*text).to_owned())).collect()
}

fn value(gateway: &Gateway) -> String {
    String::from_utf8(gateway.shared_data("key").unwrap()).unwrap()
}

fn came(interruption: &Interruption) -> bool {
    interruption.exchange().is_some_and(|exchange| exchange.upstream().is_some())
}

#[test]
fn a_worker_that_writes_between_anothers_read_and_write_makes_its_cas_stale() {
    for point in [InterleavingPoint::after("proxy_get_shared_data"), InterleavingPoint::before("proxy_set_shared_data")]
    {
        let gateway = workers(2);
        let between = gateway.worker(1).send_at(point, writing("between"));
        assert!(between.exchange().is_none(), "nobody has reached its point");
        let exchange = gateway.worker(0).send(writing("stale"));
        assert_eq!(value(&gateway), "between");
        assert!(came(&between) && exchange.upstream().is_some());
        let mut lines = statuses(&gateway);
        assert_eq!(lines.pop(), Some((0, "8".into())), "CasMismatch");
        lines.sort();
        assert_eq!(lines, said(&[(0, "0"), (1, "0"), (1, "0")]));
    }
}

#[test]
fn a_value_that_another_worker_creates_meanwhile_is_not_replaced_by_a_creation() {
    let gateway = envoy().workers(2).start(&fixture(SWAP)).unwrap();
    gateway.worker(1).send_at(InterleavingPoint::after("proxy_get_shared_data"), writing("between"));
    gateway.worker(0).send(writing("late"));
    assert_eq!(texts(&gateway), ["1", "0", "1", "8"]);
    assert_eq!(value(&gateway), "between");
}

#[test]
fn before_the_read_and_after_the_write_nothing_is_stale() {
    for (point, last) in [
        (InterleavingPoint::before("proxy_get_shared_data"), "interrupted"),
        (InterleavingPoint::after("proxy_set_shared_data"), "between"),
    ] {
        let gateway = workers(2);
        let between = gateway.worker(1).send_at(point, writing("between"));
        gateway.worker(0).send(writing("interrupted"));
        assert!(came(&between));
        assert_eq!(value(&gateway), last);
        assert!(statuses(&gateway).iter().all(|(_, status)| status == "0"), "{:?}", statuses(&gateway));
    }
}

#[test]
fn the_moment_is_in_the_nth_call_that_matches() {
    let gateway = workers(3);
    let read = || InterleavingPoint::after("proxy_get_shared_data");
    let second_read = gateway.worker(2).send_at(read().nth(2), writing("a"));
    let of_worker_1 = gateway.worker(2).send_at(read().of_worker(1), writing("b"));
    let other_key = gateway.worker(2).send_at(read().only_for("other"), writing("c"));
    let this_key = gateway.worker(2).send_at(read().only_for("key").nth(3), writing("d"));
    let came = || [&second_read, &of_worker_1, &other_key, &this_key].map(came);
    gateway.worker(2).send(writing("its own calls do not count"));
    assert_eq!(came(), [false; 4]);
    gateway.worker(0).send(writing("1"));
    assert_eq!(came(), [false; 4]);
    gateway.worker(0).send(writing("2"));
    assert_eq!(came(), [true, false, false, false]);
    gateway.worker(1).send(writing("3"));
    assert_eq!(came(), [true, true, false, true]);
    gateway.worker(0).send(writing("each comes once"));
    gateway.worker(1).send(writing("each comes once"));
    assert_eq!(gateway.vm_calls().iter().filter(|call| call.export == "proxy_on_request_headers").count(), 7 + 3);
}

#[test]
fn several_workers_can_come_between_at_once_in_the_order_of_their_naming() {
    let gateway = workers(3);
    for (worker, value) in [(2, "a"), (1, "b")] {
        gateway.worker(worker).send_at(InterleavingPoint::after("proxy_get_shared_data").of_worker(0), writing(value));
    }
    gateway.worker(0).send(writing("stale"));
    let workers: Vec<_> = statuses(&gateway).into_iter().map(|(worker, _)| worker).collect();
    assert_eq!(workers, [2, 2, 1, 1, 0, 0]);
    assert_eq!(value(&gateway), "b");
}

#[test]
fn a_worker_that_comes_between_can_be_interrupted_itself() {
    let gateway = workers(3);
    gateway.worker(1).send_at(InterleavingPoint::after("proxy_get_shared_data").of_worker(0), writing("outer"));
    gateway.worker(2).send_at(InterleavingPoint::after("proxy_get_shared_data").of_worker(1), writing("inner"));
    gateway.worker(0).send(writing("stale"));
    assert_eq!(value(&gateway), "inner");
    let refused: Vec<_> = statuses(&gateway).into_iter().filter(|(_, status)| status == "8").collect();
    assert_eq!(refused, said(&[(1, "8"), (0, "8")]));
}

#[test]
fn a_worker_in_the_middle_of_a_call_can_not_come_between() {
    let gateway = workers(2);
    gateway.worker(1).send_at(InterleavingPoint::after("proxy_get_shared_data").of_worker(0), writing("x"));
    gateway.worker(0).send_at(InterleavingPoint::after("proxy_get_shared_data").of_worker(1), writing("y"));
    let sent = catch_unwind(AssertUnwindSafe(|| drop(gateway.worker(0).send(writing("z")))));
    let why = *sent.unwrap_err().downcast::<String>().unwrap();
    assert_eq!(why, "worker 0 is in the middle of a call and cannot come between");
}

#[test]
fn a_trap_of_the_worker_that_comes_between_is_its_own() {
    let gateway = envoy().workers(2).expect_traps().start(&fixture(SWAP)).unwrap();
    let point = InterleavingPoint::before("proxy_set_shared_data");
    let trapping = gateway.worker(1).send_at(point, Request::post("/").header("x-value", "t").body("x"));
    let exchange = gateway.worker(0).send(writing("x"));
    assert!(matches!(trapping.exchange().unwrap().outcome(), Outcome::Replied(reply) if reply.status == 503));
    assert!(exchange.upstream().is_some());
    assert_eq!(gateway.traps().len(), 1);
    assert_eq!(value(&gateway), "t", "written before the trap");
}

#[test]
#[should_panic(expected = "no host call proxy_get_shared_date")]
fn a_misspelt_moment_is_an_error_of_the_test() {
    InterleavingPoint::after("proxy_get_shared_date");
}
