//! Which keys it signs with, and what it says of options and files that are wrong.

use std::fs;
use std::path::PathBuf;
use std::process::{Output, Stdio};
use std::time::{Duration, Instant};

use wasm_tests::stage::module_signer::{self, ModuleSigner, Secrets};
use wasm_tests::stage::softhsm::{PIN, Softhsm};

use super::{LABEL, module, sign, tool};
use crate::text;

/// What it says with this key and these arguments, when it does not start.
fn refused(module: &Softhsm, key: &str, arguments: &[&str]) -> String {
    let mut command = module_signer::command(tool(), module, &Secrets::of(module));
    let running = command.args(["--key", key]).args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut running = running.expect("the tool starts");
    let started = Instant::now();
    while running.try_wait().expect("a child process").is_none() && started.elapsed() < PATIENCE {
        std::thread::sleep(Duration::from_millis(10));
    }
    // One that serves would not end by itself.
    let _ = running.kill();
    said(&running.wait_with_output().expect("what it says"))
}

fn said(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(2), "{} {}", text(&output.stdout), text(&output.stderr));
    let all = format!("{}{}", text(&output.stdout), text(&output.stderr));
    assert!(!all.contains(PIN), "{all}");
    all
}

/// How long it may take to say what is wrong.
const PATIENCE: Duration = Duration::from_secs(20);

const SOMEWHERE: [&str; 2] = ["--listen", "127.0.0.1:0"];

/// The objects of a token, with this attribute of each changed to true or false where it is the other: SoftHSM writes a type, that it is
/// a truth value, and the value.
fn set(module: &Softhsm, attribute: u64, value: bool) {
    let mut changed = 0;
    let tokens = fs::read_dir(module.tokens()).expect("a folder").map(|token| token.expect("a token").path());
    let objects = tokens.flat_map(|token| fs::read_dir(token).expect("a token"));
    let paths: Vec<PathBuf> = objects.map(|object| object.expect("an object").path()).collect();
    for path in paths.iter().filter(|path| path.extension().is_some_and(|extension| extension == "object")) {
        let mut bytes = fs::read(path).expect("an object");
        let pattern = [attribute.to_be_bytes(), 1_u64.to_be_bytes()].concat();
        let at = bytes.windows(pattern.len()).position(|window| window == pattern);
        let Some(at) = at.map(|at| at + pattern.len()) else { continue };
        if (bytes[at] != 0) != value {
            bytes[at] = if value { 0xff } else { 0 };
            fs::write(path, bytes).expect("an object");
            changed += 1;
        }
    }
    assert!(changed > 0, "no object has the attribute {attribute:#x} otherwise");
}

const CKA_SENSITIVE: u64 = 0x103;
const CKA_SIGN: u64 = 0x108;
const CKA_EXTRACTABLE: u64 = 0x162;

#[tokio::test]
async fn a_key_that_can_leave_its_token_does_not_sign_unless_that_is_said() {
    for (attribute, value, name) in
        [(CKA_EXTRACTABLE, true, "CKA_EXTRACTABLE is true"), (CKA_SENSITIVE, false, "CKA_SENSITIVE is false")]
    {
        let module = module();
        set(&module, attribute, value);
        let said = refused(&module, &module.uri(LABEL), &SOMEWHERE);
        assert!(said.contains("expected a private key that never leaves the token") && said.contains(name), "{said}");
        let signer = ModuleSigner::on_port(tool(), &module, LABEL, &["--allow-extractable"]).await;
        assert_eq!(sign(&signer).await.status, 200);
        let warnings = signer.events("warning");
        assert!(warnings[0]["reason"].as_str().is_some_and(|text| text.contains(name)), "{warnings:?}");
    }
}

#[tokio::test]
async fn a_key_that_was_made_elsewhere_signs_and_that_is_said() {
    let module = Softhsm::new();
    let pem = module.folder().join("key.pem");
    crate::openssl::told(&[
        "genpkey",
        "-algorithm",
        "RSA",
        "-pkeyopt",
        "rsa_keygen_bits:3072",
        "-out",
        pem.to_str().expect("UTF-8"),
    ]);
    module.import(&pem, LABEL, "01");
    let signer = ModuleSigner::on_port(tool(), &module, LABEL, &[]).await;
    let warnings = signer.events("warning");
    assert!(
        warnings[0]["reason"].as_str().is_some_and(|text| text.contains("there may be copies of it")),
        "{warnings:?}"
    );
    assert_eq!(signer.public_key().await, crate::openssl::public_half(&pem));
    assert_eq!(sign(&signer).await.status, 200);
}

