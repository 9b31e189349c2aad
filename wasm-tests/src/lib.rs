//! Test equipment for the module that this workspace releases.
//!
//! [`host`] runs the module under a proxy-wasm host of our own, with virtual time, scripted callouts and deliberate
//! faults: every behaviour that a real gateway shows seldom or slowly can be had at once and exactly.

pub mod host;
