//! The machine of the direction that a plugin does, behind one set of events.

use std::time::Duration;

use crate::callout::{Answer, CalloutId, CalloutSubject};
use crate::capabilities::Capabilities;
use crate::config;
use crate::effects::{CalloutOutcome, Effects, Event, TickOutcome};
use crate::inbound::Inbound;
use crate::outbound::Outbound;
use crate::reply::{ErrorCode, RejectReason, Rejection};
use crate::request::{Correlation, RequestFacts, RequestId, ResponseFacts};
use crate::time::Moment;
use crate::verdict::{RequestVerdict, ResponseVerdict};

/// One of the two machines.
#[derive(Debug)]
pub(super) enum Direction {
    Inbound(Box<Inbound>),
    Outbound(Box<Outbound>),
}

impl Direction {
    pub(super) fn new(config: config::Direction, capabilities: &Capabilities) -> Self {
        match config {
            config::Direction::Inbound(inbound) => Self::Inbound(Box::new(Inbound::new(*inbound, capabilities))),
            config::Direction::Outbound(outbound) => Self::Outbound(Box::new(Outbound::new(*outbound, capabilities))),
        }
    }

    /// Its name in the metrics.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Inbound(_) => "inbound",
            Self::Outbound(_) => "outbound",
        }
    }

    /// What it may refuse with.
    pub(super) fn error_codes(&self) -> &'static [ErrorCode] {
        match self {
            Self::Inbound(_) => &ErrorCode::INBOUND,
            Self::Outbound(_) => &ErrorCode::OUTBOUND,
        }
    }

    /// What it may replace a response with.
    pub(super) fn response_error_codes(&self) -> &'static [ErrorCode] {
        match self {
            Self::Inbound(_) => &ErrorCode::INBOUND_RESPONSES,
            Self::Outbound(_) => &ErrorCode::OUTBOUND,
        }
    }

    /// Whether responses mean anything to it.
    pub(super) fn wants_responses(&self) -> bool {
        match self {
            Self::Inbound(inbound) => inbound.wants_responses(),
            Self::Outbound(outbound) => outbound.response_header().is_some(),
        }
    }

    /// Whether it matters when a response comes: to one that is signed or verified, and not to one that is let through or replaced as its
    /// request was.
    pub(super) fn times_responses(&self) -> bool {
        match self {
            Self::Inbound(inbound) => inbound.signs_responses(),
            Self::Outbound(_) => true,
        }
    }

    /// Whether a request that goes on bears a token of the filter.
    pub(super) fn signs_requests(&self) -> bool {
        matches!(self, Self::Outbound(_))
    }

    /// What the operator should know before the first request.
    pub(super) fn on_start(&mut self, now: Moment) -> Vec<Event> {
        match self {
            Self::Inbound(inbound) => inbound.on_start(now),
            Self::Outbound(_) => Vec::new(),
        }
    }

    pub(super) fn on_request(&mut self, now: Moment, id: RequestId, facts: RequestFacts) -> Effects<RequestVerdict> {
        match self {
            Self::Inbound(inbound) => inbound.on_request(now, id, facts),
            Self::Outbound(outbound) => outbound.on_request(now, id, facts),
        }
    }

    /// Refuses a request for a reason that lies outside of the machine.
    pub(super) fn on_fault(&mut self, id: RequestId, reason: RejectReason, correlation: Correlation) -> Box<Rejection> {
        match self {
            Self::Inbound(inbound) => inbound.on_fault(id, reason, correlation),
            Self::Outbound(outbound) => outbound.on_fault(id, reason, correlation),
        }
    }

    pub(super) fn on_response(&mut self, now: Moment, id: RequestId, facts: ResponseFacts) -> Effects<ResponseVerdict> {
        match self {
            Self::Inbound(inbound) => inbound.on_response(now, id, &facts),
            Self::Outbound(outbound) => outbound.on_response(now, id, facts),
        }
    }

    pub(super) fn on_response_without_clock(&mut self, id: RequestId) -> ResponseVerdict {
        match self {
            Self::Inbound(inbound) => inbound.on_response_without_clock(id),
            Self::Outbound(outbound) => outbound.on_response_without_clock(id),
        }
    }

    /// Replaces a response because a verdict on it could not be carried out.
    pub(super) fn on_response_fault(&mut self, id: RequestId, correlation: Correlation) -> ResponseVerdict {
        match self {
            Self::Inbound(inbound) => inbound.on_response_fault(id, correlation),
            Self::Outbound(outbound) => outbound.on_response_fault(id, correlation),
        }
    }

    pub(super) fn on_answer(
        &mut self,
        now: Moment,
        id: CalloutId,
        subject: &CalloutSubject,
        answer: &Answer,
    ) -> CalloutOutcome {
        match self {
            Self::Inbound(inbound) => inbound.on_answer(now, id, subject, answer),
            Self::Outbound(outbound) => outbound.on_answer(now, id, subject, answer),
        }
    }

    pub(super) fn on_not_dispatched(&mut self, now: Moment, id: CalloutId, subject: &CalloutSubject) -> CalloutOutcome {
        match self {
            Self::Inbound(inbound) => inbound.on_not_dispatched(now, id, subject),
            Self::Outbound(outbound) => outbound.on_not_dispatched(now, id, subject),
        }
    }

    pub(super) fn on_request_end(&mut self, id: RequestId) {
        match self {
            Self::Inbound(inbound) => inbound.on_request_end(id),
            Self::Outbound(outbound) => outbound.on_request_end(id),
        }
    }

    pub(super) fn on_tick(&mut self, now: Moment) -> TickOutcome {
        match self {
            Self::Inbound(inbound) => inbound.on_tick(now),
            Self::Outbound(outbound) => outbound.on_tick(now),
        }
    }

    pub(super) fn tick_period(&mut self) -> Option<Duration> {
        match self {
            Self::Inbound(inbound) => inbound.tick_period(),
            Self::Outbound(outbound) => outbound.tick_period(),
        }
    }
}
