//! The leaf certificate itself, where a gateway or a proxy hands it on, in PEM (RFC 7468 §5) or as a byte sequence (RFC 9440
//! §2.1): its fingerprint, the names in it (RFC 5280 §4.1.2.4) printed as gateways print them, and when it is valid. Nothing
//! here says that anybody vouches for the certificate.

mod print;
mod validity;

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use der::Tag;
pub use validity::{Validity, ValidityError};
use zeroize::Zeroizing;

use super::fingerprint::Fingerprint;
use crate::der::{Elements, context};
use crate::hex;
use crate::pem::{self, Block, MAX_PEM_BYTES};

/// The longest PEM in which the first certificate is looked for, in bytes: a leaf and three CAs, with text between them.
pub(crate) const MAX_CHAIN_BYTES: usize = 64 * 1024;

/// The longest certificate that is read of a byte sequence, in bytes of its DER. Google's load balancer forwards none that is
/// longer.
pub(crate) const MAX_DER_BYTES: usize = 16 * 1024;

/// The longest byte sequence: base64 of four characters for three bytes, between colons.
const MAX_BYTE_SEQUENCE: usize = MAX_DER_BYTES.div_ceil(3) * 4 + 2;

/// The label of a certificate's PEM.
const LABEL: &str = "CERTIFICATE";

/// A certificate that was read, and not verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeafCertificate {
    fingerprint: Fingerprint,
    issuer: String,
    subject: String,
    validity: Validity,
}

/// Why a text is not one certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeafError {
    /// It is longer than certificates are.
    TooLong,
    /// A `%` is not followed by two hexadecimal digits, or something stands in it that is written as such digits.
    NotUrlEncoded,
    /// It is not base64 between two colons.
    NotAByteSequence,
    /// It is not the PEM of exactly one certificate.
    NotPem,
    /// What the PEM holds is not a certificate in DER.
    NotACertificate,
}

impl LeafCertificate {
    /// Reads DER as a byte sequence of structured fields (RFC 8941 §3.3.5), as in `Client-Cert` (RFC 9440 §2.2). Padding must be
    /// there, as those who write one must write it (RFC 8941 §4.1.8), and no parameter may follow.
    ///
    /// # Errors
    /// See [`LeafError`].
    pub fn from_byte_sequence(text: &[u8]) -> Result<Self, LeafError> {
        if text.len() > MAX_BYTE_SEQUENCE {
            return Err(LeafError::TooLong);
        }
        let base64 = text.strip_prefix(b":").and_then(|text| text.strip_suffix(b":"));
        let der = base64.and_then(|base64| STANDARD.decode(base64).ok()).ok_or(LeafError::NotAByteSequence)?;
        Self::from_der(&der)
    }

    /// Reads PEM that was percent-encoded (RFC 3986 §2.1), as in `Cert` of `x-forwarded-client-cert`. Some proxies leave `+`, `/`
    /// and `=` as they are; a `+` is no space.
    ///
    /// # Errors
    /// See [`LeafError`].
    pub fn from_url_encoded_pem(text: &[u8]) -> Result<Self, LeafError> {
        // Every octet may be written as three.
        if text.len() > MAX_PEM_BYTES * 3 {
            return Err(LeafError::TooLong);
        }
        Self::from_pem(&percent_decoded(text).ok_or(LeafError::NotUrlEncoded)?)
    }

    /// Reads PEM of exactly one certificate.
    ///
    /// # Errors
    /// See [`LeafError`].
    pub fn from_pem(pem: &[u8]) -> Result<Self, LeafError> {
        Self::from_der(&der_of(pem)?)
    }

    fn from_der(der: &[u8]) -> Result<Self, LeafError> {
        let Contents { issuer, validity, subject } = Contents::of(der).ok_or(LeafError::NotACertificate)?;
        let names = print::name(issuer).zip(print::name(subject));
        let (issuer, subject) = names.ok_or(LeafError::NotACertificate)?;
        Ok(Self { fingerprint: Fingerprint::of(der), issuer, subject, validity })
    }

