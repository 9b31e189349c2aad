//! Requests to the Hub, signed with a local key: what leaves, what is said of it, and what happens where a gateway's random
//! numbers are poor. The tokens are verified with `jsonwebtoken`.

use std::collections::BTreeSet;

use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde_json::{Value, json};
use wasm_tests::artifact::Artifact;
use wasm_tests::host::{Exchange, Fault, Garbage, Gateway, Headers, Level, Module, Outcome, Peer, Request};
use wasm_tests::stage::pki::{BANK_ORGANISATION, BANK_UNIT, Party, Pki};
use wasm_tests::stage::tokens::SigningKey;

use super::scene::{Host, apply, error, every_engine, every_gateway, judge, leaf_pem, send};

/// The Hub's provider id for the bank.
pub const AUDIENCE: &str = "hub-for-retail";

pub fn bank() -> &'static Party {
    &Pki::shared().bank
}

/// A plugin configuration that signs with the bank's key, which the environment holds.
pub fn outbound() -> Value {
    json!({ "outbound": {
        "audience": AUDIENCE,
        "certificate": { "pem": leaf_pem(&bank().transport) },
        "keys": [{ "kid": bank().signing.kid, "private_key": { "env": "SIG4_PRIVATE_KEY" } }],
    } })
}

fn start_with(host: Host, configuration: &Value, key: &str, workers: usize) -> Gateway {
    host.with(configuration)
        .environment("SIG4_PRIVATE_KEY", key)
        .workers(workers)
        .start(Module::release())
        .expect("the gateway starts")
}

fn start(host: Host) -> Gateway {
    start_with(host, &outbound(), &bank().signing.pkcs8_pem(), 1)
}

pub fn call() -> Request {
    Request::post("/consents").body("{}")
}

/// The claims of the token that a request left with.
fn claims_of(exchange: &Exchange) -> Value {
    claims_by(&bank().signing, &sent(exchange))
}

/// The claims of the token among these headers, once it has been verified with this key.
pub fn claims_by(key: &SigningKey, headers: &Headers) -> Value {
    claims_as(&key.kid, key, headers)
}

/// The same where the token names the key so.
pub fn claims_as(kid: &str, key: &SigningKey, headers: &Headers) -> Value {
    let values = headers.all("authorization");
    let [value] = values.as_slice() else { panic!("{} Authorization headers", values.len()) };
    let token = std::str::from_utf8(value).unwrap().strip_prefix("Bearer ").expect("a bearer token");
    let header = decode_header(token).unwrap();
    assert_eq!(
        (header.alg, header.typ.as_deref(), header.cty.as_deref(), header.kid.as_deref()),
        (Algorithm::PS256, Some("JOSE"), Some("json"), Some(kid))
    );
    let jwk = serde_json::from_value(key.jwk()).unwrap();
    let mut rules = Validation::new(Algorithm::PS256);
    rules.set_audience(&[AUDIENCE]);
    // The gateway's clock is not this machine's.
    rules.validate_exp = false;
    decode::<Value>(token, &DecodingKey::from_jwk(&jwk).unwrap(), &rules).unwrap().claims
}

pub fn sent(exchange: &Exchange) -> Headers {
    exchange.upstream().unwrap_or_else(|| panic!("nothing was sent: {:?}", exchange.outcome()))
}

/// The audit trail.
pub fn trail(gateway: &Gateway) -> Vec<Value> {
    let lines = gateway.logs().into_iter().filter(|log| log.level == Level::Info);
    let lines = lines.filter_map(|log| serde_json::from_str::<Value>(&log.text).ok());
    lines.filter(|line| line["event"] == "signed").collect()
}

#[apply(every_engine)]
fn a_request_leaves_with_the_claims_of_the_standard(host: Host) {
    let gateway = start(host);
    let exchange = send(&gateway, call());
    let claims = claims_of(&exchange);
    let now = gateway.now().as_secs();
    assert_eq!(
        claims,
        json!({
            "iss": BANK_ORGANISATION, "sub": BANK_UNIT, "aud": AUDIENCE,
            "exp": now + 30, "iat": now, "jti": claims["jti"],
        })
    );
    assert_eq!(exchange.upstream_body(), b"{}");
}

#[apply(every_gateway)]
fn a_key_may_come_in_either_pem_and_with_any_line_ends(host: Host) {
    let signing = &bank().signing;
    for key in [signing.pkcs8_pem(), signing.pkcs1_pem(), signing.pkcs8_pem().replace('\n', "\r\n")] {
        claims_of(&send(&start_with(host, &outbound(), &key, 1), call()));
    }
}

