//! How the release module behaves under a proxy-wasm host: one file a topic. `make build` makes the module.
//!
//! Rules that need no wasm are tested where they are decided, in the crate itself.

mod admission;
mod api_key;
mod artifact;
mod attacks;
mod clocks;
mod clouds;
mod configuration;
mod cost;
mod error_mapping;
mod forwarded_certificate;
mod gateways;
mod growth;
mod health_checks;
mod host;
mod hostile_host;
mod house;
mod introspection;
mod keys;
mod metrics;
mod outbound;
mod records;
mod refusals;
mod remote_signer;
mod replay;
mod replay_store;
mod responses;
mod scene;
mod sequences;
mod service_initiation;
mod signer_keys;
mod signer_login;
mod token_cache;
mod validity;
