//! Replay detection: what it adds to a request, with the gateway's own memory and with etcd of three members; and how many tokens such
//! an etcd takes in a second, and how many bytes it keeps of one.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::task::JoinSet;
use wasm_tests::stage::client::{Connection, Outcome, Request};
use wasm_tests::stage::fleet::etcd::{ETCD_NAME, Etcd, EtcdSetup, MEMBERS};
use wasm_tests::stage::fleet::etcd_api::{base64, request};
use wasm_tests::stage::fleet::{Fleet, FleetSetup, PREFIX};
use wasm_tests::stage::pki::Pki;
use wasm_tests::stage::signed_by;
use wasm_tests::stage::tokens::uuid;

use super::extent::Extent;
use super::table::Table;

/// Connections that send without a pause.
const CONNECTIONS: [usize; 3] = [1, 4, 16];
/// Requests of a turn for each connection.
const REQUESTS: usize = 2;
/// Connections of etcd's own load.
const WRITERS: [usize; 4] = [1, 4, 16, 64];

/// What one contestant did on so many connections.
#[derive(Default)]
struct Figures {
    times: Vec<Duration>,
    rates: Vec<f64>,
}

/// Prints the tables.
pub(crate) async fn run(extent: Extent) {
    let mut etcd = EtcdSetup::new().start().await;
    etcd.secure(PREFIX).await;
    let contestants = [
        ("no replay detection", FleetSetup::memory("off")),
        ("the gateway's memory", FleetSetup::memory("gateway")),
        ("etcd, three members", FleetSetup::etcd(&etcd).with_password()),
    ];
    let mut fleets = Vec::new();
    for (name, setup) in contestants {
        fleets.push((name, setup.gateways(1, 1).start().await));
    }
    let rounds = extent.rounds;
    println!(
        "Replay detection: a request of the Hub to the bank and back, JWT Auth, each with a new token, one worker. {rounds} rounds, in turns."
    );
    println!(
        "Caller, Envoys, backend and the three members of etcd share the machine and its disk; between Envoy and etcd is TLS:"
    );
    let mut table = Table::new(&[
        "",
        "connections",
        "time\nmedian",
        "\np95",
        "beyond none\nmedian",
        "\np95",
        "requests\nper second",
    ]);
    for connections in CONNECTIONS {
        let figures = turns(&fleets, connections, extent).await;
        for ((name, _), told) in fleets.iter().zip(&figures) {
            let beyond = |percent| {
                let difference = at(&told.times, percent).as_secs_f64() - at(&figures[0].times, percent).as_secs_f64();
                format!("{:.2} ms", difference * 1000.0)
            };
            table.row([
                (*name).to_owned(),
                connections.to_string(),
                milliseconds(at(&told.times, 50)),
                milliseconds(at(&told.times, 95)),
                beyond(50),
                beyond(95),
                format!("{:.0}", told.rates.iter().sum::<f64>() / told.rates.len() as f64),
            ]);
        }
    }
    table.print();
    drop(fleets);
    drop(etcd);
    writes(extent).await;
}

async fn turns(fleets: &[(&str, Fleet)], connections: usize, extent: Extent) -> Vec<Figures> {
    let mut lanes = Vec::new();
    for (_, fleet) in fleets {
        let mut opened = Vec::new();
        for _ in 0..connections {
            opened.push(fleet.connect(0).await);
        }
        lanes.push(opened);
    }
    let mut figures: Vec<Figures> = fleets.iter().map(|_| Figures::default()).collect();
    // The first turn of each is its warming up.
    for round in 0..=extent.rounds {
        for place in (0..fleets.len()).map(|turn| (round + turn) % fleets.len()) {
            let requests = extent.singles.div_ceil(connections).max(REQUESTS);
            let (opened, times, rate) = turn(std::mem::take(&mut lanes[place]), requests).await;
            lanes[place] = opened;
            if round > 0 {
                figures[place].times.extend(times);
                figures[place].rates.push(rate);
            }
        }
    }
    figures.iter_mut().for_each(|figures| figures.times.sort_unstable());
    figures
}

