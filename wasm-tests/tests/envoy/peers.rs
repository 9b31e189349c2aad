//! What Envoy itself keeps out with the shipped configuration: callers without a verified certificate, and forged facts about
//! a caller (spec §2.1). The last tests take a safeguard away and ask that the next one holds.

use serde_json::Value;
use wasm_tests::stage::client::{Outcome, Request};
use wasm_tests::stage::{Setup, Stage, signed_by};

use crate::{accepted, refusals};

const REQUIRED: &str = "require_client_certificate: true";
const VERIFIED: &str = "trust_chain_verification: VERIFY_TRUST_CHAIN";

/// How many requests the filter let through and Envoy's own role-based access control then refused.
async fn denied_by_the_last_line(stage: &Stage) -> u64 {
    stage.envoy.stats("rbac.denied").await["http.ozone_connect.rbac.denied"]
}

/// Asserts that a stage on which nothing was sent yet lets nobody but the Hub in, and that nothing forged reaches the bank: what every way
/// of running Envoy with the filter has to withstand, beside [`refusals::refuses_every_wrong_request`].
pub async fn withstands_whoever_is_not_the_hub(stage: &Stage) {
    refusals::refuses_other_participants(stage).await;
    accepted::tells_the_bank_who_called(stage).await;
    replaces_a_forged_certificate_header(stage).await;
    removes_a_claimed_method(stage).await;
    has_one_spelling_of_a_path(stage).await;
    refuses_underscores(stage).await;
    refuses_headers_beyond_the_bounds(stage).await;
    refuses_in_tls(stage).await;
}

#[tokio::test]
async fn tls_itself_refuses_whom_the_trust_framework_does_not_vouch_for() {
    refuses_in_tls(&Setup::new().start().await).await;
}

/// Asserts that a stage on which nothing was sent yet refuses in TLS whom the Trust Framework does not vouch for.
pub async fn refuses_in_tls(stage: &Stage) {
    let pki = stage.pki;
    let cases = [
        ("no certificate", None),
        ("the Hub's subject from another CA", Some(&pki.stranger)),
        ("the Hub's subject signed by itself", Some(&pki.self_signed)),
        ("the Hub's certificate after its end", Some(&pki.expired)),
        ("a server's certificate", Some(&pki.listener)),
    ];
    let request = Request::with_token(&signed_by(&pki.hub));
    for (what, identity) in cases {
        let outcome = stage.send(identity, &request).await;
        assert!(matches!(outcome, Outcome::Refused(_)), "{what}: {outcome:?}");
    }
    let stats = stage.envoy.stats("fail_verify").await;
    let count = |end: &str| stats.iter().find(|(name, _)| name.starts_with("listener.") && name.ends_with(end));
    assert_eq!(count("fail_verify_no_cert").map(|(_, count)| *count), Some(1), "{stats:?}");
    assert_eq!(count("fail_verify_error").map(|(_, count)| *count), Some(4), "{stats:?}");
    assert_eq!(stage.bank.received(), []);
}

#[tokio::test]
async fn without_required_certificates_the_filter_still_demands_one() {
    let stage = Setup::new().edit(REQUIRED, "require_client_certificate: false").start().await;
    let request = Request::with_token(&signed_by(&stage.pki.hub));

    let reply = stage.send(None, &request).await.reply();
    assert_eq!((reply.status, reply.error_code().as_deref()), (401, Some("Certificate.Missing")));
    assert!(matches!(stage.send(Some(&stage.pki.stranger), &request).await, Outcome::Refused(_)));
    assert_eq!(stage.bank.received(), []);

    assert_eq!(stage.send_as_hub(&request).await.reply().status, 200);
}

#[tokio::test]
async fn a_forged_client_certificate_header_is_replaced_by_the_real_one() {
    replaces_a_forged_certificate_header(&Setup::new().start().await).await;
}

