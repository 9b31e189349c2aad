//! A remote signer whose public key is not configured: the filter asks for it, and nothing leaves whose signature does not verify
//! with it. What a real engine answers is tested in `tests/envoy/`.

use std::cell::Cell;
use std::rc::Rc;

use hub_auth_filter::facade::signing::MAX_PENDING;
use serde_json::{Value, json};
use wasm_tests::host::{Answer, Exchange, Fault, Gateway, Level, Module, Upstream};
use wasm_tests::stage::pki::Pki;
use wasm_tests::stage::tokens::{Signer, SigningKey};

use super::outbound::{bank, call, claims_as, sent, trail};
use super::remote_signer::{ENGINE, SECRET, assert_nothing_secret_is_logged, claims, right, signature_by, start, with};
use super::scene::{Host, apply, every_engine, every_gateway, outcome, seconds, send};

/// The most requests that wait for one answer.
const MAX_WAITING: usize = 128;

/// A plugin configuration without the engine's public key, and with these settings.
fn unpinned(settings: Value) -> Value {
    let mut configuration = with(settings);
    let settings = configuration["outbound"]["remote_signer"]["vault_transit"].as_object_mut().unwrap();
    settings.remove("public_key");
    configuration
}

fn key() -> &'static SigningKey {
    &bank().signing
}

/// The version after the first.
fn next_key() -> &'static SigningKey {
    &Pki::shared().next_bank_signing
}

/// What the engine answers that has these versions.
fn keys(versions: &[(u32, String)]) -> String {
    let keys: serde_json::Map<_, _> =
        versions.iter().map(|(version, pem)| (version.to_string(), json!({ "public_key": pem }))).collect();
    json!({ "data": { "type": "rsa-2048", "latest_version": versions.len(), "keys": keys } }).to_string()
}

fn first_key() -> Answer {
    Answer::ok(keys(&[(1, key().public_pem())]))
}

fn both_keys() -> Answer {
    Answer::ok(keys(&[(1, key().public_pem()), (2, next_key().public_pem())]))
}

/// An engine that tells its keys and signs so.
fn engine(tell: impl Fn() -> Answer + 'static, sign: impl Fn(&[u8]) -> Answer + 'static) -> Upstream {
    Upstream::scripted(
        move |headers, body| {
            if headers.text(":method").as_deref() == Some("GET") { tell() } else { sign(body) }
        },
    )
}

/// The methods of the callouts so far.
fn methods(gateway: &Gateway) -> Vec<String> {
    let method = |headers: &wasm_tests::host::Headers| headers.text(":method").unwrap_or_default().into_owned();
    gateway.callouts().iter().map(|callout| method(&callout.headers)).collect()
}

fn is_logged(gateway: &Gateway, part: &str) -> bool {
    gateway.logs().iter().any(|log| log.text.contains(part))
}

#[apply(every_engine)]
fn the_public_key_is_asked_for_first_and_once(host: Host) {
    let configuration = unpinned(json!({ "namespace": "bank/sandbox", "timeout": "1500ms" }));
    let gateway = start(host, &configuration, engine(first_key, right));
    claims(&send(&gateway, call()));
    claims(&send(&gateway, call()));
    assert_eq!(methods(&gateway), ["GET", "POST", "POST"]);
    let callout = &gateway.callouts()[0];
    assert_eq!((callout.upstream.as_str(), callout.timeout), (ENGINE, Some(std::time::Duration::from_millis(1500))));
    for (name, value) in [
        (":scheme", "https"),
        (":authority", "bao.test:8200"),
        (":path", "/v1/transit/bank/keys/sig4"),
        ("x-vault-token", SECRET),
        ("x-vault-request", "true"),
        ("x-vault-namespace", "bank/sandbox"),
    ] {
        assert_eq!(callout.headers.text(name).as_deref(), Some(value), "{name}");
    }
    assert!(callout.body.is_empty());
    assert_eq!(trail(&gateway).len(), 2);
    assert_nothing_secret_is_logged(&gateway);
}

/// With the first tick, so that the first request waits for its signature alone.
#[test]
fn where_the_plugin_may_call_the_key_is_there_before_the_first_request() {
    let gateway = start(Host::ENVOY, &unpinned(json!({})), engine(first_key, right));
    gateway.advance(seconds(1));
    assert_eq!(methods(&gateway), ["GET"]);
    claims(&send(&gateway, call()));
    assert_eq!(methods(&gateway), ["GET", "POST"]);
    gateway.advance(seconds(60));
    assert_eq!(methods(&gateway).len(), 2, "once it is there nobody asks again");
}

