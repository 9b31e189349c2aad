//! The rules of `inbound` itself: provider ids, the choice of a method, and what goes on to the backend.

use serde_json::json;

use super::{EXAMPLE, accepted, faults, least, with, without};
use crate::config::{AllowedRequest, Auth, Config, Forward, ForwardAuthorization, Inbound};
use crate::peer::{PeerRules, PeerSource, Pins};
use crate::url::{Environment, JwksLocation};

#[test]
fn the_example_of_the_design_is_a_configuration() {
    let config = Config::parse(EXAMPLE.as_bytes()).unwrap();
    assert!(config.warnings().is_empty());
    let Inbound {
        provider_ids,
        require_provider_header,
        peer,
        auth,
        service_initiation,
        health_checks,
        forward,
        response_token,
    } = config.into_inbound();
    assert_eq!(response_token, None);
    assert_eq!((provider_ids.count(), provider_ids.audiences()), (1, &["retail".to_owned()][..]));
    assert!(!require_provider_header);
    let PeerRules { pins: Pins { organisational_units, fingerprints, allow_unpinned }, source } = peer;
    assert_eq!(organisational_units, ["233bcd1d-4216-4b3c-a362-9e4a9282bba7"]);
    assert!(fingerprints.is_empty() && !allow_unpinned);
    assert!(matches!(source, PeerSource::Connection));
    let Auth::JwtAuth(jwt_auth) = auth else { panic!() };
    assert_eq!(jwt_auth.jwks, JwksLocation::of_environment(Environment::Sandbox));
    assert_eq!(jwt_auth.upstream, "keystore");
    let [AllowedRequest { method, path }] = service_initiation.unwrap().allow.try_into().unwrap();
    assert_eq!((method.as_str(), path.as_str()), ("POST", "/payments"));
    assert_eq!(health_checks.unwrap().base_path(), "");
    assert_eq!(forward, Forward { authorization: ForwardAuthorization::Remove, identity_headers: true });
}

#[test]
fn what_the_example_spells_out_is_the_default() {
    let mut example: serde_json::Value = serde_json::from_str(EXAMPLE).unwrap();
    example["inbound"]["auth"]["jwt_auth"].as_object_mut().unwrap().remove("upstream");
    example["inbound"]["peer"]["organisational_units"] = json!(["hub"]);
    let mut least = with("/inbound/health_checks", json!({}));
    least["inbound"]["service_initiation"] = example["inbound"]["service_initiation"].clone();
    assert_eq!(accepted(&example), accepted(&least));
}

#[test]
fn provider_ids_peer_and_auth_are_mandatory() {
    for (key, expected) in
        [("provider_ids", "an array of 1 to 64 provider ids"), ("peer", "an object"), ("auth", "an object")]
    {
        let fault = faults(&without(&format!("/inbound/{key}")));
        assert_eq!(fault, format!("inbound.{key}: expected {expected}, got nothing"));
    }
}

#[test]
fn provider_ids_are_1_to_64_strings_of_1_to_128_visible_ascii_characters_without_duplicates() {
    let ids = |count: usize| (0..count).map(|index| format!("id{index}")).collect::<Vec<_>>();
    for good in [json!(["a"]), json!(["~!{}", "A", "a"]), json!(["x".repeat(128)]), json!(ids(64))] {
        let read = accepted(&with("/inbound/provider_ids", good.clone())).into_inbound().provider_ids;
        assert_eq!(json!(read.audiences()), good);
    }
    let list = "expected an array of 1 to 64 provider ids, got";
    let item = "expected a string of 1 to 128 visible ASCII characters, got";
    for (bad, expected) in [
        (json!([]), format!(": {list} an array of 0")),
        (json!(ids(65)), format!(": {list} an array of 65")),
        (json!("s3cret"), format!(": {list} a string")),
        (json!({"s3cret": 1}), format!(": {list} an object")),
        (json!(null), format!(": {list} null")),
        (json!(["a", 1]), format!("[1]: {item} a number")),
        (json!([null]), format!("[0]: {item} null")),
        (json!([["s3cret"]]), format!("[0]: {item} an array")),
        (json!([""]), format!("[0]: {item} an empty string")),
        (json!(["x".repeat(129)]), format!("[0]: {item} a longer string")),
        (json!(["a b"]), format!("[0]: {item} a string with other characters")),
        (json!(["a", "a\u{7f}"]), format!("[1]: {item} a string with other characters")),
        (json!(["بنك"]), format!("[0]: {item} a string with other characters")),
        (json!(["a", "b", "a"]), "[2]: expected provider ids without duplicates, got the same as at [0]".to_owned()),
    ] {
        assert_eq!(faults(&with("/inbound/provider_ids", bad)), format!("inbound.provider_ids{expected}"));
    }
}

