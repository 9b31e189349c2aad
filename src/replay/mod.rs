//! Replay detection: a token is let in once (spec §2.4: `jti` is unique; RFC 7519 §4.1.7).
//!
//! An admitted token is remembered for exactly as long as it could be accepted again: up to and including `exp` plus the
//! clock skew, to the millisecond. Afterwards it neither refuses anything nor takes room. What still lives is never
//! forgotten to make room: when there is none, tokens are refused ([`ReplayError::Full`]).
//!
//! If the clock is set back, what is remembered stays for longer, never shorter: expiries are points in time. A token that
//! had already been dropped by then may seem valid again; each memory knows the latest expiry that it dropped, and refuses
//! what ends no later ([`ReplayError::Forgotten`]). While the clock only goes forward that never happens.
//!
//! What [`ReplayScope::Gateway`] cannot see:
//! - other processes and hosts: shared data belongs to one process, or to one node;
//! - the time before a restart, or before a reload that empties the shared data: a token admitted shortly before can be
//!   used once more while it lives;
//! - tokens that the gateway throws out of a memory zone which is too small (some evict without a word);
//! - another instance of the filter with another `replay_capacity`: it has buckets of its own;
//! - a host that says a write was done and keeps the old value. One that never keeps anything is noticed.

mod buckets;
#[cfg(test)]
mod tests;
mod worker;

use std::rc::Rc;
use std::time::Duration;

use sha2::{Digest, Sha256};

use crate::shared_data::SharedData;
use crate::time::UnixTime;
use buckets::Buckets;
use worker::WorkerMemory;

/// How much of the SHA-256 of a token's identity is remembered, in bytes. An accident is as likely as a repeated UUID, and
/// would refuse a token, never admit one.
const FINGERPRINT_LENGTH: usize = 16;

/// Between which presentations of a token a replay is noticed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReplayScope {
    /// Those to one worker, in its own memory. A token can be used once with each worker.
    Worker,
    /// Those to all workers of a gateway that share data.
    Gateway,
}

/// Remembers the tokens that were let in.
#[derive(Debug)]
pub struct ReplayGuard(Memory);

/// What makes two tokens the same: `iss`, `sub` and `jti`, as a digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokenIdentity {
    fingerprint: Fingerprint,
    /// A part of the digest that is not in the fingerprint.
    place: u64,
}

/// Why a token is not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReplayError {
    /// It was let in before.
    Replayed,
    /// As many tokens as fit are remembered, and each could still be replayed.
    Full {
        /// When the first of them ends.
        retry_after: Duration,
    },
    /// Tokens that end as late as this one may have been forgotten: a shared value was damaged, or the clock set back.
    Forgotten {
        /// When all of them have ended. A token that ends later than that is let in even before.
        retry_after: Duration,
    },
    /// The gateway's shared data does not answer, takes no value, or is changed by others again and again.
    Unavailable,
}

type Fingerprint = [u8; FINGERPRINT_LENGTH];

#[derive(Debug)]
enum Memory {
    Worker(WorkerMemory),
    Gateway(Buckets),
}

impl ReplayGuard {
    /// A guard that remembers `capacity` tokens. None may be acceptable for longer than `longest_life` after its
    /// admission: the longest `exp` − `iat`, and the clock skew twice.
    #[must_use]
    pub fn new(scope: ReplayScope, capacity: usize, longest_life: Duration, shared: Rc<dyn SharedData>) -> Self {
        Self(match scope {
            ReplayScope::Worker => Memory::Worker(WorkerMemory::new(capacity)),
            ReplayScope::Gateway => Memory::Gateway(Buckets::new(capacity, longest_life, shared)),
        })
    }

    /// Lets a token in unless it was let in before. `valid_until` is the last moment at which it is acceptable.
    ///
    /// Only for tokens that are right in everything else, the signature included: whoever could have others remembered
    /// could lock their owners out.
    ///
    /// # Errors
    /// See [`ReplayError`]. The token is not let in then, and whether it is remembered does not matter.
    pub fn admit(&mut self, now: UnixTime, token: &TokenIdentity, valid_until: UnixTime) -> Result<(), ReplayError> {
        match &mut self.0 {
            Memory::Worker(memory) => memory.admit(now, token.fingerprint, valid_until),
            Memory::Gateway(buckets) => buckets.admit(now, token, valid_until),
        }
    }
}

impl TokenIdentity {
    /// From the claims `iss`, `sub` and `jti`.
    #[must_use]
    pub fn new(issuer: &str, subject: &str, token_id: &str) -> Self {
        let mut hash = Sha256::new();
        for part in [issuer, subject, token_id] {
            // The length keeps ("a", "bc") apart from ("ab", "c").
            hash.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            hash.update(part);
        }
        let digest: [u8; 32] = hash.finalize().into();
        let (fingerprint, rest) = digest.split_first_chunk().unwrap_or((&[0; FINGERPRINT_LENGTH], &[]));
        let place = rest.first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes));
        Self { fingerprint: *fingerprint, place }
    }
}

/// The judgement on a token that is not remembered, from the latest expiry that was dropped.
fn check_not_forgotten(now: UnixTime, valid_until: UnixTime, forgotten: UnixTime) -> Result<(), ReplayError> {
    // What has ended already cannot be remembered. Claims are checked before, so that this is only a second lock.
    if valid_until <= forgotten || valid_until < now {
        return Err(ReplayError::Forgotten { retry_after: now.until(forgotten) });
    }
    Ok(())
}

/// The rejection when all room is taken until after `earliest`.
fn full(now: UnixTime, earliest: UnixTime) -> ReplayError {
    ReplayError::Full { retry_after: now.until(earliest.after(Duration::from_millis(1))) }
}
