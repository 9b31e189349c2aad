//! The memory of used tokens that several gateways share, in a store outside of them: each use of a token is written there unless
//! there is one, and who has written it goes on.
//!
//! A state machine without clock and network, as the key cache is. A token costs one callout, made after everything else about it
//! was found right. What has to be asked before (a login, a lease) serves many tokens: where callouts belong to the plugin it is
//! asked ahead of time and once for all that wait, elsewhere by the request that finds it missing. One token has at most
//! [`MAX_TRIES`] and a deadline over all. More than one cannot let a token in twice: each use is written with a value of its own, so a
//! use that finds its own value was written by an earlier try.
//!
//! A store that fails is left alone for a while, and one token then finds out whether it is back.

mod engine;
mod error;
pub(crate) mod etcd;
mod token_use;
pub(crate) mod webdis;

use std::time::Duration;

use crate::callout::{
    Backoff, Callout, CalloutId, CalloutIds, CalloutKind, CalloutPermission, CalloutReport, CalloutSubject,
    CalloutsInFlight, Ended, FIRST_BACKOFF, InFlight, LONGEST_BACKOFF, Wait,
};
use crate::capabilities::{CalloutOwner, Capabilities};
use crate::config::{ReplayStore, StoreKind};
use crate::request::NonceInput;
use crate::signing::nonce::Nonces;
use crate::time::{Moment, SteadyTime, UnixTime};
use crate::token_digest::TokenDigest;

use super::error::ReplayError;
pub use engine::Finding;
use engine::{Engine, MAX_ANSWER_LENGTH, Preparation, UsedToken};
use error::StoreError;
use etcd::Etcd;
pub(crate) use token_use::{DecidedUse, Usage};
use token_use::{State, Use};
use webdis::Webdis;

/// The most tries for one token. A store has several servers, and the gateway takes one after the other: until it leaves out one that has
/// fallen silent, a token may meet that one twice.
const MAX_TRIES: usize = 3;

/// How often something may have to be asked before a token at the most: a login and a lease, both anew, and each once more after a
/// failure. What is never enough is not asked for without end.
const MAX_PREPARATIONS: usize = 6;

/// By how much leases are longer at the most because of a clock that is ahead of the store's. More than that says that the store's is
/// wrong, and would have keys stay for as long.
const MAX_AHEAD: Duration = Duration::from_hours(24);

/// The least time before the deadline in which another try is made.
const LEAST_TRY: Duration = Duration::from_millis(50);

/// The most uses that are asked about at a time. As many requests as may wait, and as many again whose clients have hung up meanwhile:
/// what was asked for those goes on.
pub(crate) const MAX_USES: usize = 256;

/// The pause after the first failure, which doubles with each in a row: an election of the store's takes one to two seconds, and each
/// worker asks it once in a pause. Callers are told to wait for a second at the least.
const FIRST_PAUSE: Duration = Duration::from_millis(250);

/// How long after its end a token may still be told from a new one, by the clock of the store. Its key is there for
/// twice that ([`engine::MARGIN`]), by the clock of the gateway that wrote it.
const LATEST_USE: Duration = Duration::from_secs(15);

/// The store, and what is asked of it.
#[derive(Debug)]
pub(crate) struct SharedMemory {
    engine: Box<dyn Engine>,
    timeout: Duration,
    deadline: Duration,
    owner: CalloutOwner,
    /// See [`Capabilities::repeats_unanswered_callouts`].
    repeats_unanswered: bool,
    nonces: Nonces,
    uses: Vec<Use>,
    calls: CalloutsInFlight<CalloutSubject>,
    ids: CalloutIds,
    /// What is asked for all that wait, where callouts belong to the plugin.
    preparing: Option<Preparation>,
    backoff: Backoff,
    /// After a pause one token finds out whether the store is back.
    probe: Option<TokenDigest>,
    /// By how much this clock is ahead of the store's, as far as its last answer said.
    ahead: Duration,
}

/// What the end of a callout brought about.
#[derive(Debug)]
pub(crate) struct Finished {
    /// For the log.
    pub report: CalloutReport,
    /// The callouts that follow from it.
    pub callouts: Vec<Callout>,
    /// The uses that are decided now.
    pub decided: Vec<TokenDigest>,
}

