//! Listeners that no gateway here would be: a server with any TLS, which answers as the filter does but for one fault.

use hub_auth_filter::facade::peer::LeafCertificate;
use rustls::SupportedProtocolVersion;
use rustls::pki_types::CertificateDer;
use rustls::version::{TLS12, TLS13};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use wasm_tests::stage::keystore::Keystore;
use wasm_tests::stage::pki::{HUB_UNIT, Identity, KEYSTORE_NAME, LISTENER_NAME, Pki};
use wasm_tests::stage::tls_server::{Answer, ClientCertificates, TlsServer};

use super::{DAY, Files, Said, connect_to, doctor, strings};

const BOTH: [&SupportedProtocolVersion; 2] = [&TLS12, &TLS13];

/// As the filter answers with health checks.
fn as_the_filter(path: &str, certificate: Option<&CertificateDer<'static>>) -> (u16, Value) {
    let hello = |status| json!({"connectionEstablished": true, "mtlsStatus": status, "hostName": LISTENER_NAME});
    let Some(certificate) = certificate else {
        return match path {
            "/hello" => (200, hello("not-established")),
            "/hello-mtls" | "/echo-cert" => (401, json!({"errorMessage": "There is no verified client certificate."})),
            _ => (401, json!({"errorCode": "Certificate.Missing", "errorMessage": ""})),
        };
    };
    let leaf = read(certificate);
    match path {
        "/hello" | "/hello-mtls" => (200, hello("established")),
        "/echo-cert" => {
            let mut body = hello("established");
            body["clientCertificate"] = json!({"subject": leaf.subject(), "issuer": leaf.issuer()});
            (200, body)
        }
        _ if leaf.subject().contains(HUB_UNIT) => (401, json!({"errorCode": "Credential.Missing", "errorMessage": ""})),
        _ => (403, json!({"errorCode": "Certificate.NotAllowed", "errorMessage": ""})),
    }
}

fn read(certificate: &CertificateDer<'_>) -> LeafCertificate {
    use base64::Engine as _;
    let encoded = base64::engine::general_purpose::STANDARD.encode(certificate);
    let pem = format!("-----BEGIN CERTIFICATE-----\n{encoded}\n-----END CERTIFICATE-----\n");
    LeafCertificate::first_of_chain(&pem).expect("a certificate")
}

/// What the doctor says of a server.
async fn ask(
    identity: &Identity,
    versions: &[&'static SupportedProtocolVersion],
    client_certificates: ClientCertificates,
    answer: Answer,
) -> Said {
    let server = TlsServer::start(identity, versions, client_certificates, answer).await;
    ask_at(server.address()).await
}

async fn ask_at(address: std::net::SocketAddr) -> Said {
    let pki = Pki::shared();
    let keystore = Keystore::start(&pki.keystore).await;
    let files = Files::new();
    let url = format!("https://{LISTENER_NAME}");
    let config = format!(
        r#"{{"inbound": {{"provider_ids": ["retail"], "peer": {{"organisational_units": ["{HUB_UNIT}"]}}, "health_checks": {{}},
            "auth": {{"jwt_auth": {{"jwks": {{"environment": "sandbox"}}, "upstream": "keystore"}}}}}}}}"#
    );
    let config = files.write("config.json", &config);
    let mut arguments: Vec<String> = Vec::new();
    arguments.extend(strings(["inbound", "--format", "json", "--timeout", "3s", "--url", &url, "--config", &config]));
    arguments.extend(strings(["--ca", &files.path("ca.pem"), "--keystore-ca", &files.path("public.pem")]));
    arguments.extend(connect_to(LISTENER_NAME, address));
    arguments.extend(connect_to(KEYSTORE_NAME, keystore.address()));
    arguments.extend(files.identity(["--certificate", "--key"], &pki.hub.transport));
    arguments.extend(files.identity(["--other-certificate", "--other-key"], &pki.tpp.transport));
    doctor(arguments, &[]).await
}

fn required() -> ClientCertificates {
    ClientCertificates::Required(Pki::shared().root())
}

