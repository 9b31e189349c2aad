//! RSA as the filter needs it (RFC 8017): [public keys](RsaPublicKey) verify, [private keys](RsaPrivateKey) sign.
//!
//! The arithmetic is our own, made for 32-bit WebAssembly: [`limbs`] holds numbers, [`kernel`] and [`montgomery`] multiply
//! modulo one, [`exponentiation`] raises to powers and [`ring`] chooses between kernels. The crate `rsa` reads and checks
//! keys, and is the reference in tests.

#[cfg(test)]
mod differential;
mod encoding;
mod exponentiation;
#[cfg(any(test, all(target_arch = "wasm32", target_feature = "relaxed-simd")))]
mod fused;
mod hedge;
mod kernel;
mod limbs;
mod montgomery;
mod private;
mod pss;
mod public;
mod ring;

pub use private::{PrivateKeyError, RsaPrivateKey, SigningFault};
pub use public::{MAX_MODULUS_BITS, MIN_MODULUS_BITS, RsaKeyError, RsaPublicKey, SignatureMismatch};

/// The length of the PSS salt in bytes: that of the hash (RFC 7518 §3.5).
const SALT_LENGTH: usize = 32;
