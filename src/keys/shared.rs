//! Key sets between workers: the set that one worker fetched serves the others for the rest of its life, and only the worker
//! that holds the lease fetches, so that a keystore sees one gateway and not one client per worker.
//!
//! Two shared values an address: the set with the time of its fetch, and the lease (who fetches, and when the next one
//! may). Nothing can be deleted there, so both live in one of [`SLOTS`] slots, chosen by a hash: whoever comes with a thousand
//! subjects leaves no more behind. The value says which address it is of. Where two addresses share a slot, the newer set has
//! it, and the lease is whose is taken. Sharing saves fetches and decides nothing: where it fails, each worker fetches for
//! itself.
//!
//! Times are those of the steady clock, which is one for all workers of a machine. Those of sets are given by the wall clock,
//! too: whoever takes one over reckons its age by both.

use std::rc::Rc;
use std::time::Duration;

use sha2::{Digest, Sha256};

use crate::callout::LONGEST_BACKOFF;
use crate::hex;
use crate::jose::{Algorithm, KeySet};
use crate::shared_data::{SharedData, envelope};
use crate::time::{Moment, SteadyTime, UnixTime};
use crate::url::HttpUrl;

use super::policy::{FetchReason, KeyPolicy};

/// Workers read the same clock, but not at the same moment.
const CLOCK_TOLERANCE: Duration = Duration::from_secs(1);

/// In how many places key sets are shared. A worker keeps 64 sets, and a bank has a handful of Hubs; a set takes some 36 KB, so
/// that all are below 10 MB.
pub(super) const SLOTS: u16 = 256;

/// Part of every name. To be counted up when what is stored changes: a gateway that takes up a new version of this filter may
/// keep its shared data.
const LAYOUT: u32 = 3;

/// Tells what is stored of one address from that of another in the same slot.
type Owner = [u8; 32];

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
    Held(SteadyTime),
    /// Nobody may fetch before this time.
    TooSoon(SteadyTime),
}

/// The lease of one address: who fetches it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FetchLease {
    /// A worker is fetching, until this time at most.
    fetching_until: SteadyTime,
    /// The end of the pause after the last failure.
    not_before: SteadyTime,
    /// The end of the cooldown after the last fetch for an unknown key id.
    cooling_until: SteadyTime,
    /// How many fetches have failed in a row.
    failures: u32,
}

impl SharedKeys {
    pub(super) fn new(data: Rc<dyn SharedData>, policy: &KeyPolicy) -> Self {
        let algorithms: Vec<_> = policy.algorithms.iter().map(|algorithm| algorithm.name()).collect();
        let sharing_group = format!("{}\n{}\n", policy.upstream, algorithms.join(" "));
        Self { data, accepted: policy.algorithms.clone(), sharing_group }
    }

    /// The set that was fetched last and when, if that was after `known`. None if it is from the future by either clock: nobody
    /// knows the age of that.
    pub(super) fn newer_set(&self, now: Moment, url: &HttpUrl, known: Option<Moment>) -> Option<(KeySet, Moment)> {
        let (name, owner) = self.slot("set", url);
        let stored = self.data.read(&name).ok()??;
        let (steady, wall, jwks) = split_set(envelope::open(&name, &stored.value).ok()?.strip_prefix(&owner)?)?;
        if known.is_some_and(|known| steady <= known.steady) {
            return None;
        }
        let soon = now.after(CLOCK_TOLERANCE);
        let (age, age_by_wall) = (soon.steady.since(steady)?, soon.wall.since(wall)?);
        let age = age.max(age_by_wall).saturating_sub(CLOCK_TOLERANCE);
        let fetched =
            Moment { wall: wall.min(now.wall), steady: steady.min(now.steady), aging: now.aging.before(age)? };
        Some((KeySet::parse(jwks, &self.accepted).ok()?, fetched))
    }

    /// Shows a set that was just fetched to the others.
    pub(super) fn publish(&self, fetched: Moment, url: &HttpUrl, keys: &KeySet) {
        let (name, owner) = self.slot("set", url);
        let Moment { steady, wall, .. } = fetched;
        let times = [steady.as_millis().to_be_bytes(), wall.as_millis().to_be_bytes()];
        let payload = [owner.as_slice(), times.as_flattened(), keys.to_jwks().as_bytes()].concat();
        envelope::update(&*self.data, &name, |stored| {
            let newer = stored
                .and_then(|stored| split_set(stored.strip_prefix(&owner)?))
                .is_some_and(|(other, _, _)| other > steady && other <= steady.after(CLOCK_TOLERANCE));
            if newer { envelope::Change::Leave(()) } else { envelope::Change::Write(payload.clone(), ()) }
        });
    }

