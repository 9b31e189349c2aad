//! What a request brings to prove who sent it, and what a method finds in it.

use crate::header_value::HeaderValue;
use crate::peer::PeerCertificate;
use crate::request::NonceInput;

/// What a request brings that methods look at.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Credential<'a> {
    /// The peer certificate, which was verified and is pinned.
    pub certificate: &'a PeerCertificate,
    /// The values of `Authorization`.
    pub authorization: &'a [HeaderValue],
    /// The values of the API key's own header, where it has one.
    pub api_key: &'a [HeaderValue],
    /// The provider ids of which a token's `aud` must name one.
    pub audiences: &'a [String],
    /// What makes this use of a token different from all others. Only where it is wanted: see
    /// [`Authenticator::wants_nonces`](super::Authenticator::wants_nonces).
    pub nonce_input: &'a NonceInput,
}

/// A credential that a method has accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Accepted {
    /// The id of the credential, for the bank's backend: a token's `jti`, an API key's id.
    pub credential_id: Option<String>,
}
