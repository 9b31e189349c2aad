//! The introspection cache: what the bank's authorisation server said of each access token, and whether to ask it again
//! (RFC 7662; spec §2.3).
//!
//! A state machine without clock and network, as the key cache is. An answer is never kept beyond the token's `exp` (RFC
//! 7662 §4), and a failing server changes nothing of what is known: it makes no token active, and none inactive. What the
//! server says about a token concerns that token alone, however odd it is ([`IntrospectionError::is_about_server`]): one who
//! sends odd tokens keeps nobody else out. Where callouts belong to the plugin, requests wait for each other's call; where
//! they belong to requests, each makes its own.

mod answers;
mod endpoint;
mod report;

use std::time::Duration;

use crate::callout::{
    Backoff, Callout, CalloutError, CalloutId, CalloutIds, CalloutPermission, CalloutSubject, CalloutsInFlight,
    FIRST_BACKOFF, LONGEST_BACKOFF, REPORT_GRACE, Readiness, Unavailable, Wait,
};
use crate::capabilities::{CalloutOwner, Capabilities};
use crate::claims::access_token::Introspected;
use crate::json::Value;
use crate::time::{AgingTime, Moment, SteadyTime};
use crate::token_digest::TokenDigest;

pub(crate) use endpoint::Endpoint;
pub use report::IntrospectionError;
pub(crate) use report::{IntrospectionReport, MAX_RESPONSE_LENGTH, TokenState};

use answers::Answers;

/// The most calls that are in flight. Each holds a request; an authorisation server that has fallen 64 calls behind is
/// not helped by more.
pub(crate) const MAX_CALLS: usize = 64;

/// The most calls that are in flight on one token, where callouts belong to requests.
pub(crate) const MAX_CALLS_PER_TOKEN: usize = 4;

/// The most probes whose clients have hung up that keep nobody from asking, in the time in which an answer to them could still come. A
/// client that does nothing but ask and hang up would have a failing server asked without end.
pub(crate) const MAX_ABANDONED_PROBES: usize = 4;

/// What is said where as many calls are in flight as may.
const BUSY: Unavailable = Unavailable { retry_after: FIRST_BACKOFF };

/// How answers are kept.
#[derive(Debug, Clone, Copy)]
pub(crate) struct IntrospectionPolicy {
    /// How long a call may take.
    pub timeout: Duration,
    /// How long the server's word on an active token counts, at the most.
    pub max_age: Duration,
    /// How long its word on any other token counts, and that it had none.
    pub negative_max_age: Duration,
    /// How many answers are kept.
    pub capacity: usize,
}

/// What is known of access tokens by the word of one server.
#[derive(Debug)]
pub(crate) struct IntrospectionCache {
    endpoint: Endpoint,
    policy: IntrospectionPolicy,
    answers: Answers,
    calls: CalloutsInFlight<TokenDigest>,
    ids: CalloutIds,
    owner: CalloutOwner,
    backoff: Backoff,
    /// After a pause one call finds out whether the server is back: which, and until when it is waited for.
    probe: Option<(CalloutId, SteadyTime)>,
    /// Until when each probe would have been waited for whose client has hung up.
    abandoned: Vec<SteadyTime>,
}

impl IntrospectionCache {
    /// An empty cache. `capabilities` are the gateway's.
    #[must_use]
    pub(crate) fn new(endpoint: Endpoint, policy: IntrospectionPolicy, capabilities: &Capabilities) -> Self {
        Self {
            endpoint,
            policy,
            answers: Answers::new(policy.capacity),
            calls: CalloutsInFlight::new(),
            ids: CalloutIds::default(),
            owner: capabilities.callout_owner,
            backoff: Backoff::default(),
            probe: None,
            abandoned: Vec::new(),
        }
    }

    /// Looks for what is known of a token with this digest: nothing where the server was asked and did not say.
    ///
    /// # Errors
    /// [`Unavailable`] where nothing is known, and nothing can be asked now.
    pub(crate) fn lookup(
        &mut self,
        now: Moment,
        token: &str,
        digest: &TokenDigest,
        permission: CalloutPermission,
    ) -> Result<Readiness<Option<&Introspected>>, Unavailable> {
        // Looked up twice, because a borrow that is returned would last for the rest of the function too.
        if self.answers.usable(now.aging, digest, permission).is_some() {
            return self.answers.usable(now.aging, digest, permission).map(Readiness::Ready).ok_or(BUSY);
        }
        if !permission.reaches_servers() {
            return Err(Unavailable { retry_after: self.backoff.retry_after(now.steady) });
        }
        let callout = self.call(now, *digest, token)?;
        Ok(Readiness::Wait(Wait { subject: CalloutSubject::Token(*digest), callout }))
    }

    /// Takes the answer to a call, or why there is none, and for how long the server wants to be left alone, if it said so.
    /// `None` if the call was given up before and does not count any more.
    pub(crate) fn finish(
        &mut self,
        now: Moment,
        call: CalloutId,
        token: &TokenDigest,
        answer: Result<&[u8], CalloutError>,
        retry_after: Option<Duration>,
    ) -> Option<IntrospectionReport> {
        let ended = self.calls.take(call, token)?;
        self.probe = self.probe.filter(|(probe, _)| *probe != call);
        let answer = ended.in_time(answer, now.steady);
        let told = ended.told_at(now);
        let result = match answer.map_err(IntrospectionError::Callout).and_then(read) {
            Ok(answer) => {
                self.backoff.reset();
                let state = TokenState::of(&answer);
                if !ended.is_outdated() {
                    self.calls.succeeded(call, token);
                    let end = self.end_of(&answer, now, told.aging);
                    self.answers.insert(told.aging, *token, Some(answer), end);
                }
                Ok(state)
            }
            Err(error) if error.is_about_server() => {
                // A late answer counts as none, and so does what it asked for.
                self.failed(now.steady, retry_after.filter(|_| error.status().is_some()));
                Err(error)
            }
            Err(error) => {
                self.backoff.reset();
                if !ended.is_overtaken() {
                    self.answers.insert(told.aging, *token, None, told.aging.after(self.policy.negative_max_age));
                }
                Err(error)
            }
        };
        let url = self.endpoint.url().clone();
        Some(IntrospectionReport { call, url, result, retry_after: self.backoff.retry_after(now.steady) })
    }

