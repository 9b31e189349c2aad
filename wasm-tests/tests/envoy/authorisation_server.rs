//! The authorisation server of the stage does what the tests of the filter take for granted.

use std::collections::BTreeMap;
use std::time::Duration;

use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde_json::Value;
use tempfile::TempDir;
use tokio::time::sleep;
use wasm_tests::stage::authorisation_server::{AUDIENCE, AuthorisationServer, Grant, ISSUER, JWKS_PATH};
use wasm_tests::stage::pki::Pki;

async fn started() -> (AuthorisationServer, TempDir) {
    let files = tempfile::tempdir().expect("a temporary directory");
    (AuthorisationServer::start(Pki::shared(), files.path()).await, files)
}

/// The claims of a JWT that verifies with a published key.
async fn claims_of(server: &AuthorisationServer, token: &str, algorithm: Algorithm) -> Value {
    let header = decode_header(token).expect("a JWS header");
    assert_eq!((header.alg, header.typ.as_deref()), (algorithm, Some("at+jwt")));
    let set: JwkSet = serde_json::from_value(server.jwks().await).expect("a JWK set");
    let key = set.find(&header.kid.expect("a kid")).expect("a published key");
    let mut rules = Validation::new(algorithm);
    rules.set_audience(&[AUDIENCE]);
    rules.set_issuer(&[ISSUER]);
    decode(token, &DecodingKey::from_jwk(key).expect("a key"), &rules).expect("a valid token").claims
}

#[tokio::test]
async fn a_jwt_of_each_algorithm_names_its_audience_scope_and_certificate() {
    let (server, _files) = started().await;
    for (name, algorithm) in [("PS256", Algorithm::PS256), ("ES256", Algorithm::ES256), ("RS256", Algorithm::RS256)] {
        let token = server.token(&Grant::jwt(name).lifetime(90)).await;
        let claims = claims_of(&server, &token, algorithm).await;
        assert_eq!((&claims["client_id"], &claims["scope"]), (&"hub".into(), &"accounts".into()), "{name}");
        assert_eq!(claims["cnf"]["x5t#S256"], Pki::shared().hub.transport.thumbprint(), "{name}");
        let lifetime = claims["exp"].as_u64().zip(claims["iat"].as_u64()).map(|(exp, iat)| exp - iat);
        assert_eq!(lifetime, Some(90), "{name}");
        assert!(claims["jti"].is_string(), "{name}");
    }
}

#[tokio::test]
async fn a_jwt_is_bound_to_the_certificate_that_was_presented_or_to_none() {
    let (server, _files) = started().await;
    let other = &Pki::shared().arabic_hub.transport;
    let token = server.token_for(other, &Grant::jwt("PS256")).await;
    assert_eq!(claims_of(&server, &token, Algorithm::PS256).await["cnf"]["x5t#S256"], other.thumbprint());

    let token = server.token(&Grant::jwt("PS256").unbound()).await;
    assert_eq!(claims_of(&server, &token, Algorithm::PS256).await["cnf"], Value::Null);
}

#[tokio::test]
async fn without_a_certificate_of_the_trust_framework_there_is_no_bound_token() {
    let (server, _files) = started().await;
    for identity in [None, Some(&Pki::shared().stranger)] {
        let answer = server.answer(identity, &Grant::jwt("PS256")).await;
        assert_eq!((&answer["error"], &answer["access_token"]), (&"invalid_grant".into(), &Value::Null));
    }
}

#[tokio::test]
async fn an_opaque_token_introspects_as_active_until_it_is_revoked() {
    let (server, _files) = started().await;
    let token = server.token(&Grant::opaque().scope("accounts payments")).await;
    assert!(!token.contains('.'), "a JWT");

    let told = server.introspect(&token).await;
    assert_eq!((&told["active"], &told["scope"]), (&true.into(), &"accounts payments".into()));
    assert_eq!((&told["iss"], &told["aud"], &told["client_id"]), (&ISSUER.into(), &AUDIENCE.into(), &"hub".into()));
    assert_eq!(told["cnf"]["x5t#S256"], Pki::shared().hub.transport.thumbprint());
    assert!(told["exp"].is_u64());

    server.revoke(&token).await;
    assert_eq!(server.introspect(&token).await, serde_json::json!({"active": false}));
}

#[tokio::test]
async fn an_opaque_token_is_inactive_after_its_lifetime() {
    let (server, _files) = started().await;
    let token = server.token(&Grant::opaque().lifetime(2)).await;
    assert_eq!(server.introspect(&token).await["active"], true);
    sleep(Duration::from_millis(3100)).await;
    assert_eq!(server.introspect(&token).await["active"], false);
}

#[tokio::test]
async fn the_set_has_an_rsa_and_an_ec_key_without_their_private_parts_and_new_at_every_start() {
    let (server, _files) = started().await;
    let (another, _more) = started().await;
    let keys = |set: Value| -> BTreeMap<String, Value> {
        let keys = set["keys"].as_array().expect("keys").clone();
        keys.into_iter().map(|key| (key["kty"].as_str().expect("a type").to_owned(), key)).collect()
    };
    let (first, second) = (keys(server.jwks().await), keys(another.jwks().await));
    assert_eq!(first.keys().collect::<Vec<_>>(), ["EC", "RSA"]);
    for (kind, key) in &first {
        assert_eq!((&key["use"], &key["d"]), (&"sig".into(), &Value::Null), "{kind}");
        assert_ne!(key["kid"], second[kind]["kid"], "{kind}");
    }
}

#[tokio::test]
async fn requests_are_counted_and_a_server_that_is_down_cuts_connections() {
    let (server, _files) = started().await;
    assert_eq!(server.asked_for(JWKS_PATH).await, 0);
    server.jwks().await;
    server.jwks().await;
    assert_eq!(server.asked_for(JWKS_PATH).await, 2);

    server.down().await;
    assert!(server.connect(None).await.is_err());
    server.up().await;
    server.jwks().await;
    assert_eq!(server.asked_for(JWKS_PATH).await, 3);
}
