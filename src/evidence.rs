//! What became known of a caller on the way to a verdict, for the log.

use std::sync::Arc;

/// What became known of the caller on the way to a verdict, for the log.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Evidence {
    /// The `OU` of the certificate, which the certificate has in common with this.
    pub organisational_unit: Option<Arc<str>>,
    /// The `kid` of the token.
    pub key_id: Option<String>,
    /// The id of the API key.
    pub api_key: Option<String>,
}
