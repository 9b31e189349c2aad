//! Signatures by callout (spec §4): the key stays in a remote signer. What all signers have in common is here: how often one is
//! asked and for how long, which answers count, and that every signature is checked as far as it can be before it leaves.
//!
//! A remote signer is a [`RemoteSigner`]: the request for a signature, and the signature in the answer. One token has at most
//! two tries, and a deadline over both: a signature that comes later would be on a token that is about to expire.

mod error;
mod signer;
mod vault_transit;

use std::fmt;
use std::time::Duration;

use crate::callout::{Answer, Backoff, Callout, CalloutError, CalloutId, CalloutIds, CalloutSubject, CalloutsInFlight};
use crate::capabilities::Capabilities;
use crate::config::{self, LocalKey};
use crate::log_line::printable;
use crate::request::{Correlation, RequestId};
use crate::rsa::{MAX_MODULUS_BITS, MIN_MODULUS_BITS};
use crate::time::UnixTime;

use super::token::UnsignedToken;

pub(crate) use error::MAX_RESPONSE_LENGTH;
pub use error::{AnswerFault, RemoteError};
pub use signer::RemoteSigner;
pub use vault_transit::VaultTransit;

/// The least time before the deadline in which a second try is made. A signature takes a few milliseconds and a new
/// connection some tens of them; with less time the try would only load a signer that is late already.
const LEAST_TRY: Duration = Duration::from_millis(100);

/// How often the log tells what the signer warns of: it may warn in each answer.
const WARNING_PERIOD: Duration = Duration::from_mins(1);

/// The most warnings of one answer that are logged.
const MAX_WARNINGS: usize = 4;

/// Asks a remote signer.
pub struct RemoteSigning {
    signer: Box<dyn RemoteSigner>,
    calls: CalloutsInFlight<RequestId>,
    ids: CalloutIds,
    last_warning: Option<UnixTime>,
    /// The pause that the signer has asked for.
    pause: Backoff,
    /// See [`Capabilities::repeats_unanswered_callouts`].
    repeats_unanswered: bool,
}

/// A token that waits for its signature. Whoever holds it gives it back with the end of its callout.
#[derive(Debug)]
pub struct PendingToken {
    token: UnsignedToken,
    correlation: Correlation,
    deadline: UnixTime,
    second_try: bool,
}

/// What the end of a callout means for the token that waited for it.
#[derive(Debug)]
#[must_use]
pub enum RemoteStep {
    /// It is signed, and the signature was checked as far as it can be.
    Signed {
        /// The token.
        token: UnsignedToken,
        /// Its signature.
        signature: Vec<u8>,
        /// The ids of its request.
        correlation: Correlation,
    },
    /// The signer is asked once more.
    Again {
        /// The token, which still waits.
        pending: Box<PendingToken>,
        /// The callout.
        callout: Callout,
        /// Why.
        error: RemoteError,
    },
    /// There will be no signature.
    Failed {
        /// Why.
        error: RemoteError,
        /// The ids of its request.
        correlation: Correlation,
    },
}

/// The remote signer that is configured. Another one is a file beside this one, and a line here.
///
/// # Errors
/// The keys of this filter, where those sign.
pub(super) fn signer(settings: &config::Signer) -> Result<Box<dyn RemoteSigner>, &[LocalKey]> {
    match settings {
        config::Signer::Local(keys) => Err(keys),
        config::Signer::VaultTransit(settings) => Ok(Box::new(VaultTransit::new((**settings).clone()))),
    }
}

