//! The request machine for bank → Hub: a fresh token onto every request (spec §4), and, where that is wanted, the Hub's own
//! token on every response.
//!
//! Nothing leaves unsigned. A request is held until its token is there; a response until its token is judged.

mod verification;

use std::time::Duration;

use litemap::LiteMap;

use crate::auth::{JwtAuthError, Needs};
use crate::callout::CalloutPermission;
use crate::callout::{Answer, Callout, CalloutError, CalloutId, CalloutSubject};
use crate::capabilities::Capabilities;
use crate::config;
use crate::evidence::Evidence;
use crate::keys;
use crate::reply::{RejectReason, Rejection};
use crate::request::{Correlation, RequestFacts, RequestId, ResponseFacts};
use crate::time::UnixTime;
use crate::token_attacher::TokenAttacher;
use crate::verdict::{
    CalloutOutcome, LONGEST_WAIT, MAX_WAITING, Phase, Resumed, SHORT_TICK, Step, TICK, Tick, Verdict,
};

use verification::Verification;

/// The outbound direction: its signer, what it knows of the Hub's keys, and the exchanges under way.
#[derive(Debug)]
pub struct Outbound {
    attacher: TokenAttacher,
    verification: Option<Verification>,
    /// Where each exchange is whose response will be verified.
    exchanges: LiteMap<RequestId, Exchange>,
    /// See [`Capabilities::wakes_others`].
    wakes_others: bool,
}

/// Where an exchange is.
#[derive(Debug)]
enum Exchange {
    /// The request waits until its response can be verified.
    AwaitsKeys(Awaited, Box<RequestFacts>),
    /// The request has gone on, or waits for its token.
    UnderWay(Correlation),
    /// The response waits for the key of its token.
    AwaitsVerification(Awaited, Box<(Correlation, ResponseFacts)>),
    /// The exchange is decided: what passes now is an answer of this filter, or a response that was judged.
    Decided,
}

/// What an exchange waits for.
#[derive(Debug)]
struct Awaited {
    subject: CalloutSubject,
    /// Its own callout, if it does not wait for another's.
    callout: Option<CalloutId>,
    since: UnixTime,
}

impl Outbound {
    /// The direction with this configuration and nothing known yet. `capabilities` are the gateway's.
    #[must_use]
    pub fn new(config: config::Outbound, capabilities: &Capabilities) -> Self {
        let config::Outbound { signing, verify_responses } = config;
        let verification = verify_responses.map(|settings| Verification::new(settings, capabilities));
        let attacher = TokenAttacher::new(signing, "authorization", Phase::Request, capabilities);
        Self { attacher, verification, exchanges: LiteMap::new_vec(), wakes_others: capabilities.wakes_others }
    }

    /// The header that carries a response's token, if responses are verified.
    #[must_use]
    pub fn response_header(&self) -> Option<&str> {
        self.verification.as_ref().map(Verification::header)
    }

    /// How often [`Outbound::on_tick`] wants to be called from now on; `None` if never.
    pub fn tick_period(&mut self) -> Option<Duration> {
        let awaits_others = self.verification.as_mut().is_some_and(Verification::awaits_others);
        let needs_ticks = self.verification.is_some() || self.attacher.is_remote();
        if awaits_others { Some(SHORT_TICK) } else { needs_ticks.then_some(TICK) }
    }

    /// Signs a new request, or holds it.
    pub fn on_request(&mut self, now: UnixTime, id: RequestId, facts: RequestFacts) -> Step {
        let permission = self.permission(now);
        self.request(now, id, facts, permission)
    }

    /// Refuses a request for a reason that lies outside of this: its facts cannot be had, or the verdict on it could not be
    /// carried out. `correlation` is as much of it as is known.
    pub fn on_fault(&mut self, id: RequestId, reason: RejectReason, correlation: Correlation) -> Verdict {
        let verdict = refuse(reason, Evidence::default(), correlation);
        self.note(id, &verdict);
        verdict
    }

    /// Decides on a response, or holds it.
    pub fn on_response(&mut self, now: UnixTime, id: RequestId, facts: ResponseFacts) -> Step {
        if self.verification.is_none() {
            return Step::verdict(Verdict::pass());
        }
        match self.exchanges.remove(&id) {
            Some(Exchange::UnderWay(correlation)) => {
                self.response(now, id, correlation, facts, CalloutPermission::Allowed)
            }
            Some(Exchange::Decided) => Step::verdict(Verdict::pass()),
            // A response to a request that never passed this filter, or has not been let go.
            None | Some(Exchange::AwaitsKeys(..) | Exchange::AwaitsVerification(..)) => {
                let rejection = Rejection::bare(RejectReason::ResponseWithoutRequest);
                Step::verdict(self.not_verified(id, rejection))
            }
        }
    }

