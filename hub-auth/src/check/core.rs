//! What the filter itself says of a configuration: its errors, its warnings, and what the gateway cannot do.

use std::collections::BTreeSet;
use std::rc::Rc;

use hub_auth_filter::facade::config::{Config, ConfigErrors};
use hub_auth_filter::facade::gateway::GatewayKind;
use hub_auth_filter::facade::shared_data::{NoSharedData, SharedData};

use super::{Checked, Subject};
use crate::configurations::{Configuration, Form};
use crate::environment::{Environment, stand_in};
use crate::findings::Severity;

/// Checks one configuration as the filter would at its start.
pub(super) fn check(subject: &mut Subject<'_>, configuration: Configuration) -> Checked {
    check_form(subject, &configuration);
    let (config, unset) = parse(&configuration, subject.settings.environment);
    note_unset(subject, &configuration, &unset);
    match config {
        Ok(config) => {
            add_lines(subject, &configuration, config.warnings(), "warning");
            if let Some(gateway) = gateway(&configuration, &config, subject) {
                check_for(subject, &configuration, &config, gateway);
            }
            Checked { configuration, config: Some(config) }
        }
        Err(errors) => {
            add_errors(subject, &configuration, &errors, "configuration");
            Checked { configuration, config: None }
        }
    }
}

/// What the filter makes of a configuration, and the variables that it names and that are not set here: others stand in for
/// them, so that they hide nothing else.
pub(crate) fn parse(
    configuration: &Configuration,
    environment: &Environment,
) -> (Result<Config, ConfigErrors>, BTreeSet<String>) {
    let bytes = configuration.text.as_bytes();
    let config = Config::parse_with(bytes, &GatewayKind::known(), &|name| environment.get(name));
    let unset = environment.take_missing();
    if unset.is_empty() {
        return (config, unset);
    }
    let private_keys = named_as_private_keys(configuration);
    let read = |name: &str| Some(environment.get(name).unwrap_or_else(|| stand_in(private_keys.contains(name))));
    let config = Config::parse_with(bytes, &GatewayKind::known(), &read);
    environment.take_missing();
    (config, unset)
}

fn check_form(subject: &mut Subject<'_>, configuration: &Configuration) {
    if configuration.form != Form::ReencodedObject {
        return;
    }
    let (message, help) = match configuration.gateway {
        Some(GatewayKind::Envoy) => (
            "expected a google.protobuf.StringValue with JSON as text, got another message, of which the filter gets the \
             bytes of its protobuf encoding",
            "give \"@type\": type.googleapis.com/google.protobuf.StringValue, and the JSON as \"value\"",
        ),
        Some(GatewayKind::Kong) => (
            "expected JSON as text, got an object: Kong refuses it, or writes it anew",
            "put the JSON into a text, with | in YAML",
        ),
        _ => (
            "expected JSON as text, got an object: APISIX writes it anew, and [] becomes {}",
            "put the JSON into a text, with | in YAML",
        ),
    };
    let place = configuration.place_of("");
    subject.add(Severity::Error, "configuration-is-object", place, "configuration", message);
    subject.advise(help);
}

fn note_unset(subject: &mut Subject<'_>, configuration: &Configuration, unset: &BTreeSet<String>) {
    let mut places = Vec::new();
    named_variables(configuration, &mut |name, path| {
        if unset.contains(name) {
            places.push((name.to_owned(), path));
        }
    });
    for (name, path) in places {
        let place = configuration.place_of(&format!("{path}.env"));
        let message = format!("{name} is not set here, so what it holds was not checked");
        subject.add(Severity::Note, "variable-not-set", place, path, message);
        subject.advise("set it, or name a file with --env-file");
    }
}

/// The names of variables that hold private keys.
fn named_as_private_keys(configuration: &Configuration) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    named_variables(configuration, &mut |name, path| {
        if path.ends_with("private_key") {
            names.insert(name.to_owned());
        }
    });
    names
}

/// Calls `visit` with each `{"env": "NAME"}` and its path.
pub(super) fn named_variables(configuration: &Configuration, visit: &mut dyn FnMut(&str, String)) {
    fn walk(node: &crate::document::Node, path: &str, visit: &mut dyn FnMut(&str, String)) {
        if let Some(name) = node.get("env").and_then(crate::document::Node::text) {
            visit(name, path.to_owned());
        }
        for (key, value) in node.members() {
            let key = key.text().unwrap_or_default();
            walk(value, &if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }, visit);
        }
        for (index, item) in node.items().iter().enumerate() {
            walk(item, &format!("{path}[{index}]"), visit);
        }
    }
    if let Some(root) = configuration.value("") {
        walk(root, "", visit);
    }
}

/// The gateway that will read the configuration: by the file, by the caller, or by the configuration itself.
fn gateway(configuration: &Configuration, config: &Config, subject: &mut Subject<'_>) -> Option<GatewayKind> {
    let told = config.gateway.kind.and_then(GatewayKind::from_name);
    let known = configuration.gateway.or(subject.settings.gateway);
    if let (Some(told), Some(known)) = (told, known)
        && told != known
    {
        let place = configuration.place_of("gateway.kind");
        let message = format!("expected \"{}\", got another gateway than the one that reads this file", known.name());
        subject.add(Severity::Error, "gateway", place, "gateway.kind", message);
    }
    let found = known.or(told);
    if found.is_none() {
        let message = "which gateway reads this is not known, so what it cannot do was not checked";
        subject.add(Severity::Note, "gateway", configuration.place_of(""), "", message);
        subject.advise("say it with --gateway");
    }
    found
}

fn check_for(subject: &mut Subject<'_>, configuration: &Configuration, config: &Config, gateway: GatewayKind) {
    let shares = config.gateway.uses_shared_data(gateway.data_sharing());
    let data = shares.then(|| Rc::new(NoSharedData) as Rc<dyn SharedData>);
    let capabilities = gateway.capabilities(data, gateway == GatewayKind::Envoy);
    if let Err(errors) = config.check(&capabilities) {
        add_errors(subject, configuration, &errors, "gateway-cannot");
    }
    add_lines(subject, configuration, &config.warnings_for(&capabilities), "warning");
}

fn add_errors(subject: &mut Subject<'_>, configuration: &Configuration, errors: &ConfigErrors, rule: &'static str) {
    for error in errors.iter() {
        let place = match line_and_column(error.problem()) {
            Some((line, column)) => configuration.place_at(line, column),
            None => configuration.place_of(error.path()),
        };
        subject.add(Severity::Error, rule, place, error.path(), error.problem());
    }
    if errors.omitted() > 0 {
        let message = format!("{} more errors are not shown", errors.omitted());
        subject.add(Severity::Error, rule, configuration.place_of(""), "configuration", message);
    }
}

/// Warnings of the filter: each a line with its path before a colon.
fn add_lines(subject: &mut Subject<'_>, configuration: &Configuration, lines: &[String], rule: &'static str) {
    for line in lines {
        let (path, message) = line.split_once(": ").unwrap_or(("configuration", line));
        subject.add(Severity::Warning, rule, configuration.place_of(path), path, message);
    }
}

/// The place of a fault of syntax, which the filter tells as `… at line 3 column 5`.
fn line_and_column(problem: &str) -> Option<(usize, usize)> {
    let (_, rest) = problem.split_once(" at line ")?;
    let (line, column) = rest.split_once(" column ")?;
    Some((line.parse().ok()?, column.parse().ok()?))
}
