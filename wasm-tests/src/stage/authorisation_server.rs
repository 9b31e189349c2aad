//! The bank's OAuth authorisation server: `oidc-provider` under Node.js, which grants the Hub access tokens by client
//! credentials (RFC 6749 §4.4) as JWTs (RFC 9068) or opaque, bound to its certificate (RFC 8705), and answers
//! introspection (RFC 7662).

use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::sleep;

use super::client::{self, Connection, Reply, Request};
use super::pki::{AUTHORISATION_SERVER_NAME, Identity, Pki};

/// The `iss` of its tokens.
pub const ISSUER: &str = "https://as.bank.example";
/// The `aud` of its tokens, unless another is asked for.
pub const AUDIENCE: &str = "https://ozone-connect.bank.example";
/// Where it publishes its keys.
pub const JWKS_PATH: &str = "/jwks";
/// Where it says whether a token is active.
pub const INTROSPECTION_PATH: &str = "/token/introspection";
/// With which id the gateway introspects.
pub const GATEWAY_ID: &str = "gateway";
/// With which secret the gateway introspects. It shows that client authentication is form-encoded first (RFC 6749 §2.3.1).
pub const GATEWAY_SECRET: &str = "a secret: 100% + of the gateway";

const HUB_SECRET: &str = "the-secret-of-the-hub";
/// What `make authorisation-server` makes.
const INSTALLED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../.tools/authorisation-server");
/// Starting takes a second or so; a loaded machine may need much more.
const PATIENCE: Duration = Duration::from_secs(60);

/// What the Hub asks for: by default a token for [`AUDIENCE`] with the scope `accounts`, for five minutes, bound to the
/// certificate that the Hub presents.
#[derive(Clone, Debug)]
pub struct Grant {
    format: &'static str,
    audience: String,
    scope: String,
    lifetime: u64,
    client: &'static str,
}

impl Grant {
    /// A JWT with this algorithm: `PS256`, `ES256` or `RS256`.
    #[must_use]
    pub fn jwt(algorithm: &'static str) -> Self {
        let (audience, scope) = (AUDIENCE.to_owned(), "accounts".to_owned());
        Self { format: algorithm, audience, scope, lifetime: 300, client: "hub" }
    }

    /// A token that only introspection can read.
    #[must_use]
    pub fn opaque() -> Self {
        Self::jwt("opaque")
    }

    /// Whether it is for a JWT.
    #[must_use]
    pub fn is_jwt(&self) -> bool {
        self.format != "opaque"
    }

    /// For another audience: scheme and host.
    #[must_use]
    pub fn audience(mut self, audience: &str) -> Self {
        audience.clone_into(&mut self.audience);
        self
    }

    /// With these scopes, of `accounts` and `payments`.
    #[must_use]
    pub fn scope(mut self, scope: &str) -> Self {
        scope.clone_into(&mut self.scope);
        self
    }

    /// For so many seconds.
    #[must_use]
    pub fn lifetime(mut self, seconds: u64) -> Self {
        self.lifetime = seconds;
        self
    }

    /// Not bound to a certificate.
    #[must_use]
    pub fn unbound(mut self) -> Self {
        self.client = "hub-unbound";
        self
    }
}

/// The running server. Dropping it stops it.
pub struct AuthorisationServer {
    child: Child,
    address: SocketAddr,
    control: SocketAddr,
    pki: &'static Pki,
}

/// The line that the server writes when it listens.
#[derive(Deserialize)]
struct Ready {
    port: u16,
    control: u16,
}

