//! Where each request is, in one table: forgetting one is one removal. Both directions have a table, each with states of its
//! own; what they share is the bound on those that wait.

use std::time::Duration;

use litemap::LiteMap;

use crate::callout::{CalloutId, CalloutPermission, CalloutSubject, Wait};
use crate::capabilities::CalloutOwner;
use crate::request::RequestId;
use crate::time::SteadyTime;

/// The most requests and responses that one tick or one answer decides on. A gateway may nest what it does for each refusal
/// inside the one before: Envoy 1.40 with the shipped configuration bears 250 such levels and aborts the whole process at
/// 300, when V8 finds its stack used up. Half of that leaves room for a longer filter chain.
pub(crate) const MAX_RELEASED: usize = 128;

/// The most requests and responses that wait for keys or for introspection in one worker: one answer decides on all of them.
pub(crate) const MAX_WAITING: usize = MAX_RELEASED;

/// How long a request waits at the most, a server that drips and a signer's second try included. One that has waited longer
/// has gone, whatever the gateway said.
pub(crate) const LONGEST_WAIT: Duration = Duration::from_mins(10);

/// The states of requests.
#[derive(Debug)]
pub(crate) struct RequestTable<S> {
    states: LiteMap<RequestId, S>,
    /// How many of them wait.
    waiting: usize,
    owner: CalloutOwner,
}

/// What the table has to know of a state.
pub(crate) trait State {
    /// What the request waits for, if it waits for keys or for introspection.
    fn awaits(&self) -> Option<&Awaited>;
}

/// What a request waits for.
#[derive(Debug)]
pub(crate) struct Awaited {
    subject: CalloutSubject,
    /// Its own callout, if it does not wait for another's.
    callout: Option<CalloutId>,
    since: SteadyTime,
}

impl<S: State> RequestTable<S> {
    /// An empty table, where callouts belong to this owner.
    #[must_use]
    pub(crate) fn new(owner: CalloutOwner) -> Self {
        Self { states: LiteMap::new_vec(), waiting: 0, owner }
    }

    /// Where a request is.
    #[cfg(test)]
    pub(crate) fn get(&self, id: RequestId) -> Option<&S> {
        self.states.get(&id)
    }

    /// Notes where a request is now.
    pub(crate) fn insert(&mut self, id: RequestId, state: S) {
        let waits = state.awaits().is_some();
        let waited = self.states.insert(id, state).is_some_and(|before| before.awaits().is_some());
        self.waiting = self.waiting.saturating_add(usize::from(waits)).saturating_sub(usize::from(waited));
    }

    /// Forgets a request.
    pub(crate) fn remove(&mut self, id: RequestId) -> Option<S> {
        let state = self.states.remove(&id)?;
        self.waiting = self.waiting.saturating_sub(usize::from(state.awaits().is_some()));
        Some(state)
    }

    /// Forgets a request if it is in such a state.
    pub(crate) fn remove_if(&mut self, id: RequestId, condition: impl FnOnce(&S) -> bool) -> Option<S> {
        if self.states.get(&id).is_some_and(condition) { self.remove(id) } else { None }
    }

    /// Whether one more may wait.
    #[must_use]
    pub(crate) fn has_room(&self) -> bool {
        self.waiting < MAX_WAITING
    }

    /// Whether a new request may ask for a callout. Where each makes its own, one that cannot wait must not.
    pub(crate) fn permission(&mut self, now: SteadyTime) -> CalloutPermission {
        if self.has_room() {
            return CalloutPermission::Allowed;
        }
        if self.owner == CalloutOwner::Plugin {
            return CalloutPermission::ForOthers;
        }
        // Of one that waits this long the gateway has not said that it is gone.
        let lasts = |awaited: &Awaited| now.since(awaited.since).is_some_and(|since| since <= LONGEST_WAIT);
        self.states.retain(|_, state| state.awaits().is_none_or(lasts));
        self.waiting = 0;
        for state in self.states.values() {
            self.waiting = self.waiting.saturating_add(usize::from(state.awaits().is_some()));
        }
        if self.has_room() { CalloutPermission::Allowed } else { CalloutPermission::Used }
    }

    /// The requests that have waited for this: all of them where callouts belong to the plugin, and the one whose own callout
    /// has ended where they belong to requests.
    #[must_use]
    pub(crate) fn waited_for(&self, subject: &CalloutSubject, callout: Option<CalloutId>) -> Vec<RequestId> {
        let ends = |awaited: &Awaited| {
            awaited.subject == *subject && (self.owner == CalloutOwner::Plugin || awaited.callout == callout)
        };
        self.states.iter().filter(|(_, state)| state.awaits().is_some_and(ends)).map(|(id, _)| *id).collect()
    }
}

