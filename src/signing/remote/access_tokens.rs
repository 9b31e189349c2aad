//! The access token that the filter asks for itself, because the signer wants one and nobody else brings it: by a login, or from the
//! metadata address of a cloud. It serves all tokens until shortly before its end; one that the signer refuses is forgotten, and
//! asked for anew once.

use std::time::Duration;

use crate::callout::{CalloutId, InFlight};
use crate::capabilities::CalloutOwner;
use crate::config::Secret;
use crate::time::{AgingTime, Moment, SteadyTime};

use super::error::AnswerFault;
use super::fetches::Fetches;
use super::signer::AccessToken;

/// How long before its end another is asked for; after half of its life, if that is shorter than twice as long.
const MARGIN: Duration = Duration::from_mins(1);

/// The shortest life that is worth asking for: what waits for a signature waits as long at the most.
const LEAST_LIFE: Duration = Duration::from_secs(10);

const TOO_SHORT: &str = "the access token ends within 10 s";

/// The token that is known, and how others are fetched.
pub(super) struct AccessTokens {
    known: Option<Known>,
    pub(super) fetches: Fetches,
}

struct Known {
    secret: Secret,
    /// The last callout that does not carry it.
    after: CalloutId,
    is_renewable: bool,
    /// When to ask for another, and when it ends.
    times: Option<(AgingTime, AgingTime)>,
}

impl AccessTokens {
    /// None yet.
    pub(super) fn new(owner: CalloutOwner) -> Self {
        Self { known: None, fetches: Fetches::new(owner) }
    }

    /// The token, also if it has ended.
    pub(super) fn current(&self) -> Option<&Secret> {
        self.known.as_ref().map(|known| &known.secret)
    }

    /// Whether there is none to ask with.
    pub(super) fn is_missing(&self, now: Moment) -> bool {
        self.known.as_ref().is_none_or(|known| known.times.is_some_and(|(_, end)| now.aging >= end))
    }

    /// Whether another is to be asked for, although there may be one still.
    pub(super) fn is_due(&self, now: Moment) -> bool {
        self.known.as_ref().is_none_or(|known| known.times.is_some_and(|(renewal, _)| now.aging >= renewal))
    }

    /// The same where each request fetches for itself: not while others find that it cannot be had.
    pub(super) fn is_due_for_request(&self, now: Moment) -> bool {
        self.fetches.owner() == CalloutOwner::Request && self.is_due(now) && self.fetches.pause(now.steady).is_none()
    }

    /// The token, if it can be prolonged.
    pub(super) fn renewable(&self, now: Moment) -> Option<&Secret> {
        let known = self.known.as_ref().filter(|known| known.is_renewable && !self.is_missing(now))?;
        Some(&known.secret)
    }

    /// Takes over what a fetch brought, unless one that began later has been faster. `last` is the callout that was begun last.
    ///
    /// # Errors
    /// It ends too soon.
    pub(super) fn learn(
        &mut self,
        ended: &InFlight<()>,
        last: CalloutId,
        token: AccessToken,
    ) -> Result<(), AnswerFault> {
        let AccessToken { secret, life, is_renewable } = token;
        if life.is_some_and(|life| life < LEAST_LIFE) {
            return Err(AnswerFault::Unreadable(TOO_SHORT));
        }
        self.fetches.succeeded(ended);
        if ended.is_outdated() {
            return Ok(());
        }
        let asked = ended.since().aging;
        let times = life.map(|life| (asked.after(life.saturating_sub(MARGIN.min(life / 2))), asked.after(life)));
        // One that was prolonged as far as it may be is near its end.
        let is_renewable = is_renewable && life.is_some_and(|life| life > MARGIN);
        self.known = Some(Known { secret, after: last, is_renewable, times });
        Ok(())
    }

    /// Notes that a fetch has failed. What is known stays. `is_final` says that the server did not want to: then it is not prolonged
    /// any more, and the next fetch asks for a new one.
    pub(super) fn failed(&mut self, now: SteadyTime, is_final: bool) {
        self.fetches.failed(now);
        if let Some(known) = self.known.as_mut().filter(|_| is_final) {
            known.is_renewable = false;
        }
    }

    /// Forgets the token if this callout, which was refused, has carried it.
    pub(super) fn refuse(&mut self, call: CalloutId) {
        self.known.take_if(|known| call > known.after);
    }
}
