//! The request machine for Hub → bank: facts in, a verdict out, or a callout that must come first.
//!
//! Checks run cheapest first: certificate, pin, headers, credential, claims, key, signature. A request either gets its
//! verdict at once or waits for a callout, at most once; nothing leaves here undecided.

use std::rc::Rc;
use std::time::Duration;

use crate::auth::{Authenticator, Credential, Due, Learned, Notice};
use crate::callout::{Answer, Callout, CalloutError, CalloutId, CalloutPermission, CalloutSubject, Ended, Readiness};
use crate::capabilities::{CalloutOwner, Capabilities};
use crate::config::{self, ForwardAuthorization};
use crate::effects::{CalloutOutcome, Effects, Event, Measurement, Resumed, SHORT_TICK, TICK, TickOutcome};
use crate::evidence::Evidence;
use crate::health::HealthChecks;
use crate::peer::{PeerCertificate, PeerError, PeerFacts};
use crate::provider;
use crate::reply::{RejectReason, Rejection, Reply};
use crate::request::{ConfiguredHeaders, Correlation, NonceInput, RequestFacts, RequestId, ResponseFacts};
use crate::request_table::{Awaited, RequestTable, State};
use crate::signing::Preparation;
use crate::time::{Moment, UnixTime};
use crate::token_attacher::{Attachment, AwaitedToken, TokenAttacher};
use crate::verdict::{Admission, Forwarding, RequestVerdict, ResponseVerdict};

/// The inbound direction: its configuration, what its method has learned, and where each request is.
#[derive(Debug)]
pub(crate) struct Inbound {
    config: config::Inbound,
    authenticator: Authenticator,
    headers: ConfiguredHeaders,
    health_checks: Option<HealthChecks>,
    forwarding: Forwarding,
    /// The certificate of the request before, and the facts that it follows from: it is mostly the same one.
    last_certificate: Option<(PeerFacts, Rc<PeerCertificate>)>,
    /// When the certificate ends that was seen last, until that is told.
    certificate_end: Option<UnixTime>,
    requests: RequestTable<InboundState>,
    owner: CalloutOwner,
    /// Signs responses, if they are to be signed.
    attacher: Option<TokenAttacher>,
    /// See [`Capabilities::hides_requests`].
    hides_requests: bool,
    /// See [`Capabilities::replaces_responses`].
    replaces_responses: bool,
}

/// Where a request is.
#[derive(Debug)]
enum InboundState {
    /// It waits for keys, for introspection, or for the store of used tokens.
    AwaitsCallout(Awaited, Box<RequestFacts>),
    /// It was let through, and awaits its response.
    Admitted(Correlation),
    /// Its response waits for a token.
    AwaitsSignature(AwaitedToken),
    /// It was answered here: the response that comes is that answer.
    Answered,
}

impl State for InboundState {
    fn awaits(&self) -> Option<&Awaited> {
        match self {
            Self::AwaitsCallout(awaited, _) => Some(awaited),
            Self::AwaitsSignature(awaited) => awaited.awaits_preparation(),
            Self::Admitted(_) | Self::Answered => None,
        }
    }
}

impl Inbound {
    /// The direction with this configuration and nothing known yet. `capabilities` are the gateway's.
    #[must_use]
    pub(crate) fn new(mut config: config::Inbound, capabilities: &Capabilities) -> Self {
        let attacher = config
            .response_token
            .take()
            .map(|config::ResponseToken { signing, header }| TokenAttacher::new(signing, header, capabilities));
        let authenticator = Authenticator::new(&config.auth, config.service_initiation.clone(), capabilities);
        let own_header = authenticator.own_header().map(str::to_owned);
        let forwarded_certificate = config.peer.source.header(config.health_checks.is_some()).map(str::to_owned);
        let forwarded_verifications = config.peer.source.verification_headers().map(str::to_owned).collect();
        let remove = match config.forward.authorization {
            // The method's own header too: whatever a caller proves itself with ends here.
            ForwardAuthorization::Remove => {
                Some(own_header.iter().map(String::as_str).chain(["authorization"]).map(str::to_owned).collect())
            }
            ForwardAuthorization::Keep => None,
        };
        let health_checks = config.health_checks.as_ref().map(HealthChecks::new);
        Self {
            forwarding: Forwarding { remove, identity_headers: config.forward.identity_headers },
            headers: ConfiguredHeaders { forwarded_certificate, forwarded_verifications, api_key: own_header },
            config,
            authenticator,
            health_checks,
            last_certificate: None,
            certificate_end: None,
            requests: RequestTable::new(capabilities.callout_owner),
            owner: capabilities.callout_owner,
            attacher,
            hides_requests: capabilities.hides_requests,
            replaces_responses: capabilities.replaces_responses,
        }
    }

