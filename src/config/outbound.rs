//! The settings for requests from the bank to the Hub's Consent Manager and Headless Heimdall (spec §4).

use super::signing::Signing;
use super::verify_responses::VerifyResponses;

/// What the filter does to requests from the bank to the Hub, and to the responses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outbound {
    /// The token on every request.
    pub signing: Signing,
    /// Whether the Hub's tokens on responses are verified.
    pub verify_responses: Option<VerifyResponses>,
}
