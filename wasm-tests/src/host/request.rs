//! What a client sends: the request and the facts of its connection, from which a profile makes headers and properties.

use super::callout::Answer;
use super::headers::Headers;

/// A request of a client, as it arrives on the wire.
#[derive(Clone, Debug)]
pub struct Request {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) authority: String,
    pub(crate) headers: Headers,
    pub(crate) body: Vec<u8>,
    pub(crate) peer: Peer,
    pub(crate) configuration: Option<Vec<u8>>,
    pub(crate) detour: Option<Detour>,
}

/// Why a request does not pass the request phase of the filter.
#[derive(Clone, Debug)]
pub(crate) enum Detour {
    /// It goes upstream all the same.
    Upstream,
    /// Something before the filter answers it.
    Answered(Answer),
}

impl Request {
    /// A GET request over TLS, without a client certificate.
    pub fn get(path: impl Into<String>) -> Self {
        Self::new("GET", path)
    }

    /// A POST request over TLS, without a client certificate.
    pub fn post(path: impl Into<String>) -> Self {
        Self::new("POST", path)
    }

    /// A request with any method.
    pub fn new(method: impl Into<String>, path: impl Into<String>) -> Self {
        Request {
            method: method.into(),
            path: path.into(),
            authority: "bank.example".to_owned(),
            headers: Headers::new(),
            body: Vec::new(),
            peer: Peer::none(),
            configuration: None,
            detour: None,
        }
    }

    /// Adds a header field. Repeating a name sends it twice.
    pub fn header(mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Self {
        self.headers.push(name, value);
        self
    }

    /// The value of `Host` or `:authority`; the empty text is a request of HTTP/1.0 without any.
    pub fn authority(mut self, authority: impl Into<String>) -> Self {
        self.authority = authority.into();
        self
    }

    /// The request's body.
    pub fn body(mut self, body: impl AsRef<[u8]>) -> Self {
        self.body = body.as_ref().to_vec();
        self
    }

    /// The plugin configuration of the request's route, where it is not the gateway's. For profiles that configure a
    /// plugin on first use.
    pub fn configuration(mut self, configuration: impl AsRef<[u8]>) -> Self {
        self.configuration = Some(configuration.as_ref().to_vec());
        self
    }

    /// The gateway skips the filter's request phase and sends the request upstream, as Kong does when any plugin buffers:
    /// only the response passes the filter.
    pub fn skips_the_request_phase(mut self) -> Self {
        self.detour = Some(Detour::Upstream);
        self
    }

    /// The gateway, or a plugin of it, answers before the filter has seen the request: only this answer passes the filter.
    pub fn answered_before_the_filter(mut self, answer: Answer) -> Self {
        self.detour = Some(Detour::Answered(answer));
        self
    }

    /// Who is at the other end of the connection.
    pub fn peer(mut self, peer: Peer) -> Self {
        self.peer = peer;
        self
    }
}

/// What the gateway learned about the client from the TLS handshake.
#[derive(Clone, Debug)]
pub struct Peer {
    pub(crate) tls: bool,
    pub(crate) certificate: Option<Certificate>,
    /// Values by path, its segments joined by NUL; `None` is absent.
    overrides: Vec<(Vec<u8>, Option<Vec<u8>>)>,
}

/// A client certificate, and whether the gateway trusts it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Certificate {
    pub(crate) subject: Vec<u8>,
    pub(crate) issuer: Vec<u8>,
    pub(crate) pem: Option<String>,
    pub(crate) sha1: Option<String>,
    /// Why the gateway has not verified it.
    pub(crate) distrusted: Option<String>,
    pub(crate) fingerprint: Option<String>,
    pub(crate) dns: Option<String>,
}

impl Peer {
    /// TLS without a client certificate.
    pub fn none() -> Self {
        Peer { tls: true, certificate: None, overrides: Vec::new() }
    }

    /// No TLS.
    pub fn plaintext() -> Self {
        Peer { tls: false, certificate: None, overrides: Vec::new() }
    }

    /// A verified client certificate with this subject, printed as gateways do (RFC 2253 order and escapes).
    pub fn verified(subject: impl AsRef<[u8]>) -> Self {
        let certificate = Certificate {
            subject: subject.as_ref().to_vec(),
            fingerprint: Some("c4".repeat(32)),
            ..Certificate::default()
        };
        Peer { tls: true, certificate: Some(certificate), overrides: Vec::new() }
    }

    /// A client certificate with this subject that could not be verified, for this reason. What comes of it is the
    /// profile's business: most gateways end the connection.
    pub fn untrusted(subject: impl AsRef<[u8]>, reason: impl Into<String>) -> Self {
        let mut peer = Self::verified(subject);
        peer.certificate.get_or_insert_default().distrusted = Some(reason.into());
        peer
    }

    /// The certificate's issuer, printed as its subject is.
    pub fn issuer(mut self, issuer: impl AsRef<[u8]>) -> Self {
        self.certificate.get_or_insert_default().issuer = issuer.as_ref().to_vec();
        self
    }

    /// The certificate itself, as PEM. Gateways that have it give it for every certificate: a test that needs it sets it.
    pub fn pem(mut self, pem: impl Into<String>) -> Self {
        self.certificate.get_or_insert_default().pem = Some(pem.into());
        self
    }

    /// The SHA-1 digest of the certificate in lower-case hex.
    pub fn sha1(mut self, hex: impl Into<String>) -> Self {
        self.certificate.get_or_insert_default().sha1 = Some(hex.into());
        self
    }

    /// The SHA-256 digest of the certificate in lower-case hex.
    pub fn fingerprint(mut self, hex: impl Into<String>) -> Self {
        self.certificate.get_or_insert_default().fingerprint = Some(hex.into());
        self
    }

    /// The first DNS name in the certificate's subject alternative names.
    pub fn dns(mut self, name: impl Into<String>) -> Self {
        self.certificate.get_or_insert_default().dns = Some(name.into());
        self
    }

    /// Makes the property at `path` have exactly these bytes, whatever the profile says.
    pub fn property(mut self, path: &[&str], value: impl AsRef<[u8]>) -> Self {
        self.overrides.push((path.join("\0").into_bytes(), Some(value.as_ref().to_vec())));
        self
    }

    /// Makes the property at `path` absent, whatever the profile says.
    pub fn without_property(mut self, path: &[&str]) -> Self {
        self.overrides.push((path.join("\0").into_bytes(), None));
        self
    }

    /// What [`Peer::property`] or [`Peer::without_property`] said last about this path, in the profile's spelling.
    pub(crate) fn overridden(&self, path: &[u8], spelling: fn(&[u8]) -> Vec<u8>) -> Option<Option<&[u8]>> {
        let (_, value) = self.overrides.iter().rev().find(|(name, _)| spelling(name) == path)?;
        Some(value.as_deref())
    }
}
