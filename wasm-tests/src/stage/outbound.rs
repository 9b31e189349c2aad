//! The stage for requests from the bank to the Hub: everybody whom the shipped outbound configuration deals with, and Envoy
//! among them. The bank's authorisation server is whoever sends to its listener.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::client::{self, Outcome, Request};
use super::envoy::{Configuration, Envoy, module};
use super::hub::Hub;
use super::keystore::Keystore;
use super::module_signer::Listen;
use super::openbao;
use super::pki::{CONSENT_MANAGER_NAME, HEADLESS_HEIMDALL_NAME, KEYSTORE_NAME, OPENBAO_NAME, Pki};
use super::sds::Secret;
use super::tokens::{SigningKey, jwks};
use super::{FREE_PORT, at, published, write_certificates};

/// The shipped keys.
const KEYS: &str = r#""keys": [{"kid": "sig4-2026-05", "private_key": {"env": "SIG4_PRIVATE_KEY"}}]"#;
/// The shipped lifetime, after which other settings can stand.
const LIFETIME: &str = r#""lifetime": "30s","#;
/// The variables that the filter may read.
const VARIABLES: &str = "host_env_keys: [SIG4_PRIVATE_KEY]";

/// Where the shipped configuration has the token that Envoy adds.
const BAO_TOKEN_FILE: &str = "path: /etc/envoy/sds/bao-token.yaml, watched_directory: {path: /etc/envoy/sds}";

/// The `kid` of the key that the bank's OpenBao holds.
pub const REMOTE_KEY_ID: &str = "sig4-bao";

/// A configuration for a stage with this directory of files and the Hub at this address.
type Made = Box<dyn Fn(&Path, SocketAddr) -> Configuration + Send>;

/// What is to be set up.
pub struct OutboundSetup {
    made: Option<Made>,
    workers: u32,
    keys: Vec<(&'static SigningKey, Option<String>)>,
    consent_manager: Option<SocketAddr>,
    comments: Vec<String>,
    without_tls: Vec<&'static str>,
    edits: Vec<(String, String)>,
    environment: Vec<(String, String)>,
}

impl OutboundSetup {
    /// The shipped configuration on one worker thread, with the bank's Sig4.
    #[must_use]
    pub fn new() -> Self {
        Self {
            made: None,
            workers: 1,
            keys: Vec::new(),
            consent_manager: None,
            comments: Vec::new(),
            without_tls: Vec::new(),
            edits: Vec::new(),
            environment: Vec::new(),
        }
    }

    /// Another configuration in place of the shipped one, to which no edit applies. It gets the directory with the stage's files (`c3-chain.pem`,
    /// `c3-key.pem`, `trust-framework-ca.pem`) and the Hub's address.
    #[must_use]
    pub fn made(mut self, configuration: impl Fn(&Path, SocketAddr) -> Configuration + Send + 'static) -> Self {
        self.made = Some(Box::new(configuration));
        self
    }

    /// So many worker threads.
    #[must_use]
    pub fn workers(mut self, workers: u32) -> Self {
        self.workers = workers;
        self
    }

    /// With one more key in place of the shipped ones, active from this time (RFC 3339) or always. It is published.
    #[must_use]
    pub fn key(mut self, key: &'static SigningKey, active_from: Option<&str>) -> Self {
        self.keys.push((key, active_from.map(ToOwned::to_owned)));
        self
    }

    /// With the Hub's tokens on responses verified, by these settings beside `hub`, `provider_ids`, `jwks` and `upstream`.
    #[must_use]
    pub fn verify_responses(self, settings: &Value) -> Self {
        let hub = &Pki::shared().hub.subject;
        let mut all = json!({
            "hub": {
                "organisation": hub.organisation,
                "organisational_unit": hub.organisational_unit,
                "common_name": hub.common_name,
            },
            "provider_ids": [super::PROVIDER_ID],
            "jwks": {"environment": "sandbox"},
            "upstream": "keystore",
        });
        for (name, value) in settings.as_object().expect("an object") {
            all[name] = value.clone();
        }
        self.uncomment("- name: keystore").edit(LIFETIME, &format!("{LIFETIME} \"verify_responses\": {all},"))
    }

    /// With OpenBao at this address as remote signer in place of the shipped key, asked with this token. `settings` stand beside
    /// the usual ones, or in their place. The stage does not publish its key.
    #[must_use]
    pub fn remote_signer(self, address: SocketAddr, token: &str, settings: &Value) -> Self {
        let mut transit = json!({
            "address": format!("https://{OPENBAO_NAME}:8200"),
            "upstream": "bao",
            "key": openbao::KEY,
            "kid": REMOTE_KEY_ID,
            "token": {"env": "BAO_TOKEN"},
        });
        for (name, value) in settings.as_object().expect("an object") {
            transit[name] = value.clone();
        }
        self.uncomment("- name: bao")
            .edit(&format!("address: {OPENBAO_NAME}, port_value: 8200"), &at(address))
            .edit(KEYS, &format!("\"remote_signer\": {{\"vault_transit\": {transit}}}"))
            .edit(VARIABLES, "host_env_keys: [BAO_TOKEN]")
            .environment("BAO_TOKEN", token)
    }

