//! One key set in the cache: its keys and their age, the fetches under way, and the pauses after failures.

use std::time::Duration;

use crate::callout::{Backoff, CalloutId, FIRST_BACKOFF, InFlight, LONGEST_BACKOFF};
use crate::jose::{Algorithm, KeySet, SkippedKeys, VerificationKey};
use crate::time::{Moment, SteadyTime};

use super::fetch_group::{Abandonment, FetchGroup};
use super::policy::{FetchReason, KeyPolicy};

/// The part of a set's life after which it is refreshed.
const REFRESH_NUMERATOR: u32 = 4;
/// See [`REFRESH_NUMERATOR`].
const REFRESH_DENOMINATOR: u32 = 5;

/// What is known about one address.
#[derive(Debug)]
pub(super) struct Entry {
    keys: Option<(KeySet, Moment)>,
    /// The fetches of this worker.
    fetches: FetchGroup,
    /// A fetch of another worker is awaited, until then at most.
    elsewhere: Option<SteadyTime>,
    backoff: Backoff,
    last_extra_fetch: Option<SteadyTime>,
    last_used: SteadyTime,
    /// What was skipped of the set that was fetched last, and has been told.
    skipped: SkippedKeys,
}

impl Entry {
    pub(super) fn new(now: Moment) -> Self {
        Self {
            keys: None,
            fetches: FetchGroup::default(),
            elsewhere: None,
            backoff: Backoff::default(),
            last_extra_fetch: None,
            last_used: now.steady,
            skipped: SkippedKeys::default(),
        }
    }

    /// What of a fetched set is skipped, unless it has been told. The same set is fetched every few minutes.
    pub(super) fn tell(&mut self, skipped: SkippedKeys) -> Option<SkippedKeys> {
        if self.skipped == skipped {
            return None;
        }
        self.skipped = skipped;
        Some(self.skipped.clone()).filter(|skipped| skipped.len() > 0)
    }

    pub(super) fn used(&mut self, now: Moment) {
        self.last_used = now.steady;
    }

    pub(super) fn last_used(&self) -> SteadyTime {
        self.last_used
    }

    pub(super) fn key(&self, key_id: &str, algorithm: Algorithm) -> Option<&VerificationKey> {
        self.keys.as_ref().and_then(|(keys, _)| keys.key(key_id, algorithm))
    }

    pub(super) fn only_key(&self, algorithm: Algorithm) -> Option<&VerificationKey> {
        self.keys.as_ref().and_then(|(keys, _)| keys.only_key(algorithm))
    }

    /// When the keys were fetched.
    pub(super) fn fetched(&self) -> Option<Moment> {
        self.keys.as_ref().map(|(_, fetched)| *fetched)
    }

    /// How long the keys are still valid. A set from the future (the only clock was set back) has no known age: zero.
    pub(super) fn valid_for(&self, now: Moment, max_age: Duration) -> Duration {
        let age = self.keys.as_ref().and_then(|(_, fetched)| now.aging.since(fetched.aging));
        age.map_or(Duration::ZERO, |age| max_age.saturating_sub(age))
    }

    pub(super) fn has_valid_keys(&self, now: Moment, max_age: Duration) -> bool {
        !self.valid_for(now, max_age).is_zero()
    }

    /// Whether a fetch is under way that may still bring an answer.
    pub(super) fn is_fetching(&self, now: Moment) -> bool {
        self.fetches.is_awaited(now.steady) || self.elsewhere.is_some_and(|until| now.steady < until)
    }

    pub(super) fn is_fetched_elsewhere(&self) -> bool {
        self.elsewhere.is_some()
    }

    /// Takes out this worker's fetch with this id, if it is in flight.
    pub(super) fn take_in_flight(&mut self, fetch: CalloutId) -> Option<InFlight<()>> {
        self.fetches.take(fetch)
    }

    /// Gives up this worker's fetch, because the client whose request made it has hung up.
    pub(super) fn abandon(&mut self, fetch: CalloutId) {
        if self.fetches.abandon(fetch) == Abandonment::Undone {
            self.last_extra_fetch = None;
        }
    }

    /// A fetch of this worker that should have been reported on long ago.
    pub(super) fn timed_out(&self, now: Moment) -> Option<CalloutId> {
        self.fetches.timed_out(now.steady)
    }

    /// Gives up the fetches that should have been reported on long ago. Each has failed at the moment when it was given up,
    /// and not when somebody looks.
    pub(super) fn give_up_timed_out(&mut self, now: Moment, policy: &KeyPolicy) {
        let now = now.steady;
        for fetch in self.fetches.take_timed_out(now) {
            let running = self.backoff.running(now);
            self.failed(now.min(fetch.given_up_at()), &fetch, policy.refetch_cooldown);
            self.backoff.prolong(running);
        }
    }

