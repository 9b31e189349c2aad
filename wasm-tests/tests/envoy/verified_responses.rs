//! The Hub's tokens on its responses (spec §1, *outbound response*): who is believed, and what becomes of the others.

use serde_json::{Value, json};
use wasm_tests::stage::client::{Reply, Request};
use wasm_tests::stage::keystore::Behaviour;
use wasm_tests::stage::pki::Pki;
use wasm_tests::stage::tokens::{Signer, SigningKey, Token, jwks, now};
use wasm_tests::stage::{OutboundSetup, OutboundStage, PROVIDER_ID};

/// A token of the Hub, right in everything.
fn right() -> Token {
    let hub = &Pki::shared().hub;
    Token::new(&hub.subject, &hub.signing.kid, PROVIDER_ID, now())
}

fn line(name: &str, value: String) -> Vec<(String, String)> {
    vec![(name.to_owned(), value)]
}

fn bearer(token: &Token, key: &SigningKey) -> String {
    format!("Bearer {}", token.sign(Signer::Ps256(key)))
}

type Headers = fn() -> Vec<(String, String)>;

/// Responses that are not verified, and what the log says of them.
fn wrong_ones() -> [(&'static str, Headers, &'static str); 9] {
    [
        ("no token", Vec::new, "no token"),
        ("two tokens", || [right_line(), right_line()].concat(), "more than one token"),
        ("another header", || line("x-jws", right_value()), "no token"),
        ("another scheme", || line("authorization", right_value().replace("Bearer", "Basic")), "Bearer"),
        ("the bank's own key", || line("authorization", bearer(&right(), &Pki::shared().bank.signing)), "signature"),
        (
            "another audience",
            || line("authorization", bearer(&right().claim("aud", "corporate"), &Pki::shared().hub.signing)),
            "aud",
        ),
        (
            "another issuer",
            || line("authorization", bearer(&right().claim("iss", "Example Bank PJSC"), &Pki::shared().hub.signing)),
            "iss",
        ),
        (
            "expired",
            || line("authorization", bearer(&right().valid(now() - 60, now() - 30), &Pki::shared().hub.signing)),
            "exp",
        ),
        // Last, because it uses up the one extra fetch.
        (
            "an unknown kid",
            || line("authorization", bearer(&right().header("kid", "unheard-of"), &Pki::shared().hub.signing)),
            "kid",
        ),
    ]
}

fn right_value() -> String {
    bearer(&right(), &Pki::shared().hub.signing)
}

fn right_line() -> Vec<(String, String)> {
    line("authorization", right_value())
}

async fn verifying(settings: Value) -> OutboundStage {
    let stage = OutboundSetup::new().verify_responses(&settings).start().await;
    stage.hub.respond_with(right_line);
    stage
}

async fn call(stage: &OutboundStage) -> Reply {
    let request = Request::new("POST", "/consents").header("x-fapi-interaction-id", "f-1").body(b"{}");
    stage.send_to_consent_manager(&request).await.reply()
}

fn is_replaced(what: &str, reply: &Reply) {
    assert_eq!((reply.status, reply.error_code().as_deref()), (502, Some("Response.NotVerified")), "{what}");
    assert_eq!(reply.header("content-type"), Some("application/json"), "{what}");
    let body = reply.json();
    let members: Vec<&String> = body.as_object().expect("an object").keys().collect();
    assert_eq!(members, ["errorCode", "errorMessage"], "{what}: nothing of the response is left");
}

#[tokio::test]
async fn a_response_with_a_right_token_arrives_as_it_was() {
    let stage = verifying(json!({"mode": "require"})).await;
    for _ in 0..3 {
        let reply = call(&stage).await;
        assert_eq!((reply.status, &reply.json()["path"]), (200, &"/consents".into()), "{}", reply.json());
    }
    assert_eq!(stage.keystore.fetches_of(&stage.pki.hub.subject), 1, "the keys are fetched once");
}

#[tokio::test]
async fn where_it_is_required_a_response_without_a_right_token_is_replaced() {
    let stage = verifying(json!({"mode": "require"})).await;
    for (what, headers, reason) in wrong_ones() {
        stage.hub.respond_with(headers);
        is_replaced(what, &call(&stage).await);
        let last = stage.envoy.events("refused").pop().expect("a line");
        assert_eq!(last["x_fapi_interaction_id"], "f-1", "{what}");
        assert!(last["reason"].as_str().is_some_and(|text| text.contains(reason)), "{what}: {last}");
    }
    assert_eq!(stage.envoy.events("refused").len(), wrong_ones().len());
    assert_eq!(stage.hub.calls().len(), wrong_ones().len(), "the Hub had the requests");
    stage.hub.respond_with(right_line);
    assert_eq!(call(&stage).await.status, 200);
}

