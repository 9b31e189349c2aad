//! `make fuzz TARGET=replay_store`

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    fuzzing::check("replay_store", data);
});
