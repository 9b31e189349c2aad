//! Manifests of Kubernetes: Istio and Envoy Gateway hand an object over as JSON.

use super::{changed, findings, findings_with, rules, shipped};

const WASM_PLUGIN: &str = r#"apiVersion: extensions.istio.io/v1alpha1
kind: WasmPlugin
metadata:
  name: hub-auth-filter
spec:
  url: oci://registry.example/hub-auth-filter:0.1.0
  sha256: 88bb1878bc519fb7db4e02e4d44768e78bb55b75eab7e8e9e93da491ba5bfd88
  failStrategy: FAIL_RELOAD
  phase: AUTHN
  vmConfig:
    env: []
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
      failOpen: false
      code:
        type: Image
        image:
          url: registry.example/hub-auth-filter:0.1.0
          sha256: 88bb1878bc519fb7db4e02e4d44768e78bb55b75eab7e8e9e93da491ba5bfd88
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
                failure_policy: FAIL_RELOAD
                CAPABILITIES
                configuration:
                  "@type": type.googleapis.com/google.protobuf.StringValue
                  value: |
                    {"inbound": {"provider_ids": ["retail"],
                      "peer": {"organisational_units": ["233bcd1d-4216-4b3c-a362-9e4a9282bba7"]},
                      "auth": {"jwt_auth": {"jwks": {"environment": "sandbox"}, "upstream": "keystore"}}}}
"#;

/// The list of capabilities of the shipped file, on a line of its own.
fn envoy_filter() -> String {
    let names = shipped("envoy/inbound.yaml");
    let names = names.lines().map(str::trim).filter(|line| line.ends_with(": {}")).collect::<Vec<_>>().join(", ");
    assert!(names.contains("proxy_on_request_headers"), "{names}");
    ENVOY_FILTER
        .replace("CAPABILITIES", &format!("capability_restriction_config: {{allowed_capabilities: {{{names}}}}}"))
}

#[test]
fn a_right_manifest_has_no_findings() {
    for manifest in [WASM_PLUGIN, EXTENSION_POLICY, &envoy_filter()] {
        let (findings, status) = findings("manifest.yaml", manifest);
        assert_eq!((findings, status), (vec![], 0), "{manifest}");
    }
    let several = format!("apiVersion: v1\nkind: Namespace\n---\n{WASM_PLUGIN}---\n{}", envoy_filter());
    let (findings, status) = findings("manifest.yaml", &several);
    assert_eq!((findings, status), (vec![], 0));
}

#[test]
fn what_is_wrong_in_a_manifest_has_its_line() {
    let envoy_filter = envoy_filter();
    for (manifest, from, to, line) in [
        (WASM_PLUGIN, "environment: sandbox", "environment: sandbx", 19),
        (WASM_PLUGIN, "provider_ids: [\"retail\"]", "provider_ids: [7]", 14),
        (EXTENSION_POLICY, "environment: sandbox", "environment: sandbx", 18),
        (&envoy_filter, "\"sandbox\"", "\"sandbx\"", 24),
    ] {
        let (findings, status) = findings("manifest.yaml", &changed(manifest, from, to));
        let matters = findings.iter().filter(|finding| finding["severity"] != "note");
        let places: Vec<_> = matters.map(|finding| finding["line"].as_u64()).collect();
        assert_eq!((places, status), (vec![Some(line)], 1), "{from}: {findings:#?}");
    }
}

#[test]
fn a_plugin_of_ours_without_a_configuration_is_refused() {
    let (start, _) = WASM_PLUGIN.split_once("  pluginConfig").expect("a plugin");
    let (findings, status) = findings("manifest.yaml", start);
    assert_eq!((rules(&findings), status), (vec!["configuration"], 1), "{findings:#?}");
}

#[test]
fn the_shipped_manifests_have_no_findings_even_where_it_is_strict() {
    for name in ["istio/inbound.yaml", "istio/envoyfilter.yaml", "istio/outbound.yaml", "envoy-gateway/inbound.yaml"] {
        let (findings, status) = findings_with(&["--strict"], "manifest.yaml", &shipped(name));
        assert_eq!((rules(&findings), status), (vec![], 0), "{name}: {findings:#?}");
    }
}

#[test]
fn a_server_whose_certificate_is_not_checked_is_found() {
    let (istio, gateway) = (shipped("istio/inbound.yaml"), shipped("envoy-gateway/inbound.yaml"));
    let keystore = "keystore.sandbox.directory.openfinance.ae";
    for (manifest, from, to, expected) in [
        (&istio, format!("  host: {keystore}"), "  host: other.example".to_owned(), 1),
        (&istio, "    tls:\n      # Who".to_owned(), "    outlierDetection:\n      # Who".to_owned(), 1),
        (&istio, "mode: SIMPLE".to_owned(), "mode: DISABLE".to_owned(), 1),
        (&istio, "mode: SIMPLE".to_owned(), "mode: SIMPLE\n      insecureSkipVerify: true".to_owned(), 1),
        (&istio, format!("subjectAltNames: [{keystore}]"), "subjectAltNames: []".to_owned(), 1),
        (&istio, "      caCertificates:".to_owned(), "      x:".to_owned(), 0),
        (&gateway, format!("matcher: {{exact: {keystore}}}"), "matcher: {exact: other.example}".to_owned(), 1),
        (&gateway, format!("sni: {keystore}"), "sni: other.example".to_owned(), 1),
    ] {
        let (findings, status) = findings("manifest.yaml", &changed(manifest, &from, &to));
        let rule = if manifest == &istio { "mesh-upstream" } else { "envoy-upstream" };
        assert_eq!((rules(&findings), status), (vec![rule], expected), "{from}: {findings:#?}");
    }
}

