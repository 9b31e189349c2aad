//! What Kong and APISIX do to a filter and Envoy does not, and what becomes of it: the dangers of each, one rule a test.

mod apisix;
mod kong;
mod nginx;

use wasm_tests::host::{Exchange, Gateway};

/// How often the module has made this host call for a request.
fn calls(exchange: &Exchange, name: &str) -> usize {
    exchange.host_calls().iter().filter(|call| call.name == name).count()
}

/// How often the module has made this host call at all.
fn all_calls(gateway: &Gateway, name: &str) -> usize {
    gateway.trace().iter().filter(|call| call.name == name).count()
}
