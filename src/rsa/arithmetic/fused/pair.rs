//! Multiplication modulo two numbers at once, for the prime factors of private keys: p in the first lane, q in the second.
//!
//! The columns are added up in pairs, as those of the other kernel are in fours. Time depends on lengths alone.

use subtle::{ConditionallySelectable as _, ConstantTimeEq as _};
use zeroize::Zeroizing;

use super::lanes::Lanes;
use super::modulus::{Multiple, SHIFT, from_float, from_number, to_float, to_number};
use super::split::{Constants, bias};
use crate::exponentiation::{ENTRIES, SecretExponent, WINDOW_BITS};
use crate::limbs::{self, Number};
use crate::montgomery::Modulus;

/// Two neighbouring limbs, of both numbers each.
type Block = [Lanes; 2];

/// A pair of numbers modulo the two multiples, each below 2·N.
type Residues = Zeroizing<Vec<Block>>;

/// Both prime factors, for this kernel.
pub(crate) struct PrimePair {
    /// H of both; the highest block is zero.
    upper: Residues,
    /// R² mod N of both.
    r_squared: Residues,
}

/// Sums of halves of products for a pair of columns and what is above, and how many products each of the two has.
#[derive(Clone, Copy, Default)]
struct Sums {
    columns: Block,
    above: Lanes,
    products: [u64; 2],
}

impl PrimePair {
    /// Of two moduli of so many bits.
    pub(crate) fn new(moduli: [&Modulus; 2], bits: usize) -> Self {
        let [p, q] = moduli.map(|modulus| Multiple::new(modulus, bits, Multiple::blocks_for(bits)));
        let upper = pair([&p.upper, &q.upper]);
        let mut pair = Self { r_squared: pair([&p.root, &q.root]), upper };
        let mut workspace = pair.workspace();
        let mut r_squared = pair.r_squared.clone();
        (0..3).for_each(|_| pair.square(&mut r_squared, &mut workspace));
        pair.r_squared = r_squared;
        pair
    }

    /// The powers of two plain numbers below 2·n of their moduli, plain and below 2·n. As [`SecretExponent::power`] does:
    /// neither the steps nor the addresses depend on anything but the lengths.
    pub(crate) fn powers(
        &self,
        moduli: [&Modulus; 2],
        bases: [&Number; 2],
        exponents: [&SecretExponent; 2],
    ) -> [Number; 2] {
        let mut workspace = self.workspace();
        let mut base = self.residues(bases);
        self.multiply(&mut base, &self.r_squared, &mut workspace);
        let table = self.table(&base, &mut workspace);
        let mut power = self.one(&mut workspace);
        let mut entry = power.clone();
        let [p, q] = exponents.map(SecretExponent::windows);
        for (index, (p, q)) in p.iter().zip(q).enumerate() {
            if index > 0 {
                (0..WINDOW_BITS).for_each(|_| self.square(&mut power, &mut workspace));
            }
            read(&table, [*p, *q], &mut entry);
            self.multiply(&mut power, &entry, &mut workspace);
        }
        // Out of Montgomery form, and multiplied by 2^112, so that it may be divided by that.
        let shift = Number::power_of_two(SHIFT * limbs::LIMB_BITS, SHIFT);
        self.multiply(&mut power, &self.residues([&shift, &shift]), &mut workspace);
        let [p, q] = moduli;
        // Below 2·N < 2^105·n, and after the division by 2^112 below 2·n.
        [number(&power, 0, p), number(&power, 1, q)]
    }

    /// The first 32 powers of a pair, one after the other.
    fn table(&self, base: &Residues, workspace: &mut (Residues, Residues)) -> Residues {
        let mut entry = self.one(workspace);
        let mut powers = Zeroizing::new(Vec::with_capacity(ENTRIES * entry.len()));
        for _ in 0..ENTRIES {
            powers.extend_from_slice(&entry);
            self.multiply(&mut entry, base, workspace);
        }
        powers
    }

    /// 1 in Montgomery form.
    fn one(&self, workspace: &mut (Residues, Residues)) -> Residues {
        let one = Number::power_of_two(0, 1);
        let mut one = self.residues([&one, &one]);
        self.multiply(&mut one, &self.r_squared, workspace);
        one
    }

