//! The canary's script, which the chart's CronJob runs, against what each mesh makes: what it says of a filter that is there, and of one that is not.

use std::process::Command;

use serde_json::json;
use wasm_tests::chart::{file, rendered};
use wasm_tests::stage::Stage;
use wasm_tests::stage::pki::LISTENER_NAME;

use super::inbound::{MESHES, Mesh, setup};

/// Runs the script of the chart with a certificate of the stage: its exit status, and what it says.
async fn canary(mesh: Mesh, stage: &Stage, certificate: &str) -> (i32, String) {
    let example = if mesh == Mesh::EnvoyGateway { "envoy-gateway" } else { "istio" };
    let script = stage.file("canary");
    std::fs::write(&script, file(&rendered(example, &json!({})), "hub-auth-canary", "canary")).expect("a file");
    let port = stage.envoy.address().port().to_string();
    let mut command = Command::new("sh");
    command
        .arg(script)
        .args([LISTENER_NAME, "127.0.0.1", &port])
        .env("CERTIFICATE", stage.file(&format!("{certificate}-chain.pem")))
        .env("KEY", stage.file(&format!("{certificate}-key.pem")))
        .env("CA", stage.file("client-ca.pem"));
    let output = tokio::task::spawn_blocking(move || command.output().expect("sh runs")).await.expect("it ends");
    (output.status.code().expect("an exit status"), String::from_utf8(output.stderr).expect("UTF-8"))
}

#[tokio::test]
async fn the_canary_finds_the_filter() {
    for mesh in MESHES {
        let stage = setup(mesh, mesh.shipped()).start().await;
        assert_eq!(canary(mesh, &stage, "c3").await, (0, "canary: the filter is there\n".to_owned()), "{mesh:?}");
        assert_eq!(stage.bank.received(), [], "{mesh:?}");
    }
}

#[tokio::test]
async fn the_canary_tells_whether_the_last_line_held() {
    let istio = || Mesh::WasmPlugin.shipped().without("WasmPlugin");
    let gateway = || Mesh::EnvoyGateway.shipped().without("EnvoyExtensionPolicy");
    for (mesh, manifests, status, told) in [
        (Mesh::WasmPlugin, istio(), 1, "403, but not by the filter"),
        (Mesh::WasmPlugin, istio().without("AuthorizationPolicy"), 2, "200: REQUESTS PASS UNFILTERED"),
        (Mesh::EnvoyGateway, gateway(), 1, "403, but not by the filter"),
        (Mesh::EnvoyGateway, gateway().without("SecurityPolicy"), 2, "200: REQUESTS PASS UNFILTERED"),
    ] {
        let stage = setup(mesh, manifests).start().await;
        let (exit, said) = canary(mesh, &stage, "c3").await;
        assert_eq!((exit, said.contains(told)), (status, true), "{mesh:?}: {said}");
    }
}

/// It says nothing about the filter, and says so.
#[tokio::test]
async fn a_canary_whose_own_certificate_is_refused_says_so() {
    let mesh = Mesh::WasmPlugin;
    let stage = setup(mesh, mesh.shipped()).start().await;
    let (exit, said) = canary(mesh, &stage, "proxy").await;
    assert_eq!(
        (exit, said.contains("no answer: ") && said.contains("Has the canary's own certificate ended")),
        (1, true),
        "{said}"
    );
}
