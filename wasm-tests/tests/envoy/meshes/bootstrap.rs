//! What both control planes hand to Envoy beside what the manifests say, and what the project's tests need: everything in one static file.

use serde_json::{Value, json};
use wasm_tests::stage::envoy::Configuration;

/// The type of an HTTP connection manager.
pub const MANAGER: &str = "envoy.filters.network.http_connection_manager";

/// An extension's name and configuration. `path` is its type without what all have in front.
pub fn extension(name: &str, path: &str, configuration: Value) -> Value {
    json!({"name": name, "typed_config": typed(path, configuration)})
}

/// A message in an `Any`.
pub fn typed(path: &str, mut message: Value) -> Value {
    message["@type"] = format!("type.googleapis.com/{path}").into();
    message
}

/// The filter's plugin, without what the control planes set each in its way. They hand an object over as JSON in a `StringValue`.
pub fn plugin(name: &str, root_id: Option<&Value>, configuration: &Value, variables: Value, module: &str) -> Value {
    let mut virtual_machine = json!({
        "runtime": "envoy.wasm.runtime.v8",
        // Both fetch the module and check its digest; Envoy then reads a file, or asks the control plane.
        "code": {"local": {"filename": module}},
    });
    if variables.as_object().is_some_and(|variables| !variables.is_empty()) {
        virtual_machine["environment_variables"] = variables;
    }
    let mut plugin = json!({
        "name": name,
        "configuration": typed("google.protobuf.StringValue", json!({"value": configuration.to_string()})),
        "vm_config": virtual_machine,
    });
    if let Some(root_id) = root_id {
        plugin["root_id"] = root_id.clone();
    }
    plugin
}

/// A cluster whose name is resolved, on which nothing is set. The address is the stage's.
pub fn cluster(name: &str, address: std::net::SocketAddr) -> Value {
    let socket = json!({"socket_address": {"address": address.ip(), "port_value": address.port()}});
    json!({
        "name": name,
        "type": "STRICT_DNS",
        "connect_timeout": "10s",
        "load_assignment": {
            "cluster_name": name,
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": socket}}]}],
        },
    })
}

/// The CA and the name that a server must have.
pub fn server_checks(ca: &str, names: &[Value]) -> Value {
    let names: Vec<Value> = names.iter().map(|name| json!({"san_type": "DNS", "matcher": {"exact": name}})).collect();
    json!({"validation_context": {"trusted_ca": {"filename": ca}, "match_typed_subject_alt_names": names}})
}

/// A listener on a free port with these filters, after `tls` if there is any.
pub fn listener(name: &str, manager: Value, tls: Option<Value>, server_names: &[Value]) -> Value {
    let mut chain = json!({
        "filters": [extension(
            MANAGER,
            "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
            manager,
        )],
    });
    let mut inspectors = json!([]);
    if let Some(tls) = tls {
        let context = "envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext";
        chain["transport_socket"] = extension("envoy.transport_sockets.tls", context, tls);
        chain["filter_chain_match"] = json!({"server_names": server_names});
        let inspector = "envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector";
        inspectors = json!([extension("envoy.filters.listener.tls_inspector", inspector, json!({}))]);
    }
    json!({
        "name": name,
        "address": {"socket_address": {"address": "127.0.0.1", "port_value": 0}},
        "listener_filters": inspectors,
        "filter_chains": [chain],
    })
}

/// A bootstrap of these parts.
pub fn bootstrap(listeners: Vec<Value>, clusters: Vec<Value>, secrets: Vec<Value>) -> Value {
    json!({
        "node": {"id": "mesh", "cluster": "mesh"},
        "admin": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": 0}}},
        "static_resources": {"listeners": listeners, "clusters": clusters, "secrets": secrets},
    })
}

/// The file, which is JSON, and so YAML.
pub fn configuration(bootstrap: &Value) -> Configuration {
    Configuration::new("what the control plane hands over", bootstrap.to_string())
}
