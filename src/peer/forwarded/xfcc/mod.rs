//! Envoy's `x-forwarded-client-cert` (XFCC), when another proxy terminates the client's TLS. No RFC: the format is Envoy's
//! documentation and its code, which quotes Cert, Chain and Subject, but neither quotes nor escapes By, URI and DNS.
//!
//! A URI in the peer's own certificate therefore writes what it likes into the header, `;Subject="…"` included, and where a
//! proxy appends, a client's own header stands before a comma. So nothing counts that follows text of the peer's choice,
//! nothing may be said twice, and a comma is allowed nowhere but inside the Subject's quotes.

use std::fmt;

use crate::peer::fingerprint::Fingerprint;

/// The header, unless the proxy in front was told to take another.
pub(crate) const HEADER: &str = "x-forwarded-client-cert";

/// Longest header that is read: Envoy's own default limit for all headers of a request is 60 KiB.
pub(crate) const MAX_HEADER_BYTES: usize = 60 * 1024;

/// The certificate that exactly one proxy says it saw.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForwardedCertificate {
    subject: Vec<u8>,
    fingerprint: Option<Fingerprint>,
    certificate: Option<Vec<u8>>,
}

/// Why a forwarded header does not name exactly one certificate beyond doubt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum XfccError {
    /// It is longer than [`MAX_HEADER_BYTES`].
    TooLong,
    /// A comma outside the Subject: several proxies, several clients, or a value that looks like them.
    SeveralElements,
    /// Something is not `key=value`, or a value is not written as Envoy writes it.
    InvalidPair,
    /// Subject, Hash, Cert or Chain appears twice.
    RepeatedKey,
    /// Subject, Hash, Cert or Chain follows text that the peer may have chosen.
    KeyAfterPeerText,
    /// There is no Subject.
    NoSubject,
    /// Hash is not a SHA-256 fingerprint.
    InvalidHash,
}

impl ForwardedCertificate {
    /// Reads the value of one header as exactly one element with one Subject.
    ///
    /// # Errors
    /// See [`XfccError`].
    pub fn parse(header: &[u8]) -> Result<Self, XfccError> {
        if header.len() > MAX_HEADER_BYTES {
            return Err(XfccError::TooLong);
        }
        let mut element = Element::default();
        let mut rest = header;
        loop {
            let (key, after_key) = split_key(rest)?;
            let (value, after_value) = split_value(key, after_key)?;
            element.add(key, value)?;
            rest = match after_value.split_first() {
                None => break,
                Some((b';', next)) => next,
                Some((b',', _)) => return Err(XfccError::SeveralElements),
                Some(_) => return Err(XfccError::InvalidPair),
            };
        }
        Ok(Self {
            subject: element.subject.ok_or(XfccError::NoSubject)?.to_vec(),
            fingerprint: element.fingerprint,
            certificate: element.cert.map(<[u8]>::to_vec),
        })
    }

    /// The subject in RFC 2253 form, its escapes untouched; it may be empty, as a certificate's subject may.
    #[must_use]
    pub fn subject(&self) -> &[u8] {
        &self.subject
    }

    /// SHA-256 of the certificate, if the proxy sent it.
    #[must_use]
    pub fn fingerprint(&self) -> Option<Fingerprint> {
        self.fingerprint
    }

    /// The certificate in PEM, percent-encoded, if the proxy sent it: text of that alphabet, and not looked at further.
    #[must_use]
    pub fn certificate(&self) -> Option<&[u8]> {
        self.certificate.as_deref()
    }
}

impl fmt::Display for XfccError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooLong => "the forwarded certificate header is too long",
            Self::SeveralElements => "the forwarded certificate header has more than one element",
            Self::InvalidPair => "the forwarded certificate header has an invalid pair",
            Self::RepeatedKey => "the forwarded certificate header repeats a key",
            Self::KeyAfterPeerText => "the forwarded certificate header has a key after text that the peer chose",
            Self::NoSubject => "the forwarded certificate header has no Subject",
            Self::InvalidHash => "the forwarded certificate header has an invalid Hash",
        })
    }
}

impl std::error::Error for XfccError {}

#[derive(Clone, Copy)]
enum Key {
    /// The receiving proxy's own certificate: not the peer's text, and repeated once per URI.
    By,
    Hash,
    Cert,
    Chain,
    Subject,
    /// URI, DNS, and whatever a later Envoy adds.
    PeerText,
}