#[test]
fn a_key_that_cannot_sign_so_is_refused() {
    let module = module();
    set(&module, CKA_SIGN, false);
    assert!(refused(&module, &module.uri(LABEL), &SOMEWHERE).contains("the key may not sign"));
    let module = Softhsm::new();
    let import = |label: &str, id: &str, algorithm: &[&str]| {
        let pem = module.folder().join("key.pem");
        crate::openssl::told(&[&["genpkey", "-out", pem.to_str().expect("UTF-8")], algorithm].concat());
        module.import(&pem, label, id);
    };
    import("curve", "01", &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"]);
    import("small", "02", &["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:1024"]);
    import("twice", "03", &["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"]);
    import("twice", "04", &["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"]);
    for (label, expected) in [
        ("curve", "expected an RSA key of 2048 to 4096 bits"),
        ("small", "expected an RSA key of 2048 to 4096 bits"),
        ("twice", "expected one private key, got several"),
        ("none", "the token has no such private key"),
    ] {
        let said = refused(&module, &module.uri(label), &SOMEWHERE);
        assert!(said.contains(expected), "{label}: {said}");
    }
}

#[test]
fn what_is_wrong_with_options_and_files_is_said() {
    let module = module();
    let key = module.uri(LABEL);
    for (key, arguments, expected) in [
        (key.clone(), ["--listen", "0.0.0.0:8210"], "expected 127.0.0.1:PORT"),
        (key.clone(), ["--listen", "unix:socket"], "expected 127.0.0.1:PORT"),
        (key.clone(), ["--listen", "unix:/there/is/no/socket"], "/there/is/no/socket"),
        ("sig4".to_owned(), SOMEWHERE, "--key: expected pkcs11:"),
        (key.replace("token=hub;", "pin-value=1;"), SOMEWHERE, "pin-value: expected none"),
        ("pkcs11:object=sig4?module-path=libsofthsm2.so".to_owned(), SOMEWHERE, "expected a path from the root"),
        ("pkcs11:object=sig4?module-path=/no/such.so".to_owned(), SOMEWHERE, "the module cannot be loaded"),
    ] {
        let said = refused(&module, &key, &arguments);
        assert!(said.contains(expected), "{key} {arguments:?}: {said}");
    }
    let with = |arguments: &[&str]| {
        let mut command = crate::command(&["signer", "--key", &key]);
        module.in_environment(command.env("HUB_AUTH_PIN", PIN)).args(arguments).output().expect("the tool starts")
    };
    assert!(said(&with(&SOMEWHERE)).contains("expected --pin-file"), "a variable is no place for a PIN");
    let secrets = Secrets::of(&module);
    let pin = ["--pin-file", secrets.pin.to_str().expect("UTF-8")];
    assert!(said(&with(&[SOMEWHERE, pin].concat())).contains("expected --client-token-file"));
    assert!(!text(&with(&["--pin", PIN]).stderr).contains(PIN), "nor is the command line");
}

/// As systemd hands them over.
#[tokio::test]
async fn pin_and_client_token_come_from_the_directory_of_credentials_too() {
    let module = module();
    let secrets = Secrets::of(&module);
    let credentials = module.folder().join("credentials");
    fs::create_dir(&credentials).expect("a folder");
    fs::rename(secrets.pin, credentials.join("pin")).expect("a file");
    fs::rename(secrets.client_token, credentials.join("client-token")).expect("a file");
    let mut command = crate::command(&["signer", "--key", &module.uri(LABEL), "--listen", "127.0.0.1:0"]);
    module.in_environment(command.env("CREDENTIALS_DIRECTORY", &credentials));
    let signer = ModuleSigner::start(command, module.folder()).await;
    assert_eq!(sign(&signer).await.status, 200);
}
