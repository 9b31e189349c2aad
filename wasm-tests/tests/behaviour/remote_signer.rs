//! Requests to the Hub, signed by a Transit engine that is down, slow, wrong or right: nothing leaves unsigned, each failure
//! is told apart, and the engine's token stays where it belongs. What a real engine answers is tested in `tests/envoy/`.

use std::cell::Cell;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hub_auth_filter::facade::callout::USER_AGENT;
use hub_auth_filter::facade::signing::MAX_PENDING;
use serde_json::{Value, json};
use wasm_tests::host::{Answer, CalloutOutcome, Exchange, Fault, Gateway, Level, Module, Outcome, Upstream};
use wasm_tests::stage::pki::Pki;
use wasm_tests::stage::tokens::{Signer, SigningKey, sign_input};

use super::outbound::{bank, call, claims_by, outbound, sent, trail};
use super::scene::{Host, apply, error, every_engine, every_gateway, outcome, seconds, send};

/// The upstream where the engine is.
pub(super) const ENGINE: &str = "bao.test:8200";

pub(super) const SECRET: &str = "s.the-token-of-the-gateway";

/// A plugin configuration that has the engine sign: two seconds a try, five in all.
fn remote() -> Value {
    with(json!({}))
}

/// The same with these settings of the remote signer, too.
pub(super) fn with(settings: Value) -> Value {
    let mut all = json!({
        "address": "https://bao.test:8200",
        "upstream": ENGINE,
        "mount": "transit/bank",
        "key": "sig4",
        "kid": bank().signing.kid,
        "token": { "env": "BAO_TOKEN" },
        "public_key": bank().signing.public_pem(),
    });
    for (name, value) in settings.as_object().unwrap() {
        all[name] = value.clone();
    }
    let mut configuration = outbound();
    let plugin = configuration["outbound"].as_object_mut().unwrap();
    plugin.remove("keys");
    plugin.insert("remote_signer".to_owned(), json!({ "vault_transit": all }));
    configuration
}

/// Sig4's public half, for the settings.
fn public_key(key: &SigningKey) -> Value {
    json!({ "public_key": key.public_pem() })
}

pub(super) fn start(host: Host, configuration: &Value, engine: Upstream) -> Gateway {
    host.with(configuration)
        .environment("BAO_TOKEN", SECRET)
        .log_level(Level::Trace)
        .upstream(ENGINE, engine)
        .start(Module::release())
        .expect("the gateway starts")
}

/// A gateway of which a worker may die, where that is what becomes of a request that is neither let go nor answered.
fn start_hostile(host: Host) -> Gateway {
    let gateway =
        host.with(&remote()).environment("BAO_TOKEN", SECRET).log_level(Level::Trace).upstream(ENGINE, engine());
    host.expecting_what_holding_in_vain_does(gateway).start(Module::release()).expect("the gateway starts")
}

/// What the engine answers to the request with this body.
fn signature(body: &[u8]) -> String {
    signature_by(1, Signer::Ps256(&bank().signing), body)
}

/// The same where this version of the key signs, and so.
pub(super) fn signature_by(version: u32, signer: Signer<'_>, body: &[u8]) -> String {
    let asked: Value = serde_json::from_slice(body).expect("JSON");
    let input = STANDARD.decode(asked["input"].as_str().expect("an input")).expect("base64");
    let token = sign_input(&String::from_utf8(input).expect("text"), signer);
    let (_, signature) = token.rsplit_once('.').expect("a compact JWS");
    json!({ "data": { "key_version": version, "signature": format!("vault:v{version}:{signature}") } }).to_string()
}

pub(super) fn right(body: &[u8]) -> Answer {
    Answer::ok(signature(body))
}

/// An engine that signs.
fn engine() -> Upstream {
    Upstream::scripted(|_, body| right(body))
}

/// An engine that answers so to one call after the other, and then signs.
fn after(answers: impl Into<Vec<Answer>>) -> Upstream {
    let (answers, calls) = (answers.into(), Cell::new(0));
    Upstream::scripted(move |_, body| {
        let call = calls.replace(calls.get() + 1);
        answers.get(call).cloned().unwrap_or_else(|| right(body))
    })
}

