//! Carries out verdicts on the request or the response of the effective context, and tells what came of them.

use crate::effects::Event;
use crate::metric::{Ended, Stopwatch};
use crate::reply::{RejectReason, Rejection, Reply};
use crate::request::{Correlation, RequestId};
use crate::time::Moment;
use crate::verdict::{Admission, AttachedToken, RequestVerdict, ResponseVerdict, Verdict};

use super::clock;
use super::direction::Direction;
use super::events::{self, Events};
use crate::gateway::abi::{self, Headers, HostError, Stream};
use crate::gateway::adapter::{self, Adapter, Occasion};

/// Whether something goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flow {
    Continue,
    Stop,
}

/// A plugin at work, but for its callouts.
#[derive(Debug)]
pub(super) struct Gate {
    pub(super) adapter: &'static dyn Adapter,
    pub(super) direction: Direction,
    pub(super) events: Events,
    pub(super) stopwatch: Stopwatch,
}

impl Gate {
    /// Carries out a verdict; `before_going_on` is what has yet to be done when a request is let through. What cannot be
    /// carried out is refused.
    pub(super) fn carry_out(
        &mut self,
        id: RequestId,
        mut verdict: Verdict,
        occasion: Occasion,
        before_going_on: impl FnOnce() -> Result<(), HostError>,
    ) -> Flow {
        self.note_request_id(&mut verdict);
        let correlation = verdict.correlation();
        self.note_verdict(id, &verdict);
        let flow = self.act(verdict, occasion).and_then(|flow| match flow {
            Flow::Continue => before_going_on().map(|()| flow),
            Flow::Stop => Ok(flow),
        });
        flow.unwrap_or_else(|HostError| self.refuse(id, occasion, correlation))
    }

    /// A request or a response has come.
    pub(super) fn note_start(&mut self, id: RequestId, now: Moment) {
        if self.events.metrics.is_on() {
            self.stopwatch.start(id, now.steady);
        }
    }

    /// A request has to wait for a callout.
    pub(super) fn note_held(&mut self, id: RequestId) {
        if self.stopwatch.hold(id) {
            self.events.metrics.note_held();
        }
    }

    /// Nobody waits for a verdict any more.
    pub(super) fn note_end(&mut self, id: RequestId) {
        if self.stopwatch.stop(id, || None).is_some_and(|ended| ended.was_held) {
            self.events.metrics.note_released();
        }
    }

    /// How long the verdict took, and what it is on.
    fn note_verdict(&mut self, id: RequestId, verdict: &Verdict) {
        let metrics = &mut self.events.metrics;
        if !metrics.is_on() {
            return;
        }
        let Some(Ended { took, was_held }) = self.stopwatch.stop(id, clock::steady) else { return };
        if was_held {
            metrics.note_released();
        }
        let Some(took) = took else { return };
        match verdict {
            Verdict::Request(RequestVerdict::Admit(_)) => {
                metrics.note_decision(took);
                if self.direction.signs_requests() {
                    metrics.note_signing(took);
                }
            }
            Verdict::Request(RequestVerdict::Reject(_)) => metrics.note_decision(took),
            Verdict::Response(ResponseVerdict::Attach(_)) => metrics.note_signing(took),
            Verdict::Request(RequestVerdict::Answer(_))
            | Verdict::Response(ResponseVerdict::Pass | ResponseVerdict::Replace(_) | ResponseVerdict::Tolerate(_)) => {
            }
        }
    }

    /// Refuses what could not be let through.
    pub(super) fn refuse(&mut self, id: RequestId, occasion: Occasion, correlation: Correlation) -> Flow {
        let mut fault = self.fault(id, occasion, correlation);
        self.note_request_id(&mut fault);
        // It asks nothing of the host that could fail.
        self.act(fault, occasion).unwrap_or(Flow::Stop)
    }

    /// The verdict on what cannot be decided on, or not carried out.
    pub(super) fn fault(&mut self, id: RequestId, occasion: Occasion, correlation: Correlation) -> Verdict {
        match occasion {
            Occasion::Request | Occasion::Answered | Occasion::Unanswered => {
                let rejection = self.direction.on_fault(id, RejectReason::Internal, correlation);
                Verdict::Request(RequestVerdict::Reject(rejection))
            }
            Occasion::Response { .. } => Verdict::Response(self.direction.on_response_fault(id, correlation)),
        }
    }

