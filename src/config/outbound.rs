//! The settings for requests from the bank to the Hub's Consent Manager and Headless Heimdall (spec §4).

use super::errors::ConfigErrors;
use super::reader::{Keys, Node};
use super::secret::SecretSource;
use super::signing::Signing;
use super::verify_responses::VerifyResponses;

/// Methods of the other direction are refused by name (spec §2): whoever writes one here believes that it protects something.
pub(super) const KEYS: Keys = Keys {
    supported: &["audience", "certificate", "lifetime", "keys", "remote_signer", "verify_responses"],
    refused: &[
        ("auth", "expected nothing, got what is for inbound requests: requests to the Hub carry a signed token"),
        ("api_key", "expected nothing, got a method for inbound requests: requests to the Hub carry a signed token"),
        (
            "client_credentials",
            "expected nothing, got a method for inbound requests: requests to the Hub carry a signed token",
        ),
    ],
};

/// What the filter does to requests from the bank to the Hub, and to the responses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outbound {
    /// The token on every request.
    pub signing: Signing,
    /// Whether the Hub's tokens on responses are verified.
    pub verify_responses: Option<VerifyResponses>,
}

impl Outbound {
    pub(super) fn read(node: &Node<'_>, secrets: &mut SecretSource<'_>, errors: &mut ConfigErrors) -> Option<Self> {
        let object = node.object(&KEYS, errors)?;
        let signing = Signing::read(node, &object, secrets, errors);
        let verify_responses = object.member("verify_responses").optional(|node| VerifyResponses::read(node, errors));
        Some(Self { signing: signing?, verify_responses: verify_responses? })
    }
}
