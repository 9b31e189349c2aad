//! `hub-auth explain`: a token of JWT Auth, check by check in the filter's order, by the filter's own decision.

mod rows;
mod token;

use std::io::{self, Read as _, Write};
use std::path::Path;
use std::time::{Duration, SystemTime};

use hub_auth_filter::facade::callout::{Answer, Body, Callout};
use hub_auth_filter::facade::config::Config;
use hub_auth_filter::facade::gateway::GatewayKind;
use hub_auth_filter::facade::peer::LeafCertificate;
use hub_auth_filter::facade::time::UnixTime;
use hub_auth_filter::facade::trial::{KeySetView, Outcome, Trial};
use serde_json::{Value, json};

use crate::arguments::{Explain, Format, Side};
use crate::environment::Environment;
use crate::{configured, fetch, jwks};

use rows::Row;
use token::Decoded;

/// What was tried, and what came of it.
struct Explanation {
    rows: Vec<Row>,
    /// What the clocks say of the token.
    clock: Vec<String>,
    jwks_url: Option<String>,
    /// The key set, or why there is none; nothing if it was not asked for.
    keys: Option<Result<KeySetView, String>>,
    outcome: Outcome,
}

/// Prints what the filter makes of a token. Whether it would accept it.
///
/// # Errors
/// What was named cannot be read, or writing fails.
pub(crate) fn explain(arguments: &Explain, output: &mut dyn Write) -> io::Result<bool> {
    let token = token_text(&arguments.token)?;
    let pem = read_text(&arguments.certificate)?;
    let certificate = LeafCertificate::first_of_chain(&pem)
        .map_err(|error| io::Error::other(format!("{}: {error}", arguments.certificate.display())))?;
    let decoded = Decoded::of(&token);
    let config = match &arguments.config {
        Some(path) => configured(path)?,
        None => without_configuration(&decoded, arguments.environment)?,
    };
    // What gateways differ in decides on no token.
    let capabilities = GatewayKind::Envoy.capabilities(None, false);
    let trial = Trial::new(config, certificate, capabilities)
        .filter(Trial::is_jwt_auth)
        .ok_or_else(|| io::Error::other("expected a configuration with \"inbound\" and \"jwt_auth\", got another"))?;
    let now = arguments.at.unwrap_or_else(SystemTime::now);
    let explanation = try_out(arguments, &trial, &token, &decoded, now);
    match arguments.format {
        Format::Json => writeln!(output, "{:#}", explanation.to_json())?,
        Format::Human => explanation.print(output)?,
    }
    Ok(explanation.outcome.code.is_none())
}

fn try_out(arguments: &Explain, trial: &Trial, token: &str, decoded: &Decoded, now: SystemTime) -> Explanation {
    let since = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let now = UnixTime::from_millis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX));
    let authorization = format!("Bearer {token}");
    let mut headers = vec![("authorization", authorization.as_str())];
    headers.extend(arguments.provider_id.as_deref().map(|id| ("o3-provider-id", id)));
    let mut keys = None;
    let mut answer = |callout: &Callout| {
        let url = callout.request.url.as_str().to_owned();
        let source = arguments.jwks.clone().unwrap_or(url);
        let body = fetch::file_or_url(&source, arguments.ca.as_deref());
        let answer = match &body {
            Ok(body) => Answer { status: Some(b"200".to_vec()), body: Body::Read(body.clone()), ..Answer::default() },
            Err(_) => Answer::default(),
        };
        keys = Some(body.map(|body| KeySetView::of(&body, false)).map_err(|error| error.to_string()));
        answer
    };
    let outcome = trial.decide(now, ("GET", "/"), &headers, &mut answer);
    let is_configured = arguments.config.is_some();
    Explanation {
        rows: rows::of(trial, decoded, &outcome, since, is_configured),
        clock: decoded.clock(since),
        jwks_url: trial.jwks_url(),
        keys,
        outcome,
    }
}

/// The token itself, or what is in a file of this name, or with `-` what comes by standard input; with or without `Bearer` before it.
fn token_text(argument: &str) -> io::Result<String> {
    let mut text = String::new();
    if argument == "-" {
        io::stdin().lock().read_to_string(&mut text)?;
    } else if Path::new(argument).is_file() {
        text = read_text(Path::new(argument))?;
    } else {
        text.push_str(argument);
    }
    let text = text.trim();
    let token =
        text.split_once(' ').filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer")).map(|(_, token)| token);
    Ok(token.unwrap_or(text).trim().to_owned())
}

fn read_text(path: &Path) -> io::Result<String> {
    std::fs::read_to_string(path).map_err(|error| io::Error::other(format!("{}: {error}", path.display())))
}

/// The first inbound configuration in a file of any kind that `check` reads.
fn configured(path: &Path) -> io::Result<Config> {
    let found = configured::in_file(path, "inbound", &Environment::of_process())?;
    let first = found.into_iter().next().map(|one| one.config);
    first.ok_or_else(|| {
        io::Error::other(format!("{}: expected a configuration with \"inbound\", got none", path.display()))
    })
}

/// A configuration that every certificate passes, and every audience.
fn without_configuration(decoded: &Decoded, side: Side) -> io::Result<Config> {
    let environment = match side {
        Side::Sandbox => "sandbox",
        Side::Production => "production",
    };
    let with = |audiences: Vec<String>| {
        let text = json!({ "inbound": {
            "provider_ids": audiences,
            "peer": { "allow_unpinned": true },
            "auth": { "jwt_auth": { "jwks": { "environment": environment }, "upstream": "keystore" } },
        } });
        Config::parse_with(text.to_string().as_bytes(), &[], &|_| None)
    };
    // What can be no provider id is not asked for; with another in its place the check of `aud` says so.
    with(decoded.audiences())
        .or_else(|_| with(vec!["any".to_owned()]))
        .map_err(|errors| io::Error::other(errors.to_string()))
}

impl Explanation {
    fn print(&self, output: &mut dyn Write) -> io::Result<()> {
        rows::print(&self.rows, output)?;
        writeln!(output)?;
        for line in &self.clock {
            writeln!(output, "{line}")?;
        }
        if let Some(url) = &self.jwks_url {
            writeln!(output, "The keys of this certificate's bearer are published at {url}")?;
        }
        match &self.keys {
            None => writeln!(output, "They were not needed.")?,
            Some(Err(error)) => writeln!(output, "They cannot be had: {}", jwks::printable(error))?,
            Some(Ok(view)) => jwks::print(view, output)?,
        }
        match (self.outcome.code, &self.outcome.message) {
            (Some(code), Some(message)) => writeln!(output, "\nRefused: {} {code}: {message}", self.outcome.status),
            _ => writeln!(output, "\nAccepted."),
        }
    }

    fn to_json(&self) -> Value {
        let keys = match &self.keys {
            Some(Err(error)) => json!({ "error": error }),
            Some(Ok(view)) => jwks::to_json(view),
            None => Value::Null,
        };
        json!({
            "checks": self.rows.iter().map(Row::to_json).collect::<Vec<_>>(),
            "clock": self.clock,
            "jwks_url": self.jwks_url,
            "keys": keys,
            "status": self.outcome.status,
            "error_code": self.outcome.code,
            "error_message": self.outcome.message,
        })
    }
}

/// How long, for people: whole seconds below two minutes.
fn duration(length: Duration) -> String {
    let whole = Duration::from_secs(length.as_secs());
    if whole < Duration::from_secs(120) {
        return format!("{} s", whole.as_secs());
    }
    humantime::format_duration(whole).to_string()
}
