//! The rules of `remote_signer`: where it is, with which key it signs, and how long that may take.

use std::time::Duration;

use serde_json::{Value, json};

use super::{accepted, changed, faults, least_outbound, removed};
use crate::config::{
    Config, Credential, LoginMethod, RemoteKey, Secret, Signer, SignerUpstream, VaultToken, VaultTransit,
};
use crate::gateway::kinds::GatewayKind;
use crate::testing::SigningKey;
use crate::url::Scheme;

/// Made by OpenSSL, with 1024 bits.
const SMALL: &str = "-----BEGIN PUBLIC KEY-----
MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDK0LkH7uZilWuI0/UrbyncepN4
PFeq+e1xZBXHG+moKgapNju58fnXTLsUW4MeurgdV8slXz1V0NheGITTpKwhuEU1
Rdgy9aiszn8kX0jaR+7O+W4jujCEk2ZXBOJ30mLf4BxD6kyUBuMNX9dhy8nTgEJy
MX7AmA3wLqecyzstEwIDAQAB
-----END PUBLIC KEY-----";

/// The least that is a remote signer.
fn least() -> Value {
    let mut config = least_outbound();
    config["outbound"].as_object_mut().unwrap().remove("keys");
    config["outbound"]["remote_signer"] = json!({"vault_transit": {
        "address": "https://bao.example:8200", "key": "sig4", "kid": "sig4-2026", "token": {"env": "BAO_TOKEN"},
    }});
    config
}

fn with(key: &str, value: Value) -> Value {
    changed(least(), &format!("/outbound/remote_signer/vault_transit/{key}"), value)
}

fn read(config: &Value) -> VaultTransit {
    let Signer::VaultTransit(settings) = accepted(config).into_outbound().signing.signer else { panic!() };
    *settings
}

#[track_caller]
fn refused(key: &str, value: Value, expected: &str) {
    assert_eq!(faults(&with(key, value)), format!("outbound.remote_signer.vault_transit.{key}{expected}"));
}

#[test]
fn address_key_kid_and_token_are_enough() {
    let config = accepted(&least());
    assert!(config.warnings().is_empty());
    let VaultTransit { url, key_url, namespace, token, key_version, remote } = read(&least());
    let RemoteKey { upstream, key_id, public_key, patience } = remote;
    assert_eq!(key_url.as_str(), "https://bao.example:8200/v1/transit/keys/sig4");
    assert_eq!(url.as_str(), "https://bao.example:8200/v1/transit/sign/sig4/sha2-256");
    assert_eq!(upstream, "bao.example:8200");
    assert_eq!(
        (token, key_id.as_str()),
        (VaultToken::Given(Credential::Secret(Secret::new("hvs.s3cret"))), "sig4-2026")
    );
    assert_eq!((namespace, key_version, public_key), (None, None, None));
    assert_eq!([patience.timeout, patience.deadline], [2, 5].map(Duration::from_secs));
}

#[test]
fn each_setting_is_read_into_its_own_field() {
    let mut config = least();
    config["outbound"]["remote_signer"]["vault_transit"] = json!({
        "address": "http://localhost:8200", "upstream": "bao", "namespace": "bank/retail/", "mount": "hsm/transit",
        "key": "sig4.retail", "key_version": 3, "kid": "k", "public_key": SigningKey::first().public_pem(),
        "token": {"env": "BAO_TOKEN"}, "timeout": "3s", "deadline": "4s",
    });
    let settings = read(&config);
    assert_eq!(settings.url.as_str(), "http://localhost:8200/v1/hsm/transit/sign/sig4.retail/sha2-256");
    assert_eq!(settings.key_url.as_str(), "http://localhost:8200/v1/hsm/transit/keys/sig4.retail");
    assert_eq!((settings.url.scheme(), settings.url.authority()), (Scheme::Http, "localhost:8200"));
    assert_eq!((settings.remote.upstream.as_str(), settings.remote.key_id.as_str()), ("bao", "k"));
    assert_eq!((settings.namespace.as_deref(), settings.key_version), (Some("bank/retail/"), Some(3)));
    assert_eq!(&*settings.remote.public_key.unwrap().modulus(), SigningKey::first().modulus());
    assert_eq!([settings.remote.patience.timeout, settings.remote.patience.deadline], [3, 4].map(Duration::from_secs));
}

