//! Kong's declarative configuration around the filter. What `kong.conf` says is not in this file.

use std::rc::Rc;

use super::{Checked, Subject};
use crate::document::Node;
use crate::findings::Severity;

/// Checks services, routes and chains.
pub(super) fn check(subject: &mut Subject<'_>, checked: &[Checked]) {
    let document = Rc::clone(&subject.document);
    for root in &document.roots {
        for service in root.get("services").map(Node::items).unwrap_or_default() {
            check_service(subject, service, checked);
        }
        let global = root.get("plugins").map(Node::items).unwrap_or_default();
        for plugin in global {
            check_plugin(subject, plugin);
        }
    }
}

fn check_service(subject: &mut Subject<'_>, service: &Node, checked: &[Checked]) {
    let routes = service.get("routes").map(Node::items).unwrap_or_default();
    check_chains(subject, service);
    for route in routes {
        check_chains(subject, route);
    }
    let on = |node: &Node| {
        let chains = node.entry("filter_chains").map(|(_, chains)| chains.span.clone());
        checked
            .iter()
            .find(|one| chains.as_ref().is_some_and(|span| span.contains(&one.configuration.place_of("").start)))
    };
    let on_routes = routes.iter().filter(|route| on(route).is_some()).count();
    let Some(one) = on(service).or_else(|| routes.iter().find_map(on)) else { return };
    if on(service).is_none() && on_routes < routes.len() {
        let message = "expected the filter on the service, got it on some of its routes: the others lead around it";
        subject.add(Severity::Error, "kong-route-around", service.place("routes"), "routes", message);
    }
    if service.get("retries").and_then(Node::text) != Some("0") {
        let message = "expected 0, got another or none: Kong sends a request again, and a payment would be made twice";
        subject.add(Severity::Warning, "kong-retries", service.place("retries"), "retries", message);
    }
    let plugins = service.get("plugins").into_iter().chain(routes.iter().filter_map(|route| route.get("plugins")));
    let plugins: Vec<Node> = plugins.flat_map(Node::items).cloned().collect();
    for plugin in &plugins {
        check_plugin(subject, plugin);
    }
    if one.configuration.value("outbound").is_some() {
        check_outbound(subject, service, &plugins);
    } else {
        check_inbound(subject, routes, &plugins);
    }
}

fn check_inbound(subject: &mut Subject<'_>, routes: &[Node], plugins: &[Node]) {
    for route in routes {
        let protocols = route.get("protocols").map(Node::items).unwrap_or_default();
        let secure = |protocol: &Node| protocol.text() == Some("https");
        if protocols.is_empty() || !protocols.iter().all(secure) {
            let message = "expected [https] alone, got others or none: plain HTTP has no client certificate";
            subject.add(Severity::Error, "kong-protocols", route.place("protocols"), "protocols", message);
        }
    }
    for plugin in plugins {
        let message =
            "expected no plugin beside the filter, got one: plugins act on requests before their caller is known";
        subject.add(Severity::Warning, "kong-plugins", plugin.place("name"), "plugins", message);
    }
}

fn check_outbound(subject: &mut Subject<'_>, service: &Node, plugins: &[Node]) {
    let url = service.get("url").and_then(Node::text).unwrap_or_default();
    let protocol = service.get("protocol").and_then(Node::text);
    if !url.starts_with("https://") && protocol != Some("https") {
        let message = "expected https://, got another: everybody on the way could read and use the bank's token";
        subject.add(Severity::Error, "kong-outbound-tls", service.place("url"), "url", message);
    }
    if !service.get("tls_verify").is_some_and(Node::is_true) {
        let message = "expected true, got another or none: any server would be taken for the Hub";
        subject.add(Severity::Error, "kong-outbound-tls", service.place("tls_verify"), "tls_verify", message);
    }
    let restricts = |plugin: &&Node| plugin.get("name").and_then(Node::text) == Some("ip-restriction");
    let has_restriction = plugins.iter().any(|plugin| restricts(&plugin) && plugin.at(&["config", "allow"]).is_some());
    if !has_restriction {
        let message = "expected the plugin ip-restriction with \"allow\", got none: whoever reaches Kong calls the Hub as the bank";
        subject.add(Severity::Error, "kong-outbound-callers", service.place("plugins"), "plugins", message);
    }
}

fn check_chains(subject: &mut Subject<'_>, owner: &Node) {
    let is_false = |node: &Node| node.text() == Some("false");
    for chain in owner.get("filter_chains").map(Node::items).unwrap_or_default() {
        let filters = chain.get("filters").map(Node::items).unwrap_or_default();
        for node in std::iter::once(chain).chain(filters) {
            if node.get("enabled").is_some_and(is_false) {
                let message = "expected the filter everywhere, got it disabled here: requests pass without it";
                subject.add(Severity::Error, "kong-disabled", node.place("enabled"), "enabled", message);
            }
        }
    }
}

/// A plugin that has Kong buffer the response: those for AI, as all that come with Kong, and whatever calls the function itself.
fn check_plugin(subject: &mut Subject<'_>, plugin: &Node) {
    let mut buffers = plugin.get("name").and_then(Node::text).is_some_and(|name| name.starts_with("ai-"));
    plugin.walk(&mut |node| buffers |= node.text().is_some_and(|text| text.contains("enable_buffering")));
    if buffers {
        let message = "expected no plugin that buffers responses, got one: Kong calls the backend before the filter has seen the \
                       request, and the filter replaces each response by 500";
        subject.add(Severity::Error, "kong-buffering", plugin.place("name"), "plugins", message);
    }
}