    fn residues(&self, numbers: [&Number; 2]) -> Residues {
        let [p, q] = numbers.map(|number| from_number(number, 2 * self.upper.len()));
        pair([&p, &q])
    }

    /// The quotient, and a pair for the results.
    fn workspace(&self) -> (Residues, Residues) {
        let zero = || Zeroizing::new(vec![Block::default(); self.upper.len()]);
        (zero(), zero())
    }

    /// Replaces a by a·b/R mod N, with the bounds of the other kernel for N.
    fn multiply(&self, a: &mut Residues, b: &Residues, (quotient, output): &mut (Residues, Residues)) {
        let constants = Constants::new();
        self.reduce(&constants, output, quotient, |index| product_columns(&constants, Sums::default(), a, b, index));
        std::mem::swap(a, output);
    }

    /// Replaces a by a²/R mod N.
    fn square(&self, a: &mut Residues, (quotient, output): &mut (Residues, Residues)) {
        let constants = Constants::new();
        self.reduce(&constants, output, quotient, |index| square_columns(&constants, a, index));
        std::mem::swap(a, output);
    }

    /// Montgomery's reduction of two numbers whose columns are given in pairs.
    #[inline(always)]
    fn reduce(
        &self,
        constants: &Constants,
        output: &mut [Block],
        quotient: &mut [Block],
        columns: impl Fn(usize) -> Sums,
    ) {
        let blocks = self.upper.len();
        let (mut carry, mut before) = (Lanes::default(), 0);
        for index in 0..2 * blocks {
            let mut sums = columns(index);
            if index > 0 {
                // A digit of the quotient adds H two limbs higher.
                sums = product_columns(constants, sums, quotient, &self.upper, index - 1);
            }
            let [even_products, odd_products] = sums.products;
            let [even, odd] = sums.columns;
            // A product adds its low half to its own column, and its high half to the next.
            let even = even.plus(carry).plus(Lanes::splat(bias(even_products, before)));
            let odd = odd.plus(even.above_limb()).plus(Lanes::splat(bias(odd_products, even_products)));
            carry = sums.above.plus(odd.above_limb());
            before = odd_products;
            let limbs = [even, odd].map(|column| constants.limbs(column));
            let place = if index < blocks { quotient.get_mut(index) } else { output.get_mut(index - blocks) };
            place.into_iter().for_each(|place| *place = limbs);
        }
        debug_assert_eq!(carry.plus(Lanes::splat(bias(0, before))).parts(), [0, 0], "the result does not fit");
    }
}

/// Adds a pair of columns of x·y from block `index` on. The quotient may have known blocks up to `index` only.
#[inline(always)]
fn product_columns(constants: &Constants, sums: Sums, x: &[Block], y: &[Block], index: usize) -> Sums {
    if index < x.len() {
        let (x_below, y_below) = (x.get(..index).unwrap_or_default(), y.get(..index).unwrap_or_default());
        let (sums, [y0, y1]) = add_products(constants, sums, block(y, index), x_below, y_below);
        // The window has arrived at the lowest limbs of y.
        let [x0, x1] = block(x, index);
        sums.even(constants, x0, y0).odd(constants, x0, y1).odd(constants, x1, y0)
    } else {
        let from = index - x.len();
        let (x, y) = (x.get(from..).unwrap_or_default(), y.get(from..).unwrap_or_default());
        add_products(constants, sums, Block::default(), x, y).0
    }
}

/// A pair of columns of a² from block `index` on. Each product of two different limbs appears twice.
#[inline(always)]
fn square_columns(constants: &Constants, a: &[Block], index: usize) -> Sums {
    // From limb `index` on, products meet their mirror images.
    let middle = index / 2;
    let from = index.saturating_sub(a.len());
    let below = a.get(from..middle).unwrap_or_default();
    let above = a.get(index - middle..index - from).unwrap_or_default();
    let (sums, [w0, w1]) = add_products(constants, Sums::default(), block(a, index), below, above);
    let [m0, m1] = block(a, middle);
    if index.is_multiple_of(2) {
        sums.odd(constants, m0, m1).doubled().even(constants, m0, m0)
    } else {
        // Half a block remains below the middle. The window is the block above it.
        let sums = sums.even(constants, m0, w0).odd(constants, m0, w1).odd(constants, m1, w0);
        sums.doubled().even(constants, m1, m1)
    }
}

