//! What is refused because a gateway cannot do it.

use std::rc::Rc;

use serde_json::{Value, json};

use super::totality::{path_of, pointers, samples};
use super::{EXAMPLE, accepted, changed, environment, least, least_outbound, removed, with};
use crate::capabilities::Capabilities;
use crate::config::Config;
use crate::gateway::kinds::GatewayKind::{self, Apisix, Envoy, Kong};
use crate::shared_data::{NoSharedData, SharedData};
use crate::url::Scheme;

/// A gateway of this kind, which has shared data when the configuration says so.
fn capabilities(kind: GatewayKind, config: &Config) -> Capabilities {
    let data =
        config.gateway.uses_shared_data(kind.data_sharing()).then(|| Rc::new(NoSharedData) as Rc<dyn SharedData>);
    kind.capabilities(data, kind != Apisix)
}

/// What is warned of in a gateway of this kind.
fn warnings_in(config: &Config, kind: GatewayKind) -> Vec<String> {
    config.warnings_for(&capabilities(kind, config))
}

/// What a gateway of this kind cannot do, a line each.
#[track_caller]
fn unfit(config: &Value, kind: GatewayKind) -> String {
    let config = accepted(config);
    let faults =
        config.check(&capabilities(kind, &config)).map_or_else(|errors| errors.to_string(), |()| String::new());
    assert!(!faults.contains("s3cret"), "{faults}");
    faults
}

/// That exactly these kinds of gateway refuse the configuration, each with this one fault.
#[track_caller]
fn refused_by(kinds: &[GatewayKind], config: &Value, expected: &str) {
    for kind in GatewayKind::ALL {
        let expected = if kinds.contains(&kind) { expected } else { "" };
        assert_eq!(unfit(config, kind), expected, "{kind:?}: {config}");
    }
}

/// The remote signer in the place of local keys.
fn signed_remotely(config: Value, settings: &str) -> Value {
    let signer = json!({"vault_transit": {
        "address": "https://bao.example:8200", "key": "sig4", "kid": "sig4-2026", "token": {"env": "BAO_TOKEN"},
    }});
    changed(removed(config, &format!("{settings}/keys")), &format!("{settings}/remote_signer"), signer)
}

fn signing_responses() -> Value {
    with("/inbound/response_token", least_outbound()["outbound"].clone())
}

fn verifying_responses() -> Value {
    changed(
        least_outbound(),
        "/outbound/verify_responses",
        json!({
            "hub": {"organisation": "Hub Operator", "organisational_unit": "hub", "common_name": "abc"},
            "provider_ids": ["retail"],
            "jwks": {"environment": "sandbox"},
        }),
    )
}

fn detecting_replays(scope: &str, shared_data: Option<bool>) -> Value {
    let config = with("/inbound/auth/jwt_auth/replay_detection", json!(scope));
    match shared_data {
        Some(used) => changed(config, "/gateway", json!({"shared_data": used})),
        None => config,
    }
}

/// Configurations with each server that the filter may call: the JSON pointers of its `upstream` and of its URL.
fn callouts() -> Vec<(Value, String, String)> {
    let url = json!({"url": "https://keys.example"});
    let introspection = json!({"url": url["url"], "client_id": "filter", "client_secret": {"env": "BAO_TOKEN"}});
    let method = |settings| with("/inbound/auth", json!({"client_credentials": settings}));
    let verifying = changed(verifying_responses(), "/outbound/verify_responses/mode", json!("report"));
    [
        (with("/inbound/auth/jwt_auth/jwks", url.clone()), "/inbound/auth/jwt_auth", "jwks/url"),
        (
            method(json!({"issuer": "i", "audience": "a", "jwks": url.clone()})),
            "/inbound/auth/client_credentials",
            "jwks/url",
        ),
        (method(json!({"introspection": introspection})), "/inbound/auth/client_credentials/introspection", "url"),
        (
            signed_remotely(signing_responses(), "/inbound/response_token"),
            "/inbound/response_token/remote_signer/vault_transit",
            "address",
        ),
        (signed_remotely(least_outbound(), "/outbound"), "/outbound/remote_signer/vault_transit", "address"),
        (changed(verifying, "/outbound/verify_responses/jwks", url), "/outbound/verify_responses", "jwks/url"),
    ]
    .map(|(config, settings, url)| (config, format!("{settings}/upstream"), format!("{settings}/{url}")))
    .into()
}

