//! `make fuzz TARGET=pem`

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    fuzzing::check("pem", data);
});
