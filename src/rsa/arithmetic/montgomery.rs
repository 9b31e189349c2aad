//! Arithmetic modulo an odd number (P. L. Montgomery, "Modular multiplication without trial division", 1985).
//!
//! A number x stands for itself ("plain") or for x/R mod n ("in Montgomery form", x·R), with R = 2^112 to the power of the
//! number of blocks. The one operation is a·b/R mod n. It is never reduced to the end: see [`Modulus::multiply`] for the
//! bounds. No step branches on a limb or picks an address by one, so that the same code serves secret moduli and numbers.

use zeroize::{ZeroizeOnDrop, Zeroizing};

use crate::kernel;
use crate::limbs::{BLOCK_BITS, LIMB_MASK, MAX_BLOCKS, Number};

/// How many times larger than the modulus R is at least, in bits: R ≥ 16·n.
const ROOM_BITS: usize = 4;

/// An odd modulus n, and what multiplication modulo it needs. All numbers that it deals with have its number of blocks.
/// It is overwritten when it goes.
#[derive(Clone)]
pub(crate) struct Modulus {
    number: Number,
    /// −1/n modulo 2^28.
    inverse: Zeroizing<u32>,
    /// R² mod n, which brings a number into Montgomery form.
    r_squared: Number,
}

/// Room for intermediate results, so that a long calculation allocates once. It is overwritten when it goes.
pub(crate) struct Workspace {
    quotient: Number,
    output: Number,
}

// All their fields are.
impl ZeroizeOnDrop for Modulus {}
impl ZeroizeOnDrop for Workspace {}

impl Modulus {
    /// From an odd number with 2^(bits − 2) < n < 2^bits. The bits are public, and may be one more than those of n.
    ///
    /// This costs at most 131 + 7·blocks doublings, each less than a thousand simple operations, and four squarings: for
    /// 2048 bits 215 doublings and as much time as two verifications.
    pub(crate) fn new(bytes: &[u8], bits: usize) -> Self {
        let blocks = Self::blocks_for(bits);
        let number = Number::from_be_bytes(bytes, blocks);
        debug_assert!(blocks <= MAX_BLOCKS && number.bit(0), "no modulus for this arithmetic");
        let lowest = number.limbs().first().copied().unwrap_or_default();
        let mut modulus =
            Self { inverse: Zeroizing::new(negated_inverse(lowest)), r_squared: Number::zero(blocks), number };
        // 2^(bits − 2) is below n. Doubled up to 2^(112·blocks + 7·blocks) mod n, it is 2^(7·blocks) in Montgomery form,
        let mut power = Number::power_of_two(bits - 2, blocks);
        for _ in bits - 2..blocks * (BLOCK_BITS + BLOCK_BITS / 16) {
            power.double(&modulus.number);
        }
        // and squared four times 2^(112·blocks) = R in Montgomery form, which is R².
        let mut workspace = modulus.workspace();
        for _ in 0..4 {
            modulus.square(&mut power, &mut workspace);
        }
        power.reduce_once(&modulus.number);
        modulus.r_squared = power;
        modulus
    }

    /// How many blocks the numbers modulo n < 2^bits have.
    pub(crate) fn blocks_for(bits: usize) -> usize {
        (bits + ROOM_BITS).div_ceil(BLOCK_BITS)
    }

    /// n itself.
    pub(crate) fn number(&self) -> &Number {
        &self.number
    }

    /// How many blocks the numbers modulo n have.
    pub(crate) fn blocks(&self) -> usize {
        self.number.blocks().len()
    }

    /// Room for calculations with this modulus.
    pub(crate) fn workspace(&self) -> Workspace {
        let zero = || Number::zero(self.blocks());
        Workspace { quotient: zero(), output: zero() }
    }

    /// Replaces a by a·b/R mod n, not completely reduced.
    ///
    /// The result is (a·b + q·n)/R with q < R. So for a·b ≤ R·n it is below 2·n, and that is so for
    ///
    /// - two numbers below 4·n, that is results and sums of two results, because R ≥ 16·n;
    /// - any number that has the blocks of n, which is below R, and one of at most n.
    pub(crate) fn multiply(&self, a: &mut Number, b: &Number, workspace: &mut Workspace) {
        let Workspace { quotient, output } = workspace;
        let blocks = [a, b, &self.number].map(Number::blocks);
        kernel::multiply(output.blocks_mut(), quotient.blocks_mut(), blocks, *self.inverse);
        std::mem::swap(a, output);
    }

    /// Replaces a by a²/R mod n, with the bounds of [`Self::multiply`].
    pub(crate) fn square(&self, a: &mut Number, workspace: &mut Workspace) {
        let Workspace { quotient, output } = workspace;
        kernel::square(output.blocks_mut(), quotient.blocks_mut(), [a.blocks(), self.number.blocks()], *self.inverse);
        std::mem::swap(a, output);
    }

    /// Brings a plain number into Montgomery form, below 2·n. It may be any that has the blocks of n.
    pub(crate) fn enter(&self, a: &mut Number, workspace: &mut Workspace) {
        self.multiply(a, &self.r_squared, workspace);
    }

    /// Reduces a plain number of at most twice the blocks of n to one below 4·n.
    pub(crate) fn remainder(&self, number: &Number, workspace: &mut Workspace) -> Number {
        // low + high·R. A number that enters is multiplied by R.
        let [mut low, mut high] = number.split(self.blocks());
        self.enter(&mut high, workspace);
        self.enter(&mut low, workspace);
        self.leave(&mut low, workspace);
        low.add(&high);
        low
    }

    /// Brings a number below 4·n from Montgomery form to a plain one below 2·n.
    pub(crate) fn leave(&self, a: &mut Number, workspace: &mut Workspace) {
        self.multiply(a, &Number::power_of_two(0, self.blocks()), workspace);
    }

    /// Divides a number of one block more than n by 2^112 modulo n: the result is below number/2^112 + n, and has to fit into
    /// the blocks of n.
    #[cfg(fused_kernel)]
    pub(crate) fn divide_by_block(&self, number: &Number) -> Number {
        let mut output = Number::zero(self.blocks());
        kernel::divide_by_block(output.blocks_mut(), number.blocks(), self.number.blocks(), *self.inverse);
        output
    }

    /// Reduces a number below 2·n to one below n.
    pub(crate) fn reduce(&self, a: &mut Number) {
        a.reduce_once(&self.number);
    }

    /// 1 in Montgomery form.
    pub(crate) fn one(&self, workspace: &mut Workspace) -> Number {
        let mut one = Number::power_of_two(0, self.blocks());
        self.enter(&mut one, workspace);
        one
    }
}

/// −1/n modulo 2^28, for an odd n. Newton's iteration doubles the number of right bits, and n·n ≡ 1 modulo 8 starts it.
fn negated_inverse(n: u32) -> u32 {
    let inverse = (0..4).fold(n, |inverse, _| inverse.wrapping_mul(2_u32.wrapping_sub(n.wrapping_mul(inverse))));
    inverse.wrapping_neg() & LIMB_MASK
}