#[test]
fn keys_of_callers_that_are_named_are_fetched_at_the_start_where_callouts_belong_to_the_plugin() {
    let named = with("/inbound/auth/jwt_auth/warm", json!([{"organisational_unit": "a", "common_name": "b"}]));
    refused_by(
        &[Kong, Apisix],
        &named,
        "inbound.auth.jwt_auth.warm: expected nothing, got callers whose keys are fetched before the first request: on this \
         gateway each request makes its own callouts",
    );
    refused_by(&[], &with("/inbound/auth/jwt_auth/jwks", json!({"url": "https://keys.example/k"})), "");
}

/// The faults of this one setting.
#[track_caller]
fn faults_at(pointer: &str, config: &Value, kind: GatewayKind) -> Vec<String> {
    let path = format!("{}: ", path_of(pointer));
    unfit(config, kind).lines().filter_map(|line| Some(line.strip_prefix(&path)?.to_owned())).collect()
}

#[test]
fn every_gateway_can_do_what_is_not_special() {
    for config in [
        least(),
        least_outbound(),
        serde_json::from_str(EXAMPLE).unwrap(),
        signing_responses(),
        signed_remotely(least_outbound(), "/outbound"),
        changed(verifying_responses(), "/outbound/verify_responses/mode", json!("report")),
        with("/inbound/auth", json!({"mtls_only": {}})),
        with("/inbound/peer/source", json!({"forwarded_header": {"trust_plaintext_hop": true}})),
        detecting_replays("off", Some(false)),
        detecting_replays("worker", Some(false)),
    ] {
        refused_by(&[], &config, "");
    }
}

#[test]
fn replays_are_detected_by_the_whole_gateway_only_where_data_is_shared() {
    let fault =
        |expected: &str| format!("inbound.auth.jwt_auth.replay_detection: expected \"off\" or \"worker\"{expected}");
    let envoy =
        fault(", or \"gateway\": {\"shared_data\": true} beside \"inbound\", got \"gateway\" without shared data");
    let kong = fault(
        ", or shared data in Kong (nginx_wasm_shm_kv) and \"gateway\": {\"shared_data\": true} beside \"inbound\", \
         got \"gateway\" without shared data",
    );
    let apisix = fault(", got \"gateway\": the workers of APISIX share nothing");
    for (shared_data, kind, expected) in [
        (None, Envoy, ""),
        (Some(true), Envoy, ""),
        (Some(false), Envoy, &envoy),
        (None, Kong, &kong),
        (Some(true), Kong, ""),
        (Some(false), Kong, &kong),
        (None, Apisix, &apisix),
        (Some(false), Apisix, &apisix),
    ] {
        assert_eq!(unfit(&detecting_replays("gateway", shared_data), kind), expected, "{shared_data:?} {kind:?}");
    }
}

#[test]
fn apisix_has_no_shared_data() {
    let expected = "gateway.shared_data: expected false, got true: the workers of APISIX share nothing";
    for config in [least(), least_outbound()] {
        refused_by(&[Apisix], &changed(config.clone(), "/gateway", json!({"shared_data": true})), expected);
        refused_by(&[], &changed(config, "/gateway", json!({"shared_data": false})), "");
    }
    // Who is asked is the gateway that it is, not the one that is configured: the caller has settled that.
    let config = with("/gateway", json!({"kind": "apisix", "shared_data": true}));
    refused_by(&[Apisix], &config, expected);
}

