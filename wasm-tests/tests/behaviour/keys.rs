//! Key sets over time: when they are fetched, how long they last, and who waits for them.

use hub_auth_filter::facade::callout::USER_AGENT;
use serde_json::json;
use wasm_tests::host::{Answer, CalloutOutcome, Exchange, Fault, Garbage, Gateway, Module, Upstream};
use wasm_tests::stage::pki::Pki;
use wasm_tests::stage::subject::Subject;
use wasm_tests::stage::tokens::{Signer, SigningKey, Token, jwks};

use super::host::{MOST_FETCHES, every_gateway_of_lone_requests};
use super::scene::*;

/// Longer than a fetch may take.
const PATIENCE: u64 = 7;

/// Sends a right request and says what became of it.
fn ask(gateway: &Gateway) -> String {
    judge(gateway, right(gateway))
}

fn with_keystore(host: Host, answer: Answer) -> Gateway {
    host.with(&jwt_auth()).upstream(KEYSTORE, publishing(answer)).start(Module::release()).unwrap()
}

/// The same, with no time for a callout.
fn ask_at_once(gateway: &Gateway) -> String {
    outcome(&gateway.worker(0).send(right(gateway)))
}

/// A token that the Hub signed with this key.
fn signed_with(gateway: &Gateway, key: &SigningKey) -> String {
    token(gateway).header("kid", key.kid.as_str()).sign(Signer::Ps256(key))
}

#[apply(every_gateway)]
fn the_address_and_the_bounds_of_a_fetch_come_from_certificate_and_configuration(host: Host) {
    let gateway = host.start();
    ask(&gateway);
    let callouts = gateway.callouts();
    let callout = callouts.first().unwrap();
    assert_eq!(callout.upstream, KEYSTORE);
    for (name, value) in [
        (":method", "GET"),
        (":scheme", "https"),
        (":authority", "keystore.sandbox.directory.openfinance.ae"),
        (":path", jwks_path(&hub().subject).as_str()),
        ("user-agent", USER_AGENT),
    ] {
        assert_eq!(callout.headers.text(name).as_deref(), Some(value));
    }
    assert_eq!(callout.timeout, Some(seconds(5)));
}

#[apply(every_gateway)]
fn a_hostile_subject_stays_one_segment_of_the_address(host: Host) {
    let mut configuration = jwt_auth();
    configuration["inbound"]["peer"] = json!({ "allow_unpinned": true });
    let gateway = host.with(&configuration).start(Module::release()).unwrap();
    let subject = Subject::new("Evil", "a/../b?c#d%2e", "..\\x y");
    let peer = verified(printed(&subject));
    let token = Token::new(&subject, "k", PROVIDER, gateway.now().as_secs());
    let request = with(&token.sign(Signer::Ps256(&hub().signing))).peer(peer);
    assert_eq!(judge(&gateway, request), "GenericRecoverableError", "nobody publishes keys there");
    assert_eq!(
        gateway.callouts()[0].headers.text(":path").as_deref(),
        Some("/a%2F..%2Fb%3Fc%23d%252e/..%5Cx%20y/application.jwks")
    );
}

/// What workers share outlives what it is worth.
#[apply(every_gateway)]
fn after_an_idle_time_the_first_request_is_admitted_with_keys_fetched_anew(host: Host) {
    let gateway = if host.replay_scopes().contains(&"gateway") {
        host.with_shared_data(&jwt_auth()).start(Module::release()).unwrap()
    } else {
        host.start()
    };
    for idle in [0, 601, 1201, 86_400] {
        gateway.advance(seconds(idle));
        assert_eq!(ask(&gateway), "admitted", "after {idle} s");
    }
}

#[test]
fn many_requests_wait_for_one_fetch_and_are_all_resumed() {
    let gateway = with_keystore(Host::ENVOY, Answer::ok(jwks([&hub().signing]).to_string()).after(seconds(2)));
    let waiting: Vec<Exchange> = (0..50).map(|_| gateway.worker(0).send(right(&gateway))).collect();
    let wrong = gateway.worker(0).send(with(&signed_with(&gateway, &Pki::shared().next_signing)));
    assert!(waiting.iter().all(|exchange| outcome(exchange) == "pending"));
    gateway.advance(seconds(2));
    assert!(waiting.iter().all(|exchange| outcome(exchange) == "admitted"));
    assert_eq!(outcome(&wrong), "JWS.InvalidHeader", "each gets its own verdict");
    assert_eq!(gateway.callouts().len(), 1);
}

