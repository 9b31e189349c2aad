//! What came of a callout, for the log and the metrics.

use std::fmt;

use crate::callout::CalloutId;
use crate::introspection::IntrospectionReport;
use crate::keys::FetchReport;
use crate::signing::SignerReport;

/// What came of a callout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CalloutReport {
    /// A key set was fetched, or not.
    Keys(FetchReport),
    /// The authorisation server was asked about a token.
    Introspection(IntrospectionReport),
    /// The remote signer was asked for a signature.
    Signer(SignerReport),
}

impl CalloutReport {
    /// Which callout it was.
    #[must_use]
    pub fn callout(&self) -> CalloutId {
        match self {
            Self::Keys(report) => report.fetch,
            Self::Introspection(report) => report.call,
            Self::Signer(report) => report.call,
        }
    }

    /// Whether it brought what was asked for.
    #[must_use]
    pub fn is_success(&self) -> bool {
        match self {
            Self::Keys(report) => report.result.is_ok(),
            Self::Introspection(report) => report.result.is_ok(),
            Self::Signer(report) => report.result.is_ok(),
        }
    }
}

impl fmt::Display for CalloutReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Keys(report) => report.fmt(f),
            Self::Introspection(report) => report.fmt(f),
            Self::Signer(report) => report.fmt(f),
        }
    }
}
