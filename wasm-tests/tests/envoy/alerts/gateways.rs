//! The gateways that are watched, each with what a fault of its own needs, and who calls them.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use rustls::pki_types::CertificateDer;
use serde_json::json;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};
use wasm_tests::stage::authorisation_server::{GATEWAY_ID, INTROSPECTION_PATH, ISSUER};
use wasm_tests::stage::client::{Connection, Outcome, Request};
use wasm_tests::stage::keystore::{Behaviour, Keystore};
use wasm_tests::stage::openbao::OpenBao;
use wasm_tests::stage::pki::{CONSENT_MANAGER_NAME, HUB_UNIT, Identity, LISTENER_NAME, Pki};
use wasm_tests::stage::{OutboundSetup, OutboundStage, REMOTE_KEY_ID, Setup, Stage, envoy, signed_by};

/// How many tokens the gateway `tokens` remembers.
const REPLAY_CAPACITY: u32 = 400;

const DAY: i64 = 24 * 60 * 60;

/// Counts its starts as the filter does, and traps on each request, which the filter must never do.
const TRAPPING: &str = r#"(module
    (import "env" "proxy_define_metric" (func $define (param i32 i32 i32 i32) (result i32)))
    (import "env" "proxy_increment_metric" (func $increment (param i32 i64) (result i32)))
    (memory (export "memory") 1)
    (data (i32.const 16) "hub_auth_filter.starts_total.direction.inbound")
    (func (export "_initialize"))
    (func (export "proxy_abi_version_0_2_1"))
    (func (export "proxy_on_memory_allocate") (param i32) (result i32) i32.const 1024)
    (func (export "proxy_on_context_create") (param i32 i32))
    (func (export "proxy_on_vm_start") (param i32 i32) (result i32) i32.const 1)
    (func (export "proxy_on_configure") (param i32 i32) (result i32)
        (drop (call $define (i32.const 0) (i32.const 16) (i32.const 46) (i32.const 0)))
        (drop (call $increment (i32.load (i32.const 0)) (i64.const 1)))
        i32.const 1)
    (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) unreachable))"#;

/// All of them. The gateways stop before what they depend on.
pub(super) struct Gateways {
    /// Its keystore can go down.
    pub(super) keys: Stage,
    /// It remembers used tokens, and has a certificate of its own that ends in 20 days.
    pub(super) tokens: Stage,
    /// Its authorisation server takes questions and answers none. It sees the Hub's certificate whole.
    pub(super) questions: Stage,
    /// Somebody took the filter out, and what stands behind it.
    pub(super) open: Stage,
    /// Its capability list lacks the entry point.
    pub(super) not_called: Stage,
    /// Its module traps.
    pub(super) trapping: Stage,
    /// What it takes for the store of used tokens knows nothing of tokens, so it decides alone.
    pub(super) alone: Stage,
    /// Bank to Hub.
    pub(super) outbound: OutboundStage,
    pub(super) openbao: OpenBao,
    pub(super) vault_token: String,
    _authorisation_server: Keystore,
}

