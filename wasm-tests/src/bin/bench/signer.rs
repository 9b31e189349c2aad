//! `hub-auth signer` with a key in SoftHSM: signatures in a second by several connections and sessions, and what a request to the Hub
//! takes that is signed so.

use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::json;
use tokio::task::JoinSet;
use wasm_tests::stage::client::{Connection, Request};
use wasm_tests::stage::module_signer::{CLIENT_TOKEN, ModuleSigner, tool_beside};
use wasm_tests::stage::openbao::{SIGN_PATH, jwk};
use wasm_tests::stage::pki::CONSENT_MANAGER_NAME;
use wasm_tests::stage::softhsm::Softhsm;
use wasm_tests::stage::tokens::now;
use wasm_tests::stage::{OutboundSetup, REMOTE_KEY_ID};

use super::extent::Extent;
use super::table::Table;

/// How many connections send without a pause.
const CONNECTIONS: [usize; 3] = [1, 4, 16];
/// Sessions of the daemon with the token.
const SESSIONS: [&str; 2] = ["1", "4"];
/// No limit that is reached here.
const UNLIMITED: [&str; 2] = ["--max-signatures-per-second", "100000"];

/// Prints the table.
pub(crate) async fn run(extent: Extent) {
    let module = Softhsm::new();
    let tool = tool_beside();
    module.make_key(&tool, "sig4");
    println!(
        "hub-auth signer with an RSA key of 2048 bits in SoftHSM, which signs on this processor: connections that stay open,"
    );
    println!(
        "each of which asks without a pause. Then requests to the Hub and back, one after another, by Envoy with one worker:"
    );
    let mut table = Table::new(&["", "connections", "time\nmedian", "\np95", "signatures\nper second"]);
    for sessions in SESSIONS {
        let signer =
            ModuleSigner::on_port(&tool, &module, "sig4", &[&UNLIMITED[..], &["--sessions", sessions]].concat()).await;
        for connections in CONNECTIONS {
            let (times, rate) = alone(&signer, connections, extent.busy).await;
            row(&mut table, format!("signer, sessions: {sessions}"), connections, times, rate);
        }
    }
    for connections in [1, 4] {
        let (times, rate) = through_envoy(&module, connections, extent.busy).await;
        row(&mut table, "Envoy, filter and signer".to_owned(), connections, times, rate);
    }
    table.print();
}

fn row(table: &mut Table, name: String, connections: usize, mut times: Vec<Duration>, rate: f64) {
    times.sort();
    let milliseconds = |time: Duration| format!("{:.2} ms", time.as_secs_f64() * 1000.0);
    table.row([
        name,
        connections.to_string(),
        milliseconds(times[times.len() / 2]),
        milliseconds(times[times.len() * 95 / 100]),
        format!("{rate:.0}"),
    ]);
}

/// A request for a signature of a new token.
fn request(number: usize) -> Request {
    let part = |part: serde_json::Value| URL_SAFE_NO_PAD.encode(part.to_string());
    let header = json!({"alg": "PS256", "typ": "JOSE", "cty": "json", "kid": REMOTE_KEY_ID});
    let claims = json!({
        "iss": "Example Bank PJSC", "sub": "d0c1b2a3-9485-4766-9574-839201abcdef", "aud": "retail", "exp": now() + 30, "iat": now(),
        "jti": format!("a-token-{number}"),
    });
    let body = json!({
        "input": STANDARD.encode(format!("{}.{}", part(header), part(claims))),
        "signature_algorithm": "pss", "salt_length": "hash", "marshaling_algorithm": "jws",
    });
    Request::new("POST", SIGN_PATH).header("x-vault-token", CLIENT_TOKEN).body(body.to_string().as_bytes())
}

async fn alone(signer: &ModuleSigner, connections: usize, time: Duration) -> (Vec<Duration>, f64) {
    let address = signer.address();
    let open = || async move { Connection::open_plain(address, "localhost").await.expect("a connection") };
    busy(connections, time, open, request).await
}

async fn through_envoy(module: &Softhsm, connections: usize, time: Duration) -> (Vec<Duration>, f64) {
    let signer = ModuleSigner::on_socket(&tool_beside(), module, "sig4", &UNLIMITED).await;
    let stage = OutboundSetup::new().module_signer(signer.listen(), CLIENT_TOKEN, &json!({})).start().await;
    let key = jwk(&signer.public_key().await, REMOTE_KEY_ID);
    stage.keystore.publish(&stage.pki.bank.subject, json!({"keys": [key]}));
    let address = stage.envoy.address();
    let open = || async move { Connection::open_plain(address, CONSENT_MANAGER_NAME).await.expect("a connection") };
    busy(connections, time, open, |_| Request::new("GET", "/hello-mtls")).await
}

/// Sends on so many connections for so long: the time of each request, and how many there were in a second.
async fn busy<F: Future<Output = Connection>>(
    connections: usize,
    time: Duration,
    open: impl Fn() -> F,
    request: impl Fn(usize) -> Request + Copy + Send + 'static,
) -> (Vec<Duration>, f64) {
    let mut senders = Vec::new();
    for _ in 0..connections {
        let mut connection = open().await;
        assert_eq!(connection.send(&request(0)).await.reply().status, 200, "the first answer");
        senders.push(connection);
    }
    let started = Instant::now();
    let mut running = JoinSet::new();
    for mut connection in senders {
        running.spawn(async move {
            let mut times = Vec::new();
            while started.elapsed() < time || times.is_empty() {
                let reply = connection.send(&request(times.len())).await.reply();
                assert_eq!(reply.status, 200, "an answer while it was measured");
                times.push(reply.took);
            }
            times
        });
    }
    let times: Vec<Duration> = running.join_all().await.into_iter().flatten().collect();
    let rate = f64::from(u32::try_from(times.len()).expect("a number of requests")) / started.elapsed().as_secs_f64();
    (times, rate)
}
