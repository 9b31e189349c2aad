//! `make fuzz TARGET=json`

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    fuzzing::check("json", data);
});
