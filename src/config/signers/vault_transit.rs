//! The settings of Vault Transit, a remote signer: the Transit engine of HashiCorp Vault or OpenBao, which holds the key and signs by HTTP
//! (spec §4). Its address may be `http://`, because Vault often listens beside the gateway; what that means is warned of.

use super::common::RemoteKey;
use super::vault_login::VaultToken;
use super::vault_paths::{is_segment, read_mount};
use crate::config::callouts::read_address;
use crate::config::errors::ConfigErrors;
use crate::config::reader::{IntegerRange, Keys, Node, TextRule};
use crate::config::secret::SecretSource;
use crate::config::text_rules::visible;
use crate::url::HttpUrl;

pub(in crate::config) const KEYS: Keys = Keys {
    supported: &[
        "address",
        "upstream",
        "namespace",
        "mount",
        "key",
        "key_version",
        "kid",
        "public_key",
        "token",
        "timeout",
        "deadline",
    ],
    refused: &[],
};

const PLAINTEXT: &str =
    "with http:// everybody on the way can read the token of the remote signer and sign with it; give https://";

const MOUNT: &str = "the path of a mount such as \"transit\": 1 to 256 letters, digits, - . _ and / between them";

const KEY: &str = "the name of a key: 1 to 128 letters, digits, - . and _";

pub(in crate::config) const MAX_KEY_BYTES: usize = 128;

/// It is a header value. Namespaces are paths of a few names.
pub(in crate::config) const NAMESPACE: TextRule = visible("a namespace of 1 to 256 visible ASCII characters", 256);

/// Vault counts from 1.
pub(in crate::config) const KEY_VERSION: IntegerRange = IntegerRange { of: None, min: 1, max: 1_000_000, default: 1 };

/// A key in the Transit engine of HashiCorp Vault or OpenBao.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VaultTransit {
    /// Where it signs: `…/v1/{mount}/sign/{key}/sha2-256`.
    pub url: HttpUrl,
    /// Where it tells its public keys: `…/v1/{mount}/keys/{key}`.
    pub key_url: HttpUrl,
    /// `X-Vault-Namespace`
    pub namespace: Option<String>,
    /// Where `X-Vault-Token` comes from.
    pub token: VaultToken,
    /// Which version of the key signs; the newest if none is named.
    pub key_version: Option<u32>,
    /// Which key, and how the signer is reached.
    pub remote: RemoteKey,
}

impl VaultTransit {
    pub(super) fn read(node: &Node<'_>, secrets: &mut SecretSource<'_>, errors: &mut ConfigErrors) -> Option<Self> {
        let object = node.object(&KEYS, errors)?;
        let origin = read_address(&object.member("address"), PLAINTEXT, secrets, errors);
        let namespace = object.member("namespace").optional(|node| node.text(&NAMESPACE, errors).map(str::to_owned));
        let mount = read_mount(&object.member("mount"), MOUNT, "transit", errors);
        let key = read_key(&object.member("key"), errors);
        let key_version = object.member("key_version").optional(|node| node.integer(&KEY_VERSION, errors));
        let remote = RemoteKey::read(&object, origin.as_ref(), errors);
        let token = VaultToken::read(&object.member("token"), origin.as_ref(), secrets, errors);
        let (origin, mount, key) = (origin?, mount?, key?);
        Some(Self {
            url: origin.url(format!("/v1/{mount}/sign/{key}/sha2-256")),
            key_url: origin.url(format!("/v1/{mount}/keys/{key}")),
            namespace: namespace?,
            token: token?,
            key_version: key_version?.map(u32::try_from).transpose().ok()?,
            remote: remote?,
        })
    }
}

fn read_key<'a>(node: &Node<'a>, errors: &mut ConfigErrors) -> Option<&'a str> {
    let text = node.string(KEY, errors)?;
    let is_key = text.len() <= MAX_KEY_BYTES && is_segment(text);
    if is_key { Some(text) } else { node.refuse_text(KEY, "a string that is not one", errors) }
}
