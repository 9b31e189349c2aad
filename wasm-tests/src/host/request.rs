//! What a client sends: the request and the facts of its connection, from which a profile makes headers and properties.

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
        }
    }

    /// Adds a header field. Repeating a name sends it twice.
    pub fn header(mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Self {
        self.headers.push(name, value);
        self
    }

    /// The value of `Host` or `:authority`.
    pub fn authority(mut self, authority: impl Into<String>) -> Self {
        self.authority = authority.into();
        self
    }

    /// The request's body.
    pub fn body(mut self, body: impl AsRef<[u8]>) -> Self {
        self.body = body.as_ref().to_vec();
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

/// A client certificate that the gateway has verified.
#[derive(Clone, Debug, Default)]
pub(crate) struct Certificate {
    pub(crate) subject: Vec<u8>,
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

    /// What [`Peer::property`] or [`Peer::without_property`] said last about this path.
    pub(crate) fn overridden(&self, path: &[u8]) -> Option<Option<&[u8]>> {
        let (_, value) = self.overrides.iter().rev().find(|(name, _)| name == path)?;
        Some(value.as_deref())
    }
}
