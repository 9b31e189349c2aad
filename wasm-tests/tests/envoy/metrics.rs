//! What Prometheus gets of the filter from an Envoy with the shipped configuration.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{SystemTime, UNIX_EPOCH};

use wasm_tests::stage::client::Request;
use wasm_tests::stage::tokens::Signer;
use wasm_tests::stage::{OutboundSetup, Setup, signed_by, token_of};

/// The page of the documentation that lists them.
const DOCUMENTED: &str = include_str!("../../../docs/operations.md");

/// The samples of the filter's metrics, as Prometheus reads them: name and labels in their alphabetical order, and the value.
fn samples(text: &str) -> BTreeMap<String, f64> {
    let ours = text.lines().filter(|line| line.starts_with("hub_auth_filter"));
    let samples = ours.filter_map(|line| line.rsplit_once(' '));
    samples.map(|(name, value)| (in_order(name), value.parse().expect("a number"))).collect()
}

/// No value of ours has a comma.
fn in_order(sample: &str) -> String {
    let (name, labels) = sample.trim_end_matches('}').split_once('{').expect("labels, if none");
    let labels: BTreeSet<&str> = labels.split(',').collect();
    format!("{name}{{{}}}", labels.into_iter().collect::<Vec<_>>().join(","))
}

/// The names of metrics, without labels and without what a histogram puts behind its name.
fn names(samples: &BTreeMap<String, f64>) -> BTreeSet<String> {
    let bare = |name: &String| {
        let name = name.split('{').next().expect("a name");
        let of_histogram = ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end));
        of_histogram.unwrap_or(name).to_owned()
    };
    samples.keys().map(bare).collect()
}

#[tokio::test]
async fn prometheus_gets_the_labels_apart_from_the_names() {
    let stage = Setup::new().start().await;
    let right = || Request::with_token(&signed_by(&stage.pki.hub));
    for _ in 0..2 {
        assert_eq!(stage.send_as_hub(&right()).await.reply().status, 200);
    }
    let wrong = token_of(&stage.pki.hub).claim("aud", "corporate").sign(Signer::Ps256(&stage.pki.hub.signing));
    assert_eq!(stage.send_as_hub(&Request::with_token(&wrong)).await.reply().status, 401);

    let samples = samples(&stage.envoy.prometheus("hub_auth_filter").await);
    let of = |name: &str| samples.get(name).copied();
    for (name, value) in [
        (r#"hub_auth_filter_requests_total{direction="inbound",outcome="accepted"}"#, 2.0),
        (r#"hub_auth_filter_requests_total{code="JWS.InvalidClaim",direction="inbound",outcome="refused"}"#, 1.0),
        (r#"hub_auth_filter_requests_total{code="GenericError",direction="inbound",outcome="refused"}"#, 0.0),
        (r#"hub_auth_filter_callouts_total{about="jwks",outcome="succeeded"}"#, 1.0),
        (r#"hub_auth_filter_requests_held_total{direction="inbound"}"#, 1.0),
        (r#"hub_auth_filter_requests_released_total{direction="inbound"}"#, 1.0),
        (r#"hub_auth_filter_build_info{version="0_1_0"}"#, 1.0),
        ("hub_auth_filter_replay_memory_full_total{}", 0.0),
        ("hub_auth_filter_clock_ahead_seconds{}", 0.0),
        ("hub_auth_filter_clock_behind_seconds{}", 0.0),
    ] {
        assert_eq!(of(name), Some(value), "{name}: {samples:#?}");
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs_f64();
    let key_set =
        samples.iter().find(|(name, _)| name.starts_with("hub_auth_filter_key_set_fetched_timestamp_seconds"));
    let (name, fetched) = key_set.expect("a key set");
    assert!(name.contains("application_jwks\"}") && (now - 60.0..=now + 1.0).contains(fetched), "{name} {fetched}");
}

/// Envoy merges what its workers have recorded every few seconds.
#[tokio::test]
async fn how_long_decisions_took_arrives_as_a_histogram() {
    let stage = Setup::new().start().await;
    assert_eq!(stage.send_as_hub(&Request::with_token(&signed_by(&stage.pki.hub))).await.reply().status, 200);
    for _ in 0..100 {
        let samples = samples(&stage.envoy.prometheus("duration").await);
        let count = |about: &str| samples.get(about).copied().unwrap_or_default();
        if count(r#"hub_auth_filter_decision_duration_milliseconds_count{direction="inbound"}"#) == 1.0 {
            assert_eq!(count(r#"hub_auth_filter_callout_duration_milliseconds_count{about="jwks"}"#), 1.0);
            let most = r#"hub_auth_filter_decision_duration_milliseconds_bucket{direction="inbound",le="+Inf"}"#;
            assert_eq!(count(most), 1.0, "{samples:#?}");
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    panic!("nothing was recorded");
}

/// The two directions together show each metric that is documented, and none that is not.
#[tokio::test]
async fn each_metric_is_documented_and_each_that_is_documented_is_there() {
    let (inbound, outbound) = (Setup::new().start().await, OutboundSetup::new().start().await);
    let reply = inbound.send_as_hub(&Request::with_token(&signed_by(&inbound.pki.hub))).await.reply();
    assert_eq!(reply.status, 200);
    let shown = [inbound.envoy.prometheus("hub_auth_filter").await, outbound.envoy.prometheus("hub_auth_filter").await];
    let shown: BTreeSet<String> = shown.iter().flat_map(|text| names(&samples(text))).collect();
    let section = DOCUMENTED.split("## Metrics").nth(1).and_then(|rest| rest.split("\n## ").next()).expect("a section");
    let rows = section.lines().filter(|line| line.starts_with("| `"));
    let cells = rows.map(|row| row.split('|').nth(1).expect("a cell"));
    let documented: BTreeSet<String> = cells
        .flat_map(|cell| cell.split('`').skip(1).step_by(2))
        .map(|name| format!("hub_auth_filter_{name}"))
        .collect();
    let undocumented: Vec<_> = shown.difference(&documented).collect();
    let missing: Vec<_> = documented.difference(&shown).map(String::as_str).collect();
    // A histogram is shown once it has something, and a certificate where the gateway shows it.
    let later = [
        "hub_auth_filter_callout_duration_milliseconds",
        "hub_auth_filter_decision_duration_milliseconds",
        "hub_auth_filter_peer_certificate_not_after_timestamp_seconds",
        "hub_auth_filter_signing_duration_milliseconds",
    ];
    assert!(undocumented.is_empty(), "{undocumented:?}");
    assert!(missing.iter().all(|name| later.contains(name)), "{missing:?}");
}

/// Lists of capabilities are copied, and older ones lack this.
#[tokio::test]
async fn without_leave_to_record_requests_go_on_and_the_log_says_so_a_few_times_only() {
    let setup = Setup::new().workers(1).edit("proxy_record_metric: {}\n", "\n");
    let stage = setup.start().await;
    for _ in 0..20 {
        let reply = stage.send_as_hub(&Request::with_token(&signed_by(&stage.pki.hub))).await.reply();
        assert_eq!(reply.status, 200);
    }
    let complaints = stage.envoy.log().lines().filter(|line| line.contains("proxy_record_metric")).count();
    assert!((1..=10).contains(&complaints), "{complaints}");
    let samples = samples(&stage.envoy.prometheus("requests_total").await);
    let accepted = r#"hub_auth_filter_requests_total{direction="inbound",outcome="accepted"}"#;
    assert_eq!(samples.get(accepted), Some(&20.0));
}
