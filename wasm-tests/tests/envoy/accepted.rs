//! Requests that reach the bank, and what it then knows of their caller (spec §2.4, the `x-hub-*` headers).

use serde_json::json;
use wasm_tests::stage::client::Request;
use wasm_tests::stage::keystore::Fetch;
use wasm_tests::stage::pki::{ARABIC_HUB_UNIT, HUB_UNIT, KEYSTORE_NAME};
use wasm_tests::stage::subject::Subject;
use wasm_tests::stage::tokens::{Signer, Token, jwks, now};
use wasm_tests::stage::{PROVIDER_ID, Setup, Stage, signed_by, token_of};

#[tokio::test]
async fn the_bank_learns_who_called_and_never_sees_the_credential() {
    tells_the_bank_who_called(&Setup::new().start().await).await;
}

/// Asserts that the bank learns of its caller what it may, and nothing else, from a stage on which nothing was sent yet.
pub async fn tells_the_bank_who_called(stage: &Stage) {
    let hub = &stage.pki.hub;
    let token = token_of(hub);
    let request = Request::with_token(&token.sign(Signer::Ps256(&hub.signing))).header("x-fapi-interaction-id", "f-1");

    assert_eq!(stage.send_as_hub(&request).await.reply().status, 200);

    let received = stage.bank.take();
    assert_eq!(received.len(), 1);
    let at_bank = &received[0];
    assert_eq!((at_bank.method.as_str(), at_bank.path.as_str()), ("GET", "/accounts"));
    assert_eq!(at_bank.value("x-hub-auth-method"), Some("jwt_auth"));
    assert_eq!(at_bank.value("x-hub-client-organisation"), Some("Ozone Financial Technology, Limited"));
    assert_eq!(at_bank.value("x-hub-client-organisational-unit"), Some(HUB_UNIT));
    assert_eq!(at_bank.value("x-hub-token-id"), token.claims["jti"].as_str());
    assert_eq!(at_bank.value("x-fapi-interaction-id"), Some("f-1"));
    assert!(at_bank.values("authorization").is_empty());
}

#[tokio::test]
async fn an_arabic_organisation_is_accepted_and_named_in_utf_8() {
    let stage = Setup::new().pin(ARABIC_HUB_UNIT).start().await;
    let hub = &stage.pki.arabic_hub;

    let outcome = stage.send(Some(&hub.transport), &Request::with_token(&signed_by(hub))).await;

    assert_eq!(outcome.reply().status, 200);
    assert_eq!(stage.bank.received()[0].value("x-hub-client-organisation"), Some(hub.subject.organisation.as_str()));
}

#[tokio::test]
async fn the_keys_come_once_from_the_keystore_that_the_configuration_names() {
    let stage = Setup::new().start().await;
    let hub = &stage.pki.hub;
    for _ in 0..3 {
        assert_eq!(stage.send_as_hub(&Request::with_token(&signed_by(hub))).await.reply().status, 200);
    }
    let path = format!("/{}/{}/application.jwks", hub.subject.organisational_unit, hub.subject.common_name);
    let once = Fetch { method: "GET".to_owned(), path, host: KEYSTORE_NAME.to_owned() };
    assert_eq!(stage.keystore.fetches(), [once]);
}

#[tokio::test]
async fn names_are_percent_encoded_as_single_segments_of_the_keystores_path() {
    let stage = Setup::new().start().await;
    let subject = Subject::new("Ozone", HUB_UNIT, "a/b ../ç?x=1#y%2F");
    let signing = &stage.pki.hub.signing;
    stage.keystore.publish(&subject, jwks([signing]));
    let token = Token::new(&subject, &signing.kid, PROVIDER_ID, now()).sign(Signer::Ps256(signing));

    let outcome = stage.send(Some(&stage.pki.client(&subject)), &Request::with_token(&token)).await;

    assert_eq!(outcome.reply().status, 200);
    assert_eq!(stage.keystore.fetches_of(&subject), 1);
    assert_eq!(stage.keystore.fetches().len(), 1);
}

#[tokio::test]
async fn method_path_query_body_and_foreign_header_bytes_arrive_unchanged() {
    let stage = Setup::new().start().await;
    let body = vec![0x5a; 200_000];
    let request = Request::new("POST", "/payments?from=2026-11-21&x=%20y")
        .header("authorization", format!("Bearer {}", signed_by(&stage.pki.hub)))
        .header("x-bytes", b"caf\xe9 \xff")
        .header("x-twice", "1")
        .header("x-twice", "2")
        .body(&body);

    assert_eq!(stage.send_as_hub(&request).await.reply().status, 200);

    let received = stage.bank.received();
    let at_bank = &received[0];
    assert_eq!((at_bank.method.as_str(), at_bank.path.as_str()), ("POST", "/payments?from=2026-11-21&x=%20y"));
    assert_eq!(at_bank.values("x-bytes"), [b"caf\xe9 \xff".as_slice()]);
    assert_eq!(at_bank.values("x-twice"), [b"1", b"2"]);
    assert!(at_bank.body == body, "the body held back during the fetch arrives whole");
}

#[tokio::test]
async fn the_scheme_is_case_insensitive() {
    let stage = Setup::new().start().await;
    for scheme in ["Bearer", "bearer", "BEARER"] {
        let value = format!("{scheme} {}", signed_by(&stage.pki.hub));
        let request = Request::new("GET", "/accounts").header("authorization", value);
        assert_eq!(stage.send_as_hub(&request).await.reply().status, 200, "{scheme}");
    }
}

#[tokio::test]
async fn mtls_only_lets_the_pinned_hub_through_without_a_token() {
    let stage = Setup::new().auth(&json!({"mtls_only": {}})).start().await;

    assert_eq!(stage.send_as_hub(&Request::new("GET", "/accounts")).await.reply().status, 200);
    assert_eq!(stage.bank.received()[0].value("x-hub-auth-method"), Some("mtls_only"));

    let tpp = stage.send(Some(&stage.pki.tpp.transport), &Request::new("GET", "/accounts")).await.reply();
    assert_eq!((tpp.status, tpp.error_code().as_deref()), (403, Some("Certificate.NotAllowed")));
    assert_eq!(stage.bank.received().len(), 1);
}

#[tokio::test]
async fn an_error_of_the_bank_passes_through_and_its_absence_has_the_standards_shape() {
    let stage = Setup::new().start().await;
    assert_eq!(stage.send_as_hub(&Request::with_token(&signed_by(&stage.pki.hub))).await.reply().status, 200);
    stage.bank.stop();
    let reply = stage.send_as_hub(&Request::with_token(&signed_by(&stage.pki.hub))).await.reply();
    assert_eq!((reply.status, reply.error_code().as_deref()), (503, Some("GenericError")));
    assert_eq!(reply.header("content-type"), Some("application/json"));
}
