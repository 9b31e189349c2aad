//! Manifests: Istio's WasmPlugin and EnvoyFilter, Envoy Gateway's EnvoyExtensionPolicy. Istio and Envoy Gateway write the object as
//! JSON and hand that over.

use hub_auth_filter::facade::gateway::GatewayKind;

use super::{Configuration, Form, envoy, is_our_name, is_ours};
use crate::document::{Document, Node};

/// All configurations in a file.
pub(super) fn find(document: &Document) -> Vec<Configuration> {
    document.roots.iter().flat_map(|root| of_manifest(root, document)).collect()
}

fn of_manifest(root: &Node, document: &Document) -> Vec<Configuration> {
    match root.get("kind").and_then(Node::text) {
        Some("WasmPlugin") => {
            let name = root.at(&["metadata", "name"]).and_then(Node::text).unwrap_or_default();
            let plugin = root.at(&["spec", "pluginConfig"]);
            of_object(root, plugin, name, document).into_iter().collect()
        }
        Some("EnvoyExtensionPolicy") => root
            .at(&["spec", "wasm"])
            .map(Node::items)
            .unwrap_or_default()
            .iter()
            .filter_map(|wasm| {
                let name = wasm.get("name").and_then(Node::text).unwrap_or_default();
                of_object(wasm, wasm.get("config"), name, document)
            })
            .collect(),
        Some("EnvoyFilter") => envoy::within(root, document),
        _ => Vec::new(),
    }
}

fn of_object(owner: &Node, object: Option<&Node>, name: &str, document: &Document) -> Option<Configuration> {
    match object {
        Some(object) if is_our_name(name) || is_ours(object, document) => {
            Some(Configuration::of_value(object, GatewayKind::Envoy, Form::Object, document))
        }
        None if is_our_name(name) => Some(Configuration::missing(owner.span.clone(), GatewayKind::Envoy)),
        _ => None,
    }
}
