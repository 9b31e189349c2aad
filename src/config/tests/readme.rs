//! What the README says of the configuration is true: its examples are accepted, and it names every key.

use serde_json::Value;

use super::totality::samples;
use super::{Config, least};

const README: &str = include_str!("../../../README.md");

/// The JSON examples. One without `inbound` is a method, and stands in the place of the least configuration's.
fn examples() -> Vec<Value> {
    let blocks = README.split("```json\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    let parsed =
        blocks.map(|block| serde_json::from_str::<Value>(block).unwrap_or_else(|error| panic!("{error}: {block}")));
    let whole = |example: Value| match example.get("inbound") {
        Some(_) => example,
        None => {
            let mut whole = least();
            whole["inbound"]["auth"] = example;
            whole
        }
    };
    parsed.map(whole).collect()
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
    assert!(examples.len() >= 4, "{} examples", examples.len());
    for example in examples {
        let secret = |name: &str| (name == "INTROSPECTION_SECRET").then(|| "secret".to_owned());
        let read = Config::parse_with(example.to_string().as_bytes(), &secret);
        assert!(read.is_ok_and(|config| config.warnings().is_empty()), "{example}");
    }
}

#[test]
fn it_names_every_key() {
    let mut found = Vec::new();
    samples().iter().for_each(|sample| keys(sample, &mut found));
    found.extend(
        ["capacity", "replay_capacity", "url_template", "environment", "env", "trust_plaintext_hop"].map(str::to_owned),
    );
    assert!(found.len() > 60, "{found:?}");
    for key in found {
        assert!(README.contains(&key), "{key}");
    }
}
