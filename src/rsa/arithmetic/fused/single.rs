//! Multiplication modulo one number, for public keys: each operation works on two neighbouring limbs.
//!
//! A block is two limbs. A limb of a times a block of b gives the low halves of two neighbouring columns, and the high
//! halves of the two columns one further. So a column of blocks has three sums: `even` for columns 2·k and 2·k + 1, `odd`
//! for 2·k + 1 and 2·k + 2, and `next` for 2·k + 2 and 2·k + 3, which is `even` of the next block.
//!
//! The lengths of all numbers are constants, for which compilers drop most checks and counters around the short loops: of
//! 2048 bits a verification takes a tenth less than with lengths that are only known when it runs.

use zeroize::Zeroizing;

use super::lanes::Lanes;
use super::modulus::{Multiple, SHIFT, from_float, from_number, to_float, to_number};
use super::split::{Constants, LIMB_BITS, bias};
use crate::limbs::Number;
use crate::montgomery::Modulus;

/// The modulus of a public key, for this kernel: for the sizes that keys have, and others rounded up.
#[derive(Clone)]
pub(crate) enum PublicModulus {
    /// Up to 2071 bits.
    Small(Box<Ring<21>>),
    /// Up to 3111 bits.
    Medium(Box<Ring<31>>),
    /// Up to 4151 bits.
    Large(Box<Ring<41>>),
}

/// The numbers modulo N, of so many blocks.
#[derive(Clone)]
pub(crate) struct Ring<const BLOCKS: usize> {
    /// H in blocks, the highest first, which is zero.
    upper: [Lanes; BLOCKS],
    /// R² mod N, which brings a number into Montgomery form.
    r_squared: Residue<BLOCKS>,
}

/// A number modulo N, below 2·N, in the forms of both factors of a multiplication: a column is a walk through two slices
/// in the same direction.
#[derive(Clone)]
struct Residue<const BLOCKS: usize> {
    /// Each limb in both lanes; the lowest block first.
    limbs: Zeroizing<[[Lanes; 2]; BLOCKS]>,
    /// Two limbs a vector; the highest block first.
    blocks: Zeroizing<[Lanes; BLOCKS]>,
}

/// Three sums of halves of products, as at the top of this file.
#[derive(Clone, Copy, Default)]
struct Sums {
    even: Lanes,
    odd: Lanes,
    next: Lanes,
}

/// What a column of blocks hands on to the next: `next` and how many products that has, the second lane of `odd`, and
/// what exceeds the limbs.
#[derive(Default)]
struct Above {
    next: Lanes,
    products: u64,
    odd: u64,
    carry: u64,
}

impl PublicModulus {
    /// Of a modulus of so many bits.
    pub(crate) fn new(modulus: &Modulus, bits: usize) -> Self {
        match Multiple::blocks_for(bits) {
            ..=21 => Self::Small(Box::new(Ring::new(modulus, bits))),
            22..=31 => Self::Medium(Box::new(Ring::new(modulus, bits))),
            _ => Self::Large(Box::new(Ring::new(modulus, bits))),
        }
    }

    /// base^(exponent − 1)·factor for plain numbers below n and a public exponent of at least 2: plain and below 2·n.
    pub(crate) fn power_times(&self, modulus: &Modulus, base: &Number, exponent: u64, factor: &Number) -> Number {
        let power = match self {
            Self::Small(ring) => ring.power_times(base, exponent, factor),
            Self::Medium(ring) => ring.power_times(base, exponent, factor),
            Self::Large(ring) => ring.power_times(base, exponent, factor),
        };
        // Below 2·N < 2^105·n, and after the division by 2^112 below 2·n.
        modulus.shift(&to_number(&power, modulus.blocks() + 1), SHIFT)
    }
}

impl<const BLOCKS: usize> Ring<BLOCKS> {
    fn new(modulus: &Modulus, bits: usize) -> Self {
        let multiple = Multiple::new(modulus, bits, BLOCKS);
        let Residue { blocks: upper, .. } = Residue::<BLOCKS>::new(&multiple.upper);
        let mut ring = Self { upper: *upper, r_squared: Residue::new(&multiple.root) };
        for _ in 0..3 {
            let [mut quotient, mut square] = [Residue::default(), Residue::default()];
            ring.square(&mut square, &mut quotient.limbs, &ring.r_squared);
            ring.r_squared = square;
        }
        ring
    }