impl Gateways {
    /// Starts all of them, with files of theirs in this directory.
    pub(super) async fn start(directory: &Path) -> Self {
        let pki = Pki::shared();
        let module = directory.join("trapping.wasm");
        fs::write(&module, wat::parse_str(TRAPPING).expect("a module")).expect("a writable directory");
        let authorisation_server = Keystore::start(&pki.authorisation_server).await;
        authorisation_server.behave(Behaviour::Slow(Duration::from_secs(60)));
        let openbao = OpenBao::start(pki, directory).await;
        let vault_token = openbao.transit().token(600).await;
        let introspection = json!({
            "url": format!("{ISSUER}{INTROSPECTION_PATH}"), "upstream": "authorisation_server",
            "client_id": GATEWAY_ID, "client_secret": {"env": "INTROSPECTION_SECRET"},
        });
        let trapping = flushing(Setup::new()).edit(&envoy::module(), &module.display().to_string());
        let (keys, tokens, questions, open, not_called, trapping, alone, outbound) = tokio::join!(
            // A minute is a second: keys of 10 minutes are refreshed after 8.
            flushing(Setup::new()).auth(&jwt_auth(&json!({"max_age": "10s"}))).start(),
            watched_closely().start(),
            flushing(Setup::new())
                .authorisation_server_at(authorisation_server.address())
                .edit(r#""peer": {"#, &format!(r#""peer": {{"source": {}, "#, shown_whole()))
                .auth(&json!({"client_credentials": {"introspection": introspection}}))
                .start(),
            flushing(Setup::new())
                .block("                  - name: hub_auth_filter", "")
                .block("                  - name: envoy.filters.http.rbac", "")
                .start(),
            flushing(Setup::new()).edit("                              proxy_on_request_headers: {}\n", "").start(),
            trapping.start(),
            flushing(Setup::new()).auth(&jwt_auth(&json!({"replay_detection": no_store()}))).start(),
            signing(&openbao, &vault_token),
        );
        let all = Self {
            keys,
            tokens,
            questions,
            open,
            not_called,
            trapping,
            alone,
            outbound,
            openbao,
            vault_token,
            _authorisation_server: authorisation_server,
        };
        let jwk = all.openbao.transit().jwk(1, REMOTE_KEY_ID).await;
        all.outbound.keystore.publish(&pki.bank.subject, json!({ "keys": [jwk] }));
        all.outbound
            .hub
            .respond_with(|| vec![("authorization".to_owned(), format!("Bearer {}", signed_by(&Pki::shared().hub)))]);
        all
    }

    /// Those of the direction Hub to bank, by name.
    pub(super) fn inbound(&self) -> [(&'static str, &Stage); 7] {
        [
            ("keys", &self.keys),
            ("tokens", &self.tokens),
            ("questions", &self.questions),
            ("open", &self.open),
            ("not_called", &self.not_called),
            ("trapping", &self.trapping),
            ("alone", &self.alone),
        ]
    }

    /// Where the metrics of all are.
    pub(super) fn metrics(&self) -> Vec<(&'static str, SocketAddr)> {
        let mut all: Vec<_> = self.inbound().map(|(name, stage)| (name, stage.envoy.admin_address())).into();
        all.push(("outbound", self.outbound.envoy.admin_address()));
        all
    }

    /// What the canary asks for of the gateway of this name.
    pub(super) fn canary(&self, name: &str) -> String {
        let (_, stage) = self.inbound().into_iter().find(|(known, _)| *known == name).expect("a gateway");
        format!("https://{}/accounts", stage.envoy.address())
    }
}

/// Envoy brings histograms and its own age up to date when it flushes: each 5 seconds, which would be 5 minutes here.
fn flushing(setup: Setup) -> Setup {
    setup.edit("\nadmin:\n", "\nstats_flush_interval: 1s\nadmin:\n")
}

fn jwt_auth(settings: &serde_json::Value) -> serde_json::Value {
    let mut all = json!({"jwks": {"environment": "sandbox"}, "upstream": "keystore"});
    for (name, value) in settings.as_object().expect("an object") {
        all[name] = value.clone();
    }
    json!({ "jwt_auth": all })
}

fn watched_closely() -> Setup {
    let listener = Pki::shared().server_between(&[LISTENER_NAME, "localhost", "127.0.0.1"], -300 * DAY, 20 * DAY);
    let settings = json!({"max_age": "10s", "replay_detection": "gateway", "replay_capacity": REPLAY_CAPACITY});
    flushing(Setup::new()).certificate(Box::leak(Box::new(listener))).auth(&jwt_auth(&settings))
}

/// A server that answers, and is no store: it has key sets.
fn no_store() -> serde_json::Value {
    let etcd = json!({"address": "https://keystore.sandbox.directory.openfinance.ae", "upstream": "keystore"});
    json!({"store": {"etcd": etcd}, "unavailable": "local"})
}

/// The certificate is that which Envoy itself writes into its header of each request: that of this connection.
fn shown_whole() -> serde_json::Value {
    json!({"forwarded_header": {"proxy": {"organisational_units": [HUB_UNIT]}}})
}

async fn signing(openbao: &OpenBao, token: &str) -> OutboundStage {
    OutboundSetup::new()
        .edit("\nadmin:\n", "\nstats_flush_interval: 1s\nadmin:\n")
        .remote_signer(openbao.address(), token, &json!({"timeout": "1s", "deadline": "2s"}))
        .verify_responses(&json!({"mode": "report"}))
        .start()
        .await
}

/// The Hub's certificate C4, which ends in 5 days.
pub(super) fn ending() -> &'static Identity {
    let pki = Pki::shared();
    Box::leak(Box::new(pki.client_between(&pki.hub.subject, -390 * DAY, 5 * DAY)))
}

/// Somebody who calls a gateway again and again, until this is dropped.
pub(super) struct Caller(JoinHandle<()>);

impl Drop for Caller {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Calls the bank with this certificate, with this time between two requests.
pub(super) fn calling(
    stage: &Stage,
    identity: &'static Identity,
    every: Duration,
    request: impl Fn() -> Request + Send + 'static,
) -> Caller {
    let way = Way::ToTheBank(stage.envoy.address(), stage.pki.root(), identity);
    Caller(tokio::spawn(repeat(way, every, request)))
}

/// Calls the Consent Manager by way of the gateway, likewise.
pub(super) fn calling_the_hub(stage: &OutboundStage, every: Duration) -> Caller {
    let way = Way::ToTheHub(stage.envoy.address());
    Caller(tokio::spawn(repeat(way, every, || Request::new("GET", "/consents"))))
}

enum Way {
    ToTheBank(SocketAddr, CertificateDer<'static>, &'static Identity),
    ToTheHub(SocketAddr),
}

impl Way {
    async fn open(&self) -> Result<Connection, String> {
        match self {
            Self::ToTheBank(address, root, identity) => Connection::open(*address, root, Some(identity)).await,
            Self::ToTheHub(address) => Connection::open_plain(*address, CONSENT_MANAGER_NAME).await,
        }
    }
}

async fn repeat(way: Way, every: Duration, request: impl Fn() -> Request + Send + 'static) {
    let (mut next, mut connection) = (Instant::now(), None);
    loop {
        if connection.is_none() {
            connection = way.open().await.ok();
        }
        let request = request();
        if let Some(open) = &mut connection
            && matches!(open.send(&request).await, Outcome::Refused(_))
        {
            connection = None;
        }
        next = (next + every).max(Instant::now());
        sleep_until(next).await;
    }
}
