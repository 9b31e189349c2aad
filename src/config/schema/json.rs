//! The definitions as a JSON Schema (2020-12).

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::definition::{Kind, Object, Presence, Setting, Text};
use super::pattern;
use crate::config::reader::{IntegerRange, ListRule};

/// The least that works, for editors that offer an example.
const EXAMPLE: &str = r#"{
  "inbound": {
    "provider_ids": ["retail"],
    "peer": {"organisational_units": ["233bcd1d-4216-4b3c-a362-9e4a9282bba7"]},
    "auth": {"jwt_auth": {"jwks": {"environment": "sandbox"}, "upstream": "keystore"}}
  }
}"#;

/// The schema of a whole configuration.
pub(super) fn schema(configuration: &Object) -> Value {
    let mut shared = Map::new();
    let mut schema = Map::new();
    schema.insert("$schema".to_owned(), json!("https://json-schema.org/draft/2020-12/schema"));
    schema.insert("title".to_owned(), json!("Configuration of hub-auth-filter"));
    schema.insert(
        "description".to_owned(),
        json!("What the filter is told by the gateway, as JSON text. docs/configuration.md describes it for people, and names the \
               rules that this schema cannot say; `hub-auth check` knows all."),
    );
    schema.insert("examples".to_owned(), serde_json::from_str::<Value>(EXAMPLE).into_iter().collect());
    if let Value::Object(object) = of_object(configuration, &mut shared) {
        schema.extend(object);
    }
    schema.insert("$defs".to_owned(), Value::Object(shared));
    Value::Object(schema)
}

fn of_kind(kind: &Kind, shared: &mut Map<String, Value>) -> Value {
    match kind {
        Kind::Boolean => json!({"type": "boolean"}),
        Kind::Null => json!({"type": "null"}),
        Kind::Text(text) => of_text(text),
        Kind::Duration(range) => json!({"type": "string", "pattern": pattern::duration(range)}),
        Kind::Integer(IntegerRange { min, max, .. }) => json!({"type": "integer", "minimum": min, "maximum": max}),
        Kind::Choice(words) => json!({"type": "string", "enum": words}),
        Kind::List(ListRule { min, max, .. }, item) => {
            let item = of_kind(item, shared);
            json!({"type": "array", "minItems": min, "maxItems": max, "uniqueItems": true, "items": item})
        }
        Kind::Object(object) => of_object(object, shared),
        Kind::Either(kinds) => {
            let kinds: Vec<Value> = kinds.iter().map(|kind| of_kind(kind, shared)).collect();
            json!({"anyOf": kinds})
        }
        Kind::Named(name, kind) => {
            if !shared.contains_key(*name) {
                let schema = of_kind(kind, shared);
                shared.insert((*name).to_owned(), schema);
            }
            json!({"$ref": format!("#/$defs/{name}")})
        }
    }
}

fn of_text(text: &Text) -> Value {
    let mut schema = Map::new();
    schema.insert("type".to_owned(), json!("string"));
    if text.min > 0 {
        schema.insert("minLength".to_owned(), json!(text.min));
    }
    if let Some(max) = text.max {
        schema.insert("maxLength".to_owned(), json!(max));
    }
    if let Some(pattern) = &text.pattern {
        schema.insert("pattern".to_owned(), json!(pattern));
    }
    if let Some(refused) = &text.refused {
        schema.insert("not".to_owned(), json!({"pattern": refused}));
    }
    Value::Object(schema)
}

fn of_object(object: &Object, shared: &mut Map<String, Value>) -> Value {
    let mut properties = Map::new();
    for setting in &object.settings {
        properties.insert(setting.key.to_owned(), of_setting(setting, shared));
    }
    let is_required = |setting: &&Arc<Setting>| matches!(setting.presence, Presence::Required);
    let required: Vec<&str> = object.settings.iter().filter(is_required).map(|setting| setting.key).collect();
    let mut schema = Map::new();
    schema.insert("type".to_owned(), json!("object"));
    schema.insert("additionalProperties".to_owned(), json!(false));
    if !required.is_empty() {
        schema.insert("required".to_owned(), json!(required));
    }
    schema.extend(object.rules.clone());
    schema.insert("properties".to_owned(), Value::Object(properties));
    Value::Object(schema)
}

fn of_setting(setting: &Setting, shared: &mut Map<String, Value>) -> Value {
    let mut schema = Map::new();
    schema.insert("title".to_owned(), json!(setting.title));
    schema.insert("description".to_owned(), json!(setting.description()));
    if let Value::Object(kind) = of_kind(&setting.kind, shared) {
        schema.extend(kind);
    }
    if let Presence::Default(default) = &setting.presence {
        schema.insert("default".to_owned(), default.clone());
    }
    if let Some(example) = &setting.example {
        schema.insert("examples".to_owned(), json!([example]));
    }
    Value::Object(schema)
}
