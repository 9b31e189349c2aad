//! What happens to one request and its response, and what the machines for both directions ([`crate::inbound`],
//! [`crate::outbound`]) want done about it.

use std::borrow::Cow;
use std::rc::Rc;
use std::time::Duration;

use crate::callout::{Callout, CalloutId, CalloutReport, CalloutSubject};
use crate::identity_headers::Identity;
use crate::reply::{Rejection, Reply};
use crate::request::{Correlation, RequestId};
use crate::signing::SignatureRecord;

/// The most requests and responses that wait for keys or for introspection in one worker. One answer decides on all of them,
/// and a gateway may nest what it does for each rejection inside the one before: Envoy 1.40 with the shipped configuration
/// bears 250 such levels and aborts the whole process at 300, when V8 finds its stack used up. Half of that leaves room for
/// a longer filter chain.
pub const MAX_WAITING: usize = 128;

/// How long a request waits at the most, a server that drips and a signer's second try included. One that has waited longer
/// has gone, whatever the gateway said.
pub const LONGEST_WAIT: Duration = Duration::from_mins(10);

/// How often time is looked at: background fetches are not urgent.
pub const TICK: Duration = Duration::from_secs(1);

/// How often time is looked at while requests wait for another worker's fetch: they wait this much longer than its own.
pub const SHORT_TICK: Duration = Duration::from_millis(20);

/// Which way of an exchange is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// The request is on its way.
    Request,
    /// The response is on its way.
    Response,
}

/// What to do now about a request or a response.
#[derive(Debug, Default)]
#[must_use]
pub struct Step {
    /// Callouts to make, whatever happens to it.
    pub callouts: Vec<Callout>,
    /// The verdict; `None` to hold it until [`CalloutOutcome`] has one for it.
    pub verdict: Option<Verdict>,
}

/// A decision, final.
#[derive(Debug)]
pub enum Verdict {
    /// Let it through, with these changes.
    Admit(Box<Admission>),
    /// Answer the request here, or replace the response.
    Refuse(Box<Rejection>),
    /// Let a response through although it should be replaced, and say so.
    Tolerate(Box<Rejection>),
    /// Answer the request here, because it was meant for the filter itself.
    Answer(Box<Reply>),
}

/// What to change in a request or a response before it goes on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Admission {
    /// The headers to take away, which are the same for every request.
    pub remove: Option<Rc<[String]>>,
    /// What the backend is told of the caller.
    pub identity: Option<Identity>,
    /// The header to set with a token of the bank.
    pub token: Option<(Cow<'static, str>, String)>,
    /// Its signature.
    pub signed: Option<SignatureRecord>,
}

/// A verdict on something that was held.
#[derive(Debug)]
pub struct Resumed {
    /// Which request.
    pub id: RequestId,
    /// The request itself, or its response.
    pub phase: Phase,
    /// What becomes of it.
    pub verdict: Verdict,
}

/// What the end of a callout brought about.
#[derive(Debug, Default)]
#[must_use]
pub struct CalloutOutcome {
    /// What to log of it.
    pub report: Option<CalloutReport>,
    /// The callout that has ended, after which no answer to it counts.
    pub ended: Option<(CalloutId, CalloutSubject)>,
    /// The callouts that follow from it.
    pub callouts: Vec<Callout>,
    /// What waited for it.
    pub released: Vec<Resumed>,
    /// A signature for a request that has gone away meanwhile.
    pub unused: Option<SignatureRecord>,
}

/// What time alone brought about.
#[derive(Debug, Default)]
#[must_use]
pub struct Tick {
    /// Callouts to make in the background.
    pub callouts: Vec<Callout>,
    /// What was given up, and what other workers have settled.
    pub settled: Vec<CalloutOutcome>,
}

impl Step {
    /// A verdict at once.
    pub fn verdict(verdict: Verdict) -> Self {
        Self { callouts: Vec::new(), verdict: Some(verdict) }
    }

    /// Its only callout.
    #[cfg(test)]
    pub(crate) fn callout(&mut self) -> Option<Callout> {
        assert!(self.callouts.len() < 2, "{} callouts", self.callouts.len());
        self.callouts.pop()
    }
}

impl Admission {
    /// The headers to take away.
    #[must_use]
    pub fn removed(&self) -> &[String] {
        self.remove.as_deref().unwrap_or_default()
    }

    /// The headers to set.
    pub fn set(&self) -> impl Iterator<Item = (&str, &str)> {
        let token = self.token.iter().map(|(name, value)| (name.as_ref(), value.as_str()));
        self.identity.iter().flat_map(Identity::headers).chain(token)
    }
}

impl Verdict {
    /// Lets something through as it is.
    #[must_use]
    pub fn pass() -> Self {
        Self::Admit(Box::default())
    }

    /// What ties it to the logs of others, as far as it says so.
    #[must_use]
    pub fn correlation(&self) -> Correlation {
        match self {
            Self::Admit(admission) => admission.signed.as_ref().map(SignatureRecord::correlation).unwrap_or_default(),
            Self::Refuse(_) | Self::Tolerate(_) | Self::Answer(_) => Correlation::default(),
        }
    }

    /// The same on a response in a gateway that cannot replace one: what ought to be refused goes on, and is told.
    #[must_use]
    pub fn without_replacement(self) -> Self {
        match self {
            Self::Refuse(rejection) => Self::Tolerate(rejection),
            other => other,
        }
    }

    /// The same with the gateway's id of the request, for the log. Only what is told of asks for it.
    #[must_use]
    pub fn with_request_id(mut self, request_id: impl FnOnce() -> Option<Vec<u8>>) -> Self {
        if let Self::Refuse(rejection) | Self::Tolerate(rejection) = &mut self {
            rejection.note_request_id(request_id);
        }
        self
    }
}