#[test]
fn a_provider_may_have_an_audience_that_is_not_its_id() {
    let ids = json!(["fabretail", {"id": "fabcorporate", "audience": "https://bank.example/corporate"},
                     {"id": "fabprivate", "audience": "fabretail"}, {"id": "fabislamic", "audience": "fabislamic"}]);
    let read = accepted(&with("/inbound/provider_ids", ids)).into_inbound().provider_ids;
    let expected = [
        ("fabretail", "fabretail"),
        ("fabcorporate", "https://bank.example/corporate"),
        ("fabprivate", "fabretail"),
        ("fabislamic", "fabislamic"),
    ];
    assert_eq!(read, expected.map(|(id, audience)| (id.to_owned(), audience.to_owned())).into_iter().collect());
    let item = "expected a string of 1 to 128 visible ASCII characters, got";
    for (bad, expected) in [
        (json!([{"id": "a"}]), format!("[0].audience: {item} nothing")),
        (json!([{"audience": "a"}]), format!("[0].id: {item} nothing")),
        (json!(["b", {"id": "a", "audience": ""}]), format!("[1].audience: {item} an empty string")),
        (json!([{"id": "a", "audience": ["a"]}]), format!("[0].audience: {item} an array")),
        (
            json!([{"id": "a", "audience": "b", "aud": "c"}]),
            "[0].aud: expected \"id\" or \"audience\", got an unknown key".to_owned(),
        ),
        (
            json!(["a", "b", {"id": "a", "audience": "c"}]),
            "[2]: expected provider ids without duplicates, got the same as at [0]".to_owned(),
        ),
        (
            json!([{"id": "a", "audience": "b"}, {"id": "a", "audience": "c"}]),
            "[1]: expected provider ids without duplicates, got the same as at [0]".to_owned(),
        ),
    ] {
        assert_eq!(faults(&with("/inbound/provider_ids", bad)), format!("inbound.provider_ids{expected}"));
    }
}

#[test]
fn every_bad_item_of_a_list_is_told() {
    let fault = faults(&with("/inbound/provider_ids", json!(["", "a", "", "a"])));
    let paths: Vec<&str> = fault.lines().map(|line| line.split_once(": ").unwrap().0).collect();
    assert_eq!(paths, ["inbound.provider_ids[0]", "inbound.provider_ids[2]", "inbound.provider_ids[3]"]);
}

#[test]
fn the_provider_header_is_needed_when_asked_for_or_with_several_ids() {
    for (ids, asked, needed) in [
        (json!(["a"]), false, false),
        (json!(["a"]), true, true),
        (json!(["a", "b"]), false, true),
        (json!(["a", "b"]), true, true),
    ] {
        let mut config = with("/inbound/provider_ids", ids);
        config["inbound"]["require_provider_header"] = json!(asked);
        assert_eq!(accepted(&config).into_inbound().needs_provider_header(), needed);
    }
    assert_eq!(
        faults(&with("/inbound/require_provider_header", json!("true"))),
        "inbound.require_provider_header: expected true or false, got a string"
    );
}

#[test]
fn exactly_one_method_is_chosen() {
    let jwt_auth = least()["inbound"]["auth"]["jwt_auth"].clone();
    for (auth, expected) in [
        (
            json!({}),
            "inbound.auth: expected \"jwt_auth\", \"client_credentials\", \"api_key\" or \"mtls_only\", got nothing",
        ),
        (
            json!({"jwt_auth": jwt_auth, "mtls_only": {}}),
            "inbound.auth: expected exactly one key, got \"jwt_auth\" and \"mtls_only\"",
        ),
        (json!("jwt_auth"), "inbound.auth: expected an object, got a string"),
    ] {
        assert_eq!(faults(&with("/inbound/auth", auth)), expected);
    }
}

#[test]
fn faults_in_a_second_method_are_told_too() {
    let fault = faults(&with("/inbound/auth", json!({"mtls_only": 1, "jwt_auth": 2})));
    assert_eq!(fault.lines().count(), 3, "{fault}");
}

#[test]
fn mtls_only_has_no_settings() {
    assert_eq!(accepted(&with("/inbound/auth", json!({"mtls_only": {}}))).into_inbound().auth, Auth::MtlsOnly);
    for (value, expected) in [
        (json!(null), ": expected an object, got null"),
        (json!(true), ": expected an object, got true or false"),
        (json!({"jwks": "s3cret"}), ".jwks: expected no key, got an unknown key"),
    ] {
        let fault = faults(&with("/inbound/auth", json!({"mtls_only": value})));
        assert_eq!(fault, format!("inbound.auth.mtls_only{expected}"));
    }
}

#[test]
fn the_credential_is_removed_and_identity_headers_are_set_unless_told_otherwise() {
    use ForwardAuthorization::{Keep, Remove};
    for (value, authorization, identity_headers) in [
        (json!({}), Remove, true),
        (json!({"authorization": "remove"}), Remove, true),
        (json!({"authorization": "keep"}), Keep, true),
        (json!({"identity_headers": false}), Remove, false),
        (json!({"authorization": "keep", "identity_headers": true}), Keep, true),
    ] {
        let forward = accepted(&with("/inbound/forward", value)).into_inbound().forward;
        assert_eq!(forward, Forward { authorization, identity_headers });
    }
}

#[test]
fn forward_takes_no_other_values() {
    for (value, expected) in [
        (json!(null), ": expected an object, got null"),
        (json!({"authorization": "Remove"}), ".authorization: expected \"remove\" or \"keep\", got another string"),
        (json!({"authorization": false}), ".authorization: expected \"remove\" or \"keep\", got true or false"),
        (json!({"identity_headers": 1}), ".identity_headers: expected true or false, got a number"),
        (json!({"x": 1}), ".x: expected \"authorization\" or \"identity_headers\", got an unknown key"),
    ] {
        assert_eq!(faults(&with("/inbound/forward", value)), format!("inbound.forward{expected}"));
    }
}
