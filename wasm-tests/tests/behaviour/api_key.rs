//! The method API key of spec §2.2: which keys are accepted when, and what is left of them in headers, logs and replies.

use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use serde_json::{Value, json};
use wasm_tests::host::{Exchange, Gateway, Level, Module, Peer, Request};
use wasm_tests::stage::pki::Pki;

use super::scene::*;

const KEY: &str = "k-2026-3f1c8e0b7a5d4926b8f0a1c2d3e4f566";
const OLD: &str = "k-2025-9a8b7c6d5e4f30211203f4e5d6c7b8a9";
const NEXT: &str = "k-2027-00112233445566778899aabbccddeeff";

/// The time at which the tests begin: 2026-11-21T09:30:00Z.
const START: Duration = Duration::from_secs(1_795_253_400);

const DAY: u64 = 24 * 60 * 60;

/// A key of the configuration: for ever, unless more is said.
fn known(id: &str, key: &str) -> Value {
    let sha256: String = digest(&SHA256, key.as_bytes()).as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    json!({ "id": id, "sha256": sha256 })
}

/// An expired key, one that is valid, and one that is not yet.
fn keys() -> Value {
    let (mut old, mut valid, mut next) = (known("old-2025", OLD), known("hub-2026", KEY), known("next-2027", NEXT));
    old["expires"] = json!("2026-11-21T09:30:00Z");
    valid["not_before"] = json!("2026-01-01T00:00:00Z");
    valid["expires"] = json!("2027-12-31T00:00:00Z");
    next["not_before"] = json!("2026-11-21T09:30:01Z");
    json!([old, valid, next])
}

fn gateway_with(host: Host, api_key: Value) -> Gateway {
    let mut configuration = jwt_auth();
    configuration["inbound"]["auth"] = json!({ "api_key": api_key });
    host.with(&configuration).start_at(START).log_level(Level::Trace).start(Module::release()).unwrap()
}

fn gateway(host: Host) -> Gateway {
    gateway_with(host, json!({ "keys": keys() }))
}

fn authorised(value: impl AsRef<[u8]>) -> Request {
    request().header("authorization", value)
}

/// Status and error code of a refusal.
#[track_caller]
fn refusal(exchange: &Exchange) -> (u16, String) {
    let reply = exchange.reply().unwrap_or_else(|| panic!("{:?}", exchange.outcome()));
    (reply.status, error(&reply)["errorCode"].as_str().expect("an error code").to_owned())
}

fn log(gateway: &Gateway) -> String {
    gateway.logs().iter().map(|log| log.text.clone() + "\n").collect()
}

#[apply(every_engine)]
fn the_right_key_is_admitted_and_the_bank_learns_its_id_and_never_the_key(host: Host) {
    let gateway = gateway(host);
    let upstream = send(&gateway, authorised(KEY).header("accept", "application/json")).upstream().expect("admitted");
    assert_eq!(upstream.text("x-hub-auth-method").as_deref(), Some("api_key"));
    assert_eq!(upstream.text("x-hub-token-id").as_deref(), Some("hub-2026"));
    assert_eq!(upstream.text("x-hub-client-organisation").as_deref(), Some(hub().subject.organisation.as_str()));
    host.assert_withheld(&upstream, "authorization");
    assert_eq!(upstream.text("accept").as_deref(), Some("application/json"), "everything else stays");
    assert!(gateway.callouts().is_empty());
}

#[apply(every_gateway)]
fn a_key_that_is_wrong_or_out_of_its_time_is_refused_alike(host: Host) {
    let gateway = gateway(host);
    for (case, value) in [
        ("unknown", "k-2026-another"),
        ("cut", KEY.split_at(KEY.len() - 1).0),
        ("in other case", &KEY.to_uppercase()),
        ("with a scheme", &format!("Bearer {KEY}")),
        ("its digest", keys()[1]["sha256"].as_str().unwrap()),
        ("expired", OLD),
        ("not valid yet", NEXT),
    ] {
        assert_eq!(refusal(&send(&gateway, authorised(value))), (401, "ApiKey.Invalid".to_owned()), "{case}");
    }
}

#[apply(every_gateway)]
fn keys_take_over_from_each_other_as_time_goes_by(host: Host) {
    let gateway = gateway_with(host, json!({ "keys": keys() }));
    gateway.set_clock(START - Duration::from_millis(1));
    assert_eq!(judge(&gateway, authorised(OLD)), "admitted", "until the last millisecond");
    gateway.set_clock(START + Duration::from_secs(1));
    assert_eq!(judge(&gateway, authorised(OLD)), "ApiKey.Invalid");
    for key in [KEY, NEXT] {
        assert_eq!(judge(&gateway, authorised(key)), "admitted", "both are valid at once");
    }
}

#[apply(every_gateway)]
fn there_is_exactly_one_value(host: Host) {
    let gateway = gateway(host);
    assert_eq!(refusal(&send(&gateway, request())), (401, "Credential.Missing".to_owned()));
    for request in [
        authorised(format!("{KEY},{KEY}")),
        authorised(format!("{KEY}, x")),
        authorised(""),
        authorised("x".repeat(8 * 1024 + 1)),
    ] {
        assert_eq!(refusal(&send(&gateway, request)), (401, "Credential.Malformed".to_owned()));
    }
    for (name, value) in [("authorization", KEY), ("Authorization", "x")] {
        assert_eq!(judge(&gateway, authorised(KEY).header(name, value)), host.two_credentials());
    }
}

