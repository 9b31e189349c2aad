//! End to end: a real Envoy with the release module and the shipped configuration. One module a topic.
#![allow(clippy::disallowed_methods, reason = "end-to-end tests run on real clocks")]

mod accepted;
mod alerts;
mod authorisation_server;
mod aws_kms;
mod benchmark;
mod capabilities;
mod certificate_facts;
mod client_credentials;
mod cloud_tokens;
mod concurrency;
mod documents;
mod fleet;
mod gateway_credentials;
mod health_checks;
mod hub;
mod keystore;
mod kubernetes;
mod meshes;
mod methods;
mod metrics;
mod mirrored;
mod openbao;
mod outbound;
mod outbound_load;
mod peers;
mod refusals;
mod remote_signer;
mod response_tokens;
mod revocation;
mod round_trip;
mod signing_keys;
mod soak;
mod start;
mod terminators;
mod traps;
mod vault_login;
mod verified_responses;

#[path = "../../schemas/schemas.rs"]
mod schemas;
