//! `make fuzz TARGET=forwarded_headers`

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    fuzzing::check("forwarded_headers", data);
});
