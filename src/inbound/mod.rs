//! The request machine for Hub → bank: facts in, a verdict out, or a callout that must come first.
//!
//! Checks run cheapest first: certificate, pin, headers, credential, claims, key, signature. A request either gets its
//! verdict at once or waits for a callout, at most once; nothing leaves here undecided.

use std::rc::Rc;
use std::time::Duration;

use litemap::LiteMap;

use crate::auth::service_initiation::{ServiceInitiation, is_jwt_auth_token, is_opaque_token};
use crate::auth::{AccessTokenError, AuthError, AuthMethod, Credential, Due, Needs, Notice, Outcome, bearer};
use crate::callout::CalloutPermission;
use crate::callout::{Answer, CalloutError, CalloutId, CalloutSubject};
use crate::capabilities::Capabilities;
use crate::config::{self, ForwardAuthorization};
use crate::evidence::Evidence;
use crate::health::HealthChecks;
use crate::identity_headers::{self, Identity};
use crate::peer::{PeerCertificate, PeerError, PeerFacts};
use crate::provider;
use crate::reply::{RejectReason, Rejection, Reply};
use crate::request::NonceInput;
use crate::request::{ConfiguredHeaders, Correlation, RequestFacts, RequestId, ResponseFacts};
use crate::time::UnixTime;
use crate::token_attacher::TokenAttacher;
use crate::verdict::{
    Admission, CalloutOutcome, LONGEST_WAIT, MAX_WAITING, Phase, Resumed, SHORT_TICK, Step, TICK, Tick, Verdict,
};

/// The inbound direction: its configuration, what its method has learned, and the requests that wait to learn more.
#[derive(Debug)]
pub struct Inbound {
    config: config::Inbound,
    method: AuthMethod,
    headers: ConfiguredHeaders,
    health_checks: Option<HealthChecks>,
    service_initiation: Option<ServiceInitiation>,
    /// The headers that an accepted request goes on without.
    removed: Option<Rc<[String]>>,
    /// The certificate of the request before, and the facts that it follows from: it is mostly the same one.
    last_certificate: Option<(PeerFacts, Rc<PeerCertificate>)>,
    waiting: LiteMap<RequestId, Waiting>,
    /// See [`Capabilities::wakes_others`].
    wakes_others: bool,
    responses: Option<Responses>,
    /// The requests that were decided on and have no response yet, where the gateway may have hidden others.
    decided: Option<LiteMap<RequestId, ()>>,
}

/// What is known of the responses to come that will be signed.
#[derive(Debug)]
struct Responses {
    attacher: TokenAttacher,
    /// The requests that were let through and have no response yet.
    expected: LiteMap<RequestId, Correlation>,
}

#[derive(Debug)]
struct Waiting {
    subject: CalloutSubject,
    /// Its own callout, if it does not wait for another's.
    callout: Option<CalloutId>,
    since: UnixTime,
    facts: RequestFacts,
}

/// What the checks of one request came to.
enum Decision {
    Admitted(Admission),
    Needs(Needs),
}

impl Inbound {
    /// The direction with this configuration and nothing known yet. `capabilities` are the gateway's.
    #[must_use]
    pub fn new(mut config: config::Inbound, capabilities: &Capabilities) -> Self {
        let responses = config.response_token.take().map(|config::ResponseToken { signing, header }| Responses {
            attacher: TokenAttacher::new(signing, header, Phase::Response, capabilities),
            expected: LiteMap::new_vec(),
        });
        let method = AuthMethod::new(&config.auth, capabilities);
        let forwarded_certificate = config.peer.source.header(config.health_checks.is_some()).map(str::to_owned);
        let headers = ConfiguredHeaders { forwarded_certificate, api_key: method.own_header().map(str::to_owned) };
        let removed = match config.forward.authorization {
            // The method's own header too: whatever a caller proves itself with ends here.
            ForwardAuthorization::Remove => {
                Some(method.own_header().into_iter().chain(["authorization"]).map(str::to_owned).collect())
            }
            ForwardAuthorization::Keep => None,
        };
        let health_checks = config.health_checks.as_ref().map(HealthChecks::new);
        let service_initiation = config.service_initiation.clone().map(ServiceInitiation::new);
        Self {
            config,
            method,
            headers,
            health_checks,
            service_initiation,
            removed,
            last_certificate: None,
            waiting: LiteMap::new_vec(),
            wakes_others: capabilities.wakes_others,
            responses,
            decided: capabilities.hides_requests.then(LiteMap::new_vec),
        }
    }

    /// The headers that mean something by this configuration, beside those that always do.
    #[must_use]
    pub fn configured_headers(&self) -> &ConfiguredHeaders {
        &self.headers
    }

