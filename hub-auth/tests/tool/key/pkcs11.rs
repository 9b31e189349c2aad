//! Keys in SoftHSM, a hardware security module in software: `make softhsm`, or the folder that `SOFTHSM` names.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use wasm_tests::stage::softhsm::{PIN, Softhsm};

use super::{CLIENT_ID, ORGANISATION, ORGANISATION_ID, assert_request, done, refused};
use crate::{command, text};

/// A module with a token.
struct Token(Softhsm);

impl Token {
    fn new() -> Self {
        Self(Softhsm::new())
    }

    fn uri(&self, path: &str) -> String {
        self.0.uri_of(path)
    }

    fn new_key_with(&self, uri: &str, purpose: &str, pin: &str, arguments: &[&str]) -> Output {
        let mut all =
            vec!["key", "new", "--type", purpose, "--organisation", ORGANISATION, "--organisation-id", ORGANISATION_ID];
        if purpose != "s4" {
            all.extend(["--client-id", CLIENT_ID]);
        }
        all.extend(["--signer", uri, "--force"]);
        all.extend(arguments);
        self.0.in_environment(command(&all).env("HUB_AUTH_PIN", pin)).output().expect("the tool starts")
    }

    fn new_key(&self, path: &str, purpose: &str, arguments: &[&str]) -> Output {
        self.new_key_with(&self.uri(path), purpose, PIN, arguments)
    }

    fn csr(&self, purpose: &str) -> PathBuf {
        self.0.folder().join(format!("{purpose}.csr"))
    }

    /// Puts a key there that was made elsewhere.
    fn import(&self, label: &str, id: &str, algorithm: &[&str]) -> String {
        let pem = self.0.folder().join("import.pem");
        let path = pem.to_str().expect("UTF-8");
        crate::openssl::told(&[&["genpkey", "-out", path], algorithm].concat());
        self.0.import(&pem, label, id);
        let public = crate::openssl::public_half(&pem);
        fs::remove_file(&pem).expect("a file");
        public
    }
}

const RSA: [&str; 4] = ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"];

fn public_key_of(csr: &Path) -> String {
    crate::openssl::told(&["req", "-in", csr.to_str().expect("UTF-8"), "-noout", "-pubkey"])
}

#[test]
fn a_key_that_is_there_signs_the_request_of_each_type() {
    let token = Token::new();
    let public_key = token.import("bank", "0a1b", &RSA);
    for (purpose, path) in
        [("c3", "token=hub;object=bank"), ("s4", "token=hub;object=bank;type=private"), ("sig4", "token=hub;id=%0A%1b")]
    {
        let output = token.new_key(path, purpose, &[]);
        let said = done(&output);
        assert!(said.contains("The key:      pkcs11:token=hub;"), "{said}");
        assert_request(&token.csr(purpose), purpose, &public_key);
        let notes = text(&output.stderr);
        assert_eq!(notes.contains("hub-auth signer signs with this key for the filter"), purpose == "sig4", "{notes}");
    }
    // The only token is found without its name.
    done(&token.new_key("object=bank", "c3", &[]));
}

#[test]
fn a_key_is_made_there_once_if_that_is_wanted() {
    let token = Token::new();
    let path = "token=hub;object=c3";
    assert!(
        refused(&token.new_key(path, "c3", &[])).contains("the token has no such private key. --generate makes it")
    );
    let output = token.new_key(path, "c3", &["--generate"]);
    done(&output);
    assert!(text(&output.stderr).contains("Made the key pkcs11:token=hub;object=c3."), "{}", text(&output.stderr));
    let public_key = public_key_of(&token.csr("c3"));
    assert_request(&token.csr("c3"), "c3", &public_key);
    let output = token.new_key(path, "c3", &["--generate"]);
    done(&output);
    assert_eq!(text(&output.stderr), "");
    assert_request(&token.csr("c3"), "c3", &public_key);
    assert!(!token.0.folder().join("c3-key.pem").exists());
}

#[test]
fn the_pin_comes_from_a_file_too() {
    let token = Token::new();
    token.import("bank", "01", &RSA);
    let pin = token.0.folder().join("pin");
    fs::write(&pin, format!("{PIN}\n")).expect("a file");
    let pin = pin.to_str().expect("UTF-8");
    done(&token.new_key_with(&token.uri("object=bank"), "c3", "", &["--pin-file", pin]));
    done(&token.new_key_with(&format!("{}&pin-source=file:{pin}", token.uri("object=bank")), "c3", "", &[]));
}

#[test]
fn what_is_wrong_with_a_module_a_token_a_pin_or_a_key_is_said() {
    let token = Token::new();
    token.0.init("other");
    token.import("twice", "01", &RSA);
    token.import("twice", "02", &RSA);
    token.import("small", "03", &["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:1024"]);
    token.import("large", "04", &["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:3072"]);
    token.import("curve", "05", &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"]);
    let text_file = token.0.folder().join("softhsm2.conf");
    for (uri, pin, expected) in [
        (
            token.uri("token=hub;object=twice"),
            "",
            "expected the PIN in the variable HUB_AUTH_PIN, or in a file with --pin-file",
        ),
        (token.uri("token=hub;object=twice"), "wrong-pin", "the PIN is wrong"),
        (token.uri("token=hub;object=twice"), "1", "the PIN is"),
        (token.uri("token=hub;object=twice"), PIN, "expected one private key, got several"),
        (token.uri("token=hub;object=none"), PIN, "the token has no such private key"),
        (token.uri("token=hub;object=small"), PIN, "expected an RSA key of 2048 bits, got another"),
        (
            token.uri("token=hub;object=large"),
            PIN,
            "expected an RSA key of 2048 bits, as the Trust Framework demands, got one of 3072",
        ),
        (token.uri("token=hub;object=curve"), PIN, "expected an RSA key of 2048 bits, got another"),
        (token.uri("token=none;object=twice"), PIN, "the module has no such token"),
        (token.uri("object=twice"), PIN, "expected one token, got several"),
        (
            "pkcs11:object=a?module-path=/there/is/no/such.so".to_owned(),
            PIN,
            "/there/is/no/such.so: the module cannot be loaded",
        ),
        (format!("pkcs11:object=a?module-path={}", text_file.display()), PIN, "the module cannot be loaded"),
        ("pkcs11:object=a".to_owned(), PIN, "--signer: expected ?module-path="),
        (format!("{}&pin-value={PIN}", token.uri("object=a")), "", "pin-value: expected none"),
    ] {
        let output = token.new_key_with(&uri, "s4", pin, &["--dns-name", "oc.bank.example"]);
        let said = refused(&output);
        assert!(said.contains(expected) && !said.contains(PIN), "{expected}: {said}");
        assert!(!token.csr("s4").exists());
    }
}
