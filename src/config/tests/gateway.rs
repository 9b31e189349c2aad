//! The rules of `gateway`.

use serde_json::{Value, json};

use super::{accepted, faults, least, least_outbound, with};
use crate::config::Gateway;
use crate::gateway::kinds::GatewayKind::{self, Apisix, Envoy, Kong};

fn read(settings: Value) -> Gateway {
    accepted(&with("/gateway", settings)).gateway
}

#[track_caller]
fn refused(settings: Value, expected: &str) {
    assert_eq!(faults(&with("/gateway", settings)), format!("gateway{expected}"));
}

#[test]
fn nothing_needs_to_be_said_of_the_gateway() {
    for gateway in [accepted(&least()).gateway, accepted(&least_outbound()).gateway, read(json!({}))] {
        assert_eq!(gateway, Gateway { kind: None, shared_data: None, metrics: None });
    }
}

#[test]
fn it_stands_beside_either_direction() {
    for mut config in [least(), least_outbound()] {
        config["gateway"] = json!({"shared_data": true});
        assert_eq!(accepted(&config).gateway, Gateway { kind: None, shared_data: Some(true), metrics: None });
    }
}

#[test]
fn it_is_no_direction() {
    let alone = faults(&json!({"gateway": {}}));
    assert_eq!(alone, "configuration: expected \"inbound\" or \"outbound\", got nothing");
    let mut all = least();
    all["outbound"] = least_outbound()["outbound"].clone();
    all["gateway"] = json!({});
    assert_eq!(faults(&all), "configuration: expected exactly one key, got \"inbound\" and \"outbound\"");
}

#[test]
fn its_kind_is_that_of_a_gateway_that_is_known() {
    for (name, kind) in [("envoy", Envoy), ("kong", Kong), ("apisix", Apisix)] {
        assert_eq!(read(json!({"kind": name})), Gateway { kind: Some(name), shared_data: None, metrics: None });
        assert_eq!(GatewayKind::from_name(name), Some(kind));
    }
    for (bad, got) in [(json!("Kong"), "another string"), (json!(null), "null"), (json!(["kong"]), "an array")] {
        refused(json!({"kind": bad}), &format!(".kind: expected \"envoy\", \"kong\" or \"apisix\", got {got}"));
    }
}

#[test]
fn shared_data_is_used_or_not() {
    for used in [true, false] {
        assert_eq!(read(json!({"shared_data": used})), Gateway { kind: None, shared_data: Some(used), metrics: None });
    }
    for (bad, got) in [(json!("true"), "a string"), (json!(null), "null"), (json!(1), "a number")] {
        refused(json!({"shared_data": bad}), &format!(".shared_data: expected true or false, got {got}"));
    }
}

#[test]
fn it_counts_or_not() {
    for used in [true, false] {
        assert_eq!(read(json!({"metrics": used})), Gateway { kind: None, shared_data: None, metrics: Some(used) });
    }
    for (bad, got) in [(json!("true"), "a string"), (json!(null), "null"), (json!(1), "a number")] {
        refused(json!({"metrics": bad}), &format!(".metrics: expected true or false, got {got}"));
    }
}

#[test]
fn it_has_no_other_settings() {
    refused(json!({"name": "s3cret"}), ".name: expected \"kind\", \"shared_data\" or \"metrics\", got an unknown key");
    for (bad, got) in [(json!(null), "null"), (json!("kong"), "a string"), (json!([]), "an array")] {
        refused(bad, &format!(": expected an object, got {got}"));
    }
}

#[test]
fn all_its_faults_are_told_beside_those_of_a_direction() {
    let mut config = with("/inbound/provider_ids", json!([]));
    config["gateway"] = json!({"kind": 1, "shared_data": 1, "metrics": 1});
    let paths = faults(&config).lines().map(|line| line.split(':').next().unwrap().to_owned()).collect::<Vec<_>>();
    assert_eq!(paths, ["inbound.provider_ids", "gateway.kind", "gateway.shared_data", "gateway.metrics"]);
}

#[test]
fn shared_data_is_used_as_configured_else_in_envoy_only() {
    for (shared_data, users) in [(None, vec![Envoy]), (Some(true), vec![Envoy, Kong, Apisix]), (Some(false), vec![])] {
        // The kind that is configured is not the question: the caller has settled it.
        for kind in GatewayKind::ALL {
            let gateway = Gateway { kind: Some(Kong.name()), shared_data, metrics: None };
            assert_eq!(
                gateway.uses_shared_data(kind.data_sharing()),
                users.contains(&kind),
                "{shared_data:?} {kind:?}"
            );
        }
    }
}

#[test]
fn metrics_are_used_as_configured_else_in_envoy_only() {
    for (metrics, users) in [(None, vec![Envoy]), (Some(true), vec![Envoy, Kong, Apisix]), (Some(false), vec![])] {
        for kind in GatewayKind::ALL {
            let gateway = Gateway { kind: Some(Kong.name()), shared_data: None, metrics };
            assert_eq!(gateway.uses_metrics(kind.metrics()), users.contains(&kind), "{metrics:?} {kind:?}");
        }
    }
}
