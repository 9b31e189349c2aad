//! The filter's own login to a real OpenBao, through a real Envoy: by AppRole and with a JWT. Its tokens end, are prolonged and are revoked
//! while requests come, and no request is refused for that.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;
use wasm_tests::stage::client::{Reply, Request};
use wasm_tests::stage::openbao::OpenBao;
use wasm_tests::stage::openbao_logins::{AppRole, Life, ROLE, TokenReviews};
use wasm_tests::stage::pki::Pki;
use wasm_tests::stage::tokens::now;
use wasm_tests::stage::{OutboundSetup, OutboundStage, REMOTE_KEY_ID};

const HOUR: Life = Life { ttl: 3600, max_ttl: 7200 };

async fn openbao() -> (OpenBao, TempDir) {
    let files = tempfile::tempdir().expect("a temporary directory");
    (OpenBao::start(Pki::shared(), files.path()).await, files)
}

/// The stage where the filter logs in so; the secret is in Envoy's environment.
async fn start(openbao: &OpenBao, login: &Value, secret: &str) -> OutboundStage {
    let stage = OutboundSetup::new().remote_signer(openbao.address(), secret, &json!({ "token": login })).start().await;
    let jwk = openbao.transit().jwk(1, REMOTE_KEY_ID).await;
    stage.keystore.publish(&Pki::shared().bank.subject, json!({ "keys": [jwk] }));
    stage
}

async fn by_app_role(openbao: &OpenBao, role: &AppRole) -> OutboundStage {
    let login = json!({"app_role": {"role_id": role.role_id, "secret_id": {"env": "BAO_TOKEN"}}});
    start(openbao, &login, &role.secret_id).await
}

async fn send(stage: &OutboundStage) -> Reply {
    stage.send_to_consent_manager(&Request::new("POST", "/consents").body(b"{}")).await.reply()
}

/// How often the log has this.
fn logged(stage: &OutboundStage, part: &str) -> usize {
    stage.envoy.log().matches(part).count()
}

fn nothing_secret_is_logged(stage: &OutboundStage, secret: &str) {
    let log = stage.envoy.log();
    assert!(!log.contains(secret) && !log.contains("eyJ"), "{log}");
}

#[tokio::test]
async fn tokens_end_and_are_revoked_while_requests_come_and_none_is_refused() {
    let (openbao, _files) = openbao().await;
    // Prolonged a minute before its end: after some seconds.
    let before = openbao.tokens().await;
    let role = openbao.app_role(Life { ttl: 63, max_ttl: 3600 }).await;
    let stage = by_app_role(&openbao, &role).await;
    let (started, mut sent, mut is_revoked) = (Instant::now(), 0, false);
    while started.elapsed() < Duration::from_secs(20) {
        let reply = send(&stage).await;
        assert_eq!(reply.status, 200, "after {:?}: {}", started.elapsed(), stage.envoy.log());
        sent += 1;
        if !is_revoked && started.elapsed() > Duration::from_secs(10) {
            openbao.revoke_all("approle").await;
            is_revoked = true;
        }
    }
    assert!(sent > 100, "{sent}");
    for call in stage.hub.calls() {
        call.accepted();
    }
    let refused = logged(&stage, "status 403 instead of 200");
    assert!(refused >= 1, "a request, or a renewal, met the revocation: {}", stage.envoy.log());
    // One of each worker is there still, however often it was prolonged.
    let logins = openbao.tokens().await - before;
    let fetched = logged(&stage, "fetched an access token for the remote signer");
    assert!((1..=4).contains(&logins) && fetched >= 3 * logins, "{logins} tokens, fetched {fetched} times");
    nothing_secret_is_logged(&stage, &role.secret_id);
}

#[tokio::test]
async fn without_its_secret_id_the_filter_signs_until_its_token_ends_and_then_says_why_it_does_not() {
    let (openbao, _files) = openbao().await;
    let role = openbao.app_role(Life { ttl: 12, max_ttl: 12 }).await;
    let stage = by_app_role(&openbao, &role).await;
    assert_eq!(send(&stage).await.status, 200, "{}", stage.envoy.log());
    openbao.destroy_secret_id(&role.secret_id).await;
    let (started, mut last_good) = (Instant::now(), Duration::ZERO);
    let refused = loop {
        let reply = send(&stage).await;
        if reply.status != 200 {
            break reply;
        }
        last_good = started.elapsed();
        assert!(last_good < Duration::from_secs(60), "the token does not end");
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    assert!(last_good > Duration::from_secs(8), "{last_good:?}");
    assert!([500, 503].contains(&refused.status), "{}", refused.status);
    let log = stage.envoy.log();
    assert!(log.contains("no access token for the remote signer: status 400 instead of 200: the role"), "{log}");
    nothing_secret_is_logged(&stage, &role.secret_id);
}

/// A JWT for OpenBao, with the subject of the gateway.
fn jwt() -> String {
    let seconds = now();
    let claims = json!({
        "iss": "https://kubernetes.default.svc", "sub": "system:serviceaccount:bank:gateway", "aud": ["bao"],
        "iat": seconds, "nbf": seconds, "exp": seconds + 3600,
        "kubernetes.io": {"namespace": "bank", "serviceaccount": {"name": "gateway", "uid": "0b5f2f0c"}},
    });
    let key =
        jsonwebtoken::EncodingKey::from_rsa_pem(Pki::shared().bank.signing.pkcs8_pem().as_bytes()).expect("a key");
    jsonwebtoken::encode(&jsonwebtoken::Header::new(jsonwebtoken::Algorithm::RS256), &claims, &key).expect("a JWT")
}

#[tokio::test]
async fn a_jwt_logs_in_by_the_methods_jwt_and_kubernetes() {
    let (openbao, _files) = openbao().await;
    let jwt = jwt();
    openbao.jwt_role(&Pki::shared().bank.signing, "bao", HOUR).await;
    let reviews = TokenReviews::start(&jwt).await;
    openbao.kubernetes_role(&reviews, HOUR).await;
    for mount in ["jwt", "kubernetes"] {
        let login = json!({"kubernetes": {"role": ROLE, "jwt": {"env": "BAO_TOKEN"}, "mount": mount}});
        let stage = start(&openbao, &login, &jwt).await;
        for _ in 0..2 {
            assert_eq!(send(&stage).await.status, 200, "{mount}: {}", stage.envoy.log());
        }
        nothing_secret_is_logged(&stage, &jwt);
        // Another one, of nobody's, logs nobody in.
        let stage = start(&openbao, &login, "e30.e30.e30").await;
        let refused = send(&stage).await;
        assert!([500, 503].contains(&refused.status), "{mount}: {}", refused.status);
        let log = stage.envoy.log();
        assert!(log.contains("no access token for the remote signer: status 4"), "{mount}: {log}");
    }
    assert!(reviews.reviewed() >= 2, "OpenBao has asked about both");
}
