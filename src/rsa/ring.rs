//! Arithmetic modulo the public modulus of a key, with plain numbers below it: the one place that chooses the kernel.

use super::exponentiation::public_power;
#[cfg(any(test, all(target_arch = "wasm32", target_feature = "relaxed-simd")))]
use super::fused;
use super::limbs::Number;
use super::montgomery::Modulus;

/// The integers modulo the modulus of a key.
#[derive(Clone)]
pub(super) struct PublicRing {
    modulus: Modulus,
    /// Where the host has what it needs.
    #[cfg(any(test, all(target_arch = "wasm32", target_feature = "relaxed-simd")))]
    fused: Option<fused::PublicModulus>,
}

impl PublicRing {
    /// From an odd modulus n with 2^(bits − 1) ≤ n < 2^bits, big-endian.
    pub(super) fn new(modulus: &[u8], bits: usize) -> Self {
        let modulus = Modulus::new(modulus, bits);
        #[cfg(test)]
        return Self { modulus, fused: None };
        #[cfg(all(not(test), target_arch = "wasm32", target_feature = "relaxed-simd"))]
        return Self { fused: fused::is_usable().then(|| fused::PublicModulus::new(&modulus, bits)), modulus };
        #[cfg(not(any(test, all(target_arch = "wasm32", target_feature = "relaxed-simd"))))]
        return Self { modulus };
    }

    /// With the kernel that most machines run tests of too slowly.
    #[cfg(test)]
    pub(super) fn fused(modulus: &[u8], bits: usize) -> Self {
        let modulus = Modulus::new(modulus, bits);
        Self { fused: Some(fused::PublicModulus::new(&modulus, bits)), modulus }
    }

    /// A number from big-endian bytes. It has to be below the modulus.
    pub(super) fn number(&self, bytes: &[u8]) -> Number {
        Number::from_be_bytes(bytes, self.modulus.blocks())
    }

    /// base^(exponent − 1)·factor, for an odd public exponent of at least 3. Time depends on the exponent alone.
    pub(super) fn power_times(&self, base: &Number, exponent: u64, factor: &Number) -> Number {
        let mut power = self.unreduced_power_times(base, exponent, factor);
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

    fn unreduced_power_times(&self, base: &Number, exponent: u64, factor: &Number) -> Number {
        #[cfg(any(test, all(target_arch = "wasm32", target_feature = "relaxed-simd")))]
        if let Some(fused) = &self.fused {
            return fused.power_times(&self.modulus, base, exponent, factor);
        }
        let mut workspace = self.modulus.workspace();
        let mut base = base.clone();
        self.modulus.enter(&mut base, &mut workspace);
        public_power(&self.modulus, &base, exponent, factor, &mut workspace)
    }
}
