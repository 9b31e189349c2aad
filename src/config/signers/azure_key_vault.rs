//! The settings of Azure Key Vault (or Managed HSM), a remote signer: the vault, and which version of which key signs. The gateway
//! adds the access token.

use super::common::{PLAINTEXT, read_patience, read_public_key, read_token_of_gateway};
use crate::config::callouts::{Patience, read_address, read_upstream};
use crate::config::errors::ConfigErrors;
use crate::config::reader::{Keys, Node, TextRule};
use crate::config::secret::SecretSource;
use crate::config::text_rules::KEY_ID;
use crate::rsa::RsaPublicKey;
use crate::url::{HttpUrl, Origin};

pub(in crate::config) const KEYS: Keys = Keys {
    supported: &["address", "upstream", "key", "key_version", "kid", "public_key", "token", "timeout", "deadline"],
    refused: &[],
};

pub(in crate::config) const KEY: TextRule = TextRule {
    expected: "the name of a key: 1 to 127 letters, digits and -",
    max_bytes: 127,
    allows: |character| character.is_ascii_alphanumeric() || character == '-',
};

/// Without one the newest would sign, whatever the `kid`.
pub(in crate::config) const KEY_VERSION: TextRule = TextRule {
    expected: "the version of a key: 1 to 64 lower-case letters and digits",
    max_bytes: 64,
    allows: |character| character.is_ascii_lowercase() || character.is_ascii_digit(),
};

/// A key in Azure Key Vault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AzureKeyVault {
    /// Where it signs: `…/keys/{key}/{version}/sign?api-version=7.4`.
    pub url: HttpUrl,
    /// Where it tells the public key: `…/keys/{key}/{version}?api-version=7.4`.
    pub key_url: HttpUrl,
    /// What the `kid` of its answers ends with: `/keys/{key}/{version}`.
    pub key_path: String,
    /// What the gateway calls to reach it: a name that its configuration defines, or `host` or `host:port`.
    pub upstream: String,
    /// The key's `kid` on the bank's JWKS.
    pub key_id: String,
    /// The public key, to check signatures with before they leave. Without it the signer is asked.
    pub public_key: Option<RsaPublicKey>,
    /// How long it is waited for.
    pub patience: Patience,
}

impl AzureKeyVault {
    pub(super) fn read(node: &Node<'_>, secrets: &mut SecretSource<'_>, errors: &mut ConfigErrors) -> Option<Self> {
        let object = node.object(&KEYS, errors)?;
        let origin = read_address(&object.member("address"), PLAINTEXT, secrets, errors);
        let upstream = read_upstream(&object.member("upstream"), origin.as_ref().map(Origin::host_and_port), errors);
        let key = object.member("key").text(&KEY, errors);
        let version = object.member("key_version").text(&KEY_VERSION, errors);
        let key_id = object.member("kid").text(&KEY_ID, errors);
        let public_key = read_public_key(&object.member("public_key"), errors);
        let token = read_token_of_gateway(&object.member("token"), errors);
        let patience = read_patience(&object, errors);
        let (origin, path) = (origin?, format!("/keys/{}/{}", key?, version?));
        token?;
        Some(Self {
            url: origin.url(format!("{path}/sign?api-version=7.4")),
            key_url: origin.url(format!("{path}?api-version=7.4")),
            key_path: path,
            upstream: upstream?,
            key_id: key_id?.to_owned(),
            public_key: public_key?,
            patience: patience?,
        })
    }
}
