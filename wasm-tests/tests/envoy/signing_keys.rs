//! Which key signs and when, what a wrong configuration does, and the trail that each signature leaves (spec §4).

use std::time::Duration;

use hub_auth_filter::facade::time::UnixTime;
use serde_json::Value;
use tokio::time::sleep;
use wasm_tests::stage::client::{Reply, Request};
use wasm_tests::stage::pki::{CONSENT_MANAGER_NAME, Pki};
use wasm_tests::stage::tokens::now;
use wasm_tests::stage::{OutboundSetup, OutboundStage};

use super::start::assert_refusal_names;

/// A time as the configuration wants it.
fn rfc3339(seconds: u64) -> String {
    UnixTime::EPOCH.after(Duration::from_secs(seconds)).to_rfc3339()
}

async fn call(stage: &OutboundStage) -> Reply {
    stage.send_to_consent_manager(&Request::new("GET", "/consents")).await.reply()
}

fn kids(stage: &OutboundStage) -> Vec<Value> {
    stage.hub.calls().iter().map(|call| call.accepted().header["kid"].clone()).collect()
}

/// A line of a PEM's body, which must be nowhere.
fn secret_lines(pem: &str) -> impl Iterator<Item = &str> {
    pem.lines().filter(|line| !line.starts_with("-----"))
}

/// Two workers with a key for now and one for an instant that lies two seconds ahead at least. On a loaded machine Envoy
/// takes longer to start.
async fn started_before_an_instant() -> (OutboundStage, u64) {
    let pki = Pki::shared();
    for seconds in [8, 40, 120] {
        let instant = now() + seconds;
        let stage = OutboundSetup::new()
            .workers(2)
            .key(&pki.bank.signing, None)
            .key(&pki.next_bank_signing, Some(&rfc3339(instant)))
            .start()
            .await;
        if now() + 2 < instant {
            return (stage, instant);
        }
    }
    panic!("Envoy takes too long to start");
}

#[tokio::test]
async fn a_new_key_signs_from_its_instant_on_in_all_workers_without_a_restart() {
    let pki = Pki::shared();
    let (stage, instant) = started_before_an_instant().await;
    let (old, new) = (pki.bank.signing.kid.as_str(), pki.next_bank_signing.kid.as_str());

    let (mut before, mut after) = (0, 0);
    while now() < instant + 3 {
        let (earliest, reply, latest) = (now(), call(&stage).await, now());
        assert_eq!(reply.status, 200);
        let kid = kids(&stage).pop().expect("a call");
        if latest < instant {
            assert_eq!(kid, old);
            before += 1;
        } else if earliest >= instant {
            assert_eq!(kid, new);
            after += 1;
        }
        sleep(Duration::from_millis(50)).await;
    }
    assert!(before > 0 && after > 0, "{before} requests before the instant, {after} after it");
}

#[tokio::test]
async fn before_the_first_key_is_active_every_request_is_refused_and_none_is_sent() {
    let pki = Pki::shared();
    let stage = OutboundSetup::new().key(&pki.bank.signing, Some("2999-01-01T00:00:00Z")).start().await;
    let reply = call(&stage).await;
    assert_eq!((reply.status, reply.error_code().as_deref()), (500, Some("GenericError")));
    assert_eq!(reply.header("retry-after"), None, "a repetition does not help");
    assert_eq!(stage.hub.calls(), []);
    assert_eq!(stage.envoy.events("refused").len(), 1);
    assert_eq!(stage.envoy.events("signed"), Vec::<Value>::new());
}

