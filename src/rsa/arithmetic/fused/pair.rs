//! Multiplication modulo two numbers at once, for the prime factors of private keys: p in the first lane, q in the second.
//!
//! A block is two limbs, of both numbers. Blocks (x0, x1) and (y0, y1) have four products: x0·y0 belongs to the first of a
//! pair of columns, x0·y1 and x1·y0 to the second, and x1·y1 to the first of the next pair; and the high half of each one
//! column further. Products are added row by row: the next digits of the quotient are known after the first step of a row, and
//! the other steps hide how long these take. Time depends on lengths alone.

use zeroize::Zeroizing;

use super::lanes::Lanes;
use super::modulus::{Multiple, from_float, from_number, to_float, to_number};
use super::split::{Constants, LIMB_BITS, bias};
use crate::exponentiation::{ENTRIES, SecretExponent, WINDOW_BITS};
use crate::limbs::Number;
use crate::montgomery::Modulus;

/// Two neighbouring limbs or columns, of both numbers each.
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
    /// N + 1 of both, the lowest block first, which is zero.
    successor: Residues<BLOCKS>,
    /// R² mod N of both.
    r_squared: Residues<BLOCKS>,
}

/// Two numbers modulo the two multiples, each below 2·N; the lowest block first. They are overwritten when they go.
type Residues<const BLOCKS: usize> = Zeroizing<[Block; BLOCKS]>;

/// What a product is made in: room for its pairs of columns, and what is added to them. All lie beside each other whatever the
/// key, because where they are in the same places of different pages, processors wait, and times would tell keys apart by where
/// they lie. What is secret is overwritten when it goes.
struct Workspace<const BLOCKS: usize> {
    columns: Columns<BLOCKS>,
    corrections: [[Block; BLOCKS]; 2],
    /// N + 1 of both, as in [`Rings`].
    successor: Residues<BLOCKS>,
}

/// The pairs of columns of a product.
type Columns<const BLOCKS: usize> = Zeroizing<[[Block; BLOCKS]; 2]>;

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
        [(p, from_p), (q, from_q)].map(|(n, limbs)| n.divide_by_block(&to_number(limbs, n.blocks() + 1)))
    }
}

impl<const BLOCKS: usize> Rings<BLOCKS> {
    fn new(moduli: [&Modulus; 2], bits: usize) -> Self {
        let [p, q] = moduli.map(|modulus| Multiple::new(modulus, bits, BLOCKS));
        let mut rings =
            Self { successor: residues([&p.successor, &q.successor]), r_squared: residues([&p.root, &q.root]) };
        let mut workspace = Workspace::new(&rings.successor);
        (0..3).for_each(|_| {
            let mut square = rings.r_squared.clone();
            Self::square(&mut square, &mut workspace);
            rings.r_squared = square;
        });
        rings
    }

    /// The powers of two plain numbers below 4·n of their moduli, times 2^112, in limbs of 52 bits, below 2·N.
    fn powers(&self, bases: [&Number; 2], exponents: [&SecretExponent; 2]) -> [Zeroizing<Vec<u64>>; 2] {
        let workspace = &mut Workspace::new(&self.successor);
        let table = self.table(bases, workspace);
        let [p, q] = exponents.map(SecretExponent::windows);
        let mut windows = p.iter().zip(q).map(|(p, q)| [*p, *q]);
        // The highest window needs no squarings.
        let [mut power, mut entry] = [zero(), zero()];
        read(&table, windows.next().unwrap_or_default(), &mut power);
        for window in windows {
            (0..WINDOW_BITS).for_each(|_| Self::square(&mut power, workspace));
            read(&table, window, &mut entry);
            Self::multiply(&mut power, &entry, workspace);
        }
        // Out of Montgomery form, and multiplied by 2^112, so that it may be divided by that.
        let shift = Number::power_of_two(0, 1).above_a_block();
        Self::multiply(&mut power, &Self::residues([&shift, &shift]), workspace);
        [0, 1].map(|lane| limbs_of(&*power, lane))
    }