#[test]
fn apisix_counts_nothing() {
    let expected = "gateway.metrics: expected false, got true: APISIX counts nothing for filters";
    for config in [least(), least_outbound()] {
        refused_by(&[Apisix], &changed(config.clone(), "/gateway", json!({"metrics": true})), expected);
        refused_by(&[], &changed(config, "/gateway", json!({"metrics": false})), "");
    }
}

#[test]
fn a_remote_signer_signs_responses_only_where_they_can_be_held() {
    refused_by(
        &[Kong, Apisix],
        &signed_remotely(signing_responses(), "/inbound/response_token"),
        "inbound.response_token.remote_signer: expected \"keys\" in its place, got a signer that must be asked: this \
         gateway cannot hold a response meanwhile",
    );
}

#[test]
fn verified_responses_are_required_only_where_others_can_be_replaced() {
    let required = changed(verifying_responses(), "/outbound/verify_responses/mode", json!("require"));
    for config in [verifying_responses(), required] {
        refused_by(
            &[Apisix],
            &config,
            "outbound.verify_responses.mode: expected \"report\", got \"require\", which is the default: this gateway cannot \
             replace a response",
        );
    }
}

#[test]
fn an_upstream_is_an_address_where_the_gateway_knows_no_names() {
    let expected = "expected host or host:port, as this gateway calls servers, got one";
    let (user, host, port) = (
        format!("{expected} with a user name or password"),
        format!("{expected} whose host is not a DNS name, an IPv4 address or an [IPv6] address"),
        format!("{expected} whose port is not a number from 1 to 65535"),
    );
    for (config, pointer, _) in callouts() {
        for (upstream, fault) in [
            ("s3cret_keystore", &host),
            (":443", &host),
            ("::1", &host),
            ("[::1", &host),
            ("outbound|443||keystore", &host),
            ("user:s3cret@keystore", &user),
            ("keystore:", &port),
            ("keystore:0", &port),
            ("keystore:65536", &port),
            ("keystore:https", &port),
            ("https://keystore", &port),
            ("unix:/s3cret.sock", &port),
        ] {
            let config = changed(config.clone(), &pointer, json!(upstream));
            for kind in [Kong, Apisix] {
                assert_eq!(faults_at(&pointer, &config, kind), [fault.as_str()], "{kind:?}: {upstream} at {pointer}");
            }
            assert_eq!(unfit(&config, Envoy), "", "{upstream} at {pointer}");
        }
        for upstream in
            ["keystore", "KeyStore.example", "keystore.example:8443", "192.0.2.1", "192.0.2.1:1", "[::1]:80"]
        {
            let config = changed(config.clone(), &pointer, json!(upstream));
            for kind in GatewayKind::ALL {
                assert_eq!(faults_at(&pointer, &config, kind), [""; 0], "{kind:?}: {upstream} at {pointer}");
            }
        }
    }
}

#[test]
fn every_upstream_that_can_be_configured_is_checked() {
    let mut checked = 0;
    for sample in samples() {
        let mut found = Vec::new();
        pointers(&sample, "", &mut found);
        for pointer in found.iter().filter(|pointer| pointer.ends_with("/upstream")) {
            let config = changed(sample.clone(), pointer, json!("key_store"));
            assert_eq!(faults_at(pointer, &config, Kong).len(), 1, "{pointer}: {sample}");
            checked += 1;
        }
    }
    assert!(checked >= 6, "{checked}");
}

