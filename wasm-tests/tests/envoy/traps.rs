//! What the shipped configuration does with a filter that traps (`failure_policy`). The release module must never
//! trap, so a small module stands in for it here.

use std::fs;
use std::time::Duration;

use wasm_tests::stage::client::Request;
use wasm_tests::stage::envoy;
use wasm_tests::stage::{Setup, signed_by};

/// A module that traps on each request.
pub const TRAPPING: &str = r#"(module
    (memory (export "memory") 1)
    (func (export "_initialize"))
    (func (export "proxy_abi_version_0_2_1"))
    (func (export "proxy_on_memory_allocate") (param i32) (result i32) i32.const 1024)
    (func (export "proxy_on_context_create") (param i32 i32))
    (func (export "proxy_on_vm_start") (param i32 i32) (result i32) i32.const 1)
    (func (export "proxy_on_configure") (param i32 i32) (result i32) i32.const 1)
    (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) unreachable))"#;

#[tokio::test]
async fn a_filter_that_traps_lets_nothing_through_and_gets_a_fresh_vm() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let module = directory.path().join("trapping.wasm");
    fs::write(&module, wat::parse_str(TRAPPING).expect("a module")).expect("a writable directory");
    let stage = Setup::new().edit(&envoy::module(), &module.display().to_string()).start().await;

    let request = Request::with_token(&signed_by(&stage.pki.hub));
    assert_eq!(stage.send_as_hub(&request).await.reply().status, 503);
    // Envoy's default backoff before it reloads a module: 1 to 1.5 seconds.
    tokio::time::sleep(Duration::from_millis(1600)).await;
    assert_eq!(stage.send_as_hub(&request).await.reply().status, 503);

    assert_eq!(stage.bank.received(), []);
    let reloads = stage.envoy.stats("vm_reload").await;
    assert_eq!(reloads.get("wasm.hub_auth_filter.vm_reload_success"), Some(&1), "{reloads:?}");
}
