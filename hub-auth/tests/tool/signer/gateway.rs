//! A real Envoy with the filter, the daemon behind a socket in the file system, and a key in SoftHSM.

use serde_json::json;
use wasm_tests::stage::client::{Reply, Request};
use wasm_tests::stage::module_signer::{CLIENT_TOKEN, ModuleSigner};
use wasm_tests::stage::openbao::jwk;
use wasm_tests::stage::{OutboundSetup, OutboundStage, REMOTE_KEY_ID};

use super::{LABEL, module, tool};

async fn send(stage: &OutboundStage) -> Reply {
    stage.send_to_consent_manager(&Request::new("POST", "/consents").body(b"{}")).await.reply()
}

/// The Hub of the stage verifies each token with another library, by the key that the token tells.
#[tokio::test]
async fn every_token_at_the_hub_is_by_the_key_in_the_module() {
    let module = module();
    let signer = ModuleSigner::on_socket(tool(), &module, LABEL, &["--kid", REMOTE_KEY_ID]).await;
    let stage = OutboundSetup::new().module_signer(signer.listen(), CLIENT_TOKEN, &json!({})).start().await;
    let key = jwk(&signer.public_key().await, REMOTE_KEY_ID);
    stage.keystore.publish(&stage.pki.bank.subject, json!({"keys": [key]}));
    for _ in 0..10 {
        let reply = send(&stage).await;
        assert_eq!(reply.status, 200, "{} {}", reply.json(), signer.log());
    }
    let lines = signer.events("signature");
    assert_eq!(lines.len(), 10);
    assert!(lines.iter().all(|line| line["outcome"] == "signed" && line["kid"] == REMOTE_KEY_ID), "{lines:?}");
    let calls = stage.hub.calls().len();
    assert_eq!(calls, 10);

    module.take_out();
    let reply = send(&stage).await;
    assert_eq!((reply.status, reply.error_code().as_deref()), (503, Some("GenericRecoverableError")));
    assert_eq!(stage.hub.calls().len(), calls, "nothing leaves unsigned");
    module.put_back();
    signer.until_health_is(200).await;
    let started = std::time::Instant::now();
    while send(&stage).await.status != 200 {
        assert!(started.elapsed() < std::time::Duration::from_secs(20), "{}", stage.envoy.log());
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
}

#[tokio::test]
async fn a_gateway_that_says_another_token_gets_no_signature_and_sends_nothing() {
    let module = module();
    let signer = ModuleSigner::on_port(tool(), &module, LABEL, &[]).await;
    let stage =
        OutboundSetup::new().module_signer(signer.listen(), "another-token-than-the-one-that-it-knows", &json!({}));
    let stage = stage.start().await;
    let reply = send(&stage).await;
    assert_eq!((reply.status, reply.error_code().as_deref()), (500, Some("GenericError")));
    assert!(stage.hub.calls().is_empty());
    assert!(signer.events("signature").iter().all(|line| line["status"] == 403));
}