#[test]
fn the_upstream_is_host_and_port_of_the_address_unless_it_is_named() {
    for (address, upstream) in [("https://bao", "bao:443"), ("http://127.0.0.1", "127.0.0.1:80")] {
        assert_eq!(read(&with("address", json!(address))).remote.upstream, upstream);
    }
    let expected = ": expected a string of 1 to 255 visible ASCII characters, got a string with other characters";
    refused("upstream", json!("s3cret bao"), expected);
}

/// What is to be known of a signer without knowing which one it is.
#[test]
fn a_remote_signer_tells_its_upstream_and_where_it_is_configured() {
    let signer = |config: &Value| accepted(config).into_outbound().signing.signer;
    let config = with("upstream", json!("bao"));
    let remote = signer(&config);
    assert!(remote.is_remote());
    let path = "remote_signer.vault_transit.upstream";
    let (authority, scheme, gateway_adds_credential) = ("bao.example:8200", Scheme::Https, false);
    let expected = SignerUpstream { path, upstream: "bao", authority, scheme, gateway_adds_credential };
    assert_eq!(remote.upstream(), Some(expected));
    assert_eq!(config.pointer(&format!("/outbound/{}", path.replace('.', "/"))), Some(&json!("bao")));
    let plaintext = signer(&with("address", json!("http://localhost:8200")));
    assert_eq!(
        plaintext.upstream().map(|server| (server.upstream, server.scheme)),
        Some(("localhost:8200", Scheme::Http))
    );
    let local = signer(&least_outbound());
    assert_eq!((local.is_remote(), local.upstream()), (false, None));
}

#[test]
fn there_is_one_remote_signer() {
    for (value, expected) in [
        (json!("s3cret"), ": expected an object, got a string"),
        (
            json!({}),
            ": expected \"vault_transit\", \"aws_kms\", \"azure_key_vault\" or \"google_cloud_kms\", got nothing",
        ),
        (json!({"vault_transit": []}), ".vault_transit: expected an object, got an array"),
        (
            json!({"hsm": 1}),
            ".hsm: expected \"vault_transit\", \"aws_kms\", \"azure_key_vault\" or \"google_cloud_kms\", got an unknown key\n\
             outbound.remote_signer: expected \"vault_transit\", \"aws_kms\", \"azure_key_vault\" or \"google_cloud_kms\", got nothing",
        ),
    ] {
        let fault = faults(&changed(least(), "/outbound/remote_signer", value));
        assert_eq!(fault, format!("outbound.remote_signer{expected}"));
    }
}

#[test]
fn address_key_kid_and_token_are_mandatory() {
    let fault = faults(&changed(least(), "/outbound/remote_signer/vault_transit", json!({})));
    let paths: Vec<&str> = fault.lines().map(|line| line.split_once(": ").unwrap().0).collect();
    let of = |key: &str| format!("outbound.remote_signer.vault_transit.{key}");
    assert_eq!(paths, ["address", "key", "kid", "token"].map(of));
}

#[test]
fn the_address_has_nothing_beyond_host_and_port() {
    for (bad, got) in [
        (json!(8200), "a number"),
        (json!("s3cret:8200"), "one without http:// or https:// at its start"),
        (json!("https://bao:8200/s3cret"), "one with more behind them"),
        (json!("https://bao?s3cret"), "one with more behind them"),
        (json!("https://user:s3cret@bao"), "one with a user name or password"),
        (json!("https://s3cret_"), "one whose host is not a DNS name, an IPv4 address or an [IPv6] address"),
        (json!("https://bao:s3cret"), "one whose port is not a number from 1 to 65535"),
    ] {
        let expected = format!(": expected http:// or https:// with a host and, if need be, a port, got {got}");
        refused("address", bad, &expected);
    }
}

