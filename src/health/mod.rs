//! The health checks that the Hub calls during onboarding and after certificate changes (spec §2.7), answered here.
//!
//! They tell an operator what arrives: a client certificate must be verified where the standard wants mutual TLS, but need
//! not be pinned, and nothing is asked beyond it but that it is valid now, where that is known. They never reach the bank.

use std::borrow::Cow;

use serde::Serialize;

use crate::config;
use crate::log_line::to_json;
use crate::peer::name::MAX_NAME_BYTES;
use crate::peer::{PeerFacts, PeerSource, PresentedCertificate, ValidityError};
use crate::reply::{CHALLENGE, Reply};
use crate::time::UnixTime;

/// The longest host name that is repeated (RFC 1035 §2.3.4), in bytes.
const MAX_HOST_BYTES: usize = 255;

/// The three endpoints, under their base path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HealthChecks {
    hello: String,
    hello_mtls: String,
    echo_cert: String,
}

impl HealthChecks {
    /// The endpoints with these settings.
    #[must_use]
    pub(crate) fn new(settings: &config::HealthChecks) -> Self {
        let base = settings.base_path();
        Self {
            hello: format!("{base}/hello"),
            hello_mtls: format!("{base}/hello-mtls"),
            echo_cert: format!("{base}/echo-cert"),
        }
    }

    /// The answer, if the request is a health check; every other request is to be authenticated. `path` may have a query
    /// and is compared as it is: what another spelling stands for is for those to say who read it next.
    #[must_use]
    pub(crate) fn answer(
        &self,
        now: UnixTime,
        method: &[u8],
        path: &[u8],
        host: Option<&[u8]>,
        facts: &PeerFacts,
        source: &PeerSource,
    ) -> Option<Reply> {
        if method != b"GET" {
            return None;
        }
        let path = path.split(|byte| *byte == b'?').next().unwrap_or_default();
        let is = |endpoint: &String| endpoint.as_bytes() == path;
        let host_name = host.and_then(host_name).unwrap_or_default();
        let presented = || presented(now, facts, source);
        let reply = if is(&self.hello) {
            let mtls_status = match presented() {
                Ok(_) => MtlsStatus::Established,
                Err(_) => MtlsStatus::NotEstablished,
            };
            ok(&Hello { connection_established: true, mtls_status, host_name })
        } else if is(&self.hello_mtls) {
            match presented() {
                Ok(_) => ok(&Hello { connection_established: true, mtls_status: MtlsStatus::Established, host_name }),
                Err(message) => unauthorised(message),
            }
        } else if is(&self.echo_cert) {
            match presented().map(|presented| ClientCertificate::shown(&presented)) {
                Ok(Some(client_certificate)) => ok(&EchoCert {
                    connection_established: true,
                    mtls_status: MtlsStatus::Established,
                    host_name,
                    client_certificate,
                }),
                Ok(None) => unauthorised("The subject of the client certificate cannot be shown."),
                Err(message) => unauthorised(message),
            }
        } else {
            return None;
        };
        Some(reply)
    }
}

/// The client certificate, if one was verified and is valid now, as far as that is known; what to tell the caller otherwise.
fn presented<'f>(
    now: UnixTime,
    facts: &'f PeerFacts,
    source: &PeerSource,
) -> Result<PresentedCertificate<'f>, &'static str> {
    let certificate =
        PresentedCertificate::by(source, facts).map_err(|_| "There is no verified client certificate.")?;
    match certificate.validity().map_or(Ok(()), |validity| validity.check(now)) {
        Ok(()) => Ok(certificate),
        Err(ValidityError::NotYetValid) => Err("The client certificate is not valid yet."),
        Err(ValidityError::Expired) => Err("The client certificate has expired."),
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Hello<'a> {
    connection_established: bool,
    mtls_status: MtlsStatus,
    host_name: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct EchoCert<'a> {
    connection_established: bool,
    mtls_status: MtlsStatus,
    host_name: &'a str,
    client_certificate: ClientCertificate,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ClientCertificate {
    subject: String,
    issuer: String,
}

impl ClientCertificate {
    /// What can be shown of a certificate: nothing without its subject. The issuer is empty where it cannot be known.
    fn shown(certificate: &PresentedCertificate<'_>) -> Option<Self> {
        let subject = printed_name(certificate.subject())?;
        let issuer = certificate.leaf().and_then(|leaf| printed_name(leaf.issuer().as_bytes()));
        Some(Self { subject, issuer: issuer.unwrap_or_default() })
    }
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
enum MtlsStatus {
    Established,
    NotEstablished,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Error<'a> {
    error_message: &'a str,
}

/// A name as it was printed, if it is text of a plausible length.
fn printed_name(name: &[u8]) -> Option<String> {
    let is_plausible = !name.is_empty() && name.len() <= MAX_NAME_BYTES;
    let is_printable = name.iter().all(|byte| matches!(byte, b' '..=b'~'));
    (is_plausible && is_printable).then(|| name.iter().copied().map(char::from).collect())
}

/// The host of a `Host` header without its port (RFC 9110 §7.2): a name or an address that can be repeated.
fn host_name(host: &[u8]) -> Option<&str> {
    let host = std::str::from_utf8(host).ok().filter(|host| host.len() <= MAX_HOST_BYTES)?;
    let (name, port) = match host.split_once(']') {
        Some((address, port)) => {
            let is_address = |byte: u8| byte.is_ascii_hexdigit() || matches!(byte, b':' | b'.');
            let inner = address.strip_prefix('[').filter(|inner| !inner.is_empty() && inner.bytes().all(is_address))?;
            (host.get(..inner.len().saturating_add(2))?, port)
        }
        None => {
            let (name, port) = host.split_at_checked(host.find(':').unwrap_or(host.len()))?;
            let is_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.');
            (Some(name).filter(|name| !name.is_empty() && name.bytes().all(is_name))?, port)
        }
    };
    let port = if port.is_empty() { port } else { port.strip_prefix(':')? };
    port.bytes().all(|byte| byte.is_ascii_digit()).then_some(name)
}

fn ok(body: &impl Serialize) -> Reply {
    Reply { status: 200, headers: headers(), body: to_json(body) }
}

fn unauthorised(message: &str) -> Reply {
    let mut headers = headers();
    // RFC 9110 §15.5.2 wants a challenge, though no credential helps here. It is the one of the other 401 answers.
    headers.push(("www-authenticate", CHALLENGE.into()));
    Reply { status: 401, headers, body: to_json(&Error { error_message: message }) }
}

fn headers() -> Vec<(&'static str, Cow<'static, str>)> {
    vec![("content-type", "application/json".into()), ("cache-control", "no-store".into())]
}

#[cfg(test)]
mod tests;
