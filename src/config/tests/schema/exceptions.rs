//! Each exception is one: there is a configuration that breaks its rule and no other, which the schema accepts.

use serde_json::{Value, json};

use super::{SAMPLES, VALIDATOR, read};
use crate::config::MAX_CONFIG_BYTES;
use crate::config::schema::EXCEPTIONS;
use crate::config::tests::{FINGERPRINT, changed, least, least_outbound, removed, with};
use crate::peer::leaf::tests::LEAF;

/// The exception that an error falls under.
pub(super) fn of(path: &str, problem: &str, configuration: &Value) -> Option<&'static str> {
    let value = configuration.pointer(&pointer(path)).unwrap_or(&Value::Null);
    if is_repeated(path, configuration) {
        return None;
    }
    EXCUSES.iter().find(|(_, excuses)| excuses(path, problem, value)).map(|(name, _)| *name)
}

/// Whether the item of a list at this path, or that it lies in, stands there before: a schema can tell.
fn is_repeated(path: &str, configuration: &Value) -> bool {
    let Some((list, number)) = path.rsplit_once('[') else { return false };
    let number: usize = number.split(']').next().unwrap().parse().unwrap();
    let Some(Value::Array(items)) = configuration.pointer(&pointer(list)) else { return false };
    items.get(number).is_some_and(|item| items.iter().position(|one| one == item) != Some(number))
}

/// `inbound.provider_ids[0]` is `/inbound/provider_ids/0`.
fn pointer(path: &str) -> String {
    if path == "configuration" {
        return String::new();
    }
    format!("/{}", path.replace(']', "").replace(['.', '['], "/"))
}

/// How an exception is known by an error of the reader: its path, what it says, and the value there.
type Excuses = fn(&str, &str, &Value) -> bool;

fn is_not_ascii(value: &Value) -> bool {
    value.as_str().is_some_and(|text| !text.is_ascii())
}

fn has(value: &Value, part: &str) -> bool {
    value.as_str().is_some_and(|text| text.contains(part))
}

/// What is wrong with a string of the right characters and length.
fn is_of_content(problem: &str) -> bool {
    let of_rules = ["an empty string", "a longer string", "a longer text", "a string with other characters"];
    !of_rules.iter().any(|got| problem.ends_with(got)) && !problem.contains("private key, which must not stand here")
}

const EXCUSES: [(&str, Excuses); EXCEPTIONS.len()] = [
    ("text", |path, problem, _| path == "configuration" && problem.contains("bytes, got")),
    ("repeated-key", |_, problem, _| problem == "expected each key once, got it again"),
    ("bytes", |_, problem, value| {
        is_not_ascii(value) && (problem.ends_with("a longer string") || problem.ends_with("a longer text"))
    }),
    ("whole-number", |_, problem, value| value.is_f64() && problem.contains("a whole number")),
    ("same-twice", |_, problem, _| {
        problem.contains("without duplicates, got the same as at")
            || problem.ends_with("got one that means something else here")
            || problem.contains("is always active as well, got nothing")
    }),
    ("environment", |path, problem, value| {
        path.ends_with(".env")
            && value.is_string()
            && !problem.starts_with("expected the name of an environment variable")
    }),
    ("pem", |path, problem, value| {
        let is_pem = [".pem", ".public_key", ".private_key.value"].iter().any(|end| path.ends_with(end));
        is_pem && value.is_string() && is_of_content(problem)
    }),
    ("certificate-agrees", |_, problem, _| problem.contains("of the certificate in \"pem\", got another")),
    ("ipv6", |_, problem, value| {
        has(value, "[") && (problem.contains("one whose host is not") || problem.contains("one with http:// to a host"))
    }),
    ("url-length", |_, problem, value| {
        problem.ends_with("one that is too long") && value.as_str().is_some_and(|text| text.len() > 2_000)
    }),
    ("address-of-keys", |_, problem, _| {
        problem.contains("which the address of the JWKS needs") || problem.contains("fit into the address of the JWKS")
    }),
    ("leap-day", |_, problem, value| has(value, "-02-29") && problem.contains("a time in UTC")),
    ("times-in-order", |_, problem, _| problem.contains("a time after \"not_before\"")),
    ("header-of-certificate", |_, problem, _| problem.contains("in \"api_key\" than that of the certificate")),
    ("deadline", |_, problem, _| problem.contains("not shorter than \"timeout\"")),
];

fn api_keys(keys: Value) -> Value {
    with("/inbound/auth", json!({"api_key": {"keys": keys}}))
}

fn verifying(hub: Value) -> Value {
    let settings = json!({"hub": hub, "provider_ids": ["retail"], "jwks": {"environment": "sandbox"}});
    changed(least_outbound(), "/outbound/verify_responses", settings)
}

fn remote(changes: &[(&str, Value)]) -> Value {
    let settings = json!({"address": "https://bao", "key": "sig4", "kid": "sig4", "token": {"env": "BAO_TOKEN"}});
    let signer = json!({"vault_transit": settings});
    let least = changed(removed(least_outbound(), "/outbound/keys"), "/outbound/remote_signer", signer);
    changes.iter().fold(least, |config, (key, value)| {
        changed(config, &format!("/outbound/remote_signer/vault_transit/{key}"), value.clone())
    })
}

fn keys_at(url: &str) -> Value {
    with("/inbound/auth/jwt_auth/jwks", json!({"url": url}))
}