impl RemoteSigning {
    /// By this signer, and nothing waiting. `capabilities` are the gateway's.
    #[must_use]
    pub fn new(signer: Box<dyn RemoteSigner>, capabilities: &Capabilities) -> Self {
        let repeats_unanswered = capabilities.repeats_unanswered_callouts;
        let calls = CalloutsInFlight::new();
        Self {
            signer,
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

    /// Asks for the signature of a token on behalf of a request. A token that this request waited for is forgotten.
    pub fn start(
        &mut self,
        now: UnixTime,
        request: RequestId,
        token: UnsignedToken,
        correlation: Correlation,
    ) -> (Box<PendingToken>, Callout) {
        self.forget(request);
        let deadline = now.after(self.signer.limits().deadline);
        let pending = Box::new(PendingToken { token, correlation, deadline, second_try: false });
        let callout = self.ask(now, request, &pending);
        (pending, callout)
    }

    /// Takes the end of a callout.
    ///
    /// # Errors
    /// The token, if it waits for another callout: this one was given up before and does not count any more.
    pub fn finish(
        &mut self,
        now: UnixTime,
        call: CalloutId,
        request: RequestId,
        mut pending: Box<PendingToken>,
        answer: Result<&[u8], CalloutError>,
    ) -> Result<RemoteStep, Box<PendingToken>> {
        let Some(ended) = self.calls.take(call, &request) else { return Err(pending) };
        let had_body = answer.map_or_else(CalloutError::had_body, |body| !body.is_empty());
        let is_late = answer.is_ok() && now > pending.deadline;
        let signature = if is_late {
            Err(RemoteError::Late)
        } else {
            let answer = ended.in_time_or_set_back(answer, now);
            let body = answer.map_err(|error| RemoteError::of(error, |status| self.signer.may_pass(status)));
            body.and_then(|body| self.signature(body, &pending.token).map_err(RemoteError::Wrong))
        };
        let PendingToken { deadline, second_try, .. } = *pending;
        Ok(match signature {
            Ok(signature) => {
                let PendingToken { token, correlation, .. } = *pending;
                RemoteStep::Signed { token, signature, correlation }
            }
            // Elsewhere a second try would tell whether the signer is well.
            Err(error) if !had_body && !self.repeats_unanswered => {
                RemoteStep::Failed { error: error.unrepeated(), correlation: pending.correlation }
            }
            Err(error) if !second_try && error.may_pass() && now.until(deadline) >= LEAST_TRY => {
                pending.second_try = true;
                let callout = self.ask(now, request, &pending);
                RemoteStep::Again { pending, callout, error }
            }
            Err(error) => RemoteStep::Failed { error, correlation: pending.correlation },
        })
    }

    /// Notes what an answer says of when to ask again. A quota counts tries, also those that it refuses (429); of a signer that is away
    /// for a while (503) another try may still be answered, by one of its kind.
    pub fn note_pause(&mut self, now: UnixTime, answer: &Answer) {
        if let Some(retry_after) = answer.retry_after().filter(|_| answer.status.as_deref() == Some(b"429")) {
            self.pause.pause_as_asked(now, retry_after);
        }
    }

    /// How long the signer wants to be left alone.
    #[must_use]
    pub fn retry_after(&self, now: UnixTime) -> Option<Duration> {
        (!self.pause.may_try(now)).then(|| self.pause.retry_after(now))
    }

    /// What the log should be told that the signer warns of in an answer, once a minute at most.
    pub fn warning(&mut self, now: UnixTime, answer: Result<&[u8], CalloutError>) -> Option<String> {
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
    pub fn timed_out(&self, now: UnixTime) -> Vec<(CalloutId, RequestId)> {
        self.calls.timed_out(now)
    }

    /// Forgets what was asked for a request.
    pub fn forget(&mut self, request: RequestId) {
        self.calls.give_up(&request);
    }

    /// What the log says of an error.
    #[must_use]
    pub fn explain(&self, error: RemoteError) -> String {
        match error.status().and_then(|status| self.signer.hint(status)) {
            Some(hint) => format!("{error}: {hint}"),
            None => error.to_string(),
        }
    }

    /// One more callout, which begins now.
    fn ask(&mut self, now: UnixTime, request: RequestId, pending: &PendingToken) -> Callout {
        let id = self.ids.draw();
        let timeout = self.signer.limits().timeout.min(now.until(pending.deadline));
        self.calls.begin(now, id, request, timeout);
        let subject = CalloutSubject::Signature(request);
        Callout { id, subject, request: Box::new(self.signer.request(pending.token.signing_input(), timeout)) }
    }

    /// The signature that came for a token, if it is right: its length, and with the public key, where that is known, the
    /// signature itself (RFC 7518 §3.5).
    fn signature(&self, body: &[u8], token: &UnsignedToken) -> Result<Vec<u8>, AnswerFault> {
        if body.len() > MAX_RESPONSE_LENGTH {
            return Err(AnswerFault::TooLong);
        }
        let signature = self.signer.read(body).map_err(AnswerFault::Unreadable)?;
        let Some(key) = self.signer.public_key() else {
            let lengths = MIN_MODULUS_BITS / 8..=MAX_MODULUS_BITS / 8;
            return if lengths.contains(&signature.len()) { Ok(signature) } else { Err(AnswerFault::Length) };
        };
        if signature.len() != key.modulus().len() {
            return Err(AnswerFault::Length);
        }
        key.verify_ps256(token.signing_input().as_bytes(), &signature).map_err(|_| AnswerFault::Mismatch)?;
        Ok(signature)
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
