//! A fleet: several gateways of one bank, and what they remember used tokens in together, which is a real etcd or Redis.

use std::path::PathBuf;

pub mod clock;
pub mod etcd;
pub mod etcd_api;
mod gateways;
pub mod redis;

pub use gateways::{Fleet, FleetSetup, PREFIX};

/// What `make fleet-stores` makes.
const INSTALLED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../.tools/fleet-stores");

/// A program of a fleet's stores: in the folder `FLEET`, or as the Makefile installed it.
///
/// # Panics
/// If it is not there.
#[must_use]
pub fn program(name: &str) -> PathBuf {
    let path = folder().join(name);
    assert!(
        path.is_file(),
        "{} is no file: run `make fleet-stores`, or set FLEET to a folder that has it.",
        path.display()
    );
    path
}

/// Whether a fleet's stores are installed here.
#[must_use]
pub fn is_installed() -> bool {
    folder().join("etcd").is_file()
}

fn folder() -> PathBuf {
    std::env::var_os("FLEET").filter(|path| !path.is_empty()).map_or_else(|| PathBuf::from(INSTALLED), PathBuf::from)
}
