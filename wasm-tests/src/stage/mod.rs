//! The stage: a real Envoy with the release module and the shipped configuration, and everybody it deals with — the Trust
//! Framework's PKI and keystore, the Hub and other callers, the bank's backend — on free ports of 127.0.0.1.
//!
//! The end-to-end tests and the demo play on it.
#![allow(clippy::disallowed_methods, reason = "the stage runs on real clocks")]

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde_json::Value;
use tempfile::TempDir;

pub mod authorisation_server;
pub mod bank;
pub mod client;
pub mod envoy;
pub mod keystore;
pub mod pki;
pub mod tokens;

use authorisation_server::AuthorisationServer;
use bank::Bank;
use client::{Connection, Outcome, Request};
use envoy::{Configuration, Envoy, MODULE};
use keystore::Keystore;
use pki::{AUTHORISATION_SERVER_NAME, HUB_UNIT, Identity, KEYSTORE_NAME, Party, Pki};
use tokens::{Signer, Token, jwks, now};

/// The bank's provider id in the shipped configuration: the `aud` of a right token.
pub const PROVIDER_ID: &str = "retail";

/// The shipped method of authentication.
const JWT_AUTH: &str = r#""auth": {
                                  "jwt_auth": {
                                    "jwks": {"environment": "sandbox"},
                                    "upstream": "keystore"
                                  }
                                }"#;

/// What is to be set up.
pub struct Setup {
    workers: u32,
    authorisation_server: bool,
    edits: Vec<(String, String)>,
}

impl Setup {
    /// The shipped configuration on one worker thread, so that there is one key cache.
    #[must_use]
    pub fn new() -> Self {
        Self { workers: 1, authorisation_server: false, edits: Vec::new() }
    }

    /// So many worker threads.
    #[must_use]
    pub fn workers(mut self, workers: u32) -> Self {
        self.workers = workers;
        self
    }

    /// With the bank's authorisation server, and the parts of the shipped configuration that are only for it.
    #[must_use]
    pub fn authorisation_server(mut self) -> Self {
        self.authorisation_server = true;
        self
    }

    /// One place of the shipped configuration replaced.
    #[must_use]
    pub fn edit(mut self, from: &str, to: &str) -> Self {
        self.edits.push((from.to_owned(), to.to_owned()));
        self
    }

