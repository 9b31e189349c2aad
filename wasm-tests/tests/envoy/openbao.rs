//! The remote signer of the filter, without a gateway, against a real OpenBao: its signatures are those of PS256 (RFC 7518
//! §3.5) by the word of another library, and what it answers when it does not sign.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hub_auth_filter::facade::callout::{Answer, Body, Callout, CalloutError};
use hub_auth_filter::facade::capabilities::Capabilities;
use hub_auth_filter::facade::config::{self, Secret, Signer};
use hub_auth_filter::facade::gateway::GatewayKind;
use hub_auth_filter::facade::request::{Correlation, NonceInput, RequestId};
use hub_auth_filter::facade::rsa::RsaPublicKey;
use hub_auth_filter::facade::signing::Nonces;
use hub_auth_filter::facade::signing::UnsignedToken;
use hub_auth_filter::facade::signing::{
    AnswerFault, PendingToken, RemoteError, RemoteSigning, RemoteStep, VaultTransit,
};
use hub_auth_filter::facade::time::UnixTime;
use hub_auth_filter::facade::url::HttpUrl;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::time::timeout;
use wasm_tests::stage::client::Request;
use wasm_tests::stage::openbao::{OpenBao, SIGN_PATH, Transit};
use wasm_tests::stage::pki::{OPENBAO_NAME, Pki};

const REQUEST: RequestId = RequestId(1);

async fn started() -> (OpenBao, TempDir) {
    let files = tempfile::tempdir().expect("a temporary directory");
    (OpenBao::start(Pki::shared(), files.path()).await, files)
}

/// The settings for this token, without a public key.
fn settings(token: &str) -> config::VaultTransit {
    config::VaultTransit {
        url: url(SIGN_PATH),
        upstream: "openbao".into(),
        namespace: None,
        token: Secret::new(token),
        key_id: "sig4".into(),
        key_version: None,
        public_key: None,
        timeout: Duration::from_secs(5),
        deadline: Duration::from_secs(20),
    }
}

fn envoy() -> Capabilities {
    GatewayKind::Envoy.capabilities(None, true)
}

fn url(path: &str) -> HttpUrl {
    HttpUrl::parse(&format!("https://{OPENBAO_NAME}:8200{path}")).expect("a URL")
}

/// The public key of a version, for the settings.
async fn public_key(transit: Transit<'_>, version: u32) -> Option<RsaPublicKey> {
    Some(RsaPublicKey::from_pem(&transit.public_key(version).await).expect("an RSA key"))
}

fn now() -> UnixTime {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos();
    UnixTime::from_nanos(now.try_into().unwrap())
}

fn signing(settings: config::VaultTransit) -> RemoteSigning {
    RemoteSigning::new(Box::new(VaultTransit::new(settings)), &envoy())
}

fn start(signer: &mut RemoteSigning) -> (Box<PendingToken>, Callout) {
    let signing = config::Signing {
        issuer: "Acme Bank".into(),
        subject: "XYZ".into(),
        audience: "retail".into(),
        lifetime: Duration::from_secs(30),
        signer: Signer::VaultTransit(Box::new(settings(""))),
    };
    let nonce = Nonces::new().next(now(), &NonceInput::default());
    let token = UnsignedToken::mint(&signing, "sig4", &nonce, now());
    signer.start(now(), REQUEST, token, Correlation::default())
}

/// Makes a callout, as a gateway does, and gives its end to the signer.
async fn end(
    server: &OpenBao,
    signer: &mut RemoteSigning,
    (pending, callout): (Box<PendingToken>, Callout),
) -> RemoteStep {
    let asked = &callout.request;
    let mut request = Request::new(asked.method, asked.url.path()).body(&asked.body);
    for (name, value) in &asked.headers {
        request = request.header(name, value);
    }
    let reply = server.send(&request).await;
    let [content_length, retry_after] =
        ["content-length", "retry-after"].map(|name| reply.header(name).map(|value| value.as_bytes().to_vec()));
    let status = Some(reply.status.to_string().into_bytes());
    let answer = Answer { status, content_length, retry_after, body: Body::Read(reply.body) };
    signer.note_pause(now(), &answer);
    signer.finish(now(), callout.id, REQUEST, pending, answer.complete()).expect("an end that counts")
}

