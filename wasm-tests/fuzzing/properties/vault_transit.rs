//! Of what a Transit engine answers, the signature is the one that serde_json and base64 read, with the version of the key that is
//! configured, if any; and so are its public keys.

use std::collections::BTreeMap;
use std::sync::LazyLock;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use hub_auth_filter::facade::config::{self, Credential, Patience, RemoteKey, Secret, VaultToken};
use hub_auth_filter::facade::rsa::RsaPublicKey;
use hub_auth_filter::facade::signing::{RemoteSignature, RemoteSigner as _, VaultTransit};
use hub_auth_filter::facade::url::HttpUrl;
use serde_json::Value;

use crate::cost::{Bound, bounded};
use crate::reference::json::Shape;

/// Warnings are copied.
const BOUND: Bound = Bound { per_byte: 128, ..Bound::TEXT };

/// Each key is taken apart.
const KEYS: Bound = Bound { per_byte: 1024, ..Bound::TEXT };

/// Any version of the key, and this one.
static SIGNERS: LazyLock<[(VaultTransit, Option<u32>); 2]> =
    LazyLock::new(|| [None, Some(3)].map(|version| (signer(version), version)));

fn signer(key_version: Option<u32>) -> VaultTransit {
    VaultTransit::new(config::VaultTransit {
        url: HttpUrl::parse("https://bao.example:8200/v1/transit/sign/sig4/sha2-256").expect("a URL"),
        key_url: HttpUrl::parse("https://bao.example:8200/v1/transit/keys/sig4").expect("a URL"),
        namespace: None,
        token: VaultToken::Given(Credential::Secret(Secret::new("hvs.token"))),
        key_version,
        remote: RemoteKey {
            upstream: "bao".into(),
            key_id: "sig4".into(),
            public_key: None,
            patience: Patience { timeout: Duration::from_secs(2), deadline: Duration::from_secs(5) },
        },
    })
}

pub(crate) fn check(data: &[u8]) -> bool {
    let is_acceptable = Shape::of(data).is_some_and(|shape| shape.is_acceptable());
    let theirs: Option<Value> =
        serde_json::from_slice(data).ok().filter(|value: &Value| is_acceptable && value.is_object());
    let text = theirs.as_ref().and_then(|answer| answer["data"]["signature"].as_str());
    let mut is_read = false;
    for (signer, configured) in &*SIGNERS {
        let ours = bounded(BOUND, data.len(), || signer.read(data));
        let expected = text.and_then(|text| signature(text, *configured));
        assert_eq!(ours.as_ref().ok(), expected.as_ref(), "{ours:?}");
        let warnings = bounded(BOUND, data.len(), || signer.warnings(data));
        let list = theirs.as_ref().and_then(|answer| answer["warnings"].as_array());
        let texts: Vec<&str> = list.into_iter().flatten().filter_map(Value::as_str).collect();
        assert_eq!(warnings, texts);
        is_read |= ours.is_ok() | check_keys(signer, data, theirs.as_ref(), *configured);
    }
    is_read
}

/// `vault:v`, a version as it is counted, a colon, and the signature in one alphabet or the other.
fn signature(text: &str, configured: Option<u32>) -> Option<RemoteSignature> {
    let (version, encoded) = text.strip_prefix("vault:v")?.split_once(':')?;
    let number: u32 = version.parse().ok()?;
    if number.to_string() != version || configured.is_some_and(|configured| configured != number) {
        return None;
    }
    let bytes = URL_SAFE_NO_PAD.decode(encoded).or_else(|_| STANDARD.decode(encoded)).ok()?;
    Some(RemoteSignature { version: number, bytes })
}

/// Each version of the key that counts, and among them the newest, which signs.
fn check_keys(signer: &VaultTransit, data: &[u8], answer: Option<&Value>, configured: Option<u32>) -> bool {
    let ours = bounded(KEYS, data.len(), || signer.read_keys(data));
    let keys = answer.and_then(|answer| answer["data"]["keys"].as_object());
    let number = |digits: &str| digits.parse().ok().filter(|number: &u32| number.to_string() == digits);
    let pems =
        keys.into_iter().flatten().filter_map(|(version, key)| Some((number(version)?, key["public_key"].as_str()?)));
    let pems: BTreeMap<u32, &str> =
        pems.filter(|(version, _)| configured.is_none_or(|configured| configured == *version)).collect();
    let signs = pems.last_key_value().filter(|(_, pem)| RsaPublicKey::from_pem(pem).is_ok());
    let read = ours.as_deref().unwrap_or_default();
    assert_eq!(read.iter().map(|(version, _)| version).max(), signs.map(|(version, _)| version), "{ours:?}");
    for (version, key) in read {
        assert_eq!(RsaPublicKey::from_pem(pems[version]).as_ref(), Ok(key));
    }
    ours.is_ok()
}
