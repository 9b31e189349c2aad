//! The rules of what signed tokens say and of keys in the gateway's memory, in `outbound` and in `inbound.response_token`.

use std::time::Duration;

use serde_json::{Value, json};

use super::{accepted, changed, environment, faults, least_outbound};
use crate::config::{Config, LocalKey, Signer, Signing};
use crate::gateway::kinds::GatewayKind;
use crate::peer::leaf::tests::{LEAF, STRANGE};
use crate::rsa::RsaPrivateKey;
use crate::testing::SigningKey;
use crate::time::UnixTime;

/// Made by OpenSSL: `C=AE, O=Acme Bank, OU=one, OU=two, CN=abc`. Its key is gone.
const TWO_UNITS: &str = "-----BEGIN CERTIFICATE-----
MIIB7DCCAZOgAwIBAgIUaF3yfHUo7D8vm/YSbmq/+ZwrDBIwCgYIKoZIzj0EAwIw
SzELMAkGA1UEBhMCQUUxEjAQBgNVBAoMCUFjbWUgQmFuazEMMAoGA1UECwwDb25l
MQwwCgYDVQQLDAN0d28xDDAKBgNVBAMMA2FiYzAgFw0yNjExMjIwNDI2NTVaGA8y
MTI2MTAyOTA0MjY1NVowSzELMAkGA1UEBhMCQUUxEjAQBgNVBAoMCUFjbWUgQmFu
azEMMAoGA1UECwwDb25lMQwwCgYDVQQLDAN0d28xDDAKBgNVBAMMA2FiYzBZMBMG
ByqGSM49AgEGCCqGSM49AwEHA0IABObUH2Hzv1kXnBTcxpCWCSLihBDBWiBx5fu5
0LIf7VAQF1mp66F5x5eQOsr416GSQA4Cj/OhfbVY9c7l2vnXl1ajUzBRMB0GA1Ud
DgQWBBRVD2iieQL4+1CButsftpeLzOCnTDAfBgNVHSMEGDAWgBRVD2iieQL4+1CB
utsftpeLzOCnTDAPBgNVHRMBAf8EBTADAQH/MAoGCCqGSM49BAMCA0cAMEQCIAwU
zUtarqCI8OrxEGn+xiBOb3GFa+mdRtMqtM4kbpMoAiBIYI56bXDVLJEWXEFK8Zos
QQtmX39txb/kbaTjd5ETqw==
-----END CERTIFICATE-----";

const PEM: &str = ".certificate.pem: expected a certificate in PEM, with one O and one OU in its subject, got";

const VALUE: &str = "expected a string of 1 to 256 bytes without control characters, got";

const PRIVATE_KEY: &str = "expected an RSA private key of 2048 to 4096 bits in PEM, PKCS#8 or PKCS#1, got";

/// The least settings with this one.
fn with(pointer: &str, value: Value) -> Value {
    changed(least_outbound(), &format!("/outbound/{pointer}"), value)
}

fn signing(config: &Value) -> Signing {
    accepted(config).into_outbound().signing
}

fn keys(keys: Value) -> Vec<LocalKey> {
    let Signer::Local(keys) = signing(&with("keys", keys)).signer else { panic!() };
    keys
}

#[track_caller]
fn refused(config: &Value, expected: &str) {
    let faults = faults(config);
    let short = |line: &str| line.strip_prefix("outbound").unwrap().to_owned();
    assert_eq!(faults.lines().map(short).collect::<Vec<_>>().join("\n"), expected);
}

#[test]
fn the_audience_is_a_provider_id() {
    for good in ["a", "~!{}", &"x".repeat(128)] {
        assert_eq!(signing(&with("audience", json!(good))).audience, good);
    }
    for (bad, got) in [
        (json!(null), "null"),
        (json!(["retail"]), "an array"),
        (json!(""), "an empty string"),
        (json!("x".repeat(129)), "a longer string"),
        (json!("s3cret bank"), "a string with other characters"),
        (json!("بنك"), "a string with other characters"),
    ] {
        refused(
            &with("audience", bad),
            &format!(".audience: expected a string of 1 to 128 visible ASCII characters, got {got}"),
        );
    }
}

#[test]
fn a_token_lives_for_10_to_30_seconds() {
    for (text, milliseconds) in [("10s", 10_000), ("10001ms", 10_001), ("30s", 30_000)] {
        assert_eq!(signing(&with("lifetime", json!(text))).lifetime, Duration::from_millis(milliseconds));
    }
    for (bad, got) in [
        (json!("9999ms"), "a shorter one"),
        (json!("30001ms"), "a longer one"),
        (json!("s3cret"), "a string that is not a whole number with a unit (ms, s, m or h)"),
        (json!(30), "a number"),
    ] {
        let expected = format!(".lifetime: expected a duration from 10s to 30s such as \"30s\", got {got}");
        refused(&with("lifetime", bad), &expected);
    }
}

