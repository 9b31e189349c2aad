//! Tokens on responses: the bank's on those to the Hub, and the Hub's on those to the bank.

use serde_json::{Value, json};
use wasm_tests::host::{Answer, Exchange, Fault, Gateway, Level, Module, Outcome, Request, Upstream};
use wasm_tests::stage::pki::{BANK_ORGANISATION, BANK_UNIT, Pki};
use wasm_tests::stage::tokens::{Signer, SigningKey, Token};

use super::host::{every_engine_that_replaces_responses, every_gateway_that_replaces_responses};
use super::outbound::{AUDIENCE, bank, claims_by, outbound};
use super::scene::*;

/// An inbound direction that signs its responses.
fn signing_responses(host: Host) -> Gateway {
    let mut configuration = jwt_auth();
    configuration["inbound"]["response_token"] = json!({
        "audience": AUDIENCE,
        "certificate": { "organisation": BANK_ORGANISATION, "organisational_unit": BANK_UNIT },
        "keys": [{ "kid": bank().signing.kid, "private_key": { "env": "SIG4_PRIVATE_KEY" } }],
    });
    host.with(&configuration)
        .environment("SIG4_PRIVATE_KEY", bank().signing.pkcs8_pem())
        .start(Module::release())
        .expect("the gateway starts")
}

/// An outbound direction that verifies responses in this mode, and a keystore with the Hub's keys.
fn verifying(host: Host, mode: &str) -> Gateway {
    let mut configuration = outbound();
    configuration["outbound"]["verify_responses"] = json!({
        "mode": mode,
        "hub": {
            "organisation": hub().subject.organisation,
            "organisational_unit": hub().subject.organisational_unit,
            "common_name": hub().subject.common_name,
        },
        "provider_ids": [PROVIDER],
        "jwks": { "environment": "sandbox" },
        "upstream": KEYSTORE,
    });
    host.with(&configuration)
        .environment("SIG4_PRIVATE_KEY", bank().signing.pkcs8_pem())
        .start(Module::release())
        .expect("the gateway starts")
}

/// A response that is not the Hub's; the key is a TPP's.
type WrongAnswer = fn(&Gateway, &SigningKey) -> Answer;

fn call() -> Request {
    Request::post("/consents").header("x-fapi-interaction-id", "f-1").body("{}")
}

/// The Hub's answer with this token.
fn with_token(token: &str) -> Answer {
    Answer::ok("secret of the hub").header("authorization", format!("Bearer {token}"))
}

fn right_answer(gateway: &Gateway) -> Answer {
    with_token(&token(gateway).sign(Signer::Ps256(&hub().signing)))
}

/// What the caller got: a status and a body.
fn got(exchange: &Exchange) -> (String, Vec<u8>) {
    let response = exchange.response().expect("a response");
    (response.headers.text(":status").expect("a status").into_owned(), response.body)
}

#[apply(every_engine_that_replaces_responses)]
fn the_response_to_an_accepted_request_carries_a_token_of_the_bank(host: Host) {
    let gateway = signing_responses(host);
    gateway.bank(Answer::ok("accounts").header("authorization", "Bearer of-the-backend"));
    for _ in 0..2 {
        let exchange = send(&gateway, right(&gateway).header("x-fapi-interaction-id", "f-1"));
        assert_eq!(outcome(&exchange), "admitted");
        let response = exchange.response().expect("a response");
        let claims = claims_by(&bank().signing, &response.headers);
        assert_eq!((&claims["iss"], &claims["sub"]), (&json!(BANK_ORGANISATION), &json!(BANK_UNIT)));
        assert_eq!(claims["exp"], gateway.now().as_secs() + 30);
        assert_eq!(response.body, b"accounts");
    }
    let signed = |text: &str| serde_json::from_str::<Value>(text).is_ok_and(|line| line["event"] == "signed");
    assert_eq!(gateway.logs().iter().filter(|log| signed(&log.text)).count(), 2);
    host.assert_counted(&gateway, "signatures_total.direction.inbound", 2);
}

