//! A plugin at work: translates what the host calls into events of its [`Direction`], and has the verdicts carried out and the
//! callouts made that follow.

use std::time::Duration;

use crate::capabilities::{CalloutOwner, Capabilities};
use crate::effects::Effects;
use crate::metric::Stopwatch;
use crate::reply::RejectReason;
use crate::request::RequestId;
use crate::time::Moment;
use crate::verdict::{RequestVerdict, Verdict};

use super::clock;
use super::direction::Direction;
use super::driver::Driver;
use super::events::Events;
use super::gate::{Flow, Gate};
use super::metrics::Metrics;
use super::plugin_callouts::PluginCallouts;
use super::request_callouts::RequestCallouts;
use crate::gateway::abi;
use crate::gateway::adapter::{Adapter, Occasion};

use super::facts;

/// A plugin with a valid configuration in a gateway that is known.
pub(super) struct Running {
    gate: Gate,
    driver: Box<dyn Driver>,
}

impl Running {
    /// In this context (root context); `tick_period` is the one that the host was given, if it has a timer.
    pub(super) fn new(
        context: u32,
        adapter: &'static dyn Adapter,
        capabilities: &Capabilities,
        direction: Direction,
        tick_period: Option<Duration>,
    ) -> Self {
        let events = Events { metrics: Metrics::default() };
        let driver: Box<dyn Driver> = match capabilities.callout_owner {
            CalloutOwner::Plugin => Box::new(PluginCallouts::new(context, tick_period)),
            CalloutOwner::Request => Box::new(RequestCallouts::new()),
        };
        Self { gate: Gate { adapter, direction, events, stopwatch: Stopwatch::new() }, driver }
    }

    /// Counts and measures from now on.
    pub(super) fn measure(&mut self) {
        self.gate.events.metrics = Metrics::define(&self.gate.direction);
    }

    /// Tells what the operator should know before the first request.
    pub(super) fn start(&mut self, now: Moment) {
        let events = self.gate.direction.on_start(now);
        self.gate.events.tell_all(events);
    }

    /// Decides on a request, or holds it. `announced` is the number of headers that the host says it has.
    pub(super) fn request_headers(&mut self, request: u32, announced: usize) -> i32 {
        let id = RequestId(request);
        match self.decide_request(id, announced) {
            None => {
                self.gate.note_held(id);
                abi::PAUSE
            }
            Some(verdict) => match self.driver.carry_out(&mut self.gate, id, verdict, Occasion::Request) {
                Flow::Continue => abi::CONTINUE,
                Flow::Stop => abi::PAUSE,
            },
        }
    }

    /// Decides on a response, or holds it.
    pub(super) fn response_headers(&mut self, request: u32, announced: usize) -> i32 {
        if !self.gate.direction.wants_responses() {
            return abi::CONTINUE;
        }
        let id = RequestId(request);
        let occasion = Occasion::Response { headers: announced };
        let verdict = self.decide_response(id, occasion, announced);
        match verdict.map(|verdict| self.driver.carry_out(&mut self.gate, id, verdict, occasion)) {
            Some(Flow::Continue) => abi::CONTINUE,
            Some(Flow::Stop) | None => self.driver.stop_response(),
        }
    }

    /// Takes the answer to a callout and decides on everything that waited for it.
    pub(super) fn call_response(&mut self, token: u32, body_size: usize) {
        self.driver.call_response(&mut self.gate, token, body_size);
    }

    /// Does what is due.
    pub(super) fn tick(&mut self) {
        let Some(now) = clock::now() else { return };
        let tick = self.gate.direction.on_tick(now);
        self.driver.tick(&mut self.gate, tick);
    }

    /// Forgets a request that has ended.
    pub(super) fn request_end(&mut self, request: u32) {
        let id = RequestId(request);
        self.driver.forget(id);
        self.gate.note_end(id);
        self.gate.direction.on_request_end(id);
    }

    /// The verdict on a new request, or `None` to hold it.
    fn decide_request(&mut self, id: RequestId, announced: usize) -> Option<Verdict> {
        let now = clock::now();
        if let Some(now) = now {
            self.gate.note_start(id, now);
        }
        let Gate { adapter, direction, .. } = &mut self.gate;
        let facts = facts::of_request(*adapter, direction, announced);
        let (reason, correlation) = match (now, facts) {
            (Some(now), Ok(facts)) => {
                let Effects { callouts, verdict, events } = direction.on_request(now, id, facts);
                self.gate.events.tell_all(events);
                return self.driver.follow(
                    &mut self.gate,
                    id,
                    Occasion::Request,
                    callouts,
                    verdict.map(Verdict::Request),
                );
            }
            (_, Err(reason)) => (reason, facts::correlation(*adapter)),
            (None, Ok(facts)) => (RejectReason::Internal, facts.correlation),
        };
        Some(Verdict::Request(RequestVerdict::Reject(direction.on_fault(id, reason, correlation))))
    }

    /// The verdict on a response, or `None` to hold it.
    fn decide_response(&mut self, id: RequestId, occasion: Occasion, announced: usize) -> Option<Verdict> {
        let Some(now) = self.gate.direction.times_responses().then(clock::now).flatten() else {
            return Some(Verdict::Response(self.gate.direction.on_response_without_clock(id)));
        };
        self.gate.note_start(id, now);
        let Gate { adapter, direction, .. } = &mut self.gate;
        let facts = facts::of_response(*adapter, direction, announced);
        let Effects { callouts, verdict, events } = direction.on_response(now, id, facts);
        self.gate.events.tell_all(events);
        self.driver.follow(&mut self.gate, id, occasion, callouts, verdict.map(Verdict::Response))
    }
}
