//! `make fuzz TARGET=certificates`

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    fuzzing::check("certificates", data);
});
