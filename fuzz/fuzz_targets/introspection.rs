//! `make fuzz TARGET=introspection`

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    fuzzing::check("introspection", data);
});
