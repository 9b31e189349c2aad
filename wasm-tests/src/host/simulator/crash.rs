//! What traps and crashes leave behind, as the profile says: who is answered with what, who goes upstream unauthenticated,
//! and which VM comes next. Unless a test expects them, they fail it.

use super::{Filter, Simulator};
use crate::host::exchange::{Cut, ExchangeState, Outcome, Stage};
use crate::host::profile::AfterTrap;
use crate::host::vm_state::{Context, Stream};

/// How many of the last host calls the report of a trap shows.
const CALLS_IN_REPORT: usize = 12;

impl Simulator {
    /// The module has trapped in a call for a context.
    pub(super) fn trapped(&mut self, worker: usize, export: &str, context: u32, trap: &str) {
        let report = self.report(&format!(
            "the module trapped in {export} (worker {}, context {context}): {trap}",
            self.workers[worker].number
        ));
        assert!(self.expected.traps, "{report}");
        self.traps.push(report);
        let after_trap = self.gateway.borrow().profile.after_trap;
        match after_trap {
            AfterTrap::Reload(_) | AfterTrap::Dead => {
                let Some(failed) = self.remove_vm(worker) else { return };
                self.fail_called(failed, context);
            }
            AfterTrap::FailOpen => {
                let exchange = self.detach_requests(worker, context);
                if let Some(exchange) = exchange {
                    self.fail_open(exchange, export);
                }
            }
            AfterTrap::Bricked => {
                let exchange = self.detach_requests(worker, context);
                self.workers[worker].filter = Filter::Refuses(503);
                if let Some(exchange) = exchange {
                    self.answer_for_bricked(exchange);
                }
            }
            AfterTrap::Crash => self.crashed(worker, &format!("after a trap in {export}")),
        }
    }

    /// The worker process dies: everything on its way is cut off, and the next request finds its successor.
    pub(super) fn crashed(&mut self, worker: usize, why: &str) {
        let number = self.workers[worker].number;
        let report = self.report(&format!("worker {number} crashed: {why}"));
        assert!(self.expected.crashes, "{report}");
        self.crashes.push(report);
        let places: Vec<usize> =
            (0..self.workers.len()).filter(|place| self.workers[*place].number == number).collect();
        for place in &places {
            self.remove_vm(*place);
            self.workers[*place].died = true;
            self.workers[*place].next_context = 1;
        }
        for exchange in &mut self.exchanges {
            if places.contains(&exchange.worker) && exchange.stage != Stage::Over {
                exchange.stage = Stage::Over;
                exchange.parked = None;
                if exchange.outcome == Outcome::Pending {
                    exchange.outcome = Outcome::Failed(Cut::Reset);
                }
            }
        }
        let gateway = &mut *self.gateway.borrow_mut();
        gateway.events.forget_ticks(number);
        gateway.tokens.remove(&number);
        gateway.pseudo_headers.remove(&number);
    }

    fn report(&self, what: &str) -> String {
        let gateway = self.gateway.borrow();
        let calls = &gateway.host_calls[gateway.host_calls.len().saturating_sub(CALLS_IN_REPORT)..];
        let calls: String = calls.iter().map(|call| format!("\n  {call}")).collect();
        let logs: String = gateway.logs.iter().map(|log| format!("\n  {log}")).collect();
        format!("{what}\nlast host calls:{calls}\nlogs:{logs}")
    }

    /// Takes a worker's VM away, with its callouts and ticks; gives its id.
    pub(super) fn remove_vm(&mut self, worker: usize) -> Option<u64> {
        let gone = self.workers[worker].vm.take()?.state().id;
        self.gateway.borrow_mut().cancel_callouts(gone, None);
        Some(gone)
    }

    /// Takes a worker's VM away and keeps its requests, with their callouts; gives the one that the VM was called for.
    fn detach_requests(&mut self, worker: usize, context: u32) -> Option<usize> {
        let mut vm = self.workers[worker].vm.take()?;
        self.workers[worker].next_context = vm.state().next_context;
        let called = vm.state().exchange_of(context);
        let contexts = std::mem::take(&mut vm.state_mut().contexts);
        for stream in contexts.into_values().filter_map(|context| context.stream) {
            let exchange = stream.exchange;
            self.exchanges[exchange].parked = Some(stream);
        }
        called
    }

    fn fail_open(&mut self, exchange: usize, export: &str) {
        // Nothing more of this request is shown to the filter.
        self.exchanges[exchange].unfiltered = true;
        let (vm, context) = (self.exchanges[exchange].vm, self.exchanges[exchange].context);
        match self.exchanges[exchange].stage {
            Stage::Over | Stage::Bank => {}
            stage if stage > Stage::Bank => self.pass_response(exchange),
            // It goes upstream by itself: see `deliver_callout`.
            _ if export == "proxy_on_http_call_response" => self.release(vm, context),
            _ => self.fail_stream(exchange, 500),
        }
    }

    fn answer_for_bricked(&mut self, exchange: usize) {
        self.exchanges[exchange].unfiltered = true;
        match self.exchanges[exchange].stage {
            Stage::Over | Stage::Bank => {}
            stage if stage > Stage::Bank => self.pass_response(exchange),
            _ => self.fail_stream(exchange, 503),
        }
    }

    /// Sends the rest of a response to the client as it is.
    fn pass_response(&mut self, exchange: usize) {
        self.with_stream(exchange, |stream| stream.response.sent.append(&mut stream.response.body));
        self.complete(exchange);
    }

    /// A callout has ended whose VM is gone: the worker with the VM that gets the callback instead, if any.
    pub(super) fn called_back_too_late(&mut self, vm: u64, context: u32) -> Option<usize> {
        let waits = |exchange: &ExchangeState| {
            (exchange.vm, exchange.context) == (vm, context)
                && exchange.parked.is_some()
                && exchange.stage < Stage::Bank
        };
        let exchange = self.exchanges.iter().position(waits)?;
        let after_trap = self.gateway.borrow().profile.after_trap;
        if after_trap == AfterTrap::Bricked {
            self.fail_stream(exchange, 503);
            return None;
        }
        if self.give_context(exchange) {
            return Some(self.exchanges[exchange].worker);
        }
        self.release(vm, context);
        None
    }

    /// Makes a context in the worker's VM for a request that has none there; false if there is no such VM.
    pub(super) fn give_context(&mut self, exchange: usize) -> bool {
        let worker = self.exchanges[exchange].worker;
        self.reload_if_failed(worker);
        let configuration = self.exchanges[exchange].configuration.clone();
        let Some(root) = self.root_for(worker, &configuration) else { return false };
        let Some(parked) = self.exchanges[exchange].parked.take() else { return false };
        let (old, number) = (self.exchanges[exchange].vm, self.exchanges[exchange].context);
        let stream = Stream { root, ..parked };
        let Some(vm) = self.workers[worker].vm.as_mut() else {
            self.exchanges[exchange].parked = Some(stream);
            return false;
        };
        let context = Context { stream: Some(stream), ..Context::default() };
        let state = vm.state_mut();
        let number = match number {
            0 => state.new_context(context),
            number => {
                state.contexts.insert(number, context);
                number
            }
        };
        let id = state.id;
        (self.exchanges[exchange].vm, self.exchanges[exchange].context) = (id, number);
        for callout in &mut self.gateway.borrow_mut().callouts {
            if callout.owner == (old, number) {
                callout.owner.0 = id;
            }
        }
        self.call(worker, "proxy_on_context_create", number, &[number, root], |_, _| ());
        self.has_its_vm(exchange)
    }
}
