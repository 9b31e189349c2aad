//! The request machine for bank → Hub: a fresh token onto every request (spec §4), and, where that is wanted, the Hub's own
//! token on every response.
//!
//! Nothing leaves unsigned. A request is held until its token is there; a response until its token is verified.

mod verification;

use std::time::Duration;

use crate::auth::JwtAuthError;
use crate::callout::{Answer, CalloutError, CalloutId, CalloutPermission, CalloutSubject, Readiness};
use crate::capabilities::{CalloutOwner, Capabilities};
use crate::config;
use crate::effects::{CalloutOutcome, Effects, Event, Resumed, SHORT_TICK, TICK, TickOutcome};
use crate::evidence::Evidence;
use crate::keys;
use crate::reply::{RejectReason, Rejection};
use crate::request::{Correlation, RequestFacts, RequestId, ResponseFacts};
use crate::request_table::{Awaited, RequestTable, State};
use crate::signing::Preparation;
use crate::time::Moment;
use crate::token_attacher::{Attachment, AwaitedToken, TokenAttacher};
use crate::verdict::{Admission, RequestVerdict, ResponseVerdict};

use verification::Verification;

/// The outbound direction: its signer, what it knows of the Hub's keys, and where each request is.
#[derive(Debug)]
pub(crate) struct Outbound {
    attacher: TokenAttacher,
    verification: Option<Verification>,
    requests: RequestTable<OutboundState>,
    owner: CalloutOwner,
    /// See [`Capabilities::replaces_responses`].
    replaces_responses: bool,
}

/// Where a request is.
#[derive(Debug)]
enum OutboundState {
    /// It waits until its response can be verified.
    AwaitsKeys(Awaited, Box<RequestFacts>),
    /// It waits for its token.
    AwaitsSignature(AwaitedToken),
    /// It has gone on, and its response will be verified.
    Admitted(Correlation),
    /// Its response waits for the key of its token.
    AwaitsVerification(Awaited, Box<(Correlation, ResponseFacts)>),
    /// It is decided: what passes now is an answer of this filter, or a response that was looked at. If a signature is still
    /// awaited, that is only to be told of.
    Decided(Option<AwaitedToken>),
}

impl State for OutboundState {
    fn awaits(&self) -> Option<&Awaited> {
        match self {
            Self::AwaitsKeys(awaited, _) | Self::AwaitsVerification(awaited, _) => Some(awaited),
            Self::AwaitsSignature(awaited) | Self::Decided(Some(awaited)) => awaited.awaits_preparation(),
            Self::Admitted(_) | Self::Decided(None) => None,
        }
    }
}

impl Outbound {
    /// The direction with this configuration and nothing known yet. `capabilities` are the gateway's.
    #[must_use]
    pub(crate) fn new(config: config::Outbound, capabilities: &Capabilities) -> Self {
        let config::Outbound { signing, verify_responses } = config;
        Self {
            attacher: TokenAttacher::new(signing, "authorization", capabilities),
            verification: verify_responses.map(|settings| Verification::new(settings, capabilities)),
            requests: RequestTable::new(capabilities.callout_owner),
            owner: capabilities.callout_owner,
            replaces_responses: capabilities.replaces_responses,
        }
    }

    /// The header that carries a response's token, if responses are verified.
    #[must_use]
    pub(crate) fn response_header(&self) -> Option<&str> {
        self.verification.as_ref().map(Verification::header)
    }

    /// How often [`Outbound::on_tick`] wants to be called from now on; `None` if never.
    pub(crate) fn tick_period(&mut self) -> Option<Duration> {
        let awaits_others = self.verification.as_mut().is_some_and(Verification::awaits_others);
        let is_urgent = awaits_others || self.attacher.is_behind();
        let needs_ticks = self.verification.is_some() || self.attacher.is_remote();
        if is_urgent { Some(SHORT_TICK) } else { needs_ticks.then_some(TICK) }
    }

