//! The engines that run modules: the host does the same on each of them, and what an engine does wrong is not hidden.

use std::env;
use std::process::Command;
use std::time::Duration;

use rstest::rstest;
use rstest_reuse::{apply, template};
use wasm_tests::artifact::Artifact;
use wasm_tests::host::{Engine, Gateway, InterleavingPoint, Module, Profile, Reason, Request};

use super::fixture::{fixture, texts};

/// A rule that holds on every engine.
#[template]
#[rstest]
#[case::metered(Engine::Metered)]
#[case::wasmtime_0_38(Engine::Wasmtime0_38)]
#[case::wasmtime_14(Engine::Wasmtime14)]
#[case::wasmtime_19(Engine::Wasmtime19)]
#[case::wasmtime_26(Engine::Wasmtime26)]
fn every_engine(#[case] engine: Engine) {}

fn on(engine: Engine) -> Profile {
    Profile { engine, ..Profile::envoy() }
}

/// A gateway that runs this fixture on an engine.
fn running(engine: Engine, text: &str) -> Gateway {
    Gateway::new(on(engine)).start(&fixture(text)).expect("a fixture that starts")
}

/// The report of the trap of this fixture at its start.
fn trap(profile: Profile, text: &str) -> String {
    match Gateway::new(profile).expect_traps().start(&fixture(text)).expect_err("a trap").reason {
        Reason::Trapped(report) => report,
        other => panic!("{other:?}"),
    }
}

#[apply(every_engine)]
fn values_go_both_ways_through_memory_that_the_module_allocates(engine: Engine) {
    let gateway = running(
        engine,
        r#"(func (export "proxy_on_vm_start") (param i32 i32) (result i32)
          (call $say_property {"plugin_name"}) (i32.const 1))"#,
    );
    assert_eq!(texts(&gateway), ["hub-auth-filter"]);
}

#[apply(every_engine)]
fn arguments_may_have_64_bits(engine: Engine) {
    let gateway = running(
        engine,
        r#"(func (export "proxy_on_vm_start") (param i32 i32) (result i32)
          (drop (call $define_metric (i32.const 0) {"m"} (i32.const 0)))
          (drop (call $increment_metric (i32.load (i32.const 0)) (i64.const 0x123456789a))) (i32.const 1))"#,
    );
    assert_eq!(gateway.metric("m"), 0x12_3456_789a);
}

#[apply(every_engine)]
fn memory_may_grow_while_the_host_asks_for_some(engine: Engine) {
    let gateway = running(
        engine,
        r#"(func (export "malloc") (param i32) (result i32)
          (i32.mul (memory.grow (i32.const 100)) (i32.const 65536)))
        (func (export "proxy_on_vm_start") (param i32 i32) (result i32)
          (call $say_property {"plugin_name"}) (call $say_number (i64.extend_i32_u (i32.load (i32.const 0)))) (i32.const 1))"#,
    );
    assert_eq!(texts(&gateway), ["hub-auth-filter".to_owned(), (4 * 65536).to_string()]);
    assert_eq!(gateway.worker(0).memory(), 104 * 65536);
}

#[apply(every_engine)]
fn a_pointer_outside_the_memory_is_a_status(engine: Engine) {
    let gateway = running(
        engine,
        r#"(func (export "proxy_on_vm_start") (param i32 i32) (result i32)
          (call $say_status (call $proxy_log (i32.const 2) (i32.const 262140) (i32.const 5)))
          (call $say_status (call $get_property {"plugin_name"} (i32.const -2) (i32.const 4))) (i32.const 1))"#,
    );
    assert_eq!(texts(&gateway), ["6", "6"]);
}

