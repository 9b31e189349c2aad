//! What holds for every input: no panic, no value in an error, and a path that leads to the fault.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{EXAMPLE, FINGERPRINT, environment, least_outbound, parse};
use crate::config::Config;
use crate::gateway::kinds::GatewayKind;
use crate::peer::leaf::tests::LEAF;
use crate::testing::SigningKey;

const SECRET: &str = "s3cret-VALUE/7f3a";

/// Configurations that together have every key.
pub(super) fn samples() -> Vec<Value> {
    let mut pinned: Value = serde_json::from_str(EXAMPLE).unwrap();
    pinned["gateway"] = json!({"kind": "kong", "shared_data": true});
    pinned["inbound"]["peer"]["fingerprints"] = json!([FINGERPRINT]);
    pinned["inbound"]["auth"]["jwt_auth"]["replay_detection"] = json!("gateway");
    pinned["inbound"]["auth"]["jwt_auth"]["replay_capacity"] = json!(1_000);
    pinned["inbound"]["auth"]["jwt_auth"]["jwks"] = json!({"url_template": "https://a.example/{OU}/{CN}"});
    let store = json!({
        "address": "https://store:2379", "upstream": "store", "prefix": "hub/", "username": "gateway",
        "password": {"env": "ETCD_PASSWORD"}, "timeout": "1s", "deadline": "3s",
    });
    let [in_etcd, in_redis] = ["etcd", "webdis"].map(|kind| {
        let mut sharing = pinned.clone();
        sharing["inbound"]["auth"]["jwt_auth"]["replay_detection"] =
            json!({"store": {kind: store}, "unavailable": "local"});
        sharing
    });
    let mut forwarded: Value = serde_json::from_str(EXAMPLE).unwrap();
    forwarded["inbound"]["peer"]["source"] =
        json!({"forwarded_header": {"name": "x-cert", "format": "xfcc", "trust_plaintext_hop": true}});
    let mut behind_nginx = forwarded.clone();
    behind_nginx["inbound"]["peer"]["source"] = json!({"forwarded_header": {
        "name": "x-client-cert",
        "format": "url_encoded_pem",
        "verified": [{"header": "x-client-verify", "value": "SUCCESS"}],
        "proxy": {"organisational_units": ["edge"], "fingerprints": [FINGERPRINT]},
    }});
    forwarded["inbound"]["auth"]["jwt_auth"]["jwks"] = json!({"url": "https://a.example/jwks"});
    let mut mtls_only: Value = serde_json::from_str(EXAMPLE).unwrap();
    mtls_only["inbound"]["auth"] = json!({"mtls_only": {}});
    let mut api_key: Value = serde_json::from_str(EXAMPLE).unwrap();
    api_key["inbound"]["auth"] = json!({"api_key": {
        "keys": [{
            "id": "2026",
            "sha256": FINGERPRINT,
            "not_before": "2026-01-01T00:00:00Z",
            "expires": "2027-01-01T00:00:00Z",
        }],
        "header": "x-api-key",
        "scheme": "ApiKey",
    }});
    let mut access_jwt = mtls_only.clone();
    // Without its token cache, whose capacity any small number may be.
    access_jwt["inbound"]["auth"] = json!({"client_credentials": {
        "issuer": "https://as.example", "audience": "bank", "scopes": ["a", "b"], "clock_skew": "10s",
        "certificate_bound": true, "jwks": {"url": "https://as.example/jwks"}, "algorithms": ["PS256", "ES256"],
        "upstream": "as", "max_age": "10m", "timeout": "5s", "refetch_cooldown": "30s",
    }});
    let mut access_opaque = mtls_only.clone();
    // Without its capacity, which any small number may be.
    access_opaque["inbound"]["auth"] = json!({"client_credentials": {"introspection": {
        "url": "https://as.example/introspect", "upstream": "as", "client_id": "filter",
        "client_secret": {"value": SECRET}, "timeout": "5s", "max_age": "1m", "negative_max_age": "5s", "require_expiry": true,
    }}});
    let mut response_token = mtls_only.clone();
    response_token["inbound"]["response_token"] = json!({
        "audience": "retail", "certificate": {"organisation": "Acme Bank", "organisational_unit": "acme"},
        "lifetime": "30s", "keys": [{"kid": "sig4", "private_key": {"env": "SIG4_PRIVATE_KEY"}}],
        "header": "x-response-token",
    });
    let mut local = least_outbound();
    local["outbound"]["certificate"] =
        json!({"pem": LEAF, "organisation": "Hub Operator", "organisational_unit": "hub"});
    local["outbound"]["lifetime"] = json!("10s");
    local["outbound"]["keys"] = json!([
        {"kid": "sig4", "private_key": {"value": SigningKey::first().pem()}, "active_from": "2026-11-21T00:00:00Z"},
        {"kid": "next", "private_key": {"env": "SIG4_NEXT_PRIVATE_KEY"}, "active_from": "2027-11-21T00:00:00Z"},
    ]);
    let mut remote = least_outbound();
    remote["outbound"].as_object_mut().unwrap().remove("keys");
    // Without its key version, which any small number may be.
    remote["outbound"]["remote_signer"] = json!({"vault_transit": {
        "address": "http://bao:8200", "upstream": "bao", "namespace": "bank", "mount": "hsm/transit", "key": "sig4",
        "kid": "sig4", "public_key": SigningKey::first().public_pem(), "token": {"value": "hvs.token"},
        "timeout": "2s", "deadline": "5s",
    }});
    remote["outbound"]["verify_responses"] = json!({
        "mode": "report", "header": "x-hub-token",
        "hub": {"organisation": "Hub Operator", "organisational_unit": "hub", "common_name": "abc"},
        "provider_ids": ["retail", {"id": "corporate", "audience": "c"}], "jwks": {"environment": "sandbox"}, "upstream": "keystore", "max_age": "10m",
        "timeout": "5s", "refetch_cooldown": "30s", "clock_skew": "10s", "max_lifetime": "5m",
    });
    let mut access_opaque_by_gateway = access_opaque.clone();
    access_opaque_by_gateway["inbound"]["auth"]["client_credentials"]["introspection"]["client_secret"] =
        json!({"added_by": "gateway"});
    let mut added_by_gateway = remote.clone();
    added_by_gateway["outbound"]["remote_signer"]["vault_transit"]["token"] = json!({"added_by": "gateway"});
    let mut remote_response_token = response_token.clone();
    let settings = remote_response_token["inbound"]["response_token"].as_object_mut().unwrap();
    settings.remove("keys");
    settings.insert("remote_signer".to_owned(), remote["outbound"]["remote_signer"].clone());
    let mut response_token_by_gateway = remote_response_token.clone();
    response_token_by_gateway["inbound"]["response_token"]["remote_signer"] =
        added_by_gateway["outbound"]["remote_signer"].clone();
    let clouds = [
        json!({"aws_kms": {
            "region": "me-central-1", "key": "1234abcd-12ab", "kid": "sig4", "address": "https://kms.bank.example",
            "upstream": "kms", "public_key": SigningKey::first().public_pem(),
            "credentials": {
                "access_key_id": {"value": "AKID"}, "secret_access_key": {"value": "secret"},
                "session_token": {"value": "token"},
            },
            "timeout": "2s", "deadline": "5s",
        }}),
        json!({"aws_kms": {
            "region": "me-central-1", "key": "1234abcd-12ab", "kid": "sig4", "credentials": {"added_by": "gateway"},
        }}),
        json!({"azure_key_vault": {
            "address": "https://bank.vault.azure.net", "upstream": "vault", "key": "sig4", "key_version": "78de",
            "kid": "sig4", "public_key": SigningKey::first().public_pem(),
            "token": {"metadata": {
                "address": "http://169.254.169.254", "upstream": "metadata", "client_id": "5f3d", "resource": "https://vault.azure.cn",
            }},
            "timeout": "2s", "deadline": "5s",
        }}),
        json!({"azure_key_vault": {
            "address": "https://bank.vault.azure.net", "key": "sig4", "key_version": "78de", "kid": "sig4",
            "token": {"added_by": "gateway"},
        }}),
        json!({"google_cloud_kms": {
            "key_version": "projects/p/locations/l/keyRings/r/cryptoKeys/k/cryptoKeyVersions/1", "kid": "sig4",
            "token": {"added_by": "gateway"},
        }}),
        json!({"google_cloud_kms": {
            "key_version": "projects/p/locations/l/keyRings/r/cryptoKeys/k/cryptoKeyVersions/1", "kid": "sig4",
            "address": "https://cloudkms.googleapis.com", "upstream": "cloud_kms",
            "public_key": SigningKey::first().public_pem(),
            "token": {"metadata": {
                "address": "http://metadata.google.internal", "upstream": "metadata", "service_account": "a@b.example",
            }},
            "timeout": "2s", "deadline": "5s",
        }}),
        json!({"vault_transit": {
            "address": "https://bao:8200", "key": "sig4", "kid": "sig4",
            "token": {"app_role": {"role_id": "r", "secret_id": {"value": "s"}, "mount": "approle"}},
        }}),
        json!({"vault_transit": {
            "address": "https://bao:8200", "key": "sig4", "kid": "sig4",
            "token": {"kubernetes": {"role": "hub", "jwt": {"value": "e.y.J"}, "mount": "kubernetes"}},
        }}),
    ];
    let by_cloud = |whole: &Value, place: &str| -> Vec<Value> {
        let with = |signer: &Value| {
            let mut whole = whole.clone();
            whole.pointer_mut(place).unwrap()["remote_signer"] = signer.clone();
            whole
        };
        clouds.iter().map(with).collect()
    };
    let outbound_clouds = by_cloud(&remote, "/outbound");
    let response_clouds = by_cloud(&remote_response_token, "/inbound/response_token");
    let tokens = [response_token, remote_response_token, response_token_by_gateway].into_iter().chain(response_clouds);
    let inbound = [
        pinned,
        in_etcd,
        in_redis,
        forwarded,
        behind_nginx,
        mtls_only,
        api_key,
        access_jwt,
        access_opaque,
        access_opaque_by_gateway,
    ]
    .into_iter()
    .chain(tokens);
    [serde_json::from_str(EXAMPLE).unwrap()]
        .into_iter()
        .chain(inbound)
        .chain([local, remote, added_by_gateway])
        .chain(outbound_clouds)
        .collect()
}

