//! The shipped configurations, above all of gateways that these tests cannot start: every file can be read, what they hold is what the guides
//! rely on, each plugin configuration in them, and in the guides, is one that the filter accepts in that gateway, and in the test
//! host, as that gateway, it does what it is for.

mod alerts;
mod apisix;
mod crl;
mod dashboard;
mod envoy;
mod files;
mod guides;
mod kong;
mod kubernetes;
mod meshes;
mod operations;
mod plugin;
mod running;