    /// Signs a new request, or holds it.
    pub(crate) fn on_request(&mut self, now: Moment, id: RequestId, facts: RequestFacts) -> Effects<RequestVerdict> {
        let permission = self.requests.permission(now.steady);
        self.request(now, id, facts, permission)
    }

    /// Refuses a request, or replaces its response, for a reason that lies outside of this: its facts cannot be had, or the
    /// verdict on it could not be carried out. `correlation` is as much of it as is known.
    pub(crate) fn on_fault(&mut self, id: RequestId, reason: RejectReason, correlation: Correlation) -> Box<Rejection> {
        self.note_decided(id);
        Box::new(Rejection::new(reason, Evidence::default(), correlation))
    }

    /// Replaces a response for a reason that lies outside of this: see [`Outbound::on_fault`].
    pub(crate) fn on_response_fault(&mut self, id: RequestId, correlation: Correlation) -> ResponseVerdict {
        let rejection = self.on_fault(id, RejectReason::Internal, correlation);
        self.replacement(rejection)
    }

    /// Decides on a response, or holds it.
    pub(crate) fn on_response(&mut self, now: Moment, id: RequestId, facts: ResponseFacts) -> Effects<ResponseVerdict> {
        if self.verification.is_none() {
            return Effects::verdict(ResponseVerdict::Pass);
        }
        match self.forget(id) {
            Some(OutboundState::Admitted(correlation)) => {
                self.response(now, id, correlation, facts, CalloutPermission::Allowed)
            }
            Some(OutboundState::Decided(_)) => Effects::verdict(ResponseVerdict::Pass),
            // A response to a request that never passed this filter, or has not been let go.
            _ => {
                Effects::verdict(self.not_verified(id, Box::new(Rejection::bare(RejectReason::ResponseWithoutRequest))))
            }
        }
    }

    /// Decides on a response where the gateway has no clock: none can be verified, and what has been refused already is left
    /// alone.
    pub(crate) fn on_response_without_clock(&mut self, id: RequestId) -> ResponseVerdict {
        if self.verification.is_none() || matches!(self.forget(id), Some(OutboundState::Decided(_))) {
            return ResponseVerdict::Pass;
        }
        self.not_verified(id, Box::new(Rejection::bare(RejectReason::Internal)))
    }

    /// Takes the answer to a callout and decides on everything that waited for it.
    pub(crate) fn on_answer(
        &mut self,
        now: Moment,
        id: CalloutId,
        subject: &CalloutSubject,
        answer: &Answer,
    ) -> CalloutOutcome {
        let answer = self.attacher.receive(now, subject, answer);
        self.end_callout(now, id, subject, answer)
    }

    /// Notes that a callout could not be made, and decides on everything that waited for it.
    pub(crate) fn on_not_dispatched(&mut self, now: Moment, id: CalloutId, subject: &CalloutSubject) -> CalloutOutcome {
        self.end_callout(now, id, subject, Err(CalloutError::NotDispatched))
    }

    /// Forgets a request that has ended, or whose client has gone away.
    pub(crate) fn on_request_end(&mut self, id: RequestId) {
        if let Some(state) = self.forget(id)
            && let Some((callout, subject)) = state.awaits().and_then(Awaited::own_callout)
            && let Some(verification) = &mut self.verification
        {
            verification.abandon(callout, subject);
        }
    }

    /// Says what time alone brings about. To be called as [`Outbound::tick_period`] says.
    pub(crate) fn on_tick(&mut self, now: Moment) -> TickOutcome {
        let mut outcomes = Vec::new();
        let timed_out = self.verification.as_mut().map(|verification| verification.timed_out(now)).unwrap_or_default();
        self.give_up(now, timed_out, &mut outcomes);
        let due = self.verification.as_mut().map(|verification| verification.due(now)).unwrap_or_default();
        let keys::Due { fetches: mut callouts, ended_elsewhere } = due;
        outcomes.extend(ended_elsewhere.into_iter().map(|url| self.resume(now, &CalloutSubject::KeySet(url), None)));
        let lost = self.attacher.timed_out_preparations(now);
        self.give_up(now, lost, &mut outcomes);
        callouts.extend(self.attacher.due(now));
        let timed_out = self.attacher.timed_out(now, &outcomes);
        self.give_up(now, timed_out, &mut outcomes);
        TickOutcome { callouts, outcomes, events: Vec::new() }
    }

