//! What signed tokens say and who signs them (spec §2.4, §4): the same settings for tokens on requests to the Hub and on
//! responses to it.

use std::time::Duration;

use super::duration::DurationRange;
use super::errors::ConfigErrors;
use super::reader::{Node, Object};
use super::secret::SecretSource;
use super::signers::Signer;
use super::subject;
use super::text_rules::PROVIDER_ID;

/// What the standard recommends.
pub(super) const LIFETIME: DurationRange =
    DurationRange { min: Duration::from_secs(10), max: Duration::from_secs(30), default: Duration::from_secs(30) };

/// What signed tokens say, and who signs them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signing {
    /// `iss`: the `O` of the certificate C3.
    pub issuer: String,
    /// `sub`: the `OU` of the certificate C3.
    pub subject: String,
    /// `aud`: the Hub's provider id for this bank.
    pub audience: String,
    /// `exp` − `iat`: 10 to 30 seconds.
    pub lifetime: Duration,
    /// Who signs.
    pub signer: Signer,
}

impl Signing {
    /// Reads the settings from an object that may have others as well.
    pub(super) fn read(
        node: &Node<'_>,
        object: &Object<'_>,
        secrets: &mut SecretSource<'_>,
        errors: &mut ConfigErrors,
    ) -> Option<Self> {
        let audience = object.member("audience").text(&PROVIDER_ID, errors);
        let certificate = subject::read_certificate(&object.member("certificate"), errors);
        let lifetime = object.member("lifetime").duration(&LIFETIME, errors);
        let signer = Signer::read(node, object, secrets, errors);
        let certificate = certificate?;
        Some(Self {
            issuer: certificate.organisation().to_owned(),
            subject: certificate.organisational_unit().to_owned(),
            audience: audience?.to_owned(),
            lifetime: lifetime?,
            signer: signer?,
        })
    }
}
