//! Authenticates the UAE Open Finance API Hub to a bank, inside the API gateway that the bank already runs.
//!
//! Everything in this crate but `gateway` is deterministic: it takes bytes, facts and the time, and returns a decision.
//! `gateway` alone speaks proxy-wasm, and is compiled for wasm only.

mod asn1;
pub mod attachment;
pub mod auth;
pub mod callout;
pub mod capabilities;
pub mod claims;
pub mod config;
mod digest_map;
pub mod ecdsa;
pub mod exchange;
pub mod header_map;
pub mod header_value;
pub mod health;
pub mod inbound;
pub mod introspection;
pub mod jose;
pub mod json;
pub mod keys;
pub mod outbound;
pub mod peer;
pub mod provider;
pub mod replay;
pub mod reply;
pub mod report;
pub mod request;
pub mod reserved;
pub mod rsa;
pub mod shared_data;
pub mod signing;
pub mod spelling;
pub mod time;

#[cfg(all(target_family = "wasm", feature = "gateway"))]
mod gateway;

#[cfg(test)]
mod testing;
