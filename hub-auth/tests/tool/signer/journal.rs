//! What is written of each signature, and what systemd is told.

use std::collections::BTreeSet;
use std::os::unix::net::UnixDatagram;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use wasm_tests::stage::client::Request;
use wasm_tests::stage::module_signer::{self, CLIENT_TOKEN, ModuleSigner, Secrets};
use wasm_tests::stage::openbao::SIGN_PATH;
use wasm_tests::stage::softhsm::PIN;

use super::{LABEL, body, claims, input, module, request, sign, started, tool};

const SCHEMA: &str = include_str!("../../../../schema/signer-line.schema.json");

#[tokio::test]
async fn each_request_for_a_signature_is_one_line_that_says_all_but_secrets() {
    let (mut signer, module) = started(&["--kid", "sig4-bao"]).await;
    let input = input(&claims());
    assert_eq!(signer.ask(request(&body(&input))).await.status, 200);
    let other = request(&body("Pay 1,000,000 to the bearer."));
    assert_eq!(signer.ask(other).await.status, 400);
    let wrong = request(&body(&input)).header("x-vault-token", "a-wrong-token");
    assert_eq!(signer.send(&wrong).await.status, 403);
    module.take_out();
    assert_eq!(sign(&signer).await.status, 503);
    signer.terminate();
    assert!(signer.ended().await.success());

    let lines = signer.events("signature");
    assert_eq!(lines.len(), 4, "{lines:?}");
    // Lines of signatures wait for nobody: they may stand before older ones.
    let of = |status: u16| lines.iter().find(|line| line["status"] == status).expect("a line");
    let line = of(200);
    assert_eq!((&line["kid"], &line["jti"], &line["key"]), (&json!("sig4-bao"), &json!("a-token"), &json!("sig4")));
    assert_eq!((&line["outcome"], &line["key_version"]), (&json!("signed"), &json!(1)));
    assert!(line["client"].as_str().is_some_and(|client| client.starts_with("127.0.0.1:")), "{line}");
    let digest: String = crate::openssl::sha256(input.as_bytes());
    assert_eq!(line["input_sha256"], digest);
    assert!(line["duration_us"].as_u64().is_some_and(|duration| duration > 0), "{line}");
    assert_eq!((&of(400)["outcome"], of(400)["jti"].is_null()), (&json!("refused"), true));
    assert_eq!((&of(403)["outcome"], of(403)["input_sha256"].is_null()), (&json!("refused"), true));
    assert_eq!(of(503)["outcome"], "failed");
    let ids: BTreeSet<&str> = lines.iter().filter_map(|line| line["request_id"].as_str()).collect();
    assert_eq!(ids.len(), 4);

    let schema: Value = serde_json::from_str(SCHEMA).expect("JSON");
    let validator = jsonschema::validator_for(&schema).expect("a schema");
    let mut events = BTreeSet::new();
    for line in signer.log().lines() {
        let line: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        assert!(
            validator.is_valid(&line),
            "{line}: {:?}",
            validator.iter_errors(&line).map(|e| e.to_string()).collect::<Vec<_>>()
        );
        events.insert(line["event"].as_str().expect("an event").to_owned());
    }
    assert_eq!(events, ["listening", "signature", "stopped", "token_away", "token_there"].map(String::from).into());
    assert!(!validator.is_valid(&json!({"version": 1, "event": "signature"})));
    let log = signer.log();
    for secret in [PIN, CLIENT_TOKEN, "a-wrong-token", "eyJ", "Pay 1,000,000", "retail", "BEGIN"] {
        assert!(!log.contains(secret), "{secret}: {log}");
    }
}

/// Anybody on the machine can cause them.
#[tokio::test]
async fn a_flood_of_refusals_does_not_fill_the_journal() {
    let (signer, _module) = started(&[]).await;
    let flood = Request::new("POST", SIGN_PATH).body(b"{}");
    let started = Instant::now();
    for _ in 0..300 {
        assert_eq!(signer.send(&flood).await.status, 403);
    }
    let seconds = usize::try_from(started.elapsed().as_secs()).expect("a few seconds");
    let lines = signer.events("signature").len();
    assert!(lines >= 20 && lines <= 20 * (seconds + 2), "{lines} lines in {seconds} s");
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(signer.send(&flood).await.status, 403);
    let started = Instant::now();
    while !signer.events("signature").iter().any(|line| line["suppressed"].as_u64().is_some_and(|lines| lines > 100)) {
        assert!(started.elapsed() < Duration::from_secs(5), "{}", signer.log());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(sign(&signer).await.status, 200);
}

#[tokio::test]
async fn systemd_is_told_when_it_is_ready_that_it_lives_and_when_it_stops() {
    let module = module();
    let path = module.folder().join("notify");
    let socket = UnixDatagram::bind(&path).expect("a socket");
    socket.set_read_timeout(Some(Duration::from_secs(10))).expect("a timeout");
    let mut command = module_signer::command(tool(), &module, &Secrets::of(&module));
    command.env("NOTIFY_SOCKET", &path).env("WATCHDOG_USEC", "200000");
    command.args(["--key", &module.uri(LABEL), "--listen", "127.0.0.1:0"]);
    let mut signer = ModuleSigner::start(command, module.folder()).await;
    let told = || {
        let mut buffer = [0; 256];
        let length = socket.recv(&mut buffer).expect("a word");
        String::from_utf8_lossy(&buffer[..length]).into_owned()
    };
    // What keeps the token and what serves are two threads: either is first.
    let mut first = BTreeSet::new();
    while first.len() < 2 {
        first.insert(told());
        first.remove("WATCHDOG=1");
    }
    assert_eq!(first, ["READY=1", "STATUS=Signing."].map(String::from).into());
    assert_eq!([told(), told()], ["WATCHDOG=1", "WATCHDOG=1"]);
    signer.terminate();
    assert!(signer.ended().await.success());
    let mut last = told();
    while last == "WATCHDOG=1" {
        last = told();
    }
    assert_eq!(last, "STOPPING=1");
}
