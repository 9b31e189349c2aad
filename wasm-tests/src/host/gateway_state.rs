//! What all workers of a gateway share: the clock and its events, shared data and queues, metrics, upstreams and
//! callouts, faults and interruptions, and the records. Shared data follows `shared_data.cc` of proxy-wasm-cpp-host.

use super::callout::{Answer, Callout, CalloutOutcome, Upstream};
use super::fault::{Effect, Fault};
use super::headers::Headers;
use super::interleaving::{Interruption, Side};
use super::log_schema;
use super::profile::{Profile, SharedStore};
use super::record::{HostCall, Level, Log, VmCall};
use super::status::{Refused, Status};
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// Everything that is not inside one VM.
pub(crate) struct GatewayState {
    pub(crate) profile: Profile,
    pub(crate) settings: Settings,
    pub(crate) clock: Clock,
    pub(crate) events: Events,
    pub(crate) shared_data: SharedData,
    pub(crate) queues: Vec<Queue>,
    pub(crate) metrics: BTreeMap<String, Metric>,
    pub(crate) upstreams: BTreeMap<String, Upstream>,
    pub(crate) callouts: Vec<Callout>,
    /// Answers that no callout has read, by upstream, and when they arrive.
    pub(crate) unread_answers: BTreeMap<String, (Duration, Answer)>,
    pub(crate) faults: Vec<Fault>,
    pub(crate) interruptions: Vec<Interruption>,
    /// The next number of a callout, by worker.
    pub(crate) tokens: BTreeMap<usize, u32>,
    /// The pseudo headers of the callouts so far, by worker.
    pub(crate) pseudo_headers: BTreeMap<usize, Headers>,
    pub(crate) random: u64,
    pub(crate) logs: Vec<Log>,
    pub(crate) host_calls: Vec<HostCall>,
    pub(crate) vm_calls: Vec<VmCall>,
}

impl Drop for GatewayState {
    /// Fails a test whose module logged JSON that is not of the schema.
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        for log in &self.logs {
            if let Some(fault) = log_schema::fault(&log.text) {
                panic!("a line of the log is not of schema/log-line.schema.json: {fault}: {}", log.text);
            }
        }
    }
}

/// What the builder has set. It stays as it is.
pub(crate) struct Settings {
    pub(crate) configuration: Vec<u8>,
    pub(crate) vm_configuration: Vec<u8>,
    pub(crate) environment: Vec<(String, String)>,
    pub(crate) capabilities: Option<Vec<String>>,
    pub(crate) log_level: Level,
    pub(crate) fuel_limit: u64,
    /// How long one call into the module may take, by the clock of this machine, where the engine counts no fuel.
    pub(crate) patience: Duration,
}

impl Settings {
    /// Whether `capability_restriction_config` leaves the module this import or export.
    pub(crate) fn allows(&self, name: &str) -> bool {
        self.capabilities.as_ref().is_none_or(|allowed| allowed.iter().any(|one| one == name))
    }
}

/// Two clocks: the wall clock, which may jump, and the monotonic clock.
pub(crate) struct Clock {
    pub(crate) wall: Duration,
    pub(crate) monotonic: Duration,
}

impl Clock {
    pub(crate) fn move_to(&mut self, monotonic: Duration) {
        self.wall += monotonic.saturating_sub(self.monotonic);
        self.monotonic = self.monotonic.max(monotonic);
    }
}

/// What is due at a time of the monotonic clock; equal times keep the order in which they were planned.
#[derive(Default)]
pub(crate) struct Events {
    planned: BTreeMap<(Duration, u64), Event>,
    sequence: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// A callout (its index in `GatewayState::callouts`) ends.
    Callout { callout: usize, outcome: CalloutOutcome },
    /// A root context's tick.
    Tick(Tick),
    /// A queue that this root context registered has an entry.
    Queue { vm: u64, root: u32, token: u32 },
    /// The bank's backend answers a request.
    Bank { exchange: usize },
    /// The gateway ends a request that still waits in the filter.
    Idle { exchange: usize },
}

/// A tick of a root context; `generation` tells whether the period was set anew meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tick {
    pub(crate) vm: u64,
    pub(crate) worker: usize,
    pub(crate) root: u32,
    pub(crate) generation: u64,
    pub(crate) period: Duration,
}

impl Events {
    /// Forgets the ticks of a worker process that has died.
    pub(crate) fn forget_ticks(&mut self, worker: usize) {
        self.planned.retain(|_, event| !matches!(event, Event::Tick(tick) if tick.worker == worker));
    }

    pub(crate) fn plan(&mut self, at: Duration, event: Event) {
        self.sequence += 1;
        self.planned.insert((at, self.sequence), event);
    }

    /// Takes the next event that is due at `until` or before.
    pub(crate) fn due(&mut self, until: Duration) -> Option<(Duration, Event)> {
        let entry = self.planned.first_entry()?;
        let at = entry.key().0;
        (at <= until).then(|| (at, entry.remove()))
    }

