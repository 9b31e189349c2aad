//! The moving part: workers, the way of a request through the filter, and events in the order of time.
//! A stream's way follows Envoy's filter manager; `FAIL_RELOAD` follows `maybeReloadHandleIfNeeded` in its `wasm.cc`.

use super::callout::{Act, Answer, CalloutOutcome, Response};
use super::gateway::{Cut, Outcome, Reason};
use super::headers::Headers;
use super::module::Module;
use super::profile::{AfterTrap, Facts};
use super::request::Request;
use super::vm::{Action, Context, LocalReply, Message, Returned, Stream, Vm};
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

/// A worker thread of the gateway. Without a VM it has failed.
pub(crate) struct Worker {
    vm: Option<Vm>,
    root: u32,
    loaded: Duration,
}

/// A request and what became of it.
pub(crate) struct ExchangeState {
    pub(crate) outcome: Outcome,
    pub(crate) response: Option<Response>,
    worker: usize,
    vm: u64,
    context: u32,
    stage: Stage,
    flow: Flow,
    /// The details of a local reply on its way out.
    details: Option<String>,
}

/// Where a request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    RequestHeaders,
    RequestBody,
    Bank,
    ResponseHeaders,
    ResponseBody,
    Over,
}

/// What it does there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flow {
    Called,
    Paused,
    Goes,
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
        self.workers.push(Worker { vm: None, root: 0, loaded: Duration::ZERO });
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
        self.workers[worker] = Worker { vm: Some(vm), root, loaded };
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

    /// Lets a request arrive at a worker; its index is its name.
    pub(crate) fn begin(&mut self, worker: usize, request: Request) -> usize {
        let exchange = self.exchanges.len();
        self.exchanges.push(ExchangeState {
            outcome: Outcome::Pending,
            response: None,
            worker,
            vm: 0,
            context: 0,
            stage: Stage::RequestHeaders,
            flow: Flow::Called,
            details: None,
        });
        self.reload_if_failed(worker);
        let Some(vm) = self.workers[worker].vm.as_mut() else {
            self.fail_stream(exchange);
            return exchange;
        };
        let (facts, headers) = {
            let world = self.world.borrow();
            let number = u64::try_from(exchange).expect("a number") + 1;
            let facts = Facts {
                peer: request.peer.clone(),
                body_size: request.body.len(),
                connection: number,
                request_id: format!("00000000-0000-4000-8000-{number:012x}"),
                arrived: world.clock.wall,
            };
            let mut headers = Headers::new();
            for (name, value) in (world.profile.receive)(&request, &facts).iter() {
                super::abi::add_field(&mut headers, world.profile.joins, name, value);
            }
            (facts, headers)
        };
        let (count, end_of_stream) = (size(headers.len()), u32::from(request.body.is_empty()));
        let message = Message { headers, body: request.body, ..Message::default() };
        let stream = Stream {
            exchange,
            facts,
            request: message,
            response: Message::default(),
            logging: false,
            properties: Default::default(),
        };
        let context = vm.state_mut().new_context(Context { stream: Some(stream) });
        let vm_id = vm.state().id;
        let state = &mut self.exchanges[exchange];
        (state.vm, state.context) = (vm_id, context);
        let root = self.workers[worker].root;
        self.call(worker, "proxy_on_context_create", context, &[context, root], |_, _| ());
        if self.exchanges[exchange].stage == Stage::RequestHeaders {
            self.with_stream(exchange, |stream| stream.request.headers_at_hand = true);
            self.step(exchange, "proxy_on_request_headers", &[count, end_of_stream]);
        }
        exchange
    }

    /// The client goes away.
    pub(crate) fn disconnect(&mut self, exchange: usize) {
        self.cut(exchange, Cut::ClientGone);
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

    /// Calls the module for a stream at its present stage, and moves the stream on if it may go.
    fn step(&mut self, exchange: usize, export: &'static str, args: &[u32]) {
        let ExchangeState { worker, context, stage, .. } = self.exchanges[exchange];
        self.exchanges[exchange].flow = Flow::Called;
        let args = [&[context], args].concat();
        self.call(worker, export, context, &args, |machine, returned| {
            let goes = returned.is_none_or(|returned| returned.value == 0 && !returned.stopped);
            machine.exchanges[exchange].flow = if goes { Flow::Goes } else { Flow::Paused };
            if goes {
                machine.let_go(exchange);
            }
        });
        let state = &self.exchanges[exchange];
        if (state.stage, state.flow) == (stage, Flow::Goes) {
            self.next_stage(exchange);
        }
    }

    /// A stream that goes on takes its maps and buffers out of the module's hands.
    fn let_go(&mut self, exchange: usize) {
        self.with_stream(exchange, |stream| {
            for message in [&mut stream.request, &mut stream.response] {
                message.headers_at_hand = false;
                message.body_at_hand = false;
            }
        });
    }

    fn next_stage(&mut self, exchange: usize) {
        let bodies = self.with_stream(exchange, |stream| (stream.request.body.len(), stream.response.body.len()));
        let (request_body, response_body) = bodies.unwrap_or((0, 0));
        match self.exchanges[exchange].stage {
            Stage::RequestHeaders if request_body > 0 => {
                self.exchanges[exchange].stage = Stage::RequestBody;
                self.with_stream(exchange, |stream| stream.request.body_at_hand = true);
                self.step(exchange, "proxy_on_request_body", &[size(request_body), 1]);
            }
            Stage::RequestHeaders | Stage::RequestBody => self.go_upstream(exchange),
            Stage::ResponseHeaders if response_body > 0 => {
                self.exchanges[exchange].stage = Stage::ResponseBody;
                self.with_stream(exchange, |stream| stream.response.body_at_hand = true);
                self.step(exchange, "proxy_on_response_body", &[size(response_body), 1]);
            }
            Stage::ResponseHeaders | Stage::ResponseBody => self.complete(exchange),
            Stage::Bank | Stage::Over => {}
        }
    }

    fn go_upstream(&mut self, exchange: usize) {
        let sent = self.with_stream(exchange, |stream| stream.request.headers.clone()).unwrap_or_default();
        let state = &mut self.exchanges[exchange];
        state.stage = Stage::Bank;
        state.outcome = Outcome::Upstream(sent);
        match self.bank.act {
            Act::Never => {}
            _ if self.bank.delay.is_zero() => self.bank_answers(exchange),
            _ => self.world.borrow_mut().plan(self.bank.delay, Event::Bank { exchange }),
        }
    }

    fn bank_answers(&mut self, exchange: usize) {
        if self.exchanges[exchange].stage != Stage::Bank {
            return;
        }
        let failed = self.world.borrow().profile.failed;
        let answer = self.bank.clone().after(Duration::ZERO).body_after(Duration::ZERO);
        match answer.within(None) {
            Some((_, CalloutOutcome::Answered(response))) => self.respond(exchange, response),
            Some((_, CalloutOutcome::Failed(failure))) => match failed(failure) {
                Some(response) => self.respond(exchange, response),
                None => self.cut(exchange, Cut::Reset),
            },
            _ => {}
        }
    }

    /// Sends a response, of the bank or of the gateway itself, through the filter to the client.
    fn respond(&mut self, exchange: usize, response: Response) {
        if !self.lives(exchange) {
            self.fail_stream(exchange);
            return;
        }
        let (count, end_of_stream) = (size(response.headers.len()), u32::from(response.body.is_empty()));
        let Response { headers, body } = response;
        let message = Message { headers, body, headers_at_hand: true, body_at_hand: false };
        self.with_stream(exchange, |stream| stream.response = message);
        self.exchanges[exchange].stage = Stage::ResponseHeaders;
        self.step(exchange, "proxy_on_response_headers", &[count, end_of_stream]);
    }

    fn reply(&mut self, exchange: usize, reply: LocalReply) {
        let response = Response { headers: reply.headers, body: reply.body };
        match self.exchanges[exchange].stage {
            Stage::Over => {}
            Stage::RequestHeaders | Stage::RequestBody | Stage::Bank => {
                self.exchanges[exchange].details = Some(reply.details);
                self.respond(exchange, response);
            }
            // A response that is on its way already is replaced, and passes the filter no second time.
            Stage::ResponseHeaders | Stage::ResponseBody => {
                let Response { headers, body } = response;
                self.with_stream(exchange, |stream| {
                    stream.response = Message { headers, body, ..Message::default() };
                });
                self.complete(exchange);
            }
        }
    }

    /// The client has the whole response.
    fn complete(&mut self, exchange: usize) {
        let response = self
            .with_stream(exchange, |stream| Response {
                headers: stream.response.headers.clone(),
                body: stream.response.body.clone(),
            })
            .unwrap_or(Response { headers: Headers::new(), body: Vec::new() });
        self.conclude(exchange, response);
        self.finish(exchange);
    }

    fn conclude(&mut self, exchange: usize, response: Response) {
        let state = &mut self.exchanges[exchange];
        state.stage = Stage::Over;
        if state.outcome == Outcome::Pending {
            let Response { headers, body } = response.clone();
            let details = state.details.take().unwrap_or_default();
            state.outcome = Outcome::Replied(LocalReply { status: response.status(), headers, body, details });
        }
        state.response = Some(response);
    }

    fn cut(&mut self, exchange: usize, cut: Cut) {
        if self.exchanges[exchange].stage == Stage::Over {
            return;
        }
        self.exchanges[exchange].stage = Stage::Over;
        if self.exchanges[exchange].outcome == Outcome::Pending {
            self.exchanges[exchange].outcome = Outcome::Failed(cut);
        }
        self.finish(exchange);
    }

    /// What Envoy answers for a filter whose VM has failed.
    fn fail_stream(&mut self, exchange: usize) {
        let headers = [(":status", "503")].into_iter().collect();
        self.exchanges[exchange].details = Some("wasm_fail_stream".to_owned());
        self.conclude(exchange, Response { headers, body: Vec::new() });
    }

    /// The last calls for a stream, in Envoy's order, and its end.
    fn finish(&mut self, exchange: usize) {
        if !self.lives(exchange) {
            return;
        }
        let ExchangeState { worker, vm, context, .. } = self.exchanges[exchange];
        self.let_go(exchange);
        self.with_stream(exchange, |stream| stream.logging = true);
        self.call(worker, "proxy_on_log", context, &[context], |_, _| ());
        self.with_stream(exchange, |stream| stream.logging = false);
        self.call(worker, "proxy_on_done", context, &[context], |_, _| ());
        self.call(worker, "proxy_on_delete", context, &[context], |_, _| ());
        self.with_vm(worker, |vm| vm.state_mut().contexts.remove(&context));
        self.world.borrow_mut().cancel_callouts(vm, Some(context));
    }

    /// Calls the module; `then` gets what it returned, `None` if it has no such export. Afterwards everything is done
    /// that host calls have queued. After a trap `then` is not called.
    fn call(
        &mut self,
        worker: usize,
        export: &'static str,
        context: u32,
        args: &[u32],
        then: impl FnOnce(&mut Machine, Option<Returned>),
    ) {
        let Some(vm) = self.workers[worker].vm.as_mut() else { return };
        match vm.call(export, context, args) {
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
                    self.resume(exchange, Stage::RequestHeaders, Stage::RequestBody);
                }
            }
            Action::ContinueResponse(context) => {
                if let Some(exchange) = exchange_of(self, context) {
                    self.resume(exchange, Stage::ResponseHeaders, Stage::ResponseBody);
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

    fn resume(&mut self, exchange: usize, first: Stage, last: Stage) {
        let state = &mut self.exchanges[exchange];
        if state.flow == Flow::Paused && (first..=last).contains(&state.stage) {
            state.flow = Flow::Goes;
            self.let_go(exchange);
            self.next_stage(exchange);
        }
    }

    /// The profile says what a trap leaves behind; unless traps are expected, the test fails here.
    fn trapped(&mut self, worker: usize, export: &str, context: u32, trap: String) {
        let report = self.report(worker, export, context, &trap);
        assert!(self.expect_traps, "{report}");
        self.traps.push(report);
        let Some(failed) = self.bury(worker) else { return };
        let after_trap = self.world.borrow().profile.after_trap;
        for exchange in 0..self.exchanges.len() {
            let state = &self.exchanges[exchange];
            if state.vm != failed || matches!(state.stage, Stage::Bank | Stage::Over) {
                continue;
            }
            let waits = state.context != context;
            match after_trap {
                AfterTrap::Dead if waits => self.cut(exchange, Cut::Reset),
                AfterTrap::Dead | AfterTrap::Reload(_) => self.fail_stream(exchange),
            }
        }
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

    fn reload_if_failed(&mut self, worker: usize) {
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

    /// Whether the VM of this exchange is still there.
    fn lives(&self, exchange: usize) -> bool {
        let ExchangeState { worker, vm, .. } = self.exchanges[exchange];
        self.workers[worker].vm.as_ref().is_some_and(|alive| alive.state().id == vm)
    }

    fn with_vm<T>(&mut self, worker: usize, act: impl FnOnce(&mut Vm) -> T) -> Option<T> {
        self.workers[worker].vm.as_mut().map(act)
    }

    fn with_stream<T>(&mut self, exchange: usize, act: impl FnOnce(&mut Stream) -> T) -> Option<T> {
        if !self.lives(exchange) {
            return None;
        }
        let ExchangeState { worker, context, .. } = self.exchanges[exchange];
        self.with_vm(worker, |vm| vm.state_mut().stream_of(context).map(act)).flatten()
    }
}

fn size(length: usize) -> u32 {
    u32::try_from(length).expect("a 32-bit length")
}