    fn give_up(&mut self, now: Moment, callouts: Vec<(CalloutId, CalloutSubject)>, outcomes: &mut Vec<CalloutOutcome>) {
        let ends = callouts.into_iter();
        outcomes.extend(ends.map(|(id, subject)| self.end_callout(now, id, &subject, Err(CalloutError::NoAnswer))));
    }

    fn end_callout(
        &mut self,
        now: Moment,
        id: CalloutId,
        subject: &CalloutSubject,
        answer: Result<&[u8], CalloutError>,
    ) -> CalloutOutcome {
        if let CalloutSubject::Signature(request) = subject {
            return self.end_signing(now, id, *request, answer).unwrap_or_default();
        }
        if let Some(preparation) = Preparation::of(subject) {
            return self.end_preparation(now, id, preparation, answer).unwrap_or_default();
        }
        let report = self.verification.as_mut().and_then(|verification| verification.finish(now, id, subject, answer));
        // A callout that was given up decides on nothing any more, but for the request that nothing else can decide on.
        if report.is_none() && self.owner == CalloutOwner::Plugin {
            return CalloutOutcome::default();
        }
        let mut outcome = self.resume(now, subject, Some(id));
        outcome.ended = Some((id, subject.clone()));
        // What has ended is told before what follows from it.
        outcome.events.splice(..0, report.map(Event::CalloutEnded));
        outcome
    }

    /// What the end of a callout to the signer means for the request that waits. `None` if it does not count any more.
    fn end_signing(
        &mut self,
        now: Moment,
        call: CalloutId,
        id: RequestId,
        answer: Result<&[u8], CalloutError>,
    ) -> Option<CalloutOutcome> {
        let (awaited, is_decided) = match self.requests.remove(id) {
            Some(OutboundState::AwaitsSignature(awaited)) => (awaited, false),
            Some(OutboundState::Decided(Some(awaited))) => (awaited, true),
            other => {
                self.attacher.forget(id);
                other.into_iter().for_each(|state| self.requests.insert(id, state));
                return None;
            }
        };
        let state = |awaited| {
            if is_decided { OutboundState::Decided(Some(awaited)) } else { OutboundState::AwaitsSignature(awaited) }
        };
        match self.attacher.finish(now, call, id, awaited, answer, self.requests.has_room()) {
            Err(awaited) => {
                self.requests.insert(id, state(awaited));
                None
            }
            Ok((told, attachment)) => {
                if is_decided {
                    self.requests.insert(id, OutboundState::Decided(None));
                }
                let Effects { callouts, verdict, events } = self.attached(id, attachment);
                Some(CalloutOutcome {
                    ended: Some((call, CalloutSubject::Signature(id))),
                    callouts,
                    resumed: verdict.into_iter().map(|verdict| Resumed::request(id, verdict)).collect(),
                    events: told.into_iter().chain(events).collect(),
                })
            }
        }
    }

