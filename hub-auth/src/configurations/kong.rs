//! Kong's declarative configuration: the filters of `filter_chains`, at services, at routes, and by themselves.

use hub_auth_filter::facade::gateway::GatewayKind;

use super::{Configuration, Form, is_our_name, is_ours};
use crate::document::{Document, Node};

/// All configurations in a file.
pub(super) fn find(document: &Document) -> Vec<Configuration> {
    let mut found = Vec::new();
    for root in &document.roots {
        root.walk(&mut |node| {
            let chains = node.get("filter_chains").map(Node::items).unwrap_or_default();
            for filter in chains.iter().filter_map(|chain| chain.get("filters")).flat_map(Node::items) {
                found.extend(of_filter(filter, document));
            }
        });
    }
    found
}

fn of_filter(filter: &Node, document: &Document) -> Option<Configuration> {
    let named = filter.get("name").and_then(Node::text).is_some_and(is_our_name);
    match filter.get("config") {
        Some(config) if named || is_ours(config, document) => {
            Some(Configuration::of_value(config, GatewayKind::Kong, Form::ReencodedObject, document))
        }
        None if named => Some(Configuration::missing(filter.span.clone(), GatewayKind::Kong)),
        _ => None,
    }
}
