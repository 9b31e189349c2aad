//! `operations/crl/hub-auth-crl` with real CRLs and a server on loopback: what it puts in place, what it leaves as it is, and what it
//! says (RFC 5280 §5).

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::{Command, Output};
use std::thread;

use tempfile::TempDir;
use wasm_tests::stage::crl::Crl;
use wasm_tests::stage::pki::Pki;

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../operations/crl/hub-auth-crl");

fn pki() -> &'static Pki {
    Pki::shared()
}

/// Answers one request with these bytes and ends the connection: its URL.
#[expect(clippy::disallowed_methods, reason = "the test is no module that a gateway loads")]
pub(crate) fn serving(answer: Vec<u8>) -> String {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    let address: SocketAddr = listener.local_addr().expect("an address");
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a connection");
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            let mut octet = [0];
            if stream.read(&mut octet).unwrap_or(0) == 0 {
                return;
            }
            request.push(octet[0]);
        }
        let _ = stream.write_all(&answer);
    });
    format!("http://{address}/issuer.crl")
}

pub(crate) fn ok(body: &[u8]) -> Vec<u8> {
    [format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len()).as_bytes(), body].concat()
}

/// A machine with the script, the CAs and nothing in place.
struct Machine(TempDir);

impl Machine {
    fn new() -> Self {
        let machine = Self(tempfile::tempdir().expect("a temporary directory"));
        fs::write(machine.path("issuer-ca.pem"), pki().issuing_ca()).expect("a CA");
        fs::write(machine.path("root-ca.pem"), pki().root_ca()).expect("a CA");
        machine
    }