/// Configurations that break this rule alone.
fn examples(name: &str) -> Vec<Value> {
    let key = |id: &str, sha256: &str| json!({"id": id, "sha256": sha256});
    let other = FINGERPRINT.replacen('b', "a", 1);
    let signing = |kid: &str, variable: &str| json!({"kid": kid, "private_key": {"env": variable}});
    let signing_keys = |keys: Value| changed(least_outbound(), "/outbound/keys", keys);
    let verified = |header: &str| {
        let checks = json!([{"header": header, "value": "1"}, {"header": "x-b", "value": "1"}]);
        let header = json!({"format": "rfc9440", "name": "x-a", "verified": checks, "trust_plaintext_hop": true});
        with("/inbound/peer/source", json!({"forwarded_header": header}))
    };
    match name {
        "text" => vec![changed(least(), "/$schema", json!("a".repeat(MAX_CONFIG_BYTES)))],
        "bytes" => vec![with("/inbound/peer/organisational_units", json!(["é".repeat(129)]))],
        "whole-number" => vec![
            with("/inbound/auth/jwt_auth/token_cache_capacity", json!(1.0)),
            remote(&[("key_version", json!(1e3))]),
        ],
        "same-twice" => vec![
            with("/inbound/peer/fingerprints", json!([FINGERPRINT, FINGERPRINT.to_uppercase()])),
            with("/inbound/provider_ids", json!(["a", {"id": "a", "audience": "b"}])),
            api_keys(json!([key("a", FINGERPRINT), key("a", &other)])),
            api_keys(json!([key("a", FINGERPRINT), key("b", FINGERPRINT)])),
            signing_keys(json!([signing("a", "SIG4_PRIVATE_KEY"), signing("b", "SIG4_NEXT_PRIVATE_KEY")])),
            verified("x-a"),
            verified("X-B"),
        ],
        "environment" => vec![signing_keys(json!([signing("a", "NOBODY_SET_THIS")]))],
        "pem" => vec![
            signing_keys(json!([{"kid": "a", "private_key": {"value": "no key"}}])),
            remote(&[("public_key", json!("no key"))]),
            changed(least_outbound(), "/outbound/certificate", json!({"pem": "no certificate"})),
        ],
        "certificate-agrees" => vec![changed(
            least_outbound(),
            "/outbound/certificate",
            json!({"pem": LEAF, "organisation": "Somebody Else"}),
        )],
        "ipv6" => vec![
            keys_at("https://[1]/jwks"),
            keys_at("http://[2001:db8::1]/jwks"),
            remote(&[("address", json!("https://[:::]"))]),
        ],
        "url-length" => vec![keys_at(&format!("https://a.example/{}", "a".repeat(2_048)))],
        "address-of-keys" => vec![
            verifying(json!({"organisation": "Hub", "organisational_unit": "hub"})),
            verifying(json!({"organisation": "Hub", "organisational_unit": "..", "common_name": "a"})),
            with("/inbound/auth/jwt_auth/warm", json!([{"organisational_unit": "hub"}])),
        ],
        "leap-day" => {
            vec![api_keys(json!([{"id": "a", "sha256": FINGERPRINT, "expires": "2027-02-29T00:00:00Z"}]))]
        }
        "times-in-order" => vec![api_keys(json!([{
            "id": "a",
            "sha256": FINGERPRINT,
            "not_before": "2027-01-01T00:00:00Z",
            "expires": "2026-01-01T00:00:00Z",
        }]))],
        "header-of-certificate" => {
            let header = json!({"format": "rfc9440", "verified": "always", "trust_plaintext_hop": true});
            let source = with("/inbound/peer/source", json!({"forwarded_header": header}));
            let method = json!({"keys": [key("a", FINGERPRINT)], "header": "Client-Cert"});
            vec![changed(source, "/inbound/auth", json!({"api_key": method}))]
        }
        "deadline" => {
            vec![remote(&[("timeout", json!("3s")), ("deadline", json!("2s"))]), remote(&[("timeout", json!("6s"))])]
        }
        _ => Vec::new(),
    }
}

#[test]
fn each_exception_is_one_and_nothing_else_excuses_it() {
    assert_eq!(EXCEPTIONS.map(|exception| exception.name), EXCUSES.map(|(name, _)| name));
    for exception in EXCEPTIONS {
        let mut texts: Vec<String> = examples(exception.name).iter().map(Value::to_string).collect();
        if exception.name == "repeated-key" {
            texts.push(least().to_string().replacen("\"sandbox\"", "\"sandbox\", \"environment\": \"sandbox\"", 1));
        }
        assert!(!texts.is_empty(), "{}", exception.name);
        for text in texts {
            let value: Value = serde_json::from_str(&text).unwrap();
            assert!(VALIDATOR.is_valid(&value), "{}: {text}", exception.name);
            let errors = read(&text).expect_err(exception.name);
            for error in errors.iter() {
                assert_eq!(of(error.path(), error.problem(), &value), Some(exception.name), "{error}: {text}");
            }
        }
    }
}

#[test]
fn what_needs_no_excuse_gets_none() {
    for sample in &*SAMPLES {
        assert!(read(&sample.to_string()).is_ok());
    }
    for (config, path) in [
        (with("/inbound/provider_ids", json!(["a".repeat(129)])), "inbound.provider_ids[0]"),
        (keys_at("https://a..b/"), "inbound.auth.jwt_auth.jwks.url"),
        (remote(&[("public_key", json!(""))]), "outbound.remote_signer.vault_transit.public_key"),
        (remote(&[("timeout", json!("1d"))]), "outbound.remote_signer.vault_transit.timeout"),
    ] {
        let errors = read(&config.to_string()).unwrap_err();
        let error = errors.iter().next().unwrap();
        assert_eq!((error.path(), of(error.path(), error.problem(), &config)), (path, None), "{error}");
    }
}
