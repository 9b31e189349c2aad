//! The arithmetic against that of the crate `num-bigint`, on random numbers and on those that arithmetic stumbles over.
//!
//! Each kernel gets more than 100,000 inputs a run. Nearly all of them are single multiplications modulo a number, which
//! everything else is made of: 50,000 of two factors and 50,000 of one factor with itself; the fused kernel as many again
//! for pairs of numbers. Beside them there are 1,000 private powers (of the fused kernel 200), one in 200 of the
//! sizes that keys have, and 250 public powers and products of those sizes. `tests/reference.rs` compares whole operations
//! of real keys. `RSA_CASES=100000 cargo test --release differential` takes a hundred times as many.

use num_bigint::BigUint;

use crate::Kernel;
use crate::kernel;
use crate::limbs::{BLOCK_BITS, Block, LIMB_MASK, MAX_BLOCKS, Number, low_limb};
use crate::montgomery::Modulus;
use crate::ring::PublicRing;

/// How many cases a test has.
pub(crate) fn cases() -> usize {
    std::env::var("RSA_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(1000)
}

/// How many cases a test of a single multiplication has.
pub(crate) fn multiplications() -> usize {
    cases() * 50
}

/// Random numbers, the same in each run (xorshift64*, G. Marsaglia and S. Vigna).
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound as u64).unwrap()
    }

    /// A number of at most so many bits: random throughout, or of long runs of ones and zeros.
    pub(crate) fn number(&mut self, bits: usize) -> BigUint {
        let mut number = BigUint::ZERO;
        let has_runs = self.below(2) == 0;
        let mut left = bits;
        while left > 0 {
            let run = (1 + self.below(if has_runs { 200 } else { 64 })).min(left);
            let ones = (BigUint::from(1_u32) << run) - 1_u32;
            let random = match (has_runs, self.below(3)) {
                (true, 0) => BigUint::ZERO,
                (true, 1) => ones,
                _ => (0..run.div_ceil(64)).fold(BigUint::ZERO, |sum, _| (sum << 64) + self.next()) & ones,
            };
            number = (number << run) + random;
            left -= run;
        }
        number
    }

    /// An odd number of exactly so many bits.
    pub(crate) fn modulus(&mut self, bits: usize) -> BigUint {
        let one = BigUint::from(1_u32);
        let top = &one << (bits - 1);
        match self.below(8) {
            0 => top + one,
            1 => (top << 1) - one,
            2 => ((top << 1) - self.number(60) - 1_u32) | one,
            3 => (top + self.number(60)) | one,
            // The highest block is nearly full or nearly empty.
            4 => (&top | self.number(bits - 28)) | one,
            _ => (top | self.number(bits - 1)) | one,
        }
    }

    /// A number up to a bound, with the bound itself and its neighbours.
    pub(crate) fn at_most(&mut self, bound: &BigUint) -> BigUint {
        match self.below(16) {
            0 => BigUint::ZERO,
            1 => BigUint::from(1_u32),
            2 => bound.clone(),
            3 => bound - 1_u32,
            4 => bound - 2_u32,
            5 => bound >> 1,
            6 => BigUint::from(1_u32) << self.below(size(bound)),
            // All limbs are as large as they can be.
            7 => (BigUint::from(1_u32) << (bound.bits() - 1)) - 1_u32,
            _ => self.number(size(bound)) % (bound + 1_u32),
        }
    }

    /// The bits of a public modulus.
    pub(crate) fn bits(&mut self) -> usize {
        match self.below(10) {
            0..4 => 2048,
            4 => 3072,
            5 => 4096,
            6 => 4096 - self.below(8),
            7 => 2048 + self.below(9),
            // Where the fused kernel has the least room above the modulus, and the next sizes.
            8 => [2062, 2063, 2071, 2072, 2076, 3102, 3111, 3112, 3116][self.below(9)],
            _ => 2048 + self.below(2049),
        }
    }
}

/// The bits of a number.
fn size(number: &BigUint) -> usize {
    usize::try_from(number.bits()).unwrap()
}

pub(crate) fn big(number: &Number) -> BigUint {
    number.limbs().iter().rev().fold(BigUint::ZERO, |sum, limb| (sum << 28) + *limb)
}

