//! Key sets between workers: the set that one worker fetched serves the others for the rest of its life, and only the worker
//! that holds the lease fetches, so that a keystore sees one gateway and not one client per worker.
//!
//! Two shared values an address: the set with the time of its fetch, and the lease (who fetches, and when the next one
//! may). Sharing saves fetches and decides nothing: where it fails, each worker fetches for itself.

use std::rc::Rc;
use std::time::Duration;

use sha2::{Digest, Sha256};

use crate::callout::LONGEST_BACKOFF;
use crate::hex;
use crate::jose::{Algorithm, KeySet};
use crate::shared_data::{SharedData, envelope};
use crate::time::UnixTime;
use crate::url::HttpUrl;

use super::policy::{FetchReason, KeyPolicy};

/// Workers read the same clock, but not at the same moment.
const CLOCK_TOLERANCE: Duration = Duration::from_secs(1);

/// What the workers know together.
#[derive(Debug)]
pub(super) struct SharedKeys {
    data: Rc<dyn SharedData>,
    accepted: Vec<Algorithm>,
    /// Sets are shared between those that fetch from the same server and want the same keys.
    sharing_group: String,
}

/// Whether this worker is the one to fetch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LeaseAnswer {
    /// It is. So many fetches have failed in a row before.
    Granted {
        /// By whichever workers.
        failures: u32,
    },
    /// Another worker is fetching, until this time at most.
    Held(UnixTime),
    /// Nobody may fetch before this time.
    TooSoon(UnixTime),
}

/// The lease of one address: who fetches it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FetchLease {
    /// A worker is fetching, until this time at most.
    fetching_until: UnixTime,
    /// The end of the pause after the last failure.
    not_before: UnixTime,
    /// The end of the cooldown after the last fetch for an unknown key id.
    cooling_until: UnixTime,
    /// How many fetches have failed in a row.
    failures: u32,
}

impl SharedKeys {
    pub(super) fn new(data: Rc<dyn SharedData>, policy: &KeyPolicy) -> Self {
        let algorithms: Vec<_> = policy.algorithms.iter().map(|algorithm| algorithm.name()).collect();
        let sharing_group = format!("{}\n{}\n", policy.upstream, algorithms.join(" "));
        Self { data, accepted: policy.algorithms.clone(), sharing_group }
    }

    /// The set that was fetched last and when, if that was after `known`.
    pub(super) fn newer_set(
        &self,
        now: UnixTime,
        url: &HttpUrl,
        known: Option<UnixTime>,
    ) -> Option<(KeySet, UnixTime)> {
        let name = self.name("set", url);
        let stored = self.data.read(&name).ok()??;
        let (fetched, jwks) = split_set(envelope::open(&name, &stored.value).ok()?)?;
        // Of a set from the future nobody knows the age.
        if known.is_some_and(|known| fetched <= known) || fetched > now.after(CLOCK_TOLERANCE) {
            return None;
        }
        Some((KeySet::parse(jwks, &self.accepted).ok()?, fetched.min(now)))
    }

    /// Shows a set that was just fetched to the others.
    pub(super) fn publish(&self, fetched: UnixTime, url: &HttpUrl, keys: &KeySet) {
        let name = self.name("set", url);
        let payload = [fetched.as_millis().to_be_bytes().as_slice(), keys.to_jwks().as_bytes()].concat();
        envelope::update(&*self.data, &name, |stored| {
            let newer = stored
                .and_then(split_set)
                .is_some_and(|(other, _)| other > fetched && other <= fetched.after(CLOCK_TOLERANCE));
            if newer { envelope::Change::Leave(()) } else { envelope::Change::Write(payload.clone(), ()) }
        });
    }

    /// Asks for the lease.
    pub(super) fn claim(&self, now: UnixTime, url: &HttpUrl, reason: FetchReason, policy: &KeyPolicy) -> LeaseAnswer {
        let claimed = envelope::update(&*self.data, &self.name("turn", url), |stored| {
            let lease = stored.and_then(FetchLease::decode).unwrap_or(FetchLease::FREE);
            if lease.is_taken(now, policy) {
                return envelope::Change::Leave(LeaseAnswer::Held(lease.fetching_until));
            }
            if let Some(not_before) = lease.pause(now, reason, policy) {
                return envelope::Change::Leave(LeaseAnswer::TooSoon(not_before));
            }
            let cooling_until = match reason {
                FetchReason::Age => lease.cooling_until,
                FetchReason::UnknownKeyId => now.after(policy.refetch_cooldown),
            };
            let taken = FetchLease { fetching_until: now.after(policy.patience()), cooling_until, ..lease };
            envelope::Change::Write(taken.encode(), LeaseAnswer::Granted { failures: lease.failures })
        });
        claimed.unwrap_or(LeaseAnswer::Granted { failures: 0 })
    }