    /// Asks for the lease.
    pub(super) fn claim(&self, now: SteadyTime, url: &HttpUrl, reason: FetchReason, policy: &KeyPolicy) -> LeaseAnswer {
        let (name, owner) = self.slot("turn", url);
        let claimed = envelope::update(&*self.data, &name, |stored| {
            let lease = match FetchLease::of(stored, &owner) {
                Found::Own(lease) => lease,
                Found::Other(other) if other.is_taken(now, policy) => {
                    return envelope::Change::Leave(LeaseAnswer::Granted { failures: 0 });
                }
                Found::Other(_) | Found::Nothing => FetchLease::FREE,
            };
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
            envelope::Change::Write(taken.encode(&owner), LeaseAnswer::Granted { failures: lease.failures })
        });
        claimed.unwrap_or(LeaseAnswer::Granted { failures: 0 })
    }

    /// Gives the lease back after a fetch: with the pause that follows a failure, and how many there were in a row.
    pub(super) fn release(&self, url: &HttpUrl, failure: Option<(SteadyTime, u32)>) {
        let (name, owner) = self.slot("turn", url);
        envelope::update(&*self.data, &name, |stored| {
            let lease = match FetchLease::of(stored, &owner) {
                Found::Own(lease) => lease,
                Found::Other(_) => return envelope::Change::Leave(()),
                Found::Nothing => FetchLease::FREE,
            };
            let (not_before, failures) = failure.unwrap_or((SteadyTime::BEGINNING, 0));
            let free = FetchLease { fetching_until: SteadyTime::BEGINNING, not_before, failures, ..lease };
            envelope::Change::Write(free.encode(&owner), ())
        });
    }

    /// Whether another worker is still fetching; if not, the end of the pause that it left.
    pub(super) fn is_taken(
        &self,
        now: SteadyTime,
        url: &HttpUrl,
        policy: &KeyPolicy,
    ) -> Result<(), Option<SteadyTime>> {
        let (name, owner) = self.slot("turn", url);
        let stored = self.data.read(&name).ok().flatten();
        let lease = stored
            .and_then(|stored| FetchLease::decode(envelope::open(&name, &stored.value).ok()?.strip_prefix(&owner)?));
        match lease {
            Some(lease) if lease.is_taken(now, policy) => Ok(()),
            Some(lease) => Err(lease.pause(now, FetchReason::Age, policy)),
            None => Err(None),
        }
    }

    /// The name of the slot, and what tells the address from others there.
    pub(super) fn slot(&self, kind: &str, url: &HttpUrl) -> (String, Owner) {
        let owner: Owner = Sha256::new().chain_update(&self.sharing_group).chain_update(url.as_str()).finalize().into();
        let slot = owner.first_chunk().map_or(0, |bytes| u16::from_be_bytes(*bytes)).checked_rem(SLOTS).unwrap_or(0);
        let mut name = format!("hub-auth-filter/jwks/{LAYOUT}/{kind}/{slot}/");
        name.extend(Sha256::digest(&self.sharing_group).into_iter().flat_map(hex::lower));
        (name, owner)
    }
}

/// The lease that is found in a slot.
enum Found {
    /// That of the address.
    Own(FetchLease),
    /// That of another address.
    Other(FetchLease),
    /// None.
    Nothing,
}

impl FetchLease {
    fn of(stored: Option<&[u8]>, owner: &Owner) -> Found {
        let Some((whose, lease)) = stored.and_then(<[u8]>::split_first_chunk::<32>) else { return Found::Nothing };
        match Self::decode(lease) {
            Some(lease) if whose == owner => Found::Own(lease),
            Some(lease) => Found::Other(lease),
            None => Found::Nothing,
        }
    }

    const FREE: Self = Self {
        fetching_until: SteadyTime::BEGINNING,
        not_before: SteadyTime::BEGINNING,
        cooling_until: SteadyTime::BEGINNING,
        failures: 0,
    };

    /// A lease that lasts longer than any may is a leftover of a clock that was set back.
    fn is_taken(&self, now: SteadyTime, policy: &KeyPolicy) -> bool {
        is_within(now, self.fetching_until, policy.patience())
    }

    fn pause(&self, now: SteadyTime, reason: FetchReason, policy: &KeyPolicy) -> Option<SteadyTime> {
        if is_within(now, self.not_before, LONGEST_BACKOFF) {
            return Some(self.not_before);
        }
        let cooling =
            reason == FetchReason::UnknownKeyId && is_within(now, self.cooling_until, policy.refetch_cooldown);
        cooling.then_some(self.cooling_until)
    }

