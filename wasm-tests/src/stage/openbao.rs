//! The bank's OpenBao: a real server over TLS whose Transit engine holds the key Sig4 and signs with it (spec §4). It keeps
//! all in memory, and begins sealed as in production, which is why the stage can also seal it again.

use std::fs::{self, File};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustls::pki_types::SubjectPublicKeyInfoDer;
use rustls::pki_types::pem::PemObject;
use serde_json::{Value, json};
use tokio::time::sleep;

use super::client::{Connection, Reply, Request};
use super::pki::{OPENBAO_NAME, Pki};
use super::process;
use super::tokens::rsa_jwk;

/// Where the Transit engine is mounted.
pub const MOUNT: &str = "transit";
/// The name of the key that signs.
pub const KEY: &str = "sig4";
/// Where it signs as `PS256` does.
pub const SIGN_PATH: &str = "/v1/transit/sign/sig4/sha2-256";

/// Where it tells the public keys.
pub const KEY_PATH: &str = "/v1/transit/keys/sig4";

/// The policies: that of the gateway's tokens, which may sign with this key and read its public half, and nothing else; and that of
/// tokens that may sign alone, where the public key is configured.
const POLICIES: [(&str, &str); 2] = [
    (
        "gateway",
        r#"
            path "transit/sign/sig4/sha2-256" { capabilities = ["update"] }
            path "transit/keys/sig4" { capabilities = ["read"] }
        "#,
    ),
    ("signing", r#"path "transit/sign/sig4/sha2-256" { capabilities = ["update"] }"#),
];
/// What `make openbao` makes.
const INSTALLED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../.tools/openbao/bao");
/// Starting takes a second or so; a loaded machine may need much more.
const PATIENCE: Duration = Duration::from_secs(60);
/// How many ports are tried. Another program may take a free one before the server does.
const PORTS: usize = 5;

/// The running server. Dropping it stops it.
pub struct OpenBao {
    child: Child,
    address: SocketAddr,
    pub(super) pki: &'static Pki,
    root_token: String,
    unseal_key: String,
}

/// The Transit engine of one namespace, with one key.
#[derive(Clone, Copy)]
pub struct Transit<'b> {
    server: &'b OpenBao,
    namespace: Option<&'b str>,
}

impl OpenBao {
    /// Starts it on a free port, with its files and its log in this directory, and a key of 2048 bits that signs.
    pub async fn start(pki: &'static Pki, directory: &Path) -> Self {
        let (child, address) = listening(pki, directory).await;
        let mut server = Self { child, address, pki, root_token: String::new(), unseal_key: String::new() };
        let shares = json!({"secret_shares": 1, "secret_threshold": 1});
        let told = server.demand(None, &request("PUT", "/v1/sys/init", None, &shares)).await;
        server.root_token = text(&told["root_token"]);
        server.unseal_key = text(&told["keys_base64"][0]);
        server.unseal().await;
        server.transit().set_up().await;
        server
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// A token that may do everything.
    #[must_use]
    pub fn root_token(&self) -> &str {
        &self.root_token
    }

    /// Its Transit engine.
    #[must_use]
    pub fn transit(&self) -> Transit<'_> {
        Transit { server: self, namespace: None }
    }

    /// The Transit engine of a new namespace, with a key of its own.
    pub async fn transit_in<'b>(&'b self, namespace: &'b str) -> Transit<'b> {
        self.demand(None, &self.as_root("POST", &format!("/v1/sys/namespaces/{namespace}"), &json!({}))).await;
        let transit = Transit { server: self, namespace: Some(namespace) };
        transit.set_up().await;
        transit
    }

    /// Revokes a token.
    pub async fn revoke(&self, token: &str) {
        self.demand(None, &self.as_root("POST", "/v1/auth/token/revoke", &json!({"token": token}))).await;
    }

    /// Seals it: it answers, and can do nothing.
    pub async fn seal(&self) {
        self.demand(None, &self.as_root("PUT", "/v1/sys/seal", &json!({}))).await;
    }

    /// Unseals it.
    pub async fn unseal(&self) {
        let key = json!({"key": self.unseal_key});
        let told = self.demand(None, &request("PUT", "/v1/sys/unseal", None, &key)).await;
        assert_eq!(told["sealed"], false, "{told}");
    }

