//! The only code that knows proxy-wasm (ABI 0.2.1); compiled for wasm alone. It translates and decides nothing.
//!
//! It does without the SDK's dispatcher and host calls: those panic when a host returns a status that they do not list,
//! answers a callout twice, or refuses `proxy_set_effective_context` — and on some gateways a panic lets a request pass.

mod abi;
mod adapter;
mod apisix;
mod callouts;
mod direction;
mod driver;
mod envoy;
mod events;
mod exports;
mod facts;
mod gate;
mod kong;
mod logger;
mod metrics;
mod module;
mod nginx;
mod plugin;
mod plugin_callouts;
mod request_callouts;
mod running;
mod shared_data;