    /// Notes that the server has failed, and may have asked to be left alone. Calls that fail together are one failure.
    fn failed(&mut self, now: SteadyTime, retry_after: Option<Duration>) {
        let is_first = self.backoff.may_try(now);
        if is_first {
            self.backoff.count_failure();
        }
        match retry_after {
            Some(retry_after) => self.backoff.pause_as_asked(now, retry_after),
            None if is_first => drop(self.backoff.pause(now, LONGEST_BACKOFF)),
            None => {}
        }
    }

    /// The calls that nobody reported on in time. Each counts as failed once it is given to
    /// [`IntrospectionCache::finish`]. None where callouts belong to requests: there they are given up when the next is made.
    #[must_use]
    pub(crate) fn timed_out(&self, now: Moment) -> Vec<(CalloutId, TokenDigest)> {
        match self.owner {
            CalloutOwner::Plugin => self.calls.timed_out(now.steady),
            CalloutOwner::Request => Vec::new(),
        }
    }

    /// Notes that the client has hung up whose request made this call, so that nobody will report on it. If it was to find out whether
    /// the server is back, another may do that in its place. It stays in flight: that bounds what the server is asked for clients that do
    /// nothing but ask and hang up. Only where callouts belong to requests: elsewhere it goes on.
    pub(crate) fn abandon(&mut self, call: CalloutId) {
        if self.owner != CalloutOwner::Request || self.abandoned.len() >= MAX_ABANDONED_PROBES {
            return;
        }
        if let Some((_, until)) = self.probe.take_if(|(probe, _)| *probe == call) {
            self.abandoned.push(until);
        }
    }

    /// Asks the server, unless it must be left alone. No callout if it is being asked.
    fn call(&mut self, moment: Moment, digest: TokenDigest, token: &str) -> Result<Option<Callout>, Unavailable> {
        let now = moment.steady;
        if self.owner == CalloutOwner::Plugin && self.calls.awaited(&digest, now) > 0 {
            return Ok(None);
        }
        if !self.backoff.may_try(now) {
            return Err(Unavailable { retry_after: self.backoff.retry_after(now) });
        }
        if self.is_probing(now) || !self.make_room(now, &digest) {
            return Err(BUSY);
        }
        let id = self.ids.draw();
        let request = self.endpoint.request(token, self.policy.timeout);
        if self.backoff.failures() > 0 {
            self.probe = Some((id, now.after(request.timeout)));
            let timeout = self.policy.timeout;
            // One that ends later than any may means that the only clock was set back.
            self.abandoned.retain(|until| (Duration::from_nanos(1)..=timeout).contains(&now.until(*until)));
        }
        self.calls.begin(moment, id, digest, request.timeout);
        Ok(Some(Callout { id, subject: CalloutSubject::Token(digest), request: Box::new(request) }))
    }

    /// Whether one call is finding out if the server is back. One that is waited for longer than any may be means that the
    /// only clock was set back.
    fn is_probing(&self, now: SteadyTime) -> bool {
        let left = self.probe.map_or(Duration::ZERO, |(_, until)| now.until(until));
        self.backoff.failures() > 0 && !left.is_zero() && left <= self.policy.timeout
    }

    /// Makes room for one more call, at the cost of those that nobody has reported on in time. Where requests wait for them,
    /// [`Self::timed_out`] has to tell those first, unless the new call is on the same token and takes the place of the one
    /// before.
    fn make_room(&mut self, now: SteadyTime, token: &TokenDigest) -> bool {
        match self.owner {
            CalloutOwner::Request => {
                self.calls.take_timed_out(now);
                self.calls.awaited(token, now) < MAX_CALLS_PER_TOKEN && self.has_room()
            }
            CalloutOwner::Plugin => {
                self.calls.give_up(token);
                if !self.has_room() {
                    self.calls.give_up_timed_out_since(REPORT_GRACE, now);
                }
                self.has_room()
            }
        }
    }

    fn has_room(&self) -> bool {
        self.calls.len() < MAX_CALLS
    }

    /// Until when an answer counts that tells of then.
    fn end_of(&self, answer: &Introspected, now: Moment, told: AgingTime) -> AgingTime {
        let lasts = match answer {
            Introspected::Active(facts) => {
                facts.expiry().map_or(self.policy.max_age, |expiry| self.policy.max_age.min(now.wall.until(expiry)))
            }
            Introspected::Inactive | Introspected::Invalid(_) => self.policy.negative_max_age,
        };
        told.after(lasts)
    }
}

/// Reads what an authorisation server says of a token (RFC 7662 §2.2).
///
/// # Errors
/// See [`IntrospectionError`].
pub fn read(body: &[u8]) -> Result<Introspected, IntrospectionError> {
    if body.len() > MAX_RESPONSE_LENGTH {
        return Err(IntrospectionError::TooLong);
    }
    let Ok(Value::Object(members)) = Value::parse(body) else { return Err(IntrospectionError::NotAnObject) };
    Introspected::read(&members).ok_or(IntrospectionError::NotAnAnswer)
}

#[cfg(test)]
mod tests;