    /// The first 32 powers of a pair, one after the other.
    fn table(&self, bases: [&Number; 2], workspace: &mut Workspace<BLOCKS>) -> Zeroizing<Vec<[Block; BLOCKS]>> {
        let one = Number::power_of_two(0, 1);
        let [mut entry, mut base] = [[&one, &one], bases].map(Self::residues);
        Self::multiply(&mut entry, &self.r_squared, workspace);
        Self::multiply(&mut base, &self.r_squared, workspace);
        // They have their place from the start: a vector that grows leaves copies behind.
        let mut powers: Zeroizing<Vec<[Block; BLOCKS]>> = Zeroizing::new(Vec::with_capacity(ENTRIES));
        powers.push(*entry);
        *entry = *base;
        for index in 1..ENTRIES {
            // An even power is a square, for fewer products.
            match powers.get(index / 2) {
                Some(root) if index % 2 == 0 => {
                    *entry = *root;
                    Self::square(&mut entry, workspace);
                }
                _ if index > 1 => Self::multiply(&mut entry, &base, workspace),
                _ => {}
            }
            powers.push(*entry);
        }
        powers
    }

    fn residues(numbers: [&Number; 2]) -> Residues<BLOCKS> {
        let [p, q] = numbers.map(|number| from_number(number, 2 * BLOCKS));
        residues([&p, &q])
    }

    /// Replaces a by a·b/R mod N, with the bounds of the other kernel for N.
    fn multiply(a: &mut [Block; BLOCKS], b: &[Block; BLOCKS], workspace: &mut Workspace<BLOCKS>) {
        let Workspace { columns, corrections, successor } = workspace;
        let constants = Constants::new();
        constants.copy(columns.as_flattened_mut().as_flattened_mut(), corrections.as_flattened().as_flattened());
        for (index, block) in a.iter().enumerate() {
            add_row::<true>(&constants, from(columns.as_flattened_mut(), index), block, b, Block::default());
        }
        reduce(&constants, a, columns, successor);
    }

    /// Replaces a by a²/R mod N.
    fn square(a: &mut [Block; BLOCKS], workspace: &mut Workspace<BLOCKS>) {
        let Workspace { columns, corrections, successor } = workspace;
        let constants = Constants::new();
        // Products of two different limbs appear twice, and that of a limb with itself once. The first row is added to zeros,
        // and each reaches a pair of columns further than those before.
        let [lower, _] = &mut **columns;
        constants.clear(lower.as_flattened_mut());
        for (index, block) in a.iter().enumerate() {
            let above = a.get(index + 1..).unwrap_or_default();
            add_row::<false>(
                &constants,
                from(columns.as_flattened_mut(), 2 * index + 1),
                block,
                above,
                Block::default(),
            );
        }
        let corrections = corrections.as_flattened().as_chunks::<2>().0;
        let columns_by_two = columns.as_flattened_mut().as_chunks_mut::<2>().0;
        for ((columns, corrections), [x0, x1]) in columns_by_two.iter_mut().zip(corrections).zip(a.iter()) {
            let [[first, mut second], [mut third, fourth]] = *columns;
            constants.add_product(*x0, *x1, &mut second, &mut third);
            let [[c0, c1], [c2, c3]] = *corrections;
            let twice = |sum: Lanes, correction| sum.plus(sum).plus(correction);
            let [mut first, mut second] = [twice(first, c0), twice(second, c1)];
            let [mut third, mut fourth] = [twice(third, c2), twice(fourth, c3)];
            constants.add_product(*x0, *x0, &mut first, &mut second);
            constants.add_product(*x1, *x1, &mut third, &mut fourth);
            *columns = [[first, second], [third, fourth]];
        }
        reduce(&constants, a, columns, successor);
    }
}

/// Montgomery's reduction of two numbers that are given in columns.
#[inline(always)]
fn reduce<const BLOCKS: usize>(
    constants: &Constants,
    output: &mut [Block; BLOCKS],
    columns: &mut [[Block; BLOCKS]; 2],
    successor: &[Block; BLOCKS],
) {
    let columns = columns.as_flattened_mut();
    let [_, lowest, upper @ ..] = &successor[..] else { return };
    let mut carry = Lanes::splat(POSITIVE_CARRY);
    let mut digits = settle(constants, columns.first().copied().unwrap_or_default(), &mut carry);
    for index in 0..BLOCKS {
        // A digit of the quotient adds H two limbs higher. After the first step the next columns have all that they get.
        let [next, rest @ ..] = from(columns, index + 1) else { return };
        let above = add_block(constants, next, &digits, lowest, Block::default());
        let next_digits = settle(constants, *next, &mut carry);
        add_row::<true>(constants, rest, &digits, upper, above);
        digits = next_digits;
    }
    // The last of them are no digits, but the lowest of the result.
    let [lowest, above @ ..] = &mut output[..] else { return };
    *lowest = digits;
    for (place, columns) in above.iter_mut().zip(from(columns, BLOCKS + 1)) {
        *place = settle(constants, *columns, &mut carry);
    }
    debug_assert_eq!(carry.parts(), [POSITIVE_CARRY; 2], "the result does not fit");
}

