//! Requests to the Hub, signed by a real OpenBao that a real Envoy calls. The Hub of the stage verifies each token with
//! another library, against the public key that OpenBao gives.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::time::sleep;
use wasm_tests::stage::client::{self, Outcome, Reply, Request};
use wasm_tests::stage::keystore::{Behaviour, Keystore};
use wasm_tests::stage::openbao::{self, OpenBao};
use wasm_tests::stage::pki::Pki;
use wasm_tests::stage::{OutboundSetup, OutboundStage, REMOTE_KEY_ID};

struct Scene {
    stage: OutboundStage,
    openbao: OpenBao,
    token: String,
    _files: TempDir,
}

/// The stage with a signer that is right but for these settings.
async fn start(settings: Value) -> Scene {
    start_with(settings, None).await
}

/// The same with this Vault token.
async fn start_with(settings: Value, token: Option<&str>) -> Scene {
    let files = tempfile::tempdir().expect("a temporary directory");
    let openbao = OpenBao::start(Pki::shared(), files.path()).await;
    let token = match token {
        Some(token) => token.to_owned(),
        None => openbao.transit().token(600).await,
    };
    let stage = OutboundSetup::new().remote_signer(openbao.address(), &token, &settings).start().await;
    publish(&stage.keystore, &openbao, 1).await;
    Scene { stage, openbao, token, _files: files }
}

/// Publishes a version of OpenBao's key as the bank's.
async fn publish(keystore: &Keystore, openbao: &OpenBao, version: u32) {
    let jwk = openbao.transit().jwk(version, REMOTE_KEY_ID).await;
    keystore.publish(&Pki::shared().bank.subject, json!({ "keys": [jwk] }));
}

impl Scene {
    async fn send(&self) -> Reply {
        let request = Request::new("POST", "/consents")
            .header("x-fapi-interaction-id", "0f6b1a3e-3c58-4f42-9d0c-6e2ab8c1d111")
            .header("authorization", "Bearer of-the-caller")
            .body(b"{}");
        self.stage.send_to_consent_manager(&request).await.reply()
    }

    /// Sends a request that must not reach the Hub, and says how it was refused.
    async fn refused(&self) -> (u16, Option<String>) {
        let before = self.stage.hub.calls().len();
        let reply = self.send().await;
        assert_eq!(self.stage.hub.calls().len(), before, "the Hub was called");
        assert_eq!(reply.header("x-fapi-interaction-id"), Some("0f6b1a3e-3c58-4f42-9d0c-6e2ab8c1d111"));
        assert_eq!(reply.header("retry-after").is_some(), reply.status == 503);
        self.nothing_secret_is_logged();
        (reply.status, reply.error_code())
    }

    fn nothing_secret_is_logged(&self) {
        let log = self.stage.envoy.log();
        assert!(!log.contains(&self.token) && !log.contains("of-the-caller") && !log.contains("eyJ"), "{log}");
    }
}

const FAULT: (u16, Option<&str>) = (500, Some("GenericError"));
const OUT_OF_REACH: (u16, Option<&str>) = (503, Some("GenericRecoverableError"));

fn told((status, code): &(u16, Option<String>)) -> (u16, Option<&str>) {
    (*status, code.as_deref())
}

