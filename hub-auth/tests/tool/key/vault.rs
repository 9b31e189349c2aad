//! Keys in a real OpenBao.

use std::fs;
use std::path::Path;
use std::process::Output;

use wasm_tests::stage::openbao::{KEY, OpenBao};
use wasm_tests::stage::pki::Pki;

use super::{CLIENT_ID, ORGANISATION, ORGANISATION_ID, assert_request, done, folder, refused};
use crate::{command, text};

/// What the tool says that was called in this folder, with Vault's token in the variable that Vault's own program has for it.
fn new_key(folder: &Path, purpose: &str, signer: &str, token: &str, arguments: &[&str]) -> Output {
    let mut all =
        vec!["key", "new", "--type", purpose, "--organisation", ORGANISATION, "--organisation-id", ORGANISATION_ID];
    all.extend(["--client-id", CLIENT_ID, "--signer", signer]);
    all.extend(arguments);
    command(&all).env("VAULT_TOKEN", token).current_dir(folder).output().expect("the tool starts")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_in_vault_signs_its_request_and_why_not_is_said() {
    let (pki, folder) = (Pki::shared(), folder());
    fs::write(folder.path().join("ca.pem"), pki.public_roots()).expect("a file");
    let bao_folder = tempfile::tempdir().expect("a folder");
    let mut bao = OpenBao::start(pki, bao_folder.path()).await;
    let ca: &[&str] = &["--ca", "ca.pem", "--force"];
    let keys = format!("https://{}/v1/transit/keys", bao.address());
    let signer = format!("{keys}/{KEY}");
    let (transit, root) = (bao.transit(), bao.root_token().to_owned());
    let gateway = transit.token(3600).await;
    let csr = |purpose: &str| folder.path().join(format!("{purpose}.csr"));

    // The token of the gateway has all rights that are needed.
    for purpose in ["c3", "s4", "sig4"] {
        let output = new_key(folder.path(), purpose, &signer, &gateway, ca);
        let said = done(&output);
        assert!(said.contains(&format!("The key:      {signer}\n")), "{said}");
        assert_request(&csr(purpose), purpose, &transit.public_key(1).await);
    }
    assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 4, "a private key was written");

    // After a rotation the request is for what signs from now on.
    transit.rotate().await;
    done(&new_key(folder.path(), "sig4", &signer, &gateway, ca));
    assert_request(&csr("sig4"), "sig4", &transit.public_key(2).await);

    let without = |arguments: &[&'static str]| [ca, arguments].concat();
    let explain = |signer: &str, token: &str, arguments: &[&'static str], expected: &[&str]| {
        let output = new_key(folder.path(), "sig4", signer, token, &without(arguments));
        let said = refused(&output);
        for expected in expected {
            assert!(said.contains(expected), "{expected}: {said}");
        }
        assert!(!said.contains(token), "the token is printed: {said}");
    };
    let missing = format!("{keys}/new");
    explain(
        &missing,
        &root,
        &[],
        &["keys/new: 404", "there is no such key, mount or namespace", "--generate makes it"],
    );
    explain(&missing, &gateway, &["--generate"], &["403", "permission denied"]);
    let output = new_key(folder.path(), "sig4", &missing, &root, &without(&["--generate"]));
    done(&output);
    assert!(text(&output.stderr).contains(&format!("Made the key {missing}.")), "{}", text(&output.stderr));
    let made = fs::read(csr("sig4")).expect("a request");
    // Now that it is there it is used.
    let output = new_key(folder.path(), "sig4", &missing, &root, &without(&["--generate"]));
    done(&output);
    assert_eq!((text(&output.stderr), fs::read(csr("sig4")).expect("a request")), ("", made));

    explain(&signer, "s.wrong", &[], &["403: permission denied", "the token is invalid, expired"]);
    explain(&format!("https://{}/v1/secret", bao.address()), &root, &[], &["expected https://HOST/v1/MOUNT/keys/KEY"]);
    explain(
        &format!("https://{}/v1/transit/keys/a%20b", bao.address()),
        &root,
        &[],
        &["--signer, key: expected the name of a key"],
    );
    transit.replace_key("ecdsa-p256").await;
    explain(&signer, &root, &[], &["not an RSA key of 2048 to 4096 bits"]);
    transit.replace_key("rsa-4096").await;
    explain(
        &signer,
        &root,
        &[],
        &["expected an RSA key of 2048 bits, as the Trust Framework demands, got one of 4096"],
    );
    bao.seal().await;
    explain(&signer, &root, &[], &["503: Vault is sealed"]);
    bao.stop();
    explain(&signer, &root, &[], &[&format!("GET {signer}: "), "refused"]);
}

#[test]
fn the_token_of_vault_comes_from_a_file_or_a_variable_and_what_is_wrong_with_it_is_said() {
    let folder = folder();
    for (name, content) in [("empty", ""), ("lines", "s3cret\ns3cret\n"), ("bad", "s3 cret\n")] {
        fs::write(folder.path().join(name), content).expect("a file");
    }
    let signer = "https://127.0.0.1:1/v1/transit/keys/sig4";
    for (token, arguments, expected) in [
        ("", &[][..], "the variable VAULT_TOKEN or BAO_TOKEN, or in a file with --token-file"),
        ("", &["--token-file", "none"], "none: No such file"),
        ("", &["--token-file", "empty"], "empty: expected one line"),
        ("", &["--token-file", "lines"], "lines: expected one line"),
        ("", &["--token-file", "bad"], "the token of Vault: expected a token of 1 to 4096 visible ASCII characters"),
        ("s3cret", &["--namespace", "a b"], "--namespace: expected a namespace"),
        ("s3cret", &["--ca", "none"], "none: No such file"),
        ("s3cret", &[], "GET https://127.0.0.1:1/v1/transit/keys/sig4: "),
    ] {
        let output = new_key(folder.path(), "sig4", signer, token, arguments);
        let said = refused(&output);
        assert!(said.contains(expected) && !said.contains("s3cret"), "{expected}: {said}");
    }
    // Whoever is on the way could read the token.
    let output = new_key(folder.path(), "sig4", "http://vault.invalid/v1/transit/keys/sig4", "s3cret", &[]);
    let said = refused(&output);
    assert!(said.contains("--signer: address: with http:// everybody on the way can read the token"), "{said}");
    assert!(said.contains("http://vault.invalid/v1/transit/keys/sig4: ") && !said.contains("s3cret"), "{said}");
}