    /// What the end of a preparation of the signer means for all that waited for it. `None` if it does not count any more.
    fn end_preparation(
        &mut self,
        now: Moment,
        fetch: CalloutId,
        preparation: Preparation,
        answer: Result<&[u8], CalloutError>,
    ) -> Option<CalloutOutcome> {
        let mut prepared = self.attacher.finish_preparation(now, fetch, preparation, answer)?;
        let subject = preparation.subject();
        let waited = self.requests.waited_for(&subject, Some(fetch));
        let events = std::mem::take(&mut prepared.events);
        let mut outcome = CalloutOutcome { ended: Some((fetch, subject)), events, ..CalloutOutcome::default() };
        for id in waited {
            let (awaited, is_decided) = match self.requests.remove(id) {
                Some(OutboundState::AwaitsSignature(awaited)) => (awaited, false),
                Some(OutboundState::Decided(Some(awaited))) => (awaited, true),
                _ => continue,
            };
            let (told, attachment) = self.attacher.go_on(now, id, awaited, &prepared, self.requests.has_room());
            if is_decided {
                self.requests.insert(id, OutboundState::Decided(None));
            }
            let Effects { callouts, verdict, events } = self.attached(id, attachment);
            outcome.callouts.extend(callouts);
            outcome.events.extend(told.into_iter().chain(events));
            outcome.resumed.extend(verdict.map(|verdict| Resumed::request(id, verdict)));
        }
        Some(outcome)
    }

    /// Decides on everything that waited for this.
    fn resume(&mut self, now: Moment, subject: &CalloutSubject, callout: Option<CalloutId>) -> CalloutOutcome {
        let mut outcome = CalloutOutcome::default();
        for id in self.requests.waited_for(subject, callout) {
            let (callouts, events, resumed) = match self.requests.remove(id) {
                Some(OutboundState::AwaitsKeys(_, facts)) => {
                    let Effects { callouts, verdict, events } = self.request(now, id, *facts, CalloutPermission::Used);
                    (callouts, events, verdict.map(|verdict| Resumed::request(id, verdict)))
                }
                Some(OutboundState::AwaitsVerification(_, response)) => {
                    let (correlation, facts) = *response;
                    let Effects { callouts, verdict, events } =
                        self.response(now, id, correlation, facts, CalloutPermission::Used);
                    (callouts, events, verdict.map(|verdict| Resumed::response(id, verdict)))
                }
                _ => continue,
            };
            outcome.callouts.extend(callouts);
            outcome.events.extend(events);
            outcome.resumed.extend(resumed);
        }
        outcome
    }

    fn request(
        &mut self,
        now: Moment,
        id: RequestId,
        facts: RequestFacts,
        permission: CalloutPermission,
    ) -> Effects<RequestVerdict> {
        let Some(verification) = &mut self.verification else { return self.sign(now, id, facts) };
        let is_required = verification.is_required();
        let (reason, fetch) = match verification.prepare(now, permission) {
            Ok(Readiness::Ready(())) => return self.sign(now, id, facts),
            Ok(Readiness::Wait(wait)) if self.requests.has_room() => {
                let awaited = Awaited::new(&wait, now.steady);
                self.requests.insert(id, OutboundState::AwaitsKeys(awaited, Box::new(facts)));
                return Effects::hold(wait.callout);
            }
            Ok(Readiness::Wait(wait)) => (RejectReason::TooManyWaiting, wait.callout),
            Err(retry_after) => (RejectReason::ResponseKeysUnavailable { retry_after }, None),
        };
        let effects = if is_required {
            Effects::verdict(RequestVerdict::Reject(self.on_fault(id, reason, facts.correlation)))
        } else {
            self.sign(now, id, facts)
        };
        effects.and_callout(fetch)
    }

    fn sign(&mut self, now: Moment, id: RequestId, facts: RequestFacts) -> Effects<RequestVerdict> {
        let RequestFacts { correlation, nonce_input, .. } = facts;
        let attachment = self.attacher.attach(now, id, &nonce_input, correlation, self.requests.has_room());
        self.attached(id, attachment)
    }

