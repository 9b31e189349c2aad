//! `gateway-configs/istio/` and `gateway-configs/envoy-gateway/`: the manifests are such that the API server takes them, and say the same as
//! the files of Envoy. What runs on them is in the tests with a real Envoy.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use super::files::{by, text, yaml};

/// All files with manifests.
const FILES: [&str; 4] =
    ["istio/inbound.yaml", "istio/envoyfilter.yaml", "istio/outbound.yaml", "envoy-gateway/inbound.yaml"];

fn manifests(path: &str) -> Vec<Value> {
    serde_saphyr::from_multiple(&text(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn is_of_envoy_gateway(manifest: &Value) -> bool {
    manifest["apiVersion"].as_str().is_some_and(|version| version.starts_with("gateway.envoyproxy.io/"))
}

/// What the published schemas of Istio and the Gateway API find wrong.
fn faults(manifests: &[Value]) -> Vec<String> {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.tools/manifest-schemas"));
    let script = folder.join("validate.mjs");
    assert!(script.is_file(), "There are no schemas of Istio and the Gateway API: run `make manifest-schemas`.");
    let mut child = Command::new("node")
        .args(["--preserve-symlinks", "--preserve-symlinks-main"])
        .arg(&script)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("node does not start: {error}"));
    let mut input = child.stdin.take().expect("a pipe");
    input.write_all(json!(manifests).to_string().as_bytes()).expect("node reads");
    drop(input);
    let output = child.wait_with_output().expect("node ends");
    let faults = String::from_utf8(output.stdout).expect("UTF-8");
    assert_eq!(output.status.code(), Some(i32::from(!faults.is_empty())), "{faults}");
    faults.lines().map(ToOwned::to_owned).collect()
}

/// What our own schema of Envoy Gateway finds wrong.
fn faults_of_envoy_gateway(manifest: &Value) -> Vec<String> {
    let mut schema: Value =
        serde_json::from_str(include_str!("../../schemas/envoy-gateway.schema.json")).expect("JSON");
    schema["$ref"] = format!("#/$defs/{}", manifest["kind"].as_str().expect("a kind")).into();
    let validator = jsonschema::draft202012::new(&schema).expect("a schema");
    validator.iter_errors(&manifest["spec"]).map(|fault| format!("{}: {fault}", manifest["kind"])).collect()
}

#[test]
fn the_api_server_would_take_every_manifest() {
    let all: Vec<Value> = FILES.into_iter().flat_map(manifests).collect();
    let (of_envoy_gateway, others): (Vec<Value>, Vec<Value>) = all.into_iter().partition(is_of_envoy_gateway);
    assert_eq!((of_envoy_gateway.len(), others.len()), (4, 21));
    let found: Vec<String> = of_envoy_gateway.iter().flat_map(faults_of_envoy_gateway).chain(faults(&others)).collect();
    assert!(found.is_empty(), "{found:#?}");
}

/// The API server itself drops a field that it does not know, without a word.
#[test]
fn a_field_that_does_not_exist_and_a_value_that_is_none_are_found() {
    for (path, kind, pointer, value) in [
        ("istio/inbound.yaml", "WasmPlugin", "/spec/failStrategi", json!("FAIL_RELOAD")),
        ("istio/inbound.yaml", "WasmPlugin", "/spec/phase", json!("AUTHNZ")),
        ("istio/inbound.yaml", "Gateway", "/spec/servers/0/tls/modus", json!("MUTUAL")),
        ("istio/inbound.yaml", "AuthorizationPolicy", "/spec/action", json!("PERMIT")),
        ("istio/outbound.yaml", "ServiceEntry", "/spec/resolution", json!("DNSSEC")),
        ("istio/envoyfilter.yaml", "EnvoyFilter", "/spec/configPatches/0/patch/operation", json!("INSERT")),
        ("envoy-gateway/inbound.yaml", "HTTPRoute", "/spec/rules/0/timeout", json!("15s")),
        ("envoy-gateway/inbound.yaml", "EnvoyExtensionPolicy", "/spec/wasm/0/failOpened", json!(false)),
        ("envoy-gateway/inbound.yaml", "ClientTrafficPolicy", "/spec/tls/clientValidation/mode", json!("Required")),
        ("envoy-gateway/inbound.yaml", "SecurityPolicy", "/spec/authorization/defaultAction", json!("DENY")),
        ("envoy-gateway/inbound.yaml", "EnvoyProxy", "/spec/filterOrder/0/name", json!("envoy.filters.http.wasn")),
    ] {
        let mut manifest = manifests(path).into_iter().find(|one| one["kind"] == kind).expect("such a manifest");
        let (parent, key) = pointer.rsplit_once('/').expect("a pointer");
        let said = value.as_str().unwrap_or(key).to_owned();
        manifest.pointer_mut(parent).expect("a place")[key] = value;
        let of_envoy_gateway = is_of_envoy_gateway(&manifest);
        let found = if of_envoy_gateway { faults_of_envoy_gateway(&manifest) } else { faults(&[manifest]) };
        assert!(found.iter().any(|fault| fault.contains(key) || fault.contains(&said)), "{kind}: {pointer}: {found:?}");
    }
}

/// The plugin of a bootstrap's HTTP filter of ours.
fn shipped(path: &str) -> Value {
    let file = yaml(path);
    let manager = &file["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"];
    let filters = manager["http_filters"].as_array().expect("filters");
    let ours = filters.iter().find(|filter| filter["name"] == "hub_auth_filter").expect("our filter");
    ours["typed_config"]["config"].clone()
}

fn configuration(plugin: &Value) -> Value {
    serde_json::from_str(plugin["configuration"]["value"].as_str().expect("text")).expect("JSON")
}

#[test]
fn each_mesh_is_shipped_with_the_settings_of_envoy_but_for_the_name_of_the_keystores_cluster() {
    let upstream = "/inbound/auth/jwt_auth/upstream";
    let mut expected = configuration(&shipped("envoy/inbound.yaml"));
    let of = |path: &str, kind: &str, pointer: &str| {
        let all = manifests(path);
        all.iter().find(|one| one["kind"] == kind).and_then(|one| one.pointer(pointer)).expect("settings").clone()
    };
    assert_eq!(of("envoy-gateway/inbound.yaml", "EnvoyExtensionPolicy", "/spec/wasm/0/config"), expected);
    *expected.pointer_mut(upstream).expect("there") = "outbound|443||keystore.sandbox.directory.openfinance.ae".into();
    assert_eq!(of("istio/inbound.yaml", "WasmPlugin", "/spec/pluginConfig"), expected);
    let patch = of("istio/envoyfilter.yaml", "EnvoyFilter", "/spec/configPatches/0/patch/value/typed_config/config");
    assert_eq!(configuration(&patch), expected);
    let outbound = configuration(&shipped("envoy/outbound.yaml"));
    assert_eq!(of("istio/outbound.yaml", "WasmPlugin", "/spec/pluginConfig"), outbound);
}

#[test]
fn the_envoyfilter_restricts_the_module_as_the_file_of_envoy_does() {
    let patch = &manifests("istio/envoyfilter.yaml")[0]["spec"]["configPatches"][0]["patch"]["value"]["typed_config"];
    let list = |plugin: &Value| plugin["vm_config"]["capability_restriction_config"].clone();
    assert!(list(&patch["config"]).is_object());
    assert_eq!(list(&patch["config"]), list(&shipped("envoy/inbound.yaml")));
}

#[test]
fn every_bootstrap_takes_the_labels_out_of_the_names_of_metrics_in_the_same_way() {
    let expected = yaml("envoy/inbound.yaml")["stats_config"].clone();
    assert_eq!(expected["stats_tags"].as_array().map(Vec::len), Some(6));
    assert_eq!(yaml("envoy/outbound.yaml")["stats_config"], expected);
    for path in ["istio/inbound.yaml", "istio/outbound.yaml"] {
        let patches = manifests(path)
            .into_iter()
            .filter(|one| one["kind"] == "EnvoyFilter")
            .flat_map(|filter| filter["spec"]["configPatches"].as_array().expect("patches").clone());
        let of_bootstrap: Vec<Value> = patches.filter(|patch| patch["applyTo"] == "BOOTSTRAP").collect();
        assert_eq!(of_bootstrap.len(), 1, "{path}");
        assert_eq!(of_bootstrap[0]["patch"]["value"], json!({"stats_config": expected}), "{path}");
    }
    let proxy = manifests("envoy-gateway/inbound.yaml").into_iter().find(|one| one["kind"] == "EnvoyProxy");
    let proxy = proxy.expect("an EnvoyProxy");
    let patches = by("path", &proxy["spec"]["bootstrap"]["jsonPatches"]);
    assert_eq!(patches["/stats_config"]["value"], expected);
}

/// A policy that selects other pods, or another port, would be no policy.
#[test]
fn everything_of_istio_is_for_the_pods_of_its_gateway_and_the_port_that_they_listen_at() {
    for path in ["istio/inbound.yaml", "istio/outbound.yaml"] {
        let mut all = manifests(path);
        if path.contains("inbound") {
            all.extend(manifests("istio/envoyfilter.yaml"));
        }
        let gateway = all.iter().find(|one| one["kind"] == "Gateway").expect("a gateway").clone();
        for one in all {
            assert_eq!(one["metadata"]["namespace"], gateway["metadata"]["namespace"], "{one}");
            let spec = &one["spec"];
            let selector = match one["kind"].as_str() {
                Some("WasmPlugin" | "AuthorizationPolicy") => &spec["selector"]["matchLabels"],
                Some("EnvoyFilter") => &spec["workloadSelector"]["labels"],
                _ => continue,
            };
            assert_eq!(*selector, gateway["spec"]["selector"], "{one}");
            let patches = spec["configPatches"].as_array().into_iter().flatten();
            for listener in patches.map(|patch| &patch["match"]["listener"]).filter(|listener| !listener.is_null()) {
                assert_eq!(listener["portNumber"], 8443, "{one}");
            }
            if one["kind"] == "WasmPlugin" {
                assert_eq!(spec["match"], json!([{"ports": [{"number": 8443}]}]));
            }
        }
    }
}
