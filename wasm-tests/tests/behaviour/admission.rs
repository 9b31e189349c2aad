//! Requests that the bank gets to see, and what it sees of them.

use serde_json::json;
use wasm_tests::host::{Answer, Module, Peer, Request, Upstream};
use wasm_tests::stage::pki::Pki;
use wasm_tests::stage::tokens::{Signer, Token, jwks};

use super::scene::*;

#[apply(every_engine)]
fn the_bank_learns_who_called_and_does_not_get_the_token(host: Host) {
    let gateway = host.start();
    let token = token(&gateway).claim("jti", "8d5bd4e6-7f0a-4a24-9f58-0b0c1c7b2f6e");
    let exchange =
        send(&gateway, with(&token.sign(Signer::Ps256(&hub().signing))).header("accept", "application/json"));
    let upstream = exchange.upstream().expect("admitted");
    host.assert_withheld(&upstream, "authorization");
    assert_eq!(upstream.text("x-hub-auth-method").as_deref(), Some("jwt_auth"));
    assert_eq!(upstream.text("x-hub-client-organisation").as_deref(), Some(hub().subject.organisation.as_str()));
    assert_eq!(
        upstream.text("x-hub-client-organisational-unit").as_deref(),
        Some(hub().subject.organisational_unit.as_str())
    );
    assert_eq!(upstream.text("x-hub-token-id").as_deref(), Some("8d5bd4e6-7f0a-4a24-9f58-0b0c1c7b2f6e"));
    assert_eq!(upstream.text("accept").as_deref(), Some("application/json"), "everything else stays");
}

#[apply(every_gateway)]
fn with_cached_keys_a_request_is_admitted_at_once_and_with_the_same_headers(host: Host) {
    let gateway = host.start();
    let first = send(&gateway, right(&gateway)).upstream().expect("admitted");
    let second = gateway.worker(0).send(right(&gateway)).upstream().expect("admitted without waiting");
    assert_eq!(gateway.callouts().len(), 1);
    for name in ["x-hub-auth-method", "x-hub-client-organisation", "x-hub-client-organisational-unit"] {
        assert_eq!(first.text(name), second.text(name));
    }
}

#[apply(every_gateway)]
fn an_organisation_named_in_arabic_is_admitted_under_its_name(host: Host) {
    let arabic = &Pki::shared().arabic_hub;
    let mut configuration = jwt_auth();
    configuration["inbound"]["peer"]["organisational_units"] = json!([arabic.subject.organisational_unit]);
    let keys = Answer::ok(jwks([&arabic.signing]).to_string());
    let keystore = Upstream::new().route(jwks_path(&arabic.subject), keys);
    let gateway = host.with(&configuration).upstream(KEYSTORE, keystore).start(Module::release()).unwrap();
    let token = Token::new(&arabic.subject, &arabic.signing.kid, PROVIDER, gateway.now().as_secs());
    let request = Request::get("/accounts")
        .peer(peer_of(arabic))
        .header("authorization", format!("Bearer {}", token.sign(Signer::Ps256(&arabic.signing))));
    let upstream = send(&gateway, request).upstream().expect("admitted");
    assert_eq!(upstream.text("x-hub-client-organisation").as_deref(), Some(arabic.subject.organisation.as_str()));
    assert!(!arabic.subject.organisation.is_ascii());
}

#[apply(every_gateway)]
fn what_is_forwarded_is_a_matter_of_configuration(host: Host) {
    let mut configuration = jwt_auth();
    configuration["inbound"]["forward"] = json!({ "authorization": "keep", "identity_headers": false });
    let gateway = host.with(&configuration).start(Module::release()).unwrap();
    let upstream = send(&gateway, right(&gateway)).upstream().expect("admitted");
    assert!(upstream.text("authorization").is_some_and(|value| value.starts_with("Bearer ey")));
    assert!(!upstream.has("x-hub-client-organisation"));
}

#[apply(every_gateway)]
fn mtls_only_admits_a_pinned_certificate_without_a_callout(host: Host) {
    let mut configuration = jwt_auth();
    configuration["inbound"]["auth"] = json!({ "mtls_only": {} });
    let gateway = host.with(&configuration).start(Module::release()).unwrap();
    let upstream = send(&gateway, with("left over")).upstream().expect("admitted");
    assert_eq!(upstream.text("x-hub-auth-method").as_deref(), Some("mtls_only"));
    host.assert_withheld(&upstream, "authorization");
    assert!(!upstream.has("x-hub-token-id"));
    assert_eq!(judge(&gateway, request().peer(Peer::none())), "Certificate.Missing");
    assert_eq!(judge(&gateway, request().peer(verified("CN=a,OU=tpp,O=b"))), "Certificate.NotAllowed");
    assert!(gateway.callouts().is_empty());
}

#[apply(every_gateway)]
fn a_certificate_can_be_pinned_by_its_fingerprint(host: Host) {
    let mut configuration = jwt_auth();
    let pin: Vec<_> = fingerprint(&hub().transport).to_uppercase().as_bytes().chunks(2).map(<[u8]>::to_vec).collect();
    configuration["inbound"]["peer"] =
        json!({ "fingerprints": [String::from_utf8(pin.join(b":".as_slice())).expect("hexadecimal")] });
    configuration["inbound"]["auth"] = json!({ "mtls_only": {} });
    let gateway = host.with(&configuration).start(Module::release()).unwrap();
    assert_eq!(judge(&gateway, request()), "admitted");
    let another = presenting(printed(&hub().subject), &Pki::shared().client(&hub().subject));
    assert_eq!(judge(&gateway, request().peer(another)), "Certificate.NotAllowed");
}

#[apply(every_gateway)]
fn of_several_providers_the_header_names_the_one_that_the_token_must_be_for(host: Host) {
    let mut configuration = jwt_auth();
    configuration["inbound"]["provider_ids"] = json!(["retail", "corporate"]);
    let gateway = host.with(&configuration).start(Module::release()).unwrap();
    let request = |audience: &str| with(&token(&gateway).claim("aud", audience).sign(Signer::Ps256(&hub().signing)));
    assert_eq!(judge(&gateway, request("corporate").header("o3-provider-id", "corporate")), "admitted");
    assert_eq!(judge(&gateway, request("corporate").header("o3-aspsp-id", "corporate")), "admitted");
    assert_eq!(judge(&gateway, request("retail").header("o3-provider-id", "corporate")), "JWS.InvalidClaim");
    assert_eq!(judge(&gateway, request("retail")), "Provider.Unknown");
    assert_eq!(judge(&gateway, request("retail").header("o3-provider-id", "other")), "Provider.Unknown");
}
