//! Pins: which certificates of a CA count, when that CA vouches for others too (spec §2.1). The Hub's among those of the Trust
//! Framework, and the proxy's in front among those of the bank's own CA.

use super::fingerprint::Fingerprint;

/// Which certificates count.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Pins {
    /// The OUs. When there are any, the certificate's must be among them.
    pub organisational_units: Vec<String>,
    /// The leaf certificates. When there are any, the certificate must be among them, beside its OU.
    pub fingerprints: Vec<Fingerprint>,
    /// Both lists may be empty: every certificate that the gateway verified counts.
    pub allow_unpinned: bool,
}

/// Which pin a certificate does not meet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotPinned {
    /// Its OU is not listed.
    OrganisationalUnit,
    /// Its fingerprint is not listed.
    Fingerprint,
    /// Fingerprints are listed, and its own is not known.
    FingerprintUnknown,
    /// Nothing is listed, and the configuration does not say that anyone may call.
    NothingIsPinned,
}

impl Pins {
    /// Whether any certificate is listed at all: others may count too, whoever shows them.
    #[must_use]
    pub(crate) fn are_any(&self) -> bool {
        !self.organisational_units.is_empty() || !self.fingerprints.is_empty()
    }

    /// Compares a certificate with the pins, of which each list that is not empty must match. An OU that is not one beyond
    /// doubt is none.
    pub(crate) fn check(
        &self,
        organisational_unit: Option<&str>,
        fingerprint: Option<Fingerprint>,
    ) -> Result<(), NotPinned> {
        let Self { organisational_units, fingerprints, allow_unpinned } = self;
        if organisational_units.is_empty() && fingerprints.is_empty() && !allow_unpinned {
            return Err(NotPinned::NothingIsPinned);
        }
        let is_listed = |unit: &str| organisational_units.iter().any(|pin| pin == unit);
        if !organisational_units.is_empty() && !organisational_unit.is_some_and(is_listed) {
            return Err(NotPinned::OrganisationalUnit);
        }
        if fingerprints.is_empty() {
            return Ok(());
        }
        match fingerprint {
            Some(fingerprint) if fingerprints.contains(&fingerprint) => Ok(()),
            Some(_) => Err(NotPinned::Fingerprint),
            None => Err(NotPinned::FingerprintUnknown),
        }
    }
}
