//! Kong's metrics, as its plugin writes them, become those of Envoy on their way into Prometheus.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::time::{Instant, sleep};
use wasm_tests::stage::prometheus::Watcher;

use super::shortened::{Targets, configuration};

/// What the module defines, with a value, and what Prometheus must have.
const METRICS: [(&str, u64, &str); 13] = [
    (
        "requests_total.direction.inbound.outcome.accepted",
        41,
        r#"requests_total{direction="inbound", outcome="accepted"}"#,
    ),
    (
        "requests_total.direction.inbound.outcome.refused.code.JWS.InvalidClaim",
        42,
        r#"requests_total{direction="inbound", outcome="refused", code="JWS.InvalidClaim"}"#,
    ),
    (
        "requests_total.direction.outbound.outcome.refused.code.GenericError",
        43,
        r#"requests_total{direction="outbound", outcome="refused", code="GenericError"}"#,
    ),
    (
        "responses_total.direction.outbound.outcome.tolerated.code.Response.NotVerified",
        44,
        r#"responses_total{direction="outbound", outcome="tolerated", code="Response.NotVerified"}"#,
    ),
    ("callouts_total.about.signer_keys.outcome.failed", 45, r#"callouts_total{about="signer_keys", outcome="failed"}"#),
    ("requests_held_total.direction.inbound", 46, r#"requests_held_total{direction="inbound"}"#),
    (
        "key_set_fetched_timestamp_seconds.key_set.keystore_example_info_total_jwks",
        47,
        r#"key_set_fetched_timestamp_seconds{key_set="keystore_example_info_total_jwks"}"#,
    ),
    ("peer_certificate_not_after_timestamp_seconds", 48, "peer_certificate_not_after_timestamp_seconds"),
    ("clock_behind_seconds", 49, "clock_behind_seconds"),
    ("replay_memory_full_total", 50, "replay_memory_full_total"),
    ("replay_memory_used_tokens", 51, "replay_memory_used_tokens"),
    ("starts_total.direction.outbound", 52, r#"starts_total{direction="outbound"}"#),
    ("build_info.version.0_1_0", 1, r#"build_info{version="0_1_0"}"#),
];

/// Two histograms, whose buckets Kong counts up: a bound and how many are up to it.
const HISTOGRAMS: [(&str, &str); 2] = [
    ("decision_duration_milliseconds.direction.inbound", r#"decision_duration_milliseconds{direction="inbound"}"#),
    ("callout_duration_milliseconds.about.signature", r#"callout_duration_milliseconds{about="signature"}"#),
];
const BUCKETS: [(&str, u64); 3] = [("1", 3), ("256", 90), ("+Inf", 100)];

/// As the plugin `prometheus` of Kong 3.9 writes what ngx_wasm_module keeps (`kong/plugins/prometheus/wasmx.lua`): the key with `_` for
/// each dot, and no label, because the filter's name has more than letters; buckets under the histogram's own name.
fn exposition() -> String {
    let key = |name: &str| format!("pw.hub_auth_filter.hub_auth_filter.{name}").replace('.', "_");
    let mut text = String::new();
    for (name, value, _) in METRICS {
        let (key, kind) = (key(name), if name.contains("_total") { "counter" } else { "gauge" });
        text.push_str(&format!("# HELP {key}\n# TYPE {key} {kind}\n{key} {value}\n"));
    }
    for (name, _) in HISTOGRAMS {
        let key = key(name);
        text.push_str(&format!("# HELP {key}\n# TYPE {key} histogram"));
        for (bound, count) in BUCKETS {
            text.push_str(&format!("\n{key}{{le=\"{bound}\"}} {count}"));
        }
        text.push_str(&format!("\n{key}_sum 1234\n{key}_count 100\n"));
    }
    text
}

/// Answers each request with the metrics.
async fn kong() -> SocketAddr {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let answer = service_fn(|request: Request<_>| {
                assert_eq!(request.uri().path(), "/metrics");
                let _: &hyper::body::Incoming = request.body();
                let response = Response::builder().header("content-type", "text/plain; charset=UTF-8");
                let response = response.body(Full::<Bytes>::from(exposition())).expect("a response");
                async move { Ok::<_, Infallible>(response) }
            });
            tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), answer));
        }
    });
    address
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kongs_metrics_get_the_names_and_labels_of_envoys() {
    let files = tempfile::tempdir().expect("a temporary directory");
    let targets = Targets { gateways: &[], canaries: &[], blackbox: None, files: None, kong: Some(kong().await) };
    let rules = files.path().join("rules.json");
    std::fs::write(&rules, r#"{"groups": []}"#).expect("a writable directory");
    let prometheus = Watcher::prometheus(files.path(), &configuration(&targets, &rules)).await;
    let started = Instant::now();
    while prometheus.query("up == 1").await.is_empty() {
        assert!(started.elapsed() < Duration::from_secs(30), "Prometheus does not look");
        sleep(Duration::from_millis(100)).await;
    }

    for (_, value, expected) in METRICS {
        assert_eq!(
            series(&prometheus, &format!("hub_auth_filter_{expected}")).await,
            BTreeMap::from([(String::new(), value.to_string())])
        );
    }
    for (_, expected) in HISTOGRAMS {
        let (name, labels) = expected.split_once('{').expect("labels");
        let of = |suffix: &str| format!("hub_auth_filter_{name}_{suffix}{{{labels}");
        let buckets = BUCKETS.map(|(bound, count)| (bound.to_owned(), count.to_string()));
        assert_eq!(series(&prometheus, &of("bucket")).await, BTreeMap::from(buckets));
        assert_eq!(series(&prometheus, &of("sum")).await, BTreeMap::from([(String::new(), "1234".to_owned())]));
        assert_eq!(series(&prometheus, &of("count")).await, BTreeMap::from([(String::new(), "100".to_owned())]));
        let p80 = format!("histogram_quantile(0.8, {})", of("bucket"));
        assert_eq!(prometheus.query(&p80).await.len(), 1, "{p80}");
    }
    // Nothing keeps its old name, and all are of one job.
    assert_eq!(prometheus.query(r#"{__name__=~"pw_.+"}"#).await, Vec::<Value>::new());
    assert_eq!(
        prometheus.query(r#"{__name__=~"hub_auth_filter_.+", job!="hub-auth-gateway"}"#).await,
        Vec::<Value>::new()
    );
}

/// What a query gives, by `le`; labels that it does not name may have no value.
async fn series(prometheus: &Watcher, query: &str) -> BTreeMap<String, String> {
    let result = prometheus.query(query).await;
    let named = |metric: &serde_json::Map<String, Value>| {
        metric
            .keys()
            .filter(|label| !["__name__", "job", "instance", "le"].contains(&label.as_str()))
            .cloned()
            .collect::<Vec<_>>()
    };
    for one in &result {
        for label in named(one["metric"].as_object().expect("labels")) {
            assert!(query.contains(&format!("{label}=")), "{query}: {one}");
        }
    }
    let pair = |one: &Value| {
        let le = one["metric"]["le"].as_str().unwrap_or_default().to_owned();
        (le, one["value"][1].as_str().expect("a value").to_owned())
    };
    result.iter().map(pair).collect()
}
