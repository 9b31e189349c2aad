//! Services of clouds that sign: stand-ins, made from what those publish of their APIs, because no package registry has a faithful one.
//! They check all that a call must have, sign digests with OpenSSL, and never see what is signed. Whether a call to AWS is signed rightly says
//! botocore, the signer of AWS's own SDK.

use std::io::Write;
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use http_body_util::BodyExt;
use hyper::Request;
use hyper::body::Incoming;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use super::json_server::serve;
use super::pki::Identity;
use super::tokens::SigningKey;

/// The id of the key at AWS.
pub const AWS_KEY: &str = "1234abcd-12ab-34cd-56ef-1234567890ab";
/// The region of AWS.
pub const AWS_REGION: &str = "me-central-1";
/// The key and its version at Azure.
pub const AZURE_PATH: &str = "/keys/sig4/78deebed173b48e48f55abf87ed4cf71";
/// The version of the key at Google.
pub const GOOGLE_NAME: &str = "projects/bank/locations/me-central2/keyRings/hub/cryptoKeys/sig4/cryptoKeyVersions/3";

const PYTHON: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../.tools/botocore/bin/python");
const VERIFY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/sigv4/verify.py");

/// How a digest is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// RSASSA-PSS with a salt of so many bytes. 32 are right.
    Pss(usize),
    /// RSASSA-PKCS1-v1_5.
    Pkcs1,
}

/// The signature of a SHA-256 digest, by OpenSSL.
///
/// # Panics
/// If OpenSSL does not sign.
#[must_use]
pub fn sign_digest(key: &SigningKey, digest: &[u8], scheme: Scheme) -> Vec<u8> {
    let files = tempfile::tempdir().expect("a temporary directory");
    let file = files.path().join("key.pem");
    std::fs::write(&file, key.pkcs8_pem()).expect("a file");
    let mut command = Command::new("openssl");
    command.args(["pkeyutl", "-sign", "-pkeyopt", "digest:sha256", "-inkey"]).arg(&file);
    match scheme {
        Scheme::Pss(salt) => {
            command.args(["-pkeyopt", "rsa_padding_mode:pss", "-pkeyopt", &format!("rsa_pss_saltlen:{salt}")]);
        }
        Scheme::Pkcs1 => {
            command.args(["-pkeyopt", "rsa_padding_mode:pkcs1"]);
        }
    }
    piped(&mut command, digest)
}

/// The SubjectPublicKeyInfo of a key, by OpenSSL.
/// The public key as SubjectPublicKeyInfo (RFC 5280 §4.1): `PEM` or `DER`.
pub(super) fn public_key_info(key: &SigningKey, form: &str) -> Vec<u8> {
    piped(Command::new("openssl").args(["pkey", "-pubout", "-outform", form]), key.pkcs8_pem().as_bytes())
}

