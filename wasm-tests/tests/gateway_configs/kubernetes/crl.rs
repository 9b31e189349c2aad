//! `publish-crl`, which the CronJob runs: with real CRLs, a server that has them, and one that does with a merge patch what the API server does
//! (RFC 7396). No API server can be had here.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::thread;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::{Value, json};
use tempfile::TempDir;
use wasm_tests::chart::{file, named, question, rendered};
use wasm_tests::stage::crl::Crl;
use wasm_tests::stage::pki::Pki;

use super::super::crl::{ok, serving};

const TOKEN: &str = "token-of-the-service-account";

/// The API server as far as `publish-crl` sees it: one object.
struct ApiServer {
    address: SocketAddr,
    object: Arc<Mutex<Value>>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl ApiServer {
    /// Answers every request with this status, or if there is none does what is asked.
    #[expect(clippy::disallowed_methods, reason = "the test is no module that a gateway loads")]
    fn start(path: &str, object: Value, status: Option<u16>) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
        let address = listener.local_addr().expect("an address");
        let identity = &Pki::shared().listener;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(identity.chain.clone(), identity.key())
            .expect("a certificate");
        let (config, path) = (Arc::new(config), path.to_owned());
        let server = Self { address, object: Arc::new(Mutex::new(object)), asked: Arc::default() };
        let (object, asked) = (Arc::clone(&server.object), Arc::clone(&server.asked));
        thread::spawn(move || {
            while let Ok((stream, _)) = listener.accept() {
                let connection = ServerConnection::new(Arc::clone(&config)).expect("a connection");
                let mut stream = StreamOwned::new(connection, stream);
                let Some((head, body)) = request(&mut stream) else { continue };
                let status =
                    status.unwrap_or_else(|| patch(&head, &body, &path, &mut object.lock().expect("the object")));
                asked.lock().expect("requests").push(head);
                let answer = r#"{"kind": "Status", "message": "as it may be"}"#;
                let _ = write!(
                    stream,
                    "HTTP/1.1 {status} X\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{answer}",
                    answer.len()
                );
                let _ = stream.flush();
            }
        });
        server
    }

    fn object(&self) -> Value {
        self.object.lock().expect("the object").clone()
    }

    fn requests(&self) -> usize {
        self.asked.lock().expect("requests").len()
    }
}

/// Head and body of a request, if it comes whole.
fn request(stream: &mut impl Read) -> Option<(String, Vec<u8>)> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut octet = [0];
        stream.read_exact(&mut octet).ok()?;
        head.extend(octet);
    }
    let head = String::from_utf8(head).ok()?.to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "))?.parse().ok()?;
    let mut body = vec![0; length];
    stream.read_exact(&mut body).ok()?;
    Some((head, body))
}

/// What the API server does with a merge patch of its one object.
fn patch(head: &str, body: &[u8], path: &str, object: &mut Value) -> u16 {
    let has = |line: &str| head.lines().any(|one| one == line);
    if !has(&format!("authorization: bearer {TOKEN}")) {
        return 401;
    }
    if !has(&format!("patch {path} http/1.1")) {
        return 404;
    }
    let patch: Value = match serde_json::from_slice(body) {
        Ok(patch) if has("content-type: application/merge-patch+json") => patch,
        _ => return 415,
    };
    merge(object, patch);
    200
}

fn merge(into: &mut Value, patch: Value) {
    match (into, patch) {
        (Value::Object(into), Value::Object(patch)) => {
            for (key, value) in patch {
                merge(into.entry(key).or_insert(Value::Null), value);
            }
        }
        (into, patch) => *into = patch,
    }
}

/// The pod of the CronJob, with what is mounted there.
struct Pod {
    folder: TempDir,
    command: Vec<String>,
}

