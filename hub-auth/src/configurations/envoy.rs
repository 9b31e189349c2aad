//! Envoy: the configuration of each filter `envoy.extensions.filters.http.wasm.v3.Wasm` that is this one.

use hub_auth_filter::facade::gateway::GatewayKind;

use super::{Configuration, Form, is_our_name, is_ours};
use crate::document::{Document, Node};

/// The type of a Wasm filter.
const WASM: &str = "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm";

/// All configurations in a file.
pub(super) fn find(document: &Document) -> Vec<Configuration> {
    document.roots.iter().flat_map(|root| within(root, document)).collect()
}

/// All configurations in a part of a file.
pub(super) fn within(root: &Node, document: &Document) -> Vec<Configuration> {
    let mut found = Vec::new();
    root.walk(&mut |node| found.extend(plugin(node).and_then(|plugin| of_plugin(plugin, document))));
    found
}

/// The `PluginConfig` of a Wasm filter, given as itself or as a TypedStruct.
fn plugin(node: &Node) -> Option<&Node> {
    let is_wasm = |key: &str| node.get(key).and_then(Node::text) == Some(WASM);
    if is_wasm("@type") {
        return node.get("config");
    }
    if is_wasm("type_url") { node.at(&["value", "config"]) } else { None }
}

fn of_plugin(plugin: &Node, document: &Document) -> Option<Configuration> {
    let named = plugin.get("name").and_then(Node::text).is_some_and(is_our_name);
    let Some((key, configuration)) = plugin.entry("configuration") else {
        return named.then(|| Configuration::missing(key_of(plugin), GatewayKind::Envoy));
    };
    let value = configuration.get("value").unwrap_or(configuration);
    if !named && !is_ours(value, document) {
        return None;
    }
    let is_text = configuration.get("@type").and_then(Node::text).is_some_and(|name| name.ends_with(".StringValue"));
    if configuration.get("value").is_none() {
        return Some(Configuration::missing(key.span.clone(), GatewayKind::Envoy));
    }
    let configuration = Configuration::of_value(value, GatewayKind::Envoy, Form::ReencodedObject, document);
    Some(if is_text { configuration } else { Configuration { form: Form::ReencodedObject, ..configuration } })
}

fn key_of(plugin: &Node) -> std::ops::Range<usize> {
    plugin.entry("name").map_or_else(|| plugin.span.clone(), |(_, name)| name.span.clone())
}
