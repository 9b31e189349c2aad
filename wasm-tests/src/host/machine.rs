//! The moving part: workers with their VMs, calls into them, events in the order of time, and traps.
//! Loading again after a trap follows `maybeReloadHandleIfNeeded` in Envoy's `wasm.cc`.

use super::builder::Reason;
use super::callout::{Answer, CalloutOutcome};
use super::exchange::ExchangeState;
use super::gateway::Cut;
use super::module::Module;
use super::profile::AfterTrap;
use super::vm::{Action, Context, Returned, Vm};
use super::world::{Event, World};
use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

/// How many of the last host calls the report of a trap shows.
const CALLS_IN_REPORT: usize = 12;

pub(crate) struct Machine {
    pub(crate) module: Module,
    pub(crate) world: Rc<RefCell<World>>,
    pub(crate) workers: Vec<Worker>,
    pub(crate) exchanges: Vec<ExchangeState>,
    pub(crate) bank: Answer,
    pub(crate) expect_traps: bool,
    pub(crate) traps: Vec<String>,
    vms: u64,
}

/// A worker thread of the gateway. Without a VM it has failed, unless its VM is being called.
pub(crate) struct Worker {
    pub(crate) vm: Option<Vm>,
    pub(crate) called: bool,
    pub(crate) root: u32,
    loaded: Duration,
}

impl Machine {
    pub(crate) fn new(module: Module, world: Rc<RefCell<World>>, expect_traps: bool) -> Self {
        Machine {
            module,
            world,
            workers: Vec::new(),
            exchanges: Vec::new(),
            bank: Answer::ok(""),
            expect_traps,
            traps: Vec::new(),
            vms: 0,
        }
    }

    /// Adds a worker with a VM that has been started and configured.
    pub(crate) fn add_worker(&mut self) -> Result<(), Reason> {
        let worker = self.workers.len();
        self.workers.push(Worker { vm: None, called: false, root: 0, loaded: Duration::ZERO });
        self.load(worker)
    }

    /// Gives a worker a fresh VM.
    fn load(&mut self, worker: usize) -> Result<(), Reason> {
        for required in ["proxy_abi_version_0_2_1", "memory"] {
            if !self.module.exports().iter().any(|export| export == required) {
                return Err(Reason::CannotLoad(format!("the module does not export {required}")));
            }
        }
        self.vms += 1;
        let mut vm = Vm::new(&self.module, &self.world, worker, self.vms).map_err(Reason::CannotLoad)?;
        let initialized = vm.initialize();
        let root = vm.state_mut().new_context(Context::default());
        vm.state_mut().configuring = true;
        let loaded = self.world.borrow().clock.monotonic;
        self.workers[worker] = Worker { vm: Some(vm), called: false, root, loaded };
        if let Err(trap) = initialized {
            self.trapped(worker, "_initialize", 0, trap);
            return Err(self.last_trap());
        }
        let (vm_configuration, configuration) = {
            let settings = &self.world.borrow().settings;
            (size(settings.vm_configuration.len()), size(settings.configuration.len()))
        };
        self.call(worker, "proxy_on_context_create", root, &[root, 0], |machine, _| {
            machine.with_vm(worker, |vm| vm.state_mut().configuring = false);
        });
        let mut started = true;
        self.call(worker, "proxy_on_vm_start", root, &[root, vm_configuration], |machine, returned| {
            started = returned.is_none_or(|returned| returned.value != 0);
            machine.with_vm(worker, |vm| vm.state_mut().configuring = true);
        });
        if !started {
            self.workers[worker].vm = None;
            return Err(Reason::VmStartRefused);
        }
        let mut configured = true;
        self.call(worker, "proxy_on_configure", root, &[root, configuration], |machine, returned| {
            configured = returned.is_none_or(|returned| returned.value != 0);
            machine.with_vm(worker, |vm| vm.state_mut().configuring = false);
        });
        if !configured {
            self.workers[worker].vm = None;
            return Err(Reason::ConfigurationRefused);
        }
        if self.workers[worker].vm.is_none() {
            return Err(self.last_trap());
        }
        Ok(())
    }