/// Beside the plugin, in one file.
const GATEWAY: &str = r#"---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata:
  name: hub
spec:
  servers:
    - port: {number: 8443, name: https, protocol: HTTPS}
      hosts: ["*"]
      tls: {mode: MUTUAL, credentialName: hub}
"#;

const CLIENT_TRAFFIC: &str = r#"---
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: ClientTrafficPolicy
metadata:
  name: hub
spec:
  tls:
    clientValidation:
      optional: false
      caCertificateRefs: [{name: trust-framework}]
"#;

#[test]
fn each_setting_around_the_filter_has_its_rule() {
    let istio = format!("{WASM_PLUGIN}{GATEWAY}");
    let envoy_gateway = format!("{EXTENSION_POLICY}{CLIENT_TRAFFIC}");
    let envoy_filter = envoy_filter();
    for manifest in [&istio, &envoy_gateway] {
        let (findings, status) = findings("manifest.yaml", manifest);
        assert_eq!((findings, status), (vec![], 0), "{manifest}");
    }
    let secret = "          jwks: {environment: sandbox}";
    for (manifest, from, to, rule, expected) in [
        (&istio, "failStrategy: FAIL_RELOAD", "failStrategy: FAIL_OPEN", "mesh-fail-open", 1),
        (&istio, "  failStrategy: FAIL_RELOAD\n", "", "mesh-fail-open", 0),
        (&istio, "failStrategy: FAIL_RELOAD", "failStrategy: FAIL_CLOSE", "mesh-fail-open", 0),
        (&istio, "phase: AUTHN", "phase: AUTHZ", "mesh-phase", 0),
        (&istio, "  sha256: 88bb", "  x-sha256: 88bb", "mesh-module-digest", 0),
        (&istio, "mode: MUTUAL", "mode: OPTIONAL_MUTUAL", "mesh-client-certificate", 1),
        (&istio, "mode: MUTUAL", "mode: SIMPLE", "mesh-client-certificate", 1),
        (&envoy_gateway, "failOpen: false", "failOpen: true", "mesh-fail-open", 1),
        (&envoy_gateway, "          sha256: 88bb", "          tag: 88bb", "mesh-module-digest", 0),
        (&envoy_gateway, "optional: false", "optional: true", "mesh-client-certificate", 1),
        (&envoy_gateway, "optional: false", "mode: VerifyIfGiven", "mesh-client-certificate", 1),
        (&envoy_gateway, "optional: false", "mode: RequireAny", "mesh-client-certificate", 1),
        (&envoy_gateway, "optional: false", "mode: Request", "mesh-client-certificate", 1),
        (&envoy_gateway, "clientValidation:", "minVersion:", "mesh-client-certificate", 1),
        (&envoy_filter, "failure_policy: FAIL_RELOAD", "fail_open: true", "envoy-fail-open", 1),
        (&envoy_filter, "proxy_on_request_headers: {}", "proxy_on_request_body: {}", "envoy-capabilities", 1),
    ] {
        let (findings, status) = findings("manifest.yaml", &changed(manifest, from, to));
        assert_eq!((rules(&findings), status), (vec![rule], expected), "{from} {to} {findings:#?}");
    }
    for (manifest, given, help) in [
        (&istio, "    env: [{name: INTROSPECTION_SECRET, valueFrom: HOST}]", "    env: []"),
        (&envoy_gateway, "      env: {hostKeys: [INTROSPECTION_SECRET]}\n      code:", "      code:"),
    ] {
        let needing = changed(manifest, secret.trim(), "jwks: {environment: sandbox}");
        let needing = needing.replace("jwt_auth:", "client_credentials:");
        let needing = if needing.contains("client_credentials: {") {
            needing.replace(
                "{jwks: {environment: sandbox}, upstream: keystore}",
                "{introspection: {url: \"https://as.bank.example/i\", client_id: c, client_secret: {env: INTROSPECTION_SECRET}}}",
            )
        } else {
            needing
                .replace(
                    "jwks: {environment: sandbox}",
                    "introspection: {url: \"https://as.bank.example/i\", client_id: c, client_secret: {env: INTROSPECTION_SECRET}}",
                )
                .replace("          upstream: outbound|443||keystore.sandbox.directory.openfinance.ae\n", "")
        };
        let (found, status) = findings("manifest.yaml", &needing);
        assert_eq!((rules(&found), status), (vec!["mesh-environment"], 1), "{found:#?}");
        let (found, status) = findings("manifest.yaml", &changed(&needing, help, given));
        assert_eq!((rules(&found), status), (vec![], 0), "{found:#?}");
    }
}
