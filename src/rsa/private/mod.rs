//! RSA private keys that are fit to sign tokens, and RSASSA-PSS signatures with them (RFC 8017 §8.1.1).
//!
//! RUSTSEC-2023-0071 ("Marvin") says that the time of the crate `rsa`'s private operation may depend on the key. It is not
//! used: the crate reads and checks keys, and the arithmetic is that of `rsa-arithmetic`, in which no branch and no
//! address depends on a secret. Beyond that,
//!
//! - nobody can choose what is raised to the secret exponent: it is a PSS encoding that the filter makes itself, salted
//!   with what no caller knows, and blinded with a secret factor of its own. There is no decryption, and so no padding
//!   oracle.
//! - no signature leaves before it is verified with the public key: a single faulty one would factor the modulus.
//! - all secret numbers are overwritten when they go.

mod error;
mod read;

pub(crate) use error::PrivateKeyError;

use std::fmt;
use std::rc::Rc;

use rsa_arithmetic::Number;
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::hedge::Hedge;
use super::pss::{self, SALT_LENGTH};
use super::public::RsaPublicKey;
use read::Pair;

/// How often a blinding factor is drawn. At least every second is one, so that this many fail once in 2^64 signatures.
const MAX_DRAWS: usize = 64;

/// An RSA key pair with a modulus of 2048 to 4096 bits whose numbers belong together. Clones share the numbers, which are
/// overwritten when the last one goes; so is what was decoded on the way to them, and what is calculated on the way to a
/// signature. It does not print itself.
#[derive(Clone)]
pub struct RsaPrivateKey(Rc<Pair>);

/// No signature was made. Why is not said: it would help an attacker who causes faults.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SigningFault;

impl RsaPrivateKey {
    /// Reads a key in PEM: PKCS#8 (RFC 5958) or PKCS#1 (RFC 8017 appendix A.1.2).
    ///
    /// # Errors
    /// See [`PrivateKeyError`].
    pub fn from_pem(pem: &str) -> Result<Self, PrivateKeyError> {
        let key = Self(Rc::new(read::pair(pem)?));
        // The last proof: a number that is no prime, but agrees with the others, does not sign.
        key.sign_ps256(b"", &[0; 32]).map_err(|_| PrivateKeyError::Inconsistent)?;
        Ok(key)
    }

    /// The public key of the pair.
    #[must_use]
    pub fn public(&self) -> &RsaPublicKey {
        &self.0.public
    }

    /// Signs with RSASSA-PSS, SHA-256, MGF1 with SHA-256 and a salt of 32 bytes: `PS256` (RFC 7518 §3.5).
    ///
    /// `nonce` should not repeat. It need be neither secret nor random: the salt and the blinding depend on the key and the
    /// message as well.
    ///
    /// # Errors
    /// [`SigningFault`]; no faulty signature ever leaves.
    pub fn sign_ps256(&self, message: &[u8], nonce: &[u8; 32]) -> Result<Vec<u8>, SigningFault> {
        let digest = Sha256::digest(message).into();
        let mut signature = self.0.sign(&digest, &mut self.0.secret.generator(nonce, &digest))?;
        self.0.public.verify_ps256(message, &signature).map_err(|_| SigningFault)?;
        Ok(std::mem::take(&mut *signature))
    }
}

impl Pair {
    /// A signature that nobody has verified. It is overwritten unless it is taken.
    fn sign(&self, digest: &[u8; 32], generator: &mut Hedge) -> Result<Zeroizing<Vec<u8>>, SigningFault> {
        let mut salt = [0; SALT_LENGTH];
        generator.fill(&mut salt);
        let encoded = pss::encode(digest, &salt, self.public.bits()).ok_or(SigningFault)?;
        self.power(&encoded, generator)
    }

    /// m^d mod n of an encoded message m below n (RSASP1, RFC 8017 §5.2.1), blinded.
    fn power(&self, encoded: &[u8], generator: &mut Hedge) -> Result<Zeroizing<Vec<u8>>, SigningFault> {
        let (ring, exponent) = (self.public.ring(), self.public.exponent_number());
        let message = ring.number(encoded);
        let factor = self.blinding_factor(generator)?;
        // m·r^e for the factor r. It is as random as r, and independent of m.
        let blinded = ring.power_times(&factor, exponent, &ring.multiply(&message, &factor));
        // (m·r^e)^−d·r = m^−d: the blinding is off, without an inversion.
        let inverse = ring.multiply(&self.crt.inverse_power(&blinded), &factor);
        // (m^−d)^(e − 1)·m = m^(−d·e + d + 1) = m^d.
        Ok(ring.power_times(&inverse, exponent, &message).to_be_bytes(self.public.bits().div_ceil(8)))
    }

    /// A number below n, each as likely as any other. Numbers that are not below n are thrown away; how many they were tells
    /// nothing of the one that is taken.
    fn blinding_factor(&self, generator: &mut Hedge) -> Result<Number, SigningFault> {
        let modulus = self.public.modulus();
        let above = modulus.len() * 8 - self.public.bits();
        let limit = self.public.ring().number(&modulus);
        let mut bytes = Zeroizing::new(vec![0; modulus.len()]);
        for _ in 0..MAX_DRAWS {
            generator.fill(&mut bytes);
            bytes.iter_mut().take(1).for_each(|byte| *byte &= 0xff >> above);
            let factor = self.public.ring().number(&bytes);
            if factor.is_below(&limit) {
                return Ok(factor);
            }
        }
        Err(SigningFault)
    }
}

/// The modulus and the public exponent determine the private key.
impl PartialEq for RsaPrivateKey {
    fn eq(&self, other: &Self) -> bool {
        self.0.public == other.0.public
    }
}

impl Eq for RsaPrivateKey {}

impl fmt::Debug for RsaPrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RsaPrivateKey([redacted])")
    }
}

#[cfg(test)]
mod tests;
