//! What the settings of all remote signers have in common: how the signer is reached, which key it holds, and how long it is waited
//! for.

use std::time::Duration;

use crate::config::callouts::{Patience, PatienceRule, read_upstream};
use crate::config::duration::DurationRange;
use crate::config::errors::ConfigErrors;
use crate::config::reader::{Node, Object, TextRule};
use crate::config::text_rules::{KEY_ID, pem};
use crate::pem::has_private_key;
use crate::rsa::RsaPublicKey;
use crate::url::Origin;

pub(super) const PLAINTEXT: &str =
    "with http:// everybody on the way can read the access token of the remote signer and sign with it; give https://";

pub(in crate::config) const PUBLIC_KEY: TextRule = pem("an RSA public key of 2048 to 4096 bits in PEM");

/// A request of the bank waits this long, once or twice.
pub(in crate::config) const TIMEOUT: DurationRange =
    DurationRange { min: Duration::from_millis(100), max: Duration::from_secs(10), default: Duration::from_secs(2) };

/// Two tries with the default timeout, and time between them. A token that waited longer than the shortest lifetime would
/// be expired before it left.
pub(in crate::config) const DEADLINE: DurationRange =
    DurationRange { min: Duration::from_millis(100), max: Duration::from_secs(10), default: Duration::from_secs(5) };

const PATIENCE: PatienceRule = PatienceRule { timeout: TIMEOUT, deadline: DEADLINE };

/// A key that a remote signer holds: what is to be known of any.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteKey {
    /// What the gateway calls to reach the signer: a name that its configuration defines, or `host` or `host:port`.
    pub upstream: String,
    /// The key's `kid` on the bank's JWKS.
    pub key_id: String,
    /// The public key, to check signatures with before they leave. Without it the signer is asked.
    pub public_key: Option<RsaPublicKey>,
    /// How long the signer is waited for.
    pub patience: Patience,
}

impl RemoteKey {
    /// Reads `upstream`, `kid`, `public_key`, `timeout` and `deadline` of a signer at this address.
    pub(super) fn read(object: &Object<'_>, origin: Option<&Origin>, errors: &mut ConfigErrors) -> Option<Self> {
        let upstream = read_upstream(&object.member("upstream"), origin.map(Origin::host_and_port), errors);
        let key_id = object.member("kid").text(&KEY_ID, errors);
        let public_key = object.member("public_key").optional(|node| read_public_key(node, errors));
        let patience = PATIENCE.read(object, errors);
        Some(Self { upstream: upstream?, key_id: key_id?.to_owned(), public_key: public_key?, patience: patience? })
    }
}

fn read_public_key(node: &Node<'_>, errors: &mut ConfigErrors) -> Option<RsaPublicKey> {
    let text = node.text(&PUBLIC_KEY, errors)?;
    if has_private_key(text) {
        return node.refuse_text(PUBLIC_KEY.expected, "a text with a private key, which must not stand here", errors);
    }
    match RsaPublicKey::from_pem(text) {
        Ok(key) => Some(key),
        Err(fault) => node.refuse_text(PUBLIC_KEY.expected, &fault.to_string(), errors),
    }
}
