//! The tokens that all workers of a gateway let in, in its shared data. Nothing can be deleted or listed there, and a value
//! is changed as a whole, so tokens are spread by their digest over a fixed number of values: the buckets.
//!
//! A host may find values by a hash of their name only. A bucket therefore has some alternative names, and lives under the
//! first one that was free when it was begun. It never moves while its value is whole, because no whole value of another
//! name is ever overwritten. Who looks for it reads the names in order, up to it or to one that is not in use; where two
//! workers begin it at once, compare-and-swap lets one of them win, and the other looks again.
//!
//! A bucket that is begun anywhere but under an unused first name may take the place of one whose value was lost. It counts
//! as having forgotten every token that any worker could have let in until then, and lets none of those in.

use std::rc::Rc;
use std::time::Duration;

use crate::shared_data::envelope::{self, Unusable};
use crate::shared_data::{SharedData, Unavailable, Version, Written};
use crate::time::UnixTime;

use super::error::{ReplayError, check_not_forgotten};
use super::token::{FINGERPRINT_LENGTH, Fingerprint, TokenIdentity};

/// The most tokens in one bucket: its value stays below 6.3 KiB, which is read, hashed, hashed again and written for each
/// admission.
pub(super) const MAX_ENTRIES: usize = 256;

/// The tokens per bucket when all `capacity` tokens are there. Half of [`MAX_ENTRIES`], because digests do not spread
/// evenly: the odds that any bucket is over 256 then are 5 in 10^21 for a capacity of 100,000, and below 10^-19 for every
/// capacity up to a million (tail of the binomial distribution, times the number of buckets).
pub(super) const NOMINAL_ENTRIES: usize = 128;

/// How often a bucket is looked for and written before its token is refused. Each conflict means that another worker has
/// written to it; workers spend a few percent of their time here, so that losing 32 times in a row is no accident.
const MAX_ATTEMPTS: usize = 32;

/// How many names a bucket has. Two buckets of a million-token memory share a 32-bit hash with odds of 0.7 %; that a third
/// one does too is out of the question.
const NAMES: usize = 4;

/// Part of every name. To be counted up when the layout or the choice of the bucket changes.
const LAYOUT: u32 = 2;

const EXPIRY_LENGTH: usize = 8;
const ENTRY_LENGTH: usize = FINGERPRINT_LENGTH + EXPIRY_LENGTH;

/// The shared memory for tokens.
#[derive(Debug)]
pub(super) struct Buckets {
    count: usize,
    /// The most tokens in one.
    limit: usize,
    longest_life: Duration,
    /// The latest time that was ever seen: what was let in before the clock was set back may end that much later.
    latest: UnixTime,
    /// How many tokens were in the bucket of the last one.
    last_entries: usize,
    shared: Rc<dyn SharedData>,
}

/// A bucket's content: the latest expiry that was dropped, then a fingerprint and an expiry for each token.
/// Times are milliseconds, 8 bytes, big-endian.
struct Bucket<'v> {
    forgotten: UnixTime,
    entries: &'v [[u8; ENTRY_LENGTH]],
}

impl Buckets {
    pub(super) fn new(capacity: usize, longest_life: Duration, shared: Rc<dyn SharedData>) -> Self {
        let (count, limit) =
            if capacity <= MAX_ENTRIES { (1, capacity) } else { (capacity.div_ceil(NOMINAL_ENTRIES), MAX_ENTRIES) };
        Self { count, limit, longest_life, latest: UnixTime::EPOCH, last_entries: 0, shared }
    }

    pub(super) fn admit(
        &mut self,
        now: UnixTime,
        token: &TokenIdentity,
        valid_until: UnixTime,
    ) -> Result<(), ReplayError> {
        self.latest = self.latest.max(now);
        for _ in 0..MAX_ATTEMPTS {
            if self.try_to_admit(now, token, valid_until)? {
                return Ok(());
            }
        }
        Err(ReplayError::Unavailable)
    }

    /// Whether a token is remembered and lives, in a bucket that can be read.
    pub(super) fn knows(&self, now: UnixTime, token: &TokenIdentity) -> bool {
        for alternative in 0..NAMES {
            let name = self.name(token, alternative);
            let Ok(Some(stored)) = self.shared.read(&name) else { return false };
            if let Some(bucket) = envelope::open(&name, &stored.value).ok().and_then(|it| Bucket::read(it, self.limit))
            {
                return bucket.knows(now, token.fingerprint);
            }
        }
        false
    }

    /// About how many tokens there are in all, if all buckets are as full as that of the last one.
    pub(super) fn estimate(&self) -> usize {
        self.last_entries.saturating_mul(self.count)
    }

