//! What stands around the filter in manifests: what becomes of requests when it fails, where in the chain it is, which variables it
//! sees, and whether the module is the one that was meant.

use std::collections::BTreeSet;

use super::core::named_variables;
use super::envoy::plugin;
use super::{Checked, Subject, mesh};
use crate::document::Node;
use crate::findings::Severity;

/// Checks all manifests of a file.
pub(super) fn check(subject: &mut Subject<'_>, checked: &[Checked]) {
    let document = std::rc::Rc::clone(&subject.document);
    for one in checked {
        mesh::check(subject, one);
    }
    let is_inbound = checked.iter().any(|one| one.configuration.value("inbound").is_some());
    for root in &document.roots {
        match root.get("kind").and_then(Node::text) {
            Some("WasmPlugin") => {
                if let (Some(spec), Some(ours)) = (root.get("spec"), within(root, checked)) {
                    check_wasm_plugin(subject, spec, ours);
                }
            }
            Some("EnvoyExtensionPolicy") => {
                for wasm in root.at(&["spec", "wasm"]).map(Node::items).unwrap_or_default() {
                    if let Some(ours) = within(wasm, checked) {
                        check_extension(subject, wasm, ours);
                    }
                }
            }
            Some("EnvoyFilter") => check_envoy_filter(subject, root, checked),
            Some("Gateway") if is_inbound => check_gateway(subject, root),
            Some("ClientTrafficPolicy") if is_inbound => check_client_traffic(subject, root),
            _ => {}
        }
    }
}

/// The configuration of ours that stands in this part of a manifest.
fn within<'c>(node: &Node, checked: &'c [Checked]) -> Option<&'c Checked> {
    checked.iter().find(|one| node.span.contains(&one.configuration.place_of("").start))
}

/// Istio's.
fn check_wasm_plugin(subject: &mut Subject<'_>, spec: &Node, ours: &Checked) {
    match spec.get("failStrategy").and_then(Node::text) {
        Some("FAIL_RELOAD") => {}
        Some("FAIL_OPEN") => {
            let message = "expected FAIL_RELOAD, got FAIL_OPEN: when the filter fails, requests pass unauthenticated";
            subject.add(Severity::Error, "mesh-fail-open", spec.place("failStrategy"), "spec.failStrategy", message);
        }
        _ => {
            let message = "expected FAIL_RELOAD, got another or none: after a fault of the filter its worker answers 503 until \
                           the pod is restarted";
            subject.add(Severity::Warning, "mesh-fail-open", spec.place("failStrategy"), "spec.failStrategy", message);
        }
    }
    if ours.configuration.value("inbound").is_some() && spec.get("phase").and_then(Node::text) != Some("AUTHN") {
        let message = "expected AUTHN, got another or none: an AuthorizationPolicy is decided before the filter has said who calls";
        subject.add(Severity::Warning, "mesh-phase", spec.place("phase"), "spec.phase", message);
    }
    let url = spec.get("url").and_then(Node::text).unwrap_or_default();
    let has_digest = url.contains("@sha256:") || url.starts_with("file:") || spec.get("sha256").is_some();
    if !has_digest {
        let message = "expected the SHA-256 of the module, got none: whoever can write to the registry can replace it";
        subject.add(Severity::Warning, "mesh-module-digest", spec.place("url"), "spec.sha256", message);
        subject.advise("sha256sum prints it; hub-auth --version, too");
    }
    let variables = spec.at(&["vmConfig", "env"]).map(Node::items).unwrap_or_default();
    let seen = variables.iter().filter_map(|variable| variable.get("name").and_then(Node::text)).collect();
    check_variables(subject, ours, &seen, "spec.vmConfig.env", "vmConfig: {env: [{name: NAME, valueFrom: HOST}]}");
}

