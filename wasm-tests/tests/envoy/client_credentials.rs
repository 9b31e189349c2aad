//! Access tokens from the bank's own authorisation server, as JWTs and by introspection (spec §2.3; RFC 9068, RFC 7662,
//! RFC 8705 §3).

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::time::{sleep, sleep_until};
use wasm_tests::stage::authorisation_server::{
    AUDIENCE, GATEWAY_ID, GATEWAY_SECRET, Grant, INTROSPECTION_PATH, ISSUER, JWKS_PATH,
};
use wasm_tests::stage::client::{Reply, Request};
use wasm_tests::stage::keystore::{Behaviour, Keystore};
use wasm_tests::stage::pki::{ARABIC_HUB_UNIT, HUB_UNIT, Pki};
use wasm_tests::stage::tokens::{now, with_broken_signature, with_swapped_claims};
use wasm_tests::stage::{Setup, Stage, signed_by};

const INVALID: (u16, &str) = (401, "AccessToken.Invalid");
const WITHOUT_SCOPE: (u16, &str) = (403, "AccessToken.InvalidScope");

/// Tokens are JWTs, checked with the server's keys.
fn by_keys() -> Value {
    json!({
        "issuer": ISSUER, "audience": AUDIENCE, "scopes": ["accounts"], "algorithms": ["PS256"],
        "jwks": {"url": format!("{ISSUER}{JWKS_PATH}")}, "upstream": "authorisation_server",
    })
}

/// Tokens are opaque, and the server is asked about them.
fn by_introspection() -> Value {
    json!({
        "issuer": ISSUER, "audience": AUDIENCE, "scopes": ["accounts"],
        "introspection": {
            "url": format!("{ISSUER}{INTROSPECTION_PATH}"), "upstream": "authorisation_server",
            "client_id": GATEWAY_ID, "client_secret": {"env": "INTROSPECTION_SECRET"},
        },
    })
}

/// The settings with one of them changed.
fn with(mut settings: Value, pointer: &str, value: impl Into<Value>) -> Value {
    let (parent, name) = pointer.rsplit_once('/').expect("a JSON pointer");
    settings.pointer_mut(parent).expect("its parent")[name] = value.into();
    settings
}

fn setup(settings: Value) -> Setup {
    Setup::new().authorisation_server().auth(&json!({"client_credentials": settings}))
}

async fn hub_sends(stage: &Stage, token: &str) -> Reply {
    stage.send_as_hub(&Request::with_token(token)).await.reply()
}

async fn introspections(stage: &Stage) -> usize {
    stage.authorisation_server().asked_for(INTROSPECTION_PATH).await
}

/// A refusal with this status and code, in the shape that the standard prescribes.
fn is_refused(what: &str, reply: &Reply, (status, code): (u16, &str)) {
    assert_eq!((reply.status, reply.error_code().as_deref()), (status, Some(code)), "{what}: {}", reply.json());
    assert_eq!(reply.header("content-type"), Some("application/json"), "{what}");
    if status == 401 {
        let challenge = reply.header("www-authenticate").unwrap_or_default();
        assert!(challenge.starts_with("Bearer"), "{what}: {challenge}");
    }
}

fn asks_to_come_back(what: &str, reply: &Reply) -> Duration {
    is_refused(what, reply, (503, "GenericRecoverableError"));
    assert_eq!(reply.header("www-authenticate"), None, "{what}: the credential is not to blame");
    let seconds = reply.header("retry-after").and_then(|value| value.parse().ok());
    Duration::from_secs(seconds.unwrap_or_else(|| panic!("{what}: no Retry-After")))
}

/// The claims of a JWT, unverified.
fn claims_of(token: &str) -> Value {
    jsonwebtoken::dangerous::insecure_decode(token).expect("a JWT").claims
}

#[tokio::test]
async fn a_jwt_of_each_allowed_algorithm_is_accepted_and_the_bank_learns_its_id_but_not_the_token() {
    let all = ["PS256", "ES256", "RS256"];
    let stage = setup(with(by_keys(), "/algorithms", all.as_slice())).start().await;
    for algorithm in all {
        let token = stage.authorisation_server().token(&Grant::jwt(algorithm)).await;
        assert_eq!(hub_sends(&stage, &token).await.status, 200, "{algorithm}");

        let at_bank = stage.bank.received().pop().expect("a request");
        assert_eq!(at_bank.value("x-hub-auth-method"), Some("client_credentials"));
        assert_eq!(at_bank.value("x-hub-client-organisational-unit"), Some(HUB_UNIT));
        assert_eq!(at_bank.value("x-hub-token-id"), claims_of(&token)["jti"].as_str());
        assert!(at_bank.values("authorization").is_empty());
    }
    assert_eq!(stage.authorisation_server().asked_for(JWKS_PATH).await, 1, "the keys are fetched once");
}

