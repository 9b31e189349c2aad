//! The plugin configuration.

mod authority;
mod jwks_location;

pub use jwks_location::{Environment, ExpandError, JwksLocation, JwksLocationError, JwksUrl, Scheme};
