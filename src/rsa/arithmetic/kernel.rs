//! Montgomery multiplication of numbers in limbs of 28 bits: a·b/R mod n, by product scanning, four columns at a time.
//!
//! With limbs aᵢ, bᵢ, nᵢ and digits qᵢ of the quotient, column c of a·b + q·n is the sum of all aᵢ·b₍c₋ᵢ₎ and qᵢ·n₍c₋ᵢ₎.
//! Columns are added up from the lowest. In the lower half each digit qᵢ is chosen so that its column becomes a multiple
//! of 2^28, and the upper half is the result. The choice needs the low 28 bits only: qᵢ = column·(−1/n) mod 2^28.
//!
//! # No accumulator overflows
//!
//! A limb is below 2^28, a product of two at most (2^28 − 1)² < 2^56 − 2^28. A number of up to 31 blocks has at most 124
//! limbs, so a column of a·b and q·n has at most 248 products and a carry from the column before of below 2^37: less than
//! 248·2^56 + 2^37 < 2^64.
//!
//! A number has at most L = 148 limbs ([`MAX_BLOCKS`]). Then a column of a·b or of q·n has at most 148 products, and is
//! below 148·2^56 < 2^63.3, but both together might exceed 2^64. Therefore the columns of a·b are carried into each other
//! before those of q·n are added ([`settle`]): what is left in each is below 2^28, and what goes to the next is below 2^36.
//! So
//!
//! - in front of `settle`: at most 148 products, and a carry from the columns before of below 2^38;
//! - after it: a rest below 2^28, at most 148 products, and the carry from the neighbour of below 2^37.
//!
//! Both are below 2^63.3 + 2^38 < 2^64. Additions here are checked in debug builds, in which the tests run: the largest
//! possible limbs are among their inputs.
//!
//! [`MAX_BLOCKS`]: crate::limbs::MAX_BLOCKS

use crate::limbs::{Block, LIMB_BITS, LIMB_MASK, low_limb};

/// The sums of four neighbouring columns, the lowest first.
type Columns = [u64; 4];

const ZERO: Block = [0; 4];

/// The most blocks of numbers whose columns hold all products of a·b and of q·n.
pub(crate) const UNSETTLED_BLOCKS: usize = 31;

/// The blocks of the prime factors of most keys, which have 1024 bits.
const FACTOR_BLOCKS: usize = 10;

/// The blocks of most moduli, which have 2048 bits, and of the prime factors of those with 4096.
const MODULUS_BLOCKS: usize = 19;

/// Writes a·b/R mod n to `output`, for `[a, b, n]` of the same length, with R = 2^112 to the power of that length. The
/// result is below (a·b)/R + n. `quotient` is room for the quotient; `inverse` is −1/n modulo 2^28.
pub(crate) fn multiply(output: &mut [Block], quotient: &mut [Block], numbers: [&[Block]; 3], inverse: u32) {
    match output.len() {
        FACTOR_BLOCKS => multiply_fixed::<FACTOR_BLOCKS>(output, quotient, numbers, inverse),
        MODULUS_BLOCKS => multiply_fixed::<MODULUS_BLOCKS>(output, quotient, numbers, inverse),
        _ => multiply_any(output, quotient, numbers, inverse),
    }
}

/// The same as [`multiply`] for `[a, n]` and b = a, with three quarters of the products.
pub(crate) fn square(output: &mut [Block], quotient: &mut [Block], numbers: [&[Block]; 2], inverse: u32) {
    match output.len() {
        FACTOR_BLOCKS => square_fixed::<FACTOR_BLOCKS>(output, quotient, numbers, inverse),
        MODULUS_BLOCKS => square_fixed::<MODULUS_BLOCKS>(output, quotient, numbers, inverse),
        _ => square_any(output, quotient, numbers, inverse),
    }
}

/// [`multiply`] for one length, for which compilers drop most checks and counters around the short loops.
#[inline(never)]
fn multiply_fixed<const BLOCKS: usize>(
    output: &mut [Block],
    quotient: &mut [Block],
    numbers: [&[Block]; 3],
    inverse: u32,
) {
    let places = (output.first_chunk_mut::<BLOCKS>(), quotient.first_chunk_mut::<BLOCKS>());
    let numbers = numbers.map(<[Block]>::first_chunk::<BLOCKS>);
    if let ((Some(output), Some(quotient)), [Some(a), Some(b), Some(n)]) = (places, numbers) {
        multiply_any(output, quotient, [a, b, n], inverse);
    } else {
        debug_assert!(false, "not all have {BLOCKS} blocks");
    }
}

/// [`square`] for one length.
#[inline(never)]
fn square_fixed<const BLOCKS: usize>(
    output: &mut [Block],
    quotient: &mut [Block],
    numbers: [&[Block]; 2],
    inverse: u32,
) {
    let places = (output.first_chunk_mut::<BLOCKS>(), quotient.first_chunk_mut::<BLOCKS>());
    let numbers = numbers.map(<[Block]>::first_chunk::<BLOCKS>);
    if let ((Some(output), Some(quotient)), [Some(a), Some(n)]) = (places, numbers) {
        square_any(output, quotient, [a, n], inverse);
    } else {
        debug_assert!(false, "not all have {BLOCKS} blocks");
    }
}