pub(super) fn claims(exchange: &Exchange) -> Value {
    claims_by(&bank().signing, &sent(exchange))
}

/// That no line of the log, at whatever level, has the engine's token, a part of ours, or what the engine sent.
pub(super) fn assert_nothing_secret_is_logged(gateway: &Gateway) {
    for log in gateway.logs() {
        let secret = [SECRET, "eyJ", "AAAA", "<html>"].into_iter().find(|secret| log.text.contains(secret));
        assert_eq!(secret, None, "{log}");
    }
}

#[apply(every_engine)]
fn a_request_waits_for_its_signature_and_leaves_with_it(host: Host) {
    let gateway = start(host, &remote(), Upstream::scripted(|_, body| right(body).after(seconds(1))));
    let exchange = gateway.worker(0).send(call().header("authorization", "Bearer of-the-caller"));
    assert_eq!(outcome(&exchange), "pending");
    gateway.advance(seconds(1));
    let now = gateway.now().as_secs();
    assert_eq!(claims(&exchange)["iat"], now - 1);
    assert_eq!(exchange.upstream_body(), b"{}");
}

#[apply(every_gateway)]
fn the_engine_is_asked_as_the_configuration_says(host: Host) {
    let configuration = with(json!({ "namespace": "bank/sandbox", "key_version": 1, "timeout": "1500ms" }));
    let gateway = start(host, &configuration, engine());
    claims(&send(&gateway, call()));
    let callouts = gateway.callouts();
    let [callout] = callouts.as_slice() else { panic!("{callouts:?}") };
    assert_eq!(callout.upstream, ENGINE);
    assert_eq!(callout.timeout, Some(std::time::Duration::from_millis(1500)));
    for (name, value) in [
        (":method", "POST"),
        (":scheme", "https"),
        (":authority", "bao.test:8200"),
        (":path", "/v1/transit/bank/sign/sig4/sha2-256"),
        ("user-agent", USER_AGENT),
        ("content-type", "application/json"),
        ("x-vault-token", SECRET),
        ("x-vault-request", "true"),
        ("x-vault-namespace", "bank/sandbox"),
    ] {
        assert_eq!(callout.headers.text(name).as_deref(), Some(value), "{name}");
    }
    let body: Value = serde_json::from_slice(&callout.body).unwrap();
    assert_eq!(
        body,
        json!({
            "input": body["input"], "signature_algorithm": "pss", "salt_length": "hash", "marshaling_algorithm": "jws",
            "key_version": 1,
        })
    );
}

#[apply(every_engine)]
fn the_audit_trail_has_one_line_a_signature_that_names_the_signer(host: Host) {
    let gateway = start(host, &remote(), after([Answer::status(500).body("{}")]));
    let claims = claims(&send(&gateway, call().header("x-fapi-interaction-id", "f-1")));
    let trail = trail(&gateway);
    let [line] = trail.as_slice() else { panic!("{trail:?}") };
    assert_eq!((&line["signer"], &line["kid"]), (&json!("vault_transit"), &json!(bank().signing.kid)));
    assert_eq!((&line["jti"], &line["x_fapi_interaction_id"]), (&claims["jti"], &json!("f-1")));
    host.assert_counted(&gateway, "signatures_total.direction.outbound", 1);
    assert_nothing_secret_is_logged(&gateway);
}

/// A failure of the engine, what the caller is told of it, how often the engine is asked, and a part of the log line.
struct Failure {
    what: &'static str,
    engine: fn() -> Upstream,
    settings: Value,
    status: u16,
    calls: usize,
    log: &'static str,
    /// Whether the engine itself never answered.
    unanswered: bool,
}

fn failure(what: &'static str, engine: fn() -> Upstream, status: u16, calls: usize, log: &'static str) -> Failure {
    Failure { what, engine, settings: json!({}), status, calls, log, unanswered: false }
}

/// No answer of the engine, and what the log says where the gateway itself answers instead.
fn no_answer(what: &'static str, engine: fn() -> Upstream, log: &'static str) -> Failure {
    Failure { unanswered: true, ..failure(what, engine, 503, 2, log) }
}

fn always(answer: Answer) -> Upstream {
    Upstream::new().otherwise(answer)
}