    /// Whether a decision needs the certificate's fingerprint.
    #[must_use]
    pub fn needs_fingerprint(&self) -> bool {
        !self.config.peer.fingerprints.is_empty() || self.health_checks.is_some() || self.method.needs_fingerprint()
    }

    /// How often [`Inbound::on_tick`] wants to be called from now on; `None` if never.
    pub fn tick_period(&mut self) -> Option<Duration> {
        let needs_ticks = self.method.needs_ticks()
            || self.responses.as_ref().is_some_and(|responses| responses.attacher.is_remote());
        if self.method.awaits_others() { Some(SHORT_TICK) } else { needs_ticks.then_some(TICK) }
    }

    /// Whether responses mean anything: because they are signed, or because they may answer requests that were never seen.
    #[must_use]
    pub fn wants_responses(&self) -> bool {
        self.responses.is_some() || self.decided.is_some()
    }

    /// Whether responses are signed.
    #[must_use]
    pub fn signs_responses(&self) -> bool {
        self.responses.is_some()
    }

    /// What the log should be told now, beside refusals.
    pub fn notices(&mut self, now: UnixTime) -> Vec<Notice> {
        self.method.notices(now)
    }

    /// Decides on a new request.
    pub fn on_request(&mut self, now: UnixTime, id: RequestId, facts: RequestFacts) -> Step {
        let step = self.request(now, id, facts);
        if let Some(decided) = &mut self.decided
            && step.verdict.is_some()
        {
            decided.insert(id, ());
        }
        step
    }

    /// Refuses a request for a reason that lies outside of this: its facts cannot be had, or the verdict on it could not be
    /// carried out. `correlation` is as much of it as is known.
    pub fn on_fault(&mut self, id: RequestId, reason: RejectReason, correlation: Correlation) -> Verdict {
        if let Some(decided) = &mut self.decided {
            decided.insert(id, ());
        }
        self.waiting.remove(&id);
        if let Some(responses) = &mut self.responses {
            responses.expected.remove(&id);
        }
        Verdict::Refuse(Box::new(Rejection::new(reason, Evidence::default(), correlation)))
    }

    /// Signs the response to a request that was let through. Others go on as they are: they are this filter's refusals, or
    /// answers of the gateway to strangers, for whom nothing is signed. Where the gateway may have sent a request on
    /// without showing it, the response to one that was not decided on is replaced: it may be the backend's.
    pub fn on_response(&mut self, now: UnixTime, id: RequestId, facts: &ResponseFacts) -> Step {
        if let Some(decided) = &mut self.decided
            && decided.remove(&id).is_none()
        {
            return Step::verdict(Verdict::Refuse(Box::new(Rejection::bare(RejectReason::NotAuthenticated))));
        }
        let Some(responses) = &mut self.responses else { return Step::verdict(Verdict::pass()) };
        match responses.expected.remove(&id) {
            Some(correlation) => {
                // Not every gateway tells it once the response is there.
                let request_id = correlation.request_id.clone();
                let nonce_input = NonceInput { request_id, ..facts.nonce_input.clone() };
                responses.attacher.attach(now, id, &nonce_input, correlation)
            }
            None => Step::verdict(Verdict::pass()),
        }
    }

    /// Decides on a response where the gateway has no clock: one that was to be signed is refused, and what has been refused
    /// already is left alone.
    pub fn on_response_without_clock(&mut self, id: RequestId) -> Verdict {
        let is_decided = self.decided.as_mut().is_none_or(|decided| decided.remove(&id).is_some());
        let is_expected = self.responses.as_mut().is_some_and(|responses| responses.expected.remove(&id).is_some());
        if is_decided && !is_expected {
            return Verdict::pass();
        }
        let reason = if is_decided { RejectReason::Internal } else { RejectReason::NotAuthenticated };
        Verdict::Refuse(Box::new(Rejection::bare(reason)))
    }

    /// Takes the answer to a callout and decides on every request that waited for it.
    pub fn on_answer(
        &mut self,
        now: UnixTime,
        id: CalloutId,
        subject: &CalloutSubject,
        answer: &Answer,
    ) -> CalloutOutcome {
        self.settle(now, id, subject, answer.complete())
    }

    /// Takes it that a callout could not be made, and decides on every request that waited for it.
    pub fn on_not_dispatched(&mut self, now: UnixTime, id: CalloutId, subject: &CalloutSubject) -> CalloutOutcome {
        self.settle(now, id, subject, Err(CalloutError::NotDispatched))
    }

    /// Forgets a request that has gone away.
    pub fn on_gone(&mut self, id: RequestId) {
        self.waiting.remove(&id);
        if let Some(decided) = &mut self.decided {
            decided.remove(&id);
        }
        if let Some(responses) = &mut self.responses {
            responses.expected.remove(&id);
            responses.attacher.forget(id);
        }
    }

