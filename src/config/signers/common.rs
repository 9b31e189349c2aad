//! What the settings of all remote signers have in common: the public key that signatures are verified with, and how long a signer
//! is waited for.

use std::time::Duration;

use crate::config::callouts::{Patience, PatienceRule};
use crate::config::duration::DurationRange;
use crate::config::errors::ConfigErrors;
use crate::config::reader::{Keys, Node, Object, TextRule};
use crate::config::secret::ADDED_BY;
use crate::config::text_rules::pem;
use crate::pem::has_private_key;
use crate::rsa::RsaPublicKey;

pub(in crate::config) const TOKEN_KEYS: Keys = Keys { supported: &["added_by"], refused: &[] };

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

/// How long a remote signer is waited for.
const PATIENCE: PatienceRule = PatienceRule { timeout: TIMEOUT, deadline: DEADLINE };

/// Reads `timeout` and `deadline`.
pub(super) fn read_patience(object: &Object<'_>, errors: &mut ConfigErrors) -> Option<Patience> {
    PATIENCE.read(object, errors)
}

/// Reads the `token` of a service whose access tokens end after an hour: none may stand in a configuration.
pub(super) fn read_token_of_gateway(node: &Node<'_>, errors: &mut ConfigErrors) -> Option<()> {
    if node.is_absent() {
        return node.refuse_text(
            "{\"added_by\": \"gateway\"}, as the gateway has to add the access token",
            "nothing",
            errors,
        );
    }
    let object = node.object(&TOKEN_KEYS, errors)?;
    object.member("added_by").choice(&ADDED_BY, errors)
}

/// Reads `public_key`.
pub(super) fn read_public_key(node: &Node<'_>, errors: &mut ConfigErrors) -> Option<Option<RsaPublicKey>> {
    node.optional(|node| {
        let text = node.text(&PUBLIC_KEY, errors)?;
        if has_private_key(text) {
            return node.refuse_text(
                PUBLIC_KEY.expected,
                "a text with a private key, which must not stand here",
                errors,
            );
        }
        match RsaPublicKey::from_pem(text) {
            Ok(key) => Some(key),
            Err(fault) => node.refuse_text(PUBLIC_KEY.expected, &fault.to_string(), errors),
        }
    })
}
