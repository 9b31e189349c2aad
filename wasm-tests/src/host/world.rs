//! What all workers of a gateway share: the clock and its events, shared data and queues, metrics, upstreams and
//! callouts, faults and interruptions, and the records. Shared data follows `shared_data.cc` of proxy-wasm-cpp-host.

use super::callout::{Callout, CalloutOutcome, Upstream};
use super::fault::{Effect, Fault};
use super::moment::{Interruption, Side};
use super::profile::Profile;
use super::record::{HostCall, Level, Log, VmCall};
use super::status::Status;
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// Everything that is not inside one VM.
pub(crate) struct World {
    pub(crate) profile: Profile,
    pub(crate) settings: Settings,
    pub(crate) clock: Clock,
    pub(crate) events: Events,
    pub(crate) shared_data: SharedData,
    pub(crate) queues: Vec<Queue>,
    pub(crate) metrics: BTreeMap<String, Metric>,
    pub(crate) upstreams: BTreeMap<String, Upstream>,
    pub(crate) callouts: Vec<Callout>,
    pub(crate) faults: Vec<Fault>,
    pub(crate) interruptions: Vec<Interruption>,
    pub(crate) random: u64,
    pub(crate) logs: Vec<Log>,
    pub(crate) host_calls: Vec<HostCall>,
    pub(crate) vm_calls: Vec<VmCall>,
}

/// What the builder said and nothing changes.
pub(crate) struct Settings {
    pub(crate) configuration: Vec<u8>,
    pub(crate) vm_configuration: Vec<u8>,
    pub(crate) environment: Vec<(String, String)>,
    pub(crate) capabilities: Option<Vec<String>>,
    pub(crate) log_level: Level,
    pub(crate) fuel_limit: u64,
}

impl Settings {
    /// Whether `capability_restriction_config` leaves the module this import or export.
    pub(crate) fn allows(&self, name: &str) -> bool {
        self.capabilities.as_ref().is_none_or(|allowed| allowed.iter().any(|one| one == name))
    }
}

/// Two clocks: the one on the wall, which may jump, and the one that only moves on.
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
    /// A callout (its index in `World::callouts`) ends.
    Callout { callout: usize, outcome: CalloutOutcome },
    /// A root context's tick; `generation` tells whether the period was set anew meanwhile.
    Tick { vm: u64, root: u32, generation: u64 },
    /// A queue that this root context registered has an entry.
    Queue { vm: u64, root: u32, token: u32 },
    /// The bank's backend answers a request.
    Bank { exchange: usize },
    /// The gateway ends a request that still waits in the filter.
    Idle { exchange: usize },
}

impl Events {
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
        let arrival = |event: &Event| !matches!(event, Event::Tick { .. } | Event::Idle { .. });
        self.planned.iter().rev().find(|(_, event)| arrival(event)).map(|((at, _), _)| *at)
    }
}

/// Keys and values that all workers see.
#[derive(Default)]
pub(crate) struct SharedData {
    values: BTreeMap<Vec<u8>, (Vec<u8>, u32)>,
    cas: u32,
}

impl SharedData {
    pub(crate) fn get(&self, key: &[u8]) -> Result<(Vec<u8>, u32), Status> {
        self.values.get(key).cloned().ok_or(Status::NotFound)
    }

    /// A `cas` of 0 means "whatever is there"; one for an absent key is not looked at.
    pub(crate) fn set(&mut self, key: &[u8], value: &[u8], cas: u32) -> Result<(), Status> {
        if self.values.get(key).is_some_and(|(_, current)| cas != 0 && cas != *current) {
            return Err(Status::CasMismatch);
        }
        self.cas += 1;
        self.values.insert(key.to_vec(), (value.to_vec(), self.cas));
        Ok(())
    }
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

impl World {
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

    /// The fault that strikes at this host call, if any.
    pub(crate) fn fault(&mut self, name: &str, subject: Option<&str>) -> Option<Effect> {
        self.faults.iter_mut().filter_map(|fault| fault.strikes(name, subject)).next_back()
    }

    /// The interruptions whose moment this is.
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