#[tokio::test]
async fn each_signature_is_one_line_of_the_log_that_says_what_was_signed_and_nothing_secret() {
    let stage = OutboundSetup::new().start().await;
    for (path, interaction) in [("/consents", "f-1"), ("/auth", "f-2")] {
        let request = Request::new("GET", path)
            .header("x-fapi-interaction-id", interaction)
            .header("o3-caller-interaction-id", "c-2")
            .header("authorization", "Bearer of-the-caller");
        assert_eq!(stage.send_to_consent_manager(&request).await.reply().status, 200);
    }
    let (calls, log) = (stage.hub.calls(), stage.envoy.log());
    let lines = stage.envoy.events("signed");
    assert_eq!((lines.len(), calls.len()), (2, 2), "{log}");
    for ((line, call), interaction) in lines.iter().zip(&calls).zip(["f-1", "f-2"]) {
        let token = call.accepted();
        assert_eq!((&line["kid"], &line["jti"]), (&token.header["kid"], &token.claims["jti"]));
        assert_eq!((&line["aud"], &line["signer"]), (&"retail".into(), &"local".into()));
        assert_eq!(
            (&line["x_fapi_interaction_id"], &line["o3_caller_interaction_id"]),
            (&interaction.into(), &"c-2".into())
        );
        assert_eq!(line["request_id"].as_str(), call.request.value("x-request-id"), "{line}");
        assert!(line["time"].is_string(), "{line}");
        for part in token.token.split('.') {
            assert!(!log.contains(part), "a part of the token is in the log");
        }
    }
    let pem = stage.pki.bank.signing.pkcs8_pem();
    assert!(secret_lines(&pem).all(|line| !log.contains(line)), "the private key is in the log");
    assert!(!log.contains("of-the-caller"));
    assert!(log.lines().filter(|line| line.contains(r#""event":"signed""#)).all(|line| line.contains("[info][wasm]")));
}

/// Edits of the shipped file, and what the log must then name.
struct Case {
    what: &'static str,
    edits: &'static [(&'static str, &'static str)],
    named: &'static [&'static str],
}

const KEY: &str = r#"{"env": "SIG4_PRIVATE_KEY"}"#;
const LIFETIME: &str = r#""lifetime": "30s""#;

const CASES: [Case; 7] = [
    Case {
        what: "a variable that Envoy does not hand on",
        edits: &[("host_env_keys: [SIG4_PRIVATE_KEY]", "host_env_keys: [HOME]")],
        named: &["outbound.keys[0].private_key.env", "SIG4_PRIVATE_KEY"],
    },
    Case {
        what: "a key that is none",
        edits: &[(KEY, r#"{"value": "-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----"}"#)],
        named: &["outbound.keys[0].private_key"],
    },
    Case {
        what: "no key",
        edits: &[(r#"[{"kid": "sig4-2026-05", "private_key": {"env": "SIG4_PRIVATE_KEY"}}]"#, "[]")],
        named: &["outbound.keys"],
    },
    Case { what: "a lifetime of an hour", edits: &[(LIFETIME, r#""lifetime": "1h""#)], named: &["outbound.lifetime"] },
    Case {
        what: "two mistakes",
        edits: &[(r#""audience": "retail","#, ""), (LIFETIME, r#""lifetimes": "30s""#)],
        named: &["outbound.audience", "lifetimes"],
    },
    Case {
        what: "a method that is not for this direction",
        edits: &[(LIFETIME, r#""lifetime": "30s", "api_key": {"keys": []}"#)],
        named: &["outbound.api_key"],
    },
    Case {
        what: "a Struct instead of a StringValue",
        edits: &[
            ("type.googleapis.com/google.protobuf.StringValue", "type.googleapis.com/google.protobuf.Struct"),
            ("value: |", "value:"),
        ],
        named: &["Struct", "StringValue"],
    },
];

#[tokio::test]
async fn a_bad_configuration_stops_envoy_from_starting_and_is_named_in_its_log() {
    for case in CASES {
        let setup = case.edits.iter().fold(OutboundSetup::new(), |setup, (from, to)| setup.edit(from, to));
        let refusal = setup.refusal().await;
        assert_refusal_names(case.what, &refusal, case.named);
        assert!(!refusal.1.contains("c2VjcmV0"), "{}: a secret is in the log", case.what);
    }
}

#[tokio::test]
async fn a_key_that_others_can_compute_is_refused_without_being_shown() {
    let pki = Pki::shared();
    let pem = pki.bank.signing.pkcs8_pem();
    // The last whole line holds bits of the coefficient: the key is not consistent any more.
    let line = secret_lines(&pem).filter(|line| line.len() == 64).last().expect("a line");
    let broken = pem.replace(line, &line.chars().rev().collect::<String>());
    let setup = OutboundSetup::new()
        .edit("host_env_keys: [SIG4_PRIVATE_KEY]", "host_env_keys: [BROKEN]")
        .edit(KEY, r#"{"env": "BROKEN"}"#)
        .environment("BROKEN", &broken);
    let (code, log) = setup.refusal().await;
    assert_eq!(code, Some(1), "{log}");
    assert!(log.contains("outbound.keys[0].private_key"), "{log}");
    assert!(secret_lines(&broken).all(|line| !log.contains(line)), "the private key is in the log");
}

#[tokio::test]
async fn a_key_in_the_configuration_itself_signs_and_is_warned_of() {
    let pki = Pki::shared();
    let inline = serde_json::json!({"value": pki.bank.signing.pkcs8_pem()}).to_string();
    let stage = OutboundSetup::new().edit(KEY, &inline).start().await;
    assert_eq!(call(&stage).await.status, 200);
    let log = stage.envoy.log();
    assert!(
        log.lines().any(|line| line.contains("[warning]") && line.contains("outbound.keys[0].private_key")),
        "{log}"
    );
    assert_eq!(stage.hub.calls()[0].server_name.as_deref(), Some(CONSENT_MANAGER_NAME));
}