fn failures() -> Vec<Failure> {
    let cases = [
        no_answer("down", Upstream::down, "status 503 instead of 200: it cannot be reached"),
        no_answer("reset", || always(Answer::reset()), "status 503"),
        no_answer("never", || always(Answer::never()), "status 504 instead of 200: no answer in time"),
        no_answer("slow", || Upstream::scripted(|_, body| right(body).after(seconds(3))), "status 504"),
        Failure {
            settings: json!({ "deadline": "10s" }),
            ..failure(
                "dripping",
                || Upstream::scripted(|_, body| right(body).body_after(seconds(3))),
                503,
                2,
                "no answer",
            )
        },
        failure("half an answer", || always(Answer::half()), 503, 2, "no answer"),
        failure(
            "a length that lies",
            || Upstream::scripted(|_, body| right(body).header("content-length", "9999")),
            503,
            2,
            "the answer is not complete",
        ),
        failure("no healthy server", || always(Answer::unavailable()), 503, 0, "the gateway refused the callout"),
        failure("a quota", || always(Answer::status(429)), 503, 1, "status 429"),
        failure("an internal error", || always(Answer::status(500)), 503, 2, "status 500"),
        failure("a proxy's error", || always(Answer::status(502)), 503, 2, "status 502"),
        failure("sealed", || always(Answer::status(503)), 503, 2, "sealed"),
        failure("a standby", || always(Answer::status(307)), 503, 2, "it is a standby"),
        failure("a redirect", || always(Answer::status(302)), 500, 1, "status 302"),
        failure("a bad request", || always(Answer::status(400)), 500, 1, "status 400"),
        failure("a bad token", || always(Answer::status(403)), 500, 1, "the token is invalid, expired"),
        failure("no such mount", || always(Answer::status(404)), 500, 1, "status 404"),
        failure("204", || always(Answer::status(204)), 500, 1, "status 204"),
        failure(
            "500 with a signature",
            || Upstream::scripted(|_, body| Answer::status(500).body(signature(body))),
            503,
            2,
            "status 500",
        ),
        failure("HTML", || always(Answer::ok("<html>sign in</html>")), 500, 2, "not a JSON object"),
        failure("no body", || always(Answer::ok("")), 500, 2, "not a JSON object"),
        failure("no signature", || always(Answer::ok(r#"{"data":{}}"#)), 500, 2, "no data.signature"),
        failure(
            "another form",
            || always(Answer::ok(r#"{"data":{"signature":"vault:v1:AAAA=="}}"#)),
            500,
            2,
            "vault:v1:… with base64url",
        ),
        failure("too short", || always(Answer::ok(r#"{"data":{"signature":"vault:v1:AAAA"}}"#)), 500, 2, "not as long"),
        failure("far too long", || always(Answer::ok("x".repeat(300 * 1024))), 500, 2, "longer than"),
        Failure {
            settings: json!({ "key_version": 2 }),
            ..failure("another version of the key", engine, 500, 2, "another version of the key")
        },
        Failure {
            settings: public_key(&Pki::shared().next_bank_signing),
            ..failure("another key", engine, 500, 2, "does not verify")
        },
    ];
    cases.into()
}

#[apply(every_gateway)]
fn no_failure_of_the_engine_lets_a_request_go_unsigned(host: Host) {
    for Failure { what, engine, settings, mut status, mut calls, mut log, unanswered } in failures() {
        // A second try is out of the question; so it is not known whether the signer is well.
        let is_alone = !host.repeats_unanswered_callouts
            && (unanswered
                || [
                    "half an answer",
                    "a length that lies",
                    "an internal error",
                    "a proxy's error",
                    "sealed",
                    "a standby",
                ]
                .contains(&what));
        if is_alone {
            calls = 1;
        }
        if !host.repeats_unanswered_callouts && ["no body", "204"].contains(&what) {
            (status, calls, log) = (503, 1, "the answer has no body, and this gateway cannot ask once more");
        }
        let log = match what {
            "half an answer" if host.half_answers_look_whole => "the answer is not complete",
            _ if unanswered && !host.answers_for_servers => "no answer",
            _ => log,
        };
        let gateway = start(host, &with(settings), engine());
        let exchange = gateway.worker(0).send(call().header("x-fapi-interaction-id", "f-1"));
        gateway.advance(seconds(7));
        assert!(exchange.upstream().is_none(), "{what}: it went on");
        let Outcome::Replied(reply) = exchange.outcome() else { panic!("{what}: {:?}", exchange.outcome()) };
        let code = if status == 503 { "GenericRecoverableError" } else { "GenericError" };
        assert_eq!(reply.status, status, "{what}");
        if host.repeats_unanswered_callouts || has_answer_with_a_body(&gateway) {
            assert_eq!(error(&reply)["errorCode"].as_str(), Some(code), "{what}");
        } else {
            assert_eq!((reply.details.as_str(), reply.body.as_slice()), (code, b"".as_slice()), "{what}");
        }
        assert_eq!(reply.headers.has("retry-after"), status == 503, "{what}");
        assert_eq!(reply.headers.text("x-fapi-interaction-id").as_deref(), Some("f-1"), "{what}");
        assert_eq!(gateway.callouts().len(), calls, "{what}");
        assert!(trail(&gateway).is_empty(), "{what}: no signature, no line");
        let lines: Vec<_> = gateway.logs().into_iter().filter(|line| line.text.contains("no signature from")).collect();
        assert_eq!(lines.len(), calls.max(1), "{what}: a line for each try");
        assert!(lines.iter().all(|line| line.level == Level::Warn && line.text.contains(log)), "{what}: {lines:?}");
        assert_eq!(lines.iter().filter(|line| line.text.ends_with("trying once more")).count(), lines.len() - 1);
        assert_nothing_secret_is_logged(&gateway);
        host.assert_counted(&gateway, &format!("requests_total.direction.outbound.outcome.refused.code.{code}"), 1);
    }
}

#[apply(every_gateway)]
fn a_second_try_may_bring_the_signature(host: Host) {
    for (what, has_body, first) in [
        ("an internal error", false, Answer::status(500)),
        ("sealed", false, Answer::status(503)),
        ("no answer in time", false, Answer::never()),
        ("a broken connection", false, Answer::reset()),
        ("half an answer", false, Answer::half()),
        ("behind its leader", true, Answer::status(412).body("{}")),
        ("behind its leader, on a connection that ends", true, Answer::status(412).body("{}").then_closes()),
        ("sealed, with a body", true, Answer::status(503).body(r#"{"errors":["Vault is sealed"]}"#)),
        ("garbage", true, Answer::ok("<html>")),
    ] {
        let gateway = start(host, &remote(), after([first]));
        let exchange = gateway.worker(0).send(call());
        gateway.advance(seconds(3));
        if has_body || host.repeats_unanswered_callouts {
            claims(&exchange);
            assert_eq!((gateway.callouts().len(), trail(&gateway).len()), (2, 1), "{what}");
        } else {
            assert_eq!(outcome(&exchange), "503", "{what}");
            assert_eq!((gateway.callouts().len(), trail(&gateway).len()), (1, 0), "{what}");
        }
        assert_nothing_secret_is_logged(&gateway);
    }
}

#[apply(every_gateway)]
fn a_second_try_ends_with_the_deadline(host: Host) {
    let gateway = start(host, &with(json!({ "timeout": "3s", "deadline": "4s" })), always(Answer::never()));
    let exchange = gateway.worker(0).send(call());
    gateway.advance(seconds(4));
    let timeouts: Vec<_> = gateway.callouts().iter().map(|callout| callout.timeout).collect();
    if host.repeats_unanswered_callouts {
        assert_eq!(outcome(&exchange), "GenericRecoverableError");
        assert_eq!(timeouts, [Some(seconds(3)), Some(seconds(1))]);
    } else {
        assert_eq!(outcome(&exchange), "503");
        assert_eq!(timeouts, [Some(seconds(3))]);
    }
}

/// Whether the last callout so far has brought some of a body that could be read.
fn has_answer_with_a_body(gateway: &Gateway) -> bool {
    let last = gateway.callouts().pop().map(|callout| callout.outcome);
    match last {
        // It was never made.
        None => true,
        Some(CalloutOutcome::Answered(response)) => !response.body.is_empty(),
        Some(_) => false,
    }
}

#[apply(every_gateway)]
fn without_time_for_a_second_try_there_is_none(host: Host) {
    let gateway = start(host, &with(json!({ "timeout": "2s", "deadline": "2s" })), after([Answer::never()]));
    let exchange = gateway.worker(0).send(call());
    gateway.advance(seconds(2));
    let refused = if host.repeats_unanswered_callouts { "GenericRecoverableError" } else { "503" };
    assert_eq!(outcome(&exchange), refused);
    assert_eq!(gateway.callouts().len(), 1);
}

/// The answer to the second comes first; a mix-up would not verify.
#[apply(every_gateway)]
fn requests_that_wait_at_once_each_get_their_own_signature(host: Host) {
    let is_first = Cell::new(true);
    let engine = Upstream::scripted(move |_, body| {
        right(body).after(if is_first.replace(false) { seconds(1) } else { seconds(1) / 2 })
    });
    let gateway = start(host, &remote(), engine);
    let first = gateway.worker(0).send(call().header("x-fapi-interaction-id", "first"));
    let second = gateway.worker(0).send(call().header("x-fapi-interaction-id", "second"));
    gateway.advance(seconds(1) / 2);
    assert_eq!((outcome(&first), outcome(&second)), ("pending".into(), "admitted".into()));
    gateway.advance(seconds(1) / 2);
    let (first, second) = (claims(&first), claims(&second));
    assert_ne!(first["jti"], second["jti"]);
    let ids = |line: &Value| (line["x_fapi_interaction_id"].clone(), line["jti"].clone());
    let expected = [(json!("second"), second["jti"].clone()), (json!("first"), first["jti"].clone())];
    assert_eq!(trail(&gateway).iter().map(ids).collect::<Vec<_>>(), expected);
}

#[apply(every_gateway)]
fn a_client_that_goes_away_takes_its_signature_with_it_and_no_other(host: Host) {
    let gateway = start(host, &remote(), Upstream::scripted(|_, body| right(body).after(seconds(1))));
    let gone = gateway.worker(0).send(call());
    let other = gateway.worker(0).send(call());
    gone.disconnect();
    gateway.advance(seconds(1));
    assert!(gone.upstream().is_none());
    claims(&other);
    let signatures = if host.shares_callouts || !host.notices_hang_ups { 2 } else { 1 };
    assert_eq!(trail(&gateway).len(), signatures, "where the key was used for the one that is gone, that is told");
    assert_eq!(outcome(&send_and_wait(&gateway)), "admitted");
}

fn send_and_wait(gateway: &Gateway) -> Exchange {
    let exchange = gateway.worker(0).send(call());
    gateway.advance(seconds(1));
    exchange
}

/// The gateway takes the callout and never reports on it.
#[test]
fn a_callout_that_is_lost_is_given_up_some_time_after_its_timeout() {
    let host = Host::ENVOY;
    let gateway = start(host, &with(json!({ "deadline": "10s" })), engine());
    gateway.fault(Fault::host_call("proxy_http_call").writes_nothing());
    let tried_again = gateway.worker(0).send(call());
    gateway.heal();
    gateway.advance(seconds(7));
    assert_eq!(outcome(&tried_again), "pending");
    gateway.advance(seconds(2));
    claims(&tried_again);
    assert_eq!(gateway.callouts().len(), 1, "the second one");

    let gateway = start(host, &remote(), engine());
    gateway.fault(Fault::host_call("proxy_http_call").writes_nothing());
    let given_up = gateway.worker(0).send(call());
    gateway.advance(seconds(9));
    assert_eq!(outcome(&given_up), "GenericRecoverableError", "the deadline has passed");
}

#[test]
fn a_gateway_that_does_not_know_the_engine_refuses_at_once() {
    let host = Host::ENVOY;
    let gateway = start(host, &with(json!({ "upstream": "nobody" })), engine());
    let exchange = send(&gateway, call());
    assert_eq!(outcome(&exchange), "GenericRecoverableError");
    assert!(gateway.callouts().is_empty());
    assert!(gateway.logs().iter().any(|log| log.text.contains("the gateway refused the callout")));
}

#[apply(every_gateway)]
fn an_engine_that_asks_to_be_left_alone_is_left_alone_for_that_time(host: Host) {
    let busy = Answer::status(429).header("retry-after", "7").body("{}");
    let gateway = start(host, &remote(), after([busy]));
    let retry_after = |exchange: &Exchange| {
        let reply = exchange.reply().expect("a refusal");
        assert_eq!(reply.status, 503);
        reply.headers.text("retry-after").map(std::borrow::Cow::into_owned)
    };
    assert_eq!(retry_after(&send(&gateway, call())).as_deref(), Some("7"));
    gateway.advance(seconds(5));
    assert_eq!(retry_after(&send(&gateway, call())).as_deref(), Some("2"));
    assert_eq!(gateway.callouts().len(), 1, "it was not asked again");
    gateway.advance(seconds(2));
    claims(&send(&gateway, call()));
}

#[apply(every_gateway)]
fn what_the_engine_warns_of_is_in_the_log(host: Host) {
    let warning = Upstream::scripted(|_, body| {
        let mut answer: Value = serde_json::from_str(&signature(body)).unwrap();
        answer["warnings"] = json!(["Endpoint ignored these unrecognized parameters: [x]"]);
        Answer::ok(answer.to_string())
    });
    let gateway = start(host, &remote(), warning);
    for _ in 0..3 {
        claims(&send(&gateway, call()));
    }
    let logs = gateway.logs();
    let warned =
        logs.iter().filter(|log| log.level == Level::Warn && log.text.contains("unrecognized parameters: [x]"));
    assert_eq!(warned.count(), 1, "once a minute");
}

#[apply(every_gateway)]
fn no_more_requests_wait_than_may(host: Host) {
    let gateway = start(host, &remote(), always(Answer::never()));
    let waiting: Vec<_> = (0..MAX_PENDING).map(|_| gateway.worker(0).send(call())).collect();
    let last = gateway.worker(0).send(call());
    assert_eq!(outcome(&last), "GenericRecoverableError");
    assert!(waiting.iter().all(|exchange| outcome(exchange) == "pending"));
    waiting[0].disconnect();
    let next = outcome(&gateway.worker(0).send(call()));
    let is_busy = host.shares_callouts || !host.notices_hang_ups;
    let busy = if is_busy { "GenericRecoverableError" } else { "pending" };
    assert_eq!(next, busy, "room for another, unless the signer is still busy with the one that is gone");
    gateway.advance(seconds(10));
    let refused = if host.repeats_unanswered_callouts { "GenericRecoverableError" } else { "503" };
    assert!(waiting.iter().skip(1).all(|exchange| outcome(exchange) == refused));
    assert_eq!(outcome(&gateway.worker(0).send(call())), "pending", "there is room again");
}

#[apply(every_gateway)]
fn a_token_in_the_configuration_is_warned_of_and_not_shown(host: Host) {
    let gateway = start(host, &with(json!({ "token": { "value": SECRET } })), engine());
    claims(&send(&gateway, call()));
    assert!(
        gateway.logs().iter().any(|log| log.level == Level::Warn && log.text.contains("vault_transit.token.value"))
    );
    assert_nothing_secret_is_logged(&gateway);
}

#[apply(every_gateway)]
fn whatever_a_host_does_nothing_leaves_unsigned(host: Host) {
    let imports = Module::release().imports();
    for import in imports.iter().map(|import| import.rsplit(['.', ' ', ':']).next().unwrap_or_default()) {
        // Where a process ends there is nothing to go on with.
        if import == "proc_exit" {
            continue;
        }
        for status in [1_u32, 2, 3, 4, 6, 7, 8, 10, 12, 99, u32::MAX] {
            for nth in [None, Some(1), Some(2), Some(3)] {
                let gateway = start_hostile(host);
                claims(&send(&gateway, call()));
                let fault = Fault::host_call(import).returns(status);
                gateway.fault(nth.map_or(fault.clone(), |nth| fault.only_nth(nth)));
                gateway.worker(0).send(call()).disconnect();
                for _ in 0..2 {
                    let exchange = send(&gateway, call().header("authorization", "Bearer of-the-caller"));
                    if exchange.upstream().is_some() {
                        claims(&exchange);
                    }
                }
                gateway.advance(seconds(20));
                gateway.heal();
                assert_nothing_secret_is_logged(&gateway);
                assert_eq!(outcome(&send(&gateway, call())), "admitted", "{import} = {status}, {nth:?}");
            }
        }
    }
}