    /// With `hub-auth signer` at this address as remote signer, asked with this token, likewise.
    #[must_use]
    pub fn module_signer(self, signer: &Listen, token: &str, settings: &Value) -> Self {
        let mut transit = json!({
            "address": "http://127.0.0.1:8210",
            "upstream": "signer",
            "key": openbao::KEY,
            "kid": REMOTE_KEY_ID,
            "token": {"env": "SIGNER_TOKEN"},
        });
        for (name, value) in settings.as_object().expect("an object") {
            transit[name] = value.clone();
        }
        let place = match signer {
            Listen::Port(address) => format!("{{socket_address: {{{}}}}}", at(*address)),
            Listen::Socket(path) => format!("{{pipe: {{path: {}}}}}", path.display()),
        };
        self.uncomment("- name: signer")
            .edit("{pipe: {path: /run/hub-auth-signer/socket}}", &place)
            .edit(KEYS, &format!("\"remote_signer\": {{\"vault_transit\": {transit}}}"))
            .edit(VARIABLES, "host_env_keys: [SIGNER_TOKEN]")
            .environment("SIGNER_TOKEN", token)
    }

    /// The same with the token in a file that Envoy watches, and not in the filter: see [`super::sds::Secret`].
    #[must_use]
    pub fn remote_signer_with_token_of_gateway(self, address: SocketAddr, token: &Secret, settings: &Value) -> Self {
        let mut settings = settings.clone();
        settings["token"] = json!({"added_by": "gateway"});
        self.remote_signer(address, "", &settings)
            .uncomment("typed_extension_protocol_options:")
            .edit(BAO_TOKEN_FILE, &token.source())
    }

    /// With this remote signer in place of the shipped key, asked at this address through the cluster `bao`. Envoy's environment has these
    /// variables, which the filter may read.
    #[must_use]
    pub fn signer(self, address: SocketAddr, signer: &Value, variables: &[(&str, &str)]) -> Self {
        let names: Vec<&str> = variables.iter().map(|(name, _)| *name).collect();
        let setup = self
            .uncomment("- name: bao")
            .edit(&format!("address: {OPENBAO_NAME}, port_value: 8200"), &at(address))
            .edit(KEYS, &format!("\"remote_signer\": {signer}"))
            .edit(VARIABLES, &format!("host_env_keys: [{}]", names.join(", ")));
        variables.iter().fold(setup, |setup, (name, value)| setup.environment(name, value))
    }

    /// With a cloud's metadata address, whose cluster is in the shipped file as a comment, at this address.
    #[must_use]
    pub fn metadata(self, address: SocketAddr) -> Self {
        self.uncomment("- name: metadata").edit("address: 169.254.169.254, port_value: 80", &at(address))
    }

    /// With a filter in the cluster `bao` that sees each call of the filter: YAML on one line.
    #[must_use]
    pub fn upstream_filter(self, filter: &str) -> Self {
        const OPTIONS: &str = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";
        const CODEC: &str = "envoy.extensions.filters.http.upstream_codec.v3.UpstreamCodec";
        let before = "      circuit_breakers:\n        # One call for every request to the Hub";
        let options = format!(
            "      typed_extension_protocol_options: {{{OPTIONS}: {{\"@type\": type.googleapis.com/{OPTIONS}, \
             explicit_http_config: {{http_protocol_options: {{}}}}, http_filters: [{filter}, \
             {{name: envoy.filters.http.upstream_codec, typed_config: {{\"@type\": type.googleapis.com/{CODEC}}}}}]}}}}\n{before}"
        );
        self.edit(before, &options)
    }

    /// With the Consent Manager at this address instead of the stage's own Hub.
    #[must_use]
    pub fn consent_manager(mut self, address: SocketAddr) -> Self {
        self.consent_manager = Some(address);
        self
    }

    /// With a part of the shipped configuration that is commented out, from the comment that begins so.
    #[must_use]
    pub fn uncomment(mut self, first: &str) -> Self {
        self.comments.push(first.to_owned());
        self
    }

    /// Without TLS to this cluster.
    #[must_use]
    pub fn without_tls(mut self, cluster: &'static str) -> Self {
        self.without_tls.push(cluster);
        self
    }

    /// One place of the shipped configuration replaced.
    #[must_use]
    pub fn edit(mut self, from: &str, to: &str) -> Self {
        self.edits.push((from.to_owned(), to.to_owned()));
        self
    }

