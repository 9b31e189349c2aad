//! How a worker accepts a request: the gateway's own answers before the filter, requests that the filter does not see, and the
//! context for those that it does.

use super::{Filter, Simulator, size};
use crate::host::callout::{CalloutOutcome, Response, Timeouts};
use crate::host::exchange::{Cut, ExchangeState, Flow, Outcome, Stage};
use crate::host::gateway_state::Event;
use crate::host::headers::Headers;
use crate::host::profile::{Facts, Isolation, TurnedAway};
use crate::host::request::{Detour, Request};
use crate::host::vm_state::{Message, Stream};

impl Simulator {
    /// Lets a request arrive at a worker; gives its index.
    pub(crate) fn begin(&mut self, worker: usize, request: Request) -> usize {
        let exchange = self.exchanges.len();
        let configuration =
            request.configuration.clone().unwrap_or_else(|| self.gateway.borrow().settings.configuration.clone());
        self.exchanges.push(ExchangeState {
            outcome: Outcome::Pending,
            response: None,
            body: Vec::new(),
            worker,
            vm: 0,
            context: 0,
            stage: Stage::RequestHeaders,
            flow: Flow::Paused,
            parked: None,
            unfiltered: false,
            configuration,
            called: true,
            prepared: None,
            details: None,
            announced_length: None,
            status_line: None,
            is_head: request.method == "HEAD",
            hung_up: false,
        });
        let detour = request.detour.clone();
        let stream = match self.stream(exchange, request) {
            Ok(stream) => stream,
            Err(TurnedAway::Closed) => {
                self.cut(exchange, Cut::Reset);
                return exchange;
            }
            Err(TurnedAway::Status(status)) => {
                let headers = [(":status", status.to_string())].into_iter().collect();
                self.conclude(exchange, Response { headers, body: Vec::new() });
                return exchange;
            }
        };
        let idle_timeout = self.gateway.borrow().profile.idle_timeout;
        self.gateway.borrow_mut().plan(idle_timeout, Event::Idle { exchange });
        self.admit(exchange, stream, detour);
        exchange
    }

    /// Shows a request to the filter, or takes it past the filter.
    fn admit(&mut self, exchange: usize, stream: Stream, detour: Option<Detour>) {
        let worker = self.exchanges[exchange].worker;
        match self.workers[worker].filter {
            Filter::Runs => {}
            Filter::Absent => {
                self.exchanges[exchange].unfiltered = true;
                return self.pass(exchange, stream);
            }
            Filter::Refuses(status) => return self.fail_stream(exchange, status),
        }
        let (isolation, announced) = {
            let profile = &self.gateway.borrow().profile;
            (profile.isolation, profile.announced)
        };
        if isolation == Isolation::Stream {
            self.exchanges[exchange].worker = self.add_place(self.workers[worker].number);
            // A place is loaded at its first use.
            self.workers[self.exchanges[exchange].worker].died = true;
        }
        match detour {
            None => {}
            Some(Detour::Upstream) => return self.pass(exchange, stream),
            Some(Detour::Answered(answer)) => {
                self.exchanges[exchange].parked = Some(stream);
                if let Some((_, CalloutOutcome::Answered(response))) = answer.within(None, Timeouts::WholeCall) {
                    self.respond(exchange, response);
                }
                return;
            }
        }
        let (count, end_of_stream) = announced(&stream.request.headers, stream.request.body.is_empty());
        self.exchanges[exchange].parked = Some(stream);
        if !self.give_context(exchange) {
            // It may have trapped already.
            if self.exchanges[exchange].stage == Stage::RequestHeaders {
                self.exchanges[exchange].parked = None;
                self.fail_stream(exchange, 503);
            }
            return;
        }
        if self.exchanges[exchange].stage == Stage::RequestHeaders {
            self.with_stream(exchange, |stream| stream.request.headers_at_hand = true);
            self.step(exchange, "proxy_on_request_headers", &[size(count), u32::from(end_of_stream)]);
        }
    }

    /// Sends a request upstream that the filter has not seen.
    fn pass(&mut self, exchange: usize, mut stream: Stream) {
        stream.request.sent.append(&mut stream.request.body);
        self.exchanges[exchange].parked = Some(stream);
        self.go_upstream(exchange);
    }

    /// What the gateway makes of a request before any filter.
    fn stream(&self, exchange: usize, request: Request) -> Result<Stream, TurnedAway> {
        let gateway = self.gateway.borrow();
        let number = u64::try_from(exchange).expect("a number") + 1;
        let facts = Facts {
            peer: request.peer.clone(),
            method: request.method.clone(),
            path: request.path.clone(),
            authority: request.authority.clone(),
            body_size: request.body.len(),
            connection: number,
            request_id: format!("00000000-0000-4000-8000-{number:012x}"),
            arrived: gateway.clock.wall,
        };
        let mut headers = Headers::new();
        for (name, value) in (gateway.profile.receive)(&request, &facts)?.iter() {
            headers.add(gateway.profile.joins, name, value);
        }
        Ok(Stream {
            exchange,
            root: 0,
            facts,
            request: Message { headers, body: request.body, ..Message::default() },
            response: Message::default(),
            logging: false,
            replied: false,
            replacement: None,
            properties: Default::default(),
        })
    }
}