#[test]
fn an_upstream_that_is_left_out_is_an_address() {
    for text in [
        "https://keys.example",
        "https://Keys.Example:8443",
        "https://192.0.2.1",
        "https://[2001:DB8::1]",
        "https://[2001:db8::1]:8443",
        "http://localhost:8080",
        "http://127.0.0.1",
        "http://[::1]",
    ] {
        for (config, upstream, url) in callouts() {
            let config = changed(config, &url, json!(text));
            for kind in GatewayKind::ALL {
                assert_eq!(faults_at(&upstream, &config, kind), [""; 0], "{kind:?}: {text} at {url}");
            }
        }
    }
    for jwks in [json!({"environment": "production"}), json!({"url_template": "https://[2001:db8::1]/{OU}"})] {
        refused_by(&[], &with("/inbound/auth/jwt_auth/jwks", jwks), "");
    }
}

#[test]
fn all_that_a_gateway_can_not_do_is_told_at_once() {
    let mut inbound = signed_remotely(signing_responses(), "/inbound/response_token");
    inbound["inbound"]["auth"]["jwt_auth"]["replay_detection"] = json!("gateway");
    inbound["inbound"]["auth"]["jwt_auth"]["upstream"] = json!("key_store");
    inbound["inbound"]["response_token"]["remote_signer"]["vault_transit"]["upstream"] = json!("key_store");
    let mut outbound = signed_remotely(verifying_responses(), "/outbound");
    outbound["outbound"]["remote_signer"]["vault_transit"]["upstream"] = json!("key_store");
    outbound["outbound"]["verify_responses"]["upstream"] = json!("key_store");
    outbound["gateway"] = json!({"shared_data": true});
    let paths = |config, kind| -> Vec<String> {
        unfit(config, kind).lines().map(|line| line.split_once(": ").unwrap().0.to_owned()).collect()
    };
    let expected = [
        "inbound.auth.jwt_auth.replay_detection",
        "inbound.response_token.remote_signer",
        "inbound.auth.jwt_auth.upstream",
        "inbound.response_token.remote_signer.vault_transit.upstream",
    ];
    assert_eq!(paths(&inbound, Kong), expected);
    assert_eq!(paths(&inbound, Apisix), expected);
    let expected = [
        "outbound.verify_responses.mode",
        "outbound.remote_signer.vault_transit.upstream",
        "outbound.verify_responses.upstream",
        "gateway.shared_data",
    ];
    assert_eq!(paths(&outbound, Apisix), expected);
}

#[test]
fn what_a_gateway_can_do_decides_and_not_its_name() {
    let asking = [
        detecting_replays("gateway", None),
        signed_remotely(signing_responses(), "/inbound/response_token"),
        verifying_responses(),
        with("/inbound/auth/jwt_auth/upstream", json!("key_store")),
    ];
    for config in asking.iter().map(accepted) {
        for kind in GatewayKind::ALL {
            let mut able = kind.capabilities(None, true);
            (able.shares_data, able.holds_responses, able.replaces_responses, able.names_upstreams) =
                (true, true, true, true);
            assert_eq!(config.check(&able), Ok(()), "{kind:?}");
            let mut unable = able;
            (unable.shares_data, unable.holds_responses, unable.replaces_responses, unable.names_upstreams) =
                (false, false, false, false);
            assert_eq!(config.check(&unable).unwrap_err().iter().count(), 1, "{kind:?}");
        }
    }
}

#[test]
fn tls_to_an_address_is_warned_of_where_it_always_fails() {
    for (config, pointer, _) in callouts() {
        let warning = format!(
            "{}: APISIX calls no IP address with https://: each call will fail; give the name of the host",
            path_of(&pointer)
        );
        for (upstream, warned) in [
            ("192.0.2.1", true),
            ("192.0.2.1:8443", true),
            ("[2001:db8::1]:443", true),
            ("keystore.example:443", false),
            ("key_store", false),
        ] {
            let config = accepted(&changed(config.clone(), &pointer, json!(upstream)));
            for kind in GatewayKind::ALL {
                let expected = if warned && kind == Apisix { vec![warning.clone()] } else { vec![] };
                assert_eq!(warnings_in(&config, kind), expected, "{kind:?}: {upstream} at {pointer}");
            }
        }
    }
    for (config, pointer, url) in callouts() {
        for (text, warnings) in [("https://127.0.0.1:8443", 1), ("http://127.0.0.1:8080", 0)] {
            let config = accepted(&changed(config.clone(), &url, json!(text)));
            assert_eq!(warnings_in(&config, Apisix).len(), warnings, "{text} at {pointer}");
        }
    }
}

