//! Loading, starting and configuring a module.

use super::fixture::{envoy, fixture, running, texts};
use std::fs;
use std::path::Path;
use std::time::Duration;
use wasm_tests::host::{Gateway, Request};
use wasm_tests::host::{Level, Module, Profile, Reason};

const SAY_CONFIGURATION: &str = r#"
    (func $say_configuration
      (local $status i32)
      (local.set $status (call $get_buffer (i32.const 7) (i32.const 0) (i32.const 9999) (i32.const 0) (i32.const 4)))
      (if (local.get $status) (then (call $say_status (local.get $status))) (else (call $say_value))))
    (func (export "proxy_on_vm_start") (param i32 i32) (result i32) (call $say_configuration) (i32.const 1))
    (func (export "proxy_on_configure") (param i32 i32) (result i32)
      (call $say_status (local.get 1)) (call $say_configuration) (i32.const 1))
    (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
      (call $say_configuration) (i32.const 0))"#;

#[test]
fn the_plugin_configuration_can_be_read_in_on_configure_only() {
    let gateway = envoy().configuration("{}").start(&fixture(SAY_CONFIGURATION)).unwrap();
    gateway.send(Request::get("/"));
    assert_eq!(texts(&gateway), ["1", "2", "{}", "1"]);
}

#[test]
fn a_configuration_may_be_any_bytes() {
    let gateway = envoy().configuration([0x0a, 0xff]).start(&fixture(SAY_CONFIGURATION)).unwrap();
    assert_eq!(texts(&gateway), ["1", "2", "\n\u{fffd}"]);
}

#[test]
fn every_worker_starts_and_configures_its_own_vm() {
    let module = fixture(
        r#"(global $count (mut i64) (i64.const 0))
        (func (export "proxy_on_configure") (param i32 i32) (result i32)
          (global.set $count (i64.add (global.get $count) (i64.const 1)))
          (call $say_number (global.get $count)) (i32.const 1))"#,
    );
    let gateway = envoy().workers(3).start(&module).unwrap();
    let logs: Vec<_> = gateway.logs().into_iter().map(|log| (log.worker, log.text)).collect();
    assert_eq!(logs, [(0, "1".into()), (1, "1".into()), (2, "1".into())]);
}

#[test]
fn callbacks_come_in_the_order_of_the_abi() {
    let module = fixture(
        r#"(func (export "proxy_on_configure") (param i32 i32) (result i32) (call $say {"configure"}) (i32.const 1))
        (func (export "proxy_on_vm_start") (param i32 i32) (result i32) (call $say {"vm start"}) (i32.const 1))
        (func (export "proxy_on_context_create") (param i32 i32) (call $say {"create"})
          (call $say_status (local.get 0)) (call $say_status (local.get 1)))
        (func (export "main") (param i32 i32) (result i32) (call $say {"main"}) (i32.const 0))
        (func (export "_initialize") (call $say {"initialize"}))"#,
    );
    let gateway = envoy().start(&module).unwrap();
    assert_eq!(texts(&gateway), ["initialize", "main", "create", "1", "0", "vm start", "configure"]);
}

#[test]
fn envoy_refuses_to_start_when_the_module_refuses() {
    for (export, reason) in
        [("proxy_on_vm_start", Reason::VmStartRefused), ("proxy_on_configure", Reason::ConfigurationRefused)]
    {
        let refuses = format!(
            r#"(func (export "{export}") (param i32 i32) (result i32) (call $say {{"no: {export}"}}) (i32.const 0))"#
        );
        let failure = envoy().start(&fixture(&refuses)).unwrap_err();
        assert_eq!(failure.reason, reason);
        assert_eq!(failure.logs[0].text, format!("no: {export}"));
    }
}

#[test]
fn a_module_without_the_abi_version_or_with_an_unknown_import_cannot_be_loaded() {
    let no_version = Module::from_wat(r#"(module (memory (export "memory") 1))"#);
    let unknown = Module::from_wat(
        r#"(module (import "env" "thread_spawn" (func)) (memory (export "memory") 1)
           (func (export "proxy_abi_version_0_2_1")))"#,
    );
    for module in [no_version, unknown] {
        let failure = envoy().start(&module).unwrap_err();
        assert!(matches!(failure.reason, Reason::CannotLoad(_)), "{failure}");
    }
}

#[test]
fn an_import_that_the_profile_lacks_stops_the_module_from_loading() {
    let profile = Profile { missing: &["proxy_http_call"], ..Profile::envoy() };
    let failure = Gateway::new(profile).start(&fixture("")).unwrap_err();
    assert!(failure.to_string().contains("proxy_http_call"), "{failure}");
}

#[test]
fn a_call_that_the_profile_does_not_implement_answers_so() {
    let profile = Profile { unimplemented: &["proxy_get_property"], ..Profile::envoy() };
    let module = fixture(
        r#"(func (export "proxy_on_vm_start") (param i32 i32) (result i32)
          (call $say_property {"plugin_name"}) (i32.const 1))"#,
    );
    assert_eq!(texts(&Gateway::new(profile).start(&module).unwrap()), ["12"]);
}