#[test]
fn issuer_and_subject_are_o_and_ou_of_the_certificate() {
    let chain = format!("subject=whatever\n{LEAF}\n{TWO_UNITS}\n");
    for (certificate, issuer, subject) in [
        (json!({"pem": LEAF}), "Hub Operator", "hub"),
        (json!({"pem": chain}), "Hub Operator", "hub"),
        (json!({"pem": STRANGE}), "بنك, \"A", "#one+CN=x"),
        (json!({"organisation": "بنك", "organisational_unit": "u"}), "بنك", "u"),
        (json!({"pem": LEAF, "organisation": "Hub Operator", "organisational_unit": "hub"}), "Hub Operator", "hub"),
        (json!({"pem": LEAF, "organisation": "Hub Operator"}), "Hub Operator", "hub"),
        (json!({"pem": LEAF, "organisational_unit": "hub"}), "Hub Operator", "hub"),
    ] {
        let signing = signing(&with("certificate", certificate));
        assert_eq!((signing.issuer.as_str(), signing.subject.as_str()), (issuer, subject));
    }
}

#[test]
fn a_certificate_and_what_is_said_of_it_must_agree() {
    let organisation = ".certificate.organisation: expected the O of the certificate in \"pem\", got another";
    let unit = ".certificate.organisational_unit: expected the OU of the certificate in \"pem\", got another";
    for (certificate, expected) in [
        (json!({"pem": LEAF, "organisation": "s3cret"}), organisation.to_owned()),
        (json!({"pem": LEAF, "organisation": "hub operator", "organisational_unit": "hub"}), organisation.to_owned()),
        (json!({"pem": LEAF, "organisational_unit": "s3cret"}), unit.to_owned()),
        (json!({"pem": LEAF, "organisation": "hub", "organisational_unit": "Hub"}), format!("{organisation}\n{unit}")),
    ] {
        refused(&with("certificate", certificate), &expected);
    }
}

#[test]
fn a_certificate_is_given_or_described() {
    for (certificate, expected) in [
        (json!({}), ": expected \"pem\", or \"organisation\" and \"organisational_unit\", got neither".to_owned()),
        (json!("s3cret"), ": expected an object, got a string".to_owned()),
        (json!({"organisation": "o"}), format!(".organisational_unit: {VALUE} nothing")),
        (json!({"organisational_unit": "u"}), format!(".organisation: {VALUE} nothing")),
    ] {
        refused(&with("certificate", certificate), &format!(".certificate{expected}"));
    }
}

#[test]
fn what_is_said_of_a_certificate_is_held_to_the_rules_for_subjects() {
    for (bad, got) in [
        (json!(null), "null"),
        (json!(7), "a number"),
        (json!(""), "an empty string"),
        (json!("  "), "an empty string"),
        (json!("x".repeat(257)), "a longer string"),
        (json!("s3cret\nbank"), "a string with other characters"),
        (json!("s3cret\u{202e}bank"), "a string with other characters"),
    ] {
        for key in ["organisation", "organisational_unit"] {
            for mut certificate in
                [json!({"organisation": "Hub Operator", "organisational_unit": "hub"}), json!({"pem": LEAF})]
            {
                certificate[key] = bad.clone();
                refused(&with("certificate", certificate), &format!(".certificate.{key}: {VALUE} {got}"));
            }
        }
    }
}

#[test]
fn a_certificate_that_is_none_is_refused() {
    for (pem, got) in [
        (json!(null), "null"),
        (json!("s3cret"), "a text that is not the PEM of one"),
        (json!(LEAF.replace("CERTIFICATE", "PUBLIC KEY")), "a text that is not the PEM of one"),
        (json!(LEAF.replacen("MII", "MIJ", 1)), "PEM that does not hold one"),
        (json!("x".repeat(64 * 1024 + 1)), "a longer text"),
        (json!(TWO_UNITS), "one where the subject does not have exactly one OU"),
        (json!(format!("{TWO_UNITS}\n{LEAF}")), "one where the subject does not have exactly one OU"),
    ] {
        refused(&with("certificate", json!({ "pem": pem })), &format!("{PEM} {got}"));
    }
}

#[test]
fn a_private_key_among_the_certificates_is_noticed_and_not_repeated() {
    let key = SigningKey::first().pem();
    for key in [key.clone(), key.replace("PRIVATE", "RSA PRIVATE"), key.replace("PRIVATE", "ENCRYPTED PRIVATE")] {
        for pem in [key.clone(), format!("{LEAF}\n{key}"), format!("{key}{LEAF}")] {
            let config = with("certificate", json!({ "pem": pem }));
            refused(&config, &format!("{PEM} a text with a private key, which must not stand here"));
        }
    }
}