/// Adds products to a pair of columns, as the function of that name in the other kernel does: x is walked upwards, y
/// downwards, and the window has the limbs of y that belong to the first limb of the next block of x.
#[inline(always)]
fn add_products(constants: &Constants, sums: Sums, window: Block, x: &[Block], y: &[Block]) -> (Sums, Block) {
    debug_assert_eq!(x.len(), y.len());
    let Sums { columns: [mut even, mut odd], mut above, products } = sums;
    let [mut y0, mut y1] = window;
    for ([x0, x1], [lower0, lower1]) in x.iter().zip(y.iter().rev()) {
        let (high, low) = constants.split(*x0, y0);
        (even, odd) = (even.minus(low), odd.plus(high));
        let (high, low) = constants.split(*x0, y1);
        (odd, above) = (odd.minus(low), above.plus(high));
        y1 = *lower1;
        let (high, low) = constants.split(*x1, y1);
        (even, odd) = (even.minus(low), odd.plus(high));
        let (high, low) = constants.split(*x1, y0);
        (odd, above) = (odd.minus(low), above.plus(high));
        y0 = *lower0;
    }
    let products = products.map(|count| count + 2 * x.len() as u64);
    (Sums { columns: [even, odd], above, products }, [y0, y1])
}

impl Sums {
    /// Adds a product to the first column.
    #[inline(always)]
    fn even(mut self, constants: &Constants, x: Lanes, y: Lanes) -> Self {
        let ((high, low), [even, odd]) = (constants.split(x, y), self.columns);
        self.columns = [even.minus(low), odd.plus(high)];
        let [even, odd] = self.products;
        self.products = [even + 1, odd];
        self
    }

    /// Adds a product to the second column.
    #[inline(always)]
    fn odd(mut self, constants: &Constants, x: Lanes, y: Lanes) -> Self {
        let ((high, low), [even, odd]) = (constants.split(x, y), self.columns);
        self.columns = [even, odd.minus(low)];
        self.above = self.above.plus(high);
        let [even, odd] = self.products;
        self.products = [even, odd + 1];
        self
    }

    #[inline(always)]
    fn doubled(self) -> Self {
        let columns = self.columns.map(|column| column.plus(column));
        Self { columns, above: self.above.plus(self.above), products: self.products.map(|count| 2 * count) }
    }
}

/// Copies one entry of a table a lane, by reading all.
fn read(table: &[Block], wanted: [u8; 2], entry: &mut [Block]) {
    entry.fill(Block::default());
    for (index, candidate) in (0_u8..).zip(table.chunks_exact(entry.len())) {
        // Opaque to the compiler, as in the other table.
        let [p, q] = wanted.map(|wanted| u64::conditional_select(&0, &u64::MAX, index.ct_eq(&wanted)));
        let mask = Lanes::new(p, q);
        for (block, candidate) in entry.iter_mut().zip(candidate) {
            block.iter_mut().zip(candidate).for_each(|(lanes, candidate)| *lanes = lanes.or(candidate.and(mask)));
        }
    }
}

/// A block of numbers, zero beyond their end.
#[inline(always)]
fn block(numbers: &[Block], index: usize) -> Block {
    numbers.get(index).copied().unwrap_or_default()
}

/// Two numbers of the same length in limbs of 52 bits.
fn pair([p, q]: [&[u64]; 2]) -> Residues {
    let blocks = p.as_chunks::<2>().0.iter().zip(q.as_chunks::<2>().0);
    let lanes = |p: u64, q: u64| Lanes::new(to_float(p), to_float(q));
    Zeroizing::new(blocks.map(|([p0, p1], [q0, q1])| [lanes(*p0, *q0), lanes(*p1, *q1)]).collect())
}

/// The number in one lane, divided by 2^112 modulo its modulus.
fn number(pair: &[Block], lane: usize, modulus: &Modulus) -> Number {
    let limb = |lanes: &Lanes| lanes.parts().get(lane).copied().map_or(0, from_float);
    let limbs: Zeroizing<Vec<u64>> = Zeroizing::new(pair.as_flattened().iter().map(limb).collect());
    modulus.shift(&to_number(&limbs, modulus.blocks() + 1), SHIFT)
}
