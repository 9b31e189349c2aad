//! The tokens whose signature was verified a short while ago: the signature of the same token by the same key need not be
//! calculated again.
//!
//! Nothing else is remembered. Whether a signature is right follows from the token, the algorithm and the key, and never
//! changes. The time, the caller's certificate, the request and the published keys do change, so they are checked for every
//! request, before this cache is asked.

use crate::jose::{Algorithm, Thumbprint, UnverifiedToken, VerificationKey};
use crate::signature::SignatureMismatch;
use crate::time::UnixTime;
use crate::token_digest::TokenDigest;

/// How many places a token may take.
const WAYS: usize = 8;

/// Tokens whose signature is right. Their number is bounded, their memory is taken at once, and only digests of the tokens are
/// kept.
#[derive(Debug)]
pub(crate) struct VerifiedTokens {
    places: Vec<Option<Verified>>,
}

/// What was verified: this token, with this algorithm and this key. It is forgotten when the token expires.
#[derive(Debug, Clone, Copy)]
struct Verified {
    token: TokenDigest,
    key: Thumbprint,
    algorithm: Algorithm,
    expiry: UnixTime,
}

impl VerifiedTokens {
    /// Room for so many tokens, all of it free. Without room every signature is calculated.
    #[must_use]
    pub(crate) fn new(capacity: usize) -> Self {
        Self { places: vec![None; capacity] }
    }

    /// Verifies the signature of a token that expires at `expiry`, unless the same was verified before.
    ///
    /// # Errors
    /// [`SignatureMismatch`], also for a key that may not verify this algorithm. Nothing is remembered then.
    pub(crate) fn verify(
        &mut self,
        now: UnixTime,
        token: &UnverifiedToken<'_>,
        expiry: UnixTime,
        algorithm: Algorithm,
        key: &VerificationKey,
    ) -> Result<(), SignatureMismatch> {
        if self.places.is_empty() || !key.may_verify(algorithm) {
            return token.verify(algorithm, key);
        }
        let verified = Verified { token: token.digest(), key: key.thumbprint(), algorithm, expiry };
        if !self.knows(&verified, now) {
            token.verify(algorithm, key)?;
            self.remember(verified);
        }
        Ok(())
    }

    fn knows(&self, verified: &Verified, now: UnixTime) -> bool {
        let places = self.places.chunks(WAYS).nth(self.group_of(&verified.token)).unwrap_or_default();
        places.iter().flatten().any(|known| known.stands_for(verified, now))
    }

    /// Takes the place of the same token, or a free one, or that of the token that has expired or will do so first.
    fn remember(&mut self, verified: Verified) {
        let group = self.group_of(&verified.token);
        let places = self.places.chunks_mut(WAYS).nth(group).unwrap_or_default();
        let rank = |place: &&mut Option<Verified>| place.map(|known| (known.token != verified.token, known.expiry));
        if let Some(place) = places.iter_mut().min_by_key(rank) {
            *place = Some(verified);
        }
    }

    /// Which places a token may take. Its digest decides, so nothing has to be searched or kept in order.
    fn group_of(&self, token: &TokenDigest) -> usize {
        let groups = u64::try_from(self.places.len().div_ceil(WAYS)).unwrap_or(u64::MAX);
        token.number().checked_rem(groups).and_then(|group| usize::try_from(group).ok()).unwrap_or(0)
    }
}

impl Verified {
    fn stands_for(&self, other: &Self, now: UnixTime) -> bool {
        let Self { token, key, algorithm, expiry } = self;
        (token, key, algorithm) == (&other.token, &other.key, &other.algorithm) && now <= *expiry
    }
}

#[cfg(test)]
mod tests;
