//! Why no method accepts a request: each method has errors of its own.

use super::api_key::ApiKeyError;
use super::client_credentials::AccessTokenError;
use super::jwt_auth::JwtAuthError;

/// Why a method does not accept a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum AuthError {
    /// The API key was not accepted.
    ApiKey(ApiKeyError),
    /// JWT Auth did not accept the token.
    JwtAuth(JwtAuthError),
    /// The access token is not accepted.
    AccessToken(AccessTokenError),
}
