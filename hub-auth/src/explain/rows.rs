//! A row for each check: whether it was passed, what is expected, and what was found.

use std::io::{self, Write};
use std::time::Duration;

use hub_auth_filter::facade::trial::{Check, Outcome, Trial};
use serde_json::{Value, json};

use super::token::Decoded;

/// The longest that a text is shown, in characters.
const MAX_SHOWN: usize = 60;

/// A check, and what became of it.
#[derive(Debug)]
pub(super) struct Row {
    name: &'static str,
    result: CheckResult,
    expected: String,
    found: Option<String>,
}

/// What became of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum CheckResult {
    Passed,
    Failed,
    NotReached,
    /// There is nothing here to make it with.
    NotMade,
}

impl CheckResult {
    fn name(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed => "FAILED",
            Self::NotReached => "not reached",
            Self::NotMade => "not made",
        }
    }
}

impl Row {
    pub(super) fn to_json(&self) -> Value {
        let result = self.result.name().to_ascii_lowercase();
        json!({ "check": self.name, "result": result, "expected": self.expected, "found": self.found })
    }
}

/// The rows of all checks. Without a configuration some say nothing.
pub(super) fn of(trial: &Trial, decoded: &Decoded, outcome: &Outcome, now: Duration, is_configured: bool) -> Vec<Row> {
    let result = |check: Check| {
        let needs_configuration = matches!(check, Check::Pin | Check::Provider | Check::Audience);
        match outcome.failed {
            Some(failed) if check == failed => CheckResult::Failed,
            Some(failed) if check > failed => CheckResult::NotReached,
            _ if needs_configuration && !is_configured => CheckResult::NotMade,
            _ if matches!(check, Check::Replay | Check::Headers) => CheckResult::NotMade,
            _ => CheckResult::Passed,
        }
    };
    let row = |check: Check| {
        let (name, expected, found) = describe(check, trial, decoded, now);
        Row { name, result: result(check), expected, found }
    };
    Check::ALL.into_iter().map(row).collect()
}

/// Prints a table.
pub(super) fn print(rows: &[Row], output: &mut dyn Write) -> io::Result<()> {
    writeln!(output, "{:<12}  {:<11}  {:<62}  found", "check", "result", "expected")?;
    writeln!(output, "{:-<12}  {:-<11}  {:-<62}  {:-<20}", "", "", "", "")?;
    for Row { name, result, expected, found } in rows {
        let found = found.as_deref().unwrap_or(if *result == CheckResult::NotReached { "" } else { "-" });
        let line = format!("{name:<12}  {:<11}  {:<62}  {}", result.name(), cut(expected), cut(found));
        writeln!(output, "{}", line.trim_end())?;
    }
    Ok(())
}

fn cut(text: &str) -> String {
    if text.chars().count() <= MAX_SHOWN {
        return text.to_owned();
    }
    text.chars().take(MAX_SHOWN).chain("…".chars()).collect()
}

/// A check's name, what is expected, and what was found.
fn describe(check: Check, trial: &Trial, decoded: &Decoded, now: Duration) -> (&'static str, String, Option<String>) {
    let subject = trial.subject();
    let (organisation, unit) = match &subject {
        Some((organisation, unit, _)) => (format!("\"{organisation}\""), format!("\"{unit}\"")),
        None => (String::new(), String::new()),
    };
    let names = subject.as_ref().map(|(organisation, unit, common_name)| {
        let common_name = common_name.as_ref().map(|name| format!(", CN {name}")).unwrap_or_default();
        format!("O {organisation}, OU {unit}{common_name}")
    });
    let text = |name, expected: &str, found| (name, expected.to_owned(), found);
    match check {
        Check::Certificate => text("certificate", "one O and one OU", names),
        Check::Pin => text("pin", "an OU or a fingerprint that the configuration pins", Some(unit)),
        Check::Headers => text("headers", "none that only the gateway may set", None),
        Check::Provider => text("provider", "a provider id of the configuration, where it needs the header", None),
        Check::KeyAddress => text("key address", "an OU and a CN that fit into an address", trial.jwks_url()),
        Check::Credential => text("credential", "one token of visible ASCII", None),
        Check::Form => {
            text("form", "three parts of base64url, at most 8 KiB", Some(format!("{} parts", decoded.parts)))
        }
        Check::Algorithm => text("alg", "\"PS256\"", decoded.header("alg")),
        Check::Type => text("typ", "\"JOSE\"", decoded.header("typ")),
        Check::ContentType => text("cty", "\"json\"", decoded.header("cty")),
        Check::Extensions => text("crit, b64", "absent", decoded.header("crit").or_else(|| decoded.header("b64"))),
        Check::KeyId => text("kid", "text of 1 to 256 bytes", decoded.header("kid")),
        Check::Payload => {
            let found = if decoded.has_claims() { "an object" } else { "something else" };
            text("payload", "a JSON object, each name once", Some(found.to_owned()))
        }
        Check::Issuer => ("iss", format!("{organisation}, the certificate's O"), decoded.claim("iss")),
        Check::Subject => ("sub", format!("{unit}, the certificate's OU"), decoded.claim("sub")),
        Check::Audience => text("aud", "a provider id of the configuration", decoded.claim("aud")),
        Check::Expiry => text("exp", "a time that has not passed, by 10 s at most", time(decoded, "exp", now)),
        Check::IssuedAt => text("iat", "a time that has come, but for 10 s", time(decoded, "iat", now)),
        Check::Lifetime => text("exp - iat", "at most 5 minutes", lifetime(decoded)),
        Check::NotBefore => text("nbf", "absent, or a time that has come, but for 10 s", time(decoded, "nbf", now)),
        Check::TokenId => text("jti", "text of 1 to 256 bytes", decoded.claim("jti")),
        Check::KeySet => text("key set", "a JWK set at the key address", None),
        Check::Key => text("key", "the kid of the token in that set", decoded.header("kid")),
        Check::Signature => text("signature", "by that key", None),
        Check::Replay => text("replay", "a jti that was not used before: only the gateway knows", None),
    }
}

fn time(decoded: &Decoded, name: &str, now: Duration) -> Option<String> {
    let Some(time) = decoded.time(name) else { return decoded.claim(name) };
    let (difference, direction) = match time.checked_sub(now) {
        Some(later) => (later, "from now"),
        None => (now.saturating_sub(time), "ago"),
    };
    Some(format!("{}, {} {direction}", decoded.claim(name).unwrap_or_default(), super::duration(difference)))
}

fn lifetime(decoded: &Decoded) -> Option<String> {
    let (expiry, issued) = (decoded.time("exp")?, decoded.time("iat")?);
    expiry.checked_sub(issued).map(super::duration)
}
