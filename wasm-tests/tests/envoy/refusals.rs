//! Requests that never reach the bank, each with its status and `errorCode` (spec §3).

use std::collections::BTreeMap;

use serde_json::{Value, json};
use wasm_tests::stage::client::{Reply, Request};
use wasm_tests::stage::pki::{Identity, Pki};
use wasm_tests::stage::tokens::{Signer, Token, compact, now, with_broken_signature, with_swapped_claims};
use wasm_tests::stage::{PROVIDER_ID, Setup, Stage, signed_by, token_of};

/// What is wrong, the request, and the answer that it deserves.
type Case = (&'static str, Request, u16, &'static str);

/// Requests that are right but for their token.
fn token_cases(pki: &Pki) -> Vec<Case> {
    let hub = &pki.hub;
    let right = || token_of(hub);
    let now = now();
    let ps256 = Signer::Ps256(&hub.signing);
    let header = |name: &str, value: Value| right().header(name, value).sign(ps256);
    let claim = |name: &str, value: Value| right().claim(name, value).sign(ps256);
    let right_claims = right().claims.to_string();
    let long = "x".repeat(9000);

    let (malformed, bad_header, bad_claim) = ("JWS.Malformed", "JWS.InvalidHeader", "JWS.InvalidClaim");
    let bad_signature = "JWS.InvalidSignature";
    let tokens: Vec<(&'static str, String, &'static str)> = vec![
        ("not a JWS", "opaque".to_owned(), malformed),
        ("two parts", "a.b".to_owned(), malformed),
        ("five parts (a JWE)", "a.b.c.d.e".to_owned(), malformed),
        ("padded base64", format!("{}=", right().sign(ps256)), malformed),
        ("claims that are no JSON", compact(&right().header.to_string(), "{", ps256), malformed),
        ("longer than 8 KiB", claim("padding", json!(long)), malformed),
        ("alg none", right().header("alg", "none").sign(Signer::Unsigned), bad_header),
        (
            "alg HS256 over the public key",
            { right().header("alg", "HS256").sign(Signer::Hs256(hub.signing.public_der())) },
            bad_header,
        ),
        ("alg RS256", right().header("alg", "RS256").sign(Signer::Rs256(&hub.signing)), bad_header),
        ("alg missing", header("alg", Value::Null), bad_header),
        ("typ JWT", header("typ", json!("JWT")), bad_header),
        ("typ missing", header("typ", Value::Null), bad_header),
        ("cty missing", header("cty", Value::Null), bad_header),
        ("kid missing", header("kid", Value::Null), bad_header),
        ("crit", right().header("crit", json!(["b64"])).header("b64", false).sign(ps256), bad_header),
        ("one bit of the signature changed", with_broken_signature(&right().sign(ps256)), bad_signature),
        (
            "claims of another token",
            { with_swapped_claims(&right().sign(ps256), &right().claim("aud", "retail").claims) },
            bad_signature,
        ),
        ("no signature", right().sign(Signer::Unsigned), bad_signature),
        ("a PKCS#1 signature under alg PS256", right().sign(Signer::Rs256(&hub.signing)), bad_signature),
        ("the TPP's key under the Hub's kid", right().sign(Signer::Ps256(&pki.tpp.signing)), bad_signature),
        ("iss of another", claim("iss", json!("Ozone Financial Technology")), bad_claim),
        ("iss missing", claim("iss", Value::Null), bad_claim),
        ("sub of another", claim("sub", json!(pki.tpp.subject.organisational_unit)), bad_claim),
        ("aud of another", claim("aud", json!("corporate")), bad_claim),
        ("aud missing", claim("aud", Value::Null), bad_claim),
        ("jti missing", claim("jti", Value::Null), bad_claim),
        ("exp as text", claim("exp", json!((now + 30).to_string())), bad_claim),
        ("expired", right().valid(now - 60, now - 30).sign(ps256), bad_claim),
        ("issued in the future", right().valid(now + 60, now + 90).sign(ps256), bad_claim),
        ("not yet valid", claim("nbf", json!(now + 60)), bad_claim),
        ("valid for an hour", right().valid(now, now + 3600).sign(ps256), bad_claim),
        (
            "a member twice",
            { compact(&right().header.to_string(), &right_claims.replacen('{', r#"{"aud":"corporate","#, 1), ps256) },
            malformed,
        ),
        // Last, because it uses up the one extra fetch.
        ("an unknown kid", header("kid", json!("unheard-of")), bad_header),
    ];
    tokens.into_iter().map(|(what, token, code)| (what, Request::with_token(&token), 401, code)).collect()
}

/// Requests whose `Authorization` or other headers are wrong.
fn header_cases(pki: &Pki) -> Vec<Case> {
    let token = signed_by(&pki.hub);
    let get = || Request::new("GET", "/accounts");
    let right = || Request::with_token(&signed_by(&pki.hub));
    vec![
        ("no Authorization", get(), 401, "Credential.Missing"),
        ("Basic", get().header("authorization", "Basic dTpw"), 401, "Credential.Malformed"),
        ("no scheme", get().header("authorization", &token), 401, "Credential.Malformed"),
        ("an empty value", get().header("authorization", ""), 401, "Credential.Malformed"),
        ("bytes that are no text", get().header("authorization", b"Bearer \xff\xfe"), 401, "Credential.Malformed"),
        ("two values", right().header("authorization", format!("Bearer {token}")), 401, "Credential.Malformed"),
        ("a second, worthless value", right().header("authorization", "x"), 401, "Credential.Malformed"),
        ("x-hub-auth-method", right().header("x.hub.auth.method", "jwt_auth"), 403, "Header.NotAllowed"),
        ("x-hub-token-id", right().header("X-Hub-Token-Id", "1"), 403, "Header.NotAllowed"),
        ("x-hub-client-organisation", right().header("x-hub-client-organisation", ""), 403, "Header.NotAllowed"),
        (
            "x-hub-client-organisational-unit",
            right().header("x-hub-client-organisational-unit", b"\xff"),
            403,
            "Header.NotAllowed",
        ),
    ]
}

fn is_as_the_standard_says(what: &str, reply: &Reply, status: u16, code: &str) {
    assert_eq!((reply.status, reply.error_code().as_deref()), (status, Some(code)), "{what}: {}", reply.json());
    assert_eq!(reply.header("content-type"), Some("application/json"), "{what}");
    assert_eq!(reply.header("x-fapi-interaction-id"), Some("f-9"), "{what}");
    let challenge = reply.header("www-authenticate");
    assert_eq!(challenge.is_some_and(|value| value.starts_with("Bearer")), status == 401, "{what}: {challenge:?}");
    let body = reply.json();
    let members: Vec<&String> = body.as_object().expect("an object").keys().collect();
    assert_eq!(members, ["errorCode", "errorMessage"], "{what}");
}

#[tokio::test]
async fn every_wrong_request_is_refused_with_its_code_and_none_reaches_the_bank() {
    refuses_every_wrong_request(&Setup::new().start().await).await;
}

/// Asserts that a stage on which nothing was sent yet refuses each wrong request.
pub async fn refuses_every_wrong_request(stage: &Stage) {
    let mut expected_counts = BTreeMap::new();
    for (what, request, status, code) in header_cases(stage.pki).into_iter().chain(token_cases(stage.pki)) {
        let reply = stage.send_as_hub(&request.header("x-fapi-interaction-id", "f-9")).await.reply();
        is_as_the_standard_says(what, &reply, status, code);
        *expected_counts.entry(code).or_insert(0) += 1;
    }
    assert_eq!(stage.bank.received(), []);

    let counters = stage.envoy.stats("refused").await;
    for (code, count) in expected_counts {
        let name = format!("wasmcustom.hub_auth_filter.requests_total.direction.inbound.outcome.refused.code.{code}");
        assert_eq!(counters.get(&name), Some(&count), "{code}");
    }
}

#[tokio::test]
async fn participants_of_the_trust_framework_that_are_not_the_hub_are_refused_whatever_their_token() {
    refuses_other_participants(&Setup::new().start().await).await;
}

/// Asserts that a stage on which nothing was sent yet refuses whoever is not the Hub.
pub async fn refuses_other_participants(stage: &Stage) {
    let pki = stage.pki;
    let (tpp, other_bank) = (&pki.tpp, &pki.other_bank);
    let cases: [(&str, &Identity, String); 3] = [
        ("a TPP with its own right token", &tpp.transport, signed_by(tpp)),
        ("another bank with its own right token", &other_bank.transport, signed_by(other_bank)),
        ("a TPP with a stolen token of the Hub", &tpp.transport, signed_by(&pki.hub)),
    ];
    for (what, identity, token) in cases {
        let request = Request::with_token(&token).header("x-fapi-interaction-id", "f-9");
        let reply = stage.send(Some(identity), &request).await.reply();
        is_as_the_standard_says(what, &reply, 403, "Certificate.NotAllowed");
    }
    assert_eq!(stage.bank.received(), []);
    assert_eq!(stage.keystore.fetches(), [], "no key is fetched for a caller that is not pinned");
}

#[tokio::test]
async fn a_subject_that_no_key_set_can_be_published_under_is_malformed() {
    let stage = Setup::new().start().await;
    let mut subject = stage.pki.hub.subject.clone();
    subject.common_name = "..".to_owned();
    let identity = stage.pki.client(&subject);
    let request = Request::with_token(&signed_by(&stage.pki.hub)).header("x-fapi-interaction-id", "f-9");
    let reply = stage.send(Some(&identity), &request).await.reply();
    is_as_the_standard_says("CN=..", &reply, 401, "Certificate.Malformed");
    assert_eq!((stage.bank.received(), stage.keystore.fetches()), (vec![], vec![]));
}

#[tokio::test]
async fn a_refusal_is_one_log_line_with_its_facts_and_without_the_token() {
    let stage = Setup::new().start().await;
    let hub = &stage.pki.hub;
    let now = now();
    let token = Token::new(&hub.subject, &hub.signing.kid, PROVIDER_ID, now).valid(now - 60, now - 30);
    let token = token.sign(Signer::Ps256(&hub.signing));
    let request = Request::with_token(&token)
        .header("x-fapi-interaction-id", "f-1")
        .header("o3-caller-interaction-id", "c-2")
        .header("o3-ozone-interaction-id", b"o-3\"\xff\xc2\x9b31m");
    assert_eq!(stage.send_as_hub(&request).await.reply().status, 401);

    let log = stage.envoy.log();
    let lines: Vec<Value> = log
        .lines()
        .filter(|line| line.contains("JWS.InvalidClaim"))
        .map(|line| serde_json::from_str(&line[line.find('{').expect("JSON")..]).expect("JSON"))
        .collect();
    assert_eq!(lines.len(), 1, "{log}");
    let text = lines[0].to_string();
    for fact in ["f-1", "c-2", "o-3", &hub.subject.organisational_unit, &hub.signing.kid, "request_id"] {
        assert!(text.contains(fact), "{fact} is missing: {text}");
    }
    assert!(
        !log.contains('\u{9b}') && !log.contains('\u{fffd}'),
        "control characters and broken UTF-8 stay out: {text}"
    );
    let signature = token.rsplit('.').next().expect("a signature");
    assert!(!log.contains(signature), "the token is in the log");
}
