//! Asks the linker for the short form of numbers: it otherwise leaves room for the longest in every call and address, which is a
//! tenth of the module.

use std::env::var;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    // The linker cannot do both that and debug information, which the release profile strips.
    let is_release = var("PROFILE").is_ok_and(|profile| profile == "release");
    if is_release && var("CARGO_CFG_TARGET_FAMILY").is_ok_and(|family| family == "wasm") {
        println!("cargo::rustc-link-arg-cdylib=--compress-relocations");
    }
}
