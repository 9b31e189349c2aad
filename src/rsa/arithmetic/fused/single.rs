//! Multiplication modulo one number, for public keys: each operation works on two neighbouring limbs.
//!
//! A block is two limbs. A limb of a times a block of b gives the low halves of two neighbouring columns, and the high
//! halves of the two columns one further. So a column of blocks has three sums: `even` for columns 2·k and 2·k + 1, `odd`
//! for 2·k + 1 and 2·k + 2, and `next` for 2·k + 2 and 2·k + 3, which is `even` of the next block.

use zeroize::Zeroizing;

use super::lanes::Lanes;
use super::modulus::{Multiple, from_float, from_number, to_float, to_number};
use super::split::{Constants, LIMB_BITS, bias};
use crate::limbs::{self, Number};
use crate::montgomery::Modulus;

/// The limbs of 28 bits that a result is divided by, when it leaves: more bits than N has more than n.
const SHIFT: usize = 4;

/// The modulus of a public key, for this kernel.
#[derive(Clone)]
pub(crate) struct PublicModulus {
    /// H in blocks; the highest is zero.
    upper: Zeroizing<Vec<Lanes>>,
    /// R² mod N, which brings a number into Montgomery form.
    r_squared: Residue,
    /// R·2^112 mod N, which multiplies a plain number by 2^112, so that it may be divided by that.
    shift: Residue,
}

/// A number modulo N, below 2·N.
#[derive(Clone)]
struct Residue {
    /// Two limbs a vector.
    blocks: Zeroizing<Vec<Lanes>>,
    /// The same in the form of the other factor: each limb in both lanes.
    limbs: Zeroizing<Vec<[Lanes; 2]>>,
}

/// Three sums of halves of products, as at the top of this file, and how many products of blocks each has.
#[derive(Clone, Copy, Default)]
struct Sums {
    even: Lanes,
    odd: Lanes,
    next: Lanes,
    products: u64,
}

impl PublicModulus {
    /// Of a modulus of so many bits.
    pub(crate) fn new(modulus: &Modulus, bits: usize) -> Self {
        let multiple = Multiple::new(modulus, bits);
        let blocks = multiple.upper.as_chunks::<2>().0.iter();
        let upper = Zeroizing::new(blocks.map(|limbs| lanes(limbs.map(to_float))).collect());
        let [r_squared, shift] = [&multiple.root; 2].map(|limbs| Residue::new(limbs));
        let mut public = Self { upper, r_squared, shift };
        let mut workspace = public.workspace();
        let mut r_squared = public.r_squared.clone();
        (0..3).for_each(|_| public.square(&mut r_squared, &mut workspace));
        let mut shift = public.residue(&Number::power_of_two(SHIFT * limbs::LIMB_BITS, SHIFT));
        public.multiply(&mut shift, &r_squared, &mut workspace);
        (public.r_squared, public.shift) = (r_squared, shift);
        public
    }

    /// base^(exponent − 1)·factor for plain numbers below n and an odd public exponent of at least 3: plain and below 2·n.
    pub(crate) fn power_times(&self, modulus: &Modulus, base: &Number, exponent: u64, factor: &Number) -> Number {
        let mut workspace = self.workspace();
        let mut base = self.residue(base);
        self.multiply(&mut base, &self.r_squared, &mut workspace);
        // As `public_power` does.
        let mut power = base.clone();
        for bit in (1..exponent.ilog2()).rev() {
            self.square(&mut power, &mut workspace);
            if (exponent >> bit) & 1 == 1 {
                self.multiply(&mut power, &base, &mut workspace);
            }
        }
        self.square(&mut power, &mut workspace);
        let mut factor = self.residue(factor);
        self.multiply(&mut factor, &self.shift, &mut workspace);
        self.multiply(&mut power, &factor, &mut workspace);
        // Below 2·N < 2^105·n, and after the division by 2^112 below 2·n.
        modulus.shift(&power.number(modulus.blocks() + 1), SHIFT)
    }

    fn residue(&self, number: &Number) -> Residue {
        Residue::new(&from_number(number, 2 * self.upper.len()))
    }

    /// The quotient, and a number for the result.
    fn workspace(&self) -> (Zeroizing<Vec<[Lanes; 2]>>, Residue) {
        let zero = Residue::new(&vec![0; 2 * self.upper.len()]);
        (zero.limbs.clone(), zero)
    }

    /// Replaces a by a·b/R mod N, with the bounds of the other kernel for N.
    fn multiply(&self, a: &mut Residue, b: &Residue, (quotient, output): &mut (Zeroizing<Vec<[Lanes; 2]>>, Residue)) {
        let constants = Constants::new();
        self.reduce(&constants, output, quotient, |index| {
            let (from, to) = (index.saturating_sub(self.upper.len() - 1), self.upper.len().min(index + 1));
            add_products(&constants, Sums::default(), &a.limbs, &b.blocks, from..to, index)
        });
        std::mem::swap(a, output);
    }

