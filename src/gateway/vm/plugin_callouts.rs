//! Callouts that belong to the plugin. They are made in its own context, and outlive a client that goes away, because others
//! wait for them too. The end of one decides on all that wait for it, which are then let go one by one.

use std::time::Duration;

use litemap::LiteMap;

use crate::callout::Callout;
use crate::effects::{CalloutOutcome, Resumed, TickOutcome};
use crate::request::{Correlation, RequestId};
use crate::verdict::Verdict;

use super::driver::{DispatchedCallout, Driver};
use super::gate::{self, Flow, Gate};
use super::{callouts, clock, facts};
use crate::gateway::abi::{self, HostError};
use crate::gateway::adapter::Occasion;

/// See [`Driver`].
#[derive(Debug)]
pub(super) struct PluginCallouts {
    /// The plugin's own.
    context: u32,
    /// By the token that the host gave each.
    dispatched: LiteMap<u32, DispatchedCallout>,
    /// The tick period that the host was given last.
    tick_period: Option<Duration>,
}

impl PluginCallouts {
    pub(super) fn new(context: u32, tick_period: Option<Duration>) -> Self {
        Self { context, dispatched: LiteMap::new_vec(), tick_period }
    }

    /// Has the host call as often as is wanted now. Leaves any context in effect.
    fn adjust_ticks(&mut self, gate: &mut Gate) {
        let Some(wanted) = gate.direction.tick_period() else { return };
        if self.tick_period.is_none_or(|period| period == wanted) {
            return;
        }
        let set = abi::set_effective_context(self.context).and_then(|()| abi::set_tick_period(wanted));
        if set.is_ok() {
            self.tick_period = Some(wanted);
        }
    }

    /// Makes callouts, and those that follow if the host does not take them. The verdict on the request `own` that this
    /// brought about; those on others are carried out.
    ///
    /// Leaves any context in effect.
    fn call_out(&mut self, gate: &mut Gate, mut callouts: Vec<Callout>, own: Option<RequestId>) -> Option<Verdict> {
        let mut verdict = None;
        while let Some(callout) = callouts.pop() {
            let Some(outcome) = self.dispatch(gate, callout) else { continue };
            let CalloutOutcome { callouts: more, resumed, .. } = self.note(gate, outcome);
            callouts.extend(more);
            for resumed in resumed {
                if Some(resumed.id) == own {
                    verdict = Some(resumed.verdict);
                } else {
                    release(gate, resumed);
                }
            }
        }
        verdict
    }

    /// Makes a callout. What follows if the host did not take it.
    fn dispatch(&mut self, gate: &mut Gate, callout: Callout) -> Option<CalloutOutcome> {
        let sent =
            abi::set_effective_context(self.context).and_then(|()| callouts::send(&callout.request, gate.adapter));
        match sent {
            Ok((token, sent)) => {
                let dispatched = DispatchedCallout::of(&callout, sent);
                // Of several callouts on one subject only the last counts: one that the host never reports on is
                // forgotten here, or such a host could make this map grow.
                self.dispatched.retain(|_, earlier| earlier.subject != dispatched.subject);
                self.dispatched.insert(token, dispatched);
                None
            }
            Err(HostError) => Some(gate.direction.on_not_dispatched(clock::now()?, callout.id, &callout.subject)),
        }
    }

    /// Carries out what the end of a callout brought about.
    fn resume(&mut self, gate: &mut Gate, outcome: CalloutOutcome) {
        let CalloutOutcome { callouts, resumed, .. } = self.note(gate, outcome);
        for resumed in resumed {
            release(gate, resumed);
        }
        self.call_out(gate, callouts, None);
    }

    /// Tells what is to be told of the end of a callout, and forgets it. What is left to do.
    fn note(&mut self, gate: &mut Gate, outcome: CalloutOutcome) -> CalloutOutcome {
        let CalloutOutcome { ended, callouts, resumed, events } = outcome;
        // A callout that was given up may never be reported on: such a host could make this map grow.
        if let Some((id, subject)) = &ended {
            self.dispatched.retain(|_, dispatched| (*id, subject) != (dispatched.id, &dispatched.subject));
        }
        gate.events.tell_all(events);
        CalloutOutcome { ended: None, callouts, resumed, events: Vec::new() }
    }
}

impl Driver for PluginCallouts {
    fn follow(
        &mut self,
        gate: &mut Gate,
        id: RequestId,
        occasion: Occasion,
        callouts: Vec<Callout>,
        verdict: Option<Verdict>,
    ) -> Option<Verdict> {
        if verdict.is_some() && callouts.is_empty() {
            return verdict;
        }
        self.adjust_ticks(gate);
        let outcome = self.call_out(gate, callouts, Some(id));
        if abi::set_effective_context(id.0).is_err() {
            // It cannot be answered any more, and must not be let through later either.
            gate.direction.on_request_end(id);
            return Some(gate.fault(id, occasion, Correlation::default()));
        }
        verdict.or(outcome)
    }

    fn carry_out(&mut self, gate: &mut Gate, id: RequestId, verdict: Verdict, occasion: Occasion) -> Flow {
        gate.carry_out(id, verdict, occasion, || Ok(()))
    }

    fn stop_response(&self) -> i32 {
        abi::PAUSE
    }

    fn call_response(&mut self, gate: &mut Gate, token: u32, body_size: usize) {
        let Some(DispatchedCallout { id, subject, upstream, sent, .. }) = self.dispatched.remove(&token) else {
            return;
        };
        let answer = facts::of_answer(&subject, body_size);
        callouts::note_answer(&upstream, &answer, gate.adapter);
        if let Some(now) = clock::now() {
            callouts::measure(&subject, sent, now, &answer, &mut gate.events.metrics);
            let outcome = gate.direction.on_answer(now, id, &subject, &answer);
            self.resume(gate, outcome);
        }
    }

    fn tick(&mut self, gate: &mut Gate, tick: TickOutcome) {
        let TickOutcome { callouts, outcomes, events } = tick;
        for outcome in outcomes {
            self.resume(gate, outcome);
        }
        self.call_out(gate, callouts, None);
        self.adjust_ticks(gate);
        gate.events.tell_all(events);
    }

    fn forget(&mut self, _id: RequestId) {}
}

/// Carries out a verdict on what was held.
fn release(gate: &mut Gate, resumed: Resumed) {
    let Resumed { id, verdict } = resumed;
    if abi::set_effective_context(id.0).is_err() {
        // It can be neither answered nor let through: it stays held until the gateway gives it up.
        log::error!("the gateway does not let what waits be answered");
        return;
    }
    let occasion = match &verdict {
        Verdict::Request(_) => Occasion::Request,
        // Nobody says any more how many: too many to be read.
        Verdict::Response(_) => Occasion::Response { headers: usize::MAX },
    };
    if gate.carry_out(id, verdict, occasion, || Ok(())) == Flow::Continue && gate::resume(occasion).is_err() {
        gate.refuse(id, occasion, Correlation::default());
    }
}
