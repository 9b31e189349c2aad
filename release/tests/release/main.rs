//! What is published, as those who take it would: from a registry, by the rules of the meshes.
#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "tests end at what is not as they expect"
)]

mod fetchers;
mod files;
mod image;
mod list;
mod project;
mod ready;
mod registry;
mod whole;

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use sha2::{Digest as _, Sha256};

/// The project.
const PROJECT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
/// Any commit, and the time of it.
const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";
const CREATED: &str = "1796000000";

/// The program, called with these arguments.
fn release(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_release")).args(arguments).output().expect("the program starts")
}

/// What it prints when it succeeds.
fn printed(output: &Output) -> String {
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{error}");
    String::from_utf8(output.stdout.clone()).expect("UTF-8")
}

/// A module that `make build` has made.
fn module(name: &str) -> Vec<u8> {
    let path = Path::new(PROJECT).join("dist").join(name);
    fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}: run `make build`.", path.display()))
}

/// A program that `make release-tools` installs, unless this variable names another.
fn tool(name: &str, variable: &str) -> PathBuf {
    let chosen = env::var_os(variable).filter(|value| !value.is_empty());
    let path = chosen.map_or_else(|| Path::new(PROJECT).join(".tools/release-tools").join(name), PathBuf::from);
    assert!(path.is_file(), "{} is missing: run `make release-tools`.", path.display());
    path
}

/// The SHA-256 of some bytes, as an image is named by it.
fn sha256(bytes: &[u8]) -> String {
    let hexadecimal: String = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hexadecimal}")
}
