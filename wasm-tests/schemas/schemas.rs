//! Holds bodies against the JSON Schemas beside this file, which are written from spec §2.7 and §3 and from no code.

use serde_json::Value;

/// Whether a body is as the schema of this name says; every fault, if not.
pub fn check(schema: &str, body: &Value) -> Result<(), String> {
    let schema = match schema {
        "hello" => include_str!("hello.schema.json"),
        "echo-cert" => include_str!("echo-cert.schema.json"),
        "error" => include_str!("error.schema.json"),
        "ozone-connect-error" => include_str!("ozone-connect-error.schema.json"),
        other => panic!("no schema {other}"),
    };
    let schema: Value = serde_json::from_str(schema).expect("JSON");
    let validator = jsonschema::draft202012::new(&schema).expect("a schema");
    let faults: Vec<String> = validator.iter_errors(body).map(|fault| fault.to_string()).collect();
    if faults.is_empty() { Ok(()) } else { Err(format!("{body}: {}", faults.join("; "))) }
}
