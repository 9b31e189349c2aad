//! Requests of the Hub and of others.

use std::time::{Duration, Instant};

use serde_json::json;
use tokio::time::sleep;
use wasm_tests::chart::named;
use wasm_tests::stage::PROVIDER_ID;
use wasm_tests::stage::client::Outcome;
use wasm_tests::stage::crl::Crl;
use wasm_tests::stage::pki::{BANK_ORGANISATION, BANK_UNIT, Pki};

use super::pod::{Pod, mount};
use super::right;
use crate::{peers, refusals};

#[tokio::test]
async fn the_hub_is_let_in_and_every_wrong_request_is_refused() {
    let stage = Pod::new(&json!({})).setup().start().await;
    refusals::refuses_every_wrong_request(&stage).await;
    assert_eq!(stage.send_as_hub(&right(&stage)).await.reply().status, 200);
}

#[tokio::test]
async fn whoever_is_not_the_hub_is_refused_and_nothing_forged_reaches_the_bank() {
    let stage = Pod::new(&json!({})).setup().start().await;
    peers::withstands_whoever_is_not_the_hub(&stage).await;
}

#[tokio::test]
async fn a_variable_of_the_values_signs_responses() {
    let token = json!({
        "audience": PROVIDER_ID,
        "certificate": {"organisation": BANK_ORGANISATION, "organisational_unit": BANK_UNIT},
        "keys": [{"kid": "sig4-2026-05", "private_key": {"env": "SIG4_PRIVATE_KEY"}}],
    });
    let pod = Pod::new(&json!({
        "filter": {"inbound": {"response_token": token}},
        "variables": [{"name": "SIG4_PRIVATE_KEY", "secret": "sig4", "key": "key"}],
    }));
    let container = &named(&pod.manifests, "Deployment", "ozone-connect")["spec"]["template"]["spec"]["containers"][0];
    let from = json!({"secretKeyRef": {"name": "sig4", "key": "key"}});
    assert_eq!(container["env"], json!([{"name": "SIG4_PRIVATE_KEY", "valueFrom": from}]));
    let stage = pod.setup().start().await;
    let reply = stage.send_as_hub(&right(&stage)).await.reply();
    assert_eq!(reply.status, 200);
    assert!(reply.header("authorization").is_some_and(|value| value.starts_with("Bearer ")), "{reply:?}");
}

#[tokio::test]
async fn a_crl_that_the_kubelet_replaces_counts_without_a_restart() {
    let pki = Pki::shared();
    let pod = Pod::new(&json!({}));
    let stage = pod.setup().start().await;
    assert_eq!(stage.send_as_hub(&right(&stage)).await.reply().status, 200);
    mount(
        &stage.file("kubelet"),
        Crl::pem(&Crl::lasting(2, -60, 3600).revoking(&pki.hub.transport).issued(pki)).as_bytes(),
    );
    let started = Instant::now();
    while matches!(stage.send_as_hub(&right(&stage)).await, Outcome::Reply(_)) {
        assert!(started.elapsed() < Duration::from_secs(10), "the certificate is revoked");
        sleep(Duration::from_millis(50)).await;
    }
    let another = stage.send(Some(&pki.client(&pki.hub.subject)), &right(&stage)).await;
    assert_eq!(another.reply().status, 200);
}
