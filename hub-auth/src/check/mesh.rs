//! What the filter calls in a mesh, where the file says it beside the filter: each answer decides who is let in or signs as the bank, so each
//! has to be proven by TLS.

use std::ops::Range;

use hub_auth_filter::facade::url::Scheme;

use super::envoy::clusters;
use super::{Checked, Subject};
use crate::document::Node;
use crate::findings::Severity;

const RULE: &str = "mesh-upstream";

/// Checks the server of each call that a configuration names with `https://`.
pub(super) fn check(subject: &mut Subject<'_>, checked: &Checked) {
    let Some(config) = &checked.config else { return };
    let document = std::rc::Rc::clone(&subject.document);
    for server in config.servers().filter(|server| server.scheme == Scheme::Https) {
        if let Some((port, host)) = of_istio(server.upstream) {
            let is_its_entry =
                |root: &Node| is(root, "ServiceEntry") && spec(root, "hosts").any(|one| one.text() == Some(host));
            // Whose entry is elsewhere has its rule there, too.
            if document.roots.iter().any(is_its_entry) {
                let at = checked.configuration.place_of(&server.path);
                check_rule(subject, &document.roots, (port, host), at, &server.path);
            }
        }
        for cluster in document.roots.iter().filter(|root| is(root, "EnvoyProxy")).flat_map(bootstrap_clusters) {
            if cluster.get("name").and_then(Node::text) == Some(server.upstream) {
                clusters::check_tls(subject, cluster, server.host(), &server.path);
            }
        }
    }
}

/// The port and the host of a cluster that Istio names.
fn of_istio(upstream: &str) -> Option<(&str, &str)> {
    let mut parts = upstream.split('|');
    match (parts.next(), parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some("outbound"), Some(port), Some(_), Some(host), None) => Some((port, host)),
        _ => None,
    }
}

fn is(root: &Node, kind: &str) -> bool {
    root.get("kind").and_then(Node::text) == Some(kind)
}

fn spec<'n>(root: &'n Node, key: &str) -> impl Iterator<Item = &'n Node> {
    root.at(&["spec", key]).map(Node::items).unwrap_or_default().iter()
}

/// What an `EnvoyProxy` adds to the bootstrap.
fn bootstrap_clusters(proxy: &Node) -> impl Iterator<Item = &Node> {
    let patches = proxy.at(&["spec", "bootstrap", "jsonPatches"]).map(Node::items).unwrap_or_default();
    patches.iter().filter_map(|patch| patch.get("value"))
}

/// The `DestinationRule` of a server, which says how it is called.
fn check_rule(subject: &mut Subject<'_>, roots: &[Node], (port, host): (&str, &str), at: Range<usize>, path: &str) {
    let mut refuse = |severity: Severity, at: Range<usize>, message: String| {
        subject.add(severity, RULE, at, path, message);
    };
    let rule = roots
        .iter()
        .find(|root| is(root, "DestinationRule") && root.at(&["spec", "host"]).and_then(Node::text) == Some(host));
    let Some(policy) = rule.and_then(|rule| rule.at(&["spec", "trafficPolicy"])) else {
        let message = format!("expected a DestinationRule for {host}, got none: calls would go out in plain text");
        return refuse(Severity::Error, at, message);
    };
    let of_the_port = policy
        .get("portLevelSettings")
        .map(Node::items)
        .unwrap_or_default()
        .iter()
        .find(|settings| settings.at(&["port", "number"]).and_then(Node::text) == Some(port));
    let Some(tls) = of_the_port.unwrap_or(policy).get("tls") else {
        let message = "expected \"tls\" with mode SIMPLE, got none: calls would go out in plain text".to_owned();
        return refuse(Severity::Error, policy.first_place(), message);
    };
    if !matches!(tls.get("mode").and_then(Node::text), Some("SIMPLE" | "MUTUAL")) {
        let message = "expected SIMPLE or MUTUAL, got another or none: the server would not be called by its own TLS";
        refuse(Severity::Error, tls.place("mode"), message.to_owned());
    }
    if tls.get("insecureSkipVerify").is_some_and(Node::is_true) {
        let message = "expected false, got true: any server would be believed";
        refuse(Severity::Error, tls.place("insecureSkipVerify"), message.to_owned());
    }
    let names = tls.get("subjectAltNames").map(Node::items).unwrap_or_default();
    if !names.iter().any(|name| name.text() == Some(host)) {
        let message = format!(
            "expected {host} in \"subjectAltNames\", got another or none: any server with a certificate of these CAs would be \
             believed"
        );
        refuse(Severity::Error, tls.place("subjectAltNames"), message);
    }
    if tls.get("caCertificates").is_none() && tls.get("credentialName").is_none() {
        let message =
            "expected \"caCertificates\" or \"credentialName\", got neither: some releases then believe any server";
        refuse(Severity::Warning, tls.first_place(), message.to_owned());
    }
}
