//! The digest of a token: what caches and callouts know it by, so that the token itself is kept by nobody.

use sha2::{Digest, Sha256};

/// The SHA-256 of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct TokenDigest([u8; 32]);

impl TokenDigest {
    /// Of this token.
    #[must_use]
    pub fn of(token: &str) -> Self {
        Self(Sha256::digest(token).into())
    }

    /// Of the token of these parts. Each has its length before it, so that other parts have another digest even where they are the same
    /// bytes one after the other.
    #[must_use]
    pub(crate) fn of_parts<const N: usize>(parts: [&[u8]; N]) -> Self {
        let mut digest = Sha256::new();
        for part in parts {
            digest.update(part.len().to_le_bytes());
            digest.update(part);
        }
        Self(digest.finalize().into())
    }

    /// A number that is as good as random, and the same for the same token.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.0.first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes))
    }
}

impl AsRef<[u8]> for TokenDigest {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_have_the_same_digest_only_if_each_is_the_same() {
        let digests = [["ab", "c"], ["a", "bc"], ["abc", ""], ["", "abc"], ["ab", "d"]];
        let digests = digests.map(|parts| TokenDigest::of_parts(parts.map(str::as_bytes)));
        for (place, digest) in digests.iter().enumerate() {
            assert_eq!(digests.iter().position(|other| other == digest), Some(place));
        }
        assert_eq!(TokenDigest::of_parts([&b"ab"[..], b"c"]), digests[0]);
    }
}