#[derive(Clone, Copy)]
enum Value<'a> {
    Quoted(&'a [u8]),
    Bare(&'a [u8]),
}

#[derive(Default)]
struct Element<'a> {
    subject: Option<&'a [u8]>,
    fingerprint: Option<Fingerprint>,
    cert: Option<&'a [u8]>,
    chain: Option<&'a [u8]>,
    peer_text: bool,
}

impl<'a> Element<'a> {
    fn add(&mut self, key: Key, value: Value<'a>) -> Result<(), XfccError> {
        let repeated = match key {
            Key::By => return Ok(()),
            Key::PeerText => {
                self.peer_text = true;
                return Ok(());
            }
            _ if self.peer_text => return Err(XfccError::KeyAfterPeerText),
            Key::Hash => self.fingerprint.replace(parse_hash(value)?).is_some(),
            Key::Cert => self.cert.replace(url_encoded(value)?).is_some(),
            Key::Chain => self.chain.replace(url_encoded(value)?).is_some(),
            Key::Subject => match value {
                Value::Quoted(subject) => self.subject.replace(subject).is_some(),
                Value::Bare(_) => return Err(XfccError::InvalidPair),
            },
        };
        if repeated { Err(XfccError::RepeatedKey) } else { Ok(()) }
    }
}

fn parse_hash(value: Value<'_>) -> Result<Fingerprint, XfccError> {
    match value {
        Value::Bare(hash) => Fingerprint::parse(hash).map_err(|_| XfccError::InvalidHash),
        Value::Quoted(_) => Err(XfccError::InvalidHash),
    }
}

/// Cert and Chain are quoted and percent-encoded (RFC 3986 §2.1).
fn url_encoded(value: Value<'_>) -> Result<&[u8], XfccError> {
    let unreserved = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'%' | b'-' | b'.' | b'_' | b'~');
    match value {
        Value::Quoted(pem) if pem.iter().all(unreserved) => Ok(pem),
        _ => Err(XfccError::InvalidPair),
    }
}

fn split_key(text: &[u8]) -> Result<(Key, &[u8]), XfccError> {
    let end = text.iter().position(|byte| !byte.is_ascii_alphanumeric() && *byte != b'-' && *byte != b'_');
    let (name, rest) = text.split_at(end.unwrap_or(text.len()));
    let key = match name.to_ascii_lowercase().as_slice() {
        b"" => return Err(XfccError::InvalidPair),
        b"by" => Key::By,
        b"hash" => Key::Hash,
        b"cert" => Key::Cert,
        b"chain" => Key::Chain,
        b"subject" => Key::Subject,
        _ => Key::PeerText,
    };
    match rest.split_first() {
        Some((b'=', rest)) => Ok((key, rest)),
        Some((b',', _)) => Err(XfccError::SeveralElements),
        _ => Err(XfccError::InvalidPair),
    }
}

fn split_value(key: Key, text: &[u8]) -> Result<(Value<'_>, &[u8]), XfccError> {
    if let Some((b'"', quoted)) = text.split_first() {
        let end = closing_quote(key, quoted)?;
        let (value, rest) = quoted.split_at(end);
        return Ok((Value::Quoted(value), rest.get(1..).unwrap_or_default()));
    }
    let end = text.iter().position(|byte| matches!(byte, b';' | b',')).unwrap_or(text.len());
    let (value, rest) = text.split_at(end);
    if value.contains(&b'"') {
        return Err(XfccError::InvalidPair);
    }
    Ok((Value::Bare(value), rest))
}

/// Where the first quote stands that no backslash escapes. Envoy puts the RFC 2253 subject between quotes as it is, so a
/// backslash here is the name's own escape: it is stepped over, never removed.
fn closing_quote(key: Key, text: &[u8]) -> Result<usize, XfccError> {
    let in_subject = matches!(key, Key::Subject);
    let mut escaped = false;
    for (position, byte) in text.iter().enumerate() {
        match byte {
            // Escaped or not: a client's open quotes that end in a backslash must not swallow the comma of a proxy.
            b',' if !in_subject => return Err(XfccError::SeveralElements),
            _ if escaped => escaped = false,
            b'"' => return Ok(position),
            b'\\' => escaped = true,
            // A printed name always escapes `;`. A bare one means that these quotes span two elements.
            b';' if in_subject => return Err(XfccError::InvalidPair),
            _ => {}
        }
    }
    Err(XfccError::InvalidPair)
}

#[cfg(test)]
mod tests;