    /// Says what time alone brings about. To be called as [`Inbound::tick_period`] says.
    pub fn on_tick(&mut self, now: UnixTime) -> Tick {
        let mut lost = self.method.lost(now);
        if let Some(responses) = &self.responses
            && self.wakes_others
        {
            let signatures = responses.attacher.lost(now).into_iter();
            lost.extend(signatures.map(|(id, request)| (id, CalloutSubject::Signature(request))));
        }
        let mut settled: Vec<_> =
            lost.into_iter().map(|(id, subject)| self.settle(now, id, &subject, Err(CalloutError::NoAnswer))).collect();
        let Due { callouts, settled: subjects } = self.method.due(now);
        settled.extend(
            subjects.iter().map(|subject| CalloutOutcome {
                released: self.release(now, subject, None),
                ..CalloutOutcome::default()
            }),
        );
        Tick { callouts, settled }
    }

    fn expect_response(&mut self, id: RequestId, facts: &RequestFacts) {
        if let Some(responses) = &mut self.responses {
            responses.expected.insert(id, facts.correlation.detached());
        }
    }

    fn answer_health_check(&self, facts: &RequestFacts) -> Option<Reply> {
        let source = &self.config.peer.source;
        self.health_checks.as_ref()?.answer(&facts.method, &facts.path, facts.host.as_deref(), &facts.peer, source)
    }

    fn settle(
        &mut self,
        now: UnixTime,
        id: CalloutId,
        subject: &CalloutSubject,
        answer: Result<&[u8], CalloutError>,
    ) -> CalloutOutcome {
        if let CalloutSubject::Signature(request) = subject {
            let responses = self.responses.as_mut();
            return responses.and_then(|own| own.attacher.finish(now, id, *request, answer)).unwrap_or_default();
        }
        let report = self.method.finish(now, id, subject, answer);
        // A callout that was given up decides on nothing any more, but for the request that nothing else can decide on.
        if report.is_none() && self.wakes_others {
            return CalloutOutcome::default();
        }
        CalloutOutcome {
            report,
            ended: Some((id, subject.clone())),
            released: self.release(now, subject, Some(id)),
            ..CalloutOutcome::default()
        }
    }

    /// Decides on every request that waited for this, or on the one whose callout has ended where others cannot be woken.
    fn release(&mut self, now: UnixTime, subject: &CalloutSubject, callout: Option<CalloutId>) -> Vec<Resumed> {
        let ends = |waiting: &Waiting| waiting.subject == *subject && (self.wakes_others || waiting.callout == callout);
        let ids: Vec<_> = self.waiting.iter().filter(|(_, waiting)| ends(waiting)).map(|(id, _)| *id).collect();
        let released = |id| Some(Resumed { id, phase: Phase::Request, verdict: self.decide_after_callout(now, id)? });
        ids.into_iter().filter_map(released).collect()
    }

    fn request(&mut self, now: UnixTime, id: RequestId, facts: RequestFacts) -> Step {
        if let Some(reply) = self.answer_health_check(&facts) {
            return Step::verdict(Verdict::Answer(Box::new(reply)));
        }
        let mut evidence = Evidence::default();
        let permission = self.permission(now);
        match self.decide(now, &facts, permission, &mut evidence) {
            Ok(Decision::Admitted(admission)) => {
                self.expect_response(id, &facts);
                Step::verdict(Verdict::Admit(Box::new(admission)))
            }
            Err(reason) => Step::verdict(refuse(reason, evidence, &facts)),
            Ok(Decision::Needs(Needs { subject, callout })) if self.waiting.len() < MAX_WAITING => {
                let waiting = Waiting {
                    subject,
                    callout: callout.as_ref().map(|callout| callout.id),
                    since: now,
                    facts: facts.detached(),
                };
                self.waiting.insert(id, waiting);
                Step { callouts: callout.into_iter().collect(), verdict: None }
            }
            Ok(Decision::Needs(needs)) => {
                let verdict = refuse(RejectReason::TooManyWaiting, evidence, &facts);
                Step { callouts: needs.callout.into_iter().collect(), verdict: Some(verdict) }
            }
        }
    }

    /// Whether a new request may ask for a callout. Where each makes its own, one that cannot wait must not.
    fn permission(&mut self, now: UnixTime) -> CalloutPermission {
        if self.wakes_others || self.waiting.len() < MAX_WAITING {
            return CalloutPermission::Allowed;
        }
        // Of one that waits this long the gateway has not said that it is gone.
        self.waiting.retain(|_, waiting| now.since(waiting.since).is_some_and(|since| since <= LONGEST_WAIT));
        if self.waiting.len() < MAX_WAITING { CalloutPermission::Allowed } else { CalloutPermission::Used }
    }

