//! From PEM to the numbers of a key, and what they must fulfil together (RFC 8017 §3.2).

use ::rsa::BoxedUint;
use ::rsa::pkcs1::{RsaPrivateKeyRef, UintRef};
use ::rsa::pkcs8::PrivateKeyInfoRef;
use ::rsa::traits::PrivateKeyParts as _;
use der::Decode as _;
use rsa_arithmetic::{Crt, Kernel};
use zeroize::Zeroizing;

use super::error::PrivateKeyError;
use crate::pem::{Block, PemError};
use crate::rsa::algorithm::{AlgorithmError, check_algorithm};
use crate::rsa::hedge::HedgeSecret;
use crate::rsa::public::{MIN_MODULUS_BITS, RsaKeyError, RsaPublicKey, bit_length};

/// The numbers of a key pair.
pub(super) struct Pair {
    pub(super) crt: Crt,
    pub(super) public: RsaPublicKey,
    pub(super) secret: HedgeSecret,
}

/// The key pair in a text; not yet tried out.
pub(super) fn pair(pem: &str) -> Result<Pair, PrivateKeyError> {
    let block = Block::find_in_file(pem)?;
    let der = || block.decode().ok_or(PrivateKeyError::NotPem);
    match block.label {
        "PRIVATE KEY" => pkcs8(&der()?),
        "RSA PRIVATE KEY" if block.is_encrypted() => Err(PrivateKeyError::Encrypted),
        "RSA PRIVATE KEY" => pkcs1(&der()?),
        "ENCRYPTED PRIVATE KEY" => Err(PrivateKeyError::Encrypted),
        "EC PRIVATE KEY" | "DSA PRIVATE KEY" => Err(PrivateKeyError::OtherAlgorithm),
        "PUBLIC KEY" | "RSA PUBLIC KEY" => Err(PrivateKeyError::PublicKey),
        "CERTIFICATE" | "X509 CERTIFICATE" | "TRUSTED CERTIFICATE" => Err(PrivateKeyError::Certificate),
        _ => Err(PrivateKeyError::OtherFormat),
    }
}

fn pkcs8(der: &[u8]) -> Result<Pair, PrivateKeyError> {
    let info = PrivateKeyInfoRef::from_der(der).map_err(|_| PrivateKeyError::Malformed)?;
    check_algorithm(info.algorithm.oid, info.algorithm.parameters)?;
    pkcs1(info.private_key.as_bytes())
}

fn pkcs1(der: &[u8]) -> Result<Pair, PrivateKeyError> {
    let file = RsaPrivateKeyRef::from_der(der).map_err(|_| PrivateKeyError::Malformed)?;
    if file.other_prime_infos.is_some() {
        return Err(PrivateKeyError::MultiPrime);
    }
    let modulus = file.modulus.as_bytes();
    let public = RsaPublicKey::new(modulus, file.public_exponent.as_bytes()).map_err(|error| match error {
        RsaKeyError::ModulusSize if bit_length(modulus) < MIN_MODULUS_BITS => PrivateKeyError::TooSmall,
        RsaKeyError::ModulusSize => PrivateKeyError::TooLarge,
        RsaKeyError::Exponent => PrivateKeyError::Exponent,
        _ => PrivateKeyError::Inconsistent,
    })?;
    check(&file)?;
    let numbers = [file.prime1, file.prime2, file.exponent1, file.exponent2, file.coefficient];
    let crt = Crt::new(numbers.each_ref().map(UintRef::as_bytes), bit_length(modulus), Kernel::fastest());
    let secret = HedgeSecret::of([file.prime1.as_bytes(), file.prime2.as_bytes()]);
    Ok(Pair { crt, public, secret })
}

/// Checks that the numbers agree. The caller has checked the public ones.
///
/// The bounds are what both the crate's arithmetic and ours need: factors that are odd, above 1 and not longer than half of
/// the modulus are, as their product is the modulus, at least as long as half of it less one bit.
fn check(file: &RsaPrivateKeyRef<'_>) -> Result<(), PrivateKeyError> {
    const INCONSISTENT: PrivateKeyError = PrivateKeyError::Inconsistent;
    let modulus_bits = bit_length(file.modulus.as_bytes());
    let prime_bits = modulus_bits.div_ceil(2);
    if [file.prime1, file.prime2].iter().any(|prime| bit_length(prime.as_bytes()) > prime_bits) {
        return Err(PrivateKeyError::PrimeSize);
    }
    let half = |number: UintRef<'_>| secret_number(number, prime_bits);
    let given = [file.exponent1, file.exponent2, file.coefficient].map(half);
    // Each number has its final width, or the crate would copy it into another and leave this one behind.
    let mut d = secret_number(file.private_exponent, modulus_bits)?;
    let primes = [half(file.prime1)?, half(file.prime2)?];
    // This also checks that d < n, p·q = n, and d·e ≡ 1 modulo p − 1 and q − 1.
    let key = ::rsa::RsaPrivateKey::from_components(
        BoxedUint::from_be_slice_vartime(file.modulus.as_bytes()),
        BoxedUint::from_be_slice_vartime(file.public_exponent.as_bytes()),
        std::mem::take(&mut *d),
        primes.map(|mut prime| std::mem::take(&mut *prime)).into(),
    )
    .map_err(|_| INCONSISTENT)?;
    let [exponent1, exponent2, coefficient] = given;
    // The crate has calculated these three itself. Where the file's differ, it is not the file of one key. For p = q there
    // is no coefficient.
    let qinv = Zeroizing::new(key.crt_coefficient().ok_or(INCONSISTENT)?);
    let agrees = key.dp() == Some(&*exponent1?) && key.dq() == Some(&*exponent2?) && *qinv == *coefficient?;
    if agrees { Ok(()) } else { Err(INCONSISTENT) }
}

/// A number of at most so many bits, in a width that does not tell how many it has.
fn secret_number(number: UintRef<'_>, bits: usize) -> Result<Zeroizing<BoxedUint>, PrivateKeyError> {
    if bit_length(number.as_bytes()) > bits {
        return Err(PrivateKeyError::Inconsistent);
    }
    let bits = u32::try_from(bits).map_err(|_| PrivateKeyError::Inconsistent)?;
    BoxedUint::from_be_slice(number.as_bytes(), bits).map(Zeroizing::new).map_err(|_| PrivateKeyError::Inconsistent)
}

impl From<PemError> for PrivateKeyError {
    fn from(error: PemError) -> Self {
        match error {
            PemError::NotPem => Self::NotPem,
            PemError::SeveralBlocks => Self::SeveralBlocks,
        }
    }
}

impl From<AlgorithmError> for PrivateKeyError {
    fn from(error: AlgorithmError) -> Self {
        match error {
            AlgorithmError::Other => Self::OtherAlgorithm,
            AlgorithmError::Restricted => Self::Restricted,
        }
    }
}
