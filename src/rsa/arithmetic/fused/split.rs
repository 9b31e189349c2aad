//! Products of limbs of 52 bits, exactly, by multiplications of floats that are fused with an addition.
//!
//! # The split of a product
//!
//! Limbs a and b are integers from 0 to 2^52 − 1, held as floats of 64 bits (IEEE 754 binary64), whose 53 bits hold them
//! exactly. The product has up to 104 bits. Two fused operations find its halves, as one rounds once only, to the nearest
//! float (the one rounding mode of WebAssembly):
//!
//! 1. `high = a·b + 2^104`, rounded. The sum is at least 2^104 and, as a·b ≤ 2^104 − 2^53 + 1, below 2^105, where floats
//!    are the multiples of 2^52. So `high = 2^104 + h·2^52`, with an integer 0 ≤ h ≤ 2^52 − 2 and a·b = h·2^52 + l for an
//!    integer l with |l| ≤ 2^51. The bits of `high` are those of 2^104 plus h, as h is what its fraction has.
//! 2. `(2^104 − 3·2^51) − high = −(2·h + 3)·2^51` is exact, because 2·h + 3 has at most 53 bits; and so is the constant, with
//!    its 2^53 − 3.
//! 3. `low = a·b − (2·h + 3)·2^51 = l − 3·2^51` is an integer from −2^53 to −2^52, and so it is exact too. The floats from
//!    2^52 to 2^53 are the integers, and their bits count with them; with the sign in front, the bits of `low` are those of
//!    −3·2^51 minus l.
//!
//! So halves need not be converted: the bits of `high` are *added* as integers and the bits of `low` *subtracted*, modulo
//! 2^64. A sum of `high` of w products is w·[`HIGH_BITS`] too large, and one of `low` is w·[`LOW_BITS`] too small, for which
//! the caller corrects it ([`Bias`]).
//!
//! # No sum overflows
//!
//! A column is a sum of at most 164 low and 164 high halves of products of 82 limbs with 82 and of the quotient with the
//! modulus (a number has at most 41 blocks of two limbs), and a carry of below 2^12. Its absolute value is at most
//! 328·2^52 < 2^61: after the correction, it is a signed integer of 64 bits, whatever wrapped before.
//!
//! All operands are zero or normal floats, whose operations take the same time whatever they are.

use super::lanes::Lanes;

/// The bits of a limb.
pub(super) const LIMB_BITS: usize = 52;

/// The largest limb, and the mask of its bits.
pub(super) const LIMB_MASK: u64 = (1 << LIMB_BITS) - 1;

/// 2^52. From here to 2^53, floats are the integers.
pub(super) const TWO_52: f64 = 4_503_599_627_370_496.0;
const TWO_104: f64 = TWO_52 * TWO_52;
const THREE_TIMES_TWO_51: f64 = 1.5 * TWO_52;

/// What each high half adds beside itself.
const HIGH_BITS: u64 = TWO_104.to_bits();

/// What each low half subtracts beside itself.
const LOW_BITS: u64 = (-THREE_TIMES_TWO_51).to_bits();

/// The constants of the split, in vectors.
#[derive(Clone, Copy)]
pub(super) struct Constants {
    two_104: Lanes,
    rest: Lanes,
    two_52: Lanes,
    mask: Lanes,
    zero: Lanes,
}

/// What the sums of so many low and high halves have to be corrected by, modulo 2^64.
#[inline(always)]
pub(super) fn bias(lows: u64, highs: u64) -> u64 {
    lows.wrapping_mul(LOW_BITS).wrapping_sub(highs.wrapping_mul(HIGH_BITS))
}

impl Constants {
    /// The constants, opaque to compilers: some would make a vector anew each time that it is needed.
    #[inline(always)]
    pub(super) fn new() -> Self {
        std::hint::black_box(Self {
            two_104: Lanes::splat(TWO_104.to_bits()),
            rest: Lanes::splat((TWO_104 - THREE_TIMES_TWO_51).to_bits()),
            two_52: Lanes::splat(TWO_52.to_bits()),
            mask: Lanes::splat(LIMB_MASK),
            zero: Lanes::default(),
        })
    }

