//! The alerts, with a real Prometheus: it scrapes real Envoys while each fault is played, and the alert that is for it fires. The shipped
//! rules are loaded with a minute as a second; the bounds are those that are shipped.

mod dashboard;
mod firing;
mod gateways;
mod kong;
mod shortened;

use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

use serde_json::Value;
use tokio::time::Instant;
use wasm_tests::stage::client::Request;
use wasm_tests::stage::keystore::Behaviour;
use wasm_tests::stage::pki::Pki;
use wasm_tests::stage::prometheus::Watcher;
use wasm_tests::stage::tokens::{Signer, jwks, now};
use wasm_tests::stage::{signed_by, token_of};

use firing::Firing;
use gateways::{Caller, Gateways, calling, calling_the_hub, ending};
use shortened::{Targets, configuration, rules, shipped};

/// How long all is well, before the first fault.
const CALM: Duration = Duration::from_secs(8);
/// The time between two requests of somebody who calls all the time, and of somebody who waits for the answers.
const OFTEN: Duration = Duration::from_millis(200);
const SELDOM: Duration = Duration::from_secs(20);
/// Gateways with faults of their own from the start on.
const FAULTY: [&str; 4] = ["open", "not_called", "trapping", "alone"];

/// What fires in no test with a Prometheus: what is missing altogether, or takes hours or days. `promtool` shows these.
const NOT_PLAYED: [&str; 6] = [
    "HubAuthCanaryNotWatched",
    "HubAuthCertificatesNotWatched",
    "HubAuthCrlEndsSoon",
    "HubAuthCrlNotFetched",
    "HubAuthCrlNotWatched",
    "HubAuthGatewayNotWatched",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn each_fault_on_a_real_envoy_makes_its_alert_fire() {
    let files = tempfile::tempdir().expect("a temporary directory");
    let (prom, rules_file) = (files.path().join("textfiles"), files.path().join("rules.json"));
    fs::create_dir(&prom).expect("a writable directory");
    write_files(&prom, 300, 1);
    fs::write(&rules_file, rules().to_string()).expect("a writable directory");
    let mut gateways = Gateways::start(files.path()).await;
    let blackbox = Watcher::blackbox(files.path(), &prober(&gateways)).await;
    let exporter = Watcher::files(&prom).await;
    let canaries: Vec<String> = ["keys", "tokens", "open", "not_called"].map(|name| gateways.canary(name)).into();
    let targets = Targets {
        gateways: &gateways.metrics(),
        canaries: &canaries,
        blackbox: Some(blackbox.address()),
        files: Some(exporter.address()),
        kong: None,
    };
    let (watched, from) = (Instant::now(), now());
    let prometheus = Watcher::prometheus(files.path(), &configuration(&targets, &rules_file)).await;
    let mut firing = Firing::new(&prometheus);
    from_the_start(&gateways, &mut firing, watched);

    let right = || Request::with_token(&signed_by(&Pki::shared().hub));
    let mut callers = vec![
        calling(&gateways.keys, &gateways.keys.pki.hub.transport, OFTEN, right),
        calling(&gateways.tokens, &gateways.tokens.pki.hub.transport, OFTEN, right),
        calling(&gateways.open, &gateways.open.pki.hub.transport, OFTEN, right),
        calling(&gateways.not_called, &gateways.not_called.pki.hub.transport, OFTEN, right),
        calling(&gateways.alone, &gateways.alone.pki.hub.transport, OFTEN, right),
        calling_the_hub(&gateways.outbound, OFTEN),
    ];
    firing.look_for(CALM).await;
    nothing_fires_without_a_fault(&gateways, &firing).await;

    write_files(&prom, 45, 0);
    play(&gateways, &mut firing, &mut callers).await;
    firing.look_for(Duration::from_secs(4)).await;
    gateways.openbao.revoke(&gateways.vault_token).await;
    firing.expect(
        "the signer's token is revoked",
        Instant::now(),
        Some("outbound"),
        &["HubAuthFault", "HubAuthSignerFailing"],
    );
    firing.look_for(Duration::from_secs(4)).await;
    gateways.openbao.suspend();
    firing.expect("the signer falls silent", Instant::now(), Some("outbound"), &["HubAuthUnavailable"]);
    firing.expect("the signer falls silent", Instant::now(), None, &["HubAuthSlow"]);
    firing.look_for(Duration::from_secs(4)).await;
    gateways.trapping.envoy.stop();
    firing.expect("a gateway stops", Instant::now(), Some("trapping"), &["HubAuthGatewayDown"]);
    firing.look_until_all_fire().await;
    gateways.openbao.resume();
    println!("{}", firing.table());

    for rule in prometheus.rules().await {
        assert_eq!((&rule["health"], &rule["lastError"]), (&"ok".into(), &Value::Null), "{rule}");
    }
    for alert in firing.now().await {
        assert!(!alert["annotations"].to_string().contains("<error"), "{alert}");
    }
    dashboard::is_filled(&prometheus, from).await;
    let played = firing.names();
    let unplayed = names().into_iter().filter(|name| !played.contains(name.as_str()));
    assert_eq!(unplayed.collect::<Vec<_>>(), NOT_PLAYED);
}

/// The names of all shipped alerts, in order.
fn names() -> Vec<String> {
    let rules = shipped("prometheus-rules.yaml");
    let groups = rules["groups"].as_array().expect("groups");
    let all = groups.iter().flat_map(|group| group["rules"].as_array().expect("rules"));
    let mut names: Vec<String> = all.filter_map(|rule| Some(rule["alert"].as_str()?.to_owned())).collect();
    names.sort();
    names
}

/// What `hub-auth expiry` and `hub-auth-crl` write of a certificate that ends then, and of a file and a CRL that are good or not.
fn write_files(directory: &Path, days: u64, is_good: u8) {
    let ends = now() + days * 24 * 60 * 60;
    let text = format!(
        "hub_auth_certificate_not_after_timestamp_seconds{{file=\"/sig4.pem\",subject=\"O=Example Bank PJSC\"}} {ends}\n\
         hub_auth_certificate_readable{{file=\"/c3.pem\"}} {is_good}\n\
         hub_auth_certificate_checked_timestamp_seconds {now}\n\
         hub_auth_crl_good{{file=\"/crl.pem\"}} {is_good}\n\
         hub_auth_crl_checked_timestamp_seconds{{file=\"/crl.pem\"}} {now}\n",
        now = now(),
    );
    let new = directory.join(".new");
    fs::write(&new, text).expect("a writable directory");
    fs::rename(new, directory.join("hub-auth.prom")).expect("a rename");
}

/// The shipped configuration of the prober, with the bank's own certificate.
fn prober(gateways: &Gateways) -> String {
    let file = |name: &str| gateways.keys.file(name).display().to_string();
    [
        ("trust-framework-ca.pem", "trust-framework-ca.pem"),
        ("own-chain.pem", "c3-chain.pem"),
        ("own-key.pem", "c3-key.pem"),
    ]
    .into_iter()
    .fold(shipped("blackbox.yaml").to_string(), |text, (from, to)| {
        let from = format!("/etc/hub-auth-canary/{from}");
        assert!(text.contains(&from), "{from}");
        text.replace(&from, &file(to))
    })
}

/// The faults that are there from the start on.
fn from_the_start(gateways: &Gateways, firing: &mut Firing<'_>, since: Instant) {
    let open = "the filter and the rule behind it are taken out";
    firing.expect(open, since, Some("open"), &["HubAuthFilterNotLoaded", "HubAuthBackendReachedWithoutFilter"]);
    let canary = gateways.canary("open");
    firing.expect(open, since, Some(&canary), &["HubAuthCanaryLetThrough", "HubAuthCanaryFails"]);
    let not_called = "the capability list lacks the entry point";
    firing.expect(not_called, since, Some("not_called"), &["HubAuthLastLineRefuses"]);
    firing.expect(not_called, since, Some(&gateways.canary("not_called")), &["HubAuthCanaryFails"]);
    let no_store = "what should be the store of used tokens is none";
    firing.expect(no_store, since, Some("alone"), &["HubAuthReplayStoreFailing", "HubAuthReplayDecidedAlone"]);
    firing.expect("S4 ends in 20 days", since, Some("tokens"), &["HubAuthCertificateEndsIn30Days"]);
}

/// Of the gateways that are well, and of what is the same for all.
async fn nothing_fires_without_a_fault(gateways: &Gateways, firing: &Firing<'_>) {
    let canaries = FAULTY.map(|name| gateways.canary(name));
    let unexpected: Vec<Value> = firing
        .now()
        .await
        .into_iter()
        .filter(|alert| {
            let of = |label: &str| alert["labels"][label].as_str().unwrap_or_default().to_owned();
            let is_faulty = FAULTY.contains(&of("instance").as_str()) || canaries.contains(&of("instance"));
            // How fast it is depends on what else this machine does.
            let is_other = of("alertname").starts_with("HubAuthCertificateEnds") || of("alertname") == "HubAuthSlow";
            !is_faulty && !is_other
        })
        .collect();
    assert!(unexpected.is_empty(), "{unexpected:#?}");
}

/// Begins the faults that can begin together.
async fn play(gateways: &Gateways, firing: &mut Firing<'_>, callers: &mut Vec<Caller>) {
    let (pki, since) = (Pki::shared(), Instant::now());
    gateways.keys.keystore.down().await;
    firing.expect(
        "the keystore is down",
        since,
        Some("keys"),
        &["HubAuthKeystoreFailing", "HubAuthKeysOld", "HubAuthUnavailable"],
    );

    let wrong = || {
        Request::with_token(
            &token_of(&Pki::shared().hub).claim("aud", "another").sign(Signer::Ps256(&Pki::shared().hub.signing)),
        )
    };
    callers.extend((0..4).map(|_| calling(&gateways.tokens, &pki.hub.transport, OFTEN / 8, wrong)));
    firing.expect("the Hub sends wrong tokens", since, None, &["HubAuthRefusesHub", "HubAuthRefusesHubMostly"]);
    callers.push(calling(&gateways.tokens, &pki.tpp.transport, OFTEN / 6, || Request::new("GET", "/accounts")));
    firing.expect("another participant calls", since, None, &["HubAuthRefusesStrangers"]);
    let right = || Request::with_token(&signed_by(&Pki::shared().hub));
    callers.push(calling(&gateways.tokens, &pki.hub.transport, OFTEN / 10, right));
    firing.expect(
        "more tokens than there is room for",
        since,
        Some("tokens"),
        &["HubAuthReplayMemoryFilling", "HubAuthReplayMemoryFull"],
    );
    let date = httpdate::fmt_http_date(SystemTime::now() - Duration::from_secs(60));
    gateways.tokens.keystore.behave(Behaviour::Answer {
        status: 200,
        headers: vec![("content-type", "application/json".to_owned()), ("date", date)],
        body: jwks([&pki.hub.signing]).to_string().into_bytes(),
    });
    firing.expect(
        "the gateway's clock is a minute ahead",
        since,
        Some("tokens"),
        &["HubAuthClockDiffers", "HubAuthClockWrong"],
    );
    gateways.tokens.replace_crl(b"-----BEGIN X509 CRL-----\nbroken");
    firing.expect("the file of the CRL is broken", since, Some("tokens"), &["HubAuthCrlRefusedByEnvoy"]);

    let hub = ending();
    for number in 0..100 {
        let token = Request::with_token(&format!("opaque-{number}"));
        callers.push(calling(&gateways.questions, hub, SELDOM, move || token.clone()));
    }
    firing.expect(
        "the authorisation server is silent",
        since,
        Some("questions"),
        &["HubAuthIntrospectionFailing", "HubAuthRequestsWait"],
    );
    firing.expect("C4 ends in 5 days", since, Some("questions"), &["HubAuthCertificateEndsIn7Days"]);
    callers.push(calling(&gateways.trapping, &pki.hub.transport, OFTEN, right));
    firing.expect("the module traps", since, Some("trapping"), &["HubAuthFilterTraps", "HubAuthFilterRestarts"]);
    callers.extend((0..4).map(|_| calling_the_hub(&gateways.outbound, OFTEN)));
    gateways.outbound.hub.respond_with(Vec::new);
    firing.expect("the Hub's responses have no token", since, None, &["HubAuthResponsesNotGood"]);
    let files = ["HubAuthCertificateEndsIn60Days", "HubAuthCertificateNotReadable", "HubAuthCrlNotGood"];
    firing.expect("files say so", since, Some("files"), &files);
}
