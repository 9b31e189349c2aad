//! The way of a request through the filter, to the bank and back. It follows Envoy's filter manager, as far as one filter
//! can tell, and what was seen with Envoy 1.40 where its source leaves doubts.

use super::callout::{Act, CalloutOutcome, Response};
use super::gateway::{Cut, Outcome};
use super::headers::Headers;
use super::machine::{Machine, size};
use super::profile::Facts;
use super::request::Request;
use super::vm::{Context, LocalReply, Message, Stream};
use super::world::Event;
use std::ops::RangeInclusive;
use std::time::Duration;

/// A request and what became of it.
pub(crate) struct ExchangeState {
    pub(crate) outcome: Outcome,
    pub(crate) response: Option<Response>,
    /// The request's body as the bank got it.
    pub(crate) body: Vec<u8>,
    worker: usize,
    vm: u64,
    context: u32,
    stage: Stage,
    flow: Flow,
    /// Whether the module is being called for the request: a reply has to wait until that is over.
    called: bool,
    /// The reply that waits; the first of several.
    prepared: Option<LocalReply>,
    /// The details of a local reply on its way out.
    details: Option<String>,
}

/// Where a request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    RequestHeaders,
    /// The body's bytes; after them, its end.
    RequestBody,
    RequestEnd,
    Bank,
    ResponseHeaders,
    ResponseBody,
    ResponseEnd,
    Over,
}

/// What it does there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flow {
    Paused,
    Goes,
}