/// Envoy Gateway's.
fn check_extension(subject: &mut Subject<'_>, wasm: &Node, ours: &Checked) {
    if wasm.get("failOpen").is_some_and(Node::is_true) {
        let message = "expected false, got true: when the filter fails, requests pass unauthenticated";
        subject.add(Severity::Error, "mesh-fail-open", wasm.place("failOpen"), "failOpen", message);
    }
    let code = wasm.get("code");
    let has_digest = ["http", "image"].iter().any(|form| code.and_then(|code| code.at(&[form, "sha256"])).is_some());
    if !has_digest {
        let message = "expected the SHA-256 of the module, got none: whoever can write to its server can replace it";
        subject.add(Severity::Warning, "mesh-module-digest", wasm.place("code"), "code", message);
        subject.advise("give sha256 beside the url; sha256sum prints it");
    }
    let keys = wasm.at(&["env", "hostKeys"]).map(Node::items).unwrap_or_default();
    let seen = keys.iter().filter_map(Node::text).collect();
    check_variables(subject, ours, &seen, "env.hostKeys", "env: {hostKeys: [NAME]}");
}

/// A variable that the configuration names must be one that the control plane lets the module see.
fn check_variables(subject: &mut Subject<'_>, ours: &Checked, seen: &BTreeSet<&str>, place: &str, help: &str) {
    let mut unseen = Vec::new();
    named_variables(&ours.configuration, &mut |name, path| {
        if !seen.contains(name) {
            unseen.push((name.to_owned(), path));
        }
    });
    for (name, path) in unseen {
        let at = ours.configuration.place_of(&format!("{path}.env"));
        let message = format!("expected {name} in \"{place}\", got nothing: the filter would not see it");
        subject.add(Severity::Error, "mesh-environment", at, path, message);
        subject.advise(help.replace("NAME", &name));
    }
}

/// Istio's patch of Envoy's own configuration: as in a bootstrap.
fn check_envoy_filter(subject: &mut Subject<'_>, root: &Node, checked: &[Checked]) {
    let mut plugins = Vec::new();
    root.walk(&mut |node| {
        let is_plugin = node.get("configuration").is_some_and(|settings| within(settings, checked).is_some());
        if is_plugin {
            plugins.push(node.clone());
        }
    });
    for node in plugins {
        plugin::check_plugin(subject, &node, checked);
    }
}

/// Istio's Gateway, beside a filter for what comes in. That of the Gateway API has no such mode.
fn check_gateway(subject: &mut Subject<'_>, root: &Node) {
    for server in root.at(&["spec", "servers"]).map(Node::items).unwrap_or_default() {
        let Some(tls) = server.get("tls") else { continue };
        if tls.get("mode").and_then(Node::text) != Some("MUTUAL") {
            let message = "expected MUTUAL, got another or none: callers would come without a certificate, and be refused here; or \
                           with one that nobody has verified";
            subject.add(Severity::Error, "mesh-client-certificate", tls.place("mode"), "tls.mode", message);
        }
    }
}

/// Envoy Gateway's settings of what clients must show.
fn check_client_traffic(subject: &mut Subject<'_>, root: &Node) {
    let Some(validation) = root.at(&["spec", "tls", "clientValidation"]) else {
        let at = root.get("spec").unwrap_or(root).first_place();
        let message =
            "expected \"clientValidation\" with the Trust Framework's CAs, got none: nobody asks for a certificate";
        subject.add(Severity::Error, "mesh-client-certificate", at, "spec.tls.clientValidation", message);
        return;
    };
    if validation.get("optional").is_some_and(Node::is_true) {
        let message = "expected false, got true: callers without a certificate reach the filter";
        subject.add(Severity::Error, "mesh-client-certificate", validation.place("optional"), "optional", message);
    }
    let message = match validation.get("mode").and_then(Node::text) {
        None | Some("RequireAndVerify") => return,
        Some("VerifyIfGiven") => {
            "expected RequireAndVerify, got VerifyIfGiven: callers without a certificate reach the filter"
        }
        Some(_) => {
            "expected RequireAndVerify, got another: certificates that nobody has verified are let in, and the filter cannot tell \
             them apart"
        }
    };
    subject.add(Severity::Error, "mesh-client-certificate", validation.place("mode"), "mode", message);
}
