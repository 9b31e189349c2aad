//! The key cache: for each JWKS address the keys that were fetched from it, and when to fetch again (spec §2.4).
//!
//! A state machine without clock and network. It says that a fetch is due; somebody else does it and reports the result.
//! Where callouts belong to the plugin, requests wait for each other's fetch, and a tick refreshes ([`for_all`]); where they
//! belong to requests, each fetches for itself ([`per_request`]).
//! Expiry is absolute: a set that could not be refreshed ends 10 minutes after it was fetched, whatever happens.

mod entry;
mod fetch_group;
mod fetching;
mod for_all;
mod per_request;
mod policy;
mod report;
mod shared;

use std::rc::Rc;

use litemap::LiteMap;

use crate::callout::{
    Callout, CalloutError, CalloutId, CalloutIds, CalloutPermission, CalloutSubject, FIRST_BACKOFF, Readiness,
    Unavailable, Wait,
};
use crate::capabilities::{CalloutOwner, Capabilities};
use crate::jose::{Algorithm, KeySet, SkippedKeys, VerificationKey};
use crate::time::Moment;
use crate::url::HttpUrl;

pub(crate) use for_all::Due;
pub(crate) use policy::KeyPolicy;
pub(crate) use report::{FetchError, FetchReport};

use entry::Entry;
use fetching::{Fetcher, Wanted};
use for_all::ForAll;
use per_request::PerRequest;
use shared::SharedKeys;

/// The most key sets that are kept. With pinned organisational units there is one per Hub; the bound matters only where
/// any participant of the Trust Framework may call.
pub(crate) const MAX_SETS: usize = 64;

/// Key sets by the address that they came from.
#[derive(Debug)]
pub(crate) struct KeyCache {
    policy: KeyPolicy,
    entries: LiteMap<HttpUrl, Entry>,
    ids: CalloutIds,
    shared: SharedKeys,
    owner: CalloutOwner,
    /// The addresses whose keys nobody has needed and nothing has brought yet: see [`KeyCache::warm`].
    warm: Vec<HttpUrl>,
}

impl KeyCache {
    /// An empty cache, which shares what it learns with other workers where the gateway's `capabilities` allow it.
    #[must_use]
    pub(crate) fn new(policy: KeyPolicy, capabilities: &Capabilities) -> Self {
        let data = match capabilities.callout_owner {
            CalloutOwner::Plugin => capabilities.data_for_waiting(),
            CalloutOwner::Request => Rc::clone(&capabilities.data),
        };
        Self {
            shared: SharedKeys::new(data, &policy),
            policy,
            entries: LiteMap::new_vec(),
            ids: CalloutIds::default(),
            owner: capabilities.callout_owner,
            warm: Vec::new(),
        }
    }

    /// Has the keys at these addresses fetched before a request needs them: with the first tick, and again after the pauses of a
    /// failing server until they have come once. Only where callouts belong to the plugin.
    pub(crate) fn warm(&mut self, urls: impl IntoIterator<Item = HttpUrl>) {
        if self.owner == CalloutOwner::Plugin {
            self.warm.extend(urls);
        }
    }

    /// Looks for a key of the set at `url` to verify a signature of this algorithm with: `None` if there are valid keys and
    /// this one is not among them.
    ///
    /// # Errors
    /// [`Unavailable`] where there are no valid keys, and none can be had now.
    pub(crate) fn lookup(
        &mut self,
        now: Moment,
        url: &HttpUrl,
        key_id: &str,
        algorithm: Algorithm,
        permission: CalloutPermission,
    ) -> Result<Readiness<Option<&VerificationKey>>, Unavailable> {
        match self.ready(now, url, Wanted::Key(key_id, algorithm), permission)? {
            Readiness::Wait(wait) => Ok(Readiness::Wait(wait)),
            Readiness::Ready(entry) => Ok(Readiness::Ready(entry.key(key_id, algorithm))),
        }
    }

