//! Feeds the arithmetic of RSA with what libFuzzer finds: `make fuzz`, or with a nightly toolchain
//! `cargo +nightly fuzz run rsa_arithmetic`.

#![no_main]

#[path = "../../src/rsa/arithmetic/tests/fuzz/check.rs"]
mod check;

libfuzzer_sys::fuzz_target!(|data: &[u8]| check::check(data));
