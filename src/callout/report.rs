//! What came of a callout, for the log and the counters. Whoever asked for it says it in its own words.

use super::request::CalloutId;
use crate::time::UnixTime;
use crate::url::HttpUrl;

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
    /// The key set that has come, if that was asked for.
    pub key_set: Option<FetchedKeySet>,
}

/// A key set that has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FetchedKeySet {
    /// Where from.
    pub url: HttpUrl,
    /// From when it is.
    pub at: UnixTime,
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
    /// The access token for the remote signer.
    SignerToken,
    /// Whether a token was used, or what has to be asked before.
    ReplayStore,
}