/// What the first try gives with these settings: a token, or why there is none.
async fn first_try(server: &OpenBao, settings: config::VaultTransit) -> Result<String, RemoteError> {
    let mut signer = signing(settings);
    let started = start(&mut signer);
    match end(server, &mut signer, started).await {
        RemoteStep::Signed { token, signature, .. } => Ok(token.with_signature(&signature)),
        RemoteStep::Again { error, .. } | RemoteStep::Failed { error, .. } => Err(error),
    }
}

/// Whether another library finds this token valid with this public key in PEM.
fn is_valid(token: &str, public_key: &str) -> bool {
    verifies(token, &DecodingKey::from_rsa_pem(public_key.as_bytes()).expect("a public key"))
}

fn verifies(token: &str, key: &DecodingKey) -> bool {
    let mut rules = Validation::new(Algorithm::PS256);
    rules.set_audience(&["retail"]);
    rules.set_issuer(&["Acme Bank"]);
    decode::<Value>(token, key, &rules).is_ok()
}

#[tokio::test]
async fn a_token_that_openbao_signed_is_valid_in_another_library() {
    let (server, _files) = started().await;
    let transit = server.transit();
    let gateway = settings(&transit.token(600).await);
    let checked = config::VaultTransit { public_key: public_key(transit, 1).await, ..gateway.clone() };
    for settings in [gateway, checked] {
        let token = first_try(&server, settings).await.expect("a signature");
        assert!(is_valid(&token, &transit.public_key(1).await), "{token}");
        let jwk = serde_json::from_value(transit.jwk(1, "sig4").await).expect("a JWK");
        assert!(verifies(&token, &DecodingKey::from_jwk(&jwk).expect("a public key")), "{token}");
    }
}

#[tokio::test]
async fn each_refusal_of_openbao_is_told_apart() {
    let (server, _files) = started().await;
    let transit = server.transit();
    let right = settings(&transit.token(600).await);
    assert!(first_try(&server, right.clone()).await.is_ok());

    let revoked = transit.token(600).await;
    server.revoke(&revoked).await;
    let unlimited = settings(server.root_token());
    let elsewhere = |settings: &config::VaultTransit, path| config::VaultTransit { url: url(path), ..settings.clone() };
    let in_namespace = |settings: &config::VaultTransit, name: &str| config::VaultTransit {
        namespace: Some(name.to_owned()),
        ..settings.clone()
    };
    server.transit_in("other").await;
    let (other_key, other_mount) = ("/v1/transit/sign/other/sha2-256", "/v1/other/sign/sig4/sha2-256");
    for (what, settings, status) in [
        ("no token that it knows", settings("s.unknown"), 403),
        ("an expired token", settings(&transit.expired_token().await), 403),
        ("a revoked token", settings(&revoked), 403),
        ("another key than the token's", elsewhere(&right, other_key), 403),
        ("another mount than the token's", elsewhere(&right, other_mount), 403),
        ("another namespace than the token's", in_namespace(&right, "other"), 403),
        ("a key that is not there", elsewhere(&unlimited, other_key), 400),
        ("a mount that is not there", elsewhere(&unlimited, other_mount), 404),
        ("a namespace that is not there", in_namespace(&right, "missing"), 404),
        ("a hash that it does not know", elsewhere(&unlimited, "/v1/transit/sign/sig4/sha9-256"), 400),
    ] {
        assert_eq!(first_try(&server, settings).await, Err(RemoteError::Refused(status)), "{what}");
    }
}

/// OpenBao calls this an internal error, so it counts as one, and the log names both.
#[tokio::test]
async fn a_version_that_the_key_does_not_have_counts_as_an_internal_error() {
    let (server, _files) = started().await;
    let settings = settings(&server.transit().token(600).await);
    let version = |version| config::VaultTransit { key_version: Some(version), ..settings.clone() };
    assert!(first_try(&server, version(1)).await.is_ok());
    let error = RemoteError::Unavailable(CalloutError::Status(500));
    assert_eq!(first_try(&server, version(2)).await, Err(error));
    assert!(signing(settings).explain(error).contains("no such version"), "{error}");
}