impl<const BLOCKS: usize> Workspace<BLOCKS> {
    fn new(successor: &Residues<BLOCKS>) -> Self {
        let columns = Zeroizing::new([[Block::default(); BLOCKS]; 2]);
        Self { columns, corrections: corrections(), successor: successor.clone() }
    }
}

/// The limbs of a pair of columns with what the pair before carries, and what this one carries.
#[inline(always)]
fn settle(constants: &Constants, columns: Block, carry: &mut Lanes) -> Block {
    columns.map(|column| {
        let column = column.plus(*carry);
        *carry = column.above_limb();
        constants.limbs(column)
    })
}

/// What the columns of a product and its quotient have to be corrected by, and what makes them positive. Columns that begin
/// with it instead of zero need nothing else in the end.
fn corrections<const BLOCKS: usize>() -> [[Block; BLOCKS]; 2] {
    let mut corrections = [[Block::default(); BLOCKS]; 2];
    let mut before = 0;
    for (index, columns) in corrections.as_flattened_mut().iter_mut().enumerate() {
        // As many products of blocks of a·b as the index and one, and of the quotient as the index; then one less of both.
        let products = if index < BLOCKS { 2 * index as u64 + 1 } else { 2 * (2 * BLOCKS - 1 - index) as u64 };
        // The columns have, for each product of blocks, 1 and 2 low halves, and 0 and 1 high ones; and for each of the pair
        // before 1 and 0 low halves, and 2 and 1 high ones.
        let biases = [bias(products + before, 2 * before), bias(2 * products, products + before)];
        *columns = biases.map(|bias| Lanes::splat(bias.wrapping_add(POSITIVE - POSITIVE_CARRY)));
        before = products;
    }
    corrections
}

/// Adds the products of a block with all blocks of y to the columns from there on, and what the columns before hand on. The
/// last go to columns that have nothing yet, unless `ADD` says that they have.
#[inline(always)]
fn add_row<const ADD: bool>(constants: &Constants, columns: &mut [Block], x: &Block, y: &[Block], mut above: Block) {
    let (places, beyond) = columns.split_at_mut_checked(y.len()).unwrap_or_default();
    for (place, y) in places.iter_mut().zip(y) {
        above = add_block(constants, place, x, y, above);
    }
    for place in beyond.iter_mut().take(1) {
        *place = if ADD { plus(*place, above) } else { above };
    }
}

/// Adds the products of two blocks to a pair of columns, and what the pair before hands on. Returns what this one does.
#[inline(always)]
fn add_block(constants: &Constants, place: &mut Block, [x0, x1]: &Block, [y0, y1]: &Block, above: Block) -> Block {
    let [mut first, mut second] = plus(*place, above);
    let [mut above, mut above_second] = Block::default();
    constants.add_product(*x0, *y0, &mut first, &mut second);
    constants.add_product(*x0, *y1, &mut second, &mut above);
    constants.add_product(*x1, *y0, &mut second, &mut above);
    constants.add_product(*x1, *y1, &mut above, &mut above_second);
    *place = [first, second];
    [above, above_second]
}

/// The sums of two pairs of columns.
#[inline(always)]
fn plus([a0, a1]: Block, [b0, b1]: Block) -> Block {
    [a0.plus(b0), a1.plus(b1)]
}

/// Copies one entry of a table a lane, by adding up all, each times 1 or 0: limbs are whole numbers, of which one is left. Eight
/// at a time, whose factors fit the registers of all hosts.
fn read<const BLOCKS: usize>(table: &[[Block; BLOCKS]], wanted: [u8; 2], entry: &mut [Block; BLOCKS]) {
    Constants::new().clear(entry.as_flattened_mut());
    let factors = factors(wanted);
    for (candidates, factors) in table.as_chunks::<8>().0.iter().zip(factors.as_chunks::<8>().0) {
        for (position, place) in entry.iter_mut().enumerate() {
            for (candidate, factor) in candidates.iter().zip(*factors) {
                let [first, second] = candidate.get(position).copied().unwrap_or_default();
                let [before, second_before] = *place;
                *place = [first.multiply_add(factor, before), second.multiply_add(factor, second_before)];
            }
        }
    }
}