fn piped(command: &mut Command, input: &[u8]) -> Vec<u8> {
    let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut child = child.unwrap_or_else(|error| panic!("{command:?}: {error}"));
    child.stdin.take().expect("a pipe").write_all(input).expect("its input");
    let output = child.wait_with_output().expect("its end");
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// What AWS answers to a call with this target and body.
///
/// # Panics
/// If the body is not as the API has it.
#[must_use]
pub fn aws_answer(target: &str, body: &[u8], key: &SigningKey, scheme: Scheme) -> (u16, Value) {
    let asked: Value = serde_json::from_slice(body).expect("JSON");
    let arn = format!("arn:aws:kms:{AWS_REGION}:111122223333:key/{AWS_KEY}");
    if asked["KeyId"] != AWS_KEY {
        return (400, json!({"__type": "NotFoundException", "message": "Key does not exist"}));
    }
    match target {
        "TrentService.GetPublicKey" => {
            let der = STANDARD.encode(public_key_info(key, "DER"));
            let answer = json!({
                "CustomerMasterKeySpec": "RSA_2048", "KeyId": arn, "KeySpec": "RSA_2048", "KeyUsage": "SIGN_VERIFY",
                "PublicKey": der, "SigningAlgorithms": ["RSASSA_PKCS1_V1_5_SHA_256", "RSASSA_PSS_SHA_256"],
            });
            (200, answer)
        }
        "TrentService.Sign" => {
            assert_eq!(
                (&asked["MessageType"], &asked["SigningAlgorithm"]),
                (&json!("DIGEST"), &json!("RSASSA_PSS_SHA_256"))
            );
            let digest = STANDARD.decode(asked["Message"].as_str().expect("a message")).expect("base64");
            assert_eq!(digest.len(), 32, "a digest, and not what is signed");
            let signature = STANDARD.encode(sign_digest(key, &digest, scheme));
            (200, json!({"KeyId": arn, "Signature": signature, "SigningAlgorithm": "RSASSA_PSS_SHA_256"}))
        }
        other => (400, json!({"__type": "UnknownOperationException", "message": other})),
    }
}

/// What Azure answers to a call to this path and with this body, if any.
///
/// # Panics
/// If the body is not as the API has it.
#[must_use]
pub fn azure_answer(path: &str, body: &[u8], key: &SigningKey, scheme: Scheme) -> (u16, Value) {
    let kid = format!("https://bank.vault.azure.net{AZURE_PATH}");
    if path == format!("{AZURE_PATH}?api-version=7.4") {
        let jwk = key.jwk();
        let key = json!({"kid": kid, "kty": "RSA-HSM", "key_ops": ["sign", "verify"], "n": jwk["n"], "e": jwk["e"]});
        return (200, json!({"key": key, "attributes": {"enabled": true}}));
    }
    if path != format!("{AZURE_PATH}/sign?api-version=7.4") {
        return (404, json!({"error": {"code": "KeyNotFound"}}));
    }
    let asked: Value = serde_json::from_slice(body).expect("JSON");
    assert_eq!(asked["alg"], "PS256");
    let digest = URL_SAFE_NO_PAD.decode(asked["value"].as_str().expect("a digest")).expect("base64url");
    assert_eq!(digest.len(), 32, "a digest, and not what is signed");
    (200, json!({"kid": kid, "value": URL_SAFE_NO_PAD.encode(sign_digest(key, &digest, scheme))}))
}

/// What Google answers to a call to this path and with this body, if any.
///
/// # Panics
/// If the body is not as the API has it.
#[must_use]
pub fn google_answer(path: &str, body: &[u8], key: &SigningKey, scheme: Scheme) -> (u16, Value) {
    if path == format!("/v1/{GOOGLE_NAME}/publicKey") {
        let pem = String::from_utf8(public_key_info(key, "PEM")).expect("text");
        let answer =
            json!({"pem": pem, "algorithm": "RSA_SIGN_PSS_2048_SHA256", "name": GOOGLE_NAME, "protectionLevel": "HSM"});
        return (200, answer);
    }
    if path != format!("/v1/{GOOGLE_NAME}:asymmetricSign") {
        return (404, json!({"error": {"code": 404, "status": "NOT_FOUND"}}));
    }
    let asked: Value = serde_json::from_slice(body).expect("JSON");
    let digest = STANDARD.decode(asked["digest"]["sha256"].as_str().expect("a digest")).expect("base64");
    assert_eq!(digest.len(), 32, "a digest, and not what is signed");
    let signature = STANDARD.encode(sign_digest(key, &digest, scheme));
    (200, json!({"signature": signature, "name": GOOGLE_NAME, "protectionLevel": "HSM"}))
}

/// Who may call AWS.
#[derive(Clone, Debug)]
pub struct AwsAccount {
    /// The secret access key.
    pub secret: String,
    /// The session token, if it is a temporary one.
    pub token: Option<String>,
}

/// AWS KMS over TLS: each call is verified by botocore before it is answered.
pub struct Aws {
    address: SocketAddr,
    serving: JoinHandle<()>,
    faults: Arc<Mutex<Vec<String>>>,
    calls: Arc<Mutex<Vec<String>>>,
}

impl Aws {
    /// Starts it with this certificate, for this account, with this key.
    ///
    /// # Panics
    /// If it cannot listen.
    pub async fn start(identity: &Identity, account: AwsAccount, key: &'static SigningKey) -> Self {
        let (faults, calls) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Mutex::new(Vec::new())));
        let (found, seen) = (Arc::clone(&faults), Arc::clone(&calls));
        let (address, serving) = serve(Some(identity), move |request| {
            let (account, found, seen) = (account.clone(), Arc::clone(&found), Arc::clone(&seen));
            async move { answered(request, &account, key, &found, &seen).await }
        })
        .await;
        Self { address, serving, faults, calls }
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What botocore had to say against calls.
    #[must_use]
    pub fn faults(&self) -> Vec<String> {
        locked(&self.faults).clone()
    }

    /// The targets of the calls so far.
    #[must_use]
    pub fn calls(&self) -> Vec<String> {
        locked(&self.calls).clone()
    }
}

