//! Keys and requests for certificates, as OpenSSL reads them.

mod options;
mod pkcs11;
mod vault;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Output;

use tempfile::TempDir;

use super::openssl::{public_half, told};
use super::{command, text};

const ORGANISATION: &str = "Example Bank PJSC";
const ORGANISATION_ID: &str = "d0c1b2a3-9485-4766-9574-839201abcdef";
const CLIENT_ID: &str = "6b0f7c1e-52d4-4f8e-9d37-0c9a8b7e6d55";

fn folder() -> TempDir {
    tempfile::tempdir().expect("a folder")
}

/// What the tool says that was called in this folder.
fn new_key(folder: &Path, purpose: &str, arguments: &[&str]) -> Output {
    let mut all =
        vec!["key", "new", "--type", purpose, "--organisation", ORGANISATION, "--organisation-id", ORGANISATION_ID];
    if purpose != "s4" {
        all.extend(["--client-id", CLIENT_ID]);
    }
    all.extend(arguments);
    command(&all).current_dir(folder).output().expect("the tool starts")
}

/// Demands that it was done.
#[track_caller]
fn done(output: &Output) -> &str {
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    text(&output.stdout)
}

/// Why it was not done.
#[track_caller]
fn refused(output: &Output) -> &str {
    assert_eq!((output.status.code(), text(&output.stdout)), (Some(2), ""), "{}", text(&output.stderr));
    text(&output.stderr)
}

/// Demands that a request is signed as the Trust Framework wants it, by the key with this public half, and has the subject for
/// this purpose, each attribute once, in the order and of the type of string in which OpenSSL writes them.
#[track_caller]
fn assert_request(csr: &Path, purpose: &str, public_key: &str) {
    let csr = csr.to_str().expect("UTF-8");
    let request = |more: &[&str]| told(&[&["req", "-in", csr, "-noout"], more].concat());
    let verified = super::openssl::run(&["req", "-in", csr, "-noout", "-verify"]);
    assert!(verified.status.success() && text(&verified.stderr).contains("verify OK"), "{}", text(&verified.stderr));
    assert_eq!(request(&["-pubkey"]).trim(), public_key.trim());
    let all = request(&["-text"]);
    for expected in [
        "Version: 1 (0x0)",
        "Public-Key: (2048 bit)",
        "Exponent: 65537",
        "Signature Algorithm: sha256WithRSAEncryption",
    ] {
        assert!(all.contains(expected), "{expected}: {all}");
    }
    assert_eq!(all.matches("X509v3").count(), usize::from(all.contains("DNS:")), "extensions: {all}");
    let common_name = if purpose == "s4" { ORGANISATION_ID } else { CLIENT_ID };
    let subject = request(&["-subject", "-nameopt", "multiline,show_type,-align,-esc_msb,utf8"]);
    let lines: Vec<&str> = subject.lines().skip(1).map(str::trim).collect();
    let expected = [
        "countryName=PRINTABLESTRING:AE".to_owned(),
        format!("organizationName=UTF8STRING:{ORGANISATION}"),
        format!("organizationalUnitName=UTF8STRING:{ORGANISATION_ID}"),
        format!("commonName=UTF8STRING:{common_name}"),
    ];
    let squeezed: Vec<String> = lines.iter().map(|line| line.replacen(" = ", "=", 1)).collect();
    assert_eq!(squeezed, expected);
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).expect("a file").permissions().mode() & 0o777
}

#[test]
fn each_type_gets_a_key_and_a_request_with_its_subject_and_the_step_that_follows() {
    for (purpose, kind, place) in [
        ("c3", "OPF UAE CLIENT TRANSPORT", "C3-hh-cm-client"),
        ("s4", "OPF UAE SERVER TRANSPORT", "Organisation Certificates"),
        ("sig4", "OPF UAE CLIENT SIGNING", "C3-hh-cm-client"),
    ] {
        let folder = folder();
        let arguments: &[&str] = if purpose == "s4" { &["--dns-name", "ozone-connect.bank.example"] } else { &[] };
        let output = new_key(folder.path(), purpose, arguments);
        let said = done(&output);
        assert!(
            said.contains(kind) && said.contains(place) && said.contains(&format!("upload {purpose}.csr")),
            "{said}"
        );
        assert_eq!(text(&output.stderr), "");
        let (key, csr) =
            (folder.path().join(format!("{purpose}-key.pem")), folder.path().join(format!("{purpose}.csr")));
        assert_eq!(mode(&key), 0o600);
        let checked = told(&["pkey", "-in", key.to_str().expect("UTF-8"), "-check", "-noout", "-text"]);
        assert!(checked.contains("Key is valid") && checked.contains("Private-Key: (2048 bit"), "{checked}");
        assert_request(&csr, purpose, &public_half(&key));
        let names: Vec<_> = fs::read_dir(folder.path()).expect("a folder").collect();
        assert_eq!(names.len(), 2, "something else was left behind: {names:?}");
        assert!(!said.contains("PRIVATE KEY"), "{said}");
    }
}

