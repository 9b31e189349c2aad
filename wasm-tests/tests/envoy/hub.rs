//! The Hub of the stage does what the tests of the outbound direction take for granted.

use wasm_tests::stage::PROVIDER_ID;
use wasm_tests::stage::client::{Connection, Outcome, Request};
use wasm_tests::stage::hub::Hub;
use wasm_tests::stage::keystore::Keystore;
use wasm_tests::stage::pki::{
    BANK_ORGANISATION, BANK_UNIT, CONSENT_MANAGER_NAME, HEADLESS_HEIMDALL_NAME, Identity, Pki,
};
use wasm_tests::stage::tokens::{Signer, Token, jwks, now};

use crate::schemas;

async fn started() -> (Hub, Keystore) {
    let pki = Pki::shared();
    let keystore = Keystore::start(&pki.keystore).await;
    keystore.publish(&pki.bank.subject, jwks([&pki.bank.signing]));
    (Hub::start(pki, keystore.publications()).await, keystore)
}

async fn send(hub: &Hub, identity: Option<&Identity>, request: &Request) -> Outcome {
    let root = Pki::shared().root();
    match Connection::open_to(CONSENT_MANAGER_NAME, hub.address(), &root, identity).await {
        Ok(mut connection) => connection.send(request).await,
        Err(reason) => Outcome::Refused(reason),
    }
}

fn signed(request: Request) -> Request {
    let bank = &Pki::shared().bank;
    let token = Token::new(&bank.subject, &bank.signing.kid, PROVIDER_ID, now());
    request.header("authorization", format!("Bearer {}", token.sign(Signer::Ps256(&bank.signing))))
}

#[tokio::test]
async fn with_c3_and_a_right_token_it_answers_what_it_received() {
    let (hub, _keystore) = started().await;
    let request = signed(Request::new("POST", "/consents?x=1")).body(b"{}");
    let reply = send(&hub, Some(&Pki::shared().bank.transport), &request).await.reply();
    assert_eq!(
        (reply.status, &reply.json()["path"], &reply.json()["body"]),
        (200, &"/consents?x=1".into(), &"{}".into())
    );

    let calls = hub.calls();
    assert_eq!(calls.len(), 1);
    assert_eq!(calls[0].server_name.as_deref(), Some(CONSENT_MANAGER_NAME));
    assert_eq!(calls[0].accepted().claims["iss"], BANK_ORGANISATION);
}

#[tokio::test]
async fn its_connection_check_has_the_shape_of_echo_cert() {
    let (hub, _keystore) = started().await;
    let request = signed(Request::new("GET", "/hello-mtls"));
    let reply = send(&hub, Some(&Pki::shared().bank.transport), &request).await.reply();
    assert_eq!(reply.status, 200);
    schemas::check("echo-cert", &reply.json()).expect("the schema");
    assert_eq!(reply.json()["hostName"], CONSENT_MANAGER_NAME);
    let subject = reply.json()["clientCertificate"]["subject"].as_str().map(ToOwned::to_owned);
    assert!(subject.is_some_and(|subject| subject.contains(BANK_UNIT)));
}

#[tokio::test]
async fn tls_refuses_whom_the_trust_framework_does_not_vouch_for() {
    let (hub, _keystore) = started().await;
    let pki = Pki::shared();
    for (what, identity) in [("nothing", None), ("another CA", Some(&pki.stranger)), ("expired", Some(&pki.expired))] {
        let outcome = send(&hub, identity, &signed(Request::new("GET", "/consents"))).await;
        assert!(matches!(outcome, Outcome::Refused(_)), "{what}: {outcome:?}");
    }
    assert_eq!((hub.calls(), hub.refused_handshakes()), (vec![], 3));
}

#[tokio::test]
async fn a_wrong_token_is_refused_and_says_why() {
    let (hub, _keystore) = started().await;
    let pki = Pki::shared();
    let cases = [
        ("no token", &pki.bank.transport, Request::new("GET", "/consents"), "0 times"),
        (
            "a token for another certificate",
            &pki.other_bank.transport,
            signed(Request::new("GET", "/consents")),
            "no keys",
        ),
    ];
    for (what, identity, request, reason) in cases {
        let reply = send(&hub, Some(identity), &request).await.reply();
        assert_eq!(reply.status, 401, "{what}");
        schemas::check("error", &reply.json()).expect("the schema");
        assert!(reply.json()["errorMessage"].as_str().is_some_and(|text| text.contains(reason)), "{}", reply.json());
        assert!(hub.calls().last().is_some_and(|call| call.verdict.is_err()), "{what}");
    }
}

#[tokio::test]
async fn responses_carry_what_they_are_told_to_and_stop_when_told_to() {
    let (hub, _keystore) = started().await;
    let bank = &Pki::shared().bank.transport;
    hub.respond_with(|| vec![("authorization".to_owned(), "Bearer x".to_owned())]);
    let reply = send(&hub, Some(bank), &signed(Request::new("GET", "/consents"))).await.reply();
    assert_eq!(reply.header("authorization"), Some("Bearer x"));

    hub.hang_up();
    let outcome = send(&hub, Some(bank), &signed(Request::new("GET", "/consents"))).await;
    assert!(matches!(outcome, Outcome::Refused(_)), "{outcome:?}");
    assert_eq!(hub.calls().len(), 2);
}

#[tokio::test]
async fn it_presents_one_certificate_for_both_hosts_and_another_when_told_to() {
    let (hub, _keystore) = started().await;
    let pki = Pki::shared();
    let bank = Some(&pki.bank.transport);
    for host in [CONSENT_MANAGER_NAME, HEADLESS_HEIMDALL_NAME] {
        assert!(Connection::open_to(host, hub.address(), &pki.root(), bank).await.is_ok(), "{host}");
    }
    hub.present(&pki.public_hub_server);
    assert!(Connection::open_to(CONSENT_MANAGER_NAME, hub.address(), &pki.root(), bank).await.is_err());
    assert!(Connection::open_to(CONSENT_MANAGER_NAME, hub.address(), &pki.public_root(), bank).await.is_ok());
}
