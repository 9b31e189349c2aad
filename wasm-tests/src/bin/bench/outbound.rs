//! The outbound filter on a real Envoy with one worker: signatures per second with a local key, and what a key in OpenBao adds
//! to a request.

use std::time::{Duration, Instant};

use serde_json::json;
use tokio::task::JoinSet;
use wasm_tests::stage::client::{Connection, Request};
use wasm_tests::stage::openbao::OpenBao;
use wasm_tests::stage::pki::{CONSENT_MANAGER_NAME, Pki};
use wasm_tests::stage::{OutboundSetup, OutboundStage, REMOTE_KEY_ID};

use super::extent::Extent;

/// Connections that send without a pause, to keep the worker busy.
const CONNECTIONS: usize = 8;
/// Prints both tables.
pub(crate) async fn run(extent: Extent) {
    let files = tempfile::tempdir().expect("a temporary directory");
    let bao = OpenBao::start(Pki::shared(), files.path()).await;
    let token = bao.transit().token(600).await;
    let checked = json!({"public_key": bao.transit().public_key(1).await});
    let without = |setup: OutboundSetup, name: &str| {
        let start = format!("- name: {name}\n                    ");
        setup.edit(&format!("{start}typed_config"), &format!("{start}disabled: true\n                    typed_config"))
    };
    let no_filter = without(without(OutboundSetup::new(), "hub_auth_filter"), "envoy.filters.http.rbac");
    let stages = [
        ("no filter, no token", no_filter.start().await),
        ("local key", OutboundSetup::new().start().await),
        ("OpenBao", OutboundSetup::new().remote_signer(bao.address(), &token, &json!({})).start().await),
        ("OpenBao, checked", OutboundSetup::new().remote_signer(bao.address(), &token, &checked).start().await),
    ];
    let jwk = bao.transit().jwk(1, REMOTE_KEY_ID).await;
    for (_, stage) in &stages[2..] {
        stage.keystore.publish(&stage.pki.bank.subject, json!({"keys": [jwk]}));
    }

    println!(
        "A request to the Hub and back, RSA-2048, one at a time on one connection ({} x {}):",
        extent.singles, extent.single_rounds
    );
    println!("{:<20} {:>10} {:>10}", "", "median", "p95");
    let mut times: [Vec<Duration>; 4] = [const { Vec::new() }; 4];
    for _ in 0..extent.single_rounds {
        for ((_, stage), times) in stages.iter().zip(&mut times) {
            times.extend(one_at_a_time(stage, extent.singles).await);
        }
    }
    for ((name, _), times) in stages.iter().zip(&mut times) {
        times.sort();
        println!(
            "{name:<20} {:>10} {:>10}",
            milliseconds(times[times.len() / 2]),
            milliseconds(times[times.len() * 95 / 100])
        );
    }
    println!("\nRequests per second, one worker, {CONNECTIONS} connections without a pause:");
    for (name, stage) in &stages {
        println!("{name:<20} {:>10.0}", busy(stage, extent.busy).await);
    }
}

async fn connection(stage: &OutboundStage) -> Connection {
    Connection::open_plain(stage.envoy.address(), CONSENT_MANAGER_NAME).await.expect("a connection")
}

async fn one(connection: &mut Connection) -> Duration {
    let reply = connection.send(&Request::new("GET", "/hello-mtls")).await.reply();
    // The Hub refuses requests without a token, and takes as long.
    assert!([200, 401].contains(&reply.status), "{}", reply.status);
    reply.took
}

async fn one_at_a_time(stage: &OutboundStage, requests: usize) -> Vec<Duration> {
    let mut connection = connection(stage).await;
    one(&mut connection).await;
    let mut times = Vec::with_capacity(requests);
    for _ in 0..requests {
        times.push(one(&mut connection).await);
    }
    times
}

async fn busy(stage: &OutboundStage, time: Duration) -> f64 {
    let started = Instant::now();
    let mut senders = JoinSet::new();
    for _ in 0..CONNECTIONS {
        let mut connection = connection(stage).await;
        senders.spawn(async move {
            let mut sent = 0_u32;
            while started.elapsed() < time {
                one(&mut connection).await;
                sent += 1;
            }
            sent
        });
    }
    let sent: u32 = senders.join_all().await.into_iter().sum();
    f64::from(sent) / started.elapsed().as_secs_f64()
}

fn milliseconds(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1000.0)
}
