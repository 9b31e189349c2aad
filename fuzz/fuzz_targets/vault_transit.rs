//! `make fuzz TARGET=vault_transit`

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    fuzzing::check("vault_transit", data);
});