    /// Replaces a by a²/R mod N.
    fn square(&self, a: &mut Residue, (quotient, output): &mut (Zeroizing<Vec<[Lanes; 2]>>, Residue)) {
        let constants = Constants::new();
        self.reduce(&constants, output, quotient, |index| {
            // Products of two different blocks appear twice, and that of a block with itself once.
            let (from, middle) = (index.saturating_sub(self.upper.len() - 1), index.div_ceil(2));
            let half = add_products(&constants, Sums::default(), &a.limbs, &a.blocks, from..middle, index);
            let double = half.doubled();
            match (a.limbs.get(middle), a.blocks.get(middle)) {
                (Some(limbs), Some(block)) if index.is_multiple_of(2) => double.plus(&constants, limbs, *block),
                _ => double,
            }
        });
        std::mem::swap(a, output);
    }

    /// Montgomery's reduction of a number whose columns are given by block.
    #[inline(always)]
    fn reduce(
        &self,
        constants: &Constants,
        output: &mut Residue,
        quotient: &mut [[Lanes; 2]],
        columns: impl Fn(usize) -> Sums,
    ) {
        let blocks = self.upper.len();
        // From the block before: `next` and its products, the second lane of `odd`, and the carry.
        let (mut before, mut before_products, mut odd_above, mut carry) = (Lanes::default(), 0, 0_u64, 0_u64);
        for index in 0..2 * blocks {
            let sums = columns(index);
            // A digit of the quotient adds H two limbs higher.
            let (from, to) = (index.saturating_sub(blocks), blocks.min(index));
            let sums = add_products(constants, sums, quotient, &self.upper, from..to, index.wrapping_sub(1));
            // A step adds its low halves to `even` and `odd` and its high ones to `odd` and `next`.
            let even_bias = bias(sums.products, before_products);
            let odd_bias = bias(sums.products, sums.products);
            let [even, even_above] = sums.even.plus(before).parts();
            let [odd, above] = sums.odd.parts();
            let column = even.wrapping_add(even_bias).wrapping_add(odd_above).wrapping_add(carry);
            let column_above =
                even_above.wrapping_add(even_bias).wrapping_add(odd).wrapping_add(odd_bias).wrapping_add(over(column));
            (before, before_products) = (sums.next, sums.products);
            odd_above = above.wrapping_add(odd_bias);
            carry = over(column_above);
            let limbs = [column, column_above].map(|column| constants.limbs(Lanes::splat(column)));
            if let Some(digits) = quotient.get_mut(index) {
                *digits = limbs;
            } else {
                let above = index - blocks;
                let [even, odd] = limbs;
                output.limbs.get_mut(above).into_iter().for_each(|block| *block = limbs);
                output.blocks.get_mut(above).into_iter().for_each(|block| *block = even.firsts(odd));
            }
        }
        debug_assert_eq!(carry.wrapping_add(odd_above), 0, "the result does not fit");
    }
}

impl Residue {
    fn new(limbs: &[u64]) -> Self {
        let blocks = || limbs.as_chunks::<2>().0.iter().map(|block| block.map(to_float));
        Self {
            blocks: Zeroizing::new(blocks().map(lanes).collect()),
            limbs: Zeroizing::new(blocks().map(|block| block.map(Lanes::splat)).collect()),
        }
    }

    fn number(&self, blocks: usize) -> Number {
        let mut limbs = Zeroizing::new(Vec::with_capacity(2 * self.blocks.len()));
        self.blocks.iter().for_each(|block| limbs.extend(block.parts().map(from_float)));
        to_number(&limbs, blocks)
    }
}

impl Sums {
    /// Adds the product of two limbs and a block.
    #[inline(always)]
    fn plus(self, constants: &Constants, [x0, x1]: &[Lanes; 2], y: Lanes) -> Self {
        let (high, low) = constants.split(*x0, y);
        let (even, odd) = (self.even.minus(low), self.odd.plus(high));
        let (high, low) = constants.split(*x1, y);
        Self { even, odd: odd.minus(low), next: self.next.plus(high), products: self.products + 1 }
    }

    #[inline(always)]
    fn doubled(self) -> Self {
        Self {
            even: self.even.plus(self.even),
            odd: self.odd.plus(self.odd),
            next: self.next.plus(self.next),
            products: 2 * self.products,
        }
    }
}

/// Adds the products of the blocks i of x with the blocks index − i of y.
#[inline(always)]
fn add_products(
    constants: &Constants,
    sums: Sums,
    x: &[[Lanes; 2]],
    y: &[Lanes],
    blocks: std::ops::Range<usize>,
    index: usize,
) -> Sums {
    if blocks.is_empty() {
        return sums;
    }
    let x = x.get(blocks.clone()).unwrap_or_default();
    let y = y.get(index + 1 - blocks.end..index + 1 - blocks.start).unwrap_or_default();
    debug_assert_eq!(x.len(), y.len());
    let Sums { mut even, mut odd, mut next, products } = sums;
    for ([x0, x1], y) in x.iter().zip(y.iter().rev()) {
        let (high, low) = constants.split(*x0, *y);
        (even, odd) = (even.minus(low), odd.plus(high));
        let (high, low) = constants.split(*x1, *y);
        (odd, next) = (odd.minus(low), next.plus(high));
    }
    Sums { even, odd, next, products: products + x.len() as u64 }
}

/// What a column carries into the next: rounded down, with its sign.
#[inline(always)]
fn over(column: u64) -> u64 {
    (column.cast_signed() >> LIMB_BITS).cast_unsigned()
}

fn lanes([even, odd]: [u64; 2]) -> Lanes {
    Lanes::new(even, odd)
}
