//! `operations/`: the unit and the alerts that go with the script.

use super::files::{text, yaml};

#[test]
fn the_alerts_ask_for_metrics_that_the_script_writes() {
    let script = text("../operations/crl/hub-auth-crl");
    let rules = yaml("../operations/prometheus-rules.yaml");
    let group = rules["groups"].as_array().expect("groups").iter().find(|group| group["name"] == "hub-auth-crl");
    let rules = group.expect("the group")["rules"].as_array().expect("rules");
    assert!(rules.len() > 3);
    for rule in rules {
        let expression = rule["expr"].as_str().expect("an expression");
        let is_name = |character: char| character.is_ascii_alphanumeric() || character == '_';
        let names: Vec<&str> =
            expression.split(|c| !is_name(c)).filter(|word| word.starts_with("hub_auth_crl_")).collect();
        let of_envoy = expression.contains("envoy_xds_resource_name=\"trust_framework_crl\"");
        assert!(!names.is_empty() || of_envoy, "{expression}");
        for name in names {
            let written = name.replace("_this_", "_${of%:*}_").replace("_next_", "_${of%:*}_");
            assert!(script.contains(&format!("{written}{{")), "{name}");
        }
        assert!(rule["annotations"]["summary"].is_string() && rule["labels"]["severity"].is_string(), "{rule}");
    }
}

#[test]
fn the_unit_runs_the_script_with_the_settings_and_as_nobody_else() {
    let unit = text("../operations/crl/hub-auth-crl@.service");
    let value = |key: &str| {
        let lines: Vec<&str> = unit.lines().filter_map(|line| line.strip_prefix(key)).collect();
        assert_eq!(lines.len(), 1, "{key}");
        lines[0].to_owned()
    };
    assert_eq!(value("ExecStart="), "/usr/local/bin/hub-auth-crl update -m ${METRICS_FILE} ${CRL_FILE} $SOURCES");
    assert_eq!(value("EnvironmentFile="), "/etc/hub-auth-crl/%i.conf");
    let settings = text("../operations/crl/sandbox.conf");
    for name in ["METRICS_FILE=/", "CRL_FILE=/", "SOURCES=http://"] {
        assert!(settings.lines().any(|line| line.starts_with(name)), "{name}");
    }
    let user = value("User=");
    assert!(
        text("../operations/crl/sysusers.conf").lines().any(|line| line.starts_with(&format!("u {user} "))),
        "{user}"
    );
    for (key, expected) in [("NoNewPrivileges=", "yes"), ("CapabilityBoundingSet=", ""), ("ProtectSystem=", "strict")] {
        assert_eq!(value(key), expected, "{key}");
    }
    let directory = format!("/var/lib/{}/", value("StateDirectory="));
    assert!(settings.contains(&format!("\nCRL_FILE={directory}")), "{directory}");
}
