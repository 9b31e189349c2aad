//! The outbound filter on a real Envoy with one worker: what a signature with a local key takes, and what a key in OpenBao adds
//! to a request.

use std::time::{Duration, Instant};

use serde_json::json;
use tokio::task::JoinSet;
use wasm_tests::artifact::Artifact;
use wasm_tests::stage::client::{Connection, Request};
use wasm_tests::stage::envoy;
use wasm_tests::stage::openbao::OpenBao;
use wasm_tests::stage::pki::{CONSENT_MANAGER_NAME, Pki};
use wasm_tests::stage::{OutboundSetup, OutboundStage, REMOTE_KEY_ID};

use super::contestants;
use super::extent::Extent;
use super::machine::ThreadClock;
use super::table::Table;

/// Connections that send without a pause, to keep the worker busy.
const CONNECTIONS: usize = 8;

/// Who takes part: its name, its stage, and what the Hub answers there.
struct Contestant {
    name: String,
    stage: OutboundStage,
    status: u16,
}

/// Prints the table.
pub(crate) async fn run(extent: Extent) {
    let files = tempfile::tempdir().expect("a temporary directory");
    let bao = OpenBao::start(Pki::shared(), files.path()).await;
    let contestants = contestants(extent, &bao).await;
    let mut times: Vec<Vec<Duration>> = contestants.iter().map(|_| Vec::new()).collect();
    for _ in 0..extent.single_rounds {
        for (contestant, times) in contestants.iter().zip(&mut times) {
            times.extend(one_at_a_time(contestant, extent.singles).await);
        }
    }

    let requests = extent.singles * extent.single_rounds;
    println!(
        "The outbound filter: a request to the Hub and back, RSA-2048, one worker. Time of a request that is alone on one"
    );
    println!(
        "connection ({requests} of them, in turns), then {CONNECTIONS} connections without a pause. Hub and OpenBao share the machine:"
    );
    let mut table = Table::new(&["", "time\nmedian", "\np95", "worker's\nCPU", "requests\nper second"]);
    for (contestant, times) in contestants.iter().zip(&mut times) {
        times.sort();
        let (cost, rate) = busy(contestant, extent.busy).await;
        table.row([
            contestant.name.clone(),
            milliseconds(times[times.len() / 2]),
            milliseconds(times[times.len() * 95 / 100]),
            milliseconds(cost),
            format!("{rate:.0}"),
        ]);
    }
    table.print();
}

async fn contestants(extent: Extent, bao: &OpenBao) -> Vec<Contestant> {
    let without = |setup: OutboundSetup, name: &str| {
        let start = format!("- name: {name}\n                    ");
        setup.edit(&format!("{start}typed_config"), &format!("{start}disabled: true\n                    typed_config"))
    };
    let no_filter = without(without(OutboundSetup::new(), "hub_auth_filter"), "envoy.filters.http.rbac");
    // The Hub refuses requests without a token, and takes as long.
    let name = "no filter, no token".to_owned();
    let mut contestants = vec![Contestant { name, stage: no_filter.start().await, status: 401 }];
    for artifact in extent.artifacts() {
        let stage = with_module(artifact).start().await;
        contestants.push(Contestant { name: format!("local key, {}", artifact.name()), stage, status: 200 });
    }
    let token = bao.transit().token(600).await;
    let jwk = bao.transit().jwk(1, REMOTE_KEY_ID).await;
    let stage = with_module(Artifact::under_test()).remote_signer(bao.address(), &token, &json!({})).start().await;
    stage.keystore.publish(&stage.pki.bank.subject, json!({"keys": [jwk]}));
    contestants.push(Contestant { name: "OpenBao".to_owned(), stage, status: 200 });
    contestants
}

fn with_module(artifact: Artifact) -> OutboundSetup {
    OutboundSetup::new().edit(&envoy::module(), &contestants::path(artifact))
}

async fn connection(contestant: &Contestant) -> Connection {
    let address = contestant.stage.envoy.address();
    Connection::open_plain(address, CONSENT_MANAGER_NAME).await.expect("a connection")
}

async fn one(connection: &mut Connection, expected: u16) -> Duration {
    let reply = connection.send(&Request::new("GET", "/hello-mtls")).await.reply();
    assert_eq!(reply.status, expected, "the Hub's answer");
    reply.took
}

async fn one_at_a_time(contestant: &Contestant, requests: usize) -> Vec<Duration> {
    let mut connection = connection(contestant).await;
    one(&mut connection, contestant.status).await;
    let mut times = Vec::with_capacity(requests);
    for _ in 0..requests {
        times.push(one(&mut connection, contestant.status).await);
    }
    times
}

/// The worker's processor time for a request, and requests per second.
async fn busy(contestant: &Contestant, time: Duration) -> (Duration, f64) {
    let worker = ThreadClock::of_worker(contestant.stage.envoy.process());
    let (started, before) = (Instant::now(), worker.now());
    let mut senders = JoinSet::new();
    for _ in 0..CONNECTIONS {
        let mut connection = connection(contestant).await;
        let expected = contestant.status;
        senders.spawn(async move {
            let mut sent = 0_u32;
            while started.elapsed() < time || sent == 0 {
                one(&mut connection, expected).await;
                sent += 1;
            }
            sent
        });
    }
    let sent: u32 = senders.join_all().await.into_iter().sum();
    ((worker.now() - before) / sent, f64::from(sent) / started.elapsed().as_secs_f64())
}

fn milliseconds(time: Duration) -> String {
    format!("{:.2} ms", time.as_secs_f64() * 1000.0)
}