    fn decide_after_callout(&mut self, now: UnixTime, id: RequestId) -> Option<Verdict> {
        let Waiting { facts, .. } = self.waiting.remove(&id)?;
        if let Some(decided) = &mut self.decided {
            decided.insert(id, ());
        }
        let mut evidence = Evidence::default();
        let verdict = match self.decide(now, &facts, CalloutPermission::Used, &mut evidence) {
            Ok(Decision::Admitted(admission)) => {
                self.expect_response(id, &facts);
                Verdict::Admit(Box::new(admission))
            }
            // A request waits once, and the caches keep to that; were it ever to say otherwise, this is a fault.
            Ok(Decision::Needs(_)) => refuse(RejectReason::Internal, evidence, &facts),
            Err(reason) => refuse(reason, evidence, &facts),
        };
        Some(verdict)
    }

    fn decide(
        &mut self,
        now: UnixTime,
        facts: &RequestFacts,
        permission: CalloutPermission,
        evidence: &mut Evidence,
    ) -> Result<Decision, RejectReason> {
        let certificate = self.certificate(&facts.peer).map_err(RejectReason::Peer)?;
        let decision = self.decide_on(now, &certificate, facts, permission, evidence);
        if !matches!(decision, Ok(Decision::Admitted(_))) {
            evidence.organisational_unit = Some(certificate.subject().organisational_unit().to_owned());
        }
        decision
    }

    /// The certificate that follows from these facts, if it may call.
    fn certificate(&mut self, facts: &PeerFacts) -> Result<Rc<PeerCertificate>, PeerError> {
        if let Some((last, certificate)) = &self.last_certificate
            && last == facts
        {
            return Ok(Rc::clone(certificate));
        }
        let certificate = Rc::new(PeerCertificate::establish(facts, &self.config.peer)?);
        self.last_certificate = Some((facts.clone(), Rc::clone(&certificate)));
        Ok(certificate)
    }

    fn decide_on(
        &mut self,
        now: UnixTime,
        certificate: &Rc<PeerCertificate>,
        facts: &RequestFacts,
        permission: CalloutPermission,
        evidence: &mut Evidence,
    ) -> Result<Decision, RejectReason> {
        if facts.has_reserved_header {
            return Err(RejectReason::ReservedHeader);
        }
        let audiences = provider::audiences(
            &self.config.provider_ids,
            self.config.needs_provider_header(),
            &facts.provider_id,
            &facts.provider_id_alias,
        )
        .map_err(RejectReason::Provider)?;
        let credential =
            Credential { certificate, authorization: &facts.authorization, api_key: &facts.api_key, audiences };
        let initiating = self.service_initiation_token(facts);
        if initiating.is_some_and(|token| !self.method.claims(now, token, credential)) {
            return Ok(Decision::Admitted(unverified(certificate)));
        }
        match self.method.authenticate(now, credential, permission, evidence) {
            Ok(Outcome::Needs(needs)) => Ok(Decision::Needs(needs)),
            Ok(Outcome::Accepted(accepted)) => {
                let identity = self.config.forward.identity_headers;
                let identity = identity.then(|| Identity::new(self.method.name(), certificate, accepted.credential_id));
                Ok(Decision::Admitted(Admission { remove: self.removed.clone(), identity, ..Admission::default() }))
            }
            // The authorisation server was asked whether it is its own, and it is not.
            Err(AuthError::AccessToken(AccessTokenError::Inactive))
                if initiating.is_some_and(|token| !is_jwt_auth_token(token)) =>
            {
                Ok(Decision::Admitted(unverified(certificate)))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// The token of a request that may bring one which only the bank's backend can check (spec §2.6).
    fn service_initiation_token<'f>(&self, facts: &'f RequestFacts) -> Option<&'f str> {
        let service_initiation = self.service_initiation.as_ref()?;
        if !service_initiation.allows(&facts.method, &facts.path) {
            return None;
        }
        bearer::token(&facts.authorization).ok().filter(|token| is_opaque_token(token))
    }
}

/// What changes in a request whose token only the backend can check: it gets the token, and is told that nobody has.
fn unverified(certificate: &Rc<PeerCertificate>) -> Admission {
    let identity = Identity::new(identity_headers::UNVERIFIED_SERVICE_INITIATION, certificate, None);
    Admission { identity: Some(identity), ..Admission::default() }
}

fn refuse(reason: RejectReason, evidence: Evidence, facts: &RequestFacts) -> Verdict {
    Verdict::Refuse(Box::new(Rejection::new(reason, evidence, facts.correlation.clone())))
}

#[cfg(test)]
mod tests;
