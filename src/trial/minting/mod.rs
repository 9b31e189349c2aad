//! One request of the bank's, signed without a gateway, for the operator's tool: the token that the filter would put onto it. The
//! machine that mints is the one that does in gateways, so header, claims, lifetime and the choice among keys are the filter's.

use std::fmt;

use crate::callout::{Answer, Callout};
use crate::capabilities::Capabilities;
use crate::config::{Config, Direction};
use crate::effects::{Effects, Event};
use crate::outbound::Outbound;
use crate::reply::RejectReason;
use crate::request::{Correlation, NonceInput, RequestFacts, RequestId};
use crate::time::{Moment, UnixTime};
use crate::verdict::{RequestVerdict, Verdict};

/// The only request of a trial.
const REQUEST: RequestId = RequestId(1);

/// An outbound configuration, with which a token is minted.
#[derive(Debug)]
pub struct Minting {
    outbound: Outbound,
    told: Vec<String>,
    record: Option<String>,
}

/// A token with a signature that was verified. It does not print itself.
#[derive(Clone, PartialEq, Eq)]
pub struct Minted {
    /// The token.
    pub token: String,
    /// The line of the audit trail for its signature: a JSON object with `kid`, `jti`, `aud` and `signer`.
    pub record: String,
    /// What the filter would have logged meanwhile.
    pub told: Vec<String>,
}

/// Why there is no token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotMinted {
    /// The HTTP status that the request would have been answered with.
    pub status: u16,
    /// The error code of that answer.
    pub code: &'static str,
    /// Its message.
    pub message: String,
    /// What the filter would have logged meanwhile.
    pub told: Vec<String>,
}

impl Minting {
    /// With an outbound configuration, in a gateway that can do this. `None` if the configuration is an inbound one.
    ///
    /// Whether the Hub's responses are verified is of no matter: there will be none.
    #[must_use]
    pub fn new(config: Config, capabilities: &Capabilities) -> Option<Self> {
        let Direction::Outbound(mut settings) = config.direction else { return None };
        settings.verify_responses = None;
        Some(Self { outbound: Outbound::new(*settings, capabilities), told: Vec::new(), record: None })
    }

    /// Mints one token. `random` has to be of a good generator, `now` tells the time, `answer` makes the callouts.
    ///
    /// # Errors
    /// No key is active, or the remote signer did not sign: see [`NotMinted`].
    pub fn mint(
        mut self,
        random: [u8; 32],
        now: &dyn Fn() -> UnixTime,
        answer: &mut dyn FnMut(&Callout) -> Answer,
    ) -> Result<Minted, NotMinted> {
        let nonce_input = NonceInput { random: Some(random), ..NonceInput::default() };
        let facts = RequestFacts { nonce_input, ..RequestFacts::default() };
        let Effects { mut callouts, mut verdict, events } =
            self.outbound.on_request(Moment::by_wall_clock(now()), REQUEST, facts);
        self.note(now(), events);
        while let (None, Some(callout)) = (&verdict, callouts.pop()) {
            let answer = answer(&callout);
            let outcome = self.outbound.on_answer(Moment::by_wall_clock(now()), callout.id, &callout.subject, &answer);
            callouts.extend(outcome.callouts);
            self.note(now(), outcome.events);
            verdict = outcome.resumed.into_iter().find_map(|resumed| match resumed.verdict {
                Verdict::Request(verdict) => Some(verdict),
                Verdict::Response(_) => None,
            });
        }
        self.result(verdict)
    }

    fn result(mut self, verdict: Option<RequestVerdict>) -> Result<Minted, NotMinted> {
        let rejection = match verdict {
            Some(RequestVerdict::Admit(admission)) => {
                let token = admission.set().find_map(|(_, value)| value.strip_prefix("Bearer "));
                if let (Some(token), Some(record)) = (token, self.record) {
                    return Ok(Minted { token: token.to_owned(), record, told: self.told });
                }
                None
            }
            Some(RequestVerdict::Reject(rejection)) => Some(rejection),
            Some(RequestVerdict::Answer(_)) | None => None,
        };
        let internal = || self.outbound.on_fault(REQUEST, RejectReason::Internal, Correlation::default());
        let rejection = rejection.unwrap_or_else(internal);
        Err(NotMinted {
            status: rejection.code().status(),
            code: rejection.code().as_str(),
            message: rejection.reason().message().into_owned(),
            told: self.told,
        })
    }

    /// Notes what a gateway would have logged, but for what is as it should be.
    fn note(&mut self, now: UnixTime, events: Vec<Event>) {
        for event in events {
            match event {
                Event::CalloutEnded(report) if !report.is_success => self.told.push(report.text),
                Event::Warning(text) => self.told.push(text),
                Event::Signed(record) => self.record = Some(record.log_line(now)),
                Event::CalloutEnded(_)
                | Event::Information(_)
                | Event::Admitted
                | Event::Measured(_)
                | Event::Rejected(_)
                | Event::Replaced(_)
                | Event::Tolerated(_)
                | Event::DecidedAlone(_) => {}
            }
        }
    }
}

impl fmt::Debug for Minted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Minted").field("record", &self.record).field("told", &self.told).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
