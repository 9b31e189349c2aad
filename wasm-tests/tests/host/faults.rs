//! Deliberate faults of the host.

use super::fixture::{envoy, fixture, texts};
use wasm_tests::host::{Fault, Garbage, Gateway, Request, Status};

/// At each request: the property `plugin_name`, the headers `x-a` and `x-b`, and the clock's error number. Nothing that was
/// not written is 7777.
const PROBE: &str = r#"
    (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
      (i64.store (i32.const 0) (i64.const 0))
      (call $say_property {"plugin_name"}) (call $say_header {"x-a"}) (call $say_header {"x-b"})
      (i64.store (i32.const 16) (i64.const 7777))
      (call $say_status (call $clock (i32.const 0) (i64.const 0) (i32.const 16)))
      (i32.const 0))"#;

fn probing() -> Gateway {
    envoy().start(&fixture(PROBE)).unwrap()
}

fn probe(gateway: &Gateway) -> Vec<String> {
    let before = gateway.logs().len();
    gateway.send(Request::get("/").header("x-a", "a").header("x-b", "b"));
    texts(gateway).split_off(before)
}

#[test]
fn any_call_can_return_any_number() {
    let gateway = probing();
    for code in (1..=12).chain([99, u32::MAX]) {
        gateway.heal();
        gateway.fault(Fault::host_call("proxy_get_property").returns(code));
        gateway.fault(Fault::host_call("clock_time_get").returns(code));
        assert_eq!(probe(&gateway), [code.to_string().as_str(), "a", "b", &code.to_string()]);
    }
    gateway.heal();
    assert_eq!(probe(&gateway), ["hub-auth-filter", "a", "b", "0"]);
}

#[test]
fn a_fault_can_be_for_one_subject_only() {
    let gateway = probing();
    gateway.fault(Fault::host_call("proxy_get_header_map_value").returns(Status::InternalFailure).only_for("x-b"));
    assert_eq!(probe(&gateway), ["hub-auth-filter", "a", "10", "0"]);
}

#[test]
fn a_fault_can_be_for_the_nth_call_only() {
    let gateway = probing();
    gateway.fault(Fault::host_call("proxy_get_header_map_value").returns(Status::Empty).only_nth(3));
    assert_eq!(probe(&gateway)[1..3], ["a", "b"]);
    assert_eq!(probe(&gateway)[1..3], ["7", "b"]);
    assert_eq!(probe(&gateway)[1..3], ["a", "b"]);
}

#[test]
fn a_call_can_claim_success_and_write_nothing() {
    let gateway = probing();
    gateway.fault(Fault::host_call("proxy_get_property").writes_nothing());
    gateway.fault(Fault::host_call("clock_time_get").writes_nothing());
    assert_eq!(probe(&gateway), ["", "a", "b", "0"]);
}

#[test]
fn a_call_can_hand_out_garbage() {
    let gateway = probing();
    for (garbage, said) in [
        (Garbage::Null, ""),
        (Garbage::Truncated, "hub-aut"),
        (Garbage::Bytes(b"odd".to_vec()), "odd"),
        (Garbage::OverlongCount, "\u{fffd}\u{fffd}\u{fffd}\u{fffd}auth-filter"),
    ] {
        gateway.heal();
        gateway.fault(Fault::host_call("proxy_get_property").hands_out(garbage));
        assert_eq!(probe(&gateway), [said, "a", "b", "0"]);
    }
}

#[test]
fn a_fault_can_be_there_from_the_start_on() {
    let module = fixture(
        r#"(func (export "proxy_on_configure") (param i32 i32) (result i32)
          (i32.eqz (call $get_buffer (i32.const 7) (i32.const 0) (i32.const 9) (i32.const 0) (i32.const 4))))"#,
    );
    let fault = Fault::host_call("proxy_get_buffer_bytes").returns(Status::NotFound);
    assert!(envoy().fault(fault).start(&module).is_err());
    assert!(envoy().start(&module).is_ok());
}

#[test]
fn the_names_of_all_host_calls_are_there_to_loop_over() {
    let names = Gateway::host_calls();
    for name in ["proxy_get_property", "proxy_http_call", "proxy_define_metric", "clock_time_get", "random_get"] {
        assert!(names.contains(&name), "{name}");
    }
    for name in names {
        let _ = Fault::host_call(name).returns(1_u32);
    }
}

#[test]
#[should_panic(expected = "no host call proxy_get_propperty")]
fn a_misspelt_host_call_is_an_error_of_the_test() {
    Fault::host_call("proxy_get_propperty");
}
