//! The properties, one file for each thing that is read. Each `check` panics if its property does not hold.

pub(crate) mod access_tokens;
pub(crate) mod callout_answers;
pub(crate) mod certificates;
pub(crate) mod cloud_signers;
pub(crate) mod compact_jws;
pub(crate) mod configuration;
pub(crate) mod forwarded_headers;
pub(crate) mod header_maps;
pub(crate) mod introspection;
pub(crate) mod json;
pub(crate) mod jwk_sets;
pub(crate) mod names;
pub(crate) mod pem;
pub(crate) mod replay_store;
pub(crate) mod signatures;
pub(crate) mod vault_transit;