    /// A second Hub pinned beside the one of the shipped configuration.
    #[must_use]
    pub fn pin(self, unit: &str) -> Self {
        self.edit(&format!(r#"["{HUB_UNIT}"]"#), &format!(r#"["{HUB_UNIT}", "{unit}"]"#))
    }

    /// The shipped method of authentication replaced by this one.
    #[must_use]
    pub fn auth(self, method: &Value) -> Self {
        self.edit(JWT_AUTH, &format!("\"auth\": {method}"))
    }

    /// Starts everything. Every party's keys are published.
    pub async fn start(self) -> Stage {
        let parties = self.prepare().await;
        let configuration = self.configuration(&parties);
        let envoy = Envoy::start(parties.files.path(), &configuration, self.workers).await;
        let Parties { pki, files, keystore, authorisation_server, bank } = parties;
        Stage { envoy, keystore, authorisation_server, bank, pki, files }
    }

    /// Starts Envoy where it ought to refuse: its exit code and its log.
    pub async fn refusal(self) -> (Option<i32>, String) {
        let parties = self.prepare().await;
        Envoy::refusal(parties.files.path(), &self.configuration(&parties)).await
    }

    async fn prepare(&self) -> Parties {
        assert!(Path::new(MODULE).is_file(), "dist/hub_auth_filter.wasm is missing: run `make build`.");
        let pki = Pki::shared();
        let files = tempfile::Builder::new().prefix("hub-auth-").tempdir().expect("a temporary directory");
        write_certificates(pki, files.path());
        let keystore = Keystore::start(&pki.keystore).await;
        for party in [&pki.hub, &pki.arabic_hub, &pki.tpp, &pki.other_bank] {
            keystore.publish(&party.subject, jwks([&party.signing]));
        }
        let mut authorisation_server = None;
        if self.authorisation_server {
            authorisation_server = Some(AuthorisationServer::start(pki, files.path()).await);
        }
        Parties { pki, files, keystore, authorisation_server, bank: Bank::start().await }
    }

    /// The shipped file with addresses, ports and paths of the stage, and then the edits.
    fn configuration(&self, parties: &Parties) -> Configuration {
        let at = |address: SocketAddr| format!("address: {}, port_value: {}", address.ip(), address.port());
        let file = |name| parties.files.path().join(name).display().to_string();
        let free_port = at(SocketAddr::from(([127, 0, 0, 1], 0)));
        let mut stage = Configuration::inbound()
            .replace("address: 127.0.0.1, port_value: 9901", &free_port)
            .replace("address: 0.0.0.0, port_value: 8443", &free_port)
            .replace("/etc/envoy/tls/s4-chain.pem", &file("s4-chain.pem"))
            .replace("/etc/envoy/tls/s4-key.pem", &file("s4-key.pem"))
            .replace("/etc/envoy/tls/trust-framework-ca.pem", &file("trust-framework-ca.pem"))
            .replace("/etc/envoy/wasm/hub_auth_filter.wasm", MODULE)
            .replace(&format!("address: {KEYSTORE_NAME}, port_value: 443"), &at(parties.keystore.address()))
            .replace("/etc/ssl/certs/ca-certificates.crt", &file("public-roots.pem"))
            .replace("address: ozone-connect.bank.internal, port_value: 8080", &at(parties.bank.address()));
        if let Some(server) = &parties.authorisation_server {
            stage = stage
                .uncomment("- name: authorisation_server")
                .uncomment("environment_variables:")
                .replace(&format!("address: {AUTHORISATION_SERVER_NAME}, port_value: 443"), &at(server.address()))
                .replace("/etc/envoy/tls/authorisation-server-ca.pem", &file("public-roots.pem"));
        }
        self.edits.iter().fold(stage, |configuration, (from, to)| configuration.replace(from, to))
    }
}

impl Default for Setup {
    fn default() -> Self {
        Self::new()
    }
}

/// Everybody but Envoy.
struct Parties {
    pki: &'static Pki,
    files: TempDir,
    keystore: Keystore,
    authorisation_server: Option<AuthorisationServer>,
    bank: Bank,
}

/// A running stage. Dropping it stops everything.
pub struct Stage {
    /// The gateway. The first field, so that it stops before what it depends on.
    pub envoy: Envoy,
    /// The Trust Framework's keystore.
    pub keystore: Keystore,
    authorisation_server: Option<AuthorisationServer>,
    /// The bank's backend.
    pub bank: Bank,
    /// Everybody's certificates and keys.
    pub pki: &'static Pki,
    files: TempDir,
}

impl Stage {
    /// The bank's authorisation server, if the stage was set up with one.
    #[must_use]
    pub fn authorisation_server(&self) -> &AuthorisationServer {
        self.authorisation_server.as_ref().expect("a stage with Setup::authorisation_server")
    }

    /// Opens a connection with this client certificate.
    ///
    /// # Errors
    /// The reason, if the handshake failed.
    pub async fn connect(&self, identity: Option<&Identity>) -> Result<Connection, String> {
        Connection::open(self.envoy.address(), &self.pki.root(), identity).await
    }

    /// Sends one request on a connection of its own with this client certificate.
    pub async fn send(&self, identity: Option<&Identity>, request: &Request) -> Outcome {
        match self.connect(identity).await {
            Ok(mut connection) => connection.send(request).await,
            Err(reason) => Outcome::Refused(reason),
        }
    }

    /// Sends one request as the Hub, with its certificate.
    pub async fn send_as_hub(&self, request: &Request) -> Outcome {
        self.send(Some(&self.pki.hub.transport), request).await
    }

    /// A file of this stage: certificates, keys, configuration.
    #[must_use]
    pub fn file(&self, name: &str) -> PathBuf {
        self.files.path().join(name)
    }
}

/// A right token of this party for the bank, not yet signed.
#[must_use]
pub fn token_of(party: &Party) -> Token {
    Token::new(&party.subject, &party.signing.kid, PROVIDER_ID, now())
}

/// A right token of this party for the bank.
#[must_use]
pub fn signed_by(party: &Party) -> String {
    token_of(party).sign(Signer::Ps256(&party.signing))
}

fn write_certificates(pki: &Pki, directory: &Path) {
    let write = |name: &str, text: &str| fs::write(directory.join(name), text).expect("a writable directory");
    write("trust-framework-ca.pem", &pki.trust_framework_bundle());
    write("public-roots.pem", &pki.public_roots());
    let identities = [
        ("s4", &pki.listener),
        ("hub", &pki.hub.transport),
        ("arabic-hub", &pki.arabic_hub.transport),
        ("tpp", &pki.tpp.transport),
    ];
    for (name, identity) in identities {
        write(&format!("{name}-chain.pem"), &identity.chain_pem);
        write(&format!("{name}-key.pem"), &identity.key_pem);
    }
}
