//! What leaves the bank for the Hub: to whom, with which token, and nothing else (spec §2.4, §4).

use std::collections::BTreeSet;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use wasm_tests::stage::client::{Connection, Reply, Request};
use wasm_tests::stage::pki::{BANK_ORGANISATION, BANK_UNIT, CONSENT_MANAGER_NAME, HEADLESS_HEIMDALL_NAME, Identity};
use wasm_tests::stage::tokens::now;
use wasm_tests::stage::{OutboundSetup, OutboundStage};

use crate::schemas;

/// What takes a caller's credential away before the filter sees it.
const EARLY: &str = "mutations: [{remove: authorization}]";
const NO_EARLY: &str = "mutations: [{remove: x-nothing}]";

fn get(path: &str) -> Request {
    Request::new("GET", path)
}

fn part(token: &str, index: usize) -> Value {
    let part = token.split('.').nth(index).expect("a compact JWS");
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).expect("base64url")).expect("JSON")
}

#[track_caller]
fn is_an_error(reply: &Reply, status: u16, code: &str) {
    assert_eq!((reply.status, reply.error_code().as_deref()), (status, Some(code)), "{}", reply.json());
    assert_eq!(reply.header("content-type"), Some("application/json"));
}

#[tokio::test]
async fn the_connection_check_of_onboarding_succeeds_with_both_servers() {
    reaches_both_servers(&OutboundSetup::new().start().await).await;
}

/// Asserts that a stage on which nothing was sent yet reaches both servers of the Hub, as the bank.
pub async fn reaches_both_servers(stage: &OutboundStage) {
    for host in [CONSENT_MANAGER_NAME, HEADLESS_HEIMDALL_NAME] {
        let reply = stage.send(host, &get("/hello-mtls")).await.reply();
        assert_eq!(reply.status, 200, "{}", reply.json());
        schemas::check("echo-cert", &reply.json()).expect("the schema");
        assert_eq!((&reply.json()["mtlsStatus"], &reply.json()["hostName"]), (&"established".into(), &host.into()));
        let subject = reply.json()["clientCertificate"]["subject"].to_string();
        assert!(subject.contains(BANK_ORGANISATION) && subject.contains(BANK_UNIT), "{subject}");
    }
    let names: Vec<_> = stage.hub.take().into_iter().map(|call| call.server_name).collect();
    assert_eq!(names, [Some(CONSENT_MANAGER_NAME.to_owned()), Some(HEADLESS_HEIMDALL_NAME.to_owned())]);
}

#[tokio::test]
async fn a_token_has_exactly_the_header_and_the_claims_of_the_standard() {
    let stage = OutboundSetup::new().start().await;
    let before = now();
    assert_eq!(stage.send_to_consent_manager(&get("/consents")).await.reply().status, 200);

    let calls = stage.hub.calls();
    let token = &calls[0].accepted().token;
    let (header, claims) = (part(token, 0), part(token, 1));
    assert_eq!(header, json!({"alg": "PS256", "typ": "JOSE", "cty": "json", "kid": stage.pki.bank.signing.kid}));
    let iat = claims["iat"].as_u64().expect("iat in seconds");
    assert!((before..=now()).contains(&iat), "{iat}");
    let expected = json!({
        "iss": BANK_ORGANISATION, "sub": BANK_UNIT, "aud": "retail",
        "iat": iat, "exp": iat + 30, "jti": claims["jti"],
    });
    assert_eq!(claims, expected);
}

#[tokio::test]
async fn who_the_bank_is_can_be_read_from_its_certificate() {
    let explicit = r#"{
                                  "organisation": "Example Bank PJSC",
                                  "organisational_unit": "d0c1b2a3-9485-4766-9574-839201abcdef"
                                }"#;
    let pki = wasm_tests::stage::pki::Pki::shared();
    let pem = json!({"pem": pki.bank.transport.chain_pem}).to_string();
    let stage = OutboundSetup::new().edit(explicit, &pem).start().await;
    assert_eq!(stage.send_to_consent_manager(&get("/consents")).await.reply().status, 200);
    let claims = stage.hub.calls()[0].accepted().claims.clone();
    assert_eq!((&claims["iss"], &claims["sub"]), (&BANK_ORGANISATION.into(), &BANK_UNIT.into()));
}