#[apply(every_gateway_of_lone_requests)]
fn each_request_fetches_for_itself_and_so_many_at_a_time(host: Host) {
    let gateway = with_keystore(host, Answer::ok(jwks([&hub().signing]).to_string()).after(seconds(2)));
    let unknown = token(&gateway).header("kid", "unknown").sign(Signer::Unsigned);
    let first: Vec<Exchange> = (1..MOST_FETCHES).map(|_| gateway.worker(0).send(right(&gateway))).collect();
    let wrong = gateway.worker(0).send(with(&unknown));
    assert!(first.iter().chain([&wrong]).all(|exchange| outcome(exchange) == "pending"));
    for _ in 0..50 {
        assert_eq!(ask_at_once(&gateway), "GenericRecoverableError", "one too many");
    }
    gateway.advance(seconds(2));
    assert!(first.iter().all(|exchange| outcome(exchange) == "admitted"));
    assert_eq!(outcome(&wrong), "JWS.InvalidHeader", "each gets its own verdict");
    assert_eq!(gateway.callouts().len(), MOST_FETCHES);
    assert_eq!(ask_at_once(&gateway), "admitted", "and the next one finds the keys");
}

#[test]
fn keys_of_a_caller_that_is_named_are_there_before_its_first_request() {
    let host = Host::ENVOY;
    let mut configuration = jwt_auth();
    let subject = &hub().subject;
    configuration["inbound"]["auth"]["jwt_auth"]["warm"] =
        json!([{ "organisational_unit": subject.organisational_unit, "common_name": subject.common_name }]);
    let gateway = host.with(&configuration).upstream(KEYSTORE, Upstream::down()).start(Module::release()).unwrap();
    gateway.advance(seconds(2));
    assert!(gateway.logs().iter().any(|log| log.text.contains("no keys from")), "a keystore that is down is seen");
    gateway.upstream(KEYSTORE, keystore([&hub().signing]));
    gateway.advance(seconds(10));
    let fetches = gateway.callouts().len();
    assert_eq!(ask_at_once(&gateway), "admitted");
    assert_eq!(gateway.callouts().len(), fetches);
}

#[apply(every_gateway_of_lone_requests)]
fn each_worker_fetches_for_itself(host: Host) {
    let gateway = host.with(&jwt_auth()).workers(8).start(Module::release()).unwrap();
    assert_eq!(ask_all(&gateway), ["admitted"; 8]);
    assert_eq!(ask_all(&gateway), ["admitted"; 8]);
    assert_eq!(gateway.callouts().len(), 8);
}

#[apply(every_gateway_of_lone_requests)]
fn a_client_that_goes_away_leaves_its_place_to_another_as_soon_as_the_gateway_tells_of_it(host: Host) {
    let gateway = with_keystore(host, Answer::ok(jwks([&hub().signing]).to_string()).after(seconds(2)));
    let first: Vec<Exchange> = (0..MOST_FETCHES).map(|_| gateway.worker(0).send(right(&gateway))).collect();
    first.iter().for_each(Exchange::disconnect);
    let next = gateway.worker(0).send(right(&gateway));
    // Where nobody hears of it their fetches go on, and bring keys.
    let (at_once, more) = if host.notices_hang_ups { ("pending", 1) } else { ("GenericRecoverableError", 0) };
    assert_eq!(outcome(&next), at_once);
    gateway.advance(seconds(2));
    assert_eq!(outcome(&next), if host.notices_hang_ups { "admitted" } else { at_once });
    assert_eq!(ask_at_once(&gateway), "admitted");
    assert_eq!(gateway.callouts().len(), MOST_FETCHES + more);
}

#[apply(every_gateway_of_lone_requests)]
fn the_request_that_finds_keys_at_80_percent_of_their_life_fetches_them_and_is_admitted_whatever_comes(host: Host) {
    for answer in [Answer::refused(), Answer::never(), Answer::ok(jwks([&hub().signing]).to_string()).after(seconds(2))]
    {
        let gateway = host.start();
        assert_eq!(ask(&gateway), "admitted");
        gateway.advance(seconds(479));
        assert_eq!(ask_at_once(&gateway), "admitted");
        gateway.upstream(KEYSTORE, publishing(answer));
        gateway.advance(seconds(1));
        let finding = gateway.worker(0).send(right(&gateway));
        assert_eq!(gateway.callouts().len(), 2);
        assert_eq!(ask_at_once(&gateway), "admitted", "nobody else waits");
        gateway.advance(seconds(PATIENCE));
        assert_eq!(outcome(&finding), "admitted");
    }
}

#[test]
fn a_client_that_goes_away_takes_the_fetch_from_nobody() {
    let host = Host::ENVOY;
    let gateway = with_keystore(host, Answer::ok(jwks([&hub().signing]).to_string()).after(seconds(2)));
    let first = gateway.worker(0).send(right(&gateway));
    let second = gateway.worker(0).send(right(&gateway));
    gateway.advance(seconds(1));
    first.disconnect();
    gateway.advance(seconds(1));
    assert_eq!(outcome(&second), "admitted");
    assert!(matches!(gateway.callouts()[0].outcome, CalloutOutcome::Answered(_)));
}

