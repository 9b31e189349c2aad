//! Requests that are answered in the gateway: with which status, code and headers.

use serde_json::json;
use wasm_tests::host::{Module, Peer, Request, Upstream};
use wasm_tests::stage::pki::Pki;
use wasm_tests::stage::tokens::{Signer, Token, compact, with_broken_signature, with_swapped_claims};

use super::scene::*;

#[apply(every_engine)]
fn each_wrong_request_gets_the_code_of_the_standards_table_and_never_reaches_the_bank(host: Host) {
    let gateway = host.start();
    let now = gateway.now().as_secs();
    let sig3 = Signer::Ps256(&hub().signing);
    let good = token(&gateway);
    let signed = |token: Token| with(&token.sign(sig3));
    let tpp = &Pki::shared().tpp;
    let tpps_own = Token::new(&tpp.subject, &tpp.signing.kid, PROVIDER, now).sign(Signer::Ps256(&tpp.signing));
    let cases: Vec<(&str, Request, u16, &str)> = vec![
        ("no certificate", right(&gateway).peer(Peer::none()), 401, "Certificate.Missing"),
        ("no TLS", right(&gateway).peer(Peer::plaintext()), 401, "Certificate.Missing"),
        ("an unparsable subject", right(&gateway).peer(verified(r"CN=a,OU=b,O=\")), 401, "Certificate.Malformed"),
        ("two OUs", right(&gateway).peer(verified("CN=a,OU=b,OU=c,O=d")), 401, "Certificate.Malformed"),
        ("a TPP with a token that is right for it", with(&tpps_own).peer(peer_of(tpp)), 403, "Certificate.NotAllowed"),
        ("no credential", request(), 401, "Credential.Missing"),
        ("another scheme", request().header("authorization", "Basic dTpw"), 401, "Credential.Malformed"),
        ("joined credentials", with(&format!("{0},Bearer {0}", good.sign(sig3))), 401, "Credential.Malformed"),
        ("not a token", with("a.b"), 401, "JWS.Malformed"),
        ("padding", with(&format!("{}=", good.sign(sig3))), 401, "JWS.Malformed"),
        ("a token of 9 KiB", with(&"a".repeat(9 * 1024)), 401, "JWS.Malformed"),
        (
            "duplicate claims",
            with(&compact(&good.header.to_string(), &good.claims.to_string().replacen('{', r#"{"aud":"x","#, 1), sig3)),
            401,
            "JWS.Malformed",
        ),
        ("alg none", with(&good.clone().header("alg", "none").sign(Signer::Unsigned)), 401, "JWS.InvalidHeader"),
        (
            "alg HS256 with the public key",
            with(&good.clone().header("alg", "HS256").sign(Signer::Hs256(hub().signing.public_der()))),
            401,
            "JWS.InvalidHeader",
        ),
        (
            "alg RS256",
            with(&good.clone().header("alg", "RS256").sign(Signer::Rs256(&hub().signing))),
            401,
            "JWS.InvalidHeader",
        ),
        ("typ JWT", signed(good.clone().header("typ", "JWT")), 401, "JWS.InvalidHeader"),
        ("no cty", signed(good.clone().header("cty", json!(null))), 401, "JWS.InvalidHeader"),
        ("no kid", signed(good.clone().header("kid", json!(null))), 401, "JWS.InvalidHeader"),
        ("crit", signed(good.clone().header("crit", json!(["exp"]))), 401, "JWS.InvalidHeader"),
        ("an unknown kid", signed(good.clone().header("kid", "unknown")), 401, "JWS.InvalidHeader"),
        ("a broken signature", with(&with_broken_signature(&good.sign(sig3))), 401, "JWS.InvalidSignature"),
        (
            "swapped claims",
            with(&with_swapped_claims(&good.sign(sig3), &good.clone().claim("jti", "other").claims)),
            401,
            "JWS.InvalidSignature",
        ),
        ("RS256 said to be PS256", with(&good.sign(Signer::Rs256(&hub().signing))), 401, "JWS.InvalidSignature"),
        ("another's key", with(&good.sign(Signer::Ps256(&tpp.signing))), 401, "JWS.InvalidSignature"),
        ("wrong iss", signed(good.clone().claim("iss", "Acme Bank")), 401, "JWS.InvalidClaim"),
        ("wrong sub", signed(good.clone().claim("sub", "another")), 401, "JWS.InvalidClaim"),
        ("wrong aud", signed(good.clone().claim("aud", "corporate")), 401, "JWS.InvalidClaim"),
        ("expired", signed(good.clone().valid(now - 60, now - 11)), 401, "JWS.InvalidClaim"),
        ("not yet valid", signed(good.clone().valid(now + 11, now + 41)), 401, "JWS.InvalidClaim"),
        ("nbf in the future", signed(good.clone().claim("nbf", now + 11)), 401, "JWS.InvalidClaim"),
        ("valid for too long", signed(good.clone().valid(now, now + 301)), 401, "JWS.InvalidClaim"),
        ("no jti", signed(good.clone().claim("jti", json!(null))), 401, "JWS.InvalidClaim"),
        ("an identity header", right(&gateway).header("x-hub-token-id", "1"), 403, "Header.NotAllowed"),
        ("one with underscores", right(&gateway).header("X_Hub_Client-Organisation", ""), 403, "Header.NotAllowed"),
        ("an unknown provider", right(&gateway).header("o3-provider-id", "other"), 403, "Provider.Unknown"),
    ];
    for (case, request, status, code) in cases {
        let exchange = send(&gateway, request.header("x-fapi-interaction-id", "0f6b1a3e"));
        let reply = exchange.reply().unwrap_or_else(|| panic!("{case}: {:?}", exchange.outcome()));
        assert_eq!((reply.status, error(&reply)["errorCode"].as_str()), (status, Some(code)), "{case}");
        assert!(!error(&reply)["errorMessage"].as_str().unwrap().is_empty(), "{case}");
        assert_eq!(reply.headers.text("content-type").as_deref(), Some("application/json"), "{case}");
        assert_eq!(reply.headers.has("www-authenticate"), status == 401, "{case}");
        assert_eq!(reply.headers.text("x-fapi-interaction-id").as_deref(), Some("0f6b1a3e"), "{case}");
    }
    let two_credentials = right(&gateway).header("authorization", "Bearer a");
    assert_eq!(judge(&gateway, two_credentials), host.two_credentials());
    assert_eq!(judge(&gateway, right(&gateway)), "admitted", "and none of it did any harm");
}

#[apply(every_gateway)]
fn a_token_that_is_at_the_limits_of_the_skew_is_admitted(host: Host) {
    let gateway = host.start();
    let now = gateway.now().as_secs();
    for (iat, exp) in [(now - 40, now - 10), (now + 10, now + 40), (now, now + 300)] {
        let token = token(&gateway).valid(iat, exp).sign(Signer::Ps256(&hub().signing));
        assert_eq!(judge(&gateway, with(&token)), "admitted", "{iat} to {exp}");
    }
}

#[apply(every_gateway)]
fn without_keys_the_answer_is_503_and_says_when_to_try_again(host: Host) {
    let gateway = host.with(&jwt_auth()).upstream(KEYSTORE, Upstream::down()).start(Module::release());
    let gateway = gateway.unwrap();
    let reply = send(&gateway, right(&gateway)).reply().expect("refused");
    assert_eq!((reply.status, error(&reply)["errorCode"].as_str()), (503, Some("GenericRecoverableError")));
    assert_eq!(reply.headers.text("retry-after").as_deref(), Some("1"));
    assert!(!reply.headers.has("www-authenticate"));
}

#[apply(every_gateway)]
fn a_challenge_is_well_formed(host: Host) {
    let gateway = host.start();
    let challenge = |request| {
        let reply = send(&gateway, request).reply().expect("refused");
        let challenge = reply.headers.text("www-authenticate").expect("a challenge");
        challenge.into_owned()
    };
    assert_eq!(challenge(request()), r#"Bearer realm="ozone-connect""#);
    assert!(challenge(with("a.b.c")).starts_with(r#"Bearer realm="ozone-connect", error="invalid_token", error_"#));
}