#[tokio::test]
async fn an_active_opaque_token_is_accepted_and_asked_about_once() {
    let secrets = [
        ("from the environment", json!({"env": "INTROSPECTION_SECRET"})),
        ("inline", { json!({"value": GATEWAY_SECRET}) }),
    ];
    for (what, secret) in secrets {
        let stage = setup(with(by_introspection(), "/introspection/client_secret", secret)).start().await;
        let token = stage.authorisation_server().token(&Grant::opaque()).await;
        for _ in 0..3 {
            assert_eq!(hub_sends(&stage, &token).await.status, 200, "{what}");
        }
        assert_eq!(introspections(&stage).await, 1, "{what}");

        let at_bank = stage.bank.received().pop().expect("a request");
        assert_eq!(at_bank.value("x-hub-auth-method"), Some("client_credentials"));
        assert_eq!(at_bank.value("x-hub-token-id"), None, "the server names no jti for it");
        assert!(at_bank.values("authorization").is_empty());
        assert!(!stage.envoy.log().contains(GATEWAY_SECRET) && !stage.envoy.log().contains(&token), "{what}");
    }
}

#[tokio::test]
async fn every_wrong_jwt_is_refused_and_none_reaches_the_bank() {
    let stage = setup(by_keys()).pin(ARABIC_HUB_UNIT).start().await;
    let server = stage.authorisation_server();
    let right = Grant::jwt("PS256");
    let short = server.token(&right.clone().lifetime(1)).await;
    // One second, the ten that clocks may differ, and one more.
    let expired = Instant::now() + Duration::from_secs(12);

    let token = server.token(&right).await;
    let mut more = claims_of(&token);
    more["scope"] = json!("accounts payments");
    let cases = [
        ("a broken signature", with_broken_signature(&token), INVALID),
        ("claims changed after signing", with_swapped_claims(&token, &more), INVALID),
        ("ES256, which is not in the list", server.token(&Grant::jwt("ES256")).await, INVALID),
        ("RS256, which is not in the list", server.token(&Grant::jwt("RS256")).await, INVALID),
        ("another audience", server.token(&right.clone().audience("https://another.bank.example")).await, INVALID),
        ("a JWT Auth token of the Hub", signed_by(&stage.pki.hub), INVALID),
        ("an opaque token", server.token(&Grant::opaque()).await, INVALID),
        ("no binding", server.token(&right.clone().unbound()).await, INVALID),
        (
            "bound to another pinned certificate",
            server.token_for(&stage.pki.arabic_hub.transport, &right).await,
            INVALID,
        ),
        ("another scope", server.token(&right.clone().scope("payments")).await, WITHOUT_SCOPE),
    ];
    for (what, token, expected) in &cases {
        is_refused(what, &hub_sends(&stage, token).await, *expected);
    }
    let stolen = stage.send(Some(&stage.pki.arabic_hub.transport), &Request::with_token(&token)).await.reply();
    is_refused("the Hub's token on another pinned certificate", &stolen, INVALID);
    sleep_until(expired.into()).await;
    is_refused("expired", &hub_sends(&stage, &short).await, INVALID);

    assert_eq!(stage.bank.received(), []);
    assert_eq!(hub_sends(&stage, &token).await.status, 200, "and what the cases were made of is right");
    let log = stage.envoy.log();
    assert!(!cases.iter().any(|(_, token, _)| log.contains(token.as_str())), "a token is in the log");
}

#[tokio::test]
async fn every_wrong_opaque_token_is_refused_and_none_reaches_the_bank() {
    let stage = setup(by_introspection()).pin(ARABIC_HUB_UNIT).start().await;
    let server = stage.authorisation_server();
    let right = Grant::opaque();
    let revoked = server.token(&right).await;
    server.revoke(&revoked).await;
    let cases = [
        ("revoked", revoked, INVALID),
        ("unknown", "nobody-granted-this".to_owned(), INVALID),
        ("another audience", server.token(&right.clone().audience("https://another.bank.example")).await, INVALID),
        ("no binding", server.token(&right.clone().unbound()).await, INVALID),
        (
            "bound to another pinned certificate",
            server.token_for(&stage.pki.arabic_hub.transport, &right).await,
            INVALID,
        ),
        ("another scope", server.token(&right.clone().scope("payments")).await, WITHOUT_SCOPE),
    ];
    for (what, token, expected) in cases {
        for answer in ["fresh", "cached"] {
            is_refused(&format!("{what}, {answer}"), &hub_sends(&stage, &token).await, expected);
        }
    }
    assert_eq!(stage.bank.received(), []);
}

