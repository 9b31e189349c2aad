//! Signatures by callout (spec §4): the key stays in a remote signer. What all signers have in common is here: how often one is
//! asked and for how long, which answers count, and that every signature is verified before it leaves.
//!
//! A remote signer is a [`RemoteSigner`]: the request for a signature, and the signature in the answer; and the same for the
//! public keys, which are fetched first where none is configured ([`public_keys`]), and for the access token, where the filter asks
//! for that ([`access_tokens`]). One token has at most two tries, whichever of the callouts fails, and a deadline over all: a signature
//! that comes later would be on a token that is about to expire.

mod access_tokens;
mod aws_kms;
mod azure_key_vault;
mod error;
mod fetches;
mod google_cloud_kms;
mod metadata;
mod preparations;
mod public_keys;
mod signer;
mod step;
mod vault_transit;

use std::fmt;
use std::time::Duration;

use crate::callout::{
    Answer, Backoff, Body, Callout, CalloutError, CalloutId, CalloutIds, CalloutSubject, CalloutsInFlight, Wait,
};
use crate::capabilities::Capabilities;
use crate::config::{self, LocalKey};
use crate::log_line::printable;
use crate::request::{Correlation, RequestId};
use crate::time::{Moment, SteadyTime};

use super::token::UnsignedToken;

pub use aws_kms::AwsKms;
pub use azure_key_vault::AzureKeyVault;
pub(crate) use error::MAX_RESPONSE_LENGTH;
pub use error::{AnswerFault, RemoteError};
pub use google_cloud_kms::GoogleKms;
pub use signer::{AccessToken, Asked, RemoteSignature, RemoteSigner, TokenSource};
pub use step::{Need, PendingToken, Preparation, RemoteStep};
pub use vault_transit::VaultTransit;

use access_tokens::AccessTokens;
use preparations::Preparations;

/// How often the log tells what the signer warns of: it may warn in each answer.
const WARNING_PERIOD: Duration = Duration::from_mins(1);

/// The most warnings of one answer that are logged.
const MAX_WARNINGS: usize = 4;

/// Asks a remote signer.
pub struct RemoteSigning {
    signer: Box<dyn RemoteSigner>,
    preparations: Preparations,
    calls: CalloutsInFlight<RequestId>,
    ids: CalloutIds,
    last_warning: Option<SteadyTime>,
    /// The pause that the signer has asked for.
    pause: Backoff,
    /// See [`Capabilities::repeats_unanswered_callouts`].
    repeats_unanswered: bool,
}

/// The remote signer that is configured. Another one is a file beside this one, and a line here.
///
/// # Errors
/// The keys of this filter, where those sign.
pub(super) fn signer(settings: &config::Signer) -> Result<Box<dyn RemoteSigner>, &[LocalKey]> {
    match settings {
        config::Signer::Local(keys) => Err(keys),
        config::Signer::AwsKms(settings) => Ok(Box::new(AwsKms::new((**settings).clone()))),
        config::Signer::AzureKeyVault(settings) => Ok(Box::new(AzureKeyVault::new((**settings).clone()))),
        config::Signer::GoogleKms(settings) => Ok(Box::new(GoogleKms::new((**settings).clone()))),
        config::Signer::VaultTransit(settings) => Ok(Box::new(VaultTransit::new((**settings).clone()))),
    }
}

impl RemoteSigning {
    /// By this signer, and nothing waiting. `capabilities` are the gateway's.
    #[must_use]
    pub fn new(signer: Box<dyn RemoteSigner>, capabilities: &Capabilities) -> Self {
        let repeats_unanswered = capabilities.repeats_unanswered_callouts;
        let calls = CalloutsInFlight::new();
        let preparations = Preparations::new(&*signer, capabilities.callout_owner);
        Self {
            signer,
            preparations,
            calls,
            ids: CalloutIds::default(),
            last_warning: None,
            pause: Backoff::default(),
            repeats_unanswered,
        }
    }

    /// The signer.
    #[must_use]
    pub fn signer(&self) -> &dyn RemoteSigner {
        &*self.signer
    }

