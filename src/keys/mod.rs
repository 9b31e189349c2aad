//! The key cache: for each JWKS address the keys that were fetched from it, and when to fetch again (spec §2.4).
//!
//! A state machine without clock and network. It says that a fetch is due; somebody else does it and reports the result.
//! Expiry is absolute: a set that could not be refreshed ends 10 minutes after it was fetched, whatever happens.

mod answer;
mod entry;

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use crate::config::HttpUrl;
use crate::jose::jwks::MAX_SET_LENGTH;
use crate::jose::{Algorithm, JwksError, KeySet, VerificationKey};
use crate::time::UnixTime;

pub use answer::{Answer, Body};
use entry::Entry;

/// The most key sets that are kept. With pinned organisational units there is one per Hub; the bound matters only where
/// any participant of the Trust Framework may call.
pub const MAX_SETS: usize = 64;

/// How long after its own timeout a fetch that nobody reported on is given up. Gateways report timeouts by themselves;
/// this is for the one that does not.
const LOST_AFTER: Duration = Duration::from_secs(5);

/// How keys are kept and fetched.
#[derive(Debug, Clone)]
pub struct KeyPolicy {
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
    entries: BTreeMap<HttpUrl, Entry>,
    last_fetch: FetchId,
}

/// Tells one fetch from another, so that the answer to one that was given up is not taken for its successor's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct FetchId(u64);

/// A fetch to be made now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetch {
    /// To be given back with the result.
    pub id: FetchId,
    /// Where the key set is.
    pub url: HttpUrl,
    /// How long it may take.
    pub timeout: Duration,
}

/// Whether a request has already waited for a fetch. It waits once: what it finds then is final.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attempt {
    /// It asks for the first time.
    First,
    /// A fetch has ended since.
    AfterFetch,
}

/// What the cache says to a request for a key.
#[derive(Debug)]
pub enum Lookup<'a> {
    /// The key.
    Found(&'a VerificationKey),
    /// There are valid keys, and this one is not among them.
    UnknownKeyId,
    /// Wait for a fetch that is under way.
    Wait,
    /// Make this fetch and wait for it.
    Fetch(Fetch),
    /// There are no valid keys, and none can be had before this time has passed.
    Unavailable {
        /// When to try again.
        retry_after: Duration,
    },
}

/// Why a fetch gave no keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FetchError {
    /// The gateway did not take the callout: a wrong `upstream`, most likely.
    NotDispatched,
    /// No answer: timeout, reset, refused, TLS failure.
    NoAnswer,
    /// A status other than 200.
    Status(u16),
    /// Fewer or more bytes than the answer announced.
    Incomplete,
    /// Not a usable key set.
    Unusable(JwksError),
}

/// What a result changed, for the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FetchReport {
    /// Which fetch it was.
    pub fetch: FetchId,
    /// Where from.
    pub url: HttpUrl,
    /// How many usable keys came, or why none did.
    pub result: Result<usize, FetchError>,
    /// How long until the next try, after a failure.
    pub retry_after: Duration,
    /// How long the keys of an earlier fetch are still valid; zero if there are none.
    pub cached_for: Duration,
}

impl KeyCache {
    /// An empty cache.
    #[must_use]
    pub fn new(policy: KeyPolicy) -> Self {
        Self { policy, entries: BTreeMap::new(), last_fetch: FetchId::default() }
    }

