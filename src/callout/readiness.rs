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

/// Whether a request may still wait for a callout. It waits once: what it finds afterwards is final.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CalloutPermission {
    /// It may.
    Allowed,
    /// It has waited, or must not begin to.
    Used,
}
