//! What those are told who need something that may take a callout: it is there, it has to be waited for, or it cannot be had
//! now.

use std::time::Duration;

use super::request::{Callout, CalloutSubject};

/// What is needed, or what must be waited for first.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub(crate) enum Readiness<T> {
    /// It is there.
    Ready(T),
    /// A callout comes first.
    Wait(Wait),
}

/// What is waited for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wait {
    /// What has to be known.
    pub subject: CalloutSubject,
    /// The callout to make, unless one is in flight, here or in another worker.
    pub callout: Option<Callout>,
}

/// What is needed cannot be had now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Unavailable {
    /// When to try again.
    pub retry_after: Duration,
}

/// Which callouts a request may still wait for. It waits for keys or introspection once, and after keys for the store of used tokens
/// once; what it finds afterwards is final.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CalloutPermission {
    /// For all of them.
    Allowed,
    /// It may make those that others gain by, and cannot wait itself.
    ForOthers,
    /// It has waited for keys: for the store alone.
    AfterKeys,
    /// It has waited, or must not begin to.
    Used,
}

impl CalloutPermission {
    /// What a request may that has waited for this.
    #[must_use]
    pub(crate) fn after(subject: &CalloutSubject) -> Self {
        match subject {
            CalloutSubject::KeySet(_) => Self::AfterKeys,
            CalloutSubject::Token(_)
            | CalloutSubject::Signature(_)
            | CalloutSubject::SignerKeys
            | CalloutSubject::SignerToken
            | CalloutSubject::TokenUse(_)
            | CalloutSubject::StoreSession => Self::Used,
        }
    }

    /// Whether it may have keys fetched or a token introspected.
    #[must_use]
    pub(crate) fn reaches_servers(self) -> bool {
        matches!(self, Self::Allowed | Self::ForOthers)
    }

    /// Whether it may ask the store of used tokens.
    #[must_use]
    pub(crate) fn reaches_the_store(self) -> bool {
        matches!(self, Self::Allowed | Self::AfterKeys)
    }
}
