//! The digest of a token: what callouts, and what is remembered of their answers, know it by, so that neither keeps the token itself.

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
}

impl AsRef<[u8]> for TokenDigest {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}
