//! What Envoy Gateway hands to Envoy for the shipped manifests, by the source of its release 1.9 (`internal/xds/translator`): the filter is
//! switched off in the chain and on again on each route that has it, its `vm_id` is the policy's, there is no list of capabilities, and of
//! the failure policies only `fail_open`.

use std::net::SocketAddr;

use serde_json::{Value, json};
use wasm_tests::stage::Places;

use super::bootstrap::{cluster, extension, listener, plugin, typed};
use super::manifests::{Manifests, list, text};

/// The RBAC filter, whose rules are the routes'.
const RBAC: &str = "envoy.filters.http.rbac";

/// The bootstrap of the Gateway's Envoy. `named` are clusters of the bootstrap with their addresses on the stage.
pub fn bootstrap(manifests: &Manifests, module: &str, places: &Places, keystore_host: &str) -> Value {
    let gateway = manifests.only("Gateway");
    let wasm =
        attached(manifests, "EnvoyExtensionPolicy").into_iter().flat_map(wasm_filters(module)).collect::<Vec<_>>();
    let security = attached(manifests, "SecurityPolicy");
    let route = manifests.only("HTTPRoute");
    let name = format!("httproute/{}/{}/rule/0", text(route, "/metadata/namespace"), text(route, "/metadata/name"));
    let mut per_filter = json!({});
    for filter in &wasm {
        per_filter[text(filter, "/name")] = typed("envoy.config.route.v3.FilterConfig", json!({"config": {}}));
    }
    if let [policy] = security[..] {
        per_filter[RBAC] = typed("envoy.extensions.filters.http.rbac.v3.RBACPerRoute", json!({"rbac": rules(policy)}));
    }
    let rule = &route["spec"]["rules"][0];
    assert_eq!(rule["matches"], json!([{"path": {"type": "PathPrefix", "value": "/"}}]));
    let routes = json!([{
        "match": {"prefix": "/"},
        "name": format!("{name}/match/0"),
        "route": {"cluster": name, "timeout": rule["timeouts"]["request"], "upgrade_configs": [{"upgrade_type": "websocket"}]},
        "typed_per_filter_config": per_filter,
    }]);
    let mut filters = wasm;
    filters.push(extension(RBAC, "envoy.extensions.filters.http.rbac.v3.RBAC", json!({})));
    let router = json!({"suppress_envoy_headers": true});
    filters.push(extension("envoy.filters.http.router", "envoy.extensions.filters.http.router.v3.Router", router));
    let hosts = list(route, "/spec/hostnames");
    let hosts = json!([{"name": "ozone-connect", "domains": hosts, "routes": routes}]);

    let policy = manifests.only("ClientTrafficPolicy");
    let server = &gateway["spec"]["listeners"][0];
    let tls = downstream_tls(&policy["spec"]["tls"]);
    let mut https =
        listener("https", manager(&policy["spec"], filters, hosts), Some(tls), &[server["hostname"].clone()]);
    apply_connection(&policy["spec"], &mut https);
    let secrets = json!([
        {"name": "s4", "tls_certificate": {
            "certificate_chain": {"filename": places.file("s4-chain.pem")},
            "private_key": {"filename": places.file("s4-key.pem")},
        }},
        {"name": "ca", "validation_context": {
            "trusted_ca": {"filename": places.file("client-ca.pem")},
            "crl": {"filename": places.file("crl/trust-framework.pem")},
            "only_verify_leaf_cert_crl": policy["spec"]["tls"]["clientValidation"]["crl"]["onlyVerifyLeafCertificate"],
        }},
    ]);
    let secrets = secrets.as_array().expect("a list").clone();
    let mut bootstrap = super::bootstrap::bootstrap(vec![https], vec![cluster(&name, places.bank)], secrets);
    patch(manifests, &mut bootstrap, keystore_host, places);
    bootstrap
}

/// The policies of a kind that count for the route: its own take the place of the Gateway's, unless they say `mergeType`.
fn attached<'m>(manifests: &'m Manifests, kind: &str) -> Vec<&'m Value> {
    let targets = |target: &str| {
        let all = manifests.of(kind).filter(move |policy| policy["spec"]["targetRefs"][0]["kind"] == target);
        all.collect::<Vec<_>>()
    };
    let own = targets("HTTPRoute");
    assert!(own.iter().all(|policy| policy["spec"]["mergeType"].is_null()));
    if own.is_empty() { targets("Gateway") } else { own }
}