#[inline(always)]
fn multiply_any(output: &mut [Block], quotient: &mut [Block], [a, b, n]: [&[Block]; 3], inverse: u32) {
    reduce(output, quotient, n, inverse, Factors::Different(a, b));
}

#[inline(always)]
fn square_any(output: &mut [Block], quotient: &mut [Block], [a, n]: [&[Block]; 2], inverse: u32) {
    reduce(output, quotient, n, inverse, Factors::Same(a));
}

/// What is multiplied.
#[derive(Clone, Copy)]
enum Factors<'a> {
    Different(&'a [Block], &'a [Block]),
    Same(&'a [Block]),
}

impl Factors<'_> {
    /// Four columns of the product from block `index` on, with a carry added to the first.
    #[inline(always)]
    fn columns(self, index: usize, carry: u64) -> Columns {
        match self {
            Self::Different(a, b) => product_columns(a, b, index, carry),
            Self::Same(a) => square_columns(a, index, carry),
        }
    }
}

/// Montgomery's reduction of a product.
#[inline(always)]
fn reduce(output: &mut [Block], quotient: &mut [Block], n: &[Block], inverse: u32, factors: Factors<'_>) {
    debug_assert!(output.len() == n.len() && quotient.len() == n.len() && n.len() <= crate::limbs::MAX_BLOCKS);
    let lowest = block(n, 0);
    let mut carry = 0;
    for index in 0..n.len() {
        let (rests, above) = settle_if_long(factors.columns(index, carry), n.len());
        let known = quotient.get(..index).unwrap_or_default();
        let (sums, _) = add_products(rests, block(n, index), known, n.get(..index).unwrap_or_default());
        let (digits, carried) = quotient_digits(sums, lowest, inverse);
        quotient.get_mut(index).into_iter().for_each(|block| *block = digits);
        carry = above + carried;
    }
    for (above, block) in output.iter_mut().enumerate() {
        let (rests, over) = settle_if_long(factors.columns(n.len() + above, carry), n.len());
        let rest = above..n.len();
        let quotient = quotient.get(rest.clone()).unwrap_or_default();
        let (sums, _) = add_products(rests, ZERO, quotient, n.get(rest).unwrap_or_default());
        let (limbs, carried) = settle(sums);
        *block = limbs.map(low_limb);
        carry = over + carried;
    }
    debug_assert_eq!(carry, 0, "the result does not fit");
}

/// Writes number/2^112 mod n, for a number of one block more than n and the output: one step of Montgomery's reduction. A
/// column has four products, a limb and a carry.
#[cfg(fused_kernel)]
pub(crate) fn divide_by_block(output: &mut [Block], number: &[Block], n: &[Block], inverse: u32) {
    debug_assert!(output.len() == n.len() && number.len() == n.len() + 1);
    let (digits, mut carry) = quotient_digits(block(number, 0).map(u64::from), block(n, 0), inverse);
    for ((index, place), below) in (1..).zip(output).zip(n.windows(1)) {
        let [l0, l1, l2, l3] = block(number, index).map(u64::from);
        let (sums, _) = add_products([l0 + carry, l1, l2, l3], block(n, index), &[digits], below);
        let (limbs, carried) = settle(sums);
        (*place, carry) = (limbs.map(low_limb), carried);
    }
    debug_assert_eq!(carry, 0, "the result does not fit");
}

/// Four columns of a·b from block `index` on.
#[inline(always)]
fn product_columns(a: &[Block], b: &[Block], index: usize, carry: u64) -> Columns {
    debug_assert_eq!(a.len(), b.len());
    let sums = [carry, 0, 0, 0];
    if index < a.len() {
        let (a_below, b_below) = (a.get(..index).unwrap_or_default(), b.get(..index).unwrap_or_default());
        let (sums, [b0, b1, b2, b3]) = add_products(sums, block(b, index), a_below, b_below);
        // The window has arrived at the lowest limbs of b.
        let ([t0, t1, t2, t3], [a0, a1, a2, a3]) = (sums, block(a, index).map(u64::from));
        [
            t0 + a0 * b0,
            t1 + a0 * b1 + a1 * b0,
            t2 + a0 * b2 + a1 * b1 + a2 * b0,
            t3 + a0 * b3 + a1 * b2 + a2 * b1 + a3 * b0,
        ]
    } else {
        let from = index - a.len();
        add_products(sums, ZERO, a.get(from..).unwrap_or_default(), b.get(from..).unwrap_or_default()).0
    }
}

