//! Multiplication modulo one number, for public keys: each operation works on two neighbouring limbs.
//!
//! A block is two limbs. A limb of a times a block of b gives the low halves of two neighbouring columns, and the high
//! halves of the two columns one further. So a column of blocks has three sums: `even` for columns 2·k and 2·k + 1, `odd`
//! for 2·k + 1 and 2·k + 2, and one for 2·k + 2 and 2·k + 3, which is `even` of the next block.
//!
//! Two columns of blocks are added up at a time ([`Sums`]): a block that was read once is multiplied for both, and there are
//! half as many short loops, at whose ends processors guess wrong. In columns k and k + 1, a block i of one factor meets the
//! blocks k − i and k + 1 − i of the other. All but the first and the last have both.
//!
//! The lengths of all numbers are constants, and odd, so that there is one pair of columns in the middle, of whose columns
//! the one belongs to the quotient and the other to the result. With that, compilers drop most checks and counters around
//! the short loops.

use zeroize::Zeroizing;

use super::lanes::Lanes;
use super::modulus::{Multiple, from_float, from_number, to_float, to_number};
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
    /// N + 1 in blocks, the highest first. The lowest is zero.
    successor: [Lanes; BLOCKS],
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

/// The sums of halves of products in two neighbouring columns of blocks, as at the top of this file: `even` and `odd` of the
/// first, `even` and `odd` of the second, and `even` of the next.
#[derive(Clone, Copy, Default)]
struct Sums([Lanes; 5]);

/// Where a pair of columns is. The one in the middle has all products that the upper ones have, and counts as such.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Half {
    Lower,
    Upper,
}

/// What a column of blocks hands on to the next: `even`, how many products it has, the second lane of `odd`, and what
/// exceeds the limbs.
#[derive(Default)]
struct Above {
    even: Lanes,
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
        modulus.divide_by_block(&to_number(&power, modulus.blocks() + 1))
    }
}

impl<const BLOCKS: usize> Ring<BLOCKS> {
    fn new(modulus: &Modulus, bits: usize) -> Self {
        let multiple = Multiple::new(modulus, bits, BLOCKS);
        let Residue { blocks: successor, .. } = Residue::<BLOCKS>::new(&multiple.successor);
        let mut ring = Self { successor: *successor, r_squared: Residue::new(&multiple.root) };
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
        self.reduce(&constants, output, quotient, |half, index| {
            let mut sums = Sums::default();
            match half {
                Half::Lower => {
                    sums.add(&constants, half, &a.limbs, index + 1, &b.blocks, index);
                    // The next block of a has no partner in the first column.
                    sums.add_second(&constants, a.limbs.get(index + 1), b.blocks.last());
                }
                Half::Upper => sums.add(&constants, half, &a.limbs, BLOCKS, &b.blocks, index),
            }
            sums
        });
    }

    /// Writes a²/R mod N.
    fn square(&self, output: &mut Residue<BLOCKS>, quotient: &mut [[Lanes; 2]; BLOCKS], a: &Residue<BLOCKS>) {
        let constants = Constants::new();
        self.reduce(&constants, output, quotient, |half, index| {
            // Products of two different blocks appear twice, and that of a block with itself once. In the second column,
            // the two blocks in the middle are different.
            let middle = index / 2;
            let (itself, next) = (a.blocks.get(BLOCKS - 1 - middle), a.blocks.get((BLOCKS - 2).wrapping_sub(middle)));
            let mut sums = Sums::default();
            sums.add(&constants, half, &a.limbs, middle, &a.blocks, index);
            sums.add_second(&constants, a.limbs.get(middle), next);
            let mut sums = sums.doubled();
            sums.add_first(&constants, a.limbs.get(middle), itself);
            sums
        });
    }

