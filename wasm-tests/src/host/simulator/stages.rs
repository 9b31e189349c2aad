//! The way of a request through the filter, to the bank and back. It follows Envoy's filter manager, as far as one filter
//! can tell, and what was seen with Envoy 1.40 where its source leaves doubts.

use super::{Simulator, size};
use crate::host::callout::{Act, CalloutOutcome, Response, Timeouts};
use crate::host::exchange::{Cut, ExchangeState, Flow, Outcome, Stage};
use crate::host::gateway_state::Event;
use crate::host::headers::Headers;
use crate::host::profile::{AfterTrap, Bodies, Forward, Isolation, Move, Returned};
use crate::host::vm;
use crate::host::vm_state::{LocalReply, Message, Stream};
use std::ops::RangeInclusive;
use std::time::Duration;

impl Simulator {
    /// The client goes away.
    pub(crate) fn disconnect(&mut self, exchange: usize) {
        if self.gateway.borrow().profile.notices_hang_ups_late && self.pending(exchange) > 0 {
            self.exchanges[exchange].hung_up = true;
        } else {
            self.cut(exchange, Cut::ClientGone);
        }
    }

    /// Notices that a client has gone, once no callout of its request is in flight.
    pub(super) fn notice_hang_up(&mut self, vm: u64, context: u32) {
        let gone = |state: &ExchangeState| (state.vm, state.context) == (vm, context) && state.hung_up;
        if let Some(exchange) = self.exchanges.iter().position(gone)
            && self.pending(exchange) == 0
        {
            self.cut(exchange, Cut::ClientGone);
        }
    }

    pub(super) fn continue_request(&mut self, exchange: usize) {
        self.resume(exchange, Stage::RequestHeaders..=Stage::RequestEnd);
    }

    pub(super) fn continue_response(&mut self, exchange: usize) {
        self.resume(exchange, Stage::ResponseHeaders..=Stage::ResponseEnd);
    }

    /// What has waited at one of these stages goes on as a whole.
    fn resume(&mut self, exchange: usize, stages: RangeInclusive<Stage>) {
        let ExchangeState { stage, flow, .. } = self.exchanges[exchange];
        if !stages.contains(&stage) || self.exchanges[exchange].prepared.is_some() {
            return;
        }
        assert!(
            flow != Flow::Goes,
            "the module continued a stream and then let it go on as well: Envoy would send it twice"
        );
        self.let_go(exchange);
        match stage {
            Stage::RequestHeaders | Stage::ResponseHeaders => self.after_headers(exchange, true),
            _ => self.next_stage(exchange),
        }
    }

    /// A request that waits for nothing more goes upstream by itself.
    pub(super) fn release(&mut self, vm: u64, context: u32) {
        let waits = |state: &ExchangeState| {
            (state.vm, state.context) == (vm, context) && state.stage < Stage::Bank && state.flow == Flow::Paused
        };
        if let Some(exchange) = self.exchanges.iter().position(waits)
            && self.pending(exchange) == 0
        {
            self.continue_request(exchange);
        }
    }

    /// How many callouts of a request are in flight.
    pub(super) fn pending(&self, exchange: usize) -> usize {
        let ExchangeState { vm, context, .. } = self.exchanges[exchange];
        self.gateway.borrow().pending(vm, context)
    }

    pub(super) fn cut(&mut self, exchange: usize, cut: Cut) {
        if self.exchanges[exchange].stage == Stage::Over {
            return;
        }
        self.exchanges[exchange].stage = Stage::Over;
        if self.exchanges[exchange].outcome == Outcome::Pending {
            self.exchanges[exchange].outcome = Outcome::Failed(cut);
        }
        self.finish(exchange);
    }

    pub(super) fn bank_answers(&mut self, exchange: usize) {
        if self.exchanges[exchange].stage != Stage::Bank {
            return;
        }
        let failed = self.gateway.borrow().profile.bank_failed;
        let answer = self.bank.clone().after(Duration::ZERO).body_after(Duration::ZERO);
        match answer.within(None, Timeouts::WholeCall) {
            Some((_, CalloutOutcome::Answered(response))) => self.respond(exchange, response),
            Some((_, CalloutOutcome::Failed(failure))) => match failed(failure) {
                Some(response) => self.respond(exchange, response),
                None => self.cut(exchange, Cut::Reset),
            },
            _ => {}
        }
    }

    /// Calls the module for a stream at its present stage, and moves the stream on if it may go.
    pub(super) fn step(&mut self, exchange: usize, export: &'static str, args: &[u32]) {
        let ExchangeState { worker, context, stage, .. } = self.exchanges[exchange];
        self.exchanges[exchange].flow = Flow::Paused;
        self.exchanges[exchange].called = stage < Stage::Bank;
        let args = [&[context], args].concat();
        self.call(worker, export, context, &args, |simulator, returned| simulator.moves(exchange, export, returned));
        self.exchanges[exchange].called = false;
        if let Some(reply) = self.exchanges[exchange].prepared.take() {
            self.reply(exchange, reply);
        }
        let state = &self.exchanges[exchange];
        // The end of a body arrives even while its bytes wait.
        if state.stage == stage
            && (state.flow == Flow::Goes || matches!(stage, Stage::RequestBody | Stage::ResponseBody))
        {
            self.next_stage(exchange);
        }
    }

