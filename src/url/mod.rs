//! Addresses of servers: what the configuration may name, and where callouts go (RFC 3986, narrower where parsers differ).
//!
//! The crate `url` follows WHATWG, which repairs what it reads: `https:\\127.1` becomes an address of this machine. An
//! address that decides whose keys are believed has to be refused instead.

mod authority;
mod http_url;
mod jwks_location;
mod origin;

pub(crate) use authority::Authority;
#[cfg(not(target_family = "wasm"))]
pub(crate) use authority::{MAX_LABEL_BYTES, MAX_NAME_BYTES};
pub use http_url::{HttpUrl, Scheme};
pub use jwks_location::{Environment, JwksLocation};
pub(crate) use jwks_location::{ExpandError, JwksLocationError};
pub(crate) use origin::Origin;