#[apply(every_gateway)]
fn whatever_the_caller_put_there_is_replaced(host: Host) {
    let gateway = start(host);
    for request in [call().header("authorization", "Basic dTpw"), call().header("authorization", "")] {
        claims_of(&send(&gateway, request));
    }
    let twice = call().header("Authorization", "Bearer one").header("AUTHORIZATION", "Bearer two");
    if host.joins_authorizations {
        claims_of(&send(&gateway, twice));
    } else {
        assert_eq!(judge(&gateway, twice), "400");
    }
}

#[apply(every_gateway)]
fn other_headers_and_the_body_go_on_as_they_came(host: Host) {
    let gateway = start(host);
    let exchange = send(&gateway, call().header("x-fapi-interaction-id", "f").header("cookie", "a=b"));
    let headers = sent(&exchange);
    assert_eq!(headers.text("x-fapi-interaction-id").as_deref(), Some("f"));
    assert_eq!(headers.text("cookie").as_deref(), Some("a=b"));
    assert_eq!(headers.text(":path").as_deref(), Some("/consents"));
}

#[apply(every_gateway)]
fn every_token_id_is_a_uuid_of_version_4_and_new(host: Host) {
    let gateway = start_with(host, &outbound(), &bank().signing.pkcs8_pem(), 2);
    let mut ids = BTreeSet::new();
    for round in 0..6 {
        let exchange = gateway.worker(round % 2).send(call());
        let id = claims_of(&exchange)["jti"].as_str().unwrap().to_owned();
        assert!(is_uuid_v4(&id), "{id}");
        assert!(ids.insert(id), "twice");
    }
}

fn is_uuid_v4(id: &str) -> bool {
    let groups: Vec<_> = id.split('-').collect();
    let lengths: Vec<_> = groups.iter().map(|group| group.len()).collect();
    let hex = id.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f' | b'-'));
    lengths == [8, 4, 4, 4, 12] && hex && groups[2].starts_with('4') && groups[3].starts_with(['8', '9', 'a', 'b'])
}

/// The whole of spec §0.12: `random_get` may always give the same bytes, alike in every worker, or fail.
#[apply(every_gateway)]
fn token_ids_stay_unique_and_requests_signed_on_a_poor_generator(host: Host) {
    let poor = [
        Fault::host_call("random_get").writes_nothing(),
        Fault::host_call("random_get").hands_out(Garbage::Bytes(vec![7; 32])),
        Fault::host_call("random_get").returns(28_u32),
    ];
    let mut ids = BTreeSet::new();
    let mut signatures = BTreeSet::new();
    for fault in poor {
        // Each start is a restart of the same gateway a minute later.
        for minute in 0..2 {
            let gateway = start_with(host, &outbound(), &bank().signing.pkcs8_pem(), 2);
            gateway.fault(fault.clone());
            gateway.advance(std::time::Duration::from_secs(60 * minute));
            for round in 0..4 {
                let exchange = gateway.worker(round % 2).send(call());
                ids.insert((format!("{fault:?}"), claims_of(&exchange)["jti"].to_string()));
                signatures.insert(sent(&exchange).text("authorization").unwrap().into_owned());
            }
        }
    }
    assert_eq!((ids.len(), signatures.len()), (24, 24));
}

/// No clock, no generator and no request tells the workers apart; that they are several does, where they share data.
#[test]
fn workers_that_can_tell_nothing_apart_still_mint_different_token_ids() {
    let gateway = start_with(Host::ENVOY, &outbound(), &bank().signing.pkcs8_pem(), 4);
    gateway.fault(Fault::host_call("random_get").writes_nothing());
    let nameless = Peer::plaintext().without_property(&["request", "id"]).without_property(&["source", "address"]);
    let mut ids = BTreeSet::new();
    for worker in 0..4 {
        for _ in 0..2 {
            let exchange = gateway.worker(worker).send(call().peer(nameless.clone()));
            ids.insert(claims_of(&exchange)["jti"].to_string());
        }
    }
    assert_eq!(ids.len(), 8);
}

#[apply(every_engine)]
fn the_audit_trail_has_one_line_a_signature_and_nothing_secret(host: Host) {
    let gateway = start(host);
    let request = call()
        .header("x-fapi-interaction-id", "f-1")
        .header("o3-caller-interaction-id", "c-1")
        .header("o3-ozone-interaction-id", "o-1")
        .header("authorization", "Bearer of-the-caller");
    let claims = claims_of(&send(&gateway, request));
    let trail = trail(&gateway);
    let [line] = trail.as_slice() else { panic!("{trail:?}") };
    assert_eq!(
        *line,
        json!({
            "time": line["time"], "version": 1, "event": "signed", "kid": bank().signing.kid, "jti": claims["jti"], "aud": AUDIENCE,
            "signer": "local", "request_id": line["request_id"], "x_fapi_interaction_id": "f-1",
            "o3_caller_interaction_id": "c-1", "o3_ozone_interaction_id": "o-1",
        })
    );
    assert!(line["request_id"].as_str().is_some_and(|id| !id.is_empty()));
    send(&gateway, call());
    assert_eq!(self::trail(&gateway).len(), 2);
    let key_text = bank().signing.pkcs8_pem();
    let inside = key_text.lines().nth(5).expect("a line of the key");
    for log in gateway.logs() {
        assert!(
            !log.text.contains(inside) && !log.text.contains("of-the-caller") && !log.text.contains("eyJ"),
            "{log:?}"
        );
    }
    host.assert_counted(&gateway, "signatures_total.direction.outbound", 2);
    host.assert_counted(&gateway, "requests_total.direction.outbound.outcome.accepted", 2);
}

