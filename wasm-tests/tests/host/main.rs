//! The rules of the host itself, each shown with a small module in the text format.

mod apisix;
mod callouts;
mod clock;
mod faults;
mod fixture;
mod interleaving;
mod kong;
mod requests;
mod shared;
mod start;
mod traps;