impl Pod {
    /// The one of this gateway, with this CRL in place.
    fn of(example: &str, in_place: Option<&[u8]>) -> Self {
        let made = rendered(example, &json!({}));
        let folder = tempfile::tempdir().expect("a temporary directory");
        let write = |name: &str, content: &str| fs::write(folder.path().join(name), content).expect("a file");
        for script in ["hub-auth-crl", "publish-crl"] {
            write(script, file(&made, "hub-auth-crl", script));
        }
        fs::create_dir(folder.path().join("access")).expect("a directory");
        write("access/token", TOKEN);
        write("access/ca.crt", &Pki::shared().trust_framework_bundle());
        write("issuer.pem", &Pki::shared().issuing_ca());
        if let Some(crl) = in_place {
            write("current.pem", &Crl::pem(crl));
        }
        let job = named(&made, "CronJob", "hub-auth-crl");
        let container = &job["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"][0];
        let command = serde_json::from_value(container["command"].clone()).expect("a command");
        Self { folder, command }
    }

    /// The path of the object that it changes.
    fn object(&self) -> &str {
        &self.command[2]
    }

    /// Runs what the CronJob runs, but with the CRL and the API server at these addresses.
    fn run(&self, crl: &str, api: SocketAddr) -> (i32, String) {
        let path = |name: &str| self.folder.path().join(name);
        assert_eq!(self.command[..2], ["sh", "/opt/hub-auth-filter/publish-crl"]);
        assert_eq!(
            self.command[4..],
            ["http://crl.sandbox.pki.openfinance.ae/issuer.crl", "/var/run/hub-auth-crl/issuer/ca.crt"]
        );
        let output = Command::new("sh")
            .arg(path("publish-crl"))
            .args([&self.command[2], &self.command[3]])
            .args([crl, &path("issuer.pem").display().to_string()])
            .env("API", format!("https://localhost:{}", api.port()))
            .env("ACCESS", path("access"))
            .env("CURRENT", path("current.pem"))
            .env("HUB_AUTH_CRL", path("hub-auth-crl"))
            .env("TMPDIR", self.folder.path())
            .output()
            .expect("sh runs");
        assert_eq!(output.stdout, b"");
        let told = String::from_utf8(output.stderr).expect("UTF-8");
        assert!(!told.contains(TOKEN), "{told}");
        (output.status.code().expect("an exit status"), told)
    }
}

fn pki() -> &'static Pki {
    Pki::shared()
}

/// An object that has something else, too.
fn object() -> Value {
    json!({"metadata": {"name": "x"}, "data": {"ca.crt": "the CAs"}})
}

#[test]
fn a_new_crl_comes_where_the_gateway_reads_it_and_all_else_stays() {
    let old = Crl::lasting(1, -600, 3600).issued(pki());
    let new = Crl::lasting(2, -60, 3600).revoking(&pki().hub.transport).issued(pki());
    for (example, in_place) in
        [("envoy", None), ("envoy", Some(&old)), ("envoy-gateway", Some(&old)), ("istio", Some(&old))]
    {
        let pod = Pod::of(example, in_place.map(Vec::as_slice));
        let api = ApiServer::start(pod.object(), object(), None);
        let (status, told) = pod.run(&serving(ok(&new)), api.address);
        assert_eq!(
            (status, told.ends_with(&format!("publish-crl: {} is new\n", pod.object()))),
            (0, true),
            "{example}: {told}"
        );
        let pem = Crl::pem(&new);
        let written = if example == "istio" { STANDARD.encode(&pem) } else { pem };
        let expected = json!({"metadata": {"name": "x"}, "data": {"ca.crt": "the CAs", "ca.crl": written}});
        assert_eq!((api.object(), api.requests()), (expected, 1), "{example}");
    }
}

#[test]
fn nothing_is_written_that_is_there_already_or_is_not_good() {
    let good = Crl::lasting(5, -600, 3600).issued(pki());
    let old = Crl::lasting(4, -900, 3600).issued(pki());
    let ended = Crl::lasting(6, -900, -60).issued(pki());
    let forged = Crl::lasting(6, -60, 3600).forged(pki());
    for (what, in_place, answer, status, told) in [
        ("the same", Some(&good), ok(&good), 0, "is up to date"),
        ("an older one", Some(&good), ok(&old), 1, "it is older than the one in"),
        ("another signer's", Some(&good), ok(&forged), 1, "its signature is not the CA's"),
        ("another signer's, and none in place", None, ok(&forged), 2, "its signature is not the CA's"),
        ("one that has ended", Some(&good), ok(&ended), 1, "it ended on"),
        (
            "no answer, and one in place that has ended",
            Some(&ended),
            b"HTTP/1.1 500 X\r\n\r\n".to_vec(),
            2,
            "no answer from",
        ),
        ("something else", Some(&good), ok(b"<html>"), 1, "is not a CRL in DER or PEM"),
    ] {
        let pod = Pod::of("envoy", in_place.map(Vec::as_slice));
        let api = ApiServer::start(pod.object(), object(), None);
        let (exit, said) = pod.run(&serving(answer), api.address);
        assert_eq!((exit, said.contains(told)), (status, true), "{what}: {said}");
        assert_eq!((api.object(), api.requests()), (object(), 0), "{what}");
    }
}