fn wasm_filters(module: &str) -> impl Fn(&Value) -> Vec<Value> {
    move |policy| {
        let all = list(policy, "/spec/wasm").iter().enumerate();
        all.map(|(index, wasm)| {
            let metadata = &policy["metadata"];
            let id = format!(
                "envoyextensionpolicy/{}/{}/wasm/{index}",
                text(metadata, "/namespace"),
                text(metadata, "/name")
            );
            let keys = list(wasm, "/env/hostKeys");
            let variables = if keys.is_empty() { json!({}) } else { json!({"host_env_keys": keys}) };
            let mut config = plugin(text(wasm, "/name"), wasm.get("rootID"), &wasm["config"], variables, module);
            config["vm_config"]["vm_id"] = id.clone().into();
            config["fail_open"] = wasm.get("failOpen").cloned().unwrap_or(false.into());
            let path = "envoy.extensions.filters.http.wasm.v3.Wasm";
            let mut filter = extension(&format!("envoy.filters.http.wasm/{id}"), path, json!({"config": config}));
            filter["disabled"] = true.into();
            filter
        })
        .collect()
    }
}

/// The rules of a `SecurityPolicy` about headers.
fn rules(policy: &Value) -> Value {
    let authorization = &policy["spec"]["authorization"];
    assert_eq!(authorization["defaultAction"], "Deny");
    let action = |name: &str, action: &str| {
        let action = json!({"name": name, "action": action.to_ascii_uppercase()});
        json!({"action": extension(name, "envoy.config.rbac.v3.Action", action)})
    };
    let matchers = list(authorization, "/rules").iter().map(|rule| {
        let [header] = list(rule, "/principal/headers") else { panic!("one header: {rule}") };
        let input = json!({"header_name": header["name"]});
        let input = extension("http_header", "envoy.type.matcher.v3.HttpRequestHeaderMatchInput", input);
        let values = list(header, "/values").iter();
        let values: Vec<Value> = values
            .map(|value| json!({"single_predicate": {"input": input, "value_match": {"exact": value}}}))
            .collect();
        json!({
            "predicate": {"or_matcher": {"predicate": values}},
            "on_match": action(text(rule, "/name"), text(rule, "/action")),
        })
    });
    json!({"matcher": {
        "matcher_list": {"matchers": matchers.collect::<Vec<_>>()},
        "on_no_match": action("default", "Deny"),
    }})
}

fn manager(policy: &Value, filters: Vec<Value>, hosts: Value) -> Value {
    let mut details = json!({});
    for detail in list(policy, "/headers/xForwardedClientCert/certDetailsToAdd") {
        details[detail.as_str().expect("text").to_ascii_lowercase()] = true.into();
    }
    let early = list(policy, "/headers/earlyRequestHeaders/remove").iter().map(|name| json!({"remove": name}));
    let mutation = json!({"mutations": early.collect::<Vec<_>>()});
    let path = "envoy.extensions.http.early_header_mutation.header_mutation.v3.HeaderMutation";
    let timeouts = &policy["timeout"]["http"];
    json!({
        "stat_prefix": "https-8443",
        "use_remote_address": true,
        "server_header_transformation": "PASS_THROUGH",
        "forward_client_cert_details": match text(policy, "/headers/xForwardedClientCert/mode") {
            "SanitizeSet" => "SANITIZE_SET",
            other => panic!("{other}"),
        },
        "set_current_client_cert_details": details,
        "normalize_path": true,
        "merge_slashes": true,
        "path_with_escaped_slashes_action": match policy["path"]["escapedSlashesAction"].as_str() {
            Some("RejectRequest") => "REJECT_REQUEST",
            _ => "UNESCAPE_AND_REDIRECT",
        },
        "early_header_mutation_extensions": [extension("envoy.http.early_header_mutation.header_mutation", path, mutation)],
        "common_http_protocol_options": {
            "headers_with_underscores_action": match policy["headers"]["withUnderscoresAction"].as_str() {
                None | Some("RejectRequest") => "REJECT_REQUEST",
                Some(other) => panic!("{other}"),
            },
            "idle_timeout": timeouts["idleTimeout"],
            "max_connection_duration": policy["connection"]["connectionLimit"]["maxConnectionDuration"],
        },
        "http2_protocol_options": {
            "max_concurrent_streams": 100,
            "initial_stream_window_size": 65536,
            "initial_connection_window_size": 1_048_576,
        },
        "request_headers_timeout": timeouts["requestHeadersReceivedTimeout"],
        "request_timeout": timeouts["requestReceivedTimeout"],
        "stream_idle_timeout": timeouts["streamIdleTimeout"],
        "route_config": {"name": "https", "ignore_port_in_host_matching": true, "virtual_hosts": hosts},
        "http_filters": filters,
    })
}

