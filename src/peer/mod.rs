//! The peer certificate.

mod hex;

pub mod fingerprint;
pub mod name;

pub use fingerprint::Fingerprint;
