//! Powers modulo n: with a public exponent, whose time shows the exponent, and with a secret one, whose time shows nothing.

use zeroize::{ZeroizeOnDrop, Zeroizing};

use crate::limbs::{Number, low_limb};
use crate::montgomery::{Modulus, Workspace};

/// The bits of a window. With five, 1024 bits take 205 multiplications and 30 for the table: of all widths the fewest.
pub(crate) const WINDOW_BITS: usize = 5;

/// The powers in the table of a window.
pub(crate) const ENTRIES: usize = 1 << WINDOW_BITS;

/// A secret exponent in windows of five bits, the highest first. It is overwritten when it goes.
pub(crate) struct SecretExponent(Zeroizing<Vec<u8>>);

impl ZeroizeOnDrop for SecretExponent {}

/// x^(e − 1)·factor mod n, plain and below 2·n, for a public exponent e of at least 2.
///
/// `base` is x in Montgomery form, and `factor` is plain; both are below 4·n. That is what RSA has use for: with x itself
/// for the factor it is x^e. The exponent alone decides about the steps.
pub(crate) fn public_power(
    modulus: &Modulus,
    base: &Number,
    exponent: u64,
    factor: &Number,
    workspace: &mut Workspace,
) -> Number {
    debug_assert!(exponent >= 2);
    let mut power = base.clone();
    // The highest bit is the base itself.
    for bit in (0..(exponent - 1).ilog2()).rev() {
        modulus.square(&mut power, workspace);
        if ((exponent - 1) >> bit) & 1 == 1 {
            modulus.multiply(&mut power, base, workspace);
        }
    }
    // Montgomery form times plain is plain.
    modulus.multiply(&mut power, factor, workspace);
    power
}

impl SecretExponent {
    /// From an exponent below 2^bits. The bits are public.
    pub(crate) fn new(exponent: &Number, bits: usize) -> Self {
        let window = |lowest: usize| {
            let bits = (0..WINDOW_BITS).rev().map(|bit| exponent.bit(lowest + bit));
            bits.fold(0, |window, bit| (window << 1) | u8::from(bit))
        };
        let count = bits.div_ceil(WINDOW_BITS);
        // They have their place from the start: a vector that grows leaves copies behind.
        let mut windows = Zeroizing::new(Vec::with_capacity(count));
        windows.extend((0..count).rev().map(|index| window(index * WINDOW_BITS)));
        Self(windows)
    }

    /// The windows, the highest first.
    #[cfg(fused_kernel)]
    pub(crate) fn windows(&self) -> &[u8] {
        &self.0
    }

    /// base^exponent mod n, of a base below 4·n; both in Montgomery form. Neither the steps nor the addresses depend on
    /// base, exponent or modulus: each window takes five squarings, a reading of the whole table and one multiplication.
    pub(crate) fn power(&self, modulus: &Modulus, base: &Number, workspace: &mut Workspace) -> Number {
        let table = Table::new(modulus, base, workspace);
        let [mut power, mut entry] = [0, 0].map(|_| Number::zero(base.blocks().len()));
        // The highest window needs no squarings.
        let mut windows = self.0.iter();
        table.read(windows.next().copied().unwrap_or_default(), &mut power);
        for window in windows {
            (0..WINDOW_BITS).for_each(|_| modulus.square(&mut power, workspace));
            table.read(*window, &mut entry);
            modulus.multiply(&mut power, &entry, workspace);
        }
        power
    }
}

/// The first 32 powers of a number, one after the other, in pairs of limbs. They are overwritten when they go.
struct Table(Zeroizing<Vec<Pairs>>);

/// The limbs of a block: half as much to read.
type Pairs = [u64; 2];

impl Table {
    fn new(modulus: &Modulus, base: &Number, workspace: &mut Workspace) -> Self {
        let mut entry = modulus.one(workspace);
        // Likewise.
        let mut powers = Zeroizing::new(Vec::with_capacity(ENTRIES * entry.blocks().len()));
        for _ in 0..ENTRIES {
            powers.extend(entry.blocks().iter().map(|[l0, l1, l2, l3]| [pair(*l0, *l1), pair(*l2, *l3)]));
            modulus.multiply(&mut entry, base, workspace);
        }
        Self(powers)
    }

    /// Copies one entry, by reading all.
    fn read(&self, wanted: u8, entry: &mut Number) {
        let length = entry.blocks().len();
        let masks = masks(wanted);
        for (position, block) in entry.blocks_mut().iter_mut().enumerate() {
            let [mut first, mut second] = Pairs::default();
            for (candidate, mask) in self.0.iter().skip(position).step_by(length).zip(masks.iter()) {
                let [candidate_first, candidate_second] = candidate;
                (first, second) = (first | candidate_first & mask, second | candidate_second & mask);
            }
            let ([l0, l1], [l2, l3]) = (limbs(first), limbs(second));
            *block = [l0, l1, l2, l3];
        }
    }
}

/// What leaves one entry of a table, and nothing of the others: all bits for the one, and none for the others.
fn masks(wanted: u8) -> Zeroizing<[u64; ENTRIES]> {
    // Opaque to compilers, which might otherwise skip what they can tell to be masked away.
    let wanted = std::hint::black_box(u64::from(wanted));
    let mut masks = Zeroizing::new([0; ENTRIES]);
    for (index, mask) in (0_u64..).zip(masks.iter_mut()) {
        // One less than the difference has the highest bit only if there is no difference.
        *mask = ((index ^ wanted).wrapping_sub(1) >> 63).wrapping_neg();
    }
    std::hint::black_box(&masks);
    masks
}

/// Two limbs in one integer.
fn pair(low: u32, high: u32) -> u64 {
    u64::from(low) | u64::from(high) << 32
}

/// The limbs of such a pair.
fn limbs(pair: u64) -> [u32; 2] {
    [low_limb(pair), low_limb(pair >> 32)]
}
