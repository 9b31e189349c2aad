//! Multiplication modulo two numbers at once, for the prime factors of private keys: p in the first lane, q in the second.
//!
//! A block is two limbs, of both numbers. Blocks (x0, x1) and (y0, y1) have four products: x0·y0 belongs to the first of a
//! pair of columns, x0·y1 and x1·y0 to the second, and x1·y1 to the first of the next pair; and the high half of each one
//! column further. So a pair of columns has four sums. Time depends on lengths alone.

use subtle::{ConditionallySelectable as _, ConstantTimeEq as _};
use zeroize::Zeroizing;

use super::lanes::Lanes;
use super::modulus::{Multiple, SHIFT, from_float, from_number, to_float, to_number};
use super::split::{Constants, LIMB_BITS, bias};
use crate::exponentiation::{ENTRIES, SecretExponent, WINDOW_BITS};
use crate::limbs::{self, Number};
use crate::montgomery::Modulus;

/// Two neighbouring limbs, of both numbers each.
type Block = [Lanes; 2];

/// Both prime factors, for this kernel: for the sizes that keys have, and others rounded up.
pub(crate) enum PrimePair {
    /// Up to 1031 bits each.
    Small(Box<Rings<11>>),
    /// Up to 1551 bits each.
    Medium(Box<Rings<16>>),
    /// Up to 2071 bits each.
    Large(Box<Rings<21>>),
}

/// The numbers modulo the two multiples, in so many blocks.
pub(crate) struct Rings<const BLOCKS: usize> {
    /// H of both, the highest block first, which is zero.
    upper: Blocks<BLOCKS>,
    /// R² mod N of both, the highest block first.
    r_squared: Blocks<BLOCKS>,
}

/// Two numbers. They are overwritten when they go.
type Blocks<const BLOCKS: usize> = Zeroizing<[Block; BLOCKS]>;

/// Two numbers modulo the two multiples, each below 2·N, in the order of both factors of a multiplication: a column is a
/// walk through two slices in the same direction.
struct Residues<const BLOCKS: usize> {
    lowest_first: Blocks<BLOCKS>,
    highest_first: Blocks<BLOCKS>,
}

/// The four sums of a pair of columns, as at the top of this file.
#[derive(Clone, Copy, Default)]
struct Sums([Lanes; 4]);

/// What a pair of columns hands on to the next: its last two sums and how many products of blocks they are of, and what
/// exceeds the limbs, plus 2^10.
struct Above {
    sums: [Lanes; 2],
    products: u64,
    carry: Lanes,
}

/// What makes columns positive, which are above −2^61: vectors have no fast shift that keeps the sign. It leaves their low
/// bits alone, and makes each carry larger by 2^10.
const POSITIVE: u64 = 1 << 62;
const POSITIVE_CARRY: u64 = POSITIVE >> LIMB_BITS;

impl PrimePair {
    /// Of two moduli of so many bits.
    pub(crate) fn new(moduli: [&Modulus; 2], bits: usize) -> Self {
        match Multiple::blocks_for(bits) {
            ..=11 => Self::Small(Box::new(Rings::new(moduli, bits))),
            12..=16 => Self::Medium(Box::new(Rings::new(moduli, bits))),
            _ => Self::Large(Box::new(Rings::new(moduli, bits))),
        }
    }

    /// The powers of two plain numbers below 4·n of their moduli, plain and below 2·n. As [`SecretExponent::power`] does:
    /// neither the steps nor the addresses depend on anything but the lengths.
    pub(crate) fn powers(
        &self,
        [p, q]: [&Modulus; 2],
        bases: [&Number; 2],
        exponents: [&SecretExponent; 2],
    ) -> [Number; 2] {
        let limbs = match self {
            Self::Small(rings) => rings.powers(bases, exponents),
            Self::Medium(rings) => rings.powers(bases, exponents),
            Self::Large(rings) => rings.powers(bases, exponents),
        };
        let [from_p, from_q] = &limbs;
        // Below 2·N < 2^105·n, and after the division by 2^112 below 2·n.
        [(p, from_p), (q, from_q)].map(|(n, limbs)| n.shift(&to_number(limbs, n.blocks() + 1), SHIFT))
    }
}

