//! What becomes of a plugin with a wrong configuration.

use serde_json::json;
use wasm_tests::host::{Fault, Module};

use super::scene::*;

/// What the log says of a configuration that is refused.
#[track_caller]
fn log_of(host: Host, configuration: impl AsRef<[u8]>) -> String {
    let gateway = host.with(&jwt_auth()).configuration(configuration);
    host.refuses(gateway).iter().map(|log| log.text.as_str()).collect::<Vec<_>>().join("\n")
}

#[apply(every_gateway)]
fn a_wrong_configuration_is_refused_with_every_error_in_the_log(host: Host) {
    let mut configuration = jwt_auth();
    configuration["inbound"]["provider_ids"] = json!([]);
    configuration["inbound"]["auth"]["jwt_auth"]["timeout"] = json!(5);
    configuration["inbound"]["colour"] = json!("vermilion");
    let log = log_of(host, configuration.to_string());
    for path in ["inbound.provider_ids", "inbound.auth.jwt_auth.timeout", "inbound.colour"] {
        assert!(log.contains(path), "{path} is not in:\n{log}");
    }
    assert!(!log.contains("vermilion"), "values stay out of the log");
}

#[apply(every_gateway)]
fn errors_that_are_too_many_to_show_are_counted_in_the_log(host: Host) {
    let mut configuration = jwt_auth();
    for n in 0..60 {
        configuration["inbound"][format!("extra-{n}")] = json!(null);
    }
    let log = log_of(host, configuration.to_string());
    assert!(log.contains("10 more errors are not shown"), "{log}");
}

#[apply(every_gateway)]
fn the_methods_of_the_other_direction_are_refused_by_name(host: Host) {
    for method in ["auth", "api_key", "client_credentials"] {
        let log = log_of(host, json!({ "outbound": { method: {} } }).to_string());
        let path = format!("outbound.{method}:");
        let line = log.lines().find(|line| line.contains(&path)).unwrap_or_else(|| panic!("{log}"));
        assert!(line.contains("for inbound requests"), "{line}");
    }
}

#[apply(every_gateway)]
fn a_struct_and_an_empty_configuration_are_named_as_such(host: Host) {
    // google.protobuf.Struct { "inbound": {} }
    let message = b"\x0a\x0f\x0a\x07inbound\x12\x04\x2a\x02\x0a\x00";
    assert!(log_of(host, message).contains("google.protobuf.Struct"));
    assert!(log_of(host, "").contains("no configuration"));
}

#[apply(every_gateway)]
fn a_configuration_for_another_gateway_is_refused_with_the_reason_in_the_log(host: Host) {
    let kinds = ["envoy", "kong", "apisix"];
    for kind in kinds.into_iter().filter(|kind| *kind != host.name()) {
        let mut configuration = host.configuration(&jwt_auth());
        configuration["gateway"] = json!({ "kind": kind });
        let log = log_of(host, configuration.to_string());
        let reason = format!("gateway.kind: it says \"{kind}\", but this is \"{}\"", host.name());
        assert_eq!(log.lines().filter(|line| line.contains(&reason)).count(), 1, "{log}");
    }
}

#[apply(every_gateway)]
fn a_configuration_may_name_its_gateway(host: Host) {
    let mut configuration = jwt_auth();
    configuration["gateway"] = json!({ "kind": host.name() });
    let gateway = host.with(&configuration).start(Module::release()).unwrap();
    for _ in 0..2 {
        assert_eq!(judge(&gateway, right(&gateway)), "admitted");
    }
}

#[apply(every_gateway)]
fn a_configuration_that_the_host_does_not_hand_over_is_no_configuration(host: Host) {
    for fault in [
        Fault::host_call("proxy_get_buffer_bytes").returns(1_u32),
        Fault::host_call("proxy_get_buffer_bytes").writes_nothing(),
    ] {
        host.refuses(host.with(&jwt_auth()).fault(fault));
    }
}
