//! Signs the bank's own JWT Auth tokens (spec §2.4, §4): a fresh one for each request, by a key in memory or by a remote
//! signer, and every signature checked before it leaves.

mod local;
pub(crate) mod nonce;
mod record;
pub(crate) mod remote;
pub(crate) mod token;

use std::fmt;
use std::time::Duration;

use crate::callout::{Answer, Callout, CalloutError, CalloutId, CalloutKind, CalloutReport, CalloutSubject};
use crate::capabilities::Capabilities;
use crate::config;
use crate::request::{Correlation, NonceInput, RequestId};
use crate::time::Moment;

pub(crate) use record::SignatureRecord;
pub(crate) use remote::{Need, PendingToken, Preparation, RemoteError};

use local::LocalKeys;
use nonce::Nonces;
use remote::{RemoteSigning, RemoteStep};
use token::UnsignedToken;

/// The most tokens that wait for a remote signer in one worker. Each has a callout of its own; more than this means that
/// the signer does not keep up, and that waiting does not help.
pub const MAX_PENDING: usize = 1024;

/// Mints and signs tokens.
#[derive(Debug)]
pub(crate) struct TokenIssuer {
    settings: config::Signing,
    signer: Signer,
    nonces: Nonces,
}

#[derive(Debug)]
enum Signer {
    Local(LocalKeys),
    Remote(Box<RemoteSigning>),
}

/// How far a token has come.
#[derive(Debug)]
#[must_use]
pub(crate) enum Progress {
    /// It is signed.
    Signed(SignedToken),
    /// This comes first.
    Pending(Box<PendingToken>, Need),
}

/// A token whose signature was checked, and what the audit trail has to say of it: only what signs can make one. It does not
/// print itself.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct SignedToken {
    token: String,
    record: SignatureRecord,
}

/// Why there is no token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SigningError {
    /// The activation of every key lies in the future.
    NoActiveKey,
    /// A local key did not sign, or its signature did not verify.
    Fault,
    /// The remote signer did not sign.
    Remote(RemoteError),
    /// The remote signer wants to be left alone for so long, or no access token for it can be had meanwhile.
    Paused {
        /// When to try again.
        retry_after: Duration,
    },
    /// As many tokens wait for the remote signer as may, or for what has to be there before it is asked.
    TooManyPending,
}

/// Why there is no signature, and the ids of the request. Boxed, because there mostly is one.
pub(crate) type Unsigned = Box<(SigningError, Correlation)>;

/// The end of a callout to the remote signer.
#[derive(Debug)]
pub(crate) struct Finished {
    /// For the log.
    pub report: CalloutReport,
    /// The same: what the signer warns of.
    pub warning: Option<String>,
    /// The token, another callout, or why there is neither, with the ids of the request.
    pub result: Result<Progress, Unsigned>,
}

/// The end of a fetch of what has to be there before the remote signer is asked.
#[derive(Debug)]
pub(crate) struct FinishedPreparation {
    /// For the log.
    pub report: CalloutReport,
    /// The same: what the signer warns of.
    pub warning: Option<String>,
    /// Whether it is there now.
    pub result: Result<(), RemoteError>,
}

/// What became of a token that waited for such a fetch.
#[derive(Debug)]
pub(crate) struct GoneOn {
    /// For the log: what is wrong with the signature that was there already.
    pub warning: Option<String>,
    /// As in [`Finished`].
    pub result: Result<Progress, Unsigned>,
}

impl TokenIssuer {
    /// With these settings. `capabilities` are the gateway's.
    #[must_use]
    pub(crate) fn new(settings: config::Signing, capabilities: &Capabilities) -> Self {
        let signer = match remote::signer(&settings.signer) {
            Ok(signer) => Signer::Remote(Box::new(RemoteSigning::new(signer, capabilities))),
            Err(keys) => Signer::Local(LocalKeys::new(keys.to_vec())),
        };
        Self { settings, signer, nonces: Nonces::numbered(&*capabilities.data) }
    }

    /// Whether signatures come by callout.
    #[must_use]
    pub(crate) fn is_remote(&self) -> bool {
        matches!(self.signer, Signer::Remote(_))
    }