/// The floats 1, for the entry that a lane wants, and 0 for the others.
fn factors(wanted: [u8; 2]) -> Zeroizing<[Lanes; ENTRIES]> {
    let [p, q] = wanted.map(u64::from);
    // Opaque to compilers, which might otherwise skip what they can tell to be zero.
    let wanted = std::hint::black_box(Lanes::new(p, q));
    let (one, one_float) = (Lanes::splat(1), Lanes::splat(1.0_f64.to_bits()));
    let mut factors = Zeroizing::new([Lanes::default(); ENTRIES]);
    for (index, factor) in (0..).zip(factors.iter_mut()) {
        // One less than the difference has all bits if there is no difference, and else the lowest five at most.
        *factor = Lanes::splat(index).xor(wanted).minus(one).and(one_float);
    }
    std::hint::black_box(&factors);
    factors
}

/// What is left of columns from an index on.
#[inline(always)]
fn from(columns: &mut [Block], index: usize) -> &mut [Block] {
    columns.get_mut(index..).unwrap_or_default()
}

fn zero<const BLOCKS: usize>() -> Residues<BLOCKS> {
    Zeroizing::new([Block::default(); BLOCKS])
}

/// Two numbers in limbs of 52 bits.
fn residues<const BLOCKS: usize>([p, q]: [&[u64]; 2]) -> Residues<BLOCKS> {
    let mut residues = zero();
    let pairs = p.iter().zip(q).map(|(p, q)| Lanes::new(to_float(*p), to_float(*q)));
    residues.as_flattened_mut().iter_mut().zip(pairs).for_each(|(place, pair)| *place = pair);
    residues
}

/// The number in one lane, in limbs of 52 bits.
fn limbs_of(blocks: &[Block], lane: usize) -> Zeroizing<Vec<u64>> {
    let limb = |lanes: &Lanes| lanes.parts().get(lane).copied().map_or(0, from_float);
    let mut limbs = Zeroizing::new(Vec::with_capacity(2 * blocks.len()));
    limbs.extend(blocks.as_flattened().iter().map(limb));
    limbs
}

#[cfg(test)]
mod tests {
    use num_bigint::BigUint;

    use super::*;
    use crate::differential::{Random, multiplications};
    use crate::fused::modulus::{number_of, to_limbs};

    #[test]
    fn differential_fused_products_and_squares_of_pairs() {
        let mut random = Random::new(32);
        // Both lanes are an input.
        for round in 0..multiplications() / 200 {
            // The most bits that each length is for, and any.
            match round % 6 {
                0 => products_and_squares::<11>(&mut random, 1031),
                1 => products_and_squares::<16>(&mut random, 1551),
                2 => products_and_squares::<21>(&mut random, 2048),
                _ => {
                    let bits = 1024 + random.below(8);
                    products_and_squares::<11>(&mut random, bits);
                }
            }
        }
    }

    fn products_and_squares<const BLOCKS: usize>(random: &mut Random, bits: usize) {
        // A prime may have one bit less than what its length is taken for.
        let factors = [0, 1].map(|less| random.modulus(bits - less));
        let moduli = factors.each_ref().map(|n| Modulus::new(&n.to_bytes_be(), bits));
        let rings = Rings::<BLOCKS>::new(moduli.each_ref(), bits);
        let multiples =
            moduli.each_ref().map(|modulus| number_of(&Multiple::new(modulus, bits, BLOCKS).successor) - 1_u32);
        let r = BigUint::from(1_u32) << (2 * BLOCKS * LIMB_BITS);
        let mut workspace = Workspace::new(&rings.successor);
        for _ in 0..100 {
            let mut pair = || multiples.each_ref().map(|multiple| random.at_most(&(multiple * 2_u32 - 1_u32)));
            let (a, b) = (pair(), pair());
            let [mut product, y] = [&a, &b].map(|numbers| {
                let [p, q] = numbers.each_ref().map(|number| to_limbs(number, 2 * BLOCKS));
                residues::<BLOCKS>([&p, &q])
            });
            let mut square = product.clone();
            Rings::multiply(&mut product, &y, &mut workspace);
            Rings::square(&mut square, &mut workspace);
            for lane in [0, 1] {
                let (multiple, a, b) = (&multiples[lane], &a[lane], &b[lane]);
                for (result, expected) in [(&product, a * b), (&square, a * a)] {
                    let result = number_of(&limbs_of(&**result, lane));
                    assert!(result < multiple * 2_u32, "not reduced\nN = {multiple:x}\na = {a:x}\nb = {b:x}");
                    assert_eq!((result * &r) % multiple, expected % multiple, "N = {multiple:x}\na = {a:x}\nb = {b:x}");
                }
            }
        }
    }
}
