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
//! - another instance of the filter with another `replay_capacity`, or another longest life (`max_lifetime`, `clock_skew`): it
//!   has buckets of its own;
//! - a host that says a write was done and keeps the old value. One that never keeps anything is noticed.

mod buckets;
mod detection;
mod error;
pub(crate) mod store;
mod token;
mod worker;

pub(crate) use detection::{NewUse, ReplayDetection};
pub(crate) use error::ReplayError;
pub(crate) use store::Finished;
pub(crate) use token::TokenIdentity;

use std::rc::Rc;
use std::time::Duration;

use crate::config::ReplayScope;
use crate::shared_data::SharedData;
use crate::time::UnixTime;
use buckets::Buckets;
use worker::WorkerMemory;

/// Remembers the tokens that were let in.
#[derive(Debug)]
pub(crate) struct ReplayGuard {
    memory: Memory,
    capacity: usize,
    /// How many of them [`ReplayGuard::usage`] has told of.
    told: Option<usize>,
}

/// How full a memory is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ReplayUsage {
    /// How many tokens are remembered: in shared data a guess from those that lie beside the last one.
    pub used: usize,
    /// How many may be.
    pub capacity: usize,
}

#[derive(Debug)]
enum Memory {
    Worker(WorkerMemory),
    Gateway(Buckets),
}

impl ReplayGuard {
    /// A guard that remembers `capacity` tokens. None may be acceptable for longer than `longest_life` after its
    /// admission: the longest `exp` − `iat`, and the clock skew twice.
    #[must_use]
    pub(crate) fn new(scope: ReplayScope, capacity: usize, longest_life: Duration, shared: Rc<dyn SharedData>) -> Self {
        let memory = match scope {
            ReplayScope::Worker => Memory::Worker(WorkerMemory::new(capacity)),
            ReplayScope::Gateway => Memory::Gateway(Buckets::new(capacity, longest_life, shared)),
        };
        Self { memory, capacity, told: None }
    }

    /// How full the memory is, unless that has been told. A hundredth more or less is not worth telling.
    pub(crate) fn usage(&mut self) -> Option<ReplayUsage> {
        let used = match &self.memory {
            Memory::Worker(memory) => memory.len(),
            Memory::Gateway(buckets) => buckets.estimate(),
        };
        let used = used.min(self.capacity);
        let is_news = self.told.is_none_or(|told| used.abs_diff(told).saturating_mul(100) >= self.capacity.max(1));
        if !is_news {
            return None;
        }
        self.told = Some(used);
        Some(ReplayUsage { used, capacity: self.capacity })
    }

    /// Whether a token is remembered, as far as this can be told without a change.
    pub(crate) fn knows(&self, now: UnixTime, token: &TokenIdentity) -> bool {
        match &self.memory {
            Memory::Worker(memory) => memory.knows(now, token.fingerprint),
            Memory::Gateway(buckets) => buckets.knows(now, token),
        }
    }

    /// Lets a token in unless it was let in before. `valid_until` is the last moment at which it is acceptable.
    ///
    /// Only for tokens that are right in everything else, the signature included: whoever could have others remembered
    /// could lock their owners out.
    ///
    /// # Errors
    /// See [`ReplayError`]. The token is not let in then, and whether it is remembered does not matter.
    pub(crate) fn admit(
        &mut self,
        now: UnixTime,
        token: &TokenIdentity,
        valid_until: UnixTime,
    ) -> Result<(), ReplayError> {
        match &mut self.memory {
            Memory::Worker(memory) => memory.admit(now, token.fingerprint, valid_until),
            Memory::Gateway(buckets) => buckets.admit(now, token, valid_until),
        }
    }
}

#[cfg(test)]
mod tests;
