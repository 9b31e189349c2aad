//! Test equipment for the module that this workspace releases.
//!
//! - [`host`] runs the module under a proxy-wasm host of our own, with virtual time, scripted callouts and deliberate
//!   faults: every behaviour that a real gateway shows seldom or slowly can be had at once and exactly.
//! - [`stage`] runs it in a real Envoy among a throw-away Trust Framework: keystore, bank, the Hub and others.
//! - [`probe`] asks the RSA of the module alone, inside the engines of gateways.
//! - [`artifact`] reads its file, and says whether gateways would load it.
//! - [`shifted_addresses`] reads its code, and says whether the engine of APISIX would run it as it is meant.
//! - [`layers`] reads source code, and says whether its modules use each other in the order that is written down.

pub mod artifact;
#[cfg(feature = "host")]
pub mod host;
pub mod layers;
#[cfg(feature = "host")]
pub mod probe;
pub mod shifted_addresses;
pub mod stage;
