//! How the Hub's tokens on its responses are verified (spec §1, *outbound response*): the rules of JWT Auth, with the Hub's
//! subject from the configuration, because no client certificate comes with a response.

use super::jwt_auth::JwtAuth;
use crate::peer::Subject;

/// How the Hub's tokens on its responses are verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifyResponses {
    /// What happens to a response without a right token.
    pub mode: VerificationMode,
    /// The lower-case name of the header that carries the token.
    pub header: String,
    /// Who signs: `iss` and `sub`, and the parts of the JWKS address.
    pub hub: Subject,
    /// What `aud` may be, at least one.
    pub provider_ids: Vec<String>,
    /// Where the keys are, and the rules for claims. Without replay detection.
    pub jwt_auth: JwtAuth,
}

/// What happens to a response without a right token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VerificationMode {
    /// It is replaced by a 502.
    Require,
    /// It is let through, and logged and counted.
    Report,
}