    /// Mints a token on behalf of a request with these ids, and signs it or says what that takes. `may_wait` says whether one more may
    /// wait for what has to be there before the remote signer is asked: one answer decides on all that do.
    ///
    /// # Errors
    /// See [`SigningError`].
    pub(crate) fn sign(
        &mut self,
        now: Moment,
        request: RequestId,
        nonce_input: &NonceInput,
        correlation: &Correlation,
        may_wait: bool,
    ) -> Result<Progress, SigningError> {
        let nonce = self.nonces.next(now.wall, nonce_input);
        match &mut self.signer {
            Signer::Local(keys) => {
                let key = keys.active(now.wall).ok_or(SigningError::NoActiveKey)?;
                let token = UnsignedToken::mint(&self.settings, &key.key_id, &nonce, now.wall);
                let signature = key
                    .private_key
                    .sign_ps256(token.signing_input().as_bytes(), nonce.as_bytes())
                    .map_err(|_| SigningError::Fault)?;
                Ok(Progress::Signed(SignedToken::new(&token, &signature, "local", correlation.clone())))
            }
            Signer::Remote(remote) => {
                if let Some(retry_after) = remote.retry_after(now) {
                    return Err(SigningError::Paused { retry_after });
                }
                if remote.pending() >= MAX_PENDING {
                    return Err(SigningError::TooManyPending);
                }
                let token = UnsignedToken::mint(&self.settings, &remote.signer().remote().key_id, &nonce, now.wall);
                let started = remote.start(now, request, token, correlation.clone(), may_wait);
                let (pending, need) = started.ok_or(SigningError::TooManyPending)?;
                Ok(Progress::Pending(pending, need))
            }
        }
    }

    /// Takes the end of a callout for a token that waits. `may_wait` as for [`TokenIssuer::sign`].
    ///
    /// # Errors
    /// The token, if it waits for another callout: this one was given up before and does not count any more.
    pub(crate) fn finish(
        &mut self,
        now: Moment,
        call: CalloutId,
        request: RequestId,
        pending: Box<PendingToken>,
        answer: Result<&[u8], CalloutError>,
        may_wait: bool,
    ) -> Result<Finished, Box<PendingToken>> {
        let Signer::Remote(remote) = &mut self.signer else { return Err(pending) };
        let step = remote.finish(now, call, request, pending, answer, may_wait)?;
        let warning = remote.warning(now.steady, answer);
        let failure = what_failed(remote, &step);
        let is_success = failure.is_none();
        let text = failure.unwrap_or_else(|| "the remote signer has signed".to_owned());
        let report = CalloutReport { callout: call, kind: CalloutKind::Signer, is_success, text, key_set: None };
        Ok(Finished { report, warning, result: result_of(remote, now, step) })
    }

    /// Takes the end of a fetch of what has to be there before the remote signer is asked. What waited for it goes on with
    /// [`TokenIssuer::go_on`]. `None` if it was given up before and does not count any more.
    pub(crate) fn finish_preparation(
        &mut self,
        now: Moment,
        fetch: CalloutId,
        preparation: Preparation,
        answer: Result<&[u8], CalloutError>,
    ) -> Option<FinishedPreparation> {
        let Signer::Remote(remote) = &mut self.signer else { return None };
        let result = remote.finish_preparation(now, fetch, preparation, answer)?;
        let warning = remote.warning(now.steady, answer);
        let (kind, what) = match preparation {
            Preparation::AccessToken => (CalloutKind::SignerToken, "access token for the remote signer"),
            Preparation::PublicKeys => (CalloutKind::SignerKeys, "public key of the remote signer"),
        };
        let text = match (result, preparation) {
            (Ok(_), Preparation::AccessToken) => format!("fetched an {what}"),
            (Ok(count), Preparation::PublicKeys) => format!("fetched {count} public keys of the remote signer"),
            (Err(error), _) => format!("no {what}: {}", remote.explain_preparation(preparation, error)),
        };
        let report = CalloutReport { callout: fetch, kind, is_success: result.is_ok(), text, key_set: None };
        Some(FinishedPreparation { report, warning, result: result.map(drop) })
    }

    /// What becomes of a token that waited for such a fetch, now that it has come, or this is why it has not. `may_wait` as for
    /// [`TokenIssuer::sign`].
    pub(crate) fn go_on(
        &mut self,
        now: Moment,
        request: RequestId,
        pending: Box<PendingToken>,
        preparation: Preparation,
        prepared: Result<(), RemoteError>,
        may_wait: bool,
    ) -> GoneOn {
        let Signer::Remote(remote) = &mut self.signer else {
            return GoneOn { warning: None, result: Err(Box::new((SigningError::Fault, pending.into_correlation()))) };
        };
        let step = remote.go_on(now, request, pending, preparation, prepared, may_wait);
        // What is wrong with the fetch has been told.
        let warning = what_failed(remote, &step).filter(|_| prepared.is_ok());
        GoneOn { warning, result: result_of(remote, now, step) }
    }

    /// The fetch that is due although no token waits for it.
    pub(crate) fn due(&mut self, now: Moment) -> Option<Callout> {
        match &mut self.signer {
            Signer::Local(_) => None,
            Signer::Remote(remote) => remote.due(now),
        }
    }