    /// Looks for the only key of the set at `url` to verify a signature of this algorithm with: `None` if there are valid keys and
    /// not exactly one of them is for it. That has nothing fetched: a token without a `kid` says nothing of what is missing, and a set
    /// that has several keys would be fetched for each of them.
    ///
    /// # Errors
    /// [`Unavailable`] where there are no valid keys, and none can be had now.
    pub(crate) fn lookup_only(
        &mut self,
        now: Moment,
        url: &HttpUrl,
        algorithm: Algorithm,
        permission: CalloutPermission,
    ) -> Result<Readiness<Option<&VerificationKey>>, Unavailable> {
        match self.ready(now, url, Wanted::Any, permission)? {
            Readiness::Wait(wait) => Ok(Readiness::Wait(wait)),
            Readiness::Ready(entry) => Ok(Readiness::Ready(entry.only_key(algorithm))),
        }
    }

    /// Looks whether there are valid keys of the set at `url`, whichever will be needed.
    ///
    /// # Errors
    /// [`Unavailable`] where there are none, and none can be had now.
    pub(crate) fn prepare(
        &mut self,
        now: Moment,
        url: &HttpUrl,
        permission: CalloutPermission,
    ) -> Result<Readiness<()>, Unavailable> {
        Ok(match self.ready(now, url, Wanted::Any, permission)? {
            Readiness::Wait(wait) => Readiness::Wait(wait),
            Readiness::Ready(_) => Readiness::Ready(()),
        })
    }

    fn ready(
        &mut self,
        now: Moment,
        url: &HttpUrl,
        wanted: Wanted<'_>,
        permission: CalloutPermission,
    ) -> Result<Readiness<&Entry>, Unavailable> {
        const BUSY: Unavailable = Unavailable { retry_after: FIRST_BACKOFF };
        if !self.entries.contains_key(url) {
            if !self.make_room(now) {
                return Err(BUSY);
            }
            self.entries.insert(url.clone(), Entry::new(now));
        }
        let entry = self.entries.get_mut(url).ok_or(BUSY)?;
        entry.used(now);
        let wait = |callout| Ok(Readiness::Wait(Wait { subject: CalloutSubject::KeySet(url.clone()), callout }));
        let mut fetcher = Fetcher { shared: &self.shared, ids: &mut self.ids, policy: &self.policy };
        match (permission.reaches_servers(), self.owner) {
            (false, _) => {}
            (true, CalloutOwner::Plugin) => match for_all::obtain(&mut fetcher, entry, url, now, wanted) {
                ForAll::Nothing => {}
                ForAll::Wait => return wait(None),
                ForAll::Fetch(fetch) => return wait(Some(fetch)),
            },
            (true, CalloutOwner::Request) => match per_request::obtain(&mut fetcher, entry, url, now, wanted) {
                PerRequest::Nothing => {}
                PerRequest::Busy => return Err(BUSY),
                PerRequest::Fetch(fetch) => return wait(Some(fetch)),
            },
        }
        if entry.has_valid_keys(now, self.policy.max_age) {
            Ok(Readiness::Ready(entry))
        } else {
            Err(Unavailable { retry_after: entry.retry_after(now) })
        }
    }

    /// Takes the result of a fetch. `None` if it was given up before and does not count any more.
    ///
    /// An answer that is failed, unusable or late never replaces keys that are still valid.
    pub(crate) fn finish(
        &mut self,
        now: Moment,
        fetch: CalloutId,
        url: &HttpUrl,
        answer: Result<&[u8], CalloutError>,
    ) -> Option<FetchReport> {
        let entry = self.entries.get_mut(url)?;
        let ended = entry.take_in_flight(fetch)?;
        let mut skipped = SkippedKeys::default();
        let keys = ended.in_time(answer, now.steady).map_err(FetchError::Callout).and_then(|body| {
            let keys = KeySet::parse_and_tell(body, &self.policy.algorithms, &mut skipped);
            keys.map_err(FetchError::Unusable)
        });
        let fetched = ended.told_at(now);
        let skipped = if keys.as_ref().is_err_and(FetchError::is_not_a_set) { None } else { entry.tell(skipped) };
        let result = match keys {
            Ok(keys) => {
                let count = keys.len();
                // What is older than what is known here must not come to others as the newest, nor back from them.
                if !ended.is_outdated() {
                    self.shared.publish(fetched, url, &keys);
                }
                if self.owner == CalloutOwner::Plugin {
                    self.shared.release(url, None);
                }
                entry.brought(fetched, &ended, keys);
                self.warm.retain(|warm| warm != url);
                Ok(count)
            }
            Err(error) => {
                let failure = entry.failed(now.steady, &ended, self.policy.refetch_cooldown);
                if let Some(failure) = failure.filter(|_| self.owner == CalloutOwner::Plugin) {
                    self.shared.release(url, Some(failure));
                }
                Err(error)
            }
        };
        Some(FetchReport {
            fetch,
            url: url.clone(),
            result,
            fetched: fetched.wall,
            skipped,
            retry_after: entry.retry_after(now),
            cached_for: entry.valid_for(now, self.policy.max_age),
        })
    }

