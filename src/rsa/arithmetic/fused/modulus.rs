//! The modulus that the fused kernels reduce by: a multiple of the modulus of a key, chosen so that reduction needs no
//! multiplication to find its quotient.
//!
//! N = k·n with k = −1/n modulo 2^104 is −1 modulo 2^104, that is N = H·2^104 − 1. In Montgomery's reduction modulo N, a
//! digit of the quotient is q = column·(−1/N) mod 2^52 = column mod 2^52: the low bits themselves. And adding q·N means to
//! take these bits away and to add q·H two limbs higher: q·(N + 1). What comes out is a number modulo N, which the caller reduces
//! modulo n in the end.

use zeroize::Zeroizing;

use super::split::{LIMB_BITS, LIMB_MASK, TWO_52};
use crate::limbs::{self, Number};
use crate::montgomery::Modulus;

/// How many times larger than 2^104·n, and so than N, R is at least, in bits. Four are enough for the bounds of the other
/// kernel. With nine, R ≥ 2^113·n: one factor may be 2^112 times a number below n, because 2·N·2^112·n ≤ R·N.
const ROOM_BITS: usize = 9;

/// The bits of a block of two limbs.
const BLOCK_BITS: usize = 2 * LIMB_BITS;

/// What a kernel needs to calculate modulo N, in limbs of 52 bits and in blocks of two.
pub(super) struct Multiple {
    /// N + 1 = H·2^104, with as many blocks as all numbers modulo N; the lowest is zero. R is 2^104 to the power of them.
    pub(super) successor: Zeroizing<Vec<u64>>,
    /// R·2^(13·blocks) mod N. Squared three times in Montgomery's way, it is R·2^(104·blocks) = R².
    pub(super) root: Zeroizing<Vec<u64>>,
}

impl Multiple {
    /// How many blocks the numbers modulo N have at least, for a modulus of so many bits.
    pub(super) fn blocks_for(bits: usize) -> usize {
        (bits + BLOCK_BITS + ROOM_BITS).div_ceil(BLOCK_BITS)
    }

    /// Of a modulus n with 2^(bits − 2) < n < 2^bits. This takes 117·blocks − bits + 2 doublings.
    pub(super) fn new(modulus: &Modulus, bits: usize, blocks: usize) -> Self {
        debug_assert!(blocks >= Self::blocks_for(bits), "{blocks} blocks are too few for {bits} bits");
        // k has 104 bits, and N has at most 104 more than n: a block of 112 holds them, and leaves room for doubling.
        let mut multiple = modulus.number().product(&Number::from_be_bytes(&*negated_inverse(modulus.number()), 1));
        let mut power = Number::power_of_two(bits - 2, multiple.blocks().len());
        for _ in bits - 2..blocks * (BLOCK_BITS + BLOCK_BITS / 8) {
            power.double(&multiple);
        }
        multiple.add(&Number::power_of_two(0, multiple.blocks().len()));
        let successor = from_number(&multiple, 2 * blocks);
        debug_assert!(successor.iter().take(2).all(|limb| *limb == 0), "N + 1 is no multiple of 2^104");
        Self { successor, root: from_number(&power, 2 * blocks) }
    }
}

/// −1/n modulo 2^104, big-endian. Newton's iteration doubles the number of right bits from three on.
fn negated_inverse(n: &Number) -> Zeroizing<[u8; 16]> {
    let lowest = n.limbs().iter().take(4).rev().fold(0, |sum, limb| (sum << limbs::LIMB_BITS) | u128::from(*limb));
    let inverse =
        (0..6).fold(lowest, |inverse, _| inverse.wrapping_mul(2_u128.wrapping_sub(lowest.wrapping_mul(inverse))));
    Zeroizing::new((inverse.wrapping_neg() & ((1 << BLOCK_BITS) - 1)).to_be_bytes())
}

/// As many bits in limbs of 28 bits as in limbs of 52: 364.
type Narrow = [u32; 13];
type Wide = [u64; 7];

/// A number in so many limbs of 52 bits. It has to fit.
pub(super) fn from_number(number: &Number, length: usize) -> Zeroizing<Vec<u64>> {
    let (parts, rest) = number.limbs().as_chunks();
    let mut last = Zeroizing::new(Narrow::default());
    last.iter_mut().zip(rest).for_each(|(place, limb)| *place = *limb);
    let mut output = Zeroizing::new(vec![0; length]);
    let (places, rest) = output.as_chunks_mut();
    let mut parts = parts.iter().chain(std::iter::once(&*last));
    places.iter_mut().zip(&mut parts).for_each(|(place, part)| *place = widen(*part));
    let above = Zeroizing::new(widen(parts.next().copied().unwrap_or_default()));
    rest.iter_mut().zip(above.iter()).for_each(|(place, limb)| *place = *limb);
    debug_assert!(
        (length * LIMB_BITS..number.limbs().len() * limbs::LIMB_BITS).all(|bit| !number.bit(bit)),
        "too long"
    );
    output
}

