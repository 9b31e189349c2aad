//! The doctor against the project's own stage: a real Envoy with the release module, the Trust Framework's keystore, the Hub. Each test has
//! one fault, and holds the doctor to the lines that this fault makes wrong and to no other.

mod inbound;
mod listener;
mod outbound;
mod usage;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;

use serde_json::Value;
use tempfile::TempDir;
use wasm_tests::stage::pki::{Identity, Pki};

use super::{command, text};

const DAY: i64 = 24 * 60 * 60;

/// What the doctor said.
#[derive(Debug)]
struct Said {
    report: Value,
    status: i32,
}

impl Said {
    /// The lines that are not as they should be: the check (and of what, if there are several), and what became of it.
    fn remarks(&self) -> BTreeMap<String, String> {
        let checks = self.report["checks"].as_array().expect("checks");
        let not_passed = checks.iter().filter(|check| check["result"] != "passed");
        let remarks = not_passed.map(|check| {
            let name = check["check"].as_str().expect("a name");
            let of = check["of"].as_str().map(|of| format!(" {of}")).unwrap_or_default();
            (format!("{name}{of}"), check["result"].as_str().expect("a result").to_owned())
        });
        remarks.collect()
    }

    /// What was found of a check.
    fn found(&self, name: &str) -> &str {
        let checks = self.report["checks"].as_array().expect("checks");
        let check = checks.iter().find(|check| check["check"] == name).expect("the check");
        check["found"].as_str().expect("what was found")
    }

    /// Holds it to these remarks and no other, and to its exit status.
    #[track_caller]
    fn expect(&self, status: i32, remarks: &[(&str, &str)]) {
        let expected: BTreeMap<String, String> =
            remarks.iter().map(|(check, result)| ((*check).to_owned(), (*result).to_owned())).collect();
        assert_eq!(self.remarks(), expected, "{:#}", self.report);
        assert_eq!(self.status, status, "{:#}", self.report);
        for check in self.report["checks"].as_array().expect("checks") {
            let is_wrong = matches!(check["result"].as_str(), Some("failed" | "warning"));
            assert_eq!(check["next_step"].is_string(), is_wrong, "{check}");
        }
    }
}

/// Calls the doctor with these arguments and variables.
async fn doctor(arguments: Vec<String>, variables: &[(&str, &str)]) -> Said {
    let variables: Vec<(String, String)> =
        variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let calling = tokio::task::spawn_blocking(move || {
        let arguments: Vec<&str> = ["doctor"].into_iter().chain(arguments.iter().map(String::as_str)).collect();
        command(&arguments).envs(variables).output().expect("the tool starts")
    });
    let output = calling.await.expect("the tool");
    let report = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {} {}", text(&output.stdout), text(&output.stderr)));
    Said { report, status: output.status.code().expect("a status") }
}

/// Files of a test.
struct Files(TempDir);

impl Files {
    /// Those that every test needs: the Trust Framework's CAs, and those of the public one.
    fn new() -> Self {
        let files = Self(tempfile::tempdir().expect("a directory"));
        let pki = Pki::shared();
        files.write("ca.pem", &pki.trust_framework_bundle());
        files.write("public.pem", &pki.public_roots());
        files
    }

    fn write(&self, name: &str, content: &str) -> String {
        let path = self.path(name);
        std::fs::write(&path, content).expect("a file");
        path
    }

    fn path(&self, name: &str) -> String {
        self.0.path().join(name).display().to_string()
    }

    /// A certificate and its key, each behind its flag.
    fn identity(&self, flags: [&str; 2], identity: &Identity) -> Vec<String> {
        let [certificate, key] = flags;
        vec![
            certificate.to_owned(),
            self.write(&format!("{certificate}.pem"), &identity.chain_pem),
            key.to_owned(),
            self.write(&format!("{key}.pem"), &identity.key_pem),
        ]
    }
}

fn connect_to(host: &str, address: SocketAddr) -> [String; 2] {
    ["--connect-to".to_owned(), format!("{host}={address}")]
}

fn strings<const N: usize>(texts: [&str; N]) -> [String; N] {
    texts.map(str::to_owned)
}

fn display(path: &Path) -> String {
    path.display().to_string()
}
