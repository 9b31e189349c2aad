//! The settings of Vault Transit, a remote signer: the Transit engine of HashiCorp Vault or OpenBao, which holds the key and signs by HTTP
//! (spec §4). Its address may be `http://`, because Vault often listens beside the gateway; what that means is warned of.

use std::time::Duration;

use crate::config::callouts::read_upstream;
use crate::config::duration::DurationRange;
use crate::config::errors::ConfigErrors;
use crate::config::reader::{IntegerRange, Keys, Node, TextRule};
use crate::config::secret::{Credential, SecretSource};
use crate::config::text_rules::{KEY_ID, pem};
use crate::pem::has_private_key;
use crate::rsa::RsaPublicKey;
use crate::url::{HttpUrl, Origin};

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

const ADDRESS: &str = "http:// or https:// with a host and, if need be, a port";

const MOUNT: &str = "the path of a mount such as \"transit\": 1 to 256 letters, digits, - . _ and / between them";

const KEY: &str = "the name of a key: 1 to 128 letters, digits, - . and _";

pub(in crate::config) const MAX_MOUNT_BYTES: usize = 256;
pub(in crate::config) const MAX_KEY_BYTES: usize = 128;

/// It is a header value. Namespaces are paths of a few names.
pub(in crate::config) const NAMESPACE: TextRule = TextRule {
    expected: "a namespace of 1 to 256 visible ASCII characters",
    max_bytes: 256,
    allows: |character| character.is_ascii_graphic(),
};

/// It is a header value. Service tokens have about 100 characters, batch tokens several hundred.
pub(in crate::config) const TOKEN: TextRule = TextRule {
    expected: "a token of 1 to 4096 visible ASCII characters",
    max_bytes: 4096,
    allows: |character| character.is_ascii_graphic(),
};

pub(in crate::config) const PUBLIC_KEY: TextRule = pem("an RSA public key of 2048 to 4096 bits in PEM");

/// Vault counts from 1.
pub(in crate::config) const KEY_VERSION: IntegerRange = IntegerRange { of: None, min: 1, max: 1_000_000, default: 1 };

/// A request of the bank waits this long, once or twice.
pub(in crate::config) const TIMEOUT: DurationRange =
    DurationRange { min: Duration::from_millis(100), max: Duration::from_secs(10), default: Duration::from_secs(2) };

/// Two tries with the default timeout, and time between them. A token that waited longer than the shortest lifetime would
/// be expired before it left.
pub(in crate::config) const DEADLINE: DurationRange =
    DurationRange { min: Duration::from_millis(100), max: Duration::from_secs(10), default: Duration::from_secs(5) };

/// A key in the Transit engine of HashiCorp Vault or OpenBao.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VaultTransit {
    /// Where it signs: `…/v1/{mount}/sign/{key}/sha2-256`.
    pub url: HttpUrl,
    /// Where it tells its public keys: `…/v1/{mount}/keys/{key}`.
    pub key_url: HttpUrl,
    /// What the gateway calls to reach it: a name that its configuration defines, or `host` or `host:port`.
    pub upstream: String,
    /// `X-Vault-Namespace`
    pub namespace: Option<String>,
    /// `X-Vault-Token`
    pub token: Credential,
    /// The key's `kid` on the bank's JWKS.
    pub key_id: String,
    /// Which version of the key signs; the newest if none is named.
    pub key_version: Option<u32>,
    /// The public key, to check signatures with before they leave. Without it the signer is asked.
    pub public_key: Option<RsaPublicKey>,
    /// How long one try may take.
    pub timeout: Duration,
    /// How long all tries together may take: at least as long as one.
    pub deadline: Duration,
}

impl VaultTransit {
    pub(super) fn read(node: &Node<'_>, secrets: &mut SecretSource<'_>, errors: &mut ConfigErrors) -> Option<Self> {
        let object = node.object(&KEYS, errors)?;
        let origin = read_address(&object.member("address"), secrets, errors);
        let host_and_port = origin.as_ref().map(Origin::host_and_port);
        let upstream = read_upstream(&object.member("upstream"), host_and_port, errors);
        let namespace = object.member("namespace").optional(|node| node.text(&NAMESPACE, errors).map(str::to_owned));
        let mount = read_mount(&object.member("mount"), errors);
        let key = read_key(&object.member("key"), errors);
        let key_version = object.member("key_version").optional(|node| node.integer(&KEY_VERSION, errors));
        let key_id = object.member("kid").text(&KEY_ID, errors);
        let public_key = object.member("public_key").optional(|node| read_public_key(node, errors));
        let token = secrets.read_credential(&object.member("token"), &TOKEN, errors);
        let timeout = object.member("timeout").duration(&TIMEOUT, errors);
        let deadline = object.member("deadline");
        let until = deadline.duration(&DEADLINE, errors);
        if let (Some(timeout), Some(until)) = (timeout, until)
            && until < timeout
        {
            let got = if deadline.is_absent() { "nothing, which means 5s" } else { "a shorter one" };
            return deadline.refuse_text("a duration that is not shorter than \"timeout\"", got, errors);
        }
        let (origin, mount, key) = (origin?, mount?, key?);
        Some(Self {
            url: origin.url(format!("/v1/{mount}/sign/{key}/sha2-256")),
            key_url: origin.url(format!("/v1/{mount}/keys/{key}")),
            upstream: upstream?,
            namespace: namespace?,
            token: token?,
            key_id: key_id?.to_owned(),
            key_version: key_version?.map(u32::try_from).transpose().ok()?,
            public_key: public_key?,
            timeout: timeout?,
            deadline: until?,
        })
    }
}

fn read_address(node: &Node<'_>, secrets: &mut SecretSource<'_>, errors: &mut ConfigErrors) -> Option<Origin> {
    let origin = match Origin::parse(node.string(ADDRESS, errors)?) {
        Ok(origin) => origin,
        Err(fault) => return node.refuse_text(ADDRESS, &fault.to_string(), errors),
    };
    if origin.is_plaintext_beyond_loopback() {
        secrets.warn(
            node,
            "with http:// everybody on the way can read the token of the remote signer and sign with it; give https://",
        );
    }
    Some(origin)
}

fn read_mount<'a>(node: &Node<'a>, errors: &mut ConfigErrors) -> Option<&'a str> {
    if node.is_absent() {
        return Some("transit");
    }
    let text = node.string(MOUNT, errors)?;
    let is_mount = text.len() <= MAX_MOUNT_BYTES && text.split('/').all(is_segment);
    if is_mount { Some(text) } else { node.refuse_text(MOUNT, "a string that is not one", errors) }
}

fn read_key<'a>(node: &Node<'a>, errors: &mut ConfigErrors) -> Option<&'a str> {
    let text = node.string(KEY, errors)?;
    let is_key = text.len() <= MAX_KEY_BYTES && is_segment(text);
    if is_key { Some(text) } else { node.refuse_text(KEY, "a string that is not one", errors) }
}

/// Nothing that needs an encoding in a path or climbs in it: it would sign with another key, or do something else.
pub(in crate::config) fn is_segment(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    !text.is_empty() && !matches!(text, "." | "..") && text.bytes().all(allowed)
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