    /// Moves a stream on or leaves it where it is, after a call for its headers or body.
    fn moves(&mut self, exchange: usize, export: &str, returned: Option<vm::Returned>) {
        let (action, replied) = returned.map_or((0, false), |returned| (returned.value, returned.stopped));
        let pending = self.pending(exchange) > 0;
        let (after_call, always) = {
            let profile = &self.gateway.borrow().profile;
            (profile.after_call, profile.response_always_goes)
        };
        if always && self.exchanges[exchange].stage > Stage::Bank {
            return self.let_go(exchange);
        }
        match after_call(Returned { action, pending, replied }) {
            Move::Goes => self.let_go(exchange),
            Move::Stays => {}
            Move::Crashes(why) => self.crashed(self.exchanges[exchange].worker, &format!("{export}: {why}")),
        }
    }

    /// Lets a stream go on: its headers and its body are no longer at hand for the module.
    fn let_go(&mut self, exchange: usize) {
        let state = &mut self.exchanges[exchange];
        state.flow = Flow::Goes;
        let stage = state.stage;
        let keeps = self.gateway.borrow().profile.keeps_at_hand;
        self.with_stream(exchange, |stream| {
            let message = if stage < Stage::Bank { &mut stream.request } else { &mut stream.response };
            if !matches!(stage, Stage::RequestHeaders | Stage::ResponseHeaders) {
                message.sent.append(&mut message.body);
            }
            message.headers_at_hand = keeps;
            message.body_at_hand = false;
        });
    }

    fn next_stage(&mut self, exchange: usize) {
        let (request_body, response_body) = self.body_lengths(exchange);
        match self.exchanges[exchange].stage {
            Stage::RequestHeaders | Stage::ResponseHeaders => self.after_headers(exchange, false),
            Stage::RequestBody => self.body(exchange, Stage::RequestEnd, request_body),
            Stage::RequestEnd => self.go_upstream(exchange),
            Stage::ResponseBody => self.body(exchange, Stage::ResponseEnd, response_body),
            Stage::ResponseEnd => self.complete(exchange),
            Stage::Bank | Stage::Over => {}
        }
    }

    /// What follows the headers: the body as this gateway shows it, whole if the headers have waited, or the way on.
    fn after_headers(&mut self, exchange: usize, waited: bool) {
        let request = self.exchanges[exchange].stage < Stage::Bank;
        let bodies = self.gateway.borrow().profile.bodies;
        let (request_body, response_body) = self.body_lengths(exchange);
        let length = if request { request_body } else { response_body };
        if bodies == Bodies::OfNginx && !request && !self.exchanges[exchange].unfiltered {
            return self.parts_of_response(exchange);
        }
        if length > 0 && bodies != Bodies::Hidden && !self.exchanges[exchange].unfiltered {
            let whole = waited || bodies == Bodies::OfNginx;
            let stage = match (request, whole) {
                (true, true) => Stage::RequestEnd,
                (true, false) => Stage::RequestBody,
                (false, true) => Stage::ResponseEnd,
                (false, false) => Stage::ResponseBody,
            };
            return self.body(exchange, stage, length);
        }
        self.with_stream(exchange, |stream| {
            let message = if request { &mut stream.request } else { &mut stream.response };
            message.sent.append(&mut message.body);
        });
        if request { self.go_upstream(exchange) } else { self.complete(exchange) }
    }

    /// How much of the request's and of the response's body has not gone on.
    fn body_lengths(&mut self, exchange: usize) -> (usize, usize) {
        let lengths = self.with_stream(exchange, |stream| (stream.request.body.len(), stream.response.body.len()));
        lengths.unwrap_or((0, 0))
    }

    /// Shows the module a body: its bytes, or what of it waits and that it has ended.
    fn body(&mut self, exchange: usize, stage: Stage, length: usize) {
        self.exchanges[exchange].stage = stage;
        let end_of_stream = u32::from(matches!(stage, Stage::RequestEnd | Stage::ResponseEnd));
        let request = stage < Stage::Bank;
        self.with_stream(exchange, |stream| {
            let message = if request { &mut stream.request } else { &mut stream.response };
            message.body_at_hand = true;
        });
        let export = if request { "proxy_on_request_body" } else { "proxy_on_response_body" };
        self.step(exchange, export, &[size(length), end_of_stream]);
    }

