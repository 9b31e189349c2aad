//! The plugin configuration: JSON text in, a checked [`Config`] or all of its faults out.
//! A configuration that exists has passed every rule, so nothing later in a request has to ask again.
//! JSON as in RFC 8259, but duplicate members, unknown keys and deep nesting are refused.

mod api_key;
mod callouts;
mod check;
mod client_credentials;
mod duration;
mod errors;
mod forward;
mod forwarded_header;
mod gateway;
mod header_name;
mod health_checks;
mod inbound;
mod jwt_auth;
mod outbound;
mod path;
mod peer;
mod pins;
mod protobuf;
mod provider_ids;
mod reader;
mod replay;
mod replay_store;
mod response_token;
#[cfg(not(target_family = "wasm"))]
pub(crate) mod schema;
mod secret;
mod seen;
mod service_initiation;
mod signers;
mod signing;
mod subject;
mod text_rules;
mod time;
mod token_cache;
mod verify_responses;
mod warnings;

#[cfg(test)]
pub(crate) use api_key::KnownKey;
pub(crate) use api_key::{ApiKey, KeyDigest, KeyId};
pub use callouts::Patience;
pub use check::Server;
pub(crate) use client_credentials::{ClientCredentials, Introspection, JwtValidation, TokenValidation};
pub use errors::ConfigErrors;
#[cfg(test)]
pub(crate) use forward::Forward;
pub(crate) use forward::ForwardAuthorization;
pub(crate) use gateway::{Gateway, KnownGateway};
pub(crate) use health_checks::HealthChecks;
pub use inbound::Auth;
pub(crate) use inbound::Inbound;
pub(crate) use jwt_auth::JwtAuth;
pub(crate) use outbound::Outbound;
pub(crate) use replay::{Replay, ReplayScope, SharedStore, WithoutStore};
#[cfg(test)]
pub(crate) use replay_store::StoreUser;
pub(crate) use replay_store::{ReplayStore, StoreKind};
pub(crate) use response_token::ResponseToken;
pub use secret::{Credential, Secret};
#[cfg(test)]
pub(crate) use service_initiation::AllowedRequest;
pub(crate) use service_initiation::ServiceInitiation;
pub(crate) use signers::SignerUpstream;
pub use signers::{AwsCredentials, AwsKms, AzureKeyVault, GoogleKms, LocalKey, RemoteKey, Signer, VaultTransit};
pub use signers::{CloudToken, LoginMethod, Metadata, VaultLogin, VaultToken};
pub use signing::Signing;
pub(crate) use verify_responses::{VerificationMode, VerifyResponses};

use crate::json::{JsonError, MAX_DEPTH, MAX_MEMBERS, Value};
use reader::{Keys, Node};
use secret::SecretSource;

/// The longest configuration in bytes. The largest sensible one (64 providers, 64 pins) stays below 32 KiB; the bound
/// keeps a file given by mistake from being read into a tree many times its size in every worker.
pub(crate) const MAX_CONFIG_BYTES: usize = 256 * 1024;

/// `$schema` names the schema for editors, which `schema` makes; here it means nothing.
const TOP: Keys = Keys { supported: &["inbound", "outbound", "gateway", "$schema"], refused: &[] };

const DIRECTIONS: [&str; 2] = ["inbound", "outbound"];

/// A checked plugin configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Which direction this plugin does, and how.
    pub direction: Direction,
    /// What it says of the gateway itself.
    pub gateway: Gateway,
    warnings: Vec<String>,
    /// The paths of secrets that stand in the configuration itself.
    inline_secrets: Vec<String>,
}

/// One of the two directions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Direction {
    /// What the filter demands of requests from the API Hub to the bank.
    Inbound(Box<Inbound>),
    /// What the filter adds to requests from the bank to the API Hub.
    Outbound(Box<Outbound>),
}