impl FromIterator<Block> for Number {
    fn from_iter<I: IntoIterator<Item = Block>>(blocks: I) -> Self {
        let blocks: Vec<Block> = blocks.into_iter().collect();
        let mut number = Self::zero(blocks.len());
        number.blocks_mut().copy_from_slice(&blocks);
        number
    }
}

pub(crate) fn number(big: &BigUint, blocks: usize) -> Number {
    Number::from_be_bytes(&big.to_bytes_be(), blocks)
}

/// A modulus of the size of a public one or of a prime factor.
fn modulus(random: &mut Random) -> (BigUint, Modulus) {
    let bits = random.bits() >> random.below(2);
    let n = random.modulus(bits);
    // The bits of a prime may be stated as one more than they are.
    let stated = bits + random.below(2);
    assert!(stated < MAX_BLOCKS * BLOCK_BITS);
    let modulus = Modulus::new(&n.to_bytes_be(), stated);
    (n, modulus)
}

#[test]
fn differential_montgomery_products_and_squares() {
    let mut random = Random::new(1);
    let (mut n, mut modulus) = self::modulus(&mut random);
    let mut workspace = modulus.workspace();
    for case in 0..multiplications() {
        if case % 100 == 0 {
            (n, modulus) = self::modulus(&mut random);
            workspace = modulus.workspace();
        }
        let blocks = modulus.number().blocks().len();
        let bound = &n * 4_u32 - 1_u32;
        let (a, b) = (random.at_most(&bound), random.at_most(&bound));
        let (mut product, mut square) = (number(&a, blocks), number(&a, blocks));
        modulus.multiply(&mut product, &number(&b, blocks), &mut workspace);
        modulus.square(&mut square, &mut workspace);
        for (result, expected) in [(product, &a * &b), (square, &a * &a)] {
            assert!(result.limbs().iter().all(|limb| *limb <= LIMB_MASK));
            let result = big(&result);
            assert!(result < &n * 2_u32, "case {case}: not reduced\nn = {n:x}\na = {a:x}\nb = {b:x}");
            let (left, right) = ((result << (blocks * BLOCK_BITS)) % &n, expected % &n);
            assert_eq!(left, right, "case {case}\nn = {n:x}\na = {a:x}\nb = {b:x}");
        }
    }
}

#[test]
fn differential_divisions_by_a_block() {
    let mut random = Random::new(5);
    for case in 0..cases() / 20 {
        let (n, modulus) = modulus(&mut random);
        let x = random.at_most(&((&n << BLOCK_BITS) - 1_u32));
        let divided = big(&modulus.divide_by_block(&number(&x, modulus.blocks() + 1)));
        assert!(divided < &n * 2_u32, "case {case}: n = {n:x}, {x:x}");
        assert_eq!((divided << BLOCK_BITS) % &n, x % &n, "case {case}: n = {n:x}");
    }
}

#[test]
fn differential_setting_up_and_entering() {
    let mut random = Random::new(2);
    for case in 0..cases() / 20 {
        let (n, modulus) = modulus(&mut random);
        let mut workspace = modulus.workspace();
        let blocks = modulus.number().blocks().len();
        let r = BigUint::from(1_u32) << (blocks * BLOCK_BITS);
        let mut one = modulus.one(&mut workspace);
        modulus.reduce(&mut one);
        assert_eq!(big(&one), &r % &n, "case {case}: n = {n:x}");
        // Any number of so many blocks may enter.
        for wide in [&r - 1_u32, &r * &r - 1_u32, random.at_most(&(&r * &r - 1_u32))] {
            let mut entered = modulus.remainder(&number(&wide, 2 * blocks), &mut workspace);
            assert!(big(&entered) < &n * 4_u32, "case {case}: n = {n:x}, {wide:x}");
            assert_eq!(big(&entered) % &n, &wide % &n, "case {case}: n = {n:x}, {wide:x}");
            modulus.enter(&mut entered, &mut workspace);
            modulus.reduce(&mut entered);
            assert_eq!(big(&entered), (&wide * &r) % &n, "case {case}: n = {n:x}, {wide:x}");
            modulus.leave(&mut entered, &mut workspace);
            modulus.reduce(&mut entered);
            assert_eq!(big(&entered), &wide % &n, "case {case}: n = {n:x}, {wide:x}");
        }
    }
}