/// However many there were, the Hub gets one token, and it is the bank's.
#[apply(every_gateway_that_replaces_responses)]
fn tokens_of_the_backend_never_leave_beside_the_banks(host: Host) {
    let gateway = signing_responses(host);
    let several = ["one", "two", "three"]
        .iter()
        .fold(Answer::ok("accounts"), |answer, token| answer.header("authorization", format!("Bearer {token}")));
    gateway.bank(several);
    let response = send(&gateway, right(&gateway)).response().expect("a response");
    assert_eq!((response.status(), response.headers.all("authorization").len()), (200, 1));
    claims_by(&bank().signing, &response.headers);
}

/// The gateway tells the id of a request no more once there is a response.
#[apply(every_gateway_that_replaces_responses)]
fn what_is_logged_of_a_response_names_its_request(host: Host) {
    let gateway = signing_responses(host);
    let events = |name: &str| {
        let lines = gateway.logs().into_iter().filter_map(|log| serde_json::from_str::<Value>(&log.text).ok());
        lines.filter(|line| line["event"] == name).collect::<Vec<_>>()
    };
    send(&gateway, right(&gateway));
    // Where the credential of the request is overwritten, that comes first.
    let nth = if host.instead_of_a_credential.is_some() { 2 } else { 1 };
    let fault = Fault::host_call("proxy_replace_header_map_value").returns(10_u32).only_for("authorization");
    gateway.fault(fault.only_nth(nth));
    send(&gateway, right(&gateway));
    let (signed, refused) = (events("signed"), events("refused"));
    assert_eq!((signed.len(), refused.len()), (2, 1));
    let ids: Vec<_> = signed.iter().chain(&refused).map(|line| line["request_id"].as_str()).collect();
    assert!(ids.iter().all(Option::is_some), "{signed:?} {refused:?}");
    assert_eq!(ids[1], ids[2], "the one that was not sent");
    assert_ne!(ids[0], ids[1]);
}

/// One that is longer than a gateway reads at once, and one that it reads as something else than JSON.
#[apply(every_gateway_that_replaces_responses)]
fn of_a_response_that_is_replaced_nothing_is_left(host: Host) {
    for length in [0, 1, 17, 102, 103, 104, 4096, 4097, 100_000] {
        let gateway = verifying(host, "require");
        let secret = Answer::ok("s".repeat(length)).header("content-encoding", "gzip").header("set-cookie", "secret=1");
        gateway.bank(secret.header("x-secret", "1").header("x-secret", "2").header("cache-control", "max-age=60"));
        let exchange = send(&gateway, call());
        let response = exchange.response().expect("a response");
        let body: Value = serde_json::from_slice(&response.body).expect("JSON");
        assert_eq!((response.status(), &body["errorCode"]), (502, &json!("Response.NotVerified")), "{length}");
        for name in ["content-encoding", "set-cookie", "x-secret"] {
            assert!(!response.headers.has(name), "{length}: {name}");
        }
        for (name, value) in [("content-type", "application/json"), ("cache-control", "no-store")] {
            assert_eq!(response.headers.all(name), [value.as_bytes()], "{length}: {name}");
        }
    }
}

#[apply(every_gateway_that_replaces_responses)]
fn nothing_is_signed_for_whoever_is_refused(host: Host) {
    let gateway = signing_responses(host);
    let exchange = send(&gateway, request());
    assert_eq!(outcome(&exchange), "Credential.Missing");
    assert!(!exchange.response().expect("a response").headers.has("authorization"));
    host.assert_counted(&gateway, "signatures_total.direction.inbound", 0);
}

#[apply(every_gateway_that_replaces_responses)]
fn a_response_that_can_not_be_signed_is_replaced(host: Host) {
    let gateway = signing_responses(host);
    gateway.bank(Answer::ok("accounts"));
    assert_eq!(outcome(&send(&gateway, right(&gateway))), "admitted");
    // The four identity headers of the request come first.
    gateway.fault(Fault::host_call("proxy_replace_header_map_value").returns(10_u32).only_for("authorization"));
    let (status, body) = got(&send(&gateway, right(&gateway)));
    assert_eq!(status, "500");
    assert!(!String::from_utf8_lossy(&body).contains("accounts"));
}

#[apply(every_gateway)]
fn without_the_setting_responses_are_left_alone(host: Host) {
    let gateway = host.start();
    gateway.bank(Answer::ok("accounts").header("authorization", "Bearer of-the-backend"));
    let exchange = send(&gateway, right(&gateway));
    let response = exchange.response().expect("a response");
    assert_eq!(response.headers.text("authorization").as_deref(), Some("Bearer of-the-backend"));
}

