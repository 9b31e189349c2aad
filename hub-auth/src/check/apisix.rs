//! `apisix.yaml` around the filter. What `config.yaml` says is not in this file.

use std::ops::Range;
use std::rc::Rc;

use super::{Checked, Subject};
use crate::document::Node;
use crate::findings::{Place, Severity};

/// Checks routes, certificates and the end of the file.
pub(super) fn check(subject: &mut Subject<'_>, checked: &[Checked]) {
    let document = Rc::clone(&subject.document);
    check_end(subject);
    let Some(root) = document.roots.first() else { return };
    for key in ["global_rules", "plugin_configs", "services", "consumers"] {
        if let Some((name, list)) = root.entry(key)
            && checked.iter().any(|one| list.span.contains(&one.configuration.place_of("").start))
        {
            let message = "expected the filter on each route itself, got it here: where the module cannot be loaded, routes stay and \
                           requests pass without it";
            subject.add(Severity::Error, "apisix-filter-on-route", name.span.clone(), key, message);
        }
    }
    let ssls = root.get("ssls").map(Node::items).unwrap_or_default();
    check_ssls(subject, ssls);
    for route in root.get("routes").map(Node::items).unwrap_or_default() {
        let Some((_, plugins)) = route.entry("plugins") else { continue };
        let ours = |one: &&Checked| plugins.span.contains(&one.configuration.place_of("").start);
        let Some(one) = checked.iter().find(ours) else { continue };
        if one.configuration.value("inbound").is_some() {
            check_inbound(subject, route, ssls);
        }
    }
}

/// APISIX reads the file again only when its last line says that it is whole.
fn check_end(subject: &mut Subject<'_>) {
    let is_whole = subject.document.text.lines().rev().map(str::trim).find(|line| !line.is_empty()) == Some("#END");
    if !is_whole {
        let end = subject.document.text.trim_end().len();
        let message = "expected #END as the last line, got another: APISIX ignores the whole file";
        let document = Rc::clone(&subject.document);
        let place = Place::In(document, end.saturating_sub(1)..end);
        subject.findings.push(crate::findings::Finding::new(Severity::Error, "apisix-end", place, "", message));
    }
}

fn check_ssls(subject: &mut Subject<'_>, ssls: &[Node]) {
    let mut first: Option<&str> = None;
    for ssl in ssls {
        let Some(client) = ssl.get("client") else { continue };
        if let Some((key, _)) = client.entry("skip_mtls_uri_regex") {
            let message = "expected none, got a setting that lets in certificates that nobody vouches for";
            subject.add(
                Severity::Error,
                "apisix-client-certificate",
                key.span.clone(),
                "client.skip_mtls_uri_regex",
                message,
            );
        }
        let Some((key, ca)) = client.entry("ca") else {
            let message = "expected the Trust Framework's CAs, got none: certificates of callers are not verified";
            subject.add(Severity::Error, "apisix-client-certificate", client.place("ca"), "client.ca", message);
            continue;
        };
        match (first, ca.text()) {
            (None, text) => first = text,
            (Some(first), Some(text)) if first != text => {
                let message = "expected the same CAs as in the object before, got others: a caller may open a connection for one \
                               name and send requests for another, so these callers get there, too";
                subject.add(Severity::Error, "apisix-client-ca", key.span.clone(), "client.ca", message);
            }
            _ => {}
        }
        if client
            .get("depth")
            .and_then(Node::text)
            .and_then(|depth| depth.parse::<u32>().ok())
            .is_none_or(|depth| depth < 2)
        {
            let message =
                "expected 2 at least, got less or none: certificates of an issuing CA below a root are refused";
            subject.add(Severity::Warning, "apisix-client-certificate", client.place("depth"), "client.depth", message);
        }
    }
}

fn check_inbound(subject: &mut Subject<'_>, route: &Node, ssls: &[Node]) {
    let only_https = route.get("vars").map(Node::items).unwrap_or_default().iter().any(|rule| {
        let words: Vec<Option<&str>> = rule.items().iter().map(Node::text).collect();
        words == [Some("scheme"), Some("=="), Some("https")]
    });
    if !only_https {
        let message = "expected [\"scheme\", \"==\", \"https\"], got none: plain HTTP has no client certificate";
        subject.add(Severity::Warning, "apisix-scheme", route.place("vars"), "vars", message);
    }
    let mut hosts: Vec<&Node> = route.get("hosts").map(Node::items).unwrap_or_default().iter().collect();
    hosts.extend(route.get("host"));
    let mut refuse = |at: Range<usize>, message: &str| {
        subject.add(Severity::Error, "apisix-hosts", at, "hosts", message);
    };
    if hosts.is_empty() {
        let message = "expected exact names, got none: the route is open to the callers of any object in \"ssls\"";
        refuse(route.place("id"), message);
    }
    for host in hosts {
        let name = host.text().unwrap_or_default();
        let names_it = |ssl: &&Node| {
            let mut names: Vec<&Node> = ssl.get("snis").map(Node::items).unwrap_or_default().iter().collect();
            names.extend(ssl.get("sni"));
            names.iter().any(|sni| sni.text() == Some(name)) && ssl.at(&["client", "ca"]).is_some()
        };
        if name.contains('*') {
            refuse(
                host.span.clone(),
                "expected an exact name, got a wildcard: it is open to the callers of any object in \"ssls\"",
            );
        } else if !ssls.iter().any(|ssl| names_it(&ssl)) {
            let message = "expected a name that is in \"snis\" of an object with \"client\", got another: callers need no certificate";
            refuse(host.span.clone(), message);
        }
    }
}
