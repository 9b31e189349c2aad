//! The public keys that the signatures of a remote signer must verify with before they leave (RFC 7518 §3.5): the one that is
//! configured, or those that the signer tells.
//!
//! What was fetched stays: a signature that verifies with it is right, however old it is. One that does not verify, or is by a
//! version of the key that is not known, has the keys fetched once more: the key was rotated, or made anew. Where callouts
//! belong to the plugin, tokens wait for each other's fetch, and the first is made before one needs it; where they belong to
//! requests, each fetches for itself.

use std::time::Duration;

use crate::callout::{Backoff, CalloutId, CalloutIds, CalloutsInFlight, InFlight, LONGEST_BACKOFF};
use crate::capabilities::CalloutOwner;
use crate::rsa::RsaPublicKey;
use crate::time::{Moment, SteadyTime};

use super::error::AnswerFault;
use super::signer::RemoteSignature;

/// How long no more keys are fetched for signatures that do not verify, after that was in vain: a signer that signs otherwise
/// would be asked twice for each token.
const REFETCH_PAUSE: Duration = Duration::from_secs(10);

/// What is known of the public keys, and the fetches in flight.
pub(super) struct PublicKeys {
    known: Known,
    fetches: CalloutsInFlight<()>,
    owner: CalloutOwner,
    /// When keys were last fetched for a signature, and it did not verify all the same.
    last_vain: Option<SteadyTime>,
    /// The pauses between fetches that no token waits for.
    backoff: Backoff,
}

enum Known {
    Configured(RsaPublicKey),
    /// By version. Empty until the first fetch has succeeded.
    Told(Vec<(u32, RsaPublicKey)>),
}

impl PublicKeys {
    /// The one that is configured, or none yet.
    pub(super) fn new(configured: Option<RsaPublicKey>, owner: CalloutOwner) -> Self {
        Self {
            known: configured.map_or(Known::Told(Vec::new()), Known::Configured),
            fetches: CalloutsInFlight::new(),
            owner,
            last_vain: None,
            backoff: Backoff::default(),
        }
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

    /// Whether keys may be fetched because a signature does not verify. A time in the future (the clock was set back) holds nothing up.
    pub(super) fn may_refetch(&self, now: SteadyTime) -> bool {
        let since = self.last_vain.and_then(|last| now.since(last));
        matches!(self.known, Known::Told(_)) && since.is_none_or(|since| since >= REFETCH_PAUSE)
    }

    /// Notes that a signature does not verify with keys that were fetched for it.
    pub(super) fn note_vain(&mut self, now: SteadyTime) {
        self.last_vain = Some(now);
    }

    /// Begins a fetch, or joins the one that is in flight.
    pub(super) fn fetch(&mut self, now: Moment, ids: &mut CalloutIds, timeout: Duration) -> Option<CalloutId> {
        match self.owner {
            CalloutOwner::Plugin if self.fetches.awaited(&(), now.steady) > 0 => return None,
            // What waited for one that nobody has reported on waits for this one.
            CalloutOwner::Plugin => self.fetches.give_up(&()),
            CalloutOwner::Request => drop(self.fetches.take_timed_out(now.steady)),
        }
        let id = ids.draw();
        self.fetches.begin(now, id, (), timeout);
        Some(id)
    }

    /// Begins the fetch that is due although no token waits for it: until keys have come once, with pauses after failures.
    pub(super) fn fetch_ahead(&mut self, now: Moment, ids: &mut CalloutIds, timeout: Duration) -> Option<CalloutId> {
        let is_due = self.owner == CalloutOwner::Plugin && self.is_unknown() && self.backoff.may_try(now.steady);
        // One that is lost is told of first: tokens may wait for it.
        if is_due && self.fetches.is_empty() { self.fetch(now, ids, timeout) } else { None }
    }

    /// Takes out a fetch that has ended.
    pub(super) fn take(&mut self, fetch: CalloutId) -> Option<InFlight<()>> {
        self.fetches.take(fetch, &())
    }

    /// Takes over what a fetch brought, unless one that began later has been faster.
    pub(super) fn learn(&mut self, ended: &InFlight<()>, keys: Vec<(u32, RsaPublicKey)>) {
        self.backoff.reset();
        self.fetches.succeeded(ended.id(), &());
        if matches!(self.known, Known::Told(_)) && !ended.is_outdated() {
            self.known = Known::Told(keys);
        }
    }

    /// Notes that a fetch has failed. What is known stays.
    pub(super) fn failed(&mut self, now: SteadyTime) {
        self.backoff.count_failure();
        self.backoff.pause(now, LONGEST_BACKOFF);
    }

    /// A fetch that nobody has reported on in time. None where callouts belong to requests: nobody could be woken.
    pub(super) fn timed_out(&self, now: SteadyTime) -> Option<CalloutId> {
        let lost = self.fetches.timed_out(now).into_iter().next().map(|(fetch, ())| fetch);
        lost.filter(|_| self.owner == CalloutOwner::Plugin)
    }
}
