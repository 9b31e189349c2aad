//! How the keystore's faults and its new keys show to the Hub (spec §2.4; design, *Key sets*).

use std::time::{Duration, Instant};

use serde_json::json;
use wasm_tests::stage::client::{Reply, Request};
use wasm_tests::stage::keystore::Behaviour;
use wasm_tests::stage::pki::HUB_UNIT;
use wasm_tests::stage::subject::Subject;
use wasm_tests::stage::tokens::{Signer, Token, jwks, now};
use wasm_tests::stage::{PROVIDER_ID, Setup, Stage, signed_by, token_of};

async fn hub_calls(stage: &Stage) -> Reply {
    stage.send_as_hub(&Request::with_token(&signed_by(&stage.pki.hub))).await.reply()
}

/// A request of a Hub certificate with this CN, whose key set therefore has an address of its own.
async fn hub_named(stage: &Stage, subject: &Subject) -> Reply {
    let signing = &stage.pki.hub.signing;
    let token = Token::new(subject, &signing.kid, PROVIDER_ID, now()).sign(Signer::Ps256(signing));
    stage.send(Some(&stage.pki.client(subject)), &Request::with_token(&token)).await.reply()
}

fn asks_to_come_back(what: &str, reply: &Reply) -> Duration {
    let code = reply.error_code();
    assert_eq!((reply.status, code.as_deref()), (503, Some("GenericRecoverableError")), "{what}");
    assert_eq!(reply.header("www-authenticate"), None, "{what}: the credential is not to blame");
    let seconds = reply.header("retry-after").and_then(|value| value.parse().ok());
    let seconds = seconds.unwrap_or_else(|| panic!("{what}: no Retry-After"));
    assert!((1..=10).contains(&seconds), "{what}: Retry-After {seconds}");
    Duration::from_secs(seconds)
}

#[tokio::test]
async fn while_the_keystore_is_down_cached_keys_serve_and_others_are_asked_to_come_back() {
    let stage = Setup::new().start().await;
    let other = Subject::new("Ozone", HUB_UNIT, "not-cached");
    stage.keystore.publish(&other, jwks([&stage.pki.hub.signing]));
    assert_eq!(hub_calls(&stage).await.status, 200);
    stage.keystore.down().await;

    assert_eq!(hub_calls(&stage).await.status, 200);
    let wait = asks_to_come_back("not cached", &hub_named(&stage, &other).await);

    stage.keystore.up();
    tokio::time::sleep(wait).await;
    assert_eq!(hub_named(&stage, &other).await.status, 200);
    assert_eq!(stage.bank.received().len(), 3);
}

#[tokio::test]
async fn while_it_waits_for_the_next_attempt_it_answers_at_once_and_asks_nobody() {
    let stage = Setup::new().start().await;
    stage.keystore.behave(Behaviour::status(500));
    asks_to_come_back("first", &hub_calls(&stage).await);
    for _ in 0..5 {
        asks_to_come_back("during the backoff", &hub_calls(&stage).await);
    }
    assert_eq!(stage.keystore.fetches().len(), 1);
}

#[tokio::test]
async fn no_answer_but_a_whole_set_with_keys_is_believed() {
    let stage = Setup::new().start().await;
    let set = jwks([&stage.pki.hub.signing]);
    let cases = [
        ("500", Behaviour::status(500)),
        ("404", Behaviour::status(404)),
        ("204-without-a-body", Behaviour::Answer { status: 204, headers: vec![], body: vec![] }),
        ("201-with-the-set", Behaviour::Answer { status: 201, headers: vec![], body: set.to_string().into_bytes() }),
        ("a-page-with-200", Behaviour::html()),
        ("no-keys", Behaviour::empty_set()),
        ("keys-of-the-wrong-type", Behaviour::json(&json!({"keys": {}}))),
        ("300-KiB", Behaviour::oversized(&set, 300 * 1024)),
        ("half-a-set", Behaviour::HalfAnswer),
        ("closed-without-an-answer", Behaviour::HangUp),
        ("a-redirect", Behaviour::redirect("https://keystore.sandbox.directory.openfinance.ae/elsewhere")),
    ];
    for (what, behaviour) in cases {
        let subject = Subject::new("Ozone", HUB_UNIT, what);
        stage.keystore.publish(&subject, set.clone());
        stage.keystore.behave(behaviour);
        asks_to_come_back(what, &hub_named(&stage, &subject).await);
        assert_eq!(stage.keystore.fetches_of(&subject), 1, "{what}: one attempt, and none elsewhere");
    }
    assert_eq!(stage.bank.received(), []);

    stage.keystore.behave(Behaviour::Normal);
    tokio::time::sleep(Duration::from_millis(1100)).await;
    let half = Subject::new("Ozone", HUB_UNIT, "half-a-set");
    assert_eq!(hub_named(&stage, &half).await.status, 200, "a fault is forgotten once the keystore is well");
}

