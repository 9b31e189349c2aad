//! What the settings of all remote signers have in common: the public key that signatures are verified with, and how long a signer
//! is waited for.

use std::time::Duration;

use crate::config::duration::DurationRange;
use crate::config::errors::ConfigErrors;
use crate::config::reader::{Keys, Node, Object, TextRule};
use crate::config::secret::{ADDED_BY, SecretSource};
use crate::config::text_rules::pem;
use crate::pem::has_private_key;
use crate::rsa::RsaPublicKey;
use crate::url::Origin;

pub(in crate::config) const TOKEN_KEYS: Keys = Keys { supported: &["added_by"], refused: &[] };

pub(super) const PLAINTEXT: &str =
    "with http:// everybody on the way can read the access token of the remote signer and sign with it; give https://";

const ADDRESS: &str = "http:// or https:// with a host and, if need be, a port";

pub(in crate::config) const PUBLIC_KEY: TextRule = pem("an RSA public key of 2048 to 4096 bits in PEM");

/// A request of the bank waits this long, once or twice.
pub(in crate::config) const TIMEOUT: DurationRange =
    DurationRange { min: Duration::from_millis(100), max: Duration::from_secs(10), default: Duration::from_secs(2) };

/// Two tries with the default timeout, and time between them. A token that waited longer than the shortest lifetime would
/// be expired before it left.
pub(in crate::config) const DEADLINE: DurationRange =
    DurationRange { min: Duration::from_millis(100), max: Duration::from_secs(10), default: Duration::from_secs(5) };

/// How long a remote signer is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// How long one try may take.
    pub timeout: Duration,
    /// How long all tries together may take: at least as long as one.
    pub deadline: Duration,
}

/// Reads `timeout` and `deadline`.
pub(super) fn read_patience(object: &Object<'_>, errors: &mut ConfigErrors) -> Option<Patience> {
    let timeout = object.member("timeout").duration(&TIMEOUT, errors);
    let deadline = object.member("deadline");
    let until = deadline.duration(&DEADLINE, errors);
    if let (Some(timeout), Some(until)) = (timeout, until)
        && until < timeout
    {
        let got = if deadline.is_absent() { "nothing, which means 5s" } else { "a shorter one" };
        return deadline.refuse_text("a duration that is not shorter than \"timeout\"", got, errors);
    }
    Some(Patience { timeout: timeout?, deadline: until? })
}

/// Reads `address`. Plaintext to another machine is warned of: `danger` is what follows from it.
pub(super) fn read_address(
    node: &Node<'_>,
    danger: &str,
    secrets: &mut SecretSource<'_>,
    errors: &mut ConfigErrors,
) -> Option<Origin> {
    let origin = match Origin::parse(node.string(ADDRESS, errors)?) {
        Ok(origin) => origin,
        Err(fault) => return node.refuse_text(ADDRESS, &fault.to_string(), errors),
    };
    if origin.is_plaintext_beyond_loopback() {
        secrets.warn(node, danger);
    }
    Some(origin)
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