#[tokio::test]
async fn a_token_of_another_issuer_is_refused() {
    for (settings, grant) in [(by_keys(), Grant::jwt("PS256")), (by_introspection(), Grant::opaque())] {
        let stage = setup(with(settings, "/issuer", "https://another.bank.example")).start().await;
        let token = stage.authorisation_server().token(&grant).await;
        is_refused(&format!("{grant:?}"), &hub_sends(&stage, &token).await, INVALID);
        assert_eq!(stage.bank.received(), []);
    }
}

#[tokio::test]
async fn every_configured_scope_must_be_granted_and_others_do_no_harm() {
    let settings = with(by_keys(), "/scopes", json!(["payments", "accounts"]));
    let stage = setup(settings).start().await;
    for (scope, granted) in [("accounts payments", true), ("accounts", false), ("payments", false)] {
        let token = stage.authorisation_server().token(&Grant::jwt("PS256").scope(scope)).await;
        let reply = hub_sends(&stage, &token).await;
        if granted {
            assert_eq!(reply.status, 200, "{scope}");
        } else {
            is_refused(scope, &reply, WITHOUT_SCOPE);
        }
    }
    let single = setup(by_keys()).start().await;
    let token = single.authorisation_server().token(&Grant::jwt("PS256").scope("accounts payments")).await;
    assert_eq!(hub_sends(&single, &token).await.status, 200);
}

#[tokio::test]
async fn a_token_without_binding_is_accepted_only_where_the_configuration_says_so() {
    for (settings, grant) in [(by_keys(), Grant::jwt("PS256")), (by_introspection(), Grant::opaque())] {
        let stage = setup(with(settings, "/certificate_bound", false)).start().await;
        let token = stage.authorisation_server().token(&grant.unbound()).await;
        assert_eq!(hub_sends(&stage, &token).await.status, 200);
    }
}

#[tokio::test]
async fn a_request_without_a_bearer_token_is_refused_and_nobody_is_asked() {
    let stage = setup(by_introspection()).start().await;
    let get = || Request::new("GET", "/accounts");
    let cases = [
        ("no Authorization", get(), (401, "Credential.Missing")),
        ("Basic", get().header("authorization", "Basic dTpw"), (401, "Credential.Malformed")),
    ];
    for (what, request, expected) in cases {
        is_refused(what, &stage.send_as_hub(&request).await.reply(), expected);
    }
    assert_eq!((introspections(&stage).await, stage.bank.received().len()), (0, 0));
}

#[tokio::test]
async fn a_cached_answer_serves_only_the_certificate_that_the_token_is_bound_to() {
    let stage = setup(by_introspection()).pin(ARABIC_HUB_UNIT).start().await;
    let token = stage.authorisation_server().token(&Grant::opaque()).await;
    assert_eq!(hub_sends(&stage, &token).await.status, 200);

    let stolen = stage.send(Some(&stage.pki.arabic_hub.transport), &Request::with_token(&token)).await.reply();
    is_refused("the same token on another pinned certificate", &stolen, INVALID);
    assert_eq!(stage.bank.received().len(), 1);
}

#[tokio::test]
async fn a_revoked_token_is_refused_after_max_age_at_the_latest() {
    let stage = setup(with(by_introspection(), "/introspection/max_age", "2s")).start().await;
    let token = stage.authorisation_server().token(&Grant::opaque()).await;
    assert_eq!(hub_sends(&stage, &token).await.status, 200);
    stage.authorisation_server().revoke(&token).await;
    sleep(Duration::from_millis(2100)).await;
    is_refused("revoked", &hub_sends(&stage, &token).await, INVALID);
    assert_eq!(introspections(&stage).await, 2);
}

#[tokio::test]
async fn a_cached_answer_ends_with_its_token() {
    let stage = setup(by_introspection()).start().await;
    let token = stage.authorisation_server().token(&Grant::opaque().lifetime(8)).await;
    let granted = now();
    assert_eq!(hub_sends(&stage, &token).await.status, 200);
    sleep(Duration::from_secs((granted + 10).saturating_sub(now()))).await;
    is_refused("expired", &hub_sends(&stage, &token).await, INVALID);
}

#[tokio::test]
async fn that_a_token_is_inactive_is_remembered_for_negative_max_age() {
    let stage = setup(with(by_introspection(), "/introspection/negative_max_age", "8s")).start().await;
    let token = "nobody-granted-this";
    is_refused("first", &hub_sends(&stage, token).await, INVALID);
    is_refused("remembered", &hub_sends(&stage, token).await, INVALID);
    assert_eq!(introspections(&stage).await, 1);
    is_refused("another", &hub_sends(&stage, "nor-this").await, INVALID);
    assert_eq!(introspections(&stage).await, 2, "each token is asked about for itself");

    sleep(Duration::from_millis(8100)).await;
    is_refused("asked again", &hub_sends(&stage, token).await, INVALID);
    assert_eq!(introspections(&stage).await, 3);
}

