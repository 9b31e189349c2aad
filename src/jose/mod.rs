//! JOSE as far as the filter needs it: compact JWS (RFC 7515), JWK sets (RFC 7517), and the algorithms PS256, ES256 and
//! RS256 (RFC 7518 §3).
//!
//! No library for JWTs is used, because parsers that read one token in two ways are how algorithms and keys get confused: this
//! one refuses duplicate members, encodings that are not canonical, and keys that are not for signatures, before anything is
//! decided on them. What `jwt-compact` lacks for that is in `docs/decisions.md`.

pub(crate) mod algorithm;
mod base64url;
pub(crate) mod compact;
pub(crate) mod jwks;
pub(crate) mod key;

pub use algorithm::Algorithm;
pub(crate) use base64url::{base64url, to_base64url};
pub use compact::{Header, JwsError, StatedKeyId, UnverifiedToken};
pub(crate) use jwks::SkippedKeys;
pub use jwks::{JwksError, KeySet};
pub use key::VerificationKey;
pub(crate) use key::{MAX_KID_LENGTH, Thumbprint};