#[apply(every_gateway)]
fn another_header_and_a_scheme_are_a_matter_of_configuration(host: Host) {
    let gateway = gateway_with(host, json!({ "keys": keys(), "header": "X-Api-Key", "scheme": "ApiKey" }));
    let key = |value: &str| request().header("x-api-key", value);
    for value in [format!("ApiKey {KEY}"), format!("apikey   {KEY}")] {
        assert_eq!(judge(&gateway, key(&value)), "admitted", "{value}");
    }
    assert_eq!(judge(&gateway, key(KEY)), "Credential.Malformed");
    assert_eq!(judge(&gateway, key("ApiKey x")), "ApiKey.Invalid");
    assert_eq!(judge(&gateway, authorised(format!("ApiKey {KEY}"))), "Credential.Missing");
}

#[apply(every_gateway)]
fn the_configured_header_and_a_stray_authorization_are_both_removed_before_the_bank(host: Host) {
    let gateway = gateway_with(host, json!({ "keys": keys(), "header": "x-api-key" }));
    let request = request().header("X-Api-Key", KEY).header("authorization", "Bearer stray");
    let upstream = send(&gateway, request).upstream().expect("admitted");
    host.assert_withheld(&upstream, "x-api-key");
    host.assert_withheld(&upstream, "authorization");
}

#[apply(every_gateway)]
fn mutual_tls_and_the_pin_are_demanded_beside_the_key(host: Host) {
    let gateway = gateway(host);
    let tpp = peer_of(&Pki::shared().tpp);
    for (peer, status, code) in [
        (tpp, 403, "Certificate.NotAllowed"),
        (Peer::none(), 401, "Certificate.Missing"),
        (Peer::plaintext(), 401, "Certificate.Missing"),
    ] {
        assert_eq!(refusal(&send(&gateway, authorised(KEY).peer(peer))), (status, code.to_owned()));
    }
    assert_eq!(judge(&gateway, authorised(KEY).header("x-hub-token-id", "hub-2026")), "Header.NotAllowed");
}

#[apply(every_gateway)]
fn the_log_and_the_replies_name_the_keys_id_and_never_a_key(host: Host) {
    let gateway = gateway(host);
    let mut replies = String::new();
    for value in [KEY, OLD, NEXT, "k-2026-wrong", &format!("Bearer {KEY}"), &format!("{KEY},{OLD}")] {
        if let Some(reply) = send(&gateway, authorised(value)).reply() {
            replies.push_str(&format!("{:?} {}", reply.headers, String::from_utf8_lossy(&reply.body)));
        }
    }
    let log = log(&gateway);
    for id in ["hub-2026", "old-2025", "next-2027"] {
        assert!(log.contains(id), "{id} is not in:\n{log}");
    }
    for secret in [KEY, OLD, NEXT, "k-2026", "k-2025", "k-2027", keys()[1]["sha256"].as_str().unwrap()] {
        assert!(!log.contains(secret) && !replies.contains(secret), "{secret} is in:\n{log}{replies}");
    }
    for id in ["old-2025", "next-2027"] {
        assert!(!replies.contains(id), "a caller does not learn which key it was: {replies}");
    }
}

#[apply(every_gateway)]
fn a_key_that_is_used_for_the_first_time_is_logged_once(host: Host) {
    let gateway = gateway(host);
    for _ in 0..3 {
        assert_eq!(judge(&gateway, authorised(KEY)), "admitted");
    }
    assert_eq!(log(&gateway).matches("hub-2026").count(), 1, "{}", log(&gateway));
}

/// The warnings about the end of the last key.
fn warnings(gateway: &Gateway) -> usize {
    let logs = gateway.logs();
    logs.iter().filter(|log| log.level == Level::Warn && log.text.contains("the last API key, only-one,")).count()
}

#[apply(every_gateway)]
fn the_end_of_the_last_key_is_announced_from_30_days_before_on_once_a_day(host: Host) {
    let mut only = known("only-one", KEY);
    only["expires"] = json!("2026-12-21T09:30:00Z");
    let gateway = gateway_with(host, json!({ "keys": [only] }));
    assert_eq!(judge(&gateway, authorised(KEY)), "admitted");
    let per_start = warnings(&gateway);
    assert!(per_start > 0, "{}", log(&gateway));
    assert!(log(&gateway).contains("2026-12-21"), "{}", log(&gateway));
    let some_time_at = |time: Duration| {
        gateway.set_clock(time);
        gateway.advance(seconds(3));
        for _ in 0..3 {
            assert_eq!(judge(&gateway, authorised(KEY)), "admitted");
        }
        warnings(&gateway)
    };
    assert_eq!(some_time_at(START), per_start);
    assert_eq!(some_time_at(START + seconds(DAY - 10)), per_start);
    let on_the_next_day = some_time_at(START + seconds(DAY));
    assert!(per_start < on_the_next_day && on_the_next_day <= 2 * per_start, "once a VM and day: {on_the_next_day}");
    assert_eq!(some_time_at(START + seconds(DAY + 10)), on_the_next_day);
}

#[apply(every_gateway)]
fn a_last_key_that_ends_later_or_never_is_no_reason_to_warn(host: Host) {
    let mut later = known("only-one", KEY);
    later["expires"] = json!("2026-12-21T09:30:01Z");
    for key in [later, known("only-one", KEY)] {
        let gateway = gateway_with(host, json!({ "keys": [key] }));
        assert_eq!(judge(&gateway, authorised(KEY)), "admitted");
        assert_eq!(warnings(&gateway), 0);
    }
}