#[test]
fn plaintext_to_another_machine_causes_a_warning() {
    for address in ["http://bao:8200", "http://10.0.0.1:8200"] {
        assert_eq!(
            accepted(&with("address", json!(address))).warnings(),
            [
                "outbound.remote_signer.vault_transit.address: with http:// everybody on the way can read the token of the \
              remote signer and sign with it; give https://"
            ]
        );
    }
    for address in ["http://localhost:8200", "http://127.0.0.1:8200", "http://[::1]:8200", "https://bao:8200"] {
        assert!(accepted(&with("address", json!(address))).warnings().is_empty(), "{address}");
    }
}

#[test]
fn mount_and_key_can_not_leave_their_place_in_the_path() {
    for (mount, key) in [("transit", "sig4"), ("a/b.c/d_e-f", "..."), (&*"x".repeat(256), &*"x".repeat(128))] {
        let url =
            read(&changed(with("mount", json!(mount)), "/outbound/remote_signer/vault_transit/key", json!(key))).url;
        assert_eq!(url.path(), format!("/v1/{mount}/sign/{key}/sha2-256"));
    }
    let no_segments =
        ["", ".", "..", "s3cret%2f", "s3cret ", "s3cret?", "s3cret#", "s3cret\\", "{OU}", "s3cret\u{628}"];
    let mount = ": expected the path of a mount such as \"transit\": 1 to 256 letters, digits, - . _ and / between \
                 them, got a string that is not one";
    let key = ": expected the name of a key: 1 to 128 letters, digits, - . and _, got a string that is not one";
    for segment in no_segments {
        refused("mount", json!(segment), mount);
        refused("key", json!(segment), key);
        refused("mount", json!(format!("a/{segment}/b")), mount);
    }
    for bad in ["/transit", "transit/", "/", &"x".repeat(257)] {
        refused("mount", json!(bad), mount);
    }
    for bad in ["a/b", &"x".repeat(129)] {
        refused("key", json!(bad), key);
    }
}

#[test]
fn the_token_is_a_secret_of_visible_characters() {
    let warnings = accepted(&with("token", json!({"value": "hvs.s3cret"}))).warnings().to_vec();
    assert!(warnings[0].starts_with("outbound.remote_signer.vault_transit.token.value: a secret"), "{warnings:?}");
    let rule = "expected a token of 1 to 4096 visible ASCII characters, got";
    for (text, got) in [
        ("s3cret\n".to_owned(), "a string with other characters"),
        ("s3 cret".to_owned(), "a string with other characters"),
        ("s".repeat(4097), "a longer string"),
    ] {
        refused("token", json!({"value": text}), &format!(".value: {rule} {got}"));
        let config = with("token", json!({"env": "NAME"})).to_string();
        let environment = |name: &str| (name == "NAME").then(|| text.clone());
        let faults = Config::parse_with(config.as_bytes(), &GatewayKind::known(), &environment)
            .expect_err("accepted")
            .to_string();
        assert_eq!(faults, format!("outbound.remote_signer.vault_transit.token.env: {rule} {got} in NAME"));
    }
    let longest = "s".repeat(4096);
    assert_eq!(
        read(&with("token", json!({"value": longest}))).token,
        VaultToken::Given(Credential::Secret(Secret::new(longest)))
    );
    refused("token", json!("s3cret"), ": expected an object, got a string");
}

#[test]
fn a_token_that_the_gateway_adds_has_to_be_said_aloud() {
    let config = with("token", json!({"added_by": "gateway"}));
    assert_eq!(read(&config).token, VaultToken::Given(Credential::AddedByGateway));
    assert!(accepted(&config).warnings().is_empty());
    let signer = accepted(&config).into_outbound().signing.signer;
    assert!(signer.upstream().unwrap().gateway_adds_credential);
    let missing = ": expected a secret ({\"env\": \"NAME\"}), {\"app_role\": {…}} or {\"kubernetes\": {…}} where the filter logs in, or \
                   {\"added_by\": \"gateway\"} where the gateway adds the token, got nothing";
    let config = removed(least(), "/outbound/remote_signer/vault_transit/token");
    assert_eq!(faults(&config), format!("outbound.remote_signer.vault_transit.token{missing}"));
    refused("token", json!({"added_by": "s3cret"}), ".added_by: expected \"gateway\", got another string");
    refused("token", json!({"added_by": true}), ".added_by: expected \"gateway\", got true or false");
    refused(
        "token",
        json!({}),
        ": expected \"env\", \"value\", \"added_by\", \"app_role\" or \"kubernetes\", got nothing",
    );
    let both = json!({"env": "BAO_TOKEN", "added_by": "gateway"});
    refused("token", both, ": expected exactly one key, got \"env\" and \"added_by\"");
}

