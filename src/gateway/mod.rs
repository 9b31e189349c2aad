//! The only code that knows proxy-wasm (ABI 0.2.1). It translates and decides nothing. What calls the host, or is called by it,
//! is compiled for wasm alone; what is known of each gateway without asking it is there everywhere, in [`kinds`].
//!
//! It does without the SDK's dispatcher and host calls: those panic when a host returns a status that they do not list,
//! answers a callout twice, or refuses `proxy_set_effective_context` — and on some gateways a panic lets a request pass.

pub mod kinds;

#[cfg(all(target_family = "wasm", feature = "gateway"))]
mod abi;
#[cfg(all(target_family = "wasm", feature = "gateway"))]
mod adapter;
#[cfg(all(target_family = "wasm", feature = "gateway"))]
mod callouts;
#[cfg(all(target_family = "wasm", feature = "gateway"))]
mod direction;
#[cfg(all(target_family = "wasm", feature = "gateway"))]
mod exports;
#[cfg(all(target_family = "wasm", feature = "gateway"))]
mod facts;
#[cfg(all(target_family = "wasm", feature = "gateway"))]
mod logger;
#[cfg(all(target_family = "wasm", feature = "gateway"))]
mod metrics;
#[cfg(all(target_family = "wasm", feature = "gateway"))]
mod module;
#[cfg(all(target_family = "wasm", feature = "gateway"))]
mod plugin;
#[cfg(all(target_family = "wasm", feature = "gateway"))]
mod running;
#[cfg(all(target_family = "wasm", feature = "gateway"))]
mod shared_data;
#[cfg(all(target_family = "wasm", feature = "gateway"))]
mod verdict;
