//! `make fuzz TARGET=compact_jws`

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    fuzzing::check("compact_jws", data);
});