#[apply(every_gateway)]
fn keys_serve_for_ten_minutes_and_a_failing_keystore_never_makes_it_longer(host: Host) {
    let gateway = host.start();
    assert_eq!(ask(&gateway), "admitted");
    gateway.upstream(KEYSTORE, Upstream::down());
    for _ in 0..599 {
        gateway.advance(seconds(1));
        assert_eq!(ask(&gateway), "admitted");
    }
    gateway.advance(seconds(1));
    assert_eq!(ask(&gateway), "GenericRecoverableError");
}

#[apply(every_gateway)]
fn keys_in_use_are_refreshed_before_they_end(host: Host) {
    let gateway = host.start();
    for _ in 0..2400 {
        let exchange = gateway.worker(0).send(right(&gateway));
        let first = gateway.now() <= seconds(1_795_219_200);
        assert!(first || !host.refreshes_in_background || outcome(&exchange) == "admitted", "waited");
        gateway.settle();
        assert_eq!(outcome(&exchange), "admitted");
        gateway.advance(seconds(1));
    }
    let fetches = gateway.callouts().len();
    assert!((5..=6).contains(&fetches), "{fetches} fetches in 40 minutes: one per 480 seconds");
}

#[apply(every_gateway)]
fn keys_that_nobody_uses_are_not_refreshed_for_ever(host: Host) {
    let gateway = host.start();
    ask(&gateway);
    gateway.advance(seconds(3600));
    assert!(gateway.callouts().len() <= 2);
}

