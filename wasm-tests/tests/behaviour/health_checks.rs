//! The three health checks of spec §2.7, answered in the gateway, with bodies as their JSON Schemas say.

use serde_json::{Value, json};
use wasm_tests::host::{Exchange, Gateway, LocalReply, Module, Peer, Request, Upstream};
use wasm_tests::stage::pki::Pki;

use super::scene::*;

#[path = "../../schemas/schemas.rs"]
mod schemas;

/// A gateway with JWT Auth and health checks.
fn gateway(host: Host, health_checks: Value) -> Gateway {
    let mut configuration = jwt_auth();
    configuration["inbound"]["health_checks"] = health_checks;
    host.with(&configuration).start(Module::release()).unwrap()
}

/// A GET of the Hub over mutual TLS, without a credential. Where the gateway tells more of the certificate in a header than
/// otherwise, it has done so.
fn get(host: Host, path: &str) -> Request {
    let request = Request::get(path).authority("ozone-connect.bank.example:8443").peer(peer_of(hub()));
    if host.tells_issuers_by_header { request.header("x-forwarded-client-cert", xfcc()) } else { request }
}

/// What Envoy writes of the Hub's certificate.
fn xfcc() -> String {
    let (subject, identity) = (printed(&hub().subject), &hub().transport);
    format!("Hash={};Cert=\"{}\";Subject=\"{subject}\";URI=", fingerprint(identity), encoded(identity))
}

#[track_caller]
fn reply(exchange: &Exchange) -> LocalReply {
    exchange.reply().unwrap_or_else(|| panic!("{:?}", exchange.outcome()))
}

/// Status and body of an answer that conforms to the schema.
#[track_caller]
fn answer(gateway: &Gateway, request: Request, schema: &str) -> (u16, Value) {
    let reply = reply(&send(gateway, request));
    let body: Value = serde_json::from_slice(&reply.body).expect("JSON");
    schemas::check(schema, &body).unwrap_or_else(|fault| panic!("{fault}"));
    assert_eq!(reply.headers.text("content-type").as_deref(), Some("application/json"));
    assert_eq!(reply.headers.text("cache-control").as_deref(), Some("no-store"));
    (reply.status, body)
}

#[apply(every_engine)]
fn over_mutual_tls_each_endpoint_says_so_and_what_it_knows(host: Host) {
    let gateway = gateway(host, json!({}));
    for path in ["/hello", "/hello-mtls", "/hello?a=b"] {
        let (status, body) = answer(&gateway, get(host, path), "hello");
        assert_eq!(status, 200, "{path}");
        assert_eq!(body["mtlsStatus"], "established", "{path}");
        assert_eq!(body["connectionEstablished"], true, "{path}");
        assert_eq!(body["hostName"], "ozone-connect.bank.example", "{path}");
    }
    let (status, body) = answer(&gateway, get(host, "/echo-cert"), "echo-cert");
    assert_eq!((status, &body["mtlsStatus"]), (200, &json!("established")));
    assert_eq!(body["clientCertificate"], json!({ "subject": printed(&hub().subject), "issuer": ISSUER }));
}

#[apply(every_gateway)]
fn without_mutual_tls_hello_says_so_and_the_others_are_401(host: Host) {
    let gateway = gateway(host, json!({}));
    for peer in [Peer::none(), Peer::plaintext()] {
        let (status, body) = answer(&gateway, get(host, "/hello").peer(peer.clone()), "hello");
        assert_eq!((status, &body["mtlsStatus"]), (200, &json!("not-established")));
        for path in ["/hello-mtls", "/echo-cert"] {
            let (status, _) = answer(&gateway, get(host, path).peer(peer.clone()), "error");
            assert_eq!(status, 401, "{path}");
        }
    }
}

#[apply(every_gateway)]
fn a_certificate_need_not_be_pinned_to_be_told_what_arrives(host: Host) {
    let gateway = gateway(host, json!({}));
    let tpp = &Pki::shared().tpp;
    let (status, body) = answer(&gateway, get(host, "/echo-cert").peer(peer_of(tpp)), "echo-cert");
    assert_eq!((status, &body["clientCertificate"]["subject"]), (200, &json!(printed(&tpp.subject))));
    assert_eq!(judge(&gateway, get(host, "/accounts").peer(peer_of(tpp))), "Certificate.NotAllowed");
}

#[test]
fn a_forwarded_certificate_that_is_not_the_connections_names_no_issuer() {
    let host = Host::ENVOY;
    let gateway = gateway(host, json!({}));
    let peer = || peer_of(hub());
    for peer in [
        peer().fingerprint("ab".repeat(32)),
        peer().without_property(&["connection", "sha256_peer_certificate_digest"]),
    ] {
        let (status, body) = answer(&gateway, get(host, "/echo-cert").peer(peer), "echo-cert");
        assert_eq!((status, &body["clientCertificate"]["issuer"]), (200, &json!("")));
    }
}