    /// Gives the lease back after a fetch: with the pause that follows a failure, and how many there were in a row.
    pub(super) fn release(&self, url: &HttpUrl, failure: Option<(UnixTime, u32)>) {
        envelope::update(&*self.data, &self.name("turn", url), |stored| {
            let lease = stored.and_then(FetchLease::decode).unwrap_or(FetchLease::FREE);
            let (not_before, failures) = failure.unwrap_or((UnixTime::EPOCH, 0));
            let free = FetchLease { fetching_until: UnixTime::EPOCH, not_before, failures, ..lease };
            envelope::Change::Write(free.encode(), ())
        });
    }

    /// Whether another worker is still fetching; if not, the end of the pause that it left.
    pub(super) fn is_taken(&self, now: UnixTime, url: &HttpUrl, policy: &KeyPolicy) -> Result<(), Option<UnixTime>> {
        let name = self.name("turn", url);
        let stored = self.data.read(&name).ok().flatten();
        let lease = stored.and_then(|stored| FetchLease::decode(envelope::open(&name, &stored.value).ok()?));
        match lease {
            Some(lease) if lease.is_taken(now, policy) => Ok(()),
            Some(lease) => Err(lease.pause(now, FetchReason::Age, policy)),
            None => Err(None),
        }
    }

    fn name(&self, kind: &str, url: &HttpUrl) -> String {
        let mut name = format!("hub-auth-filter/jwks/{kind}/");
        let digest = Sha256::new().chain_update(&self.sharing_group).chain_update(url.as_str()).finalize();
        name.extend(digest.into_iter().flat_map(hex::lower));
        name
    }
}

impl FetchLease {
    const FREE: Self = Self {
        fetching_until: UnixTime::EPOCH,
        not_before: UnixTime::EPOCH,
        cooling_until: UnixTime::EPOCH,
        failures: 0,
    };

    /// A lease that lasts longer than any may is a leftover of a clock that was set back.
    fn is_taken(&self, now: UnixTime, policy: &KeyPolicy) -> bool {
        is_within(now, self.fetching_until, policy.patience())
    }

    fn pause(&self, now: UnixTime, reason: FetchReason, policy: &KeyPolicy) -> Option<UnixTime> {
        if is_within(now, self.not_before, LONGEST_BACKOFF) {
            return Some(self.not_before);
        }
        let cooling =
            reason == FetchReason::UnknownKeyId && is_within(now, self.cooling_until, policy.refetch_cooldown);
        cooling.then_some(self.cooling_until)
    }

    fn encode(&self) -> Vec<u8> {
        let times =
            [self.fetching_until, self.not_before, self.cooling_until].map(|time| time.as_millis().to_be_bytes());
        [times.as_flattened(), &self.failures.to_be_bytes()].concat()
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let time = |bytes: &[u8]| Some(UnixTime::from_millis(u64::from_be_bytes(bytes.try_into().ok()?)));
        let (times, failures) = bytes.split_at_checked(24)?;
        let mut times = times.chunks(8).map(time);
        Some(Self {
            fetching_until: times.next()??,
            not_before: times.next()??,
            cooling_until: times.next()??,
            failures: u32::from_be_bytes(failures.try_into().ok()?),
        })
    }
}

fn split_set(payload: &[u8]) -> Option<(UnixTime, &[u8])> {
    let (fetched, jwks) = payload.split_first_chunk()?;
    Some((UnixTime::from_millis(u64::from_be_bytes(*fetched)), jwks))
}

/// Whether `end` lies ahead, and no further than it was ever set.
fn is_within(now: UnixTime, end: UnixTime, longest: Duration) -> bool {
    let left = now.until(end);
    !left.is_zero() && left <= longest.saturating_add(CLOCK_TOLERANCE)
}