#[test]
fn a_secret_that_apisix_would_log_is_warned_of_by_its_path() {
    let introspection =
        json!({"url": "https://as.example/i", "client_id": "filter", "client_secret": {"env": "BAO_TOKEN"}});
    let pem = environment("SIG4_PRIVATE_KEY").unwrap();
    for (config, pointer, secret) in [
        (
            with("/inbound/auth", json!({"client_credentials": {"introspection": introspection}})),
            "/inbound/auth/client_credentials/introspection/client_secret",
            "s3cret",
        ),
        (signing_responses(), "/inbound/response_token/keys/0/private_key", pem.as_str()),
        (least_outbound(), "/outbound/keys/0/private_key", pem.as_str()),
        (signed_remotely(least_outbound(), "/outbound"), "/outbound/remote_signer/vault_transit/token", "s3cret"),
    ] {
        let inline = accepted(&changed(config.clone(), pointer, json!({ "value": secret })));
        let warning = format!(
            "{}.value: APISIX logs the route with this value, at level info and when it cannot load the plugin; give \
             {{\"env\": \"NAME\"}} instead",
            path_of(pointer)
        );
        for kind in GatewayKind::ALL {
            let expected = if kind == Apisix { vec![warning.clone()] } else { vec![] };
            assert_eq!(warnings_in(&inline, kind), expected, "{kind:?}: {pointer}");
            assert_eq!(warnings_in(&accepted(&config), kind), [""; 0], "{kind:?}: {pointer}");
        }
    }
}

/// Nothing of these gateways acts on the filter's calls: what listens there has to add it.
#[test]
fn a_credential_that_the_gateway_adds_is_warned_of_where_none_does() {
    let config = signed_remotely(least_outbound(), "/outbound");
    let config = changed(config, "/outbound/remote_signer/vault_transit/token", json!({"added_by": "gateway"}));
    let config = accepted(&config);
    for kind in GatewayKind::ALL {
        let warnings = warnings_in(&config, kind);
        let path = "outbound.remote_signer.vault_transit.upstream: this gateway adds nothing to calls of the filter";
        let is_warned = warnings.iter().any(|warning| warning.starts_with(path));
        assert_eq!(is_warned, kind != Envoy, "{kind:?}: {warnings:?}");
    }
}

#[test]
fn the_servers_of_a_configuration_are_told_with_their_hosts() {
    let of = |config: &Value| {
        let config = accepted(config);
        let servers: Vec<_> = config.servers().collect();
        servers
            .iter()
            .map(|server| {
                (server.path.to_string(), server.upstream.to_owned(), server.host().to_owned(), server.scheme)
            })
            .collect::<Vec<_>>()
    };
    let keystore = "keystore.sandbox.directory.openfinance.ae".to_owned();
    let found = of(&least());
    let [(path, _, host, scheme)] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!((path.as_str(), host, *scheme), ("inbound.auth.jwt_auth.upstream", &keystore, Scheme::Https));
    let mut remote = least_outbound();
    remote["outbound"].as_object_mut().unwrap().remove("keys");
    remote["outbound"]["remote_signer"] = json!({ "vault_transit": {
        "address": "https://bao.example:8200", "upstream": "bao", "key": "k", "kid": "k", "token": { "value": "t" } } });
    let path = "outbound.remote_signer.vault_transit.upstream".to_owned();
    assert_eq!(of(&remote), [(path, "bao".to_owned(), "bao.example".to_owned(), Scheme::Https)]);
}