impl Drop for Aws {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// Azure Key Vault or Google Cloud KMS over TLS, for whoever has the access token.
pub struct Bearers {
    address: SocketAddr,
    serving: JoinHandle<()>,
    accepted: Arc<Mutex<Accepted>>,
}

/// Which access tokens count.
enum Accepted {
    One(String),
    /// Those that a metadata address has given.
    Given(Arc<Mutex<Vec<String>>>),
}

impl Accepted {
    fn has(&self, authorization: &[u8]) -> bool {
        let is_it = |token: &String| authorization == format!("Bearer {token}").as_bytes();
        match self {
            Self::One(token) => is_it(token),
            Self::Given(tokens) => locked(tokens).iter().any(is_it),
        }
    }
}

/// The metadata address of a cloud, as it is published: it gives one access token after the other. It stops when it is dropped.
pub struct MetadataAddress {
    address: SocketAddr,
    serving: JoinHandle<()>,
    given: Arc<Mutex<Vec<String>>>,
}

impl MetadataAddress {
    /// Starts it for this path and this header; each token lives for so many seconds.
    pub async fn start(path: &'static str, (name, value): (&'static str, &'static str), lives: Value) -> Self {
        let given = Arc::new(Mutex::new(Vec::new()));
        let tokens = Arc::clone(&given);
        let (address, serving) = serve(None, move |request: Request<Incoming>| {
            let (tokens, lives) = (Arc::clone(&tokens), lives.clone());
            async move {
                let asked = request.uri().path_and_query().map(|path| path.as_str().to_owned()).unwrap_or_default();
                let is_right = request.headers().get(name).is_some_and(|found| found.as_bytes() == value.as_bytes());
                if request.method() != "GET" || asked != path || !is_right {
                    return (400, json!({"error": "invalid_request"}));
                }
                let mut tokens = locked(&tokens);
                let token = format!("eyJ0.token-{}", tokens.len() + 1);
                tokens.push(token.clone());
                (200, json!({"access_token": token, "expires_in": lives, "token_type": "Bearer"}))
            }
        })
        .await;
        Self { address, serving, given }
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The tokens that it has given.
    #[must_use]
    pub fn given(&self) -> Vec<String> {
        locked(&self.given).clone()
    }
}

impl Drop for MetadataAddress {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// What a service answers to a call to this path and with this body.
pub type Api = fn(&str, &[u8], &SigningKey, Scheme) -> (u16, Value);

impl Bearers {
    /// Starts it with this certificate, this API and this key, for this access token.
    pub async fn start(identity: &Identity, api: Api, token: &str, key: &'static SigningKey) -> Self {
        let accepted = Arc::new(Mutex::new(Accepted::One(token.to_owned())));
        let accepts = Arc::clone(&accepted);
        let (address, serving) = serve(Some(identity), move |request: Request<Incoming>| {
            let accepts = Arc::clone(&accepts);
            async move {
                let (head, body) = request.into_parts();
                let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
                let given: Vec<_> = head.headers.get_all("authorization").iter().collect();
                let path = head.uri.path_and_query().map(|path| path.as_str().to_owned()).unwrap_or_default();
                match given[..] {
                    [given] if locked(&accepts).has(given.as_bytes()) => api(&path, &body, key, Scheme::Pss(32)),
                    _ => (401, json!({"error": {"code": 401, "status": "UNAUTHENTICATED"}})),
                }
            }
        })
        .await;
        Self { address, serving, accepted }
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on only this access token counts.
    pub fn expect(&self, token: &str) {
        *locked(&self.accepted) = Accepted::One(token.to_owned());
    }

    /// From now on all count that this metadata address gives.
    pub fn expect_any_of(&self, metadata: &MetadataAddress) {
        *locked(&self.accepted) = Accepted::Given(Arc::clone(&metadata.given));
    }
}

impl Drop for Bearers {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

fn locked<T>(value: &Mutex<T>) -> MutexGuard<'_, T> {
    value.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn answered(
    request: Request<Incoming>,
    account: &AwsAccount,
    key: &'static SigningKey,
    found: &Mutex<Vec<String>>,
    seen: &Mutex<Vec<String>>,
) -> (u16, Value) {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let headers: serde_json::Map<String, Value> = head
        .headers
        .iter()
        .map(|(name, value)| (name.to_string(), json!(String::from_utf8_lossy(value.as_bytes()))))
        .collect();
    let text = |name: &str| headers.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let target = text("x-amz-target");
    locked(seen).push(target.clone());
    if (text("content-type").as_str(), head.method.as_str(), head.uri.path())
        != ("application/x-amz-json-1.1", "POST", "/")
    {
        return (400, json!({"__type": "SerializationException"}));
    }
    let call = json!({
        "method": "POST", "url": format!("https://{}/", text("host")), "headers": headers, "body": STANDARD.encode(&body),
        "secret": account.secret, "token": account.token, "region": AWS_REGION, "service": "kms",
    });
    let verdict = tokio::task::spawn_blocking(move || {
        assert!(std::path::Path::new(PYTHON).exists(), "There is no botocore: run `make botocore`.");
        piped(Command::new(PYTHON).arg(VERIFY), call.to_string().as_bytes())
    });
    let verdict = String::from_utf8(verdict.await.expect("a verdict")).expect("text");
    if !verdict.is_empty() {
        locked(found).push(verdict);
        return (
            400,
            json!({"__type": "InvalidSignatureException", "message": "The request signature we calculated does not match"}),
        );
    }
    aws_answer(&target, &body, key, Scheme::Pss(32))
}