impl Config {
    /// Reads the bytes that the gateway, one of those that are known, hands over as plugin configuration. `environment` has
    /// the secrets that the configuration only names.
    ///
    /// # Errors
    /// All faults at once, each with its path. No fault repeats a value of the configuration, but for the name of an
    /// environment variable that is not set.
    pub fn parse_with(
        bytes: &[u8],
        known: &[KnownGateway],
        environment: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, ConfigErrors> {
        let mut errors = ConfigErrors::default();
        let mut tree = match read_tree(bytes, known) {
            Ok(tree) => tree,
            Err(problem) => {
                Node::root(None).refuse(problem, &mut errors);
                return Err(errors);
            }
        };
        let mut secrets = SecretSource::new(environment);
        let read = Self::read(&Node::root(Some(&tree)), known, &mut secrets, &mut errors);
        // Secrets that the configuration has inline were copied out of it.
        tree.wipe();
        match read {
            Some((direction, gateway)) if errors.is_empty() => {
                let (mut warnings, inline_secrets) = secrets.into_remarks();
                warnings.extend(warnings::of(&direction));
                Ok(Self { direction, gateway, warnings, inline_secrets })
            }
            _ => Err(errors),
        }
    }

    /// The settings of an inbound plugin.
    #[cfg(test)]
    pub(crate) fn into_inbound(self) -> Inbound {
        match self.direction {
            Direction::Inbound(inbound) => *inbound,
            Direction::Outbound(_) => panic!("an outbound configuration"),
        }
    }

    /// The settings of an outbound plugin.
    #[cfg(test)]
    pub(crate) fn into_outbound(self) -> Outbound {
        match self.direction {
            Direction::Outbound(outbound) => *outbound,
            Direction::Inbound(_) => panic!("an inbound configuration"),
        }
    }

    /// What the operator should know of this configuration, a line each, although it is accepted.
    #[must_use]
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    fn read(
        node: &Node<'_>,
        known: &[KnownGateway],
        secrets: &mut SecretSource<'_>,
        errors: &mut ConfigErrors,
    ) -> Option<(Direction, Gateway)> {
        let top = node.object(&TOP, errors)?;
        top.exactly_one_of(&DIRECTIONS, errors);
        let (inbound, outbound) = (top.member("inbound"), top.member("outbound"));
        let inbound = if inbound.is_absent() {
            None
        } else {
            Inbound::read(&inbound, secrets, errors).map(|inbound| Direction::Inbound(Box::new(inbound)))
        };
        let outbound = if outbound.is_absent() {
            None
        } else {
            Outbound::read(&outbound, secrets, errors).map(|outbound| Direction::Outbound(Box::new(outbound)))
        };
        let gateway = Gateway::read(&top.member("gateway"), known, errors);
        top.member("$schema").optional(|node| node.string("the address of a schema", errors));
        Some((inbound.or(outbound)?, gateway?))
    }
}

/// The steps before the configuration has paths: a fault here hides all others.
fn read_tree<'b>(bytes: &'b [u8], known: &[KnownGateway]) -> Result<Value<'b>, String> {
    if bytes.len() > MAX_CONFIG_BYTES {
        return Err(format!("expected at most {MAX_CONFIG_BYTES} bytes, got {}", bytes.len()));
    }
    // Envoy hands over any message but StringValue and BytesValue as its protobuf encoding.
    if protobuf::is_struct(bytes) {
        return Err("expected JSON text, got a google.protobuf.Struct: \
                    give a google.protobuf.StringValue with the JSON as text"
            .to_owned());
    }
    let text = std::str::from_utf8(bytes)
        .map_err(|error| format!("expected UTF-8 text, got other bytes after byte {}", error.valid_up_to()))?;
    // RFC 8259 §8.1 lets a parser ignore a byte order mark, which no editor shows.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if text.trim_ascii().is_empty() {
        let hints: String = known.iter().filter_map(|gateway| gateway.hint).map(|hint| format!(" ({hint})")).collect();
        return Err(format!("no configuration: expected JSON text{hints}, got nothing"));
    }
    Value::parse_noting_repetition(text.as_bytes()).map_err(|error| match error {
        JsonError::Syntax { line, column } => format!("expected JSON, got other text at line {line} column {column}"),
        JsonError::DuplicateMember { line, column } => {
            format!("expected each key once, got one again at line {line} column {column}")
        }
        JsonError::TooDeep => format!("expected at most {MAX_DEPTH} levels of arrays and objects, got more"),
        JsonError::TooManyMembers => format!("expected at most {MAX_MEMBERS} keys in an object, got more"),
    })
}

#[cfg(test)]
mod tests;
