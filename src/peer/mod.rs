//! The peer certificate: decides whether a request came over mutual TLS from a client that may call at all.
//! The first thing that every method rests on (the Hub's certificate, and which participants of its Trust Framework pass).

mod certificate_text;
pub(crate) mod fingerprint;
pub(crate) mod forwarded;
mod hop;
pub(crate) mod leaf;
pub(crate) mod name;
mod pins;
mod source;
pub(crate) mod subject;

use std::fmt;

pub(crate) use certificate_text::CertificateText;
pub use fingerprint::Fingerprint;
pub(crate) use forwarded::{ForwardedFormat, ForwardedHeader, Verification};
pub(crate) use hop::Hop;
pub use leaf::LeafCertificate;
pub use leaf::{Validity, ValidityError};
pub(crate) use pins::{NotPinned, Pins};
pub(crate) use source::{PeerSource, PresentedCertificate};
pub use subject::Subject;

use fingerprint::FingerprintError;
use forwarded::xfcc::XfccError;
use leaf::LeafError;
use name::{DistinguishedName, NameError};
use subject::SubjectError;

use crate::time::UnixTime;

/// What the gateway learned about the TLS peer in this request. Nothing in it is trusted to be well-formed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct PeerFacts {
    /// The gateway says that a client certificate was presented and verified on this connection.
    pub verified: bool,
    /// Its subject, in RFC 2253 form.
    pub subject: Option<CertificateText>,
    /// Its SHA-256 fingerprint, in hexadecimal. Whatever else a gateway calls a fingerprint (SHA-1) does not belong here.
    pub fingerprint: Option<CertificateText>,
    /// The certificate itself, in PEM, from a gateway that tells this instead of the fingerprint.
    pub certificate: Option<CertificateText>,
    /// Every value of the forwarded header that the rules name; empty when they name none.
    pub forwarded: Vec<Vec<u8>>,
    /// Every value of the headers that say whether the forwarded certificate was verified, each with its header's place in the
    /// rules.
    pub verifications: Vec<(usize, Vec<u8>)>,
}

impl PeerFacts {
    /// The fingerprint of the connection's certificate, if the gateway tells it or the certificate.
    ///
    /// # Errors
    /// What it tells is neither.
    fn connection_fingerprint(&self) -> Result<Option<Fingerprint>, Malformed> {
        match self {
            Self { fingerprint: Some(text), .. } => {
                Fingerprint::parse(&**text).map(Some).map_err(Malformed::Fingerprint)
            }
            Self { certificate: Some(pem), .. } => leaf::fingerprint(pem).map(Some).map_err(Malformed::Certificate),
            _ => Ok(None),
        }
    }
}

/// Who may call, and where to learn who calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerRules {
    /// Which certificates may call.
    pub pins: Pins,
    /// Whose word on the certificate counts.
    pub source: PeerSource,
}

/// A client certificate that was verified, has an unambiguous subject, and is pinned or by configuration need not be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PeerCertificate {
    subject: Subject,
    fingerprint: Option<Fingerprint>,
    validity: Option<Validity>,
}

impl PeerCertificate {
    /// Applies the rules to the facts: first whether there is a verified certificate, then whether what is known of it
    /// makes sense, then whether it may call. When it may is for [`PeerCertificate::check_validity`].
    pub(crate) fn establish(facts: &PeerFacts, rules: &PeerRules) -> Result<Self, PeerError> {
        let presented = PresentedCertificate::by(&rules.source, facts)?;
        let (fingerprint, validity) = presented.fingerprint_and_validity()?;
        let certificate = Self { subject: parse_subject(presented.subject())?, fingerprint, validity };
        rules.pins.check(Some(certificate.subject.organisational_unit()), certificate.fingerprint)?;
        Ok(certificate)
    }

    /// Its subject.
    pub(crate) fn subject(&self) -> &Subject {
        &self.subject
    }