/// The JSON pointers of a value and all below it.
pub(super) fn pointers(value: &Value, here: &str, found: &mut Vec<String>) {
    found.push(here.to_owned());
    match value {
        Value::Object(members) => {
            members.iter().for_each(|(key, inner)| pointers(inner, &format!("{here}/{key}"), found))
        }
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(index, inner)| pointers(inner, &format!("{here}/{index}"), found));
        }
        _ => {}
    }
}

/// `/inbound/provider_ids/0` is `inbound.provider_ids[0]`.
pub(super) fn path_of(pointer: &str) -> String {
    let mut path = String::new();
    for part in pointer.split('/').skip(1) {
        match part.parse::<usize>() {
            Ok(index) => path.push_str(&format!("[{index}]")),
            Err(_) if path.is_empty() => path.push_str(part),
            Err(_) => path.push_str(&format!(".{part}")),
        }
    }
    if path.is_empty() { "configuration".to_owned() } else { path }
}

/// Calls `check` with every sample in which one value was replaced by each of the replacements.
fn for_each_replacement(replacements: &[Value], mut check: impl FnMut(&Value, &str)) {
    for sample in samples() {
        assert!(parse(&sample).is_ok());
        let mut found = Vec::new();
        pointers(&sample, "", &mut found);
        for pointer in found {
            for replacement in replacements {
                let mut changed = sample.clone();
                *changed.pointer_mut(&pointer).unwrap() = replacement.clone();
                check(&changed, &pointer);
            }
        }
    }
}

