//! The whole number that verification calculates, s^e mod n (RSAVP1, RFC 8017 §5.2.2), against num-bigint. Verdicts are
//! nearly always the same; numbers are not.

use std::sync::LazyLock;

use num_bigint::BigUint;
use wasm_tests::probe::{Answer, Bytes, PowerOf, Probe, Question};

use super::BATCH;
use super::keys::{EXPONENTS, Numbers, SIZES, bytes, length, public};

/// Moduli of every size: the smallest, the largest and one in between. Bases: both ends, single bits, long carries and others.
static CASES: LazyLock<Vec<(PowerOf, Bytes)>> = LazyLock::new(|| {
    let mut cases = Vec::new();
    let one = &BigUint::from(1_u32);
    for bits in SIZES {
        let half = one << (bits - 1);
        let mut numbers = Numbers::new(&format!("powers {bits}"));
        let between = (&half + numbers.below(&half)) | one;
        for modulus in [&half + one, between, &half * 2_u32 - one] {
            let mut bases = vec![BigUint::ZERO, one.clone(), 2_u32.into(), &modulus - 2_u32, &modulus - one];
            bases.extend([&modulus >> 1, one << (bits / 2), (one << (bits - 1)) - one]);
            bases.extend((0..6).map(|_| numbers.below(&modulus)));
            for exponent in EXPONENTS {
                for base in &bases {
                    let power = base.modpow(&exponent.into(), &modulus);
                    let length = length(&modulus);
                    let question = PowerOf { key: public(&modulus, exponent), base: bytes(base, length).into() };
                    cases.push((question, bytes(&power, length).into()));
                }
            }
        }
    }
    cases
});

/// Asserts that the probe calculates all powers right.
pub async fn are_right(probe: &mut Probe) {
    assert!(CASES.len() >= 1000, "{}", CASES.len());
    for batch in CASES.chunks(BATCH) {
        let (powers, expected): (Vec<_>, Vec<_>) = batch.iter().cloned().unzip();
        let Answer::Powers(answered) = probe.ask(&Question::Power(powers.clone())).await else {
            panic!("no powers");
        };
        assert_eq!(answered.len(), expected.len());
        for ((question, expected), answered) in powers.iter().zip(expected).zip(answered) {
            assert_eq!(answered, expected, "{question:?}");
        }
    }
}
