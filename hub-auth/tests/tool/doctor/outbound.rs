//! The bank's way to the Hub: the stage's Hub and keystore, and the bank's certificate and key, with one fault in each test.

use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::version::{TLS12, TLS13};
use serde_json::{Value, json};
use wasm_tests::stage::hub::Hub;
use wasm_tests::stage::keystore::{Behaviour, Keystore};
use wasm_tests::stage::openbao::{KEY, OpenBao};
use wasm_tests::stage::pki::{
    BANK_ORGANISATION, BANK_UNIT, CONSENT_MANAGER_NAME, HEADLESS_HEIMDALL_NAME, Identity, KEYSTORE_NAME, Pki,
};
use wasm_tests::stage::tls_server::{ClientCertificates, TlsServer};
use wasm_tests::stage::tokens::jwks;
use wasm_tests::stage::{PROVIDER_ID, REMOTE_KEY_ID};

use super::{DAY, Files, Said, connect_to, doctor, strings};

const YEAR: i64 = 300 * DAY;

/// Everybody whom the bank deals with, and what it has itself. Each test changes one thing.
struct Bank {
    /// Where the bank's keys are published for everybody.
    keystore: Keystore,
    /// What the Hub knows of them: so a key that is not published any more makes one line wrong and not three.
    known_to_hub: Keystore,
    hub: Hub,
    files: Files,
    /// C3.
    certificate: Identity,
    /// The private key that is given as C3's.
    key_pem: Option<String>,
    consent_manager: SocketAddr,
    headless_heimdall: SocketAddr,
    config: Value,
    private_key: String,
    more: Vec<String>,
}

impl Bank {
    async fn new() -> Self {
        let pki = Pki::shared();
        let (keystore, known_to_hub) = (Keystore::start(&pki.keystore).await, Keystore::start(&pki.keystore).await);
        for keystore in [&keystore, &known_to_hub] {
            keystore.publish(&pki.bank.subject, jwks([&pki.bank.signing]));
        }
        let hub = Hub::start(pki, known_to_hub.publications()).await;
        let (consent_manager, headless_heimdall) = (hub.address(), hub.address());
        let bank = Self {
            keystore,
            known_to_hub,
            hub,
            files: Files::new(),
            certificate: pki.client_between(&pki.bank.subject, -DAY, YEAR),
            key_pem: None,
            consent_manager,
            headless_heimdall,
            config: json!({"outbound": {
                "audience": PROVIDER_ID,
                "certificate": {"organisation": BANK_ORGANISATION, "organisational_unit": BANK_UNIT},
                "keys": [{"kid": pki.bank.signing.kid, "private_key": {"env": "SIG4_PRIVATE_KEY"}}],
            }}),
            private_key: pki.bank.signing.pkcs8_pem(),
            more: Vec::new(),
        };
        bank.publish_since(&jwks([&pki.bank.signing]), Duration::from_secs(3600));
        bank
    }

    /// Publishes a set that was changed so long ago, and says so.
    fn publish_since(&self, set: &Value, age: Duration) {
        let changed = httpdate::fmt_http_date(SystemTime::now() - age);
        self.publish_with(set, vec![("last-modified", changed)]);
    }

