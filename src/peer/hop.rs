//! The hop from the proxy in front: who must have made the connection, so that its word on the caller's certificate counts.
//! A header can be written by whoever reaches this gateway, and a CA inside a bank vouches for more than its proxies.

use super::name::DistinguishedName;
use super::{PeerError, PeerFacts, Pins, subject};

/// Whom a forwarded header is believed from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hop {
    /// From whoever shows a verified client certificate that meets these pins: the proxy's own.
    MutualTls(Pins),
    /// From anybody who reaches this gateway.
    Plaintext,
}

impl Hop {
    /// Whether the fingerprint of the proxy's certificate is needed.
    #[must_use]
    pub(crate) fn needs_fingerprint(&self) -> bool {
        matches!(self, Self::MutualTls(pins) if !pins.fingerprints.is_empty())
    }

    /// Whether this connection was made by the proxy. Nothing that it brought is looked at.
    pub(super) fn check(&self, facts: &PeerFacts) -> Result<(), PeerError> {
        let Self::MutualTls(pins) = self else { return Ok(()) };
        if !facts.verified {
            return Err(PeerError::Missing);
        }
        // A certificate of a proxy need have no O: only the OU counts, if exactly one is there.
        let name = facts.subject.as_deref().and_then(|subject| DistinguishedName::parse(subject).ok());
        let unit = name.as_ref().and_then(|name| subject::organisational_unit(name).ok());
        let fingerprint = facts.connection_fingerprint().ok().flatten();
        pins.check(unit, fingerprint).map_err(PeerError::UnknownProxy)
    }
}