impl SharedMemory {
    /// With these settings, and nothing asked yet. `capabilities` are the gateway's.
    #[must_use]
    pub(crate) fn new(settings: &ReplayStore, capabilities: &Capabilities) -> Self {
        let engine: Box<dyn Engine> = match settings.kind {
            StoreKind::Etcd => Box::new(Etcd::new(settings.clone())),
            StoreKind::Webdis => Box::new(Webdis::new(settings.clone())),
        };
        Self {
            engine,
            timeout: settings.patience.timeout,
            deadline: settings.patience.deadline,
            owner: capabilities.callout_owner,
            repeats_unanswered: capabilities.repeats_unanswered_callouts,
            nonces: Nonces::numbered(&*capabilities.data),
            uses: Vec::new(),
            calls: CalloutsInFlight::new(),
            ids: CalloutIds::default(),
            preparing: None,
            backoff: Backoff::default(),
            probe: None,
            ahead: Duration::ZERO,
        }
    }

    /// Asks whether a token is new, and writes that it is used. Only for one that is right in everything else, the signature
    /// included. `nonce_input` is what makes this use different from all others.
    ///
    /// # Errors
    /// [`ReplayError::Replayed`] for one that another request is asking about, and [`ReplayError::StoreUnavailable`] where nothing
    /// can be asked now.
    pub(crate) fn ask(
        &mut self,
        now: Moment,
        Usage { token, identity, valid_until, token_id }: Usage<'_>,
        nonce_input: &NonceInput,
        permission: CalloutPermission,
    ) -> Result<Wait, ReplayError> {
        self.forget_abandoned(now.steady);
        if self.uses.iter().any(|known| known.used.identity == identity) {
            return Err(ReplayError::Replayed);
        }
        if !permission.reaches_the_store() || self.uses.len() >= MAX_USES {
            return Err(ReplayError::Unavailable);
        }
        if !self.backoff.may_try(now.steady) {
            return Err(self.unavailable(now));
        }
        if self.backoff.failures() > 0 {
            if self.probe.is_some_and(|probe| self.uses.iter().any(|known| known.token == probe)) {
                return Err(ReplayError::StoreUnavailable { retry_after: FIRST_BACKOFF });
            }
            self.probe = Some(token);
        }
        let nonce = self.nonces.next(now.wall, nonce_input);
        let value = nonce.as_bytes().first_chunk().copied().unwrap_or_default();
        let mut asked = Use {
            token,
            used: UsedToken { identity, value },
            valid_until,
            token_id: token_id.to_owned(),
            deadline: now.steady.after(self.deadline),
            failures: 0,
            preparations: 0,
            is_renewed: false,
            state: State::Asks,
        };
        let callout = self.go_on(now, &mut asked);
        self.uses.push(asked);
        Ok(Wait { subject: CalloutSubject::TokenUse(token), callout })
    }

    /// Takes out what is known of a use that was waited for.
    pub(crate) fn take_decided(&mut self, token: &TokenDigest) -> Option<DecidedUse> {
        let is_it = |known: &Use| known.token == *token && matches!(known.state, State::Decided(_));
        let position = self.uses.iter().position(is_it)?;
        let Use { used, valid_until, token_id, state, .. } = self.uses.swap_remove(position);
        let State::Decided(result) = state else { return None };
        Some(DecidedUse { identity: used.identity, valid_until, token_id, result })
    }

    /// Takes the end of a callout. `None` if it was given up before and does not count any more.
    pub(crate) fn finish(
        &mut self,
        now: Moment,
        call: CalloutId,
        subject: &CalloutSubject,
        answer: Ended<'_>,
    ) -> Option<Finished> {
        let ended = self.calls.take(call, subject)?;
        if let Some(time) = answer.time {
            // It names whole seconds.
            self.ahead = time.after(Duration::from_secs(1)).until(now.wall).min(MAX_AHEAD);
        }
        let body = ended.in_time(answer.body, now.steady).map_err(StoreError::Callout);
        let body =
            body.and_then(|body| if body.len() > MAX_ANSWER_LENGTH { Err(StoreError::TooLong) } else { Ok(body) });
        let (mut callouts, mut decided) = (Vec::new(), Vec::new());
        let preparing = if *subject == CalloutSubject::StoreSession { self.preparing.take() } else { None };
        let mut uses = std::mem::take(&mut self.uses);
        let result = if let Some(preparation) = preparing {
            let result = body.and_then(|body| self.prepared(&ended, preparation, body));
            for waiting in uses.iter_mut().filter(|known| matches!(known.state, State::Prepares(_))) {
                self.step(now, waiting, result, &mut callouts, &mut decided);
            }
            result
        } else if let Some(asked) = uses.iter_mut().find(|known| *subject == CalloutSubject::TokenUse(known.token)) {
            match asked.state {
                State::Prepares(preparation) => {
                    let result = body.and_then(|body| self.prepared(&ended, preparation, body));
                    self.step(now, asked, result, &mut callouts, &mut decided);
                    result
                }
                State::Asks | State::Decided(_) => {
                    let finding =
                        body.and_then(|body| self.engine.read(&asked.used, body).map_err(StoreError::Unreadable));
                    match finding {
                        Ok(finding) => {
                            self.backoff.reset();
                            let judgement = judge(finding, asked.valid_until, answer.time);
                            asked.state = State::Decided(judgement);
                            decided.push(asked.token);
                            match judgement {
                                Err(ReplayError::Forgotten { .. }) => Err(StoreError::Clock),
                                _ => Ok(()),
                            }
                        }
                        Err(error) => {
                            self.failed(now, asked, error, &mut callouts, &mut decided);
                            Err(error)
                        }
                    }
                }
            }
        } else {
            // It has taken too long. Whoever still waits for it is refused.
            decided.extend(subject.token_use());
            Ok(())
        };
        self.uses = uses;
        // A try that another follows tells of one server, and not of the store.
        if callouts.is_empty() {
            self.note_failure(now, result, answer.retry_after);
        }
        Some(Finished { report: self.report(now, call, result), callouts, decided })
    }