#[test]
fn the_filter_logs_in_by_app_role_or_with_a_jwt() {
    let role = json!({"role_id": "r-1", "secret_id": {"value": "s3cret"}});
    let VaultToken::Login(login) = read(&with("token", json!({"app_role": role}))).token else { panic!() };
    assert_eq!(login.url.as_str(), "https://bao.example:8200/v1/auth/approle/login");
    assert_eq!(login.renewal_url.as_str(), "https://bao.example:8200/v1/auth/token/renew-self");
    let secret_id = Some(Secret::new("s3cret"));
    assert_eq!(login.method, LoginMethod::AppRole { role_id: "r-1".into(), secret_id });
    let bound = json!({"app_role": {"role_id": "r-1", "mount": "a/b"}});
    let VaultToken::Login(login) = read(&with("token", bound)).token else { panic!() };
    assert_eq!(login.url.path(), "/v1/auth/a/b/login");
    assert_eq!(login.method, LoginMethod::AppRole { role_id: "r-1".into(), secret_id: None });
    let jwt = json!({"kubernetes": {"role": "hub", "jwt": {"value": "e.y.J"}}});
    let config = accepted(&with("token", jwt.clone()));
    assert!(config.warnings().iter().any(|warning| warning.contains("token.kubernetes.jwt.value: a secret")));
    let VaultToken::Login(login) = read(&with("token", jwt)).token else { panic!() };
    assert_eq!(login.url.path(), "/v1/auth/kubernetes/login");
    assert_eq!(login.method, LoginMethod::Jwt { role: "hub".into(), jwt: Secret::new("e.y.J") });
    assert!(!format!("{login:?}").contains("e.y.J"));
    let signer = config.into_outbound().signing.signer;
    assert!(!signer.upstream().unwrap().gateway_adds_credential);
    assert_eq!(signer.upstreams().count(), 1, "the login is where the key is");
}

#[test]
fn a_login_has_all_that_it_takes() {
    for (login, fault) in [
        (
            json!({"app_role": {}}),
            ".app_role.role_id: expected a role id of 1 to 256 visible ASCII characters, got nothing",
        ),
        (json!({"app_role": []}), ".app_role: expected an object, got an array"),
        (
            json!({"app_role": {"role_id": "a b"}}),
            ".app_role.role_id: expected a role id of 1 to 256 visible ASCII characters, got a string with other characters",
        ),
        (
            json!({"app_role": {"role_id": "r", "secret_id": "s3cret"}}),
            ".app_role.secret_id: expected an object, got a string",
        ),
        (
            json!({"app_role": {"role_id": "r", "mount": "../x"}}),
            ".app_role.mount: expected the path of a login method such as \"approle\": 1 to 256 letters, digits, - . _ and / between them, \
             got a string that is not one",
        ),
        (json!({"kubernetes": {"role": "hub"}}), ".kubernetes.jwt: expected an object, got nothing"),
        (
            json!({"kubernetes": {"role": "hub", "jwt": {"env": "NAME"}, "path": "/var/run/token"}}),
            ".kubernetes.path: expected \"role\", \"jwt\" or \"mount\", got an unknown key",
        ),
        (
            json!({"app_role": {"role_id": "r"}, "env": "NAME"}),
            ": expected exactly one key, got \"env\" and \"app_role\"",
        ),
    ] {
        let faults = faults(&with("token", login.clone()));
        assert!(faults.contains(&format!("outbound.remote_signer.vault_transit.token{fault}")), "{login}: {faults}");
        assert!(!faults.contains("s3cret"), "{faults}");
    }
}

