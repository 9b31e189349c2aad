//! The dashboard, asked of the Prometheus that saw the faults: each of its queries has an answer.

use std::fs;

use serde_json::{Value, json};
use wasm_tests::stage::prometheus::Watcher;
use wasm_tests::stage::tokens::now;

use super::shortened::{expression, shipped};

/// Names the file that the answers go to, from which `make dashboard-picture` draws.
const ANSWERS: &str = "HUB_AUTH_DASHBOARD_ANSWERS";

/// Asks each query, as Grafana would, from this time on, in seconds since 1970. Windows are as short as those of the rules.
pub(super) async fn is_filled(prometheus: &Watcher, from: u64) {
    let (mut panels, mut empty, to) = (Vec::new(), Vec::new(), now());
    for panel in shipped("grafana-dashboard.json")["panels"].as_array().expect("panels") {
        let mut answers = Vec::new();
        for target in panel["targets"].as_array().into_iter().flatten() {
            let query = target["expr"].as_str().expect("a query");
            let query = query.replace("$__rate_interval", "5m").replace("$job", ".+").replace("$instance", ".+");
            let query = expression(&query);
            let is_instant = panel["type"] == "table";
            let answer = if is_instant {
                prometheus.query(&query).await
            } else {
                prometheus.query_range(&query, from, to).await
            };
            if !answer.iter().any(|series| has_a_number(&series[if is_instant { "value" } else { "values" }])) {
                empty.push(format!("{}: {query}", panel["title"]));
            }
            answers.push(answer);
        }
        panels.push(json!({"panel": panel, "answers": answers}));
    }
    if let Some(path) = std::env::var_os(ANSWERS) {
        fs::write(path, json!({"from": from, "panels": panels}).to_string()).expect("a writable file");
    }
    assert!(empty.is_empty(), "no answer to:\n{}", empty.join("\n"));
}

/// Whether there is one value that is a number, among those of a series.
fn has_a_number(values: &Value) -> bool {
    match values {
        Value::Array(values) => values.iter().any(has_a_number),
        Value::String(text) => text.parse::<f64>().is_ok_and(f64::is_finite),
        _ => false,
    }
}
