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
use crate::request_table::MAX_RELEASED;
use crate::signing::{PendingToken, Progress, SignedToken, SigningError, TokenIssuer};
use crate::time::UnixTime;
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
    /// Whether its request has gone away meanwhile. A signature may come all the same, and is to be told of.
    is_cancelled: bool,
}

/// How far a token has come.
#[derive(Debug)]
#[must_use]
pub(crate) enum Attachment {
    /// It is there, and this is to be told.
    Attached(Box<AttachedToken>, Event),
    /// It waits for this callout.
    Waits(AwaitedToken, Callout),
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

    /// Signs a token on behalf of a request, or says which callout that takes.
    pub(crate) fn attach(
        &mut self,
        now: UnixTime,
        id: RequestId,
        nonce_input: &NonceInput,
        correlation: Correlation,
    ) -> Attachment {
        match self.issuer.sign(now, id, nonce_input, &correlation) {
            Ok(Progress::Signed(token)) => self.attached(&token),
            Ok(Progress::Pending(pending, callout)) => {
                Attachment::Waits(AwaitedToken { pending, is_cancelled: false }, callout)
            }
            Err(error) => failed(error, correlation),
        }
    }

    /// Notes what an answer says of when to ask again, if it is the signer's.
    pub(crate) fn note_pause(&mut self, now: UnixTime, subject: &CalloutSubject, answer: &Answer) {
        if matches!(subject, CalloutSubject::Signature(_)) {
            self.issuer.note_pause(now, answer);
        }
    }

    /// Takes the end of a callout for what waited for it. What is to be told of that comes first.
    ///
    /// # Errors
    /// What waits, if it is for another callout: this one was given up before and does not count any more.
    pub(crate) fn finish(
        &mut self,
        now: UnixTime,
        call: CalloutId,
        id: RequestId,
        awaited: AwaitedToken,
        answer: Result<&[u8], CalloutError>,
    ) -> Result<(Vec<Event>, Attachment), AwaitedToken> {
        let AwaitedToken { pending, is_cancelled } = awaited;
        let finished = self.issuer.finish(now, call, id, pending, answer);
        let finished = finished.map_err(|pending| AwaitedToken { pending, is_cancelled })?;
        let attachment = match finished.result {
            Ok(Progress::Signed(token)) if is_cancelled => Attachment::Cancelled(Some(signed(&token))),
            Ok(Progress::Pending(..)) if is_cancelled => {
                self.issuer.forget(id);
                Attachment::Cancelled(None)
            }
            Err(_) if is_cancelled => Attachment::Cancelled(None),
            Ok(Progress::Signed(token)) => self.attached(&token),
            Ok(Progress::Pending(pending, callout)) => {
                Attachment::Waits(AwaitedToken { pending, is_cancelled }, callout)
            }
            Err((error, correlation)) => failed(error, correlation),
        };
        let events = [Event::CalloutEnded(finished.report)].into_iter().chain(finished.warning.map(Event::Warning));
        Ok((events.collect(), attachment))
    }

    /// The callouts that nobody reported on in time, the oldest first, as far as a tick that has brought about these outcomes may
    /// decide on more ([`MAX_RELEASED`]). Each counts as failed once it is given to [`TokenAttacher::finish`]. None where
    /// callouts belong to requests: nobody could be woken.
    #[must_use]
    pub(crate) fn timed_out(&mut self, now: UnixTime, outcomes: &[CalloutOutcome]) -> Vec<(CalloutId, CalloutSubject)> {
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
        match self.owner {
            CalloutOwner::Plugin => Some(AwaitedToken { is_cancelled: true, ..awaited }),
            CalloutOwner::Request => {
                self.issuer.forget(id);
                None
            }
        }
    }

    /// Forgets what the signer was asked for a request of which nothing is known any more.
    pub(crate) fn forget(&mut self, id: RequestId) {
        self.issuer.forget(id);
    }

    fn attached(&self, token: &SignedToken) -> Attachment {
        Attachment::Attached(Box::new(AttachedToken::new(self.header.clone(), token)), signed(token))
    }
}

fn signed(token: &SignedToken) -> Event {
    Event::Signed(Box::new(token.record().clone()))
}

fn failed(error: SigningError, correlation: Correlation) -> Attachment {
    Attachment::Failed(Box::new(Rejection::new(RejectReason::Signing(error), Evidence::default(), correlation)))
}
