//! What an admitted request takes in the engines of the other gateways, without a gateway around them: the test host calls the module as
//! they do, and what it does itself meanwhile is not counted.

use std::time::Duration;

use serde_json::json;
use wasm_tests::artifact::Artifact;
use wasm_tests::host::{Answer, Engine, Gateway, Module, Outcome, Peer, Profile, Request, Upstream};
use wasm_tests::stage::PROVIDER_ID;
use wasm_tests::stage::pki::Pki;
use wasm_tests::stage::subject::Subject;
use wasm_tests::stage::tokens::{Signer, Token, jwks};

use super::extent::Extent;
use super::table::Table;

const KEYSTORE: &str = "keystore.sandbox.directory.openfinance.ae:443";

/// Prints the table.
pub(crate) fn run(extent: Extent) {
    let requests = extent.singles * extent.single_rounds;
    println!(
        "What an admitted request takes inside the module, in the engines of the other gateways, in µs ({requests} requests, each with a new"
    );
    println!("token), and the same where the signature of the token is remembered:");
    let mut table = Table::new(&["", "new token\nminimum", "\nmedian", "remembered\nminimum", "\nmedian"]);
    for (gateway, profile, engine, artifacts) in [
        (
            "APISIX 3.18, wasmtime 0.38",
            Profile::apisix as fn() -> Profile,
            Engine::Wasmtime0_38,
            vec![Artifact::Baseline],
        ),
        ("Kong 3.9, wasmtime 26", Profile::kong, Engine::Wasmtime26, extent.artifacts()),
    ] {
        for artifact in artifacts {
            let module = Module::artifact(&artifact.path(), None).unwrap_or_else(|why| panic!("{why}"));
            let [new, remembered] = times(&module, &Profile { engine, ..profile() }, requests);
            let name = format!("{gateway}, {}", artifact.name());
            table.row([name].into_iter().chain([new, remembered].iter().flat_map(|times| figures(times))));
        }
    }
    table.print();
}

/// With a new token, and with one that came before, sorted.
fn times(module: &Module, profile: &Profile, requests: usize) -> [Vec<Duration>; 2] {
    // A name as gateways write it, without anything to escape.
    let hub = Subject { organisation: "Example Hub Operations".to_owned(), ..Pki::shared().hub.subject.clone() };
    let key = &Pki::shared().hub.signing;
    let configuration = json!({"inbound": {
        "provider_ids": [PROVIDER_ID],
        "peer": {"organisational_units": [hub.organisational_unit]},
        "auth": {"jwt_auth": {"jwks": {"environment": "sandbox"}, "token_cache_capacity": 1000}},
    }});
    let path = format!("/{}/{}/application.jwks", hub.organisational_unit, hub.common_name);
    let keystore = Upstream::new().route(path, Answer::ok(jwks([key]).to_string()));
    let gateway = Gateway::new(profile.clone()).configuration(configuration.to_string()).upstream(KEYSTORE, keystore);
    let gateway = gateway.start(module).expect("the gateway starts");
    let printed = format!("CN={},OU={},O={},C=AE", hub.common_name, hub.organisational_unit, hub.organisation);
    let mut sorted = [Vec::new(), Vec::new()];
    // The first one fetches the keys, and the second one prepares the key.
    for number in 0..requests + 2 {
        let token = Token::new(&hub, &key.kid, PROVIDER_ID, gateway.now().as_secs()).sign(Signer::Ps256(key));
        for times in &mut sorted {
            let peer = Peer::verified(printed.as_str()).issuer("CN=Issuing CA,C=AE");
            let request = Request::get("/accounts").peer(peer).header("authorization", format!("Bearer {token}"));
            let exchange = gateway.send(request);
            gateway.settle();
            assert!(matches!(exchange.outcome(), Outcome::Upstream(_)), "{:?}", exchange.outcome());
            if number >= 2 {
                times.push(exchange.time());
            }
        }
    }
    sorted.iter_mut().for_each(|times| times.sort_unstable());
    sorted
}

fn figures(sorted: &[Duration]) -> [String; 2] {
    [sorted[0], sorted[sorted.len() / 2]].map(|time| format!("{:.1}", time.as_secs_f64() * 1e6))
}
