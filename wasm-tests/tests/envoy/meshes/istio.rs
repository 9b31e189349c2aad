//! What Istio hands to a gateway's Envoy for the shipped manifests, by the source of its release 1.32 (pilot's `extensions.go`, `gateway.go`,
//! `listener_builder.go`, the agent's `convert.go`): filters in the order of their phases, JSON in a `StringValue`, no `vm_id`, no list of
//! capabilities, clusters named `outbound|PORT||HOST`, secrets named `kubernetes://NAME`.

use std::net::SocketAddr;

use serde_json::{Value, json};

use super::bootstrap::{cluster, extension, listener, plugin, server_checks, typed};
use super::manifests::{Manifests, list, text};
use super::patches;

/// The `targetPort` of the gateways' Services, which is the port that Envoy listens at. A stage's listens at a free one.
const TARGET_PORT: u64 = 8443;

/// Where the proxy finds what the manifests only name.
pub struct Around<'a> {
    /// The module's file.
    pub module: &'a str,
    /// The secrets, as the agent serves them.
    pub secrets: Vec<Value>,
    /// The address of each host.
    pub address_of: &'a dyn Fn(&str) -> SocketAddr,
    /// The file that the manifests name so.
    pub file: &'a dyn Fn(&str) -> String,
}

/// The bootstrap of the gateway's Envoy.
pub fn bootstrap(manifests: &Manifests, around: &Around<'_>) -> Value {
    let gateway = manifests.only("Gateway");
    let listener = gateway_listener(manifests, gateway, around);
    let clusters = clusters(manifests, around);
    let mut bootstrap = super::bootstrap::bootstrap(vec![listener], clusters, around.secrets.clone());
    for filter in manifests.of("EnvoyFilter") {
        assert!(selects(&filter["spec"]["workloadSelector"]["labels"], gateway), "{filter}");
        patches::apply(filter, &mut bootstrap);
    }
    bootstrap
}

/// Whether labels that something is selected by are those of the gateway's pods.
fn selects(labels: &Value, gateway: &Value) -> bool {
    *labels == gateway["spec"]["selector"]
}

fn gateway_listener(manifests: &Manifests, gateway: &Value, around: &Around<'_>) -> Value {
    let server = &gateway["spec"]["servers"][0];
    let tls = match text(server, "/tls/mode") {
        mode @ ("MUTUAL" | "OPTIONAL_MUTUAL") => {
            let secret = format!("kubernetes://{}", text(server, "/tls/credentialName"));
            Some(json!({
                "require_client_certificate": mode == "MUTUAL",
                "common_tls_context": {
                    "alpn_protocols": ["h2", "http/1.1"],
                    "tls_params": {
                        "tls_minimum_protocol_version": text(server, "/tls/minProtocolVersion").replace("TLSV", "TLSv"),
                        "cipher_suites": server["tls"]["cipherSuites"],
                    },
                    "tls_certificate_sds_secret_configs": [{"name": secret}],
                    "combined_validation_context": {
                        "default_validation_context": {},
                        "validation_context_sds_secret_config": {"name": format!("{secret}-cacert")},
                    },
                },
            }))
        }
        // The mesh's own, for callers whom Istio knows. A stage has no mesh: the listener is plain unless a test brings certificates.
        "ISTIO_MUTUAL" => around.secrets.iter().any(|secret| secret["name"] == "ROOTCA").then(|| {
            json!({
                "require_client_certificate": true,
                "common_tls_context": {
                    "alpn_protocols": ["h2", "http/1.1"],
                    "tls_certificate_sds_secret_configs": [{"name": "default"}],
                    "validation_context_sds_secret_config": {"name": "ROOTCA"},
                },
            })
        }),
        other => panic!("{other}"),
    };
    let name = format!("0.0.0.0_{TARGET_PORT}");
    let manager = json!({
        "stat_prefix": format!("outbound_{name}"),
        "codec_type": "AUTO",
        "server_name": "istio-envoy",
        "use_remote_address": true,
        "forward_client_cert_details": "SANITIZE_SET",
        "set_current_client_cert_details": {"subject": true, "cert": true, "dns": true, "uri": true},
        "normalize_path": true,
        "path_with_escaped_slashes_action": "KEEP_UNCHANGED",
        "stream_idle_timeout": "0s",
        "upgrade_configs": [{"upgrade_type": "websocket"}],
        "route_config": {
            "name": format!("https.{}", text(gateway, "/metadata/name")),
            "ignore_port_in_host_matching": true,
            "virtual_hosts": virtual_hosts(manifests, gateway),
        },
        "http_filters": http_filters(manifests, gateway, around),
    });
    listener(&name, manager, tls, list(server, "/hosts"))
}

