//! The public keys that the signatures of a remote signer must verify with before they leave (RFC 7518 §3.5): the one that is
//! configured, or those that the signer tells.
//!
//! What was fetched stays: a signature that verifies with it is right, however old it is. One that does not verify, or is by a
//! version of the key that is not known, has the keys fetched once more: the key was rotated, or made anew.

use crate::callout::InFlight;
use crate::capabilities::CalloutOwner;
use crate::rsa::RsaPublicKey;
use crate::time::SteadyTime;

use super::error::AnswerFault;
use super::fetches::Fetches;
use super::signer::RemoteSignature;

/// What is known of the public keys, and how they are fetched.
pub(super) struct PublicKeys {
    known: Known,
    pub(super) fetches: Fetches,
}

enum Known {
    Configured(RsaPublicKey),
    /// By version. Empty until the first fetch has succeeded.
    Told(Vec<(u32, RsaPublicKey)>),
}

impl PublicKeys {
    /// The one that is configured, or none yet.
    pub(super) fn new(configured: Option<RsaPublicKey>, owner: CalloutOwner) -> Self {
        Self { known: configured.map_or(Known::Told(Vec::new()), Known::Configured), fetches: Fetches::new(owner) }
    }

    /// Whether nothing is known with which a signature could be verified.
    pub(super) fn is_unknown(&self) -> bool {
        matches!(&self.known, Known::Told(keys) if keys.is_empty())
    }

    /// Verifies a signature as `PS256`.
    pub(super) fn verify(&self, message: &[u8], signature: &RemoteSignature) -> Result<(), AnswerFault> {
        let key = match &self.known {
            Known::Configured(key) => Some(key),
            Known::Told(keys) => keys.iter().find(|(version, _)| *version == signature.version).map(|(_, key)| key),
        };
        let key = key.ok_or(AnswerFault::UnknownVersion)?;
        if signature.bytes.len() != key.modulus().len() {
            return Err(AnswerFault::Length);
        }
        key.verify_ps256(message, &signature.bytes).map_err(|_| AnswerFault::Mismatch)
    }

    /// Whether keys may be fetched because a signature does not verify.
    pub(super) fn may_refetch(&self, now: SteadyTime) -> bool {
        matches!(self.known, Known::Told(_)) && self.fetches.may_refetch(now)
    }

    /// Takes over what a fetch brought, unless one that began later has been faster.
    pub(super) fn learn(&mut self, ended: &InFlight<()>, keys: Vec<(u32, RsaPublicKey)>) {
        self.fetches.succeeded(ended);
        if matches!(self.known, Known::Told(_)) && !ended.is_outdated() {
            self.known = Known::Told(keys);
        }
    }
}