    /// Gives up a fetch because the client has hung up whose request made it, so that another may be made in its place. Only where
    /// callouts belong to requests: elsewhere others wait for it.
    pub(crate) fn abandon(&mut self, fetch: CalloutId, url: &HttpUrl) {
        if self.owner == CalloutOwner::Request
            && let Some(entry) = self.entries.get_mut(url)
        {
            entry.abandon(fetch);
        }
    }

    /// What time alone brings about: fetches that are now due in the background, for sets in use that have passed 80 % of
    /// their life, and fetches of other workers that have ended. To be called about once a second, and more often while
    /// it [awaits others](KeyCache::awaits_others). Where callouts belong to requests it only forgets.
    pub(crate) fn due(&mut self, now: Moment) -> Due {
        match self.owner {
            CalloutOwner::Plugin => {
                let mut fetcher = Fetcher { shared: &self.shared, ids: &mut self.ids, policy: &self.policy };
                let mut due = for_all::due(&mut fetcher, &mut self.entries, now);
                due.fetches.extend(self.fetch_ahead(now));
                due
            }
            CalloutOwner::Request => {
                per_request::forget_unused(&self.policy, &mut self.entries, now);
                Due::default()
            }
        }
    }

    /// The fetches that nobody reported on in time. Each counts as failed once it is given to [`KeyCache::finish`]. None
    /// where callouts belong to requests: there the next request that looks for keys notices.
    #[must_use]
    pub(crate) fn timed_out(&self, now: Moment) -> Vec<(CalloutId, HttpUrl)> {
        match self.owner {
            CalloutOwner::Plugin => {
                let timed_out = |(url, entry): (&HttpUrl, &Entry)| Some((entry.timed_out(now)?, url.clone()));
                self.entries.iter().filter_map(timed_out).collect()
            }
            CalloutOwner::Request => Vec::new(),
        }
    }

    /// Whether a fetch of another worker is awaited, which only [`KeyCache::due`] notices the end of.
    #[must_use]
    pub(crate) fn awaits_others(&self) -> bool {
        self.entries.values().any(Entry::is_fetched_elsewhere)
    }

    /// The fetches that are due of keys that nobody has needed yet.
    fn fetch_ahead(&mut self, now: Moment) -> Vec<Callout> {
        let mut fetches = Vec::new();
        for url in std::mem::take(&mut self.warm) {
            match self.prepare(now, &url, CalloutPermission::Allowed) {
                Ok(Readiness::Ready(())) => continue,
                Ok(Readiness::Wait(wait)) => fetches.extend(wait.callout),
                Err(Unavailable { .. }) => {}
            }
            self.warm.push(url);
        }
        fetches
    }

    /// Makes room for one more set, at the cost of the one that was used longest ago. Sets that are being fetched stay,
    /// because requests wait for them.
    fn make_room(&mut self, now: Moment) -> bool {
        if self.entries.len() < MAX_SETS {
            return true;
        }
        let idle = self.entries.iter().filter(|(_, entry)| !entry.is_fetching(now));
        let Some(oldest) = idle.min_by_key(|(_, entry)| entry.last_used()).map(|(url, _)| url.clone()) else {
            return false;
        };
        self.entries.remove(&oldest).is_some()
    }
}

#[cfg(test)]
mod tests;
