//! The service initiation token of spec §2.6: where it passes unread, and that it is no way around JWT Auth anywhere else.

use serde_json::{Value, json};
use wasm_tests::host::{Gateway, Module, Peer, Request};
use wasm_tests::stage::pki::Pki;
use wasm_tests::stage::tokens::{Signer, with_broken_signature};

use super::scene::*;

/// A token that only the bank can read.
const OPAQUE: &str = "bankConnect-7Qm2v9.xK-3_f~+/=";

/// JWT Auth, with service initiation on POST /payments.
fn configuration() -> Value {
    let mut configuration = jwt_auth();
    configuration["inbound"]["service_initiation"] = json!({ "allow": [{ "method": "POST", "path": "/payments" }] });
    configuration
}

fn gateway(host: Host) -> Gateway {
    host.with(&configuration()).start(Module::release()).unwrap()
}

/// A request of the Hub without a credential.
fn of_hub(method: &str, path: &str) -> Request {
    Request::new(method, path).peer(peer_of(hub()))
}

fn bearing(request: Request, token: &str) -> Request {
    request.header("authorization", format!("Bearer {token}"))
}

fn payment(token: &str) -> Request {
    bearing(of_hub("POST", "/payments"), token)
}

#[apply(every_engine)]
fn an_opaque_token_passes_unread_to_the_bank_and_is_marked_as_unverified(host: Host) {
    let gateway = gateway(host);
    let upstream = send(&gateway, payment(OPAQUE)).upstream().expect("admitted");
    assert_eq!(
        upstream.all("authorization"),
        [format!("Bearer {OPAQUE}").as_bytes()],
        "although it is removed otherwise"
    );
    assert_eq!(upstream.text("x-hub-auth-method").as_deref(), Some("unverified_service_initiation"));
    assert_eq!(upstream.text("x-hub-client-organisation").as_deref(), Some(hub().subject.organisation.as_str()));
    assert_eq!(
        upstream.text("x-hub-client-organisational-unit").as_deref(),
        Some(hub().subject.organisational_unit.as_str())
    );
    assert!(!upstream.has("x-hub-token-id"), "there is no id that anybody checked");
    assert!(gateway.callouts().is_empty());
}

#[apply(every_gateway)]
fn a_query_makes_no_difference(host: Host) {
    for path in ["/payments?", "/payments?a=/../accounts%20"] {
        assert_eq!(judge(&gateway(host), bearing(of_hub("POST", path), OPAQUE)), "admitted", "{path}");
    }
}

#[apply(every_gateway)]
fn the_same_token_passes_nowhere_else(host: Host) {
    let gateway = gateway(host);
    for (method, path) in [
        ("GET", "/payments"),
        ("PUT", "/payments"),
        ("post", "/payments"),
        ("POST", "/payments/"),
        ("POST", "/payments/x"),
        ("POST", "/accounts"),
        ("POST", "/Payments"),
        ("POST", "//payments"),
        ("POST", "/./payments"),
        ("POST", "/payments/../accounts"),
        ("POST", "/accounts/../payments"),
        ("POST", "/payments/..%2faccounts"),
        ("POST", "/payment%73"),
        ("POST", "/payments%3f"),
        ("POST", "/payments;x"),
        ("POST", "/payments#x"),
        ("POST", "/payments\\..\\accounts"),
        ("POST", "/accounts?/payments"),
    ] {
        let exchange = send(&gateway, bearing(of_hub(method, path), OPAQUE));
        let reply = exchange.reply().unwrap_or_else(|| panic!("{method} {path}: {:?}", exchange.outcome()));
        assert_eq!(reply.status, 401, "{method} {path}");
    }
}

#[apply(every_gateway)]
fn a_right_jwt_auth_token_counts_as_one_also_there(host: Host) {
    let gateway = gateway(host);
    let jti = "8d5bd4e6-7f0a-4a24-9f58-0b0c1c7b2f6e";
    let token = token(&gateway).claim("jti", jti).sign(Signer::Ps256(&hub().signing));
    let upstream = send(&gateway, payment(&token)).upstream().expect("admitted");
    assert_eq!(upstream.text("x-hub-auth-method").as_deref(), Some("jwt_auth"));
    assert_eq!(upstream.text("x-hub-token-id").as_deref(), Some(jti));
    host.assert_withheld(&upstream, "authorization");
}