impl<const BLOCKS: usize> Rings<BLOCKS> {
    fn new(moduli: [&Modulus; 2], bits: usize) -> Self {
        let [p, q] = moduli.map(|modulus| Multiple::new(modulus, bits, BLOCKS));
        let upper = Residues::new([&p.upper, &q.upper]).highest_first;
        let mut root = Residues::new([&p.root, &q.root]);
        let mut rings = Self { upper, r_squared: zero() };
        for _ in 0..3 {
            let (mut square, mut quotient) = (Residues::new([&[]; 2]), zero());
            rings.square(&mut square, &mut quotient, &root);
            root = square;
        }
        rings.r_squared = root.highest_first;
        rings
    }

    /// The powers of two plain numbers below 4·n of their moduli, times 2^112, in limbs of 52 bits, below 2·N.
    fn powers(&self, bases: [&Number; 2], exponents: [&SecretExponent; 2]) -> [Zeroizing<Vec<u64>>; 2] {
        let quotient = &mut zero();
        let table = self.table(bases, quotient);
        let [p, q] = exponents.map(SecretExponent::windows);
        let mut windows = p.iter().zip(q).map(|(p, q)| [*p, *q]);
        // The highest window needs no squarings.
        let highest = read(&table, windows.next().unwrap_or_default());
        let (mut power, mut next) = (&mut Residues::from_highest(highest), &mut Residues::new([&[]; 2]));
        for window in windows {
            for _ in 0..WINDOW_BITS {
                self.square(next, quotient, power);
                std::mem::swap(&mut power, &mut next);
            }
            self.multiply(next, quotient, power, &read(&table, window));
            std::mem::swap(&mut power, &mut next);
        }
        // Out of Montgomery form, and multiplied by 2^112, so that it may be divided by that.
        let shift = Number::power_of_two(SHIFT * limbs::LIMB_BITS, SHIFT);
        self.multiply(next, quotient, power, &Self::residues([&shift, &shift]).highest_first);
        [0, 1].map(|lane| next.limbs(lane))
    }

    /// The first 32 powers of a pair, one after the other, in the order of the second factor.
    fn table(&self, bases: [&Number; 2], quotient: &mut [Block; BLOCKS]) -> Zeroizing<Vec<[Block; BLOCKS]>> {
        let one = Number::power_of_two(0, 1);
        let [mut base, mut entry, mut next] = [&[]; 3].map(|zero| Residues::new([zero; 2]));
        self.multiply(&mut entry, quotient, &Self::residues([&one, &one]), &self.r_squared);
        self.multiply(&mut base, quotient, &Self::residues(bases), &self.r_squared);
        // They have their place from the start: a vector that grows leaves copies behind.
        let mut powers = Zeroizing::new(Vec::with_capacity(ENTRIES));
        for _ in 0..ENTRIES {
            powers.push(*entry.highest_first);
            self.multiply(&mut next, quotient, &entry, &base.highest_first);
            std::mem::swap(&mut entry, &mut next);
        }
        powers
    }

    fn residues(numbers: [&Number; 2]) -> Residues<BLOCKS> {
        let [p, q] = numbers.map(|number| from_number(number, 2 * BLOCKS));
        Residues::new([&p, &q])
    }

    /// Writes a·b/R mod N, with the bounds of the other kernel for N. The highest block of b comes first.
    fn multiply(
        &self,
        output: &mut Residues<BLOCKS>,
        quotient: &mut [Block; BLOCKS],
        a: &Residues<BLOCKS>,
        b: &[Block; BLOCKS],
    ) {
        let constants = Constants::new();
        let a = &*a.lowest_first;
        self.reduce(&constants, output, quotient, |index| {
            Sums::default().plus(&constants, from(a, (index + 1).saturating_sub(BLOCKS)), column(b, index))
        });
    }