/// Numbers with which all columns are nearly as large as they can be: the limbs of a, b and n are in the highest
/// sixteenth, and a·b ≡ n modulo R, so that each digit of the quotient is 2^28 − 1. With 148 limbs the columns of a·b and
/// q·n do not fit into 64 bits together. Overflow panics in debug builds.
#[test]
fn columns_that_are_as_large_as_can_be_do_not_overflow() {
    for blocks in [MAX_BLOCKS, kernel::UNSETTLED_BLOCKS + 1, kernel::UNSETTLED_BLOCKS, 19, 10] {
        largest_columns(blocks);
    }
}

fn largest_columns(blocks: usize) {
    let mut random = Random::new(4);
    let limbs = 4 * blocks;
    let (mut a, mut b, mut n) = (vec![0; limbs], vec![0; limbs], vec![0; limbs]);
    let mut carry: u128 = 0;
    for index in 0..limbs {
        // The highest are small enough for the result to fit.
        let top = if index == limbs - 1 { LIMB_MASK >> 5 } else { LIMB_MASK };
        let column = loop {
            let mut limb = || top - low_limb(random.next() % u64::from(top >> 4));
            (a[index], b[index]) = (limb() | 1, limb() | 1);
            let column = (0..=index).map(|i| u128::from(a[i]) * u128::from(b[index - i])).sum::<u128>() + carry;
            let digit = u32::try_from(column & u128::from(LIMB_MASK)).unwrap();
            if digit >= LIMB_MASK - (LIMB_MASK >> 4) && (index > 0 || digit % 2 == 1) || index == limbs - 1 {
                n[index] = digit;
                break column;
            }
        };
        carry = column >> 28;
    }
    let [a, b, n] = [a, b, n].map(|limbs| limbs.as_chunks::<4>().0.to_vec());
    let [x, y, modulus] = [&a, &b, &n].map(|blocks| big(&blocks.iter().copied().collect()));
    let inverse =
        (1..=4).fold(n[0][0], |inverse, _| inverse.wrapping_mul(2_u32.wrapping_sub(n[0][0].wrapping_mul(inverse))));
    let inverse = inverse.wrapping_neg() & LIMB_MASK;
    let (mut output, mut quotient) = (vec![[0; 4]; blocks], vec![[0; 4]; blocks]);
    kernel::multiply(&mut output, &mut quotient, [&a, &b, &n], inverse);
    assert_eq!(quotient.as_flattened(), vec![LIMB_MASK; limbs]);
    let r = BigUint::from(1_u32) << (blocks * BLOCK_BITS);
    assert_eq!(big(&output.iter().copied().collect()), (&x * &y + (&r - 1_u32) * &modulus) >> (blocks * BLOCK_BITS));
    for number in [&a, &b] {
        let square = big(&number.iter().copied().collect());
        kernel::square(&mut output, &mut quotient, [number, &n], inverse);
        let result = big(&output.iter().copied().collect()) << (blocks * BLOCK_BITS);
        assert_eq!(result % &modulus, (&square * &square) % &modulus);
    }
}

#[test]
fn differential_public_powers_and_products() {
    public_powers_and_products(Kernel::scalar());
}

#[test]
fn differential_fused_public_powers() {
    public_powers_and_products(Kernel::fused().unwrap());
}

fn public_powers_and_products(kernel: Kernel) {
    let mut random = Random::new(3);
    let exponents = [3, 5, 17, 65537, (1 << 33) - 9, (1 << 33) - 1, 65539, 2, 4, 65536];
    for case in 0..cases() / 4 {
        let bits = random.bits();
        let n = random.modulus(bits);
        let ring = PublicRing::new(&n.to_bytes_be(), bits, kernel);
        let largest = &n - 1_u32;
        let (a, b) = (random.at_most(&largest), random.at_most(&largest));
        let exponent = exponents[if case % 2 == 0 { 3 } else { random.below(exponents.len()) }];
        let [x, y] = [&a, &b].map(|number| ring.number(&number.to_bytes_be()));
        let context = || format!("case {case}\nn = {n:x}\na = {a:x}\nb = {b:x}\ne = {exponent}");
        assert_eq!(big(&ring.multiply(&x, &y)), (&a * &b) % &n, "{}", context());
        let expected = a.modpow(&BigUint::from(exponent - 1), &n) * &b % &n;
        assert_eq!(big(&ring.power_times(&x, exponent, &y)), expected, "{}", context());
    }
}
