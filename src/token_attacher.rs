//! Puts a signed token onto requests or responses (spec §2.4, §4). What is to carry one never goes on without: a fault of
//! the signer becomes a rejection.

use std::borrow::Cow;

use crate::callout::{Answer, Callout, CalloutError, CalloutId, CalloutSubject};
use crate::capabilities::{CalloutOwner, Capabilities};
use crate::config;
use crate::effects::{CalloutOutcome, Event};
use crate::evidence::Evidence;
use crate::reply::{RejectReason, Rejection};
use crate::request::{Correlation, NonceInput, RequestId};
use crate::request_table::{Awaited, MAX_RELEASED};
use crate::signing::{
    Need, PendingToken, Preparation, Progress, RemoteError, SignedToken, SigningError, TokenIssuer, Unsigned,
};
use crate::time::Moment;
use crate::verdict::AttachedToken;

/// Signs tokens for one header of requests or of responses.
#[derive(Debug)]
pub(crate) struct TokenAttacher {
    issuer: TokenIssuer,
    header: Cow<'static, str>,
    owner: CalloutOwner,
    /// See [`TokenAttacher::is_behind`].
    is_behind: bool,
}

/// Something that waits for its token. Whoever holds it gives it back with the end of its callout.
#[derive(Debug)]
pub(crate) struct AwaitedToken {
    pending: Box<PendingToken>,
    /// What it waits for, if that is a preparation and not its signature.
    preparation: Option<Awaited>,
    /// Whether its request has gone away meanwhile. A signature may come all the same, and is to be told of.
    is_cancelled: bool,
}

/// The end of a preparation: a fetch of what has to be there before the signer is asked.
#[derive(Debug)]
pub(crate) struct Prepared {
    /// What is to be told of it.
    pub events: Vec<Event>,
    preparation: Preparation,
    result: Result<(), RemoteError>,
}

/// How far a token has come.
#[derive(Debug)]
#[must_use]
pub(crate) enum Attachment {
    /// It is there, and this is to be told.
    Attached(Box<AttachedToken>, Event),
    /// It waits, and this callout is to be made, if any.
    Waits(AwaitedToken, Option<Callout>),
    /// There will be none.
    Failed(Box<Rejection>),
    /// Nobody waits for it any more. A signature is to be told of, if there is one.
    Cancelled(Option<Event>),
}

impl TokenAttacher {
    /// For this header, its name in lower case. `capabilities` are the gateway's.
    #[must_use]
    pub(crate) fn new(
        settings: config::Signing,
        header: impl Into<Cow<'static, str>>,
        capabilities: &Capabilities,
    ) -> Self {
        let issuer = TokenIssuer::new(settings, capabilities);
        Self { issuer, header: header.into(), owner: capabilities.callout_owner, is_behind: false }
    }

    /// Whether tokens wait for callouts.
    #[must_use]
    pub(crate) fn is_remote(&self) -> bool {
        self.issuer.is_remote()
    }

    /// Signs a token on behalf of a request, or says which callout that takes. `may_wait` says whether one more may wait for a
    /// preparation: it counts among those that wait for keys ([`State::awaits`](crate::request_table::State::awaits)).
    pub(crate) fn attach(
        &mut self,
        now: Moment,
        id: RequestId,
        nonce_input: &NonceInput,
        correlation: Correlation,
        may_wait: bool,
    ) -> Attachment {
        match self.issuer.sign(now, id, nonce_input, &correlation, may_wait) {
            Ok(progress) => self.progressed(now, Ok(progress)),
            Err(error) => failed(error, correlation),
        }
    }

