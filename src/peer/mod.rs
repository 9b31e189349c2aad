//! The peer certificate.

mod hex;

pub mod fingerprint;
pub mod forwarded;
pub mod name;
pub mod subject;

pub use fingerprint::Fingerprint;
pub use subject::Subject;
