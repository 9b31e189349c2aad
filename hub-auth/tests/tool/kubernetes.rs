//! Manifests of Kubernetes: Istio and Envoy Gateway hand an object over as JSON.

use super::{changed, findings, rules};

const WASM_PLUGIN: &str = r#"apiVersion: extensions.istio.io/v1alpha1
kind: WasmPlugin
metadata:
  name: hub-auth-filter
spec:
  phase: AUTHN
  pluginConfig:
    inbound:
      provider_ids: ["retail"]
      peer:
        organisational_units: ["233bcd1d-4216-4b3c-a362-9e4a9282bba7"]
      auth:
        jwt_auth:
          jwks: {environment: sandbox}
          upstream: outbound|443||keystore.sandbox.directory.openfinance.ae
"#;

const EXTENSION_POLICY: &str = r#"apiVersion: gateway.envoyproxy.io/v1alpha1
kind: EnvoyExtensionPolicy
metadata:
  name: inbound
spec:
  wasm:
    - name: hub-auth-filter
      config:
        inbound:
          provider_ids: ["retail"]
          peer: {organisational_units: ["233bcd1d-4216-4b3c-a362-9e4a9282bba7"]}
          auth: {jwt_auth: {jwks: {environment: sandbox}, upstream: keystore}}
"#;

const ENVOY_FILTER: &str = r#"apiVersion: networking.istio.io/v1alpha3
kind: EnvoyFilter
metadata:
  name: hub-auth-filter
spec:
  configPatches:
    - applyTo: HTTP_FILTER
      patch:
        operation: INSERT_FIRST
        value:
          name: hub_auth_filter
          typed_config:
            "@type": type.googleapis.com/udpa.type.v1.TypedStruct
            type_url: type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm
            value:
              config:
                configuration:
                  "@type": type.googleapis.com/google.protobuf.StringValue
                  value: |
                    {"inbound": {"provider_ids": ["retail"],
                      "peer": {"organisational_units": ["233bcd1d-4216-4b3c-a362-9e4a9282bba7"]},
                      "auth": {"jwt_auth": {"jwks": {"environment": "sandbox"}, "upstream": "keystore"}}}}
"#;

#[test]
fn a_right_manifest_has_no_findings() {
    for manifest in [WASM_PLUGIN, EXTENSION_POLICY, ENVOY_FILTER] {
        let (findings, status) = findings("manifest.yaml", manifest);
        assert_eq!((findings, status), (vec![], 0), "{manifest}");
    }
    let several = format!("apiVersion: v1\nkind: Namespace\n---\n{WASM_PLUGIN}---\n{ENVOY_FILTER}");
    let (findings, status) = findings("manifest.yaml", &several);
    assert_eq!((findings, status), (vec![], 0));
}

#[test]
fn what_is_wrong_in_a_manifest_has_its_line() {
    for (manifest, from, to, line) in [
        (WASM_PLUGIN, "environment: sandbox", "environment: sandbx", 14),
        (WASM_PLUGIN, "provider_ids: [\"retail\"]", "provider_ids: [7]", 9),
        (EXTENSION_POLICY, "environment: sandbox", "environment: sandbx", 12),
        (ENVOY_FILTER, "\"sandbox\"", "\"sandbx\"", 22),
    ] {
        let (findings, status) = findings("manifest.yaml", &changed(manifest, from, to));
        let places: Vec<_> = findings.iter().map(|finding| finding["line"].as_u64()).collect();
        assert_eq!((places, status), (vec![Some(line)], 1), "{from}: {findings:#?}");
    }
}

#[test]
fn a_plugin_of_ours_without_a_configuration_is_refused() {
    let (start, _) = WASM_PLUGIN.split_once("  pluginConfig").expect("a plugin");
    let (findings, status) = findings("manifest.yaml", start);
    assert_eq!((rules(&findings), status), (vec!["configuration"], 1), "{findings:#?}");
}