    /// The callouts that nobody reported on in time. Each counts as failed once it is given to [`SharedMemory::finish`]. None where
    /// callouts belong to requests.
    #[must_use]
    pub(crate) fn timed_out(&self, now: Moment) -> Vec<(CalloutId, CalloutSubject)> {
        match self.owner {
            CalloutOwner::Plugin => self.calls.timed_out(now.steady),
            CalloutOwner::Request => Vec::new(),
        }
    }

    /// What can be asked ahead of time, where somebody can: where callouts belong to the plugin.
    pub(crate) fn due(&mut self, now: Moment) -> Option<Callout> {
        if self.owner == CalloutOwner::Request || self.preparing.is_some() || !self.backoff.may_try(now.steady) {
            return None;
        }
        let preparation = self.engine.preparation_ahead(now)?;
        Some(self.prepare_for_all(now, preparation, self.timeout))
    }

    /// Forgets what a request asks whose client has hung up: nobody will report on it. Whether it was written, the next one who shows
    /// the token finds out. Elsewhere than where callouts belong to requests it goes on.
    pub(crate) fn abandon(&mut self, call: CalloutId, subject: &CalloutSubject) {
        if self.owner == CalloutOwner::Request {
            self.calls.take(call, subject);
            self.uses.retain(|known| *subject != CalloutSubject::TokenUse(known.token));
        }
    }

    /// Forgets what nobody waits for, because the client has hung up: what is decided and was not taken, and, where callouts belong to
    /// requests and not every gateway tells of such clients, what has taken longer than anything may. Longer than that is also what
    /// seems to end later than it can: the only clock was set back.
    fn forget_abandoned(&mut self, now: SteadyTime) {
        let (owner, longest) = (self.owner, self.deadline);
        self.uses.retain(|known| {
            let is_in_time = (Duration::from_nanos(1)..=longest).contains(&now.until(known.deadline));
            !matches!(known.state, State::Decided(_)) && (is_in_time || owner == CalloutOwner::Plugin)
        });
        if owner == CalloutOwner::Request {
            self.calls.take_timed_out(now);
        }
    }

    /// The next callout for a use; none if another's is waited for.
    fn go_on(&mut self, now: Moment, asked: &mut Use) -> Option<Callout> {
        let timeout = self.timeout.min(now.steady.until(asked.deadline));
        let life = now.wall.until(asked.valid_until).saturating_add(self.ahead);
        let subject = CalloutSubject::TokenUse(asked.token);
        let request = match self.engine.preparation(now, life) {
            Some(preparation) => {
                asked.state = State::Prepares(preparation);
                asked.preparations = asked.preparations.saturating_add(1);
                if self.owner == CalloutOwner::Plugin {
                    return self.preparing.is_none().then(|| self.prepare_for_all(now, preparation, timeout));
                }
                self.engine.prepare(preparation, timeout)
            }
            None => {
                asked.state = State::Asks;
                self.engine.request(now, &asked.used, life, timeout)
            }
        };
        let id = self.ids.draw();
        self.calls.begin(now, id, subject.clone(), timeout);
        Some(Callout { id, subject, request: Box::new(request) })
    }

