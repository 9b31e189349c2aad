//! A new version beside the old one: a real Envoy copies what it admits to a second one, by the lines of docs/upgrade.md, and throws the
//! answers away.

use std::fs;
use std::time::{Duration, Instant};

use tokio::time::sleep;
use wasm_tests::stage::client::Request;
use wasm_tests::stage::pki::PROXY_UNIT;
use wasm_tests::stage::terminator::behind_the_internal_ca;
use wasm_tests::stage::{Setup, Stage, signed_by};

const GUIDE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/upgrade.md");
const ROUTE: &str = "                          route: {cluster: bank, timeout: 15s}\n";
const BANK: &str = "    - name: bank\n";
const IDS: &str = r#""provider_ids": ["retail"],"#;
const REPLAYS: &str = r#""jwks": {"environment": "sandbox"}"#;

/// The guide's blocks of YAML: what the second Envoy answers, and of the first its route, the backend's cluster and the second's.
fn blocks() -> [String; 4] {
    let guide = fs::read_to_string(GUIDE).expect("the guide");
    let blocks = guide.split("```yaml\n").skip(1).map(|rest| rest.split("```").next().expect("its end").to_owned());
    blocks.collect::<Vec<_>>().try_into().expect("four blocks")
}

fn indented(block: &str, depth: usize) -> String {
    block.lines().map(|line| format!("{:depth$}{line}\n", "")).collect()
}

fn with_replay_detection(setup: Setup) -> Setup {
    setup.edit(REPLAYS, &format!(r#"{REPLAYS}, "replay_detection": "gateway""#))
}

/// The second Envoy, whose filter takes tokens for this provider.
async fn next_version(provider: &str) -> Stage {
    let [answer, ..] = blocks();
    let source = format!(r#"{{"forwarded_header": {{"proxy": {{"organisational_units": ["{PROXY_UNIT}"]}}}}}}"#);
    let setup = behind_the_internal_ca(Setup::new(), &source)
        .edit("forward_client_cert_details: SANITIZE_SET", "forward_client_cert_details: FORWARD_ONLY")
        .edit(ROUTE, &indented(&answer, 26))
        .edit(IDS, &format!(r#""provider_ids": ["{provider}"],"#));
    with_replay_detection(setup).start().await
}

/// The first, which copies to that one.
async fn old_version(next: &Stage) -> Stage {
    let [_, route, bank, cluster] = blocks();
    let file = |name: &str| next.file(name).display().to_string();
    let port = next.envoy.address().port().to_string();
    let cluster = ["proxy-chain.pem", "proxy-key.pem", "internal-ca.pem"]
        .into_iter()
        .fold(cluster, |cluster, name| cluster.replace(&format!("/etc/envoy/tls/{name}"), &file(name)))
        .replace("8444", &port);
    let setup = Setup::new()
        .edit(IDS, &format!(r#"{IDS} "forward": {{"authorization": "keep"}},"#))
        .edit(ROUTE, &indented(&route, 26))
        .edit(BANK, &format!("{}{BANK}{}", indented(&cluster, 4), indented(&bank, 6)));
    with_replay_detection(setup).start().await
}

/// How many requests an Envoy has answered with a status of this class.
async fn answered(stage: &Stage, class: &str) -> u64 {
    let name = format!("http.ozone_connect.downstream_rq_{class}");
    stage.envoy.stats(&name).await.get(&name).copied().unwrap_or(0)
}

/// What its filter has counted of requests with this outcome.
async fn counted(stage: &Stage, outcome: &str) -> u64 {
    let name = format!("wasmcustom.hub_auth_filter.requests_total.direction.inbound.outcome.{outcome}");
    stage.envoy.stats("requests_total").await.get(&name).copied().unwrap_or(0)
}

async fn until_answered(stage: &Stage, class: &str, times: u64) {
    let started = Instant::now();
    while answered(stage, class).await < times {
        let log = stage.envoy.log();
        assert!(started.elapsed() < Duration::from_secs(10), "fewer than {times} × {class}:\n{log}");
        sleep(Duration::from_millis(10)).await;
    }
}

async fn hub_is_served(old: &Stage) {
    let reply = old.send_as_hub(&Request::with_token(&signed_by(&old.pki.hub))).await.reply();
    assert_eq!(reply.status, 200);
    let received = old.bank.received();
    let last = received.last().expect("a request");
    assert_eq!(last.value("x-hub-auth-method"), Some("jwt_auth"));
    assert!(last.values("authorization").is_empty(), "the credential ends at the first Envoy");
}

#[tokio::test]
async fn a_copy_is_decided_by_the_new_version_with_a_memory_of_its_own_and_goes_no_further() {
    let next = next_version("retail").await;
    let old = old_version(&next).await;
    for times in 1..=3 {
        hub_is_served(&old).await;
        // Both have a memory of used tokens, and each token is new to both.
        until_answered(&next, "2xx", times).await;
    }
    let refused = old.send(Some(&old.pki.tpp.transport), &Request::with_token(&signed_by(&old.pki.hub))).await.reply();
    assert_eq!(refused.status, 403);
    hub_is_served(&old).await;
    until_answered(&next, "2xx", 4).await;
    assert_eq!((answered(&next, "2xx").await, answered(&next, "4xx").await), (4, 0), "what was refused is not copied");
    assert_eq!((counted(&next, "accepted").await, counted(&old, "accepted").await), (4, 4), "each by its own version");
    assert_eq!(old.bank.received().len(), 4);
    assert_eq!(next.bank.received(), [], "a copy reaches no backend");
}

#[tokio::test]
async fn what_the_new_version_refuses_and_its_end_change_nothing_for_the_caller() {
    let mut next = next_version("corporate").await;
    let old = old_version(&next).await;
    for times in 1..=3 {
        hub_is_served(&old).await;
        until_answered(&next, "4xx", times).await;
    }
    let codes = next.envoy.events("refused").into_iter().map(|event| event["code"].clone()).collect::<Vec<_>>();
    assert_eq!(codes, ["JWS.InvalidClaim"; 3], "the audience is another");
    assert_eq!(counted(&next, "refused.code.JWS.InvalidClaim").await, 3);
    assert_eq!(answered(&next, "2xx").await, 0);
    next.envoy.stop();
    for _ in 0..3 {
        hub_is_served(&old).await;
    }
    assert_eq!(old.bank.received().len(), 6);
    assert_eq!(answered(&old, "5xx").await, 0);
}
