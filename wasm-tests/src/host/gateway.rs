//! What tests work with: a running gateway, its workers, and the requests that they send through it.

use super::callout::{Answer, Callout, Response, Upstream};
use super::exchange::Outcome;
use super::fault::Fault;
use super::gateway_state::{GatewayState, Metric};
use super::headers::Headers;
use super::host_call;
use super::interleaving::{self, InterleavingPoint};
use super::record::{HostCall, Log, VmCall};
use super::request::Request;
use super::simulator::Simulator;
use super::vm_state::LocalReply;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::rc::Rc;
use std::time::Duration;

/// A running gateway. Clones are the same gateway.
#[derive(Clone)]
pub struct Gateway {
    simulator: Rc<RefCell<Simulator>>,
}

impl Gateway {
    pub(crate) fn of(simulator: Simulator) -> Self {
        Gateway { simulator: Rc::new(RefCell::new(simulator)) }
    }

    /// The names of all host calls of the ABI, proxy-wasm and WASI.
    pub fn host_calls() -> Vec<&'static str> {
        host_call::NAMES.to_vec()
    }

    /// A worker, counted from 0.
    pub fn worker(&self, worker: usize) -> Worker {
        assert!(worker < self.simulator.borrow().workers.len(), "no worker {worker}");
        Worker { gateway: self.clone(), worker }
    }

    /// Sends a request to the first worker.
    pub fn send(&self, request: Request) -> Exchange {
        self.worker(0).send(request)
    }

    /// The wall clock, since the Unix epoch.
    pub fn now(&self) -> Duration {
        self.state(|state| state.clock.wall)
    }

    /// Lets time pass: every answer and tick that falls due happens at its time, in order.
    pub fn advance(&self, by: Duration) {
        let until = self.state(|state| state.clock.monotonic) + by;
        self.simulator.borrow_mut().advance(until);
    }

    /// Lets time pass until no callout and no answer of the bank is on its way. Ticks on the way happen.
    pub fn settle(&self) {
        while let Some(until) = self.state(|state| state.events.last_arrival()) {
            self.simulator.borrow_mut().advance(until);
        }
    }

    /// Sets the wall clock, forwards or back. No time passes.
    pub fn set_clock(&self, now: Duration) {
        self.state(|state| state.clock.wall = now);
    }

    /// The machine sleeps for so long: the wall clock goes on, the steady clock does not, and nothing happens. Afterwards nobody can tell
    /// that from a wall clock that was set.
    pub fn sleep(&self, by: Duration) {
        self.state(|state| state.clock.wall += by);
    }

    /// Puts a server behind the name of an upstream, in place of the one that was there.
    pub fn upstream(&self, name: impl Into<String>, upstream: Upstream) {
        self.state(|state| state.upstreams.insert(name.into(), upstream));
    }

    /// How the bank's backend answers from now on. At first: 200, at once.
    pub fn bank(&self, answer: Answer) {
        self.simulator.borrow_mut().bank = answer;
    }

    /// Installs a fault. When several strike at one call, the latest does.
    pub fn fault(&self, fault: Fault) {
        self.state(|state| state.faults.push(fault));
    }

    /// Removes all faults.
    pub fn heal(&self) {
        self.state(|state| state.faults.clear());
    }

    /// Something in the gateway's configuration changes: APISIX then makes new plugins for every route.
    pub fn rewrite_configuration(&self) {
        self.simulator.borrow_mut().rebuild_roots();
    }

    /// Ends the root contexts, as when the listener is drained.
    pub fn stop(&self) {
        self.simulator.borrow_mut().stop();
    }

    /// All log lines, from the start on.
    pub fn logs(&self) -> Vec<Log> {
        self.state(|state| state.logs.clone())
    }

    /// All callouts, from the start on.
    pub fn callouts(&self) -> Vec<Callout> {
        self.state(|state| state.callouts.clone())
    }

    /// All calls of the module to the host, from the start on.
    pub fn trace(&self) -> Vec<HostCall> {
        self.state(|state| state.host_calls.clone())
    }

    /// All calls into the module, with their fuel, from the start on.
    pub fn vm_calls(&self) -> Vec<VmCall> {
        self.state(|state| state.vm_calls.clone())
    }

    /// The metrics by name.
    pub fn metrics(&self) -> BTreeMap<String, Metric> {
        self.state(|state| state.metrics.clone())
    }

    /// A counter's or gauge's value, summed over the workers; 0 when it has not been defined.
    pub fn metric(&self, name: &str) -> u64 {
        match self.state(|state| state.metrics.get(name).cloned()) {
            Some(Metric::Counter(value) | Metric::Gauge(value)) => value,
            Some(Metric::Histogram(_)) | None => 0,
        }
    }

    /// A value in the shared data.
    pub fn shared_data(&self, key: impl AsRef<[u8]>) -> Option<Vec<u8>> {
        self.state(|state| state.shared_data.get(key.as_ref()).ok().map(|(value, _)| value))
    }

    /// The reports of the traps so far: with [`Builder::expect_traps`], else the first one has failed the test.
    ///
    /// [`Builder::expect_traps`]: super::Builder::expect_traps
    pub fn traps(&self) -> Vec<String> {
        self.simulator.borrow().traps.clone()
    }

    /// The reports of the workers' deaths so far: with [`Builder::expect_crashes`], else the first one has failed the test.
    ///
    /// [`Builder::expect_crashes`]: super::Builder::expect_crashes
    pub fn crashes(&self) -> Vec<String> {
        self.simulator.borrow().crashes.clone()
    }

    /// What clients could not read so far: with [`Builder::expect_broken_http`], else the first one has failed the test.
    ///
    /// [`Builder::expect_broken_http`]: super::Builder::expect_broken_http
    pub fn broken_http(&self) -> Vec<String> {
        self.simulator.borrow().broken_http.clone()
    }

    fn state<T>(&self, act: impl FnOnce(&mut GatewayState) -> T) -> T {
        act(&mut self.simulator.borrow().gateway.borrow_mut())
    }
}

