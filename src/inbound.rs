//! The request machine for Hub → bank: facts in, a verdict out, or a fetch that must come first.
//!
//! Checks run cheapest first: certificate, pin, headers, credential, claims, key, signature. A request either gets its
//! verdict at once or waits for keys, at most once; nothing leaves here undecided.

use std::collections::BTreeMap;

use crate::auth::jwt_auth::Credential;
use crate::auth::{Accepted, JwtAuth, NeedsKeys, Outcome};
use crate::config::{self, Forward, ForwardAuthorization, HttpUrl};
use crate::keys::{Answer, Attempt, Fetch, FetchError, FetchId, FetchReport};
use crate::peer::{PeerCertificate, PeerSource, Subject};
use crate::provider;
use crate::reply::{Refusal, Rejection};
use crate::request::RequestFacts;
use crate::reserved;
use crate::time::UnixTime;

/// The most requests that wait for keys in one worker. Each keeps its facts, mostly a token of under 8 KiB.
pub const MAX_WAITING: usize = 1024;

/// The inbound direction: its configuration, the keys that it knows and the requests that wait for some.
#[derive(Debug)]
pub struct Inbound {
    config: config::Inbound,
    method: Method,
    waiting: BTreeMap<RequestId, Waiting>,
}

/// The gateway's number for a request that is under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct RequestId(pub u32);

/// What to do now about a request.
#[derive(Debug)]
#[must_use]
pub struct Step {
    /// A fetch to make, whatever happens to this request.
    pub fetch: Option<Fetch>,
    /// The verdict; `None` to hold the request until [`Settled`] has one for it.
    pub verdict: Option<Verdict>,
}

/// A decision, final.
#[derive(Debug)]
pub enum Verdict {
    /// Let the request through to the bank.
    Admit(Admission),
    /// Answer it here.
    Refuse(Box<Refusal>),
}

/// What to change in a request before it goes to the bank.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admission {
    /// Headers to take away.
    pub remove: &'static [&'static str],
    /// Headers to set.
    pub set: Vec<(&'static str, String)>,
}

/// What the end of a fetch brought about.
#[derive(Debug, Default)]
#[must_use]
pub struct Settled {
    /// What to log of it.
    pub report: Option<FetchReport>,
    /// The requests that waited for it.
    pub verdicts: Vec<(RequestId, Verdict)>,
}

/// What time alone brought about.
#[derive(Debug, Default)]
#[must_use]
pub struct Tick {
    /// Fetches to make in the background.
    pub fetches: Vec<Fetch>,
    /// Fetches that were given up.
    pub lost: Vec<Settled>,
}

#[derive(Debug)]
enum Method {
    MtlsOnly,
    JwtAuth(Box<JwtAuth>),
}

#[derive(Debug)]
struct Waiting {
    url: HttpUrl,
    facts: RequestFacts,
}

/// What became known of the caller on the way to a verdict, for the log.
#[derive(Debug, Clone, Default)]
pub(crate) struct Evidence {
    pub(crate) organisational_unit: Option<String>,
    pub(crate) key_id: Option<String>,
}

/// What the checks of one request came to.
enum Decision {
    Admitted(Admission),
    NeedsKeys(NeedsKeys),
}

impl Inbound {
    /// The direction with this configuration and nothing known yet.
    #[must_use]
    pub fn new(config: config::Inbound) -> Self {
        let method = match &config.auth {
            config::Auth::MtlsOnly => Method::MtlsOnly,
            config::Auth::JwtAuth(settings) => Method::JwtAuth(Box::new(JwtAuth::new(settings.clone()))),
        };
        Self { config, method, waiting: BTreeMap::new() }
    }

    /// The lower-case name of the header that carries the client certificate, where one is configured.
    #[must_use]
    pub fn forwarded_header(&self) -> Option<&str> {
        match &self.config.peer.source {
            PeerSource::Connection => None,
            PeerSource::ForwardedHeader { name, .. } => Some(name),
        }
    }

    /// Whether a decision needs the certificate's fingerprint.
    #[must_use]
    pub fn needs_fingerprint(&self) -> bool {
        !self.config.peer.fingerprints.is_empty()
    }

    /// The gateway's name for where key sets are fetched, if any ever are.
    #[must_use]
    pub fn upstream(&self) -> Option<&str> {
        match &self.config.auth {
            config::Auth::MtlsOnly => None,
            config::Auth::JwtAuth(settings) => Some(&settings.upstream),
        }
    }

    /// Decides on a new request.
    pub fn on_request(&mut self, now: UnixTime, id: RequestId, facts: RequestFacts) -> Step {
        let mut evidence = Evidence::default();
        match self.decide(now, &facts, Attempt::First, &mut evidence) {
            Ok(Decision::Admitted(admission)) => Step { fetch: None, verdict: Some(Verdict::Admit(admission)) },
            Err(rejection) => Step { fetch: None, verdict: Some(refuse(rejection, evidence, &facts)) },
            Ok(Decision::NeedsKeys(needs)) if self.waiting.len() < MAX_WAITING => {
                self.waiting.insert(id, Waiting { url: needs.url, facts });
                Step { fetch: needs.fetch, verdict: None }
            }
            Ok(Decision::NeedsKeys(needs)) => {
                Step { fetch: needs.fetch, verdict: Some(refuse(Rejection::TooManyWaiting, evidence, &facts)) }
            }
        }
    }

