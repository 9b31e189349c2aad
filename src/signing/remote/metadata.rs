//! The metadata address of a cloud: it gives a machine, or a pod, access tokens for its own identity, without any secret, as an
//! authorisation server would (RFC 6749 §5.1). Only what runs there reaches it.

use std::time::Duration;

use crate::callout::Request;
use crate::config::{Metadata, Secret};
use crate::json::Value;

use super::signer::{AccessToken, Asked, TokenSource};

const NOT_AN_OBJECT: &str = "the answer is not a JSON object";
const NO_TOKEN: &str = "the answer has no access_token of visible ASCII characters, with token_type Bearer";
const NO_LIFE: &str = "the answer has no expires_in in seconds";

/// The metadata address of a cloud.
#[derive(Debug)]
pub(super) struct MetadataAddress {
    settings: Metadata,
    /// What tells its requests from those that somebody has a program on the machine make.
    header: (&'static str, &'static str),
}

impl MetadataAddress {
    /// With these settings; each request has this header.
    pub(super) fn new(settings: Metadata, header: (&'static str, &'static str)) -> Self {
        Self { settings, header }
    }
}

impl TokenSource for MetadataAddress {
    fn request(&self, _current: Option<&Secret>, asked: &Asked<'_>) -> Request {
        let (name, value) = self.header;
        let headers = vec![("accept", "application/json".to_owned()), (name, value.to_owned())];
        asked.request("GET", &self.settings.upstream, &self.settings.url, headers, Vec::new())
    }

    fn asks_with_a_body(&self) -> bool {
        false
    }

    fn read(&self, body: &[u8]) -> Result<AccessToken, &'static str> {
        let Ok(Value::Object(answer)) = Value::parse(body) else { return Err(NOT_AN_OBJECT) };
        if !answer.text("token_type").is_some_and(|kind| kind.eq_ignore_ascii_case("bearer")) {
            return Err(NO_TOKEN);
        }
        let token = answer.text("access_token").ok_or(NO_TOKEN)?;
        // Azure writes the number as a string.
        let seconds = match answer.member("expires_in") {
            Some(Value::Integer(seconds)) => u64::try_from(*seconds).ok(),
            Some(Value::Text(seconds)) => seconds.parse().ok(),
            _ => None,
        };
        let life = Duration::from_secs(seconds.ok_or(NO_LIFE)?);
        AccessToken::new(token, Some(life), false).ok_or(NO_TOKEN)
    }

    fn refusal(&self) -> u16 {
        401
    }

    /// Azure's says 404 and 410 while it is being updated.
    fn may_pass(&self, status: u16) -> bool {
        matches!(status, 404 | 408 | 410 | 425 | 429 | 500..=599)
    }

    fn hint(&self, status: u16) -> Option<&'static str> {
        match status {
            400 => Some("this machine or pod has no such identity, or several of which none is named"),
            403 => Some("a proxy may stand between here and the metadata address"),
            404 | 410 => {
                Some("there is no such identity or service account here, or the metadata address is being updated")
            }
            429 => Some("it was asked too often"),
            503 => Some("it cannot be reached"),
            504 => Some("no answer in time"),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::UnixTime;
    use crate::url::Origin;
    use serde_json::json;

    fn address() -> MetadataAddress {
        let url = Origin::parse("http://169.254.169.254").unwrap().url("/token?resource=x".to_owned());
        MetadataAddress::new(Metadata { upstream: "imds".into(), url }, ("metadata", "true"))
    }

    fn read(answer: &serde_json::Value) -> Result<AccessToken, &'static str> {
        address().read(answer.to_string().as_bytes())
    }

    #[test]
    fn it_is_asked_with_its_header_and_without_a_token() {
        let current = Secret::new("eyJ-old");
        let asked = Asked { now: UnixTime::EPOCH, timeout: Duration::from_secs(2), token: Some(&current) };
        let request = address().request(Some(&current), &asked);
        assert_eq!((request.method, request.upstream.as_str(), request.body.len()), ("GET", "imds", 0));
        assert_eq!(request.url.path(), "/token?resource=x");
        let expected = [("accept", "application/json"), ("metadata", "true")];
        assert_eq!(request.headers, expected.map(|(name, value)| (name, value.to_owned())));
    }

    /// As the two write it: one has the number as a string, and more members.
    #[test]
    fn both_clouds_are_understood() {
        for answer in [
            json!({
                "access_token": "eyJ0.e30.c2ln", "refresh_token": "", "expires_in": "3599", "expires_on": "1506484173",
                "not_before": "1506480273", "resource": "https://vault.azure.net", "token_type": "Bearer",
            }),
            json!({"access_token": "eyJ0.e30.c2ln", "expires_in": 3599, "token_type": "bearer"}),
        ] {
            let token = read(&answer).unwrap();
            assert_eq!(token.secret.expose(), "eyJ0.e30.c2ln");
            assert_eq!((token.life, token.is_renewable), (Some(Duration::from_secs(3599)), false));
        }
    }

    #[test]
    fn what_is_no_token_with_a_life_is_none() {
        for (answer, error) in [
            (json!([]), NOT_AN_OBJECT),
            (json!({}), NO_TOKEN),
            (json!({"error": "invalid_request"}), NO_TOKEN),
            (json!({"access_token": "t", "expires_in": 60}), NO_TOKEN),
            (json!({"access_token": "t", "expires_in": 60, "token_type": "pop"}), NO_TOKEN),
            (json!({"access_token": "", "expires_in": 60, "token_type": "Bearer"}), NO_TOKEN),
            (json!({"access_token": "a\r\nb", "expires_in": 60, "token_type": "Bearer"}), NO_TOKEN),
            (json!({"access_token": ["t"], "expires_in": 60, "token_type": "Bearer"}), NO_TOKEN),
            (json!({"access_token": "t", "token_type": "Bearer"}), NO_LIFE),
            (json!({"access_token": "t", "expires_in": "soon", "token_type": "Bearer"}), NO_LIFE),
            (json!({"access_token": "t", "expires_in": -1, "token_type": "Bearer"}), NO_LIFE),
            (json!({"access_token": "t", "expires_in": 59.5, "token_type": "Bearer"}), NO_LIFE),
        ] {
            assert_eq!(read(&answer), Err(error), "{answer}");
        }
    }
}
