//! The health checks of spec §2.7 on a real Envoy: what it says about the connection and the certificate comes out as the
//! standard wants it, the issuer included.

use hub_auth_filter::facade::peer::ForwardedCertificate;
use hub_auth_filter::facade::peer::LeafCertificate;
use serde_json::{Value, json};
use wasm_tests::stage::client::Request;
use wasm_tests::stage::pki::{ARABIC_HUB_UNIT, HUB_UNIT, LISTENER_NAME};
use wasm_tests::stage::subject::Subject;
use wasm_tests::stage::tokens::{Signer, Token, jwks, now};
use wasm_tests::stage::{PROVIDER_ID, Setup, signed_by};

use crate::schemas;

/// The CA of the stage that issues transport certificates, as Envoy prints names.
const ISSUER: &str = "CN=Trust Framework Issuing CA,OU=CA,O=Trust Framework (test),C=AE";

const IDS: &str = r#""provider_ids": ["retail"],"#;
const REQUIRED: &str = "require_client_certificate: true";

/// The shipped configuration with health checks.
fn with_health_checks() -> Setup {
    Setup::new().edit(IDS, r#""provider_ids": ["retail"], "health_checks": {},"#)
}

fn get(path: &str) -> Request {
    Request::new("GET", path)
}

#[track_caller]
fn conforms(schema: &str, body: &Value) {
    schemas::check(schema, body).unwrap_or_else(|fault| panic!("{fault}"));
}

#[tokio::test]
async fn each_endpoint_tells_the_hub_what_arrives() {
    let stage = with_health_checks().start().await;
    for path in ["/hello", "/hello-mtls", "/hello?x=1"] {
        let reply = stage.send_as_hub(&get(path)).await.reply();
        conforms("hello", &reply.json());
        assert_eq!(reply.status, 200, "{path}");
        assert_eq!(reply.json()["mtlsStatus"], "established", "{path}");
        assert_eq!(reply.json()["hostName"], LISTENER_NAME, "{path}");
        assert_eq!(reply.header("content-type"), Some("application/json"), "{path}");
        assert_eq!(reply.header("cache-control"), Some("no-store"), "{path}");
    }
    let reply = stage.send_as_hub(&get("/echo-cert")).await.reply();
    conforms("echo-cert", &reply.json());
    let subject =
        format!(r"CN={},OU={HUB_UNIT},O=Ozone Financial Technology\, Limited,C=AE", stage.pki.hub.subject.common_name);
    assert_eq!(reply.json()["clientCertificate"], json!({ "subject": subject, "issuer": ISSUER }));
    assert_eq!(stage.bank.received(), [], "no health check reaches the bank");
}

#[tokio::test]
async fn a_forged_certificate_header_changes_nothing() {
    let stage = with_health_checks().start().await;
    let forged = get("/echo-cert").header("x-forwarded-client-cert", r#"Hash=00;Cert="x";Subject="CN=forged""#);
    let reply = stage.send_as_hub(&forged).await.reply();
    assert_eq!(reply.json()["clientCertificate"]["issuer"], ISSUER);
    assert!(!reply.json().to_string().contains("forged"));
}

#[tokio::test]
async fn without_a_client_certificate_hello_says_so_and_the_others_are_401() {
    let stage = with_health_checks().edit(REQUIRED, "require_client_certificate: false").start().await;
    let reply = stage.send(None, &get("/hello")).await.reply();
    conforms("hello", &reply.json());
    assert_eq!((reply.status, &reply.json()["mtlsStatus"]), (200, &json!("not-established")));
    for path in ["/hello-mtls", "/echo-cert"] {
        let reply = stage.send(None, &get(path)).await.reply();
        conforms("error", &reply.json());
        assert_eq!(reply.status, 401, "{path}");
    }
}

#[tokio::test]
async fn where_envoy_forwards_no_certificate_the_issuer_is_empty() {
    let cert = "set_current_client_cert_details: {subject: true, cert: true}";
    let stage = with_health_checks().edit(cert, "set_current_client_cert_details: {subject: true}").start().await;
    let reply = stage.send_as_hub(&get("/echo-cert")).await.reply();
    conforms("echo-cert", &reply.json());
    assert_eq!((reply.status, &reply.json()["clientCertificate"]["issuer"]), (200, &json!("")));
}

#[tokio::test]
async fn other_paths_and_methods_are_authenticated_as_usual() {
    let stage = with_health_checks().start().await;
    for request in [get("/hello/"), get("/accounts"), Request::new("POST", "/hello")] {
        assert_eq!(stage.send_as_hub(&request).await.reply().error_code().as_deref(), Some("Credential.Missing"));
    }
    assert_eq!(stage.send_as_hub(&Request::with_token(&signed_by(&stage.pki.hub))).await.reply().status, 200);
}

/// Needs no health checks: what the filter makes of a certificate is compared with what Envoy prints of the same one.
#[tokio::test]
async fn names_are_printed_as_this_envoy_prints_them() {
    let stage = Setup::new().pin(ARABIC_HUB_UNIT).start().await;
    let signing = &stage.pki.hub.signing;
    for organisation in [
        "Ozone Financial Technology, Limited",
        "مركز واجهات التمويل المفتوح",
        r##" #a "b" <c>; d+e=f\g "##,
        "# at the start",
        "a\u{200f}b 😀 ç",
    ] {
        let subject = Subject::new(organisation, HUB_UNIT, "names");
        stage.keystore.publish(&subject, jwks([signing]));
        let token = Token::new(&subject, &signing.kid, PROVIDER_ID, now()).sign(Signer::Ps256(signing));
        let identity = stage.pki.client(&subject);
        let reply = stage.send(Some(&identity), &Request::with_token(&token)).await.reply();
        assert_eq!(reply.status, 200, "{organisation}: {}", reply.json());

        let received = stage.bank.received();
        let header = received.last().and_then(|request| request.value("x-forwarded-client-cert")).expect("the header");
        let forwarded = ForwardedCertificate::parse(header.as_bytes()).expect("one certificate");
        let leaf =
            LeafCertificate::from_url_encoded_pem(forwarded.certificate().expect("Cert")).expect("a certificate");
        assert_eq!(leaf.subject().as_bytes(), forwarded.subject(), "{header}");
        assert_eq!(Some(leaf.fingerprint()), forwarded.fingerprint());
        assert_eq!(leaf.issuer(), ISSUER);
    }
}