    /// Writes a²/R mod N.
    fn square(&self, output: &mut Residues<BLOCKS>, quotient: &mut [Block; BLOCKS], a: &Residues<BLOCKS>) {
        let constants = Constants::new();
        let (x, y) = (&*a.lowest_first, &*a.highest_first);
        self.reduce(&constants, output, quotient, |index| {
            // Products of two different blocks appear twice, and that of a block with itself once.
            let below = x.get((index + 1).saturating_sub(BLOCKS)..index.div_ceil(2)).unwrap_or_default();
            let double = Sums::default().plus(&constants, below, column(y, index)).doubled();
            let middle = if index.is_multiple_of(2) { x.get(index / 2..=index / 2) } else { None };
            double.plus(&constants, middle.unwrap_or_default(), column(y, index / 2))
        });
    }

    /// Montgomery's reduction of two numbers whose columns are given in pairs.
    #[inline(always)]
    fn reduce(
        &self,
        constants: &Constants,
        output: &mut Residues<BLOCKS>,
        quotient: &mut [Block; BLOCKS],
        columns: impl Fn(usize) -> Sums,
    ) {
        let mut above = Above::new();
        // A digit of the quotient adds H two limbs higher.
        for index in 0..BLOCKS {
            let sums = columns(index).plus(constants, &*quotient, from(&*self.upper, BLOCKS - index));
            // As many of a·b as the index and one, and of the quotient as the index.
            let limbs = above.limbs(constants, sums, 2 * index as u64 + 1);
            quotient.get_mut(index).into_iter().for_each(|digits| *digits = limbs);
        }
        let places = output.lowest_first.iter_mut().zip(output.highest_first.iter_mut().rev());
        for (index, (place, mirrored)) in places.enumerate() {
            let sums = columns(BLOCKS + index).plus(constants, from(&*quotient, index), &*self.upper);
            // One less at each step, of both.
            let limbs = above.limbs(constants, sums, 2 * (BLOCKS - index) as u64 - 1);
            (*place, *mirrored) = (limbs, limbs);
        }
        debug_assert!(above.is_nothing(), "the result does not fit");
    }
}

impl<const BLOCKS: usize> Residues<BLOCKS> {
    /// Two numbers in limbs of 52 bits.
    fn new([p, q]: [&[u64]; 2]) -> Self {
        let mut highest_first = zero();
        let blocks = p.as_chunks::<2>().0.iter().zip(q.as_chunks::<2>().0);
        let lanes = |p: u64, q: u64| Lanes::new(to_float(p), to_float(q));
        for (place, ([p0, p1], [q0, q1])) in highest_first.iter_mut().rev().zip(blocks) {
            *place = [lanes(*p0, *q0), lanes(*p1, *q1)];
        }
        Self::from_highest(highest_first)
    }

    fn from_highest(highest_first: Blocks<BLOCKS>) -> Self {
        let mut lowest_first = highest_first.clone();
        lowest_first.reverse();
        Self { lowest_first, highest_first }
    }

    /// The number in one lane, in limbs of 52 bits.
    fn limbs(&self, lane: usize) -> Zeroizing<Vec<u64>> {
        let limb = |lanes: &Lanes| lanes.parts().get(lane).copied().map_or(0, from_float);
        let mut limbs = Zeroizing::new(Vec::with_capacity(2 * BLOCKS));
        limbs.extend(self.lowest_first.as_flattened().iter().map(limb));
        limbs
    }
}

impl Sums {
    /// Adds the products of blocks of x with blocks of y, as many as there are of both.
    #[inline(always)]
    fn plus(self, constants: &Constants, x: &[Block], y: &[Block]) -> Self {
        let Self([mut first, mut second, mut third, mut fourth]) = self;
        for ([x0, x1], [y0, y1]) in x.iter().zip(y) {
            constants.add_product(*x0, *y0, &mut first, &mut second);
            constants.add_product(*x0, *y1, &mut second, &mut third);
            constants.add_product(*x1, *y0, &mut second, &mut third);
            constants.add_product(*x1, *y1, &mut third, &mut fourth);
        }
        Self([first, second, third, fourth])
    }