#[tokio::test]
async fn a_keystore_that_takes_too_long_is_given_up() {
    let upstream = r#""upstream": "keystore""#;
    let stage = Setup::new().edit(upstream, &format!(r#"{upstream}, "timeout": "1s""#)).start().await;
    stage.keystore.behave(Behaviour::Slow(Duration::from_secs(8)));
    let started = Instant::now();
    asks_to_come_back("slow", &hub_calls(&stage).await);
    let took = started.elapsed();
    assert!((Duration::from_millis(900)..Duration::from_secs(4)).contains(&took), "{took:?}");
}

#[tokio::test]
async fn a_keystore_with_the_wrong_certificate_is_never_asked() {
    let stage = Setup::new().start().await;
    let cases = [
        ("the right name from an unknown CA", &stage.pki.false_keystore),
        ("another name from the right CA", &stage.pki.other_host),
    ];
    for (what, identity) in cases {
        stage.keystore.present(identity).await;
        let subject = Subject::new("Ozone", HUB_UNIT, what);
        stage.keystore.publish(&subject, jwks([&stage.pki.hub.signing]));
        let before = stage.keystore.refused_handshakes();
        asks_to_come_back(what, &hub_named(&stage, &subject).await);
        assert!(stage.keystore.refused_handshakes() > before, "{what}");
    }
    assert_eq!(stage.keystore.fetches(), [], "not even the path is told to a stranger");

    stage.keystore.present(&stage.pki.keystore).await;
    assert_eq!(hub_calls(&stage).await.status, 200, "the right one is asked");
}

#[tokio::test]
async fn a_rotated_key_is_accepted_at_once_and_the_old_one_as_long_as_it_is_published() {
    let stage = Setup::new().start().await;
    let (hub, next) = (&stage.pki.hub, &stage.pki.next_signing);
    assert_eq!(hub_calls(&stage).await.status, 200);
    stage.keystore.publish(&hub.subject, jwks([&hub.signing, next]));

    let token = token_of(hub).header("kid", next.kid.as_str()).sign(Signer::Ps256(next));
    assert_eq!(stage.send_as_hub(&Request::with_token(&token)).await.reply().status, 200);
    assert_eq!(hub_calls(&stage).await.status, 200);
    assert_eq!(stage.keystore.fetches().len(), 2);
}

#[tokio::test]
async fn an_unknown_kid_costs_one_fetch_however_often_it_comes() {
    let stage = Setup::new().start().await;
    let hub = &stage.pki.hub;
    assert_eq!(hub_calls(&stage).await.status, 200);
    for attempt in 0..6 {
        let token = token_of(hub).header("kid", format!("unknown-{attempt}")).sign(Signer::Ps256(&hub.signing));
        let reply = stage.send_as_hub(&Request::with_token(&token)).await.reply();
        assert_eq!((reply.status, reply.error_code().as_deref()), (401, Some("JWS.InvalidHeader")));
    }
    assert_eq!(stage.keystore.fetches().len(), 2);
}

#[tokio::test]
async fn a_failed_refetch_for_an_unknown_kid_leaves_the_cached_keys_alone() {
    let stage = Setup::new().start().await;
    let hub = &stage.pki.hub;
    assert_eq!(hub_calls(&stage).await.status, 200);
    stage.keystore.behave(Behaviour::empty_set());
    let token = token_of(hub).header("kid", "unknown").sign(Signer::Ps256(&hub.signing));
    let reply = stage.send_as_hub(&Request::with_token(&token)).await.reply();
    assert!(matches!(reply.status, 401 | 503), "{}", reply.status);
    assert_eq!(stage.keystore.fetches().len(), 2, "the unknown kid was looked up");
    assert_eq!(hub_calls(&stage).await.status, 200);
}