#[test]
fn a_value_of_the_wrong_kind_anywhere_is_refused_at_its_path() {
    let mut checked = 0;
    for_each_replacement(&[json!(null), json!(-12345)], |changed, pointer| {
        // Said aloud, null is the default.
        if pointer.ends_with("/api_key/scheme") && changed.pointer(pointer) == Some(&Value::Null) {
            return;
        }
        let errors = parse(changed).expect_err(pointer);
        let path = path_of(pointer);
        let below = [format!("{path}."), format!("{path}[")];
        assert!(errors.iter().any(|error| error.path() == path), "{pointer}: {errors}");
        assert!(
            errors.iter().all(|error| error.path() == path || below.iter().any(|b| error.path().starts_with(b))),
            "{errors}"
        );
        assert!(
            errors.iter().all(|error| error.problem().starts_with("expected ") && error.problem().contains(", got "))
        );
        checked += 1;
    });
    assert!(checked > 100, "{checked}");
}

#[test]
fn no_value_ever_appears_in_an_error() {
    let values = [json!(SECRET), json!([SECRET]), json!([[SECRET]]), json!({"extra": SECRET}), json!(7_311_973)];
    let mut refused = 0;
    for_each_replacement(&values, |changed, pointer| {
        let Err(errors) = parse(changed) else { return };
        let text = format!("{errors} {errors:?}");
        assert!(!text.contains(SECRET) && !text.contains("s3cret") && !text.contains("7311973"), "{pointer}: {text}");
        refused += 1;
    });
    assert!(refused > 300, "{refused}");
}

