//! The introspection cache: what the bank's authorisation server said of each access token, and whether to ask it again
//! (RFC 7662; spec §2.3).
//!
//! A state machine without clock and network, as the key cache is. An answer is never kept beyond the token's `exp` (RFC
//! 7662 §4), and a failing server changes nothing of what is known: it makes no token active, and none inactive. Where a
//! gateway wakes requests, they wait for each other's call; elsewhere each makes its own.

mod answers;
mod calls;
mod endpoint;
mod report;

use std::time::Duration;

use crate::callout::CalloutPermission;
use crate::callout::{Callout, CalloutError, CalloutId, CalloutSubject, in_time};
use crate::capabilities::Capabilities;
use crate::claims::access_token::{AccessTokenFacts, AccessTokenFault, Introspected};
use crate::json::Value;
use crate::time::UnixTime;
use crate::token_digest::TokenDigest;

use answers::Answers;
use calls::Calls;
pub use calls::MAX_CALLS;
pub use endpoint::Endpoint;
pub use report::{IntrospectionError, IntrospectionReport, TokenState};

/// The most calls that are in flight on one token, where no request can wait for another's.
pub const MAX_CALLS_PER_TOKEN: usize = 4;

/// The longest response that is read, in bytes. Real ones have under 1 KiB, and thousands are kept.
pub const MAX_RESPONSE_LENGTH: usize = 16 * 1024;

/// The pause after the first failed call; each further failure doubles it.
const FIRST_BACKOFF: Duration = Duration::from_secs(1);

/// The longest pause after a failed call.
const LONGEST_BACKOFF: Duration = Duration::from_secs(10);

/// How long after its own timeout a call that nobody reported on is given up. Gateways report timeouts by themselves;
/// this is for the one that does not.
const LOST_AFTER: Duration = Duration::from_secs(5);

/// How answers are kept.
#[derive(Debug, Clone, Copy)]
pub struct IntrospectionPolicy {
    /// How long a call may take.
    pub timeout: Duration,
    /// How long the server's word on an active token counts, at the most.
    pub max_age: Duration,
    /// How long its word on any other token counts.
    pub negative_max_age: Duration,
    /// How many answers are kept.
    pub capacity: usize,
}

/// What is known of access tokens by the word of one server.
#[derive(Debug)]
pub struct IntrospectionCache {
    endpoint: Endpoint,
    policy: IntrospectionPolicy,
    answers: Answers,
    calls: Calls,
    wakes_others: bool,
    failures: u32,
    not_before: Option<UnixTime>,
}

/// What the cache says of a token.
#[derive(Debug)]
pub enum Lookup<'a> {
    /// It is active, and this is what the server says of it.
    Active(&'a AccessTokenFacts),
    /// It is not active.
    Inactive,
    /// It is active, and what else the server says of it cannot be right.
    Invalid(AccessTokenFault),
    /// Wait for a call that is under way.
    Wait,
    /// Make this call and wait for it.
    Call(Callout),
    /// Nothing is known, and nothing can be asked before this time has passed.
    Unavailable {
        /// When to try again.
        retry_after: Duration,
    },
}

impl IntrospectionCache {
    /// An empty cache. `capabilities` are the gateway's.
    #[must_use]
    pub fn new(endpoint: Endpoint, policy: IntrospectionPolicy, capabilities: &Capabilities) -> Self {
        Self {
            endpoint,
            policy,
            answers: Answers::new(policy.capacity),
            calls: Calls::default(),
            wakes_others: capabilities.wakes_others,
            failures: 0,
            not_before: None,
        }
    }

