//! The schema for editors and the reference for people say what the reader does: nothing else, and all of it.

mod agreement;
mod definitions;
mod exceptions;
mod limits;
mod texts;

use std::sync::LazyLock;

use jsonschema::{PatternOptions, Validator};
use serde_json::{Value, json};

use super::totality;
use crate::config::schema::{json_schema, reference};
use crate::config::{Config, ConfigErrors};
use crate::gateway::kinds::GatewayKind;

static SCHEMA: LazyLock<Value> = LazyLock::new(|| json_schema(&GatewayKind::known()));

static VALIDATOR: LazyLock<Validator> = LazyLock::new(|| {
    let options = jsonschema::draft202012::options().with_pattern_options(PatternOptions::fancy_regex());
    options.build(&SCHEMA).unwrap()
});

/// Configurations that together have every key.
static SAMPLES: LazyLock<Vec<Value>> = LazyLock::new(totality::samples);

/// The gateway's environment, with all that samples and examples name.
fn environment(name: &str) -> Option<String> {
    match name {
        "INTROSPECTION_SECRET" => Some("secret".to_owned()),
        _ => super::environment(name),
    }
}

fn read(text: &str) -> Result<Config, ConfigErrors> {
    Config::parse_with(text.as_bytes(), &GatewayKind::known(), &environment)
}

/// Whether the reader accepts a configuration, if the schema does as well; where they differ and no exception says so, why.
fn verdict(text: &str) -> Result<bool, String> {
    let value: Value = serde_json::from_str(text).unwrap();
    match (read(text), VALIDATOR.is_valid(&value)) {
        (Ok(_), true) => Ok(true),
        (Ok(_), false) => {
            let faults: Vec<_> =
                VALIDATOR.iter_errors(&value).map(|fault| format!("{}: {fault}", fault.instance_path())).collect();
            Err(format!("only the schema refuses {text}: {}", faults.join("\n")))
        }
        (Err(_), false) => Ok(false),
        (Err(errors), true) => {
            let unexcused = errors.iter().find(|error| exceptions::of(error.path(), error.problem(), &value).is_none());
            match unexcused {
                None => Ok(false),
                Some(error) => Err(format!("only the reader refuses {text}: {error}")),
            }
        }
    }
}

/// [`verdict`] for tests that are no properties.
#[track_caller]
fn agreed(value: &Value) -> bool {
    verdict(&value.to_string()).unwrap_or_else(|difference| panic!("{difference}"))
}

fn committed(path: &str) -> String {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn the_files_of_schema_and_reference_are_what_the_definitions_make_of_them() {
    let schema = format!("{:#}\n", *SCHEMA);
    assert!(committed("schema/hub-auth-filter.schema.json") == schema, "the schema is out of date: run `make schema`");
    let page = reference(&GatewayKind::known());
    assert!(committed("docs/configuration.md") == page, "the reference is out of date: run `make schema`");
}

#[test]
fn it_is_a_schema() {
    jsonschema::meta::validate(&SCHEMA).unwrap();
    assert_eq!(SCHEMA["$schema"], "https://json-schema.org/draft/2020-12/schema");
}

#[test]
fn the_address_of_a_schema_may_stand_in_a_configuration() {
    for sample in &*SAMPLES {
        let mut named = sample.clone();
        named["$schema"] = json!("./hub-auth-filter.schema.json");
        assert!(agreed(&named));
        assert_eq!(read(&named.to_string()), read(&sample.to_string()));
    }
    for bad in [json!(null), json!(1), json!({}), json!(["x"])] {
        let mut named = super::least();
        named["$schema"] = bad;
        assert!(!agreed(&named), "{named}");
    }
    assert_eq!(
        super::faults(&super::changed(super::least(), "/$schema", json!(7))),
        "$schema: expected the address of a schema, got a number"
    );
}