    #[inline(always)]
    fn doubled(self) -> Self {
        Self(self.0.map(|sum| sum.plus(sum)))
    }
}

impl Above {
    fn new() -> Self {
        Self { sums: [Lanes::default(); 2], products: 0, carry: Lanes::splat(POSITIVE_CARRY) }
    }

    /// The limbs of a pair of columns, of so many products of blocks.
    #[inline(always)]
    fn limbs(&mut self, constants: &Constants, Sums([first, second, third, fourth]): Sums, products: u64) -> Block {
        let [before_first, before_second] = self.sums;
        let before = self.products;
        // The sums have, for each product of blocks, 1, 2, 1 and 0 low halves, and 0, 1, 2 and 1 high ones.
        let first = self.limb(constants, first.plus(before_first), bias(products + before, 2 * before));
        let second = self.limb(constants, second.plus(before_second), bias(2 * products, products + before));
        (self.sums, self.products) = ([third, fourth], products);
        [first, second]
    }

    /// The limb of a column, which is to be corrected by so much.
    #[inline(always)]
    fn limb(&mut self, constants: &Constants, column: Lanes, bias: u64) -> Lanes {
        let column = column.plus(Lanes::splat(bias.wrapping_add(POSITIVE - POSITIVE_CARRY))).plus(self.carry);
        self.carry = column.above_limb();
        constants.limbs(column)
    }

    /// Whether there is nothing above the highest columns.
    fn is_nothing(&self) -> bool {
        let [third, fourth] = self.sums;
        let third = third.plus(Lanes::splat(bias(self.products, 2 * self.products))).plus(self.carry);
        let third = third.minus(Lanes::splat(POSITIVE_CARRY));
        [third, fourth.plus(Lanes::splat(bias(0, self.products)))].map(Lanes::parts) == [[0; 2]; 2]
    }
}

/// Copies one entry of a table a lane, by reading all.
fn read<const BLOCKS: usize>(table: &[[Block; BLOCKS]], wanted: [u8; 2]) -> Blocks<BLOCKS> {
    let mut masks = Zeroizing::new([Lanes::default(); ENTRIES]);
    for (index, mask) in (0_u8..).zip(masks.iter_mut()) {
        // Opaque to the compiler, as in the other table.
        let [p, q] = wanted.map(|wanted| u64::conditional_select(&0, &u64::MAX, index.ct_eq(&wanted)));
        *mask = Lanes::new(p, q);
    }
    let mut entry = zero();
    for (candidates, masks) in table.as_chunks::<4>().0.iter().zip(masks.as_chunks::<4>().0) {
        let [c0, c1, c2, c3] = candidates;
        let [m0, m1, m2, m3] = *masks;
        let places = entry.as_flattened_mut().iter_mut();
        let lanes = c0.as_flattened().iter().zip(c1.as_flattened()).zip(c2.as_flattened()).zip(c3.as_flattened());
        for (place, (((l0, l1), l2), l3)) in places.zip(lanes) {
            *place = place.or(l0.and(m0)).or(l1.and(m1)).or(l2.and(m2)).or(l3.and(m3));
        }
    }
    entry
}

/// The blocks of a number, the highest first, from the one that belongs to the lowest in a column: the blocks i of one
/// number and index − i of the other.
#[inline(always)]
fn column(blocks: &[Block], index: usize) -> &[Block] {
    from(blocks, blocks.len().saturating_sub(index + 1))
}

/// What is left of a slice from an index on.
#[inline(always)]
fn from(slice: &[Block], index: usize) -> &[Block] {
    slice.get(index..).unwrap_or_default()
}

fn zero<const BLOCKS: usize>() -> Blocks<BLOCKS> {
    Zeroizing::new([Block::default(); BLOCKS])
}