fn http_filters(manifests: &Manifests, gateway: &Value, around: &Around<'_>) -> Vec<Value> {
    let phase = |name: &str| {
        let plugins: Vec<&Value> = manifests
            .of("WasmPlugin")
            .filter(|plugin| plugin["spec"]["phase"] == name && is_attached(plugin, gateway))
            .collect();
        plugins.into_iter().map(|plugin| wasm_filter(plugin, around)).collect::<Vec<_>>()
    };
    let mut filters = phase("AUTHN");
    filters.extend(phase("AUTHZ"));
    let policies = manifests.of("AuthorizationPolicy");
    filters.extend(policies.filter(|policy| selects(&policy["spec"]["selector"]["matchLabels"], gateway)).map(rbac));
    filters.extend(phase("STATS"));
    for (name, path) in [
        ("envoy.filters.http.fault", "envoy.extensions.filters.http.fault.v3.HTTPFault"),
        ("envoy.filters.http.cors", "envoy.extensions.filters.http.cors.v3.Cors"),
        ("envoy.filters.http.router", "envoy.extensions.filters.http.router.v3.Router"),
    ] {
        filters.push(extension(name, path, json!({})));
    }
    filters
}

/// Whether a plugin comes to the gateway's listener. Every listener of a gateway is CLIENT.
fn is_attached(plugin: &Value, gateway: &Value) -> bool {
    let traffic = list(plugin, "/spec/match");
    let matches = |one: &Value| {
        let ports = list(one, "/ports");
        one["mode"] != "SERVER" && (ports.is_empty() || ports.iter().any(|port| port["number"] == TARGET_PORT))
    };
    selects(&plugin["spec"]["selector"]["matchLabels"], gateway) && (traffic.is_empty() || traffic.iter().any(matches))
}

/// A plugin as the agent hands it to Envoy, when it has fetched the module.
pub fn wasm_filter(wasm_plugin: &Value, around: &Around<'_>) -> Value {
    let (mut from_host, mut given) = (Vec::new(), json!({}));
    for variable in list(wasm_plugin, "/spec/vmConfig/env") {
        match variable["valueFrom"].as_str() {
            Some("HOST") => from_host.push(variable["name"].clone()),
            _ => given[text(variable, "/name")] = variable["value"].clone(),
        }
    }
    let mut variables = json!({});
    if !from_host.is_empty() {
        variables["host_env_keys"] = from_host.into();
    }
    if given.as_object().is_some_and(|given| !given.is_empty()) {
        variables["key_values"] = given;
    }
    let spec = &wasm_plugin["spec"];
    let name = format!("{}.{}", text(wasm_plugin, "/metadata/namespace"), text(wasm_plugin, "/metadata/name"));
    let mut config = plugin(&name, spec.get("pluginName"), &spec["pluginConfig"], variables, around.module);
    config["failure_policy"] = match spec["failStrategy"].as_str() {
        Some("FAIL_OPEN") => "FAIL_OPEN",
        Some("FAIL_RELOAD") => "FAIL_RELOAD",
        _ => "FAIL_CLOSED",
    }
    .into();
    let resource = format!("extensions.istio.io/trafficextension/{name}");
    extension(&resource, "envoy.extensions.filters.http.wasm.v3.Wasm", json!({"config": config}))
}

/// An `AuthorizationPolicy` with conditions on headers. Of the principals of the mesh nothing is left: see `gateway_listener`.
fn rbac(policy: &Value) -> Value {
    assert_eq!(policy["spec"]["action"], "ALLOW", "{policy}");
    let rules = list(policy, "/spec/rules").iter().enumerate();
    let policies: serde_json::Map<String, Value> = rules
        .map(|(number, rule)| {
            let conditions = list(rule, "/when").iter().map(|when| {
                let key = text(when, "/key");
                let header = key.strip_prefix("request.headers[").and_then(|key| key.strip_suffix(']'));
                let matchers = list(when, "/values").iter().map(|value| {
                    assert_eq!(value, "*");
                    json!({"header": {"name": header.expect("a header"), "present_match": true}})
                });
                json!({"or_ids": {"ids": matchers.collect::<Vec<_>>()}})
            });
            let conditions: Vec<Value> = conditions.collect();
            assert!(!conditions.is_empty(), "{rule}");
            let name = format!("ns[..]-policy[{}]-rule[{number}]", text(policy, "/metadata/name"));
            let any = json!([{"and_rules": {"rules": [{"any": true}]}}]);
            (name, json!({"permissions": any, "principals": [{"and_ids": {"ids": conditions}}]}))
        })
        .collect();
    let rules = json!({"rules": {"action": "ALLOW", "policies": policies}});
    extension("envoy.filters.http.rbac", "envoy.extensions.filters.http.rbac.v3.RBAC", rules)
}