#[test]
fn a_namespace_is_visible_ascii() {
    for (bad, got) in [
        (json!(""), "an empty string"),
        (json!("a\r\nX-Vault-Token: s3cret"), "a string with other characters"),
        (json!("a b"), "a string with other characters"),
        (json!("x".repeat(257)), "a longer string"),
        (json!(null), "null"),
    ] {
        refused("namespace", bad, &format!(": expected a namespace of 1 to 256 visible ASCII characters, got {got}"));
    }
}

#[test]
fn a_key_version_is_a_number_from_1() {
    for good in [1, 1_000_000] {
        assert_eq!(read(&with("key_version", json!(good))).key_version, Some(good));
    }
    for (bad, got) in [
        (json!(0), "a smaller one"),
        (json!(-1), "a smaller one"),
        (json!(1_000_001), "a larger one"),
        (json!(1.5), "a number with a fraction or an exponent"),
        (json!("1"), "a string"),
        (json!(null), "null"),
    ] {
        refused("key_version", bad, &format!(": expected a whole number from 1 to 1000000 such as 1, got {got}"));
    }
}

#[test]
fn a_key_id_is_the_one_on_the_jwks() {
    let expected = ": expected a string of 1 to 256 bytes without control characters, got an empty string";
    refused("kid", json!(""), expected);
}

#[test]
fn a_public_key_is_one() {
    let rule = ": expected an RSA public key of 2048 to 4096 bits in PEM, got";
    let private = SigningKey::first().pem();
    for (bad, got) in [
        (json!("s3cret"), "a text that is not the PEM of one public key"),
        (json!(SMALL), "a key of fewer than 2048 or more than 4096 bits"),
        (json!(private), "a text with a private key, which must not stand here"),
        (json!(""), "an empty string"),
        (json!("x".repeat(32 * 1024 + 1)), "a longer string"),
        (json!("s3cret\0"), "a string with other characters"),
        (json!({"env": "NAME"}), "an object"),
    ] {
        refused("public_key", bad, &format!("{rule} {got}"));
    }
}

#[test]
fn each_duration_is_held_to_its_range() {
    let malformed = "a string that is not a whole number with a unit (ms, s, m or h)";
    for (key, range, below, above) in [
        ("timeout", "100ms to 10s such as \"2s\"", "99ms", "10001ms"),
        ("deadline", "100ms to 10s such as \"5s\"", "99ms", "10001ms"),
    ] {
        for (bad, got) in [
            (json!(below), "a shorter one"),
            (json!(above), "a longer one"),
            (json!("s3cret"), malformed),
            (json!(5), "a number"),
        ] {
            refused(key, bad, &format!(": expected a duration from {range}, got {got}"));
        }
    }
    for (timeout, deadline) in [("100ms", "100ms"), ("6s", "10s"), ("10s", "10s"), ("5s", "5s")] {
        let settings = read(&changed(
            with("timeout", json!(timeout)),
            "/outbound/remote_signer/vault_transit/deadline",
            json!(deadline),
        ));
        assert!(settings.remote.patience.timeout <= settings.remote.patience.deadline);
    }
}

#[test]
fn the_deadline_leaves_time_for_one_try() {
    let expected = ": expected a duration that is not shorter than \"timeout\", got a shorter one";
    refused("deadline", json!("1999ms"), expected);
    assert_eq!(read(&with("timeout", json!("5s"))).remote.patience.deadline, Duration::from_secs(5));
    assert_eq!(
        faults(&with("timeout", json!("5001ms"))),
        "outbound.remote_signer.vault_transit.deadline: expected a duration that is not shorter than \"timeout\", \
         got nothing, which means 5s"
    );
}

#[test]
fn a_missing_address_is_not_told_twice() {
    let config = removed(least(), "/outbound/remote_signer/vault_transit/address");
    assert_eq!(faults(&config).lines().count(), 1);
}
