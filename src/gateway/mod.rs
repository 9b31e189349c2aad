//! The gateways. What there is to know of each is in [`kinds`]; everything else here is the only code that knows proxy-wasm
//! (ABI 0.2.1), and is compiled for wasm alone. It translates and decides nothing.
//!
//! It does without the SDK's dispatcher and host calls: those panic when a host returns a status that they do not list,
//! answers a callout twice, or refuses `proxy_set_effective_context`; and on some gateways a panic lets a request pass.

pub(crate) mod kinds;

#[cfg(all(target_family = "wasm", feature = "gateway"))]
mod abi;
#[cfg(all(target_family = "wasm", feature = "gateway"))]
mod adapter;
#[cfg(all(target_family = "wasm", feature = "gateway"))]
mod vm;