    /// Whether one more fetch may be made now, where requests do not wait for each other's.
    pub(super) fn may_fetch(&self, now: Moment, reason: FetchReason, policy: &KeyPolicy) -> bool {
        let is_asked_for = match reason {
            FetchReason::Age => true,
            FetchReason::UnknownKeyId => self.fetches.seeks_unknown() || !self.is_cooling(now, policy.refetch_cooldown),
        };
        is_asked_for && self.may_try(now) && self.fetches.has_room()
    }

    /// Whether the pause after the last failure is over.
    pub(super) fn may_try(&self, now: Moment) -> bool {
        self.backoff.may_try(now.steady)
    }

    pub(super) fn retry_after(&self, now: Moment) -> Duration {
        self.backoff.retry_after(now.steady)
    }

    /// Whether unknown key ids may not cause a fetch yet.
    pub(super) fn is_cooling(&self, now: Moment, cooldown: Duration) -> bool {
        self.last_extra_fetch.and_then(|last| now.steady.since(last)).is_some_and(|age| age < cooldown)
    }

    /// Notes the start of a fetch. So many have failed in a row, of this worker or of others.
    pub(super) fn started(
        &mut self,
        now: Moment,
        fetch: CalloutId,
        reason: FetchReason,
        failures: u32,
        policy: &KeyPolicy,
    ) {
        if reason == FetchReason::UnknownKeyId {
            self.last_extra_fetch = Some(now.steady);
        }
        self.elsewhere = None;
        self.fetches.begin(now, fetch, reason, policy);
        self.backoff.note_failures(failures);
    }

    pub(super) fn started_elsewhere(&mut self, until: SteadyTime) {
        self.fetches.give_up();
        self.elsewhere = Some(until);
    }

    /// Notes that the fetch of another worker has ended.
    pub(super) fn ended_elsewhere(&mut self) {
        self.elsewhere = None;
    }

    pub(super) fn pause(&mut self, not_before: SteadyTime) {
        self.backoff.pause_until(not_before);
    }

    /// Takes over a set that was fetched at that time, by this worker or another.
    pub(super) fn succeeded(&mut self, fetched: Moment, keys: KeySet) {
        self.keys = Some((keys, fetched));
        self.backoff.reset();
    }

    /// Takes over what a fetch of this worker brought, unless a later fetch has been faster.
    pub(super) fn brought(&mut self, fetched: Moment, ended: &InFlight<()>, keys: KeySet) {
        self.fetches.succeeded(ended.id());
        if !ended.is_outdated() {
            self.succeeded(fetched, keys);
        }
    }

    /// Notes the failure of a fetch. The pause that follows it ends at the time returned; so many failures there were in a
    /// row. None if the failure says nothing, because there has been a success since the fetch began.
    pub(super) fn failed(
        &mut self,
        now: SteadyTime,
        ended: &InFlight<()>,
        cooldown: Duration,
    ) -> Option<(SteadyTime, u32)> {
        if ended.is_overtaken() {
            return None;
        }
        if self.fetches.failed() {
            self.backoff.count_failure();
        }
        let not_before = self.backoff.pause(now, cooldown.max(FIRST_BACKOFF));
        Some((not_before, self.backoff.failures()))
    }

    /// Whether the keys are to be refreshed: they are valid but old, somebody used them since they came, and nothing
    /// is under way.
    pub(super) fn wants_refresh(&self, now: Moment, policy: &KeyPolicy) -> bool {
        let Some((_, fetched)) = &self.keys else { return false };
        let refresh_age = policy.max_age.saturating_mul(REFRESH_NUMERATOR).checked_div(REFRESH_DENOMINATOR);
        let age = now.aging.since(fetched.aging);
        self.has_valid_keys(now, policy.max_age)
            && age >= refresh_age
            && self.last_used >= fetched.steady
            && self.is_idle()
            && self.may_try(now)
    }

    /// Whether the entry still says anything: keys, a fetch under way, or a recent use, after which a pause or a
    /// cooldown may still run.
    pub(super) fn is_worth_keeping(&self, now: Moment, policy: &KeyPolicy) -> bool {
        let memory = policy.max_age.max(policy.refetch_cooldown).max(LONGEST_BACKOFF);
        let recently_used = now.steady.since(self.last_used).is_some_and(|age| age <= memory);
        !self.is_idle() || recently_used || self.has_valid_keys(now, policy.max_age)
    }

    fn is_idle(&self) -> bool {
        self.fetches.is_over() && self.elsewhere.is_none()
    }
}
