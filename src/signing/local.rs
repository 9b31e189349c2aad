//! Which of several local keys signs: the newest one that is active (spec §4). A new key waits for its time, because others
//! may believe for 10 minutes that a JWKS without it is current.

use crate::config::LocalKey;
use crate::time::UnixTime;

/// The local keys.
#[derive(Debug)]
pub(super) struct LocalKeys(Vec<LocalKey>);

impl LocalKeys {
    /// These keys.
    pub(super) fn new(keys: Vec<LocalKey>) -> Self {
        Self(keys)
    }

    /// The key that signs at this time. `None` before the first is active.
    pub(super) fn active(&self, now: UnixTime) -> Option<&LocalKey> {
        // Of keys that are activated together the first, and `max_by_key` takes the last.
        self.0.iter().rev().filter(|key| key.active_from <= now).max_by_key(|key| key.active_from)
    }
}