impl fmt::Debug for Gateway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gateway").field("profile", &self.state(|state| state.profile.name)).finish_non_exhaustive()
    }
}

/// One worker thread of a gateway, with its own VM.
pub struct Worker {
    gateway: Gateway,
    worker: usize,
}

impl Worker {
    /// Sends a request. It has gone as far as it can without time passing when this returns.
    pub fn send(&self, request: Request) -> Exchange {
        let index = self.gateway.simulator.borrow_mut().begin(self.worker, request);
        Exchange { gateway: self.gateway.clone(), index }
    }

    /// Sends a request at a point in the middle of another worker's host call: it has gone as far as it can without time
    /// passing before that call returns.
    pub fn send_at(&self, point: InterleavingPoint, request: Request) -> Interruption {
        let index = self.gateway.state(|state| {
            state.interruptions.push(interleaving::Interruption::new(point, self.worker, request));
            state.interruptions.len() - 1
        });
        Interruption { gateway: self.gateway.clone(), index }
    }

    /// The size of the module's memory in bytes, which never shrinks; 0 when there is no VM.
    pub fn memory(&self) -> usize {
        self.gateway.simulator.borrow_mut().workers[self.worker].vm.as_mut().map_or(0, |vm| vm.memory())
    }
}

/// A request that waits until another worker reaches its point.
pub struct Interruption {
    gateway: Gateway,
    index: usize,
}

impl Interruption {
    /// The request, once that point has been reached.
    pub fn exchange(&self) -> Option<Exchange> {
        let index = self.gateway.state(|state| state.interruptions[self.index].exchange)?;
        Some(Exchange { gateway: self.gateway.clone(), index })
    }
}

/// A request and what becomes of it.
#[derive(Clone)]
pub struct Exchange {
    gateway: Gateway,
    index: usize,
}

impl Exchange {
    /// What has become of the request so far.
    pub fn outcome(&self) -> Outcome {
        self.gateway.simulator.borrow().exchanges[self.index].outcome.clone()
    }

    /// The headers with which the request has reached the bank, if it has.
    pub fn upstream(&self) -> Option<Headers> {
        match self.outcome() {
            Outcome::Upstream(headers) => Some(headers),
            _ => None,
        }
    }

    /// The body with which the request has reached the bank.
    pub fn upstream_body(&self) -> Vec<u8> {
        self.gateway.simulator.borrow().exchanges[self.index].body.clone()
    }

    /// The local reply that the client got instead of the bank's answer.
    pub fn reply(&self) -> Option<LocalReply> {
        match self.outcome() {
            Outcome::Replied(reply) => Some(reply),
            _ => None,
        }
    }

    /// What the client got, from the bank or from the gateway, once it is complete.
    pub fn response(&self) -> Option<Response> {
        self.gateway.simulator.borrow().exchanges[self.index].response.clone()
    }

    /// The client goes away.
    pub fn disconnect(&self) {
        self.gateway.simulator.borrow_mut().disconnect(self.index);
    }

    /// The fuel of all calls for this request's context. A callout's callback belongs to the root context on Envoy: see
    /// [`Gateway::vm_calls`]. Panics when the [`Engine`](super::Engine) counts none.
    pub fn fuel(&self) -> u64 {
        self.gateway.state(|state| state.profile.assert_counts_fuel());
        self.vm_calls().iter().map(|call| call.fuel).sum()
    }

    /// How long the module has worked for this request's context, without its calls of the host.
    pub fn time(&self) -> Duration {
        self.vm_calls().iter().map(|call| call.took).sum()
    }

    /// The calls into the module for this request's context.
    pub fn vm_calls(&self) -> Vec<VmCall> {
        self.gateway.vm_calls().into_iter().filter(|call| call.exchange == Some(self.index)).collect()
    }

    /// The host calls that acted upon this request's context.
    pub fn host_calls(&self) -> Vec<HostCall> {
        self.gateway.trace().into_iter().filter(|call| call.exchange == Some(self.index)).collect()
    }
}

impl fmt::Debug for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exchange").field("outcome", &self.outcome()).finish_non_exhaustive()
    }
}