#[test]
fn keys_and_a_remote_signer_exclude_each_other() {
    let remote = json!({"vault_transit": {
        "address": "https://bao:8200", "key": "sig4", "kid": "sig4", "token": {"env": "BAO_TOKEN"},
    }});
    refused(&with("remote_signer", remote), ": expected \"keys\" or \"remote_signer\", got both");
}

#[test]
fn faults_in_both_of_keys_and_a_remote_signer_are_told() {
    let mut config = with("remote_signer", json!({}));
    config["outbound"]["keys"] = json!([]);
    refused(
        &config,
        ".keys: expected an array of 1 to 16 keys, got an array of 0\n\
         .remote_signer: expected \"vault_transit\", \"aws_kms\", \"azure_key_vault\" or \"google_cloud_kms\", got nothing\n\
         : expected \"keys\" or \"remote_signer\", got both",
    );
}

/// A key with a private key of its own for each of two numbers.
fn key(number: usize) -> Value {
    let variable = ["SIG4_PRIVATE_KEY", "SIG4_NEXT_PRIVATE_KEY"][number];
    json!({
        "kid": format!("sig4-{number}"),
        "private_key": {"env": variable},
        "active_from": format!("2026-11-2{number}T00:00:00Z"),
    })
}

#[test]
fn each_key_has_a_name_and_a_time() {
    let [first, second] = keys(json!([key(1), key(0)])).try_into().unwrap();
    assert_eq!((first.key_id.as_str(), second.key_id.as_str()), ("sig4-1", "sig4-0"));
    assert_eq!(first.active_from, UnixTime::from_secs(1_795_219_200));
    assert_eq!(second.active_from, UnixTime::from_secs(1_795_132_800));
    for (read, made) in [(&first, SigningKey::second()), (&second, SigningKey::first())] {
        assert_eq!(&*read.private_key.public().modulus(), made.modulus());
    }
}

#[test]
fn there_are_1_to_16_keys() {
    let list = ".keys: expected an array of 1 to 16 keys, got";
    refused(&with("keys", json!([])), &format!("{list} an array of 0"));
    refused(&with("keys", json!(vec![key(0); 17])), &format!("{list} an array of 17"));
    refused(&with("keys", json!({"kid": "s3cret"})), &format!("{list} an object"));
    refused(&with("keys", json!(["s3cret"])), ".keys[0]: expected an object, got a string");
    // Sixteen are not too many, but these are the same.
    assert!(!faults(&with("keys", json!(vec![key(0); 16]))).contains("an array of"));
}

#[test]
fn a_key_id_is_what_is_accepted_of_others() {
    for good in ["k", "a b", "بنك", &"x".repeat(256)] {
        assert_eq!(keys(json!([{"kid": good, "private_key": {"env": "SIG4_NEXT_PRIVATE_KEY"}}]))[0].key_id, good);
    }
    for (bad, got) in [
        (json!(null), "null"),
        (json!(2026), "a number"),
        (json!(""), "an empty string"),
        (json!("x".repeat(257)), "a longer string"),
        (json!("s3cret\n"), "a string with other characters"),
        (json!("s3cret\u{85}"), "a string with other characters"),
    ] {
        refused(&with("keys/0/kid", bad), &format!(".keys[0].kid: {VALUE} {got}"));
    }
}

#[test]
fn a_time_is_in_utc() {
    for (bad, got) in [
        (json!(null), "null"),
        (json!("s3cret"), "a string that is not one"),
        (json!("2026-11-21T00:00:00+04:00"), "one with an offset"),
    ] {
        let expected =
            format!(".keys[0].active_from: expected a time in UTC such as \"2026-11-21T00:00:00Z\", got {got}");
        refused(&with("keys/0/active_from", bad), &expected);
    }
}

#[test]
fn no_two_keys_share_a_name_a_time_or_a_private_key() {
    for (name, expected) in [
        ("kid", ".keys[2].kid: expected key ids without duplicates, got the same as at [1]"),
        ("private_key", ".keys[2].private_key: expected private keys without duplicates, got the same as at [1]"),
        ("active_from", ".keys[2].active_from: expected activation times without duplicates, got the same as at [1]"),
    ] {
        let (first, mut second) = (key(0), key(1));
        second[name] = first[name].clone();
        // A broken one before them does not shift the position that is told.
        let faults = faults(&with("keys", json!([1, first, second])));
        assert_eq!(faults, format!("outbound.keys[0]: expected an object, got a number\noutbound{expected}"));
    }
}