    /// Its process.
    #[must_use]
    pub fn process(&self) -> u32 {
        self.child.id()
    }

    /// Lets it fall silent: it takes connections and answers nothing.
    pub fn suspend(&self) {
        process::suspend(self.child.id());
    }

    /// Lets it go on after [`OpenBao::suspend`].
    pub fn resume(&self) {
        process::resume(self.child.id());
    }

    /// Ends it. Nothing listens there any more.
    pub fn stop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Its answer to any request.
    pub async fn send(&self, request: &Request) -> Reply {
        let connection = Connection::open_to(OPENBAO_NAME, self.address, &self.pki.public_root(), None).await;
        connection.expect("a TLS connection to OpenBao").send(request).await.reply()
    }

    /// A request with all rights.
    pub(super) fn as_root(&self, method: &str, path: &str, body: &Value) -> Request {
        request(method, path, Some(&self.root_token), body)
    }

    /// What a successful request gives, in this namespace or in none.
    pub(super) async fn demand(&self, namespace: Option<&str>, request: &Request) -> Value {
        let request = namespace.map_or(request.clone(), |name| request.clone().header("x-vault-namespace", name));
        let reply = self.send(&request).await;
        assert!(matches!(reply.status, 200 | 204), "OpenBao answers {}: {}", reply.status, reply.json());
        reply.json()
    }
}

impl Drop for OpenBao {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Transit<'_> {
    /// A token that may sign with the key, read its public half and do nothing else, for so many seconds.
    pub async fn token(&self, seconds: u64) -> String {
        self.token_with("gateway", seconds).await
    }

    /// A token that may sign with the key and do nothing else, for so many seconds.
    pub async fn signing_token(&self, seconds: u64) -> String {
        self.token_with("signing", seconds).await
    }

    async fn token_with(&self, policy: &str, seconds: u64) -> String {
        let grant = json!({
            "policies": [policy], "no_default_policy": true, "ttl": format!("{seconds}s"), "renewable": false,
        });
        text(&self.demand("POST", "/v1/auth/token/create", &grant).await["auth"]["client_token"])
    }

    /// A token that has expired.
    pub async fn expired_token(&self) -> String {
        let token = self.token(1).await;
        let started = Instant::now();
        while self.sign(&token, b"").await.status == 200 {
            assert!(started.elapsed() < PATIENCE, "the token does not expire");
            sleep(Duration::from_millis(100)).await;
        }
        token
    }

    /// Its answer to a request to sign this with the newest version of the key.
    pub async fn sign(&self, token: &str, input: &[u8]) -> Reply {
        let body = json!({
            "input": STANDARD.encode(input),
            "signature_algorithm": "pss", "salt_length": "hash", "marshaling_algorithm": "jws",
        });
        let asked = request("POST", SIGN_PATH, Some(token), &body);
        self.server.send(&self.namespace.map_or(asked.clone(), |name| asked.header("x-vault-namespace", name))).await
    }

    /// Takes the key away and makes another of this type under its name, whose versions begin anew.
    pub async fn replace_key(&self, kind: &str) {
        let path = format!("/v1/{MOUNT}/keys/{KEY}");
        self.demand("POST", &format!("{path}/config"), &json!({"deletion_allowed": true})).await;
        self.demand("DELETE", &path, &Value::Null).await;
        self.demand("POST", &path, &json!({"type": kind})).await;
    }

    /// Makes a new version of the key, which signs from now on.
    pub async fn rotate(&self) {
        self.demand("POST", &format!("/v1/{MOUNT}/keys/{KEY}/rotate"), &json!({})).await;
    }

    /// The public key of a version: SubjectPublicKeyInfo, PEM.
    pub async fn public_key(&self, version: u32) -> String {
        let key = self.demand("GET", &format!("/v1/{MOUNT}/keys/{KEY}"), &Value::Null).await;
        text(&key["data"]["keys"][version.to_string()]["public_key"])
    }

    /// The public key of a version as the bank publishes it on its JWKS.
    pub async fn jwk(&self, version: u32, key_id: &str) -> Value {
        jwk(&self.public_key(version).await, key_id)
    }

