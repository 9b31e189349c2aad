//! Signs the bank's own JWT Auth tokens (spec §2.4, §4): a fresh one for each request, by a key in memory or by a remote
//! signer, and every signature checked before it leaves.

mod local;
pub(crate) mod nonce;
mod record;
pub(crate) mod remote;
pub(crate) mod token;

use std::fmt;
use std::time::Duration;

use crate::callout::{Answer, Callout, CalloutError, CalloutId, CalloutKind, CalloutReport};
use crate::capabilities::Capabilities;
use crate::config;
use crate::request::{Correlation, NonceInput, RequestId};
use crate::time::UnixTime;

pub(crate) use record::SignatureRecord;
pub(crate) use remote::PendingToken;

use local::LocalKeys;
use nonce::Nonces;
use remote::{RemoteError, RemoteSigning, RemoteStep};
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
    Remote(RemoteSigning),
}

/// How far a token has come.
#[derive(Debug)]
#[must_use]
pub(crate) enum Progress {
    /// It is signed.
    Signed(SignedToken),
    /// The answer to this callout comes first.
    Pending(Box<PendingToken>, Callout),
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
    /// The remote signer wants to be left alone for so long.
    Paused {
        /// When to try again.
        retry_after: Duration,
    },
    /// As many tokens wait for the remote signer as may.
    TooManyPending,
}

/// The end of a callout to the remote signer.
#[derive(Debug)]
pub(crate) struct Finished {
    /// For the log.
    pub report: CalloutReport,
    /// The same: what the signer warns of.
    pub warning: Option<String>,
    /// The token, another callout, or why there is neither, with the ids of the request.
    pub result: Result<Progress, (SigningError, Correlation)>,
}

impl TokenIssuer {
    /// With these settings. `capabilities` are the gateway's.
    #[must_use]
    pub(crate) fn new(settings: config::Signing, capabilities: &Capabilities) -> Self {
        let signer = match remote::signer(&settings.signer) {
            Ok(signer) => Signer::Remote(RemoteSigning::new(signer, capabilities)),
            Err(keys) => Signer::Local(LocalKeys::new(keys.to_vec())),
        };
        Self { settings, signer, nonces: Nonces::numbered(&*capabilities.data) }
    }

    /// Whether signatures come by callout.
    #[must_use]
    pub(crate) fn is_remote(&self) -> bool {
        matches!(self.signer, Signer::Remote(_))
    }

    /// Mints a token on behalf of a request with these ids, and signs it or says what that takes.
    ///
    /// # Errors
    /// See [`SigningError`].
    pub(crate) fn sign(
        &mut self,
        now: UnixTime,
        request: RequestId,
        nonce_input: &NonceInput,
        correlation: &Correlation,
    ) -> Result<Progress, SigningError> {
        let nonce = self.nonces.next(now, nonce_input);
        match &mut self.signer {
            Signer::Local(keys) => {
                let key = keys.active(now).ok_or(SigningError::NoActiveKey)?;
                let token = UnsignedToken::mint(&self.settings, &key.key_id, &nonce, now);
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
                let token = UnsignedToken::mint(&self.settings, remote.signer().key_id(), &nonce, now);
                let (pending, callout) = remote.start(now, request, token, correlation.clone());
                Ok(Progress::Pending(pending, callout))
            }
        }
    }

    /// Takes the end of a callout for a token that waits.
    ///
    /// # Errors
    /// The token, if it waits for another callout: this one was given up before and does not count any more.
    pub(crate) fn finish(
        &mut self,
        now: UnixTime,
        call: CalloutId,
        request: RequestId,
        pending: Box<PendingToken>,
        answer: Result<&[u8], CalloutError>,
    ) -> Result<Finished, Box<PendingToken>> {
        let Signer::Remote(remote) = &mut self.signer else { return Err(pending) };
        let step = remote.finish(now, call, request, pending, answer)?;
        let warning = remote.warning(now, answer);
        let unsigned = |error, more| format!("no signature from the remote signer: {}{more}", remote.explain(error));
        let (is_success, text) = match &step {
            RemoteStep::Signed { .. } => (true, "the remote signer has signed".to_owned()),
            RemoteStep::Again { error, .. } => (false, unsigned(*error, "; trying once more")),
            RemoteStep::Failed { error, .. } => (false, unsigned(*error, "")),
        };
        let result = match step {
            RemoteStep::Signed { token, signature, correlation } => {
                let signer = remote.signer().name();
                Ok(Progress::Signed(SignedToken::new(&token, &signature, signer, correlation)))
            }
            RemoteStep::Again { pending, callout, .. } => Ok(Progress::Pending(pending, callout)),
            RemoteStep::Failed { error, correlation } => {
                let retry_after = remote.retry_after(now).filter(|_| error.status() == Some(429));
                let paused = retry_after.map(|retry_after| SigningError::Paused { retry_after });
                Err((paused.unwrap_or(SigningError::Remote(error)), correlation))
            }
        };
        let report = CalloutReport { callout: call, kind: CalloutKind::Signer, is_success, text };
        Ok(Finished { report, warning, result })
    }

    /// Notes what an answer of the signer says of when to ask again.
    pub(crate) fn note_pause(&mut self, now: UnixTime, answer: &Answer) {
        if let Signer::Remote(remote) = &mut self.signer {
            remote.note_pause(now, answer);
        }
    }

    /// The callouts that nobody reported on in time. Each counts as failed once it is given to [`TokenIssuer::finish`].
    #[must_use]
    pub(crate) fn timed_out(&self, now: UnixTime) -> Vec<(CalloutId, RequestId)> {
        match &self.signer {
            Signer::Local(_) => Vec::new(),
            Signer::Remote(remote) => remote.timed_out(now),
        }
    }

    /// Forgets what was asked for a request.
    pub(crate) fn forget(&mut self, request: RequestId) {
        if let Signer::Remote(remote) = &mut self.signer {
            remote.forget(request);
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
