//! `make fuzz TARGET=jwk_sets`

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    fuzzing::check("jwk_sets", data);
});
