//! The key cache where callouts belong to the plugin: one fetch for all requests that wait for it, by one worker for all
//! workers that share data, and a tick that refreshes what is used before it is too old.

use crate::callout::Callout;
use crate::time::UnixTime;
use crate::url::HttpUrl;

use super::entry::Entry;
use super::fetching::{Wanted, adopt, start};
use super::policy::{FetchReason, KeyPolicy};
use super::shared::{LeaseAnswer, SharedKeys};
use super::{Due, KeyCache};

/// What came of the search for a missing key.
pub(super) enum ForAll {
    /// What there is now is all that can be had.
    Nothing,
    /// A fetch is in flight, here or in another worker.
    Wait,
    /// This fetch has to be made.
    Fetch(Callout),
}

impl KeyCache {
    /// Looks for a key: in what is known here, in what other workers fetched, and then, if it may, at its source.
    pub(super) fn obtain_for_all(&mut self, now: UnixTime, url: &HttpUrl, wanted: Wanted<'_>) -> ForAll {
        let policy = &self.policy;
        let Some(entry) = self.entries.get_mut(url) else { return ForAll::Nothing };
        if entry.has_valid_keys(now, policy.max_age) && wanted.is_in(entry) {
            return ForAll::Nothing;
        }
        if entry.is_fetching(now) && !entry.is_fetched_elsewhere() {
            return ForAll::Wait;
        }
        if adopt(&self.shared, entry, url, now, policy) && wanted.is_in(entry) {
            return ForAll::Nothing;
        }
        if entry.is_fetching(now) {
            return ForAll::Wait;
        }
        let valid = entry.has_valid_keys(now, policy.max_age);
        if !entry.may_try(now) || valid && entry.is_cooling(now, policy.refetch_cooldown) {
            return ForAll::Nothing;
        }
        let reason = if valid { FetchReason::UnknownKeyId } else { FetchReason::Age };
        match self.shared.claim(now, url, reason, policy) {
            LeaseAnswer::Granted { failures } => {
                ForAll::Fetch(start(self.ids.draw(), entry, url, now, policy, reason, failures))
            }
            LeaseAnswer::Held(until) => {
                entry.started_elsewhere(until);
                ForAll::Wait
            }
            LeaseAnswer::TooSoon(not_before) => {
                if !valid {
                    entry.pause(not_before);
                }
                ForAll::Nothing
            }
        }
    }

    /// The fetches that are due in the background, and those of other workers that have ended.
    pub(super) fn due_for_all(&mut self, now: UnixTime) -> Due {
        let policy = &self.policy;
        self.entries.retain(|_, entry| entry.is_worth_keeping(now, policy));
        let mut due = Due::default();
        for (url, entry) in self.entries.iter_mut() {
            if entry.is_fetched_elsewhere() {
                if has_ended(&self.shared, entry, url, now, policy) {
                    due.ended_elsewhere.push(url.clone());
                }
            } else if entry.wants_refresh(now, policy)
                && !adopt(&self.shared, entry, url, now, policy)
                && let LeaseAnswer::Granted { failures } = self.shared.claim(now, url, FetchReason::Age, policy)
            {
                due.fetches.push(start(self.ids.draw(), entry, url, now, policy, FetchReason::Age, failures));
            }
        }
        due
    }
}

/// Whether the fetch of another worker has ended, with whatever result; takes the result over.
fn has_ended(shared: &SharedKeys, entry: &mut Entry, url: &HttpUrl, now: UnixTime, policy: &KeyPolicy) -> bool {
    let ended = match shared.is_taken(now, url, policy) {
        Ok(()) => !entry.is_fetching(now),
        Err(pause) => {
            if let Some(not_before) = pause {
                entry.pause(not_before);
            }
            true
        }
    };
    // The set is published before the lease is given back.
    let adopted = adopt(shared, entry, url, now, policy);
    if ended || adopted {
        entry.ended_elsewhere();
    }
    ended || adopted
}
