//! The fetches of one address that overlap in time: a round. It begins with a fetch when none is under way, and ends when
//! none is any more.
//!
//! Where requests wait for each other's fetch, a round is one fetch. Elsewhere more may join it, but only so many in all:
//! otherwise requests with made-up key ids could keep a round going for ever, and be fetched for without any cooldown.

use std::time::Duration;

use crate::callout::CalloutId;
use crate::time::UnixTime;

/// The most fetches of one round. They are for requests that need keys at the same moment; those that come fifth are told
/// to come again when the others have brought them.
pub(super) const MAX_FETCHES: usize = 4;

/// Fetches under way, and what came of those of the same round that have ended.
#[derive(Debug, Default)]
pub(super) struct FetchGroup {
    under_way: Vec<InFlight>,
    /// How many there were in all.
    started: usize,
    /// One has failed, and none succeeded since.
    has_failed: bool,
    /// One was made for an unknown key id.
    seeks_unknown: bool,
}

/// A fetch under way.
#[derive(Debug, Clone, Copy)]
pub(super) struct InFlight {
    id: CalloutId,
    since: UnixTime,
    /// The newest fetch that succeeded meanwhile.
    overtaken_by: Option<CalloutId>,
}

impl FetchGroup {
    pub(super) fn is_over(&self) -> bool {
        self.under_way.is_empty()
    }

    /// Whether a fetch of it may still bring an answer.
    pub(super) fn is_under_way(&self, now: UnixTime, patience: Duration) -> bool {
        self.under_way.iter().any(|fetch| !fetch.is_lost(now, patience))
    }

    /// Whether one more fetch may be made, in this round or as the first of the next.
    pub(super) fn has_room(&self) -> bool {
        self.is_over() || self.started < MAX_FETCHES
    }

    /// Whether it is under way, and a fetch of it was made for an unknown key id.
    pub(super) fn seeks_unknown(&self) -> bool {
        !self.is_over() && self.seeks_unknown
    }

    /// One more fetch: in this round, if it is under way, or else as the first of the next. Fetches that nobody reported
    /// on are given up then.
    pub(super) fn begin(&mut self, now: UnixTime, fetch: CalloutId, for_unknown: bool, patience: Duration) {
        if !self.is_under_way(now, patience) {
            *self = Self::default();
        }
        self.started = self.started.saturating_add(1);
        self.seeks_unknown |= for_unknown;
        self.under_way.push(InFlight { id: fetch, since: now, overtaken_by: None });
    }

    /// Takes out a fetch that has ended.
    pub(super) fn take(&mut self, fetch: CalloutId) -> Option<InFlight> {
        let position = self.under_way.iter().position(|in_flight| in_flight.id == fetch)?;
        Some(self.under_way.swap_remove(position))
    }

    /// Takes out the fetches that nobody reported on.
    pub(super) fn take_lost(&mut self, now: UnixTime, patience: Duration) -> Vec<InFlight> {
        self.under_way.extract_if(.., |fetch| fetch.is_lost(now, patience)).collect()
    }

    /// A fetch that nobody reported on.
    pub(super) fn lost(&self, now: UnixTime, patience: Duration) -> Option<CalloutId> {
        self.under_way.iter().find(|fetch| fetch.is_lost(now, patience)).map(|fetch| fetch.id)
    }

    /// Notes that a fetch has succeeded, for those that are still under way.
    pub(super) fn succeeded(&mut self, fetch: CalloutId) {
        self.has_failed = false;
        for in_flight in &mut self.under_way {
            in_flight.overtaken_by = in_flight.overtaken_by.max(Some(fetch));
        }
    }

    /// Notes that a fetch has failed. Whether it is the first: fetches that fail together are one failure.
    pub(super) fn failed(&mut self) -> bool {
        !std::mem::replace(&mut self.has_failed, true)
    }

    /// Gives up all that is under way.
    pub(super) fn give_up(&mut self) {
        *self = Self::default();
    }
}

impl InFlight {
    pub(super) fn since(&self) -> UnixTime {
        self.since
    }

    pub(super) fn id(&self) -> CalloutId {
        self.id
    }

    /// Whether another fetch has succeeded since this one began. That it fails says nothing new then.
    pub(super) fn is_overtaken(&self) -> bool {
        self.overtaken_by.is_some()
    }

    /// Whether a fetch that began later has succeeded. What this one brings is older.
    pub(super) fn is_outdated(&self) -> bool {
        self.overtaken_by.is_some_and(|other| other > self.id)
    }

    /// Whether it should have been reported on long ago. A beginning in the future (the clock was set back) cannot be
    /// waited for either.
    pub(super) fn is_lost(&self, now: UnixTime, patience: Duration) -> bool {
        now.since(self.since).is_none_or(|age| age > patience)
    }
}
