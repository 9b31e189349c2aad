//! How the Hub's tokens on its responses are verified (spec §1, *outbound response*): the rules of JWT Auth, with the Hub's
//! subject from the configuration, because no client certificate comes with a response.

use super::errors::ConfigErrors;
use super::header_name;
use super::jwt_auth::JwtAuth;
use super::provider_ids;
use super::reader::{Keys, Node};
use super::subject;
use crate::peer::Subject;
use crate::url::ExpandError;

pub(super) const KEYS: Keys = Keys {
    supported: &[
        "mode",
        "header",
        "hub",
        "provider_ids",
        "jwks",
        "upstream",
        "max_age",
        "timeout",
        "refetch_cooldown",
        "clock_skew",
        "max_lifetime",
    ],
    refused: &[],
};

pub(super) const MODES: [(&str, VerificationMode); 2] =
    [("require", VerificationMode::Require), ("report", VerificationMode::Report)];

/// How the Hub's tokens on its responses are verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifyResponses {
    /// What happens to a response without a right token.
    pub mode: VerificationMode,
    /// The lower-case name of the header that carries the token.
    pub header: String,
    /// Who signs: `iss` and `sub`, and the parts of the JWKS address.
    pub hub: Subject,
    /// What `aud` may be, at least one.
    pub provider_ids: Vec<String>,
    /// Where the keys are, and the rules for claims. Without replay detection.
    pub jwt_auth: JwtAuth,
}

/// What happens to a response without a right token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VerificationMode {
    /// It is replaced by a 502.
    Require,
    /// It is let through, and logged and counted.
    Report,
}

impl VerifyResponses {
    pub(super) fn read(node: &Node<'_>, errors: &mut ConfigErrors) -> Option<Self> {
        let object = node.object(&KEYS, errors)?;
        let mode = object.member("mode");
        let mode = if mode.is_absent() { Some(VerificationMode::Require) } else { mode.choice(&MODES, errors) };
        let header = header_name::read_of_response(&object.member("header"), errors);
        let hub_node = object.member("hub");
        let hub = subject::read_hub(&hub_node, errors);
        let provider_ids = provider_ids::read(&object.member("provider_ids"), errors);
        let jwt_auth = JwtAuth::read_without_replay(&object, errors);
        let (hub, mut jwt_auth) = (hub?, jwt_auth?);
        // The address is the same for every response: that it can be made is seen now or never.
        match jwt_auth.jwks.expand(hub.organisational_unit(), hub.common_name()) {
            Ok(url) => jwt_auth.warm = vec![url],
            Err(ExpandError::CommonNameMissing) => {
                let problem =
                    "expected the CN of the Hub's certificate, which the address of the JWKS needs, got nothing";
                errors.add(&format!("{}.common_name", hub_node.path()), problem.to_owned());
                return None;
            }
            Err(fault) => {
                let got = if fault == ExpandError::TooLong { "longer ones" } else { "a path segment . or .." };
                return hub_node.refuse_text("values that fit into the address of the JWKS", got, errors);
            }
        }
        Some(Self { mode: mode?, header: header?, hub, provider_ids: provider_ids?.audiences().to_vec(), jwt_auth })
    }
}