impl Awaited {
    /// What a request waits for from now on.
    #[must_use]
    pub(crate) fn new(wait: &Wait, now: SteadyTime) -> Self {
        let callout = wait.callout.as_ref().map(|callout| callout.id);
        Self { subject: wait.subject.clone(), callout, since: now }
    }

    /// What it waits for.
    #[must_use]
    pub(crate) fn subject(&self) -> &CalloutSubject {
        &self.subject
    }

    /// The same with another callout, which follows on its own one.
    #[must_use]
    pub(crate) fn followed_by(self, callout: CalloutId) -> Self {
        Self { callout: Some(callout), ..self }
    }

    /// Its own callout, if it made one, and what that is about.
    #[must_use]
    pub(crate) fn own_callout(&self) -> Option<(CalloutId, &CalloutSubject)> {
        Some((self.callout?, &self.subject))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token_digest::TokenDigest;

    impl State for Option<Awaited> {
        fn awaits(&self) -> Option<&Awaited> {
            self.as_ref()
        }
    }

    const NOW: SteadyTime = SteadyTime::from_secs(1_795_253_400);

    fn subject(token: &str) -> CalloutSubject {
        CalloutSubject::Token(TokenDigest::of(token))
    }

    fn waiting(token: &str) -> Option<Awaited> {
        Some(Awaited::new(&Wait { subject: subject(token), callout: None }, NOW))
    }

    fn full(owner: CalloutOwner) -> RequestTable<Option<Awaited>> {
        let mut table = RequestTable::new(owner);
        for id in (0..).take(MAX_WAITING) {
            assert!(table.has_room());
            table.insert(RequestId(id), waiting("t"));
        }
        table
    }

    #[test]
    fn only_those_that_wait_count_and_each_counts_once() {
        let mut table = full(CalloutOwner::Plugin);
        table.insert(RequestId(1000), None);
        table.insert(RequestId(3), waiting("u"));
        assert!(!table.has_room());
        table.insert(RequestId(3), None);
        assert!(table.has_room(), "it waits no longer");
        table.insert(RequestId(3), waiting("t"));
        assert!(!table.has_room());
        assert!(table.remove(RequestId(1000)).is_some() && !table.has_room(), "it did not wait");
        assert!(table.remove(RequestId(7)).is_some() && table.has_room());
        assert!(table.remove(RequestId(7)).is_none() && table.remove(RequestId(8)).is_some());
        table.insert(RequestId(7), waiting("t"));
        assert!(table.has_room(), "8 has left");
    }

    #[test]
    fn a_request_is_forgotten_only_in_the_state_that_is_meant() {
        let mut table = full(CalloutOwner::Plugin);
        assert!(table.remove_if(RequestId(1), Option::is_none).is_none());
        assert!(table.remove_if(RequestId(1), Option::is_some).is_some());
        assert!(table.get(RequestId(1)).is_none());
    }

    #[test]
    fn a_request_that_could_not_wait_may_ask_only_where_others_gain_by_it() {
        let after = |wait: Duration| NOW.after(wait);
        assert_eq!(full(CalloutOwner::Plugin).permission(NOW), CalloutPermission::ForOthers);
        let mut table = full(CalloutOwner::Request);
        assert_eq!(table.permission(after(LONGEST_WAIT)), CalloutPermission::Used);
        let gone = after(LONGEST_WAIT + Duration::from_millis(1));
        assert_eq!(table.permission(gone), CalloutPermission::Allowed, "nobody waits that long");
        assert!(table.has_room() && table.get(RequestId(0)).is_none());
    }

    #[test]
    fn the_end_of_a_callout_is_for_all_that_wait_for_it_or_for_its_own_request() {
        let mut table = RequestTable::new(CalloutOwner::Plugin);
        for (id, token) in [(1, "t"), (2, "u"), (3, "t")] {
            table.insert(RequestId(id), waiting(token));
        }
        table.insert(RequestId(4), None);
        assert_eq!(table.waited_for(&subject("t"), None), [RequestId(1), RequestId(3)]);
        table.owner = CalloutOwner::Request;
        assert_eq!(table.waited_for(&subject("t"), Some(CalloutId::default())), []);
    }
}