#[test]
fn an_engine_that_does_not_tell_its_key_at_the_start_is_seen_in_the_log() {
    let gateway = start(Host::ENVOY, &unpinned(json!({})), engine(|| Answer::status(403), right));
    gateway.advance(seconds(1));
    let told = "no public key of the remote signer: status 403 instead of 200: the token is invalid, expired, or may not read the key: \
                grant it \"read\" on keys/ and the key's name, or configure public_key";
    assert!(
        gateway.logs().iter().any(|log| log.level == Level::Warn && log.text.contains(told)),
        "{:?}",
        gateway.logs()
    );
    gateway.advance(seconds(20));
    let calls = methods(&gateway).len();
    assert!((3..=6).contains(&calls), "{calls} calls in 20 s: pauses of 1, 2, 4, 8 s");
}

/// What an engine may do that is not what it was asked for; none of it must leave.
fn hostile() -> Vec<(&'static str, Upstream)> {
    fn by(version: u32, signer: Signer<'static>) -> impl Fn(&[u8]) -> Answer + 'static {
        move |body| Answer::ok(signature_by(version, signer, body))
    }
    let unfit = "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEdIXFq9I9NG7BEW3ljRmrHH2QdBw5\n\
                 8TFR9t5hGq5Lu0PnUJXNrpl3V2kWpReSZhrj/IzAmXxlQvhpnfNlwhmxnQ==\n-----END PUBLIC KEY-----\n";
    vec![
        ("PKCS #1 v1.5", engine(first_key, by(1, Signer::Rs256(key())))),
        ("another hash and a longer salt", engine(first_key, by(1, Signer::Ps384(key())))),
        ("another key", engine(first_key, by(1, Signer::Ps256(next_key())))),
        ("a version that it does not tell of", engine(first_key, by(2, Signer::Ps256(key())))),
        ("a version under the key of another", engine(both_keys, by(2, Signer::Ps256(key())))),
        (
            "no version",
            engine(first_key, |body| Answer::ok(signature_by(1, Signer::Ps256(key()), body).replace("v1", ""))),
        ),
        ("a key that is garbage", engine(|| Answer::ok("<html>"), right)),
        ("a key that is no JSON to the end", engine(|| Answer::ok(&keys(&[(1, key().public_pem())])[..400]), right)),
        ("a key in an answer that is far too long", engine(|| Answer::ok("x".repeat(300 * 1024)), right)),
        ("a key on another curve", engine(move || Answer::ok(keys(&[(1, unfit.to_owned())])), right)),
        ("a private key", engine(|| Answer::ok(keys(&[(1, key().pkcs8_pem())])), right)),
        ("no versions", engine(|| Answer::ok(keys(&[])), right)),
        ("no body", engine(|| Answer::ok(""), right)),
        ("half a key", engine(Answer::half, right)),
        ("no key for want of a right", engine(|| Answer::status(403).body("{}"), right)),
        ("no such key", engine(|| Answer::status(404), right)),
        ("a redirect for the key", engine(|| Answer::status(302), right)),
        ("a reset for the key", engine(Answer::reset, right)),
        ("silence for the key", engine(Answer::never, right)),
        ("a key that drips", engine(|| first_key().body_after(seconds(3)), right)),
    ]
}

#[apply(every_gateway)]
fn nothing_leaves_that_does_not_verify(host: Host) {
    for (what, engine) in hostile() {
        let gateway = start(host, &unpinned(json!({})), engine);
        let exchange = gateway.worker(0).send(call());
        gateway.advance(seconds(15));
        assert!(exchange.upstream().is_none(), "{what}");
        let refusal = match exchange.reply() {
            // Where nobody answered a second callout, the host would lose a body.
            Some(reply) if reply.body.is_empty() => {
                assert!(!host.repeats_unanswered_callouts, "{what}");
                assert!([500, 503].contains(&reply.status), "{what}");
                reply.details
            }
            _ => outcome(&exchange),
        };
        assert!(["GenericError", "GenericRecoverableError"].contains(&refusal.as_str()), "{what}: {refusal}");
        assert!(trail(&gateway).is_empty(), "{what}: no signature, no line");
        assert!(
            is_logged(&gateway, "no signature from the remote signer")
                || is_logged(&gateway, "no public key of the remote signer"),
            "{what}"
        );
        assert_nothing_secret_is_logged(&gateway);
    }
}

#[apply(every_gateway)]
fn after_a_rotation_the_new_key_is_fetched_for_the_signature_that_came(host: Host) {
    let is_rotated = Rc::new(Cell::new(false));
    let (tells, signs) = (Rc::clone(&is_rotated), Rc::clone(&is_rotated));
    let engine = engine(
        move || if tells.get() { both_keys() } else { first_key() },
        move |body| {
            if signs.get() { Answer::ok(signature_by(2, Signer::Ps256(next_key()), body)) } else { right(body) }
        },
    );
    let gateway = start(host, &unpinned(json!({})), engine);
    claims(&send(&gateway, call()));
    is_rotated.set(true);
    for _ in 0..2 {
        claims_as(&key().kid, next_key(), &sent(&send(&gateway, call())));
    }
    assert_eq!(methods(&gateway), ["GET", "POST", "POST", "GET", "POST"]);
    assert!(is_logged(&gateway, "fetching its public keys"));
    assert_eq!(trail(&gateway).len(), 3);
}

#[apply(every_gateway)]
fn an_engine_that_signs_otherwise_is_not_asked_for_its_key_with_each_request(host: Host) {
    let engine = engine(first_key, |body| Answer::ok(signature_by(1, Signer::Rs256(key()), body)));
    let gateway = start(host, &unpinned(json!({})), engine);
    for _ in 0..20 {
        assert_eq!(outcome(&send(&gateway, call())), "GenericError");
        gateway.advance(seconds(1));
    }
    let fetches = methods(&gateway).iter().filter(|method| *method == "GET").count();
    assert!((2..=4).contains(&fetches), "{fetches} fetches in 20 s: at the start, and then every 10 s");
}

/// A fetch has no body that could be lost.
#[apply(every_gateway)]
fn a_fetch_is_made_once_more_also_where_a_signature_is_not(host: Host) {
    for (what, first) in [
        ("no answer", Answer::reset()),
        ("no answer in time", Answer::never()),
        ("sealed", Answer::status(503)),
        ("half an answer", Answer::half()),
        ("garbage", Answer::ok("<html>")),
    ] {
        let calls = Cell::new(0);
        let tell = move || {
            calls.set(calls.get() + 1);
            if calls.get() == 1 { first.clone() } else { first_key() }
        };
        let gateway = start(host, &unpinned(json!({ "timeout": "500ms" })), engine(tell, right));
        let exchange = gateway.worker(0).send(call());
        gateway.advance(seconds(1));
        claims(&exchange);
        assert_eq!(methods(&gateway), ["GET", "GET", "POST"], "{what}");
    }
}

#[apply(every_gateway)]
fn a_signature_that_is_not_answered_ends_as_without_a_fetch(host: Host) {
    let gateway = start(host, &unpinned(json!({})), engine(first_key, |_| Answer::reset()));
    let exchange = send(&gateway, call());
    if host.repeats_unanswered_callouts {
        assert_eq!(outcome(&exchange), "GenericRecoverableError");
        assert_eq!(methods(&gateway), ["GET", "POST", "POST"]);
    } else {
        assert_eq!(outcome(&exchange), "503");
        assert_eq!(methods(&gateway), ["GET", "POST"]);
    }
}

#[apply(every_gateway)]
fn fetch_and_signature_share_one_deadline(host: Host) {
    let engine = engine(|| first_key().after(seconds(1)), |body| right(body).after(seconds(2)));
    let gateway = start(host, &unpinned(json!({ "timeout": "2s", "deadline": "2s" })), engine);
    let exchange = gateway.worker(0).send(call());
    gateway.advance(seconds(4));
    assert!(exchange.upstream().is_none(), "it would be late");
    assert_eq!(methods(&gateway), ["GET", "POST"]);
}

#[apply(every_gateway)]
fn a_client_that_goes_away_during_the_fetch_takes_nothing_with_it(host: Host) {
    let gateway = start(host, &unpinned(json!({})), engine(|| first_key().after(seconds(1)), right));
    let gone = gateway.worker(0).send(call());
    let other = gateway.worker(0).send(call());
    gone.disconnect();
    gateway.advance(seconds(1));
    assert!(gone.upstream().is_none());
    claims(&other);
    assert_eq!(
        methods(&gateway).iter().filter(|method| *method == "POST").count(),
        if host.notices_hang_ups { 1 } else { 2 }
    );
    claims(&send(&gateway, call()));
}

/// One answer decides on all that wait for it: more than that would use up the stack of the gateway.
#[test]
fn a_burst_before_the_key_is_there_waits_for_one_fetch_within_bounds() {
    for (what, tell, expected) in [
        ("it comes", (|| first_key().after(seconds(1))) as fn() -> Answer, "admitted"),
        ("it does not", || Answer::status(403).after(seconds(1)), "GenericError"),
        ("it is lost on the way", || Answer::never(), "GenericRecoverableError"),
    ] {
        let gateway = start(Host::ENVOY, &unpinned(json!({})), engine(tell, right));
        let burst: Vec<_> = (0..MAX_WAITING + 2).map(|_| gateway.worker(0).send(call())).collect();
        let (waiting, refused) = burst.split_at(MAX_WAITING);
        assert!(waiting.iter().all(|exchange| outcome(exchange) == "pending"), "{what}");
        assert!(refused.iter().all(|exchange| outcome(exchange) == "GenericRecoverableError"), "{what}");
        assert_eq!(methods(&gateway), ["GET"], "{what}");
        gateway.advance(seconds(6));
        assert!(waiting.iter().all(|exchange| outcome(exchange) == expected), "{what}");
    }
}

/// As many requests as may are signed for at the same time, and all by a new version.
#[test]
fn a_burst_at_a_rotation_waits_for_one_fetch_within_bounds() {
    let is_rotated = Rc::new(Cell::new(false));
    let (tells, signs) = (Rc::clone(&is_rotated), Rc::clone(&is_rotated));
    let engine = engine(
        move || if tells.get() { both_keys().after(seconds(1)) } else { first_key() },
        move |body| {
            if signs.get() {
                Answer::ok(signature_by(2, Signer::Ps256(next_key()), body)).after(seconds(1))
            } else {
                right(body)
            }
        },
    );
    let gateway = start(Host::ENVOY, &unpinned(json!({})), engine);
    claims(&send(&gateway, call()));
    is_rotated.set(true);
    let burst: Vec<Exchange> = (0..MAX_PENDING / 4).map(|_| gateway.worker(0).send(call())).collect();
    gateway.advance(seconds(5));
    assert!(
        burst.iter().all(|exchange| outcome(exchange) == "admitted"),
        "those that could not wait were signed once more"
    );
    let fetches = methods(&gateway).iter().filter(|method| *method == "GET").count();
    assert_eq!(fetches, 2, "at the start and at the rotation");
}

#[apply(every_gateway)]
fn whatever_a_host_does_during_the_fetch_nothing_leaves_unsigned(host: Host) {
    let imports = Module::release().imports();
    for import in imports.iter().map(|import| import.rsplit(['.', ' ', ':']).next().unwrap_or_default()) {
        // Where a process ends there is nothing to go on with.
        if import == "proc_exit" {
            continue;
        }
        for status in [1_u32, 2, 10, u32::MAX] {
            for nth in [None, Some(1), Some(2), Some(3)] {
                let gateway = host.with(&unpinned(json!({}))).environment("BAO_TOKEN", SECRET).log_level(Level::Trace);
                // What it was told before the fault is that there is no key yet.
                let calls = Cell::new(0);
                let tell = move || {
                    calls.set(calls.get() + 1);
                    if calls.get() <= 2 { Answer::status(500).body("{}") } else { first_key() }
                };
                let gateway = gateway.upstream(ENGINE, engine(tell, right));
                let gateway = host
                    .expecting_what_holding_in_vain_does(gateway)
                    .start(Module::release())
                    .expect("the gateway starts");
                assert_eq!(outcome(&send(&gateway, call())), "GenericRecoverableError");
                let fault = Fault::host_call(import).returns(status);
                gateway.fault(nth.map_or(fault.clone(), |nth| fault.only_nth(nth)));
                gateway.worker(0).send(call()).disconnect();
                for _ in 0..2 {
                    let exchange = send(&gateway, call());
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
