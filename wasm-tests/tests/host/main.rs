//! The rules of the host itself, each shown with a small module in the text format; and a filter on the official SDK, which knows
//! nothing of this host.

mod apisix;
mod callouts;
mod clock;
mod engines;
mod faults;
mod fixture;
mod interleaving;
mod kong;
mod layers;
mod requests;
mod sdk;
mod shared;
mod start;
mod traps;
