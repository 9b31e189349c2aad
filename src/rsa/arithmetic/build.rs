//! Tells the code by one name whether the fused kernel is part of it: wherever the target has what it needs. Natively the
//! same code runs on plain floats, for tests.

use std::env::var;

fn main() {
    println!("cargo::rustc-check-cfg=cfg(fused_kernel)");
    println!("cargo::rerun-if-changed=build.rs");
    let features = var("CARGO_CFG_TARGET_FEATURE").unwrap_or_default();
    let is_wasm = var("CARGO_CFG_TARGET_ARCH").is_ok_and(|arch| arch == "wasm32");
    if !is_wasm || features.split(',').any(|feature| feature == "relaxed-simd") {
        println!("cargo::rustc-cfg=fused_kernel");
    }
}