    /// What becomes of a request, as its token does.
    fn attached(&mut self, id: RequestId, attachment: Attachment) -> Effects<RequestVerdict> {
        match attachment {
            Attachment::Attached(token, event) => {
                if self.verification.is_some() {
                    self.requests.insert(id, OutboundState::Admitted(token.correlation().clone()));
                }
                let admission = Admission::with_token(*token);
                Effects::verdict(RequestVerdict::Admit(Box::new(admission))).and_event(event)
            }
            Attachment::Failed(rejection) => {
                self.note_decided(id);
                Effects::verdict(RequestVerdict::Reject(rejection))
            }
            Attachment::Waits(awaited, callout) => {
                self.requests.insert(id, OutboundState::AwaitsSignature(awaited));
                Effects::hold(callout)
            }
            Attachment::Cancelled(event) => Effects { events: event.into_iter().collect(), ..Effects::hold(None) },
        }
    }

    fn response(
        &mut self,
        now: Moment,
        id: RequestId,
        correlation: Correlation,
        facts: ResponseFacts,
        permission: CalloutPermission,
    ) -> Effects<ResponseVerdict> {
        let Some(verification) = &mut self.verification else { return Effects::verdict(ResponseVerdict::Pass) };
        let mut evidence = Evidence::default();
        let (error, fetch) = match verification.verify(now, &facts.token, permission, &mut evidence) {
            Ok(Readiness::Ready(())) => {
                self.note_decided(id);
                return Effects::verdict(ResponseVerdict::Pass);
            }
            Ok(Readiness::Wait(wait)) if permission == CalloutPermission::Allowed && self.requests.has_room() => {
                let awaited = Awaited::new(&wait, now.steady);
                let state = OutboundState::AwaitsVerification(awaited, Box::new((correlation, facts)));
                self.requests.insert(id, state);
                return Effects::hold(wait.callout);
            }
            Ok(Readiness::Wait(wait)) => (JwtAuthError::KeysUnavailable { retry_after: TICK }, wait.callout),
            Err(error) => (error, None),
        };
        let rejection = Rejection::new(RejectReason::Response(error), evidence, correlation);
        Effects::verdict(self.not_verified(id, Box::new(rejection))).and_callout(fetch)
    }

    /// What becomes of a response that is not verified to be the Hub's.
    fn not_verified(&mut self, id: RequestId, rejection: Box<Rejection>) -> ResponseVerdict {
        self.note_decided(id);
        if self.verification.as_ref().is_none_or(Verification::is_required) {
            self.replacement(rejection)
        } else {
            ResponseVerdict::Tolerate(rejection)
        }
    }

    /// What becomes of a response that must not go on as it is.
    fn replacement(&self, rejection: Box<Rejection>) -> ResponseVerdict {
        if self.replaces_responses { ResponseVerdict::Replace(rejection) } else { ResponseVerdict::Tolerate(rejection) }
    }

    /// Remembers that what comes back for a request is an answer of this filter, where it would be verified.
    fn note_decided(&mut self, id: RequestId) {
        let awaited = match self.requests.remove(id) {
            Some(OutboundState::AwaitsSignature(awaited)) => self.attacher.cancel(id, awaited),
            Some(OutboundState::Decided(awaited)) => awaited,
            _ => None,
        };
        match awaited {
            awaited if self.verification.is_some() => self.requests.insert(id, OutboundState::Decided(awaited)),
            Some(awaited) => self.requests.insert(id, OutboundState::AwaitsSignature(awaited)),
            None => {}
        }
    }

    /// Forgets a request, but for the signature that may still come for it and is to be told of.
    fn forget(&mut self, id: RequestId) -> Option<OutboundState> {
        let (awaited, forgotten) = match self.requests.remove(id)? {
            OutboundState::AwaitsSignature(awaited) => (self.attacher.cancel(id, awaited), None),
            OutboundState::Decided(awaited) => (awaited, Some(OutboundState::Decided(None))),
            other => (None, Some(other)),
        };
        if let Some(awaited) = awaited {
            self.requests.insert(id, OutboundState::AwaitsSignature(awaited));
        }
        forgotten
    }
}

#[cfg(test)]
mod tests;
