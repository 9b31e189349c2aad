//! The fetches of one address that overlap in time. A group begins with a fetch when none is in flight, and ends when none is
//! any more.
//!
//! Where requests wait for each other's fetch, a group is one fetch. Elsewhere more may join it, but only so many in all:
//! otherwise requests with made-up key ids could keep a group going for ever, and be fetched for without any cooldown.

use crate::callout::{CalloutId, CalloutsInFlight, InFlight};
use crate::time::{Moment, SteadyTime};

use super::policy::{FetchReason, KeyPolicy};

/// The most fetches of one group. They are for requests that need keys at the same moment; those that come fifth are told
/// to come again when the others have brought them.
pub(super) const MAX_FETCHES: usize = 4;

/// The most fetches whose clients have hung up that keep no place in a group, in the time after which an unknown key id may
/// cause a fetch again, or nobody waits for an answer any more. A client that does nothing but ask and hang up would have
/// everything fetched without end.
pub(super) const MAX_ABANDONED: usize = MAX_FETCHES;

/// Fetches in flight, and what came of those of the same group that have ended.
#[derive(Debug, Default)]
pub(super) struct FetchGroup {
    in_flight: CalloutsInFlight<()>,
    /// How many there were in all.
    started: usize,
    /// One has failed, and none succeeded since.
    has_failed: bool,
    /// One was made for an unknown key id.
    seeks_unknown: bool,
    /// Fetches of this and earlier groups whose clients have hung up.
    abandoned: CalloutsInFlight<()>,
}

/// What became of a fetch whose client has hung up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Abandonment {
    /// It keeps its place until it would have been given up anyway.
    Kept,
    /// Another may be made in its place.
    Replaceable,
    /// The same, and as if none had been made for an unknown key id.
    Undone,
}

impl FetchGroup {
    pub(super) fn is_over(&self) -> bool {
        self.in_flight.is_empty()
    }

    /// Whether a fetch of it may still bring an answer.
    pub(super) fn is_awaited(&self, now: SteadyTime) -> bool {
        self.in_flight.awaited(&(), now) > 0
    }

    /// Whether one more fetch may be made, in this group or as the first of the next.
    pub(super) fn has_room(&self) -> bool {
        self.is_over() || self.started < MAX_FETCHES
    }

    /// Whether it is under way, and a fetch of it was made for an unknown key id.
    pub(super) fn seeks_unknown(&self) -> bool {
        !self.is_over() && self.seeks_unknown
    }

    /// One more fetch: in this group, if it is under way, or else as the first of the next. Fetches that nobody reported
    /// on are given up then.
    pub(super) fn begin(&mut self, now: Moment, fetch: CalloutId, reason: FetchReason, policy: &KeyPolicy) {
        self.abandoned.give_up_timed_out_since(policy.refetch_cooldown, now.steady);
        if !self.is_awaited(now.steady) {
            *self = Self { abandoned: std::mem::take(&mut self.abandoned), ..Self::default() };
        }
        self.started = self.started.saturating_add(1);
        self.seeks_unknown |= reason == FetchReason::UnknownKeyId;
        self.in_flight.begin(now, fetch, (), policy.timeout);
    }

    /// Gives up a fetch that nobody will report on, because the client whose request made it has hung up.
    pub(super) fn abandon(&mut self, fetch: CalloutId) -> Abandonment {
        if self.abandoned.len() >= MAX_ABANDONED {
            return Abandonment::Kept;
        }
        let Some(fetch) = self.take(fetch) else { return Abandonment::Kept };
        self.started = self.started.saturating_sub(1);
        self.abandoned.keep(fetch);
        // Somebody else's fetch may have told already, or will tell, what this one was to find out.
        if self.seeks_unknown && self.is_over() && !fetch.is_overtaken() {
            Abandonment::Undone
        } else {
            Abandonment::Replaceable
        }
    }

    /// Takes out a fetch that has ended.
    pub(super) fn take(&mut self, fetch: CalloutId) -> Option<InFlight<()>> {
        self.in_flight.take(fetch, &())
    }

    /// Takes out the fetches that nobody reported on.
    pub(super) fn take_timed_out(&mut self, now: SteadyTime) -> Vec<InFlight<()>> {
        self.in_flight.take_timed_out(now)
    }

    /// A fetch that nobody reported on.
    pub(super) fn timed_out(&self, now: SteadyTime) -> Option<CalloutId> {
        self.in_flight.timed_out(now).first().map(|(fetch, ())| *fetch)
    }

    /// Notes that a fetch has succeeded, for those that are still in flight.
    pub(super) fn succeeded(&mut self, fetch: CalloutId) {
        self.has_failed = false;
        self.in_flight.succeeded(fetch, &());
    }

    /// Notes that a fetch has failed. Whether it is the first: fetches that fail together are one failure.
    pub(super) fn failed(&mut self) -> bool {
        !std::mem::replace(&mut self.has_failed, true)
    }

    /// Gives up all that is in flight.
    pub(super) fn give_up(&mut self) {
        *self = Self { abandoned: std::mem::take(&mut self.abandoned), ..Self::default() };
    }
}
