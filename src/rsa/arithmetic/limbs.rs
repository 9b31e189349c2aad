//! Natural numbers in limbs of 28 bits, the representation that RSA calculates with (RFC 8017 §4 for the bytes).
//!
//! Nothing here branches on a limb or picks a memory address by one: time depends on lengths alone, which are public.

use zeroize::{ZeroizeOnDrop, Zeroizing};

/// The bits of a limb. Products of two limbs have 56 bits, so that 256 of them fit into an accumulator of 64.
pub(crate) const LIMB_BITS: usize = 28;

/// The largest limb, and the mask of its bits.
pub(crate) const LIMB_MASK: u32 = (1 << LIMB_BITS) - 1;

/// The bytes of two limbs, whose 56 bits are whole ones.
const PAIR_BYTES: usize = 2 * LIMB_BITS / 8;

/// Four neighbouring limbs, the lowest first. The kernel works on four columns at a time.
pub(crate) type Block = [u32; 4];

/// The bits of a block.
pub(crate) const BLOCK_BITS: usize = 4 * LIMB_BITS;

/// The most blocks that a modulus may have: 4144 bits, for a modulus of 4096 with the room that [`Modulus`] needs.
///
/// [`Modulus`]: crate::montgomery::Modulus
pub(crate) const MAX_BLOCKS: usize = 37;

/// A natural number in a fixed number of blocks, the lowest first. It is overwritten when it goes.
#[derive(Clone)]
pub struct Number(Zeroizing<Vec<Block>>);

impl ZeroizeOnDrop for Number {}

impl Number {
    /// Zero in so many blocks.
    pub(crate) fn zero(blocks: usize) -> Self {
        Self(Zeroizing::new(vec![[0; 4]; blocks]))
    }

    /// The number 2^exponent. It has to fit.
    pub(crate) fn power_of_two(exponent: usize, blocks: usize) -> Self {
        let mut number = Self::zero(blocks);
        let limb = number.limbs_mut().get_mut(exponent / LIMB_BITS);
        debug_assert!(limb.is_some(), "2^{exponent} does not fit into {blocks} blocks");
        limb.into_iter().for_each(|limb| *limb = 1 << (exponent % LIMB_BITS));
        number
    }

    /// From big-endian bytes (OS2IP, RFC 8017 §4.2). The number has to fit.
    pub(crate) fn from_be_bytes(bytes: &[u8], blocks: usize) -> Self {
        let mut number = Self::zero(blocks);
        let (highest, parts) = bytes.as_rchunks();
        let highest = padded(highest);
        let mut parts = parts.iter().rev().chain(std::iter::once(&*highest));
        for (pair, [b0, b1, b2, b3, b4, b5, b6]) in number.pairs_mut().iter_mut().zip(&mut parts) {
            let both = u64::from_be_bytes([0, *b0, *b1, *b2, *b3, *b4, *b5, *b6]);
            *pair = [low_limb(both), low_limb(both >> LIMB_BITS)];
        }
        debug_assert!(parts.flatten().all(|byte| *byte == 0), "the number does not fit");
        number
    }

    /// So many big-endian bytes (I2OSP, RFC 8017 §4.1). The number has to fit.
    #[must_use]
    pub fn to_be_bytes(&self, length: usize) -> Zeroizing<Vec<u8>> {
        let mut bytes = Zeroizing::new(vec![0; length]);
        let (highest, parts) = bytes.as_rchunks_mut();
        let mut pairs = self.limbs().as_chunks().0.iter().map(|[low, high]| {
            let [_, bytes @ ..] = (u64::from(*low) | u64::from(*high) << LIMB_BITS).to_be_bytes();
            bytes
        });
        parts.iter_mut().rev().zip(&mut pairs).for_each(|(part, bytes)| *part = bytes);
        let rest = Zeroizing::new(pairs.next().unwrap_or_default());
        let (above, rest) = rest.split_at(PAIR_BYTES - highest.len());
        highest.copy_from_slice(rest);
        debug_assert!(above.iter().copied().chain(pairs.flatten()).all(|byte| byte == 0), "the number does not fit");
        bytes
    }

    /// The same number in another number of blocks. It has to fit.
    pub(crate) fn resized(&self, blocks: usize) -> Self {
        let mut number = Self::zero(blocks);
        number.0.iter_mut().zip(self.0.iter()).for_each(|(block, from)| *block = *from);
        debug_assert!(self.0.iter().skip(blocks).all(|block| *block == [0; 4]), "the number does not fit");
        number
    }

    /// The product with 2^112, in one block more.
    #[cfg(fused_kernel)]
    pub(crate) fn above_a_block(&self) -> Self {
        let mut number = Self::zero(self.0.len() + 1);
        number.0.iter_mut().skip(1).zip(self.0.iter()).for_each(|(block, from)| *block = *from);
        number
    }

