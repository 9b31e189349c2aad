//! Whose word on the client certificate counts: that of the connection, or that of the header of a proxy in front (spec §2.1).
//! Nothing else decides it. Whether the certificate may call is another question, and health checks do not ask it.

use super::forwarded::{self, Forwarded, ForwardedHeader};
use super::leaf::{self, Validity};
use super::{Fingerprint, LeafCertificate, Malformed, PeerError, PeerFacts};

/// Where the peer certificate is learned from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PeerSource {
    /// The TLS connection of this request.
    Connection,
    /// A header of the proxy in front.
    ForwardedHeader(ForwardedHeader),
}

/// A client certificate that was verified, by whoever is believed. Nothing in it need make sense, and it need not be one that
/// may call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PresentedCertificate<'f>(Presented<'f>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Presented<'f> {
    /// By the client, on this connection.
    Directly { subject: &'f [u8], facts: &'f PeerFacts },
    /// To the proxy in front. What the connection says of itself is about that proxy, and stays out of it.
    ToProxy(Forwarded),
}

impl PeerSource {
    /// The header of requests that says something of the certificate, in lowercase. `needs_issuer` if its issuer is to be
    /// known as well.
    #[must_use]
    pub fn header(&self, needs_issuer: bool) -> Option<&str> {
        match self {
            Self::ForwardedHeader(header) => Some(&header.name),
            // A gateway that tells neither the issuer nor the certificate may itself write the header, which has both.
            Self::Connection => needs_issuer.then_some(forwarded::xfcc::HEADER),
        }
    }

    /// The headers of requests that say whether the forwarded certificate was verified, in lowercase.
    pub(crate) fn verification_headers(&self) -> impl Iterator<Item = &str> {
        let header = match self {
            Self::ForwardedHeader(header) => Some(header),
            Self::Connection => None,
        };
        header.into_iter().flat_map(ForwardedHeader::verification_headers)
    }

    /// Whether it needs the fingerprint of the connection's certificate.
    #[must_use]
    pub(crate) fn needs_fingerprint(&self) -> bool {
        matches!(self, Self::ForwardedHeader(header) if header.hop.needs_fingerprint())
    }
}

impl<'f> PresentedCertificate<'f> {
    /// The certificate that counts by this source.
    pub(crate) fn by(source: &PeerSource, facts: &'f PeerFacts) -> Result<Self, PeerError> {
        match source {
            PeerSource::Connection => {
                // A gateway may show the subject of a certificate that it could not verify: presence alone says nothing.
                let subject = facts.subject.as_deref().filter(|_| facts.verified).ok_or(PeerError::Missing)?;
                Ok(Self(Presented::Directly { subject, facts }))
            }
            PeerSource::ForwardedHeader(header) => {
                header.certificate(facts).map(|forwarded| Self(Presented::ToProxy(forwarded)))
            }
        }
    }

    /// Its subject, as it was printed.
    #[must_use]
    pub(crate) fn subject(&self) -> &[u8] {
        match &self.0 {
            Presented::Directly { subject, .. } => subject,
            Presented::ToProxy(forwarded) => forwarded.subject(),
        }
    }

    /// Its fingerprint, if it is known.
    pub(crate) fn fingerprint(&self) -> Result<Option<Fingerprint>, Malformed> {
        match &self.0 {
            Presented::Directly { facts, .. } => facts.connection_fingerprint(),
            Presented::ToProxy(forwarded) => Ok(forwarded.fingerprint()),
        }
    }

    /// Its fingerprint, and when it is valid, if they are known. A certificate of this connection that cannot be read is refused.
    /// What a proxy forwards beside the subject may be missing, and says as little when it cannot be read.
    pub(crate) fn fingerprint_and_validity(&self) -> Result<(Option<Fingerprint>, Option<Validity>), Malformed> {
        if let Presented::Directly { facts: PeerFacts { certificate: Some(pem), fingerprint: None, .. }, .. } = &self.0
        {
            let (fingerprint, validity) = leaf::fingerprint_and_validity(pem).map_err(Malformed::Certificate)?;
            return Ok((Some(fingerprint), Some(validity)));
        }
        Ok((self.fingerprint()?, self.validity()))
    }

    /// When it is valid, if that is known.
    #[must_use]
    pub(crate) fn validity(&self) -> Option<Validity> {
        self.leaf().map(|leaf| leaf.validity())
    }

    /// The certificate itself, where it is handed on and nobody else can have written it.
    #[must_use]
    pub(crate) fn leaf(&self) -> Option<LeafCertificate> {
        match &self.0 {
            Presented::Directly { facts: PeerFacts { certificate: Some(pem), .. }, .. } => {
                LeafCertificate::from_pem(pem).ok()
            }
            Presented::Directly { facts, .. } => {
                // A header that the gateway did not write is the caller's: the connection must be of the same certificate.
                let known = Fingerprint::parse(facts.fingerprint.as_deref()?).ok()?;
                forwarded::written_here(facts)?.leaf().filter(|leaf| leaf.fingerprint() == known)
            }
            Presented::ToProxy(forwarded) => {
                forwarded.leaf().filter(|leaf| forwarded.fingerprint().is_none_or(|known| known == leaf.fingerprint()))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peer::{ForwardedFormat, Hop};

    #[test]
    fn the_header_that_is_configured_is_noted_and_the_usual_one_only_for_an_issuer() {
        let header = |name: &str| {
            PeerSource::ForwardedHeader(ForwardedHeader {
                name: name.to_owned(),
                format: ForwardedFormat::Xfcc,
                verifications: Vec::new(),
                hop: Hop::Plaintext,
            })
        };
        for (source, needs_issuer, noted) in [
            (header("x-client"), false, Some("x-client")),
            (header("x-client"), true, Some("x-client")),
            (PeerSource::Connection, false, None),
            (PeerSource::Connection, true, Some("x-forwarded-client-cert")),
        ] {
            assert_eq!(source.header(needs_issuer), noted, "{source:?}");
        }
    }
}
