//! The key cache: for each JWKS address the keys that were fetched from it, and when to fetch again (spec §2.4).
//!
//! A state machine without clock and network. It says that a fetch is due; somebody else does it and reports the result.
//! Where a gateway wakes requests, they wait for each other's fetch, and a tick refreshes; elsewhere each fetches for itself.
//! Expiry is absolute: a set that could not be refreshed ends 10 minutes after it was fetched, whatever happens.

mod entry;
mod fetch_group;
mod per_request;
mod report;
mod shared;

use std::rc::Rc;
use std::time::Duration;

use litemap::LiteMap;

use crate::callout::{Callout, CalloutError, CalloutId, CalloutPermission, CalloutSubject, Request, in_time};
use crate::capabilities::Capabilities;
use crate::jose::{Algorithm, KeySet, VerificationKey};
use crate::time::UnixTime;
use crate::url::HttpUrl;

use entry::Entry;
pub use report::{FetchError, FetchReport};
use shared::{Lease, Reason, SharedKeys};

/// The most key sets that are kept. With pinned organisational units there is one per Hub; the bound matters only where
/// any participant of the Trust Framework may call.
pub const MAX_SETS: usize = 64;

/// How long after its own timeout a fetch that nobody reported on is given up. Gateways report timeouts by themselves;
/// this is for the one that does not.
const LOST_AFTER: Duration = Duration::from_secs(5);

/// How keys are kept and fetched.
#[derive(Debug, Clone)]
pub struct KeyPolicy {
    /// The gateway's name for the server that has them.
    pub upstream: String,
    /// The algorithms that a key may be used with; other keys of a set are ignored.
    pub algorithms: Vec<Algorithm>,
    /// How long a set is used after it was fetched.
    pub max_age: Duration,
    /// How long a fetch may take.
    pub timeout: Duration,
    /// The time between two fetches of one address that unknown key ids cause.
    pub refetch_cooldown: Duration,
}

/// Key sets by the address that they came from.
#[derive(Debug)]
pub struct KeyCache {
    policy: KeyPolicy,
    entries: LiteMap<HttpUrl, Entry>,
    last_fetch: CalloutId,
    shared: SharedKeys,
    wakes_others: bool,
}

/// What the cache says to a request for a key.
#[derive(Debug)]
pub enum Lookup<'a> {
    /// The key.
    Found(&'a VerificationKey),
    /// There are valid keys, and this one is not among them.
    UnknownKeyId,
    /// Wait for a fetch that is under way, here or in another worker.
    Wait,
    /// Make this fetch and wait for it.
    Fetch(Callout),
    /// There are no valid keys, and none can be had before this time has passed.
    Unavailable {
        /// When to try again.
        retry_after: Duration,
    },
}

/// What the cache says to whoever will need some key of a set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Readiness {
    /// There are valid keys.
    Ready,
    /// Wait for a fetch that is under way, here or in another worker.
    Wait,
    /// Make this fetch and wait for it.
    Fetch(Callout),
    /// There are no valid keys, and none can be had before this time has passed.
    Unavailable {
        /// When to try again.
        retry_after: Duration,
    },
}

/// What time alone brought about.
#[derive(Debug, Default)]
pub struct Due {
    /// Fetches to make in the background.
    pub fetches: Vec<Callout>,
    /// The addresses whose fetch by another worker has ended.
    pub ended_elsewhere: Vec<HttpUrl>,
}

impl KeyCache {
    /// An empty cache, which shares what it learns with other workers where the gateway's `capabilities` allow it.
    #[must_use]
    pub fn new(policy: KeyPolicy, capabilities: &Capabilities) -> Self {
        let data =
            if capabilities.wakes_others { capabilities.data_for_waiting() } else { Rc::clone(&capabilities.data) };
        Self {
            shared: SharedKeys::new(data, &policy),
            policy,
            entries: LiteMap::new_vec(),
            last_fetch: CalloutId::default(),
            wakes_others: capabilities.wakes_others,
        }
    }

