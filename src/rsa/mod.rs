//! RSA as the filter needs it (RFC 8017): [public keys](RsaPublicKey) verify, [private keys](RsaPrivateKey) sign.
//!
//! The arithmetic is our own, made for 32-bit WebAssembly: the package `rsa-arithmetic`, in `arithmetic/`. RSA is most of
//! what a request costs on the gateway's event loop, where general libraries take five to fifty times as long as native code,
//! and the time of the crate `rsa`'s private operation may depend on the key (RUSTSEC-2023-0071). That crate reads and checks
//! keys, and is the reference in tests.

mod algorithm;
mod hedge;
mod mgf1;
mod private;
mod pss;
mod public;

#[cfg(test)]
pub(crate) use private::PrivateKeyError;
pub use private::RsaPrivateKey;
pub(crate) use public::RsaKeyError;
pub use public::RsaPublicKey;
