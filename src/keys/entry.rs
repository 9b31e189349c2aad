//! One key set in the cache: its keys and their age, the fetch under way, and the pauses after failures.

use std::time::Duration;

use crate::jose::{Algorithm, KeySet, VerificationKey};
use crate::time::UnixTime;

use super::{FetchId, KeyPolicy, LOST_AFTER};

/// The pause after the first failed fetch; each further failure doubles it.
pub(super) const FIRST_BACKOFF: Duration = Duration::from_secs(1);

/// The longest pause after a failed fetch. A keystore that is back is noticed this fast; one that is down gets one
/// request per worker and pause.
const LONGEST_BACKOFF: Duration = Duration::from_secs(10);

/// The part of a set's life after which it is refreshed in the background.
const REFRESH_NUMERATOR: u32 = 4;
/// See [`REFRESH_NUMERATOR`].
const REFRESH_DENOMINATOR: u32 = 5;

/// What is known about one address.
#[derive(Debug)]
pub(super) struct Entry {
    keys: Option<(KeySet, UnixTime)>,
    flight: Option<(FetchId, UnixTime)>,
    failures: u32,
    not_before: Option<UnixTime>,
    last_extra_fetch: Option<UnixTime>,
    last_used: UnixTime,
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

    /// How long the keys are still valid. A set from the future (the clock was set back) has no known age: zero.
    pub(super) fn valid_for(&self, now: UnixTime, max_age: Duration) -> Duration {
        let age = self.keys.as_ref().and_then(|(_, fetched)| now.since(*fetched));
        age.map_or(Duration::ZERO, |age| max_age.saturating_sub(age))
    }

    pub(super) fn has_valid_keys(&self, now: UnixTime, max_age: Duration) -> bool {
        !self.valid_for(now, max_age).is_zero()
    }

    pub(super) fn is_fetching(&self, now: UnixTime, policy: &KeyPolicy) -> bool {
        self.flight.is_some() && self.lost_flight(now, policy).is_none()
    }

    pub(super) fn is_flight(&self, fetch: FetchId) -> bool {
        self.flight.is_some_and(|(id, _)| id == fetch)
    }

    /// The fetch under way, if it should have been reported on long ago.
    pub(super) fn lost_flight(&self, now: UnixTime, policy: &KeyPolicy) -> Option<FetchId> {
        let (id, started) = self.flight?;
        let patience = policy.timeout.saturating_add(LOST_AFTER);
        // A start in the future (the clock was set back) can not be waited for either.
        now.since(started).is_none_or(|age| age > patience).then_some(id)
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

    /// Takes the one fetch per cooldown that unknown key ids may cause.
    pub(super) fn take_extra_fetch(&mut self, now: UnixTime, cooldown: Duration) -> bool {
        let cooling = self.last_extra_fetch.and_then(|last| now.since(last)).is_some_and(|age| age < cooldown);
        if !cooling {
            self.last_extra_fetch = Some(now);
        }
        !cooling
    }

    pub(super) fn started(&mut self, now: UnixTime, fetch: FetchId) {
        self.flight = Some((fetch, now));
    }

    pub(super) fn succeeded(&mut self, now: UnixTime, keys: KeySet) {
        self.keys = Some((keys, now));
        self.flight = None;
        self.failures = 0;
        self.not_before = None;
    }

    pub(super) fn failed(&mut self, now: UnixTime, cooldown: Duration) {
        let doublings = self.failures.min(8);
        let backoff = FIRST_BACKOFF.saturating_mul(1_u32.checked_shl(doublings).unwrap_or(u32::MAX));
        self.flight = None;
        self.failures = self.failures.saturating_add(1);
        let pause = backoff.min(LONGEST_BACKOFF).min(cooldown.max(FIRST_BACKOFF));
        self.not_before = Some(now.after(pause));
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
