//! The settings of Google Cloud KMS, a remote signer: which version of which key signs. The gateway adds the access token.

use super::common::{PLAINTEXT, read_patience, read_public_key, read_token_of_gateway};
use crate::config::callouts::{Patience, read_address, read_upstream};
use crate::config::errors::ConfigErrors;
use crate::config::reader::{Keys, Node};
use crate::config::secret::SecretSource;
use crate::config::text_rules::KEY_ID;
use crate::rsa::RsaPublicKey;
use crate::url::{HttpUrl, Origin};

pub(in crate::config) const KEYS: Keys = Keys {
    supported: &["key_version", "kid", "address", "upstream", "public_key", "token", "timeout", "deadline"],
    refused: &[],
};

const ADDRESS: &str = "https://cloudkms.googleapis.com";

const KEY_VERSION: &str = "projects/…/locations/…/keyRings/…/cryptoKeys/…/cryptoKeyVersions/N, each name of 1 to 128 letters, digits, - _ . and :";

/// A key in Google Cloud KMS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GoogleKms {
    /// Where it signs: `…/v1/{name}:asymmetricSign`.
    pub url: HttpUrl,
    /// Where it tells the public key: `…/v1/{name}/publicKey`.
    pub key_url: HttpUrl,
    /// The resource name of the version of the key.
    pub name: String,
    /// What the gateway calls to reach it: a name that its configuration defines, or `host` or `host:port`.
    pub upstream: String,
    /// The key's `kid` on the bank's JWKS.
    pub key_id: String,
    /// The public key, to check signatures with before they leave. Without it the signer is asked.
    pub public_key: Option<RsaPublicKey>,
    /// How long it is waited for.
    pub patience: Patience,
}

impl GoogleKms {
    pub(super) fn read(node: &Node<'_>, secrets: &mut SecretSource<'_>, errors: &mut ConfigErrors) -> Option<Self> {
        let object = node.object(&KEYS, errors)?;
        let name = read_name(&object.member("key_version"), errors);
        let key_id = object.member("kid").text(&KEY_ID, errors);
        let address = object.member("address");
        let origin = if address.is_absent() {
            Origin::parse(ADDRESS).ok()
        } else {
            read_address(&address, PLAINTEXT, secrets, errors)
        };
        let upstream = read_upstream(&object.member("upstream"), origin.as_ref().map(Origin::host_and_port), errors);
        let public_key = read_public_key(&object.member("public_key"), errors);
        let token = read_token_of_gateway(&object.member("token"), errors);
        let patience = read_patience(&object, errors);
        let (origin, name) = (origin?, name?);
        token?;
        Some(Self {
            url: origin.url(format!("/v1/{name}:asymmetricSign")),
            key_url: origin.url(format!("/v1/{name}/publicKey")),
            name: name.to_owned(),
            upstream: upstream?,
            key_id: key_id?.to_owned(),
            public_key: public_key?,
            patience: patience?,
        })
    }
}

fn read_name<'a>(node: &Node<'a>, errors: &mut ConfigErrors) -> Option<&'a str> {
    let text = node.string(KEY_VERSION, errors)?;
    if is_name(text) { Some(text) } else { node.refuse_text(KEY_VERSION, "a string that is not one", errors) }
}

/// Nothing that needs an encoding in a path or climbs in it: it would sign with another key.
fn is_name(text: &str) -> bool {
    let parts: Vec<&str> = text.split('/').collect();
    let ["projects", project, "locations", location, "keyRings", ring, "cryptoKeys", key, "cryptoKeyVersions", version] =
        parts[..]
    else {
        return false;
    };
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte);
    let is_part =
        |part: &&str| (1..=128).contains(&part.len()) && part.bytes().all(allowed) && !matches!(*part, "." | "..");
    let is_number = (1..=9).contains(&version.len())
        && version.bytes().all(|byte| byte.is_ascii_digit())
        && !version.starts_with('0');
    is_number && [project, location, ring, key].iter().all(is_part)
}
