//! The token cache (`token_cache_capacity`): the same token costs its signature once, and nothing else changes.

use serde_json::json;
use wasm_tests::host::{Answer, Gateway, Module};
use wasm_tests::stage::tokens::{Signer, with_broken_signature};

use super::scene::*;

/// The most fuel that a request with a known token may use: less than that of a refusal, as nothing is decoded.
const KNOWN: u64 = 46_000;

/// A gateway with room for so many tokens, whose worker has keys.
fn caching(host: Host, capacity: usize) -> Gateway {
    let mut configuration = jwt_auth();
    configuration["inbound"]["auth"]["jwt_auth"]["token_cache_capacity"] = json!(capacity);
    let gateway = host.with(&configuration).start(Module::release()).unwrap();
    assert_eq!(judge(&gateway, right(&gateway)), "admitted");
    gateway
}

fn fresh(gateway: &Gateway) -> String {
    token(gateway).sign(Signer::Ps256(&hub().signing))
}

#[apply(every_gateway)]
fn a_token_that_comes_again_costs_no_modular_arithmetic(host: Host) {
    let gateway = caching(host.metered(), 10);
    let token = fresh(&gateway);
    let [first, second] = [(); 2].map(|()| gateway.worker(0).send(with(&token)));
    assert_eq!([outcome(&first), outcome(&second)], ["admitted", "admitted"]);
    println!("fuel: {} for a new token, {} for a known one", first.fuel(), second.fuel());
    assert!(second.fuel() < KNOWN && second.fuel() < first.fuel() / 2, "{} after {}", second.fuel(), first.fuel());
}

#[apply(every_engine)]
fn a_known_token_is_refused_where_any_other_would_be(host: Host) {
    let gateway = caching(host, 10);
    let token = fresh(&gateway);
    assert_eq!(judge(&gateway, with(&token)), "admitted");
    assert_eq!(judge(&gateway, with(&with_broken_signature(&token))), "JWS.InvalidSignature");
    assert_eq!(judge(&gateway, with(&token).header("o3-provider-id", "corporate")), "Provider.Unknown");
    assert_eq!(judge(&gateway, with(&token).header("x-hub-token-id", "1")), "Header.NotAllowed");
    assert_eq!(judge(&gateway, with(&token)), "admitted");
    // `exp` is in 30 s, and the skew 10 s.
    gateway.advance(seconds(41));
    assert_eq!(judge(&gateway, with(&token)), "JWS.InvalidClaim");
}

#[apply(every_gateway)]
fn a_known_token_needs_keys_that_are_valid_now(host: Host) {
    let mut configuration = jwt_auth();
    let method = &mut configuration["inbound"]["auth"]["jwt_auth"];
    (method["token_cache_capacity"], method["max_age"]) = (json!(10), json!("10s"));
    let gateway = host.with(&configuration).start(Module::release()).unwrap();
    let token = fresh(&gateway);
    assert_eq!(judge(&gateway, with(&token)), "admitted");
    gateway.upstream(KEYSTORE, publishing(Answer::status(503)));
    gateway.advance(seconds(11));
    let exchange = send(&gateway, with(&token));
    assert_eq!(outcome(&exchange), "GenericRecoverableError");
}

#[apply(every_gateway)]
fn the_cache_takes_no_more_memory_with_traffic(host: Host) {
    let gateway = caching(host, 4);
    let memory = gateway.worker(0).memory();
    for _ in 0..50 {
        assert_eq!(judge(&gateway, right(&gateway)), "admitted");
    }
    assert_eq!(gateway.worker(0).memory(), memory);
}
