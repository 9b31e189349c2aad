//! What came of a callout, for the log and the counters. Whoever asked for it says it in its own words.

use super::request::CalloutId;

/// What came of a callout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CalloutReport {
    /// Which callout it was.
    pub callout: CalloutId,
    /// What it was about.
    pub kind: CalloutKind,
    /// Whether it brought what was asked for.
    pub is_success: bool,
    /// For people: what came, or why nothing did and what follows from that. Neither secrets nor tokens.
    pub text: String,
}

/// What callouts are about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CalloutKind {
    /// A key set.
    Keys,
    /// The state of an access token.
    Introspection,
    /// A signature.
    Signer,
    /// The public keys of the remote signer.
    SignerKeys,
}
