//! RSA as the filter needs it (RFC 8017): [public keys](RsaPublicKey) verify, [private keys](RsaPrivateKey) sign.
//!
//! The arithmetic is our own, made for 32-bit WebAssembly: the package `rsa-arithmetic`, in `arithmetic/`. The crate `rsa`
//! reads and checks keys, and is the reference in tests.

mod algorithm;
mod hedge;
mod private;
mod pss;
mod public;

pub use private::{PrivateKeyError, RsaPrivateKey, SigningFault};
pub use public::{MAX_MODULUS_BITS, MIN_MODULUS_BITS, RsaKeyError, RsaPublicKey};
