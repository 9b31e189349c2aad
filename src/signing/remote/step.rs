//! A token that waits for a remote signer, and what each end of a callout means for it.

use std::time::Duration;

use crate::callout::{Callout, Wait};
use crate::request::Correlation;
use crate::signing::token::UnsignedToken;
use crate::time::{Moment, SteadyTime, UnixTime};

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
    /// Its `iat`.
    pub(super) minted: UnixTime,
    pub(super) deadline: Moment,
    pub(super) second_try: bool,
    /// The signature that came and could not be verified yet. With it, keys have been fetched for this token's sake.
    pub(super) signature: Option<RemoteSignature>,
}

/// What a token waits for.
#[derive(Debug)]
#[must_use]
pub enum Need {
    /// Its signature, which this callout asks for.
    Signature(Callout),
    /// The public keys of the signer.
    Keys(Wait),
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

impl PendingToken {
    /// Whether a signature comes too late for it, or the wall clock was set meanwhile, so far that the Hub would take it for one that
    /// is old or from the future. A token is not minted anew for that: the next request has the right time.
    #[must_use]
    pub(super) fn is_stale(&self, now: Moment) -> bool {
        let is_late = now.steady > self.deadline.steady;
        is_late || now.wall > self.deadline.wall || now.wall.until(self.minted) > CLOCK_SKEW
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