    /// The headers that mean something by this configuration, beside those that always do.
    #[must_use]
    pub(crate) fn configured_headers(&self) -> &ConfiguredHeaders {
        &self.headers
    }

    /// Whether a decision needs the certificate's fingerprint.
    #[must_use]
    pub(crate) fn needs_fingerprint(&self) -> bool {
        !self.config.peer.pins.fingerprints.is_empty()
            || self.config.peer.source.needs_fingerprint()
            || self.health_checks.is_some()
            || self.authenticator.needs_fingerprint()
    }

    /// How often [`Inbound::on_tick`] wants to be called from now on; `None` if never.
    pub(crate) fn tick_period(&mut self) -> Option<Duration> {
        let needs_ticks =
            self.authenticator.needs_ticks() || self.attacher.as_ref().is_some_and(TokenAttacher::is_remote);
        let is_behind = self.attacher.as_ref().is_some_and(TokenAttacher::is_behind);
        if is_behind || self.authenticator.awaits_others() { Some(SHORT_TICK) } else { needs_ticks.then_some(TICK) }
    }

    /// Whether each request needs a [`NonceInput`].
    #[must_use]
    pub(crate) fn wants_nonces(&self) -> bool {
        self.authenticator.wants_nonces()
    }

    /// Whether responses mean anything: because they are signed, or because they may answer requests that were never seen.
    #[must_use]
    pub(crate) fn wants_responses(&self) -> bool {
        self.signs_responses() || self.hides_requests
    }

    /// Whether responses are signed.
    #[must_use]
    pub(crate) fn signs_responses(&self) -> bool {
        self.attacher.is_some()
    }

    /// What the operator should know before the first request.
    pub(crate) fn on_start(&mut self, now: Moment) -> Vec<Event> {
        self.notices(now)
    }

    /// Decides on a new request, or holds it.
    pub(crate) fn on_request(&mut self, now: Moment, id: RequestId, facts: RequestFacts) -> Effects<RequestVerdict> {
        let mut effects = self.request(now, id, facts);
        let notices = self.notices(now);
        if !notices.is_empty() {
            effects.events.extend(notices);
        }
        effects
    }

    /// Refuses a request, or replaces its response, for a reason that lies outside of this: its facts cannot be had, or the
    /// verdict on it could not be carried out. `correlation` is as much of it as is known.
    pub(crate) fn on_fault(&mut self, id: RequestId, reason: RejectReason, correlation: Correlation) -> Box<Rejection> {
        self.on_request_end(id);
        self.note_answered(id);
        Box::new(Rejection::new(reason, Evidence::default(), correlation))
    }

    /// Signs the response to a request that was let through. Others go on as they are: they are this filter's rejections, or
    /// answers of the gateway to strangers, for whom nothing is signed. Where the gateway may have sent a request on
    /// without showing it, the response to one that was not decided on is replaced: it may be the backend's.
    pub(crate) fn on_response(
        &mut self,
        now: Moment,
        id: RequestId,
        facts: &ResponseFacts,
    ) -> Effects<ResponseVerdict> {
        let verdict = match self.requests.remove_if(id, InboundState::has_gone_on) {
            Some(InboundState::Admitted(correlation)) => match &mut self.attacher {
                Some(attacher) => {
                    // Not every gateway tells it once the response is there.
                    let request_id = correlation.request_id.clone();
                    let nonce_input = NonceInput { request_id, ..facts.nonce_input.clone() };
                    let attachment = attacher.attach(now, id, &nonce_input, correlation, self.requests.has_room());
                    return self.attached(id, attachment);
                }
                None => ResponseVerdict::Pass,
            },
            None if self.hides_requests => self.not_authenticated(),
            Some(_) | None => ResponseVerdict::Pass,
        };
        Effects::verdict(verdict)
    }