    fn encode(&self, owner: &Owner) -> Vec<u8> {
        let times =
            [self.fetching_until, self.not_before, self.cooling_until].map(|time| time.as_millis().to_be_bytes());
        [owner.as_slice(), times.as_flattened(), &self.failures.to_be_bytes()].concat()
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let time = |bytes: &[u8]| Some(SteadyTime::from_millis(u64::from_be_bytes(bytes.try_into().ok()?)));
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

/// When a set was fetched, by the steady and the wall clock, and the set.
fn split_set(payload: &[u8]) -> Option<(SteadyTime, UnixTime, &[u8])> {
    let (steady, payload) = payload.split_first_chunk()?;
    let (wall, jwks) = payload.split_first_chunk()?;
    let [steady, wall] = [steady, wall].map(|time| u64::from_be_bytes(*time));
    Some((SteadyTime::from_millis(steady), UnixTime::from_millis(wall), jwks))
}

/// Whether `end` lies ahead, and no further than it was ever set.
fn is_within(now: SteadyTime, end: SteadyTime, longest: Duration) -> bool {
    let left = now.until(end);
    !left.is_zero() && left <= longest.saturating_add(CLOCK_TOLERANCE)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::testing::{SharedMemory, SigningKey};

    fn policy() -> KeyPolicy {
        KeyPolicy {
            upstream: "keystore".to_owned(),
            algorithms: vec![Algorithm::Ps256],
            max_age: Duration::from_secs(600),
            timeout: Duration::from_secs(5),
            refetch_cooldown: Duration::from_secs(30),
        }
    }

    fn shared() -> SharedKeys {
        SharedKeys::new(Rc::new(SharedMemory::default()), &policy())
    }

    fn at(seconds: u64) -> Moment {
        Moment::by_wall_clock(UnixTime::from_secs(seconds))
    }

    fn url(n: usize) -> HttpUrl {
        HttpUrl::parse(&format!("https://keystore.test/{n}/application.jwks")).unwrap()
    }

    fn keys(kid: &str) -> KeySet {
        KeySet::parse(&SigningKey::first().jwks(kid), &[Algorithm::Ps256]).unwrap()
    }

    /// Two addresses with one slot.
    fn neighbours(shared: &SharedKeys) -> [HttpUrl; 2] {
        let mut seen = BTreeMap::new();
        let mut pairs = (0..).filter_map(|n| Some([url(seen.insert(shared.slot("set", &url(n)).0, n)?), url(n)]));
        pairs.next().unwrap()
    }

    fn kid_of(shared: &SharedKeys, url: &HttpUrl) -> Option<&'static str> {
        let (set, _) = shared.newer_set(at(100), url, None)?;
        ["a", "b"].into_iter().find(|kid| set.key(kid, Algorithm::Ps256).is_some())
    }

    /// Nothing that is shared can be deleted, and a set takes 36 KB.
    #[test]
    fn a_thousand_addresses_take_no_more_than_the_slots() {
        let shared = shared();
        for kind in ["set", "turn"] {
            let names: BTreeMap<_, _> = (0..5_000).map(|n| shared.slot(kind, &url(n))).collect();
            assert_eq!(names.len(), usize::from(SLOTS), "{kind}");
        }
    }

    #[test]
    fn a_set_in_a_shared_slot_is_never_taken_for_that_of_another_address() {
        let shared = shared();
        let [one, other] = neighbours(&shared);
        let now = at(100);
        shared.publish(now, &one, &keys("a"));
        assert_eq!([&one, &other].map(|url| kid_of(&shared, url)), [Some("a"), None]);
        shared.publish(now, &other, &keys("b"));
        assert_eq!([&one, &other].map(|url| kid_of(&shared, url)), [None, Some("b")]);
        shared.publish(at(50), &one, &keys("a"));
        assert_eq!([&one, &other].map(|url| kid_of(&shared, url)), [Some("a"), None], "the last one has it");
    }

    #[test]
    fn a_lease_in_a_shared_slot_holds_nobody_else_up_and_is_not_lost_while_it_is_taken() {
        let shared = shared();
        let [one, other] = neighbours(&shared);
        let now = at(100);
        let claim = |url| shared.claim(now.steady, url, FetchReason::Age, &policy());
        let granted = LeaseAnswer::Granted { failures: 0 };
        assert_eq!([claim(&one), claim(&other)], [granted, granted]);
        assert!(matches!(claim(&one), LeaseAnswer::Held(_)), "it is still there");
        assert_eq!(shared.is_taken(now.steady, &other, &policy()), Err(None));
        shared.release(&other, Some((now.steady.after(Duration::from_secs(9)), 3)));
        assert!(matches!(claim(&one), LeaseAnswer::Held(_)), "what the other gives back is not this one's");
        shared.release(&one, None);
        assert_eq!(claim(&other), granted);
        assert!(matches!(claim(&other), LeaseAnswer::Held(_)), "it is free for the other");
    }
}
