//! `make fuzz TARGET=cloud_signers`

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    fuzzing::check("cloud_signers", data);
});
