//! One GET over TLS, and how it ended: an answer, a refusal of the client certificate, or something that says nothing of it.

use std::io;
use std::time::{Duration, SystemTime};

use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{AlertDescription, CertificateError};
use serde_json::Value;
use ureq::tls::{Certificate, ClientCert, PrivateKey, RootCerts, TlsConfig};
use ureq::unversioned::transport::DefaultConnector;
use ureq::{Agent, Timeout};

use super::connect::Ways;
use super::given::Identity;
use super::handshake::provider;
use super::old_tls::is_end;
use crate::certificates::pem;

/// One byte more than the filter reads of a key set.
const MAX_BYTES: u64 = 256 * 1024 + 1;

/// Which servers are believed.
#[derive(Debug, Clone)]
pub(super) enum Trust<'a> {
    /// All, because who the server is was checked before, and nothing that matters is sent.
    Anybody,
    /// Those that the system trusts.
    System,
    /// Those with a certificate of these CAs.
    Authorities(&'a [CertificateDer<'static>]),
}

/// How a request ended.
#[derive(Debug)]
pub(super) enum Exchange {
    Answer(Answer),
    /// The server refused the client certificate in TLS, for certain or only likely: some end the connection without a word.
    Refused {
        how: String,
        is_certain: bool,
    },
    /// The server's own certificate is not believed.
    NotBelieved {
        why: String,
        is_unknown_issuer: bool,
    },
    /// There was no connection, or none with TLS.
    NotReached(String),
    /// There was a connection to the right server, and no answer.
    NoAnswer(String),
}

impl Exchange {
    /// What came of it, where that was no answer.
    pub(super) fn in_words(&self) -> String {
        match self {
            Self::Answer(answer) => answer.summary(),
            Self::Refused { how, .. } => how.clone(),
            Self::NotBelieved { why, .. } => format!("its certificate is not believed: {why}"),
            Self::NotReached(why) | Self::NoAnswer(why) => why.clone(),
        }
    }
}

/// An answer.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: Vec<u8>,
    /// How far the server's clock is ahead of this machine's, in seconds; behind, if it is negative. A second of it may be the way.
    pub(super) clock_ahead: Option<i64>,
    /// `Last-Modified`, and how long ago that was by the server's clock.
    pub(super) unchanged_for: Option<Duration>,
}

impl Answer {
    /// The body as JSON; nothing if it is none.
    pub(super) fn json(&self) -> Option<Value> {
        serde_json::from_slice(&self.body).ok()
    }

    /// The error code of the standard's and the filter's errors.
    pub(super) fn error_code(&self) -> Option<String> {
        self.json()?.get("errorCode")?.as_str().map(str::to_owned)
    }

    /// Status and error code, for people.
    pub(super) fn summary(&self) -> String {
        let code = self.error_code().map(|code| format!(" {code}")).unwrap_or_default();
        format!("{}{code}", self.status)
    }
}

/// Sends one GET with this client certificate or none.
pub(super) fn get(
    url: &str,
    identity: Option<&Identity>,
    trust: &Trust<'_>,
    authorization: Option<&str>,
    ways: &Ways,
    timeout: Duration,
) -> Exchange {
    if let Some(why) = identity.and_then(|identity| identity.misfit.as_ref()) {
        return Exchange::NotReached(why.clone());
    }
    let agent = agent(identity, trust, ways, timeout);
    let mut request = agent.get(url);
    if let Some(value) = authorization {
        request = request.header("authorization", value);
    }
    let before = SystemTime::now();
    let mut response = match request.call() {
        Ok(response) => response,
        Err(error) => return failed(&error),
    };
    let now = before + before.elapsed().unwrap_or_default() / 2;
    let status = response.status().as_u16();
    let date = |name: &str| {
        let value = response.headers().get(name)?.to_str().ok()?;
        httpdate::parse_http_date(value).ok()
    };
    let server_now = date("date");
    let last_modified = date("last-modified");
    let clock_ahead = server_now.map(|date| seconds_between(now, date));
    let unchanged_for = last_modified.and_then(|modified| server_now.unwrap_or(now).duration_since(modified).ok());
    match response.body_mut().with_config().limit(MAX_BYTES).read_to_vec() {
        Ok(body) => Exchange::Answer(Answer { status, body, clock_ahead, unchanged_for }),
        Err(error) => Exchange::NoAnswer(format!("{status}, and the body cannot be read: {error}")),
    }
}

fn agent(identity: Option<&Identity>, trust: &Trust<'_>, ways: &Ways, timeout: Duration) -> Agent {
    let roots = match trust {
        Trust::Authorities(authorities) => {
            let certificates: Vec<_> = authorities.iter().map(|der| Certificate::from_der(der).to_owned()).collect();
            RootCerts::new_with_certs(&certificates)
        }
        Trust::Anybody | Trust::System => RootCerts::PlatformVerifier,
    };
    let tls = TlsConfig::builder()
        .client_cert(identity.and_then(client_certificate))
        .root_certs(roots)
        .disable_verification(matches!(trust, Trust::Anybody))
        .unversioned_rustls_crypto_provider(provider())
        .build();
    let mut config = Agent::config_builder()
        .tls_config(tls)
        .timeout_resolve(Some(timeout))
        .timeout_connect(Some(timeout))
        .timeout_send_request(Some(timeout))
        .timeout_recv_response(Some(timeout))
        .timeout_recv_body(Some(timeout))
        .max_redirects(0)
        .max_redirects_will_error(false)
        .max_idle_connections(0)
        .http_status_as_error(false)
        .user_agent(concat!("hub-auth/", env!("CARGO_PKG_VERSION")));
    if !matches!(trust, Trust::System) {
        // The listener and the Hub see the client certificate of whoever connects.
        config = config.proxy(None);
    }
    Agent::with_parts(config.build(), DefaultConnector::default(), ways.clone())
}