#[tokio::test]
async fn a_private_key_in_pkcs1_signs_as_well() {
    let pki = wasm_tests::stage::pki::Pki::shared();
    let stage = OutboundSetup::new()
        .edit("host_env_keys: [SIG4_PRIVATE_KEY]", "host_env_keys: [SIG4_PKCS1]")
        .edit(r#"{"env": "SIG4_PRIVATE_KEY"}"#, r#"{"env": "SIG4_PKCS1"}"#)
        .environment("SIG4_PKCS1", &pki.bank.signing.pkcs1_pem())
        .start()
        .await;
    assert_eq!(stage.send_to_consent_manager(&get("/consents")).await.reply().status, 200);
}

/// Sends bytes as they are; the whole answer, after which the server closes.
async fn raw(stage: &OutboundStage, request: &str) -> String {
    let mut stream = TcpStream::connect(stage.envoy.address()).await.expect("a connection");
    stream.write_all(request.as_bytes()).await.expect("a request");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("an answer");
    answer
}

#[tokio::test]
async fn any_credential_of_the_caller_is_replaced() {
    for early in [EARLY, NO_EARLY] {
        replaces_any_credential(&OutboundSetup::new().edit(EARLY, early).start().await).await;
    }
}

/// Asserts that the Hub gets the bank's token, and nothing of what the caller sent in its place.
pub async fn replaces_any_credential(stage: &OutboundStage) {
    let cases = [
        "authorization: Bearer of-the-caller\r\n",
        "Authorization: Basic dTpw\r\nAuthorization: Bearer of-the-caller\r\n",
        "aUTHORIZATION: of-the-caller\r\n",
        "Authorization:\r\n",
        "Authorization: \u{80}\u{ff}\r\n",
    ];
    for lines in cases {
        let request =
            format!("GET /consents HTTP/1.1\r\nHost: {CONSENT_MANAGER_NAME}\r\nConnection: close\r\n{lines}\r\n");
        let answer = raw(stage, &request).await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{lines:?}: {answer}");
    }
    let calls = stage.hub.take();
    assert_eq!(calls.len(), cases.len());
    for call in calls {
        assert_eq!(call.accepted().claims["iss"], BANK_ORGANISATION);
        let all = format!("{:?}", call.request);
        assert!(!all.contains("of-the-caller") && !all.contains("dTpw"), "{all}");
    }
}

/// The Hub itself refuses a token that it has seen.
#[tokio::test]
async fn every_request_has_a_token_of_its_own_whichever_worker_signs() {
    let stage = OutboundSetup::new().workers(4).start().await;
    let mut sending = JoinSet::new();
    for _ in 0..24 {
        let mut connection =
            Connection::open_plain(stage.envoy.address(), CONSENT_MANAGER_NAME).await.expect("a connection");
        sending.spawn(async move {
            let mut statuses = Vec::new();
            for _ in 0..5 {
                statuses.push(connection.send(&get("/consents")).await.reply().status);
            }
            statuses
        });
    }
    let statuses: Vec<u16> = sending.join_all().await.into_iter().flatten().collect();
    assert_eq!(statuses, [200; 120]);
    let calls = stage.hub.calls();
    let ids: BTreeSet<String> = calls.iter().map(|call| call.accepted().claims["jti"].to_string()).collect();
    assert_eq!(ids.len(), 120);
    let signed = stage.envoy.stats("signatures_total").await;
    assert_eq!(signed.get("wasmcustom.hub_auth_filter.signatures_total.direction.outbound"), Some(&120), "{signed:?}");
}

#[tokio::test]
async fn requests_for_any_other_host_go_nowhere_and_nothing_is_signed_for_them() {
    let stage = OutboundSetup::new().start().await;
    for host in ["hub.example", "127.0.0.1", &format!("{CONSENT_MANAGER_NAME}:8081"), "apihub.openfinance.ae"] {
        let reply = stage.send(host, &get("/consents").header("authorization", "Bearer x")).await.reply();
        is_an_error(&reply, 404, "GenericError");
    }
    assert_eq!((stage.hub.calls(), stage.hub.refused_handshakes()), (vec![], 0));
    assert!(stage.envoy.events("signed").is_empty());
}

#[tokio::test]
async fn envoy_can_be_called_as_a_proxy() {
    let stage = OutboundSetup::new().start().await;
    let url = format!("http://{HEADLESS_HEIMDALL_NAME}/hello-mtls");
    assert_eq!(stage.send(HEADLESS_HEIMDALL_NAME, &get(&url)).await.reply().status, 200);
    assert_eq!(stage.hub.calls()[0].server_name.as_deref(), Some(HEADLESS_HEIMDALL_NAME));
}

#[tokio::test]
async fn the_hub_gets_the_request_as_it_was_and_nothing_of_this_side() {
    hands_the_request_on_and_nothing_else(&OutboundSetup::new().start().await, &[]).await;
}

/// Asserts that a stage on which nothing was sent yet changes nothing of a request but its credential, and tells nothing of this side
/// but in these headers.
pub async fn hands_the_request_on_and_nothing_else(stage: &OutboundStage, more: &[&str]) {
    let body = vec![0x5a; 200_000];
    let request = Request::new("POST", "/consents/1/action?x=%20y&z=a//b")
        .header("x-fapi-interaction-id", "f-1")
        .header("content-type", "application/json")
        .header("x-bytes", b"caf\xe9 \xff")
        .header("x-twice", "1")
        .header("x-twice", "2")
        .header("x-envoy-retry-on", "5xx")
        .header("x-forwarded-client-cert", "Hash=00")
        .body(&body);

    assert_eq!(stage.send_to_consent_manager(&request).await.reply().status, 200);

    let calls = stage.hub.calls();
    let arrived = &calls[0].request;
    assert_eq!((arrived.method.as_str(), arrived.path.as_str()), ("POST", "/consents/1/action?x=%20y&z=a//b"));
    assert_eq!(
        (arrived.value("host"), arrived.value("x-fapi-interaction-id")),
        (Some(CONSENT_MANAGER_NAME), Some("f-1"))
    );
    assert_eq!(arrived.values("x-bytes"), [b"caf\xe9 \xff".as_slice()]);
    assert_eq!(arrived.values("x-twice"), [b"1", b"2"]);
    assert!(arrived.body == body, "the body arrives whole");
    assert_eq!(arrived.value("x-forwarded-proto"), Some("https"));
    let mut names: Vec<&str> = arrived.headers.iter().map(|(name, _)| name.as_str()).collect();
    names.sort_unstable();
    let mut expected = vec![
        "authorization",
        "content-length",
        "content-type",
        "host",
        "x-bytes",
        "x-fapi-interaction-id",
        "x-forwarded-proto",
        "x-request-id",
        "x-twice",
        "x-twice",
    ];
    expected.extend(more);
    expected.sort_unstable();
    assert_eq!(names, expected);
}

#[tokio::test]
async fn a_refusal_of_the_hub_passes_through() {
    let stage = OutboundSetup::new().edit(r#""audience": "retail""#, r#""audience": "corporate""#).start().await;
    let reply = stage.send_to_consent_manager(&get("/consents")).await.reply();
    assert_eq!(reply.status, 401);
    assert_eq!(reply.json()["errorMessage"], r#"the claim aud is "corporate""#);
}

#[tokio::test]
async fn a_server_with_the_wrong_certificate_is_told_nothing() {
    let stage = OutboundSetup::new().start().await;
    let cases: [(&str, &Identity); 2] = [
        ("the right names from another CA", &stage.pki.public_hub_server),
        ("another name from the right CA", &stage.pki.listener),
    ];
    for (what, identity) in cases {
        stage.hub.present(identity);
        let before = stage.hub.refused_handshakes();
        is_an_error(&stage.send_to_consent_manager(&get("/consents")).await.reply(), 503, "GenericError");
        assert!(stage.hub.refused_handshakes() > before, "{what}");
    }
    assert_eq!(stage.hub.calls(), []);

    stage.hub.present(&stage.pki.hub_server);
    assert_eq!(stage.send_to_consent_manager(&get("/consents")).await.reply().status, 200, "the right one is");
}

#[tokio::test]
async fn the_hubs_certificate_can_be_checked_by_the_systems_roots_instead() {
    let bundle = "validation_context:\n        trusted_ca: {";
    let stage = OutboundSetup::new()
        .uncomment("trusted_ca: {filename: ")
        .edit(bundle, "validation_context:\n        # {")
        .start()
        .await;
    is_an_error(&stage.send_to_consent_manager(&get("/consents")).await.reply(), 503, "GenericError");
    stage.hub.present(&stage.pki.public_hub_server);
    assert_eq!(stage.send_to_consent_manager(&get("/consents")).await.reply().status, 200);
    assert_eq!(stage.hub.calls().len(), 1);
}

#[tokio::test]
async fn nothing_is_sent_twice() {
    let stage = OutboundSetup::new().start().await;
    stage.hub.hang_up();
    let post = Request::new("POST", "/consents").body(b"{}");
    is_an_error(&stage.send_to_consent_manager(&post).await.reply(), 503, "GenericError");
    assert_eq!(stage.hub.calls().len(), 1);

    stage.hub.stop();
    is_an_error(&stage.send_to_consent_manager(&post).await.reply(), 503, "GenericError");
}

#[tokio::test]
async fn a_filter_that_envoy_never_calls_lets_nothing_leave() {
    let entry = "                              proxy_on_request_headers: {}\n";
    let stage = OutboundSetup::new().edit(entry, "").start().await;
    for request in [get("/consents"), get("/consents").header("authorization", "Bearer a.b.c")] {
        assert_eq!(stage.send_to_consent_manager(&request).await.reply().status, 403);
    }
    assert_eq!(stage.hub.calls(), []);
    assert_eq!(stage.envoy.stats("rbac.denied").await["http.hub.rbac.denied"], 2);
}

#[tokio::test]
async fn the_access_log_names_every_request_and_no_credential() {
    let mut stage = OutboundSetup::new().start().await;
    let request =
        get("/consents").header("x-fapi-interaction-id", "f-1").header("authorization", "Bearer of-the-caller");
    assert_eq!(stage.send_to_consent_manager(&request).await.reply().status, 200);
    assert_eq!(stage.send("hub.example", &request).await.reply().status, 404);
    stage.hub.present(&stage.pki.public_hub_server);
    assert_eq!(stage.send(HEADLESS_HEIMDALL_NAME, &request).await.reply().status, 503);
    stage.envoy.stop();

    let log = stage.envoy.access_log();
    let lines: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let told = |status: u64| lines.iter().find(|line| line["status"] == status).unwrap_or_else(|| panic!("{log}"));
    assert_eq!(lines.len(), 3, "{log}");
    assert_eq!((&told(200)["host"], &told(200)["interaction_id"]), (&CONSENT_MANAGER_NAME.into(), &"f-1".into()));
    assert_eq!(told(404)["host"], "hub.example");
    assert!(told(503)["upstream_failure"].to_string().contains("CERTIFICATE_VERIFY_FAILED"), "{log}");
    assert!(!log.contains(&stage.hub.calls()[0].accepted().token) && !log.contains("of-the-caller"), "{log}");
}
