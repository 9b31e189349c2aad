//! What depends on whom callouts belong to: how they are made, what their ends decide on, and how what was held goes on. There
//! is one driver for each [owner](crate::capabilities::CalloutOwner).

use crate::callout::{Callout, CalloutId, CalloutSubject};
use crate::effects::TickOutcome;
use crate::request::RequestId;
use crate::time::Moment;
use crate::verdict::Verdict;

use super::gate::{Flow, Gate};
use crate::gateway::adapter::Occasion;

/// Makes callouts, and has carried out what their ends bring about.
pub(super) trait Driver {
    /// Makes the callouts that follow from a request or a response. Its verdict, which may come from a callout that the host did
    /// not take, or `None` to hold it.
    fn follow(
        &mut self,
        gate: &mut Gate,
        id: RequestId,
        occasion: Occasion,
        callouts: Vec<Callout>,
        verdict: Option<Verdict>,
    ) -> Option<Verdict>;

    /// Carries out a verdict on the request or the response of the effective context.
    fn carry_out(&mut self, gate: &mut Gate, id: RequestId, verdict: Verdict, occasion: Occasion) -> Flow;

    /// What to return for a response that is held, or was replaced.
    fn stop_response(&self) -> i32;

    /// Takes the answer to a callout.
    fn call_response(&mut self, gate: &mut Gate, token: u32, body_size: usize);

    /// Does what is due because time has passed.
    fn tick(&mut self, gate: &mut Gate, tick: TickOutcome);

    /// Forgets a request that has ended.
    fn forget(&mut self, id: RequestId);
}

/// A callout that the host has taken.
#[derive(Debug)]
pub(super) struct DispatchedCallout {
    pub(super) id: CalloutId,
    pub(super) subject: CalloutSubject,
    pub(super) upstream: String,
    pub(super) has_body: bool,
    pub(super) sent: Moment,
}

impl DispatchedCallout {
    pub(super) fn of(callout: &Callout, sent: Moment) -> Self {
        Self {
            id: callout.id,
            subject: callout.subject.clone(),
            upstream: callout.request.upstream.clone(),
            has_body: !callout.request.body.is_empty(),
            sent,
        }
    }
}
