//! The proof that a caller is authenticated, without which no request goes on.

/// A caller is authenticated. Only a method of authentication and the rule of service initiation give one out.
#[derive(Debug)]
pub(crate) struct Authenticated {
    by: By,
}

#[derive(Debug)]
enum By {
    Method { name: &'static str, credential_id: Option<String> },
    ServiceInitiation,
}

/// Instead of a method, where a service initiation token was passed on that only the backend can check (spec §2.6).
pub(crate) const UNVERIFIED_SERVICE_INITIATION: &str = "unverified_service_initiation";

impl Authenticated {
    /// By the method with this name, as `x-hub-auth-method` has it. The id is that of the credential: a token's `jti`, an API
    /// key's id.
    pub(super) fn by_method(name: &'static str, credential_id: Option<String>) -> Self {
        Self { by: By::Method { name, credential_id } }
    }

    /// By mutual TLS and pinning alone, because only the bank's backend can check the token (spec §2.6).
    pub(super) fn by_service_initiation() -> Self {
        Self { by: By::ServiceInitiation }
    }

    /// Whether the backend has to check a token.
    #[must_use]
    pub(crate) fn is_unverified(&self) -> bool {
        matches!(self.by, By::ServiceInitiation)
    }

    /// The value of `x-hub-auth-method`, and the id of the credential. The proof is used up.
    #[must_use]
    pub(crate) fn into_parts(self) -> (&'static str, Option<String>) {
        match self.by {
            By::Method { name, credential_id } => (name, credential_id),
            By::ServiceInitiation => (UNVERIFIED_SERVICE_INITIATION, None),
        }
    }
}
