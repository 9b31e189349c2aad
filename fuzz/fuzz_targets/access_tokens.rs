//! `make fuzz TARGET=access_tokens`

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    fuzzing::check("access_tokens", data);
});
