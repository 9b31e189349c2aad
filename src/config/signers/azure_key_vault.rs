//! The settings of Azure Key Vault (or Managed HSM), a remote signer: the vault, and which version of which key signs. The gateway
//! adds the access token.

use super::common::{PLAINTEXT, RemoteKey, read_token_of_gateway};
use crate::config::callouts::read_address;
use crate::config::errors::ConfigErrors;
use crate::config::reader::{Keys, Node, TextRule};
use crate::config::secret::SecretSource;
use crate::url::HttpUrl;

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
    /// Which key, and how the signer is reached.
    pub remote: RemoteKey,
}

impl AzureKeyVault {
    pub(super) fn read(node: &Node<'_>, secrets: &mut SecretSource<'_>, errors: &mut ConfigErrors) -> Option<Self> {
        let object = node.object(&KEYS, errors)?;
        let origin = read_address(&object.member("address"), PLAINTEXT, secrets, errors);
        let key = object.member("key").text(&KEY, errors);
        let version = object.member("key_version").text(&KEY_VERSION, errors);
        let remote = RemoteKey::read(&object, origin.as_ref(), errors);
        let token = read_token_of_gateway(&object.member("token"), errors);
        let (origin, path) = (origin?, format!("/keys/{}/{}", key?, version?));
        token?;
        Some(Self {
            url: origin.url(format!("{path}/sign?api-version=7.4")),
            key_url: origin.url(format!("{path}?api-version=7.4")),
            key_path: path,
            remote: remote?,
        })
    }
}
