//! The tokens whose signature was verified a short while ago: when the same token comes again, its signature need not be calculated,
//! nor its parts decoded.
//!
//! Nothing else is remembered. Whether a signature is right follows from the token, the algorithm and the key, and never
//! changes. The time, the caller's certificate, the request and the published keys do change, so they are checked for every
//! request, before this cache is asked.
//!
//! A token is the same if each byte of its text is. A digest instead of the text would be smaller, but to calculate it costs more
//! than all else that such a request needs; and a faster hash is good for nothing where an attacker might learn its key, which
//! a host with weak randomness gives away.

use zeroize::Zeroizing;

use crate::ascii::are_same;
use crate::jose::compact::MAX_TOKEN_LENGTH;
use crate::jose::{Algorithm, JwsError, Thumbprint, UnverifiedToken, VerificationKey};
use crate::signature::SignatureMismatch;
use crate::time::UnixTime;

/// How many places a token may take.
const WAYS: usize = 8;

/// How many bytes these places hold together, texts and decoded parts. The longest token has room: its parts are three quarters of it.
const WAYS_BYTES: usize = 2 * MAX_TOKEN_LENGTH;

/// Tokens whose signature is right. Their number and their memory are bounded.
#[derive(Debug)]
pub(crate) struct VerifiedTokens {
    places: Vec<Option<Box<Verified>>>,
}

/// What was verified: this token, with this algorithm and this key. It is forgotten when the token expires.
#[derive(Debug)]
struct Verified {
    tag: Tag,
    text: Zeroizing<Box<[u8]>>,
    /// As [`UnverifiedToken::decoded`] gives them.
    parts: Zeroizing<Vec<u8>>,
    key: Thumbprint,
    algorithm: Algorithm,
    expiry: UnixTime,
}

/// Eight characters of a token's signature. They differ from token to token as if they were random, and tell where to look for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Tag(u64);

impl VerifiedTokens {
    /// Room for so many tokens, all of it free. Without room every signature is calculated.
    #[must_use]
    pub(crate) fn new(capacity: usize) -> Self {
        Self { places: std::iter::repeat_with(|| None).take(capacity).collect() }
    }

    /// Takes a token apart. Its parts are put into `decoded`: as they were, if it is remembered.
    ///
    /// # Errors
    /// See [`UnverifiedToken::parse`].
    pub(crate) fn read<'a>(&self, text: &'a str, decoded: &'a mut Vec<u8>) -> Result<UnverifiedToken<'a>, JwsError> {
        match self.find(text) {
            Some(known) => {
                *decoded = known.parts.to_vec();
                UnverifiedToken::from_decoded(text, decoded)
            }
            None => UnverifiedToken::parse(text, decoded),
        }
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
        let key_thumbprint = key.thumbprint();
        let is_known = self
            .find(token.as_str())
            .is_some_and(|known| (known.algorithm, known.key) == (algorithm, key_thumbprint) && now <= known.expiry);
        if !is_known {
            token.verify(algorithm, key)?;
            let text = token.as_str();
            self.remember(Verified {
                tag: Tag::of(text),
                text: Zeroizing::new(text.as_bytes().into()),
                parts: Zeroizing::new(token.decoded()),
                key: key_thumbprint,
                algorithm,
                expiry,
            });
        }
        Ok(())
    }

    /// What is known of this very token.
    fn find(&self, text: &str) -> Option<&Verified> {
        let tag = Tag::of(text);
        let places = self.places.chunks(WAYS).nth(self.group_of(tag))?;
        places
            .iter()
            .flatten()
            .map(AsRef::as_ref)
            .find(|known| known.tag == tag && are_same(&known.text, text.as_bytes()))
    }

    /// Takes the place of the same token, or a free one, or that of the token that expires first; and frees others in that order
    /// until there is room.
    fn remember(&mut self, verified: Verified) {
        let group = self.group_of(verified.tag);
        let places = self.places.chunks_mut(WAYS).nth(group).unwrap_or_default();
        let is_new = |known: &Verified| *known.text != *verified.text;
        if let Some(same) = places.iter_mut().find(|place| place.as_deref().is_some_and(|known| !is_new(known))) {
            *same = None;
        }
        let others = WAYS_BYTES.saturating_sub(verified.bytes());
        while places.iter().flatten().map(|known| known.bytes()).sum::<usize>() > others {
            let first = places.iter_mut().filter(|place| place.is_some()).min_by_key(|place| expiry(place));
            first.into_iter().for_each(|place| *place = None);
        }
        if let Some(place) = places.iter_mut().min_by_key(|place| expiry(place)) {
            *place = Some(Box::new(verified));
        }
    }

    /// Which places a token may take, so that nothing has to be searched or kept in order.
    fn group_of(&self, Tag(tag): Tag) -> usize {
        let groups = u64::try_from(self.places.len().div_ceil(WAYS)).unwrap_or(u64::MAX);
        // Each character has an effect on the upper half (D. E. Knuth, The Art of Computer Programming 3, §6.4).
        let spread = tag.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
        spread.checked_rem(groups).and_then(|group| usize::try_from(group).ok()).unwrap_or(0)
    }
}

impl Verified {
    /// How much of [`WAYS_BYTES`] it takes.
    fn bytes(&self) -> usize {
        self.text.len().saturating_add(self.parts.len())
    }
}

impl Tag {
    /// The last characters of a base64url text have bits that are always zero: these are the eight before eight.
    fn of(token: &str) -> Self {
        let end = token.len().saturating_sub(8);
        let characters = token.as_bytes().get(..end).and_then(|text| text.last_chunk());
        Self(characters.map_or(0, |characters| u64::from_le_bytes(*characters)))
    }
}

/// A free place before all others, then the token that expires first.
fn expiry(place: &Option<Box<Verified>>) -> Option<UnixTime> {
    place.as_ref().map(|known| known.expiry)
}

#[cfg(test)]
mod tests;
