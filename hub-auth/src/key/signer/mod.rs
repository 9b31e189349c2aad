//! Who signs a request: a key that is made here, one in Vault Transit, or one in a hardware security module.

mod local;
#[cfg(feature = "pkcs11")]
mod pkcs11;
mod vault;

use std::io::{self, Write};
use std::path::Path;
use std::{env, fs};

use hub_auth_filter::facade::config::Secret;
use hub_auth_filter::facade::rsa::RsaPublicKey;

use crate::arguments::NewKey;

/// An RSA key that signs.
pub(super) trait Signer {
    /// Where it is, for people.
    fn place(&self) -> String;

    /// Its public half.
    fn public_key(&self) -> &RsaPublicKey;

    /// The signature of a message as `sha256WithRSAEncryption`. Nobody has verified it.
    fn sign(&self, message: &[u8]) -> io::Result<Vec<u8>>;
}

/// A key that can be used.
pub(super) struct Opened {
    pub(super) signer: Box<dyn Signer>,
    /// What is to be written of it, PEM, if it was made here.
    pub(super) private_key: Option<Secret>,
}

/// The key that the options name, or a new one.
///
/// # Errors
/// It cannot be reached, is not there, or is of another kind.
pub(super) fn open(arguments: &NewKey, notes: &mut dyn Write) -> io::Result<Opened> {
    let Some(signer) = &arguments.signer else {
        let (signer, pem) = local::generate()?;
        return Ok(Opened { signer: Box::new(signer), private_key: Some(pem) });
    };
    let signer = if signer.starts_with("https://") || signer.starts_with("http://") {
        Box::new(vault::open(signer, arguments, notes)?)
    } else if let Some(uri) = signer.strip_prefix("pkcs11:") {
        of_module(uri, arguments, notes)?
    } else {
        return Err(io::Error::other(
            "--signer: expected https://HOST/v1/MOUNT/keys/KEY of Vault Transit, or pkcs11:…, got another text",
        ));
    };
    Ok(Opened { signer, private_key: None })
}

#[cfg(feature = "pkcs11")]
fn of_module(uri: &str, arguments: &NewKey, notes: &mut dyn Write) -> io::Result<Box<dyn Signer>> {
    let uri = crate::pkcs11::KeyUri::parse(uri).map_err(|problem| io::Error::other(format!("--signer: {problem}")))?;
    let pin = secret(arguments.pin_file.as_deref().or(uri.pin_file.as_deref()), &["HUB_AUTH_PIN"])?;
    Ok(Box::new(pkcs11::open(&uri, pin.as_ref(), arguments.generate, notes)?))
}

#[cfg(not(feature = "pkcs11"))]
fn of_module(_: &str, _: &NewKey, _: &mut dyn Write) -> io::Result<Box<dyn Signer>> {
    Err(io::Error::other(
        "--signer: this hub-auth was built without PKCS#11, because a static program can load no modules: use another build of it",
    ))
}

/// The text of a secret: in a file, without the end of its line, or in one of these variables. `None` if none is set.
///
/// # Errors
/// The file cannot be read, or is empty.
fn secret(file: Option<&Path>, variables: &[&str]) -> io::Result<Option<Secret>> {
    let Some(path) = file else {
        let mut values = variables.iter().filter_map(|name| env::var(name).ok()).filter(|value| !value.is_empty());
        return Ok(values.next().map(Secret::new));
    };
    let failed = |what: &dyn std::fmt::Display| io::Error::other(format!("{}: {what}", path.display()));
    let text = Secret::new(fs::read_to_string(path).map_err(|error| failed(&error))?);
    let line = text.expose().trim_end_matches(['\r', '\n']);
    if line.is_empty() || line.contains('\n') {
        return Err(failed(&"expected one line, got none or several"));
    }
    Ok(Some(Secret::new(line)))
}