/// JSON of the configuration's own words, so that the reader gets further than the first key.
fn likely_json() -> impl Strategy<Value = Value> {
    let word = prop::sample::select(vec![
        "inbound",
        "outbound",
        "kind",
        "kong",
        "shared_data",
        "metrics",
        "provider_ids",
        "peer",
        "organisational_units",
        "fingerprints",
        "allow_unpinned",
        "source",
        "forwarded_header",
        "name",
        "format",
        "rfc9440",
        "url_encoded_pem",
        "verified",
        "always",
        "header",
        "proxy",
        "trust_plaintext_hop",
        "auth",
        "jwt_auth",
        "mtls_only",
        "api_key",
        "client_credentials",
        "issuer",
        "introspection",
        "client_secret",
        "env",
        "value",
        "capacity",
        "jwks",
        "url",
        "url_template",
        "environment",
        "sandbox",
        "timeout",
        "5s",
        "upstream",
        "replay_detection",
        "gateway",
        "replay_capacity",
        "token_cache_capacity",
        "forward",
        "authorization",
        "keep",
        "https://a.example/{OU}",
        "https://[",
        "response_token",
        "verify_responses",
        "audience",
        "certificate",
        "pem",
        "organisation",
        "organisational_unit",
        "keys",
        "kid",
        "private_key",
        "SIG4_NEXT_PRIVATE_KEY",
        "active_from",
        "2026-11-21T00:00:00Z",
        "remote_signer",
        "vault_transit",
        "address",
        "http://bao",
        "key",
        "token",
        "hub",
        "x",
    ]);
    let text = prop_oneof![word.prop_map(str::to_owned), any::<String>()];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        text.clone().prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 64, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map(text.clone(), inner, 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

fn refusals_say_something(bytes: &[u8]) -> Result<(), TestCaseError> {
    if let Err(errors) = Config::parse_with(bytes, &GatewayKind::known(), &environment) {
        prop_assert!(errors.iter().count() > 0);
        prop_assert!(errors.iter().all(|error| !error.path().is_empty() && !error.problem().is_empty()));
        let lines = errors.iter().count() + usize::from(errors.omitted() > 0);
        prop_assert_eq!(errors.to_string().lines().count(), lines);
    }
    Ok(())
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        refusals_say_something(&bytes)?;
    }

    #[test]
    fn a_configuration_with_changed_bytes_never_panics(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let mut bytes = EXAMPLE.as_bytes().to_vec();
        for (index, byte) in changes {
            let at = index.index(bytes.len());
            bytes[at] = byte;
        }
        refusals_say_something(&bytes)?;
    }

    #[test]
    fn arbitrary_json_never_panics(value in likely_json()) {
        refusals_say_something(value.to_string().as_bytes())?;
    }

    #[test]
    fn arbitrary_json_at_any_place_never_panics(
        value in likely_json(),
        place in any::<prop::sample::Index>(),
        which in any::<prop::sample::Index>(),
    ) {
        let samples = samples();
        let mut changed = samples[which.index(samples.len())].clone();
        let mut found = Vec::new();
        pointers(&changed, "", &mut found);
        *changed.pointer_mut(&found[place.index(found.len())]).unwrap() = value;
        refusals_say_something(changed.to_string().as_bytes())?;
    }
}
