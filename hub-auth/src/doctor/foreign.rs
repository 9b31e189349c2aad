//! A certificate that says it is the Hub's, of a CA that has the name of the right one and is another. It is made for one run, in memory.

use std::time::{Duration, SystemTime};

use hub_auth_filter::facade::peer::{AttributeType, DistinguishedName};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose, PKCS_RSA_SHA256,
};
use rustls::pki_types::PrivatePkcs8KeyDer;

use super::given::Identity;
use crate::certificates::read_leaf;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// What a name says.
#[derive(Debug, Clone)]
pub(super) struct Names {
    pub(super) organisation: String,
    pub(super) organisational_unit: String,
    pub(super) common_name: String,
}

impl Names {
    /// Those of a name as the filter reads it, as far as it has them.
    pub(super) fn of(name: &str) -> Self {
        let name = DistinguishedName::parse(name.as_bytes()).ok();
        let first = |attribute| {
            let value = name.as_ref().and_then(|name| name.values(attribute).next());
            value.unwrap_or_default().to_owned()
        };
        Self {
            organisation: first(AttributeType::Organisation),
            organisational_unit: first(AttributeType::OrganisationalUnit),
            common_name: first(AttributeType::CommonName),
        }
    }

    fn distinguished_name(&self) -> rcgen::DistinguishedName {
        let mut name = rcgen::DistinguishedName::new();
        name.push(DnType::CountryName, "AE");
        for (kind, value) in [
            (DnType::OrganizationName, &self.organisation),
            (DnType::OrganizationalUnitName, &self.organisational_unit),
            (DnType::CommonName, &self.common_name),
        ] {
            if !value.is_empty() {
                name.push(kind, value.as_str());
            }
        }
        name
    }
}

/// Makes a client certificate for this subject, by a CA of that name. RSA, as the Trust Framework's are: a listener that takes nothing else
/// would refuse it for the wrong reason.
///
/// # Errors
/// It cannot be made: a sentence.
pub(super) fn make(subject: &Names, issuer: &Names) -> Result<Identity, String> {
    make_by(subject, issuer).map_err(|error| format!("no certificate of another CA can be made: {error}"))
}

fn make_by(subject: &Names, issuer: &Names) -> Result<Identity, Box<dyn std::error::Error>> {
    let mut authority = parameters(issuer);
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate_for(&PKCS_RSA_SHA256)?)?;

    let mut leaf = parameters(subject);
    leaf.is_ca = IsCa::ExplicitNoCa;
    leaf.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    leaf.use_authority_key_identifier_extension = true;
    let key = KeyPair::generate_for(&PKCS_RSA_SHA256)?;
    let certificate = leaf.signed_by(&key, &authority)?;
    let chain = vec![certificate.der().clone(), authority.der().clone()];
    let leaf = read_leaf(certificate.der())?;
    Ok(Identity::new(chain, PrivatePkcs8KeyDer::from(key.serialize_der()).into(), leaf))
}

fn parameters(names: &Names) -> CertificateParams {
    let now = SystemTime::now();
    let mut parameters = CertificateParams::default();
    parameters.distinguished_name = names.distinguished_name();
    parameters.not_before = (now - DAY).into();
    parameters.not_after = (now + 300 * DAY).into();
    parameters
}