    pub(super) fn go_upstream(&mut self, exchange: usize) {
        let forward = self.gateway.borrow().profile.forward;
        let sent = self.with_stream(exchange, |stream| {
            let Stream { facts, properties, request, .. } = stream;
            forward(&Forward { headers: &request.headers, facts, properties })
        });
        let sent = match sent.unwrap_or_else(|| Ok(Headers::new())) {
            Ok(sent) => sent,
            Err(answer) => return self.respond(exchange, answer),
        };
        let body = self.with_stream(exchange, |stream| stream.request.sent.clone()).unwrap_or_default();
        let state = &mut self.exchanges[exchange];
        state.stage = Stage::Bank;
        state.outcome = Outcome::Upstream(sent);
        state.body = body;
        match self.bank.act {
            Act::Never => {}
            _ if self.bank.delay.is_zero() => self.bank_answers(exchange),
            _ => self.gateway.borrow_mut().plan(self.bank.delay, Event::Bank { exchange }),
        }
    }

    /// Sends a response, of the bank or of the gateway itself, through the filter to the client.
    pub(super) fn respond(&mut self, exchange: usize, response: Response) {
        let announced = {
            let gateway = self.gateway.borrow();
            if gateway.profile.after_trap == AfterTrap::Bricked && !self.has_its_vm(exchange) {
                let state = &mut self.exchanges[exchange];
                state.unfiltered |= self.workers[state.worker].vm.is_none();
            }
            gateway.profile.announced
        };
        if self.exchanges[exchange].unfiltered {
            return self.conclude(exchange, response);
        }
        if !self.has_its_vm(exchange) && !self.give_context(exchange) {
            match self.exchanges[exchange].parked {
                // The plugin has not been made for it, so that it passes as it is.
                Some(_) => self.conclude(exchange, response),
                None => self.fail_stream(exchange, 503),
            }
            return;
        }
        let (count, end_of_stream) = announced(&response.headers, response.body.is_empty());
        let (count, end_of_stream) = (size(count), u32::from(end_of_stream));
        let length = response.headers.text("content-length").and_then(|length| length.parse().ok());
        self.exchanges[exchange].announced_length = length;
        let Response { headers, body } = response;
        let message = Message { headers, body, headers_at_hand: true, ..Message::default() };
        self.with_stream(exchange, |stream| stream.response = message);
        self.exchanges[exchange].stage = Stage::ResponseHeaders;
        self.step(exchange, "proxy_on_response_headers", &[count, end_of_stream]);
    }

    /// The client has the whole response.
    pub(super) fn complete(&mut self, exchange: usize) {
        let response = self
            .with_stream(exchange, |stream| Response {
                headers: stream.response.headers.clone(),
                body: stream.response.sent.clone(),
            })
            .unwrap_or(Response { headers: Headers::new(), body: Vec::new() });
        self.conclude(exchange, response);
        self.finish(exchange);
    }

    pub(super) fn conclude(&mut self, exchange: usize, response: Response) {
        let response = self.as_the_client_reads_it(exchange, response);
        let state = &mut self.exchanges[exchange];
        state.stage = Stage::Over;
        if state.outcome == Outcome::Pending {
            let Response { headers, body } = response.clone();
            let details = state.details.take().unwrap_or_default();
            state.outcome = Outcome::Replied(LocalReply { status: response.status(), headers, body, details });
        }
        state.response = Some(response);
    }

    /// The last calls for a stream, in Envoy's order, and its end.
    fn finish(&mut self, exchange: usize) {
        if !self.has_its_vm(exchange) {
            return;
        }
        let ExchangeState { worker, vm, context, .. } = self.exchanges[exchange];
        let logs = self.gateway.borrow().profile.logs;
        if logs {
            self.with_stream(exchange, |stream| stream.logging = true);
            self.call(worker, "proxy_on_log", context, &[context], |_, _| ());
            self.with_stream(exchange, |stream| stream.logging = false);
        }
        self.call(worker, "proxy_on_done", context, &[context], |_, _| ());
        self.call(worker, "proxy_on_delete", context, &[context], |_, _| ());
        let (reuses, isolation) = {
            let profile = &self.gateway.borrow().profile;
            (profile.reuses_contexts, profile.isolation)
        };
        self.with_vm(worker, |vm| {
            let ended = vm.state_mut().contexts.remove(&context).and_then(|context| context.stream);
            if let Some(stream) = ended.filter(|_| reuses) {
                vm.state_mut().free_contexts.entry(stream.root).or_default().push_back(context);
            }
        });
        self.gateway.borrow_mut().cancel_callouts(vm, Some(context));
        if isolation == Isolation::Stream {
            self.workers[worker].vm = None;
        }
    }

    /// Whether the VM of this exchange is still there.
    pub(super) fn has_its_vm(&self, exchange: usize) -> bool {
        let ExchangeState { worker, vm, .. } = self.exchanges[exchange];
        self.workers[worker].vm.as_ref().is_some_and(|alive| alive.state().id == vm)
    }

    pub(super) fn with_stream<T>(&mut self, exchange: usize, act: impl FnOnce(&mut Stream) -> T) -> Option<T> {
        if let Some(parked) = &mut self.exchanges[exchange].parked {
            return Some(act(parked));
        }
        if !self.has_its_vm(exchange) {
            return None;
        }
        let ExchangeState { worker, context, .. } = self.exchanges[exchange];
        self.with_vm(worker, |vm| vm.state_mut().stream_of(context).map(act)).flatten()
    }
}