    /// Looks for a key of the set at `url` to verify a signature of this algorithm with.
    pub fn lookup(
        &mut self,
        now: UnixTime,
        url: &HttpUrl,
        key_id: &str,
        algorithm: Algorithm,
        permission: CalloutPermission,
    ) -> Lookup<'_> {
        match self.ready(now, url, Wanted::Key(key_id, algorithm), permission) {
            Readiness::Wait => Lookup::Wait,
            Readiness::Fetch(fetch) => Lookup::Fetch(fetch),
            Readiness::Unavailable { retry_after } => Lookup::Unavailable { retry_after },
            Readiness::Ready => {
                let key = self.entries.get(url).and_then(|entry| entry.key(key_id, algorithm));
                key.map_or(Lookup::UnknownKeyId, Lookup::Found)
            }
        }
    }

    /// Looks whether there are valid keys of the set at `url`, whichever will be needed.
    pub fn prepare(&mut self, now: UnixTime, url: &HttpUrl, permission: CalloutPermission) -> Readiness {
        self.ready(now, url, Wanted::Any, permission)
    }

    fn ready(&mut self, now: UnixTime, url: &HttpUrl, wanted: Wanted<'_>, permission: CalloutPermission) -> Readiness {
        const BUSY: Readiness = Readiness::Unavailable { retry_after: entry::FIRST_BACKOFF };
        if !self.entries.contains_key(url) {
            if !self.make_room(now) {
                return BUSY;
            }
            self.entries.insert(url.clone(), Entry::new(now));
        }
        let max_age = self.policy.max_age;
        let Some(entry) = self.entries.get_mut(url) else { return BUSY };
        entry.used(now);
        let obtained = match permission {
            CalloutPermission::Used => Obtained::Nothing,
            CalloutPermission::Allowed if !self.wakes_others => self.obtain_per_request(now, url, wanted),
            CalloutPermission::Allowed if entry.has_valid_keys(now, max_age) && wanted.is_in(entry) => {
                Obtained::Nothing
            }
            CalloutPermission::Allowed => self.obtain(now, url, wanted),
        };
        match obtained {
            Obtained::Nothing => {}
            Obtained::Wait => return Readiness::Wait,
            Obtained::Busy => return BUSY,
            Obtained::Fetch(fetch) => return Readiness::Fetch(fetch),
        }
        let Some(entry) = self.entries.get(url) else { return BUSY };
        if entry.has_valid_keys(now, max_age) {
            Readiness::Ready
        } else {
            Readiness::Unavailable { retry_after: entry.retry_after(now) }
        }
    }

    /// Takes the result of a fetch. `None` if it was given up before and does not count any more.
    ///
    /// An answer that is failed, unusable or late never replaces keys that are still valid.
    pub fn finish(
        &mut self,
        now: UnixTime,
        fetch: CalloutId,
        url: &HttpUrl,
        answer: Result<&[u8], CalloutError>,
    ) -> Option<FetchReport> {
        let entry = self.entries.get_mut(url)?;
        let flight = entry.take_in_flight(fetch)?;
        let keys = in_time(answer, flight.since(), self.policy.timeout, now)
            .map_err(FetchError::Callout)
            .and_then(|body| KeySet::parse(body, &self.policy.algorithms).map_err(FetchError::Unusable));
        let result = match keys {
            Ok(keys) => {
                let count = keys.len();
                self.shared.publish(now, url, &keys);
                if self.wakes_others {
                    self.shared.release(url, None);
                }
                entry.brought(now, flight, keys);
                Ok(count)
            }
            Err(error) => {
                let failure = entry.failed(now, flight, self.policy.refetch_cooldown);
                if let Some(failure) = failure.filter(|_| self.wakes_others) {
                    self.shared.release(url, Some(failure));
                }
                Err(error)
            }
        };
        Some(FetchReport {
            fetch,
            url: url.clone(),
            result,
            retry_after: entry.retry_after(now),
            cached_for: entry.valid_for(now, self.policy.max_age),
        })
    }

    /// What time alone brings about: fetches that are now due in the background, for sets in use that have passed 80 % of
    /// their life, and fetches of other workers that have ended. To be called about once a second, and more often while
    /// it [awaits others](KeyCache::awaits_others). Nothing where nobody can be woken: there it only forgets.
    pub fn due(&mut self, now: UnixTime) -> Due {
        if !self.wakes_others {
            self.forget_per_request(now);
            return Due::default();
        }
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
                && let Lease::Granted { failures } = self.shared.claim(now, url, Reason::Age, policy)
            {
                due.fetches.push(start(&mut self.last_fetch, entry, url, now, policy, Reason::Age, failures));
            }
        }
        due
    }

    /// The fetches that nobody reported on in time. Each counts as failed once it is given to [`KeyCache::finish`]. None
    /// where nobody could be woken: there the next request that looks for keys notices.
    #[must_use]
    pub fn lost(&self, now: UnixTime) -> Vec<(CalloutId, HttpUrl)> {
        if !self.wakes_others {
            return Vec::new();
        }
        let lost = |(url, entry): (&HttpUrl, &Entry)| Some((entry.timed_out(now, &self.policy)?, url.clone()));
        self.entries.iter().filter_map(lost).collect()
    }

    /// Looks for a missing key: in what other workers fetched, and then, if it may, at its source.
    fn obtain(&mut self, now: UnixTime, url: &HttpUrl, wanted: Wanted<'_>) -> Obtained {
        let policy = &self.policy;
        let Some(entry) = self.entries.get_mut(url) else { return Obtained::Nothing };
        if entry.is_fetching(now, policy) && !entry.is_fetched_elsewhere() {
            return Obtained::Wait;
        }
        if adopt(&self.shared, entry, url, now, policy) && wanted.is_in(entry) {
            return Obtained::Nothing;
        }
        if entry.is_fetching(now, policy) {
            return Obtained::Wait;
        }
        let valid = entry.has_valid_keys(now, policy.max_age);
        if !entry.may_try(now) || valid && entry.is_cooling(now, policy.refetch_cooldown) {
            return Obtained::Nothing;
        }
        let reason = if valid { Reason::UnknownKeyId } else { Reason::Age };
        match self.shared.claim(now, url, reason, policy) {
            Lease::Granted { failures } => {
                Obtained::Fetch(start(&mut self.last_fetch, entry, url, now, policy, reason, failures))
            }
            Lease::Held(until) => {
                entry.started_elsewhere(until);
                Obtained::Wait
            }
            Lease::TooSoon(not_before) => {
                if !valid {
                    entry.pause(not_before);
                }
                Obtained::Nothing
            }
        }
    }

    /// Whether a fetch of another worker is awaited, which only [`KeyCache::due`] notices the end of.
    #[must_use]
    pub fn awaits_others(&self) -> bool {
        self.entries.values().any(Entry::is_fetched_elsewhere)
    }

    /// Makes room for one more set, at the cost of the one that was used longest ago. Sets that are being fetched stay,
    /// because requests wait for them.
    fn make_room(&mut self, now: UnixTime) -> bool {
        if self.entries.len() < MAX_SETS {
            return true;
        }
        let idle = self.entries.iter().filter(|(_, entry)| !entry.is_fetching(now, &self.policy));
        let Some(oldest) = idle.min_by_key(|(_, entry)| entry.last_used()).map(|(url, _)| url.clone()) else {
            return false;
        };
        self.entries.remove(&oldest).is_some()
    }
}

