//! Requests to the Hub that are signed by a key in a hardware security module, SoftHSM, behind `hub-auth signer`: also when the token is
//! taken out and put back.

use std::time::{Duration, Instant};

use serde_json::json;
use tokio::time::sleep;
use wasm_tests::stage::client::Request;
use wasm_tests::stage::module_signer::{CLIENT_TOKEN, ModuleSigner, tool_beside};
use wasm_tests::stage::openbao::jwk;
use wasm_tests::stage::softhsm::{Softhsm, is_installed};
use wasm_tests::stage::{OutboundSetup, OutboundStage, REMOTE_KEY_ID};

use crate::table::{Expected, Section, Table};

/// How long the gateway may keep away from a signer that failed.
const PATIENCE: Duration = Duration::from_secs(30);

/// The section, where there is a SoftHSM.
pub async fn play(table: &mut Table) {
    if !is_installed() {
        println!("\nOutbound, a key in an HSM: not played, as there is no SoftHSM (make softhsm, or set SOFTHSM).");
        return;
    }
    let mut section = table.section("outbound", "Outbound, a key in an HSM: SoftHSM signs, behind hub-auth signer");
    let (module, tool) = (Softhsm::new(), tool_beside());
    module.make_key(&tool, "sig4");
    let signer = ModuleSigner::on_socket(&tool, &module, "sig4", &["--kid", REMOTE_KEY_ID]).await;
    let stage = OutboundSetup::new().module_signer(signer.listen(), CLIENT_TOKEN, &json!({})).start().await;
    let key = jwk(&signer.public_key().await, REMOTE_KEY_ID);
    stage.keystore.publish(&stage.pki.bank.subject, json!({"keys": [key]}));

    let signed = Expected::Signed(REMOTE_KEY_ID);
    send(&mut section, &stage, "POST to the Consent Manager", signed).await;
    send(&mut section, &stage, "another one", signed).await;
    module.take_out();
    send(&mut section, &stage, "the token is taken out of its slot", Expected::Refused(503, "GenericRecoverableError"))
        .await;
    module.put_back();
    signer.until_health_is(200).await;
    until_signed(&stage).await;
    send(&mut section, &stage, "put back: nobody restarted anything", signed).await;
    // The one that waited for the gateway, too.
    section.end_outbound(&[&stage], 1);
}

async fn send(section: &mut Section<'_>, stage: &OutboundStage, what: &str, expected: Expected) {
    section.row(what, expected, stage.send_to_consent_manager(&post()).await);
}

/// Waits until the gateway asks again: it pauses after failures.
async fn until_signed(stage: &OutboundStage) {
    let started = Instant::now();
    while stage.send_to_consent_manager(&post()).await.reply().status != 200 {
        assert!(started.elapsed() < PATIENCE, "the signer is not asked again");
        sleep(Duration::from_millis(100)).await;
    }
}

fn post() -> Request {
    Request::new("POST", "/consents").body(b"{}")
}
