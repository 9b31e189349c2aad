//! What runs a gateway: workers with their VMs, calls into them, and events in the order of time.
//!
//! The files below hold the methods of [`Simulator`] by subject: how a worker [loads](loading) the module, how it
//! [accepts](accept) a request, the [stages] that the request passes and how [replies] and
//! [responses of nginx](nginx_response) end it, and what [crashes](crash) leave behind. They call each other: a request that
//! traps is answered, an answer passes the filter, and the filter may trap.

mod accept;
mod crash;
mod loading;
mod nginx_response;
mod replies;
mod stages;
mod wire;

pub use loading::Reason;

use crate::host::callout::{Answer, CalloutOutcome, Failure, Response};
use crate::host::exchange::{Cut, ExchangeState};
use crate::host::gateway_state::{Event, GatewayState, Tick};
use crate::host::headers::Headers;
use crate::host::module::Module;
use crate::host::profile::{AfterCallback, HalfAnswers, Owner};
use crate::host::status::{Ending, Status};
use crate::host::vm::{Returned, Vm};
use crate::host::vm_state::Action;
use std::cell::RefCell;
use std::mem;
use std::rc::Rc;
use std::time::Duration;

pub(crate) struct Simulator {
    pub(crate) module: Module,
    pub(crate) gateway: Rc<RefCell<GatewayState>>,
    pub(crate) workers: Vec<Worker>,
    pub(crate) exchanges: Vec<ExchangeState>,
    pub(crate) bank: Answer,
    pub(crate) expected: Expected,
    /// The reports of traps and crashes.
    pub(crate) traps: Vec<String>,
    pub(crate) crashes: Vec<String>,
    /// The reports of responses that no strict client can read.
    pub(crate) broken_http: Vec<String>,
    pub(crate) vms: u64,
}

/// What may happen in a test without failing it.
#[derive(Clone, Copy, Default)]
pub(crate) struct Expected {
    pub(crate) traps: bool,
    pub(crate) crashes: bool,
    pub(crate) broken_http: bool,
}

/// A place for a VM: a worker of the gateway, or one request of it that has a VM of its own. There is none while it is being
/// called, and after it has failed.
pub(crate) struct Worker {
    pub(crate) vm: Option<Vm>,
    pub(crate) called: bool,
    pub(crate) root: u32,
    pub(crate) loaded: Duration,
    /// The number of the worker that a test knows.
    pub(crate) number: usize,
    pub(crate) filter: Filter,
    /// The process has died: its successor loads the module anew.
    pub(crate) died: bool,
    /// The first number of a context that no VM here has had.
    pub(crate) next_context: u32,
}

/// What becomes of requests at a worker.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Filter {
    /// They pass the filter.
    Runs,
    /// They pass without it.
    Absent,
    /// They are answered with this status.
    Refuses(u16),
}

impl Simulator {
    pub(crate) fn new(module: Module, gateway: Rc<RefCell<GatewayState>>, expected: Expected) -> Self {
        Simulator {
            module,
            gateway,
            workers: Vec::new(),
            exchanges: Vec::new(),
            bank: Answer::ok(""),
            expected,
            traps: Vec::new(),
            crashes: Vec::new(),
            broken_http: Vec::new(),
            vms: 0,
        }
    }

    /// Lets time pass, and everything happen that is due, in order.
    pub(crate) fn advance(&mut self, until: Duration) {
        loop {
            let due = self.gateway.borrow_mut().events.due(until);
            let Some((at, event)) = due else { break };
            self.gateway.borrow_mut().clock.move_to(at);
            self.happen(event);
        }
        self.gateway.borrow_mut().clock.move_to(until);
    }

    /// Ends the root contexts, as when the listener is drained.
    pub(crate) fn stop(&mut self) {
        for worker in 0..self.workers.len() {
            let root = self.workers[worker].root;
            self.call(worker, "proxy_on_done", root, &[root], |simulator, returned| {
                let pending = returned.is_some_and(|returned| returned.value == 0);
                simulator.with_vm(worker, |vm| vm.state_mut().done_pending = pending);
            });
            if self.with_vm(worker, |vm| vm.state().done_pending) == Some(false) {
                self.end_root(worker);
            }
        }
    }

