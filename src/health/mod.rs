//! The health checks that the Hub calls during onboarding and after certificate changes (spec §2.7), answered here.
//!
//! They tell an operator what arrives: a client certificate must be verified where the standard wants mutual TLS, but need
//! not be pinned, and nothing is asked beyond it. They never reach the bank.

use serde::Serialize;

use crate::config;
use crate::log_line::to_json;
use crate::peer::forwarded::ForwardedCertificate;
use crate::peer::name::MAX_NAME_BYTES;
use crate::peer::{Fingerprint, LeafCertificate, PeerFacts, PeerSource};
use crate::reply::{REALM, Reply};

/// The longest host name that is repeated (RFC 1035 §2.3.4), in bytes.
const MAX_HOST_BYTES: usize = 255;

/// The three endpoints, under their base path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HealthChecks {
    hello: String,
    hello_mtls: String,
    echo_cert: String,
}

impl HealthChecks {
    /// The endpoints with these settings.
    #[must_use]
    pub fn new(settings: &config::HealthChecks) -> Self {
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
    pub fn answer(
        &self,
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
        let reply = if is(&self.hello) {
            let mtls_status = match Presented::by(facts, source) {
                Some(_) => MtlsStatus::Established,
                None => MtlsStatus::NotEstablished,
            };
            ok(&Hello { connection_established: true, mtls_status, host_name })
        } else if is(&self.hello_mtls) {
            match Presented::by(facts, source) {
                Some(_) => ok(&Hello { connection_established: true, mtls_status: MtlsStatus::Established, host_name }),
                None => unauthorised("There is no verified client certificate."),
            }
        } else if is(&self.echo_cert) {
            match Presented::by(facts, source).map(|certificate| (certificate.subject(), certificate.issuer())) {
                Some((Some(subject), issuer)) => ok(&EchoCert {
                    connection_established: true,
                    mtls_status: MtlsStatus::Established,
                    host_name,
                    client_certificate: ClientCertificate { subject, issuer: issuer.unwrap_or_default() },
                }),
                Some((None, _)) => unauthorised("The subject of the client certificate cannot be shown."),
                None => unauthorised("There is no verified client certificate."),
            }
        } else {
            return None;
        };
        Some(reply)
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

/// A client certificate that was verified, whoever presented it: by the connection, or by a forwarded header that the
/// configuration trusts as [`crate::peer::PeerCertificate::establish`] does.
struct Presented<'f> {
    facts: &'f PeerFacts,
    forwarded: Option<ForwardedCertificate>,
}

impl<'f> Presented<'f> {
    fn by(facts: &'f PeerFacts, source: &PeerSource) -> Option<Self> {
        let forwarded = match source {
            PeerSource::Connection => {
                let has_certificate = facts.verified && facts.subject.is_some();
                return has_certificate.then_some(Self { facts, forwarded: None });
            }
            PeerSource::ForwardedHeader { trust_plaintext_hop, .. } => {
                if facts.verified || *trust_plaintext_hop {
                    forwarded(facts)
                } else {
                    None
                }
            }
        };
        forwarded.map(|forwarded| Self { facts, forwarded: Some(forwarded) })
    }

    /// The subject as the gateway prints it, if it is text of a plausible length.
    fn subject(&self) -> Option<String> {
        let subject = match &self.forwarded {
            Some(forwarded) => Some(forwarded.subject()),
            None => self.facts.subject.as_deref(),
        };
        subject.and_then(printed_name)
    }

    /// The issuer, where the gateway hands the certificate on and nobody else can have written it.
    fn issuer(&self) -> Option<String> {
        let leaf = match &self.forwarded {
            Some(forwarded) => {
                let leaf = leaf_of(forwarded)?;
                forwarded.fingerprint().is_none_or(|known| known == leaf.fingerprint()).then_some(leaf)?
            }
            None if self.facts.certificate.is_some() => {
                LeafCertificate::from_pem(self.facts.certificate.as_deref()?).ok()?
            }
            None => {
                // A header that the gateway did not write is the caller's: the connection must be of the same certificate.
                let known = Fingerprint::parse(self.facts.fingerprint.as_deref()?).ok()?;
                leaf_of(&forwarded(self.facts)?).filter(|leaf| leaf.fingerprint() == known)?
            }
        };
        printed_name(leaf.issuer().as_bytes())
    }
}

fn forwarded(facts: &PeerFacts) -> Option<ForwardedCertificate> {
    let [header] = facts.forwarded.as_slice() else { return None };
    ForwardedCertificate::parse(header).ok()
}

fn leaf_of(forwarded: &ForwardedCertificate) -> Option<LeafCertificate> {
    LeafCertificate::from_url_encoded_pem(forwarded.certificate()?).ok()
}

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
    headers.push(("www-authenticate", format!("Bearer realm=\"{REALM}\"")));
    Reply { status: 401, headers, body: to_json(&Error { error_message: message }) }
}

fn headers() -> Vec<(&'static str, String)> {
    vec![("content-type", "application/json".to_owned()), ("cache-control", "no-store".to_owned())]
}

#[cfg(test)]
mod tests;
