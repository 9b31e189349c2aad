//! The settings of Azure Key Vault (or Managed HSM), a remote signer: the vault, which version of which key signs, and who gets the
//! access token.

use super::access_token::{CloudToken, MetadataRule};
use super::common::{PLAINTEXT, RemoteKey};
use crate::config::callouts::read_address;
use crate::config::errors::ConfigErrors;
use crate::config::reader::{Keys, Node, Object, TextRule};
use crate::config::secret::SecretSource;
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

pub(in crate::config) const METADATA_KEYS: Keys =
    Keys { supported: &["address", "upstream", "client_id", "resource"], refused: &[] };

/// A machine, or a pod, may have several identities.
pub(in crate::config) const CLIENT_ID: TextRule = TextRule {
    expected: "the client id of a managed identity: 1 to 64 letters, digits and -",
    max_bytes: 64,
    allows: |character| character.is_ascii_alphanumeric() || character == '-',
};

/// What a token is for. Other clouds than the public one have other names.
pub(in crate::config) const RESOURCE: TextRule = TextRule {
    expected: "what the token is for, such as https://vault.azure.net: 1 to 128 letters, digits, : / . and -",
    max_bytes: 128,
    allows: |character| character.is_ascii_alphanumeric() || matches!(character, ':' | '/' | '.' | '-'),
};

/// The instance metadata service, which every machine reaches.
const METADATA: MetadataRule = MetadataRule { keys: &METADATA_KEYS, address: "http://169.254.169.254" };

/// A key in Azure Key Vault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AzureKeyVault {
    /// Where it signs: `…/keys/{key}/{version}/sign?api-version=7.4`.
    pub url: HttpUrl,
    /// Where it tells the public key: `…/keys/{key}/{version}?api-version=7.4`.
    pub key_url: HttpUrl,
    /// What the `kid` of its answers ends with: `/keys/{key}/{version}`.
    pub key_path: String,
    /// Who gets the access token.
    pub token: CloudToken,
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
        let token = CloudToken::read(&object.member("token"), &METADATA, secrets, errors, |metadata, errors| {
            token_path(origin.as_ref(), metadata, errors)
        });
        let (origin, path) = (origin?, format!("/keys/{}/{}", key?, version?));
        Some(Self {
            url: origin.url(format!("{path}/sign?api-version=7.4")),
            key_url: origin.url(format!("{path}?api-version=7.4")),
            key_path: path,
            token: token?,
            remote: remote?,
        })
    }
}

/// Where the metadata address gives a token for a vault at this address.
fn token_path(vault: Option<&Origin>, metadata: &Object<'_>, errors: &mut ConfigErrors) -> Option<String> {
    let client_id = metadata.member("client_id").optional(|node| node.text(&CLIENT_ID, errors));
    let resource = metadata.member("resource").optional(|node| node.text(&RESOURCE, errors));
    let is_hsm = vault.is_some_and(|vault| vault.host_and_port().contains(".managedhsm."));
    let usual = if is_hsm { "https://managedhsm.azure.net" } else { "https://vault.azure.net" };
    let resource = resource?.unwrap_or(usual).replace(':', "%3A").replace('/', "%2F");
    let identity = client_id?.map(|id| format!("&client_id={id}")).unwrap_or_default();
    Some(format!("/metadata/identity/oauth2/token?api-version=2018-02-01&resource={resource}{identity}"))
}