#[test]
fn restricted_capabilities_answer_with_an_error_and_are_not_called() {
    let module = fixture(
        r#"(func (export "proxy_on_vm_start") (param i32 i32) (result i32)
          (call $say_property {"plugin_name"})
          (call $say_status (call $clock (i32.const 0) (i64.const 0) (i32.const 0))) (i32.const 1))
        (func (export "proxy_on_configure") (param i32 i32) (result i32) (i32.const 0))"#,
    );
    let gateway = envoy().capabilities(["proxy_log", "proxy_on_vm_start"]).start(&module).unwrap();
    assert_eq!(texts(&gateway), ["10", "76"]);
}

#[test]
fn the_environment_reaches_the_module() {
    let module = fixture(
        r#"(func (export "proxy_on_vm_start") (param i32 i32) (result i32)
          (drop (call $environ_get (i32.const 0) (i32.const 512)))
          (call $say (i32.load (i32.const 0)) (i32.const 3))
          (call $say (i32.load (i32.const 4)) (i32.const 5)) (i32.const 1))"#,
    );
    let gateway = envoy().environment("A", "1").environment("BC", "23").start(&module).unwrap();
    assert_eq!(texts(&gateway), ["A=1", "BC=23"]);
}

#[test]
fn lines_below_the_log_level_are_not_kept() {
    let text = r#"(func (export "proxy_on_vm_start") (param i32 i32) (result i32)
        (drop (call $proxy_log (i32.const 1) {"debug"})) (drop (call $proxy_log (i32.const 3) {"warning"}))
        (call $say_status (call $proxy_log (i32.const 6) {"no such level"})) (i32.const 1))"#;
    assert_eq!(texts(&running(text)), ["warning", "2"]);
    let gateway = envoy().log_level(Level::Debug).start(&fixture(text)).unwrap();
    assert_eq!(gateway.logs()[0].level, Level::Debug);
}

#[test]
fn standard_output_and_error_end_in_the_log() {
    let gateway = running(
        r#"(func $print (param $fd i32) (param $at i32) (param $length i32)
          (i32.store (i32.const 32) (local.get $at)) (i32.store (i32.const 36) (local.get $length))
          (call $say_status (call $fd_write (local.get $fd) (i32.const 32) (i32.const 1) (i32.const 40))))
        (func (export "_initialize")
          (call $print (i32.const 1) {"out"}) (call $print (i32.const 2) {"error"}) (call $print (i32.const 3) {"x"}))"#,
    );
    assert_eq!(texts(&gateway), ["out", "0", "error", "0", "8"]);
    assert_eq!((gateway.logs()[0].level, gateway.logs()[2].level), (Level::Info, Level::Error));
}

#[test]
fn random_bytes_follow_from_the_seed() {
    let module = fixture(
        r#"(func (export "proxy_on_vm_start") (param i32 i32) (result i32)
          (drop (call $random (i32.const 0) (i32.const 8))) (call $say_number (i64.load (i32.const 0)))
          (drop (call $random (i32.const 0) (i32.const 8))) (call $say_number (i64.load (i32.const 0)))
          (call $say_status (call $random (i32.const 0) (i32.const 65537))) (i32.const 1))"#,
    );
    let of_seed = |seed| texts(&envoy().seed(seed).start(&module).unwrap());
    assert_eq!(of_seed(1), of_seed(1));
    assert_ne!(of_seed(1), of_seed(2));
    assert_ne!(of_seed(1)[0], of_seed(1)[1]);
    assert_eq!(of_seed(1)[2], "28");
}

#[test]
fn an_artifact_older_than_its_sources_is_refused_with_a_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let artifact = folder.path().join("module.wasm");
    let source = folder.path().join("src/deep/file.rs");
    fs::create_dir_all(source.parent().unwrap()).unwrap();
    fs::write(&source, "").unwrap();
    let load = || Module::artifact(&artifact, Some(&folder.path().join("src")));
    let why = |path: &Path| load().err().unwrap_or_else(|| panic!("{} was accepted", path.display()));
    assert!(why(&artifact).contains("run `make build`"));
    fs::write(&artifact, "(module)").unwrap();
    assert!(why(&artifact).contains("is not a WebAssembly module"));
    fs::write(&artifact, b"\0asm\x01\0\0\0").unwrap();
    assert_eq!(load().unwrap().size(), 8);
    let built = fs::metadata(&artifact).unwrap().modified().unwrap();
    fs::File::open(&source).unwrap().set_modified(built + Duration::from_secs(60)).unwrap();
    assert!(why(&artifact).contains("file.rs: run `make build`"));
}

#[test]
fn a_module_names_its_imports_and_exports() {
    let module = Module::from_wat(
        r#"(module (import "env" "proxy_log" (func (param i32 i32 i32) (result i32))) (func (export "b")) (func (export "a")))"#,
    );
    assert_eq!(module.imports(), ["env.proxy_log"]);
    assert_eq!(module.exports(), ["a", "b"]);
}
