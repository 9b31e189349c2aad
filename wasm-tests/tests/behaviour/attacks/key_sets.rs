//! Attacks on the way to the keys (spec §2.4, §3): a keystore that answers with something else, floods of unknown kids, and a
//! keystore that fails so that old tokens and old keys go on counting. Expiry is absolute, and fetches are bounded.

use std::time::Duration;

use serde_json::json;
use wasm_tests::host::{CalloutOutcome, Fault, Upstream};
use wasm_tests::stage::tokens::jwks;

use super::super::host::{MOST_FETCHES, every_gateway_of_lone_requests};
use super::*;

/// The largest key set that is read, in bytes.
const LARGEST_SET: usize = 256 * 1024;

/// The most requests that wait for keys in one worker.
const MOST_WAITING: usize = 128;

/// A few seconds longer than a fetch may take.
const PATIENCE: Duration = Duration::from_secs(6);

/// The Hub's keys, as its keystore publishes them.
fn keys() -> String {
    jwks([&hub().signing]).to_string()
}

/// The keys of an attacker under the Hub's kid.
fn forged_keys() -> String {
    json!({ "keys": [jwk(&attacker().signing, json!({ "kid": hub().signing.kid }))] }).to_string()
}

/// The Hub's keys in so many bytes.
fn padded_keys(length: usize) -> String {
    let keys = keys();
    let padding = " ".repeat(length - keys.len());
    keys.replacen('{', &format!("{{{padding}"), 1)
}

/// Sends a request and gives every callout the time that it may take.
fn ask_patiently(gateway: &Gateway, request: Request) -> Exchange {
    let exchange = gateway.worker(0).send(request);
    if outcome(&exchange) == "pending" {
        gateway.advance(PATIENCE);
    }
    exchange
}

/// An answer that is no key set: with no keys cached it gives a 503, and the right answer after it serves; with keys cached
/// those stay in use for the rest of their ten minutes, and not longer. Nobody but the keystore is ever asked.
fn no_key_set_is(host: Host, case: &str, answer: &Answer) {
    let gateway = started(host, &jwt_auth(), answer.clone());
    gateway.upstream("evil.example", Upstream::new().otherwise(Answer::ok(forged_keys())));
    stopped(&ask_patiently(&gateway, right(&gateway)), case, NO_KEYS, "keys to verify the token with cannot be had");
    gateway.upstream(KEYSTORE, keystore([&hub().signing]));
    gateway.advance(seconds(10));
    admitted(&gateway, case, right(&gateway));
    only_the_hubs_keys_were_asked_for(&gateway);

    let gateway = host.start();
    admitted(&gateway, case, right(&gateway));
    gateway.upstream(KEYSTORE, publishing(answer.clone()));
    gateway.advance(seconds(590));
    let valid = ask_patiently(&gateway, right(&gateway));
    let tries = gateway.trace().iter().filter(|call| call.name == "proxy_http_call").count();
    assert!(tries > 1, "{case}: the keys were not refreshed");
    assert_eq!(outcome(&valid), "admitted", "{case}: it took valid keys away");
    gateway.advance(seconds(10));
    stopped(&ask_patiently(&gateway, right(&gateway)), case, NO_KEYS, "keys to verify the token with cannot be had");
    gateway.upstream(KEYSTORE, keystore([&hub().signing]));
    gateway.advance(seconds(10));
    admitted(&gateway, case, right(&gateway));
    only_the_hubs_keys_were_asked_for(&gateway);
}

#[apply(every_gateway)]
fn a_key_set_of_html_is_none(host: Host) {
    no_key_set_is(
        host,
        "a page",
        &Answer::ok("<!doctype html><title>Sign in</title>").header("content-type", "text/html"),
    );
    no_key_set_is(host, "a page with keys in it", &Answer::ok(format!("<!doctype html><script>{}</script>", keys())));
    no_key_set_is(host, "keys and then a page", &Answer::ok(format!("{}<!doctype html>", keys())));
}