#[test]
fn a_private_key_is_the_same_however_it_is_given() {
    let mut second = key(1);
    second["private_key"] = json!({"value": format!("\n{}", environment("SIG4_PRIVATE_KEY").unwrap())});
    refused(
        &with("keys", json!([key(0), second])),
        ".keys[1].private_key: expected private keys without duplicates, got the same as at [0]",
    );
}

#[test]
fn of_two_keys_one_at_most_was_always_active() {
    let (mut first, mut second) = (key(0), key(1));
    first.as_object_mut().unwrap().remove("active_from");
    assert_eq!(keys(json!([first, second]))[0].active_from, UnixTime::EPOCH);
    second.as_object_mut().unwrap().remove("active_from");
    refused(
        &with("keys", json!([first, second])),
        ".keys[1].active_from: expected a time, because the key at [0] is always active as well, got nothing",
    );
}

#[test]
fn all_faults_of_all_keys_are_told() {
    let bad = json!({"kid": "", "private_key": {}, "active_from": 1, "s3cr": 1});
    let faults = faults(&with("keys", json!([bad, {}, key(0), key(0)])));
    let paths: Vec<&str> = faults.lines().map(|line| line.split_once(": ").unwrap().0).collect();
    assert_eq!(
        paths,
        [
            "outbound.keys[0].s3cr",
            "outbound.keys[0].kid",
            "outbound.keys[0].private_key",
            "outbound.keys[0].active_from",
            "outbound.keys[1].kid",
            "outbound.keys[1].private_key",
            "outbound.keys[3].kid",
            "outbound.keys[3].private_key",
            "outbound.keys[3].active_from",
        ]
    );
}

#[track_caller]
fn private_key_refused(pem: &str, got: &str) {
    let inline = with("keys/0/private_key", json!({ "value": pem }));
    refused(&inline, &format!(".keys[0].private_key.value: {PRIVATE_KEY} {got}"));
    let named = with("keys/0/private_key", json!({"env": "NAME"})).to_string();
    let environment = |name: &str| (name == "NAME").then(|| pem.to_owned());
    let faults =
        Config::parse_with(named.as_bytes(), &GatewayKind::known(), &environment).expect_err("accepted").to_string();
    assert_eq!(faults, format!("outbound.keys[0].private_key.env: {PRIVATE_KEY} {got} in NAME"));
}

#[test]
fn a_private_key_that_is_none_is_told_by_its_variable_and_never_shown() {
    let pem = SigningKey::first().pem();
    let not_pem = RsaPrivateKey::from_pem("s3cret").unwrap_err().to_string();
    private_key_refused("s3cret", &not_pem);
    private_key_refused(&"s3cret ".repeat(5_000), "a longer string");
    private_key_refused("s3cret\0", "a string with other characters");
    private_key_refused("s3cret\u{fc}", &not_pem);
    private_key_refused(&format!("{pem}{pem}").replace('\n', "\\n"), "more than one PEM block");
    let public = SigningKey::first().public_pem();
    private_key_refused(&public, &RsaPrivateKey::from_pem(&public).unwrap_err().to_string());
}

#[test]
fn a_private_key_may_have_the_line_ends_of_any_system_and_text_before_it() {
    let pem = SigningKey::first().pem();
    for pem in [
        pem.clone(),
        pem.replace('\n', "\r\n"),
        pem.trim_end().to_owned(),
        pem.replace('\n', "\\n"),
        pem.replace('\n', "\\r\\n"),
        format!("Bag Attributes\n    friendlyName: \u{628}\u{646}\u{643}\nKey Attributes: <No Attributes>\n{pem}"),
        format!("{}{pem}", "    00:c8:1f:93:0b:2e:55:e1:7c:90:a3:41:0d:6f:22:\n".repeat(250)),
    ] {
        let config = with("keys/0/private_key", json!({ "value": pem }));
        assert!(matches!(signing(&config).signer, Signer::Local(_)));
    }
}

#[test]
fn a_variable_that_is_not_set_is_named() {
    refused(
        &with("keys/0/private_key", json!({"env": "UNSET"})),
        ".keys[0].private_key.env: expected an environment variable that is set, got UNSET, which is not",
    );
}

#[test]
fn a_private_key_in_the_configuration_causes_a_warning() {
    let pem = SigningKey::first().pem();
    assert_eq!(
        accepted(&with("keys/0/private_key", json!({ "value": pem }))).warnings(),
        ["outbound.keys[0].private_key.value: a secret in the configuration is shown by the gateway's admin pages; \
          give {\"env\": \"NAME\"} instead"]
    );
}

#[test]
fn a_configuration_does_not_print_its_private_keys() {
    let printed = format!("{:?}", accepted(&least_outbound()));
    let pem = SigningKey::first().pem();
    assert!(printed.contains("private_key: RsaPrivateKey([redacted])"), "{printed}");
    assert!(pem.lines().all(|line| !printed.contains(line)));
}
