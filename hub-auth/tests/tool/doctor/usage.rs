//! What is said of arguments that make no sense, and how a report looks.

use wasm_tests::stage::pki::{BANK_UNIT, Pki};

use super::Files;
use crate::{command, hub_auth, text};

const CONFIG: &str =
    r#"{"inbound": {"provider_ids": ["retail"], "peer": {"organisational_units": ["OU"]}, "auth": {"mtls_only": {}}}}"#;

const OUTBOUND: &str = r#"{"outbound": {"audience": "retail",
    "certificate": {"organisation": "Example Bank PJSC", "organisational_unit": "OU"},
    "keys": [{"kid": "sig4", "private_key": {"env": "SIG4_PRIVATE_KEY"}}]}}"#;

#[test]
fn what_cannot_be_read_or_makes_no_sense_is_named() {
    let files = Files::new();
    let pki = Pki::shared();
    files.write("config.json", CONFIG);
    files.write("c3.pem", &pki.bank.transport.chain_pem);
    files.write("key.pem", &pki.bank.transport.key_pem);
    files.write("nonsense", "nonsense");
    files.write("pinned.json", &CONFIG.replace("\"OU\"", &format!("\"{BANK_UNIT}\"")));
    let all = |changes: &[(&str, &str)]| {
        let mut arguments = vec!["doctor".to_owned(), "inbound".to_owned()];
        let usual = [
            ("--url", "https://127.0.0.1:1"),
            ("--config", &files.path("config.json")),
            ("--ca", &files.path("ca.pem")),
            ("--certificate", &files.path("c3.pem")),
            ("--key", &files.path("key.pem")),
        ];
        for (flag, value) in usual {
            let changed = changes.iter().find(|(changed, _)| *changed == flag).map_or(value, |(_, value)| value);
            arguments.extend([flag.to_owned(), changed.to_owned()]);
        }
        let more = changes.iter().filter(|(flag, _)| !usual.iter().any(|(known, _)| known == flag));
        arguments.extend(more.flat_map(|(flag, value)| [(*flag).to_owned(), (*value).to_owned()]));
        arguments
    };
    let nonsense = files.path("nonsense");
    let key = files.path("key.pem");
    let (certificate, pinned) = (files.path("c3.pem"), files.path("pinned.json"));
    let foreign_key = files.write("tpp.pem", &pki.tpp.transport.key_pem);
    for (changes, expected) in [
        (&[("--url", "http://bank.example")][..], "http://bank.example: expected https://"),
        (&[("--url", "https://user@bank.example")], "expected https://"),
        (&[("--url", "https://bank.example/accounts")], "expected https://"),
        (&[("--foreign-key", &key)], "--foreign-certificate"),
        (&[("--config", "/there/is/no/such")], "/there/is/no/such: No such file"),
        (&[("--config", &nonsense)], "nonsense: expected a configuration of the filter"),
        (&[("--ca", "/there/is/no/such")], "/there/is/no/such: No such file"),
        (&[("--ca", &nonsense)], "nonsense: expected certificates in PEM, got none"),
        (&[("--certificate", &nonsense)], "nonsense: expected certificates in PEM, got none"),
        (&[("--certificate", &key)], "key.pem: expected certificates in PEM, got none"),
        (&[("--key", &foreign_key)], "tpp.pem: it is the private key of another certificate"),
        (
            &[("--config", &pinned), ("--other-certificate", &certificate), ("--other-key", &key)],
            "--other-certificate: expected one that the configuration does not pin",
        ),
        (&[("--key", &nonsense)], "nonsense: expected a private key in PEM"),
        (&[("--connect-to", "bank.example:443")], "expected HOST=IP:PORT"),
        (&[("--timeout", "soon")], "expected a duration from 100ms to 120s"),
        (&[("--path", "accounts")], "--path: expected one that begins with /"),
        (&[("--other-certificate", &key)], "--other-key"),
    ] {
        let arguments = all(changes);
        let output = hub_auth(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{changes:?}: {said} {}", text(&output.stdout));
        assert!(said.contains(expected), "{expected}: {said}");
        assert!(!said.contains("BEGIN"), "{said}");
    }
    let output = hub_auth(&["doctor", "outbound", "--config", &files.path("config.json")]);
    assert!(text(&output.stderr).contains("--lfi-code"), "{}", text(&output.stderr));
    let outbound = files.write("outbound.json", OUTBOUND);
    let (ca, certificate) = (files.path("ca.pem"), files.path("c3.pem"));
    let common =
        ["doctor", "outbound", "--config", &outbound, "--ca", &ca, "--certificate", &certificate, "--key", &key];
    for (more, expected) in [
        (&["--lfi-code", "Example Bank"][..], "--lfi-code: expected lower-case letters and digits"),
        (&["--cm", "http://cm.example", "--hh", "https://hh.example"], "http://cm.example: expected https://"),
        (&["--lfi-code", "bank", "--jwks", "http://keystore.example/x"], "--jwks: expected an https:// URL"),
        (&["--lfi-code", "bank", "--hub-ca", "/there/is/no/such"], "/there/is/no/such: No such file"),
        (&["--lfi-code", "bank", "--config", &pinned], "expected a configuration with \"outbound\", got none"),
    ] {
        let usual = if more.contains(&"--config") { [&common[..2], &common[4..]].concat() } else { common.to_vec() };
        let output = hub_auth(&[&usual, more].concat());
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{more:?}: {said} {}", text(&output.stdout));
        assert!(said.contains(expected), "{expected}: {said}");
    }
}

#[test]
fn a_report_for_people_has_the_next_step_and_colours_only_where_they_are_wanted() {
    let files = Files::new();
    let pki = Pki::shared();
    let arguments = [
        "doctor",
        "inbound",
        "--url",
        "https://127.0.0.1:1",
        "--config",
        &files.write("config.json", CONFIG),
        "--ca",
        &files.path("ca.pem"),
        "--certificate",
        &files.write("c3.pem", &pki.bank.transport.chain_pem),
        "--key",
        &files.write("key.pem", &pki.bank.transport.key_pem),
    ];
    let output = hub_auth(&arguments);
    let said = text(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{said} {}", text(&output.stderr));
    assert!(said.starts_with("inbound: https://127.0.0.1:1\n"), "{said}");
    assert!(said.contains("next step:   Start the gateway"), "{said}");
    assert!(said.contains("16 checks: 0 passed, 0 warning, 1 failed, 15 not checked"), "{said}");
    assert!(!said.contains('\u{1b}'), "{said:?}");
    let coloured = command(&arguments).env_remove("NO_COLOR").env("CLICOLOR_FORCE", "1").output().expect("the tool");
    assert!(text(&coloured.stdout).contains("\u{1b}[1m\u{1b}[31mFAILED"), "{:?}", text(&coloured.stdout));
    let refused = command(&arguments).env("NO_COLOR", "1").env_remove("CLICOLOR_FORCE").output().expect("the tool");
    assert!(!text(&refused.stdout).contains('\u{1b}'));
}
