//! Key sets that Envoy's workers share: each has a filter of its own, and yet the keystore is asked once.

use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use wasm_tests::stage::client::Request;
use wasm_tests::stage::keystore::Behaviour;
use wasm_tests::stage::{Setup, Stage, signed_by};

use crate::table::{Batch, Table};

/// The whole section.
pub async fn play(table: &mut Table) {
    let mut section =
        table.section("jwt_auth", "Key sets between workers: 4 workers, and a keystore that takes 500 ms");
    let stage = Setup::new().workers(4).start().await;
    stage.keystore.behave(Behaviour::Slow(Duration::from_millis(500)));
    for what in ["40 requests at once, no keys yet", "40 more at once, keys cached"] {
        let requests = (0..40).map(|_| Request::with_token(&signed_by(&stage.pki.hub))).collect();
        let batch = at_once(&stage, requests).await;
        let fetches = match stage.keystore.fetches().len() {
            1 => "1 fetch".to_owned(),
            more => format!("{more} fetches"),
        };
        section.many(what, 40, "1 fetch", &batch, &fetches);
    }
    section.end(&[&stage]);
}

/// Sends these as the Hub at the same time, each on a connection of its own.
pub async fn at_once(stage: &Stage, requests: Vec<Request>) -> Batch {
    let mut opened = Vec::new();
    for request in requests {
        opened.push((stage.connect(Some(&stage.pki.hub.transport)).await.expect("a connection"), request));
    }
    let started = Instant::now();
    let mut sending = JoinSet::new();
    for (mut connection, request) in opened {
        sending.spawn(async move { connection.send(&request).await });
    }
    let outcomes = sending.join_all().await;
    Batch { outcomes, took: started.elapsed() }
}