    async fn set_up(&self) {
        self.demand("POST", &format!("/v1/sys/mounts/{MOUNT}"), &json!({"type": "transit"})).await;
        self.demand("POST", &format!("/v1/{MOUNT}/keys/{KEY}"), &json!({"type": "rsa-2048"})).await;
        for (name, policy) in POLICIES {
            self.demand("PUT", &format!("/v1/sys/policies/acl/{name}"), &json!({"policy": policy})).await;
        }
    }

    async fn demand(&self, method: &str, path: &str, body: &Value) -> Value {
        self.server.demand(self.namespace, &self.server.as_root(method, path, body)).await
    }
}

/// A public key, SubjectPublicKeyInfo in PEM, as the bank publishes it on its JWKS.
#[must_use]
pub fn jwk(pem: &str, key_id: &str) -> Value {
    let key = SubjectPublicKeyInfoDer::from_pem_slice(pem.as_bytes()).expect("the PEM of a public key");
    rsa_jwk(&key, key_id)
}

/// A request with this token, and with a body unless that is `null`.
fn request(method: &str, path: &str, token: Option<&str>, body: &Value) -> Request {
    let request = Request::new(method, path);
    let request = token.map_or(request.clone(), |token| request.header("x-vault-token", token));
    if body.is_null() { request } else { request.body(body.to_string().as_bytes()) }
}

pub(super) fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}")).to_owned()
}

/// A server that listens, not yet initialised.
async fn listening(pki: &Pki, directory: &Path) -> (Child, SocketAddr) {
    let log = directory.join("openbao.log");
    for _ in 0..PORTS {
        let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
        let address = free.expect("a free port");
        let mut child = spawn(pki, directory, address, &log);
        let started = Instant::now();
        loop {
            let told = fs::read_to_string(&log).unwrap_or_default();
            if told.contains("server started!") {
                return (child, address);
            }
            if let Some(status) = child.try_wait().expect("a child process") {
                assert!(told.contains("address already in use"), "OpenBao ended with {status}:\n{told}");
                break;
            }
            if started.elapsed() > PATIENCE {
                let _ = child.kill();
                let _ = child.wait();
                panic!("OpenBao was not ready in {PATIENCE:?}:\n{told}");
            }
            sleep(Duration::from_millis(20)).await;
        }
    }
    panic!("OpenBao found {PORTS} free ports in use");
}

fn spawn(pki: &Pki, directory: &Path, address: SocketAddr, log: &Path) -> Child {
    let file = |name: &str, text: &str| {
        let path = directory.join(name);
        fs::write(&path, text).expect("a writable directory");
        path
    };
    let settings = json!({
        "storage": {"inmem": {}},
        "listener": {"tcp": {
            "address": address,
            "tls_cert_file": file("openbao-chain.pem", &pki.openbao.chain_pem),
            "tls_key_file": file("openbao-key.pem", &pki.openbao.key_pem),
        }},
        "api_addr": format!("https://{address}"),
        // It would listen on the next port too.
        "disable_clustering": true,
    });
    let log = File::create(log).expect("a writable directory");
    Command::new(binary())
        .arg("server")
        .arg("-config")
        .arg(file("openbao.json", &settings.to_string()))
        // Nothing of whoever runs the tests, such as BAO_ADDR or a token in the home directory.
        .env_clear()
        .env("HOME", directory)
        .stdin(Stdio::null())
        .stdout(log.try_clone().expect("a file descriptor"))
        .stderr(log)
        .spawn()
        .unwrap_or_else(|error| panic!("{} does not start: {error}", binary().display()))
}

/// The binary: `BAO`, or the one that the Makefile installed.
#[must_use]
pub fn binary() -> PathBuf {
    let named = std::env::var_os("BAO").filter(|path| !path.is_empty()).map(PathBuf::from);
    let missing = match &named {
        Some(path) => format!("BAO is {}, which is no file.", path.display()),
        None => "There is no OpenBao: run `make openbao`, or set BAO to the path of one.".to_owned(),
    };
    let path = named.unwrap_or_else(|| PathBuf::from(INSTALLED));
    assert!(path.is_file(), "{missing}");
    path
}