/// The number of limbs of 52 bits, in so many blocks of the other kernel. It has to fit.
pub(super) fn to_number(from: &[u64], blocks: usize) -> Number {
    let (parts, rest) = from.as_chunks();
    let mut last = Zeroizing::new(Wide::default());
    last.iter_mut().zip(rest).for_each(|(place, limb)| *place = *limb);
    let mut output = Number::zero(blocks);
    let (places, rest) = output.limbs_mut().as_chunks_mut();
    let mut parts = parts.iter().chain(std::iter::once(&*last));
    places.iter_mut().zip(&mut parts).for_each(|(place, part)| *place = narrow(*part));
    let above = Zeroizing::new(narrow(parts.next().copied().unwrap_or_default()));
    rest.iter_mut().zip(above.iter()).for_each(|(place, limb)| *place = *limb);
    output
}

/// Limbs of 28 bits in limbs of 52.
#[inline(always)]
fn widen(limbs: Narrow) -> Wide {
    let [l0, l1, l2, l3, l4, l5, l6, l7, l8, l9, l10, l11, l12] = limbs.map(u64::from);
    let wide = [
        l0 | (l1 << 28),
        (l1 >> 24) | (l2 << 4) | (l3 << 32),
        (l3 >> 20) | (l4 << 8) | (l5 << 36),
        (l5 >> 16) | (l6 << 12) | (l7 << 40),
        (l7 >> 12) | (l8 << 16) | (l9 << 44),
        (l9 >> 8) | (l10 << 20) | (l11 << 48),
        (l11 >> 4) | (l12 << 24),
    ];
    wide.map(|limb| limb & LIMB_MASK)
}

/// Limbs of 52 bits in limbs of 28.
#[inline(always)]
fn narrow([l0, l1, l2, l3, l4, l5, l6]: Wide) -> Narrow {
    let narrow = [
        l0,
        (l0 >> 28) | (l1 << 24),
        l1 >> 4,
        (l1 >> 32) | (l2 << 20),
        l2 >> 8,
        (l2 >> 36) | (l3 << 16),
        l3 >> 12,
        (l3 >> 40) | (l4 << 12),
        l4 >> 16,
        (l4 >> 44) | (l5 << 8),
        l5 >> 20,
        (l5 >> 48) | (l6 << 4),
        l6 >> 24,
    ];
    narrow.map(limbs::low_limb)
}

/// The bits of a limb as a float, as the kernels hold it: behind the exponent of 2^52 it is 2^52 too much.
pub(super) fn to_float(limb: u64) -> u64 {
    debug_assert!(limb <= LIMB_MASK);
    (f64::from_bits(limb | TWO_52.to_bits()) - TWO_52).to_bits()
}

/// The limb that a float is.
pub(super) fn from_float(bits: u64) -> u64 {
    (f64::from_bits(bits) + TWO_52).to_bits() & LIMB_MASK
}

/// The number that limbs of 52 bits are, for tests.
#[cfg(test)]
pub(super) fn number_of(limbs: &[u64]) -> num_bigint::BigUint {
    limbs.iter().rev().fold(num_bigint::BigUint::ZERO, |sum, limb| (sum << LIMB_BITS) + *limb)
}

/// The limbs of 52 bits that a number is, for tests.
#[cfg(test)]
pub(super) fn to_limbs(number: &num_bigint::BigUint, length: usize) -> Vec<u64> {
    let limb = |index: usize| u64::try_from((number >> (index * LIMB_BITS)) & num_bigint::BigUint::from(LIMB_MASK));
    (0..length).map(|index| limb(index).expect("52 bits")).collect()
}

#[cfg(test)]
mod tests {
    use num_bigint::BigUint;

    use super::*;
    use crate::differential::{Random, big, cases, number};

    fn exact(limb: u64) -> f64 {
        let [high, low] = [limb >> 26, limb & 0x3ff_ffff].map(|half| f64::from(u32::try_from(half).unwrap()));
        high * 67_108_864.0 + low
    }

    #[test]
    fn differential_limbs_of_both_sizes_are_the_same_number() {
        let mut random = Random::new(22);
        for _ in 0..cases() {
            let bits = 1 + random.below(4200);
            let value = random.number(bits);
            let limbs = from_number(&number(&value, 38), 82);
            assert!(limbs.iter().all(|limb| *limb <= LIMB_MASK));
            assert_eq!(number_of(&limbs), value);
            assert_eq!(to_limbs(&value, 82), *limbs);
            let floats: Vec<u64> = limbs.iter().map(|limb| to_float(*limb)).collect();
            assert!(floats.iter().zip(limbs.iter()).all(|(float, limb)| f64::from_bits(*float) == exact(*limb)));
            let limbs: Vec<u64> = floats.into_iter().map(from_float).collect();
            assert_eq!(big(&to_number(&limbs, 39)), value);
        }
    }

    #[test]
    fn the_multiple_is_minus_one_modulo_a_block() {
        let mut random = Random::new(23);
        for _ in 0..cases() / 50 {
            let bits = random.bits() >> random.below(2);
            let n = random.modulus(bits);
            let blocks = Multiple::blocks_for(bits) + random.below(2);
            let multiple = Multiple::new(&Modulus::new(&n.to_bytes_be(), bits), bits, blocks);
            let modulus = number_of(&multiple.successor) - 1_u32;
            assert_eq!(&modulus % &n, BigUint::ZERO);
            assert!(&modulus << ROOM_BITS <= BigUint::from(1_u32) << (BLOCK_BITS * blocks));
            let power = BigUint::from(2_u32).modpow(&BigUint::from(117 * blocks), &modulus);
            assert_eq!(number_of(&multiple.root), power);
        }
    }
}
