//! Authenticates the UAE Open Finance API Hub to a bank, inside the API gateway that the bank already runs.
//!
//! Everything in this crate but `gateway` is deterministic: it takes bytes, facts and the time, and returns a decision.
//! `gateway` alone speaks proxy-wasm; all of it that does is compiled for wasm only.

pub mod auth;
pub mod callout;
pub mod capabilities;
pub mod claims;
pub mod config;
mod der;
mod digest_map;
pub mod ecdsa;
pub mod effects;
pub mod evidence;
pub mod gateway;
pub mod header_map;
pub mod header_value;
pub mod health;
mod hex;
pub mod identity_headers;
pub mod inbound;
pub mod introspection;
pub mod jose;
pub mod json;
pub mod keys;
mod log_line;
pub mod outbound;
pub mod peer;
mod pem;
pub mod provider;
pub mod replay;
pub mod reply;
pub mod request;
pub mod request_table;
pub mod rsa;
pub mod shared_data;
pub mod signature;
pub mod signing;
pub mod spelling;
pub mod time;
pub mod token_attacher;
pub mod token_digest;
pub mod url;
pub mod verdict;

#[cfg(test)]
mod testing;