impl AuthorisationServer {
    /// Starts it on a free port, with its files and its log in this directory.
    pub async fn start(pki: &'static Pki, directory: &Path) -> Self {
        let log = directory.join("authorisation-server.log");
        let mut child = spawn(pki, directory, &log);
        let started = Instant::now();
        let ready = loop {
            let told = fs::read_to_string(&log).unwrap_or_default();
            let line = told.split_inclusive('\n').find_map(|line| line.strip_prefix("ready ")?.strip_suffix('\n'));
            if let Some(line) = line {
                break serde_json::from_str::<Ready>(line).expect("its ports");
            }
            if let Some(status) = child.try_wait().expect("a child process") {
                panic!("the authorisation server ended with {status}:\n{told}");
            }
            if started.elapsed() > PATIENCE {
                let _ = child.kill();
                let _ = child.wait();
                panic!("the authorisation server was not ready in {PATIENCE:?}:\n{told}");
            }
            sleep(Duration::from_millis(20)).await;
        };
        let at = |port| SocketAddr::from(([127, 0, 0, 1], port));
        Self { child, address: at(ready.port), control: at(ready.control), pki }
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// An access token for the Hub, which presents C4.
    pub async fn token(&self, grant: &Grant) -> String {
        self.token_for(&self.pki.hub.transport, grant).await
    }

    /// An access token for the Hub, which presents this certificate.
    pub async fn token_for(&self, identity: &Identity, grant: &Grant) -> String {
        let answer = self.answer(Some(identity), grant).await;
        answer["access_token"].as_str().unwrap_or_else(|| panic!("no access token: {answer}")).to_owned()
    }

    /// Its answer to the Hub's request for a token, with this certificate or none.
    pub async fn answer(&self, identity: Option<&Identity>, grant: &Grant) -> Value {
        let resource = format!("{}/{}?ttl={}", grant.audience, grant.format, grant.lifetime);
        let fields = [("grant_type", "client_credentials"), ("resource", &resource), ("scope", &grant.scope)];
        self.post("/token", (grant.client, HUB_SECRET), identity, &fields).await.json()
    }

    /// Revokes an opaque token, as the Hub (RFC 7009).
    pub async fn revoke(&self, token: &str) {
        let reply = self.post("/token/revocation", ("hub", HUB_SECRET), None, &[("token", token)]).await;
        assert_eq!(reply.status, 200, "{}", reply.json());
    }

    /// What it tells the gateway about an opaque token.
    pub async fn introspect(&self, token: &str) -> Value {
        self.post(INTROSPECTION_PATH, (GATEWAY_ID, GATEWAY_SECRET), None, &[("token", token)]).await.json()
    }

    /// Its keys as it publishes them.
    pub async fn jwks(&self) -> Value {
        self.send(None, &Request::new("GET", JWKS_PATH)).await.json()
    }

    /// How often a path was asked for, by anybody.
    pub async fn asked_for(&self, path: &str) -> usize {
        self.control("/requests").await.iter().filter(|asked| *asked == path).count()
    }

    /// Cuts all connections, and new ones before their TLS handshake.
    pub async fn down(&self) {
        self.control("/down").await;
    }

    /// Serves again.
    pub async fn up(&self) {
        self.control("/up").await;
    }

    /// Lets it fall silent: it takes connections and answers nothing.
    pub fn suspend(&self) {
        self.signal("-STOP");
    }

    /// Lets it go on after [`AuthorisationServer::suspend`].
    pub fn resume(&self) {
        self.signal("-CONT");
    }

    /// Opens a connection with this client certificate or none.
    ///
    /// # Errors
    /// The reason, if the handshake failed.
    pub async fn connect(&self, identity: Option<&Identity>) -> Result<Connection, String> {
        Connection::open_to(AUTHORISATION_SERVER_NAME, self.address, &self.pki.public_root(), identity).await
    }

    fn signal(&self, signal: &str) {
        let sent = Command::new("kill").args([signal, &self.child.id().to_string()]).status();
        assert!(sent.is_ok_and(|status| status.success()), "kill {signal}");
    }

    async fn post(
        &self,
        path: &str,
        (id, secret): (&str, &str),
        identity: Option<&Identity>,
        fields: &[(&str, &str)],
    ) -> Reply {
        let credential = STANDARD.encode(format!("{}:{}", form_encoded(id), form_encoded(secret)));
        let fields: Vec<String> =
            fields.iter().map(|(name, value)| format!("{name}={}", form_encoded(value))).collect();
        let request = Request::new("POST", path)
            .header("authorization", format!("Basic {credential}"))
            .header("content-type", "application/x-www-form-urlencoded")
            .body(fields.join("&").as_bytes());
        self.send(identity, &request).await
    }

    async fn send(&self, identity: Option<&Identity>, request: &Request) -> Reply {
        let connection = self.connect(identity).await;
        connection.expect("a TLS connection to the authorisation server").send(request).await.reply()
    }

    /// The requests so far; `path` may also change whether it serves.
    async fn control(&self, path: &str) -> Vec<String> {
        let (_, requests) = client::plain(self.control, "GET", path).await.expect("the authorisation server's control");
        serde_json::from_str(&requests).expect("a list of paths")
    }
}

impl Drop for AuthorisationServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Node keeps the link's own name with `--preserve-symlinks-main`, and so finds the packages beside it.
fn spawn(pki: &Pki, directory: &Path, log: &Path) -> Child {
    let script = PathBuf::from(INSTALLED).join("server.mjs");
    assert!(script.is_file(), "There is no authorisation server: run `make authorisation-server`.");
    let file = |name: &str, text: &str| {
        let path = directory.join(name);
        fs::write(&path, text).expect("a writable directory");
        path
    };
    let identity = &pki.authorisation_server;
    let settings = json!({
        "issuer": ISSUER,
        "files": {
            "certificate": file("authorisation-server-chain.pem", &identity.chain_pem),
            "key": file("authorisation-server-key.pem", &identity.key_pem),
            "clientCa": file("authorisation-server-client-ca.pem", &pki.trust_framework_bundle()),
        },
        "secrets": {"hub": HUB_SECRET, "gateway": GATEWAY_SECRET},
    });
    let log = File::create(log).expect("a writable directory");
    Command::new("node")
        .arg("--preserve-symlinks-main")
        .arg(script)
        .arg(settings.to_string())
        // It ends when this pipe does, also if this process is killed.
        .stdin(Stdio::piped())
        .stdout(log.try_clone().expect("a file descriptor"))
        .stderr(log)
        .spawn()
        .unwrap_or_else(|error| panic!("node does not start: {error}"))
}

/// `application/x-www-form-urlencoded`, in which client ids and secrets are also written (RFC 6749 §2.3.1).
fn form_encoded(text: &str) -> String {
    let encoded = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'*' => char::from(byte).to_string(),
        b' ' => '+'.to_string(),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(encoded).collect()
}