#[tokio::test]
async fn while_the_server_is_down_what_is_cached_serves_and_the_rest_is_asked_to_come_back() {
    for (settings, grant) in [(by_keys(), Grant::jwt("PS256")), (by_introspection(), Grant::opaque())] {
        let stage = setup(settings).start().await;
        let server = stage.authorisation_server();
        let (first, second) = (server.token(&grant).await, server.token(&grant).await);
        server.down().await;
        let wait = asks_to_come_back("nothing cached", &hub_sends(&stage, &first).await);
        assert_eq!(stage.bank.received(), []);

        server.up().await;
        sleep(wait).await;
        assert_eq!(hub_sends(&stage, &first).await.status, 200, "{grant:?}");
        server.down().await;
        assert_eq!(hub_sends(&stage, &first).await.status, 200, "{grant:?}: cached");
        let reply = hub_sends(&stage, &second).await;
        if grant.is_jwt() {
            assert_eq!(reply.status, 200, "the keys serve every token");
        } else {
            asks_to_come_back("not cached", &reply);
        }
    }
}

/// How often Envoy has made a call to the authorisation server once more.
async fn repetitions(stage: &Stage) -> u64 {
    let counter = "cluster.authorisation_server.upstream_rq_retry";
    stage.envoy.stats(counter).await.get(counter).copied().unwrap_or_default()
}

/// Each question but the first meets a connection that the server ends at that moment.
#[tokio::test]
async fn a_question_on_a_connection_that_the_server_has_just_ended_is_asked_once_more() {
    let server = Keystore::start(&Pki::shared().authorisation_server).await;
    let settings = with(with(by_introspection(), "/introspection/max_age", "0s"), "/certificate_bound", false);
    let settings = json!({"client_credentials": settings});
    let stage = Setup::new().authorisation_server_at(server.address()).auth(&settings).start().await;
    let answer = json!({"active": true, "iss": ISSUER, "aud": AUDIENCE, "scope": "accounts"});
    server.behave(Behaviour::OnceAConnection(answer.clone()));
    for n in 0..5 {
        let reply = hub_sends(&stage, &format!("opaque-{n}")).await;
        assert_eq!(reply.status, 200, "{n}: {}", stage.envoy.log());
    }
    assert_eq!((server.fetches().len(), repetitions(&stage).await), (9, 4), "the first, and two for each of four");

    // One that ends every connection fails: it is asked twice, and then left alone for a while.
    server.behave(Behaviour::HangUp);
    let wait = asks_to_come_back("every connection ended", &hub_sends(&stage, "opaque").await);
    asks_to_come_back("a pause", &hub_sends(&stage, "another").await);
    let asked = server.fetches().len() - 9;
    assert_eq!(asked, 2, "once more, and no third time");
    server.behave(Behaviour::json(&answer));
    sleep(wait).await;
    assert_eq!(hub_sends(&stage, "opaque").await.status, 200);

    // What is answered is answered, also with 503.
    server.behave(Behaviour::status(503));
    let before = server.fetches().len();
    asks_to_come_back("an error of its own", &hub_sends(&stage, "third").await);
    assert_eq!(server.fetches().len() - before, 1);
}

#[tokio::test]
async fn a_bank_whose_own_secret_is_wrong_does_not_blame_the_hub() {
    let settings = with(by_introspection(), "/introspection/client_secret", json!({"value": "not-the-secret"}));
    let stage = setup(settings).start().await;
    let token = stage.authorisation_server().token(&Grant::opaque()).await;
    asks_to_come_back("a wrong client secret", &hub_sends(&stage, &token).await);
    assert_eq!(stage.bank.received(), []);
}

#[tokio::test]
async fn a_server_with_another_name_than_the_configured_one_is_never_asked() {
    let name = ("matcher: {exact: as.bank.example}", "matcher: {exact: another.bank.example}");
    for (settings, grant) in [(by_keys(), Grant::jwt("PS256")), (by_introspection(), Grant::opaque())] {
        let stage = setup(settings).edit(name.0, name.1).start().await;
        let token = stage.authorisation_server().token(&grant).await;
        asks_to_come_back("another name", &hub_sends(&stage, &token).await);
        let server = stage.authorisation_server();
        assert_eq!((server.asked_for(JWKS_PATH).await, server.asked_for(INTROSPECTION_PATH).await), (0, 0));
    }
}
