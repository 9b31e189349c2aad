//! Which of several local keys signs: the newest one that is active (spec §4). A new key waits for its time, because others
//! may believe for 10 minutes that a JWKS without it is current.

use crate::config::LocalKey;
use crate::time::UnixTime;

/// The local keys, the one that is activated last first.
#[derive(Debug)]
pub struct LocalKeys(Vec<LocalKey>);

impl LocalKeys {
    /// These keys.
    #[must_use]
    pub fn new(mut keys: Vec<LocalKey>) -> Self {
        keys.sort_by_key(|key| std::cmp::Reverse(key.active_from));
        Self(keys)
    }

    /// The key that signs at this time. `None` before the first is active.
    #[must_use]
    pub fn active(&self, now: UnixTime) -> Option<&LocalKey> {
        self.0.iter().find(|key| key.active_from <= now)
    }
}
