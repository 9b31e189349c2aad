//! The subjects of certificates, in the shape that the standard prescribes (*API Hub Connectivity & Certificates*): C, O, OU, CN.

use rcgen::{DistinguishedName, DnType, DnValue};

/// A subject as the Trust Framework writes it, `C=AE` left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    /// `O`
    pub organisation: String,
    /// `OU`
    pub organisational_unit: String,
    /// `CN`
    pub common_name: String,
}

impl Subject {
    /// A subject of these three.
    #[must_use]
    pub fn new(organisation: &str, organisational_unit: &str, common_name: &str) -> Self {
        Self {
            organisation: organisation.to_owned(),
            organisational_unit: organisational_unit.to_owned(),
            common_name: common_name.to_owned(),
        }
    }

    pub(super) fn distinguished_name(&self) -> DistinguishedName {
        let mut name = DistinguishedName::new();
        name.push(DnType::CountryName, DnValue::PrintableString("AE".try_into().expect("printable")));
        name.push(DnType::OrganizationName, self.organisation.as_str());
        name.push(DnType::OrganizationalUnitName, self.organisational_unit.as_str());
        name.push(DnType::CommonName, self.common_name.as_str());
        name
    }
}
