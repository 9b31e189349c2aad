//! The other methods and settings on a real Envoy: API key (spec §2.2), mutual TLS only (§2.1), several providers (§2.5),
//! service initiation (§2.6), and replay detection under real concurrency.

use serde_json::json;
use tokio::task::JoinSet;
use wasm_tests::stage::client::{Outcome, Reply, Request};
use wasm_tests::stage::tokens::{Signer, now, with_broken_signature};
use wasm_tests::stage::{Setup, Stage, signed_by, token_of};

/// The key that the bank gave the Hub, as it is generated: 256 bits.
const KEY: &str = "f2d8a6c4e0b19375f2d8a6c4e0b19375f2d8a6c4e0b19375f2d8a6c4e0b19375";
/// `printf %s $KEY | sha256sum`
const KEY_SHA256: &str = "297d6096dfd1dad9737ae8d30d91f5eb4a2e6e368dda4bb3476cf8cb45f3d028";
/// Another, which has ended.
const OLD_KEY: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
/// Its digest.
const OLD_KEY_SHA256: &str = "a8ae6e6ee929abea3afcfc5258c8ccd6f85273e0d4626d26c7279f3250f77c8e";

const IDS: &str = r#""provider_ids": ["retail"],"#;

fn outcome(reply: &Reply) -> (u16, String) {
    (reply.status, reply.error_code().unwrap_or_else(|| "-".to_owned()))
}

fn refused(status: u16, code: &str) -> (u16, String) {
    (status, code.to_owned())
}

fn accepted() -> (u16, String) {
    refused(200, "-")
}

fn get() -> Request {
    Request::new("GET", "/accounts")
}

async fn hub_sends(stage: &Stage, request: Request) -> Reply {
    stage.send_as_hub(&request).await.reply()
}