#[apply(every_gateway)]
fn an_answer_without_usable_keys_gives_none_and_takes_none_away(host: Host) {
    let oversize = format!("{{\"keys\":[],\"pad\":\"{}\"}}", "x".repeat(300 * 1024));
    let cases = [
        ("down", Answer::refused()),
        ("reset", Answer::reset()),
        ("half an answer", Answer::half()),
        ("slow", Answer::ok(jwks([&hub().signing]).to_string()).after(seconds(6))),
        ("never", Answer::never()),
        ("dripping", Answer::ok(jwks([&hub().signing]).to_string()).body_after(seconds(6))),
        ("404", Answer::status(404)),
        ("500 with keys", Answer::status(500).body(jwks([&hub().signing]).to_string())),
        ("redirect", Answer::status(302).header("location", "https://elsewhere.test/jwks")),
        ("204", Answer::status(204)),
        ("HTML", Answer::ok("<!doctype html><title>Sign in</title>")),
        ("no JSON", Answer::ok("")),
        ("no keys", Answer::ok(r#"{"keys":[]}"#)),
        ("oversize", Answer::ok(oversize)),
        ("a length that lies", Answer::ok(jwks([&hub().signing]).to_string()).header("content-length", "9999")),
    ];
    for (case, answer) in cases {
        let gateway = with_keystore(host, answer.clone());
        let exchange = gateway.worker(0).send(right(&gateway));
        gateway.advance(seconds(PATIENCE));
        assert_eq!(outcome(&exchange), "GenericRecoverableError", "{case}");

        let gateway = host.start();
        assert_eq!(ask(&gateway), "admitted");
        gateway.upstream(KEYSTORE, publishing(answer));
        gateway.advance(seconds(590));
        assert_eq!(ask(&gateway), "admitted", "{case} took valid keys away");
    }
}

#[apply(every_gateway)]
fn a_keystore_that_is_back_is_noticed_within_ten_seconds_and_not_stormed_before(host: Host) {
    let gateway = host.with(&jwt_auth()).upstream(KEYSTORE, Upstream::down()).start(Module::release()).unwrap();
    for _ in 0..600 {
        assert_eq!(ask(&gateway), "GenericRecoverableError");
        gateway.advance(std::time::Duration::from_millis(100));
    }
    let tries = gateway.callouts().len();
    assert!((8..=11).contains(&tries), "{tries} tries in 60 seconds");
    gateway.upstream(KEYSTORE, keystore([&hub().signing]));
    gateway.advance(seconds(10));
    assert_eq!(ask(&gateway), "admitted");
}

#[apply(every_engine)]
fn a_rotated_key_is_found_by_one_extra_fetch(host: Host) {
    let gateway = host.start();
    assert_eq!(ask(&gateway), "admitted");
    let next = &Pki::shared().next_signing;
    gateway.upstream(KEYSTORE, keystore([&hub().signing, next]));
    assert_eq!(judge(&gateway, with(&signed_with(&gateway, next))), "admitted");
    assert_eq!(ask(&gateway), "admitted", "the old key still counts");
    assert_eq!(gateway.callouts().len(), 2);
}

#[apply(every_gateway)]
fn unknown_kids_cause_one_fetch_per_cooldown_whatever_their_number(host: Host) {
    let gateway = host.start();
    assert_eq!(ask(&gateway), "admitted");
    for n in 0..600 {
        let token = token(&gateway).header("kid", format!("kid-{n}")).sign(Signer::Unsigned);
        assert_eq!(judge(&gateway, with(&token)), "JWS.InvalidHeader");
        gateway.advance(std::time::Duration::from_millis(100));
    }
    assert_eq!(gateway.callouts().len(), 1 + 2, "two cooldowns of 30 seconds");
}

#[test]
fn an_upstream_that_the_gateway_does_not_know_is_named_in_the_log() {
    let host = Host::ENVOY;
    let mut configuration = jwt_auth();
    configuration["inbound"]["auth"]["jwt_auth"]["upstream"] = json!("no-such-cluster");
    let gateway = host.with(&configuration).start(Module::release()).unwrap();
    assert_eq!(ask(&gateway), "GenericRecoverableError");
    assert!(gateway.logs().iter().any(|log| log.text.contains("no-such-cluster")));
}

/// A host without ticks that says that it made a callout and never comes back to it.
#[test]
fn requests_whose_fetch_was_lost_are_answered_with_the_next_one() {
    let host = Host::ENVOY;
    let no_ticks = Fault::host_call("proxy_set_tick_period_milliseconds").returns(12_u32);
    let gateway = host.with(&jwt_auth()).fault(no_ticks).start(Module::release()).unwrap();
    gateway.fault(Fault::host_call("proxy_http_call").writes_nothing());
    let lost: Vec<Exchange> = (0..3).map(|_| gateway.worker(0).send(right(&gateway))).collect();
    gateway.advance(seconds(11));
    assert!(lost.iter().all(|exchange| outcome(exchange) == "pending"));
    gateway.heal();
    gateway.fault(Fault::host_call("proxy_http_call").returns(10_u32));
    assert_eq!(ask(&gateway), "GenericRecoverableError", "the one that finds out");
    assert!(lost.iter().all(|exchange| outcome(exchange) == "GenericRecoverableError"), "{lost:?}");
}

/// Eight workers that share what they fetch, with a keystore that takes two seconds.
fn eight_workers() -> Gateway {
    let slow = Answer::ok(jwks([&hub().signing]).to_string()).after(seconds(2));
    Host::ENVOY.with(&jwt_auth()).workers(8).upstream(KEYSTORE, publishing(slow)).start(Module::release()).unwrap()
}

/// Sends a right request to every worker and waits for all.
fn ask_all(gateway: &Gateway) -> Vec<String> {
    let sent: Vec<Exchange> = (0..8).map(|worker| gateway.worker(worker).send(right(gateway))).collect();
    gateway.settle();
    gateway.advance(seconds(1));
    sent.iter().map(outcome).collect()
}

#[test]
fn eight_workers_fetch_once_and_once_more_per_refresh() {
    let gateway = eight_workers();
    assert_eq!(ask_all(&gateway), ["admitted"; 8]);
    assert_eq!(gateway.callouts().len(), 1, "a cold start of eight workers");
    for round in 1..=3 {
        gateway.advance(seconds(400));
        assert_eq!(ask_all(&gateway), ["admitted"; 8]);
        gateway.advance(seconds(100));
        assert_eq!(gateway.callouts().len(), 1 + round, "a refresh at 80 % of the life of the set");
    }
}

#[test]
fn a_worker_that_sees_its_first_request_late_uses_what_the_others_fetched_for_the_rest_of_its_life() {
    let gateway = eight_workers();
    gateway.worker(0).send(right(&gateway));
    gateway.settle();
    let fetched = gateway.now();
    gateway.upstream(KEYSTORE, Upstream::down());
    gateway.set_clock(fetched + seconds(599));
    let late = gateway.worker(7).send(right(&gateway));
    assert_eq!(outcome(&late), "admitted", "at once, although the keystore is down");
    gateway.set_clock(fetched + seconds(600));
    let after_its_end = gateway.worker(6).send(right(&gateway));
    gateway.settle();
    assert_eq!(outcome(&after_its_end), "GenericRecoverableError", "the set has ended");
}

#[test]
fn a_shared_set_that_is_damaged_or_foreign_is_not_used() {
    for garbage in [Garbage::Truncated, Garbage::Null, Garbage::Bytes(b"{\"keys\":[]}".to_vec())] {
        let gateway = eight_workers();
        gateway.worker(0).send(right(&gateway));
        gateway.settle();
        gateway.fault(Fault::host_call("proxy_get_shared_data").hands_out(garbage.clone()));
        let second = gateway.worker(1).send(right(&gateway));
        assert_eq!(outcome(&second), "pending", "{garbage:?}");
        gateway.settle();
        assert_eq!(outcome(&second), "admitted", "it has fetched for itself");
        assert_eq!(gateway.callouts().len(), 2);
    }
}