#[apply(every_engine_that_replaces_responses)]
fn a_response_of_the_hub_passes(host: Host) {
    for mode in ["require", "report"] {
        let gateway = verifying(host, mode);
        gateway.bank(right_answer(&gateway));
        for _ in 0..2 {
            assert_eq!(got(&send(&gateway, call())), ("200".into(), b"secret of the hub".to_vec()), "{mode}");
        }
        assert_eq!(gateway.callouts().len(), 1, "the keys are fetched once");
        host.assert_counted(
            &gateway,
            "responses_total.direction.outbound.outcome.tolerated.code.Response.NotVerified",
            0,
        );
    }
}

#[apply(every_engine_that_replaces_responses)]
fn a_response_that_is_not_the_hubs_is_replaced_where_that_is_required_and_reported_where_not(host: Host) {
    let tpp = &Pki::shared().tpp.signing;
    let answers: [(&str, WrongAnswer); 7] = [
        ("no token", |_, _| Answer::ok("secret of the hub")),
        ("garbage", |_, _| with_token("a.b.c")),
        ("another key", |gateway, tpp| with_token(&token(gateway).sign(Signer::Ps256(tpp)))),
        ("unsigned", |gateway, _| with_token(&token(gateway).sign(Signer::Unsigned))),
        ("another audience", |gateway, _| {
            with_token(&token(gateway).claim("aud", AUDIENCE).sign(Signer::Ps256(&hub().signing)))
        }),
        ("expired", |gateway, _| {
            with_token(&token(gateway).claim("exp", gateway.now().as_secs() - 11).sign(Signer::Ps256(&hub().signing)))
        }),
        ("another subject", |gateway, tpp| {
            let other = &Pki::shared().tpp;
            let token = Token::new(&other.subject, &tpp.kid, PROVIDER, gateway.now().as_secs());
            with_token(&token.sign(Signer::Ps256(tpp)))
        }),
    ];
    for (name, answer) in answers {
        let gateway = verifying(host, "require");
        gateway.bank(answer(&gateway, tpp));
        let exchange = send(&gateway, call());
        let (status, body) = got(&exchange);
        let body: Value = serde_json::from_slice(&body).expect("JSON, and nothing of the Hub's");
        assert_eq!((status.as_str(), &body["errorCode"]), ("502", &json!("Response.NotVerified")), "{name}");
        let headers = exchange.response().expect("a response").headers;
        let id = headers.text("x-fapi-interaction-id");
        assert_eq!(id.as_deref(), Some("f-1"), "{name}");
        host.assert_counted(
            &gateway,
            "responses_total.direction.outbound.outcome.refused.code.Response.NotVerified",
            1,
        );

        let gateway = verifying(host, "report");
        gateway.bank(answer(&gateway, tpp));
        assert_eq!(got(&send(&gateway, call())), ("200".into(), b"secret of the hub".to_vec()), "{name}");
        host.assert_counted(
            &gateway,
            "responses_total.direction.outbound.outcome.tolerated.code.Response.NotVerified",
            1,
        );
        let told = |text: &str| text.contains(r#""event":"tolerated""#) && text.contains("Response.NotVerified");
        assert_eq!(
            gateway.logs().iter().filter(|log| log.level == Level::Warn && told(&log.text)).count(),
            1,
            "{name}"
        );
    }
}

/// Some gateways cannot show all headers of a response at once.
#[apply(every_gateway)]
fn a_token_is_found_among_many_headers_and_two_are_none(host: Host) {
    for (before, after) in [(0, 0), (0, 17), (18, 0), (0, 40), (40, 0), (30, 30)] {
        let gateway = verifying(host, "report");
        let some = |answer: Answer, name: &str, count| {
            (0..count).fold(answer, |answer, n| answer.header(format!("{name}-{n}"), "1"))
        };
        let token = format!("Bearer {}", token(&gateway).sign(Signer::Ps256(&hub().signing)));
        let answer = some(some(Answer::ok("secret"), "a", before).header("authorization", &token), "b", after);
        gateway.bank(answer.clone());
        assert_eq!(got(&send(&gateway, call())).0, "200");
        let tolerated = || gateway.logs().iter().filter(|log| log.text.contains(r#""event":"tolerated""#)).count();
        assert_eq!(tolerated(), 0, "{before} and {after}");
        gateway.bank(answer.header("authorization", &token));
        send(&gateway, call());
        assert_eq!(tolerated(), 1, "two tokens among {before} and {after}");
    }
}

#[test]
fn a_new_key_of_the_hub_is_fetched_while_the_response_is_held() {
    let host = Host::ENVOY;
    let gateway = verifying(host, "require");
    gateway.bank(right_answer(&gateway));
    send(&gateway, call());
    let next = &Pki::shared().next_signing;
    gateway.upstream(KEYSTORE, keystore([next]));
    gateway.bank(with_token(&token(&gateway).header("kid", next.kid.as_str()).sign(Signer::Ps256(next))));
    let exchange = send(&gateway, call());
    assert_eq!(got(&exchange), ("200".into(), b"secret of the hub".to_vec()));
    assert_eq!(gateway.callouts().len(), 2);
}

#[apply(every_gateway_that_replaces_responses)]
fn without_keys_nothing_is_asked_of_the_hub_where_verification_is_required(host: Host) {
    let gateway = verifying(host, "require");
    gateway.upstream(KEYSTORE, Upstream::down());
    gateway.bank(right_answer(&gateway));
    let exchange = send(&gateway, call());
    assert!(exchange.upstream().is_none());
    let reply = exchange.reply().expect("a refusal");
    assert_eq!(reply.status, 503);
    assert!(reply.headers.has("retry-after"));
    let gateway = verifying(host, "report");
    gateway.upstream(KEYSTORE, Upstream::down());
    gateway.bank(right_answer(&gateway));
    let exchange = send(&gateway, call());
    assert!(exchange.upstream().is_some());
    assert_eq!(got(&exchange).0, "200");
    host.assert_counted(&gateway, "responses_total.direction.outbound.outcome.tolerated.code.Response.NotVerified", 1);
}

#[apply(every_gateway_that_replaces_responses)]
fn a_keystore_that_takes_its_time_delays_the_request_and_no_more(host: Host) {
    let gateway = verifying(host, "require");
    let slow = Answer::ok(wasm_tests::stage::tokens::jwks([&hub().signing]).to_string()).after(seconds(3));
    gateway.upstream(KEYSTORE, Upstream::new().route(jwks_path(&hub().subject), slow));
    gateway.bank(right_answer(&gateway));
    let exchange = gateway.worker(0).send(call());
    assert_eq!(exchange.outcome(), Outcome::Pending);
    gateway.advance(seconds(4));
    assert_eq!(got(&exchange).0, "200");
    let claims = claims_by(&bank().signing, &exchange.upstream().expect("sent"));
    assert_eq!(
        claims["iat"].as_u64().unwrap(),
        gateway.now().as_secs() - 1,
        "the token is no older than the request on its way"
    );
}

/// Every status for every import, and no response that is not the Hub's reaches the caller, nor a request without a token
/// the Hub.
#[apply(every_gateway_that_replaces_responses)]
fn whatever_a_host_does_nothing_passes_by_accident(host: Host) {
    let imports = Module::release().imports();
    for import in imports.iter().map(|import| import.rsplit(['.', ' ', ':']).next().unwrap_or_default()) {
        // Where a process ends there is nothing to go on with, and a response goes on that can be neither held nor replaced.
        if import == "proc_exit" || (import == "proxy_send_local_response" && !host.holds_responses) {
            continue;
        }
        for status in [1_u32, 2, 10, 12, 99] {
            let gateway = verifying(host, "require");
            gateway.bank(Answer::ok("secret of the hub"));
            gateway.fault(Fault::host_call(import).returns(status));
            for _ in 0..2 {
                let exchange = send(&gateway, call().header("authorization", "Bearer of-the-caller"));
                if let Some(headers) = exchange.upstream() {
                    claims_by(&bank().signing, &headers);
                }
                let body = exchange.response().map(|response| response.body).unwrap_or_default();
                assert!(!String::from_utf8_lossy(&body).contains("secret of the hub"), "{import} = {status}");
                gateway.advance(seconds(20));
            }
            gateway.heal();
        }
    }
}