#[tokio::test]
async fn an_api_key_is_accepted_by_its_digest_and_only_in_its_time() {
    let keys = json!([
        {"id": "2025", "sha256": OLD_KEY_SHA256, "expires": "2025-12-31T00:00:00Z"},
        {"id": "2026", "sha256": KEY_SHA256},
    ]);
    let stage = Setup::new().auth(&json!({"api_key": {"keys": keys}})).start().await;
    let with = |key: &str| get().header("authorization", key);
    assert_eq!(outcome(&hub_sends(&stage, with(KEY)).await), accepted());
    for (what, request, expected) in [
        ("an unknown key", with("another"), refused(401, "ApiKey.Invalid")),
        ("a key that has ended", with(OLD_KEY), refused(401, "ApiKey.Invalid")),
        ("a key after a scheme", with(&format!("Bearer {KEY}")), refused(401, "ApiKey.Invalid")),
        ("no key", get(), refused(401, "Credential.Missing")),
        ("two keys", with(KEY).header("authorization", KEY), refused(401, "Credential.Malformed")),
    ] {
        assert_eq!(outcome(&hub_sends(&stage, request).await), expected, "{what}");
    }
    let tpp = stage.send(Some(&stage.pki.tpp.transport), &with(KEY)).await.reply();
    assert_eq!(outcome(&tpp), refused(403, "Certificate.NotAllowed"), "the right key from another");

    let received = stage.bank.received();
    assert_eq!(received.len(), 1);
    assert_eq!(received[0].value("x-hub-auth-method"), Some("api_key"));
    assert_eq!(received[0].value("x-hub-token-id"), Some("2026"));
    assert!(received[0].values("authorization").is_empty(), "the key ends here");
    let log = stage.envoy.log();
    assert!(log.contains("API key 2026 is in use") && log.contains(r#""api_key":"2025""#), "{log}");
    assert!(!log.contains(KEY) && !log.contains(OLD_KEY), "a key is in the log");
}

#[tokio::test]
async fn a_key_in_a_header_of_its_own_ends_there_together_with_a_stray_authorization() {
    let settings = json!({"keys": [{"id": "2026", "sha256": KEY_SHA256}], "header": "X-Api-Key", "scheme": "ApiKey"});
    let stage = Setup::new().auth(&json!({"api_key": settings})).start().await;
    let request = get().header("x-api-key", format!("ApiKey {KEY}")).header("authorization", "Basic dTpw");
    assert_eq!(outcome(&hub_sends(&stage, request).await), accepted());
    let received = stage.bank.received();
    assert!(received[0].values("authorization").is_empty() && received[0].values("x-api-key").is_empty());
    let in_authorization = get().header("authorization", format!("ApiKey {KEY}"));
    assert_eq!(outcome(&hub_sends(&stage, in_authorization).await), refused(401, "Credential.Missing"));
}

#[tokio::test]
async fn with_mutual_tls_only_the_pin_is_demanded_and_a_credential_taken_away() {
    let stage = Setup::new().auth(&json!({"mtls_only": {}})).start().await;
    assert_eq!(outcome(&hub_sends(&stage, Request::with_token("whatever")).await), accepted());
    let received = stage.bank.received();
    assert_eq!(received[0].value("x-hub-auth-method"), Some("mtls_only"));
    assert!(received[0].values("authorization").is_empty());
    let tpp = stage.send(Some(&stage.pki.tpp.transport), &get()).await.reply();
    assert_eq!(outcome(&tpp), refused(403, "Certificate.NotAllowed"));
    assert!(matches!(stage.send(None, &get()).await, Outcome::Refused(_)), "TLS itself wants a certificate");
    assert_eq!(stage.keystore.fetches(), []);
}

#[tokio::test]
async fn of_several_providers_the_header_names_the_audience() {
    let stage = Setup::new().edit(IDS, r#""provider_ids": ["retail", "corporate"],"#).start().await;
    let hub = &stage.pki.hub;
    let token = |audience: &str| token_of(hub).claim("aud", audience).sign(Signer::Ps256(&hub.signing));
    let request = |audience: &str| Request::with_token(&token(audience));
    for (what, request, expected) in [
        ("retail", request("retail").header("o3-provider-id", "retail"), accepted()),
        ("corporate", request("corporate").header("o3-provider-id", "corporate"), accepted()),
        ("the alias", request("corporate").header("o3-aspsp-id", "corporate"), accepted()),
        (
            "header and alias alike",
            request("retail").header("o3-provider-id", "retail").header("o3-aspsp-id", "retail"),
            accepted(),
        ),
        (
            "header and alias unlike",
            request("retail").header("o3-provider-id", "retail").header("o3-aspsp-id", "corporate"),
            refused(403, "Provider.Unknown"),
        ),
        (
            "the header twice",
            request("retail").header("o3-provider-id", "retail").header("o3-provider-id", "corporate"),
            refused(403, "Provider.Unknown"),
        ),
        ("none", request("retail"), refused(403, "Provider.Unknown")),
        ("an unknown one", request("retail").header("o3-provider-id", "other"), refused(403, "Provider.Unknown")),
        (
            "a token for the other one",
            request("retail").header("o3-provider-id", "corporate"),
            refused(401, "JWS.InvalidClaim"),
        ),
    ] {
        assert_eq!(outcome(&hub_sends(&stage, request).await), expected, "{what}");
    }
}

#[tokio::test]
async fn a_service_initiation_token_passes_unread_where_it_is_allowed_and_nowhere_else() {
    let allow =
        r#""provider_ids": ["retail"], "service_initiation": {"allow": [{"method": "POST", "path": "/payments"}]},"#;
    let stage = Setup::new().edit(IDS, allow).start().await;
    let hub = &stage.pki.hub;
    let opaque = "bank-made.token-1";
    let with = |method: &str, path: &str, token: &str| {
        Request::new(method, path).header("authorization", format!("Bearer {token}"))
    };
    assert_eq!(outcome(&hub_sends(&stage, with("POST", "/payments?x=1", opaque)).await), accepted());
    let received = stage.bank.received();
    assert_eq!(received[0].value("x-hub-auth-method"), Some("unverified_service_initiation"));
    assert_eq!(received[0].value("authorization"), Some("Bearer bank-made.token-1"), "only the bank can check it");
    assert_eq!(received[0].value("x-hub-token-id"), None);

    assert_eq!(outcome(&hub_sends(&stage, with("POST", "/payments", &signed_by(hub))).await), accepted());
    let verified = &stage.bank.received()[1];
    assert_eq!(verified.value("x-hub-auth-method"), Some("jwt_auth"));
    assert!(verified.values("authorization").is_empty());

    let broken = with_broken_signature(&signed_by(hub));
    let expired = token_of(hub).valid(now() - 60, now() - 30).sign(Signer::Ps256(&hub.signing));
    let unsigned = token_of(hub).header("alg", "none").sign(Signer::Unsigned);
    for (what, request, expected) in [
        ("a JWT Auth token with a wrong signature", with("POST", "/payments", &broken), "JWS.InvalidSignature"),
        ("one that has expired", with("POST", "/payments", &expired), "JWS.InvalidClaim"),
        ("one without a signature", with("POST", "/payments", &unsigned), "JWS.InvalidHeader"),
        ("another method", with("PUT", "/payments", opaque), "JWS.Malformed"),
        ("another path", with("POST", "/accounts", opaque), "JWS.Malformed"),
        ("a path below", with("POST", "/payments/1", opaque), "JWS.Malformed"),
        ("a path that is normalised to another", with("POST", "/payments/../accounts", opaque), "JWS.Malformed"),
        ("no token", Request::new("POST", "/payments"), "Credential.Missing"),
    ] {
        assert_eq!(outcome(&hub_sends(&stage, request).await), refused(401, expected), "{what}");
    }
    let tpp = stage.send(Some(&stage.pki.tpp.transport), &with("POST", "/payments", opaque)).await.reply();
    assert_eq!(outcome(&tpp), refused(403, "Certificate.NotAllowed"));
    assert_eq!(stage.bank.received().len(), 2);
}

/// Sends one token so often at the same time, each time on a connection of its own, and says how often it passed.
async fn storm(stage: &Stage, token: &str, times: usize) -> usize {
    let mut sending = JoinSet::new();
    for _ in 0..times {
        let mut connection = stage.connect(Some(&stage.pki.hub.transport)).await.expect("a connection");
        let request = Request::with_token(token);
        sending.spawn(async move { connection.send(&request).await });
    }
    let outcomes: Vec<_> = sending.join_all().await.iter().map(|sent| outcome(&sent.clone().reply())).collect();
    let replayed = outcomes.iter().filter(|outcome| **outcome == refused(401, "JWS.InvalidClaim")).count();
    let passed = outcomes.iter().filter(|outcome| **outcome == accepted()).count();
    assert_eq!(passed + replayed, times, "{outcomes:?}");
    passed
}

fn with_replay_detection(scope: &str) -> Setup {
    let jwks = r#""jwks": {"environment": "sandbox"}"#;
    Setup::new().workers(4).edit(jwks, &format!(r#"{jwks}, "replay_detection": "{scope}""#))
}

#[tokio::test]
async fn a_token_that_is_presented_a_hundred_times_to_four_workers_passes_once() {
    let stage = with_replay_detection("gateway").start().await;
    for round in 0..5 {
        // The first round begins without keys, so that all wait for them.
        assert_eq!(storm(&stage, &signed_by(&stage.pki.hub), 100).await, 1, "round {round}");
    }
    assert_eq!(stage.bank.received().len(), 5);
    assert_eq!(stage.keystore.fetches().len(), 1);
}

#[tokio::test]
async fn within_one_worker_alone_a_token_passes_once_with_each() {
    let stage = with_replay_detection("worker").start().await;
    let passed = storm(&stage, &signed_by(&stage.pki.hub), 100).await;
    assert!((1..=4).contains(&passed), "{passed} times");
}