    /// The time of the last event that others have sent on its way: not a tick, and no timeout of the gateway.
    pub(crate) fn last_arrival(&self) -> Option<Duration> {
        let arrival = |event: &Event| !matches!(event, Event::Tick(_) | Event::Idle { .. });
        self.planned.iter().rev().find(|(_, event)| arrival(event)).map(|((at, _), _)| *at)
    }
}

/// Keys and values that all workers see.
pub(crate) struct SharedData {
    store: SharedStore,
    values: BTreeMap<Vec<u8>, (Vec<u8>, u32)>,
    cas: u32,
}

impl SharedData {
    pub(crate) fn new(store: SharedStore) -> Self {
        SharedData { store, values: BTreeMap::new(), cas: 0 }
    }

    pub(crate) fn get(&self, key: &[u8]) -> Result<(Vec<u8>, u32), Refused> {
        let place = self.place(key)?;
        self.values.get(&place).cloned().ok_or(Refused::Status(Status::NotFound))
    }

    /// By key, a `cas` of 0 means "whatever is there", and one for an absent key is not looked at; otherwise 0 is the cas of
    /// what is absent.
    pub(crate) fn set(&mut self, key: &[u8], value: &[u8], cas: u32) -> Result<(), Refused> {
        let place = self.place(key)?;
        let current = self.values.get(&place).map(|(_, current)| *current);
        let stale = match self.store {
            SharedStore::ByKey => current.is_some_and(|current| cas != 0 && cas != current),
            SharedStore::ByCrc32 | SharedStore::NotConfigured => cas != current.unwrap_or(0),
        };
        if stale {
            return Err(Status::CasMismatch.into());
        }
        self.cas += 1;
        self.values.insert(place, (value.to_vec(), self.cas));
        Ok(())
    }

    fn place(&self, key: &[u8]) -> Result<Vec<u8>, Refused> {
        match self.store {
            SharedStore::ByKey => Ok(key.to_vec()),
            SharedStore::ByCrc32 => Ok(crc32(key).to_be_bytes().to_vec()),
            SharedStore::NotConfigured => Err(Refused::Trap("there is no store for shared data".to_owned())),
        }
    }
}

/// The CRC32 of zlib, PNG and nginx.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg()))
    })
}

/// A shared queue; its token is its index plus one.
pub(crate) struct Queue {
    pub(crate) name: Vec<u8>,
    pub(crate) vm: u64,
    pub(crate) root: u32,
    pub(crate) entries: VecDeque<Vec<u8>>,
}

/// A metric, summed over all workers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Metric {
    /// Only ever grows.
    Counter(u64),
    /// Goes up and down.
    Gauge(u64),
    /// The values recorded, in order.
    Histogram(Vec<u64>),
}

impl GatewayState {
    /// Plans something `delay` from now.
    pub(crate) fn plan(&mut self, delay: Duration, event: Event) {
        self.events.plan(self.clock.monotonic.saturating_add(delay), event);
    }

    /// Cancels the callouts of a context, or of a whole VM.
    pub(crate) fn cancel_callouts(&mut self, vm: u64, context: Option<u32>) {
        for callout in &mut self.callouts {
            let (owner_vm, owner) = callout.owner;
            if callout.outcome == CalloutOutcome::InFlight
                && owner_vm == vm
                && context.is_none_or(|context| context == owner)
            {
                callout.outcome = CalloutOutcome::Cancelled;
            }
        }
    }

    /// How many callouts of a context are in flight.
    pub(crate) fn pending(&self, vm: u64, context: u32) -> usize {
        let in_flight =
            |callout: &&Callout| callout.owner == (vm, context) && callout.outcome == CalloutOutcome::InFlight;
        self.callouts.iter().filter(in_flight).count()
    }

    /// The fault that strikes at this host call, if any.
    pub(crate) fn fault(&mut self, name: &str, subject: Option<&str>) -> Option<Effect> {
        self.faults.iter_mut().filter_map(|fault| fault.strikes(name, subject)).next_back()
    }

    /// The interruptions whose point is this side of this call.
    pub(crate) fn interruptions(&mut self, name: &str, side: Side, worker: usize, subject: Option<&str>) -> Vec<usize> {
        let interruptions = self.interruptions.iter_mut().enumerate();
        interruptions.filter_map(|(index, one)| one.strikes(name, side, worker, subject).then_some(index)).collect()
    }

    /// The next bytes of a reproducible sequence (SplitMix64): a test's substitute for the gateway's random numbers.
    pub(crate) fn random(&mut self, length: usize) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(length + 8);
        while bytes.len() < length {
            self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut word = self.random;
            word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            bytes.extend((word ^ (word >> 31)).to_le_bytes());
        }
        bytes.truncate(length);
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_crc_is_the_common_one() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
        // Two of the best-known words that collide.
        assert_eq!(crc32(b"plumless"), crc32(b"buckeroo"));
    }
}
