//! What workers share: data with compare-and-swap, and metrics.

use super::fixture::{envoy, fixture, texts};
use wasm_tests::host::{Gateway, Metric, Request};

fn three_workers(text: &str) -> Gateway {
    envoy().workers(3).start(&fixture(text)).unwrap()
}

#[test]
fn workers_see_each_others_data_and_a_stale_cas_is_refused() {
    // GET /…: logs the value and its cas, then writes with that cas; POST writes with the stale cas 1.
    let gateway = three_workers(
        r#"(func (export "proxy_on_request_headers") (param i32 i32) (param $get i32) (result i32)
          (local $status i32)
          (if (i32.eqz (local.get $get)) (then
            (call $say_status (call $set_shared {"key"} {"stale"} (i32.const 1))) (return (i32.const 0))))
          (local.set $status (call $get_shared {"key"} (i32.const 0) (i32.const 4) (i32.const 8)))
          (if (local.get $status)
            (then (call $say_status (local.get $status)) (i32.store (i32.const 8) (i32.const 0)))
            (else (call $say_value)))
          (call $say_status (call $set_shared {"key"} {"value"} (i32.load (i32.const 8))))
          (i32.const 0))"#,
    );
    gateway.worker(0).send(Request::get("/"));
    assert_eq!(texts(&gateway), ["1", "0"], "absent, then written");
    gateway.worker(1).send(Request::get("/"));
    assert_eq!(texts(&gateway)[2..], ["value", "0"], "read by another worker and written with its cas");
    gateway.worker(2).send(Request::post("/").body("x"));
    assert_eq!(texts(&gateway)[4..], ["8"], "the cas has changed");
    assert_eq!(gateway.shared_data("key"), Some(b"value".to_vec()));
}

#[test]
fn a_queue_wakes_the_worker_that_registered_it_when_time_passes() {
    let gateway = three_workers(
        r#"(func (export "proxy_on_request_headers") (param i32 i32) (param $get i32) (result i32)
          (if (local.get $get)
            (then
              (call $say_status (call $register_queue {"queue"} (i32.const 8)))
              (call $say_status (call $dequeue (i32.load (i32.const 8)) (i32.const 0) (i32.const 4))))
            (else
              (call $say_status (call $resolve_queue (i32.const 0) (i32.const 0) {"other"} (i32.const 8)))
              (call $say_status (call $resolve_queue (i32.const 0) (i32.const 0) {"queue"} (i32.const 8)))
              (call $say_status (call $enqueue (i32.load (i32.const 8)) {"entry"}))
              (call $say_status (call $enqueue (i32.const 99) {"entry"}))))
          (i32.const 0))
        (func (export "proxy_on_queue_ready") (param i32) (param $queue i32)
          (drop (call $dequeue (local.get $queue) (i32.const 0) (i32.const 4))) (call $say_value))"#,
    );
    gateway.worker(1).send(Request::get("/"));
    assert_eq!(texts(&gateway), ["0", "7"]);
    gateway.worker(0).send(Request::post("/").body("x"));
    assert_eq!(texts(&gateway)[2..], ["1", "0", "0", "1"]);
    gateway.settle();
    let last = gateway.logs().pop().unwrap();
    assert_eq!((last.worker, last.text.as_str()), (1, "entry"));
}

#[test]
fn gauges_go_up_and_down_and_histograms_keep_what_is_recorded() {
    let gateway = three_workers(
        r#"(func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
          (drop (call $define_metric (i32.const 1) {"gauge"} (i32.const 8)))
          (drop (call $record_metric (i32.load (i32.const 8)) (i64.const 10)))
          (drop (call $increment_metric (i32.load (i32.const 8)) (i64.const -3)))
          (drop (call $get_metric (i32.load (i32.const 8)) (i32.const 16)))
          (call $say_number (i64.load (i32.const 16)))
          (drop (call $define_metric (i32.const 2) {"histogram"} (i32.const 8)))
          (drop (call $record_metric (i32.load (i32.const 8)) (i64.const 5)))
          (call $say_status (call $get_metric (i32.load (i32.const 8)) (i32.const 16)))
          (call $say_status (call $define_metric (i32.const 3) {"unknown kind"} (i32.const 8)))
          (i32.const 0))"#,
    );
    gateway.send(Request::get("/"));
    assert_eq!(texts(&gateway), ["7", "2", "2"]);
    assert_eq!(gateway.metric("gauge"), 7);
    assert_eq!(gateway.metrics()["histogram"], Metric::Histogram(vec![5]));
}

#[test]
fn a_counter_is_summed_over_the_workers() {
    let gateway = three_workers(
        r#"(func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
          (call $say_status (call $define_metric (i32.const 0) {"requests"} (i32.const 8)))
          (call $say_status (call $increment_metric (i32.load (i32.const 8)) (i64.const 2)))
          (call $say_status (call $increment_metric (i32.load (i32.const 8)) (i64.const 0)))
          (call $say_status (call $increment_metric (i32.const 400) (i64.const 1)))
          (i32.const 0))"#,
    );
    for worker in 0..3 {
        gateway.worker(worker).send(Request::get("/"));
    }
    assert_eq!(texts(&gateway)[..4], ["0", "0", "2", "1"]);
    assert_eq!(gateway.metric("requests"), 6);
    assert_eq!(gateway.metrics()["requests"], Metric::Counter(6));
    assert_eq!(gateway.metric("undefined"), 0);
}
