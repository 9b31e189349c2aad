//! A plugin at work: translates what the host calls into events of its [`Direction`], carries out the verdicts, and makes
//! the callouts that follow.
//!
//! Gateways come in two kinds. On Envoy a callout belongs to the plugin, and its end decides on all that wait for it, which
//! are then let go one by one. Elsewhere a callout belongs to the request that makes it, one at a time, and the request goes
//! upstream *by itself* when the callout's callback returns: that callback must refuse it, or have decided to let it go.

use std::time::Duration;

use litemap::LiteMap;

use crate::auth::Notice;
use crate::callout::{Callout, CalloutId, CalloutKind, CalloutSubject};
use crate::capabilities::Capabilities;
use crate::reply::RejectReason;
use crate::request::{Correlation, RequestId};
use crate::time::UnixTime;
use crate::verdict::{CalloutOutcome, Phase, Resumed, Step, Verdict};

use super::abi::{self, HostError};
use super::adapter::{Adapter, Guard, Occasion};
use super::direction::Direction;
use super::metrics::Metrics;
use super::verdict::{self, Flow};
use super::{callouts, facts};

/// A plugin with a valid configuration in a gateway that is known.
#[derive(Debug)]
pub(super) struct Running {
    context: u32,
    adapter: &'static dyn Adapter,
    /// See [`Capabilities::wakes_others`].
    wakes_others: bool,
    /// See [`Capabilities::replaces_responses`].
    replaces_responses: bool,
    direction: Direction,
    callouts: LiteMap<u32, Pending>,
    /// By request.
    guards: LiteMap<RequestId, Guard>,
    /// The tick period that the host was given last.
    tick_period: Option<Duration>,
    metrics: Metrics,
}

/// A callout that the host has taken.
#[derive(Debug)]
struct Pending {
    id: CalloutId,
    subject: CalloutSubject,
    upstream: String,
    /// Whether it has a body.
    has_body: bool,
    /// The request that it belongs to, where callouts belong to requests.
    request: Option<RequestId>,
}

impl Running {
    pub(super) fn new(
        context: u32,
        adapter: &'static dyn Adapter,
        capabilities: &Capabilities,
        direction: Direction,
        tick_period: Option<Duration>,
    ) -> Self {
        let metrics = Metrics::define(direction.name(), direction.error_codes());
        Self {
            context,
            adapter,
            wakes_others: capabilities.wakes_others,
            replaces_responses: capabilities.replaces_responses,
            direction,
            callouts: LiteMap::new_vec(),
            guards: LiteMap::new_vec(),
            tick_period,
            metrics,
        }
    }

    /// Decides on a request, or holds it. `announced` is the number of headers that the host says it has.
    pub(super) fn request_headers(&mut self, request: u32, announced: usize) -> i32 {
        let id = RequestId(request);
        match self.decide_request(id, announced) {
            None => abi::PAUSE,
            Some(verdict) => match self.carry_out(id, verdict, Occasion::Request) {
                Flow::Continue => abi::CONTINUE,
                Flow::Stop => abi::PAUSE,
            },
        }
    }

    /// Decides on a response, or holds it.
    pub(super) fn response_headers(&mut self, request: u32, announced: usize) -> i32 {
        if !self.direction.wants_responses() {
            return abi::CONTINUE;
        }
        let id = RequestId(request);
        let occasion = Occasion::Response { headers: announced };
        let flow = self.decide_response(id, announced).map(|verdict| self.carry_out(id, verdict, occasion));
        match flow {
            Some(Flow::Continue) => abi::CONTINUE,
            // Elsewhere a response cannot be held, and what it was replaced with goes on.
            _ if self.wakes_others => abi::PAUSE,
            _ => abi::CONTINUE,
        }
    }

    /// Takes the answer to a callout and decides on everything that waited for it.
    pub(super) fn call_response(&mut self, token: u32, body_size: usize) {
        let Some(Pending { id, subject, upstream, has_body, request }) = self.callouts.remove(&token) else {
            if !self.wakes_others {
                // Some request goes upstream when this returns, and nothing is known of it.
                verdict::refuse_unknown_after_callout(body_size);
            }
            return;
        };
        let answer = facts::of_answer(body_size);
        callouts::note_answer(&upstream, &answer, self.adapter);
        let occasion = if has_body && !answer.has_body() { Occasion::Unanswered } else { Occasion::Request };
        let settled = abi::now().map(|now| self.direction.on_answer(now, id, &subject, &answer));
        match (request, settled) {
            (None, Some(settled)) => self.resume(settled),
            (None, None) => {}
            (Some(request), settled) => {
                let verdict = match settled {
                    Some(settled) => self.absorb(settled, request),
                    None => Some(self.direction.on_fault(request, RejectReason::Internal, Correlation::default())),
                };
                // Nothing else is to be done for it to go on: it does so by itself, once its guard is lifted.
                if let Some(verdict) = verdict {
                    self.carry_out(request, verdict, occasion);
                }
            }
        }
    }