#[apply(every_gateway)]
fn a_jwt_auth_token_that_fails_its_checks_is_not_taken_for_opaque(host: Host) {
    let gateway = gateway(host);
    let now = gateway.now().as_secs();
    let sig3 = Signer::Ps256(&hub().signing);
    let right = || token(&gateway);
    for (case, token, code) in [
        ("a broken signature", with_broken_signature(&right().sign(sig3)), "JWS.InvalidSignature"),
        ("expired", right().valid(now - 60, now - 30).sign(sig3), "JWS.InvalidClaim"),
        ("for another", right().claim("aud", "corporate").sign(sig3), "JWS.InvalidClaim"),
        ("alg none", right().header("alg", "none").sign(Signer::Unsigned), "JWS.InvalidHeader"),
        ("typ in other case", right().header("typ", "jose").sign(sig3), "JWS.InvalidHeader"),
        ("no typ", right().header("typ", json!(null)).sign(sig3), "JWS.InvalidHeader"),
        ("no kid", right().header("kid", json!(null)).sign(sig3), "JWS.InvalidHeader"),
        ("an unknown kid", right().header("kid", "unknown").sign(sig3), "JWS.InvalidHeader"),
        ("padded", format!("{}=", right().sign(sig3)), "JWS.Malformed"),
        ("longer than 8 KiB", right().claim("x", "x".repeat(8 * 1024)).sign(sig3), "JWS.Malformed"),
    ] {
        assert_eq!(judge(&gateway, payment(&token)), code, "{case}");
    }
}

#[apply(every_gateway)]
fn a_token_that_is_no_single_one_of_visible_ascii_and_at_most_8_kib_is_refused(host: Host) {
    let gateway = gateway(host);
    let longest = "x".repeat(8 * 1024);
    assert_eq!(judge(&gateway, payment(&longest)), "admitted");
    let post = || of_hub("POST", "/payments");
    for (case, request) in [
        ("too long", payment(&format!("{longest}x"))),
        ("joined values", payment("a,Bearer b")),
        ("two words", payment("a b")),
        ("no token", post().header("authorization", "Bearer ")),
        ("no scheme", post().header("authorization", OPAQUE)),
        ("another scheme", post().header("authorization", "Basic dTpw")),
        ("other bytes", post().header("authorization", b"Bearer \xff\xfe")),
    ] {
        let exchange = send(&gateway, request);
        let reply = exchange.reply().unwrap_or_else(|| panic!("{case}: {:?}", exchange.outcome()));
        assert_eq!(reply.status, 401, "{case}");
    }
    let two_values = payment(OPAQUE).header("authorization", format!("Bearer {OPAQUE}"));
    assert_eq!(judge(&gateway, two_values), host.two_credentials());
    assert_eq!(judge(&gateway, post()), "Credential.Missing");
}

#[apply(every_gateway)]
fn mutual_tls_and_the_pin_are_demanded_of_it_as_of_every_request(host: Host) {
    let gateway = gateway(host);
    let tpp = peer_of(&Pki::shared().tpp);
    for (case, peer, status, code) in [
        ("not pinned", tpp, 403, "Certificate.NotAllowed"),
        ("no certificate", Peer::none(), 401, "Certificate.Missing"),
        ("no TLS", Peer::plaintext(), 401, "Certificate.Missing"),
    ] {
        let reply = send(&gateway, payment(OPAQUE).peer(peer)).reply().expect("refused");
        assert_eq!((reply.status, error(&reply)["errorCode"].as_str()), (status, Some(code)), "{case}");
    }
    assert_eq!(judge(&gateway, payment(OPAQUE).header("x-hub-auth-method", "jwt_auth")), "Header.NotAllowed");
    assert_eq!(judge(&gateway, payment(OPAQUE).header("o3-provider-id", "other")), "Provider.Unknown");
}

#[apply(every_gateway)]
fn it_is_off_unless_configured(host: Host) {
    assert_eq!(judge(&host.start(), payment(OPAQUE)), "JWS.Malformed");
}

#[apply(every_gateway)]
fn it_needs_the_headers_that_mark_it(host: Host) {
    let mut configuration = configuration();
    configuration["inbound"]["forward"] = json!({ "identity_headers": false });
    let logs = host.refuses(host.with(&configuration));
    assert!(logs.iter().any(|log| log.text.contains("inbound.service_initiation:")), "{logs:?}");
}