    /// Decides on a response where the gateway has no clock, or none is needed because responses are not signed: one that was to be signed
    /// is refused, and what has been refused already is left alone.
    pub(crate) fn on_response_without_clock(&mut self, id: RequestId) -> ResponseVerdict {
        match self.requests.remove_if(id, InboundState::has_gone_on) {
            Some(InboundState::Admitted(_)) if self.signs_responses() => {
                self.not_verified(Box::new(Rejection::bare(RejectReason::Internal)))
            }
            None if self.hides_requests => self.not_authenticated(),
            Some(_) | None => ResponseVerdict::Pass,
        }
    }

    /// Replaces a response for a reason that lies outside of this: see [`Inbound::on_fault`].
    pub(crate) fn on_response_fault(&mut self, id: RequestId, correlation: Correlation) -> ResponseVerdict {
        let rejection = self.on_fault(id, RejectReason::Internal, correlation);
        self.not_verified(rejection)
    }

    /// Takes the answer to a callout and decides on every request that waited for it.
    pub(crate) fn on_answer(
        &mut self,
        now: Moment,
        id: CalloutId,
        subject: &CalloutSubject,
        answer: &Answer,
    ) -> CalloutOutcome {
        let body = match &mut self.attacher {
            Some(attacher) => attacher.receive(now, subject, answer),
            None => answer.complete(),
        };
        self.end_callout(now, id, subject, Ended::with(body, answer))
    }

    /// Notes that a callout could not be made, and decides on every request that waited for it.
    pub(crate) fn on_not_dispatched(&mut self, now: Moment, id: CalloutId, subject: &CalloutSubject) -> CalloutOutcome {
        self.end_callout(now, id, subject, Ended::without(CalloutError::NotDispatched))
    }

    /// Forgets a request that has ended, or whose client has gone away.
    pub(crate) fn on_request_end(&mut self, id: RequestId) {
        match self.requests.remove(id) {
            Some(InboundState::AwaitsSignature(awaited)) => {
                if let Some(awaited) = self.attacher.as_mut().and_then(|attacher| attacher.cancel(id, awaited)) {
                    self.requests.insert(id, InboundState::AwaitsSignature(awaited));
                }
            }
            Some(InboundState::AwaitsCallout(awaited, _)) => {
                if let Some((callout, subject)) = awaited.own_callout() {
                    self.authenticator.abandon(callout, subject);
                }
            }
            Some(InboundState::Admitted(_) | InboundState::Answered) | None => {}
        }
    }

    /// Says what time alone brings about. To be called as [`Inbound::tick_period`] says.
    pub(crate) fn on_tick(&mut self, now: Moment) -> TickOutcome {
        let mut outcomes = Vec::new();
        let timed_out = self.authenticator.timed_out(now);
        self.give_up(now, timed_out, &mut outcomes);
        let Due { mut callouts, learned } = self.authenticator.due(now);
        for subject in &learned {
            let mut outcome = CalloutOutcome::default();
            self.resume(now, subject, None, &mut outcome);
            outcomes.push(outcome);
        }
        let lost = self.attacher.as_ref().map(|attacher| attacher.timed_out_preparations(now)).unwrap_or_default();
        self.give_up(now, lost, &mut outcomes);
        callouts.extend(self.attacher.as_mut().and_then(|attacher| attacher.due(now)));
        let timed_out = self.attacher.as_mut().map(|attacher| attacher.timed_out(now, &outcomes)).unwrap_or_default();
        self.give_up(now, timed_out, &mut outcomes);
        TickOutcome { callouts, outcomes, events: self.notices(now) }
    }

    fn notices(&mut self, now: Moment) -> Vec<Event> {
        // Mostly there is nothing to tell, and no list of it is made then.
        let mut events = Vec::new();
        for notice in self.authenticator.notices(now) {
            events.push(match notice {
                Notice::Information(text) => Event::Information(text),
                Notice::Warning(text) => Event::Warning(text),
            });
        }
        if let Some(end) = self.certificate_end.take() {
            events.push(Event::Measured(Measurement::PeerCertificateEnd(end)));
        }
        if let Some(usage) = self.authenticator.replay_usage() {
            events.push(Event::Measured(Measurement::ReplayMemory(usage)));
        }
        let alone = self.authenticator.decided_alone();
        if alone > 0 {
            events.push(Event::DecidedAlone(alone));
        }
        events
    }