    /// The fetches that nobody reported on in time. Each counts as failed once it is given to
    /// [`TokenIssuer::finish_preparation`].
    #[must_use]
    pub(crate) fn timed_out_preparations(&self, now: Moment) -> Vec<(CalloutId, Preparation)> {
        match &self.signer {
            Signer::Local(_) => Vec::new(),
            Signer::Remote(remote) => remote.timed_out_preparations(now.steady),
        }
    }

    /// Gives up the fetch that a request made for itself alone.
    pub(crate) fn forget_fetch(&mut self, fetch: CalloutId) {
        if let Signer::Remote(remote) = &mut self.signer {
            remote.forget_fetch(fetch);
        }
    }

    /// The body of a complete answer, or why it does not count. Notes what the signer says of when to ask again.
    ///
    /// # Errors
    /// See [`CalloutError`].
    pub(crate) fn receive<'a>(
        &mut self,
        now: Moment,
        subject: &CalloutSubject,
        answer: &'a Answer,
    ) -> Result<&'a [u8], CalloutError> {
        let is_about_signing = matches!(subject, CalloutSubject::Signature(_)) || Preparation::of(subject).is_some();
        match &mut self.signer {
            Signer::Remote(remote) if is_about_signing => {
                remote.note_pause(now.steady, subject, answer);
                remote.complete(answer)
            }
            _ => answer.complete(),
        }
    }

    /// The callouts that nobody reported on in time. Each counts as failed once it is given to [`TokenIssuer::finish`].
    #[must_use]
    pub(crate) fn timed_out(&self, now: Moment) -> Vec<(CalloutId, RequestId)> {
        match &self.signer {
            Signer::Local(_) => Vec::new(),
            Signer::Remote(remote) => remote.timed_out(now.steady),
        }
    }

    /// Forgets what was asked for a request.
    pub(crate) fn forget(&mut self, request: RequestId) {
        if let Signer::Remote(remote) = &mut self.signer {
            remote.forget(request);
        }
    }
}

/// What went wrong at a step, for the log.
fn what_failed(remote: &RemoteSigning, step: &RemoteStep) -> Option<String> {
    let (error, more) = match step {
        RemoteStep::Signed { .. } => return None,
        RemoteStep::Pending { need: Need::Signature(_), error, .. } => ((*error)?, "; trying once more"),
        RemoteStep::Pending { need: Need::Preparation(wait), error, .. } => match Preparation::of(&wait.subject) {
            Some(Preparation::AccessToken) => ((*error)?, "; asking for another access token"),
            _ => ((*error)?, "; fetching its public keys"),
        },
        RemoteStep::Failed { error, .. } => (*error, ""),
    };
    Some(format!("no signature from the remote signer: {}{more}", remote.explain(error)))
}

fn result_of(remote: &RemoteSigning, now: Moment, step: RemoteStep) -> Result<Progress, Unsigned> {
    match step {
        RemoteStep::Signed { token, signature, correlation } => {
            let signer = remote.signer().name();
            Ok(Progress::Signed(SignedToken::new(&token, &signature, signer, correlation)))
        }
        RemoteStep::Pending { pending, need, .. } => Ok(Progress::Pending(pending, need)),
        RemoteStep::Failed { error, correlation } => {
            let retry_after = remote.retry_after(now).filter(|_| error.status() == Some(429));
            let paused = retry_after.map(|retry_after| SigningError::Paused { retry_after });
            Err(Box::new((paused.unwrap_or(SigningError::Remote(error)), correlation)))
        }
    }
}

impl SignedToken {
    fn new(token: &UnsignedToken, signature: &[u8], signer: &'static str, correlation: Correlation) -> Self {
        Self { token: token.with_signature(signature), record: SignatureRecord::new(token, signer, correlation) }
    }

    /// The value of the header that carries it: the token after `Bearer `.
    #[must_use]
    pub(crate) fn bearer(&self) -> String {
        format!("Bearer {}", self.token)
    }

    /// What the audit trail has to say of it.
    #[must_use]
    pub(crate) fn record(&self) -> &SignatureRecord {
        &self.record
    }
}

impl fmt::Debug for SignedToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignedToken").field("record", &self.record).finish_non_exhaustive()
    }
}

impl SigningError {
    /// Whether the next try may go better, and when to make it.
    #[must_use]
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::NoActiveKey | Self::Fault => None,
            Self::Remote(error) => error.is_unavailable().then_some(Duration::from_secs(1)),
            Self::Paused { retry_after } => Some(*retry_after),
            Self::TooManyPending => Some(Duration::from_secs(1)),
        }
    }
}
