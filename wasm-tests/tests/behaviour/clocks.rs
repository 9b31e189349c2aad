//! Clocks that are set, and machines that sleep, while something is under way: how long a callout takes is told by the clock that
//! nobody sets; keys are as old as either clock says; and without a steady clock the one on the wall has to do.

use serde_json::json;
use wasm_tests::host::{Answer, Exchange, Fault, Gateway, Module, Outcome, Request, Upstream};
use wasm_tests::stage::tokens::jwks;

use super::outbound::call;
use super::remote_signer::{claims, right as signs, start, with as signed_with};
use super::scene::{
    Host, KEYSTORE, apply, every_gateway, hub, judge, jwt_auth, outcome, publishing, right, seconds, send, with,
};

const HOUR: i64 = 3600;
const SERVER: &str = "as.test:443";
const UNAVAILABLE: &str = "GenericRecoverableError";

fn set_clock(gateway: &Gateway, by: i64) {
    let (now, by_duration) = (gateway.now(), seconds(by.unsigned_abs()));
    gateway.set_clock(if by < 0 { now - by_duration } else { now + by_duration });
}

fn without_a_steady_clock(gateway: &Gateway) {
    gateway.fault(Fault::host_call("clock_time_get").returns(58_u32).only_for("monotonic"));
}

/// A keystore that takes so many seconds to answer.
fn slow_keystore(takes: u64) -> Upstream {
    publishing(Answer::ok(jwks([&hub().signing]).to_string()).after(seconds(takes)))
}

fn with_slow_keystore(host: Host) -> Gateway {
    host.with(&jwt_auth()).upstream(KEYSTORE, slow_keystore(2)).start(Module::release()).expect("the gateway starts")
}

/// A gateway that asks a server, which takes so many seconds to say that a token is active.
fn introspecting(host: Host, takes: u64) -> Gateway {
    let mut configuration = jwt_auth();
    configuration["inbound"]["auth"] = json!({ "client_credentials": {
        "scopes": ["accounts"], "certificate_bound": false,
        "introspection": {
            "url": "https://as.test/introspect", "upstream": SERVER, "timeout": "5s",
            "client_id": "filter", "client_secret": { "value": "s" },
        },
    } });
    let server = Upstream::scripted(move |_, _| {
        Answer::ok(json!({ "active": true, "scope": "accounts" }).to_string()).after(seconds(takes))
    });
    host.with(&configuration).upstream(SERVER, server).start(Module::release()).expect("the gateway starts")
}

/// A gateway whose signer takes so many seconds.
fn signing(host: Host, takes: u64) -> Gateway {
    let signer = Upstream::scripted(move |_, body| signs(body).after(seconds(takes)));
    start(host, &signed_with(json!({})), signer)
}

/// What becomes of a request, whose callouts may take some seconds.
fn send_and_settle(gateway: &Gateway, request: Request) -> String {
    let exchange = gateway.worker(0).send(request);
    gateway.advance(seconds(8));
    outcome(&exchange)
}

/// Sends a request that waits, sets the clock meanwhile, and lets the callouts end.
fn set_while_it_waits(gateway: &Gateway, exchange: Exchange, by: i64) -> Exchange {
    gateway.advance(seconds(1));
    assert_eq!(outcome(&exchange), "pending");
    set_clock(gateway, by);
    gateway.advance(seconds(8));
    exchange
}

#[apply(every_gateway)]
fn the_keys_of_a_fetch_count_however_the_clock_is_set_meanwhile_and_are_as_old_as_it_says(host: Host) {
    for (by, callouts) in [(-HOUR, 1), (-5, 1), (5, 1), (HOUR, 2)] {
        let gateway = with_slow_keystore(host);
        let exchange = set_while_it_waits(&gateway, gateway.worker(0).send(right(&gateway)), by);
        // A token of an hour ago, or hence, is wrong.
        let expected = if by.abs() == HOUR { "JWS.InvalidClaim" } else { "admitted" };
        assert_eq!(outcome(&exchange), expected, "{by}");
        // The machine may have slept for that hour, with the answer at its door.
        assert_eq!(send_and_settle(&gateway, right(&gateway)), "admitted", "{by}");
        assert_eq!(gateway.callouts().len(), callouts, "{by}");
    }
}

#[apply(every_gateway)]
fn the_word_on_a_token_counts_however_the_clock_is_set_meanwhile_and_is_as_old_as_it_says(host: Host) {
    for (by, first, callouts) in
        [(-HOUR, "admitted", 1), (-5, "admitted", 1), (5, "admitted", 1), (HOUR, UNAVAILABLE, 2)]
    {
        let gateway = introspecting(host, 2);
        let exchange = set_while_it_waits(&gateway, gateway.worker(0).send(with("opaque")), by);
        assert_eq!(outcome(&exchange), first, "{by}");
        assert_eq!(send_and_settle(&gateway, with("opaque")), "admitted", "{by}: it is remembered, or asked again");
        assert_eq!(gateway.callouts().len(), callouts, "{by}");
    }
}

