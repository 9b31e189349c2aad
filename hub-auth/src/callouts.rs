//! The filter's callouts, made by real HTTP: to the address that the configuration has for them, where a gateway would ask its upstream.

use std::path::Path;

use hub_auth_filter::facade::callout::{Answer, Body, Request};
use serde_json::Value;
use ureq::http;

use crate::fetch;
use crate::jwks::printable;

/// How many of a server's own words are repeated, in characters.
const LONGEST_WORDS: usize = 200;

/// The answer to a request, and where it is not 200 what went wrong: a line with where it went, without secrets.
pub(crate) fn make(request: &Request, ca: Option<&Path>) -> (Answer, Option<String>) {
    let place = format!("{} {}", request.method, request.url.as_str());
    match exchange(request, ca) {
        Err(error) => (Answer::default(), Some(format!("{place}: {error}"))),
        Ok((status, answer)) if (200..300).contains(&status) => (answer, None),
        Ok((status, answer)) => {
            let words = words(&answer, request).map(|words| format!(": {words}")).unwrap_or_default();
            (answer, Some(format!("{place}: {status}{words}")))
        }
    }
}

fn exchange(request: &Request, ca: Option<&Path>) -> Result<(u16, Answer), Box<dyn std::error::Error>> {
    let agent = fetch::agent(ca, request.timeout)?;
    let mut builder = http::Request::builder().method(request.method).uri(request.url.as_str());
    for (name, value) in &request.headers {
        builder = builder.header(*name, value);
    }
    let mut response = if request.body.is_empty() {
        agent.run(builder.body(())?)?
    } else {
        agent.run(builder.body(request.body.as_slice())?)?
    };
    let header = |name: &str| response.headers().get(name).map(|value| value.as_bytes().to_vec());
    let (content_length, retry_after) = (header("content-length"), header("retry-after"));
    let status = response.status().as_u16();
    let body = match response.body_mut().with_config().limit(fetch::MAX_BYTES).read_to_vec() {
        Ok(body) => Body::Read(body),
        Err(ureq::Error::BodyExceedsLimit(_)) => Body::TooLong,
        Err(_) => Body::Unreadable,
    };
    let status_text = Some(status.to_string().into_bytes());
    Ok((status, Answer { status: status_text, content_length, retry_after, body, ..Answer::default() }))
}

/// What a server of Vault's kind says is wrong (`{"errors": ["permission denied"]}`), if it says so and repeats nothing that was sent to
/// it in confidence.
fn words(answer: &Answer, request: &Request) -> Option<String> {
    let Body::Read(body) = &answer.body else { return None };
    let said: Value = serde_json::from_slice(body).ok()?;
    let errors: Vec<&str> = said.get("errors")?.as_array()?.iter().filter_map(Value::as_str).collect();
    let words = errors.join("; ");
    let is_secret = |(name, value): &(&str, String)| *name == "x-vault-token" && words.contains(value.as_str());
    if words.is_empty() || request.headers.iter().any(is_secret) {
        return None;
    }
    // Errors of Vault stand in a list with its own lines.
    let one_line: String = words.split_whitespace().collect::<Vec<_>>().join(" ");
    Some(printable(&one_line).chars().take(LONGEST_WORDS).collect())
}

#[cfg(test)]
mod tests {
    use hub_auth_filter::facade::config::{Config, Direction, Signer};
    use hub_auth_filter::facade::signing::{Asked, RemoteSigner as _, VaultTransit};
    use hub_auth_filter::facade::time::UnixTime;
    use serde_json::json;

    use super::*;

    fn request() -> Request {
        let config = json!({ "outbound": {
            "audience": "a", "certificate": { "organisation": "o", "organisational_unit": "u" },
            "remote_signer": { "vault_transit": {
                "address": "https://bao.example", "key": "sig4", "kid": "k", "token": { "env": "TOKEN" },
            } },
        } });
        let config = Config::parse_with(config.to_string().as_bytes(), &[], &|_| Some("s.3cret".to_owned()));
        let Direction::Outbound(outbound) = config.expect("a configuration").direction else { panic!("inbound") };
        let Signer::VaultTransit(settings) = outbound.signing.signer else { panic!("a local key") };
        VaultTransit::new(*settings).key_request(&Asked {
            now: UnixTime::EPOCH,
            timeout: std::time::Duration::ZERO,
            token: None,
        })
    }

    fn said(body: &str) -> Option<String> {
        words(&Answer { body: Body::Read(body.as_bytes().to_vec()), ..Answer::default() }, &request())
    }

    #[test]
    fn what_a_server_says_is_repeated_on_one_line_and_not_at_length() {
        assert_eq!(
            said(r#"{"errors": ["1 error occurred:\n\t* permission denied\n\n"]}"#).as_deref(),
            Some("1 error occurred: * permission denied")
        );
        assert_eq!(said(r#"{"errors": ["a", "b"]}"#).as_deref(), Some("a; b"));
        assert_eq!(said(r#"{"errors": ["\u001b[31m"]}"#).as_deref(), Some("\u{fffd}[31m"));
        assert_eq!(
            said(&json!({ "errors": ["x".repeat(1000)] }).to_string()).map(|words| words.len()),
            Some(LONGEST_WORDS)
        );
    }

    #[test]
    fn what_is_no_error_of_vault_or_repeats_its_token_is_not() {
        for body in
            ["", "<html>", "[]", "{}", r#"{"errors": []}"#, r#"{"errors": "s.3cret"}"#, r#"{"errors": ["no s.3cret"]}"#]
        {
            assert_eq!(said(body), None, "{body}");
        }
    }
}