    fn request(&mut self, now: Moment, id: RequestId, facts: RequestFacts) -> Effects<RequestVerdict> {
        if let Some(reply) = self.answer_health_check(now, &facts) {
            self.note_answered(id);
            return Effects::verdict(RequestVerdict::Answer(Box::new(reply)));
        }
        let mut evidence = Evidence::default();
        let permission = self.requests.permission(now.steady);
        match self.decide(now, &facts, permission, &mut evidence) {
            Ok(Readiness::Ready(admission)) => Effects::verdict(self.admit(id, &facts, admission)),
            Err(reason) => Effects::verdict(self.reject(id, reason, evidence, &facts)),
            Ok(Readiness::Wait(wait)) if self.requests.has_room() => {
                let state = InboundState::AwaitsCallout(Awaited::new(&wait, now.steady), Box::new(facts.detached()));
                self.requests.insert(id, state);
                Effects::hold(wait.callout)
            }
            Ok(Readiness::Wait(wait)) => {
                let verdict = self.reject(id, RejectReason::TooManyWaiting, evidence, &facts);
                Effects::verdict(verdict).and_callout(wait.callout)
            }
        }
    }

    fn give_up(&mut self, now: Moment, callouts: Vec<(CalloutId, CalloutSubject)>, outcomes: &mut Vec<CalloutOutcome>) {
        let ends = callouts.into_iter();
        outcomes.extend(
            ends.map(|(id, subject)| self.end_callout(now, id, &subject, Ended::without(CalloutError::NoAnswer))),
        );
    }

    fn end_callout(
        &mut self,
        now: Moment,
        id: CalloutId,
        subject: &CalloutSubject,
        ended: Ended<'_>,
    ) -> CalloutOutcome {
        if let CalloutSubject::Signature(request) = subject {
            return self.end_signing(now, id, *request, ended.body).unwrap_or_default();
        }
        if let Some(preparation) = Preparation::of(subject) {
            return self.end_preparation(now, id, preparation, ended.body).unwrap_or_default();
        }
        let mut outcome = CalloutOutcome::default();
        match self.authenticator.finish(now, id, subject, ended) {
            Some(Learned { report, callouts, subjects }) => {
                outcome.events.push(Event::CalloutEnded(report));
                callouts.iter().for_each(|next| self.follow(id, next));
                outcome.callouts = callouts;
                for subject in &subjects {
                    self.resume(now, subject, Some(id), &mut outcome);
                }
            }
            // A callout that was given up decides on nothing any more, but for the request that nothing else can decide on.
            None if self.owner == CalloutOwner::Plugin => return outcome,
            None => self.resume(now, subject, Some(id), &mut outcome),
        }
        outcome.ended = Some((id, subject.clone()));
        outcome.events.extend(self.notices(now));
        outcome
    }

    /// What the end of a callout to the signer means for the response that waits. `None` if it does not count any more.
    fn end_signing(
        &mut self,
        now: Moment,
        call: CalloutId,
        id: RequestId,
        answer: Result<&[u8], CalloutError>,
    ) -> Option<CalloutOutcome> {
        let waits = |state: &InboundState| matches!(state, InboundState::AwaitsSignature(_));
        let attacher = self.attacher.as_mut()?;
        let Some(InboundState::AwaitsSignature(awaited)) = self.requests.remove_if(id, waits) else {
            attacher.forget(id);
            return None;
        };
        match attacher.finish(now, call, id, awaited, answer, self.requests.has_room()) {
            Err(awaited) => {
                self.requests.insert(id, InboundState::AwaitsSignature(awaited));
                None
            }
            Ok((told, attachment)) => {
                let Effects { callouts, verdict, events } = self.attached(id, attachment);
                Some(CalloutOutcome {
                    ended: Some((call, CalloutSubject::Signature(id))),
                    callouts,
                    resumed: verdict.into_iter().map(|verdict| Resumed::response(id, verdict)).collect(),
                    events: told.into_iter().chain(events).collect(),
                })
            }
        }
    }