    /// Reads the first certificate of a chain in PEM, with any text around the certificates.
    ///
    /// # Errors
    /// See [`LeafError`].
    pub fn first_of_chain(pem: &str) -> Result<Self, LeafError> {
        if pem.len() > MAX_CHAIN_BYTES {
            return Err(LeafError::TooLong);
        }
        Self::from_pem(pem::first(pem, LABEL).ok_or(LeafError::NotPem)?.as_bytes())
    }

    /// SHA-256 of the certificate.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    /// The name of its issuer.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Its own name.
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// When it is valid.
    #[must_use]
    pub fn validity(&self) -> Validity {
        self.validity
    }
}

impl fmt::Display for LeafError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooLong => "the certificate is too long",
            Self::NotUrlEncoded => "the certificate is not percent-encoded",
            Self::NotAByteSequence => "the certificate is not base64 between colons",
            Self::NotPem => "the certificate is not the PEM of one certificate",
            Self::NotACertificate => "the certificate is not one in DER",
        })
    }
}

impl std::error::Error for LeafError {}

/// SHA-256 of the certificate in this PEM, of exactly one, which need not be read for that.
///
/// # Errors
/// See [`LeafError`].
pub(crate) fn fingerprint(pem: &[u8]) -> Result<Fingerprint, LeafError> {
    der_of(pem).map(|der| Fingerprint::of(&der))
}

/// SHA-256 of the certificate in this PEM, of exactly one, and when it is valid. Its names are not read.
///
/// # Errors
/// See [`LeafError`].
pub(crate) fn fingerprint_and_validity(pem: &[u8]) -> Result<(Fingerprint, Validity), LeafError> {
    let der = der_of(pem)?;
    let validity = Contents::of(&der).ok_or(LeafError::NotACertificate)?.validity;
    Ok((Fingerprint::of(&der), validity))
}

/// What is read of a certificate (RFC 5280 §4.1). The rest of it has to be there, and is for those who verify it.
struct Contents<'d> {
    issuer: Elements<'d>,
    validity: Validity,
    subject: Elements<'d>,
}

impl<'d> Contents<'d> {
    fn of(der: &'d [u8]) -> Option<Self> {
        let mut certificate = Elements::of_sequence(der)?;
        let mut signed = certificate.sequence()?;
        let _algorithm = certificate.sequence()?;
        let _signature = certificate.octets_in_bits()?;
        certificate.end()?;

        let _version = signed.optional(context(0))?;
        let _serial_number = signed.content(Tag::Integer)?;
        let _algorithm = signed.sequence()?;
        let issuer = signed.sequence()?;
        let validity = Validity::read(signed.sequence()?)?;
        let subject = signed.sequence()?;
        let _public_key = signed.sequence()?;
        // Unique identifiers, which are implicit BIT STRINGs and deprecated, and extensions.
        while !signed.is_at_end() {
            signed.any()?;
        }
        Some(Self { issuer, validity, subject })
    }
}

fn der_of(pem: &[u8]) -> Result<Zeroizing<Vec<u8>>, LeafError> {
    if pem.len() > MAX_PEM_BYTES {
        return Err(LeafError::TooLong);
    }
    let block = std::str::from_utf8(pem).ok().and_then(|pem| Block::find(pem).ok());
    block.filter(|block| block.label == LABEL).and_then(|block| block.decode()).ok_or(LeafError::NotPem)
}

fn percent_decoded(text: &[u8]) -> Option<Vec<u8>> {
    let mut octets = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((first, after)) = rest.split_first() {
        if *first != b'%' {
            let is_plain = first.is_ascii_alphanumeric() || b"-._~+/=".contains(first);
            octets.push(Some(*first).filter(|_| is_plain)?);
            rest = after;
            continue;
        }
        let ([high, low], after) = after.split_first_chunk::<2>()?;
        octets.push(hex::octet(*high, *low)?);
        rest = after;
    }
    Some(octets)
}

#[cfg(test)]
pub(crate) mod tests;