/// Sends so many requests on each of these connections.
async fn turn(opened: Vec<Connection>, requests: usize) -> (Vec<Connection>, Vec<Duration>, f64) {
    let hub = &Pki::shared().hub;
    let made: Vec<Vec<Request>> =
        opened.iter().map(|_| (0..requests).map(|_| Request::with_token(&signed_by(hub))).collect()).collect();
    let started = Instant::now();
    let mut sending = JoinSet::new();
    for (mut connection, requests) in opened.into_iter().zip(made) {
        sending.spawn(async move {
            let mut times = Vec::new();
            for request in &requests {
                let reply = connection.send(request).await.reply();
                assert_eq!(reply.status, 200, "a good request was refused while it was measured: {}", reply.json());
                times.push(reply.took);
            }
            (connection, times)
        });
    }
    let (opened, times): (Vec<_>, Vec<_>) = sending.join_all().await.into_iter().unzip();
    let times = times.concat();
    let rate = times.len() as f64 / started.elapsed().as_secs_f64();
    (opened, times, rate)
}

/// etcd alone, with the filter's transactions.
async fn writes(extent: Extent) {
    let etcd = EtcdSetup::new().start().await;
    let lease = etcd.demand("/v3/lease/grant", &json!({"TTL": 600})).await["ID"].as_str().expect("an id").to_owned();
    println!(
        "\netcd alone, three members on this machine: the filter's transaction through the JSON gateway, over TLS, to the members in turns:"
    );
    let mut table = Table::new(&["connections", "tokens\nper second", "time\nmedian", "\np95"]);
    let (mut best, mut written) = (0.0_f64, 0);
    let before = etcd.size().await;
    for connections in WRITERS {
        let (times, rate) = write(&etcd, connections, extent.busy, &lease).await;
        (best, written) = (best.max(rate), written + times.len());
        table.row([
            connections.to_string(),
            format!("{rate:.0}"),
            milliseconds(at(&times, 50)),
            milliseconds(at(&times, 95)),
        ]);
    }
    table.print();
    let after = etcd.size().await;
    let each = (after.in_use - before.in_use) as f64 / written as f64;
    println!("\n{written} tokens in etcd's database: {each:.0} bytes each.");
    println!(
        "A token is one write, whichever gateway gets it, and any number of gateways share them. So this etcd carries {best:.0} requests a"
    );
    println!(
        "second of all gateways together: {:.0} at each of two, {:.0} at each of three, {:.0} at each of six. A token of 30 s is kept for",
        best / 2.0,
        best / 3.0,
        best / 6.0
    );
    println!(
        "some 100 s, so that at this rate its database has {:.0} MiB of them, beside those that await compaction.",
        best * 100.0 * each / 1024.0 / 1024.0
    );
}

/// Writes for this long on so many connections: how long each took, sorted, and how many there were in a second.
async fn write(etcd: &Etcd, connections: usize, time: Duration, lease: &str) -> (Vec<Duration>, f64) {
    let root = Pki::shared().internal_root();
    let identity = Arc::new(Pki::shared().internal_client("bench"));
    let place = AtomicUsize::new(0);
    let mut opened = Vec::new();
    for _ in 0..connections {
        let address = etcd.addresses()[place.fetch_add(1, Ordering::Relaxed) % MEMBERS];
        opened.push(Connection::open_to(ETCD_NAME, address, &root, Some(&*identity)).await.expect("a connection"));
    }
    let started = Instant::now();
    let mut writing = JoinSet::new();
    for mut connection in opened {
        let lease = lease.to_owned();
        writing.spawn(async move {
            let mut times = Vec::new();
            while started.elapsed() < time || times.is_empty() {
                // As long as a digest in hexadecimal, and as the filter's own name of a try.
                let key = base64(&format!("{PREFIX}{}{}", uuid().replace('-', ""), uuid().replace('-', "")));
                let body = json!({
                    "compare": [{"target": "CREATE", "result": "EQUAL", "key": key, "create_revision": "0"}],
                    "success": [{"request_put": {"key": key, "value": base64(&uuid().replace('-', "")), "lease": lease}}],
                    "failure": [{"request_range": {"key": key}}],
                });
                match connection.send(&request("/v3/kv/txn", &body, None)).await {
                    Outcome::Reply(reply) if reply.json()["succeeded"] == true => times.push(reply.took),
                    other => panic!("etcd: {other:?}"),
                }
            }
            times
        });
    }
    let mut times = writing.join_all().await.concat();
    let rate = times.len() as f64 / started.elapsed().as_secs_f64();
    times.sort_unstable();
    (times, rate)
}

fn at(sorted: &[Duration], percent: usize) -> Duration {
    sorted.get(sorted.len() * percent / 100).copied().unwrap_or_default()
}

fn milliseconds(time: Duration) -> String {
    format!("{:.2} ms", time.as_secs_f64() * 1000.0)
}
