//! The outbound filter on a real Envoy with one worker: what a signature with a local key takes, what a key in OpenBao adds
//! to a request, and what a service beside Envoy takes that does the same without the filter.

use std::path::Path;
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
use super::machine::{ProcessClock, ThreadClock};
use super::minter::{self, Minter};
use super::table::Table;

/// Connections that send without a pause, to keep the worker busy.
const CONNECTIONS: usize = 8;

/// What the row of the service begins with.
const SERVICE: &str = "ext_authz, AWS-LC";

/// Who takes part: its name, its stage, what the Hub answers there, and the process that signs if it is not Envoy's.
struct Contestant {
    name: String,
    stage: OutboundStage,
    status: u16,
    signer: Option<u32>,
}

/// What a contestant under load took in all: processor time of Envoy's worker and of the process that signs, for so many requests.
#[derive(Default)]
struct Busy {
    worker: Duration,
    signer: Duration,
    requests: u32,
    time: Duration,
}

/// Prints the table.
pub(crate) async fn run(extent: Extent) {
    let files = tempfile::tempdir().expect("a temporary directory");
    let bao = OpenBao::start(Pki::shared(), files.path()).await;
    let socket = files.path().join("minter");
    let minter = Minter::start(&socket);
    let contestants = contestants(extent, &bao, &minter, &socket).await;
    let mut times: Vec<Vec<Duration>> = contestants.iter().map(|_| Vec::new()).collect();
    for _ in 0..extent.single_rounds {
        for (contestant, times) in contestants.iter().zip(&mut times) {
            times.extend(one_at_a_time(contestant, extent.singles).await);
        }
    }

    let mut busy: Vec<Busy> = contestants.iter().map(|_| Busy::default()).collect();
    for round in 0..extent.single_rounds {
        for place in (0..contestants.len()).map(|turn| (round + turn) % contestants.len()) {
            busy[place].add(&contestants[place], extent.busy / u32::try_from(extent.single_rounds).expect("few")).await;
        }
    }
    let requests = extent.singles * extent.single_rounds;
    println!(
        "The outbound filter: a request to the Hub and back, RSA-2048, one worker. Time of a request that is alone on one"
    );
    println!(
        "connection ({requests} of them, in turns), then {CONNECTIONS} connections without a pause, in turns. The Hub shares the machine, and so do"
    );
    println!(
        "OpenBao and the service that ext_authz asks; what those take beside the worker is the processor time of their threads:"
    );
    let mut table = Table::new(&[
        "",
        "time\nmedian",
        "\np95",
        "worker's\nCPU",
        "signer's\nCPU",
        "together",
        "/ ext_authz",
        "requests\nper second",
    ]);
    let service = contestants.iter().position(|contestant| contestant.name == SERVICE).expect("the service");
    let reference = busy[service].each(busy[service].worker + busy[service].signer);
    for ((contestant, times), busy) in contestants.iter().zip(&mut times).zip(&busy) {
        times.sort();
        let together = busy.each(busy.worker + busy.signer);
        table.row([
            contestant.name.clone(),
            milliseconds(times[times.len() / 2]),
            milliseconds(times[times.len() * 95 / 100]),
            milliseconds(busy.each(busy.worker)),
            contestant.signer.map_or("-".to_owned(), |_| milliseconds(busy.each(busy.signer))),
            milliseconds(together),
            format!("{:.2}", together.as_secs_f64() / reference.as_secs_f64()),
            format!("{:.0}", f64::from(busy.requests) / busy.time.as_secs_f64()),
        ]);
    }
    table.print();
}

async fn contestants(extent: Extent, bao: &OpenBao, minter: &Minter, socket: &Path) -> Vec<Contestant> {
    let no_filter = without(without(OutboundSetup::new(), "hub_auth_filter"), "envoy.filters.http.rbac");
    // The Hub refuses requests without a token, and takes as long.
    let name = "no filter, no token".to_owned();
    let mut contestants = vec![Contestant { name, stage: no_filter.start().await, status: 401, signer: None }];
    let asking = with_service(without(OutboundSetup::new(), "hub_auth_filter"), socket).start().await;
    let name = SERVICE.to_owned();
    contestants.push(Contestant { name, stage: asking, status: 200, signer: Some(minter.process()) });
    for artifact in extent.artifacts() {
        let stage = with_module(artifact).start().await;
        let name = format!("local key, {}", artifact.name());
        contestants.push(Contestant { name, stage, status: 200, signer: None });
    }
    let token = bao.transit().token(600).await;
    let jwk = bao.transit().jwk(1, REMOTE_KEY_ID).await;
    let stage = with_module(Artifact::under_test()).remote_signer(bao.address(), &token, &json!({})).start().await;
    stage.keystore.publish(&stage.pki.bank.subject, json!({"keys": [jwk]}));
    let name = "OpenBao".to_owned();
    contestants.push(Contestant { name, stage, status: 200, signer: Some(bao.process()) });
    contestants
}

/// Without this filter of the shipped configuration.
fn without(setup: OutboundSetup, name: &str) -> OutboundSetup {
    let start = format!("- name: {name}\n                    ");
    setup.edit(&format!("{start}typed_config"), &format!("{start}disabled: true\n                    typed_config"))
}

/// With the filter that asks the service on this socket, in the place of ours.
fn with_service(setup: OutboundSetup, socket: &Path) -> OutboundSetup {
    let [filter, cluster] = minter::configuration(socket);
    let last_line = "                  # The last line, for a filter that is never called";
    setup
        .edit(last_line, &format!("                  - {filter}\n{last_line}"))
        .edit("  clusters:\n", &format!("  clusters:\n    - {cluster}\n"))
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

impl Busy {
    /// Keeps the worker busy for so long.
    async fn add(&mut self, contestant: &Contestant, time: Duration) {
        let mut opened = Vec::new();
        for _ in 0..CONNECTIONS {
            opened.push(connection(contestant).await);
        }
        let worker = ThreadClock::of_worker(contestant.stage.envoy.process());
        let signer = contestant.signer.map(ProcessClock::of);
        let signer_time = || signer.as_ref().map(ProcessClock::now).unwrap_or_default();
        let (started, before) = (Instant::now(), (worker.now(), signer_time()));
        let mut senders = JoinSet::new();
        for mut connection in opened {
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
        self.requests += senders.join_all().await.into_iter().sum::<u32>();
        self.time += started.elapsed();
        self.worker += worker.now() - before.0;
        self.signer += signer_time().saturating_sub(before.1);
    }

    /// This time for each request.
    fn each(&self, time: Duration) -> Duration {
        time / self.requests
    }
}

fn milliseconds(time: Duration) -> String {
    format!("{:.2} ms", time.as_secs_f64() * 1000.0)
}