    fn publish_with(&self, set: &Value, headers: Vec<(&'static str, String)>) {
        self.keystore.behave(Behaviour::Answer { status: 200, headers, body: set.to_string().into_bytes() });
    }

    async fn ask(&self) -> Said {
        let mut arguments: Vec<String> = Vec::new();
        arguments.extend(strings(["outbound", "--format", "json", "--timeout", "3s", "--lfi-code", "examplebank"]));
        arguments.extend(strings([
            "--ca",
            &self.files.path("ca.pem"),
            "--keystore-ca",
            &self.files.path("public.pem"),
        ]));
        arguments.extend(["--config".to_owned(), self.files.write("config.json", &self.config.to_string())]);
        arguments.extend(self.files.identity(["--certificate", "--key"], &self.certificate));
        if let Some(key) = &self.key_pem {
            self.files.write("--key.pem", key);
        }
        arguments.extend(connect_to(KEYSTORE_NAME, self.keystore.address()));
        arguments.extend(connect_to(CONSENT_MANAGER_NAME, self.consent_manager));
        arguments.extend(connect_to(HEADLESS_HEIMDALL_NAME, self.headless_heimdall));
        arguments.extend(self.more.iter().cloned());
        doctor(arguments, &[("SIG4_PRIVATE_KEY", &self.private_key)]).await
    }
}

/// The lines of a key.
fn sig4(check: &str) -> String {
    format!("{check} {}", Pki::shared().bank.signing.kid)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bank_that_is_ready_is_found_ready() {
    let bank = Bank::new().await;
    let said = bank.ask().await;
    said.expect(0, &[]);
    let calls = bank.hub.calls();
    assert_eq!(calls.len(), 2);
    for call in calls {
        assert_eq!(call.request.path, "/hello-mtls");
        assert_eq!(call.accepted().header["kid"], Pki::shared().bank.signing.kid);
    }
    // When a key was published nobody can know if the keystore does not say it, and that is no fault of the bank's.
    bank.keystore.behave(Behaviour::Normal);
    bank.ask().await.expect(0, &[(&sig4("sig4-age"), "not checked")]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_fault_of_the_certificate_is_in_its_own_line() {
    let pki = Pki::shared();
    let subject = &pki.bank.subject;
    let mut bank = Bank::new().await;
    // It is valid until 2049.
    bank.certificate = pki.client(subject);
    bank.ask().await.expect(1, &[("c3-dates", "failed")]);
    bank.certificate = pki.client_between(subject, -YEAR, 20 * DAY);
    bank.ask().await.expect(0, &[("c3-dates", "warning")]);

    // The Hub refuses these, too.
    let and_at_hub = |check| [(check, "failed"), ("cm-hello", "failed"), ("hh-hello", "failed")];
    bank.certificate = pki.client_between(subject, -YEAR, -DAY);
    bank.ask().await.expect(1, &and_at_hub("c3-dates"));
    bank.certificate = pki.client_between(subject, -DAY, YEAR).without_authorities();
    bank.ask().await.expect(1, &and_at_hub("c3-chain"));
    bank.certificate = pki.server_between(&["bank.example"], -DAY, YEAR);
    bank.more = strings(["--jwks", &format!("https://{KEYSTORE_NAME}/")]).to_vec();
    bank.ask().await.expect(1, &and_at_hub("c3-chain"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_of_another_certificate_is_not_used() {
    let mut bank = Bank::new().await;
    bank.key_pem = Some(Pki::shared().tpp.transport.key_pem.clone());
    let not_checked = ["cm", "cm-hello", "hh", "hh-hello"].map(|check| (check, "not checked"));
    let expected: Vec<_> = [("c3-key", "failed")].into_iter().chain(not_checked).collect();
    bank.ask().await.expect(1, &expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_subject_than_the_certificates_is_found_out() {
    let mut bank = Bank::new().await;
    bank.config["outbound"]["certificate"]["organisation"] = json!("Example Bank");
    // The Hub compares the token with the certificate.
    let said = bank.ask().await;
    said.expect(1, &[("c3-subject", "failed"), ("cm-hello", "failed"), ("hh-hello", "failed")]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_fault_of_what_is_published_is_in_its_own_line() {
    let pki = Pki::shared();
    let bank = Bank::new().await;
    let long_ago = Duration::from_secs(3600);
    let (published, key, age) = (sig4("sig4-published"), sig4("sig4-key"), sig4("sig4-age"));

    bank.publish_since(&jwks([&pki.next_bank_signing]), long_ago);
    let said = bank.ask().await;
    said.expect(1, &[(&published, "failed"), (&key, "not checked"), (&age, "not checked")]);
    assert!(said.found("sig4-published").contains(&pki.next_bank_signing.kid), "{}", said.found("sig4-published"));

    let mut set = jwks([&pki.bank.signing, &pki.next_bank_signing]);
    set["keys"][0]["use"] = json!("enc");
    bank.publish_since(&set, long_ago);
    let said = bank.ask().await;
    said.expect(1, &[(&published, "failed"), (&key, "not checked"), (&age, "not checked")]);
    assert!(said.found("sig4-published").contains("use"), "{}", said.found("sig4-published"));

    let mut set = jwks([&pki.next_bank_signing]);
    set["keys"][0]["kid"] = json!(pki.bank.signing.kid);
    bank.publish_since(&set, long_ago);
    bank.ask().await.expect(1, &[(&key, "failed")]);

    // A set that was changed a minute ago may have had this key before; one whose certificate is a minute old had not.
    let mut set = jwks([&pki.bank.signing]);
    bank.publish_since(&set, Duration::from_secs(60));
    bank.ask().await.expect(0, &[(&age, "not checked")]);
    let new = pki.client_between(&pki.bank.subject, -60, YEAR);
    set["keys"][0]["x5c"] = json!([STANDARD.encode(&new.chain[0])]);
    bank.publish_since(&set, Duration::from_secs(60));
    bank.ask().await.expect(1, &[(&age, "failed")]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_key_set_nothing_is_said_of_keys() {
    let bank = Bank::new().await;
    let keys = ["sig4-published", "sig4-key", "sig4-age"].map(sig4);
    let with = |clock: &[(&'static str, &'static str)]| {
        let mut expected: Vec<(String, &str)> = vec![("sig4-keystore".to_owned(), "failed")];
        expected.extend(keys.iter().map(|check| (check.clone(), "not checked")));
        expected.extend(clock.iter().map(|(check, result)| ((*check).to_owned(), *result)));
        expected
    };
    let expect = |said: &Said, expected: Vec<(String, &str)>| {
        said.expect(1, &expected.iter().map(|(check, result)| (check.as_str(), *result)).collect::<Vec<_>>());
    };
    for behaviour in [Behaviour::status(404), Behaviour::html(), Behaviour::empty_set()] {
        bank.keystore.behave(behaviour.clone());
        // A page in the place of a set tells the time, and so does an error; only the answer with a set is looked at.
        let clock: &[(&str, &str)] =
            if behaviour == Behaviour::status(404) { &[("clock", "not checked")] } else { &[] };
        expect(&bank.ask().await, with(clock));
    }
    bank.keystore.down().await;
    let said = bank.ask().await;
    expect(&said, with(&[("clock", "not checked")]));
    assert!(said.found("sig4-keystore").contains(KEYSTORE_NAME), "{}", said.found("sig4-keystore"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_key_that_comes_next_is_published_in_time() {
    let pki = Pki::shared();
    let next = &pki.next_bank_signing;
    let mut bank = Bank::new().await;
    let comes_in = |bank: &mut Bank, seconds: u64| {
        let from = humantime::format_rfc3339_seconds(SystemTime::now() + Duration::from_secs(seconds)).to_string();
        let key = json!({"kid": next.kid, "private_key": {"env": "NEXT"}, "active_from": from});
        let keys = bank.config["outbound"]["keys"].as_array_mut().expect("keys");
        keys.truncate(1);
        keys.push(key);
    };
    let line = |check: &str| format!("{check} {}", next.kid);
    let (published, key, age) = (line("sig4-published"), line("sig4-key"), line("sig4-age"));
    let variable = format!("NEXT={}\n", next.pkcs8_pem().replace('\n', "\\n"));
    bank.more = strings(["--env-file", &bank.files.write("variables", &variable)]).to_vec();

    comes_in(&mut bank, 3600);
    bank.ask().await.expect(2, &[(&published, "warning"), (&key, "not checked"), (&age, "not checked")]);
    comes_in(&mut bank, 300);
    bank.ask().await.expect(1, &[(&published, "failed"), (&key, "not checked"), (&age, "not checked")]);

    // It was published just now. That is early enough for one that signs in an hour, and nobody knows for one that signs sooner.
    let both = jwks([&pki.bank.signing, next]);
    bank.publish_since(&both, Duration::from_secs(10));
    comes_in(&mut bank, 3600);
    bank.ask().await.expect(0, &[(&sig4("sig4-age"), "not checked")]);
    comes_in(&mut bank, 300);
    bank.ask().await.expect(0, &[(&sig4("sig4-age"), "not checked"), (&age, "not checked")]);

    // What stands in for a variable that is not set is no key of the bank's: nothing is said of it, and nothing is sent.
    bank.publish_since(&both, Duration::from_secs(3600));
    bank.more = Vec::new();
    let said = bank.ask().await;
    let unset = [(key.as_str(), "not checked"), ("cm-hello", "failed"), ("hh-hello", "failed")];
    let all: Vec<_> =
        unset.into_iter().chain([(sig4("sig4-key").as_str(), "not checked")]).map(|(a, b)| (a.to_owned(), b)).collect();
    said.expect(1, &all.iter().map(|(check, result)| (check.as_str(), *result)).collect::<Vec<_>>());
    assert!(said.found("sig4-key").contains("NEXT is not set"), "{}", said.found("sig4-key"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clock_that_is_wrong_is_found_out() {
    let bank = Bank::new().await;
    let date = httpdate::fmt_http_date(SystemTime::now() - Duration::from_secs(3600));
    let changed = httpdate::fmt_http_date(SystemTime::now() - Duration::from_secs(7200));
    bank.publish_with(&jwks([&Pki::shared().bank.signing]), vec![("date", date), ("last-modified", changed)]);
    let said = bank.ask().await;
    said.expect(1, &[("clock", "failed")]);
    assert!(said.found("clock").contains("ahead of"), "{}", said.found("clock"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_fault_of_the_hubs_services_is_in_its_own_line() {
    let pki = Pki::shared();
    let both = [&TLS12, &TLS13];
    let required = |root| ClientCertificates::Required(root);
    let mut bank = Bank::new().await;
    let right = bank.hub.address();

    let refusing =
        TlsServer::start(&pki.hub_server, &both, required(pki.internal_root()), |_, _| (200, json!({}))).await;
    bank.consent_manager = refusing.address();
    let said = bank.ask().await;
    said.expect(1, &[("cm-hello", "failed")]);
    assert!(said.found("cm-hello").contains("refuses C3"), "{}", said.found("cm-hello"));
    bank.consent_manager = right;

    let broken = TlsServer::start(&pki.hub_server, &both, required(pki.root()), |_, _| (500, json!({}))).await;
    bank.headless_heimdall = broken.address();
    bank.ask().await.expect(1, &[("hh-hello", "failed")]);
    let empty = TlsServer::start(&pki.hub_server, &both, required(pki.root()), |_, _| (200, json!({}))).await;
    bank.headless_heimdall = empty.address();
    bank.ask().await.expect(1, &[("hh-hello", "failed")]);

    bank.headless_heimdall = SocketAddr::from(([127, 0, 0, 1], 1));
    bank.ask().await.expect(1, &[("hh", "failed"), ("hh-hello", "not checked")]);
    bank.headless_heimdall = right;

    // A server with another name, and one of a CA that is not believed. No token is sent to either.
    for identity in [&pki.listener, &pki.public_hub_server] {
        let other = TlsServer::start(identity, &both, required(pki.root()), |_, _| (200, json!({}))).await;
        bank.consent_manager = other.address();
        bank.ask().await.expect(1, &[("cm", "failed"), ("cm-hello", "not checked")]);
    }
    // Unless the user says so.
    bank.hub.present(&pki.public_hub_server);
    bank.consent_manager = right;
    bank.more = strings(["--hub-ca", &bank.files.path("public.pem")]).to_vec();
    bank.ask().await.expect(0, &[]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_remote_signer_is_asked_for_its_signature() {
    let pki = Pki::shared();
    let mut bank = Bank::new().await;
    let server = OpenBao::start(pki, bank.files.0.path()).await;
    let transit = server.transit();
    let published = json!({"keys": [transit.jwk(1, REMOTE_KEY_ID).await]});
    bank.known_to_hub.publish(&pki.bank.subject, published.clone());
    bank.publish_since(&published, Duration::from_secs(3600));
    let outbound = bank.config["outbound"].as_object_mut().expect("an object");
    outbound.remove("keys");
    outbound.insert(
        "remote_signer".to_owned(),
        json!({"vault_transit": {
            "address": format!("https://127.0.0.1:{}", server.address().port()),
            "upstream": "bao",
            "key": KEY,
            "kid": REMOTE_KEY_ID,
            "token": {"env": "BAO_TOKEN"},
        }}),
    );
    let variables = bank.files.write("variables", &format!("BAO_TOKEN={}\n", transit.token(600).await));
    bank.more = strings(["--signer-ca", &bank.files.path("public.pem"), "--env-file", &variables]).to_vec();
    bank.ask().await.expect(0, &[]);

    // Another key under its name.
    let key = format!("sig4-key {REMOTE_KEY_ID}");
    let mut other = jwks([&pki.next_bank_signing]);
    other["keys"][0]["kid"] = json!(REMOTE_KEY_ID);
    bank.publish_since(&other, Duration::from_secs(3600));
    bank.ask().await.expect(1, &[(&key, "failed")]);

    // Nobody signs: nothing is known of the key, and the Hub gets no token.
    bank.publish_since(&published, Duration::from_secs(3600));
    server.seal().await;
    let said = bank.ask().await;
    said.expect(1, &[(&key, "not checked"), ("cm-hello", "failed"), ("hh-hello", "failed")]);
    assert!(said.found("sig4-key").contains("nobody signs"), "{}", said.found("sig4-key"));
}