    /// With one more variable in Envoy's environment. The configuration must name it, too.
    #[must_use]
    pub fn environment(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Starts everything.
    pub async fn start(self) -> OutboundStage {
        let parties = self.prepare().await;
        let configuration = self.configuration(&parties);
        let envoy = Envoy::start(parties.files.path(), &configuration, self.workers).await;
        let Parties { pki, files, keystore, hub } = parties;
        OutboundStage { envoy, hub, keystore, pki, files }
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
        let keystore = published(pki).await;
        if !self.keys.is_empty() {
            keystore.publish(&pki.bank.subject, jwks(self.keys.iter().map(|(key, _)| *key)));
        }
        let hub = Hub::start(pki, keystore.publications()).await;
        Parties { pki, files, keystore, hub }
    }

    /// The shipped file with addresses, ports and paths of the stage, and then the edits.
    fn configuration(&self, parties: &Parties) -> Configuration {
        let file = |name| parties.files.path().join(name).display().to_string();
        let hub = parties.hub.address();
        if let Some(made) = &self.made {
            return made(parties.files.path(), hub)
                .environment("SIG4_PRIVATE_KEY", &parties.pki.bank.signing.pkcs8_pem());
        }
        let stage = Configuration::outbound()
            .replace("address: 127.0.0.1, port_value: 9902", &at(FREE_PORT))
            .replace("address: 127.0.0.1, port_value: 8081", &at(FREE_PORT))
            .replace("/etc/envoy/tls/c3-chain.pem", &file("c3-chain.pem"))
            .replace("/etc/envoy/tls/c3-key.pem", &file("c3-key.pem"))
            .replace("/etc/envoy/tls/trust-framework-ca.pem", &file("trust-framework-ca.pem"))
            .relocate("/etc/ssl/certs/ca-certificates.crt", &file("public-roots.pem"))
            .replace("/etc/envoy/tls/bao-ca.pem", &file("public-roots.pem"))
            .replace("/etc/envoy/wasm/hub_auth_filter.wasm", &module())
            .replace(
                &format!("address: {CONSENT_MANAGER_NAME}, port_value: 443"),
                &at(self.consent_manager.unwrap_or(hub)),
            )
            .replace(&format!("address: {HEADLESS_HEIMDALL_NAME}, port_value: 443"), &at(hub))
            .replace(&format!("address: {KEYSTORE_NAME}, port_value: 443"), &at(parties.keystore.address()));
        let stage = self.with_keys(stage, parties.pki);
        let stage = self.comments.iter().fold(stage, |configuration, first| configuration.uncomment(first));
        let stage = self.without_tls.iter().fold(stage, |configuration, cluster| configuration.without_tls(cluster));
        let stage = self.edits.iter().fold(stage, |configuration, (from, to)| configuration.replace(from, to));
        self.environment.iter().fold(stage, |configuration, (name, value)| configuration.environment(name, value))
    }

    fn with_keys(&self, configuration: Configuration, pki: &Pki) -> Configuration {
        if self.keys.is_empty() {
            return configuration.environment("SIG4_PRIVATE_KEY", &pki.bank.signing.pkcs8_pem());
        }
        let named = || (1..).map(|number| format!("SIG4_PRIVATE_KEY_{number}")).zip(&self.keys);
        let variables: Vec<String> = named().map(|(variable, _)| variable).collect();
        let keys: Vec<Value> = named()
            .map(|(variable, (key, active_from))| {
                let mut entry = json!({"kid": key.kid, "private_key": {"env": variable}});
                if let Some(time) = active_from {
                    entry["active_from"] = json!(time);
                }
                entry
            })
            .collect();
        let configuration = configuration
            .replace(KEYS, &format!("\"keys\": {}", Value::from(keys)))
            .replace(VARIABLES, &format!("host_env_keys: [{}]", variables.join(", ")));
        named().fold(configuration, |all, (variable, (key, _))| all.environment(&variable, &key.pkcs8_pem()))
    }
}

impl Default for OutboundSetup {
    fn default() -> Self {
        Self::new()
    }
}

/// Everybody but Envoy.
struct Parties {
    pki: &'static Pki,
    files: TempDir,
    keystore: Keystore,
    hub: Hub,
}

/// A running stage. Dropping it stops everything.
pub struct OutboundStage {
    /// The gateway. The first field, so that it stops before what it depends on.
    pub envoy: Envoy,
    /// The Hub's Consent Manager and Headless Heimdall.
    pub hub: Hub,
    /// The Trust Framework's keystore.
    pub keystore: Keystore,
    /// Everybody's certificates and keys.
    pub pki: &'static Pki,
    files: TempDir,
}

impl OutboundStage {
    /// Sends one request for this host to the listener, on a connection of its own.
    pub async fn send(&self, host: &str, request: &Request) -> Outcome {
        client::send_plain(self.envoy.address(), host, request).await
    }

    /// Sends one request for the Consent Manager.
    pub async fn send_to_consent_manager(&self, request: &Request) -> Outcome {
        self.send(CONSENT_MANAGER_NAME, request).await
    }

    /// A file of this stage: certificates, configuration.
    #[must_use]
    pub fn file(&self, name: &str) -> PathBuf {
        self.files.path().join(name)
    }
}
