//! One key set in the cache: its keys and their age, the fetch under way, and the pauses after failures.

use std::time::Duration;

use crate::callout::CalloutId;
use crate::jose::{Algorithm, KeySet, VerificationKey};
use crate::time::UnixTime;

use super::KeyPolicy;
use super::shared::patience;

/// The pause after the first failed fetch; each further failure doubles it.
pub(super) const FIRST_BACKOFF: Duration = Duration::from_secs(1);

/// The longest pause after a failed fetch. A keystore that is back is noticed this fast; one that is down gets one
/// request per worker and pause.
pub(super) const LONGEST_BACKOFF: Duration = Duration::from_secs(10);

/// The part of a set's life after which it is refreshed in the background.
const REFRESH_NUMERATOR: u32 = 4;
/// See [`REFRESH_NUMERATOR`].
const REFRESH_DENOMINATOR: u32 = 5;

/// What is known about one address.
#[derive(Debug)]
pub(super) struct Entry {
    keys: Option<(KeySet, UnixTime)>,
    flight: Option<Flight>,
    failures: u32,
    not_before: Option<UnixTime>,
    last_extra_fetch: Option<UnixTime>,
    last_used: UnixTime,
}

/// A fetch under way.
#[derive(Debug, Clone, Copy)]
enum Flight {
    /// By this worker, since then.
    Own(CalloutId, UnixTime),
    /// By another worker, until then at most.
    Elsewhere(UnixTime),
}

impl Entry {
    pub(super) fn new(now: UnixTime) -> Self {
        Self { keys: None, flight: None, failures: 0, not_before: None, last_extra_fetch: None, last_used: now }
    }

    pub(super) fn used(&mut self, now: UnixTime) {
        self.last_used = now;
    }

    pub(super) fn last_used(&self) -> UnixTime {
        self.last_used
    }

    pub(super) fn key(&self, key_id: &str, algorithm: Algorithm) -> Option<&VerificationKey> {
        self.keys.as_ref().and_then(|(keys, _)| keys.key(key_id, algorithm))
    }

    /// When the keys were fetched.
    pub(super) fn fetched(&self) -> Option<UnixTime> {
        self.keys.as_ref().map(|(_, fetched)| *fetched)
    }

    /// How long the keys are still valid. A set from the future (the clock was set back) has no known age: zero.
    pub(super) fn valid_for(&self, now: UnixTime, max_age: Duration) -> Duration {
        let age = self.keys.as_ref().and_then(|(_, fetched)| now.since(*fetched));
        age.map_or(Duration::ZERO, |age| max_age.saturating_sub(age))
    }

    pub(super) fn has_valid_keys(&self, now: UnixTime, max_age: Duration) -> bool {
        !self.valid_for(now, max_age).is_zero()
    }

    /// Whether a fetch is under way that may still bring an answer.
    pub(super) fn is_fetching(&self, now: UnixTime, policy: &KeyPolicy) -> bool {
        match self.flight {
            None => false,
            Some(Flight::Own(..)) => self.lost_flight(now, policy).is_none(),
            Some(Flight::Elsewhere(until)) => now < until,
        }
    }

    pub(super) fn is_flight(&self, fetch: CalloutId) -> bool {
        matches!(self.flight, Some(Flight::Own(id, _)) if id == fetch)
    }

    pub(super) fn is_fetched_elsewhere(&self) -> bool {
        matches!(self.flight, Some(Flight::Elsewhere(_)))
    }

    /// This worker's fetch under way, if it should have been reported on long ago.
    pub(super) fn lost_flight(&self, now: UnixTime, policy: &KeyPolicy) -> Option<CalloutId> {
        let Some(Flight::Own(id, started)) = self.flight else { return None };
        // A start in the future (the clock was set back) can not be waited for either.
        now.since(started).is_none_or(|age| age > patience(policy)).then_some(id)
    }

    /// Whether the pause after the last failure is over. A pause longer than any that is ever set means that the clock
    /// was set back.
    pub(super) fn may_try(&self, now: UnixTime) -> bool {
        let pause = self.retry_after(now);
        pause.is_zero() || pause > LONGEST_BACKOFF
    }

    pub(super) fn retry_after(&self, now: UnixTime) -> Duration {
        self.not_before.map_or(Duration::ZERO, |not_before| now.until(not_before))
    }

    /// Whether unknown key ids may not cause a fetch yet.
    pub(super) fn is_cooling(&self, now: UnixTime, cooldown: Duration) -> bool {
        self.last_extra_fetch.and_then(|last| now.since(last)).is_some_and(|age| age < cooldown)
    }

    pub(super) fn cool(&mut self, now: UnixTime) {
        self.last_extra_fetch = Some(now);
    }

    /// So many fetches failed in a row, of this worker or of others.
    pub(super) fn started(&mut self, now: UnixTime, fetch: CalloutId, failures: u32) {
        self.flight = Some(Flight::Own(fetch, now));
        self.failures = self.failures.max(failures);
    }

    pub(super) fn started_elsewhere(&mut self, until: UnixTime) {
        self.flight = Some(Flight::Elsewhere(until));
    }

    pub(super) fn pause(&mut self, not_before: UnixTime) {
        self.not_before = Some(not_before);
    }

    /// Takes over a set that was fetched at that time, by this worker or another.
    pub(super) fn succeeded(&mut self, fetched: UnixTime, keys: KeySet) {
        self.keys = Some((keys, fetched));
        self.failures = 0;
        self.not_before = None;
    }

    /// Notes the end of the fetch under way, whoever made it.
    pub(super) fn landed(&mut self) {
        self.flight = None;
    }

    /// Notes a failure. The pause that follows it ends at the time returned; so many failures there were in a row.
    pub(super) fn failed(&mut self, now: UnixTime, cooldown: Duration) -> (UnixTime, u32) {
        let doublings = self.failures.min(8);
        let backoff = FIRST_BACKOFF.saturating_mul(1_u32.checked_shl(doublings).unwrap_or(u32::MAX));
        self.failures = self.failures.saturating_add(1);
        let pause = backoff.min(LONGEST_BACKOFF).min(cooldown.max(FIRST_BACKOFF));
        let not_before = now.after(pause);
        self.not_before = Some(not_before);
        (not_before, self.failures)
    }

    /// Whether a background fetch is due: the keys are valid but old, somebody used them since they came, and nothing is
    /// under way.
    pub(super) fn wants_refresh(&self, now: UnixTime, policy: &KeyPolicy) -> bool {
        let Some((_, fetched)) = &self.keys else { return false };
        let refresh_age = policy.max_age.saturating_mul(REFRESH_NUMERATOR).checked_div(REFRESH_DENOMINATOR);
        let age = now.since(*fetched);
        self.has_valid_keys(now, policy.max_age)
            && age >= refresh_age
            && self.last_used >= *fetched
            && self.flight.is_none()
            && self.may_try(now)
    }

    /// Whether the entry still says anything: keys, a fetch under way, or a recent use, after which a pause or a
    /// cooldown may still run.
    pub(super) fn is_worth_keeping(&self, now: UnixTime, policy: &KeyPolicy) -> bool {
        let memory = policy.max_age.max(policy.refetch_cooldown).max(LONGEST_BACKOFF);
        let recently_used = now.since(self.last_used).is_some_and(|age| age <= memory);
        self.flight.is_some() || recently_used || self.has_valid_keys(now, policy.max_age)
    }
}
