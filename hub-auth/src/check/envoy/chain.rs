//! The order of filters and routes, and what may take the filter away.

use super::{Subject, WASM, Way, is};
use crate::check::Checked;
use crate::document::Node;
use crate::findings::Severity;

const RBAC: &str = "envoy.extensions.filters.http.rbac.v3.RBAC";
const ROUTER: &str = "envoy.extensions.filters.http.router.v3.Router";

/// The header that only the filter sets.
const MARK: &str = "x-hub-auth-method";

/// The position of this filter among those of a connection manager, and which way it works.
pub(super) fn our_filter(manager: &Node, checked: &[Checked]) -> Option<(usize, Way)> {
    let filters = manager.get("http_filters").map(Node::items).unwrap_or_default();
    filters.iter().enumerate().find_map(|(position, filter)| {
        let ours = |one: &&Checked| filter.span.contains(&one.configuration.place_of("").start);
        let one = checked.iter().find(ours)?;
        let way = if one.configuration.value("outbound").is_some() { Way::Outbound } else { Way::Inbound };
        Some((position, way))
    })
}

/// Checks what comes before and after the filter.
pub(super) fn check(subject: &mut Subject<'_>, manager: &Node, position: usize, way: Way) {
    let filters = manager.get("http_filters").map(Node::items).unwrap_or_default();
    let Some(ours) = filters.get(position) else { return };
    check_disabled(subject, manager, ours);
    check_routes(subject, manager);
    let router = filters.iter().position(|filter| filter.get("typed_config").is_some_and(|config| is(config, ROUTER)));
    if router.is_some_and(|router| router < position) {
        let message = "expected this filter before the router, got it behind: it is never called";
        subject.add(Severity::Error, "envoy-filter-order", ours.place("name"), "http_filters", message);
    }
    if way == Way::Outbound {
        return;
    }
    for earlier in filters.iter().take(position) {
        let is_wasm = earlier.get("typed_config").is_some_and(|config| is(config, WASM));
        let what = if is_wasm { "another Wasm filter" } else { "another filter" };
        let message = format!(
            "expected this filter first, got {what} before it, which acts on requests whose caller is not known"
        );
        subject.add(Severity::Warning, "envoy-filter-order", earlier.place("name"), "http_filters", message);
    }
    let demands_mark = |filter: &&Node| {
        let mut demands = false;
        filter.walk(&mut |node| {
            let name = node.get("name").and_then(Node::text);
            demands |= name.is_some_and(|name| name.eq_ignore_ascii_case(MARK));
        });
        filter.get("typed_config").is_some_and(|config| is(config, RBAC)) && demands
    };
    if !filters.iter().skip(position).any(|filter| demands_mark(&filter)) {
        let message = "expected an RBAC filter behind this one that demands x-hub-auth-method, got none: requests pass \
                       unauthenticated if this filter is ever not called";
        subject.add(Severity::Error, "envoy-last-line", ours.place("name"), "http_filters", message);
        subject.advise("copy it from gateway-configs/envoy/inbound.yaml");
    } else if !removes_mark_early(manager) {
        let message = "expected \"early_header_mutation_extensions\" that remove x-hub-auth-method, got none: a caller can set \
                       the header that the RBAC filter takes for the sign of this one";
        let key = "early_header_mutation_extensions";
        subject.add(Severity::Error, "envoy-early-removal", manager.place(key), key, message);
        subject.advise("copy them from gateway-configs/envoy/inbound.yaml");
    }
}

fn removes_mark_early(manager: &Node) -> bool {
    let mut removes = false;
    if let Some(extensions) = manager.get("early_header_mutation_extensions") {
        extensions.walk(&mut |node| {
            removes |= node.get("remove").and_then(Node::text).is_some_and(|name| name.eq_ignore_ascii_case(MARK));
        });
    }
    removes
}

/// A filter can be switched off where it is listed, and by each route. That is right where Envoy answers by itself.
fn check_disabled(subject: &mut Subject<'_>, manager: &Node, ours: &Node) {
    let mut places = Vec::new();
    if ours.get("disabled").is_some_and(Node::is_true) {
        places.push(ours.place("disabled"));
    }
    let name = ours.get("name").and_then(Node::text).unwrap_or_default();
    manager.walk(&mut |node| {
        let filters = node.get("typed_per_filter_config").filter(|_| sends_on(node));
        let of_route = filters.and_then(|filters| filters.get(name));
        if let Some(settings) = of_route.filter(|settings| settings.get("disabled").is_some_and(Node::is_true)) {
            places.push(settings.place("disabled"));
        }
    });
    for at in places {
        let message = "expected the filter everywhere, got it disabled here: requests pass without it";
        subject.add(Severity::Error, "envoy-disabled", at, "disabled", message);
    }
}

/// Whether a route, or one in a virtual host, goes to a cluster.
fn sends_on(node: &Node) -> bool {
    let mut sends_on = false;
    node.walk(&mut |node| sends_on |= node.get("route").is_some());
    sends_on
}

/// A route that stands behind one for everything is never taken.
fn check_routes(subject: &mut Subject<'_>, manager: &Node) {
    let hosts = manager.at(&["route_config", "virtual_hosts"]).map(Node::items).unwrap_or_default();
    for host in hosts {
        let routes = host.get("routes").map(Node::items).unwrap_or_default();
        let takes_all = |route: &Node| {
            let all = route.at(&["match", "prefix"]).and_then(Node::text) == Some("/");
            all && route.get("match").is_some_and(|matching| matching.members().len() == 1)
        };
        if let Some(all) = routes.iter().position(takes_all)
            && let Some(later) = routes.get(all.saturating_add(1))
        {
            let message = "expected the route for everything last, got this one behind it: it is never taken";
            subject.add(Severity::Warning, "envoy-route-order", later.place("match"), "routes", message);
        }
    }
}