    fn prepare_for_all(&mut self, now: Moment, preparation: Preparation, timeout: Duration) -> Callout {
        self.preparing = Some(preparation);
        let (id, subject) = (self.ids.draw(), CalloutSubject::StoreSession);
        self.calls.begin(now, id, subject.clone(), timeout);
        Callout { id, subject, request: Box::new(self.engine.prepare(preparation, timeout)) }
    }

    fn prepared(
        &mut self,
        ended: &InFlight<CalloutSubject>,
        preparation: Preparation,
        body: &[u8],
    ) -> Result<(), StoreError> {
        self.engine.prepared(ended.since(), preparation, body).map_err(StoreError::Unreadable)
    }

    /// What becomes of a use, now that what it had to wait for is there, or this is why it is not.
    fn step(
        &mut self,
        now: Moment,
        waiting: &mut Use,
        result: Result<(), StoreError>,
        callouts: &mut Vec<Callout>,
        decided: &mut Vec<TokenDigest>,
    ) {
        let is_late = now.steady >= waiting.deadline || waiting.preparations >= MAX_PREPARATIONS;
        match result.and(if is_late { Err(StoreError::Late) } else { Ok(()) }) {
            Ok(()) => callouts.extend(self.go_on(now, waiting)),
            Err(error) => self.failed(now, waiting, error, callouts, decided),
        }
    }

    /// What becomes of a use whose callout has failed: another try, or none.
    fn failed(
        &mut self,
        now: Moment,
        asked: &mut Use,
        error: StoreError,
        callouts: &mut Vec<Callout>,
        decided: &mut Vec<TokenDigest>,
    ) {
        let has_time = now.steady.until(asked.deadline) >= LEAST_TRY;
        let is_void =
            matches!(asked.state, State::Asks) && error.status().is_some_and(|status| self.engine.is_void(status));
        let may_follow = has_time && (error.had_body() || self.repeats_unanswered);
        let goes_on = if is_void && !asked.is_renewed {
            asked.is_renewed = true;
            may_follow
        } else {
            asked.failures = asked.failures.saturating_add(1);
            may_follow && error.may_pass() && asked.failures < MAX_TRIES
        };
        if goes_on {
            callouts.extend(self.go_on(now, asked));
        } else {
            asked.state = State::Decided(Err(ReplayError::StoreUnavailable { retry_after: FIRST_BACKOFF }));
            decided.push(asked.token);
        }
    }

    /// Notes that the store has failed, if it has, and that it may have asked to be left alone. What fails together is one failure.
    fn note_failure(&mut self, now: Moment, result: Result<(), StoreError>, retry_after: Option<Duration>) {
        let Err(error) = result else { return };
        if error == StoreError::Clock {
            return;
        }
        let is_first = self.backoff.may_try(now.steady);
        if is_first {
            self.backoff.count_failure();
        }
        match retry_after.filter(|_| error.status().is_some()) {
            Some(retry_after) => self.backoff.pause_as_asked(now.steady, retry_after),
            None if is_first => {
                let doublings = self.backoff.failures().saturating_sub(1).min(8);
                let pause = FIRST_PAUSE.saturating_mul(1_u32.checked_shl(doublings).unwrap_or(u32::MAX));
                self.backoff.pause(now.steady, pause.min(LONGEST_BACKOFF));
            }
            None => {}
        }
    }

    fn unavailable(&self, now: Moment) -> ReplayError {
        ReplayError::StoreUnavailable { retry_after: self.backoff.retry_after(now.steady).max(FIRST_BACKOFF) }
    }

    fn report(&self, now: Moment, callout: CalloutId, result: Result<(), StoreError>) -> CalloutReport {
        let hint = result.err().and_then(StoreError::status).and_then(|status| self.engine.hint(status));
        let text = error::told(self.engine.name(), result, hint, self.backoff.retry_after(now.steady));
        CalloutReport { callout, kind: CalloutKind::ReplayStore, is_success: result.is_ok(), text, key_set: None }
    }
}

/// What a finding means for a token. A key that is not there says nothing of a token that ended so long ago, by the store's clock,
/// that its key may have ended too: this clock is behind.
fn judge(finding: Finding, valid_until: UnixTime, time: Option<UnixTime>) -> Result<(), ReplayError> {
    match finding {
        Finding::Used => Err(ReplayError::Replayed),
        Finding::New if time.is_some_and(|time| time > valid_until.after(LATEST_USE)) => {
            Err(ReplayError::Forgotten { retry_after: Duration::ZERO })
        }
        Finding::New => Ok(()),
    }
}

#[cfg(test)]
mod tests;
