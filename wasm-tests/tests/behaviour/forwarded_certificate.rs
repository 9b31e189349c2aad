//! The client certificate from `x-forwarded-client-cert`, where that is configured.

use serde_json::{Value, json};
use wasm_tests::host::{Gateway, Module, Peer, Request};

use super::scene::*;

fn gateway(host: Host, source: Value) -> Gateway {
    let mut configuration = jwt_auth();
    configuration["inbound"]["peer"]["source"] = source;
    configuration["inbound"]["auth"] = json!({ "mtls_only": {} });
    host.with(&configuration).start(Module::release()).unwrap()
}

fn xfcc() -> Value {
    json!({ "forwarded_header": { "name": "x-forwarded-client-cert", "format": "xfcc" } })
}

/// A request over the front proxy's own mutual TLS, with the Hub's certificate in the header.
fn forwarded() -> Request {
    let subject = printed(&hub().subject);
    Request::get("/accounts")
        .peer(verified("CN=front,OU=proxies,O=Bank"))
        .header("x-forwarded-client-cert", format!("Hash={};Subject=\"{subject}\"", "ab".repeat(32)))
}

#[apply(every_gateway)]
fn the_header_names_the_caller_where_it_is_configured(host: Host) {
    let upstream = send(&gateway(host, xfcc()), forwarded()).upstream().expect("admitted");
    assert_eq!(upstream.text("x-hub-client-organisation").as_deref(), Some(hub().subject.organisation.as_str()));
}

#[apply(every_gateway)]
fn the_header_means_nothing_where_it_is_not_configured(host: Host) {
    assert_eq!(judge(&gateway(host, json!("connection")), forwarded()), "Certificate.NotAllowed");
}

#[apply(every_gateway)]
fn without_mutual_tls_on_the_connection_the_header_is_anybodys(host: Host) {
    assert_eq!(judge(&gateway(host, xfcc()), forwarded().peer(Peer::none())), "Certificate.Missing");
    assert_eq!(judge(&gateway(host, xfcc()), forwarded().peer(Peer::plaintext())), "Certificate.Missing");
    let mut trusting = xfcc();
    trusting["forwarded_header"]["trust_plaintext_hop"] = json!(true);
    assert_eq!(judge(&gateway(host, trusting), forwarded().peer(Peer::plaintext())), "admitted", "said aloud");
}

#[apply(every_gateway)]
fn a_header_of_several_certificates_is_ambiguous(host: Host) {
    let twice = forwarded().header("x-forwarded-client-cert", "Subject=\"CN=a,OU=b,O=c\"");
    assert_eq!(judge(&gateway(host, xfcc()), twice), "Certificate.Malformed");
}

#[apply(every_gateway)]
fn a_missing_header_is_a_missing_certificate(host: Host) {
    let without = Request::get("/accounts").peer(peer_of(hub()));
    assert_eq!(judge(&gateway(host, xfcc()), without), "Certificate.Missing");
}
