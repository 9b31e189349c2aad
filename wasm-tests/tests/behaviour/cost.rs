//! What a request costs, in wasmtime's fuel: a count that is the same on every machine, as a bound against regressions.

use wasm_tests::artifact::Artifact;
use wasm_tests::host::Answer;
use wasm_tests::stage::tokens::Signer;

use super::scene::*;

/// The most fuel that an admitted request may use, keys cached. Nearly all of it is the RSA-2048 verification, which has a
/// faster kernel in one of the artifacts.
fn most_for_admitted() -> u64 {
    match Artifact::under_test() {
        Artifact::Baseline => 1_450_000,
        Artifact::RelaxedSimd => 805_000,
    }
}

/// The most fuel that a request may use that is refused before its signature: all the rest of the work.
const REFUSED_BY_CLAIM: u64 = 50_000;

#[apply(every_gateway)]
fn an_admitted_request_stays_within_its_fuel_and_calls_the_host_once_for_each_thing(host: Host) {
    let gateway = host.metered().start();
    send(&gateway, right(&gateway));
    gateway.bank(Answer::never());
    let exchange = gateway.worker(0).send(right(&gateway));
    assert_eq!(outcome(&exchange), "admitted");
    println!("fuel per admitted request: {}", exchange.fuel());
    assert!(exchange.fuel() < most_for_admitted(), "{} fuel", exchange.fuel());
    let mut calls: Vec<_> =
        exchange.host_calls().iter().map(|call| format!("{} {:?}", call.name, call.subject)).collect();
    if host.has_metrics {
        // What measuring takes: one more look at one clock, and the result.
        for call in ["clock_time_get Some(\"monotonic\")", "proxy_record_metric None"] {
            let place = calls.iter().position(|made| made == call).unwrap_or_else(|| panic!("no {call}: {calls:?}"));
            calls.remove(place);
        }
    }
    let count = calls.len();
    calls.sort();
    calls.dedup();
    assert_eq!(calls.len(), count, "a host call was made twice: {calls:?}");
    assert!(count <= 14, "{calls:?}");
}

#[apply(every_gateway)]
fn a_request_that_is_refused_for_a_claim_costs_no_modular_arithmetic(host: Host) {
    let gateway = host.metered().start();
    send(&gateway, request());
    let wrong = token(&gateway).claim("aud", "corporate").sign(Signer::Unsigned);
    let exchange = gateway.worker(0).send(with(&wrong));
    assert_eq!(outcome(&exchange), "JWS.InvalidClaim");
    println!("fuel per request refused for a claim: {}", exchange.fuel());
    assert!(exchange.fuel() < REFUSED_BY_CLAIM, "{} fuel", exchange.fuel());
    // When it comes, when it is refused, and the time of the line. Its answer, which some gateways show to the filter, needs none.
    let clocks = exchange.host_calls().iter().filter(|call| call.name == "clock_time_get").count();
    assert!(clocks <= 4, "{:?}", exchange.host_calls());
}

#[apply(every_gateway)]
fn the_cost_does_not_grow_with_traffic(host: Host) {
    let gateway = host.metered().start();
    send(&gateway, right(&gateway));
    let cost = || {
        let exchange = gateway.worker(0).send(right(&gateway));
        assert_eq!(outcome(&exchange), "admitted");
        exchange.fuel()
    };
    let early = cost();
    for n in 0..300 {
        let token = token(&gateway).header("kid", format!("kid-{n}")).sign(Signer::Unsigned);
        send(&gateway, with(&token));
    }
    // The unknown ids have made it fetch the keys anew, and the first signature prepares the key.
    cost();
    let late = cost();
    assert!(late < early + early / 10, "{early} fuel, then {late}");
}