    /// Looks for the key `key_id` of the set at `url` that may verify `algorithm`.
    pub fn lookup(
        &mut self,
        now: UnixTime,
        url: &HttpUrl,
        key_id: &str,
        algorithm: Algorithm,
        attempt: Attempt,
    ) -> Lookup<'_> {
        if !self.entries.contains_key(url) {
            if !self.make_room(now) {
                return Lookup::Unavailable { retry_after: entry::FIRST_BACKOFF };
            }
            self.entries.insert(url.clone(), Entry::new(now));
        }
        let Some(entry) = self.entries.get_mut(url) else {
            return Lookup::Unavailable { retry_after: entry::FIRST_BACKOFF };
        };
        entry.used(now);
        let valid = entry.has_valid_keys(now, self.policy.max_age);
        let known = valid && entry.key(key_id, algorithm).is_some();
        if !known {
            if attempt == Attempt::First && entry.is_fetching(now, &self.policy) {
                return Lookup::Wait;
            }
            let may_fetch = attempt == Attempt::First
                && entry.may_try(now)
                && (!valid || entry.take_extra_fetch(now, self.policy.refetch_cooldown));
            if may_fetch {
                return Lookup::Fetch(start(&mut self.last_fetch, entry, url, now, &self.policy));
            }
            if !valid {
                return Lookup::Unavailable { retry_after: entry.retry_after(now) };
            }
        }
        entry.key(key_id, algorithm).map_or(Lookup::UnknownKeyId, Lookup::Found)
    }

    /// Takes the result of a fetch. `None` if it was given up before and does not count any more.
    ///
    /// A failed or unusable answer never replaces keys that are still valid.
    pub fn finish(
        &mut self,
        now: UnixTime,
        fetch: FetchId,
        url: &HttpUrl,
        result: Result<KeySet, FetchError>,
    ) -> Option<FetchReport> {
        let entry = self.entries.get_mut(url).filter(|entry| entry.is_flight(fetch))?;
        let summary = match result {
            Ok(keys) => {
                let count = keys.len();
                entry.succeeded(now, keys);
                Ok(count)
            }
            Err(error) => {
                entry.failed(now, self.policy.refetch_cooldown);
                Err(error)
            }
        };
        Some(FetchReport {
            fetch,
            url: url.clone(),
            result: summary,
            retry_after: entry.retry_after(now),
            cached_for: entry.valid_for(now, self.policy.max_age),
        })
    }

    /// What time alone brings about, to be called about once a second: fetches that are now due in the background, for
    /// sets in use that have passed 80 % of their life.
    pub fn due(&mut self, now: UnixTime) -> Vec<Fetch> {
        let policy = &self.policy;
        self.entries.retain(|_, entry| entry.is_worth_keeping(now, policy));
        let mut fetches = Vec::new();
        for (url, entry) in &mut self.entries {
            if entry.wants_refresh(now, policy) {
                fetches.push(start(&mut self.last_fetch, entry, url, now, policy));
            }
        }
        fetches
    }

    /// The fetches that nobody reported on in time. Each counts as failed once it is given to [`KeyCache::finish`].
    #[must_use]
    pub fn lost(&self, now: UnixTime) -> Vec<(FetchId, HttpUrl)> {
        let lost = |(url, entry): (&HttpUrl, &Entry)| Some((entry.lost_flight(now, &self.policy)?, url.clone()));
        self.entries.iter().filter_map(lost).collect()
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

impl fmt::Display for FetchReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let url = self.url.as_str();
        match self.result {
            Ok(keys) => write!(f, "hub-auth-filter: fetched {keys} keys from {url}"),
            Err(error) => {
                write!(f, "hub-auth-filter: no keys from {url}: {error}; ")?;
                match self.cached_for {
                    Duration::ZERO => f.write_str("no valid keys are cached; ")?,
                    left => write!(f, "the cached keys stay valid for {} s; ", left.as_secs())?,
                }
                write!(f, "next try in {} s or later", self.retry_after.as_secs())
            }
        }
    }
}

impl fmt::Display for FetchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FetchError::NotDispatched => f.write_str("the gateway refused the callout"),
            FetchError::NoAnswer => f.write_str("no answer"),
            FetchError::Status(status) => write!(f, "status {status} instead of 200"),
            FetchError::Incomplete => f.write_str("the answer is not complete"),
            FetchError::Unusable(JwksError::TooLong) => write!(f, "the answer is longer than {MAX_SET_LENGTH} bytes"),
            FetchError::Unusable(JwksError::NotASet) => f.write_str("the answer is not a JWK set"),
            FetchError::Unusable(JwksError::NoUsableKey) => {
                f.write_str("the JWK set has no key that may verify an accepted algorithm")
            }
        }
    }
}

fn start(last_fetch: &mut FetchId, entry: &mut Entry, url: &HttpUrl, now: UnixTime, policy: &KeyPolicy) -> Fetch {
    let id = FetchId(last_fetch.0.wrapping_add(1));
    *last_fetch = id;
    entry.started(now, id);
    Fetch { id, url: url.clone(), timeout: policy.timeout }
}

#[cfg(test)]
mod tests;
