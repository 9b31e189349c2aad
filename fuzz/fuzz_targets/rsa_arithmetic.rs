//! Feeds the arithmetic of RSA with what libFuzzer finds: `cargo +nightly fuzz run rsa_arithmetic`, or with any toolchain
//! in this folder (the flags have the compiler count what was reached):
//!
//! ```text
//! RUSTFLAGS="-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 -Ccodegen-units=1 \
//!   -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table" \
//!   cargo run --release --target x86_64-unknown-linux-gnu -- -max_len=700 -max_total_time=60
//! ```

#![no_main]

#[path = "../../src/rsa/arithmetic/tests/fuzz/check.rs"]
mod check;

libfuzzer_sys::fuzz_target!(|data: &[u8]| check::check(data));
