//! What identifies a token (spec §2.4): `iss`, `sub` and `jti`, as a digest. The claims themselves are not kept: they may be
//! long, and whoever issues tokens chooses them.

use sha2::{Digest, Sha256};

use crate::hex;

/// How much of the SHA-256 of a token's identity is remembered, in bytes. An accident is as likely as a repeated UUID, and
/// would refuse a token, never admit one.
pub(super) const FINGERPRINT_LENGTH: usize = 16;

/// What makes two tokens the same: `iss`, `sub` and `jti`, as a digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TokenIdentity {
    pub(super) fingerprint: Fingerprint,
    /// A part of the digest that is not in the fingerprint.
    pub(super) place: u64,
    digest: [u8; 32],
}

/// What is remembered of a token.
pub(super) type Fingerprint = [u8; FINGERPRINT_LENGTH];

impl TokenIdentity {
    /// From the claims `iss`, `sub` and `jti`.
    #[must_use]
    pub(crate) fn new(issuer: &str, subject: &str, token_id: &str) -> Self {
        let mut hash = Sha256::new();
        for part in [issuer, subject, token_id] {
            // The length keeps ("a", "bc") apart from ("ab", "c").
            hash.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            hash.update(part);
        }
        let digest: [u8; 32] = hash.finalize().into();
        let (fingerprint, rest) = digest.split_first_chunk().unwrap_or((&[0; FINGERPRINT_LENGTH], &[]));
        let place = rest.first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes));
        Self { fingerprint: *fingerprint, place, digest }
    }

    /// The whole digest in 64 hexadecimal digits.
    #[must_use]
    pub(super) fn to_hex(self) -> String {
        self.digest.iter().flat_map(|octet| hex::lower(*octet)).collect()
    }
}
