//! The plugin: what becomes of requests when it fails, what it may call, and which variables it sees.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use super::{Subject, WASM, is};
use crate::check::Checked;
use crate::check::core::named_variables;
use crate::document::Node;
use crate::findings::Severity;

/// The shipped file has the list; a test of the project holds it to what the module calls and offers.
const SHIPPED: &str = include_str!("../../../../gateway-configs/envoy/inbound.yaml");

/// What Envoy has to call only where a setting is about responses.
const OF_RESPONSES: &str = "proxy_on_response_headers";

/// All that the module calls, and all that Envoy has to call in it.
static CAPABILITIES: LazyLock<BTreeSet<String>> = LazyLock::new(|| {
    let document = crate::document::Document::parse("inbound.yaml".as_ref(), SHIPPED.to_owned());
    let mut names = BTreeSet::new();
    for root in document.iter().flat_map(|document| &document.roots) {
        root.walk(&mut |node| {
            let list = node.get("allowed_capabilities").map(Node::members).unwrap_or_default();
            names.extend(list.iter().filter_map(|(name, _)| name.text()).map(str::to_owned));
        });
    }
    names
});

/// Checks the plugin at this position of the connection manager's filters.
pub(super) fn check(subject: &mut Subject<'_>, manager: &Node, position: usize, checked: &[Checked]) {
    let filters = manager.get("http_filters").map(Node::items).unwrap_or_default();
    let Some(filter) = filters.get(position) else { return };
    let typed = filter.get("typed_config");
    let plugin = typed.filter(|typed| is(typed, WASM)).and_then(|typed| typed.get("config"));
    let Some(plugin) = plugin.or_else(|| typed.and_then(|typed| typed.at(&["value", "config"]))) else { return };
    check_plugin(subject, plugin, checked);
}

/// Checks an `envoy.extensions.wasm.v3.PluginConfig`.
pub(in crate::check) fn check_plugin(subject: &mut Subject<'_>, plugin: &Node, checked: &[Checked]) {
    check_failure(subject, plugin);
    check_capabilities(subject, plugin, checked);
    check_variables(subject, plugin, checked);
}

fn check_failure(subject: &mut Subject<'_>, plugin: &Node) {
    let policy = plugin.get("failure_policy").and_then(Node::text);
    let is_open = policy == Some("FAIL_OPEN") || plugin.get("fail_open").is_some_and(Node::is_true);
    if is_open {
        let key = if policy == Some("FAIL_OPEN") { "failure_policy" } else { "fail_open" };
        let message = "expected FAIL_RELOAD, got fail open: when the filter fails, requests pass unauthenticated";
        subject.add(Severity::Error, "envoy-fail-open", plugin.place(key), key, message);
    } else if policy != Some("FAIL_RELOAD") {
        let message = "expected FAIL_RELOAD, got another or none: after a fault of the filter its worker answers 503 until \
                       Envoy is restarted";
        let at = plugin.place("failure_policy");
        subject.add(Severity::Warning, "envoy-fail-open", at, "failure_policy", message);
    }
}

fn check_capabilities(subject: &mut Subject<'_>, plugin: &Node, checked: &[Checked]) {
    let path = "capability_restriction_config.allowed_capabilities";
    let Some(list) = plugin
        .at(&["vm_config", "capability_restriction_config", "allowed_capabilities"])
        .or_else(|| plugin.at(&["capability_restriction_config", "allowed_capabilities"]))
    else {
        let message = "expected the list of what the module may call, got none: it may call all that Envoy has";
        let at = plugin.get("vm_config").unwrap_or(plugin).first_place();
        subject.add(Severity::Warning, "envoy-capabilities", at, path, message);
        subject.advise("copy the list of gateway-configs/envoy/inbound.yaml");
        return;
    };
    let given: BTreeSet<&str> = list.members().iter().filter_map(|(name, _)| name.text()).collect();
    let needs_responses = configuration_of(plugin, checked).is_none_or(is_about_responses);
    let needed = |name: &&str| needs_responses || *name != OF_RESPONSES;
    let needed = CAPABILITIES.iter().map(String::as_str).filter(needed);
    let missing: Vec<&str> = needed.filter(|name| !given.contains(name)).collect();
    if missing == [OF_RESPONSES] {
        let message = format!(
            "expected {OF_RESPONSES}, got a list without it: responses would be neither signed nor verified, without any error"
        );
        subject.add(Severity::Error, "envoy-capabilities", list.first_place(), path, message);
        subject.advise("copy the list of gateway-configs/envoy/inbound.yaml");
    } else if !missing.is_empty() {
        let message = format!(
            "expected the whole list, got one without {}: what is missing is not called, without any error, and requests may \
             pass unauthenticated",
            missing.join(", ")
        );
        subject.add(Severity::Error, "envoy-capabilities", list.first_place(), path, message);
        subject.advise("copy the list of gateway-configs/envoy/inbound.yaml");
    }
}

/// The configuration of this plugin.
fn configuration_of<'c>(plugin: &Node, checked: &'c [Checked]) -> Option<&'c Checked> {
    let value = plugin.at(&["configuration", "value"])?;
    checked.iter().find(|one| value.span.contains(&one.configuration.place_of("").start))
}

/// Whether it asks for something that is done when a response comes.
fn is_about_responses(one: &Checked) -> bool {
    ["inbound.response_token", "outbound.verify_responses"].iter().any(|path| one.configuration.value(path).is_some())
}

/// A variable that the configuration names must be one that the virtual machine sees.
fn check_variables(subject: &mut Subject<'_>, plugin: &Node, checked: &[Checked]) {
    let mut seen = BTreeSet::new();
    if let Some(variables) = plugin.at(&["vm_config", "environment_variables"]) {
        let from_host = variables.get("host_env_keys").map(Node::items).unwrap_or_default();
        seen.extend(from_host.iter().filter_map(Node::text));
        let given = variables.get("key_values").map(Node::members).unwrap_or_default();
        seen.extend(given.iter().filter_map(|(name, _)| name.text()));
    }
    let Some(one) = configuration_of(plugin, checked) else { return };
    let mut unseen = Vec::new();
    named_variables(&one.configuration, &mut |name, path| {
        if !seen.contains(name) {
            unseen.push((name.to_owned(), path));
        }
    });
    for (name, path) in unseen {
        let at = one.configuration.place_of(&format!("{path}.env"));
        let message = format!(
            "expected {name} in \"environment_variables\" of \"vm_config\", got nothing: the filter would not see it"
        );
        subject.add(Severity::Error, "envoy-environment", at, path, message);
        subject.advise(format!("environment_variables: {{host_env_keys: [{name}]}}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_list_is_found() {
        assert!(CAPABILITIES.len() > 30, "{}", CAPABILITIES.len());
        assert!(CAPABILITIES.contains("proxy_on_request_headers"));
    }
}
