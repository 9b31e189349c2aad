//! Why a private key is refused, in words that complete "expected …, got …" in the errors of a configuration.

use std::fmt;

/// Why a text is not an acceptable RSA private key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PrivateKeyError {
    /// It is not PEM, or something stands behind it.
    NotPem,
    /// It has several PEM blocks.
    SeveralBlocks,
    /// The key is encrypted, and there is no password for it.
    Encrypted,
    /// It is a public key.
    PublicKey,
    /// It is a certificate.
    Certificate,
    /// It is PEM of something else, such as a key in OpenSSH's own format.
    OtherFormat,
    /// It is a key for another algorithm, such as ECDSA.
    OtherAlgorithm,
    /// It says that it is for signatures with other parameters than those of `PS256` (RFC 4055 §3.3).
    Restricted,
    /// The PEM does not hold what it says.
    Malformed,
    /// The modulus is the product of more than two primes.
    MultiPrime,
    /// The modulus has fewer than [`MIN_MODULUS_BITS`](crate::rsa::public::MIN_MODULUS_BITS) bits.
    TooSmall,
    /// The modulus has more than [`MAX_MODULUS_BITS`](crate::rsa::public::MAX_MODULUS_BITS) bits.
    TooLarge,
    /// The public exponent is even, below 3 or above 2^33 − 1.
    Exponent,
    /// A prime is longer than half of the modulus (FIPS 186-5 appendix A.1.1).
    PrimeSize,
    /// The numbers are not those of one key.
    Inconsistent,
}

impl fmt::Display for PrivateKeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotPem => "a text that is not the PEM of one private key",
            Self::SeveralBlocks => "more than one PEM block",
            Self::Encrypted => "an encrypted key",
            Self::PublicKey => "a public key",
            Self::Certificate => "a certificate",
            Self::OtherFormat => "PEM of another format than PKCS#8 and PKCS#1",
            Self::OtherAlgorithm => "a key of another type than RSA",
            Self::Restricted => "a key restricted to other signatures than PS256",
            Self::Malformed => "PEM that does not hold what it says",
            Self::MultiPrime => "a key with more than two primes",
            Self::TooSmall => "a key of fewer than 2048 bits",
            Self::TooLarge => "a key of more than 4096 bits",
            Self::Exponent => "a key whose exponent is even, below 3 or above 2^33 - 1",
            Self::PrimeSize => "a key with a prime of more than half its bits",
            Self::Inconsistent => "a key whose numbers do not belong together",
        })
    }
}

impl std::error::Error for PrivateKeyError {}
