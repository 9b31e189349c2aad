//! The shipped rules and the shipped configuration of Prometheus, for a test that cannot wait: a minute is a second.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use serde_json::{Value, json};

const OPERATIONS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../operations");

/// A shipped file of `operations/`.
pub(super) fn shipped(name: &str) -> Value {
    let path = Path::new(OPERATIONS).join(name);
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{name}: {error}"));
    serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The shipped rules with `for`, windows, steps and bounds in minutes a sixtieth as long. All else is as shipped.
pub(super) fn rules() -> Value {
    let mut rules = shipped("prometheus-rules.yaml");
    for group in rules["groups"].as_array_mut().expect("groups") {
        for rule in group["rules"].as_array_mut().expect("rules") {
            rule["expr"] = expression(rule["expr"].as_str().expect("an expression")).into();
            if let Some(lasting) = rule["for"].as_str() {
                rule["for"] = duration(lasting).into();
            }
        }
    }
    rules
}

/// `[10m]` is `[10s]`, `[15m:1m]` is `[15s:1s]`, and `8 * 60` is `8 * 1`.
pub(super) fn expression(text: &str) -> String {
    let mut parts = text.split('[');
    let mut short = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (window, rest) = part.split_once(']').expect("the end of a window");
        // Such brackets are also in regular expressions.
        let is_window = window.starts_with(|first: char| first.is_ascii_digit()) && window.ends_with(['m', 'h']);
        let window =
            if is_window { window.split(':').map(duration).collect::<Vec<_>>().join(":") } else { window.to_owned() };
        short.push_str(&format!("[{window}]{rest}"));
    }
    short.replace(" * 60", " * 1")
}

/// `10m` is `10s`, and `1h` is `60s`.
fn duration(text: &str) -> String {
    let (number, seconds) = match (text.strip_suffix('m'), text.strip_suffix('h')) {
        (Some(minutes), _) => (minutes, 1),
        (_, Some(hours)) => (hours, 60),
        _ => panic!("neither minutes nor hours: {text}"),
    };
    format!("{}s", number.parse::<u64>().expect("a whole number") * seconds)
}

/// Where Prometheus finds what it watches, by the job's name: addresses with the names of the instances, or URLs for the prober.
pub(super) struct Targets<'a> {
    pub(super) gateways: &'a [(&'a str, SocketAddr)],
    pub(super) canaries: &'a [String],
    pub(super) blackbox: Option<SocketAddr>,
    pub(super) files: Option<SocketAddr>,
    pub(super) kong: Option<SocketAddr>,
}

/// The shipped configuration of Prometheus with these targets, looking each second.
pub(super) fn configuration(targets: &Targets<'_>, rules: &Path) -> String {
    let mut configuration = shipped("prometheus.yaml");
    configuration["global"] = json!({"scrape_interval": "1s", "evaluation_interval": "1s"});
    configuration["rule_files"] = json!([rules]);
    let one = |address: Option<SocketAddr>, instance: &str| match address {
        Some(address) => json!([{"targets": [address], "labels": {"instance": instance}}]),
        None => json!([]),
    };
    for job in configuration["scrape_configs"].as_array_mut().expect("jobs") {
        job["static_configs"] = match job["job_name"].as_str().expect("a name") {
            "hub-auth-gateway" => {
                targets.gateways.iter().flat_map(|(name, address)| list(one(Some(*address), name))).collect()
            }
            "hub-auth-kong" => one(targets.kong, "kong"),
            "hub-auth-files" => one(targets.files, "files"),
            "hub-auth-canary" => {
                job["scrape_interval"] = "1s".into();
                let steps = job["relabel_configs"].as_array_mut().expect("steps");
                let last = steps.last_mut().expect("the address of the prober");
                assert_eq!(last["target_label"], "__address__");
                last["replacement"] = targets.blackbox.map(|address| address.to_string()).into();
                if targets.canaries.is_empty() { json!([]) } else { json!([{"targets": targets.canaries}]) }
            }
            other => panic!("an unknown job: {other}"),
        };
    }
    configuration.to_string()
}

fn list(value: Value) -> Vec<Value> {
    value.as_array().expect("a list").clone()
}

#[test]
fn a_minute_is_a_second_and_nothing_else_is_changed() {
    assert_eq!(
        expression(r#"sum(increase(a{b=~"c[.]d", e="1h"}[1h])) - rate(f[15m:1m]) > 8 * 60 and g < 60 * 86400"#),
        r#"sum(increase(a{b=~"c[.]d", e="1h"}[60s])) - rate(f[15s:1s]) > 8 * 1 and g < 60 * 86400"#
    );
    let lasting = |rules: &Value| rules.to_string().matches(r#""for":""#).count();
    assert_eq!(lasting(&rules()), lasting(&shipped("prometheus-rules.yaml")));
}
