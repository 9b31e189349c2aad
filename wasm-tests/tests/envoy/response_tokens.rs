//! The bank's own tokens on its responses to the Hub (spec §1, *inbound response*).

use std::collections::BTreeSet;

use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde_json::{Value, json};
use wasm_tests::stage::client::{Reply, Request};
use wasm_tests::stage::pki::{BANK_ORGANISATION, BANK_UNIT, Pki};
use wasm_tests::stage::{PROVIDER_ID, Setup, Stage, signed_by};

fn settings() -> Value {
    json!({
        "audience": PROVIDER_ID,
        "certificate": {"organisation": BANK_ORGANISATION, "organisational_unit": BANK_UNIT},
        "keys": [{"kid": "sig4-2026-05", "private_key": {"env": "SIG4_PRIVATE_KEY"}}],
    })
}

async fn call(stage: &Stage) -> Reply {
    let request = Request::with_token(&signed_by(&stage.pki.hub)).header("x-fapi-interaction-id", "f-1");
    stage.send_as_hub(&request).await.reply()
}

/// The claims of the one token in this header, which another library has verified with the published key.
fn claims(reply: &Reply, header: &str) -> Value {
    let values: Vec<_> = reply.headers.iter().filter(|(name, _)| name == header).collect();
    assert_eq!(values.len(), 1, "{:?}", reply.headers);
    let token = reply.header(header).and_then(|value| value.strip_prefix("Bearer ")).expect("a bearer token");
    let bank = &Pki::shared().bank;
    let read = jsonwebtoken::decode_header(token).expect("a JWS header");
    assert_eq!((read.alg, read.typ.as_deref(), read.cty.as_deref()), (Algorithm::PS256, Some("JOSE"), Some("json")));
    assert_eq!(read.kid.as_deref(), Some(bank.signing.kid.as_str()));
    let key = DecodingKey::from_jwk(&serde_json::from_value(bank.signing.jwk()).expect("a JWK")).expect("a key");
    let mut rules = Validation::new(Algorithm::PS256);
    rules.set_audience(&[PROVIDER_ID]);
    rules.set_issuer(&[BANK_ORGANISATION]);
    let claims: Value = jsonwebtoken::decode(token, &key, &rules).expect("a valid token").claims;
    assert_eq!(claims["sub"], BANK_UNIT);
    assert_eq!(claims["exp"].as_u64().zip(claims["iat"].as_u64()).map(|(exp, iat)| exp - iat), Some(30));
    claims
}

#[tokio::test]
async fn each_response_of_the_bank_carries_a_token_of_its_own() {
    let stage = Setup::new().workers(2).response_token(&settings()).start().await;
    let mut ids = BTreeSet::new();
    for _ in 0..10 {
        let reply = call(&stage).await;
        assert_eq!((reply.status, &reply.json()["path"]), (200, &"/accounts".into()));
        ids.insert(claims(&reply, "authorization")["jti"].to_string());
    }
    assert_eq!(ids.len(), 10);
    assert!(stage.bank.received().iter().all(|request| request.values("authorization").is_empty()));
}

#[tokio::test]
async fn the_token_can_be_put_into_another_header() {
    let mut settings = settings();
    settings["header"] = json!("x-jws-signature");
    let stage = Setup::new().response_token(&settings).start().await;
    let reply = call(&stage).await;
    claims(&reply, "x-jws-signature");
    assert_eq!(reply.header("authorization"), None);
}

#[tokio::test]
async fn an_error_of_the_gateway_for_an_accepted_request_carries_one_too() {
    let stage = Setup::new().response_token(&settings()).start().await;
    stage.bank.stop();
    let reply = call(&stage).await;
    assert_eq!(reply.status, 503);
    claims(&reply, "authorization");
}

#[tokio::test]
async fn whoever_was_refused_gets_no_token() {
    let stage = Setup::new().response_token(&settings()).start().await;
    let reply = stage.send_as_hub(&Request::new("GET", "/accounts")).await.reply();
    assert_eq!((reply.status, reply.header("authorization")), (401, None));
    let tpp = Request::with_token(&signed_by(&stage.pki.tpp));
    let reply = stage.send(Some(&stage.pki.tpp.transport), &tpp).await.reply();
    assert_eq!((reply.status, reply.header("authorization")), (403, None));
    assert!(stage.envoy.events("signed").is_empty());
}

#[tokio::test]
async fn a_response_that_can_not_be_signed_is_replaced() {
    let mut settings = settings();
    settings["keys"][0]["active_from"] = json!("2999-01-01T00:00:00Z");
    let stage = Setup::new().response_token(&settings).start().await;
    for what in ["of the bank", "of Envoy, because the bank is down"] {
        let reply = call(&stage).await;
        assert_eq!((reply.status, reply.error_code().as_deref()), (500, Some("GenericError")), "{what}");
        let message = reply.json()["errorMessage"].clone();
        assert_eq!(message, "No key to sign tokens with is active yet.", "{what}");
        stage.bank.stop();
    }
}

#[tokio::test]
async fn each_signature_is_one_line_of_the_log() {
    let stage = Setup::new().response_token(&settings()).start().await;
    let reply = call(&stage).await;
    let lines = stage.envoy.events("signed");
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert_eq!(lines[0]["jti"], claims(&reply, "authorization")["jti"]);
    assert_eq!((&lines[0]["x_fapi_interaction_id"], &lines[0]["signer"]), (&"f-1".into(), &"local".into()));
}