    /// What the end of a preparation of the signer means for the responses that waited for it. `None` if it does not count any more.
    fn end_preparation(
        &mut self,
        now: Moment,
        fetch: CalloutId,
        preparation: Preparation,
        answer: Result<&[u8], CalloutError>,
    ) -> Option<CalloutOutcome> {
        let mut prepared = self.attacher.as_mut()?.finish_preparation(now, fetch, preparation, answer)?;
        let subject = preparation.subject();
        let waited = self.requests.waited_for(&subject, Some(fetch));
        let events = std::mem::take(&mut prepared.events);
        let mut outcome = CalloutOutcome { ended: Some((fetch, subject)), events, ..CalloutOutcome::default() };
        for id in waited {
            let waits = |state: &InboundState| matches!(state, InboundState::AwaitsSignature(_));
            let Some(InboundState::AwaitsSignature(awaited)) = self.requests.remove_if(id, waits) else { continue };
            let may_wait = self.requests.has_room();
            let (told, attachment) = self.attacher.as_mut()?.go_on(now, id, awaited, &prepared, may_wait);
            let Effects { callouts, verdict, events } = self.attached(id, attachment);
            outcome.callouts.extend(callouts);
            outcome.events.extend(told.into_iter().chain(events));
            outcome.resumed.extend(verdict.map(|verdict| Resumed::response(id, verdict)));
        }
        Some(outcome)
    }

    /// What becomes of a response, as its token does.
    fn attached(&mut self, id: RequestId, attachment: Attachment) -> Effects<ResponseVerdict> {
        match attachment {
            Attachment::Attached(token, event) => Effects::verdict(ResponseVerdict::Attach(token)).and_event(event),
            Attachment::Failed(rejection) => Effects::verdict(self.not_verified(rejection)),
            Attachment::Waits(awaited, callout) => {
                self.requests.insert(id, InboundState::AwaitsSignature(awaited));
                Effects::hold(callout)
            }
            Attachment::Cancelled(event) => Effects { events: event.into_iter().collect(), ..Effects::hold(None) },
        }
    }

    /// Notes that the request whose own callout has ended waits for another one now.
    fn follow(&mut self, ended: CalloutId, next: &Callout) {
        for id in self.requests.waited_for(&next.subject, Some(ended)) {
            if let Some(InboundState::AwaitsCallout(awaited, facts)) = self.requests.remove(id) {
                self.requests.insert(id, InboundState::AwaitsCallout(awaited.followed_by(next.id), facts));
            }
        }
    }

    /// Decides on the requests that waited for this, or has them wait for what comes next.
    fn resume(
        &mut self,
        now: Moment,
        subject: &CalloutSubject,
        callout: Option<CalloutId>,
        outcome: &mut CalloutOutcome,
    ) {
        for id in self.requests.waited_for(subject, callout) {
            let Some(InboundState::AwaitsCallout(awaited, facts)) = self.requests.remove(id) else { continue };
            let permission = CalloutPermission::after(awaited.subject());
            let mut evidence = Evidence::default();
            let verdict = match self.decide(now, &facts, permission, &mut evidence) {
                Ok(Readiness::Ready(admission)) => self.admit(id, &facts, admission),
                Ok(Readiness::Wait(wait)) if permission.reaches_the_store() && wait.subject.token_use().is_some() => {
                    let state = InboundState::AwaitsCallout(Awaited::new(&wait, now.steady), facts);
                    self.requests.insert(id, state);
                    outcome.callouts.extend(wait.callout);
                    continue;
                }
                // It waits once for each, and the caches keep to that; were one ever to say otherwise, this is a fault.
                Ok(Readiness::Wait(_)) => self.reject(id, RejectReason::Internal, evidence, &facts),
                Err(reason) => self.reject(id, reason, evidence, &facts),
            };
            outcome.resumed.push(Resumed::request(id, verdict));
        }
    }

