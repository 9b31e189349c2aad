//! `make fuzz TARGET=callout_answers`

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    fuzzing::check("callout_answers", data);
});