#[tokio::test]
async fn require_is_the_default() {
    let stage = verifying(json!({})).await;
    stage.hub.respond_with(Vec::new);
    is_replaced("no token", &call(&stage).await);
}

#[tokio::test]
async fn where_it_is_only_reported_every_response_arrives_and_the_log_has_the_reason() {
    let stage = verifying(json!({"mode": "report"})).await;
    for (what, headers, reason) in wrong_ones() {
        stage.hub.respond_with(headers);
        let reply = call(&stage).await;
        assert_eq!((reply.status, &reply.json()["path"]), (200, &"/consents".into()), "{what}");
        let last = stage.envoy.events("tolerated").pop().expect("a line");
        assert!(last["reason"].as_str().is_some_and(|text| text.contains(reason)), "{what}: {last}");
    }
    stage.hub.respond_with(right_line);
    assert_eq!(call(&stage).await.status, 200);
    let tolerated = stage.envoy.stats("tolerated").await;
    let count = u64::try_from(wrong_ones().len()).expect("a few");
    let name =
        "wasmcustom.hub_auth_filter.responses_total.direction.outbound.outcome.tolerated.code.Response.NotVerified";
    assert_eq!(tolerated.get(name), Some(&count), "{tolerated:?}");
}

#[tokio::test]
async fn the_token_may_come_in_another_header() {
    let stage = verifying(json!({"header": "x-jws-signature"})).await;
    is_replaced("authorization instead", &call(&stage).await);
    stage.hub.respond_with(|| line("x-jws-signature", right_value()));
    assert_eq!(call(&stage).await.status, 200);
}

#[tokio::test]
async fn a_new_key_of_the_hub_is_fetched_when_a_response_names_it() {
    let stage = verifying(json!({})).await;
    let (hub, next) = (&stage.pki.hub, &stage.pki.next_signing);
    assert_eq!(call(&stage).await.status, 200);
    stage.keystore.publish(&hub.subject, jwks([&hub.signing, next]));
    stage.hub.respond_with(|| {
        let next = &Pki::shared().next_signing;
        line("authorization", bearer(&right().header("kid", next.kid.as_str()), next))
    });
    let reply = call(&stage).await;
    assert_eq!(reply.status, 200, "{}", reply.json());
    assert_eq!(stage.keystore.fetches_of(&hub.subject), 2);
}

#[tokio::test]
async fn an_unknown_kid_costs_one_fetch_however_often_it_comes() {
    let stage = verifying(json!({})).await;
    assert_eq!(call(&stage).await.status, 200);
    stage.hub.respond_with(|| {
        line("authorization", bearer(&right().header("kid", "unheard-of"), &Pki::shared().hub.signing))
    });
    for _ in 0..4 {
        is_replaced("an unknown kid", &call(&stage).await);
    }
    assert_eq!(stage.keystore.fetches_of(&stage.pki.hub.subject), 2);
}

#[tokio::test]
async fn while_the_keystore_is_down_cached_keys_serve() {
    let stage = verifying(json!({})).await;
    assert_eq!(call(&stage).await.status, 200);
    stage.keystore.down().await;
    assert_eq!(call(&stage).await.status, 200);
}

#[tokio::test]
async fn without_keys_a_request_that_could_not_be_verified_is_not_sent() {
    let stage = verifying(json!({"mode": "require"})).await;
    stage.keystore.behave(Behaviour::status(500));
    let reply = call(&stage).await;
    assert_eq!((reply.status, reply.error_code().as_deref()), (503, Some("GenericRecoverableError")));
    assert!(reply.header("retry-after").is_some());
    assert_eq!(stage.hub.calls(), [], "a POST whose response would be thrown away");
    assert!(stage.envoy.events("signed").is_empty());
}

#[tokio::test]
async fn without_keys_report_lets_everything_through() {
    let stage = verifying(json!({"mode": "report"})).await;
    stage.keystore.behave(Behaviour::status(500));
    assert_eq!(call(&stage).await.status, 200);
    assert_eq!(stage.hub.calls().len(), 1);
    assert_eq!(stage.envoy.events("tolerated").len(), 1);
}

#[tokio::test]
async fn an_answer_of_envoy_itself_is_not_taken_for_the_hubs() {
    let stage = verifying(json!({"mode": "require"})).await;
    assert_eq!(call(&stage).await.status, 200);
    stage.hub.hang_up();
    is_replaced("the Hub hung up", &call(&stage).await);
}