    /// Montgomery's reduction of a number whose columns are given in pairs, each by the first of both.
    ///
    /// A digit of the quotient adds N + 1, whose lowest block is zero, and so nothing to its own column. A column has as many
    /// products of a·b as its index and one, and of the quotient as its index; from the middle on one less of both each time.
    #[inline(always)]
    fn reduce(
        &self,
        constants: &Constants,
        output: &mut Residue<BLOCKS>,
        quotient: &mut [[Lanes; 2]; BLOCKS],
        columns: impl Fn(Half, usize) -> Sums,
    ) {
        const { assert!(BLOCKS % 2 == 1) }
        // The lowest block of N + 1 that is not zero.
        let lowest = self.successor.get(BLOCKS - 2);
        let mut above = Above::default();
        for index in (0..BLOCKS - 1).step_by(2) {
            let mut sums = columns(Half::Lower, index);
            sums.add(constants, Half::Lower, quotient, index, &self.successor, index);
            let first = above.first(constants, &sums, 2 * index as u64 + 1);
            sums.add_second(constants, Some(&first), lowest);
            let second = above.second(constants, &sums, 2 * index as u64 + 3);
            quotient.iter_mut().skip(index).zip([first, second]).for_each(|(digits, limbs)| *digits = limbs);
        }
        let mut sums = columns(Half::Upper, BLOCKS - 1);
        sums.add(constants, Half::Upper, quotient, BLOCKS - 1, &self.successor, BLOCKS - 1);
        let digits = above.first(constants, &sums, 2 * BLOCKS as u64 - 1);
        sums.add_second(constants, Some(&digits), lowest);
        output.set(0, above.second(constants, &sums, 2 * BLOCKS as u64 - 2));
        quotient.last_mut().into_iter().for_each(|place| *place = digits);
        for index in (1..BLOCKS).step_by(2) {
            let mut sums = columns(Half::Upper, BLOCKS + index);
            sums.add(constants, Half::Upper, quotient, BLOCKS, &self.successor, BLOCKS + index);
            output.set(index, above.first(constants, &sums, 2 * (BLOCKS - index) as u64 - 2));
            output.set(index + 1, above.second(constants, &sums, (2 * (BLOCKS - index) as u64).wrapping_sub(4)));
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
    /// Writes a block.
    #[inline(always)]
    fn set(&mut self, index: usize, [even, odd]: [Lanes; 2]) {
        if let (Some(limbs), Some(block)) = (self.limbs.get_mut(index), self.blocks.get_mut(BLOCKS - 1 - index)) {
            (*limbs, *block) = ([even, odd], even.firsts(odd));
        }
    }

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
        let mut limbs = Zeroizing::new(vec![0; 2 * BLOCKS]);
        let places = limbs.as_chunks_mut().0.iter_mut();
        places.zip(self.blocks.iter().rev()).for_each(|(place, block)| *place = block.parts().map(from_float));
        limbs
    }
}

impl Sums {
    /// Adds the products of blocks of x below `to` with those of y that belong to columns `index` and `index` + 1, as far as
    /// both have one. The highest block of y is the first.
    #[inline(always)]
    fn add<const BLOCKS: usize>(
        &mut self,
        constants: &Constants,
        half: Half,
        x: &[[Lanes; 2]; BLOCKS],
        to: usize,
        y: &[Lanes; BLOCKS],
        index: usize,
    ) {
        // The lowest block of x that has a partner in both columns, and where that of the second column is in y.
        let (from, start) = match half {
            Half::Lower => (0, BLOCKS - 2 - index),
            Half::Upper => (index + 2 - BLOCKS, 0),
        };
        let Some(length) = to.checked_sub(from) else { return };
        if half == Half::Upper {
            // The block below has one in the first column only: the highest of y.
            self.add_first(constants, x.get(from - 1), y.first());
        }
        let y = (y.get(start), y.get(start + 1..start + 1 + length));
        if let (Some(x), (Some(above), Some(y))) = (x.get(from..to), y) {
            let mut above = *above;
            for (x, y) in x.iter().zip(y) {
                self.second(constants, x, above);
                self.first(constants, x, *y);
                above = *y;
            }
        }
    }

    /// Adds a product to the first column, if there are both factors.
    #[inline(always)]
    fn add_first(&mut self, constants: &Constants, x: Option<&[Lanes; 2]>, y: Option<&Lanes>) {
        if let (Some(x), Some(y)) = (x, y) {
            self.first(constants, x, *y);
        }
    }

    /// The same to the second column.
    #[inline(always)]
    fn add_second(&mut self, constants: &Constants, x: Option<&[Lanes; 2]>, y: Option<&Lanes>) {
        if let (Some(x), Some(y)) = (x, y) {
            self.second(constants, x, *y);
        }
    }

    /// Adds a product to the first column.
    #[inline(always)]
    fn first(&mut self, constants: &Constants, [x0, x1]: &[Lanes; 2], y: Lanes) {
        let Self([even, odd, next, _, _]) = self;
        constants.add_product(*x0, y, even, odd);
        constants.add_product(*x1, y, odd, next);
    }

    /// Adds a product to the second column.
    #[inline(always)]
    fn second(&mut self, constants: &Constants, [x0, x1]: &[Lanes; 2], y: Lanes) {
        let Self([_, _, even, odd, next]) = self;
        constants.add_product(*x0, y, even, odd);
        constants.add_product(*x1, y, odd, next);
    }

    #[inline(always)]
    fn doubled(self) -> Self {
        Self(self.0.map(|sum| sum.plus(sum)))
    }
}

impl Above {
    /// The limbs of the first column of a pair, of so many products.
    #[inline(always)]
    fn first(&mut self, constants: &Constants, Sums([even, odd, ..]): &Sums, products: u64) -> [Lanes; 2] {
        self.limbs(constants, even.plus(self.even), *odd, products)
    }

    /// Then those of the second.
    #[inline(always)]
    fn second(&mut self, constants: &Constants, Sums([_, _, even, odd, next]): &Sums, products: u64) -> [Lanes; 2] {
        self.even = *next;
        self.limbs(constants, *even, *odd, products)
    }

    /// The limbs of a column, given by its sums.
    #[inline(always)]
    fn limbs(&mut self, constants: &Constants, even: Lanes, odd: Lanes, products: u64) -> [Lanes; 2] {
        // A product adds its low halves to `even` and `odd`, and its high ones to `odd` and the next `even`.
        let even_bias = bias(products, self.products);
        let odd_bias = bias(products, products);
        let [even, even_above] = even.parts();
        let [odd, above] = odd.parts();
        let column = even.wrapping_add(even_bias).wrapping_add(self.odd).wrapping_add(self.carry);
        let column_above =
            even_above.wrapping_add(odd).wrapping_add(even_bias).wrapping_add(odd_bias).wrapping_add(over(column));
        *self = Self { even: self.even, products, odd: above.wrapping_add(odd_bias), carry: over(column_above) };
        [column, column_above].map(|column| constants.limbs(Lanes::splat(column)))
    }
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
        let multiple = number_of(&Multiple::new(&modulus, bits, BLOCKS).successor) - 1_u32;
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
