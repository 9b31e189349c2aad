//! Describing a gateway and starting it.

use super::callout::Upstream;
use super::fault::Fault;
use super::gateway::Gateway;
use super::gateway_state::{Clock, Events, GatewayState, Settings, SharedData};
use super::module::Module;
use super::profile::Profile;
use super::record::{Level, Log};
use super::simulator::{Expected, Reason, Simulator};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::rc::Rc;
use std::time::Duration;

/// When a gateway starts unless told otherwise: 2026-11-21T00:00:00Z.
const START: Duration = Duration::from_secs(1_795_219_200);
/// What one call into the module may use: some seconds of computing, so that a module that never ends fails its test.
const FUEL_LIMIT: u64 = 5_000_000_000;
/// Likewise where no fuel is counted: far more than the most expensive call takes on a slow machine that does other things as well.
const PATIENCE: Duration = Duration::from_secs(120);

/// A gateway that has not been started yet.
pub struct Builder {
    state: GatewayState,
    workers: usize,
    expected: Expected,
}

impl Gateway {
    /// Describes a gateway of this profile, with one worker.
    #[expect(clippy::new_ret_no_self, reason = "a gateway exists only once it has started")]
    pub fn new(profile: Profile) -> Builder {
        Builder::new(profile)
    }
}

impl Builder {
    fn new(profile: Profile) -> Self {
        let (log_level, shared_data) = (profile.log_level, SharedData::new(profile.shared_data));
        Builder {
            state: GatewayState {
                profile,
                settings: Settings {
                    configuration: Vec::new(),
                    vm_configuration: Vec::new(),
                    environment: Vec::new(),
                    capabilities: None,
                    log_level,
                    fuel_limit: FUEL_LIMIT,
                    patience: PATIENCE,
                },
                clock: Clock { wall: START, monotonic: Duration::from_secs(1000) },
                events: Events::default(),
                shared_data,
                queues: Vec::new(),
                metrics: BTreeMap::new(),
                upstreams: BTreeMap::new(),
                callouts: Vec::new(),
                unread_answers: BTreeMap::new(),
                faults: Vec::new(),
                interruptions: Vec::new(),
                tokens: BTreeMap::new(),
                pseudo_headers: BTreeMap::new(),
                random: 1,
                logs: Vec::new(),
                host_calls: Vec::new(),
                vm_calls: Vec::new(),
            },
            workers: 1,
            expected: Expected::default(),
        }
    }

    /// The number of workers. Envoy has more VMs: one for its main thread, and one on trial while it starts. Those only
    /// repeat the start and are left out here.
    pub fn workers(mut self, workers: usize) -> Self {
        self.workers = workers;
        self
    }

    /// The plugin's configuration: text, or any bytes.
    pub fn configuration(mut self, configuration: impl AsRef<[u8]>) -> Self {
        self.state.settings.configuration = configuration.as_ref().to_vec();
        self
    }

    /// The VM's configuration.
    pub fn vm_configuration(mut self, configuration: impl AsRef<[u8]>) -> Self {
        self.state.settings.vm_configuration = configuration.as_ref().to_vec();
        self
    }

    /// An environment variable of the module.
    pub fn environment(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.state.settings.environment.push((name.into(), value.into()));
        self
    }

    /// An upstream for callouts; also [`Gateway::upstream`].
    pub fn upstream(mut self, name: impl Into<String>, upstream: Upstream) -> Self {
        self.state.upstreams.insert(name.into(), upstream);
        self
    }

    /// A fault from the start on; also [`Gateway::fault`].
    pub fn fault(mut self, fault: Fault) -> Self {
        self.state.faults.push(fault);
        self
    }

    /// The wall clock at the start, since the Unix epoch.
    pub fn start_at(mut self, now: Duration) -> Self {
        self.state.clock.wall = now;
        self
    }

    /// The lowest level that is logged. At first the profile's.
    pub fn log_level(mut self, level: Level) -> Self {
        self.state.settings.log_level = level;
        self
    }

    /// The fuel of one call into the module, beyond which it traps. Panics when the [`Engine`](super::Engine) counts none.
    pub fn fuel_limit(mut self, fuel: u64) -> Self {
        self.state.profile.assert_counts_fuel();
        self.state.settings.fuel_limit = fuel;
        self
    }

    /// How long one call into the module may take where the engine counts no fuel: when it takes longer, the test's process ends with
    /// a sentence. At first two minutes.
    pub fn patience(mut self, patience: Duration) -> Self {
        self.state.settings.patience = patience;
        self
    }

    /// The seed of WASI's random numbers.
    pub fn seed(mut self, seed: u64) -> Self {
        self.state.random = seed;
        self
    }

    /// Restricts imports and exports to these, as `capability_restriction_config` does.
    pub fn capabilities<S: Into<String>>(mut self, allowed: impl IntoIterator<Item = S>) -> Self {
        self.state.settings.capabilities = Some(allowed.into_iter().map(Into::into).collect());
        self
    }

    /// Lets traps have the consequences that they have in the gateway, instead of failing the test.
    pub fn expect_traps(mut self) -> Self {
        self.expected.traps = true;
        self
    }

    /// Lets the death of a worker have the consequences that it has in the gateway, instead of failing the test: whatever is
    /// on its way there is cut off, and the next request finds a new worker.
    pub fn expect_crashes(mut self) -> Self {
        self.expected.crashes = true;
        self
    }

    /// Lets responses that no strict client can read be sent, instead of failing the test.
    pub fn expect_broken_http(mut self) -> Self {
        self.expected.broken_http = true;
        self
    }

    /// Starts the gateway: each worker loads the module and configures it.
    pub fn start(self, module: &Module) -> Result<Gateway, StartFailure> {
        let state = Rc::new(RefCell::new(self.state));
        let mut simulator = Simulator::new(module.clone(), Rc::clone(&state), self.expected);
        for _ in 0..self.workers {
            if let Err(reason) = simulator.add_worker() {
                let logs = state.borrow().logs.clone();
                return Err(StartFailure { reason, logs });
            }
        }
        Ok(Gateway::of(simulator))
    }
}

/// Why a gateway refused to start.
#[derive(Clone, Debug)]
pub struct StartFailure {
    /// The reason.
    pub reason: Reason,
    /// What the module had logged by then.
    pub logs: Vec<Log>,
}

impl fmt::Display for StartFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the gateway did not start: {:?}", self.reason)?;
        self.logs.iter().try_for_each(|log| write!(f, "\n  {log}"))
    }
}

impl std::error::Error for StartFailure {}