    /// Does what is due.
    pub(super) fn tick(&mut self) {
        let Some(now) = abi::now() else { return };
        let tick = self.direction.on_tick(now);
        for settled in tick.settled {
            self.resume(settled);
        }
        self.call_out(tick.callouts, None);
        self.adjust_ticks();
        self.log_notices(now);
    }

    /// Forgets a request that has ended.
    pub(super) fn request_gone(&mut self, request: u32) {
        let id = RequestId(request);
        self.guards.remove(&id);
        self.callouts.retain(|_, pending| pending.request != Some(id));
        self.direction.on_gone(id);
    }

    /// Tells the log what the core wants it to know.
    pub(super) fn log_notices(&mut self, now: UnixTime) {
        for notice in self.direction.notices(now) {
            match notice {
                Notice::Information(text) => log::info!("hub-auth-filter: {text}"),
                Notice::Warning(text) => log::warn!("hub-auth-filter: {text}"),
            }
        }
    }

    /// The verdict on a new request, or `None` to hold it.
    fn decide_request(&mut self, id: RequestId, announced: usize) -> Option<Verdict> {
        let facts = facts::of_request(self.adapter, &self.direction, announced);
        let (now, facts) = match (abi::now(), facts) {
            (Some(now), Ok(facts)) => (now, facts),
            (_, Err(reason)) => {
                return Some(self.direction.on_fault(id, reason, facts::correlation(self.adapter)));
            }
            (None, Ok(facts)) => return Some(self.direction.on_fault(id, RejectReason::Internal, facts.correlation)),
        };
        let step = self.direction.on_request(now, id, facts);
        self.log_notices(now);
        self.follow(step, id)
    }

    /// The verdict on a response, or `None` to hold it.
    fn decide_response(&mut self, id: RequestId, announced: usize) -> Option<Verdict> {
        let Some(now) = abi::now() else { return Some(self.direction.on_response_without_clock(id)) };
        let facts = facts::of_response(self.adapter, &self.direction, announced);
        let step = self.direction.on_response(now, id, facts);
        self.follow(step, id)
    }

    /// Makes the callouts of a step. Its verdict, or the one that a callout brought about which the host did not take.
    fn follow(&mut self, step: Step, id: RequestId) -> Option<Verdict> {
        let Step { callouts, verdict } = step;
        if !self.wakes_others {
            // A callout beside a verdict would undo it.
            return if verdict.is_some() { verdict } else { self.call_out_for_request(callouts, id) };
        }
        if verdict.is_some() && callouts.is_empty() {
            return verdict;
        }
        self.adjust_ticks();
        let settled = self.call_out(callouts, Some(id));
        if abi::set_effective_context(id.0).is_err() {
            // It cannot be answered any more, and must not be let through later either.
            self.request_gone(id.0);
            return Some(self.direction.on_fault(id, RejectReason::Internal, Correlation::default()));
        }
        verdict.or(settled)
    }

    /// Carries out a verdict on the request or the response of the effective context.
    fn carry_out(&mut self, id: RequestId, verdict: Verdict, occasion: Occasion) -> Flow {
        let is_response = matches!(occasion, Occasion::Response { .. });
        let can_refuse = !is_response || self.replaces_responses;
        let as_far_as_can_be = |verdict: Verdict| {
            let verdict = if can_refuse { verdict } else { verdict.without_replacement() };
            verdict.with_request_id(|| self.adapter.request_id())
        };
        let verdict = as_far_as_can_be(verdict);
        let guard = self.guards.remove(&id);
        let flow =
            verdict::act(&verdict, occasion, self.adapter, &self.metrics).and_then(|flow| match (flow, &guard) {
                // Only a request goes on by being let through: the guard of one that is refused stays where it is.
                (Flow::Continue, Some(guard)) if !is_response => self.adapter.lift(guard).map(|()| flow),
                _ => Ok(flow),
            });
        flow.unwrap_or_else(|HostError| {
            let correlation = verdict.correlation();
            let rejection = as_far_as_can_be(self.direction.on_fault(id, RejectReason::Internal, correlation));
            // Neither asks anything of the host that could fail.
            verdict::act(&rejection, occasion, self.adapter, &self.metrics).unwrap_or(Flow::Stop)
        })
    }

    /// Has the host call as often as is wanted now. Leaves any context in effect.
    fn adjust_ticks(&mut self) {
        let Some(wanted) = self.direction.tick_period() else { return };
        if self.tick_period.is_none_or(|period| period == wanted) {
            return;
        }
        let set = abi::set_effective_context(self.context).and_then(|()| abi::set_tick_period(wanted));
        if set.is_ok() {
            self.tick_period = Some(wanted);
        }
    }

    /// Makes callouts, and those that follow if the host does not take them. The verdict on the request `own` that this
    /// brought about; those on others are carried out.
    ///
    /// Leaves any context in effect.
    fn call_out(&mut self, mut callouts: Vec<Callout>, own: Option<RequestId>) -> Option<Verdict> {
        let mut verdict = None;
        while let Some(callout) = callouts.pop() {
            let Some(settled) = self.dispatch(callout) else { continue };
            self.note(&settled);
            callouts.extend(settled.callouts);
            for released in settled.released {
                if Some(released.id) == own {
                    verdict = Some(released.verdict);
                } else {
                    self.release(released);
                }
            }
        }
        verdict
    }