    /// The lowest blocks and what is above them, both in so many blocks. There have to be at most twice as many.
    pub(crate) fn split(&self, blocks: usize) -> [Self; 2] {
        debug_assert!(self.0.len() <= 2 * blocks, "two halves of {blocks} blocks do not hold the number");
        let mut halves = [Self::zero(blocks), Self::zero(blocks)];
        for (half, from) in halves.iter_mut().zip(self.0.chunks(blocks)) {
            half.0.iter_mut().zip(from).for_each(|(block, from)| *block = *from);
        }
        halves
    }

    /// The blocks.
    pub(crate) fn blocks(&self) -> &[Block] {
        &self.0
    }

    /// The blocks, to be written. Every limb has to stay below 2^28.
    pub(crate) fn blocks_mut(&mut self) -> &mut [Block] {
        &mut self.0
    }

    /// The limbs.
    pub(crate) fn limbs(&self) -> &[u32] {
        self.0.as_flattened()
    }

    /// The limbs, to be written. Every one has to stay below 2^28.
    pub(crate) fn limbs_mut(&mut self) -> &mut [u32] {
        self.0.as_flattened_mut()
    }

    /// The limbs in pairs, to be written.
    fn pairs_mut(&mut self) -> &mut [[u32; 2]] {
        self.limbs_mut().as_chunks_mut().0
    }

    /// Whether a bit is set; `false` above the highest.
    pub(crate) fn bit(&self, index: usize) -> bool {
        let limb = self.limbs().get(index / LIMB_BITS).copied().unwrap_or(0);
        (limb >> (index % LIMB_BITS)) & 1 == 1
    }

    /// Adds a number of the same length. The sum has to fit.
    pub(crate) fn add(&mut self, other: &Self) {
        debug_assert_eq!(self.0.len(), other.0.len());
        let mut carry = 0;
        for (limb, other) in self.limbs_mut().iter_mut().zip(other.limbs()) {
            // Below 2^28 + 2^28 + 1.
            let sum = *limb + *other + carry;
            *limb = sum & LIMB_MASK;
            carry = sum >> LIMB_BITS;
        }
        debug_assert_eq!(carry, 0, "the sum does not fit");
    }

    /// Subtracts a number of the same length that is not larger.
    pub(crate) fn subtract(&mut self, other: &Self) {
        let borrow = self.subtract_masked(other, LIMB_MASK);
        debug_assert_eq!(borrow, 0, "the difference is negative");
    }

    /// Whether this number is smaller than another of the same length, in a time that does not depend on them.
    #[must_use]
    pub fn is_below(&self, other: &Self) -> bool {
        self.borrow_without(other) == 1
    }

    /// Subtracts the other number if that is not larger: one step of a reduction, always of the same cost.
    pub(crate) fn reduce_once(&mut self, modulus: &Self) {
        let is_smaller = self.borrow_without(modulus);
        // All bits where it is not smaller, and none where it is.
        self.subtract_masked(modulus, std::hint::black_box(is_smaller.wrapping_sub(1)) & LIMB_MASK);
    }

    /// Doubles a number below the modulus, modulo the modulus. The modulus has to leave the highest bit free.
    pub(crate) fn double(&mut self, modulus: &Self) {
        let mut carry = 0;
        for limb in self.limbs_mut() {
            let doubled = (*limb << 1) | carry;
            *limb = doubled & LIMB_MASK;
            carry = doubled >> LIMB_BITS;
        }
        debug_assert_eq!(carry, 0, "the double does not fit");
        self.reduce_once(modulus);
    }

    /// The product, in as many blocks as both have together. Row by row: for the few that need no modulus.
    pub(crate) fn product(&self, other: &Self) -> Self {
        let mut product = Self::zero(self.0.len() + other.0.len());
        for (row, factor) in self.limbs().iter().enumerate() {
            let mut carry: u64 = 0;
            let columns = product.limbs_mut().get_mut(row..).unwrap_or_default();
            let others = other.limbs().iter().copied().chain(std::iter::once(0));
            for (column, other) in columns.iter_mut().zip(others) {
                // (2^28 − 1)² + 2·(2^28 − 1) = 2^56 − 1: the carry stays below 2^28.
                let sum = u64::from(*factor) * u64::from(other) + u64::from(*column) + carry;
                *column = low_limb(sum);
                carry = sum >> LIMB_BITS;
            }
            debug_assert_eq!(carry, 0, "a product always fits");
        }
        product
    }

    /// 1 if this number is smaller than the other of the same length, else 0.
    fn borrow_without(&self, other: &Self) -> u32 {
        debug_assert_eq!(self.0.len(), other.0.len());
        let pairs = self.limbs().iter().zip(other.limbs());
        pairs.fold(0, |borrow, (limb, other)| difference(*limb, *other, borrow).1)
    }

