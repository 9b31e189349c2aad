//! A filter on the official Rust SDK as the guest: what it does, each gateway must let it do. The host was made for another module.

mod guest;
mod requests;
mod statuses;
mod traps;