#[apply(every_gateway)]
fn where_a_header_names_the_caller_its_certificate_is_echoed(host: Host) {
    let mut configuration = jwt_auth();
    configuration["inbound"]["health_checks"] = json!({});
    configuration["inbound"]["peer"]["source"] =
        json!({ "forwarded_header": { "proxy": { "organisational_units": ["proxies"] } } });
    let gateway = host.with(&configuration).start(Module::release()).unwrap();
    let over = |peer: Peer| Request::get("/echo-cert").peer(peer).header("x-forwarded-client-cert", xfcc());
    let (status, body) = answer(&gateway, over(verified("CN=front,OU=proxies,O=Bank")), "echo-cert");
    assert_eq!(status, 200);
    assert_eq!(body["clientCertificate"], json!({ "subject": printed(&hub().subject), "issuer": ISSUER }));
    assert_eq!(answer(&gateway, over(Peer::none()), "error").0, 401, "the header is anybody's then");
    assert_eq!(answer(&gateway, over(verified("CN=x,OU=batch,O=Bank")), "error").0, 401, "it is not the proxy's");
}

#[apply(every_gateway)]
fn they_are_answered_under_their_base_path_only(host: Host) {
    let gateway = gateway(host, json!({ "base_path": "/ozone/" }));
    assert_eq!(answer(&gateway, get(host, "/ozone/hello"), "hello").0, 200);
    assert_eq!(judge(&gateway, get(host, "/hello")), "Credential.Missing");
}

#[apply(every_gateway)]
fn everything_else_is_authenticated_as_usual(host: Host) {
    let gateway = gateway(host, json!({}));
    for path in ["/hello/", "/Hello", "/hell%6F", "//hello", "/hello/../accounts", "/accounts", "/hello-mtls/x"] {
        assert_eq!(judge(&gateway, get(host, path)), "Credential.Missing", "{path}");
    }
    let post = Request::post("/hello").peer(peer_of(hub()));
    assert_eq!(judge(&gateway, post), "Credential.Missing");
    assert_eq!(judge(&gateway, right(&gateway)), "admitted");
}

#[apply(every_gateway)]
fn they_are_off_unless_configured(host: Host) {
    let gateway = host.start();
    assert_eq!(judge(&gateway, get(host, "/hello")), "Credential.Missing");
}

#[apply(every_gateway)]
fn they_cost_no_callout(host: Host) {
    let gateway = gateway(host, json!({}));
    for path in ["/hello", "/hello-mtls", "/echo-cert"] {
        send(&gateway, get(host, path).header("authorization", "Bearer a.b.c"));
    }
    assert!(gateway.callouts().is_empty());
}

#[apply(every_gateway)]
fn every_refusal_has_the_body_of_an_ozone_connect_error(host: Host) {
    let down = Upstream::down();
    let without_keys = host.with(&jwt_auth()).upstream(KEYSTORE, down).start(Module::release()).unwrap();
    let gateway = host.start();
    let cases = [
        (&gateway, request()),
        (&gateway, request().peer(Peer::none())),
        (&gateway, request().peer(verified("CN=a,OU=tpp,O=b"))),
        (&gateway, with("a.b.c")),
        (&gateway, right(&gateway).header("x-hub-token-id", "1")),
        (&gateway, right(&gateway).header("o3-provider-id", "other")),
        (&without_keys, right(&without_keys)),
    ];
    for (gateway, request) in cases {
        let body = error(&reply(&send(gateway, request)));
        schemas::check("ozone-connect-error", &body).unwrap_or_else(|fault| panic!("{fault}"));
    }
}

#[test]
fn the_schemas_demand_every_member_and_allow_no_other() {
    let hello = json!({ "connectionEstablished": true, "mtlsStatus": "not-checked", "hostName": "" });
    let echo = json!({
        "connectionEstablished": true, "mtlsStatus": "established", "hostName": "",
        "clientCertificate": { "subject": "", "issuer": "" },
    });
    let error = json!({ "errorMessage": "" });
    let ozone = json!({ "errorCode": "JWS.Malformed", "errorMessage": "" });
    for (schema, body) in [("hello", &hello), ("echo-cert", &echo), ("error", &error), ("ozone-connect-error", &ozone)]
    {
        assert_eq!(schemas::check(schema, body), Ok(()));
        for member in body.as_object().unwrap().keys() {
            let mut without = body.clone();
            without.as_object_mut().unwrap().remove(member);
            assert!(schemas::check(schema, &without).is_err(), "{schema} without {member}");
            let mut other = body.clone();
            other[member] = json!(1);
            assert!(schemas::check(schema, &other).is_err(), "{schema} with another {member}");
        }
        let mut more = body.clone();
        more["more"] = json!("");
        assert!(schemas::check(schema, &more).is_err(), "{schema} with another member");
    }
    for (pointer, value) in [("/mtlsStatus", json!("not-checked")), ("/clientCertificate", json!({ "subject": "" }))] {
        let mut changed = echo.clone();
        *changed.pointer_mut(pointer).unwrap() = value;
        assert!(schemas::check("echo-cert", &changed).is_err(), "{pointer}");
    }
    for (code, right) in
        [("GenericError", true), ("GenericRecoverableError", true), ("Generic", false), ("A.b c", false)]
    {
        let mut changed = ozone.clone();
        changed["errorCode"] = json!(code);
        assert_eq!(schemas::check("ozone-connect-error", &changed).is_ok(), right, "{code}");
    }
}