/// Four columns of a² from block `index` on. Each product of two different limbs appears twice, so that half of them is
/// added up and doubled: at most 74 products and then 148, and the squares take the place of one each.
#[inline(always)]
fn square_columns(a: &[Block], index: usize, carry: u64) -> Columns {
    // From limb 4·index/2 on, products meet their mirror images.
    let middle = index / 2;
    let from = index.saturating_sub(a.len());
    let window = block(a, index);
    let below = a.get(from..middle).unwrap_or_default();
    let above = a.get(index - middle..index - from).unwrap_or_default();
    let (sums, window) = add_products([0; 4], window, below, above);
    let [m0, m1, m2, m3] = block(a, middle).map(u64::from);
    let ([t0, t1, t2, t3], [a0, a1, a2, a3]) = if index.is_multiple_of(2) {
        (sums, [m0, m1, m2, m3])
    } else {
        // Half a block remains below the middle. The window is the block above it.
        let ([t0, t1, t2, t3], [w0, w1, w2, w3]) = (sums, window);
        let sums = [t0 + m0 * w0 + m1 * m3, t1 + m0 * w1 + m1 * w0, t2 + m0 * w2 + m1 * w1, t3 + m0 * w3 + m1 * w2];
        (sums, [m2, m3, w0, w1])
    };
    [2 * t0 + a0 * a0 + carry, 2 * (t1 + a0 * a1), 2 * (t2 + a0 * a2) + a1 * a1, 2 * (t3 + a0 * a3 + a1 * a2)]
}

/// Adds products to four columns. The blocks of x are walked upwards and those of y downwards. `window` has the limbs of y
/// that belong to the first limb of the next block of x; it moves down by one limb with each limb of x. It is returned as
/// it is after the last.
///
/// The columns and the window are eight variables, and each step is four multiplications and one load of y: what fits the
/// registers of all hosts.
#[inline(always)]
fn add_products(sums: Columns, window: Block, x: &[Block], y: &[Block]) -> (Columns, [u64; 4]) {
    debug_assert_eq!(x.len(), y.len());
    let [mut t0, mut t1, mut t2, mut t3] = sums;
    let [mut y0, mut y1, mut y2, mut y3] = window.map(u64::from);
    for (x, y) in x.iter().zip(y.iter().rev()) {
        let [x0, x1, x2, x3] = x.map(u64::from);
        t0 += x0 * y0;
        t1 += x0 * y1;
        t2 += x0 * y2;
        t3 += x0 * y3;
        y3 = u64::from(y[3]);
        t0 += x1 * y3;
        t1 += x1 * y0;
        t2 += x1 * y1;
        t3 += x1 * y2;
        y2 = u64::from(y[2]);
        t0 += x2 * y2;
        t1 += x2 * y3;
        t2 += x2 * y0;
        t3 += x2 * y1;
        y1 = u64::from(y[1]);
        t0 += x3 * y1;
        t1 += x3 * y2;
        t2 += x3 * y3;
        t3 += x3 * y0;
        y0 = u64::from(y[0]);
    }
    ([t0, t1, t2, t3], [y0, y1, y2, y3])
}

/// Carries what exceeds 28 bits into the next column, and returns what exceeds the fourth.
#[inline(always)]
fn settle([t0, t1, t2, t3]: Columns) -> (Columns, u64) {
    const MASK: u64 = LIMB_MASK as u64;
    let t1 = t1 + (t0 >> LIMB_BITS);
    let t2 = t2 + (t1 >> LIMB_BITS);
    let t3 = t3 + (t2 >> LIMB_BITS);
    ([t0 & MASK, t1 & MASK, t2 & MASK, t3 & MASK], t3 >> LIMB_BITS)
}

/// [`settle`], if the columns are too long for all products.
#[inline(always)]
fn settle_if_long(columns: Columns, blocks: usize) -> (Columns, u64) {
    if blocks > UNSETTLED_BLOCKS { settle(columns) } else { (columns, 0) }
}

/// The digits of the quotient that make four columns vanish, and what they carry. The columns have all products but those
/// of these digits.
#[inline(always)]
fn quotient_digits([t0, t1, t2, t3]: Columns, lowest: Block, inverse: u32) -> (Block, u64) {
    let [n0, n1, n2, n3] = lowest.map(u64::from);
    let digit = |column: u64| u64::from(low_limb(column).wrapping_mul(inverse) & LIMB_MASK);
    let q0 = digit(t0);
    let t1 = t1 + q0 * n1 + ((t0 + q0 * n0) >> LIMB_BITS);
    let q1 = digit(t1);
    let t2 = t2 + q0 * n2 + q1 * n1 + ((t1 + q1 * n0) >> LIMB_BITS);
    let q2 = digit(t2);
    let t3 = t3 + q0 * n3 + q1 * n2 + q2 * n1 + ((t2 + q2 * n0) >> LIMB_BITS);
    let q3 = digit(t3);
    ([q0, q1, q2, q3].map(low_limb), (t3 + q3 * n0) >> LIMB_BITS)
}

/// A block of a number, zero beyond its end.
#[inline(always)]
fn block(number: &[Block], index: usize) -> Block {
    number.get(index).copied().unwrap_or(ZERO)
}
