//! The tokens that one worker let in, in its own memory: by identity to find them, by expiry to drop them.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::digest_map::DigestMap;
use crate::time::UnixTime;

use super::error::{ReplayError, check_not_forgotten};
use super::token::Fingerprint;

/// How many expired tokens one admission drops. More than one, so that a backlog shrinks; few, so that no request pays for
/// a hundred thousand others.
const MAX_DROPPED_AT_ONCE: usize = 16;

/// At most `capacity` tokens. Some of them may have expired: each admission drops a few of those.
#[derive(Debug)]
pub(super) struct WorkerMemory {
    capacity: usize,
    expiries: DigestMap<Fingerprint, UnixTime>,
    /// The same tokens, the one that expires first at the top. A token that expired and was admitted again is here twice.
    by_expiry: BinaryHeap<Reverse<(UnixTime, Fingerprint)>>,
    /// The latest expiry that was dropped.
    forgotten: UnixTime,
}

impl WorkerMemory {
    pub(super) fn new(capacity: usize) -> Self {
        Self { capacity, expiries: DigestMap::new(), by_expiry: BinaryHeap::new(), forgotten: UnixTime::EPOCH }
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
            Some(expiry) => self.forget(*expiry, token),
            None => {}
        }
        check_not_forgotten(now, valid_until, self.forgotten)?;
        if self.expiries.len() >= self.capacity {
            let earliest = self.by_expiry.peek().map_or(now, |Reverse((expiry, _))| *expiry);
            return Err(ReplayError::full(now, earliest));
        }
        self.expiries.insert(token, valid_until);
        self.by_expiry.push(Reverse((valid_until, token)));
        Ok(())
    }

    /// Whether a token is remembered and lives.
    pub(super) fn knows(&self, now: UnixTime, token: Fingerprint) -> bool {
        self.expiries.get(&token).is_some_and(|expiry| now <= *expiry)
    }

    /// How many tokens take room.
    pub(super) fn len(&self) -> usize {
        self.expiries.len()
    }

    /// Drops some of the tokens that have expired. If all room is taken afterwards, it is taken by tokens that live.
    fn drop_expired(&mut self, now: UnixTime) {
        for _ in 0..MAX_DROPPED_AT_ONCE {
            match self.by_expiry.peek() {
                Some(Reverse((expiry, _))) if *expiry < now => {}
                _ => return,
            }
            if let Some(Reverse((expiry, token))) = self.by_expiry.pop()
                && self.expiries.get(&token) == Some(&expiry)
            {
                self.forget(expiry, token);
            }
        }
    }

    fn forget(&mut self, expiry: UnixTime, token: Fingerprint) {
        self.expiries.remove(&token);
        self.forgotten = self.forgotten.max(expiry);
    }
}

#[cfg(test)]
impl WorkerMemory {
    /// How many tokens take room. Each has its place in the order.
    pub(super) fn checked_len(&self) -> usize {
        let is_kept = |Reverse((expiry, token)): &&Reverse<_>| self.expiries.get(token) == Some(expiry);
        assert_eq!(self.by_expiry.iter().filter(is_kept).count(), self.expiries.len());
        self.expiries.len()
    }
}