fn optional() -> ClientCertificates {
    ClientCertificates::Optional(Pki::shared().root())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn either_way_to_ask_for_certificates_is_good() {
    let listener = &Pki::shared().listener;
    ask(listener, &BOTH, required(), as_the_filter).await.expect(0, &[]);
    ask(listener, &BOTH, optional(), as_the_filter).await.expect(0, &[]);
    // nginx refuses in HTTP.
    let said = ask(listener, &BOTH, optional(), |path, certificate| match certificate {
        None => (400, json!("No required SSL certificate was sent")),
        _ => as_the_filter(path, certificate),
    });
    said.await.expect(0, &[]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_fault_of_tls_is_in_its_own_line() {
    let pki = Pki::shared();
    let named = |names: &[&str], from, to| pki.server_between(names, from, to);
    let year = 300 * DAY;
    ask(&pki.listener, &[&TLS13], required(), as_the_filter).await.expect(1, &[("tls-1.2", "failed")]);
    ask(&pki.listener, &[&TLS12], required(), as_the_filter).await.expect(1, &[("tls-1.3", "failed")]);
    for (fault, identity) in [
        ("s4-chain", pki.listener.without_authorities()),
        ("s4-chain", pki.public_server(&[LISTENER_NAME])),
        ("s4-name", named(&["other.bank.example"], -DAY, year)),
        ("s4-dates", named(&[LISTENER_NAME], -year, -DAY)),
        ("s4-dates", named(&[LISTENER_NAME], DAY, year)),
    ] {
        ask(&identity, &BOTH, required(), as_the_filter).await.expect(1, &[(fault, "failed")]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_listener_that_lets_callers_without_a_certificate_in_is_found_out() {
    let listener = &Pki::shared().listener;
    let said = ask(listener, &BOTH, optional(), |path, certificate| match certificate {
        None if path == "/" => (200, json!({})),
        _ => as_the_filter(path, certificate),
    });
    said.await.expect(1, &[("no-certificate", "failed")]);
    let said = ask(listener, &BOTH, optional(), |path, certificate| match certificate {
        None if path == "/echo-cert" => (200, json!({})),
        _ => as_the_filter(path, certificate),
    });
    said.await.expect(1, &[("no-certificate", "failed")]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_listener_that_asks_for_no_certificate_is_found_out() {
    let listener = &Pki::shared().listener;
    // The filter behind it refuses everybody, the Hub too.
    let said = ask(listener, &BOTH, ClientCertificates::NotAskedFor, as_the_filter).await;
    said.expect(1, &[("hub", "failed"), ("hello-mtls", "failed"), ("echo-cert", "failed")]);
    // Without a filter behind it nobody is refused.
    let said = ask(listener, &BOTH, ClientCertificates::NotAskedFor, |_, _| (200, json!({}))).await;
    let all = ["no-certificate", "foreign-ca", "other-unit", "hello", "hello-mtls", "echo-cert"];
    said.expect(1, &all.map(|check| (check, "failed")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_wrong_answer_to_a_health_check_is_in_its_own_line() {
    let listener = &Pki::shared().listener;
    let answers: [(&str, Answer); 6] = [
        ("hello", |path, certificate| match path {
            "/hello" => (200, json!({"connectionEstablished": "true", "mtlsStatus": "established", "hostName": "x"})),
            _ => as_the_filter(path, certificate),
        }),
        ("hello", |path, certificate| match path {
            "/hello" => (404, json!({})),
            _ => as_the_filter(path, certificate),
        }),
        ("hello-mtls", |path, certificate| match (path, certificate) {
            ("/hello-mtls", Some(_)) => as_the_filter("/hello", None),
            _ => as_the_filter(path, certificate),
        }),
        ("hello-mtls", |path, certificate| match (path, certificate) {
            ("/hello-mtls", Some(_)) => (200, json!({"connectionEstablished": true, "mtlsStatus": "established"})),
            _ => as_the_filter(path, certificate),
        }),
        ("echo-cert", |path, certificate| {
            let (status, mut body) = as_the_filter(path, certificate);
            if body["clientCertificate"].is_object() {
                body["clientCertificate"]["subject"] = json!("CN=somebody,OU=else,O=Bank,C=AE");
            }
            (status, body)
        }),
        ("echo-cert", |path, certificate| {
            let (status, mut body) = as_the_filter(path, certificate);
            if body["clientCertificate"].is_object() {
                body["clientCertificate"]["issuer"] = json!("CN=Another CA");
            }
            (status, body)
        }),
    ];
    for (fault, answer) in answers {
        ask(listener, &BOTH, required(), answer).await.expect(1, &[(fault, "failed")]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_says_nothing_of_a_certificate_does_not_count_as_a_refusal() {
    let listener = &Pki::shared().listener;
    // A gateway without its backend.
    let said = ask(listener, &BOTH, optional(), |path, certificate| match certificate {
        None => (503, json!({"errorCode": "GenericError"})),
        _ => as_the_filter(path, certificate),
    });
    said.await.expect(2, &[("no-certificate", "not checked")]);
    // Somebody else's 403.
    let said = ask(listener, &BOTH, required(), |path, certificate| match as_the_filter(path, certificate) {
        (403, _) => (403, json!({"message": "RBAC: access denied"})),
        right => right,
    });
    said.await.expect(2, &[("other-unit", "not checked")]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_listener_nothing_counts_as_passed() {
    let rest = [
        "s4-name",
        "s4-chain",
        "s4-dates",
        "tls-1.0",
        "tls-1.1",
        "tls-1.2",
        "tls-1.3",
        "no-certificate",
        "foreign-ca",
        "other-unit",
        "hub",
        "hello",
        "hello-mtls",
        "echo-cert",
        "clock",
    ];
    let expected: Vec<(&str, &str)> =
        [("listener", "failed")].into_iter().chain(rest.map(|check| (check, "not checked"))).collect();
    // Nobody listens on this port.
    let nobody = std::net::SocketAddr::from(([127, 0, 0, 1], 1));
    let said = ask_at(nobody).await;
    said.expect(1, &expected);
    assert!(said.found("listener").contains("127.0.0.1:1"), "{}", said.found("listener"));

    // HTTP without TLS.
    let plain = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
    let address = plain.local_addr().expect("an address");
    let serving = tokio::spawn(async move {
        while let Ok((mut stream, _)) = plain.accept().await {
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n").await;
        }
    });
    ask_at(address).await.expect(1, &expected);
    serving.abort();

    // A server that takes connections and says nothing.
    let silent = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
    ask_at(silent.local_addr().expect("an address")).await.expect(1, &expected);
}
