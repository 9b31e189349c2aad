//! The guides of Kong and APISIX, those of the meshes, and the table of what differs between the gateways: their JSON examples fit into the shipped
//! configurations, and what they link to is there.

use std::path::Path;

use hub_auth_filter::facade::gateway::GatewayKind;
use serde_json::{Value, json};

use super::files::{path_of, text};
use super::plugin::{accepts_inbound, accepts_outbound, folder, shipped};

/// The JSON examples of a guide.
fn examples(guide: &str) -> Vec<Value> {
    let blocks = guide.split("```json\n").skip(1).map(|rest| rest.split("```").next().expect("an end"));
    blocks.map(|block| serde_json::from_str(block).unwrap_or_else(|error| panic!("{error}: {block}"))).collect()
}

/// The configurations that come of the examples of a guide: each put into the shipped one, into the section that has its keys.
pub(crate) fn combined(kind: GatewayKind, guide: &str, direction: &str) -> Vec<Value> {
    let whole = |example: Value| {
        let mut whole = shipped(kind, direction);
        merge(&mut whole, example.get("gateway").map_or_else(|| json!({ direction: example }), |_| example.clone()));
        if example.get("remote_signer").is_some() {
            whole[direction].as_object_mut().expect("an object").remove("keys");
        }
        whole
    };
    examples(&text(&format!("{}/{guide}", folder(kind)))).into_iter().map(whole).collect()
}

/// Adds what is new in `more`, and replaces what is not an object in both.
fn merge(whole: &mut Value, more: Value) {
    match (whole, more) {
        (Value::Object(whole), Value::Object(more)) => {
            for (key, value) in more {
                merge(whole.entry(key).or_insert(Value::Null), value);
            }
        }
        (whole, more) => *whole = more,
    }
}

#[test]
fn their_examples_fit_into_the_shipped_configurations() {
    for (kind, guide, direction, count) in [
        (GatewayKind::Kong, "README.md", "inbound", 1),
        (GatewayKind::Kong, "outbound.md", "outbound", 2),
        (GatewayKind::Apisix, "README.md", "inbound", 0),
        (GatewayKind::Apisix, "outbound.md", "outbound", 2),
    ] {
        let examples = combined(kind, guide, direction);
        assert_eq!(examples.len(), count, "{kind:?}: {guide}");
        for example in examples {
            match direction {
                "inbound" => accepts_inbound(kind, &example.to_string()),
                _ => accepts_outbound(kind, &example.to_string()),
            }
        }
    }
}

#[test]
fn both_gateways_are_shipped_with_the_same_settings() {
    for direction in ["inbound", "outbound"] {
        assert_eq!(shipped(GatewayKind::Kong, direction), shipped(GatewayKind::Apisix, direction));
    }
}

/// The anchor that a heading gets: lower case, spaces to hyphens, punctuation dropped.
fn anchor(heading: &str) -> String {
    let kept = heading.trim().chars().filter(|kept| kept.is_alphanumeric() || " -_".contains(*kept));
    kept.map(|kept| if kept == ' ' { '-' } else { kept.to_ascii_lowercase() }).collect()
}

#[test]
fn what_they_link_to_is_there() {
    let guides = ["kong/README.md", "kong/outbound.md", "apisix/README.md", "apisix/outbound.md"];
    for guide in guides.into_iter().chain([
        "istio/README.md",
        "istio/outbound.md",
        "envoy-gateway/README.md",
        "terminators/README.md",
        "../README.md",
        "../CONTRIBUTING.md",
        "../SECURITY.md",
        "../docs/configuration.md",
        "../docs/decisions.md",
        "../docs/demo.md",
        "../docs/gateways.md",
        "../docs/limits.md",
        "../docs/operations.md",
        "../docs/threat-model.md",
        "../operations/crl/README.md",
    ]) {
        let content = text(guide);
        let links = content.split("](").skip(1).map(|rest| rest.split(')').next().expect("an end"));
        let links: Vec<&str> = links.filter(|link| !link.starts_with("https://")).collect();
        assert!(!links.is_empty(), "{guide}");
        for link in links {
            let (file, heading) = link.split_once('#').unwrap_or((link, ""));
            let target = match file {
                "" => guide.to_owned(),
                file => Path::new(guide).with_file_name(file).to_str().expect("a path").to_owned(),
            };
            assert!(path_of(&target).exists(), "{guide}: {link}");
            if heading.is_empty() {
                // It may be a picture.
                continue;
            }
            let headings: Vec<String> = text(&target)
                .lines()
                .filter(|line| line.starts_with('#'))
                .map(|line| anchor(line.trim_start_matches('#')))
                .collect();
            assert!(headings.iter().any(|one| one == heading), "{guide}: {link} in {headings:?}");
        }
    }
}

#[test]
fn the_table_of_differences_speaks_of_three_gateways_in_each_row() {
    let table = text("../docs/gateways.md");
    let rows = table.lines().skip_while(|line| !line.starts_with("| | Envoy | Kong | APISIX |"));
    let rows: Vec<&str> = rows.take_while(|line| line.starts_with('|')).collect();
    assert!(rows.len() > 30, "{}", rows.len());
    for row in rows {
        let cells: Vec<&str> = row.trim_matches('|').split(" | ").map(str::trim).collect();
        let is_title = cells[0].starts_with("**") || cells[0].starts_with("---");
        assert!(row.matches('|').count() == 5 && (is_title || cells[1..].iter().all(|cell| !cell.is_empty())), "{row}");
    }
}