    /// Changes what a verdict wants changed, or answers. Fails only where something was to go on, and then it must not.
    fn act(&mut self, verdict: Verdict, occasion: Occasion) -> Result<Flow, HostError> {
        match verdict {
            Verdict::Request(RequestVerdict::Admit(admission)) => {
                self.admit(&admission)?;
                self.events.tell(&Event::Admitted);
                Ok(Flow::Continue)
            }
            Verdict::Request(RequestVerdict::Answer(reply)) => {
                note_failure(self.adapter.answer(&reply, "health_check", occasion));
                Ok(Flow::Stop)
            }
            Verdict::Request(RequestVerdict::Reject(rejection)) => {
                self.answer(&rejection, occasion);
                self.events.tell(&Event::Rejected(rejection));
                Ok(Flow::Stop)
            }
            Verdict::Response(ResponseVerdict::Replace(rejection)) => {
                self.answer(&rejection, occasion);
                self.events.tell(&Event::Replaced(rejection));
                Ok(Flow::Stop)
            }
            Verdict::Response(ResponseVerdict::Pass) => Ok(Flow::Continue),
            Verdict::Response(ResponseVerdict::Attach(token)) => {
                self.attach(&token)?;
                Ok(Flow::Continue)
            }
            Verdict::Response(ResponseVerdict::Tolerate(rejection)) => {
                self.events.tell(&Event::Tolerated(rejection));
                Ok(Flow::Continue)
            }
        }
    }

    fn answer(&self, rejection: &Rejection, occasion: Occasion) {
        note_failure(self.adapter.answer(&rejection.reply(), rejection.code().as_str(), occasion));
    }

    fn admit(&self, admission: &Admission) -> Result<(), HostError> {
        for name in admission.removed() {
            self.adapter.take_away(name)?;
        }
        for (name, value) in admission.set() {
            abi::replace_header(Headers::Request, name, value)?;
        }
        Ok(())
    }

    fn attach(&self, token: &AttachedToken) -> Result<(), HostError> {
        let (name, value) = token.header();
        self.adapter.replace_response_header(name, value)
    }

    /// The gateway's id of the request, for the log: only of a rejection anything is logged.
    fn note_request_id(&self, verdict: &mut Verdict) {
        if let Some(rejection) = verdict.rejection_mut() {
            rejection.note_request_id(|| self.adapter.request_id());
        }
    }
}

/// Lets something go on that was held.
pub(super) fn resume(occasion: Occasion) -> Result<(), HostError> {
    abi::continue_stream(match occasion {
        Occasion::Request | Occasion::Answered | Occasion::Unanswered => Stream::Request,
        Occasion::Response { .. } => Stream::Response,
    })
}

/// Answers a request with a rejection, and logs it, where nothing is known of the gateway.
pub(super) fn send(rejection: Rejection) {
    reject(rejection, adapter::send_whole);
}

/// Refuses a request of which nothing is known, in a call that must not fail to decide on it.
pub(super) fn refuse_unknown() {
    send(Rejection::bare(RejectReason::Internal));
}

/// The same in the callback of a callout whose answer has this many bytes: see [`Occasion::Answered`] and [`Occasion::Unanswered`]. What
/// one of the gateways needs then, every gateway takes.
pub(super) fn refuse_unknown_after_callout(body_size: usize) {
    reject(Rejection::bare(RejectReason::Internal), |reply, details| {
        let body = if body_size == 0 { String::new() } else { reply.body.clone() };
        adapter::send_whole(&Reply { body, ..adapter::last_of_its_connection(reply) }, details)
    });
}

/// Answers with a rejection, and logs it.
pub(super) fn reject(rejection: Rejection, answer: impl FnOnce(&Reply, &str) -> Result<(), HostError>) {
    note_failure(answer(&rejection.reply(), rejection.code().as_str()));
    events::log(&Event::Rejected(Box::new(rejection)));
}

fn note_failure(sent: Result<(), HostError>) {
    if sent.is_err() {
        log::error!("the gateway did not take a response; the request stays held");
    }
}