    /// Subtracts the other number with each limb masked, and tells whether that went below zero.
    fn subtract_masked(&mut self, other: &Self, mask: u32) -> u32 {
        debug_assert_eq!(self.0.len(), other.0.len());
        let mut borrow = 0;
        for (limb, other) in self.limbs_mut().iter_mut().zip(other.limbs()) {
            (*limb, borrow) = difference(*limb, *other & mask, borrow);
        }
        borrow
    }
}

/// Bytes behind zeros.
fn padded(bytes: &[u8]) -> Zeroizing<[u8; PAIR_BYTES]> {
    let mut padded = Zeroizing::new([0; PAIR_BYTES]);
    padded.iter_mut().rev().zip(bytes.iter().rev()).for_each(|(place, byte)| *place = *byte);
    padded
}

/// The 28 low bits.
#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "no more than 28 bits are left")]
pub(crate) fn low_limb(sum: u64) -> u32 {
    (sum & LIMB_MASK as u64) as u32
}

/// One limb of a difference, and the borrow from the next. A negative difference of limbs has its highest bit set.
fn difference(limb: u32, other: u32, borrow: u32) -> (u32, u32) {
    let difference = limb.wrapping_sub(other).wrapping_sub(borrow);
    (difference & LIMB_MASK, difference >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use num_bigint::BigUint;
    use proptest::prelude::*;

    /// Numbers of up to so many bytes, with long runs of equal bits as often as random ones.
    fn bytes(length: usize) -> impl Strategy<Value = Vec<u8>> {
        let byte = prop_oneof![Just(0), Just(0xff), any::<u8>()];
        prop_oneof![prop::collection::vec(any::<u8>(), 0..=length), prop::collection::vec(byte, 0..=length)]
    }

    fn big(number: &Number) -> BigUint {
        number.limbs().iter().rev().fold(BigUint::ZERO, |sum, limb| (sum << LIMB_BITS) + *limb)
    }

    proptest! {
        #[test]
        fn bytes_become_the_same_number_and_the_same_bytes(bytes in bytes(56), more in 0_usize..3) {
            let number = Number::from_be_bytes(&bytes, 4 + more);
            prop_assert!(number.limbs().iter().all(|limb| *limb <= LIMB_MASK));
            prop_assert_eq!(big(&number), BigUint::from_bytes_be(&bytes));
            prop_assert_eq!(&*number.to_be_bytes(bytes.len()), &bytes);
            let padded = [&[0; 7], bytes.as_slice()].concat();
            prop_assert_eq!(&*number.to_be_bytes(padded.len()), &padded);
            prop_assert_eq!(&*Number::from_be_bytes(&padded, 4).to_be_bytes(bytes.len()), &bytes);
            for index in 0..600 {
                prop_assert_eq!(number.bit(index), big(&number).bit(index as u64));
            }
        }

        #[test]
        fn sums_differences_and_products_are_those_of_numbers(a in bytes(55), b in bytes(55)) {
            let [x, y] = [&a, &b].map(|bytes| Number::from_be_bytes(bytes, 4));
            let mut sum = x.clone();
            sum.add(&y);
            prop_assert_eq!(big(&sum), big(&x) + big(&y));
            sum.subtract(&x);
            prop_assert_eq!(big(&sum), big(&y));
            prop_assert_eq!(big(&x.product(&y)), big(&x) * big(&y));
            prop_assert_eq!(x.product(&y).blocks().len(), 8);
        }

        #[test]
        fn a_number_is_reduced_if_it_is_not_below_the_modulus(a in bytes(55), b in bytes(55)) {
            let [mut x, modulus] = [&a, &b].map(|bytes| Number::from_be_bytes(bytes, 4));
            prop_assert_eq!(x.is_below(&modulus), big(&x) < big(&modulus));
            for mut number in [x.clone(), modulus.clone()] {
                let expected = if big(&number) < big(&modulus) { big(&number) } else { big(&number) - big(&modulus) };
                number.reduce_once(&modulus);
                prop_assert_eq!(big(&number), expected);
            }
            if big(&x) < big(&modulus) {
                let expected = (big(&x) * 2_u32) % big(&modulus);
                x.double(&modulus);
                prop_assert_eq!(big(&x), expected);
            }
        }

        #[test]
        fn halves_are_the_number(a in bytes(84)) {
            let number = Number::from_be_bytes(&a, 6);
            let [low, high] = number.split(4);
            prop_assert_eq!((big(&high) << (4 * BLOCK_BITS)) + big(&low), big(&number));
            prop_assert_eq!(big(&number.resized(9)), big(&number));
        }
    }

    #[test]
    fn powers_of_two_have_one_bit() {
        for exponent in 0..2 * BLOCK_BITS {
            assert_eq!(big(&Number::power_of_two(exponent, 2)), BigUint::from(1_u32) << exponent);
        }
    }

    #[test]
    fn the_largest_modulus_fits() {
        const { assert!(MAX_BLOCKS * BLOCK_BITS >= crate::MAX_MODULUS_BITS + 4) }
    }
}
