//! The arithmetic of RSA with floats, for hosts that multiply and add them in one step (relaxed SIMD): limbs of 52 bits, of
//! which a vector holds two. It is about three times as fast as the other kernel, and gives the same results.
//!
//! [`split`] has the exact multiplication of two limbs, [`modulus`] what numbers are reduced by, [`single`] the operations
//! modulo one number for public keys, and [`pair`] those modulo two numbers at once for private keys.

mod lanes;
mod modulus;
mod pair;
mod single;
mod split;

pub(super) use pair::PrimePair;
pub(super) use single::PublicModulus;

/// Whether this host calculates as the kernels here need. Else their results are wrong.
pub(super) fn is_usable() -> bool {
    split::is_fused()
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_kernels_are_usable_where_a_multiplication_is_fused_with_an_addition() {
        assert!(super::is_usable());
    }
}
