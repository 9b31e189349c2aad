//! Of what the services of clouds answer, the signature and the public key are those that serde_json and base64 read, and of the key that is
//! configured. Their errors are told by what stands in the body, and never as success.

use std::sync::LazyLock;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use hub_auth_filter::facade::config::{self, CloudToken, Patience, RemoteKey};
use hub_auth_filter::facade::signing::{AwsKms, AzureKeyVault, GoogleKms, RemoteSigner};
use hub_auth_filter::facade::url::HttpUrl;
use serde_json::Value;

use crate::cost::{Bound, bounded};
use crate::reference::json::Shape;

/// A key is taken apart.
const BOUND: Bound = Bound { per_byte: 1024, ..Bound::TEXT };

const KEY: &str = "1234abcd";
const PATH: &str = "/keys/sig4/78de";
const NAME: &str = "projects/p/locations/l/keyRings/r/cryptoKeys/k/cryptoKeyVersions/3";
const PATIENCE: Patience = Patience { timeout: Duration::from_secs(2), deadline: Duration::from_secs(5) };

static AWS: LazyLock<AwsKms> = LazyLock::new(|| {
    AwsKms::new(config::AwsKms {
        url: url("/"),
        region: "me-central-1".into(),
        key: KEY.into(),
        credentials: None,
        remote: RemoteKey { upstream: "kms".into(), key_id: "sig4".into(), public_key: None, patience: PATIENCE },
    })
});

static AZURE: LazyLock<AzureKeyVault> = LazyLock::new(|| {
    AzureKeyVault::new(config::AzureKeyVault {
        url: url(PATH),
        key_url: url(PATH),
        key_path: PATH.into(),
        token: CloudToken::AddedByGateway,
        remote: RemoteKey { upstream: "kms".into(), key_id: "sig4".into(), public_key: None, patience: PATIENCE },
    })
});

static GOOGLE: LazyLock<GoogleKms> = LazyLock::new(|| {
    GoogleKms::new(config::GoogleKms {
        url: url("/v1"),
        key_url: url("/v1"),
        name: NAME.into(),
        token: CloudToken::AddedByGateway,
        remote: RemoteKey { upstream: "kms".into(), key_id: "sig4".into(), public_key: None, patience: PATIENCE },
    })
});

fn url(path: &str) -> HttpUrl {
    HttpUrl::parse(&format!("https://kms.example{path}")).expect("a URL")
}

pub(crate) fn check(data: &[u8]) -> bool {
    let is_acceptable = Shape::of(data).is_some_and(|shape| shape.is_acceptable());
    let theirs: Option<Value> =
        serde_json::from_slice(data).ok().filter(|value: &Value| is_acceptable && value.is_object());
    let text = |place: &str| theirs.as_ref().and_then(|answer| answer.pointer(place)).and_then(Value::as_str);
    let is_of_aws = text("/KeyId").and_then(|arn| arn.rsplit_once(":key/")).is_some_and(|(_, id)| id == KEY);
    let aws = text("/Signature").filter(|_| is_of_aws && text("/SigningAlgorithm") == Some("RSASSA_PSS_SHA_256"));
    let azure = text("/value").filter(|_| text("/kid").is_some_and(|kid| kid.ends_with(PATH)));
    let google = text("/signature").filter(|_| text("/name") == Some(NAME));
    let signatures = [
        signed(&*AWS, data, aws.and_then(|text| STANDARD.decode(text).ok())),
        signed(&*AZURE, data, azure.and_then(|text| URL_SAFE_NO_PAD.decode(text).ok())),
        signed(&*GOOGLE, data, google.and_then(|text| STANDARD.decode(text).ok())),
    ];
    let is_azures = text("/key/kid").is_some_and(|kid| kid.ends_with(PATH));
    let keys = [
        tells(&*AWS, data, is_of_aws && text("/PublicKey").is_some()),
        tells(&*AZURE, data, is_azures && text("/key/n").is_some()),
        tells(&*GOOGLE, data, text("/name") == Some(NAME) && text("/pem").is_some()),
    ];
    for status in [400, 403, 500] {
        let told = bounded(BOUND, data.len(), || AWS.status(status, data));
        assert!(told == status || ((400..600).contains(&told) && text("/__type").is_some()), "{told}");
    }
    signatures.into_iter().chain(keys).any(|is_read| is_read)
}

/// Whether a signature is read: exactly the one that is expected.
fn signed(signer: &impl RemoteSigner, data: &[u8], expected: Option<Vec<u8>>) -> bool {
    let ours = bounded(BOUND, data.len(), || signer.read(data));
    assert_eq!(ours.as_ref().ok().map(|signature| &signature.bytes), expected.as_ref(), "{ours:?}");
    ours.is_ok()
}

/// Whether a key is read: one at the most, and only where there may be one.
fn tells(signer: &impl RemoteSigner, data: &[u8], may_be: bool) -> bool {
    let ours = bounded(BOUND, data.len(), || signer.read_keys(data));
    assert!(ours.is_err() || may_be, "a key of nothing");
    assert!(ours.as_ref().is_ok_and(|keys| keys.len() == 1) || ours.is_err());
    ours.is_ok()
}
