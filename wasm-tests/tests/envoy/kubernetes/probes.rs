//! What the kubelet and Prometheus ask: a pod whose filter is not there gets no requests, and of the admin interface two pages are shown.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::time::sleep;
use wasm_tests::stage::client;

use super::pod::Pod;
use super::right;

/// The HTTP filters of the listener that the Hub calls.
const FILTERS: &str = "/static_resources/listeners/0/filter_chains/0/filters/0/typed_config/http_filters";

#[tokio::test]
async fn all_probes_are_content_and_the_bank_sees_none_of_them() {
    let pod = Pod::new(&json!({}));
    let stage = pod.setup().start().await;
    for probe in ["startupProbe", "readinessProbe", "livenessProbe"] {
        assert!(pod.probe_soon(probe).await, "{probe}: {:?}", stage.envoy.stats("canary").await);
    }
    assert_eq!(stage.bank.received(), []);
    let refused = stage.envoy.events("refused");
    assert!(!refused.is_empty() && refused.iter().all(|line| line["code"] == "Certificate.NotAllowed"), "{refused:?}");
}

#[tokio::test]
async fn of_the_admin_interface_two_pages_are_shown_to_others() {
    let pod = Pod::new(&json!({}));
    let stage = pod.setup().start().await;
    assert_eq!(stage.send_as_hub(&right(&stage)).await.reply().status, 200);
    assert!(pod.probe_soon("startupProbe").await);
    let (status, metrics) = pod.get("/stats/prometheus").await;
    for line in [
        r#"hub_auth_filter_requests_total{direction="inbound",outcome="accepted"} 1"#,
        r#"envoy_cluster_membership_healthy{envoy_cluster_name="canary"} 1"#,
    ] {
        assert!(status == 200 && metrics.lines().any(|one| one == line), "{line}: {metrics}");
    }
    for path in [
        "/",
        "/stats",
        "/stats/prometheus/",
        "/stats/prometheus/..",
        "/ready/../config_dump",
        "//config_dump",
        "/ready%2f..%2fcerts",
        "/config_dump",
        "/certs",
        "/clusters",
        "/logging",
        "/quitquitquit",
        "/server_info",
        "/READY",
    ] {
        let (status, body) = pod.get(path).await;
        assert!([400, 404].contains(&status) && body.is_empty(), "{path}: {status} {body}");
    }
    for (method, path) in
        [("POST", "/ready"), ("POST", "/quitquitquit"), ("POST", "/stats/prometheus"), ("PUT", "/ready")]
    {
        let (status, _) = client::plain(pod.ports.metrics, method, path).await.expect("an answer");
        assert_eq!(status, 404, "{method} {path}");
    }
}

/// A change of a bootstrap.
type Change = Box<dyn FnOnce(&mut Value)>;

/// Changes of the bootstrap after which requests are not decided on by the filter.
fn without_the_filter() -> Vec<(&'static str, Change)> {
    fn of(bootstrap: &mut Value) -> &mut Vec<Value> {
        bootstrap.pointer_mut(FILTERS).and_then(Value::as_array_mut).expect("filters")
    }
    vec![
        ("no filter", Box::new(|bootstrap| drop(of(bootstrap).remove(0)))),
        ("neither filter nor last line", Box::new(|bootstrap| drop(of(bootstrap).drain(..2)))),
        (
            "an entry point that is not called",
            Box::new(|bootstrap| {
                let list = "/0/typed_config/config/vm_config/capability_restriction_config/allowed_capabilities";
                let list =
                    bootstrap.pointer_mut(&format!("{FILTERS}{list}")).and_then(Value::as_object_mut).expect("a list");
                list.remove("proxy_on_request_headers").expect("the entry point");
            }),
        ),
        ("switched off", Box::new(|bootstrap| of(bootstrap)[0]["disabled"] = true.into())),
        (
            "a backend that refuses in its own words",
            Box::new(|bootstrap| {
                of(bootstrap).drain(..2);
                let routes =
                    format!("{}/route_config/virtual_hosts/0/routes/0", FILTERS.trim_end_matches("/http_filters"));
                let body = json!({"inline_string": r#"{"errorCode": "Forbidden"}"#});
                *bootstrap.pointer_mut(&routes).expect("a route") =
                    json!({"match": {"prefix": "/"}, "direct_response": {"status": 403, "body": body}});
            }),
        ),
    ]
}

/// Whether it is well is seen after the first answers.
fn ask_more_often(bootstrap: &mut Value) {
    let clusters = bootstrap["static_resources"]["clusters"].as_array_mut().expect("clusters");
    let canary = clusters.iter_mut().find(|cluster| cluster["name"] == "canary").expect("the canary");
    for interval in ["no_traffic_interval", "unhealthy_interval"] {
        assert_eq!(canary["health_checks"][0][interval], "2s");
        canary["health_checks"][0][interval] = "0.1s".into();
    }
}

#[tokio::test]
async fn no_pod_gets_requests_whose_filter_is_not_there() {
    for (what, change) in without_the_filter() {
        let pod = Pod::new(&json!({})).changed(change).changed(ask_more_often);
        let stage = pod.setup().start().await;
        let started = Instant::now();
        while stage.envoy.stats("cluster.canary.health_check.attempt").await.values().sum::<u64>() < 3 {
            assert!(started.elapsed() < Duration::from_secs(20), "{what}");
            sleep(Duration::from_millis(50)).await;
        }
        assert!(!pod.probe("startupProbe").await, "{what}");
        assert!(pod.probe("livenessProbe").await && pod.probe("readinessProbe").await, "{what}: only the canary knows");
    }
}

/// A certificate of the canary that the listener refuses says nothing about the filter: no new pod starts, but those that run go on.
#[tokio::test]
async fn a_canary_whose_own_certificate_is_refused_takes_no_running_pod_away() {
    // Of the bank's own CA.
    let pod = Pod { canary: "proxy", ..Pod::new(&json!({})) };
    let stage = pod.setup().start().await;
    assert!(!pod.probe("startupProbe").await);
    assert!(pod.probe("readinessProbe").await && pod.probe("livenessProbe").await);
    assert_eq!(stage.send_as_hub(&right(&stage)).await.reply().status, 200);
}

#[tokio::test]
async fn without_a_canary_a_pod_starts_when_envoy_is_ready() {
    let pod = Pod::new(&json!({"canary": {"enabled": false}}));
    let whole = pod.bootstrap.to_string();
    assert!(!whole.contains("canary"), "{whole}");
    let _stage = pod.setup().start().await;
    assert!(pod.probe("startupProbe").await);
    assert_eq!(pod.get("/canary").await.0, 404);
}