#[tokio::test]
async fn the_hub_accepts_tokens_that_openbao_signed() {
    let scene = start(json!({})).await;
    for _ in 0..3 {
        assert_eq!(scene.send().await.status, 200);
    }
    let calls = scene.stage.hub.calls();
    let mut ids: Vec<_> = calls.iter().map(|call| call.accepted().claims["jti"].to_string()).collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 3);
    let log = scene.stage.envoy.log();
    let trail: Vec<_> = log.lines().filter(|line| line.contains(r#""event":"signed""#)).collect();
    assert_eq!(trail.len(), 3, "{log}");
    for (line, call) in trail.iter().zip(&calls) {
        let id = call.accepted().claims["jti"].as_str().expect("text");
        assert!(
            line.contains(id) && line.contains(r#""signer":"vault_transit""#) && line.contains(REMOTE_KEY_ID),
            "{line}"
        );
    }
    scene.nothing_secret_is_logged();
}

#[tokio::test]
async fn with_its_public_key_each_signature_is_checked_before_it_leaves() {
    let files = tempfile::tempdir().expect("a temporary directory");
    let openbao = OpenBao::start(Pki::shared(), files.path()).await;
    let token = openbao.transit().token(600).await;
    let public_key = openbao.transit().public_key(1).await;
    let settings = json!({ "public_key": public_key });
    let stage = OutboundSetup::new().remote_signer(openbao.address(), &token, &settings).start().await;
    publish(&stage.keystore, &openbao, 1).await;
    let scene = Scene { stage, openbao, token, _files: files };
    assert_eq!(scene.send().await.status, 200);
    // From now on another version signs, which nobody has published.
    scene.openbao.transit().rotate().await;
    assert_eq!(told(&scene.refused().await), FAULT);
    let log = scene.stage.envoy.log();
    assert!(log.contains("no signature from the remote signer"), "{log}");
}

/// The key is there before the first request, and after a rotation it is fetched for the signature that came.
#[tokio::test]
async fn without_its_public_key_the_signer_is_asked_for_it() {
    let scene = start(json!({})).await;
    let is_logged = |text: &str| scene.stage.envoy.log().contains(text);
    for _ in 0..100 {
        if is_logged("fetched 1 public keys of the remote signer") {
            break;
        }
        sleep(Duration::from_millis(100)).await;
    }
    assert!(is_logged("fetched 1 public keys of the remote signer"), "{}", scene.stage.envoy.log());
    assert_eq!(scene.send().await.status, 200);
    scene.openbao.transit().rotate().await;
    publish(&scene.stage.keystore, &scene.openbao, 2).await;
    for _ in 0..2 {
        assert_eq!(scene.send().await.status, 200);
    }
    let log = scene.stage.envoy.log();
    assert_eq!(log.matches("; fetching its public keys").count(), 1, "{log}");
    assert_eq!(log.matches("fetched 2 public keys of the remote signer").count(), 1, "{log}");
    for call in scene.stage.hub.calls() {
        call.accepted();
    }
}

#[tokio::test]
async fn a_token_that_may_only_sign_signs_only_where_the_public_key_is_configured() {
    let files = tempfile::tempdir().expect("a temporary directory");
    let openbao = OpenBao::start(Pki::shared(), files.path()).await;
    let token = openbao.transit().signing_token(600).await;
    let pinned = json!({ "public_key": openbao.transit().public_key(1).await });
    for (settings, is_signed) in [(json!({}), false), (pinned, true)] {
        let stage = OutboundSetup::new().remote_signer(openbao.address(), &token, &settings).start().await;
        publish(&stage.keystore, &openbao, 1).await;
        let reply = stage.send_to_consent_manager(&Request::new("GET", "/hello-mtls")).await.reply();
        if is_signed {
            assert_eq!(reply.status, 200);
        } else {
            assert_eq!((reply.status, reply.error_code().as_deref()), FAULT);
            let log = stage.envoy.log();
            assert!(log.contains(r#"grant it "read" on keys/"#) && stage.hub.calls().is_empty(), "{log}");
        }
    }
}

#[tokio::test]
async fn a_named_version_goes_on_signing_after_a_rotation() {
    let scene = start(json!({ "key_version": 1 })).await;
    scene.openbao.transit().rotate().await;
    assert_eq!(scene.send().await.status, 200);
    scene.stage.hub.calls()[0].accepted();
}

#[tokio::test]
async fn a_namespace_is_asked_where_one_is_configured() {
    let files = tempfile::tempdir().expect("a temporary directory");
    let openbao = OpenBao::start(Pki::shared(), files.path()).await;
    let transit = openbao.transit_in("payments").await;
    let token = transit.token(600).await;
    let settings = json!({ "namespace": "payments" });
    let stage = OutboundSetup::new().remote_signer(openbao.address(), &token, &settings).start().await;
    let jwk = transit.jwk(1, REMOTE_KEY_ID).await;
    stage.keystore.publish(&Pki::shared().bank.subject, json!({ "keys": [jwk] }));
    let scene = Scene { stage, token, _files: files, openbao };
    assert_eq!(scene.send().await.status, 200);
    scene.stage.hub.calls()[0].accepted();
}

#[tokio::test]
async fn a_signer_that_refuses_is_a_fault() {
    for (what, settings, token) in [
        ("a token that it does not know", json!({}), Some("s.unknown-to-openbao")),
        ("a key that the token may not use", json!({ "key": "other" }), None),
        ("a mount that is not there", json!({ "mount": "elsewhere" }), None),
    ] {
        let scene = start_with(settings, token).await;
        assert_eq!(told(&scene.refused().await), FAULT, "{what}");
        let log = scene.stage.envoy.log();
        assert!(log.contains("no public key of the remote signer: status 40"), "{what}: {log}");
    }
}

#[tokio::test]
async fn a_token_that_expires_is_a_fault_from_then_on() {
    let scene = start(json!({})).await;
    assert_eq!(scene.send().await.status, 200);
    scene.openbao.revoke(&scene.token).await;
    assert_eq!(told(&scene.refused().await), FAULT);
}

#[tokio::test]
async fn a_signer_that_is_sealed_is_out_of_reach_until_it_is_not() {
    let scene = start(json!({})).await;
    scene.openbao.seal().await;
    assert_eq!(told(&scene.refused().await), OUT_OF_REACH);
    scene.openbao.unseal().await;
    assert_eq!(scene.send().await.status, 200);
}

#[tokio::test]
async fn a_signer_that_is_down_is_out_of_reach() {
    let mut scene = start(json!({})).await;
    assert_eq!(scene.send().await.status, 200);
    scene.openbao.stop();
    assert_eq!(told(&scene.refused().await), OUT_OF_REACH);
    let log = scene.stage.envoy.log();
    assert_eq!(log.matches("trying once more").count(), 1, "{log}");
}

#[tokio::test]
async fn a_signer_that_is_slow_is_out_of_reach_after_the_deadline_and_serves_again_later() {
    let scene = start(json!({ "timeout": "300ms", "deadline": "700ms" })).await;
    assert_eq!(scene.send().await.status, 200);
    scene.openbao.suspend();
    assert_eq!(told(&scene.refused().await), OUT_OF_REACH);
    scene.openbao.resume();
    // What it was asked meanwhile it may answer first.
    sleep(Duration::from_millis(500)).await;
    assert_eq!(scene.send().await.status, 200);
}

#[tokio::test]
async fn a_signer_that_is_silent_for_one_try_signs_at_the_second() {
    let scene = start(json!({ "timeout": "1s", "deadline": "10s" })).await;
    assert_eq!(scene.send().await.status, 200);
    scene.openbao.suspend();
    let awake = async {
        sleep(Duration::from_millis(1500)).await;
        scene.openbao.resume();
    };
    let (reply, ()) = tokio::join!(scene.send(), awake);
    assert_eq!(reply.status, 200);
    let log = scene.stage.envoy.log();
    assert_eq!(log.matches("trying once more").count(), 1, "{log}");
    scene.stage.hub.calls()[1].accepted();
}

/// The stage's keystore stands in for a server that is not OpenBao: it answers any request as it is told.
#[tokio::test]
async fn a_server_that_is_no_signer_is_a_fault() {
    let pki = Pki::shared();
    let false_signature = json!({ "data": { "signature": "vault:v1:AAAA" } });
    let pinned = json!({ "public_key": pki.bank.signing.public_pem() });
    for behaviour in [Behaviour::html(), Behaviour::empty_set(), Behaviour::json(&false_signature)] {
        let server = Keystore::start(&pki.openbao).await;
        server.behave(behaviour);
        for (settings, told) in [(&pinned, "trying once more"), (&json!({}), "no public key of the remote signer")] {
            let stage = OutboundSetup::new().remote_signer(server.address(), "s.any", settings).start().await;
            let reply = stage.send_to_consent_manager(&Request::new("GET", "/hello-mtls")).await.reply();
            assert_eq!((reply.status, reply.error_code().as_deref()), FAULT);
            assert!(stage.hub.calls().is_empty());
            assert!(stage.envoy.log().contains(told), "{}", stage.envoy.log());
        }
    }
}

#[tokio::test]
async fn a_server_with_another_certificate_never_gets_the_token() {
    let pki = Pki::shared();
    let server = Keystore::start(&pki.other_host).await;
    let stage = OutboundSetup::new().remote_signer(server.address(), "s.any", &json!({})).start().await;
    let reply = stage.send_to_consent_manager(&Request::new("GET", "/hello-mtls")).await.reply();
    assert_eq!((reply.status, reply.error_code().as_deref()), OUT_OF_REACH);
    assert!(stage.hub.calls().is_empty());
}

/// OpenBao as it is tried out: `bao server -dev`, without TLS.
struct DevServer {
    child: Child,
    address: SocketAddr,
}

impl DevServer {
    async fn start(home: &Path) -> Self {
        let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
        let address = free.expect("a free port");
        let child = Command::new(openbao::binary())
            .args(["server", "-dev", "-dev-root-token-id=root", &format!("-dev-listen-address={address}")])
            .env_clear()
            .env("HOME", home)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("OpenBao starts");
        let server = Self { child, address };
        for _ in 0..600 {
            if server.try_send("GET", "/v1/sys/health", &Value::Null).await.is_some_and(|reply| reply.status == 200) {
                return server;
            }
            sleep(Duration::from_millis(100)).await;
        }
        panic!("OpenBao is not ready in a minute");
    }

    async fn try_send(&self, method: &str, path: &str, body: &Value) -> Option<Reply> {
        let request = Request::new(method, path).header("x-vault-token", "root");
        let request = if body.is_null() { request } else { request.body(body.to_string().as_bytes()) };
        match client::send_plain(self.address, "localhost", &request).await {
            Outcome::Reply(reply) => Some(reply),
            Outcome::Refused(_) => None,
        }
    }

    async fn send(&self, method: &str, path: &str, body: &Value) -> Value {
        let reply = self.try_send(method, path, body).await.expect("an answer");
        assert!(matches!(reply.status, 200 | 204), "{method} {path}: {}", reply.json());
        reply.json()
    }
}

impl Drop for DevServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// How most people will try it first.
#[tokio::test]
async fn a_development_server_without_tls_signs_as_well() {
    let files = tempfile::tempdir().expect("a temporary directory");
    let server = DevServer::start(files.path()).await;
    server.send("POST", "/v1/sys/mounts/transit", &json!({ "type": "transit" })).await;
    server.send("POST", "/v1/transit/keys/sig4", &json!({ "type": "rsa-2048" })).await;
    let key = server.send("GET", "/v1/transit/keys/sig4", &Value::Null).await;
    let pem = key["data"]["keys"]["1"]["public_key"].as_str().expect("a public key");

    let address = format!("http://{}", server.address);
    let settings = json!({ "address": address, "public_key": pem });
    let stage = OutboundSetup::new().remote_signer(server.address, "root", &settings).without_tls("bao").start().await;
    stage.keystore.publish(&Pki::shared().bank.subject, json!({ "keys": [openbao::jwk(pem, REMOTE_KEY_ID)] }));
    let reply = stage.send_to_consent_manager(&Request::new("GET", "/hello-mtls")).await.reply();
    assert_eq!((reply.status, &reply.json()["mtlsStatus"]), (200, &json!("established")));
    assert!(!stage.envoy.log().contains("everybody on the way"), "nobody is on the way to this machine");
}