    /// Overwrites sums by zeros. Compilers would have the host do that, whose call takes longer.
    #[inline(always)]
    pub(super) fn clear(&self, sums: &mut [Lanes]) {
        sums.iter_mut().for_each(|sum| *sum = self.zero);
    }

    /// Copies sums. Likewise.
    #[inline(always)]
    pub(super) fn copy(&self, sums: &mut [Lanes], from: &[Lanes]) {
        sums.iter_mut().zip(from).for_each(|(sum, from)| *sum = from.or(self.zero));
    }

    /// The halves of two products, high and low: the one is to be added, the other to be subtracted.
    #[inline(always)]
    pub(super) fn split(&self, a: Lanes, b: Lanes) -> (Lanes, Lanes) {
        let high = a.multiply_add(b, self.two_104);
        (high, a.multiply_add(b, self.rest.minus_float(high)))
    }

    /// Adds two products to the sums of their columns and of the next ones.
    #[inline(always)]
    pub(super) fn add_product(&self, a: Lanes, b: Lanes, column: &mut Lanes, next: &mut Lanes) {
        let (high, low) = self.split(a, b);
        (*column, *next) = (column.minus(low), next.plus(high));
    }

    /// The low 52 bits of two integers as floats: behind the exponent of 2^52 they are 2^52 too much.
    #[inline(always)]
    pub(super) fn limbs(&self, sums: Lanes) -> Lanes {
        sums.and(self.mask).or(self.two_52).minus_float(self.two_52)
    }
}

/// Whether this host rounds a multiplication with an addition once, as everything here needs.
///
/// The specification of WebAssembly lets a host choose between one rounding and two (relaxed SIMD), but it has to choose
/// the same in all places. With two, (2^52 − 1)² = (2^52 − 2)·2^52 + 1 loses its last bit.
pub(super) fn is_fused() -> bool {
    let constants = Constants::new();
    let is_exact = |a: u64, b: u64, high: u64, low: u64| {
        let [x, y] = std::hint::black_box([a, b].map(|limb| constants.limbs(Lanes::splat(limb))));
        let (highs, lows) = constants.split(x, y);
        let is_high = highs.parts().map(|bits| bits.wrapping_sub(HIGH_BITS)) == [high; 2];
        is_high && lows.parts().map(|bits| LOW_BITS.wrapping_sub(bits)) == [low; 2]
    };
    is_exact(LIMB_MASK, LIMB_MASK, LIMB_MASK - 1, 1)
        && is_exact(LIMB_MASK, (1 << 51) + 1, 1 << 51, (1 << 51) - 1)
        && is_exact(3, (1 << 51) - 1, 1, (1 << 51) - 3)
        && is_exact(0, LIMB_MASK, 0, 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::differential::{Random, cases};

    #[test]
    fn differential_halves_are_those_of_the_product() {
        let constants = Constants::new();
        let mut random = Random::new(21);
        let edges = [0, 1, 2, 3, (1 << 51) - 1, 1 << 51, (1 << 51) + 1, LIMB_MASK - 1, LIMB_MASK, 1 << 26];
        for _ in 0..cases() * 10 {
            let [a, b] = [0, 0].map(|_| match random.below(3) {
                0 => edges[random.below(edges.len())],
                _ => random.next() & LIMB_MASK,
            });
            // The neighbouring lane does not matter.
            let lanes = [a, b].map(|limb| constants.limbs(Lanes::new(limb, random.next())));
            let (high, low) = constants.split(lanes[0], lanes[1]);
            let high = high.parts()[0].wrapping_add(bias(0, 1)).cast_signed();
            let low = bias(1, 0).wrapping_sub(low.parts()[0]).cast_signed();
            assert!(low.abs() <= 1 << 51, "{a} {b}");
            assert_eq!((i128::from(high) << 52) + i128::from(low), i128::from(a) * i128::from(b), "{a} {b}");
        }
    }
}