impl Machine {
    /// Lets a request arrive at a worker; its index is its name.
    pub(crate) fn begin(&mut self, worker: usize, request: Request) -> usize {
        let exchange = self.exchanges.len();
        self.exchanges.push(ExchangeState {
            outcome: Outcome::Pending,
            response: None,
            body: Vec::new(),
            worker,
            vm: 0,
            context: 0,
            stage: Stage::RequestHeaders,
            flow: Flow::Paused,
            called: true,
            prepared: None,
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
        let idle_timeout = self.world.borrow().profile.idle_timeout;
        self.world.borrow_mut().plan(idle_timeout, Event::Idle { exchange });
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

    pub(crate) fn continue_request(&mut self, exchange: usize) {
        self.resume(exchange, Stage::RequestHeaders..=Stage::RequestEnd);
    }

    pub(crate) fn continue_response(&mut self, exchange: usize) {
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
        let (request_body, response_body) = self.body_lengths(exchange);
        match stage {
            Stage::RequestHeaders if request_body > 0 => self.body(exchange, Stage::RequestEnd, request_body),
            Stage::ResponseHeaders if response_body > 0 => self.body(exchange, Stage::ResponseEnd, response_body),
            _ => self.next_stage(exchange),
        }
    }

    pub(crate) fn reply(&mut self, exchange: usize, reply: LocalReply) {
        let state = &mut self.exchanges[exchange];
        if state.called && state.stage < Stage::Bank {
            state.prepared.get_or_insert(reply);
            return;
        }
        let response = Response { headers: reply.headers, body: reply.body };
        let details = reply.details;
        match self.exchanges[exchange].stage {
            Stage::Over => {}
            Stage::RequestHeaders | Stage::RequestBody | Stage::RequestEnd | Stage::Bank => {
                self.exchanges[exchange].details = Some(details);
                self.respond(exchange, response);
            }
            // A response that is on its way already is replaced, and passes the filter no second time.
            Stage::ResponseHeaders | Stage::ResponseBody | Stage::ResponseEnd => {
                self.exchanges[exchange].details = Some(details);
                let Response { headers, body: sent } = response;
                self.with_stream(exchange, |stream| {
                    stream.response = Message { headers, sent, ..Message::default() };
                });
                self.complete(exchange);
            }
        }
    }

    pub(crate) fn cut(&mut self, exchange: usize, cut: Cut) {
        if self.exchanges[exchange].stage == Stage::Over {
            return;
        }
        self.exchanges[exchange].stage = Stage::Over;
        if self.exchanges[exchange].outcome == Outcome::Pending {
            self.exchanges[exchange].outcome = Outcome::Failed(cut);
        }
        self.finish(exchange);
    }

    /// Fails the request for which a VM was called when it trapped.
    pub(crate) fn fail_called(&mut self, vm: u64, context: u32) {
        let hit = |state: &ExchangeState| (state.vm, state.context) == (vm, context) && state.stage != Stage::Over;
        if let Some(exchange) = self.exchanges.iter().position(hit) {
            self.fail_stream(exchange);
        }
    }

    /// What Envoy answers for a filter whose VM has failed.
    fn fail_stream(&mut self, exchange: usize) {
        let headers = [(":status", "503")].into_iter().collect();
        self.exchanges[exchange].details = Some("wasm_fail_stream".to_owned());
        self.conclude(exchange, Response { headers, body: Vec::new() });
    }

    pub(crate) fn bank_answers(&mut self, exchange: usize) {
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

    /// The client has waited too long.
    pub(crate) fn time_out(&mut self, exchange: usize) {
        if matches!(self.exchanges[exchange].stage, Stage::Bank | Stage::Over) {
            return;
        }
        let headers = [(":status", "504"), ("content-length", "14"), ("content-type", "text/plain")];
        let headers = headers.into_iter().collect();
        let details = "stream_idle_timeout".to_owned();
        self.reply(exchange, LocalReply { status: 504, headers, body: b"stream timeout".to_vec(), details });
    }

    /// Calls the module for a stream at its present stage, and moves the stream on if it may go.
    fn step(&mut self, exchange: usize, export: &'static str, args: &[u32]) {
        let ExchangeState { worker, context, stage, .. } = self.exchanges[exchange];
        self.exchanges[exchange].flow = Flow::Paused;
        self.exchanges[exchange].called = stage < Stage::Bank;
        let args = [&[context], args].concat();
        self.call(worker, export, context, &args, |machine, returned| {
            if returned.is_none_or(|returned| returned.value == 0 && !returned.stopped) {
                machine.let_go(exchange);
            }
        });
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

    /// A stream that goes on takes its map and buffer out of the module's hands.
    fn let_go(&mut self, exchange: usize) {
        let state = &mut self.exchanges[exchange];
        state.flow = Flow::Goes;
        let stage = state.stage;
        self.with_stream(exchange, |stream| {
            let message = if stage < Stage::Bank { &mut stream.request } else { &mut stream.response };
            if !matches!(stage, Stage::RequestHeaders | Stage::ResponseHeaders) {
                message.sent.append(&mut message.body);
            }
            message.headers_at_hand = false;
            message.body_at_hand = false;
        });
    }

    fn next_stage(&mut self, exchange: usize) {
        let (request_body, response_body) = self.body_lengths(exchange);
        match self.exchanges[exchange].stage {
            Stage::RequestHeaders if request_body > 0 => self.body(exchange, Stage::RequestBody, request_body),
            Stage::RequestBody => self.body(exchange, Stage::RequestEnd, request_body),
            Stage::RequestHeaders | Stage::RequestEnd => self.go_upstream(exchange),
            Stage::ResponseHeaders if response_body > 0 => self.body(exchange, Stage::ResponseBody, response_body),
            Stage::ResponseBody => self.body(exchange, Stage::ResponseEnd, response_body),
            Stage::ResponseHeaders | Stage::ResponseEnd => self.complete(exchange),
            Stage::Bank | Stage::Over => {}
        }
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

    fn go_upstream(&mut self, exchange: usize) {
        let sent = self.with_stream(exchange, |stream| stream.request.headers.clone()).unwrap_or_default();
        let body = self.with_stream(exchange, |stream| stream.request.sent.clone()).unwrap_or_default();
        let state = &mut self.exchanges[exchange];
        state.stage = Stage::Bank;
        state.outcome = Outcome::Upstream(sent);
        state.body = body;
        match self.bank.act {
            Act::Never => {}
            _ if self.bank.delay.is_zero() => self.bank_answers(exchange),
            _ => self.world.borrow_mut().plan(self.bank.delay, Event::Bank { exchange }),
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
        let message = Message { headers, body, headers_at_hand: true, ..Message::default() };
        self.with_stream(exchange, |stream| stream.response = message);
        self.exchanges[exchange].stage = Stage::ResponseHeaders;
        self.step(exchange, "proxy_on_response_headers", &[count, end_of_stream]);
    }

    /// The client has the whole response.
    fn complete(&mut self, exchange: usize) {
        let response = self
            .with_stream(exchange, |stream| Response {
                headers: stream.response.headers.clone(),
                body: stream.response.sent.clone(),
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

    /// The last calls for a stream, in Envoy's order, and its end.
    fn finish(&mut self, exchange: usize) {
        if !self.lives(exchange) {
            return;
        }
        let ExchangeState { worker, vm, context, .. } = self.exchanges[exchange];
        self.with_stream(exchange, |stream| stream.logging = true);
        self.call(worker, "proxy_on_log", context, &[context], |_, _| ());
        self.with_stream(exchange, |stream| stream.logging = false);
        self.call(worker, "proxy_on_done", context, &[context], |_, _| ());
        self.call(worker, "proxy_on_delete", context, &[context], |_, _| ());
        self.with_vm(worker, |vm| vm.state_mut().contexts.remove(&context));
        self.world.borrow_mut().cancel_callouts(vm, Some(context));
    }

    /// Whether the VM of this exchange is still there.
    fn lives(&self, exchange: usize) -> bool {
        let ExchangeState { worker, vm, .. } = self.exchanges[exchange];
        self.workers[worker].vm.as_ref().is_some_and(|alive| alive.state().id == vm)
    }

    fn with_stream<T>(&mut self, exchange: usize, act: impl FnOnce(&mut Stream) -> T) -> Option<T> {
        if !self.lives(exchange) {
            return None;
        }
        let ExchangeState { worker, context, .. } = self.exchanges[exchange];
        self.with_vm(worker, |vm| vm.state_mut().stream_of(context).map(act)).flatten()
    }
}
