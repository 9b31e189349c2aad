//! The keys of a set that are not used, and why: whoever publishes a set that does not work wants to know it.

use std::fmt;

/// How many skipped keys are named. A set that has more is not read by people.
const MAX_NAMED: usize = 8;

/// How much of a `kid` is kept, in characters.
const MAX_NAME_LENGTH: usize = 64;

/// The keys of a set that were skipped. The first few by name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct SkippedKeys {
    count: usize,
    named: Vec<SkippedKey>,
}

/// A key that was skipped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SkippedKey {
    /// The beginning of its `kid`, as it was published: not fit to be printed. `None` if it has none.
    pub key_id: Option<String>,
    /// Why.
    pub reason: SkipReason,
}

/// Why a key is skipped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SkipReason {
    /// It is no JSON object, or one with a member twice.
    NotAnObject,
    /// It was published with a member that only private keys have.
    Private,
    /// `use` is not `sig`.
    Usage,
    /// `key_ops` does not allow to verify.
    Operations,
    /// There is no `kid` that can name a key.
    KeyId,
    /// `kty`, or `crv`, is of no supported type.
    Type,
    /// A number of the key is missing, or is not base64url.
    Number,
    /// An RSA key of another size than 2048 to 4096 bits.
    Size,
    /// The numbers are those of no public key.
    NotAKey,
    /// It may not verify any algorithm that is accepted.
    Algorithm,
    /// Different keys have its `kid`.
    Ambiguous,
    /// There are as many keys as are kept of one set.
    TooMany,
}

impl SkippedKeys {
    pub(super) fn note(&mut self, key_id: Option<&str>, reason: SkipReason) {
        self.count = self.count.saturating_add(1);
        if self.named.len() < MAX_NAMED {
            let key_id = key_id.map(|key_id| key_id.chars().take(MAX_NAME_LENGTH).collect());
            self.named.push(SkippedKey { key_id, reason });
        }
    }

    /// How many there are.
    #[must_use]
    pub(crate) fn len(&self) -> usize {
        self.count
    }

    /// The first of them.
    #[must_use]
    pub(crate) fn named(&self) -> &[SkippedKey] {
        &self.named
    }
}

impl fmt::Display for SkipReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotAnObject => "it is not a JSON object in which each name stands once",
            Self::Private => "it was published with its private part, and is not secret any more",
            Self::Usage => "its use is not sig",
            Self::Operations => "its key_ops do not say verify",
            Self::KeyId => "its kid is not text of 1 to 256 bytes",
            Self::Type => "its kty is neither RSA nor EC with crv P-256",
            Self::Number => "n or e, or x or y, is missing or not base64url",
            Self::Size => "its size is not 2048 to 4096 bits",
            Self::NotAKey => "its numbers are not those of a public key",
            Self::Algorithm => "its alg or its type is not one that is accepted here",
            Self::Ambiguous => "another key has the same kid",
            Self::TooMany => "the set has more keys than are kept",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_are_counted_and_the_first_are_named_with_the_beginning_of_their_kid() {
        let mut skipped = SkippedKeys::default();
        assert_eq!((skipped.len(), skipped.named()), (0, &[][..]));
        for _ in 0..100 {
            skipped.note(Some(&"é".repeat(1000)), SkipReason::Type);
        }
        assert_eq!((skipped.len(), skipped.named().len()), (100, MAX_NAMED));
        assert_eq!(skipped.named()[0].key_id, Some("é".repeat(MAX_NAME_LENGTH)));
    }
}
