//! Envoy's settings around the filter: each rule is one that the shipped `inbound.yaml` and `outbound.yaml` follow.

mod chain;
pub(super) mod clusters;
mod listener;
pub(super) mod plugin;

use super::{Checked, Subject};
use crate::document::Node;

/// The types of extensions that the rules name, without what all have in front.
const HTTP_CONNECTION_MANAGER: &str =
    "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager";
const WASM: &str = "envoy.extensions.filters.http.wasm.v3.Wasm";
const DOWNSTREAM_TLS: &str = "envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext";
const UPSTREAM_TLS: &str = "envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext";

/// Which way the requests of a plugin go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Inbound,
    Outbound,
}

/// Checks a bootstrap.
pub(super) fn check(subject: &mut Subject<'_>, checked: &[Checked]) {
    let document = std::rc::Rc::clone(&subject.document);
    for one in checked {
        clusters::check(subject, one);
    }
    for root in &document.roots {
        let mut managers = Vec::new();
        root.walk(&mut |node| {
            // A filter chain: its TLS and its HTTP connection managers belong together.
            for filter in node.get("filters").map(Node::items).unwrap_or_default() {
                if let Some(manager) = filter.get("typed_config").filter(|config| is(config, HTTP_CONNECTION_MANAGER)) {
                    managers.push((node.clone(), manager.clone()));
                }
            }
        });
        for (filter_chain, manager) in managers {
            let Some((position, way)) = chain::our_filter(&manager, checked) else { continue };
            plugin::check(subject, &manager, position, checked);
            chain::check(subject, &manager, position, way);
            if way == Way::Inbound {
                listener::check(subject, &filter_chain, &manager, checked);
            }
        }
    }
}

/// Whether a message is of this type.
fn is(node: &Node, name: &str) -> bool {
    let given = node.get("@type").and_then(Node::text).unwrap_or_default();
    given.rsplit('/').next() == Some(name)
}