#[apply(every_gateway)]
fn an_empty_key_set_is_none(host: Host) {
    for body in ["", " ", "{}", "[]", "null", r#"{"keys":[]}"#, r#"{"keys":null}"#, r#"{"keys":{}}"#, r#"{"Keys":[]}"#]
    {
        no_key_set_is(host, body, &Answer::ok(body));
    }
}

#[apply(every_gateway)]
fn a_key_set_of_another_shape_is_none(host: Host) {
    let key = hub().signing.jwk();
    for body in
        [key.to_string(), json!([key]).to_string(), json!([[key]]).to_string(), json!({ "keys": key }).to_string()]
    {
        no_key_set_is(host, &body, &Answer::ok(&body));
    }
    let keys_twice = format!(r#"{{"keys":[{key}],"keys":[{key}]}}"#);
    no_key_set_is(host, "keys that stand twice", &Answer::ok(keys_twice));
}

#[apply(every_gateway)]
fn an_oversize_key_set_is_none(host: Host) {
    no_key_set_is(host, "one byte more", &Answer::ok(padded_keys(LARGEST_SET + 1)));
    no_key_set_is(host, "4 MiB", &Answer::ok(padded_keys(4 * 1024 * 1024)));
    let gateway = started(host, &jwt_auth(), Answer::ok(padded_keys(LARGEST_SET)));
    admitted(&gateway, "as long as may be", right(&gateway));
}

#[apply(every_gateway)]
fn a_keystore_that_answers_too_late_gives_no_keys(host: Host) {
    no_key_set_is(host, "no answer", &Answer::never());
    no_key_set_is(host, "headers after the timeout", &Answer::ok(keys()).after(PATIENCE));
    no_key_set_is(host, "a body that drips", &Answer::ok(keys()).body_after(PATIENCE));
    let gateway = started(host, &jwt_auth(), Answer::ok(keys()).after(seconds(4)));
    admitted(&gateway, "just in time", right(&gateway));
}

#[apply(every_gateway)]
fn a_key_set_that_was_cut_is_none(host: Host) {
    // What arrived is well-formed: only the announced length tells that there was more, such as the end of the last key.
    for length in [keys().len() + 1, keys().len() * 2, keys().len() - 1, 0] {
        let cut = Answer::ok(keys()).header("content-length", length.to_string());
        no_key_set_is(host, &format!("{length} bytes announced"), &cut);
    }
    no_key_set_is(host, "a length that is none", &Answer::ok(keys()).header("content-length", "many"));
    no_key_set_is(host, "closed in the middle", &Answer::half());
    no_key_set_is(host, "half of the text", &Answer::ok(&keys()[..keys().len() / 2]));
}

#[apply(every_gateway)]
fn a_redirect_is_not_followed_and_its_body_not_read(host: Host) {
    for status in [301, 302, 303, 307, 308] {
        for location in ["https://evil.example/keys", "/x/y/application.jwks", "//evil.example/keys"] {
            let redirect = Answer::status(status).header("location", location).body(forged_keys());
            no_key_set_is(host, &format!("{status} to {location}"), &redirect);
        }
        no_key_set_is(host, "with the right keys", &Answer::status(status).header("location", "/").body(keys()));
    }
}

#[apply(every_gateway)]
fn a_key_set_under_another_status_is_none(host: Host) {
    for status in [201, 203, 204, 206, 304, 400, 401, 403, 404, 429, 500, 502, 503] {
        no_key_set_is(host, &status.to_string(), &Answer::status(status).body(keys()));
    }
    no_key_set_is(host, "204 without a body", &Answer::status(204));
    no_key_set_is(host, "500 without a body", &Answer::status(500));
}

#[apply(every_gateway)]
fn a_keystore_that_is_gone_gives_no_keys(host: Host) {
    no_key_set_is(host, "refused", &Answer::refused());
    no_key_set_is(host, "reset", &Answer::reset());
    no_key_set_is(host, "no healthy host", &Answer::unavailable());
}

/// A token without a signature, which therefore costs nothing to make: its kid is looked for first.
fn with_unknown_kid(gateway: &Gateway, number: usize) -> Request {
    with(&token(gateway).header("kid", format!("kid-{number}")).sign(Signer::Unsigned))
}

#[apply(every_gateway)]
fn a_flood_of_10000_unknown_kids_causes_one_fetch_per_cooldown_and_fills_no_memory(host: Host) {
    let gateway = host.start();
    admitted(&gateway, "before the flood", right(&gateway));
    let mut memory = 0;
    for number in 0..10_000 {
        let exchange = gateway.worker(0).send(with_unknown_kid(&gateway, number));
        gateway.advance(Duration::from_millis(10));
        assert_eq!(outcome(&exchange), "JWS.InvalidHeader");
        if number % 500 == 0 {
            stopped(&exchange, "unknown", INVALID_HEADER, "kid of the token is not in");
            assert_eq!(outcome(&gateway.worker(0).send(right(&gateway))), "admitted", "nobody waits in the flood");
        }
        if number == 1000 {
            memory = gateway.worker(0).memory();
        }
    }
    let fetches: Vec<Duration> = gateway.callouts().iter().map(|callout| callout.at).collect();
    assert_eq!(
        fetches.len(),
        1 + 4,
        "100 seconds have a beginning and three more cooldowns of 30 seconds: {fetches:?}"
    );
    assert!(fetches.windows(2).skip(1).all(|pair| pair[1] - pair[0] >= seconds(30)), "{fetches:?}");
    assert_eq!(gateway.worker(0).memory(), memory, "9000 unknown kids later");
}

#[apply(every_gateway)]
fn a_flood_of_unknown_kids_does_not_hasten_the_fetches_of_a_keystore_that_fails(host: Host) {
    let gateway = host.start();
    admitted(&gateway, "before the flood", right(&gateway));
    gateway.upstream(KEYSTORE, Upstream::down());
    for number in 0..1000 {
        let exchange = send(&gateway, with_unknown_kid(&gateway, number));
        assert_eq!(outcome(&exchange), "JWS.InvalidHeader");
        gateway.advance(Duration::from_millis(100));
    }
    assert_eq!(gateway.callouts().len(), 1 + 4, "one per cooldown, none of them repeated");
    admitted(&gateway, "after the flood", right(&gateway));
}

#[test]
fn a_flood_of_unknown_kids_at_once_waits_for_one_fetch_and_only_so_many_wait() {
    let gateway = started(Host::ENVOY, &jwt_auth(), Answer::ok(keys()).after(seconds(2)));
    let flood: Vec<Exchange> = (0..1000).map(|n| gateway.worker(0).send(with_unknown_kid(&gateway, n))).collect();
    let (waiting, others): (Vec<_>, Vec<_>) = flood.into_iter().partition(|exchange| outcome(exchange) == "pending");
    assert_eq!(waiting.len(), MOST_WAITING);
    for exchange in others {
        stopped(&exchange, "too many", NO_KEYS, "Too many requests are waiting");
    }
    gateway.advance(seconds(2));
    for exchange in waiting {
        stopped(&exchange, "unknown", INVALID_HEADER, "kid of the token is not in");
    }
    assert_eq!(gateway.callouts().len(), 1);
    admitted(&gateway, "after the flood", right(&gateway));
}

#[apply(every_gateway_of_lone_requests)]
fn a_flood_of_unknown_kids_at_once_causes_so_many_fetches_and_the_others_do_not_wait(host: Host) {
    let gateway = started(host, &jwt_auth(), Answer::ok(keys()).after(seconds(2)));
    let flood: Vec<Exchange> = (0..1000).map(|n| gateway.worker(0).send(with_unknown_kid(&gateway, n))).collect();
    let (waiting, others): (Vec<_>, Vec<_>) = flood.into_iter().partition(|exchange| outcome(exchange) == "pending");
    assert_eq!((waiting.len(), gateway.callouts().len()), (MOST_FETCHES, MOST_FETCHES));
    for exchange in others {
        stopped(&exchange, "too many", NO_KEYS, "cannot be had now");
    }
    gateway.advance(seconds(2));
    for exchange in waiting {
        stopped(&exchange, "unknown", INVALID_HEADER, "kid of the token is not in");
    }
    assert_eq!(gateway.callouts().len(), MOST_FETCHES);
    admitted(&gateway, "after the flood", right(&gateway));
}

#[apply(every_gateway)]
fn an_expired_token_is_refused_for_that_and_for_nothing_else_while_the_keystore_fails(host: Host) {
    let gateway = host.start();
    let token = token(&gateway).sign(sig3());
    admitted(&gateway, "in its time", with(&token));
    gateway.upstream(KEYSTORE, Upstream::down());
    gateway.advance(seconds(40));
    admitted(&gateway, "10 s after exp", with(&token));
    gateway.advance(seconds(1));
    refused(&gateway, "11 s after exp", with(&token), INVALID_CLAIM, "claim exp has passed");
    gateway.advance(seconds(600));
    stopped(&send(&gateway, with(&token)), "without keys too", INVALID_CLAIM, "claim exp has passed");
    stopped(&send(&gateway, right(&gateway)), "a fresh one", NO_KEYS, "cannot be had");
}

#[apply(every_gateway)]
fn a_token_that_expires_while_it_waits_for_a_slow_keystore_is_refused(host: Host) {
    let gateway = started(host, &jwt_auth(), Answer::ok(keys()).after(seconds(4)));
    let now = gateway.now().as_secs();
    let waiting = |left: u64| {
        let ends = now - 10 + left;
        gateway.worker(0).send(signed(&token(&gateway).valid(ends - 30, ends)))
    };
    let (expired, valid) = (waiting(3), waiting(4));
    assert_eq!((outcome(&expired), outcome(&valid)), ("pending".into(), "pending".into()));
    gateway.advance(seconds(4));
    stopped(&expired, "a second too late", INVALID_CLAIM, "claim exp has passed");
    assert_eq!(outcome(&valid), "admitted");
}

#[apply(every_gateway)]
fn keys_end_ten_minutes_after_they_were_fetched_however_the_keystore_fails(host: Host) {
    let long_lived = Answer::ok(keys()).header("cache-control", "max-age=31536000").header("age", "0");
    for (case, failure) in [
        ("down", Answer::refused()),
        ("500", Answer::status(500)),
        ("not modified", Answer::status(304)),
        ("HTML", Answer::ok("<!doctype html>")),
        ("no keys", Answer::ok(r#"{"keys":[]}"#)),
        ("cut", Answer::half()),
        ("silent", Answer::never()),
        ("silent after the headers", Answer::ok(keys()).body_after(seconds(3600))),
    ] {
        let gateway = started(host, &jwt_auth(), long_lived.clone());
        admitted(&gateway, case, right(&gateway));
        gateway.upstream(KEYSTORE, publishing(failure));
        let mut in_use = Vec::new();
        // In use all the time, so that nothing can take them for forgotten.
        for _ in 0..599 / 5 {
            gateway.advance(seconds(5));
            in_use.push(gateway.worker(0).send(right(&gateway)));
        }
        assert!(gateway.callouts().len() > 1, "{case}: the keys were not refreshed");
        gateway.advance(seconds(4));
        in_use.push(gateway.worker(0).send(right(&gateway)));
        // Nobody waits for a refresh, but who makes it where nobody else does: as long as its server keeps it.
        let waiting = in_use.iter().filter(|exchange| outcome(exchange) == "pending").count();
        let callouts = gateway.callouts();
        let under_way = callouts.iter().filter(|callout| callout.outcome == CalloutOutcome::InFlight).count();
        assert_eq!(waiting, if host.refreshes_in_background { 0 } else { under_way }, "{case}");
        assert!(under_way <= if host.times_whole_callouts { 1 } else { 10 }, "{case}: {under_way} callouts");
        in_use.retain(|exchange| outcome(exchange) != "pending");
        assert!(in_use.iter().all(|exchange| outcome(exchange) == "admitted"), "{case}");
        gateway.advance(seconds(1));
        stopped(&ask_patiently(&gateway, right(&gateway)), case, NO_KEYS, "cannot be had");
    }
}

#[apply(every_gateway)]
fn keys_end_when_the_only_clock_is_set_back_before_they_were_fetched(host: Host) {
    let gateway = host.start();
    gateway.fault(Fault::host_call("clock_time_get").returns(58_u32).only_for("monotonic"));
    admitted(&gateway, "before", right(&gateway));
    gateway.upstream(KEYSTORE, Upstream::down());
    gateway.set_clock(gateway.now() - seconds(60));
    stopped(&send(&gateway, right(&gateway)), "of unknown age", NO_KEYS, "cannot be had");
    gateway.upstream(KEYSTORE, keystore([&hub().signing]));
    gateway.advance(seconds(10));
    admitted(&gateway, "fetched again", right(&gateway));
}

#[apply(every_gateway)]
fn a_key_that_was_withdrawn_ends_with_the_next_refresh(host: Host) {
    let gateway = host.start();
    admitted(&gateway, "before", right(&gateway));
    let next = &Pki::shared().next_signing;
    gateway.upstream(KEYSTORE, keystore([next]));
    gateway.advance(seconds(600));
    let honest = with(&token(&gateway).header("kid", next.kid.as_str()).sign(Signer::Ps256(next)));
    refused_unlike(&gateway, "withdrawn", right(&gateway), honest, INVALID_HEADER, "kid of the token is not in");
}
