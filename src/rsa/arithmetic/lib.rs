//! The modular arithmetic of RSA (RFC 8017), made for 32-bit WebAssembly.
//!
//! [`limbs`] holds numbers, [`kernel`] and [`montgomery`] multiply modulo one, and [`exponentiation`] raises to powers.
//! `fused` does the same with floats, for hosts with relaxed SIMD, about three times as fast. [`PublicRing`] is what public
//! keys calculate with, and [`Crt`] what private keys do; both are given the [`Kernel`] to take.
//!
//! No step of what a private key does depends on a secret: neither a branch, nor an address, nor the number of steps. All
//! numbers are overwritten when they go. There is no padding, no hash and no key format here.

mod choice;
mod crt;
#[cfg(test)]
mod differential;
mod exponentiation;
#[cfg(fused_kernel)]
mod fused;
mod kernel;
mod limbs;
mod montgomery;
mod ring;

pub use choice::Kernel;
pub use crt::Crt;
pub use limbs::Number;
pub use ring::PublicRing;

/// The largest modulus that the arithmetic is made for, in bits. The bounds of its sums are proven up to here.
pub const MAX_MODULUS_BITS: usize = 4096;