    fn end_root(&mut self, worker: usize) {
        let root = self.workers[worker].root;
        self.call(worker, "proxy_on_delete", root, &[root], |_, _| ());
        self.remove_vm(worker);
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Callout { callout, outcome } => self.deliver_callout(callout, outcome),
            Event::Tick(tick) => self.tick(tick),
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
        {
            let callout = &mut self.gateway.borrow_mut().callouts[callout];
            if callout.outcome == CalloutOutcome::Cancelled {
                return;
            }
            callout.outcome = outcome.clone();
        }
        let Some(worker) = self.receiver(callout) else { return };
        let ((vm, context), token, fills_buffers, dead_connection) = {
            let callouts = &self.gateway.borrow().callouts;
            let (earlier, callout) = (&callouts[..callout], &callouts[callout]);
            let dead_connection = callout.leaves_dead_connection.then(|| callout.upstream.clone());
            let is_later = earlier.iter().any(|other| other.owner == callout.owner);
            (callout.owner, callout.token, is_later || !callout.body.is_empty(), dead_connection)
        };
        let (response, readable) = self.shown(&outcome);
        let profile = self.gateway.borrow().profile.clone();
        if response.is_none() && !profile.reports_failed_callouts {
            return self.after_callback(vm, context);
        }
        let (headers, body) = response
            .as_ref()
            .map_or((0, 0), |response| (size((profile.answer_headers)(&response.headers)), size(response.body.len())));
        let fields = response.iter().flat_map(|response| response.headers.iter());
        let fields = fields.filter(|(name, _)| !name.starts_with(b":")).count();
        if profile.deadly_answer_headers.is_some_and(|deadly| fields >= deadly) {
            return self.crashed(worker, &format!("an answer to a callout has {fields} headers"));
        }
        let argument = self.with_vm(worker, |vm| {
            let state = vm.state_mut();
            if response.is_none() {
                state.status = (Status::BrokenConnection.into(), "reset");
            }
            state.callout = match (profile.dispatch_status)(&outcome) {
                Some(status) => {
                    let mut response = response.unwrap_or(Response { headers: Headers::new(), body: Vec::new() });
                    response.headers.push(":dispatch_status", status);
                    Some(response)
                }
                None => response,
            };
            state.callout_body_readable = readable;
            state.dead_connection = dead_connection;
            state.callout_buffers_in_use = profile.reuses_callout_buffers && fills_buffers && body == 0;
            let root = state.stream_of(context).map(|stream| stream.root);
            if profile.owner == Owner::DispatcherAsRoot { root.unwrap_or(context) } else { context }
        });
        let args = [argument.unwrap_or(context), token, headers, body, 0];
        self.call(worker, "proxy_on_http_call_response", context, &args, |simulator, _| {
            // Envoy lets go of the response before it does what the module wanted.
            simulator.with_vm(worker, |vm| {
                vm.state_mut().callout = None;
                vm.state_mut().callout_buffers_in_use = false;
                vm.state_mut().dead_connection = None;
                vm.state_mut().status.1 = "";
            });
        });
        self.after_callback(vm, context);
    }

    fn after_callback(&mut self, vm: u64, context: u32) {
        self.notice_hang_up(vm, context);
        if self.gateway.borrow().profile.after_callback == AfterCallback::GoesUpstream {
            self.release(vm, context);
        }
    }

    /// The worker whose VM gets the callback of a callout; if that VM is gone, what is left to do.
    fn receiver(&mut self, callout: usize) -> Option<usize> {
        let (vm, context) = self.gateway.borrow().callouts[callout].owner;
        self.worker_of(vm).or_else(|| self.called_back_too_late(vm, context))
    }

    /// What the module gets of a callout that has ended, and whether it can read the body.
    fn shown(&self, outcome: &CalloutOutcome) -> (Option<Response>, bool) {
        let gateway = self.gateway.borrow();
        match outcome {
            CalloutOutcome::Answered(response) => (Some(response.clone()), true),
            CalloutOutcome::Failed(Failure::ResetInBody)
                if gateway.profile.half_answers == HalfAnswers::FalselySucceed =>
            {
                let headers = [(":status", "200"), ("content-length", "64")].into_iter().collect();
                (Some(Response { headers, body: vec![0; 64] }), false)
            }
            CalloutOutcome::Failed(failure) => ((gateway.profile.failed)(*failure), true),
            CalloutOutcome::InFlight | CalloutOutcome::Cancelled => (None, true),
        }
    }