    /// With this CRL in place.
    fn with(crl: &[u8]) -> Self {
        let machine = Self::new();
        fs::write(machine.path("crl.pem"), Crl::pem(crl)).expect("a CRL");
        machine
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn run(&self, arguments: &[&str]) -> (i32, String) {
        let output: Output =
            Command::new(SCRIPT).args(arguments).current_dir(self.0.path()).output().expect("the script runs");
        assert_eq!(output.stdout, b"");
        (output.status.code().expect("an exit status"), String::from_utf8(output.stderr).expect("UTF-8"))
    }

    fn update(&self, answer: Vec<u8>) -> (i32, String) {
        self.run(&["update", "crl.pem", &serving(answer), "issuer-ca.pem"])
    }

    fn check(&self) -> (i32, String) {
        self.run(&["check", "crl.pem", "issuer-ca.pem"])
    }

    fn in_place(&self) -> Option<String> {
        fs::read_to_string(self.path("crl.pem")).ok()
    }

    /// The names of the files in its directory that were not there at the beginning.
    fn files(&self) -> Vec<String> {
        let names = fs::read_dir(self.0.path()).expect("a directory").map(|entry| entry.expect("an entry").file_name());
        let names = names.map(|name| name.into_string().expect("UTF-8")).filter(|name| !name.ends_with("-ca.pem"));
        let mut names: Vec<String> = names.collect();
        names.sort();
        names
    }
}

#[test]
fn a_good_crl_is_put_in_place_in_pem_whether_it_comes_in_der_or_pem() {
    let crl = Crl::new(1).revoking(&pki().hub.transport).issued(pki());
    let pem = Crl::pem(&crl);
    for body in [crl.clone(), pem.clone().into_bytes(), format!("text\n{pem}").into_bytes()] {
        let machine = Machine::new();
        let (status, told) = machine.update(ok(&body));
        assert_eq!((status, told.as_str()), (0, "hub-auth-crl: crl.pem is new\n"));
        assert_eq!(machine.in_place(), Some(pem.clone()));
        assert_eq!(machine.files(), ["crl.pem"], "nothing is left behind");
        assert_eq!(machine.check(), (0, String::new()));
    }
}

#[test]
fn a_newer_crl_replaces_the_one_in_place_and_the_same_one_changes_nothing() {
    let old = Crl::lasting(9, -600, 3600).issued(pki());
    let machine = Machine::with(&old);
    let (status, told) = machine.update(ok(&old));
    assert_eq!((status, told.as_str()), (0, "hub-auth-crl: crl.pem is up to date\n"));
    // 9 is less than 10 as a number only, and no less than itself.
    for (number, from) in [(10, -300), (10, -200), (256, -100), (u64::MAX, -50)] {
        let newer = Crl::lasting(number, from, 3600).issued(pki());
        assert_eq!(machine.update(ok(&newer)).0, 0, "{number}");
        assert_eq!(machine.in_place(), Some(Crl::pem(&newer)), "{number}");
    }
}

#[test]
fn whatever_is_wrong_with_the_answer_the_crl_in_place_stays() {
    let good = Crl::lasting(5, -600, 3600);
    let in_place = good.issued(pki());
    let newer = Crl::lasting(6, -60, 3600);
    let der = newer.issued(pki());
    let half = &der[..der.len() / 2];
    let mut damaged = der.clone();
    *damaged.last_mut().expect("octets") ^= 1;
    let announced = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", der.len());
    let chunked = format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{:x}\r\n", der.len());
    for (what, answer, reason) in [
        ("another signer", ok(&newer.forged(pki())), "is refused: its signature is not the CA's"),
        ("a wrong signature", ok(&damaged), "is refused: its signature is not the CA's"),
        ("another issuer", ok(&newer.issued_by_root(pki())), "is refused: its issuer is another than the CA"),
        ("ended", ok(&Crl::lasting(6, -7200, -1).issued(pki())), "is refused: it ended on "),
        ("not begun", ok(&Crl::lasting(6, 600, 7200).issued(pki())), "is refused: it begins in the future, on "),
        (
            "an older number",
            ok(&Crl::lasting(4, -60, 3600).issued(pki())),
            "is refused: it is older than the one in crl.pem",
        ),
        (
            "an older time",
            ok(&Crl::lasting(6, -3600, 3600).issued(pki())),
            "is refused: it is older than the one in crl.pem",
        ),
        ("garbage", ok(b"<html>"), "is not a CRL in DER or PEM"),
        ("nothing", ok(b""), "is not a CRL in DER or PEM"),
        ("half a CRL", ok(half), "is not a CRL in DER or PEM"),
        ("half an answer", [announced.as_bytes(), half].concat(), "no answer from "),
        ("half a chunk", [chunked.as_bytes(), half].concat(), "no answer from "),
        ("not found", [b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n".as_slice(), &der].concat(), "error: 404"),
        ("unavailable", b"HTTP/1.1 503 Later\r\ncontent-length: 0\r\n\r\n".to_vec(), "error: 503"),
        (
            "elsewhere",
            b"HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n".to_vec(),
            "is not a CRL",
        ),
        ("hung up", Vec::new(), "no answer from "),
        ("a certificate", ok(pki().issuing_ca().as_bytes()), "is not a CRL in DER or PEM"),
    ] {
        let machine = Machine::with(&in_place);
        let (status, told) = machine.update(answer.clone());
        assert_eq!(status, 1, "{what}: {told}");
        assert!(
            told.starts_with("hub-auth-crl: ") && told.lines().count() == 1 && told.contains(reason),
            "{what}: {told}"
        );
        assert_eq!(machine.in_place(), Some(Crl::pem(&in_place)), "{what}");
        assert_eq!(machine.files(), ["crl.pem"], "{what}");

        if !what.contains("older") {
            let machine = Machine::new();
            let (status, told) = machine.update(answer);
            assert_eq!((status, machine.in_place()), (2, None), "{what}: {told}");
            assert!(told.contains("crl.pem has no CRL by the CA in issuer-ca.pem"), "{what}: {told}");
        }
    }
    let machine = Machine::with(&in_place);
    let (status, told) = machine.run(&["update", "crl.pem", "http://127.0.0.1:1/issuer.crl", "issuer-ca.pem"]);
    assert!(status == 1 && told.contains("no answer from http://127.0.0.1:1/issuer.crl"), "{told}");
}

#[test]
fn what_is_in_place_and_no_good_does_not_keep_a_good_one_out() {
    let good = Crl::lasting(1, -60, 3600).issued(pki());
    for (what, file) in [
        ("empty", String::new()),
        ("garbage", "<html>".to_owned()),
        ("ended, with a lower number", Crl::pem(&Crl::lasting(0, -7200, -1).issued(pki()))),
        ("forged, with a higher number", Crl::pem(&Crl::lasting(9, -30, 3600).forged(pki()))),
        ("another CA's, with a higher number", Crl::pem(&Crl::lasting(9, -30, 3600).issued_by_root(pki()))),
    ] {
        let machine = Machine::new();
        fs::write(machine.path("crl.pem"), &file).expect("a file");
        assert_eq!(machine.check().0, 2, "{what}");
        assert_eq!(machine.update(ok(&good)).0, 0, "{what}");
        assert_eq!((machine.in_place(), machine.check()), (Some(Crl::pem(&good)), (0, String::new())), "{what}");
    }
}

#[test]
fn an_ended_crl_in_place_is_an_exit_status_and_a_line_of_its_own() {
    let machine = Machine::with(&Crl::lasting(1, -7200, -1).issued(pki()));
    let (status, told) = machine.check();
    assert_eq!(status, 2);
    assert!(
        told.starts_with("hub-auth-crl: crl.pem: the CRL by the CA in issuer-ca.pem is not good: it ended on "),
        "{told}"
    );
    let (status, told) = machine.update(ok(b"<html>"));
    assert!(status == 2 && told.lines().count() == 2, "{told}");
}

#[test]
fn several_crls_are_replaced_together_or_not_at_all() {
    let (root, issuer) = (Crl::new(1).issued_by_root(pki()), Crl::new(1).issued(pki()));
    let machine = Machine::new();
    let update = |root: &[u8], issuer: &[u8]| {
        let (root, issuer) = (serving(ok(root)), serving(ok(issuer)));
        machine.run(&["update", "crl.pem", &root, "root-ca.pem", &issuer, "issuer-ca.pem"]).0
    };
    assert_eq!(update(&root, b"<html>"), 2);
    assert_eq!(machine.in_place(), None);
    assert_eq!(update(&root, &issuer), 0);
    assert_eq!(machine.in_place(), Some(Crl::pem(&root) + &Crl::pem(&issuer)));
    let newer = Crl::lasting(2, -60, 3600);
    assert_eq!(update(&newer.issued_by_root(pki()), &newer.forged(pki())), 1);
    assert_eq!(machine.in_place(), Some(Crl::pem(&root) + &Crl::pem(&issuer)));
    assert_eq!(machine.run(&["check", "crl.pem", "root-ca.pem", "issuer-ca.pem"]), (0, String::new()));
}

/// The value of each metric, without its labels.
fn metrics(machine: &Machine) -> Vec<(String, i64)> {
    let text = fs::read_to_string(machine.path("crl.prom")).expect("metrics");
    let pairs = text.lines().map(|line| {
        let (name, value) = line.rsplit_once(' ').expect("a value");
        let (name, labels) = name.split_once('{').expect("labels");
        assert!(labels.starts_with("file=\"crl.pem\""), "{line}");
        (name.to_owned(), value.parse().expect("a number"))
    });
    pairs.collect()
}

#[test]
fn the_metrics_say_until_when_the_crl_in_place_is_good() {
    let value = |metrics: &[(String, i64)], name: &str| {
        metrics.iter().find(|(found, _)| found == name).map(|(_, value)| *value)
    };
    let machine = Machine::new();
    let url = serving(ok(&Crl::lasting(1, -600, 3600).issued(pki())));
    assert_eq!(machine.run(&["update", "-m", "crl.prom", "crl.pem", &url, "issuer-ca.pem"]).0, 0);
    let told = metrics(&machine);
    let [this_update, next_update] = ["this", "next"]
        .map(|which| value(&told, &format!("hub_auth_crl_{which}_update_timestamp_seconds")).expect(which));
    assert_eq!(next_update - this_update, 4200);
    let checked = value(&told, "hub_auth_crl_checked_timestamp_seconds").expect("a time");
    assert!((590..660).contains(&(checked - this_update)), "{told:?}");
    assert!((value(&told, "hub_auth_crl_fetched_timestamp_seconds").expect("a time") - checked).abs() < 60);
    assert_eq!(value(&told, "hub_auth_crl_good"), Some(1));

    fs::write(machine.path("crl.pem"), Crl::pem(&Crl::lasting(2, -7200, -1).issued(pki()))).expect("a CRL");
    assert_eq!(machine.run(&["check", "-m", "crl.prom", "crl.pem", "issuer-ca.pem"]).0, 2);
    assert_eq!(value(&metrics(&machine), "hub_auth_crl_good"), Some(0));
    assert!(value(&metrics(&machine), "hub_auth_crl_next_update_timestamp_seconds").is_some());

    fs::remove_file(machine.path("crl.pem")).expect("a file");
    assert_eq!(machine.run(&["check", "-m", "crl.prom", "crl.pem", "issuer-ca.pem"]).0, 2);
    let told = metrics(&machine);
    assert_eq!(
        told.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(),
        ["hub_auth_crl_good", "hub_auth_crl_checked_timestamp_seconds"]
    );
    assert_eq!(machine.files(), ["crl.prom"]);
}

#[test]
fn wrong_arguments_change_nothing() {
    let crl = Crl::new(1).issued(pki());
    let machine = Machine::with(&crl);
    fs::write(machine.path("two-ca.pem"), pki().trust_framework_bundle()).expect("a file");
    for arguments in [
        &[][..],
        &["update"],
        &["update", "crl.pem"],
        &["update", "crl.pem", "http://127.0.0.1:1/"],
        &["update", "crl.pem", "http://127.0.0.1:1/", "missing-ca.pem"],
        &["update", "crl.pem", "http://127.0.0.1:1/", "two-ca.pem"],
        &["update", "crl.pem", "http://127.0.0.1:1/", "crl.pem"],
        &["update", "-x", "crl.pem", "http://127.0.0.1:1/", "issuer-ca.pem"],
        &["update", "c\"rl.pem", "http://127.0.0.1:1/", "issuer-ca.pem"],
        &["check", "crl.pem"],
        &["check", "crl.pem", "two-ca.pem"],
        &["fetch", "crl.pem", "issuer-ca.pem"],
    ] {
        let (status, told) = machine.run(arguments);
        assert!(status == 64 && told.starts_with("hub-auth-crl: "), "{arguments:?}: {status} {told}");
        assert_eq!(machine.in_place(), Some(Crl::pem(&crl)), "{arguments:?}");
    }
}
