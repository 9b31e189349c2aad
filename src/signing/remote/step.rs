//! A token that waits for a remote signer, and what each end of a callout means for it.

use std::time::Duration;

use crate::callout::{Callout, CalloutSubject, Wait};
use crate::request::Correlation;
use crate::signing::token::UnsignedToken;
use crate::time::{Moment, SteadyTime};

use super::error::RemoteError;
use super::signer::RemoteSignature;

/// The least time before the deadline in which a second try is made. A signature takes a few milliseconds and a new
/// connection some tens of them; with less time the try would only load a signer that is late already.
const LEAST_TRY: Duration = Duration::from_millis(100);

/// By how much a token may be from the future when it leaves: the Hub refuses one whose `iat` is later (spec §2.4).
const CLOCK_SKEW: Duration = Duration::from_secs(10);

/// A token that waits for its signature. Whoever holds it gives it back with the end of its callout.
#[derive(Debug)]
pub struct PendingToken {
    pub(super) token: UnsignedToken,
    pub(super) correlation: Correlation,
    /// When it was minted: its `iat`, and the beginning of the wait.
    pub(super) since: Moment,
    pub(super) deadline: Moment,
    pub(super) second_try: bool,
    /// Whether another access token was asked for, because the signer refused one.
    pub(super) is_renewed: bool,
    /// The signature that came and could not be verified yet. With it, keys have been fetched for this token's sake.
    pub(super) signature: Option<RemoteSignature>,
}

/// What a token waits for.
#[derive(Debug)]
#[must_use]
pub enum Need {
    /// Its signature, which this callout asks for.
    Signature(Callout),
    /// What has to be there before.
    Preparation(Wait),
}

/// What has to be fetched before the signer can be asked, once for many tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Preparation {
    /// The access token.
    AccessToken,
    /// The public keys of the signer.
    PublicKeys,
}

/// What the end of a callout means for the token that waited for it.
#[derive(Debug)]
#[must_use]
pub enum RemoteStep {
    /// It is signed, and the signature was verified.
    Signed {
        /// The token.
        token: UnsignedToken,
        /// Its signature.
        signature: Vec<u8>,
        /// The ids of its request.
        correlation: Correlation,
    },
    /// Something else comes first.
    Pending {
        /// The token, which still waits.
        pending: Box<PendingToken>,
        /// For this.
        need: Need,
        /// Why it is asked for, if something went wrong.
        error: Option<RemoteError>,
    },
    /// There will be no signature.
    Failed {
        /// Why.
        error: RemoteError,
        /// The ids of its request.
        correlation: Correlation,
    },
}

impl Preparation {
    /// That which a callout is about, if it is about one.
    #[must_use]
    pub fn of(subject: &CalloutSubject) -> Option<Self> {
        match subject {
            CalloutSubject::SignerToken => Some(Self::AccessToken),
            CalloutSubject::SignerKeys => Some(Self::PublicKeys),
            CalloutSubject::KeySet(_)
            | CalloutSubject::Token(_)
            | CalloutSubject::Signature(_)
            | CalloutSubject::TokenUse(_)
            | CalloutSubject::StoreSession => None,
        }
    }

    /// What its callouts are about.
    #[must_use]
    pub fn subject(self) -> CalloutSubject {
        match self {
            Self::AccessToken => CalloutSubject::SignerToken,
            Self::PublicKeys => CalloutSubject::SignerKeys,
        }
    }
}

impl PendingToken {
    /// Why a signature does not count that comes now, if it does not: it is late, or the wall clock was set meanwhile, by so much
    /// that the Hub would take the token for one that is old or from the future.
    #[must_use]
    pub(super) fn fault(&self, now: Moment) -> Option<RemoteError> {
        if now.steady > self.deadline.steady {
            return Some(RemoteError::Late);
        }
        let is_outdated = now.wall > self.deadline.wall || now.wall.until(self.since.wall) > CLOCK_SKEW;
        is_outdated.then_some(RemoteError::Outdated)
    }

    /// Mints the token anew if it is outdated: it has to be signed once more then, until the same deadline. `false` if nobody knows how
    /// much time is left for that, because the only clock was set back.
    #[must_use]
    pub(super) fn renew(&mut self, now: Moment) -> bool {
        if self.fault(now) != Some(RemoteError::Outdated) {
            return true;
        }
        if now.steady < self.since.steady {
            return false;
        }
        self.since.wall = now.wall;
        self.deadline.wall = now.wall.after(now.steady.until(self.deadline.steady));
        self.signature = None;
        self.token.renew(now.wall);
        true
    }

    /// The ids of its request.
    #[must_use]
    pub fn into_correlation(self) -> Correlation {
        self.correlation
    }

    /// Whether the signer has been asked for its signature already, whatever it is worth.
    #[must_use]
    pub fn has_signature(&self) -> bool {
        self.signature.is_some()
    }

    pub(super) fn has_time_for_a_try(&self, now: SteadyTime) -> bool {
        now.until(self.deadline.steady) >= LEAST_TRY
    }

    pub(super) fn may_try_again(&self, now: SteadyTime) -> bool {
        !self.second_try && self.has_time_for_a_try(now)
    }
}

impl RemoteStep {
    /// A token with a signature that was verified.
    pub(super) fn signed(pending: PendingToken, signature: RemoteSignature) -> Self {
        let PendingToken { token, correlation, .. } = pending;
        Self::Signed { token, signature: signature.bytes, correlation }
    }
}