#[tokio::test]
async fn openbao_signs_again_once_it_is_unsealed() {
    let (server, _files) = started().await;
    let mut signer = signing(settings(&server.transit().token(600).await));
    server.seal().await;
    let started = start(&mut signer);
    let step = end(&server, &mut signer, started).await;
    let RemoteStep::Again { pending, callout, error } = step else { panic!("no second try: {step:?}") };
    assert_eq!(error, RemoteError::Unavailable(CalloutError::Status(503)));

    server.unseal().await;
    let step = end(&server, &mut signer, (pending, callout)).await;
    assert!(matches!(step, RemoteStep::Signed { .. }), "{step:?}");
}

#[tokio::test]
async fn a_quota_makes_openbao_unavailable_without_a_second_try() {
    let (server, _files) = started().await;
    let settings = settings(&server.transit().token(600).await);
    let quota = json!({"path": "transit", "rate": 1, "interval": "1h"}).to_string();
    let request =
        Request::new("POST", "/v1/sys/quotas/rate-limit/signing").header("x-vault-token", server.root_token());
    assert_eq!(server.send(&request.body(quota.as_bytes())).await.status, 204);

    assert!(first_try(&server, settings.clone()).await.is_ok());
    let mut signer = signing(settings);
    let started = start(&mut signer);
    let step = end(&server, &mut signer, started).await;
    let expected = RemoteError::Unavailable(CalloutError::Status(429));
    assert!(matches!(step, RemoteStep::Failed { error, .. } if error == expected), "{step:?}");
}

#[tokio::test]
async fn after_a_rotation_the_configured_version_signs_and_any_other_is_noticed() {
    let (server, _files) = started().await;
    let transit = server.transit();
    let newest = settings(&transit.token(600).await);
    let first = public_key(transit, 1).await;
    transit.rotate().await;

    let pinned = config::VaultTransit { key_version: Some(1), public_key: first.clone(), ..newest.clone() };
    let token = first_try(&server, pinned).await.expect("a signature by the first version");
    assert!(is_valid(&token, &transit.public_key(1).await) && !is_valid(&token, &transit.public_key(2).await));

    let token = first_try(&server, newest.clone()).await.expect("a signature by the newest version");
    assert!(is_valid(&token, &transit.public_key(2).await) && !is_valid(&token, &transit.public_key(1).await));

    let unpinned = config::VaultTransit { public_key: first, ..newest };
    assert_eq!(first_try(&server, unpinned).await, Err(RemoteError::Wrong(AnswerFault::Mismatch)));
}

#[tokio::test]
async fn a_namespace_has_a_key_of_its_own() {
    let (server, _files) = started().await;
    let transit = server.transit_in("bank").await;
    let token = transit.token(600).await;
    let settings = config::VaultTransit { namespace: Some("bank".into()), ..settings(&token) };
    let token = first_try(&server, settings).await.expect("a signature");
    assert!(is_valid(&token, &transit.public_key(1).await));
    assert!(!is_valid(&token, &server.transit().public_key(1).await));
}

#[tokio::test]
async fn the_gateways_token_may_sign_and_nothing_else() {
    let (server, _files) = started().await;
    let token = server.transit().token(600).await;
    for (method, path) in [
        ("GET", "/v1/transit/keys/sig4"),
        ("POST", "/v1/transit/keys/sig4/rotate"),
        ("POST", "/v1/transit/sign/sig4/sha2-512"),
        ("GET", "/v1/auth/token/lookup-self"),
    ] {
        let request = Request::new(method, path).header("x-vault-token", &token);
        assert_eq!(server.send(&request).await.status, 403, "{method} {path}");
    }
    assert_eq!(server.transit().sign(&token, b"input").await.status, 200);
}

#[tokio::test]
async fn a_suspended_server_is_silent_until_it_goes_on_and_a_stopped_one_is_gone() {
    let (mut server, _files) = started().await;
    let token = server.transit().token(600).await;
    server.suspend();
    let transit = server.transit();
    let mut signing = Box::pin(transit.sign(&token, b"input"));
    assert!(timeout(Duration::from_millis(300), &mut signing).await.is_err(), "it answers");
    server.resume();
    assert_eq!(signing.await.status, 200);

    server.stop();
    assert!(tokio::net::TcpStream::connect(server.address()).await.is_err(), "somebody listens");
}
