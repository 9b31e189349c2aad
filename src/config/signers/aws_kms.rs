//! The settings of AWS KMS, a remote signer: the key there, and who signs the calls (Signature Version 4): this filter, or the
//! gateway.

use super::common::RemoteKey;
use crate::config::callouts::read_address;
use crate::config::errors::ConfigErrors;
use crate::config::reader::{Keys, Node, TextRule};
use crate::config::secret::{ADDED_BY, Secret, SecretSource};
use crate::config::text_rules::visible;
use crate::url::{HttpUrl, Origin};

pub(in crate::config) const KEYS: Keys = Keys {
    supported: &["region", "key", "kid", "address", "upstream", "public_key", "credentials", "timeout", "deadline"],
    refused: &[],
};

pub(in crate::config) const CREDENTIAL_KEYS: Keys =
    Keys { supported: &["access_key_id", "secret_access_key", "session_token", "added_by"], refused: &[] };

const REGION: &str =
    "the name of a region such as \"me-central-1\": 1 to 63 lower-case letters, digits and - between them";

/// As long as a label of DNS.
const MAX_REGION_BYTES: usize = 63;

/// An alias would not do: whoever moves it changes the key under the same `kid`.
pub(in crate::config) const KEY: TextRule = TextRule {
    expected: "the id of a key (no alias, no ARN): 1 to 128 letters, digits and -",
    max_bytes: 128,
    allows: |character| character.is_ascii_alphanumeric() || character == '-',
};

pub(in crate::config) const ACCESS_KEY_ID: TextRule = TextRule {
    expected: "an access key id of 1 to 128 letters, digits, . - and _",
    max_bytes: 128,
    allows: |character| character.is_ascii_alphanumeric() || matches!(character, '.' | '-' | '_'),
};

pub(in crate::config) const SECRET_ACCESS_KEY: TextRule =
    visible("a secret access key of 1 to 256 visible ASCII characters", 256);

/// It is a header value. AWS names no bound; the longest that are seen have some 2 KB.
pub(in crate::config) const SESSION_TOKEN: TextRule =
    visible("a session token of 1 to 8192 visible ASCII characters", 8192);

const CREDENTIALS: &str = "{\"access_key_id\": {…}, \"secret_access_key\": {…}}, or {\"added_by\": \"gateway\"} where the gateway signs the calls";

const PLAINTEXT: &str = "with http:// everybody on the way can change the calls and their answers; give https://";

/// A key in AWS KMS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AwsKms {
    /// The service: all calls go there.
    pub url: HttpUrl,
    /// The region that calls are signed for.
    pub region: String,
    /// The id of the key there.
    pub key: String,
    /// With what the filter signs its calls. Without it the gateway signs them.
    pub credentials: Option<AwsCredentials>,
    /// Which key, and how the signer is reached.
    pub remote: RemoteKey,
}

/// With what calls are signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AwsCredentials {
    /// Names the secret.
    pub access_key_id: Secret,
    /// The secret.
    pub secret_access_key: Secret,
    /// What comes with temporary ones.
    pub session_token: Option<Secret>,
}

impl AwsKms {
    pub(super) fn read(node: &Node<'_>, secrets: &mut SecretSource<'_>, errors: &mut ConfigErrors) -> Option<Self> {
        let object = node.object(&KEYS, errors)?;
        let region = read_region(&object.member("region"), errors);
        let key = object.member("key").text(&KEY, errors);
        let address = object.member("address");
        let origin = if address.is_absent() {
            region.and_then(|region| Origin::parse(&format!("https://kms.{region}.amazonaws.com")).ok())
        } else {
            read_address(&address, PLAINTEXT, secrets, errors)
        };
        let remote = RemoteKey::read(&object, origin.as_ref(), errors);
        let credentials = read_credentials(&object.member("credentials"), secrets, errors);
        Some(Self {
            url: origin?.url("/".to_owned()),
            region: region?.to_owned(),
            key: key?.to_owned(),
            credentials: credentials?,
            remote: remote?,
        })
    }
}

fn read_region<'a>(node: &Node<'a>, errors: &mut ConfigErrors) -> Option<&'a str> {
    let text = node.string(REGION, errors)?;
    if is_region(text) { Some(text) } else { node.refuse_text(REGION, "a string that is not one", errors) }
}

/// A part of host names and of what is signed.
pub(in crate::config) fn is_region(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=MAX_REGION_BYTES).contains(&text.len())
        && text.bytes().all(allowed)
        && !text.starts_with('-')
        && !text.ends_with('-')
}

fn read_credentials(
    node: &Node<'_>,
    secrets: &mut SecretSource<'_>,
    errors: &mut ConfigErrors,
) -> Option<Option<AwsCredentials>> {
    if node.is_absent() {
        return node.refuse_text(CREDENTIALS, "nothing", errors);
    }
    let object = node.object(&CREDENTIAL_KEYS, errors)?;
    let (added_by, token) = (object.member("added_by"), object.member("session_token"));
    let (id, key) = (object.member("access_key_id"), object.member("secret_access_key"));
    if added_by.is_absent() {
        let access_key_id = secrets.read(&id, &ACCESS_KEY_ID, errors);
        let secret_access_key = secrets.read(&key, &SECRET_ACCESS_KEY, errors);
        let session_token = token.optional(|node| secrets.read(node, &SESSION_TOKEN, errors))?;
        let (access_key_id, secret_access_key) = (access_key_id?, secret_access_key?);
        return Some(Some(AwsCredentials { access_key_id, secret_access_key, session_token }));
    }
    if !(id.is_absent() && key.is_absent() && token.is_absent()) {
        return node.refuse_text(CREDENTIALS, "both", errors);
    }
    added_by.choice(&ADDED_BY, errors).map(|()| None)
}