    /// Finds the token's bucket and writes the token there. `false` means to try again: the bucket had to be begun first, or
    /// another worker wrote to it meanwhile.
    fn try_to_admit(
        &mut self,
        now: UnixTime,
        token: &TokenIdentity,
        valid_until: UnixTime,
    ) -> Result<bool, ReplayError> {
        let mut damaged = None;
        for alternative in 0..NAMES {
            let name = self.name(token, alternative);
            let Some(stored) = self.shared.read(&name)? else {
                let forgotten = if alternative == 0 { UnixTime::EPOCH } else { self.all_that_live() };
                if damaged.is_none() {
                    self.begin(&name, None, forgotten)?;
                    return Ok(false);
                }
                break;
            };
            match envelope::open(&name, &stored.value) {
                Err(Unusable::Foreign) => {}
                Err(Unusable::Damaged) => damaged = damaged.or(Some((name, stored.version))),
                Ok(payload) => match Bucket::read(payload, self.limit) {
                    None => damaged = damaged.or(Some((name, stored.version))),
                    Some(bucket) => {
                        self.last_entries = bucket.entries.len();
                        let changed = bucket.admit(now, token.fingerprint, valid_until, self.limit)?;
                        return Ok(self.write(&name, &changed, Some(stored.version))? == Written::Done);
                    }
                },
            }
        }
        let (name, version) = damaged.ok_or(ReplayError::Unavailable)?;
        self.begin(&name, Some(version), self.all_that_live())?;
        Ok(false)
    }

    /// No token that was let in until now ends later.
    fn all_that_live(&self) -> UnixTime {
        self.latest.after(self.longest_life)
    }

    /// Puts an empty bucket in place. It is read again before a token goes in: a host that keeps nothing is found out here.
    fn begin(&self, name: &str, seen: Option<Version>, forgotten: UnixTime) -> Result<(), ReplayError> {
        let empty = Bucket { forgotten, entries: &[] };
        // Whether it was this worker or another makes no difference.
        self.write(name, &empty.encode(0), seen).map(drop)
    }

    fn write(&self, name: &str, payload: &[u8], seen: Option<Version>) -> Result<Written, ReplayError> {
        Ok(self.shared.write(name, &envelope::seal(name, payload), seen)?)
    }

    /// Guards of different capacity never meet in one bucket, nor those of different lives: what a bucket forgot that was begun
    /// anew is reckoned by its own guard's longest life, and a longer one of another guard would be let in twice.
    fn name(&self, token: &TokenIdentity, alternative: usize) -> String {
        let Self { count, limit, longest_life, .. } = self;
        let life = longest_life.as_millis();
        let buckets = u64::try_from(*count).unwrap_or(u64::MAX);
        let bucket = token.place.checked_rem(buckets).unwrap_or(0);
        format!("hub-auth-filter/replay/{LAYOUT}/{count}x{limit}/{life}/{bucket}/{alternative}")
    }
}

impl<'v> Bucket<'v> {
    /// `None` if it is not a bucket of at most `limit` tokens.
    fn read(payload: &'v [u8], limit: usize) -> Option<Self> {
        let (forgotten, entries) = payload.split_first_chunk()?;
        let (entries, []) = entries.as_chunks() else { return None };
        (entries.len() <= limit).then_some(Self { forgotten: time(*forgotten), entries })
    }

    fn knows(&self, now: UnixTime, token: Fingerprint) -> bool {
        self.entries.iter().any(|entry| now <= expiry(entry) && entry.starts_with(&token))
    }

    /// The bucket with one more token, and without those that have expired.
    fn admit(
        &self,
        now: UnixTime,
        token: Fingerprint,
        valid_until: UnixTime,
        limit: usize,
    ) -> Result<Vec<u8>, ReplayError> {
        let lives = |entry: &&[u8; ENTRY_LENGTH]| now <= expiry(entry);
        if self.entries.iter().filter(lives).any(|entry| entry.starts_with(&token)) {
            return Err(ReplayError::Replayed);
        }
        let dropped = self.entries.iter().filter(|entry| !lives(entry)).map(expiry).max();
        let forgotten = self.forgotten.max(dropped.unwrap_or(self.forgotten));
        check_not_forgotten(now, valid_until, forgotten)?;
        if self.entries.iter().filter(lives).count() >= limit {
            let earliest = self.entries.iter().filter(lives).map(expiry).min();
            return Err(ReplayError::full(now, earliest.unwrap_or(now)));
        }
        let mut changed = Bucket { forgotten, entries: &[] }.encode(self.entries.len().saturating_add(1));
        self.entries.iter().filter(lives).for_each(|entry| changed.extend_from_slice(entry));
        changed.extend_from_slice(&token);
        changed.extend_from_slice(&valid_until.as_millis().to_be_bytes());
        Ok(changed)
    }

    /// With room for this many entries in all.
    fn encode(&self, room: usize) -> Vec<u8> {
        let mut payload = Vec::with_capacity(room.saturating_mul(ENTRY_LENGTH).saturating_add(EXPIRY_LENGTH));
        payload.extend_from_slice(&self.forgotten.as_millis().to_be_bytes());
        payload.extend(self.entries.as_flattened());
        payload
    }
}

fn expiry(entry: &[u8; ENTRY_LENGTH]) -> UnixTime {
    entry.last_chunk().map_or(UnixTime::EPOCH, |bytes| time(*bytes))
}

fn time(bytes: [u8; EXPIRY_LENGTH]) -> UnixTime {
    UnixTime::from_millis(u64::from_be_bytes(bytes))
}

impl From<Unavailable> for ReplayError {
    fn from(Unavailable: Unavailable) -> Self {
        Self::Unavailable
    }
}