#[apply(every_engine)]
fn the_newest_active_key_signs_from_its_instant_on(host: Host) {
    let first = start(host).now();
    let mut configuration = outbound();
    let next = &Pki::shared().next_bank_signing;
    configuration["outbound"]["keys"] = json!([
        { "kid": bank().signing.kid, "private_key": { "env": "SIG4_PRIVATE_KEY" }, "active_from": "2020-01-01T00:00:00Z" },
        { "kid": next.kid, "private_key": { "value": next.pkcs8_pem() }, "active_from": rfc3339(first.as_secs() + 60) },
    ]);
    let gateway = start_with(host, &configuration, &bank().signing.pkcs8_pem(), 1);
    gateway.set_clock(std::time::Duration::from_secs(first.as_secs() + 59));
    claims_by(&bank().signing, &sent(&send(&gateway, call())));
    gateway.set_clock(std::time::Duration::from_secs(first.as_secs() + 60));
    claims_by(next, &sent(&send(&gateway, call())));
    assert!(
        gateway.logs().iter().any(|log| log.level == Level::Warn && log.text.contains("keys[1].private_key.value"))
    );
}

#[apply(every_gateway)]
fn before_the_first_key_is_active_nothing_leaves(host: Host) {
    let mut configuration = outbound();
    configuration["outbound"]["keys"][0]["active_from"] = json!("2049-01-01T00:00:00Z");
    let gateway = start_with(host, &configuration, &bank().signing.pkcs8_pem(), 1);
    let exchange = send(&gateway, call().header("x-fapi-interaction-id", "f-1"));
    let reply = exchange.reply().expect("a refusal");
    assert_eq!((reply.status, error(&reply)["errorCode"].as_str()), (500, Some("GenericError")));
    assert_eq!(reply.headers.text("x-fapi-interaction-id").as_deref(), Some("f-1"));
    assert!(exchange.upstream().is_none());
    host.assert_counted(&gateway, "requests_total.direction.outbound.outcome.refused.code.GenericError", 1);
    assert!(trail(&gateway).is_empty());
}

#[apply(every_gateway)]
fn a_key_that_is_none_is_a_configuration_error_that_shows_nothing_of_it(host: Host) {
    let good = bank().signing.pkcs8_pem();
    let inside = good.lines().nth(5).expect("a line of the key").to_owned();
    let cut = good.replacen(&inside, "", 1);
    let public = good.replace("PRIVATE", "PUBLIC");
    for key in ["", "no PEM", &cut, &public] {
        let text = format!("{:?}", host.refuses(host.with(&outbound()).environment("SIG4_PRIVATE_KEY", key)));
        assert!(text.contains("outbound.keys[0].private_key"), "{text}");
        assert!(!text.contains(&inside[..20]) && !text.contains("no PEM"), "{text}");
    }
}

#[apply(every_gateway)]
fn nothing_leaves_where_the_header_can_not_be_set_or_the_time_is_not_known(host: Host) {
    for (call_name, status) in [("proxy_replace_header_map_value", 10_u32), ("clock_time_get", 58)] {
        let gateway = start(host);
        gateway.fault(Fault::host_call(call_name).returns(status));
        let exchange = send(&gateway, call());
        assert!(exchange.upstream().is_none(), "{call_name}");
        assert!(matches!(exchange.outcome(), Outcome::Replied(reply) if reply.status == 500), "{call_name}");
    }
}

#[apply(every_gateway)]
fn a_signature_stays_within_its_fuel(host: Host) {
    let gateway = start(host.metered());
    send(&gateway, call());
    let exchange = send(&gateway, call());
    claims_of(&exchange);
    println!("fuel per signed request: {}", exchange.fuel());
    let most = match Artifact::under_test() {
        Artifact::Baseline => 67_000_000,
        Artifact::RelaxedSimd => 26_000_000,
    };
    assert!(exchange.fuel() < most, "{} fuel", exchange.fuel());
}

fn rfc3339(seconds: u64) -> String {
    hub_auth_filter::facade::time::UnixTime::from_secs(seconds).to_rfc3339()
}
