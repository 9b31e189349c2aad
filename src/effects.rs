//! What the machines for both directions ([`crate::inbound`], [`crate::outbound`]) want done about a request, a response, the
//! end of a callout, or because time has passed: callouts, verdicts, and events to tell of.

use std::time::Duration;

use crate::callout::{Callout, CalloutId, CalloutReport, CalloutSubject};
use crate::replay::ReplayUsage;
use crate::reply::Rejection;
use crate::request::RequestId;
use crate::signing::SignatureRecord;
use crate::time::UnixTime;
use crate::verdict::{RequestVerdict, ResponseVerdict, Verdict};

/// How often time is looked at: background fetches are not urgent.
pub(crate) const TICK: Duration = Duration::from_secs(1);

/// How often time is looked at while requests wait for another worker's fetch, or for the tick before to be finished: they wait
/// this much longer.
pub(crate) const SHORT_TICK: Duration = Duration::from_millis(20);

/// What to do now about a request or a response.
#[derive(Debug)]
#[must_use]
pub(crate) struct Effects<V> {
    /// Callouts to make, whatever happens to it.
    pub callouts: Vec<Callout>,
    /// The verdict; `None` to hold it until a [`CalloutOutcome`] has one for it.
    pub verdict: Option<V>,
    /// What is to be told.
    pub events: Vec<Event>,
}

/// Something that is counted, logged or audited. How, is for the gateway's side alone.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// A request goes on.
    Admitted,
    /// A request was refused.
    Rejected(Box<Rejection>),
    /// A response was replaced.
    Replaced(Box<Rejection>),
    /// A response went on although it should have been replaced.
    Tolerated(Box<Rejection>),
    /// A token was signed, whatever becomes of it.
    Signed(Box<SignatureRecord>),
    /// A callout has ended.
    CalloutEnded(CalloutReport),
    /// Something is known that is measured.
    Measured(Measurement),
    /// So many tokens were let in by the memory of this gateway alone, in place of the store that several gateways share.
    DecidedAlone(u64),
    /// Good to know for the operator.
    Information(String),
    /// To be acted upon by the operator.
    Warning(String),
}

/// What is measured, and not decided by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Measurement {
    /// The last moment of the client certificate that a caller has shown: one that is pinned, and no stranger's.
    PeerCertificateEnd(UnixTime),
    /// How full the memory of used tokens is.
    ReplayMemory(ReplayUsage),
}

/// A verdict on a request or a response that was held.
#[derive(Debug)]
pub(crate) struct Resumed {
    /// Which request.
    pub id: RequestId,
    /// What becomes of it or of its response.
    pub verdict: Verdict,
}

/// What the end of a callout brought about.
#[derive(Debug, Default)]
#[must_use]
pub(crate) struct CalloutOutcome {
    /// The callout that has ended, after which no answer to it counts.
    pub ended: Option<(CalloutId, CalloutSubject)>,
    /// The callouts that follow from it.
    pub callouts: Vec<Callout>,
    /// What waited for it.
    pub resumed: Vec<Resumed>,
    /// What is to be told.
    pub events: Vec<Event>,
}

/// What time alone brought about.
#[derive(Debug, Default)]
#[must_use]
pub(crate) struct TickOutcome {
    /// Callouts to make in the background.
    pub callouts: Vec<Callout>,
    /// What was given up, and what other workers have learned.
    pub outcomes: Vec<CalloutOutcome>,
    /// What is to be told.
    pub events: Vec<Event>,
}

impl<V> Effects<V> {
    /// A verdict at once.
    pub(crate) fn verdict(verdict: V) -> Self {
        Self { callouts: Vec::new(), verdict: Some(verdict), events: Vec::new() }
    }

    /// Held, until a callout has ended. This one has to be made, if any.
    pub(crate) fn hold(callout: Option<Callout>) -> Self {
        Self { callouts: callout.into_iter().collect(), verdict: None, events: Vec::new() }
    }

    /// The same with one more callout, if any.
    pub(crate) fn and_callout(mut self, callout: Option<Callout>) -> Self {
        self.callouts.extend(callout);
        self
    }

    /// The same with one more event.
    pub(crate) fn and_event(mut self, event: Event) -> Self {
        self.events.push(event);
        self
    }

    /// Its only callout.
    #[cfg(test)]
    pub(crate) fn callout(&mut self) -> Option<Callout> {
        assert!(self.callouts.len() < 2, "{} callouts", self.callouts.len());
        self.callouts.pop()
    }
}

impl CalloutOutcome {
    /// How many requests and responses it lets go at the most: also a callout that the gateway does not take decides on one.
    pub(crate) fn most_releases(&self) -> usize {
        self.resumed.len().saturating_add(self.callouts.len())
    }
}

impl Resumed {
    /// A request.
    #[must_use]
    pub(crate) fn request(id: RequestId, verdict: RequestVerdict) -> Self {
        Self { id, verdict: Verdict::Request(verdict) }
    }

    /// A response.
    #[must_use]
    pub(crate) fn response(id: RequestId, verdict: ResponseVerdict) -> Self {
        Self { id, verdict: Verdict::Response(verdict) }
    }
}
