//! The token on responses to the Hub (spec §1, *inbound response*).

use super::signing::Signing;

/// The token on responses to the Hub.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResponseToken {
    /// What it says, and who signs.
    pub signing: Signing,
    /// The lower-case name of the header that carries it.
    pub header: String,
}
