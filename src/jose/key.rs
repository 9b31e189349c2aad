//! A public key together with what it may verify: its type decides (RFC 7518 §3.1), and the `alg` that it was published
//! with (RFC 7517 §4.4). No token can make a key verify anything else.

use std::sync::OnceLock;

use sha2::{Digest as _, Sha256};

use crate::ecdsa::P256PublicKey;
use crate::rsa::RsaPublicKey;
use crate::signature::SignatureMismatch;

use super::algorithm::Algorithm;
use super::base64url::to_base64url;

/// The longest `kid`, in bytes. Thumbprints have 43 characters; longer text would only fill logs.
pub(crate) const MAX_KID_LENGTH: usize = 256;

/// A public key that verifies signatures.
#[derive(Debug)]
pub struct VerificationKey {
    public: PublicKey,
    /// None of them means all that its type allows.
    restricted_to: Vec<Algorithm>,
    /// Made when it is first needed.
    thumbprint: OnceLock<Thumbprint>,
}

/// The SHA-256 of a public key (RFC 7638): two keys have the same one only if they are the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Thumbprint([u8; 32]);

/// A public key of one of the supported types.
#[derive(Debug)]
pub(crate) enum PublicKey {
    /// `kty` RSA.
    Rsa(RsaPublicKey),
    /// `kty` EC with `crv` P-256.
    P256(P256PublicKey),
}

impl VerificationKey {
    /// A key that verifies this algorithm alone.
    #[must_use]
    pub(crate) fn restricted_to(self, algorithm: Algorithm) -> Self {
        Self { restricted_to: vec![algorithm], ..self }
    }

    /// The same key, which was published twice: it may verify what either may.
    #[must_use]
    pub(super) fn or(mut self, same: Self) -> Self {
        if same.restricted_to.is_empty() {
            self.restricted_to.clear();
        } else if !self.restricted_to.is_empty() {
            self.restricted_to.extend(same.restricted_to);
            self.restricted_to.sort_unstable();
            self.restricted_to.dedup();
        }
        self
    }

    /// The only algorithms that it was published for, if its publisher named any.
    #[must_use]
    pub(crate) fn restriction(&self) -> &[Algorithm] {
        &self.restricted_to
    }

    /// The key itself.
    #[must_use]
    pub(crate) fn public(&self) -> &PublicKey {
        &self.public
    }

    /// Its thumbprint, whatever it may verify.
    #[must_use]
    pub(crate) fn thumbprint(&self) -> Thumbprint {
        *self.thumbprint.get_or_init(|| Thumbprint::of(&self.public))
    }

    /// Whether it may verify this algorithm.
    #[must_use]
    pub(crate) fn may_verify(&self, algorithm: Algorithm) -> bool {
        let fits = match self.public {
            PublicKey::Rsa(_) => matches!(algorithm, Algorithm::Ps256 | Algorithm::Rs256),
            PublicKey::P256(_) => algorithm == Algorithm::Es256,
        };
        fits && (self.restricted_to.is_empty() || self.restricted_to.contains(&algorithm))
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

impl Thumbprint {
    /// The digest of the required members of the JWK, by name and without white space (RFC 7638 §3).
    fn of(key: &PublicKey) -> Self {
        let members = match key {
            PublicKey::Rsa(key) => {
                let (exponent, modulus) = (to_base64url(&key.exponent()), to_base64url(&key.modulus()));
                format!(r#"{{"e":"{exponent}","kty":"RSA","n":"{modulus}"}}"#)
            }
            PublicKey::P256(key) => {
                let (x, y) = (to_base64url(key.x()), to_base64url(key.y()));
                format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#)
            }
        };
        Self(Sha256::digest(members).into())
    }
}

impl From<RsaPublicKey> for VerificationKey {
    fn from(key: RsaPublicKey) -> Self {
        Self { public: PublicKey::Rsa(key), restricted_to: Vec::new(), thumbprint: OnceLock::new() }
    }
}

impl From<P256PublicKey> for VerificationKey {
    fn from(key: P256PublicKey) -> Self {
        Self { public: PublicKey::P256(key), restricted_to: Vec::new(), thumbprint: OnceLock::new() }
    }
}

/// Whether text can be the id of a key, in a header and in a set alike.
pub(super) fn is_key_id(text: &str) -> bool {
    !text.is_empty() && text.len() <= MAX_KID_LENGTH && !text.chars().any(char::is_control)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jose::base64url::base64url;
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

    /// RFC 7638 §3.1; the EC key is that of RFC 7517 appendix A.1, whose thumbprint was made with another library.
    #[test]
    fn a_thumbprint_is_that_of_rfc_7638() {
        const N: &str = "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZ\
            CiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0\
            zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur\
            -kEgU8awapJzKnqDKgw";
        let rsa: VerificationKey = RsaPublicKey::new(&base64url(N).unwrap(), &[1, 0, 1]).unwrap().into();
        assert_eq!(to_base64url(&rsa.thumbprint().0), "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
        let [x, y] = ["MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4", "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"];
        let ec: VerificationKey = P256PublicKey::new(&base64url(x).unwrap(), &base64url(y).unwrap()).unwrap().into();
        assert_eq!(to_base64url(&ec.thumbprint().0), "cn-I_WNMClehiVp51i_0VpOENW1upEerA8sEam5hn-s");
    }

    #[test]
    fn keys_have_the_same_thumbprint_only_if_they_are_the_same() {
        let second = SigningKey::second();
        let second: VerificationKey = RsaPublicKey::new(&second.modulus(), &second.exponent()).unwrap().into();
        assert_eq!(rsa().thumbprint(), rsa().restricted_to(Algorithm::Ps256).thumbprint());
        assert_ne!(rsa().thumbprint(), second.thumbprint());
        assert_ne!(rsa().thumbprint(), p256().thumbprint());
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
