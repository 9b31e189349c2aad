//! The bank's listener as a real Envoy on the shipped configuration, with one setting changed in each test.

use std::time::Duration;

use rustls::version::{TLS12, TLS13};
use serde_json::json;
use wasm_tests::stage::pki::{HUB_UNIT, Identity, KEYSTORE_NAME, LISTENER_NAME, Pki};
use wasm_tests::stage::tls_server::{ClientCertificates, TlsServer};
use wasm_tests::stage::{Setup, Stage};

use super::{DAY, Files, Said, connect_to, display, doctor, strings};

const IDS: &str = r#""provider_ids": ["retail"],"#;

/// The shipped configuration with health checks.
fn with_health_checks() -> Setup {
    Setup::new().edit(IDS, r#""provider_ids": ["retail"], "health_checks": {},"#)
}

/// Asks the doctor with the certificate of the Hub, and with a TPP's for the other one.
async fn ask_as_hub(stage: &Stage, more: &[String]) -> Said {
    let files = Files::new();
    let mut arguments = files.identity(["--certificate", "--key"], &stage.pki.hub.transport);
    arguments.extend(files.identity(["--other-certificate", "--other-key"], &stage.pki.tpp.transport));
    arguments.extend(more.iter().cloned());
    ask(stage, &files, arguments).await
}

async fn ask(stage: &Stage, files: &Files, more: Vec<String>) -> Said {
    let mut arguments: Vec<String> = Vec::new();
    let url = format!("https://{LISTENER_NAME}");
    arguments.extend(strings(["inbound", "--format", "json", "--timeout", "5s", "--url", &url]));
    arguments.extend(strings(["--ca", &files.path("ca.pem"), "--keystore-ca", &files.path("public.pem")]));
    arguments.extend(connect_to(LISTENER_NAME, stage.envoy.address()));
    if !more.iter().any(|argument| argument.starts_with(KEYSTORE_NAME)) {
        arguments.extend(connect_to(KEYSTORE_NAME, stage.keystore.address()));
    }
    if !more.iter().any(|argument| argument == "--config") {
        arguments.extend(["--config".to_owned(), display(&stage.file("envoy.yaml"))]);
    }
    arguments.extend(more);
    doctor(arguments, &[]).await
}

/// A keystore whose clock is so far ahead, in seconds.
async fn keystore_ahead(seconds: u64) -> (TlsServer, Vec<String>) {
    let (versions, nobody) = ([&TLS12, &TLS13], ClientCertificates::NotAskedFor);
    let ahead = Duration::from_secs(seconds);
    let server =
        TlsServer::start_ahead(&Pki::shared().keystore, &versions, nobody, |_, _| (404, json!({})), ahead).await;
    let way = connect_to(KEYSTORE_NAME, server.address()).to_vec();
    (server, way)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_shipped_configuration_is_found_good_and_clocks_are_compared() {
    let stage = with_health_checks().start().await;
    let said = ask_as_hub(&stage, &[]).await;
    said.expect(0, &[]);
    assert!(said.found("echo-cert").contains(HUB_UNIT), "{}", said.found("echo-cert"));
    assert_eq!(said.found("hub"), "401 Credential.Missing, and not for the certificate");
    assert_eq!(said.found("other-unit"), "403 Certificate.NotAllowed at /");

    // A bank has no certificate of the Hub's. Its own is one with another OU.
    let files = Files::new();
    let own = files.identity(["--certificate", "--key"], &stage.pki.bank.transport);
    ask(&stage, &files, own).await.expect(0, &[("hub", "not checked")]);

    // No certificate of another CA needs to be made if there is one.
    let foreign = files.identity(["--foreign-certificate", "--foreign-key"], &stage.pki.stranger);
    ask_as_hub(&stage, &foreign).await.expect(0, &[]);

    // Without a second certificate the question stays open, and that is not good.
    let only = files.identity(["--certificate", "--key"], &stage.pki.hub.transport);
    ask(&stage, &files, only).await.expect(2, &[("other-unit", "not checked")]);

    let (_server, wrong) = keystore_ahead(3600).await;
    ask_as_hub(&stage, &wrong).await.expect(1, &[("clock", "failed")]);
    let (_server, mut late) = keystore_ahead(7).await;
    ask_as_hub(&stage, &late).await.expect(0, &[("clock", "warning")]);
    late.push("--strict".to_owned());
    ask_as_hub(&stage, &late).await.expect(1, &[("clock", "warning")]);
    stage.keystore.down().await;
    ask_as_hub(&stage, &[]).await.expect(2, &[("clock", "not checked")]);
    assert_eq!(stage.bank.received(), [], "nothing reached the bank");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_listener_that_trusts_any_ca_is_found_out() {
    let verified = "trust_chain_verification: VERIFY_TRUST_CHAIN";
    let stage = with_health_checks().edit(verified, "trust_chain_verification: ACCEPT_UNTRUSTED").start().await;
    let said = ask_as_hub(&stage, &[]).await;
    said.expect(1, &[("foreign-ca", "failed")]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_filter_that_pins_no_unit_is_found_out() {
    let pins = format!(r#""organisational_units": ["{HUB_UNIT}"]"#);
    let stage = with_health_checks().edit(&pins, r#""allow_unpinned": true"#).start().await;
    // By its own configuration, and by the one that it ought to have.
    let said = ask_as_hub(&stage, &[]).await;
    said.expect(1, &[("hub", "not checked"), ("other-unit", "failed")]);
    let files = Files::new();
    let meant = format!(
        r#"{{"inbound": {{"provider_ids": ["retail"], "peer": {{{pins}}}, "health_checks": {{}},
            "auth": {{"jwt_auth": {{"jwks": {{"environment": "sandbox"}}, "upstream": "keystore"}}}}}}}}"#
    );
    let more = strings(["--config", &files.write("meant.json", &meant)]);
    let said = ask_as_hub(&stage, &more).await;
    said.expect(1, &[("other-unit", "failed")]);
    assert_eq!(said.found("other-unit"), "401 Credential.Missing at /");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn health_checks_that_nobody_answers_are_found_out() {
    let stage = Setup::new().start().await;
    let said = ask_as_hub(&stage, &[]).await;
    said.expect(1, &[("hello", "failed"), ("hello-mtls", "failed"), ("echo-cert", "failed")]);
    assert_eq!(said.found("hello"), "401 Credential.Missing");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_base_path_is_followed_and_an_issuer_that_is_not_told_is_warned_of() {
    let cert = "set_current_client_cert_details: {subject: true, cert: true}";
    let stage = Setup::new()
        .edit(IDS, r#""provider_ids": ["retail"], "health_checks": {"base_path": "/ozone"},"#)
        .edit(cert, "set_current_client_cert_details: {subject: true}")
        .start()
        .await;
    ask_as_hub(&stage, &[]).await.expect(0, &[("echo-cert", "warning")]);
}

/// An identity that lives as long as the tests do, as a stage wants it.
fn leaked(identity: Identity) -> &'static Identity {
    Box::leak(Box::new(identity))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn old_versions_of_tls_and_a_certificate_that_ends_are_found_out() {
    let names = [LISTENER_NAME];
    let stage = with_health_checks()
        .certificate(leaked(Pki::shared().server_between(&names, -200 * DAY, 20 * DAY)))
        .edit(
            "tls_minimum_protocol_version: TLSv1_2\n                  # For TLS 1.2",
            "tls_minimum_protocol_version: TLSv1_0\n                  # For TLS 1.2",
        )
        .edit(
            "cipher_suites:\n                    - ECDHE-ECDSA-AES128-GCM-SHA256",
            "cipher_suites:\n                    - ECDHE-ECDSA-AES128-SHA\n                    - ECDHE-ECDSA-AES128-GCM-SHA256",
        )
        .start()
        .await;
    let said = ask_as_hub(&stage, &[]).await;
    said.expect(1, &[("tls-1.0", "failed"), ("tls-1.1", "failed"), ("s4-dates", "warning")]);
}