/// Which key is looked for.
#[derive(Debug, Clone, Copy)]
enum Wanted<'a> {
    /// The one with this id, for this algorithm.
    Key(&'a str, Algorithm),
    /// Any: a set has at least one.
    Any,
}

impl Wanted<'_> {
    fn is_in(self, entry: &Entry) -> bool {
        match self {
            Self::Key(key_id, algorithm) => entry.key(key_id, algorithm).is_some(),
            Self::Any => true,
        }
    }
}

/// What came of the search for a missing key.
enum Obtained {
    /// What there is now is all that can be had.
    Nothing,
    Wait,
    /// It is being fetched, nobody can wait for that, and nobody else may fetch it now.
    Busy,
    Fetch(Callout),
}

/// Takes over the set of another worker, if it is newer and still valid.
///
/// A set stays there after its life: whoever knows none would take it for keys, and not fetch any.
fn adopt(shared: &SharedKeys, entry: &mut Entry, url: &HttpUrl, now: UnixTime, policy: &KeyPolicy) -> bool {
    match shared.newer_set(now, url, entry.fetched()) {
        Some((keys, fetched)) if now.since(fetched).is_some_and(|age| age < policy.max_age) => {
            entry.succeeded(fetched, keys);
            true
        }
        _ => false,
    }
}

/// Whether the fetch of another worker has ended, with whatever result; takes the result over.
fn has_ended(shared: &SharedKeys, entry: &mut Entry, url: &HttpUrl, now: UnixTime, policy: &KeyPolicy) -> bool {
    let ended = match shared.is_taken(now, url, policy) {
        Ok(()) => !entry.is_fetching(now, policy),
        Err(pause) => {
            if let Some(not_before) = pause {
                entry.pause(not_before);
            }
            true
        }
    };
    // The set is published before the turn is given back.
    let adopted = adopt(shared, entry, url, now, policy);
    if ended || adopted {
        entry.ended_elsewhere();
    }
    ended || adopted
}

fn start(
    last_fetch: &mut CalloutId,
    entry: &mut Entry,
    url: &HttpUrl,
    now: UnixTime,
    policy: &KeyPolicy,
    reason: Reason,
    failures: u32,
) -> Callout {
    let id = last_fetch.next();
    *last_fetch = id;
    entry.started(now, id, reason, failures, policy);
    Callout {
        id,
        subject: CalloutSubject::KeySet(url.clone()),
        request: Box::new(Request {
            upstream: policy.upstream.clone(),
            method: "GET",
            url: url.clone(),
            headers: vec![("accept", "application/jwk-set+json, application/json".to_owned())],
            body: Vec::new(),
            timeout: policy.timeout,
        }),
    }
}

#[cfg(test)]
mod tests;
