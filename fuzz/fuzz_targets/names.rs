//! `make fuzz TARGET=names`

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    fuzzing::check("names", data);
});