fn client_certificate(identity: &Identity) -> Option<ClientCert> {
    let chain: Vec<_> = identity.chain.iter().map(|der| Certificate::from_der(der).to_owned()).collect();
    let (label, der) = match &identity.key {
        PrivateKeyDer::Pkcs1(key) => ("RSA PRIVATE KEY", key.secret_pkcs1_der()),
        PrivateKeyDer::Sec1(key) => ("EC PRIVATE KEY", key.secret_sec1_der()),
        key => ("PRIVATE KEY", key.secret_der()),
    };
    let key = PrivateKey::from_pem(pem(label, der).as_bytes()).ok()?;
    Some(ClientCert::new_with_certs(&chain, key))
}

fn failed(error: &ureq::Error) -> Exchange {
    if let Some(error) = tls_error(error) {
        return of_tls(error);
    }
    match error {
        ureq::Error::Timeout(Timeout::RecvResponse | Timeout::SendRequest) => {
            Exchange::NoAnswer("no answer in time".to_owned())
        }
        ureq::Error::Timeout(Timeout::Resolve) => Exchange::NotReached("its address was not found in time".to_owned()),
        ureq::Error::Timeout(_) => Exchange::NotReached("no connection in time".to_owned()),
        ureq::Error::HostNotFound => Exchange::NotReached("no address is known for this host".to_owned()),
        ureq::Error::Io(error) if is_end(error.kind()) => {
            Exchange::Refused { how: "the connection was ended".to_owned(), is_certain: false }
        }
        ureq::Error::Protocol(error) => Exchange::NoAnswer(format!("expected HTTP, got something else: {error}")),
        error => Exchange::NotReached(error.to_string()),
    }
}

/// The fault in TLS, wherever beneath an error it is.
fn tls_error(error: &ureq::Error) -> Option<&rustls::Error> {
    match error {
        ureq::Error::Rustls(error) => Some(error),
        ureq::Error::Io(error) => beneath(error),
        _ => None,
    }
}

fn beneath(error: &io::Error) -> Option<&rustls::Error> {
    let inner = error.get_ref()?;
    if let Some(found) = inner.downcast_ref::<rustls::Error>() {
        return Some(found);
    }
    if let Some(nested) = inner.downcast_ref::<io::Error>() {
        return beneath(nested);
    }
    inner.source()?.downcast_ref::<rustls::Error>()
}

fn of_tls(error: &rustls::Error) -> Exchange {
    match error {
        rustls::Error::AlertReceived(alert) => match is_of_certificate(*alert) {
            Some(is_certain) => Exchange::Refused { how: format!("TLS alert {}", alert_name(*alert)), is_certain },
            None => Exchange::NotReached(format!("TLS alert {}", alert_name(*alert))),
        },
        rustls::Error::InvalidCertificate(why) => Exchange::NotBelieved {
            why: why.to_string(),
            is_unknown_issuer: matches!(why, CertificateError::UnknownIssuer),
        },
        error => Exchange::NotReached(error.to_string()),
    }
}

/// Whether an alert is about the client certificate, for certain or not; nothing if it is about something else.
fn is_of_certificate(alert: AlertDescription) -> Option<bool> {
    use AlertDescription as A;
    match alert {
        A::NoCertificate
        | A::BadCertificate
        | A::UnsupportedCertificate
        | A::CertificateRevoked
        | A::CertificateExpired
        | A::CertificateUnknown
        | A::UnknownCA
        | A::CertificateRequired => Some(true),
        // What TLS 1.2 has for a missing certificate, and for much else (RFC 5246 §7.4.6).
        A::HandshakeFailure | A::AccessDenied => Some(false),
        _ => None,
    }
}

/// The alert as RFC 8446 §6 writes it.
pub(super) fn alert_name(alert: AlertDescription) -> String {
    let mut name = String::new();
    for character in format!("{alert:?}").chars() {
        if character.is_ascii_uppercase() && !name.is_empty() && !name.ends_with("_c") {
            name.push('_');
        }
        name.push(character.to_ascii_lowercase());
    }
    name
}

/// From the one to the other, in whole seconds towards zero.
fn seconds_between(from: SystemTime, to: SystemTime) -> i64 {
    match to.duration_since(from) {
        Ok(later) => i64::try_from(later.as_secs()).unwrap_or(i64::MAX),
        Err(earlier) => i64::try_from(earlier.duration().as_secs()).map_or(i64::MIN, i64::saturating_neg),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alerts_are_named_as_in_the_standard() {
        assert_eq!(alert_name(AlertDescription::CertificateRequired), "certificate_required");
        assert_eq!(alert_name(AlertDescription::UnknownCA), "unknown_ca");
        assert_eq!(alert_name(AlertDescription::HandshakeFailure), "handshake_failure");
    }

    #[test]
    fn seconds_are_signed_and_cut() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000);
        assert_eq!(seconds_between(now, now + Duration::from_millis(7_900)), 7);
        assert_eq!(seconds_between(now, now - Duration::from_millis(7_900)), -7);
    }
}
