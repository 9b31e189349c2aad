//! `apisix.yaml`: the `conf` of each plugin of that kind, on routes, services, global rules and wherever plugins may be.

use hub_auth_filter::facade::gateway::GatewayKind;

use super::{Configuration, Form, is_our_name, is_ours};
use crate::document::{Document, Node};

/// All configurations in a file.
pub(super) fn find(document: &Document) -> Vec<Configuration> {
    let mut found = Vec::new();
    for root in &document.roots {
        root.walk(&mut |node| {
            for (name, plugin) in node.get("plugins").map(Node::members).unwrap_or_default() {
                found.extend(of_plugin(name.text().unwrap_or_default(), plugin, document));
            }
        });
    }
    found
}

fn of_plugin(name: &str, plugin: &Node, document: &Document) -> Option<Configuration> {
    match plugin.get("conf") {
        Some(conf) if is_our_name(name) || is_ours(conf, document) => {
            Some(Configuration::of_value(conf, GatewayKind::Apisix, Form::ReencodedObject, document))
        }
        None if is_our_name(name) => Some(Configuration::missing(plugin.span.clone(), GatewayKind::Apisix)),
        _ => None,
    }
}