fn virtual_hosts(manifests: &Manifests, gateway: &Value) -> Vec<Value> {
    let name = &gateway["metadata"]["name"];
    let services = manifests.of("VirtualService").filter(|service| list(service, "/spec/gateways").contains(name));
    services
        .map(|service| {
            let host = text(service, "/spec/hosts/0");
            let is_for_it = |route: &&Value| {
                let matches = list(route, "/match");
                matches.is_empty() || matches.iter().any(|one| list(one, "/gateways").contains(name))
            };
            let routes = list(service, "/spec/http").iter().filter(is_for_it).map(|route| {
                assert_eq!(route["retries"]["attempts"], 0, "no retries: {route}");
                let destination = &route["route"][0]["destination"];
                let cluster = cluster_name(&destination["port"]["number"], text(destination, "/host"));
                json!({
                    "match": {"prefix": "/"},
                    "route": {"cluster": cluster, "timeout": route["timeout"]},
                    "request_headers_to_remove": list(route, "/headers/request/remove"),
                })
            });
            json!({
                "name": format!("{host}:443"),
                "domains": [host],
                "include_request_attempt_count": true,
                "routes": routes.collect::<Vec<_>>(),
            })
        })
        .collect()
}

fn cluster_name(port: &Value, host: &str) -> String {
    format!("outbound|{port}||{host}")
}

/// The clusters of services outside the mesh, and of what routes lead to.
fn clusters(manifests: &Manifests, around: &Around<'_>) -> Vec<Value> {
    let mut all = Vec::new();
    for entry in manifests.of("ServiceEntry") {
        for host in list(entry, "/spec/hosts").iter().map(|host| host.as_str().expect("a host")) {
            for port in list(entry, "/spec/ports") {
                assert_eq!(
                    (&entry["spec"]["resolution"], &port["protocol"]),
                    (&json!("DNS"), &json!("HTTP")),
                    "{entry}"
                );
                let mut cluster = cluster(&cluster_name(&port["number"], host), (around.address_of)(host));
                if let Some(rule) = manifests.of("DestinationRule").find(|rule| rule["spec"]["host"] == host) {
                    apply_rule(&mut cluster, rule, &port["number"], around);
                }
                all.push(cluster);
            }
        }
    }
    for service in manifests.of("VirtualService") {
        let routes = list(service, "/spec/http").iter();
        for destination in routes.map(|route| &route["route"][0]["destination"]) {
            let host = text(destination, "/host");
            let name = cluster_name(&destination["port"]["number"], host);
            // One of the cluster's own services.
            if host.ends_with(".svc.cluster.local") && destination["subset"].is_null() {
                all.push(cluster(&name, (around.address_of)(host)));
            }
        }
    }
    all
}

/// What a `DestinationRule` says of a port.
fn apply_rule(cluster: &mut Value, rule: &Value, port: &Value, around: &Around<'_>) {
    let policy = &rule["spec"]["trafficPolicy"];
    let of_the_port = list(policy, "/portLevelSettings").iter().find(|one| one["port"]["number"] == *port);
    let pool = &policy["connectionPool"];
    if let Some(timeout) = pool["tcp"].get("connectTimeout") {
        cluster["connect_timeout"] = timeout.clone();
    }
    if let Some(bound) = pool["tcp"].get("maxConnections") {
        let http = &pool["http"];
        cluster["circuit_breakers"] = json!({"thresholds": [{
            "max_connections": bound,
            "max_pending_requests": http["http1MaxPendingRequests"],
            "max_requests": http["http2MaxRequests"],
        }]});
    }
    if let Some(timeout) = pool["http"].get("idleTimeout") {
        let options = json!({
            "explicit_http_config": {"http_protocol_options": {}},
            "common_http_protocol_options": {"idle_timeout": timeout},
        });
        let path = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";
        cluster["typed_extension_protocol_options"] = json!({(path): typed(path, options)});
    }
    let Some(tls) = of_the_port.map_or(Some(policy), Some).and_then(|settings| settings.get("tls")) else { return };
    let names = list(tls, "/subjectAltNames");
    assert!(!names.is_empty() && tls["insecureSkipVerify"].is_null(), "{rule}");
    let common = match text(tls, "/mode") {
        "SIMPLE" => server_checks(&(around.file)(text(tls, "/caCertificates")), names),
        "MUTUAL" => {
            let secret = format!("kubernetes://{}", text(tls, "/credentialName"));
            let checks = server_checks("", names);
            json!({
                "tls_certificate_sds_secret_configs": [{"name": secret}],
                "combined_validation_context": {
                    "default_validation_context": {
                        "match_typed_subject_alt_names": checks["validation_context"]["match_typed_subject_alt_names"],
                    },
                    "validation_context_sds_secret_config": {"name": format!("{secret}-cacert")},
                },
            })
        }
        other => panic!("{other}"),
    };
    let context = json!({"sni": tls["sni"], "common_tls_context": common});
    let path = "envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext";
    cluster["transport_socket"] = extension("envoy.transport_sockets.tls", path, context);
}
