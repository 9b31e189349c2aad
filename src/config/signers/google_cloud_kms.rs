//! The settings of Google Cloud KMS, a remote signer: which version of which key signs, and who gets the access token.

use super::access_token::{CloudToken, MetadataRule};
use super::common::{PLAINTEXT, RemoteKey};
use crate::config::callouts::read_address;
use crate::config::errors::ConfigErrors;
use crate::config::reader::{Keys, Node, TextRule};
use crate::config::secret::SecretSource;
use crate::url::{HttpUrl, Origin};

pub(in crate::config) const KEYS: Keys = Keys {
    supported: &["key_version", "kid", "address", "upstream", "public_key", "token", "timeout", "deadline"],
    refused: &[],
};

const ADDRESS: &str = "https://cloudkms.googleapis.com";

const KEY_VERSION: &str = "projects/…/locations/…/keyRings/…/cryptoKeys/…/cryptoKeyVersions/N, each name of 1 to 128 letters, digits, - _ . and :";

pub(in crate::config) const METADATA_KEYS: Keys =
    Keys { supported: &["address", "upstream", "service_account"], refused: &[] };

/// It is a part of the URL.
pub(in crate::config) const SERVICE_ACCOUNT: TextRule = TextRule {
    expected: "the address of a service account, or \"default\": 1 to 256 letters, digits, @ . - and _",
    max_bytes: 256,
    allows: |character| character.is_ascii_alphanumeric() || matches!(character, '@' | '.' | '-' | '_'),
};

/// The metadata server, which every machine and pod knows by this name.
const METADATA: MetadataRule = MetadataRule { keys: &METADATA_KEYS, address: "http://metadata.google.internal" };

/// A key in Google Cloud KMS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GoogleKms {
    /// Where it signs: `…/v1/{name}:asymmetricSign`.
    pub url: HttpUrl,
    /// Where it tells the public key: `…/v1/{name}/publicKey`.
    pub key_url: HttpUrl,
    /// The resource name of the version of the key.
    pub name: String,
    /// Who gets the access token.
    pub token: CloudToken,
    /// Which key, and how the signer is reached.
    pub remote: RemoteKey,
}

impl GoogleKms {
    pub(super) fn read(node: &Node<'_>, secrets: &mut SecretSource<'_>, errors: &mut ConfigErrors) -> Option<Self> {
        let object = node.object(&KEYS, errors)?;
        let name = read_name(&object.member("key_version"), errors);
        let address = object.member("address");
        let origin = if address.is_absent() {
            Origin::parse(ADDRESS).ok()
        } else {
            read_address(&address, PLAINTEXT, secrets, errors)
        };
        let remote = RemoteKey::read(&object, origin.as_ref(), errors);
        let token = CloudToken::read(&object.member("token"), &METADATA, secrets, errors, |metadata, errors| {
            let account = metadata.member("service_account").optional(|node| node.text(&SERVICE_ACCOUNT, errors));
            let account = account?.unwrap_or("default");
            Some(format!("/computeMetadata/v1/instance/service-accounts/{account}/token"))
        });
        let (origin, name) = (origin?, name?);
        Some(Self {
            url: origin.url(format!("/v1/{name}:asymmetricSign")),
            key_url: origin.url(format!("/v1/{name}/publicKey")),
            name: name.to_owned(),
            token: token?,
            remote: remote?,
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
