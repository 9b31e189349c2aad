//! Many requests that need the same key set: one fetch a worker, and nobody is forgotten (design, *A request, inbound*).

use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use wasm_tests::stage::client::{Connection, Outcome, Reply, Request};
use wasm_tests::stage::keystore::Behaviour;
use wasm_tests::stage::tokens::Signer;
use wasm_tests::stage::{Setup, Stage, signed_by, token_of};

/// Long enough for all requests of a test to be waiting before the keystore answers.
const SLOW: Behaviour = Behaviour::Slow(Duration::from_millis(1500));

/// Opens so many connections as the Hub.
async fn connections(stage: &Stage, count: usize) -> Vec<Connection> {
    let mut opened = Vec::new();
    for _ in 0..count {
        opened.push(stage.connect(Some(&stage.pki.hub.transport)).await.expect("a connection"));
    }
    opened
}

/// Sends a request on each of them at the same time.
fn send_all(stage: &Stage, connections: Vec<Connection>) -> JoinSet<Outcome> {
    let mut sending = JoinSet::new();
    for mut connection in connections {
        let request = Request::with_token(&signed_by(&stage.pki.hub));
        sending.spawn(async move { connection.send(&request).await });
    }
    sending
}

async fn statuses(sending: JoinSet<Outcome>) -> Vec<u16> {
    sending.join_all().await.into_iter().map(|outcome| outcome.reply().status).collect()
}

async fn until_the_keystore_was_asked(stage: &Stage, times: usize) {
    let started = Instant::now();
    while stage.keystore.fetches().len() < times {
        assert!(started.elapsed() < Duration::from_secs(10), "the keystore was not asked {times} times");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn forty_requests_wait_for_one_fetch_and_all_are_accepted() {
    let stage = Setup::new().start().await;
    stage.keystore.behave(SLOW);
    let connections = connections(&stage, 40).await;
    assert_eq!(statuses(send_all(&stage, connections)).await, [200; 40]);
    assert_eq!(stage.keystore.fetches().len(), 1);
    assert_eq!(stage.bank.received().len(), 40);
}

#[tokio::test]
async fn four_workers_fetch_once_together() {
    let stage = Setup::new().workers(4).start().await;
    stage.keystore.behave(SLOW);
    let opened = connections(&stage, 40).await;
    assert_eq!(statuses(send_all(&stage, opened)).await, [200; 40]);
    assert_eq!(stage.keystore.fetches().len(), 1, "requests of all workers wait for the one fetch");
    let opened = connections(&stage, 40).await;
    assert_eq!(statuses(send_all(&stage, opened)).await, [200; 40]);
    assert_eq!(stage.keystore.fetches().len(), 1, "no worker fetches for itself later");
}

#[tokio::test]
async fn when_the_one_fetch_for_four_workers_fails_all_that_wait_are_answered() {
    let stage = Setup::new().workers(4).start().await;
    stage.keystore.behave(SLOW);
    let opened = connections(&stage, 20).await;
    let sending = send_all(&stage, opened);
    until_the_keystore_was_asked(&stage, 1).await;
    stage.keystore.down().await;
    assert_eq!(statuses(sending).await, [503; 20]);
    assert_eq!(stage.bank.received(), []);
}

#[tokio::test]
async fn when_the_fetch_fails_all_that_wait_are_answered() {
    let stage = Setup::new().start().await;
    stage.keystore.behave(SLOW);
    let connections = connections(&stage, 20).await;
    let sending = send_all(&stage, connections);
    until_the_keystore_was_asked(&stage, 1).await;
    stage.keystore.down().await;
    assert_eq!(statuses(sending).await, [503; 20]);
    assert_eq!(stage.bank.received(), []);
}

#[tokio::test]
async fn the_others_are_served_when_the_client_whose_request_started_the_fetch_has_gone() {
    let stage = Setup::new().start().await;
    stage.keystore.behave(SLOW);
    let mut connections = connections(&stage, 11).await;
    let first = send_all(&stage, vec![connections.remove(0)]);
    until_the_keystore_was_asked(&stage, 1).await;
    let others = send_all(&stage, connections);
    tokio::time::sleep(Duration::from_millis(300)).await;
    drop(first);
    assert_eq!(statuses(others).await, [200; 10]);
    assert!(stage.keystore.fetches().len() <= 2, "{:?}", stage.keystore.fetches());
}

#[tokio::test]
async fn clients_that_give_up_waiting_do_not_reach_the_bank_and_harm_nobody() {
    let stage = Setup::new().start().await;
    stage.keystore.behave(SLOW);
    let mut connections = connections(&stage, 12).await;
    let staying = connections.split_off(6);
    let leaving = send_all(&stage, connections);
    let staying = send_all(&stage, staying);
    until_the_keystore_was_asked(&stage, 1).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    drop(leaving);
    assert_eq!(statuses(staying).await, [200; 6]);
    assert_eq!(stage.bank.received().len(), 6);

    stage.keystore.behave(Behaviour::Normal);
    let later = stage.send_as_hub(&Request::with_token(&signed_by(&stage.pki.hub))).await;
    assert_eq!(later.reply().status, 200);
}

#[tokio::test]
async fn a_client_that_waits_alone_and_leaves_does_not_block_the_next() {
    let stage = Setup::new().start().await;
    stage.keystore.behave(SLOW);
    let alone = send_all(&stage, connections(&stage, 1).await);
    until_the_keystore_was_asked(&stage, 1).await;
    drop(alone);
    let next = stage.send_as_hub(&Request::with_token(&signed_by(&stage.pki.hub))).await;
    assert_eq!(next.reply().status, 200);
}

#[tokio::test]
async fn requests_on_one_connection_are_each_judged_alone() {
    let stage = Setup::new().start().await;
    let mut connection = stage.connect(Some(&stage.pki.hub.transport)).await.expect("a connection");
    for round in 0..10 {
        let right = Request::with_token(&signed_by(&stage.pki.hub));
        assert_eq!(connection.send(&right).await.reply().status, 200, "round {round}");
        let wrong = connection.send(&Request::new("GET", "/accounts")).await.reply();
        assert_eq!(wrong.status, 401, "round {round}");
    }
    assert_eq!(stage.bank.received().len(), 10);
}

/// Envoy does for each refusal what the one before it is not yet done with, so that too many at once use up its stack.
#[tokio::test]
async fn hundreds_of_requests_that_wait_and_are_all_refused_at_once_harm_nobody() {
    let stage = Setup::new().start().await;
    stage.keystore.behave(Behaviour::Slow(Duration::from_secs(3)));
    let mut sending = JoinSet::new();
    for mut connection in connections(&stage, 400).await {
        let forged = Request::with_token(&token_of(&stage.pki.hub).header("kid", "unknown").sign(Signer::Unsigned));
        sending.spawn(async move { connection.send(&forged).await });
    }
    let replies: Vec<Reply> = sending.join_all().await.into_iter().map(Outcome::reply).collect();
    // Each is told its own fault, or to come back.
    assert!(replies.iter().all(|reply| matches!(reply.status, 401 | 503)));
    let waited = replies.iter().filter(|reply| reply.took > Duration::from_secs(1)).count();
    assert!(waited >= 100, "{waited} waited");
    assert_eq!(stage.bank.received(), []);
    let later = stage.send_as_hub(&Request::with_token(&signed_by(&stage.pki.hub))).await;
    assert_eq!(later.reply().status, 200);
}
