//! Arithmetic modulo the public modulus of a key, with plain numbers below it.

use crate::Kernel;
use crate::exponentiation::public_power;
#[cfg(fused_kernel)]
use crate::fused;
use crate::limbs::Number;
use crate::montgomery::Modulus;

/// The integers modulo the modulus of a key.
#[derive(Clone)]
pub struct PublicRing {
    modulus: Modulus,
    #[cfg(fused_kernel)]
    fused: Option<fused::PublicModulus>,
}

impl PublicRing {
    /// From an odd modulus n with 2^(bits − 1) ≤ n < 2^bits, big-endian, of at most
    /// [`MAX_MODULUS_BITS`](crate::MAX_MODULUS_BITS).
    #[must_use]
    #[cfg_attr(not(fused_kernel), expect(unused_variables, reason = "there is one kernel only"))]
    pub fn new(modulus: &[u8], bits: usize, kernel: Kernel) -> Self {
        let modulus = Modulus::new(modulus, bits);
        Self {
            #[cfg(fused_kernel)]
            fused: kernel.is_fused().then(|| fused::PublicModulus::new(&modulus, bits)),
            modulus,
        }
    }

    /// A number from big-endian bytes. It has to be below the modulus.
    #[must_use]
    pub fn number(&self, bytes: &[u8]) -> Number {
        Number::from_be_bytes(bytes, self.modulus.blocks())
    }

    /// base^(exponent − 1)·factor, for a public exponent of at least 2. Time depends on the exponent alone.
    #[must_use]
    pub fn power_times(&self, base: &Number, exponent: u64, factor: &Number) -> Number {
        let mut power = self.unreduced_power_times(base, exponent, factor);
        self.modulus.reduce(&mut power);
        power
    }

    /// a·b, in a time that does not depend on them.
    #[must_use]
    pub fn multiply(&self, a: &Number, b: &Number) -> Number {
        self.power_times(a, 2, b)
    }

    fn unreduced_power_times(&self, base: &Number, exponent: u64, factor: &Number) -> Number {
        #[cfg(fused_kernel)]
        if let Some(fused) = &self.fused {
            return fused.power_times(&self.modulus, base, exponent, factor);
        }
        let mut workspace = self.modulus.workspace();
        let mut base = base.clone();
        self.modulus.enter(&mut base, &mut workspace);
        public_power(&self.modulus, &base, exponent, factor, &mut workspace)
    }
}
