//! The filter's login to Vault or OpenBao: `POST /v1/auth/{mount}/login` gives a token, and `POST /v1/auth/token/renew-self` prolongs it
//! as long as its role allows. Both answer `{"auth": {"client_token": "…", "lease_duration": 3600, "renewable": true}}`.

use std::time::Duration;

use serde::Serialize;

use crate::callout::Request;
use crate::config::{LoginMethod, Secret, VaultLogin};
use crate::json::Value;
use crate::log_line::to_json;
use crate::signing::remote::signer::{AccessToken, Asked, TokenSource};

const NOT_AN_OBJECT: &str = "the answer is not a JSON object";
const NO_TOKEN: &str = "the answer has no auth.client_token of visible ASCII characters";
const NO_LIFE: &str = "the answer has no auth.lease_duration in seconds";

/// A login.
#[derive(Debug)]
pub(super) struct Login {
    settings: VaultLogin,
    upstream: String,
    namespace: Option<String>,
}

impl Login {
    pub(super) fn new(settings: VaultLogin, upstream: String, namespace: Option<String>) -> Self {
        Self { settings, upstream, namespace }
    }

    /// With what the filter logs in.
    fn body(&self) -> String {
        #[derive(Serialize)]
        struct AppRole<'a> {
            role_id: &'a str,
            #[serde(skip_serializing_if = "Option::is_none")]
            secret_id: Option<&'a str>,
        }
        #[derive(Serialize)]
        struct Jwt<'a> {
            role: &'a str,
            jwt: &'a str,
        }
        match &self.settings.method {
            LoginMethod::AppRole { role_id, secret_id } => {
                to_json(&AppRole { role_id, secret_id: secret_id.as_ref().map(Secret::expose) })
            }
            LoginMethod::Jwt { role, jwt } => to_json(&Jwt { role, jwt: jwt.expose() }),
        }
    }
}

impl TokenSource for Login {
    fn request(&self, current: Option<&Secret>, asked: &Asked<'_>) -> Request {
        let headers = super::headers(current.map(Secret::expose), self.namespace.as_deref());
        let (url, body) = match current {
            Some(_) => (&self.settings.renewal_url, "{}".to_owned()),
            None => (&self.settings.url, self.body()),
        };
        asked.request("POST", &self.upstream, url, super::with_json(headers), body.into_bytes())
    }

    fn asks_with_a_body(&self) -> bool {
        true
    }

    fn read(&self, body: &[u8]) -> Result<AccessToken, &'static str> {
        let Ok(Value::Object(answer)) = Value::parse(body) else { return Err(NOT_AN_OBJECT) };
        let Some(Value::Object(auth)) = answer.member("auth") else { return Err(NO_TOKEN) };
        let token = auth.text("client_token").ok_or(NO_TOKEN)?;
        let Some(Value::Integer(seconds)) = auth.member("lease_duration") else { return Err(NO_LIFE) };
        let seconds = u64::try_from(*seconds).map_err(|_| NO_LIFE)?;
        // Zero is that of a token which does not end.
        let life = (seconds > 0).then(|| Duration::from_secs(seconds));
        let is_renewable = auth.member("renewable") == Some(&Value::Bool(true));
        AccessToken::new(token, life, is_renewable).ok_or(NO_TOKEN)
    }

    fn refusal(&self) -> u16 {
        403
    }

    /// As with signatures.
    fn may_pass(&self, status: u16) -> bool {
        super::may_pass(status)
    }

    fn hint(&self, status: u16) -> Option<&'static str> {
        match status {
            307 => Some("it is a standby, and redirects are not followed"),
            400 => Some("the role, or what the filter logs in with, is unknown, wrong, or ended"),
            403 => Some(
                "the login is refused: the role, its secret id or its JWT is wrong or ended, or this address may not use it; or who logs in \
                 too often is locked out for a while",
            ),
            404 => Some("there is no such login method or namespace"),
            429 => Some("a quota is exhausted"),
            503 => Some("it cannot be reached, or it is sealed or in maintenance"),
            504 => Some("no answer in time"),
            _ => None,
        }
    }
}
