//! `make fuzz TARGET=signatures`

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    fuzzing::check("signatures", data);
});
