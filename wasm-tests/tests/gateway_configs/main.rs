//! The shipped configurations of gateways that these tests can not start: every file can be read, what they hold is what the guides
//! rely on, and each plugin configuration in them, and in the guides, is one that the filter accepts.

mod apisix;
mod files;
mod guides;
mod kong;
mod plugin;
