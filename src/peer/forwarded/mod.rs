//! The certificate that a proxy in front verified, and forwards in a header: in which header, how it is written there, and
//! what has to say that it was verified. Whose word counts is decided before ([`super::hop`]).
//!
//! A header can be repeated by whoever could slip one past the proxy, so one value counts, or none. `Client-Cert-Chain`
//! (RFC 9440 §2.3) is not read: what the proxy verified needs no chain.

pub(crate) mod xfcc;

use xfcc::ForwardedCertificate;

use super::{Fingerprint, Hop, LeafCertificate, Malformed, PeerError, PeerFacts};

/// Where a proxy says which certificate its client has, and from whom it is believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForwardedHeader {
    /// The header, in lowercase.
    pub name: String,
    /// How the certificate is written in it.
    pub format: ForwardedFormat,
    /// What must be said beside it. Nothing, of a proxy that forwards no certificate which it has not verified.
    pub verifications: Vec<Verification>,
    /// Who must have made the connection.
    pub hop: Hop,
}

/// How a certificate is written in a header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ForwardedFormat {
    /// Envoy's `x-forwarded-client-cert`, which describes it.
    Xfcc,
    /// The DER as a byte sequence (RFC 9440 §2.2).
    Rfc9440,
    /// The PEM, percent-encoded.
    UrlEncodedPem,
}

/// A header that says whether the forwarded certificate was verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verification {
    /// The header, in lowercase.
    pub header: String,
    /// What it says of a certificate that was, octet by octet.
    pub value: String,
}

/// What a header says of one certificate, which the proxy has verified. Nothing in it need make sense.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Forwarded {
    /// Its subject, and perhaps more.
    Described(ForwardedCertificate),
    /// The certificate itself.
    Whole(LeafCertificate),
}

impl ForwardedHeader {
    /// The headers that say whether the certificate was verified.
    pub(crate) fn verification_headers(&self) -> impl Iterator<Item = &str> {
        self.verifications.iter().map(|verification| verification.header.as_str())
    }

    /// The one certificate, if the proxy forwards one, verified it, and is who it has to be.
    pub(super) fn certificate(&self, facts: &PeerFacts) -> Result<Forwarded, PeerError> {
        self.hop.check(facts)?;
        let value = only(facts.forwarded.iter())?.filter(|value| !value.is_empty()).ok_or(PeerError::Missing)?;
        for (place, verification) in self.verifications.iter().enumerate() {
            let said = only(facts.verifications.iter().filter(|(of, _)| *of == place))?;
            if said.is_none_or(|(_, said)| said != verification.value.as_bytes()) {
                return Err(PeerError::NotVerified);
            }
        }
        Forwarded::read(self.format, value)
    }
}

impl Forwarded {
    /// What the one value of a header in this format says.
    fn read(format: ForwardedFormat, value: &[u8]) -> Result<Self, PeerError> {
        let whole = match format {
            ForwardedFormat::Xfcc => return Ok(Self::Described(described(value)?)),
            ForwardedFormat::Rfc9440 => LeafCertificate::from_byte_sequence(value),
            ForwardedFormat::UrlEncodedPem => LeafCertificate::from_url_encoded_pem(value),
        };
        Ok(Self::Whole(whole.map_err(Malformed::Certificate)?))
    }

    /// Its subject, in RFC 2253 form.
    pub(crate) fn subject(&self) -> &[u8] {
        match self {
            Self::Described(certificate) => certificate.subject(),
            Self::Whole(leaf) => leaf.subject().as_bytes(),
        }
    }

    /// Its fingerprint, if it is known.
    pub(crate) fn fingerprint(&self) -> Option<Fingerprint> {
        match self {
            Self::Described(certificate) => certificate.fingerprint(),
            Self::Whole(leaf) => Some(leaf.fingerprint()),
        }
    }

    /// The certificate itself, if it was forwarded.
    pub(crate) fn leaf(&self) -> Option<LeafCertificate> {
        match self {
            Self::Described(certificate) => LeafCertificate::from_url_encoded_pem(certificate.certificate()?).ok(),
            Self::Whole(leaf) => Some(leaf.clone()),
        }
    }
}

/// What the gateway itself says in [`xfcc::HEADER`], or a caller to a gateway that does not write it.
pub(super) fn written_here(facts: &PeerFacts) -> Option<Forwarded> {
    only(facts.forwarded.iter()).ok().flatten().and_then(|value| described(value).ok()).map(Forwarded::Described)
}

fn described(value: &[u8]) -> Result<ForwardedCertificate, Malformed> {
    ForwardedCertificate::parse(value).map_err(Malformed::Forwarded)
}

fn only<T>(mut values: impl Iterator<Item = T>) -> Result<Option<T>, Malformed> {
    match (values.next(), values.next()) {
        (value, None) => Ok(value),
        (_, Some(_)) => Err(Malformed::SeveralForwardedHeaders),
    }
}

#[cfg(test)]
mod tests;
