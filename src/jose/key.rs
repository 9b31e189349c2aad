//! A public key together with what it may verify: its type decides (RFC 7518 §3.1), and the `alg` that it was published
//! with (RFC 7517 §4.4). No token can make a key verify anything else.

use crate::ecdsa::P256PublicKey;
use crate::rsa::{RsaPublicKey, SignatureMismatch};

use super::Algorithm;

/// A public key that verifies signatures.
#[derive(Debug)]
pub struct VerificationKey {
    public: PublicKey,
    restricted_to: Option<Algorithm>,
}

/// A public key of one of the supported types.
#[derive(Debug)]
pub enum PublicKey {
    /// `kty` RSA.
    Rsa(RsaPublicKey),
    /// `kty` EC with `crv` P-256.
    P256(P256PublicKey),
}

impl VerificationKey {
    /// A key that verifies this algorithm alone.
    #[must_use]
    pub fn restricted_to(self, algorithm: Algorithm) -> Self {
        Self { restricted_to: Some(algorithm), ..self }
    }

    /// The only algorithm that it was published for, if its publisher named one.
    #[must_use]
    pub fn restriction(&self) -> Option<Algorithm> {
        self.restricted_to
    }

    /// The key itself.
    #[must_use]
    pub fn public(&self) -> &PublicKey {
        &self.public
    }

    /// Whether it may verify this algorithm.
    #[must_use]
    pub fn may_verify(&self, algorithm: Algorithm) -> bool {
        let fits = match self.public {
            PublicKey::Rsa(_) => matches!(algorithm, Algorithm::Ps256 | Algorithm::Rs256),
            PublicKey::P256(_) => algorithm == Algorithm::Es256,
        };
        fits && self.restricted_to.is_none_or(|only| only == algorithm)
    }

    /// Verifies a signature over a message.
    ///
    /// # Errors
    /// [`SignatureMismatch`], also for an algorithm that this key may not verify.
    pub fn verify(&self, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> Result<(), SignatureMismatch> {
        if !self.may_verify(algorithm) {
            return Err(SignatureMismatch);
        }
        match (&self.public, algorithm) {
            (PublicKey::Rsa(key), Algorithm::Ps256) => key.verify_ps256(message, signature),
            (PublicKey::Rsa(key), Algorithm::Rs256) => key.verify_rs256(message, signature),
            (PublicKey::P256(key), Algorithm::Es256) => key.verify_es256(message, signature),
            (PublicKey::Rsa(_), Algorithm::Es256) | (PublicKey::P256(_), Algorithm::Ps256 | Algorithm::Rs256) => {
                Err(SignatureMismatch)
            }
        }
    }
}

impl From<RsaPublicKey> for VerificationKey {
    fn from(key: RsaPublicKey) -> Self {
        Self { public: PublicKey::Rsa(key), restricted_to: None }
    }
}

impl From<P256PublicKey> for VerificationKey {
    fn from(key: P256PublicKey) -> Self {
        Self { public: PublicKey::P256(key), restricted_to: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{EcSigningKey, SigningKey};

    fn rsa() -> VerificationKey {
        let key = SigningKey::first();
        RsaPublicKey::new(&key.modulus(), &key.exponent()).unwrap().into()
    }

    fn p256() -> VerificationKey {
        let (x, y) = EcSigningKey::first().coordinates();
        P256PublicKey::new(&x, &y).unwrap().into()
    }

    /// What the right signature of each algorithm verifies as with this key.
    fn verified(key: &VerificationKey) -> Vec<Algorithm> {
        let signature = |algorithm| match algorithm {
            Algorithm::Ps256 => SigningKey::first().sign(b"m"),
            Algorithm::Rs256 => SigningKey::first().sign_rs256(b"m"),
            Algorithm::Es256 => EcSigningKey::first().sign(b"m"),
        };
        let verifies = |algorithm: &Algorithm| {
            let verifies = key.verify(*algorithm, b"m", &signature(*algorithm)).is_ok();
            assert_eq!(key.may_verify(*algorithm), verifies);
            verifies
        };
        Algorithm::ALL.into_iter().filter(verifies).collect()
    }

    #[test]
    fn a_key_verifies_the_algorithms_of_its_type() {
        assert_eq!(verified(&rsa()), [Algorithm::Ps256, Algorithm::Rs256]);
        assert_eq!(verified(&p256()), [Algorithm::Es256]);
    }

    #[test]
    fn a_restricted_key_verifies_one_algorithm_alone_and_never_one_of_another_type() {
        for algorithm in [Algorithm::Ps256, Algorithm::Rs256] {
            assert_eq!(verified(&rsa().restricted_to(algorithm)), [algorithm]);
            assert_eq!(verified(&p256().restricted_to(algorithm)), []);
        }
        assert_eq!(verified(&rsa().restricted_to(Algorithm::Es256)), []);
        assert_eq!(verified(&p256().restricted_to(Algorithm::Es256)), [Algorithm::Es256]);
    }
}
