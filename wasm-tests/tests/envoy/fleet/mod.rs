//! Replay detection across gateways: three Envoys that remember used tokens in one etcd of three members, or in Redis, while that,
//! its members, clocks and gateways fail. What came of each fault is printed: refused good requests, and replays that passed, of which
//! there must be none.

use tokio::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};

mod clocks;
mod etcd;
mod expiry;
mod faults;
mod load;
mod once;
mod passwords;
mod redis;
mod soak;
mod unavailable;

/// On a small machine two fleets would trouble each other's elections.
static FLEETS: RwLock<()> = RwLock::const_new(());

/// Waits until no other of these tests has a fleet, and keeps them from it.
async fn alone() -> RwLockWriteGuard<'static, ()> {
    FLEETS.write().await
}

/// Waits until no other of these tests must be alone.
async fn beside_others() -> RwLockReadGuard<'static, ()> {
    FLEETS.read().await
}
