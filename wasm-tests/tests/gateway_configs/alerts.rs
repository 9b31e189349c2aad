//! `operations/`: the alerts and the runbook, and what Prometheus and its exporters are told.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use wasm_tests::stage::prometheus::program;

use super::files::{text, yaml};

const OPERATIONS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../operations");

/// Where the rules say that the site of the documentation is.
const RUNBOOK: &str = "https://hub-auth-filter.bank.example/docs/runbook.html";

/// All rules that are alerts, in their order.
fn alerts() -> Vec<Value> {
    let rules = yaml("../operations/prometheus-rules.yaml");
    let groups = rules["groups"].as_array().expect("groups").clone();
    let rules = groups.iter().flat_map(|group| group["rules"].as_array().expect("rules").clone());
    rules.filter(|rule| rule["alert"].is_string()).collect()
}

fn name(alert: &Value) -> &str {
    alert["alert"].as_str().expect("a name")
}

/// The files with tests of the rules.
fn tests() -> Vec<PathBuf> {
    let entries = fs::read_dir(Path::new(OPERATIONS).join("prometheus-tests")).expect("a directory");
    entries.map(|entry| entry.expect("an entry").path()).collect()
}

fn run(name: &str, arguments: &[&str]) -> Output {
    Command::new(program(name)).args(arguments).current_dir(OPERATIONS).output().expect(name)
}

fn succeeds(name: &str, arguments: &[&str]) {
    let output = run(name, arguments);
    let told = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "{name} {arguments:?}:\n{}", String::from_utf8_lossy(&told));
}

#[test]
fn each_alert_fires_when_it_should_and_not_before() {
    let tests = tests();
    assert!(tests.len() > 4, "{tests:?}");
    for test in tests {
        succeeds("promtool", &["test", "rules", test.to_str().expect("UTF-8")]);
    }
}

/// What it looks like when a test fails: otherwise the one above could not.
#[test]
fn a_test_of_the_rules_can_fail() {
    let folder = tempfile::tempdir().expect("a directory");
    let changed = text("../operations/prometheus-rules.yaml").replace("_behind_seconds > 5", "_behind_seconds > 8");
    fs::write(folder.path().join("prometheus-rules.yaml"), changed).expect("a file");
    fs::create_dir(folder.path().join("prometheus-tests")).expect("a directory");
    let test = folder.path().join("prometheus-tests/requests.yaml");
    fs::copy(Path::new(OPERATIONS).join("prometheus-tests/requests.yaml"), &test).expect("a file");
    let output = run("promtool", &["test", "rules", test.to_str().expect("UTF-8")]);
    assert!(!output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

#[test]
fn each_alert_has_a_test_in_which_it_fires() {
    let tests: Vec<Value> = tests()
        .iter()
        .map(|path| serde_saphyr::from_str(&fs::read_to_string(path).expect("a file")).expect("YAML"))
        .collect();
    let mut fires = BTreeSet::new();
    for test in tests.iter().flat_map(|file| file["tests"].as_array().expect("tests")) {
        for expected in test["promql_expr_test"].as_array().into_iter().flatten() {
            for sample in expected["exp_samples"].as_array().expect("samples") {
                let labels = sample["labels"].as_str().expect("labels");
                fires.extend(
                    labels.split("alertname=\"").nth(1).and_then(|rest| rest.split('"').next()).map(str::to_owned),
                );
            }
        }
        for expected in test["alert_rule_test"].as_array().into_iter().flatten() {
            if expected["exp_alerts"].as_array().is_some_and(|alerts| !alerts.is_empty()) {
                fires.insert(expected["alertname"].as_str().expect("a name").to_owned());
            }
        }
    }
    let alerts = alerts();
    assert_eq!(fires, alerts.iter().map(|alert| name(alert).to_owned()).collect());
}

#[test]
fn each_alert_says_how_bad_it_is_what_is_the_matter_and_where_to_read_on() {
    let alerts = alerts();
    assert!(alerts.len() > 30, "{}", alerts.len());
    for alert in &alerts {
        let annotation = |key: &str| alert["annotations"][key].as_str().unwrap_or_default();
        let severity = alert["labels"]["severity"].as_str().unwrap_or_default();
        assert!(["critical", "warning", "info"].contains(&severity), "{alert}");
        assert!(annotation("summary").len() > 15 && annotation("description").len() > 25, "{alert}");
        assert_eq!(annotation("runbook_url"), format!("{RUNBOOK}#{}", name(alert).to_lowercase()));
    }
}

#[test]
fn the_runbook_has_one_section_for_each_alert_in_their_order() {
    let runbook = text("../docs/runbook.md");
    let sections: Vec<&str> = runbook.split("\n### ").skip(1).collect();
    let titles: Vec<&str> = sections.iter().map(|section| section.lines().next().expect("a title")).collect();
    let alerts = alerts();
    assert_eq!(titles, alerts.iter().map(name).collect::<Vec<_>>());
    for section in sections {
        for part in ["\n**Means:** ", "**Look at**", "**Do:** "] {
            assert!(section.contains(part) || section.contains("**Look at** and **do** as for ["), "{part}: {section}");
        }
    }
}

#[test]
fn prometheus_and_its_prober_take_what_is_shipped() {
    succeeds("promtool", &["check", "config", "prometheus.yaml"]);
    succeeds("prometheus-blackbox-exporter", &["--config.check", "--config.file=blackbox.yaml"]);
    let jobs = yaml("../operations/prometheus.yaml")["scrape_configs"].clone();
    let jobs: Vec<&str> =
        jobs.as_array().expect("jobs").iter().map(|job| job["job_name"].as_str().expect("a name")).collect();
    let rules = text("../operations/prometheus-rules.yaml");
    for job in rules.split("job=\"").skip(1).filter_map(|rest| rest.split('"').next()) {
        assert!(jobs.contains(&job), "{job}");
    }
}
