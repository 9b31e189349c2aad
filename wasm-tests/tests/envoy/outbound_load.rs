//! Much at once: bodies that are larger than what Envoy holds back, and requests that all wait for the same keys and each
//! for a signature of its own.

use std::collections::BTreeSet;

use serde_json::json;
use tokio::task::JoinSet;
use wasm_tests::stage::client::{Connection, Request};
use wasm_tests::stage::openbao::OpenBao;
use wasm_tests::stage::pki::{CONSENT_MANAGER_NAME, Pki};
use wasm_tests::stage::tokens::{Signer, Token, now};
use wasm_tests::stage::{OutboundSetup, PROVIDER_ID, REMOTE_KEY_ID};

/// Larger than all buffers on the way together.
const LARGE: usize = 2 * 1024 * 1024;

fn right_line() -> Vec<(String, String)> {
    let hub = &Pki::shared().hub;
    let token = Token::new(&hub.subject, &hub.signing.kid, PROVIDER_ID, now()).sign(Signer::Ps256(&hub.signing));
    vec![("authorization".to_owned(), format!("Bearer {token}"))]
}

#[tokio::test]
async fn large_bodies_pass_whole_or_not_at_all() {
    let files = tempfile::tempdir().expect("a temporary directory");
    let openbao = OpenBao::start(Pki::shared(), files.path()).await;
    let token = openbao.transit().token(600).await;
    let setup = OutboundSetup::new().remote_signer(openbao.address(), &token, &json!({})).verify_responses(&json!({}));
    let stage = setup.start().await;
    let jwk = openbao.transit().jwk(1, REMOTE_KEY_ID).await;
    stage.keystore.publish(&stage.pki.bank.subject, json!({ "keys": [jwk] }));

    let body = vec![b'a'; LARGE];
    let request = Request::new("POST", "/consents").body(&body);
    stage.hub.respond_with(right_line);
    let reply = stage.send_to_consent_manager(&request).await.reply();
    assert_eq!(reply.status, 200);
    assert_eq!(reply.json()["body"].as_str().map(str::len), Some(LARGE), "the Hub echoes it");
    assert_eq!(stage.hub.calls()[0].request.body.len(), LARGE);

    stage.hub.respond_with(Vec::new);
    let reply = stage.send_to_consent_manager(&request).await.reply();
    assert_eq!((reply.status, reply.error_code().as_deref()), (502, Some("Response.NotVerified")));
    assert!(reply.body.len() < 1000, "{} bytes", reply.body.len());
}

#[tokio::test]
async fn two_hundred_requests_at_once_each_get_a_token_and_share_one_fetch_of_keys() {
    let files = tempfile::tempdir().expect("a temporary directory");
    let openbao = OpenBao::start(Pki::shared(), files.path()).await;
    let token = openbao.transit().token(600).await;
    let setup = OutboundSetup::new().workers(4).remote_signer(openbao.address(), &token, &json!({}));
    let stage = setup.verify_responses(&json!({})).start().await;
    let jwk = openbao.transit().jwk(1, REMOTE_KEY_ID).await;
    stage.keystore.publish(&stage.pki.bank.subject, json!({ "keys": [jwk] }));
    stage.hub.respond_with(right_line);

    let mut senders = JoinSet::new();
    for _ in 0..200 {
        let mut connection =
            Connection::open_plain(stage.envoy.address(), CONSENT_MANAGER_NAME).await.expect("a connection");
        senders.spawn(async move { connection.send(&Request::new("GET", "/consents")).await.reply().status });
    }
    let statuses = senders.join_all().await;
    assert!(statuses.iter().all(|status| *status == 200), "{statuses:?}");
    let calls = stage.hub.calls();
    let ids: BTreeSet<_> = calls.iter().map(|call| call.accepted().claims["jti"].to_string()).collect();
    assert_eq!((calls.len(), ids.len()), (200, 200));
    assert_eq!(stage.envoy.stats("about.jwks.outcome.succeeded").await.values().sum::<u64>(), 1);
    assert_eq!(stage.envoy.log().matches(r#""event":"signed""#).count(), 200);
}
