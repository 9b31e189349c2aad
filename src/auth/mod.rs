//! The methods of authentication, one file each (spec §2). Mutual TLS and pinning have been checked before any of them.

pub mod bearer;
pub mod jwt_auth;

pub use bearer::CredentialError;
pub use jwt_auth::{JwtAuth, JwtAuthError};

/// What a method says to a request.
#[derive(Debug)]
pub enum Outcome {
    /// The caller is who the certificate says.
    Accepted(Accepted),
    /// Keys are needed first.
    NeedsKeys(NeedsKeys),
}

/// A credential that was accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// The id of the credential, for the bank's backend: the token's `jti`.
    pub credential_id: Option<String>,
}

/// What a request waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NeedsKeys {
    /// The key set.
    pub url: crate::config::HttpUrl,
    /// The fetch to make, unless one is under way.
    pub fetch: Option<crate::keys::Fetch>,
}