#[test]
fn what_the_api_server_refuses_is_said_in_a_sentence() {
    let crl = Crl::new(1).issued(pki());
    for (status, told) in [
        (401, "the API server does not let this service account patch "),
        (403, "the API server does not let this service account patch "),
        (404, "is not there: it has to be made first"),
        (422, "is the CRL longer than the 1 MiB that an object may have?"),
        (500, "the API server answered with status 500 for "),
    ] {
        let pod = Pod::of("envoy", None);
        let api = ApiServer::start(pod.object(), object(), Some(status));
        let (exit, said) = pod.run(&serving(ok(&crl)), api.address);
        assert_eq!((exit, said.contains(told)), (1, true), "{status}: {said}");
    }
}

#[test]
fn the_token_is_shown_to_the_clusters_api_server_only() {
    let pod = Pod::of("envoy", None);
    fs::write(pod.folder.path().join("access/ca.crt"), pki().internal_bundle()).expect("another CA");
    let api = ApiServer::start(pod.object(), object(), None);
    let (exit, said) = pod.run(&serving(ok(&Crl::new(1).issued(pki()))), api.address);
    assert_eq!((exit, said.contains("no answer from the API server: ")), (1, true), "{said}");
    assert_eq!((api.object(), api.requests()), (object(), 0));
}

#[test]
fn the_scripts_of_the_pod_are_the_shipped_ones() {
    for example in ["envoy", "istio", "envoy-gateway"] {
        let made = rendered(example, &json!({}));
        assert_eq!(
            file(&made, "hub-auth-crl", "hub-auth-crl"),
            super::super::files::text("../operations/crl/hub-auth-crl"),
            "{example}"
        );
    }
}

/// The rule that the API server asks is in CEL. This asks it as the API server would, by another implementation of CEL.
#[test]
fn the_rule_for_istios_secret_lets_the_crl_be_changed_and_nothing_else() {
    let made = rendered("istio", &json!({}));
    let policy = made.iter().find(|one| one["kind"] == "ValidatingAdmissionPolicy").expect("a policy");
    let expression = &policy["spec"]["validations"][0]["expression"];
    let old = json!({"data": {"ca.crt": "QQ==", "ca.crl": "Qg=="}});
    let cases = [
        (json!({"data": {"ca.crt": "QQ==", "ca.crl": "Qw=="}}), old.clone(), true),
        (json!({"data": {"ca.crt": "QQ==", "ca.crl": "Qw=="}}), json!({"data": {"ca.crt": "QQ=="}}), true),
        (json!({"data": {"ca.crt": "WA==", "ca.crl": "Qg=="}}), old.clone(), false),
        (json!({"data": {"ca.crt": "QQ==", "ca.crl": "Qg==", "tls.key": "WA=="}}), old.clone(), false),
        (json!({"data": {"ca.crl": "Qg=="}}), old.clone(), false),
        (json!({"data": {"ca.crt": "QQ=="}}), old, false),
        (json!({"data": {"ca.crt": "QQ==", "ca.crl": "Qg=="}}), Value::Null, false),
    ];
    let asked = cases.iter().map(|(object, old, _)| {
        question("evaluate", &json!({"expression": expression, "variables": {"object": object, "oldObject": old}}))
    });
    let answers = wasm_tests::chart::ask(&asked.collect::<Vec<_>>());
    for (answer, (object, old, expected)) in answers.into_iter().zip(&cases) {
        assert_eq!(answer, Ok(json!(expected)), "{old} to {object}");
    }
}
