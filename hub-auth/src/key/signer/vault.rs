//! A key in the Transit engine of HashiCorp Vault or OpenBao. Its requests and answers are read and written by the filter's own code for
//! signatures of tokens; what differs is the padding.

use std::io::{self, Write};
use std::path::PathBuf;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hub_auth_filter::facade::callout::{Answer, Request};
use hub_auth_filter::facade::config::{Config, Direction, Signer as Configured};
use hub_auth_filter::facade::rsa::RsaPublicKey;
use hub_auth_filter::facade::signing::{Asked, RemoteSigner as _, VaultTransit};
use hub_auth_filter::facade::time::UnixTime;
use serde_json::{Map, Value, json};

use super::{Signer, secret};
use crate::arguments::NewKey;
use crate::callouts;
use crate::jwks::printable;

/// Where the settings of the signer stand in a configuration of the filter.
const SETTINGS: &str = "outbound.remote_signer.vault_transit.";

/// How long one request may take. Making a key takes longer than signing with it.
const TIMEOUT: Duration = Duration::from_secs(10);

pub(super) struct VaultKey {
    place: String,
    transit: VaultTransit,
    ca: Option<PathBuf>,
    version: u32,
    public_key: RsaPublicKey,
}

fn asked() -> Asked<'static> {
    Asked { now: UnixTime::EPOCH, timeout: TIMEOUT, token: None }
}

/// The newest version of the key at an address as Vault's API writes it, `https://HOST/v1/MOUNT/keys/KEY`.
pub(super) fn open(url: &str, arguments: &NewKey, notes: &mut dyn Write) -> io::Result<VaultKey> {
    let transit = settings(url, arguments, notes)?;
    let ca = arguments.ca.clone();
    let request = transit.key_request(&asked());
    let (mut answer, mut trouble) = callouts::make(&request, ca.as_deref());
    if status(&answer) == Some(404) && arguments.generate {
        let body = json!({ "type": "rsa-2048" }).to_string().into_bytes();
        let (made, trouble_making) =
            callouts::make(&Request { method: "POST", body, ..request.clone() }, ca.as_deref());
        if let Some(trouble) = trouble_making {
            return Err(io::Error::other(format!(
                "the key was not made: {}",
                explained(&trouble, hint(&transit, &made))
            )));
        }
        writeln!(notes, "Made the key {}.", printable(url))?;
        (answer, trouble) = callouts::make(&request, ca.as_deref());
    }
    if let Some(trouble) = trouble {
        let is_missing = status(&answer) == Some(404);
        let more = if is_missing { ". --generate makes it where the mount is there" } else { "" };
        return Err(io::Error::other(format!("{}{more}", explained(&trouble, hint(&transit, &answer)))));
    }
    let failed = |what: &dyn std::fmt::Display| io::Error::other(format!("{}: {what}", printable(url)));
    let keys = answer.complete().map_err(|error| failed(&error))?;
    let keys = transit.read_keys(keys).map_err(|error| failed(&error))?;
    let newest = keys.into_iter().max_by_key(|(version, _)| *version);
    let (version, public_key) = newest.ok_or_else(|| failed(&"expected a key with versions, got none"))?;
    Ok(VaultKey { place: printable(url), transit, ca, version, public_key })
}

/// The filter's own settings of a signer, with what the options say.
fn settings(url: &str, arguments: &NewKey, notes: &mut dyn Write) -> io::Result<VaultTransit> {
    let parts = url.split_once("/v1/").and_then(|(address, path)| Some((address, path.rsplit_once("/keys/")?)));
    let (address, (mount, key)) = parts.ok_or_else(|| {
        io::Error::other("--signer: expected https://HOST/v1/MOUNT/keys/KEY of Vault Transit, got another address")
    })?;
    let token = secret(arguments.token_file.as_deref(), &["VAULT_TOKEN", "BAO_TOKEN"])?;
    let token = token.ok_or_else(|| {
        io::Error::other(
            "expected Vault's token in the variable VAULT_TOKEN or BAO_TOKEN, or in a file with --token-file, got none",
        )
    })?;
    let mut signer = Map::new();
    for (name, value) in [("address", address), ("mount", mount), ("key", key), ("kid", "-")] {
        signer.insert(name.to_owned(), json!(value));
    }
    signer.insert("token".to_owned(), json!({ "env": "TOKEN" }));
    if let Some(namespace) = &arguments.namespace {
        signer.insert("namespace".to_owned(), json!(namespace));
    }
    let text = json!({ "outbound": {
        "audience": "-",
        "certificate": { "organisation": "-", "organisational_unit": "-" },
        "remote_signer": { "vault_transit": signer },
    } });
    let config = Config::parse_with(text.to_string().as_bytes(), &[], &|_| Some(token.expose().to_owned()));
    let config = config.map_err(|errors| {
        let lines = errors.iter().map(|error| format!("{}: {}", option(error.path()), error.problem()));
        io::Error::other(lines.collect::<Vec<_>>().join("; "))
    })?;
    for warning in config.warnings() {
        writeln!(notes, "{}", warning.replace(SETTINGS, "--signer: "))?;
    }
    match config.direction {
        Direction::Outbound(outbound) => match outbound.signing.signer {
            Configured::VaultTransit(settings) => Ok(VaultTransit::new(*settings)),
            _ => Err(io::Error::other("expected Vault Transit, got another signer")),
        },
        Direction::Inbound(_) => Err(io::Error::other("expected a remote signer, got none")),
    }
}

/// The option that a setting comes from.
fn option(path: &str) -> String {
    match path.strip_prefix(SETTINGS).unwrap_or(path) {
        "namespace" => "--namespace".to_owned(),
        path if path.starts_with("token") => "the token of Vault".to_owned(),
        path => format!("--signer, {path}"),
    }
}

fn status(answer: &Answer) -> Option<u16> {
    answer.complete().err().and_then(hub_auth_filter::facade::callout::CalloutError::status)
}

fn hint(transit: &VaultTransit, answer: &Answer) -> Option<&'static str> {
    status(answer).and_then(|status| transit.key_hint(status))
}

fn explained(trouble: &str, hint: Option<&str>) -> String {
    let trouble = printable(trouble);
    hint.map_or_else(|| trouble.clone(), |hint| format!("{trouble} ({hint})"))
}

impl Signer for VaultKey {
    fn place(&self) -> String {
        self.place.clone()
    }

    fn public_key(&self) -> &RsaPublicKey {
        &self.public_key
    }

    fn sign(&self, message: &[u8]) -> io::Result<Vec<u8>> {
        let failed = |what: &dyn std::fmt::Display| io::Error::other(format!("{}: {what}", self.place));
        let mut request = self.transit.request("", &asked());
        let mut body: Map<String, Value> = serde_json::from_slice(&request.body).map_err(|error| failed(&error))?;
        body.insert("input".to_owned(), json!(STANDARD.encode(message)));
        body.insert("signature_algorithm".to_owned(), json!("pkcs1v15"));
        body.insert("key_version".to_owned(), json!(self.version));
        body.remove("salt_length");
        request.body = Value::Object(body).to_string().into_bytes();
        let (answer, trouble) = callouts::make(&request, self.ca.as_deref());
        if let Some(trouble) = trouble {
            let hint = status(&answer).and_then(|status| self.transit.hint(status));
            return Err(io::Error::other(explained(&trouble, hint)));
        }
        let signature = self.transit.read(answer.complete().map_err(|error| failed(&error))?);
        Ok(signature.map_err(|error| failed(&error))?.bytes)
    }
}
