//! Two lanes of 64 bits, each an integer or a float as the operation has it: a vector of WebAssembly, or two numbers
//! elsewhere, so that the tests of the same code run natively.

use zeroize::DefaultIsZeroes;

#[cfg(target_arch = "wasm32")]
mod vector {
    use core::arch::wasm32::{
        f64x2_relaxed_madd, f64x2_sub, i64x2_add, i64x2_extract_lane, i64x2_shuffle, i64x2_sub, u64x2, u64x2_shr,
        u64x2_splat, v128, v128_and, v128_or, v128_xor,
    };

    /// Two lanes.
    #[derive(Clone, Copy)]
    pub(crate) struct Lanes(v128);

    impl Lanes {
        #[inline(always)]
        pub(crate) fn new(first: u64, second: u64) -> Self {
            Self(u64x2(first, second))
        }

        #[inline(always)]
        pub(crate) fn splat(both: u64) -> Self {
            Self(u64x2_splat(both))
        }

        #[inline(always)]
        pub(crate) fn parts(self) -> [u64; 2] {
            [i64x2_extract_lane::<0>(self.0).cast_unsigned(), i64x2_extract_lane::<1>(self.0).cast_unsigned()]
        }

        /// The first lanes of both.
        #[inline(always)]
        pub(crate) fn firsts(self, other: Self) -> Self {
            Self(i64x2_shuffle::<0, 2>(self.0, other.0))
        }

        /// self·factor + summand of floats, rounded once; or twice, where the host does not have it.
        #[inline(always)]
        pub(crate) fn multiply_add(self, factor: Self, summand: Self) -> Self {
            Self(f64x2_relaxed_madd(self.0, factor.0, summand.0))
        }

        /// The difference of floats.
        #[inline(always)]
        pub(crate) fn minus_float(self, other: Self) -> Self {
            Self(f64x2_sub(self.0, other.0))
        }

        /// The sum of integers modulo 2^64.
        #[inline(always)]
        pub(crate) fn plus(self, other: Self) -> Self {
            Self(i64x2_add(self.0, other.0))
        }

        /// The difference of integers modulo 2^64.
        #[inline(always)]
        pub(crate) fn minus(self, other: Self) -> Self {
            Self(i64x2_sub(self.0, other.0))
        }

        #[inline(always)]
        pub(crate) fn and(self, other: Self) -> Self {
            Self(v128_and(self.0, other.0))
        }

        #[inline(always)]
        pub(crate) fn or(self, other: Self) -> Self {
            Self(v128_or(self.0, other.0))
        }

        #[inline(always)]
        pub(crate) fn xor(self, other: Self) -> Self {
            Self(v128_xor(self.0, other.0))
        }

        /// The unsigned integers divided by 2^52, rounded down.
        #[inline(always)]
        pub(crate) fn above_limb(self) -> Self {
            Self(u64x2_shr(self.0, 52))
        }
    }
}

#[cfg(not(target_arch = "wasm32"))]
mod vector {
    /// Two lanes.
    #[derive(Clone, Copy)]
    pub(crate) struct Lanes([u64; 2]);

    impl Lanes {
        pub(crate) fn new(first: u64, second: u64) -> Self {
            Self([first, second])
        }

        pub(crate) fn splat(both: u64) -> Self {
            Self([both; 2])
        }

        pub(crate) fn parts(self) -> [u64; 2] {
            self.0
        }

        pub(crate) fn firsts(self, other: Self) -> Self {
            Self([self.0[0], other.0[0]])
        }

        pub(crate) fn multiply_add(self, factor: Self, summand: Self) -> Self {
            let [[a0, a1], [b0, b1], [c0, c1]] = [self, factor, summand].map(|lanes| lanes.0.map(f64::from_bits));
            Self([a0.mul_add(b0, c0), a1.mul_add(b1, c1)].map(f64::to_bits))
        }

        pub(crate) fn minus_float(self, other: Self) -> Self {
            self.zip(other, |a, b| (f64::from_bits(a) - f64::from_bits(b)).to_bits())
        }

        pub(crate) fn plus(self, other: Self) -> Self {
            self.zip(other, u64::wrapping_add)
        }

        pub(crate) fn minus(self, other: Self) -> Self {
            self.zip(other, u64::wrapping_sub)
        }

        pub(crate) fn and(self, other: Self) -> Self {
            self.zip(other, |a, b| a & b)
        }

        pub(crate) fn or(self, other: Self) -> Self {
            self.zip(other, |a, b| a | b)
        }

        pub(crate) fn xor(self, other: Self) -> Self {
            self.zip(other, |a, b| a ^ b)
        }

        pub(crate) fn above_limb(self) -> Self {
            Self(self.0.map(|lane| lane >> 52))
        }

        fn zip(self, other: Self, operation: impl Fn(u64, u64) -> u64) -> Self {
            let ([a0, a1], [b0, b1]) = (self.0, other.0);
            Self([operation(a0, b0), operation(a1, b1)])
        }
    }
}

pub(super) use vector::Lanes;

impl Default for Lanes {
    fn default() -> Self {
        Self::splat(0)
    }
}

impl DefaultIsZeroes for Lanes {}
