//! OpenSSL's opinion, which shares no code with the tool.

use std::path::Path;
use std::process::{Command, Output};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::text;

/// What OpenSSL says with these arguments.
pub(crate) fn run(arguments: &[&str]) -> Output {
    Command::new("openssl").args(arguments).output().expect("openssl")
}

/// What it prints, if it is content.
pub(crate) fn told(arguments: &[&str]) -> String {
    let output = run(arguments);
    assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
    text(&output.stdout).to_owned()
}

/// Demands that a token is signed as PS256 is, by the key with this public half in PEM.
#[track_caller]
pub(crate) fn assert_signed(token: &str, public_key: &str) {
    let folder = tempfile::tempdir().expect("a folder");
    let file = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).expect("a file");
        path.to_str().expect("UTF-8").to_owned()
    };
    let (signed, signature) = token.rsplit_once('.').expect("a token");
    let signature = URL_SAFE_NO_PAD.decode(signature).expect("base64url");
    let (key, signature, signed) =
        (file("key.pem", public_key.as_bytes()), file("signature", &signature), file("signed", signed.as_bytes()));
    let padding = ["-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:32", "-sigopt", "rsa_mgf1_md:sha256"];
    let mut arguments = vec!["dgst", "-sha256", "-verify", &key, "-signature", &signature];
    arguments.extend(padding);
    arguments.push(&signed);
    assert!(told(&arguments).contains("Verified OK"));
}

/// The public half of a private key in a file, PEM.
pub(crate) fn public_half(private_key: &Path) -> String {
    told(&["pkey", "-in", private_key.to_str().expect("UTF-8"), "-pubout"])
}

/// SHA-256 in hexadecimal.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), bytes).expect("a file");
    let told = told(&["dgst", "-sha256", "-r", file.path().to_str().expect("UTF-8")]);
    told.split(' ').next().expect("a digest").to_owned()
}
