//! The calls in flight. Where requests wait for each other's call there is one on a token, and elsewhere there may be more.

use std::time::Duration;

use crate::callout::CalloutId;
use crate::time::UnixTime;
use crate::token_digest::TokenDigest;

/// The most calls that are in flight. Each holds a request; an authorisation server that has fallen 64 calls behind is
/// not helped by more.
pub const MAX_CALLS: usize = 64;

/// Calls in flight, the oldest first.
#[derive(Debug, Default)]
pub(super) struct Calls {
    in_flight: Vec<Call>,
    last: CalloutId,
}

/// A call in flight.
#[derive(Debug, Clone, Copy)]
pub(super) struct Call {
    id: CalloutId,
    token: TokenDigest,
    since: UnixTime,
    is_outdated: bool,
}

impl Calls {
    /// How many there are on a token that began no longer ago than this.
    pub(super) fn on(&self, token: &TokenDigest, age: Duration, now: UnixTime) -> usize {
        self.in_flight.iter().filter(|call| call.token == *token && !call.is_older(age, now)).count()
    }

    /// Those that began longer ago than this.
    pub(super) fn older_than(&self, age: Duration, now: UnixTime) -> Vec<(CalloutId, TokenDigest)> {
        let older = self.in_flight.iter().filter(|call| call.is_older(age, now));
        older.map(|call| (call.id, call.token)).collect()
    }

    pub(super) fn drop_older_than(&mut self, age: Duration, now: UnixTime) {
        self.in_flight.retain(|call| !call.is_older(age, now));
    }

    pub(super) fn drop_on(&mut self, token: &TokenDigest) {
        self.in_flight.retain(|call| call.token != *token);
    }

    pub(super) fn have_room(&self) -> bool {
        self.in_flight.len() < MAX_CALLS
    }

    /// One more.
    pub(super) fn begin(&mut self, now: UnixTime, token: TokenDigest) -> CalloutId {
        self.last = self.last.next();
        self.in_flight.push(Call { id: self.last, token, since: now, is_outdated: false });
        self.last
    }

    /// Takes out one that has ended.
    pub(super) fn take(&mut self, id: CalloutId, token: &TokenDigest) -> Option<Call> {
        let position = self.in_flight.iter().position(|call| call.id == id && call.token == *token)?;
        Some(self.in_flight.remove(position))
    }

    /// Notes that there is an answer to this call, for those on the same token that began before.
    pub(super) fn answered(&mut self, id: CalloutId, token: &TokenDigest) {
        for call in self.in_flight.iter_mut().filter(|call| call.token == *token && call.id < id) {
            call.is_outdated = true;
        }
    }
}

impl Call {
    pub(super) fn since(&self) -> UnixTime {
        self.since
    }

    /// Whether a call on the same token that began later has been answered. What this one brings is older, and might say
    /// of a token that was revoked meanwhile that it is active.
    pub(super) fn is_outdated(&self) -> bool {
        self.is_outdated
    }

    /// Whether it began longer ago than this. A beginning in the future (the clock was set back) counts as long ago.
    fn is_older(&self, age: Duration, now: UnixTime) -> bool {
        now.since(self.since).is_none_or(|since| since > age)
    }
}
