//! Addresses of servers: what the configuration may name, and where callouts go (RFC 3986, narrower where parsers differ).

mod authority;
mod http_url;
mod jwks_location;
mod origin;

pub(crate) use authority::Authority;
pub use http_url::{HttpUrl, Scheme};
pub use jwks_location::{Environment, ExpandError, JwksLocation, JwksLocationError};
pub(crate) use origin::Origin;
