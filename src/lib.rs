//! Authenticates the UAE Open Finance API Hub to a bank, inside the API gateway that the bank already runs.
//!
//! Everything in this crate but `gateway` is deterministic: it takes bytes, facts and the time, and returns a decision.
//! `gateway` alone speaks proxy-wasm, and is compiled for wasm only.

pub mod config;
pub mod jose;
pub mod json;
pub mod peer;
pub mod rsa;
pub mod time;

#[cfg(test)]
mod testing;
