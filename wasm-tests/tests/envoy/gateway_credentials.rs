//! Credentials that Envoy adds to the filter's callouts and that the filter never has: read from a file that is replaced while
//! requests come, with no restart and no refused request.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tokio::time::sleep;
use wasm_tests::stage::authorisation_server::{
    AUDIENCE, GATEWAY_ID, GATEWAY_SECRET, Grant, INTROSPECTION_PATH, ISSUER,
};
use wasm_tests::stage::client::{Reply, Request};
use wasm_tests::stage::envoy::Envoy;
use wasm_tests::stage::openbao::OpenBao;
use wasm_tests::stage::pki::Pki;
use wasm_tests::stage::sds::Secret;
use wasm_tests::stage::{OutboundSetup, OutboundStage, REMOTE_KEY_ID, Setup, Stage};

/// Waits until Envoy has taken over so many versions of a secret.
pub(super) async fn has_taken_over(envoy: &Envoy, secret: &str, versions: u64) {
    let counter = format!("{secret}.update_success");
    for _ in 0..200 {
        let found = envoy.stats(&counter).await;
        if found.values().copied().max() >= Some(versions) {
            return;
        }
        sleep(Duration::from_millis(50)).await;
    }
    panic!("{counter} stays below {versions}: {:?}", envoy.stats("update_").await);
}

async fn send(stage: &OutboundStage) -> Reply {
    stage.send_to_consent_manager(&Request::new("POST", "/consents").body(b"{}")).await.reply()
}

/// Nothing of the credentials is where the filter's settings are, or in the log.
async fn nobody_sees(envoy: &Envoy, secrets: &[&str]) {
    let shown = envoy.config_dump().await;
    for secret in secrets {
        assert!(!envoy.log().contains(secret), "{}", envoy.log());
        assert!(!shown.contains(secret), "Envoy's admin page shows a credential");
    }
}

#[tokio::test]
async fn a_token_of_openbao_that_envoy_adds_is_replaced_while_requests_come() {
    let files = tempfile::tempdir().expect("a temporary directory");
    let openbao = OpenBao::start(Pki::shared(), files.path()).await;
    let first = openbao.transit().token(600).await;
    let secret = Secret::new("bao_token", &first);
    let stage =
        OutboundSetup::new().remote_signer_with_token_of_gateway(openbao.address(), &secret, &json!({})).start().await;
    let jwk = openbao.transit().jwk(1, REMOTE_KEY_ID).await;
    stage.keystore.publish(&Pki::shared().bank.subject, json!({ "keys": [jwk] }));
    assert_eq!(send(&stage).await.status, 200, "{}", stage.envoy.log());

    // Requests come without a break while the token is replaced and the old one ends.
    let second = openbao.transit().token(600).await;
    let rotate = async {
        secret.replace(&second);
        has_taken_over(&stage.envoy, "bao_token", 2).await;
        openbao.revoke(&first).await;
        sleep(Duration::from_millis(300)).await;
    };
    tokio::pin!(rotate);
    let mut statuses = Vec::new();
    loop {
        tokio::select! {
            biased;
            reply = send(&stage) => statuses.push(reply.status),
            () = &mut rotate => break,
        }
    }
    for _ in 0..3 {
        statuses.push(send(&stage).await.status);
    }
    assert!(statuses.len() > 10 && statuses.iter().all(|status| *status == 200), "{statuses:?}");
    for call in stage.hub.calls() {
        call.accepted();
    }

    // It is Envoy's token that counts: with none that is good nothing is signed, and the log says where to look.
    openbao.revoke(&second).await;
    let refused = send(&stage).await;
    assert_eq!((refused.status, refused.error_code().as_deref()), (500, Some("GenericError")));
    let log = stage.envoy.log();
    assert!(log.contains("status 403 instead of 200: the token that the gateway adds is missing"), "{log}");
    nobody_sees(&stage.envoy, &[&first, &second]).await;
}

/// Tokens are opaque, and the server is asked about each request's.
fn by_introspection() -> Value {
    json!({ "client_credentials": {
        "issuer": ISSUER, "audience": AUDIENCE, "scopes": ["accounts"],
        "introspection": {
            "url": format!("{ISSUER}{INTROSPECTION_PATH}"), "upstream": "authorisation_server", "max_age": "0s",
            "negative_max_age": "0s", "client_id": GATEWAY_ID, "client_secret": {"added_by": "gateway"},
        },
    }})
}

async fn hub_sends(stage: &Stage, token: &str) -> u16 {
    stage.send_as_hub(&Request::with_token(token)).await.reply().status
}

#[tokio::test]
async fn a_client_secret_that_envoy_adds_is_replaced_without_a_restart() {
    let basic = |secret: &str| format!("Basic {}", STANDARD.encode(format!("{GATEWAY_ID}:{secret}")));
    // Its secret has characters that stand otherwise in a form (RFC 6749 §2.3.1).
    let (right, wrong) = (basic("a+secret%3A+100%25+%2B+of+the+gateway"), basic("not-the-secret"));
    let secret = Secret::new("introspection_credential", &right);
    let setup = Setup::new().authorisation_server().introspection_credential(&secret).auth(&by_introspection());
    let stage = setup.start().await;
    let token = stage.authorisation_server().token(&Grant::opaque()).await;
    assert_eq!(hub_sends(&stage, &token).await, 200, "{}", stage.envoy.log());

    secret.replace(&wrong);
    has_taken_over(&stage.envoy, "introspection_credential", 2).await;
    assert_eq!(hub_sends(&stage, &token).await, 503, "the bank's own fault is not the Hub's");
    secret.replace(&right);
    has_taken_over(&stage.envoy, "introspection_credential", 3).await;
    sleep(Duration::from_millis(1100)).await;
    assert_eq!(hub_sends(&stage, &token).await, 200, "{}", stage.envoy.log());
    nobody_sees(&stage.envoy, &[GATEWAY_SECRET, right.trim_start_matches("Basic "), &token]).await;
}
