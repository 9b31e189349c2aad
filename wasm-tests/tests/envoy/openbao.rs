//! The remote signer of the filter, without a gateway, against a real OpenBao: its signatures are those of PS256 (RFC 7518
//! §3.5) by the word of another library, and what it answers when it does not sign.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hub_auth_filter::facade::callout::{Answer, Body, Callout, CalloutError};
use hub_auth_filter::facade::capabilities::Capabilities;
use hub_auth_filter::facade::config::{self, Credential, Patience, RemoteKey, Secret, Signer, VaultToken};
use hub_auth_filter::facade::gateway::GatewayKind;
use hub_auth_filter::facade::request::{Correlation, NonceInput, RequestId};
use hub_auth_filter::facade::rsa::RsaPublicKey;
use hub_auth_filter::facade::signing::Nonces;
use hub_auth_filter::facade::signing::UnsignedToken;
use hub_auth_filter::facade::signing::{
    AnswerFault, Need, PendingToken, Preparation, RemoteError, RemoteSigning, RemoteStep, VaultTransit,
};
use hub_auth_filter::facade::time::{Moment, UnixTime};
use hub_auth_filter::facade::url::HttpUrl;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::time::timeout;
use wasm_tests::stage::client::Request;
use wasm_tests::stage::openbao::{KEY_PATH, OpenBao, SIGN_PATH, Transit};
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
        key_url: url(KEY_PATH),
        namespace: None,
        token: VaultToken::Given(Credential::Secret(Secret::new(token))),
        key_version: None,
        remote: RemoteKey {
            upstream: "openbao".into(),
            key_id: "sig4".into(),
            public_key: None,
            patience: Patience { timeout: Duration::from_secs(5), deadline: Duration::from_secs(20) },
        },
    }
}

