//! Callouts that belong to the request that makes them, one at a time. The request goes upstream *by itself* when the callback
//! of its callout returns: that callback must refuse it, or have decided to let it go. Nobody else can be woken.

use litemap::LiteMap;

use crate::callout::Callout;
use crate::effects::{CalloutOutcome, Resumed, TickOutcome};
use crate::request::{Correlation, RequestId};
use crate::verdict::Verdict;

use super::driver::{DispatchedCallout, Driver};
use super::gate::{self, Flow, Gate};
use super::{callouts, clock, facts};
use crate::gateway::abi::{self, HostError};
use crate::gateway::adapter::{Guard, Occasion};

/// See [`Driver`].
#[derive(Debug)]
pub(super) struct RequestCallouts {
    /// By the token that the host gave each, with the request that it belongs to.
    dispatched: LiteMap<u32, (RequestId, Dispatched)>,
    /// What the requests need to go on that have waited for a callout.
    guards: LiteMap<RequestId, Guard>,
}

/// A callout that is under way.
#[derive(Debug)]
struct Dispatched {
    callout: DispatchedCallout,
    /// Whether its request has made another one before.
    is_later: bool,
}

impl RequestCallouts {
    pub(super) fn new() -> Self {
        Self { dispatched: LiteMap::new_vec(), guards: LiteMap::new_vec() }
    }

    /// Makes the callout that a request needs, in its own context. `None` if it is under way, else the verdict on the
    /// request.
    fn call_out(
        &mut self,
        gate: &mut Gate,
        mut callouts: Vec<Callout>,
        own: RequestId,
        occasion: Occasion,
    ) -> Option<Verdict> {
        while let Some(callout) = callouts.pop() {
            let sent = self.guard(gate, own).and_then(|()| callouts::send(&callout.request, gate.adapter));
            if let Ok((token, sent)) = sent {
                self.dispatched.retain(|_, (request, _)| *request != own);
                let is_later = occasion != Occasion::Request;
                let callout = DispatchedCallout::of(&callout, sent);
                self.dispatched.insert(token, (own, Dispatched { callout, is_later }));
                return None;
            }
            let Some(now) = clock::now() else { break };
            let outcome = gate.direction.on_not_dispatched(now, callout.id, &callout.subject);
            let (verdict, more) = take(gate, outcome, own);
            if verdict.is_some() {
                return verdict;
            }
            callouts = more;
        }
        Some(gate.fault(own, occasion, Correlation::default()))
    }

    fn guard(&mut self, gate: &Gate, id: RequestId) -> Result<(), HostError> {
        if self.guards.contains_key(&id) {
            return Ok(());
        }
        if let Some(guard) = gate.adapter.guard()? {
            self.guards.insert(id, guard);
        }
        Ok(())
    }
}

impl Driver for RequestCallouts {
    fn follow(
        &mut self,
        gate: &mut Gate,
        id: RequestId,
        occasion: Occasion,
        callouts: Vec<Callout>,
        verdict: Option<Verdict>,
    ) -> Option<Verdict> {
        // A callout beside a verdict would undo it.
        if verdict.is_some() { verdict } else { self.call_out(gate, callouts, id, occasion) }
    }

    fn carry_out(&mut self, gate: &mut Gate, id: RequestId, verdict: Verdict, occasion: Occasion) -> Flow {
        let guard = self.guards.remove(&id);
        let adapter = gate.adapter;
        let is_response = matches!(occasion, Occasion::Response { .. });
        gate.carry_out(id, verdict, occasion, || match &guard {
            // Only a request goes on by being let through: the guard of one that is refused stays where it is.
            Some(guard) if !is_response => adapter.lift(guard),
            _ => Ok(()),
        })
    }

    /// A response cannot be held, and what it was replaced with goes on.
    fn stop_response(&self) -> i32 {
        abi::CONTINUE
    }

    fn call_response(&mut self, gate: &mut Gate, token: u32, body_size: usize) {
        let Some((own, Dispatched { callout, is_later })) = self.dispatched.remove(&token) else {
            // Some request goes upstream when this returns, and nothing is known of it.
            gate::refuse_unknown_after_callout(body_size);
            return;
        };
        let DispatchedCallout { id, subject, upstream, has_body, sent } = callout;
        let answer = facts::of_answer(&subject, body_size);
        callouts::note_answer(&upstream, &answer, gate.adapter);
        let is_unanswered = (has_body || is_later) && !answer.has_body();
        let occasion = if is_unanswered { Occasion::Unanswered } else { Occasion::Answered };
        let verdict = match clock::now() {
            Some(now) => {
                callouts::measure(&subject, sent, now, &answer, &mut gate.events.metrics);
                let outcome = gate.direction.on_answer(now, id, &subject, &answer);
                let (verdict, callouts) = take(gate, outcome, own);
                verdict.or_else(|| self.call_out(gate, callouts, own, occasion))
            }
            None => Some(gate.fault(own, occasion, Correlation::default())),
        };
        // Nothing else is to be done for it to go on: it does so by itself, once its guard is lifted.
        if let Some(verdict) = verdict {
            self.carry_out(gate, own, verdict, occasion);
        }
    }

    /// Nobody can be woken, and no callout belongs to nobody.
    fn tick(&mut self, gate: &mut Gate, tick: TickOutcome) {
        gate.events.tell_all(tick.events);
    }

    fn forget(&mut self, id: RequestId) {
        self.guards.remove(&id);
        self.dispatched.retain(|_, (request, _)| *request != id);
    }
}

/// Tells what is to be told of the end of a callout. What it means for its request: the verdict, or the callout that is next.
fn take(gate: &mut Gate, outcome: CalloutOutcome, own: RequestId) -> (Option<Verdict>, Vec<Callout>) {
    let CalloutOutcome { callouts, resumed, events, .. } = outcome;
    gate.events.tell_all(events);
    let verdict = resumed.into_iter().find(|resumed| resumed.id == own).map(|Resumed { verdict, .. }| verdict);
    (verdict, callouts)
}
