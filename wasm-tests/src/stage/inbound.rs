//! The stage for requests from the Hub to the bank: everybody whom the shipped inbound configuration deals with, and Envoy
//! among them.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;

use serde_json::Value;
use tempfile::TempDir;

use super::authorisation_server::{AuthorisationServer, GATEWAY_SECRET};
use super::bank::Bank;
use super::client::{Connection, Outcome, Request};
use super::crl::Crl;
use super::envoy::{Configuration, Envoy, module, shipped};
use super::keystore::Keystore;
use super::pki::{AUTHORISATION_SERVER_NAME, HUB_UNIT, Identity, KEYSTORE_NAME, Pki};
use super::sds::Secret;
use super::{FREE_PORT, at, published, write, write_certificates, write_identity};

/// The shipped method of authentication.
const JWT_AUTH: &str = r#""auth": {
                                  "jwt_auth": {
                                    "jwks": {"environment": "sandbox"},
                                    "upstream": "keystore"
                                  }
                                }"#;
/// The shipped ids, after which other settings can stand.
const PROVIDER_IDS: &str = r#""provider_ids": ["retail"],"#;

/// Where the shipped configuration has the credential that Envoy adds.
const CREDENTIAL_FILE: &str =
    "path: /etc/envoy/sds/introspection-credential.yaml, watched_directory: {path: /etc/envoy/sds}";

/// Where the CRL is, in the stage's directory.
const CRL_FILE: &str = "crl/trust-framework.pem";

/// The shipped secret with the CRL, of this directory.
fn secret(directory: &str) -> String {
    let file = shipped("trust-framework-crl.yaml");
    let named = "/var/lib/hub-auth-crl";
    assert_eq!(file.matches(named).count(), 2, "the file and its directory");
    file.replace(named, directory)
}

/// Where somebody else's configuration finds the parties of a stage.
pub struct Places {
    directory: PathBuf,
    /// The Trust Framework's keystore.
    pub keystore: SocketAddr,
    /// The bank's backend.
    pub bank: SocketAddr,
}

impl Places {
    /// A file of the stage: `s4-chain.pem`, `s4-key.pem`, `client-ca.pem`, `crl/trust-framework.pem`, `public-roots.pem`.
    #[must_use]
    pub fn file(&self, name: &str) -> String {
        self.directory.join(name).display().to_string()
    }
}

/// A configuration for these places.
type Made = Box<dyn Fn(&Places) -> Configuration + Send>;

/// What is to be set up.
pub struct Setup {
    made: Option<Made>,
    workers: u32,
    authorisation_server: bool,
    authorisation_server_at: Option<SocketAddr>,
    credential: Option<String>,
    response_token: bool,
    certificate: &'static Identity,
    crl: Option<Vec<u8>>,
    ca_appendix: String,
    blocks: Vec<(String, String)>,
    edits: Vec<(String, String)>,
    appendix: String,
    environment: Vec<(String, String)>,
}

impl Setup {
    /// The shipped configuration on one worker thread, so that there is one key cache.
    #[must_use]
    pub fn new() -> Self {
        let certificate = &Pki::shared().listener;
        Self {
            made: None,
            workers: 1,
            authorisation_server: false,
            authorisation_server_at: None,
            credential: None,
            response_token: false,
            certificate,
            crl: Some(Crl::pem(&Crl::new(1).issued(Pki::shared())).into()),
            ca_appendix: String::new(),
            blocks: Vec::new(),
            edits: Vec::new(),
            appendix: String::new(),
            environment: Vec::new(),
        }
    }

