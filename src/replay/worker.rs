//! The tokens that one worker let in, in its own memory: by identity to find them, by expiry to drop them.

use std::collections::{BTreeMap, BTreeSet};

use crate::time::UnixTime;

use super::{Fingerprint, ReplayError, check_not_forgotten, full};

/// How many expired tokens one admission drops. More than one, so that a backlog shrinks; few, so that no request pays for
/// a hundred thousand others.
const MAX_DROPPED_AT_ONCE: usize = 16;

/// At most `capacity` tokens; among them, until somebody needs the room, some that have expired.
#[derive(Debug)]
pub(super) struct WorkerMemory {
    capacity: usize,
    expiries: BTreeMap<Fingerprint, UnixTime>,
    by_expiry: BTreeSet<(UnixTime, Fingerprint)>,
    /// The latest expiry that was dropped.
    forgotten: UnixTime,
}

impl WorkerMemory {
    pub(super) fn new(capacity: usize) -> Self {
        Self { capacity, expiries: BTreeMap::new(), by_expiry: BTreeSet::new(), forgotten: UnixTime::from_secs(0) }
    }

    pub(super) fn admit(
        &mut self,
        now: UnixTime,
        token: Fingerprint,
        valid_until: UnixTime,
    ) -> Result<(), ReplayError> {
        self.drop_expired(now);
        match self.expiries.get(&token) {
            Some(expiry) if now <= *expiry => return Err(ReplayError::Replayed),
            Some(expiry) => self.drop(*expiry, token),
            None => {}
        }
        check_not_forgotten(now, valid_until, self.forgotten)?;
        if self.expiries.len() >= self.capacity {
            let earliest = self.by_expiry.first().map_or(now, |(expiry, _)| *expiry);
            return Err(full(now, earliest));
        }
        self.expiries.insert(token, valid_until);
        self.by_expiry.insert((valid_until, token));
        Ok(())
    }

    /// Drops some of what has expired. If all room is taken afterwards, then by what lives.
    fn drop_expired(&mut self, now: UnixTime) {
        for _ in 0..MAX_DROPPED_AT_ONCE {
            match self.by_expiry.first() {
                Some((expiry, token)) if *expiry < now => self.drop(*expiry, *token),
                _ => return,
            }
        }
    }

    fn drop(&mut self, expiry: UnixTime, token: Fingerprint) {
        self.by_expiry.remove(&(expiry, token));
        self.expiries.remove(&token);
        self.forgotten = self.forgotten.max(expiry);
    }
}

#[cfg(test)]
impl WorkerMemory {
    /// How many tokens take room. Both structures agree on it.
    pub(super) fn len(&self) -> usize {
        assert_eq!(self.expiries.len(), self.by_expiry.len());
        self.expiries.len()
    }
}
