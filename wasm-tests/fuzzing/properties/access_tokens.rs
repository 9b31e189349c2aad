//! The access tokens that a login to Vault and the metadata addresses of clouds give are those that serde_json reads: of characters that
//! a header may have, and with their lives.

use std::sync::LazyLock;
use std::time::Duration;

use hub_auth_filter::facade::config::{
    self, CloudToken, LoginMethod, Metadata, Patience, RemoteKey, VaultLogin, VaultToken,
};
use hub_auth_filter::facade::signing::{AzureKeyVault, RemoteSigner, VaultTransit};
use hub_auth_filter::facade::url::HttpUrl;
use serde_json::Value;

use crate::cost::{Bound, bounded};
use crate::reference::json::Shape;

static VAULT: LazyLock<VaultTransit> = LazyLock::new(|| {
    VaultTransit::new(config::VaultTransit {
        url: url("/v1/transit/sign/sig4/sha2-256"),
        key_url: url("/v1/transit/keys/sig4"),
        namespace: None,
        token: VaultToken::Login(VaultLogin {
            url: url("/v1/auth/approle/login"),
            renewal_url: url("/v1/auth/token/renew-self"),
            method: LoginMethod::AppRole { role_id: "r".into(), secret_id: None },
        }),
        key_version: None,
        remote: remote(),
    })
});

/// Google's is read alike.
static AZURE: LazyLock<AzureKeyVault> = LazyLock::new(|| {
    AzureKeyVault::new(config::AzureKeyVault {
        url: url("/keys/sig4/78de/sign"),
        key_url: url("/keys/sig4/78de"),
        key_path: "/keys/sig4/78de".into(),
        token: CloudToken::Metadata(Metadata { upstream: "metadata".into(), url: url("/token") }),
        remote: remote(),
    })
});

fn url(path: &str) -> HttpUrl {
    HttpUrl::parse(&format!("https://signer.example{path}")).expect("a URL")
}

fn remote() -> RemoteKey {
    let patience = Patience { timeout: Duration::from_secs(2), deadline: Duration::from_secs(5) };
    RemoteKey { upstream: "signer".into(), key_id: "sig4".into(), public_key: None, patience }
}

pub(crate) fn check(data: &[u8]) -> bool {
    let is_acceptable = Shape::of(data).is_some_and(|shape| shape.is_acceptable());
    let theirs: Option<Value> =
        serde_json::from_slice(data).ok().filter(|value: &Value| is_acceptable && value.is_object());
    let answer = theirs.as_ref();
    let auth = answer.and_then(|answer| answer.get("auth"));
    let login = auth.and_then(|auth| {
        let seconds = auth["lease_duration"].as_u64()?;
        Some((token(&auth["client_token"])?, Some(seconds).filter(|seconds| *seconds > 0)))
    });
    let metadata = answer.and_then(|answer| {
        let is_bearer = answer["token_type"].as_str()?.eq_ignore_ascii_case("bearer");
        let expires_in = &answer["expires_in"];
        let seconds = expires_in.as_u64().or_else(|| expires_in.as_str()?.parse().ok())?;
        Some((token(&answer["access_token"]).filter(|_| is_bearer)?, Some(seconds)))
    });
    let is_login = given(&*VAULT, data, login.as_ref());
    is_login | given(&*AZURE, data, metadata.as_ref())
}

/// A text that may be the value of a header.
fn token(value: &Value) -> Option<String> {
    let text = value.as_str()?;
    ((1..=8192).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())).then(|| text.to_owned())
}

/// Whether a token is read: exactly the one that is expected, with its life in seconds.
fn given(signer: &impl RemoteSigner, data: &[u8], expected: Option<&(String, Option<u64>)>) -> bool {
    let source = signer.token_source().expect("a source of tokens");
    let ours = bounded(Bound::TEXT, data.len(), || source.read(data));
    let read = ours.as_ref().ok().map(|token| (token.secret.expose(), token.life.map(|life| life.as_secs())));
    assert_eq!(read, expected.map(|(token, life)| (token.as_str(), *life)), "{ours:?}");
    ours.is_ok()
}