    /// The body of a complete answer, or why it does not count. Notes what it says of when to ask again, if it is the signer's.
    ///
    /// # Errors
    /// See [`CalloutError`].
    pub(crate) fn receive<'a>(
        &mut self,
        now: Moment,
        subject: &CalloutSubject,
        answer: &'a Answer,
    ) -> Result<&'a [u8], CalloutError> {
        self.issuer.receive(now, subject, answer)
    }

    /// Takes the end of a callout for what waited for it. What is to be told of that comes first. `may_wait` as for
    /// [`TokenAttacher::attach`].
    ///
    /// # Errors
    /// What waits, if it is for another callout: this one was given up before and does not count any more.
    pub(crate) fn finish(
        &mut self,
        now: Moment,
        call: CalloutId,
        id: RequestId,
        awaited: AwaitedToken,
        answer: Result<&[u8], CalloutError>,
        may_wait: bool,
    ) -> Result<(Vec<Event>, Attachment), AwaitedToken> {
        let AwaitedToken { pending, preparation, is_cancelled } = awaited;
        let may_wait = may_wait && !is_cancelled;
        let finished = self.issuer.finish(now, call, id, pending, answer, may_wait);
        let finished = finished.map_err(|pending| AwaitedToken { pending, preparation, is_cancelled })?;
        let attachment = self.attachment(now, id, finished.result, is_cancelled);
        let events = [Event::CalloutEnded(finished.report)].into_iter().chain(finished.warning.map(Event::Warning));
        Ok((events.collect(), attachment))
    }

    /// Takes the end of a preparation, for all that waited for it. `None` if it was given up before and does not count any more.
    pub(crate) fn finish_preparation(
        &mut self,
        now: Moment,
        fetch: CalloutId,
        preparation: Preparation,
        answer: Result<&[u8], CalloutError>,
    ) -> Option<Prepared> {
        let Some(finished) = self.issuer.finish_preparation(now, fetch, preparation, answer) else {
            // The request that nothing else can decide on is told what one is told whose callout brought nothing.
            let result = Err(RemoteError::Unanswered(CalloutError::NoAnswer));
            let given_up = Prepared { events: Vec::new(), preparation, result };
            return Some(given_up).filter(|_| self.owner == CalloutOwner::Request);
        };
        let events = [Event::CalloutEnded(finished.report)].into_iter().chain(finished.warning.map(Event::Warning));
        Some(Prepared { events: events.collect(), preparation, result: finished.result })
    }

    /// What becomes of something that waited for a preparation, and what is to be told of that. `may_wait` as for
    /// [`TokenAttacher::attach`].
    pub(crate) fn go_on(
        &mut self,
        now: Moment,
        id: RequestId,
        awaited: AwaitedToken,
        prepared: &Prepared,
        may_wait: bool,
    ) -> (Option<Event>, Attachment) {
        let AwaitedToken { pending, is_cancelled, .. } = awaited;
        let may_wait = may_wait && !is_cancelled;
        let gone_on = self.issuer.go_on(now, id, pending, prepared.preparation, prepared.result, may_wait);
        let attachment = self.attachment(now, id, gone_on.result, is_cancelled);
        (gone_on.warning.map(Event::Warning), attachment)
    }

    /// The preparation that is due although nothing waits for it.
    pub(crate) fn due(&mut self, now: Moment) -> Option<Callout> {
        self.issuer.due(now)
    }

    /// The preparations that nobody reported on in time. Each counts as failed once it is given to
    /// [`TokenAttacher::finish_preparation`].
    #[must_use]
    pub(crate) fn timed_out_preparations(&self, now: Moment) -> Vec<(CalloutId, CalloutSubject)> {
        let timed_out = self.issuer.timed_out_preparations(now).into_iter();
        timed_out.map(|(fetch, preparation)| (fetch, preparation.subject())).collect()
    }

    /// The callouts that nobody reported on in time, the oldest first, as far as a tick that has brought about these outcomes may
    /// decide on more ([`MAX_RELEASED`]). Each counts as failed once it is given to [`TokenAttacher::finish`]. None where
    /// callouts belong to requests: nobody could be woken.
    #[must_use]
    pub(crate) fn timed_out(&mut self, now: Moment, outcomes: &[CalloutOutcome]) -> Vec<(CalloutId, CalloutSubject)> {
        let mut timed_out = match self.owner {
            CalloutOwner::Plugin => self.issuer.timed_out(now),
            CalloutOwner::Request => Vec::new(),
        };
        let most = outcomes.iter().fold(MAX_RELEASED, |most, outcome| most.saturating_sub(outcome.most_releases()));
        self.is_behind = timed_out.len() > most;
        timed_out.truncate(most);
        timed_out.into_iter().map(|(call, id)| (call, CalloutSubject::Signature(id))).collect()
    }

    /// Whether the last tick has left callouts to the next that nobody reported on in time.
    #[must_use]
    pub(crate) fn is_behind(&self) -> bool {
        self.is_behind
    }

    /// Notes that a request has gone away that waited for its token. What is returned still waits, so that a signature that
    /// comes is told of. Where callouts belong to requests, the end of this one will not be told, and nothing waits.
    pub(crate) fn cancel(&mut self, id: RequestId, awaited: AwaitedToken) -> Option<AwaitedToken> {
        let may_be_signed = awaited.preparation.is_none() || awaited.pending.has_signature();
        match self.owner {
            CalloutOwner::Plugin => Some(AwaitedToken { is_cancelled: true, ..awaited }).filter(|_| may_be_signed),
            CalloutOwner::Request => {
                self.issuer.forget(id);
                if let Some((fetch, _)) = awaited.preparation.as_ref().and_then(Awaited::own_callout) {
                    self.issuer.forget_fetch(fetch);
                }
                None
            }
        }
    }

    /// Forgets what the signer was asked for a request of which nothing is known any more.
    pub(crate) fn forget(&mut self, id: RequestId) {
        self.issuer.forget(id);
    }

    fn attachment(
        &mut self,
        now: Moment,
        id: RequestId,
        result: Result<Progress, Unsigned>,
        is_cancelled: bool,
    ) -> Attachment {
        match result {
            Ok(Progress::Signed(token)) if is_cancelled => Attachment::Cancelled(Some(signed(&token))),
            Ok(Progress::Pending(..)) if is_cancelled => {
                self.issuer.forget(id);
                Attachment::Cancelled(None)
            }
            Err(_) if is_cancelled => Attachment::Cancelled(None),
            result => self.progressed(now, result),
        }
    }

    fn progressed(&self, now: Moment, result: Result<Progress, Unsigned>) -> Attachment {
        match result {
            Ok(Progress::Signed(token)) => {
                Attachment::Attached(Box::new(AttachedToken::new(self.header.clone(), &token)), signed(&token))
            }
            Ok(Progress::Pending(pending, Need::Signature(callout))) => {
                Attachment::Waits(AwaitedToken { pending, preparation: None, is_cancelled: false }, Some(callout))
            }
            Ok(Progress::Pending(pending, Need::Preparation(wait))) => {
                let preparation = Some(Awaited::new(&wait, now.steady));
                Attachment::Waits(AwaitedToken { pending, preparation, is_cancelled: false }, wait.callout)
            }
            Err(unsigned) => {
                let (error, correlation) = *unsigned;
                failed(error, correlation)
            }
        }
    }
}

impl AwaitedToken {
    /// What it waits for, if that is a preparation.
    #[must_use]
    pub(crate) fn awaits_preparation(&self) -> Option<&Awaited> {
        self.preparation.as_ref()
    }
}

fn signed(token: &SignedToken) -> Event {
    Event::Signed(Box::new(token.record().clone()))
}

fn failed(error: SigningError, correlation: Correlation) -> Attachment {
    Attachment::Failed(Box::new(Rejection::new(RejectReason::Signing(error), Evidence::default(), correlation)))
}