#[apply(every_gateway)]
fn a_signature_counts_however_the_clock_is_set_meanwhile_and_the_token_that_leaves_is_of_this_time(host: Host) {
    for (by, callouts) in [(-HOUR, 2), (-5, 1), (2, 1), (HOUR, 2)] {
        let gateway = signing(host, 1);
        let exchange = gateway.worker(0).send(call());
        assert_eq!(outcome(&exchange), "pending");
        set_clock(&gateway, by);
        gateway.settle();
        assert!(matches!(exchange.outcome(), Outcome::Upstream(_)), "{by}: {}", outcome(&exchange));
        let iat = claims(&exchange)["iat"].as_i64().expect("a time");
        let age = i64::try_from(gateway.now().as_secs()).expect("a time") - iat;
        assert!((-5..=4).contains(&age), "{by}: {age} s old");
        assert_eq!(gateway.callouts().len(), callouts, "{by}");
    }
}

#[apply(every_gateway)]
fn keys_are_used_no_shorter_and_no_longer_because_the_clock_is_set_back(host: Host) {
    let gateway = host.start();
    assert_eq!(judge(&gateway, right(&gateway)), "admitted");
    gateway.upstream(KEYSTORE, Upstream::down());
    gateway.advance(seconds(300));
    set_clock(&gateway, -HOUR);
    assert_eq!(judge(&gateway, right(&gateway)), "admitted");
    gateway.advance(seconds(300));
    assert_eq!(judge(&gateway, right(&gateway)), UNAVAILABLE, "they end all the same");
}

#[apply(every_gateway)]
fn keys_are_as_old_as_a_clock_says_that_is_set_forward(host: Host) {
    let gateway = host.start();
    assert_eq!(judge(&gateway, right(&gateway)), "admitted");
    set_clock(&gateway, HOUR);
    assert_eq!(judge(&gateway, right(&gateway)), "admitted");
    assert_eq!(gateway.callouts().len(), 2, "they were fetched again");
    set_clock(&gateway, HOUR);
    gateway.upstream(KEYSTORE, Upstream::down());
    assert_eq!(judge(&gateway, right(&gateway)), UNAVAILABLE);
}

#[apply(every_gateway)]
fn keys_are_not_used_after_the_machine_has_slept_for_eleven_minutes(host: Host) {
    for set_back in [0, -HOUR] {
        let gateway = host.start();
        assert_eq!(judge(&gateway, right(&gateway)), "admitted");
        gateway.upstream(KEYSTORE, Upstream::down());
        set_clock(&gateway, set_back);
        assert_eq!(judge(&gateway, right(&gateway)), "admitted", "{set_back}");
        gateway.sleep(seconds(11 * 60));
        assert_eq!(judge(&gateway, right(&gateway)), UNAVAILABLE, "{set_back}");
    }
}

/// As it was when there was one clock: what seems to begin in the future may have taken any time.
#[apply(every_gateway)]
fn without_a_steady_clock_the_one_on_the_wall_has_to_do(host: Host) {
    let gateway = with_slow_keystore(host);
    without_a_steady_clock(&gateway);
    let exchange = set_while_it_waits(&gateway, gateway.worker(0).send(right(&gateway)), -5);
    assert_eq!(outcome(&exchange), UNAVAILABLE, "nobody knows how long that took");
    gateway.advance(seconds(10));
    let exchange = gateway.worker(0).send(right(&gateway));
    gateway.advance(seconds(3));
    assert_eq!(outcome(&exchange), "admitted");
    gateway.upstream(KEYSTORE, Upstream::down());
    set_clock(&gateway, -60);
    assert_eq!(judge(&gateway, right(&gateway)), UNAVAILABLE, "keys of unknown age");
}

#[apply(every_gateway)]
fn a_steady_clock_that_fails_once_is_not_asked_any_more_and_nothing_else_fails(host: Host) {
    let gateway = host.start();
    assert_eq!(judge(&gateway, right(&gateway)), "admitted");
    without_a_steady_clock(&gateway);
    assert_eq!(judge(&gateway, right(&gateway)), "admitted");
    assert_eq!(gateway.callouts().len(), 2, "nobody knows how old the keys are");
    gateway.heal();
    assert_eq!(judge(&gateway, right(&gateway)), "admitted");
    assert_eq!(gateway.callouts().len(), 2);
    let introspecting = introspecting(host, 1);
    without_a_steady_clock(&introspecting);
    let exchange = send(&introspecting, with("opaque"));
    assert_eq!(outcome(&exchange), "admitted");
}
