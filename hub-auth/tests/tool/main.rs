//! The tool as its users call it: the program, with files.
#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests end at what is not as they expect"
)]

mod api_key;
mod chart;
mod check;
mod doctor;
mod expiry;
mod explain;
mod gateways;
mod jwks;
mod key;
mod kubernetes;
mod openssl;
mod schema;
mod shell;
mod signer;
mod token;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

/// The shipped configurations.
const GATEWAY_CONFIGS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../gateway-configs");

/// The tool, called with these arguments, without the variables of whoever runs the tests.
fn hub_auth(arguments: &[&str]) -> Output {
    command(arguments).output().expect("the tool starts")
}

/// The same, to be changed and started by the caller.
fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hub-auth"));
    command.args(arguments).env("NO_COLOR", "1");
    for secret in ["SIG4_PRIVATE_KEY", "BAO_TOKEN", "VAULT_TOKEN", "HUB_AUTH_PIN"] {
        command.env_remove(secret);
    }
    command
}

/// A text of the tool.
fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("UTF-8")
}

/// A shipped file.
fn shipped(name: &str) -> String {
    std::fs::read_to_string(Path::new(GATEWAY_CONFIGS).join(name)).expect(name)
}

/// A file with this text.
fn file(name: &str, text: &str) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a directory");
    let path = folder.path().join(name);
    std::fs::write(&path, text).expect("a file");
    (folder, path)
}

/// What the tool finds in a text, and its exit status.
fn findings_with(arguments: &[&str], name: &str, content: &str) -> (Vec<Value>, i32) {
    let (_folder, path) = file(name, content);
    let mut all = vec!["check", "--format", "json"];
    all.extend(arguments);
    all.push(path.to_str().expect("UTF-8"));
    let output = hub_auth(&all);
    let report: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {} {}", text(&output.stdout), text(&output.stderr)));
    let findings = report["findings"].as_array().expect("findings").clone();
    (findings, output.status.code().expect("a status"))
}

fn findings(name: &str, content: &str) -> (Vec<Value>, i32) {
    findings_with(&[], name, content)
}

/// The rules that were broken, in the order of the file, but for notes.
fn rules(findings: &[Value]) -> Vec<&str> {
    let matters = findings.iter().filter(|finding| finding["severity"] != "note");
    matters.map(|finding| finding["rule"].as_str().expect("a rule")).collect()
}

/// A text with one change, which must be possible.
fn changed(text: &str, from: &str, to: &str) -> String {
    assert!(text.contains(from), "{from}");
    text.replacen(from, to, 1)
}
