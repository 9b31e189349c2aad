//! What is said of the filter's own configuration, wherever it stands.

use serde_json::{Value, json};

use super::{changed, file, findings, findings_with, hub_auth, rules, shipped, text};

/// The least that works on Envoy.
const LEAST: &str = r#"{
  "inbound": {
    "provider_ids": ["retail"],
    "peer": { "organisational_units": ["233bcd1d-4216-4b3c-a362-9e4a9282bba7"] },
    "auth": { "jwt_auth": { "jwks": { "environment": "sandbox" }, "upstream": "keystore" } }
  }
}
"#;

fn one(findings: &[Value]) -> &Value {
    let [finding] = findings else { panic!("{findings:#?}") };
    finding
}

#[test]
fn a_right_configuration_has_no_findings() {
    for gateway in ["envoy", "kong", "apisix"] {
        let content =
            if gateway == "envoy" { LEAST.to_owned() } else { changed(LEAST, ", \"upstream\": \"keystore\"", "") };
        let (findings, status) = findings_with(&["--gateway", gateway], "config.json", &content);
        assert_eq!((findings, status), (vec![], 0), "{gateway}");
    }
}

#[test]
fn without_a_gateway_it_is_said_that_it_was_not_asked() {
    let (findings, status) = findings("config.json", LEAST);
    assert_eq!((one(&findings)["rule"].as_str(), status), (Some("gateway"), 0));
}

#[test]
fn all_errors_come_at_once_each_with_its_place() {
    let content = changed(LEAST, "[\"retail\"]", "\"retail\"");
    let content = changed(&content, "\"sandbox\"", "\"sandbx\"");
    let content = changed(&content, "\"peer\"", "\"pear\"");
    let (findings, status) = findings_with(&["--gateway", "envoy"], "config.json", &content);
    let places: Vec<_> =
        findings.iter().map(|finding| (&finding["path"], &finding["line"], &finding["column"])).collect();
    assert_eq!(
        places,
        [
            (&json!("inbound.peer"), &json!(2), &json!(14)),
            (&json!("inbound.provider_ids"), &json!(3), &json!(21)),
            (&json!("inbound.pear"), &json!(4), &json!(5)),
            (&json!("inbound.auth.jwt_auth.jwks.environment"), &json!(5), &json!(54)),
        ],
        "{findings:#?}"
    );
    assert_eq!(status, 1);
}

#[test]
fn what_a_gateway_cannot_do_is_an_error_there() {
    let content = changed(LEAST, "\"upstream\": \"keystore\"", "\"replay_detection\": \"gateway\"");
    let (on_apisix, status) = findings_with(&["--gateway", "apisix"], "config.json", &content);
    let finding = one(&on_apisix);
    assert_eq!((finding["rule"].as_str(), finding["line"].as_u64(), status), (Some("gateway-cannot"), Some(5), 1));
    let (on_envoy, status) = findings_with(&["--gateway", "envoy"], "config.json", &content);
    assert_eq!((on_envoy, status), (vec![], 0));
}

#[test]
fn warnings_of_the_filter_are_warnings_here_and_count_where_it_is_strict() {
    let content = changed(
        LEAST,
        "{ \"jwt_auth\": { \"jwks\": { \"environment\": \"sandbox\" }, \"upstream\": \"keystore\" } }",
        "{ \"mtls_only\": {} }",
    );
    let content = changed(
        &content,
        "\"organisational_units\": [\"233bcd1d-4216-4b3c-a362-9e4a9282bba7\"]",
        "\"allow_unpinned\": true",
    );
    let (findings, status) = findings_with(&["--gateway", "envoy"], "config.json", &content);
    assert_eq!((rules(&findings), status), (vec!["warning"], 0), "{findings:#?}");
    let (_, status) = findings_with(&["--gateway", "envoy", "--strict"], "config.json", &content);
    assert_eq!(status, 1);
}