    /// Decides on a response where the gateway has no clock: none can be verified, and what has been refused already is left
    /// alone.
    pub fn on_response_without_clock(&mut self, id: RequestId) -> Verdict {
        if self.verification.is_none() || matches!(self.exchanges.remove(&id), Some(Exchange::Decided)) {
            return Verdict::pass();
        }
        self.not_verified(id, Rejection::bare(RejectReason::Internal))
    }

    /// Takes the answer to a callout and decides on everything that waited for it.
    pub fn on_answer(
        &mut self,
        now: UnixTime,
        id: CalloutId,
        subject: &CalloutSubject,
        answer: &Answer,
    ) -> CalloutOutcome {
        self.settle(now, id, subject, answer.complete())
    }

    /// Takes it that a callout could not be made, and decides on everything that waited for it.
    pub fn on_not_dispatched(&mut self, now: UnixTime, id: CalloutId, subject: &CalloutSubject) -> CalloutOutcome {
        self.settle(now, id, subject, Err(CalloutError::NotDispatched))
    }

    /// Forgets an exchange that has ended.
    pub fn on_gone(&mut self, id: RequestId) {
        self.exchanges.remove(&id);
        self.attacher.forget(id);
    }

    /// Says what time alone brings about. To be called as [`Outbound::tick_period`] says.
    pub fn on_tick(&mut self, now: UnixTime) -> Tick {
        let signatures = if self.wakes_others { self.attacher.lost(now) } else { Vec::new() };
        let signatures = signatures.into_iter().map(|(id, request)| (id, CalloutSubject::Signature(request)));
        let keys = self.verification.as_mut().map(|verification| verification.lost(now)).unwrap_or_default();
        let lost: Vec<_> = signatures.chain(keys).collect();
        let mut settled: Vec<_> =
            lost.into_iter().map(|(id, subject)| self.settle(now, id, &subject, Err(CalloutError::NoAnswer))).collect();
        let due = self.verification.as_mut().map(|verification| verification.due(now)).unwrap_or_default();
        let keys::Due { fetches: callouts, ended_elsewhere } = due;
        settled.extend(ended_elsewhere.into_iter().map(|url| self.release(now, &CalloutSubject::KeySet(url), None)));
        Tick { callouts, settled }
    }

    fn settle(
        &mut self,
        now: UnixTime,
        id: CalloutId,
        subject: &CalloutSubject,
        answer: Result<&[u8], CalloutError>,
    ) -> CalloutOutcome {
        if let CalloutSubject::Signature(request) = subject {
            let settled = self.attacher.finish(now, id, *request, answer).unwrap_or_default();
            for released in &settled.released {
                self.note(released.id, &released.verdict);
            }
            return settled;
        }
        let report = self.verification.as_mut().and_then(|verification| verification.finish(now, id, subject, answer));
        // A callout that was given up decides on nothing any more, but for the exchange that nothing else can decide on.
        if report.is_none() && self.wakes_others {
            return CalloutOutcome::default();
        }
        CalloutOutcome { report, ended: Some((id, subject.clone())), ..self.release(now, subject, Some(id)) }
    }

    /// Decides on everything that waited for this, or on the one exchange whose callout has ended where others cannot be
    /// woken.
    fn release(&mut self, now: UnixTime, subject: &CalloutSubject, callout: Option<CalloutId>) -> CalloutOutcome {
        let mut settled = CalloutOutcome::default();
        let ends = |awaited: &Awaited| awaited.subject == *subject && (self.wakes_others || awaited.callout == callout);
        let waited = self.exchanges.iter().filter(|(_, exchange)| exchange.awaits().is_some_and(ends));
        let ids: Vec<_> = waited.map(|(id, _)| *id).collect();
        for id in ids {
            let (phase, step) = match self.exchanges.remove(&id) {
                Some(Exchange::AwaitsKeys(_, facts)) => {
                    (Phase::Request, self.request(now, id, *facts, CalloutPermission::Used))
                }
                Some(Exchange::AwaitsVerification(_, response)) => {
                    let (correlation, facts) = *response;
                    (Phase::Response, self.response(now, id, correlation, facts, CalloutPermission::Used))
                }
                _ => continue,
            };
            let Step { callouts, verdict } = step;
            settled.callouts.extend(callouts);
            settled.released.extend(verdict.map(|verdict| Resumed { id, phase, verdict }));
        }
        settled
    }