fn downstream_tls(tls: &Value) -> Value {
    let mode = tls["clientValidation"]["mode"].as_str().unwrap_or("RequireAndVerify");
    let (required, verified) = match mode {
        "RequireAndVerify" => (true, true),
        "VerifyIfGiven" => (false, true),
        "RequireAny" => (true, false),
        "Request" => (false, false),
        other => panic!("{other}"),
    };
    let checks = if verified { "VERIFY_TRUST_CHAIN" } else { "ACCEPT_UNTRUSTED" };
    json!({
        "require_client_certificate": required,
        "disable_stateful_session_resumption": true,
        "disable_stateless_session_resumption": true,
        "common_tls_context": {
            "alpn_protocols": ["h2", "http/1.1"],
            "tls_params": {
                "tls_minimum_protocol_version": format!("TLSv{}", text(tls, "/minVersion").replace('.', "_")),
                "cipher_suites": tls["ciphers"],
            },
            "tls_certificate_sds_secret_configs": [{"name": "s4"}],
            "combined_validation_context": {
                "default_validation_context": {"trust_chain_verification": checks},
                "validation_context_sds_secret_config": {"name": "ca"},
            },
        },
    })
}

fn apply_connection(policy: &Value, listener: &mut Value) {
    assert_eq!(policy["connection"]["bufferLimit"], "32Ki");
    listener["per_connection_buffer_limit_bytes"] = 32_768.into();
    let chain = &mut listener["filter_chains"][0];
    chain["transport_socket_connect_timeout"] = policy["timeout"]["tcp"]["tlsHandshakeTimeout"].clone();
    let limit =
        json!({"stat_prefix": "https-8443", "max_connections": policy["connection"]["connectionLimit"]["value"]});
    let path = "envoy.extensions.filters.network.connection_limit.v3.ConnectionLimit";
    let limit = extension("envoy.filters.network.connection_limit", path, limit);
    chain["filters"].as_array_mut().expect("filters").insert(0, limit);
}

/// The `EnvoyProxy`'s patches of the bootstrap, with the stage's keystore and roots in the place of the real ones.
fn patch(manifests: &Manifests, bootstrap: &mut Value, host: &str, places: &Places) {
    for patch in list(manifests.only("EnvoyProxy"), "/spec/bootstrap/jsonPatches") {
        assert_eq!(text(patch, "/op"), "add");
        if let Some(member) = text(patch, "/path").strip_prefix('/').filter(|path| !path.contains('/')) {
            assert_eq!(bootstrap.get(member), None, "it would be replaced: {member}");
            bootstrap[member] = patch["value"].clone();
            continue;
        }
        assert_eq!(text(patch, "/path"), "/static_resources/clusters/-");
        let SocketAddr::V4(address) = places.keystore else { panic!("an address of version 4") };
        let mut added = patch["value"].clone();
        let socket = "/load_assignment/endpoints/0/lb_endpoints/0/endpoint/address/socket_address";
        assert_eq!(added.pointer(socket), Some(&json!({"address": host, "port_value": 443})));
        *added.pointer_mut(socket).expect("there") = json!({"address": address.ip(), "port_value": address.port()});
        let roots = "/transport_socket/typed_config/common_tls_context/validation_context/trusted_ca/filename";
        assert_eq!(text(&added, roots), "/etc/ssl/certs/ca-certificates.crt");
        *added.pointer_mut(roots).expect("there") = places.file("public-roots.pem").into();
        bootstrap["static_resources"]["clusters"].as_array_mut().expect("clusters").push(added);
    }
}
