//! What is left of a request: one log line per refusal, counters, and no secret in either.

use serde_json::Value;
use wasm_tests::host::{Gateway, Level, Module, Upstream};
use wasm_tests::stage::tokens::Signer;

use super::scene::*;

/// The log lines about refusals.
fn refusals(gateway: &Gateway) -> Vec<Value> {
    let lines = gateway.logs().into_iter().filter_map(|log| serde_json::from_str::<Value>(&log.text).ok());
    lines.filter(|line| line["event"] == "refused").collect()
}

#[apply(every_gateway)]
fn a_refusal_is_one_line_with_all_that_ties_it_to_other_logs(host: Host) {
    let gateway = host.start();
    let expired = token(&gateway).claim("exp", 1).sign(Signer::Ps256(&hub().signing));
    let request = with(&expired)
        .header("x-fapi-interaction-id", "fapi")
        .header("o3-caller-interaction-id", "caller")
        .header("o3-ozone-interaction-id", "ozone");
    send(&gateway, request);
    let lines = refusals(&gateway);
    assert_eq!(lines.len(), 1);
    let line = &lines[0];
    assert_eq!(line["code"], "JWS.InvalidClaim");
    assert_eq!(line["status"], 401);
    assert_eq!(line["x_fapi_interaction_id"], "fapi");
    assert_eq!(line["o3_caller_interaction_id"], "caller");
    assert_eq!(line["o3_ozone_interaction_id"], "ozone");
    assert_eq!(line["organisational_unit"], hub().subject.organisational_unit.as_str());
    assert_eq!(line["kid"], hub().signing.kid.as_str());
    assert!(line["time"].as_str().unwrap().ends_with('Z'));
    assert!(line["request_id"].as_str().is_some_and(|id| !id.is_empty()));
}

#[apply(every_gateway)]
fn an_admitted_request_leaves_no_line_at_warn(host: Host) {
    let gateway = host.start();
    send(&gateway, right(&gateway));
    assert!(gateway.logs().iter().all(|log| log.level < Level::Warn), "{:?}", gateway.logs());
}

#[apply(every_gateway)]
fn neither_logs_nor_replies_contain_a_token_or_raw_bytes(host: Host) {
    let gateway = host.start();
    let token = token(&gateway).claim("aud", "secret-audience").sign(Signer::Ps256(&hub().signing));
    let request = with(&token)
        .header("x-fapi-interaction-id", b"\x1b[31m\xff\xfe")
        .header("o3-caller-interaction-id", "a\tb\u{7f}");
    let reply = send(&gateway, request).reply().expect("refused");
    let body = String::from_utf8(reply.body).unwrap();
    let logs: String = gateway.logs().iter().map(|log| log.text.clone() + "\n").collect();
    for text in [&body, &logs] {
        assert!(!text.contains(token.split('.').next().unwrap()) && !text.contains("secret-audience"));
        assert!(!text.contains('\u{1b}') && !text.contains('\u{fffd}'));
    }
    assert!(!reply.headers.has("x-fapi-interaction-id"), "such an id is not echoed");
}

#[apply(every_gateway)]
fn outcomes_are_counted(host: Host) {
    let gateway = host.start();
    for _ in 0..3 {
        send(&gateway, right(&gateway));
    }
    send(&gateway, request());
    send(&gateway, with(&token(&gateway).claim("aud", "x").sign(Signer::Ps256(&hub().signing))));
    let counted = |name: &str, count| host.assert_counted(&gateway, name, count);
    counted("requests_total.direction.inbound.outcome.accepted", 3);
    counted("requests_total.direction.inbound.outcome.refused.code.Credential.Missing", 1);
    counted("requests_total.direction.inbound.outcome.refused.code.JWS.InvalidClaim", 1);
    counted("requests_total.direction.inbound.outcome.refused.code.GenericError", 0);
    counted("callouts_total.about.jwks.outcome.succeeded", 1);
    counted("callouts_total.about.jwks.outcome.failed", 0);
}

#[apply(every_gateway)]
fn a_fetch_that_fails_is_logged_with_what_follows_from_it(host: Host) {
    let gateway = host.with(&jwt_auth()).upstream(KEYSTORE, Upstream::down()).start(Module::release()).unwrap();
    send(&gateway, right(&gateway));
    let logs = gateway.logs();
    let line = logs.iter().find(|log| log.text.contains("no keys from")).expect("a line about the fetch");
    assert_eq!(line.level, Level::Warn);
    assert!(line.text.contains("no valid keys are cached") && line.text.contains("next try in 1 s"), "{}", line.text);
    host.assert_counted(&gateway, "callouts_total.about.jwks.outcome.failed", 1);
}