    /// Its fingerprint, if the gateway told it.
    pub(crate) fn fingerprint(&self) -> Option<Fingerprint> {
        self.fingerprint
    }

    /// Its last moment, where the gateway shows the certificate itself.
    pub(crate) fn end(&self) -> Option<UnixTime> {
        self.validity.map(Validity::not_after)
    }

    /// Whether it is valid at this moment, as far as that is known: to be asked for every request, as a certificate may end
    /// before its connection does.
    pub(crate) fn check_validity(&self, now: UnixTime) -> Result<(), PeerError> {
        self.validity.map_or(Ok(()), |validity| validity.check(now)).map_err(PeerError::NotValid)
    }
}

fn parse_subject(name: &[u8]) -> Result<Subject, Malformed> {
    let name = DistinguishedName::parse(name).map_err(Malformed::Name)?;
    Subject::from_name(&name).map_err(Malformed::Subject)
}

/// Why there is no peer certificate that may call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PeerError {
    /// No client certificate was presented, or it was not verified.
    Missing,
    /// One was forwarded, by somebody who did not prove to be the proxy: nothing that it says of the caller counts.
    UnknownProxy(NotPinned),
    /// The proxy forwards one, and does not say that it verified it.
    NotVerified,
    /// What is known of the certificate is ambiguous or makes no sense.
    Malformed(Malformed),
    /// The certificate is sound, and is not one that may call.
    NotPinned(NotPinned),
    /// The certificate is one that may call, and not now.
    NotValid(ValidityError),
}

/// What about a certificate makes no sense.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Malformed {
    /// The subject is not a distinguished name.
    Name(NameError),
    /// The subject is ambiguous or unusable.
    Subject(SubjectError),
    /// The fingerprint is not one.
    Fingerprint(FingerprintError),
    /// What the gateway gives as the certificate is not one.
    Certificate(LeafError),
    /// The forwarded header does not name one certificate.
    Forwarded(XfccError),
    /// The forwarded header, or one that says whether its certificate was verified, arrived more than once.
    SeveralForwardedHeaders,
}

impl From<Malformed> for PeerError {
    fn from(malformed: Malformed) -> Self {
        Self::Malformed(malformed)
    }
}

impl From<NotPinned> for PeerError {
    fn from(not_pinned: NotPinned) -> Self {
        Self::NotPinned(not_pinned)
    }
}

impl fmt::Display for PeerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("no verified client certificate"),
            Self::UnknownProxy(not_pinned) => f.write_str(match not_pinned {
                NotPinned::OrganisationalUnit => "the OU of the proxy that forwards it is not allowed",
                NotPinned::Fingerprint => "the certificate of the proxy that forwards it is not allowed",
                NotPinned::FingerprintUnknown => "the fingerprint of the proxy that forwards it is not known",
                NotPinned::NothingIsPinned => "no proxy is allowed by the configuration to forward one",
            }),
            Self::NotVerified => f.write_str("the proxy that forwards it does not say that it is verified"),
            Self::Malformed(malformed) => malformed.fmt(f),
            Self::NotPinned(not_pinned) => not_pinned.fmt(f),
            Self::NotValid(error) => error.fmt(f),
        }
    }
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(error) => error.fmt(f),
            Self::Subject(error) => error.fmt(f),
            Self::Fingerprint(error) => error.fmt(f),
            Self::Certificate(error) => error.fmt(f),
            Self::Forwarded(error) => error.fmt(f),
            Self::SeveralForwardedHeaders => f.write_str("more than one forwarded certificate header"),
        }
    }
}

impl fmt::Display for NotPinned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OrganisationalUnit => "the OU of the client certificate is not allowed",
            Self::Fingerprint => "the client certificate is not allowed",
            Self::FingerprintUnknown => "the fingerprint of the client certificate is not known",
            Self::NothingIsPinned => "no client certificate is allowed by the configuration",
        })
    }
}

impl std::error::Error for PeerError {}

#[cfg(test)]
mod tests;
