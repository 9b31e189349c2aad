//! Signs the bank's own JWT Auth tokens (spec §2.4, §4): a fresh one for each request, by a key in memory or by a remote
//! signer, and every signature checked before it leaves.

pub mod local;
pub mod nonce;
pub mod record;
pub mod token;
pub mod vault_transit;

use std::fmt;
use std::time::Duration;

use crate::callout::{Callout, CalloutError, CalloutId, CalloutKind, CalloutReport};
use crate::capabilities::Capabilities;
use crate::config;
use crate::request::{Correlation, NonceInput, RequestId};
use crate::time::UnixTime;

pub use record::SignatureRecord;

use local::LocalKeys;
use nonce::Nonces;
use token::UnsignedToken;
use vault_transit::{RemoteError, RemoteStep, VaultTransit};

/// The most tokens that wait for a remote signer in one worker. Each has a callout of its own; more than this means that
/// the signer does not keep up, and that waiting does not help.
pub const MAX_PENDING: usize = 1024;

/// Mints and signs tokens.
#[derive(Debug)]
pub struct TokenIssuer {
    settings: config::Signing,
    signer: Signer,
    nonces: Nonces,
}

#[derive(Debug)]
enum Signer {
    Local(LocalKeys),
    VaultTransit(Box<VaultTransit>),
}

/// How far a token has come.
#[derive(Debug)]
#[must_use]
pub enum Progress {
    /// It is signed.
    Signed(SignedToken),
    /// The answer to this callout comes first.
    Needs(Callout),
}

/// A token whose signature was checked, and what the audit trail has to say of it. It does not print itself.
#[derive(Clone, PartialEq, Eq)]
pub struct SignedToken {
    token: String,
    record: SignatureRecord,
}

/// Why there is no token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SigningError {
    /// The activation of every key lies in the future.
    NoActiveKey,
    /// A local key did not sign, or its signature did not verify.
    Fault,
    /// The remote signer did not sign.
    Remote(RemoteError),
    /// As many tokens wait for the remote signer as may.
    TooManyPending,
}

/// What came of a callout to the remote signer, for the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SignerReport {
    /// Which callout it was.
    pub call: CalloutId,
    /// Whether it brought a signature.
    pub result: Result<(), RemoteError>,
    /// Whether it is tried again.
    pub again: bool,
}

/// The end of a callout to the remote signer.
#[derive(Debug)]
pub struct Finished {
    /// For the log.
    pub report: SignerReport,
    /// The token, another callout, or why there is neither.
    pub result: Result<Progress, SigningError>,
}

impl TokenIssuer {
    /// With these settings. `capabilities` are the gateway's.
    #[must_use]
    pub fn new(settings: config::Signing, capabilities: &Capabilities) -> Self {
        let signer = match &settings.signer {
            config::Signer::Local(keys) => Signer::Local(LocalKeys::new(keys.clone())),
            config::Signer::VaultTransit(transit) => {
                Signer::VaultTransit(Box::new(VaultTransit::new((**transit).clone(), capabilities)))
            }
        };
        Self { settings, signer, nonces: Nonces::numbered(&*capabilities.data) }
    }

    /// Whether signatures come by callout.
    #[must_use]
    pub fn is_remote(&self) -> bool {
        matches!(self.signer, Signer::VaultTransit(_))
    }

    /// Mints a token on behalf of a request, and signs it or says what that takes.
    ///
    /// # Errors
    /// See [`SigningError`].
    pub fn sign(
        &mut self,
        now: UnixTime,
        request: RequestId,
        nonce_input: &NonceInput,
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
                Ok(Progress::Signed(SignedToken::new(&token, &signature, "local")))
            }
            Signer::VaultTransit(transit) => {
                if transit.pending() >= MAX_PENDING {
                    return Err(SigningError::TooManyPending);
                }
                let token = UnsignedToken::mint(&self.settings, transit.key_id(), &nonce, now);
                Ok(Progress::Needs(transit.start(now, request, token)))
            }
        }
    }

    /// Takes the end of a callout. `None` if it was given up before and does not count any more.
    pub fn finish(
        &mut self,
        now: UnixTime,
        call: CalloutId,
        request: RequestId,
        answer: Result<&[u8], CalloutError>,
    ) -> Option<Finished> {
        let Signer::VaultTransit(transit) = &mut self.signer else { return None };
        let report = |result, again| SignerReport { call, result, again };
        Some(match transit.finish(now, call, request, answer)? {
            RemoteStep::Signed { token, signature } => Finished {
                report: report(Ok(()), false),
                result: Ok(Progress::Signed(SignedToken::new(&token, &signature, "vault_transit"))),
            },
            RemoteStep::Again { callout, error } => {
                Finished { report: report(Err(error), true), result: Ok(Progress::Needs(callout)) }
            }
            RemoteStep::Failed(error) => {
                Finished { report: report(Err(error), false), result: Err(SigningError::Remote(error)) }
            }
        })
    }

    /// The callouts that nobody reported on in time. Each counts as failed once it is given to [`TokenIssuer::finish`].
    #[must_use]
    pub fn lost(&self, now: UnixTime) -> Vec<(CalloutId, RequestId)> {
        match &self.signer {
            Signer::Local(_) => Vec::new(),
            Signer::VaultTransit(transit) => transit.lost(now),
        }
    }

    /// Forgets a request that has gone away.
    pub fn forget(&mut self, request: RequestId) {
        if let Signer::VaultTransit(transit) = &mut self.signer {
            transit.forget(request);
        }
    }
}

impl SignedToken {
    fn new(token: &UnsignedToken, signature: &[u8], signer: &'static str) -> Self {
        Self { token: token.with_signature(signature), record: SignatureRecord::new(token, signer) }
    }

    /// The value of the header that carries it: the token after `Bearer `.
    #[must_use]
    pub fn bearer(&self) -> String {
        format!("Bearer {}", self.token)
    }

    /// What the audit trail has to say of it, once it is tied to its request.
    #[must_use]
    pub fn into_record(self, correlation: Correlation) -> SignatureRecord {
        self.record.of(correlation)
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
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::NoActiveKey | Self::Fault => None,
            Self::Remote(error) => error.is_unavailable().then_some(Duration::from_secs(1)),
            Self::TooManyPending => Some(Duration::from_secs(1)),
        }
    }
}

impl From<SignerReport> for CalloutReport {
    fn from(report: SignerReport) -> Self {
        let (kind, is_success) = (CalloutKind::Signer, report.result.is_ok());
        Self { callout: report.call, kind, is_success, text: report.to_string() }
    }
}

impl fmt::Display for SignerReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.result {
            Ok(()) => f.write_str("hub-auth-filter: the remote signer has signed"),
            Err(error) => {
                write!(f, "hub-auth-filter: no signature from the remote signer: {error}")?;
                if self.again { f.write_str("; trying once more") } else { Ok(()) }
            }
        }
    }
}