    fn tick(&mut self, tick: Tick) {
        let Some(worker) = self.worker_of(tick.vm) else { return self.leaked_tick(tick) };
        let Tick { root, generation, .. } = tick;
        let current = move |vm: &mut Vm| match vm.state().ticks.get(&root) {
            Some((period, latest)) if *latest == generation && !period.is_zero() => Some(*period),
            _ => None,
        };
        if self.with_vm(worker, current).flatten().is_none() {
            return;
        }
        self.call(worker, "proxy_on_tick", root, &[root], |_, _| ());
        match self.with_vm(worker, current).flatten() {
            Some(period) => self.gateway.borrow_mut().plan(period, Event::Tick(Tick { period, ..tick })),
            // It has trapped, which does not stop the timer of the process.
            None if !self.workers[worker].died && self.worker_of(tick.vm).is_none() => self.plan_leaked(tick),
            None => {}
        }
    }

    /// A tick of a VM that is gone: where ticks leak, it goes on in the VM that the worker has now.
    fn leaked_tick(&mut self, tick: Tick) {
        let Tick { worker, .. } = tick;
        if self.gateway.borrow().profile.ticks.leak {
            self.reload_if_failed(worker);
            let root = self.workers[worker].root;
            self.call(worker, "proxy_on_tick", root, &[root], |_, _| ());
        }
        if !self.workers[worker].died {
            self.plan_leaked(tick);
        }
    }

    fn plan_leaked(&mut self, tick: Tick) {
        let gateway = &mut *self.gateway.borrow_mut();
        if gateway.profile.ticks.leak {
            gateway.plan(tick.period, Event::Tick(tick));
        }
    }

    /// Calls the module. Meanwhile the VM has the simulator, so that a host call can run another worker before it returns.
    ///
    /// `then` gets what it returned, `None` if it has no such export. Afterwards everything is done that host calls have queued.
    /// After a trap `then` is not called.
    fn call(
        &mut self,
        worker: usize,
        export: &'static str,
        context: u32,
        args: &[u32],
        then: impl FnOnce(&mut Simulator, Option<Returned>),
    ) {
        let Some(mut vm) = self.workers[worker].vm.take() else { return };
        self.workers[worker].called = true;
        let absent = Simulator::new(self.module.clone(), Rc::clone(&self.gateway), self.expected);
        let lent = Rc::new(RefCell::new(mem::replace(self, absent)));
        let simulator = Rc::clone(&lent);
        vm.state_mut().interrupt = Some(Box::new(move |interruption| simulator.borrow_mut().interrupt(interruption)));
        let ended = vm.call(export, context, args);
        vm.state_mut().interrupt = None;
        *self = Rc::into_inner(lent).expect("what was lent comes back").into_inner();
        self.workers[worker].called = false;
        self.workers[worker].vm = Some(vm);
        match ended {
            Ok(returned) => then(self, returned),
            Err(Ending::Trap(trap)) => return self.trapped(worker, export, context, &trap),
            Err(Ending::Crash(why)) => return self.crashed(worker, &why),
        }
        while let Some(Some(action)) = self.with_vm(worker, |vm| vm.state_mut().actions.pop_front()) {
            self.act(worker, action);
        }
    }

    /// Sends the request of an interruption. It goes as far as it can without time passing.
    fn interrupt(&mut self, interruption: usize) {
        let (worker, request) = {
            let waiting = &mut self.gateway.borrow_mut().interruptions[interruption];
            (waiting.worker, waiting.request.take().expect("it strikes once"))
        };
        assert!(!self.workers[worker].called, "worker {worker} is in the middle of a call and cannot come between");
        let exchange = self.begin(worker, request);
        self.gateway.borrow_mut().interruptions[interruption].exchange = Some(exchange);
    }

    fn act(&mut self, worker: usize, action: Action) {
        let exchange_of = |simulator: &mut Simulator, context| {
            simulator.with_vm(worker, |vm| vm.state().exchange_of(context)).flatten()
        };
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

    fn worker_of(&self, id: u64) -> Option<usize> {
        self.workers.iter().position(|worker| worker.vm.as_ref().is_some_and(|vm| vm.state().id == id))
    }

    fn with_vm<T>(&mut self, worker: usize, act: impl FnOnce(&mut Vm) -> T) -> Option<T> {
        self.workers[worker].vm.as_mut().map(act)
    }
}

fn size(length: usize) -> u32 {
    u32::try_from(length).expect("a 32-bit length")
}