    /// Makes a callout, in the plugin's own context: it must outlive a client that goes away, because others wait for it
    /// too. What it settled, if the host did not take it.
    fn dispatch(&mut self, callout: Callout) -> Option<CalloutOutcome> {
        let Callout { id, subject, request } = callout;
        let (upstream, has_body) = (request.upstream.clone(), !request.body.is_empty());
        match abi::set_effective_context(self.context).and_then(|()| callouts::send(&request, self.adapter)) {
            Ok(token) => {
                // Of several callouts on one subject only the last counts: one that the host never reports on is
                // forgotten here, or such a host could make this map grow.
                self.callouts.retain(|_, earlier| earlier.subject != subject);
                self.callouts.insert(token, Pending { id, subject, upstream, has_body, request: None });
                None
            }
            Err(HostError) => Some(self.direction.on_not_dispatched(abi::now()?, id, &subject)),
        }
    }

    /// Makes the callout that a request needs, in its own context. `None` if it is under way, else the verdict on the
    /// request.
    fn call_out_for_request(&mut self, mut callouts: Vec<Callout>, own: RequestId) -> Option<Verdict> {
        while let Some(Callout { id, subject, request }) = callouts.pop() {
            let (upstream, has_body) = (request.upstream.clone(), !request.body.is_empty());
            let sent = self.guard(own).and_then(|()| callouts::send(&request, self.adapter));
            let Err(HostError) = sent.map(|token| {
                self.callouts.retain(|_, earlier| earlier.request != Some(own));
                self.callouts
                    .insert(token, Pending { id, subject: subject.clone(), upstream, has_body, request: Some(own) });
            }) else {
                return None;
            };
            let Some(now) = abi::now() else { break };
            let settled = self.direction.on_not_dispatched(now, id, &subject);
            self.note(&settled);
            if let Some(verdict) = verdict_on(own, settled.released) {
                return Some(verdict);
            }
            callouts = settled.callouts;
        }
        Some(self.direction.on_fault(own, RejectReason::Internal, Correlation::default()))
    }

    /// What the end of its callout means for a request: a verdict, or `None` if another callout is under way.
    fn absorb(&mut self, settled: CalloutOutcome, own: RequestId) -> Option<Verdict> {
        self.note(&settled);
        let CalloutOutcome { released, callouts, .. } = settled;
        verdict_on(own, released).or_else(|| self.call_out_for_request(callouts, own))
    }

    fn guard(&mut self, id: RequestId) -> Result<(), HostError> {
        if self.guards.contains_key(&id) {
            return Ok(());
        }
        if let Some(guard) = self.adapter.guard()? {
            self.guards.insert(id, guard);
        }
        Ok(())
    }

    /// Carries out what the end of a callout brought about.
    fn resume(&mut self, settled: CalloutOutcome) {
        self.note(&settled);
        for released in settled.released {
            self.release(released);
        }
        self.call_out(settled.callouts, None);
    }

    /// Carries out a verdict on what was held.
    fn release(&mut self, released: Resumed) {
        let Resumed { id, phase, verdict } = released;
        if !self.wakes_others {
            // What the host is called about would be answered in its place. It is decided on in its own callback.
            return;
        }
        if abi::set_effective_context(id.0).is_err() {
            // It can be neither answered nor let through: it stays held until the gateway gives it up.
            log::error!("hub-auth-filter: the gateway does not let what waits be answered");
            return;
        }
        let occasion = match phase {
            Phase::Request => Occasion::Request,
            // Nobody says any more how many: too many to be read.
            Phase::Response => Occasion::Response { headers: usize::MAX },
        };
        if matches!(self.carry_out(id, verdict, occasion), Flow::Continue) && verdict::resume(phase).is_err() {
            let rejection = self.direction.on_fault(id, RejectReason::Internal, Correlation::default());
            let _ = verdict::act(&rejection, occasion, self.adapter, &self.metrics);
        }
    }

    fn note(&mut self, settled: &CalloutOutcome) {
        // A callout that was given up may never be reported on: such a host could make this map grow.
        let ended = settled.ended.as_ref();
        self.callouts
            .retain(|_, pending| ended.is_none_or(|(id, subject)| (*id, subject) != (pending.id, &pending.subject)));
        if let Some(record) = &settled.unused {
            verdict::tell(record, &self.metrics);
        }
        let Some(report) = &settled.report else { return };
        self.metrics.count_callout(report);
        match (report.kind, report.is_success) {
            (_, false) => log::warn!("{}", report.text),
            (CalloutKind::Keys, true) => log::info!("{}", report.text),
            // Once for each token.
            (CalloutKind::Introspection | CalloutKind::Signer, true) => log::debug!("{}", report.text),
        }
    }
}

fn verdict_on(id: RequestId, released: Vec<Resumed>) -> Option<Verdict> {
    released.into_iter().find(|released| released.id == id).map(|released| released.verdict)
}
