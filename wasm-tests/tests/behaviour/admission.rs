//! Requests that the bank gets to see, and what it sees of them.

use serde_json::json;
use wasm_tests::host::{Answer, Module, Peer, Request};
use wasm_tests::stage::pki::Pki;
use wasm_tests::stage::tokens::{Signer, Token, jwks};

use super::scene::*;

#[test]
fn the_bank_learns_who_called_and_does_not_get_the_token() {
    let gateway = start();
    let token = token(&gateway).claim("jti", "8d5bd4e6-7f0a-4a24-9f58-0b0c1c7b2f6e");
    let exchange =
        send(&gateway, with(&token.sign(Signer::Ps256(&hub().signing))).header("accept", "application/json"));
    let upstream = exchange.upstream().expect("admitted");
    assert!(!upstream.has("authorization"));
    assert_eq!(upstream.text("x-hub-auth-method").as_deref(), Some("jwt_auth"));
    assert_eq!(upstream.text("x-hub-client-organisation").as_deref(), Some(hub().subject.organisation.as_str()));
    assert_eq!(
        upstream.text("x-hub-client-organisational-unit").as_deref(),
        Some(hub().subject.organisational_unit.as_str())
    );
    assert_eq!(upstream.text("x-hub-token-id").as_deref(), Some("8d5bd4e6-7f0a-4a24-9f58-0b0c1c7b2f6e"));
    assert_eq!(upstream.text("accept").as_deref(), Some("application/json"), "everything else stays");
}

#[test]
fn with_cached_keys_a_request_is_admitted_at_once_and_with_the_same_headers() {
    let gateway = start();
    let first = send(&gateway, right(&gateway)).upstream().expect("admitted");
    let second = gateway.worker(0).send(right(&gateway)).upstream().expect("admitted without waiting");
    assert_eq!(gateway.callouts().len(), 1);
    for name in ["x-hub-auth-method", "x-hub-client-organisation", "x-hub-client-organisational-unit"] {
        assert_eq!(first.text(name), second.text(name));
    }
}

#[test]
fn an_organisation_named_in_arabic_is_admitted_under_its_name() {
    let arabic = &Pki::shared().arabic_hub;
    let mut configuration = jwt_auth();
    configuration["inbound"]["peer"]["organisational_units"] = json!([arabic.subject.organisational_unit]);
    let keys = Answer::ok(jwks([&arabic.signing]).to_string());
    let keystore = wasm_tests::host::Upstream::new().route(jwks_path(&arabic.subject), keys);
    let gateway = envoy(&configuration).upstream(KEYSTORE, keystore).start(Module::release()).unwrap();
    let token = Token::new(&arabic.subject, &arabic.signing.kid, PROVIDER, gateway.now().as_secs());
    let request = Request::get("/accounts")
        .peer(Peer::verified(printed(&arabic.subject)))
        .header("authorization", format!("Bearer {}", token.sign(Signer::Ps256(&arabic.signing))));
    let upstream = send(&gateway, request).upstream().expect("admitted");
    assert_eq!(upstream.text("x-hub-client-organisation").as_deref(), Some(arabic.subject.organisation.as_str()));
    assert!(!arabic.subject.organisation.is_ascii());
}

#[test]
fn what_is_forwarded_is_a_matter_of_configuration() {
    let mut configuration = jwt_auth();
    configuration["inbound"]["forward"] = json!({ "authorization": "keep", "identity_headers": false });
    let gateway = envoy(&configuration).start(Module::release()).unwrap();
    let upstream = send(&gateway, right(&gateway)).upstream().expect("admitted");
    assert!(upstream.has("authorization"));
    assert!(!upstream.has("x-hub-client-organisation"));
}

#[test]
fn mtls_only_admits_a_pinned_certificate_without_a_callout() {
    let mut configuration = jwt_auth();
    configuration["inbound"]["auth"] = json!({ "mtls_only": {} });
    let gateway = envoy(&configuration).start(Module::release()).unwrap();
    let upstream = send(&gateway, with("left over")).upstream().expect("admitted");
    assert_eq!(upstream.text("x-hub-auth-method").as_deref(), Some("mtls_only"));
    assert!(!upstream.has("authorization"), "a credential that is sent is removed");
    assert!(!upstream.has("x-hub-token-id"));
    assert_eq!(judge(&gateway, request().peer(Peer::none())), "Certificate.Missing");
    assert_eq!(judge(&gateway, request().peer(Peer::verified("CN=a,OU=tpp,O=b"))), "Certificate.NotAllowed");
    assert!(gateway.callouts().is_empty());
}

#[test]
fn a_certificate_can_be_pinned_by_its_fingerprint() {
    let mut configuration = jwt_auth();
    configuration["inbound"]["peer"] = json!({ "fingerprints": ["AB:".repeat(31) + "AB"] });
    configuration["inbound"]["auth"] = json!({ "mtls_only": {} });
    let gateway = envoy(&configuration).start(Module::release()).unwrap();
    let peer = |digest: &str| Peer::verified(printed(&hub().subject)).fingerprint(digest);
    assert_eq!(judge(&gateway, request().peer(peer(&"ab".repeat(32)))), "admitted");
    assert_eq!(judge(&gateway, request().peer(peer(&"ac".repeat(32)))), "Certificate.NotAllowed");
}

#[test]
fn of_several_providers_the_header_names_the_one_that_the_token_must_be_for() {
    let mut configuration = jwt_auth();
    configuration["inbound"]["provider_ids"] = json!(["retail", "corporate"]);
    let gateway = envoy(&configuration).start(Module::release()).unwrap();
    let request = |audience: &str| with(&token(&gateway).claim("aud", audience).sign(Signer::Ps256(&hub().signing)));
    assert_eq!(judge(&gateway, request("corporate").header("o3-provider-id", "corporate")), "admitted");
    assert_eq!(judge(&gateway, request("corporate").header("o3-aspsp-id", "corporate")), "admitted");
    assert_eq!(judge(&gateway, request("retail").header("o3-provider-id", "corporate")), "JWS.InvalidClaim");
    assert_eq!(judge(&gateway, request("retail")), "Provider.Unknown");
    assert_eq!(judge(&gateway, request("retail").header("o3-provider-id", "other")), "Provider.Unknown");
}