#[test]
fn a_server_gets_the_names_of_its_host_and_is_asked_for_them() {
    let folder = folder();
    let names = ["--dns-name", "ozone-connect.bank.example", "--dns-name", "oc2.bank.example"];
    done(&new_key(folder.path(), "s4", &names));
    let csr = folder.path().join("s4.csr");
    let all = told(&["req", "-in", csr.to_str().expect("UTF-8"), "-noout", "-text"]);
    assert!(all.contains("DNS:ozone-connect.bank.example, DNS:oc2.bank.example"), "{all}");
    let output = new_key(folder.path(), "s4", &["--force", "--client-id", CLIENT_ID]);
    done(&output);
    let notes = text(&output.stderr);
    assert!(notes.contains("No --dns-name was given.") && notes.contains("--client-id is not used"), "{notes}");
    assert_request(&csr, "s4", &public_half(&folder.path().join("s4-key.pem")));
}

/// The filter reads what was made.
#[test]
fn a_key_for_signing_is_one_that_the_filter_signs_with() {
    let folder = folder();
    done(&new_key(folder.path(), "sig4", &[]));
    let pem = fs::read_to_string(folder.path().join("sig4-key.pem")).expect("a key");
    let config = super::shipped("envoy/outbound.yaml");
    fs::write(folder.path().join("outbound.yaml"), config).expect("a file");
    let output = command(&["token", "--config", "outbound.yaml"])
        .env("SIG4_PRIVATE_KEY", pem)
        .current_dir(folder.path())
        .output()
        .expect("the tool starts");
    super::openssl::assert_signed(done(&output).trim(), &public_half(&folder.path().join("sig4-key.pem")));
}

#[test]
fn nothing_is_replaced_unless_that_is_wanted() {
    let folder = folder();
    let (key, csr) = (folder.path().join("c3-key.pem"), folder.path().join("c3.csr"));
    for (path, option) in [(&key, "--key"), (&csr, "--csr")] {
        fs::write(path, "precious").expect("a file");
        let output = new_key(folder.path(), "c3", &[]);
        let said = refused(&output);
        assert!(said.contains("is there already, and stays as it is") && said.contains(option), "{said}");
        assert_eq!(fs::read(path).expect("still there"), b"precious");
        assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 1, "something was written");
        fs::remove_file(path).expect("a file");
    }
    // A link that leads nowhere is a file, too: writing through it would put the key where somebody else wants it.
    std::os::unix::fs::symlink("/tmp/there/is/no/such", &key).expect("a link");
    assert!(refused(&new_key(folder.path(), "c3", &[])).contains("is there already"));
    fs::write(&csr, "old").expect("a file");
    done(&new_key(folder.path(), "c3", &["--force"]));
    assert!(fs::symlink_metadata(&key).expect("a key").is_file());
    assert_eq!(mode(&key), 0o600);
    assert_request(&csr, "c3", &public_half(&key));
}

#[test]
fn files_go_where_they_are_wanted_or_it_is_said_why_not() {
    let folder = folder();
    let path = |name: &str| folder.path().join(name).to_str().expect("UTF-8").to_owned();
    done(&new_key(folder.path(), "c3", &["--key", &path("a.pem"), "--csr", &path("b.csr")]));
    assert_request(&folder.path().join("b.csr"), "c3", &public_half(&folder.path().join("a.pem")));
    let nowhere = path("no/such/key.pem");
    let output = new_key(folder.path(), "c3", &["--key", &nowhere]);
    assert!(refused(&output).contains(&format!("{nowhere}: No such file")), "{}", text(&output.stderr));
    assert!(!folder.path().join("c3.csr").exists(), "a request without its key");
    assert!(
        refused(&new_key(folder.path(), "c3", &["--key", "x", "--csr", "x"])).contains("--csr: expected another file")
    );
}