    fn request(&mut self, now: UnixTime, id: RequestId, facts: RequestFacts, permission: CalloutPermission) -> Step {
        let Some(verification) = &mut self.verification else { return self.sign(now, id, facts) };
        let is_required = verification.is_required();
        let (reason, fetch) = match verification.prepare(now, permission) {
            Ok(None) => return self.sign(now, id, facts),
            Ok(Some(Needs { subject, callout })) if self.waiting() < MAX_WAITING => {
                let awaited = Awaited::new(subject, callout.as_ref(), now);
                self.exchanges.insert(id, Exchange::AwaitsKeys(awaited, Box::new(facts)));
                return Step { callouts: callout.into_iter().collect(), verdict: None };
            }
            Ok(Some(Needs { callout, .. })) => (RejectReason::TooManyWaiting, callout),
            Err(retry_after) => (RejectReason::ResponseKeysUnavailable { retry_after }, None),
        };
        let mut step = if is_required {
            self.exchanges.insert(id, Exchange::Decided);
            Step::verdict(refuse(reason, Evidence::default(), facts.correlation))
        } else {
            self.sign(now, id, facts)
        };
        step.callouts.extend(fetch);
        step
    }

    fn sign(&mut self, now: UnixTime, id: RequestId, facts: RequestFacts) -> Step {
        let RequestFacts { correlation, nonce_input, .. } = facts;
        if self.verification.is_some() {
            self.exchanges.insert(id, Exchange::UnderWay(correlation.clone()));
        }
        let step = self.attacher.attach(now, id, &nonce_input, correlation);
        if let Some(verdict) = &step.verdict {
            self.note(id, verdict);
        }
        step
    }

    fn response(
        &mut self,
        now: UnixTime,
        id: RequestId,
        correlation: Correlation,
        facts: ResponseFacts,
        permission: CalloutPermission,
    ) -> Step {
        let Some(verification) = &mut self.verification else { return Step::verdict(Verdict::pass()) };
        let mut evidence = Evidence::default();
        let (error, fetch) = match verification.verify(now, &facts.token, permission, &mut evidence) {
            Ok(None) => {
                self.exchanges.insert(id, Exchange::Decided);
                return Step::verdict(Verdict::pass());
            }
            Ok(Some(Needs { subject, callout }))
                if permission == CalloutPermission::Allowed && self.waiting() < MAX_WAITING =>
            {
                let awaited = Awaited::new(subject, callout.as_ref(), now);
                self.exchanges.insert(id, Exchange::AwaitsVerification(awaited, Box::new((correlation, facts))));
                return Step { callouts: callout.into_iter().collect(), verdict: None };
            }
            Ok(Some(Needs { callout, .. })) => (JwtAuthError::KeysUnavailable { retry_after: TICK }, callout),
            Err(error) => (error, None),
        };
        let rejection = Rejection::new(RejectReason::Response(error), evidence, correlation);
        Step { callouts: fetch.into_iter().collect(), verdict: Some(self.not_verified(id, rejection)) }
    }

    /// What becomes of a response that is not verified to be the Hub's.
    fn not_verified(&mut self, id: RequestId, rejection: Rejection) -> Verdict {
        self.exchanges.insert(id, Exchange::Decided);
        let is_required = self.verification.as_ref().is_none_or(Verification::is_required);
        let rejection = Box::new(rejection);
        if is_required { Verdict::Refuse(rejection) } else { Verdict::Tolerate(rejection) }
    }

    /// Remembers that what comes back for a request that was answered here is that answer.
    fn note(&mut self, id: RequestId, verdict: &Verdict) {
        if self.verification.is_some() && matches!(verdict, Verdict::Refuse(_)) {
            self.exchanges.insert(id, Exchange::Decided);
        }
    }

    /// Whether a new request may ask for a callout. Where each makes its own, one that cannot wait must not.
    fn permission(&mut self, now: UnixTime) -> CalloutPermission {
        if self.wakes_others || self.waiting() < MAX_WAITING {
            return CalloutPermission::Allowed;
        }
        // Of one that waits this long the gateway has not said that it is gone.
        let lasts = |awaited: &Awaited| now.since(awaited.since).is_some_and(|since| since <= LONGEST_WAIT);
        self.exchanges.retain(|_, exchange| exchange.awaits().is_none_or(lasts));
        if self.waiting() < MAX_WAITING { CalloutPermission::Allowed } else { CalloutPermission::Used }
    }

    /// How many requests and responses wait for keys.
    fn waiting(&self) -> usize {
        self.exchanges.values().filter(|exchange| exchange.awaits().is_some()).count()
    }
}

impl Exchange {
    /// What it waits for, if it waits for keys.
    fn awaits(&self) -> Option<&Awaited> {
        match self {
            Self::AwaitsKeys(awaited, _) | Self::AwaitsVerification(awaited, ..) => Some(awaited),
            Self::UnderWay(_) | Self::Decided => None,
        }
    }
}

impl Awaited {
    fn new(subject: CalloutSubject, callout: Option<&Callout>, since: UnixTime) -> Self {
        Self { subject, callout: callout.map(|callout| callout.id), since }
    }
}

fn refuse(reason: RejectReason, evidence: Evidence, correlation: Correlation) -> Verdict {
    Verdict::Refuse(Box::new(Rejection::new(reason, evidence, correlation)))
}

#[cfg(test)]
mod tests;