#[apply(every_engine)]
fn a_trap_is_one_whoever_trapped(engine: Engine) {
    let start = r#"(func (export "proxy_on_vm_start") (param i32 i32) (result i32)"#;
    let of_module = trap(on(engine), &format!("{start} unreachable)"));
    assert!(of_module.contains("unreachable"), "{of_module}");
    let trapping = Profile { trapping: &[&["proxy_get_status"]], ..on(engine) };
    let get_status = "(drop (call $get_status (i32.const 0) (i32.const 4) (i32.const 8))) (i32.const 1))";
    let of_host = trap(trapping, &format!("{start} {get_status}"));
    assert!(of_host.contains("proxy_get_status is not implemented"), "{of_host}");
    let allocator = r#"(func (export "malloc") (param i32) (result i32) unreachable)"#;
    let of_allocator =
        trap(on(engine), &format!(r#"{allocator} {start} (call $say_property {{"plugin_name"}}) (i32.const 1))"#));
    assert!(of_allocator.contains("unreachable"), "{of_allocator}");
}

#[apply(every_engine)]
fn the_death_of_a_worker_is_no_trap(engine: Engine) {
    let profile = Profile { silent_start: true, ..on(engine) };
    let module = fixture(r#"(func (export "_initialize") (call $say {"too early"}))"#);
    let failure = Gateway::new(profile).expect_crashes().start(&module).unwrap_err();
    assert!(
        matches!(&failure.reason, Reason::Crashed(why) if why.contains("called while the module initializes itself")),
        "{failure}"
    );
}

/// Another worker traps in the middle of a host call, which nobody expects.
#[apply(every_engine)]
#[should_panic(expected = "the module trapped in proxy_on_request_headers (worker 1")]
fn what_fails_inside_a_host_call_fails_the_test(engine: Engine) {
    let module = fixture(
        r#"(func (export "proxy_on_request_headers") (param i32 i32) (param $end i32) (result i32)
          (if (i32.eqz (local.get $end)) (then unreachable))
          (call $say {"here"}) (i32.const 0))"#,
    );
    let gateway = Gateway::new(on(engine)).workers(2).start(&module).unwrap();
    gateway.worker(1).send_at(InterleavingPoint::before("proxy_log"), Request::post("/").body("x"));
    gateway.worker(0).send(Request::get("/"));
}

/// What an engine that counts no fuel cannot end.
#[test]
#[ignore = "it ends its process, which the test below starts"]
fn endless() {
    let module =
        fixture(r#"(func (export "proxy_on_configure") (param i32 i32) (result i32) (loop (br 0)) (i32.const 1))"#);
    let gateway = Gateway::new(Profile::apisix()).patience(Duration::from_secs(1)).start(&module).unwrap();
    gateway.send(Request::get("/"));
}

#[test]
fn a_call_that_does_not_end_ends_its_process_with_a_sentence() {
    let mut process = Command::new(env::current_exe().unwrap());
    let ended = process.args(["--exact", "engines::endless", "--ignored"]).output().unwrap();
    let said = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert!(!ended.status.success(), "{said}");
    let sentence = "engines::endless: proxy_on_configure on wasmtime 0.38 has not ended within 1s: giving up";
    assert!(said.contains(sentence), "{said}");
}

/// The engine of APISIX does not cut a shifted index to 32 bits where it is part of an address (GHSA-ff4p-7xrq-q5r8). It is the fault
/// for which the suites run on the gateways' own engines.
#[apply(every_engine)]
fn an_address_that_was_shifted_is_cut_to_32_bits_but_in_wasmtime_0_38(engine: Engine) {
    let text = r#"(global $index (mut i32) (i32.const 0x20000001))
        (func (export "proxy_on_vm_start") (param i32 i32) (result i32)
          (i64.store (i32.const 8) (i64.const 1234))
          (call $say_number (i64.load (i32.shl (global.get $index) (i32.const 3)))) (i32.const 1))"#;
    if engine == Engine::Wasmtime0_38 {
        let report = trap(on(engine), text);
        assert!(report.contains("out of bounds memory access"), "{report}");
    } else {
        assert_eq!(texts(&running(engine, text)), ["1234"]);
    }
}

/// APISIX and Kong before 3.7 do not load the artifact for relaxed SIMD.
#[apply(every_engine)]
fn an_engine_loads_the_artifacts_that_are_for_it(engine: Engine) {
    for artifact in Artifact::ALL {
        let module = Module::artifact(&artifact.path(), None).unwrap_or_else(|why| panic!("{why}"));
        let started = Gateway::new(on(engine)).configuration(r#"{"inbound": {}}"#).start(&module);
        let reason = started.expect_err("a configuration that is wrong").reason;
        let has_relaxed_simd = matches!(engine, Engine::Metered | Engine::Wasmtime19 | Engine::Wasmtime26);
        if artifact == Artifact::Baseline || has_relaxed_simd {
            assert_eq!(reason, Reason::ConfigurationRefused, "{artifact:?}");
        } else {
            let names_it = |why: &String| why.contains("relaxed SIMD") || why.contains("unknown 0xfd subopcode: 0x10");
            assert!(matches!(&reason, Reason::CannotLoad(why) if names_it(why)), "{artifact:?}: {reason:?}");
        }
    }
}
