//! `make fuzz TARGET=header_maps`

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    fuzzing::check("header_maps", data);
});