    fn decide(
        &mut self,
        now: Moment,
        facts: &RequestFacts,
        permission: CalloutPermission,
        evidence: &mut Evidence,
    ) -> Result<Readiness<Admission>, RejectReason> {
        let certificate = self.certificate(now, &facts.peer).map_err(RejectReason::Peer)?;
        let decision = self.decide_on(now, &certificate, facts, permission, evidence);
        if !matches!(decision, Ok(Readiness::Ready(_))) {
            evidence.organisational_unit = Some(certificate.subject().shared_organisational_unit());
        }
        decision
    }

    /// The certificate that follows from these facts, if it may call now.
    fn certificate(&mut self, now: Moment, facts: &PeerFacts) -> Result<Rc<PeerCertificate>, PeerError> {
        let certificate = match &self.last_certificate {
            Some((last, certificate)) if last == facts => Rc::clone(certificate),
            _ => {
                let certificate = Rc::new(PeerCertificate::establish(facts, &self.config.peer)?);
                self.certificate_end = certificate.end().filter(|_| self.config.peer.pins.are_any());
                self.last_certificate = Some((facts.clone(), Rc::clone(&certificate)));
                certificate
            }
        };
        certificate.check_validity(now.wall)?;
        Ok(certificate)
    }

    fn decide_on(
        &mut self,
        now: Moment,
        certificate: &Rc<PeerCertificate>,
        facts: &RequestFacts,
        permission: CalloutPermission,
        evidence: &mut Evidence,
    ) -> Result<Readiness<Admission>, RejectReason> {
        if facts.has_reserved_header {
            return Err(RejectReason::ReservedHeader);
        }
        if facts.has_misspelt_provider {
            return Err(RejectReason::MisspeltProviderHeader);
        }
        let audiences = provider::audiences(
            &self.config.provider_ids,
            self.config.needs_provider_header(),
            &facts.provider_id,
            &facts.provider_id_alias,
        )
        .map_err(RejectReason::Provider)?;
        let credential = Credential {
            certificate,
            authorization: &facts.authorization,
            api_key: &facts.api_key,
            audiences,
            nonce_input: &facts.nonce_input,
        };
        let request = (&*facts.method, &*facts.path);
        Ok(match self.authenticator.authenticate(now, credential, request, permission, evidence)? {
            Readiness::Ready(proof) => Readiness::Ready(Admission::of_caller(proof, certificate, &self.forwarding)),
            Readiness::Wait(wait) => Readiness::Wait(wait),
        })
    }

    fn answer_health_check(&self, now: Moment, facts: &RequestFacts) -> Option<Reply> {
        let source = &self.config.peer.source;
        let health_checks = self.health_checks.as_ref()?;
        health_checks.answer(now.wall, &facts.method, &facts.path, facts.host.as_deref(), &facts.peer, source)
    }

    fn admit(&mut self, id: RequestId, facts: &RequestFacts, admission: Admission) -> RequestVerdict {
        if self.wants_responses() {
            let correlation =
                if self.signs_responses() { facts.correlation.detached() } else { Correlation::default() };
            self.requests.insert(id, InboundState::Admitted(correlation));
        }
        RequestVerdict::Admit(Box::new(admission))
    }

    fn reject(
        &mut self,
        id: RequestId,
        reason: RejectReason,
        evidence: Evidence,
        facts: &RequestFacts,
    ) -> RequestVerdict {
        self.note_answered(id);
        RequestVerdict::Reject(Box::new(Rejection::new(reason, evidence, facts.correlation.clone())))
    }

    /// Remembers that what comes back for a request is an answer of this filter, where it could be something else.
    fn note_answered(&mut self, id: RequestId) {
        if self.hides_requests {
            self.requests.insert(id, InboundState::Answered);
        }
    }

    fn not_authenticated(&self) -> ResponseVerdict {
        self.not_verified(Box::new(Rejection::bare(RejectReason::NotAuthenticated)))
    }

    /// What becomes of a response that must not go on as it is.
    fn not_verified(&self, rejection: Box<Rejection>) -> ResponseVerdict {
        if self.replaces_responses { ResponseVerdict::Replace(rejection) } else { ResponseVerdict::Tolerate(rejection) }
    }
}

impl InboundState {
    /// Whether the request has left the filter: it was let through or answered.
    fn has_gone_on(&self) -> bool {
        matches!(self, Self::Admitted(_) | Self::Answered)
    }
}

#[cfg(test)]
mod tests;
