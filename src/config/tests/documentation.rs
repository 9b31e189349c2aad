//! What README and reference say of the configuration is true: their examples are accepted, and every key is named.

use std::collections::BTreeSet;

use serde_json::Value;

use super::totality::samples;
use super::{Config, changed, environment, least, least_outbound, removed};
use crate::gateway::kinds::GatewayKind;

const TEXT: &str = concat!(include_str!("../../../README.md"), "\n", include_str!("../../../docs/configuration.md"));

/// The JSON blocks.
fn blocks() -> impl Iterator<Item = &'static str> {
    TEXT.split("```json\n").skip(1).map(|rest| rest.split("```").next().unwrap())
}

/// The JSON examples. One that is not a whole configuration stands in its place in the least one.
fn examples() -> Vec<Value> {
    let part = |part: Value, name: &str, of: Value, pointer: &str| changed(of, pointer, part[name].clone());
    let whole = |example: Value| {
        if ["inbound", "outbound"].iter().any(|direction| example.get(direction).is_some()) {
            return example;
        }
        let name = example.as_object().unwrap().keys().next().unwrap().clone();
        match name.as_str() {
            "gateway" => part(example, &name, least(), "/gateway"),
            "peer" => part(example, &name, least(), "/inbound/peer"),
            "response_token" => part(example, &name, least(), "/inbound/response_token"),
            "verify_responses" => part(example, &name, least_outbound(), "/outbound/verify_responses"),
            "remote_signer" => {
                part(example, &name, removed(least_outbound(), "/outbound/keys"), "/outbound/remote_signer")
            }
            _method => changed(least(), "/inbound/auth", example),
        }
    };
    let parse = |block| serde_json::from_str(block).unwrap_or_else(|error| panic!("{error}: {block}"));
    blocks().map(|block| whole(parse(block))).collect()
}

/// Every word that stands in an example or as `code`.
fn words() -> BTreeSet<&'static str> {
    // Between backticks is every second part, once the blocks are out of the way.
    let text = TEXT.split("```").step_by(2);
    let code = text.flat_map(|text| text.split('`').skip(1).step_by(2));
    let word = |text: &'static str| text.split(|character: char| !character.is_alphanumeric() && character != '_');
    code.chain(blocks()).flat_map(word).collect()
}

fn keys(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            for (key, value) in members {
                found.push(key.clone());
                keys(value, found);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| keys(item, found)),
        _ => {}
    }
}

#[test]
fn its_examples_are_accepted() {
    let examples = examples();
    assert!(examples.len() >= 9, "{} examples", examples.len());
    for example in examples {
        let variable = |name: &str| match name {
            "INTROSPECTION_SECRET" => Some("secret".to_owned()),
            _ => environment(name),
        };
        let config = Config::parse_with(example.to_string().as_bytes(), &GatewayKind::known(), &variable);
        let config = config.unwrap_or_else(|errors| panic!("{errors}: {example}"));
        assert!(config.warnings().is_empty(), "{example}");
    }
}

#[test]
fn it_names_every_key() {
    let mut found = Vec::new();
    samples().iter().for_each(|sample| keys(sample, &mut found));
    found.extend(
        [
            "capacity",
            "replay_capacity",
            "token_cache_capacity",
            "url_template",
            "environment",
            "env",
            "trust_plaintext_hop",
            "key_version",
        ]
        .map(str::to_owned),
    );
    assert!(found.len() > 60, "{found:?}");
    let words = words();
    for key in found {
        assert!(words.contains(key.as_str()), "{key}");
    }
}