    /// Takes the answer to a fetch and decides on every request that waited for it.
    pub fn on_answer(&mut self, now: UnixTime, fetch: FetchId, url: &HttpUrl, answer: &Answer) -> Settled {
        self.settle(now, fetch, url, answer.key_set(&[crate::jose::Algorithm::Ps256]))
    }

    /// Takes it that a fetch could not be made, and decides on every request that waited for it.
    pub fn on_not_dispatched(&mut self, now: UnixTime, fetch: FetchId, url: &HttpUrl) -> Settled {
        self.settle(now, fetch, url, Err(FetchError::NotDispatched))
    }

    /// Forgets a request that has gone away.
    pub fn on_gone(&mut self, id: RequestId) {
        self.waiting.remove(&id);
    }

    /// Says what time alone brings about. To be called about once a second.
    pub fn on_tick(&mut self, now: UnixTime) -> Tick {
        let Method::JwtAuth(jwt_auth) = &mut self.method else { return Tick::default() };
        let lost = jwt_auth.keys().lost(now);
        let lost = lost.into_iter().map(|(fetch, url)| self.settle(now, fetch, &url, Err(FetchError::NoAnswer)));
        let lost = lost.collect();
        let Method::JwtAuth(jwt_auth) = &mut self.method else { return Tick::default() };
        Tick { fetches: jwt_auth.keys().due(now), lost }
    }

    fn settle(
        &mut self,
        now: UnixTime,
        fetch: FetchId,
        url: &HttpUrl,
        result: Result<crate::jose::KeySet, FetchError>,
    ) -> Settled {
        let Method::JwtAuth(jwt_auth) = &mut self.method else { return Settled::default() };
        let Some(report) = jwt_auth.keys().finish(now, fetch, url, result) else { return Settled::default() };
        let ids: Vec<_> = self.waiting.iter().filter(|(_, waiting)| waiting.url == *url).map(|(id, _)| *id).collect();
        let verdicts = ids.into_iter().filter_map(|id| Some((id, self.decide_after_fetch(now, id)?))).collect();
        Settled { report: Some(report), verdicts }
    }

    fn decide_after_fetch(&mut self, now: UnixTime, id: RequestId) -> Option<Verdict> {
        let Waiting { facts, .. } = self.waiting.remove(&id)?;
        let mut evidence = Evidence::default();
        let verdict = match self.decide(now, &facts, Attempt::AfterFetch, &mut evidence) {
            Ok(Decision::Admitted(admission)) => Verdict::Admit(admission),
            // A request waits once, and the key cache keeps to that; were it ever to say otherwise, this is a fault.
            Ok(Decision::NeedsKeys(_)) => refuse(Rejection::Internal, evidence, &facts),
            Err(rejection) => refuse(rejection, evidence, &facts),
        };
        Some(verdict)
    }

    fn decide(
        &mut self,
        now: UnixTime,
        facts: &RequestFacts,
        attempt: Attempt,
        evidence: &mut Evidence,
    ) -> Result<Decision, Rejection> {
        let certificate = PeerCertificate::establish(&facts.peer, &self.config.peer).map_err(Rejection::Peer)?;
        let subject = certificate.subject();
        evidence.organisational_unit = Some(subject.organisational_unit().to_owned());
        if facts.has_reserved_header {
            return Err(Rejection::ReservedHeader);
        }
        let audiences = provider::audiences(
            &self.config.provider_ids,
            self.config.needs_provider_header(),
            &facts.provider_id,
            &facts.provider_id_alias,
        )
        .map_err(Rejection::Provider)?;
        let outcome = match &mut self.method {
            Method::MtlsOnly => Outcome::Accepted(Accepted { credential_id: None }),
            Method::JwtAuth(jwt_auth) => {
                let credential = Credential { subject, authorization: &facts.authorization, audiences: &audiences };
                let mut note_key_id = |key_id: &str| evidence.key_id = Some(key_id.to_owned());
                jwt_auth.authenticate(now, credential, attempt, &mut note_key_id).map_err(Rejection::JwtAuth)?
            }
        };
        Ok(match outcome {
            Outcome::NeedsKeys(needs) => Decision::NeedsKeys(needs),
            Outcome::Accepted(accepted) => {
                Decision::Admitted(Admission::new(&self.config.forward, self.method.name(), subject, accepted))
            }
        })
    }
}

impl Method {
    fn name(&self) -> &'static str {
        match self {
            Method::MtlsOnly => "mtls_only",
            Method::JwtAuth(_) => "jwt_auth",
        }
    }
}

impl Admission {
    fn new(forward: &Forward, method: &str, subject: &Subject, accepted: Accepted) -> Self {
        let mut set = Vec::new();
        if forward.identity_headers {
            set.push((reserved::AUTH_METHOD, method.to_owned()));
            set.push((reserved::ORGANISATION, subject.organisation().to_owned()));
            set.push((reserved::ORGANISATIONAL_UNIT, subject.organisational_unit().to_owned()));
            set.extend(accepted.credential_id.map(|id| (reserved::TOKEN_ID, id)));
        }
        let remove: &[&str] = match forward.authorization {
            ForwardAuthorization::Remove => &["authorization"],
            ForwardAuthorization::Keep => &[],
        };
        Self { remove, set }
    }
}

fn refuse(rejection: Rejection, evidence: Evidence, facts: &RequestFacts) -> Verdict {
    Verdict::Refuse(Box::new(Refusal::new(rejection, evidence, facts.correlation.clone())))
}

#[cfg(test)]
mod tests;
