//! Fetches of what all tokens of a worker need before the signer can be asked: its public keys, and an access token. Where callouts
//! belong to the plugin, tokens wait for each other's fetch, and the first is made before one needs it; where they belong to requests,
//! each fetches for itself.

use std::time::Duration;

use crate::callout::{Backoff, CalloutId, CalloutsInFlight, InFlight, LONGEST_BACKOFF};
use crate::capabilities::CalloutOwner;
use crate::time::{Moment, SteadyTime};

/// How long nothing more is fetched because of what the signer did with what was fetched last, after that was in vain: a signer that
/// signs otherwise, or refuses everybody, would be asked twice for each token.
const REFETCH_PAUSE: Duration = Duration::from_secs(10);

/// The fetches of one thing that are in flight, and the pauses after failures.
pub(super) struct Fetches {
    in_flight: CalloutsInFlight<()>,
    owner: CalloutOwner,
    backoff: Backoff,
    /// When it was last fetched because it did not serve any more, and did not serve all the same.
    last_vain: Option<SteadyTime>,
}

impl Fetches {
    /// None yet.
    pub(super) fn new(owner: CalloutOwner) -> Self {
        Self { in_flight: CalloutsInFlight::new(), owner, backoff: Backoff::default(), last_vain: None }
    }

    /// Who makes them.
    pub(super) fn owner(&self) -> CalloutOwner {
        self.owner
    }

    /// Begins this one, unless another is in flight whose end is waited for in its place. A pause is for who asks to heed.
    pub(super) fn begin(&mut self, now: Moment, id: CalloutId, timeout: Duration) -> bool {
        match self.owner {
            CalloutOwner::Plugin if self.in_flight.awaited(&(), now.steady) > 0 => return false,
            // What waited for one that nobody has reported on waits for this one.
            CalloutOwner::Plugin => self.in_flight.give_up(&()),
            CalloutOwner::Request => drop(self.in_flight.take_timed_out(now.steady)),
        }
        self.in_flight.begin(now, id, (), timeout);
        true
    }

    /// Begins this one that no token waits for, where somebody can.
    pub(super) fn begin_ahead(&mut self, now: Moment, id: CalloutId, timeout: Duration) -> bool {
        let may_begin = self.owner == CalloutOwner::Plugin && self.backoff.may_try(now.steady);
        // One that is lost is told of first: tokens may wait for it.
        may_begin && self.in_flight.is_empty() && self.begin(now, id, timeout)
    }

    /// Takes out one that has ended.
    pub(super) fn take(&mut self, fetch: CalloutId) -> Option<InFlight<()>> {
        self.in_flight.take(fetch, &())
    }

    /// Notes that one has brought what it was for.
    pub(super) fn succeeded(&mut self, ended: &InFlight<()>) {
        self.backoff.reset();
        self.in_flight.succeeded(ended.id(), &());
    }

    /// Notes that one has failed. Those that fail together, and a second try, are one failure.
    pub(super) fn failed(&mut self, now: SteadyTime) {
        if self.backoff.may_try(now) {
            self.backoff.count_failure();
            self.backoff.pause(now, LONGEST_BACKOFF);
        }
    }

    /// Begins the pause that the server asked for, before the failure with which it did so is noted.
    pub(super) fn pause_as_asked(&mut self, now: SteadyTime, retry_after: Duration) {
        self.backoff.pause_as_asked(now, retry_after);
    }

    /// Whether it may be fetched anew because it does not serve any more. A time in the future (the clock was set back) holds nothing up.
    pub(super) fn may_refetch(&self, now: SteadyTime) -> bool {
        self.last_vain.and_then(|last| now.since(last)).is_none_or(|since| since >= REFETCH_PAUSE)
    }

    /// Notes that it does not serve, although it was fetched for that.
    pub(super) fn note_vain(&mut self, now: SteadyTime) {
        self.last_vain = Some(now);
    }

    /// The pause after failures, while it lasts.
    pub(super) fn pause(&self, now: SteadyTime) -> Option<Duration> {
        (!self.backoff.may_try(now)).then(|| self.backoff.retry_after(now))
    }

    /// One that nobody has reported on in time. None where callouts belong to requests: nobody could be woken.
    pub(super) fn timed_out(&self, now: SteadyTime) -> Option<CalloutId> {
        let lost = self.in_flight.timed_out(now).into_iter().next().map(|(fetch, ())| fetch);
        lost.filter(|_| self.owner == CalloutOwner::Plugin)
    }
}