    /// base^(exponent − 1)·factor·2^112 in limbs of 52 bits, below 2·N.
    fn power_times(&self, base: &Number, exponent: u64, factor: &Number) -> Zeroizing<Vec<u64>> {
        let [mut quotient, mut entered] = [Residue::default(), Residue::default()];
        let quotient = &mut quotient.limbs;
        self.multiply(&mut entered, quotient, &Self::residue(base), &self.r_squared);
        let base = entered;
        // As `public_power` does.
        let (mut power, mut next) = (&mut base.clone(), &mut Residue::default());
        for bit in (0..(exponent - 1).ilog2()).rev() {
            self.square(next, quotient, power);
            std::mem::swap(&mut power, &mut next);
            if ((exponent - 1) >> bit) & 1 == 1 {
                self.multiply(next, quotient, power, &base);
                std::mem::swap(&mut power, &mut next);
            }
        }
        // The factor is below 2^112·n. The power is below 2·N, and the product of both below R·N.
        self.multiply(next, quotient, power, &Self::residue(&factor.above_a_block()));
        next.limbs()
    }

    fn residue(number: &Number) -> Residue<BLOCKS> {
        Residue::new(&from_number(number, 2 * BLOCKS))
    }

    /// Writes a·b/R mod N, with the bounds of the other kernel for N.
    fn multiply(
        &self,
        output: &mut Residue<BLOCKS>,
        quotient: &mut [[Lanes; 2]; BLOCKS],
        a: &Residue<BLOCKS>,
        b: &Residue<BLOCKS>,
    ) {
        let constants = Constants::new();
        self.reduce(&constants, output, quotient, |index| {
            let x = from(&*a.limbs, (index + 1).saturating_sub(BLOCKS));
            Sums::default().plus(&constants, x, column(&*b.blocks, index))
        });
    }

    /// Writes a²/R mod N.
    fn square(&self, output: &mut Residue<BLOCKS>, quotient: &mut [[Lanes; 2]; BLOCKS], a: &Residue<BLOCKS>) {
        let constants = Constants::new();
        self.reduce(&constants, output, quotient, |index| {
            // Products of two different blocks appear twice, and that of a block with itself once.
            let below = a.limbs.get((index + 1).saturating_sub(BLOCKS)..index.div_ceil(2)).unwrap_or_default();
            let double = Sums::default().plus(&constants, below, column(&*a.blocks, index)).doubled();
            let middle = if index.is_multiple_of(2) { a.limbs.get(index / 2..=index / 2) } else { None };
            double.plus(&constants, middle.unwrap_or_default(), column(&*a.blocks, index / 2))
        });
    }

    /// Montgomery's reduction of a number whose columns are given by block.
    #[inline(always)]
    fn reduce(
        &self,
        constants: &Constants,
        output: &mut Residue<BLOCKS>,
        quotient: &mut [[Lanes; 2]; BLOCKS],
        columns: impl Fn(usize) -> Sums,
    ) {
        let mut above = Above::default();
        // A digit of the quotient adds H two limbs higher.
        for index in 0..BLOCKS {
            let sums = columns(index).plus(constants, &*quotient, from(&self.upper, BLOCKS - index));
            // As many of a·b as the index and one, and of the quotient as the index.
            let limbs = above.limbs(constants, sums, 2 * index as u64 + 1);
            quotient.get_mut(index).into_iter().for_each(|digits| *digits = limbs);
        }
        for (index, (limbs, block)) in output.limbs.iter_mut().zip(output.blocks.iter_mut().rev()).enumerate() {
            let sums = columns(BLOCKS + index).plus(constants, from(&*quotient, index), &self.upper);
            // One less at each step, of both.
            let [even, odd] = above.limbs(constants, sums, 2 * (BLOCKS - index) as u64 - 1);
            (*limbs, *block) = ([even, odd], even.firsts(odd));
        }
        debug_assert_eq!(above.carry.wrapping_add(above.odd), 0, "the result does not fit");
    }
}

impl<const BLOCKS: usize> Default for Residue<BLOCKS> {
    fn default() -> Self {
        Self {
            limbs: Zeroizing::new([[Lanes::default(); 2]; BLOCKS]),
            blocks: Zeroizing::new([Lanes::default(); BLOCKS]),
        }
    }
}

impl<const BLOCKS: usize> Residue<BLOCKS> {
    fn new(limbs: &[u64]) -> Self {
        let mut residue = Self::default();
        let places = residue.limbs.iter_mut().zip(residue.blocks.iter_mut().rev());
        for ((limbs, block), from) in places.zip(limbs.as_chunks::<2>().0) {
            let [even, odd] = from.map(to_float);
            (*limbs, *block) = ([Lanes::splat(even), Lanes::splat(odd)], Lanes::new(even, odd));
        }
        residue
    }

    fn limbs(&self) -> Zeroizing<Vec<u64>> {
        let mut limbs = Zeroizing::new(Vec::with_capacity(2 * BLOCKS));
        self.blocks.iter().rev().for_each(|block| limbs.extend(block.parts().map(from_float)));
        limbs
    }
}

