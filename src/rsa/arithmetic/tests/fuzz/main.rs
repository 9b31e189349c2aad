//! What the fuzz target checks, on a bounded number of inputs, without a fuzzer.

#[path = "check.rs"]
mod check;

use proptest::prelude::*;

/// Long runs of equal bytes as often as random ones.
fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let run =
        (prop_oneof![Just(0), Just(0xff), any::<u8>()], 1_usize..40).prop_map(|(byte, length)| vec![byte; length]);
    let runs = prop::collection::vec(run, 0..30).prop_map(|runs| runs.concat());
    prop_oneof![prop::collection::vec(any::<u8>(), 0..700), runs]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn any_bytes_are_numbers_that_both_kernels_calculate_with(data in bytes()) {
        check::check(&data);
    }
}