/// Asserts that the bank sees the certificate of the connection, and no other that the caller claims to have.
pub async fn replaces_a_forged_certificate_header(stage: &Stage) {
    let request = Request::with_token(&signed_by(&stage.pki.hub))
        .header("x-forwarded-client-cert", r#"Hash=00;Subject="CN=forged""#)
        .header("X-Forwarded-Client-Cert", r#"Hash=11;Subject="CN=forged""#);
    assert_eq!(stage.send_as_hub(&request).await.reply().status, 200);

    let received = stage.bank.take();
    let told = received[0].value("x-forwarded-client-cert").expect("one value");
    assert!(!told.contains("forged") && !told.contains("Hash=00") && !told.contains("Hash=11"), "{told}");
    assert!(told.contains(&format!("OU={}", stage.pki.hub.subject.organisational_unit)), "{told}");
    assert!(told.contains("Cert=\"-----BEGIN%20CERTIFICATE-----"), "{told}");
}

#[tokio::test]
async fn a_header_name_with_underscores_is_refused() {
    refuses_underscores(&Setup::new().start().await).await;
}

/// Asserts that a header cannot have a second spelling.
pub async fn refuses_underscores(stage: &Stage) {
    for name in ["x_hub_token_id", "x-hub_auth-method", "X_Forwarded_Client_Cert", "o3_provider_id"] {
        let request = Request::with_token(&signed_by(&stage.pki.hub)).header(name, "1");
        assert_eq!(stage.send_as_hub(&request).await.reply().status, 400, "{name}");
    }
    assert_eq!(stage.bank.received(), []);
}

#[tokio::test]
async fn headers_beyond_the_bounds_are_refused() {
    refuses_headers_beyond_the_bounds(&Setup::new().start().await).await;
}

/// Asserts that headers are bounded.
pub async fn refuses_headers_beyond_the_bounds(stage: &Stage) {
    let right = || Request::with_token(&signed_by(&stage.pki.hub));
    let many = (0..200).fold(right(), |request, index| request.header(&format!("x-{index}"), "1"));
    let large = right().header("x-large", "x".repeat(64 * 1024));
    for (what, request) in [("200 headers", many), ("64 KiB", large)] {
        assert_eq!(stage.send_as_hub(&request).await.reply().status, 431, "{what}");
    }
    assert_eq!(stage.bank.received(), []);
}

#[tokio::test]
async fn a_path_has_one_spelling_for_everybody_behind_envoy() {
    has_one_spelling_of_a_path(&Setup::new().start().await).await;
}

/// Asserts that a path has one spelling behind a stage on which nothing was sent yet.
pub async fn has_one_spelling_of_a_path(stage: &Stage) {
    let get =
        |path: &str| Request::new("GET", path).header("authorization", format!("Bearer {}", signed_by(&stage.pki.hub)));
    assert_eq!(stage.send_as_hub(&get("//accounts/./x/../1")).await.reply().status, 200);
    assert_eq!(stage.bank.take()[0].path, "/accounts/1");
    for path in ["/hello%2F..%2Fpayments", "/a%5Cb"] {
        assert_eq!(stage.send_as_hub(&get(path)).await.reply().status, 400, "{path}");
    }
    assert_eq!(stage.bank.received(), []);
}

#[tokio::test]
async fn the_access_log_names_every_caller_and_no_credential() {
    let mut stage = Setup::new().start().await;
    let token = signed_by(&stage.pki.hub);
    let request = Request::with_token(&token).header("x-fapi-interaction-id", "f-1");
    assert_eq!(stage.send_as_hub(&request).await.reply().status, 200);
    let tpp = Request::with_token(&signed_by(&stage.pki.tpp));
    assert_eq!(stage.send(Some(&stage.pki.tpp.transport), &tpp).await.reply().status, 403);
    let _refused = stage.send(Some(&stage.pki.stranger), &request).await;
    stage.envoy.stop();

    let log = stage.envoy.access_log();
    let lines: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(lines.len(), 3, "{log}");
    let told =
        |status: u64, part: &str| lines.iter().any(|line| line["status"] == status && line.to_string().contains(part));
    assert!(told(200, &stage.pki.hub.subject.common_name) && told(200, "f-1"), "{log}");
    assert!(told(403, &stage.pki.tpp.subject.common_name) && told(403, "Certificate.NotAllowed"), "{log}");
    assert!(log.contains("CERTIFICATE_VERIFY_FAILED"), "{log}");
    assert!(!log.contains(&token), "a credential is in the access log");
}

#[tokio::test]
async fn with_accept_untrusted_a_self_made_hub_certificate_still_does_not_reach_the_bank() {
    let stage = Setup::new().edit(VERIFIED, "trust_chain_verification: ACCEPT_UNTRUSTED").start().await;
    let request = Request::with_token(&signed_by(&stage.pki.hub));
    for (what, identity) in [("another CA", &stage.pki.stranger), ("self-signed", &stage.pki.self_signed)] {
        assert_eq!(stage.send(Some(identity), &request).await.reply().status, 403, "{what}");
    }
    assert_eq!(denied_by_the_last_line(&stage).await, 2);
    assert_eq!(stage.bank.received(), []);
    assert_eq!(stage.send_as_hub(&request).await.reply().status, 200);
}

#[tokio::test]
async fn a_filter_that_envoy_never_calls_lets_nothing_through() {
    let disabled = r#"{"@type": type.googleapis.com/envoy.config.route.v3.FilterConfig, config: {}, disabled: true}"#;
    let route = "                          route: {cluster: bank, timeout: 15s}\n";
    let on_the_route =
        format!("{route}                          typed_per_filter_config: {{hub_auth_filter: {disabled}}}\n");
    let filter = "                  - name: hub_auth_filter\n";
    for (what, from, to) in [
        ("no entry point", "                              proxy_on_request_headers: {}\n", ""),
        ("disabled on the route", route, &*on_the_route),
        ("disabled in the chain", filter, &format!("{filter}                    disabled: true\n")),
    ] {
        let stage = Setup::new().edit(from, to).start().await;
        let right = || Request::with_token(&signed_by(&stage.pki.hub));
        let pretended = right().header("X-Hub-Auth-Method", "jwt_auth");
        let twice = right().header("x-hub-auth-method", "jwt_auth").header("x-hub-auth-method", "mtls_only");
        for request in [right(), pretended, twice] {
            assert_eq!(stage.send_as_hub(&request).await.reply().status, 403, "{what}");
        }
        assert_eq!(denied_by_the_last_line(&stage).await, 3, "{what}");
        assert_eq!(stage.bank.received(), [], "{what}");
    }
}

#[tokio::test]
async fn a_method_that_the_caller_claims_is_removed_before_the_filter_sets_its_own() {
    removes_a_claimed_method(&Setup::new().start().await).await;
}

/// Asserts that the bank sees the method of authentication that the filter says.
pub async fn removes_a_claimed_method(stage: &Stage) {
    let request = Request::with_token(&signed_by(&stage.pki.hub)).header("x-hub-auth-method", "mtls_only");
    assert_eq!(stage.send_as_hub(&request).await.reply().status, 200);
    assert_eq!(stage.bank.take()[0].value("x-hub-auth-method"), Some("jwt_auth"));
}
