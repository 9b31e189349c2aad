//! The rules of `inbound.health_checks`.

use serde_json::{Value, json};

use super::{accepted, faults, least, with};

fn base_path(value: Value) -> String {
    let config = accepted(&with("/inbound/health_checks", value));
    config.into_inbound().health_checks.expect("health checks").base_path().to_owned()
}

#[test]
fn health_checks_are_off_unless_asked_for() {
    assert_eq!(accepted(&least()).into_inbound().health_checks, None);
}

#[test]
fn the_base_path_is_the_root_unless_told_otherwise_and_may_end_in_a_slash() {
    assert_eq!(base_path(json!({})), "");
    for (given, read) in [("/", ""), ("/ozone", "/ozone"), ("/ozone/", "/ozone"), ("/a.b/c-_~", "/a.b/c-_~")] {
        assert_eq!(base_path(json!({ "base_path": given })), read);
    }
}

#[test]
fn health_checks_take_no_other_values() {
    let path = ".base_path: expected a path such as \"/\" or \"/ozone-connect\" of letters, digits, - . _ ~ and /, got";
    for (value, expected) in [
        (json!(null), ": expected an object, got null".to_owned()),
        (json!(true), ": expected an object, got true or false".to_owned()),
        (json!({"path": "/s3cret"}), ".path: expected \"base_path\", got an unknown key".to_owned()),
        (json!({"base_path": null}), format!("{path} null")),
        (json!({"base_path": ""}), format!("{path} a string without / at its start")),
        (json!({"base_path": "s3cret"}), format!("{path} a string without / at its start")),
        (json!({"base_path": "/s3cret?"}), format!("{path} a string with other characters")),
        (json!({"base_path": "/%41"}), format!("{path} a string with other characters")),
        (json!({"base_path": "/a:b"}), format!("{path} a string with other characters")),
        (json!({"base_path": "//"}), format!("{path} a string with two / in a row")),
        (json!({"base_path": "/a//"}), format!("{path} a string with two / in a row")),
        (json!({"base_path": "/a/.."}), format!("{path} a string with a segment . or ..")),
        (json!({"base_path": "/../"}), format!("{path} a string with a segment . or ..")),
        (json!({"base_path": format!("/{}", "s3cret".repeat(50))}), format!("{path} a longer string")),
    ] {
        assert_eq!(faults(&with("/inbound/health_checks", value)), format!("inbound.health_checks{expected}"));
    }
}