/// These settings with a public key to check signatures with.
fn checking(settings: config::VaultTransit, public_key: Option<RsaPublicKey>) -> config::VaultTransit {
    config::VaultTransit { remote: RemoteKey { public_key, ..settings.remote }, ..settings }
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

fn now() -> Moment {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos();
    Moment::by_wall_clock(UnixTime::from_nanos(now.try_into().unwrap()))
}

fn signing(settings: config::VaultTransit) -> RemoteSigning {
    RemoteSigning::new(Box::new(VaultTransit::new(settings)), &envoy())
}

fn start(signer: &mut RemoteSigning) -> (Box<PendingToken>, Need) {
    let signing = config::Signing {
        issuer: "Acme Bank".into(),
        subject: "XYZ".into(),
        audience: "retail".into(),
        lifetime: Duration::from_secs(30),
        signer: Signer::VaultTransit(Box::new(settings(""))),
    };
    let nonce = Nonces::new().next(now().wall, &NonceInput::default());
    let token = UnsignedToken::mint(&signing, "sig4", &nonce, now().wall);
    signer.start(now(), REQUEST, token, Correlation::default(), true).expect("room")
}

fn callout(need: Need) -> Callout {
    match need {
        Need::Signature(callout) => callout,
        Need::Preparation(wait) => wait.callout.expect("the first fetch"),
    }
}

/// Makes a callout, as a gateway does, and gives its end to the signer.
async fn end(server: &OpenBao, signer: &mut RemoteSigning, (pending, need): (Box<PendingToken>, Need)) -> RemoteStep {
    let callout = callout(need);
    let asked = &callout.request;
    let mut request = Request::new(asked.method, asked.url.path()).body(&asked.body);
    for (name, value) in &asked.headers {
        request = request.header(name, value);
    }
    let reply = server.send(&request).await;
    let [content_length, retry_after] =
        ["content-length", "retry-after"].map(|name| reply.header(name).map(|value| value.as_bytes().to_vec()));
    let status = Some(reply.status.to_string().into_bytes());
    let answer = Answer { status, content_length, retry_after, body: Body::Read(reply.body), ..Answer::default() };
    signer.note_pause(now().steady, &callout.subject, &answer);
    if let Some(preparation) = Preparation::of(&callout.subject) {
        let prepared = signer.finish_preparation(now(), callout.id, preparation, answer.complete());
        let result = prepared.expect("an end that counts").map(drop);
        return signer.go_on(now(), REQUEST, pending, preparation, result, true);
    }
    signer.finish(now(), callout.id, REQUEST, pending, answer.complete(), true).expect("an end that counts")
}

/// What the first try gives with these settings: a token, or why there is none.
async fn first_try(server: &OpenBao, settings: config::VaultTransit) -> Result<String, RemoteError> {
    attempt(server, &mut signing(settings)).await
}

/// The same by a signer that may know public keys already.
async fn attempt(server: &OpenBao, signer: &mut RemoteSigning) -> Result<String, RemoteError> {
    let mut next = start(signer);
    loop {
        match end(server, signer, next).await {
            RemoteStep::Signed { token, signature, .. } => return Ok(token.with_signature(&signature)),
            RemoteStep::Pending { error: Some(error), .. } | RemoteStep::Failed { error, .. } => return Err(error),
            RemoteStep::Pending { pending, need, error: None } => next = (pending, need),
        }
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
    let checked = checking(gateway.clone(), public_key(transit, 1).await);
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
    let key = public_key(transit, 1).await;
    let settings = |token: &str| checking(settings(token), key.clone());
    let right = settings(&transit.signing_token(600).await);
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
    let transit = server.transit();
    let settings = checking(settings(&transit.token(600).await), public_key(transit, 1).await);
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
    let RemoteStep::Pending { pending, need: need @ Need::Preparation(_), error } = step else {
        panic!("no second try: {step:?}")
    };
    assert_eq!(error, Some(RemoteError::Unavailable(CalloutError::Status(503))));

    server.unseal().await;
    let step = end(&server, &mut signer, (pending, need)).await;
    let RemoteStep::Pending { pending, need: need @ Need::Signature(_), error: None } = step else {
        panic!("{step:?}")
    };
    let step = end(&server, &mut signer, (pending, need)).await;
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

    let error = first_try(&server, settings.clone()).await.expect_err("a second request in an hour");
    assert_eq!(error, RemoteError::Unavailable(CalloutError::Status(429)), "the public key was the first");
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

    let pinned = config::VaultTransit { key_version: Some(1), ..checking(newest.clone(), first.clone()) };
    let token = first_try(&server, pinned).await.expect("a signature by the first version");
    assert!(is_valid(&token, &transit.public_key(1).await) && !is_valid(&token, &transit.public_key(2).await));

    let token = first_try(&server, newest.clone()).await.expect("a signature by the newest version");
    assert!(is_valid(&token, &transit.public_key(2).await) && !is_valid(&token, &transit.public_key(1).await));

    let pinned = checking(newest, first);
    assert_eq!(first_try(&server, pinned).await, Err(RemoteError::Wrong(AnswerFault::Mismatch)));
}

/// One that is told of the rotation by the signature.
#[tokio::test]
async fn after_a_rotation_the_new_public_key_is_fetched_for_the_signature_that_came() {
    let (server, _files) = started().await;
    let transit = server.transit();
    let mut signer = signing(settings(&transit.token(600).await));
    assert!(is_valid(&attempt(&server, &mut signer).await.expect("a signature"), &transit.public_key(1).await));
    for (what, version, fault) in [
        ("rotated", 2, AnswerFault::UnknownVersion),
        ("rotated at once again", 3, AnswerFault::UnknownVersion),
        ("made anew, with as many versions", 1, AnswerFault::Mismatch),
    ] {
        if version == 1 {
            transit.replace_key("rsa-2048").await
        } else {
            transit.rotate().await
        }
        let started = start(&mut signer);
        let step = end(&server, &mut signer, started).await;
        let RemoteStep::Pending { pending, need: need @ Need::Preparation(_), error } = step else {
            panic!("{what}: {step:?}")
        };
        assert_eq!(error, Some(RemoteError::Wrong(fault)), "{what}");
        let step = end(&server, &mut signer, (pending, need)).await;
        let RemoteStep::Signed { token, signature, .. } = step else { panic!("{what}: {step:?}") };
        assert!(is_valid(&token.with_signature(&signature), &transit.public_key(version).await), "{what}");
        assert!(attempt(&server, &mut signer).await.is_ok(), "{what}: it is known now");
    }
}

/// What a server gives that does not heed `signature_algorithm` or `salt_length`, as HashiCorp Vault before 1.12: here OpenBao is asked for it.
#[tokio::test]
async fn a_signature_with_another_padding_or_salt_never_leaves() {
    let (server, _files) = started().await;
    let transit = server.transit();
    let token = transit.token(600).await;
    let pinned = checking(settings(&token), public_key(transit, 1).await);
    for settings in [settings(&token), pinned] {
        for (what, change, leaves) in [
            ("as it was asked for", json!({}), true),
            ("PKCS #1 v1.5", json!({"signature_algorithm": "pkcs1v15"}), false),
            ("the longest salt", json!({"salt_length": "auto"}), false),
            ("a salt of 20 bytes", json!({"salt_length": "20"}), false),
            ("in base64", json!({"marshaling_algorithm": "asn1"}), true),
        ] {
            let mut signer = signing(settings.clone());
            let mut next = start(&mut signer);
            if matches!(next.1, Need::Preparation(_)) {
                let step = end(&server, &mut signer, next).await;
                let RemoteStep::Pending { pending, need, error: None } = step else { panic!("{step:?}") };
                next = (pending, need);
            }
            let Need::Signature(mut callout) = next.1 else { panic!("{what}") };
            let mut body: Value = serde_json::from_slice(&callout.request.body).expect("JSON");
            for (name, value) in change.as_object().expect("an object") {
                body[name] = value.clone();
            }
            callout.request.body = body.to_string().into_bytes();
            let step = end(&server, &mut signer, (next.0, Need::Signature(callout))).await;
            if leaves {
                assert!(matches!(step, RemoteStep::Signed { .. }), "{what}: {step:?}");
            } else {
                let expected = RemoteError::Wrong(AnswerFault::Mismatch);
                assert!(
                    matches!(step, RemoteStep::Pending { error, .. } if error == Some(expected)),
                    "{what}: {step:?}"
                );
            }
        }
    }
}

#[tokio::test]
async fn without_the_right_to_read_the_public_key_nothing_is_signed_unless_it_is_configured() {
    let (server, _files) = started().await;
    let transit = server.transit();
    let signs_alone = settings(&transit.signing_token(600).await);
    let error = RemoteError::Refused(403);
    assert_eq!(first_try(&server, signs_alone.clone()).await, Err(error));
    let told = signing(signs_alone.clone()).explain_preparation(Preparation::PublicKeys, error);
    assert!(told.contains(r#"grant it "read""#) && told.contains("configure public_key"), "{told}");
    let pinned = checking(signs_alone, public_key(transit, 1).await);
    assert!(first_try(&server, pinned).await.is_ok());
}

#[tokio::test]
async fn a_key_that_is_not_for_ps256_is_refused_by_its_public_half() {
    let (server, _files) = started().await;
    let transit = server.transit();
    let settings = settings(&transit.token(600).await);
    for (kind, good) in
        [("ecdsa-p256", false), ("ed25519", false), ("aes256-gcm96", false), ("rsa-3072", true), ("rsa-4096", true)]
    {
        transit.replace_key(kind).await;
        match first_try(&server, settings.clone()).await {
            Ok(token) => assert!(good && is_valid(&token, &transit.public_key(1).await), "{kind}"),
            Err(error) => {
                let RemoteError::Wrong(AnswerFault::Unreadable(fault)) = error else { panic!("{kind}: {error}") };
                assert!(
                    !good && (fault.contains("is not an RSA key") || fault.contains("configure public_key")),
                    "{kind}: {fault}"
                );
            }
        }
    }
}

#[tokio::test]
async fn each_refusal_to_tell_the_public_key_is_told_apart() {
    let (server, _files) = started().await;
    let transit = server.transit();
    let right = settings(&transit.token(600).await);
    let unlimited = settings(server.root_token());
    let elsewhere =
        |settings: &config::VaultTransit, path| config::VaultTransit { key_url: url(path), ..settings.clone() };
    for (what, settings, error) in [
        ("no token that it knows", settings("s.unknown"), RemoteError::Refused(403)),
        ("another key than the token's", elsewhere(&right, "/v1/transit/keys/other"), RemoteError::Refused(403)),
        ("a key that is not there", elsewhere(&unlimited, "/v1/transit/keys/other"), RemoteError::Refused(404)),
        ("a mount that is not there", elsewhere(&unlimited, "/v1/other/keys/sig4"), RemoteError::Refused(404)),
        (
            "a version that is not there",
            config::VaultTransit { key_version: Some(2), ..right.clone() },
            RemoteError::Wrong(AnswerFault::Unreadable("the key has no version that is key_version")),
        ),
    ] {
        assert_eq!(first_try(&server, settings).await, Err(error), "{what}");
    }
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
async fn the_gateways_token_may_sign_and_read_the_public_key_and_nothing_else() {
    let (server, _files) = started().await;
    let transit = server.transit();
    let (gateway, signs_alone) = (transit.token(600).await, transit.signing_token(600).await);
    let status = async |token: &str, method, path| {
        server.send(&Request::new(method, path).header("x-vault-token", token)).await.status
    };
    for token in [&gateway, &signs_alone] {
        for (method, path) in [
            ("DELETE", "/v1/transit/keys/sig4"),
            ("GET", "/v1/transit/keys?list=true"),
            ("GET", "/v1/transit/export/signing-key/sig4"),
            ("POST", "/v1/transit/keys/sig4/config"),
            ("POST", "/v1/transit/keys/sig4/rotate"),
            ("POST", "/v1/transit/sign/sig4/sha2-512"),
            ("GET", "/v1/auth/token/lookup-self"),
        ] {
            assert_eq!(status(token, method, path).await, 403, "{method} {path}");
        }
        assert_eq!(transit.sign(token, b"input").await.status, 200);
    }
    assert_eq!(status(&gateway, "GET", KEY_PATH).await, 200);
    assert_eq!(status(&signs_alone, "GET", KEY_PATH).await, 403);
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
