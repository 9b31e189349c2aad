//! Both directions in one: what one Envoy signs is accepted by the filter in another, and the answer likewise. The second
//! Envoy has the shipped inbound configuration and stands for the Hub's Consent Manager.

use serde_json::json;
use tokio::task::JoinSet;
use wasm_tests::stage::client::{Connection, Request};
use wasm_tests::stage::pki::{BANK_ORGANISATION, BANK_UNIT, CONSENT_MANAGER_NAME, HUB_UNIT, Pki};
use wasm_tests::stage::{OutboundSetup, PROVIDER_ID, Setup, Stage};

/// An inbound Envoy that has the Consent Manager's certificate and admits the bank.
fn consent_manager() -> Setup {
    Setup::new()
        .certificate(&Pki::shared().hub_server)
        .edit(&format!(r#"["{HUB_UNIT}"]"#), &format!(r#"["{BANK_UNIT}"]"#))
}

fn to(inbound: &Stage) -> OutboundSetup {
    OutboundSetup::new().consent_manager(inbound.envoy.address())
}

#[tokio::test]
async fn what_the_outbound_filter_signs_the_inbound_filter_accepts() {
    let inbound = consent_manager().start().await;
    let outbound = to(&inbound).start().await;
    let request = Request::new("POST", "/consents?x=1").header("x-fapi-interaction-id", "f-1").body(b"{}");

    let reply = outbound.send_to_consent_manager(&request).await.reply();

    assert_eq!((reply.status, &reply.json()["body"]), (200, &"{}".into()), "{}", reply.json());
    let received = inbound.bank.received();
    assert_eq!(received.len(), 1);
    let arrived = &received[0];
    assert_eq!((arrived.method.as_str(), arrived.path.as_str()), ("POST", "/consents?x=1"));
    assert_eq!(arrived.value("x-hub-auth-method"), Some("jwt_auth"));
    assert_eq!(arrived.value("x-hub-client-organisation"), Some(BANK_ORGANISATION));
    assert_eq!(arrived.value("x-hub-client-organisational-unit"), Some(BANK_UNIT));
    assert_eq!(arrived.value("x-fapi-interaction-id"), Some("f-1"));
    let id = arrived.value("x-hub-token-id").expect("the token's id");
    assert!(outbound.envoy.log().contains(&format!(r#""jti":"{id}""#)), "the audit trail names {id}");
}

#[tokio::test]
async fn no_token_is_taken_for_a_replay_of_another() {
    let upstream = r#""upstream": "keystore""#;
    let replay = format!(r#"{upstream}, "replay_detection": "gateway""#);
    let inbound = consent_manager().workers(2).edit(upstream, &replay).start().await;
    let outbound = to(&inbound).workers(2).start().await;
    let mut sending = JoinSet::new();
    for _ in 0..10 {
        let mut connection =
            Connection::open_plain(outbound.envoy.address(), CONSENT_MANAGER_NAME).await.expect("a connection");
        sending.spawn(async move {
            let mut statuses = Vec::new();
            for _ in 0..10 {
                statuses.push(connection.send(&Request::new("GET", "/consents")).await.reply().status);
            }
            statuses
        });
    }
    let statuses: Vec<u16> = sending.join_all().await.into_iter().flatten().collect();
    assert_eq!(statuses, [200; 100]);
}

#[tokio::test]
async fn a_bank_that_names_itself_otherwise_than_its_certificate_is_refused() {
    let inbound = consent_manager().start().await;
    for (from, to_) in [("\"Example Bank PJSC\"", "\"Another Bank PJSC\""), (BANK_UNIT, HUB_UNIT)] {
        let outbound = to(&inbound).edit(from, to_).start().await;
        let reply = outbound.send_to_consent_manager(&Request::new("GET", "/consents")).await.reply();
        assert_eq!((reply.status, reply.error_code().as_deref()), (401, Some("JWS.InvalidClaim")));
    }
    assert_eq!(inbound.bank.received(), []);
}

#[tokio::test]
async fn a_token_on_the_response_is_verified_on_the_way_back() {
    let token = json!({
        "audience": PROVIDER_ID,
        "certificate": {"organisation": BANK_ORGANISATION, "organisational_unit": BANK_UNIT},
        "keys": [{"kid": "sig4-2026-05", "private_key": {"env": "SIG4_PRIVATE_KEY"}}],
    });
    let signer = &Pki::shared().bank.subject;
    let verification = json!({
        "mode": "require",
        "hub": {
            "organisation": signer.organisation,
            "organisational_unit": signer.organisational_unit,
            "common_name": signer.common_name,
        },
    });
    let signing = consent_manager().response_token(&token).start().await;
    let outbound = to(&signing).verify_responses(&verification).start().await;
    let reply = outbound.send_to_consent_manager(&Request::new("GET", "/consents")).await.reply();
    assert_eq!(reply.status, 200, "{}", reply.json());

    let silent = consent_manager().start().await;
    let outbound = to(&silent).verify_responses(&verification).start().await;
    let reply = outbound.send_to_consent_manager(&Request::new("GET", "/consents")).await.reply();
    assert_eq!((reply.status, reply.error_code().as_deref()), (502, Some("Response.NotVerified")));
}