#[test]
fn json_that_is_broken_is_shown_where_it_breaks() {
    let (findings, status) =
        findings_with(&["--gateway", "envoy"], "config.json", &changed(LEAST, "\"auth\": {", "\"auth\": ,{"));
    let finding = one(&findings);
    assert_eq!((finding["line"].as_u64(), status), (Some(5), 1), "{finding}");
    // YAML would let it pass, JSON does not.
    let (findings, status) =
        findings_with(&["--gateway", "envoy"], "config.json", &changed(LEAST, "[\"retail\"]", "[\"retail\",]"));
    let finding = one(&findings);
    assert_eq!((finding["line"].as_u64(), status), (Some(3), 1), "{finding}");
}

#[test]
fn a_variable_that_is_not_set_hides_nothing_else() {
    let content = r#"{"outbound": {"audience": "retail", "lifetime": "5m",
        "certificate": {"organisation": "Bank", "organisational_unit": "u"},
        "keys": [{"kid": "k", "private_key": {"env": "SIG4_PRIVATE_KEY"}}]}}"#;
    let (found, status) = findings_with(&["--gateway", "envoy"], "config.json", content);
    let rules: Vec<_> = found.iter().map(|finding| finding["rule"].as_str().unwrap_or_default()).collect();
    assert_eq!((rules, status), (vec!["configuration", "variable-not-set"], 1), "{found:#?}");
    assert_eq!(found[0]["path"], "outbound.lifetime");

    let (_folder, variables) = file("variables", "SIG4_PRIVATE_KEY=no key\n");
    let arguments = ["--gateway", "envoy", "--env-file", variables.to_str().expect("UTF-8")];
    let (found, _) = findings_with(&arguments, "config.json", &changed(content, "\"lifetime\": \"5m\",", ""));
    let finding = one(&found);
    assert_eq!(finding["path"], "outbound.keys[0].private_key.env");
    assert!(!finding.to_string().contains("no key"), "{finding}");
}

#[test]
fn the_standards_numbers_are_watched() {
    let day = 24 * 60 * 60;
    let time = |seconds: i64| {
        let now = i64::try_from(std::time::UNIX_EPOCH.elapsed().expect("a time").as_secs()).expect("a time");
        let at = u64::try_from(now + seconds).expect("a time");
        humantime::format_rfc3339_seconds(std::time::UNIX_EPOCH + std::time::Duration::from_secs(at)).to_string()
    };
    let api_key = |times: &str| {
        format!(
            r#"{{"inbound": {{"provider_ids": ["retail"], "peer": {{"organisational_units": ["u"]}}, "auth": {{"api_key": {{"keys":
            [{{"id": "a", "sha256": "70e3d6156bc81d2cbbca2bd61dbbc4ae3df44c4c3ab35b8b0e3c2a5c54a3d8a1", {times}}}]}}}}}}}}"#
        )
    };
    let signing_key = |active_from: &str| {
        format!(
            r#"{{"outbound": {{"audience": "retail", "certificate": {{"organisation": "Bank", "organisational_unit": "u"}},
            "keys": [{{"kid": "k", "active_from": "{active_from}", "private_key": {{"env": "SIG4_PRIVATE_KEY"}}}}]}}}}"#
        )
    };
    let from_to = |from, to| api_key(&format!(r#""not_before": "{}", "expires": "{}""#, time(from), time(to)));
    for (content, expected) in [
        (from_to(-day, 366 * day), vec![]),
        (from_to(-day, 363 * day), vec!["api-key-life"]),
        (from_to(-366 * day, 5 * day), vec!["api-key-life"]),
        (from_to(-366 * day, -day), vec!["api-key-expired"]),
        (signing_key(&time(-day)), vec![]),
        (signing_key(&time(day)), vec![]),
        (signing_key(&time(300)), vec!["signing-key-publication"]),
        (signing_key(&time(-400 * day)), vec!["signing-key-age"]),
    ] {
        let (findings, status) = findings_with(&["--gateway", "envoy"], "config.json", &content);
        assert_eq!((rules(&findings), status), (expected, 0), "{content} {findings:#?}");
    }
}

#[test]
fn people_see_the_line_and_no_secret() {
    let content = r#"{
  "inbound": {
    "provider_ids": ["retail"],
    "peer": { "organisational_units": ["u"] },
    "auth": {
      "client_credentials": {
        "introspection": {
          "url": "https://as.bank.example/introspection", "client_id": "gateway", "client_secret": "hunter2", "upstream": 7
        }
      }
    }
  }
}
"#;
    let (_folder, path) = file("config.json", content);
    let output = hub_auth(&["check", "--gateway", "envoy", path.to_str().expect("UTF-8")]);
    let printed = text(&output.stdout);
    assert!(!printed.contains("hunter2"), "{printed}");
    for expected in [
        "error[configuration]",
        "config.json:8:",
        "client_secret",
        "expected an object, got a string",
        "1 file checked: ",
    ] {
        assert!(printed.contains(expected), "{expected}: {printed}");
    }
}

