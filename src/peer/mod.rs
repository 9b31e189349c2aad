//! The peer certificate.

mod hex;

pub mod fingerprint;

pub use fingerprint::Fingerprint;
