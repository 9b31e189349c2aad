//! The peer certificate.

mod hex;

pub mod fingerprint;
pub mod name;
pub mod subject;

pub use fingerprint::Fingerprint;
pub use subject::Subject;
