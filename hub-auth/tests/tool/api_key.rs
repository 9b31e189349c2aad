use super::{findings, hub_auth, rules, text};

#[test]
fn a_new_key_fits_its_entry() {
    let output = hub_auth(&["api-key", "new", "--id", "2026"]);
    assert!(output.status.success());
    let printed = text(&output.stdout);
    let key = printed.lines().map(str::trim).find(|line| line.len() == 64).expect("a key");
    let entry = printed.lines().map(str::trim).find(|line| line.starts_with('{')).expect("an entry");
    assert!(!entry.contains(key), "the entry has the key itself");

    let digest = std::process::Command::new("sh")
        .args(["-c", "printf %s \"$1\" | sha256sum", "sh", key])
        .output()
        .expect("sha256sum");
    let digest = text(&digest.stdout).split_whitespace().next().expect("a digest").to_owned();
    assert!(entry.contains(&digest), "{entry}: {digest}");

    let configuration = format!(
        r#"{{"inbound": {{"provider_ids": ["retail"], "peer": {{"organisational_units": ["u"]}},
            "auth": {{"api_key": {{"keys": [{entry}]}}}}}}}}"#
    );
    let (findings, status) = findings("config.json", &configuration);
    assert_eq!((rules(&findings), status), (vec![], 0), "{findings:?}");
}

#[test]
fn two_keys_are_different() {
    let first = hub_auth(&["api-key", "new", "--id", "a"]).stdout;
    let second = hub_auth(&["api-key", "new", "--id", "a"]).stdout;
    assert_ne!(first, second);
}

#[test]
fn a_key_without_an_id_or_for_no_time_is_a_mistake() {
    for arguments in [&["api-key", "new"][..], &["api-key", "new", "--id", "a", "--days", "0"]] {
        let output = hub_auth(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(text(&output.stderr).contains("--"), "{}", text(&output.stderr));
    }
}