#[test]
fn a_file_that_cannot_be_read_is_no_verdict() {
    let output = hub_auth(&["check", "/there/is/no/such.yaml"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stdout).contains("cannot be read"), "{}", text(&output.stdout));
    let output = hub_auth(&["check", "--env-file", "/there/is/no/such", "x"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("/there/is/no/such"), "{}", text(&output.stderr));
}

#[test]
fn files_of_something_else_are_told_so() {
    for content in ["", "a: 1\n", "[1, 2]\n", "apiVersion: v1\nkind: ConfigMap\ndata: {}\n"] {
        let (findings, status) = findings("x.yaml", content);
        assert_eq!((rules(&findings), status), (vec!["no-configuration"], 1), "{content}");
    }
    let (findings, status) = findings("x.yaml", "a: [1\nb: 2\n");
    assert_eq!((rules(&findings), status), (vec!["syntax"], 1));
}

#[test]
fn sandbox_and_production_do_not_mix() {
    let production =
        changed(&shipped("envoy/inbound.yaml"), r#""environment": "sandbox""#, r#""environment": "production""#);
    let (findings, _) = findings("inbound.yaml", &production);
    assert!(rules(&findings).contains(&"environments-mixed"), "{findings:#?}");
}

#[test]
fn all_must_belong_to_the_environment_that_is_asked_for() {
    let sandbox = shipped("envoy/inbound.yaml");
    for (asked, expected) in [("sandbox", (vec![], 0)), ("production", (vec!["environments-mixed"], 1))] {
        let (findings, status) = findings_with(&["--environment", asked], "inbound.yaml", &sandbox);
        assert_eq!((rules(&findings), status), expected, "{asked}: {findings:#?}");
    }
    let production = sandbox.replace(r#""environment": "sandbox""#, r#""environment": "production""#);
    let production = production.replace("keystore.sandbox.directory", "keystore.directory");
    let (findings, status) = findings_with(&["--environment", "production"], "inbound.yaml", &production);
    assert_eq!((rules(&findings), status), (vec![], 0), "{findings:#?}");
}

#[test]
fn each_rule_is_in_the_documentation() {
    fn rules_of(folder: &std::path::Path, into: &mut Vec<String>) {
        for entry in std::fs::read_dir(folder).expect("a directory") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                rules_of(&path, into);
                continue;
            }
            let source = std::fs::read_to_string(&path).expect("a source");
            let words = source.split('"').skip(1).step_by(2).filter(|word| word.contains('-'));
            let of_rule = |word: &&str| {
                let first = word.split('-').next().unwrap_or_default();
                let known = [
                    "envoy",
                    "kong",
                    "apisix",
                    "mesh",
                    "api",
                    "signing",
                    "environments",
                    "configuration",
                    "variable",
                    "no",
                    "not",
                ];
                word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-') && known.contains(&first)
            };
            into.extend(words.filter(of_rule).map(str::to_owned));
        }
    }
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/src/check");
    let mut rules = Vec::new();
    rules_of(std::path::Path::new(root), &mut rules);
    assert!(rules.len() > 30, "{rules:?}");
    let documentation = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/hub-auth.md"))
        .expect("the documentation");
    let missing: Vec<_> = rules.iter().filter(|rule| !documentation.contains(&format!("`{rule}`"))).collect();
    assert!(missing.is_empty(), "{missing:?}");
}
