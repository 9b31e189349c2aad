//! `hub-auth token`: the token that the filter would put onto a request to the Hub, minted by the filter's own code.

mod curl;

use std::io::{self, Write};
use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::rand;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hub_auth_filter::facade::config::{Config, Direction, Signer, Signing};
use hub_auth_filter::facade::gateway::GatewayKind;
use hub_auth_filter::facade::time::UnixTime;
use hub_auth_filter::facade::trial::{Minted, Minting, NotMinted};
use serde_json::{Value, json};

use crate::arguments::{Format, Token};
use crate::callouts;
use crate::configured::{self, Configured};
use crate::environment::Environment;
use crate::jwks::printable;

/// Mints a token and prints it to `output`, and to `notes` what there is to know of it.
///
/// # Errors
/// The configuration cannot be read or is not complete here, nobody signs, or writing fails.
pub(crate) fn mint(arguments: &Token, output: &mut dyn Write, notes: &mut dyn Write) -> io::Result<()> {
    let url = match &arguments.curl {
        Some(given) => Some(curl::url(given.as_deref(), &arguments.config)?),
        None => None,
    };
    let config = chosen(arguments)?;
    let signing = signing_of(&config).cloned();
    let signing = signing.ok_or_else(|| io::Error::other("expected an outbound configuration, got another"))?;
    let (minted, troubles) = mint_with(config, arguments)?;
    for trouble in troubles.iter().chain(&minted.told) {
        writeln!(notes, "{}", printable(trouble))?;
    }
    let [header, claims] = [0, 1].map(|index| part(&minted.token, index));
    writeln!(notes, "{}", said(&signing, &header, &claims))?;
    let command = url.map(|url| curl::command(&minted.token, &url));
    match (arguments.format, command) {
        (Format::Human, None) => writeln!(output, "{}", minted.token),
        (Format::Human, Some(command)) => writeln!(output, "{command}"),
        (Format::Json, command) => {
            let record: Value = serde_json::from_str(&minted.record).unwrap_or_default();
            let signer = record.get("signer");
            let token = &minted.token;
            let all = json!({ "token": token, "header": header, "claims": claims, "signer": signer, "curl": command });
            writeln!(output, "{all:#}")
        }
    }
}

/// The configuration to mint with.
fn chosen(arguments: &Token) -> io::Result<Config> {
    let failed = |what: String| io::Error::other(format!("{}: {what}", arguments.config.display()));
    let environment = Environment::of(arguments.env_file.as_deref())?;
    let mut found = configured::in_file(&arguments.config, "outbound", &environment)?;
    let first = found.first().ok_or_else(|| {
        failed(
            "expected a configuration with \"outbound\", got none: tokens are minted for requests to the Hub"
                .to_owned(),
        )
    })?;
    let is_same = |other: &Configured| signing_of(&other.config) == signing_of(&first.config);
    let index = match arguments.number {
        Some(number) => usize::from(number).saturating_sub(1),
        None if found.iter().all(is_same) => 0,
        None => return Err(failed(format!("expected --number with one of these, got none:{}", list(&found)))),
    };
    if index >= found.len() {
        return Err(failed(format!("expected --number with one of these, got another:{}", list(&found))));
    }
    let Configured { config, unset, .. } = found.swap_remove(index);
    let names = Vec::from_iter(unset).join(", ");
    if names.is_empty() {
        return Ok(config);
    }
    let (verb, them) = if names.contains(',') { ("are", "them") } else { ("is", "it") };
    Err(failed(format!("{names} {verb} not set here: set {them}, or name a file with --env-file")))
}

fn list(found: &[Configured]) -> String {
    let audience =
        |one: &Configured| signing_of(&one.config).map(|signing| signing.audience.clone()).unwrap_or_default();
    let lines = found.iter().enumerate().map(|(index, one)| {
        format!("\n  {}: line {}, audience \"{}\"", index.saturating_add(1), one.line, audience(one))
    });
    lines.collect()
}

fn signing_of(config: &Config) -> Option<&Signing> {
    match &config.direction {
        Direction::Outbound(outbound) => Some(&outbound.signing),
        Direction::Inbound(_) => None,
    }
}

/// Mints a token, and tells what went wrong on the way to a remote signer.
fn mint_with(config: Config, arguments: &Token) -> io::Result<(Minted, Vec<String>)> {
    let mut random = [0; 32];
    rand::fill(&mut random).map_err(|_| io::Error::other("the system gives no random numbers"))?;
    // What gateways differ in decides on no token.
    let capabilities = GatewayKind::Envoy.capabilities(None, false);
    let minting = Minting::new(config, &capabilities)
        .ok_or_else(|| io::Error::other("expected an outbound configuration, got another"))?;
    let mut troubles = Vec::new();
    let result = minting.mint(random, &now, &mut |callout| {
        let (answer, trouble) = callouts::make(&callout.request, arguments.ca.as_deref());
        troubles.extend(trouble);
        answer
    });
    troubles.dedup();
    match result {
        Ok(minted) => Ok((minted, troubles)),
        Err(NotMinted { message, told, .. }) => {
            troubles.extend(told);
            let lines: String = troubles.iter().map(|line| format!("\n  {}", printable(line))).collect();
            Err(io::Error::other(format!("there is no token. {message}{lines}")))
        }
    }
}

/// Who signed, for whom, and for how long it is valid.
fn said(signing: &Signing, header: &Value, claims: &Value) -> String {
    let key_id = printable(header.get("kid").and_then(Value::as_str).unwrap_or_default());
    let by = match &signing.signer {
        Signer::Local(keys) if keys.len() > 1 => format!("the newest active one of {} keys", keys.len()),
        Signer::Local(_) => "the key of the configuration".to_owned(),
        remote => {
            let authority = remote.upstream().map(|server| server.authority).unwrap_or_default();
            format!("by the remote signer at {authority}")
        }
    };
    let expiry = claims
        .get("exp")
        .and_then(Value::as_u64)
        .and_then(|seconds| UNIX_EPOCH.checked_add(std::time::Duration::from_secs(seconds)));
    let expiry = expiry.map(|time| humantime::format_rfc3339_seconds(time).to_string()).unwrap_or_default();
    let (audience, lifetime) = (printable(&signing.audience), signing.lifetime.as_secs());
    format!("Signed with \"{key_id}\", {by}, for \"{audience}\". Valid for {lifetime} s, until {expiry}.")
}

/// A part of a token that was just made.
fn part(token: &str, index: usize) -> Value {
    let bytes = URL_SAFE_NO_PAD.decode(token.split('.').nth(index).unwrap_or_default()).ok();
    bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default()
}

fn now() -> UnixTime {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    UnixTime::from_millis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}
