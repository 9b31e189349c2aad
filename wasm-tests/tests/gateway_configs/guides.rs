//! The guides of Kong and APISIX: their JSON examples fit into the shipped configurations, and what they link to is there.

use std::path::Path;

use serde_json::Value;

use super::files::{by, text, yaml};
use super::plugin::{accepts_inbound, accepts_outbound};

/// The JSON examples of a guide.
fn examples(guide: &str) -> Vec<Value> {
    let blocks = guide.split("```json\n").skip(1).map(|rest| rest.split("```").next().expect("an end"));
    blocks.map(|block| serde_json::from_str(block).unwrap_or_else(|error| panic!("{error}: {block}"))).collect()
}

/// The filter's settings in both shipped files, for one direction.
fn shipped(direction: &str) -> [Value; 2] {
    let name = if direction == "inbound" { "ozone_connect" } else { "consent_manager" };
    let (kong, apisix) = (yaml("kong/kong.yml"), yaml("apisix/apisix.yaml"));
    let kong = &by("name", &kong["services"])[name]["filter_chains"][0]["filters"][0]["config"];
    let apisix = &by("id", &apisix["routes"])[name]["plugins"]["hub_auth_filter"]["conf"];
    [kong, apisix].map(|text| serde_json::from_str(text.as_str().expect("text")).expect("JSON"))
}

#[test]
fn their_examples_fit_into_the_shipped_configurations() {
    for gateway in ["kong", "apisix"] {
        for (guide, direction, count) in [("README.md", "inbound", 0), ("outbound.md", "outbound", 2)] {
            let examples = examples(&text(&format!("{gateway}/{guide}")));
            assert_eq!(examples.len(), count, "{gateway}/{guide}");
            for example in examples {
                for mut whole in shipped(direction) {
                    let settings = whole[direction].as_object_mut().expect("an object");
                    if example.get("remote_signer").is_some() {
                        settings.remove("keys");
                    }
                    settings.extend(example.as_object().expect("an object").clone());
                    accepts_outbound(&whole.to_string());
                }
            }
        }
    }
}

#[test]
fn both_gateways_are_shipped_with_the_same_settings() {
    for direction in ["inbound", "outbound"] {
        let [kong, apisix] = shipped(direction);
        assert_eq!(kong, apisix);
    }
    accepts_inbound(&shipped("inbound")[0].to_string());
}

/// The anchor that a heading gets: lower case, spaces to hyphens, punctuation dropped.
fn anchor(heading: &str) -> String {
    let kept = heading.trim().chars().filter(|kept| kept.is_alphanumeric() || " -_".contains(*kept));
    kept.map(|kept| if kept == ' ' { '-' } else { kept.to_ascii_lowercase() }).collect()
}

#[test]
fn what_they_link_to_is_there() {
    for guide in ["kong/README.md", "kong/outbound.md", "apisix/README.md", "apisix/outbound.md"] {
        let content = text(guide);
        let links: Vec<&str> =
            content.split("](").skip(1).map(|rest| rest.split(')').next().expect("an end")).collect();
        assert!(!links.is_empty(), "{guide}");
        for link in links {
            let (file, heading) = link.split_once('#').unwrap_or((link, ""));
            let target = match file {
                "" => guide.to_owned(),
                file => Path::new(guide).with_file_name(file).to_str().expect("a path").to_owned(),
            };
            let headings: Vec<String> = text(&target)
                .lines()
                .filter(|line| line.starts_with('#'))
                .map(|line| anchor(line.trim_start_matches('#')))
                .collect();
            assert!(heading.is_empty() || headings.iter().any(|one| one == heading), "{guide}: {link} in {headings:?}");
        }
    }
}