    /// Looks for what is known of a token with this digest.
    pub fn lookup(
        &mut self,
        now: UnixTime,
        token: &str,
        digest: &TokenDigest,
        permission: CalloutPermission,
    ) -> Lookup<'_> {
        // Looked up twice, because a borrow that is returned would last for the rest of the function too.
        if self.answers.usable(now, digest, permission).is_some() {
            return self.answers.usable(now, digest, permission).map_or(Self::busy(), Lookup::of);
        }
        match permission {
            CalloutPermission::Allowed => self.call(now, *digest, token),
            CalloutPermission::Used => Lookup::Unavailable { retry_after: self.retry_after(now) },
        }
    }

    /// Takes the answer to a call, or why there is none. `None` if the call was given up before and does not count any
    /// more.
    pub fn finish(
        &mut self,
        now: UnixTime,
        call: CalloutId,
        token: &TokenDigest,
        answer: Result<&[u8], CalloutError>,
    ) -> Option<IntrospectionReport> {
        let ended = self.calls.take(call, token)?;
        let answer = in_time(answer, ended.since(), self.policy.timeout, now);
        let result = match answer.map_err(IntrospectionError::Callout).and_then(read) {
            Ok(answer) => {
                (self.failures, self.not_before) = (0, None);
                let state = TokenState::of(&answer);
                if !ended.is_outdated() {
                    self.calls.answered(call, token);
                    let end = self.end_of(&answer, now);
                    self.answers.insert(now, *token, answer, end);
                }
                Ok(state)
            }
            Err(error) => {
                self.failed(now);
                Err(error)
            }
        };
        let url = self.endpoint.url().clone();
        Some(IntrospectionReport { call, url, result, retry_after: self.retry_after(now) })
    }

    /// The calls that nobody reported on in time. Each counts as failed once it is given to
    /// [`IntrospectionCache::finish`]. None where nobody could be woken: there they are dropped when the next is made.
    #[must_use]
    pub fn lost(&self, now: UnixTime) -> Vec<(CalloutId, TokenDigest)> {
        if self.wakes_others { self.calls.older_than(self.patience(), now) } else { Vec::new() }
    }

    /// Asks the server, unless it is being asked or must be left alone.
    fn call(&mut self, now: UnixTime, digest: TokenDigest, token: &str) -> Lookup<'_> {
        if self.wakes_others && self.calls.on(&digest, self.patience(), now) > 0 {
            return Lookup::Wait;
        }
        if self.is_pausing(now) {
            return Lookup::Unavailable { retry_after: self.retry_after(now) };
        }
        if !self.make_room(now, &digest) {
            return Self::busy();
        }
        let id = self.calls.begin(now, digest);
        let request = self.endpoint.request(token, self.policy.timeout);
        Lookup::Call(Callout { id, subject: CalloutSubject::Token(digest), request: Box::new(request) })
    }

    /// Makes room for one more call, at the cost of those that are lost. Where a tick exists, [`Self::lost`] has to tell
    /// whoever waits for them first, unless the new call is on the same token and takes the place of the one before.
    fn make_room(&mut self, now: UnixTime, token: &TokenDigest) -> bool {
        let patience = self.patience();
        if !self.wakes_others {
            self.calls.drop_older_than(patience, now);
            return self.calls.on(token, patience, now) < MAX_CALLS_PER_TOKEN && self.calls.have_room();
        }
        self.calls.drop_on(token);
        if !self.calls.have_room() {
            self.calls.drop_older_than(patience.saturating_add(LOST_AFTER), now);
        }
        self.calls.have_room()
    }

    /// Until when an answer counts.
    fn end_of(&self, answer: &Introspected, now: UnixTime) -> UnixTime {
        match answer {
            Introspected::Active(facts) => {
                let end = now.after(self.policy.max_age);
                facts.expiry().map_or(end, |expiry| expiry.min(end))
            }
            Introspected::Inactive | Introspected::Invalid(_) => now.after(self.policy.negative_max_age),
        }
    }

    /// Starts a pause, unless one is running: calls that fail together are one failure.
    fn failed(&mut self, now: UnixTime) {
        if self.is_pausing(now) {
            return;
        }
        let factor = 1_u32.checked_shl(self.failures.min(8)).unwrap_or(u32::MAX);
        self.failures = self.failures.saturating_add(1);
        self.not_before = Some(now.after(FIRST_BACKOFF.saturating_mul(factor).min(LONGEST_BACKOFF)));
    }

    /// Whether the server must be left alone. A pause longer than any that is ever set means that the clock was set back.
    fn is_pausing(&self, now: UnixTime) -> bool {
        let pause = self.retry_after(now);
        !pause.is_zero() && pause <= LONGEST_BACKOFF
    }

    fn retry_after(&self, now: UnixTime) -> Duration {
        self.not_before.map_or(Duration::ZERO, |not_before| now.until(not_before))
    }

    fn patience(&self) -> Duration {
        self.policy.timeout.saturating_add(LOST_AFTER)
    }

    fn busy<'a>() -> Lookup<'a> {
        Lookup::Unavailable { retry_after: FIRST_BACKOFF }
    }
}

impl<'a> Lookup<'a> {
    fn of(answer: &'a Introspected) -> Self {
        match answer {
            Introspected::Active(facts) => Self::Active(facts),
            Introspected::Inactive => Self::Inactive,
            Introspected::Invalid(fault) => Self::Invalid(*fault),
        }
    }
}

fn read(body: &[u8]) -> Result<Introspected, IntrospectionError> {
    if body.len() > MAX_RESPONSE_LENGTH {
        return Err(IntrospectionError::TooLong);
    }
    let Ok(Value::Object(members)) = Value::parse(body) else { return Err(IntrospectionError::NotAnObject) };
    Introspected::read(&members).ok_or(IntrospectionError::NotAnAnswer)
}

#[cfg(test)]
mod tests;
