//! Whether the cost of a request depends on how many keys the Hub publishes.

use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use wasm_tests::stage::pki::Pki;
use wasm_tests::stage::tokens::uuid;

use super::contestants::{Contestant, Filter, token};
use super::extent::Extent;
use super::load::request;
use super::rounds;
use super::table::Table;

/// The most keys that the filter takes in a set.
const KEYS: usize = 64;

/// Prints the table.
pub(crate) async fn run(extent: Extent) {
    let mut contestants = Vec::new();
    for artifact in extent.artifacts() {
        contestants.push(Contestant::start(Filter::JwtAuth { artifact, cached: false }).await);
        contestants.push(Contestant::start_with(Filter::JwtAuth { artifact, cached: false }, Some(many())).await);
    }
    let measured = rounds::run(&mut contestants, extent, || vec![request(&token())]);

    println!("A request where the Hub publishes 1 key, and where it publishes {KEYS}, of which the last one signs:");
    let mut table = Table::new(&["", "keys", "µs/request\nminimum", "\nmedian", "/ 1 key\nminimum", "\nmedian"]);
    for (number, (contestant, figures)) in contestants.iter().zip(&measured).enumerate() {
        let ratio = figures.cost.over(&measured[number / 2 * 2].cost);
        table.row([
            contestant.name.clone(),
            [1, KEYS][number % 2].to_string(),
            format!("{:.1}", figures.cost.minimum()),
            format!("{:.1}", figures.cost.median()),
            format!("{:.2}", ratio.minimum()),
            format!("{:.2}", ratio.median()),
        ]);
    }
    table.print();
}

/// The Hub's key behind others with moduli that are nobody's.
fn many() -> Value {
    let hub = &Pki::shared().hub.signing;
    let other = || {
        let mut modulus = [0; 256];
        SystemRandom::new().fill(&mut modulus).expect("random bytes");
        modulus[0] |= 0x80;
        modulus[255] |= 1;
        let mut key = hub.jwk();
        key["kid"] = json!(uuid());
        key["n"] = json!(URL_SAFE_NO_PAD.encode(modulus));
        key
    };
    let others = std::iter::repeat_with(other).take(KEYS - 1);
    json!({"keys": others.chain([hub.jwk()]).collect::<Vec<_>>()})
}