    /// How many tokens wait.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.calls.len()
    }

    /// Asks for the signature of a token on behalf of a request, or for what has to be there before. A token that this request waited for
    /// is forgotten. `may_wait` says whether one more may wait for that; `None` if it would have to and may not.
    pub fn start(
        &mut self,
        now: Moment,
        request: RequestId,
        token: UnsignedToken,
        correlation: Correlation,
        may_wait: bool,
    ) -> Option<(Box<PendingToken>, Need)> {
        self.forget(request);
        let deadline = now.after(self.signer.remote().patience.deadline);
        let pending = Box::new(PendingToken {
            token,
            correlation,
            since: now,
            deadline,
            second_try: false,
            is_renewed: false,
            signature: None,
        });
        let need = if may_wait {
            self.need(now, request, &pending)
        } else if self.preparations.are_there(now) {
            Need::Signature(self.ask(now, request, &pending))
        } else {
            return None;
        };
        Some((pending, need))
    }

    /// Takes the end of a callout for a signature. `may_wait` as for [`RemoteSigning::start`].
    ///
    /// # Errors
    /// The token, if it waits for another callout: this one was given up before and does not count any more.
    pub fn finish(
        &mut self,
        now: Moment,
        call: CalloutId,
        request: RequestId,
        mut pending: Box<PendingToken>,
        answer: Result<&[u8], CalloutError>,
        may_wait: bool,
    ) -> Result<RemoteStep, Box<PendingToken>> {
        let Some(ended) = self.calls.take(call, &request) else { return Err(pending) };
        let had_body = answer.map_or_else(CalloutError::had_body, |body| !body.is_empty());
        let signature = match pending.fault(now).filter(|_| answer.is_ok()) {
            Some(fault) => Err(fault),
            None => {
                let answer = ended.in_time_or_set_back(answer, now.steady);
                let body = answer.map_err(|error| RemoteError::of(error, |status| self.signer.may_pass(status)));
                body.and_then(|body| self.read(body).map_err(RemoteError::Wrong))
            }
        };
        let error = match signature {
            Ok(signature) => {
                match self.preparations.keys.verify(pending.token.signing_input().as_bytes(), &signature) {
                    Ok(()) => return Ok(RemoteStep::signed(*pending, signature)),
                    Err(fault) => {
                        let error = RemoteError::Wrong(fault);
                        let is_first = pending.signature.is_none();
                        if is_first
                            && may_wait
                            && self.preparations.keys.may_refetch(now.steady)
                            && pending.has_time_for_a_try(now.steady)
                        {
                            pending.signature = Some(signature);
                            let need =
                                Need::Preparation(self.prepare(now, self.preparations.before_keys(now), &pending));
                            return Ok(RemoteStep::Pending { pending, need, error: Some(error) });
                        }
                        error
                    }
                }
            }
            // Elsewhere a second try would tell whether the signer is well.
            Err(error) if !had_body && !self.repeats_unanswered => {
                return Ok(RemoteStep::Failed { error: error.unrepeated(), correlation: pending.correlation });
            }
            Err(error) => {
                if self.refuses_token(error) && self.preparations.may_replace_token(now, &pending) {
                    if let Some(tokens) = &mut self.preparations.tokens {
                        tokens.refuse(call);
                    }
                    pending.is_renewed = true;
                    if !may_wait {
                        return Ok(RemoteStep::Failed { error: error.passing(), correlation: pending.correlation });
                    }
                    let need = self.need(now, request, &pending);
                    return Ok(RemoteStep::Pending { pending, need, error: Some(error) });
                }
                error
            }
        };
        Ok(self.again_or_failed(now, request, pending, error))
    }

    /// Takes the end of a fetch of what has to be there before: how much has come. What waited for it goes on with
    /// [`RemoteSigning::go_on`]. `None` if it was given up before and does not count any more.
    pub fn finish_preparation(
        &mut self,
        now: Moment,
        fetch: CalloutId,
        preparation: Preparation,
        answer: Result<&[u8], CalloutError>,
    ) -> Option<Result<usize, RemoteError>> {
        let ended = self.preparations.fetches(preparation).take(fetch)?;
        let had_body = answer.map_or_else(CalloutError::had_body, |body| !body.is_empty());
        let answer = ended.in_time_or_set_back(answer, now.steady);
        let body = answer.map_err(|error| {
            RemoteError::of(error, |status| preparations::may_pass(&*self.signer, preparation, status))
        });
        let (signer, last) = (&*self.signer, self.ids.last());
        let learn = |body| self.preparations.learn(signer, &ended, last, preparation, body).map_err(RemoteError::Wrong);
        let result = body.and_then(learn);
        Some(result.map_err(|error| {
            self.preparations.failed(signer, now.steady, fetch, preparation, error);
            // As with a signature; what is asked for without a body may be asked for again.
            let may_follow =
                had_body || self.repeats_unanswered || !preparations::asks_with_a_body(&*self.signer, preparation);
            if may_follow { error } else { error.unanswered() }
        }))
    }

    /// What becomes of a token that waited for this, now that it is there, or this is why it is not. `may_wait` as for
    /// [`RemoteSigning::start`].
    pub fn go_on(
        &mut self,
        now: Moment,
        request: RequestId,
        mut pending: Box<PendingToken>,
        preparation: Preparation,
        result: Result<(), RemoteError>,
        may_wait: bool,
    ) -> RemoteStep {
        match result {
            // It was asked for before the end of the one that is there.
            Err(error)
                if preparation == Preparation::AccessToken
                    && self.preparations.has_token(now)
                    && error.may_be_followed() => {}
            Err(error) => {
                let is_refused = preparation == Preparation::PublicKeys && self.refuses_token(error);
                let goes_on = if is_refused && self.preparations.may_replace_token(now, &pending) {
                    pending.is_renewed = true;
                    true
                } else if error.may_pass() && pending.may_try_again(now.steady) {
                    pending.second_try = true;
                    true
                } else {
                    false
                };
                if !(goes_on && may_wait) {
                    let has_token = preparation == Preparation::AccessToken && self.preparations.has_token(now);
                    let error = if goes_on || has_token { error.passing() } else { error };
                    return RemoteStep::Failed { error, correlation: pending.correlation };
                }
                let next = match preparation {
                    Preparation::AccessToken => preparation,
                    Preparation::PublicKeys => self.preparations.before_keys(now),
                };
                let need = Need::Preparation(self.prepare(now, next, &pending));
                return RemoteStep::Pending { pending, need, error: Some(error) };
            }
            Ok(()) => {}
        }
        if now.steady >= pending.deadline.steady {
            return RemoteStep::Failed { error: RemoteError::Late, correlation: pending.correlation };
        }
        if pending.fault(now).is_some() {
            return self.again_or_failed(now, request, pending, RemoteError::Outdated);
        }
        let need = match (&pending.signature, preparation) {
            (Some(signature), Preparation::PublicKeys) => {
                match self.preparations.keys.verify(pending.token.signing_input().as_bytes(), signature) {
                    Ok(()) => {
                        let signature = signature.clone();
                        return RemoteStep::signed(*pending, signature);
                    }
                    Err(fault) => {
                        self.preparations.keys.fetches.note_vain(now.steady);
                        return self.again_or_failed(now, request, pending, RemoteError::Wrong(fault));
                    }
                }
            }
            // The keys were to be fetched, and the access token for that had ended.
            (Some(_), Preparation::AccessToken) if may_wait => {
                Need::Preparation(self.prepare(now, self.preparations.before_keys(now), &pending))
            }
            (None, _) if may_wait => self.need(now, request, &pending),
            _ if self.preparations.are_there(now) => Need::Signature(self.ask(now, request, &pending)),
            // Nobody waits for it any more.
            _ => return RemoteStep::Failed { error: RemoteError::Late, correlation: pending.correlation },
        };
        RemoteStep::Pending { pending, need, error: None }
    }

    /// The fetch that is due although no token waits for it: of the access token before its end, and of the public keys at the start.
    pub fn due(&mut self, now: Moment) -> Option<Callout> {
        if !self.pause.may_try(now.steady) {
            return None;
        }
        let preparation = self.preparations.due(now)?;
        let timeout = self.signer.remote().patience.timeout;
        let id = self.ids.draw();
        let begins = self.preparations.fetches(preparation).begin_ahead(now, id, timeout);
        begins.then(|| self.preparing(now, id, preparation, timeout))
    }

    /// The fetches that nobody reported on in time. Each counts as failed once it is given to
    /// [`RemoteSigning::finish_preparation`].
    #[must_use]
    pub fn timed_out_preparations(&self, now: SteadyTime) -> Vec<(CalloutId, Preparation)> {
        let Preparations { tokens, keys } = &self.preparations;
        let token = tokens.as_ref().and_then(|tokens| tokens.fetches.timed_out(now));
        let keys = keys.fetches.timed_out(now);
        let token = token.map(|fetch| (fetch, Preparation::AccessToken));
        token.into_iter().chain(keys.map(|fetch| (fetch, Preparation::PublicKeys))).collect()
    }

    /// Gives up the fetch that a request made for itself alone.
    pub fn forget_fetch(&mut self, fetch: CalloutId) {
        for preparation in [Preparation::AccessToken, Preparation::PublicKeys] {
            self.preparations.fetches(preparation).take(fetch);
        }
    }

    /// The body of a complete answer with status 200, or why it does not count: in HTTP's words, whatever the service's are.
    ///
    /// # Errors
    /// See [`CalloutError`].
    pub fn complete<'a>(&self, answer: &'a Answer) -> Result<&'a [u8], CalloutError> {
        answer.complete().map_err(|error| match (error, &answer.body) {
            (CalloutError::Status(status), Body::Read(body)) if body.len() <= MAX_RESPONSE_LENGTH => {
                CalloutError::Status(self.signer.status(status, body))
            }
            (error, _) => error,
        })
    }

    /// Notes what an answer says of when to ask again. A quota counts tries, also those that it refuses (429); of a signer that is away
    /// for a while (503) another try may still be answered, by one of its kind. What gives access tokens has a pause of its own: the
    /// signer may be asked meanwhile, with the one that is there.
    pub fn note_pause(&mut self, now: SteadyTime, subject: &CalloutSubject, answer: &Answer) {
        let asked = answer.retry_after().filter(|_| answer.status.as_deref() == Some(b"429"));
        match (asked, subject, &mut self.preparations.tokens) {
            (None, ..) => {}
            (Some(retry_after), CalloutSubject::SignerToken, Some(tokens)) => {
                tokens.fetches.pause_as_asked(now, retry_after);
            }
            (Some(retry_after), ..) => self.pause.pause_as_asked(now, retry_after),
        }
    }

    /// How long the signer wants to be left alone, or no access token for it can be had.
    #[must_use]
    pub fn retry_after(&self, now: Moment) -> Option<Duration> {
        let asked = (!self.pause.may_try(now.steady)).then(|| self.pause.retry_after(now.steady));
        let tokens = self.preparations.tokens.as_ref().filter(|tokens| tokens.is_missing(now));
        asked.max(tokens.and_then(|tokens| tokens.fetches.pause(now.steady)))
    }

    /// What the log should be told that the signer warns of in an answer, once a minute at most.
    pub fn warning(&mut self, now: SteadyTime, answer: Result<&[u8], CalloutError>) -> Option<String> {
        let body = answer.ok().filter(|body| body.len() <= MAX_RESPONSE_LENGTH)?;
        if self.last_warning.and_then(|last| now.since(last)).is_some_and(|since| since < WARNING_PERIOD) {
            return None;
        }
        let warnings = self.signer.warnings(body);
        let texts: Vec<_> = warnings.iter().take(MAX_WARNINGS).map(|text| printable(text.as_bytes())).collect();
        if texts.is_empty() {
            return None;
        }
        self.last_warning = Some(now);
        Some(format!("the remote signer warns: {}", texts.join("; ")))
    }

    /// The callouts that nobody reported on in time. Each counts as failed once it is given to [`RemoteSigning::finish`].
    #[must_use]
    pub fn timed_out(&self, now: SteadyTime) -> Vec<(CalloutId, RequestId)> {
        self.calls.timed_out(now)
    }

    /// Forgets what was asked for a request.
    pub fn forget(&mut self, request: RequestId) {
        self.calls.give_up(&request);
    }

    /// What the log says of an error.
    #[must_use]
    pub fn explain(&self, error: RemoteError) -> String {
        explained(error, error.status().and_then(|status| self.signer.hint(status)))
    }

    /// What the log says of an error of a fetch of what has to be there before.
    #[must_use]
    pub fn explain_preparation(&self, preparation: Preparation, error: RemoteError) -> String {
        explained(error, error.status().and_then(|status| preparations::hint(&*self.signer, preparation, status)))
    }

    /// What a token waits for next.
    fn need(&mut self, now: Moment, request: RequestId, pending: &PendingToken) -> Need {
        match self.preparations.next(now) {
            Some(preparation) => Need::Preparation(self.prepare(now, preparation, pending)),
            None => Need::Signature(self.ask(now, request, pending)),
        }
    }

    /// A fetch that begins now, or the one in flight.
    fn prepare(&mut self, now: Moment, preparation: Preparation, pending: &PendingToken) -> Wait {
        let timeout = self.timeout(now.steady, pending);
        let id = self.ids.draw();
        let begins = self.preparations.fetches(preparation).begin(now, id, timeout);
        let callout = begins.then(|| self.preparing(now, id, preparation, timeout));
        Wait { subject: preparation.subject(), callout }
    }

    fn preparing(&self, now: Moment, id: CalloutId, preparation: Preparation, timeout: Duration) -> Callout {
        let request = self.preparations.request(&*self.signer, now, preparation, &self.asked(now, timeout));
        Callout { id, subject: preparation.subject(), request: Box::new(request) }
    }

    fn asked(&self, now: Moment, timeout: Duration) -> Asked<'_> {
        let token = self.preparations.tokens.as_ref().and_then(AccessTokens::current);
        Asked { now: now.wall, timeout, token }
    }

    fn refuses_token(&self, error: RemoteError) -> bool {
        preparations::is_refusal_of_token(&*self.signer, error)
    }

    /// One more callout for a signature, which begins now.
    fn ask(&mut self, now: Moment, request: RequestId, pending: &PendingToken) -> Callout {
        let id = self.ids.draw();
        let timeout = self.timeout(now.steady, pending);
        self.calls.begin(now, id, request, timeout);
        let subject = CalloutSubject::Signature(request);
        let request = self.signer.request(pending.token.signing_input(), &self.asked(now, timeout));
        Callout { id, subject, request: Box::new(request) }
    }

    fn timeout(&self, now: SteadyTime, pending: &PendingToken) -> Duration {
        self.signer.remote().patience.timeout.min(now.until(pending.deadline.steady))
    }

    fn again_or_failed(
        &mut self,
        now: Moment,
        request: RequestId,
        mut pending: Box<PendingToken>,
        error: RemoteError,
    ) -> RemoteStep {
        if !(error.may_pass() && pending.may_try_again(now.steady)) {
            return RemoteStep::Failed { error, correlation: pending.correlation };
        }
        pending.second_try = true;
        if !pending.renew(now) {
            return RemoteStep::Failed { error: RemoteError::Outdated, correlation: pending.correlation };
        }
        let need = Need::Signature(self.ask(now, request, &pending));
        RemoteStep::Pending { pending, need, error: Some(error) }
    }

    /// The signature in an answer.
    fn read(&self, body: &[u8]) -> Result<RemoteSignature, AnswerFault> {
        if body.len() > MAX_RESPONSE_LENGTH {
            return Err(AnswerFault::TooLong);
        }
        self.signer.read(body).map_err(AnswerFault::Unreadable)
    }
}

fn explained(error: RemoteError, hint: Option<&str>) -> String {
    match hint {
        Some(hint) => format!("{error}: {hint}"),
        None => error.to_string(),
    }
}

// By hand, because a trait that demanded `Debug` would keep the code that prints all settings in the module.
impl fmt::Debug for RemoteSigning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RemoteSigning").field("signer", &self.signer.name()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
