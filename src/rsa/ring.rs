//! Arithmetic modulo the public modulus of a key, with plain numbers below it: the one place that chooses the kernel.

use super::exponentiation::public_power;
use super::limbs::Number;
use super::montgomery::Modulus;

/// The integers modulo the modulus of a key.
#[derive(Clone)]
pub(super) struct PublicRing {
    modulus: Modulus,
}

impl PublicRing {
    /// From an odd modulus n with 2^(bits − 1) ≤ n < 2^bits, big-endian.
    pub(super) fn new(modulus: &[u8], bits: usize) -> Self {
        Self { modulus: Modulus::new(modulus, bits) }
    }

    /// A number from big-endian bytes. It has to be below the modulus.
    pub(super) fn number(&self, bytes: &[u8]) -> Number {
        Number::from_be_bytes(bytes, self.modulus.blocks())
    }

    /// base^(exponent − 1)·factor, for an odd public exponent of at least 3. Time depends on the exponent alone.
    pub(super) fn power_times(&self, base: &Number, exponent: u64, factor: &Number) -> Number {
        let mut workspace = self.modulus.workspace();
        let mut base = base.clone();
        self.modulus.enter(&mut base, &mut workspace);
        let mut power = public_power(&self.modulus, &base, exponent, factor, &mut workspace);
        self.modulus.reduce(&mut power);
        power
    }

    /// a·b, in a time that does not depend on them.
    pub(super) fn multiply(&self, a: &Number, b: &Number) -> Number {
        let mut workspace = self.modulus.workspace();
        let mut product = a.clone();
        self.modulus.enter(&mut product, &mut workspace);
        self.modulus.multiply(&mut product, b, &mut workspace);
        self.modulus.reduce(&mut product);
        product
    }
}
