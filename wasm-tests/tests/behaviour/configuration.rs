//! What becomes of a plugin with a wrong configuration.

use serde_json::json;
use wasm_tests::host::{Fault, Gateway, Module, Profile, StartFailure};

use super::scene::*;

fn refused(configuration: impl AsRef<[u8]>) -> StartFailure {
    Gateway::new(Profile::envoy()).configuration(configuration).start(Module::release()).expect_err("refuses to start")
}

fn log_of(failure: &StartFailure) -> String {
    failure.logs.iter().map(|log| log.text.as_str()).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_wrong_configuration_stops_the_gateway_with_every_error_in_the_log() {
    let mut configuration = jwt_auth();
    configuration["inbound"]["provider_ids"] = json!([]);
    configuration["inbound"]["auth"]["jwt_auth"]["timeout"] = json!(5);
    configuration["inbound"]["colour"] = json!("red");
    let log = log_of(&refused(configuration.to_string()));
    for path in ["inbound.provider_ids", "inbound.auth.jwt_auth.timeout", "inbound.colour"] {
        assert!(log.contains(path), "{path} is not in:\n{log}");
    }
    assert!(!log.contains("red"), "values stay out of the log");
}

#[test]
fn errors_that_are_too_many_to_show_are_counted_in_the_log() {
    let mut configuration = jwt_auth();
    for n in 0..60 {
        configuration["inbound"][format!("extra-{n}")] = json!(null);
    }
    let log = log_of(&refused(configuration.to_string()));
    assert!(log.lines().last().is_some_and(|line| line.contains("10 more errors are not shown")), "{log}");
}

#[test]
fn the_methods_of_the_other_direction_are_refused_by_name() {
    for method in ["auth", "api_key", "client_credentials"] {
        let log = log_of(&refused(json!({ "outbound": { method: {} } }).to_string()));
        let path = format!("outbound.{method}:");
        let line = log.lines().find(|line| line.contains(&path)).unwrap_or_else(|| panic!("{log}"));
        assert!(line.contains("for inbound requests"), "{line}");
    }
}

#[test]
fn a_struct_and_an_empty_configuration_are_named_as_such() {
    // google.protobuf.Struct { "inbound": {} }
    let message = b"\x0a\x0f\x0a\x07inbound\x12\x04\x2a\x02\x0a\x00";
    assert!(log_of(&refused(message)).contains("google.protobuf.Struct"));
    assert!(log_of(&refused("")).contains("no configuration"));
}

#[test]
fn a_configuration_that_the_host_does_not_hand_over_is_no_configuration() {
    for fault in [
        Fault::host_call("proxy_get_buffer_bytes").returns(1_u32),
        Fault::host_call("proxy_get_buffer_bytes").writes_nothing(),
    ] {
        let failure = envoy(&jwt_auth()).fault(fault).start(Module::release());
        assert!(failure.is_err());
    }
}