    /// Another configuration in place of the shipped one, to which no edit applies.
    #[must_use]
    pub fn made(mut self, configuration: impl Fn(&Places) -> Configuration + Send + 'static) -> Self {
        self.made = Some(Box::new(configuration));
        self
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

    /// The same with another server at this address, which must have the name of the authorisation server.
    #[must_use]
    pub fn authorisation_server_at(mut self, address: SocketAddr) -> Self {
        self.authorisation_server_at = Some(address);
        self
    }

    /// With the credential of introspection in a file that Envoy watches. The configuration must say that Envoy adds it.
    #[must_use]
    pub fn introspection_credential(mut self, credential: &Secret) -> Self {
        self.credential = Some(credential.source());
        self
    }

    /// With tokens on responses, signed with the bank's Sig4 unless these settings name another key.
    #[must_use]
    pub fn response_token(mut self, settings: &Value) -> Self {
        self.response_token = true;
        self.edit(PROVIDER_IDS, &format!("{PROVIDER_IDS} \"response_token\": {settings},"))
    }

    /// With another certificate than S4 on the listener.
    #[must_use]
    pub fn certificate(mut self, certificate: &'static Identity) -> Self {
        self.certificate = certificate;
        self
    }

    /// With this in the file of the CRL, or no such file. Otherwise it is one that revokes nothing.
    #[must_use]
    pub fn crl(mut self, file: Option<&[u8]>) -> Self {
        self.crl = file.map(<[u8]>::to_vec);
        self
    }

    /// With this, too, in the file of the Trust Framework's CAs.
    #[must_use]
    pub fn append_to_cas(mut self, pem: &str) -> Self {
        self.ca_appendix.push_str(pem);
        self
    }

    /// One place of the shipped configuration replaced.
    #[must_use]
    pub fn edit(mut self, from: &str, to: &str) -> Self {
        self.edits.push((from.to_owned(), to.to_owned()));
        self
    }

    /// One block of the shipped configuration replaced, before any edit: see [`Configuration::replace_block`].
    #[must_use]
    pub fn block(mut self, first: &str, to: &str) -> Self {
        self.blocks.push((first.to_owned(), to.to_owned()));
        self
    }

    /// With this behind the last line of the shipped configuration, among the clusters.
    #[must_use]
    pub fn append(mut self, text: &str) -> Self {
        self.appendix.push_str(text);
        self
    }

    /// With this variable in Envoy's environment, which the filter may read.
    #[must_use]
    pub fn environment(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self.edit(
            "# environment_variables: {host_env_keys: [INTROSPECTION_SECRET, SIG4_PRIVATE_KEY]}",
            &format!("environment_variables: {{host_env_keys: [{name}]}}"),
        )
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
        Stage { envoy, keystore, authorisation_server, bank, pki, configuration, workers: self.workers, files }
    }

    /// Starts Envoy where it ought to refuse: its exit code and its log.
    pub async fn refusal(self) -> (Option<i32>, String) {
        let parties = self.prepare().await;
        Envoy::refusal(parties.files.path(), &self.configuration(&parties)).await
    }

    async fn prepare(&self) -> Parties {
        let pki = Pki::shared();
        let files = tempfile::Builder::new().prefix("hub-auth-").tempdir().expect("a temporary directory");
        write_certificates(pki, files.path());
        write(files.path(), "client-ca.pem", &(pki.trust_framework_bundle() + &self.ca_appendix));
        fs::create_dir(files.path().join("crl")).expect("a directory");
        if let Some(crl) = &self.crl {
            fs::write(files.path().join(CRL_FILE), crl).expect("a CRL");
        }
        write(files.path(), "trust-framework-crl.yaml", &secret(&files.path().join("crl").display().to_string()));
        write_identity(files.path(), "s4", self.certificate);
        let keystore = published(pki).await;
        let mut authorisation_server = None;
        if self.authorisation_server {
            authorisation_server = Some(AuthorisationServer::start(pki, files.path()).await);
        }
        Parties { pki, files, keystore, authorisation_server, bank: Bank::start().await }
    }

    /// The shipped file with addresses, ports and paths of the stage, and then the edits.
    fn configuration(&self, parties: &Parties) -> Configuration {
        if let Some(made) = &self.made {
            return made(&Places {
                directory: parties.files.path().to_owned(),
                keystore: parties.keystore.address(),
                bank: parties.bank.address(),
            });
        }
        let file = |name| parties.files.path().join(name).display().to_string();
        let free_port = at(FREE_PORT);
        let mut stage = Configuration::inbound()
            .replace("address: 127.0.0.1, port_value: 9901", &free_port)
            .replace("address: 0.0.0.0, port_value: 8443", &free_port)
            .replace("/etc/envoy/tls/s4-chain.pem", &file("s4-chain.pem"))
            .replace("/etc/envoy/tls/s4-key.pem", &file("s4-key.pem"))
            .replace("/etc/envoy/tls/trust-framework-ca.pem", &file("client-ca.pem"))
            .replace("/etc/envoy/trust-framework-crl.yaml", &file("trust-framework-crl.yaml"))
            .replace("/etc/envoy/wasm/hub_auth_filter.wasm", &module())
            .replace(&format!("address: {KEYSTORE_NAME}, port_value: 443"), &at(parties.keystore.address()))
            .replace("/etc/ssl/certs/ca-certificates.crt", &file("public-roots.pem"))
            .replace("address: ozone-connect.bank.internal, port_value: 8080", &at(parties.bank.address()));
        let started = parties.authorisation_server.as_ref().map(AuthorisationServer::address);
        let authorisation_server = self.authorisation_server_at.or(started);
        if authorisation_server.is_some() || self.response_token {
            stage = stage
                .uncomment("environment_variables:")
                .environment("INTROSPECTION_SECRET", GATEWAY_SECRET)
                .environment("SIG4_PRIVATE_KEY", &parties.pki.bank.signing.pkcs8_pem());
        }
        if let Some(address) = authorisation_server {
            stage = stage
                .uncomment("- name: authorisation_server")
                .replace(&format!("address: {AUTHORISATION_SERVER_NAME}, port_value: 443"), &at(address))
                .replace("/etc/envoy/tls/authorisation-server-ca.pem", &file("public-roots.pem"));
        }
        if let Some(source) = &self.credential {
            stage = stage.uncomment("typed_extension_protocol_options:").replace(CREDENTIAL_FILE, source);
        }
        let stage = self
            .environment
            .iter()
            .fold(stage.append(&self.appendix), |stage, (name, value)| stage.environment(name, value));
        let stage = self.blocks.iter().fold(stage, |configuration, (first, to)| configuration.replace_block(first, to));
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
    configuration: Configuration,
    workers: u32,
    files: TempDir,
}

impl Stage {
    /// Another gateway with the same configuration, and with this change of it, before the same keystore and backend. Its files are in
    /// a directory of this name.
    pub async fn neighbour(&self, name: &str, change: impl FnOnce(Configuration) -> Configuration) -> Envoy {
        let directory = self.file(name);
        fs::create_dir_all(&directory).expect("a writable directory");
        Envoy::start(&directory, &change(self.configuration.clone()), self.workers).await
    }

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

    /// The file with the CRL.
    #[must_use]
    pub fn crl_file(&self) -> PathBuf {
        self.file(CRL_FILE)
    }

    /// Puts another CRL, or something else, in its place, as a rename does.
    pub fn replace_crl(&self, file: &[u8]) {
        let new = self.file("crl/.new");
        fs::write(&new, file).expect("a CRL");
        fs::rename(new, self.crl_file()).expect("a rename");
    }

    /// A file of this stage: certificates, keys, configuration.
    #[must_use]
    pub fn file(&self, name: &str) -> PathBuf {
        self.files.path().join(name)
    }
}