impl Sums {
    /// Adds the products of limbs with blocks, as many as there are of both.
    #[inline(always)]
    fn plus(self, constants: &Constants, x: &[[Lanes; 2]], y: &[Lanes]) -> Self {
        let Self { mut even, mut odd, mut next } = self;
        for ([x0, x1], y) in x.iter().zip(y) {
            constants.add_product(*x0, *y, &mut even, &mut odd);
            constants.add_product(*x1, *y, &mut odd, &mut next);
        }
        Self { even, odd, next }
    }

    #[inline(always)]
    fn doubled(self) -> Self {
        let Self { even, odd, next } = self;
        Self { even: even.plus(even), odd: odd.plus(odd), next: next.plus(next) }
    }
}

impl Above {
    /// The limbs of a column of blocks, of so many products.
    #[inline(always)]
    fn limbs(&mut self, constants: &Constants, sums: Sums, products: u64) -> [Lanes; 2] {
        // A product adds its low halves to `even` and `odd`, and its high ones to `odd` and `next`.
        let even_bias = bias(products, self.products);
        let odd_bias = bias(products, products);
        let [even, even_above] = sums.even.plus(self.next).parts();
        let [odd, above] = sums.odd.parts();
        let column = even.wrapping_add(even_bias).wrapping_add(self.odd).wrapping_add(self.carry);
        let column_above =
            even_above.wrapping_add(odd).wrapping_add(even_bias).wrapping_add(odd_bias).wrapping_add(over(column));
        *self = Self { next: sums.next, products, odd: above.wrapping_add(odd_bias), carry: over(column_above) };
        [column, column_above].map(|column| constants.limbs(Lanes::splat(column)))
    }
}

/// The blocks of a number, the highest first, from the one that belongs to the lowest in a column: the blocks i of one
/// number and index − i of the other.
#[inline(always)]
fn column(blocks: &[Lanes], index: usize) -> &[Lanes] {
    from(blocks, blocks.len().saturating_sub(index + 1))
}

/// What is left of a slice from an index on.
#[inline(always)]
fn from<T>(slice: &[T], index: usize) -> &[T] {
    slice.get(index..).unwrap_or_default()
}

/// What a column carries into the next: rounded down, with its sign.
#[inline(always)]
fn over(column: u64) -> u64 {
    (column.cast_signed() >> LIMB_BITS).cast_unsigned()
}

#[cfg(test)]
mod tests {
    use num_bigint::BigUint;

    use super::*;
    use crate::differential::{Random, multiplications};
    use crate::fused::modulus::{number_of, to_limbs};

    #[test]
    fn differential_fused_products_and_squares() {
        let mut random = Random::new(31);
        for round in 0..multiplications() / 100 {
            // The most bits that each length is for, and any.
            match round % 6 {
                0 => products_and_squares::<21>(&mut random, 2071),
                1 => products_and_squares::<31>(&mut random, 3111),
                2 => products_and_squares::<41>(&mut random, 4096),
                _ => {
                    let bits = 2048 + random.below(24);
                    products_and_squares::<21>(&mut random, bits);
                }
            }
        }
    }

    fn products_and_squares<const BLOCKS: usize>(random: &mut Random, bits: usize) {
        let n = random.modulus(bits);
        let modulus = Modulus::new(&n.to_bytes_be(), bits);
        let ring = Ring::<BLOCKS>::new(&modulus, bits);
        let multiple = (number_of(&Multiple::new(&modulus, bits, BLOCKS).upper) << (2 * LIMB_BITS)) - 1_u32;
        let r = BigUint::from(1_u32) << (2 * BLOCKS * LIMB_BITS);
        let [mut output, mut quotient] = [Residue::default(), Residue::default()];
        for case in 0..100 {
            let a = random.at_most(&(&multiple * 2_u32 - 1_u32));
            // Any number below 2·N, or a plain one times 2^112.
            let b = match case % 2 {
                0 => random.at_most(&(&multiple * 2_u32 - 1_u32)),
                _ => random.at_most(&(&n - 1_u32)) << 112,
            };
            let [x, y] = [&a, &b].map(|number| Residue::<BLOCKS>::new(&to_limbs(number, 2 * BLOCKS)));
            ring.multiply(&mut output, &mut quotient.limbs, &x, &y);
            let product = number_of(&output.limbs());
            ring.square(&mut output, &mut quotient.limbs, &x);
            for (result, expected) in [(product, &a * &b), (number_of(&output.limbs()), &a * &a)] {
                assert!(result < &multiple * 2_u32, "not reduced\nn = {n:x}\na = {a:x}\nb = {b:x}");
                assert_eq!((result * &r) % &multiple, expected % &multiple, "n = {n:x}\na = {a:x}\nb = {b:x}");
            }
        }
    }
}
