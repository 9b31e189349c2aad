//! When certificates end.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use serde_json::Value;
use wasm_tests::stage::client;
use wasm_tests::stage::pki::Pki;
use wasm_tests::stage::prometheus::Watcher;

use super::{file, hub_auth, text};

const DAY: i64 = 24 * 60 * 60;

#[test]
fn each_certificate_of_a_file_is_told_of_and_the_worst_gives_the_status() {
    let pki = Pki::shared();
    let chain = |days: i64| pki.client_between(&pki.bank.subject, -400 * DAY, days * DAY + 60).chain_pem;
    for (days, word, when, status) in
        [(90, "good", "in 90 days", 0), (29, "SOON", "in 29 days", 1), (-3, "ENDED", "2 days ago", 1)]
    {
        let (_folder, path) = file("c3-chain.pem", &chain(days));
        let path = path.to_str().expect("UTF-8");
        let output = hub_auth(&["expiry", path]);
        let lines: Vec<&str> = text(&output.stdout).lines().collect();
        let [leaf, issuing] = lines[..] else { panic!("{lines:?}") };
        assert!(leaf.starts_with(word) && leaf.contains(when) && leaf.contains(path), "{leaf}");
        assert!(leaf.contains(&pki.bank.subject.common_name), "{leaf}");
        assert!(issuing.starts_with("good") && issuing.contains("2049-01-01T00:00:00Z"), "{issuing}");
        assert_eq!(output.status.code(), Some(status), "{days}");
    }
    let (_folder, path) = file("c3-chain.pem", &chain(29));
    let output = hub_auth(&["expiry", "--days", "20", path.to_str().expect("UTF-8")]);
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn what_cannot_be_read_is_said_and_the_others_are_told_of_all_the_same() {
    let (folder, good) = file("good.pem", &Pki::shared().bank.transport.chain_pem);
    let (_key, key) = file("key.pem", &Pki::shared().bank.transport.key_pem);
    let metrics = folder.path().join("certificates.prom");
    let (good, key, to) =
        (good.to_str().expect("UTF-8"), key.to_str().expect("UTF-8"), metrics.to_str().expect("UTF-8"));
    let output = hub_auth(&["expiry", "--metrics", to, "--format", "json", key, "/there/is/no/such.pem", good]);
    assert_eq!(output.status.code(), Some(2));
    let told: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    for unread in [0, 1] {
        let file = told["files"][unread]["file"].as_str().expect("a file");
        assert!(told["files"][unread]["error"].as_str().expect("an error").starts_with(file), "{told}");
    }
    assert_eq!(told["files"][2]["certificates"][0]["ends"], "2049-01-01T00:00:00Z");
    assert!(!text(&output.stdout).contains("PRIVATE"), "{told}");

    let written = fs::read_to_string(&metrics).expect("metrics");
    for series in [
        format!(r#"hub_auth_certificate_readable{{file="{key}"}} 0"#),
        r#"hub_auth_certificate_readable{file="/there/is/no/such.pem"} 0"#.to_owned(),
        format!(r#"hub_auth_certificate_readable{{file="{good}"}} 1"#),
    ] {
        assert!(written.lines().any(|line| line == series), "{series}: {written}");
    }
    let of_the_leaf = format!(r#"hub_auth_certificate_not_after_timestamp_seconds{{file="{good}",subject="CN="#);
    assert!(written.lines().any(|line| line.starts_with(&of_the_leaf) && line.ends_with(" 2493072000")), "{written}");
    // node_exporter is another user.
    assert_eq!(fs::metadata(&metrics).expect("metrics").permissions().mode() & 0o777, 0o644);
}

#[test]
fn metrics_go_where_the_collector_looks_or_nowhere() {
    let (folder, good) = file("good.pem", &Pki::shared().bank.transport.chain_pem);
    let good = good.to_str().expect("UTF-8");
    let elsewhere = folder.path().join("certificates.txt");
    let output = hub_auth(&["expiry", "--metrics", elsewhere.to_str().expect("UTF-8"), good]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains(".prom") && !elsewhere.exists(), "{}", text(&output.stderr));
    let output = hub_auth(&["expiry", "--metrics", "/there/is/no/such/a.prom", good]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("/there/is/no/such/a.prom"), "{}", text(&output.stderr));
}

/// It drops a whole file that it does not like, and says so in a metric of its own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn node_exporter_shows_what_is_written() {
    let pki = Pki::shared();
    // An old CA and a new one have one subject.
    let twice = pki.bank.transport.chain_pem.clone() + &pki.issuing_ca();
    let (folder, path) = file("c3 \"old\".pem", &twice);
    let metrics = folder.path().join("hub-auth.prom");
    let path = path.to_str().expect("UTF-8");
    let output = hub_auth(&["expiry", "--metrics", metrics.to_str().expect("UTF-8"), path, path]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));

    let exporter = Watcher::files(folder.path()).await;
    let (_, shown) = client::plain(exporter.address(), "GET", "/metrics").await.expect("metrics");
    assert!(shown.contains("node_textfile_scrape_error 0\n"), "{shown}");
    for name in ["not_after_timestamp_seconds{", "readable{", "checked_timestamp_seconds "] {
        assert!(shown.contains(&format!("\nhub_auth_certificate_{name}")), "{name}: {shown}");
    }
    assert!(shown.contains(r#"c3 \"old\".pem",subject="CN=Trust Framework Issuing CA"#), "{shown}");
}