    /// Lets time pass, and everything happen that is due, in order.
    pub(crate) fn advance(&mut self, until: Duration) {
        loop {
            let due = self.world.borrow_mut().events.due(until);
            let Some((at, event)) = due else { break };
            self.world.borrow_mut().clock.move_to(at);
            self.happen(event);
        }
        self.world.borrow_mut().clock.move_to(until);
    }

    /// Ends the root contexts, as when the listener is drained.
    pub(crate) fn stop(&mut self) {
        for worker in 0..self.workers.len() {
            let root = self.workers[worker].root;
            self.call(worker, "proxy_on_done", root, &[root], |machine, returned| {
                let pending = returned.is_some_and(|returned| returned.value == 0);
                machine.with_vm(worker, |vm| vm.state_mut().done_pending = pending);
            });
            if self.with_vm(worker, |vm| vm.state().done_pending) == Some(false) {
                self.end_root(worker);
            }
        }
    }

    fn end_root(&mut self, worker: usize) {
        let root = self.workers[worker].root;
        self.call(worker, "proxy_on_delete", root, &[root], |_, _| ());
        self.bury(worker);
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Callout { callout, outcome } => self.deliver_callout(callout, outcome),
            Event::Tick { vm, root, generation } => {
                if let Some(worker) = self.worker_of(vm) {
                    self.tick(worker, root, generation);
                }
            }
            Event::Queue { vm, root, token } => {
                if let Some(worker) = self.worker_of(vm) {
                    self.call(worker, "proxy_on_queue_ready", root, &[root, token], |_, _| ());
                }
            }
            Event::Bank { exchange } => self.bank_answers(exchange),
            Event::Idle { exchange } => self.time_out(exchange),
        }
    }

    fn deliver_callout(&mut self, callout: usize, outcome: CalloutOutcome) {
        let ((vm, context), token, failed) = {
            let world = &mut *self.world.borrow_mut();
            let callout = &mut world.callouts[callout];
            if callout.outcome == CalloutOutcome::Cancelled {
                return;
            }
            callout.outcome = outcome.clone();
            (callout.owner, callout.token, world.profile.failed)
        };
        let Some(worker) = self.worker_of(vm) else { return };
        let response = match outcome {
            CalloutOutcome::Answered(response) => Some(response),
            CalloutOutcome::Failed(failure) => failed(failure),
            CalloutOutcome::InFlight | CalloutOutcome::Cancelled => None,
        };
        let (headers, body) =
            response.as_ref().map_or((0, 0), |response| (size(response.headers.len()), size(response.body.len())));
        self.with_vm(worker, |vm| {
            let state = vm.state_mut();
            if response.is_none() {
                state.status = (super::Status::BrokenConnection.into(), "reset");
            }
            state.callout = response;
        });
        let args = [context, token, headers, body, 0];
        self.call(worker, "proxy_on_http_call_response", context, &args, |machine, _| {
            // Envoy lets go of the response before it does what the module wanted.
            machine.with_vm(worker, |vm| {
                vm.state_mut().callout = None;
                vm.state_mut().status.1 = "";
            });
        });
    }

    fn tick(&mut self, worker: usize, root: u32, generation: u64) {
        let current = move |vm: &mut Vm| match vm.state().ticks.get(&root) {
            Some((period, latest)) if *latest == generation && !period.is_zero() => Some(*period),
            _ => None,
        };
        if self.with_vm(worker, current).flatten().is_none() {
            return;
        }
        self.call(worker, "proxy_on_tick", root, &[root], |_, _| ());
        if let Some((Some(period), vm)) = self.with_vm(worker, |vm| (current(vm), vm.state().id)) {
            self.world.borrow_mut().plan(period, Event::Tick { vm, root, generation });
        }
    }

    /// Calls the module; `then` gets what it returned, `None` if it has no such export. Afterwards everything is done
    /// that host calls have queued. After a trap `then` is not called.
    pub(crate) fn call(
        &mut self,
        worker: usize,
        export: &'static str,
        context: u32,
        args: &[u32],
        then: impl FnOnce(&mut Machine, Option<Returned>),
    ) {
        let Some(mut vm) = self.workers[worker].vm.take() else { return };
        self.workers[worker].called = true;
        let absent = Machine::new(self.module.clone(), Rc::clone(&self.world), self.expect_traps);
        vm.state_mut().machine = Some(Box::new(std::mem::replace(self, absent)));
        let ended = vm.call(export, context, args);
        *self = *vm.state_mut().machine.take().expect("what was lent comes back");
        self.workers[worker].called = false;
        self.workers[worker].vm = Some(vm);
        match ended {
            Ok(returned) => then(self, returned),
            Err(trap) => return self.trapped(worker, export, context, trap),
        }
        while let Some(Some(action)) = self.with_vm(worker, |vm| vm.state_mut().actions.pop_front()) {
            self.act(worker, action);
        }
    }

    fn act(&mut self, worker: usize, action: Action) {
        let exchange_of =
            |machine: &mut Machine, context| machine.with_vm(worker, |vm| vm.state().exchange_of(context)).flatten();
        match action {
            Action::ContinueRequest(context) => {
                if let Some(exchange) = exchange_of(self, context) {
                    self.continue_request(exchange);
                }
            }
            Action::ContinueResponse(context) => {
                if let Some(exchange) = exchange_of(self, context) {
                    self.continue_response(exchange);
                }
            }
            Action::Reply(context, reply) => {
                if let Some(exchange) = exchange_of(self, context) {
                    self.reply(exchange, reply);
                }
            }
            Action::Reset(context) => {
                if let Some(exchange) = exchange_of(self, context) {
                    self.cut(exchange, Cut::Reset);
                }
            }
            Action::Done => self.end_root(worker),
        }
    }

    /// The request for which the module was called gets 503, the others of this VM are left to their timeouts; unless
    /// traps are expected, the test fails here.
    fn trapped(&mut self, worker: usize, export: &str, context: u32, trap: String) {
        let report = self.report(worker, export, context, &trap);
        assert!(self.expect_traps, "{report}");
        self.traps.push(report);
        let Some(failed) = self.bury(worker) else { return };
        self.fail_called(failed, context);
    }

    fn report(&self, worker: usize, export: &str, context: u32, trap: &str) -> String {
        let world = self.world.borrow();
        let calls = &world.host_calls[world.host_calls.len().saturating_sub(CALLS_IN_REPORT)..];
        let calls: String = calls.iter().map(|call| format!("\n  {call}")).collect();
        let logs: String = world.logs.iter().map(|log| format!("\n  {log}")).collect();
        format!(
            "the module trapped in {export} (worker {worker}, context {context}): {trap}\n\
             last host calls:{calls}\nlogs:{logs}"
        )
    }

    /// Takes a worker's VM away, with its callouts and ticks; gives its id.
    fn bury(&mut self, worker: usize) -> Option<u64> {
        let gone = self.workers[worker].vm.take()?.state().id;
        self.world.borrow_mut().cancel_callouts(gone, None);
        Some(gone)
    }

    pub(crate) fn reload_if_failed(&mut self, worker: usize) {
        let Worker { vm, loaded, .. } = &mut self.workers[worker];
        let (after_trap, now) = {
            let world = self.world.borrow();
            (world.profile.after_trap, world.clock.monotonic)
        };
        if let (None, AfterTrap::Reload(interval)) = (vm, after_trap)
            && now.saturating_sub(*loaded) >= interval
        {
            *loaded = now;
            // A VM that cannot be loaded stays failed, and its requests with it.
            let _ = self.load(worker);
        }
    }

    fn last_trap(&self) -> Reason {
        Reason::Trapped(self.traps.last().cloned().unwrap_or_default())
    }

    fn worker_of(&self, id: u64) -> Option<usize> {
        self.workers.iter().position(|worker| worker.vm.as_ref().is_some_and(|vm| vm.state().id == id))
    }

    pub(crate) fn with_vm<T>(&mut self, worker: usize, act: impl FnOnce(&mut Vm) -> T) -> Option<T> {
        self.workers[worker].vm.as_mut().map(act)
    }
}

pub(crate) fn size(length: usize) -> u32 {
    u32::try_from(length).expect("a 32-bit length")
}
