//! The introspection cache: what the bank's authorisation server said of each access token, and whether to ask it again
//! (RFC 7662; spec §2.3).
//!
//! A state machine without clock and network, as the key cache is. An answer is never kept beyond the token's `exp` (RFC
//! 7662 §4), and a failing server changes nothing of what is known: it makes no token active, and none inactive.

mod answers;
mod endpoint;

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use crate::callout::{Callout, CalloutError, CalloutId, TokenDigest, Topic};
use crate::claims::access_token::{AccessTokenFacts, AccessTokenFault, Introspected};
use crate::config::HttpUrl;
use crate::json::Value;
use crate::keys::Attempt;
use crate::time::UnixTime;

use answers::Answers;
pub use endpoint::Endpoint;

/// The most calls that are in flight. Each holds a request; an authorisation server that has fallen 64 calls behind is
/// not helped by more.
pub const MAX_CALLS: usize = 64;

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
    calls: BTreeMap<TokenDigest, Call>,
    last_call: CalloutId,
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
    /// It is active, and what else the server says of it can not be right.
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

/// Why a call told nothing of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IntrospectionError {
    /// There is no complete answer with status 200.
    Callout(CalloutError),
    /// The response is longer than [`MAX_RESPONSE_LENGTH`].
    TooLong,
    /// It is not a JSON object.
    NotAnObject,
    /// It does not say whether the token is active.
    NotAnAnswer,
}

/// What the end of a call changed, for the log. Nothing in it tells which token it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IntrospectionReport {
    /// Which call it was.
    pub call: CalloutId,
    /// The server's address.
    pub url: HttpUrl,
    /// What the server said, or why it said nothing.
    pub result: Result<TokenState, IntrospectionError>,
    /// How long until the next call, after a failure.
    pub retry_after: Duration,
}

/// What a server says of a token, in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenState {
    /// Active.
    Active,
    /// Not active.
    Inactive,
    /// Active, with claims that can not be right.
    Invalid,
}

/// A call in flight.
#[derive(Debug, Clone, Copy)]
struct Call {
    id: CalloutId,
    since: UnixTime,
}

impl IntrospectionCache {
    /// An empty cache.
    #[must_use]
    pub fn new(endpoint: Endpoint, policy: IntrospectionPolicy) -> Self {
        Self {
            endpoint,
            policy,
            answers: Answers::new(policy.capacity),
            calls: BTreeMap::new(),
            last_call: CalloutId::default(),
            failures: 0,
            not_before: None,
        }
    }

    /// Looks for what is known of a token.
    pub fn lookup(&mut self, now: UnixTime, token: &str, attempt: Attempt) -> Lookup<'_> {
        let digest = TokenDigest::of(token);
        // Looked up twice, because a borrow that is returned would last for the rest of the function too.
        if self.answers.usable(now, &digest, attempt).is_some() {
            return self.answers.usable(now, &digest, attempt).map_or(Self::busy(), Lookup::of);
        }
        match attempt {
            Attempt::First => self.call(now, digest, token),
            Attempt::AfterCallout => Lookup::Unavailable { retry_after: self.retry_after(now) },
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
        if self.calls.get(token)?.id != call {
            return None;
        }
        self.calls.remove(token);
        let result = match answer.map_err(IntrospectionError::Callout).and_then(read) {
            Ok(answer) => {
                (self.failures, self.not_before) = (0, None);
                let state = TokenState::of(&answer);
                let end = self.end_of(&answer, now);
                self.answers.insert(now, *token, answer, end);
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
    /// [`IntrospectionCache::finish`].
    #[must_use]
    pub fn lost(&self, now: UnixTime) -> Vec<(CalloutId, TokenDigest)> {
        let lost = self.calls.iter().filter(|(_, call)| call.is_older(self.patience(), now));
        lost.map(|(token, call)| (call.id, *token)).collect()
    }

    /// Asks the server, unless it is being asked or must be left alone.
    fn call(&mut self, now: UnixTime, digest: TokenDigest, token: &str) -> Lookup<'_> {
        if self.calls.get(&digest).is_some_and(|call| !call.is_older(self.patience(), now)) {
            return Lookup::Wait;
        }
        if self.is_pausing(now) {
            return Lookup::Unavailable { retry_after: self.retry_after(now) };
        }
        if !self.calls.contains_key(&digest) && !self.make_room(now) {
            return Self::busy();
        }
        self.last_call = self.last_call.next();
        self.calls.insert(digest, Call { id: self.last_call, since: now });
        let request = self.endpoint.request(token, self.policy.timeout);
        Lookup::Call(Callout { id: self.last_call, topic: Topic::Token(digest), request: Box::new(request) })
    }

    /// Makes room for one more call. A call that was lost long ago is dropped: where a tick exists, [`Self::lost`] has told
    /// whoever waited for it.
    fn make_room(&mut self, now: UnixTime) -> bool {
        if self.calls.len() >= MAX_CALLS {
            let patience = self.patience().saturating_add(LOST_AFTER);
            self.calls.retain(|_, call| !call.is_older(patience, now));
        }
        self.calls.len() < MAX_CALLS
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

impl Call {
    /// Whether it began longer ago than this. A beginning in the future (the clock was set back) counts as long ago.
    fn is_older(self, age: Duration, now: UnixTime) -> bool {
        now.since(self.since).is_none_or(|since| since > age)
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

impl TokenState {
    fn of(answer: &Introspected) -> Self {
        match answer {
            Introspected::Active(_) => Self::Active,
            Introspected::Inactive => Self::Inactive,
            Introspected::Invalid(_) => Self::Invalid,
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

impl fmt::Display for IntrospectionReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let url = self.url.as_str();
        match self.result {
            Ok(TokenState::Active) => write!(f, "hub-auth-filter: {url} says that a token is active"),
            Ok(TokenState::Inactive) => write!(f, "hub-auth-filter: {url} says that a token is not active"),
            Ok(TokenState::Invalid) => {
                write!(f, "hub-auth-filter: {url} says that a token is active, with claims that can not be right")
            }
            Err(error) => {
                let seconds = self.retry_after.as_secs();
                write!(f, "hub-auth-filter: no word on a token from {url}: {error}; next try in {seconds} s or later")
            }
        }
    }
}

impl fmt::Display for IntrospectionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // RFC 7662 §2.3
            Self::Callout(CalloutError::Status(401)) => {
                f.write_str("status 401 instead of 200: it does not accept client_id and client_secret")
            }
            Self::Callout(error) => error.fmt(f),
            Self::TooLong => write!(f, "the answer is longer than {MAX_RESPONSE_LENGTH} bytes"),
            Self::NotAnObject => f.write_str("the answer is not a JSON object"),
            Self::NotAnAnswer => f.write_str("the answer does not say whether the token is active"),
        }
    }
}

#[cfg(test)]
mod tests;
