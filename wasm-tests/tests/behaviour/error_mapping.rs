//! Every row of spec §3: a request that falls into it gets its status and its code, and no row is left out.

use std::collections::BTreeSet;

use hub_auth_filter::facade::reply::ErrorCode;
use serde_json::{Value, json};
use wasm_tests::host::{Answer, Exchange, Fault, Gateway, Module, Peer, Request, Upstream};
use wasm_tests::stage::pki::Pki;
use wasm_tests::stage::tokens::{Signer, with_broken_signature};

use super::scene::*;

/// A gateway with this method instead of JWT Auth.
fn with_method(host: Host, method: Value) -> Gateway {
    let mut configuration = jwt_auth();
    configuration["inbound"]["auth"] = method;
    host.with(&configuration).start(Module::release()).expect("the gateway starts")
}

/// A gateway that asks an authorisation server, which answers so, about access tokens.
fn with_introspection(host: Host, answer: Answer) -> Gateway {
    let mut configuration = jwt_auth();
    configuration["inbound"]["auth"] = json!({ "client_credentials": {
        "scopes": ["accounts"], "certificate_bound": false,
        "introspection": {
            "url": "https://as.test/introspect", "upstream": "as.test:443",
            "client_id": "filter", "client_secret": { "value": "s" },
        },
    } });
    let server = Upstream::new().route("/introspect", answer);
    host.with(&configuration).upstream("as.test:443", server).start(Module::release()).expect("the gateway starts")
}

/// A gateway that sees the client's certificate: Envoy does for the sake of its issuer.
fn with_health_checks(host: Host) -> Gateway {
    let mut configuration = jwt_auth();
    configuration["inbound"]["health_checks"] = json!({});
    host.with(&configuration).start(Module::release()).expect("the gateway starts")
}

fn api_key(host: Host) -> Gateway {
    with_method(host, json!({ "api_key": { "keys": [{ "id": "2026", "sha256": "ab".repeat(32) }] } }))
}

fn without_keystore(host: Host) -> Gateway {
    let gateway = host.start();
    gateway.upstream(KEYSTORE, Upstream::down());
    gateway
}

fn without_a_clock(host: Host) -> Gateway {
    let gateway = host.start();
    gateway.fault(Fault::host_call("clock_time_get").returns(58_u32));
    gateway
}

/// A situation of the standard's table, a gateway in it, the request that meets it, and what the caller gets.
type Row = (&'static str, Gateway, fn(&Gateway) -> Request, u16, &'static str);

fn signed(
    gateway: &Gateway,
    change: impl FnOnce(wasm_tests::stage::tokens::Token) -> wasm_tests::stage::tokens::Token,
) -> Request {
    with(&change(token(gateway)).sign(Signer::Ps256(&hub().signing)))
}

fn rows(host: Host) -> Vec<Row> {
    vec![
        ("no client certificate", host.start(), |g| right(g).peer(Peer::none()), 401, "Certificate.Missing"),
        (
            "subject unusable",
            host.start(),
            |g| right(g).peer(verified("CN=a,OU=b,OU=c,O=d")),
            401,
            "Certificate.Malformed",
        ),
        ("OU not pinned", host.start(), |g| right(g).peer(verified("CN=a,OU=b,O=d")), 403, "Certificate.NotAllowed"),
        (
            "certificate has ended",
            with_health_checks(host),
            |g| forwarding(right(g), &Pki::shared().expired),
            401,
            "Certificate.Invalid",
        ),
        ("an identity header", host.start(), |g| right(g).header("x-hub-token-id", "1"), 403, "Header.NotAllowed"),
        ("no Authorization", host.start(), |_| request(), 401, "Credential.Missing"),
        (
            "wrong scheme",
            host.start(),
            |_| request().header("authorization", "Basic dTpw"),
            401,
            "Credential.Malformed",
        ),
        ("API key unknown", api_key(host), |_| request().header("authorization", "another"), 401, "ApiKey.Invalid"),
        ("token not a JWS", host.start(), |_| with("a.b"), 401, "JWS.Malformed"),
        ("alg wrong", host.start(), |g| signed(g, |token| token.header("alg", "RS256")), 401, "JWS.InvalidHeader"),
        (
            "kid unknown after refresh",
            host.start(),
            |g| signed(g, |token| token.header("kid", "unknown")),
            401,
            "JWS.InvalidHeader",
        ),
        (
            "signature wrong",
            host.start(),
            |g| with(&with_broken_signature(&token(g).sign(Signer::Ps256(&hub().signing)))),
            401,
            "JWS.InvalidSignature",
        ),
        ("aud wrong", host.start(), |g| signed(g, |token| token.claim("aud", "other")), 401, "JWS.InvalidClaim"),
        (
            "access token inactive",
            with_introspection(host, Answer::ok(json!({ "active": false }).to_string())),
            |_| with("opaque"),
            401,
            "AccessToken.Invalid",
        ),
        (
            "scope missing",
            with_introspection(host, Answer::ok(json!({ "active": true, "scope": "payments" }).to_string())),
            |_| with("opaque"),
            403,
            "AccessToken.InvalidScope",
        ),
        ("provider unknown", host.start(), |g| right(g).header("o3-provider-id", "other"), 403, "Provider.Unknown"),
        ("keys unreachable", without_keystore(host), |g| right(g), 503, "GenericRecoverableError"),
        (
            "access token not confirmed",
            with_introspection(host, Answer::ok("<html>")),
            |_| with("opaque"),
            401,
            "AccessToken.Invalid",
        ),
        (
            "introspection unreachable",
            with_introspection(host, Answer::status(500).body("{}")),
            |_| with("opaque"),
            503,
            "GenericRecoverableError",
        ),
        ("a fault inside the filter", without_a_clock(host), |g| right(g), 500, "GenericError"),
    ]
}

#[apply(every_engine)]
fn every_row_of_the_standards_table_is_reached(host: Host) {
    let mut reached = BTreeSet::new();
    for (situation, gateway, request, status, code) in rows(host) {
        let request = request(&gateway).header("x-fapi-interaction-id", "0f6b1a3e");
        let exchange: Exchange = send(&gateway, request);
        assert_eq!(outcome(&exchange), code, "{situation}");
        let reply = exchange.reply().expect("a reply");
        assert_eq!(reply.status, status, "{situation}");
        let challenge = reply.headers.text("www-authenticate");
        assert_eq!(challenge.is_some(), status == 401 || code == "AccessToken.InvalidScope", "{situation}");
        assert_eq!(reply.headers.has("retry-after"), status == 503, "{situation}");
        if code != "GenericError" {
            assert_eq!(reply.headers.text("x-fapi-interaction-id").as_deref(), Some("0f6b1a3e"), "{situation}");
        }
        assert!(exchange.upstream().is_none(), "{situation}");
        reached.insert(code);
    }
    let all: BTreeSet<&str> = ErrorCode::INBOUND.into_iter().map(ErrorCode::as_str).collect();
    assert_eq!(reached, all);
}
