//! What is warned of at the start: each setting that takes a rule away, and nothing else.

use serde_json::{Value, json};

use super::{accepted, changed, with};

const UNPINNED: &str = "inbound.peer.allow_unpinned: with";
const PLAINTEXT: &str =
    "inbound.peer.source.forwarded_header.trust_plaintext_hop: whoever reaches this gateway may say";
const ANY_PROXY: &str = "inbound.peer.source.forwarded_header.proxy.allow_unpinned: whoever has a client certificate that this gateway verifies";
const UNBOUND: &str = "inbound.auth.client_credentials.certificate_bound: an access token that is not bound";

#[track_caller]
fn assert_warnings(config: &Value, expected: &[&str]) {
    let config = accepted(config);
    let warnings = config.warnings();
    assert_eq!(warnings.len(), expected.len(), "{warnings:?}");
    for (warning, expected) in warnings.iter().zip(expected) {
        assert!(warning.starts_with(expected), "{warning}");
    }
}

#[test]
fn no_pin_is_warned_of_where_nothing_else_says_who_calls() {
    let unpinned = with("/inbound/peer", json!({"allow_unpinned": true}));
    let mtls_only = |config| changed(config, "/inbound/auth", json!({"mtls_only": {}}));
    let allow = json!({"allow": [{"method": "POST", "path": "/payments"}]});
    let initiating = |config| changed(config, "/inbound/service_initiation", allow.clone());
    let (mtls, initiation) = (format!("{UNPINNED} \"mtls_only\""), format!("{UNPINNED} \"service_initiation\""));
    assert_warnings(&unpinned, &[]);
    assert_warnings(&mtls_only(unpinned.clone()), &[&mtls]);
    assert_warnings(&initiating(unpinned.clone()), &[&initiation]);
    assert_warnings(&initiating(mtls_only(unpinned)), &[&mtls, &initiation]);
    assert_warnings(&initiating(mtls_only(super::least())), &[]);
}

#[test]
fn a_hop_without_tls_is_warned_of() {
    let source = |settings: Value| {
        with("/inbound/peer", json!({"organisational_units": ["hub"], "source": {"forwarded_header": settings}}))
    };
    assert_warnings(&source(json!({"trust_plaintext_hop": true})), &[PLAINTEXT]);
    assert_warnings(&source(json!({"name": "x-client", "trust_plaintext_hop": true})), &[PLAINTEXT]);
    let mut unpinned = source(json!({"trust_plaintext_hop": true}));
    unpinned["inbound"]["peer"]["organisational_units"] = json!([]);
    unpinned["inbound"]["peer"]["allow_unpinned"] = json!(true);
    unpinned["inbound"]["auth"] = json!({"mtls_only": {}});
    assert_warnings(&unpinned, &[UNPINNED, PLAINTEXT]);
}

#[test]
fn a_proxy_without_a_pin_is_warned_of() {
    let source = |proxy: Value| {
        let header = json!({"format": "rfc9440", "verified": "always", "proxy": proxy});
        with("/inbound/peer", json!({"organisational_units": ["hub"], "source": {"forwarded_header": header}}))
    };
    assert_warnings(&source(json!({"allow_unpinned": true})), &[ANY_PROXY]);
    assert_warnings(&source(json!({"organisational_units": ["edge"]})), &[]);
    assert_warnings(&source(json!({"fingerprints": ["ab".repeat(32)], "allow_unpinned": false})), &[]);
    let mut twice = source(json!({"allow_unpinned": true, "organisational_units": []}));
    twice["inbound"]["peer"]["organisational_units"] = json!([]);
    twice["inbound"]["peer"]["allow_unpinned"] = json!(true);
    twice["inbound"]["auth"] = json!({"mtls_only": {}});
    assert_warnings(&twice, &[&format!("{UNPINNED} \"mtls_only\""), ANY_PROXY]);
}

#[test]
fn access_tokens_that_need_not_be_bound_are_warned_of() {
    let client_credentials = |bound: Option<bool>, validation: (&str, Value)| {
        let mut settings =
            json!({"issuer": "https://as.bank.example", "audience": "https://ozone-connect.bank.example"});
        settings[validation.0] = validation.1;
        bound.into_iter().for_each(|bound| settings["certificate_bound"] = json!(bound));
        with("/inbound/auth", json!({"client_credentials": settings}))
    };
    let jwks = || ("jwks", json!({"url": "https://as.bank.example/jwks"}));
    let introspection = || {
        let secret = json!({"env": "BAO_TOKEN"});
        let url = "https://as.bank.example/introspection";
        ("introspection", json!({"url": url, "client_id": "gateway", "client_secret": secret}))
    };
    assert_warnings(&client_credentials(Some(false), jwks()), &[UNBOUND]);
    assert_warnings(&client_credentials(Some(false), introspection()), &[UNBOUND]);
    assert_warnings(&client_credentials(Some(true), jwks()), &[]);
    assert_warnings(&client_credentials(None, introspection()), &[]);
}
