//! How the algorithm of an RSA key is named: the identifiers of RFC 8017 appendix A.1 and RFC 4055 §1.2, §3.1. Whole keys are
//! read by the crate `rsa`; the parameters of RSASSA-PSS are read here, because its types for them are 14 KB of the module.

use der::asn1::{AnyRef, ObjectIdentifier};
use der::{Tag, Tagged as _};

use crate::der::{Elements, context};

use super::pss::SALT_LENGTH;

const RSA_ENCRYPTION: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const RSASSA_PSS: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.10");
const MGF1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.8");
const SHA256: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.1");

/// Why a key is not for `PS256`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AlgorithmError {
    /// It is not an RSA key, or one for encryption alone.
    Other,
    /// It is an RSA key for signatures with other parameters.
    Restricted,
}

/// Checks that a key of this algorithm with these parameters (RFC 5280 §4.1.1.2) may be used for `PS256`: plain RSA, or
/// RSASSA-PSS that is not restricted to other parameters.
pub(super) fn check_algorithm(
    algorithm: ObjectIdentifier,
    parameters: Option<AnyRef<'_>>,
) -> Result<(), AlgorithmError> {
    let allowed = match algorithm {
        RSA_ENCRYPTION => parameters.is_none_or(|parameters| parameters.is_null()),
        RSASSA_PSS => parameters.is_none_or(|parameters| {
            parameters.tag() == Tag::Sequence && Elements::of(parameters.value()).and_then(is_ps256) == Some(true)
        }),
        _ => return Err(AlgorithmError::Other),
    };
    if allowed { Ok(()) } else { Err(AlgorithmError::Restricted) }
}

/// Whether these RSASSA-PSS-params (RFC 8017 appendix A.2.3) let a key sign as `PS256` does. Their salt length is the
/// shortest that is allowed. What is left out is SHA-1, or the one trailer that there is.
fn is_ps256(mut parameters: Elements<'_>) -> Option<bool> {
    let hash = parameters.optional(context(0))?;
    let mask_generation = parameters.optional(context(1))?;
    let salt_length = parameters.optional(context(2))?;
    let trailer = parameters.optional(context(3))?;
    parameters.end()?;
    let is_short_enough = |salt: &[u8]| matches!(salt, [length] if usize::from(*length) <= SALT_LENGTH);
    Some(
        is_sha256(Elements::of(hash?)?)?
            && is_mgf1_with_sha256(Elements::of(mask_generation?)?)?
            && salt_length.is_none_or(|salt| only_natural(salt).is_some_and(is_short_enough))
            && trailer.is_none_or(|trailer| only_natural(trailer) == Some(&[1])),
    )
}

/// Whether this is the AlgorithmIdentifier of SHA-256, whose parameters are NULL or left out (RFC 4055 §2.1).
fn is_sha256(mut outer: Elements<'_>) -> Option<bool> {
    let mut algorithm = outer.sequence()?;
    outer.end()?;
    let identifier = algorithm.identifier()?;
    let null = algorithm.optional(Tag::Null)?;
    algorithm.end()?;
    Some(identifier == SHA256 && null.is_none_or(<[u8]>::is_empty))
}

fn is_mgf1_with_sha256(mut outer: Elements<'_>) -> Option<bool> {
    let mut algorithm = outer.sequence()?;
    outer.end()?;
    let identifier = algorithm.identifier()?;
    Some(identifier == MGF1 && is_sha256(algorithm)?)
}

fn only_natural(content: &[u8]) -> Option<&[u8]> {
    let mut elements = Elements::of(content)?;
    let natural = elements.natural()?;
    elements.end()?;
    Some(natural)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rsa::{PrivateKeyError, RsaKeyError, RsaPrivateKey, RsaPublicKey};
    use crate::testing::{EcSigningKey, SigningKey, pem};
    use ::rsa::pkcs1::RsaPssParamsOwned;
    use ::rsa::pkcs1::{EncodeRsaPublicKey as _, RsaPublicKeyRef, TrailerField, UintRef};
    use ::rsa::pkcs8::spki::{AlgorithmIdentifier, AlgorithmIdentifierRef, SubjectPublicKeyInfoRef};
    use ::rsa::pkcs8::{Document, PrivateKeyInfoRef};
    use der::asn1::{Any, AnyRef};
    use der::{Decode as _, Encode as _};
    use proptest::prelude::*;

    fn public() -> RsaPublicKey {
        let key = SigningKey::first();
        RsaPublicKey::new(&key.modulus(), &key.exponent()).unwrap()
    }

    fn pkcs1(modulus: &[u8], exponent: &[u8]) -> String {
        let [modulus, public_exponent] = [modulus, exponent].map(|number| UintRef::new(number).unwrap());
        let der: Document = RsaPublicKeyRef { modulus, public_exponent }.to_pkcs1_der().unwrap();
        pem("RSA PUBLIC KEY", der.as_bytes())
    }

    #[test]
    fn a_public_key_is_read_from_both_formats() {
        let key = SigningKey::first();
        for text in [
            key.public_pem(),
            pkcs1(&key.modulus(), &key.exponent()),
            format!(" \r\n{}\n", key.public_pem().replace('\n', "\r\n")),
            key.public_pem().trim_end().to_owned(),
            key.public_pem().replace('\n', "\\n"),
            format!("Public-Key: (2048 bit)\nModulus:\n    00:c8\n{}", key.public_pem()),
            format!("writing RSA key\\n{}", key.public_pem().replace('\n', "\\r\\n")),
        ] {
            assert_eq!(RsaPublicKey::from_pem(&text), Ok(public()), "{text}");
        }
    }

    #[test]
    fn a_text_that_is_no_pem_of_a_public_rsa_key_is_refused() {
        let key = SigningKey::first();
        let good = key.public_pem();
        let cases = [
            ("", RsaKeyError::NotPem),
            (&format!("{good}{good}"), RsaKeyError::NotPem),
            (&format!("{good}key"), RsaKeyError::NotPem),
            (&key.pem(), RsaKeyError::NotPem),
            (&good.replace("PUBLIC KEY", "CERTIFICATE"), RsaKeyError::NotPem),
            (&good.replace("PUBLIC KEY", "RSA PUBLIC KEY"), RsaKeyError::NotPem),
            (&good.replacen("MII", "MI_", 1), RsaKeyError::NotPem),
            (&EcSigningKey::first().public_pem(), RsaKeyError::OtherAlgorithm),
            (&pkcs1(&[0xff; 255], &[1, 0, 1]), RsaKeyError::ModulusSize),
            (&pkcs1(&[0xff; 513], &[1, 0, 1]), RsaKeyError::ModulusSize),
            (&pkcs1(&[0xfe; 256], &[1, 0, 1]), RsaKeyError::ModulusEven),
            (&pkcs1(&key.modulus(), &[1]), RsaKeyError::Exponent),
        ];
        for (text, error) in cases {
            assert_eq!(RsaPublicKey::from_pem(text), Err(error), "{text}");
        }
        assert_eq!(RsaKeyError::NotPem.to_string(), "a text that is not the PEM of one public key");
    }

    /// RFC 4055 §1.2 and §3.1. A key with the identifier of RSASSA-PSS may be restricted by its parameters.
    #[test]
    fn a_key_of_another_algorithm_or_restricted_to_other_parameters_is_refused() {
        let sha512 = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.3");
        let oaep = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.7");
        let hash = |oid| AlgorithmIdentifier { oid, parameters: Some(Any::null()) };
        let pss = |hash_oid, mask_gen_oid, mask_hash, salt_len| {
            let mask_gen = AlgorithmIdentifier { oid: mask_gen_oid, parameters: Some(hash(mask_hash)) };
            let parameters =
                RsaPssParamsOwned { hash: hash(hash_oid), mask_gen, salt_len, trailer_field: TrailerField::BC };
            Some(Any::encode_from(&parameters).unwrap())
        };
        let octets = Some(Any::new(der::Tag::OctetString, []).unwrap());
        let restricted = Err(AlgorithmError::Restricted);
        let cases = [
            (RSA_ENCRYPTION, Some(Any::null()), Ok(())),
            (RSA_ENCRYPTION, None, Ok(())),
            (RSA_ENCRYPTION, octets.clone(), restricted),
            (oaep, None, Err(AlgorithmError::Other)),
            (RSASSA_PSS, None, Ok(())),
            (RSASSA_PSS, Some(Any::null()), restricted),
            (RSASSA_PSS, octets, restricted),
            (RSASSA_PSS, Some(Any::encode_from(&RsaPssParamsOwned::default()).unwrap()), restricted),
            (RSASSA_PSS, pss(SHA256, MGF1, SHA256, 32), Ok(())),
            (RSASSA_PSS, pss(SHA256, MGF1, SHA256, 20), Ok(())),
            (RSASSA_PSS, pss(SHA256, MGF1, SHA256, 33), restricted),
            (RSASSA_PSS, pss(sha512, MGF1, SHA256, 32), restricted),
            (RSASSA_PSS, pss(SHA256, MGF1, sha512, 32), restricted),
            (RSASSA_PSS, pss(SHA256, SHA256, SHA256, 32), restricted),
        ];
        let key = SigningKey::first();
        let private = key.der();
        let private = PrivateKeyInfoRef::from_der(&private).unwrap().private_key;
        let numbers = RsaPublicKey::from_pem(&key.public_pem()).unwrap();
        let numbers = pkcs1_der(&numbers);
        for (index, (oid, parameters, result)) in cases.iter().enumerate() {
            let algorithm = AlgorithmIdentifierRef { oid: *oid, parameters: parameters.as_ref().map(AnyRef::from) };
            let der = PrivateKeyInfoRef::new(algorithm, private).to_der().unwrap();
            let read = RsaPrivateKey::from_pem(&pem("PRIVATE KEY", &der)).map(|key| key.public().clone());
            let expected = result.map(|()| public()).map_err(PrivateKeyError::from);
            assert_eq!(read, expected, "private key {index}");
            let subject_public_key = der::asn1::BitStringRef::from_bytes(&numbers).unwrap();
            let der = SubjectPublicKeyInfoRef { algorithm, subject_public_key }.to_der().unwrap();
            let expected = result.map(|()| public()).map_err(RsaKeyError::from);
            assert_eq!(RsaPublicKey::from_pem(&pem("PUBLIC KEY", &der)), expected, "public key {index}");
        }
    }

    fn pkcs1_der(key: &RsaPublicKey) -> Vec<u8> {
        let (modulus, exponent) = (key.modulus(), key.exponent());
        let [modulus, public_exponent] = [&modulus, &exponent].map(|number| UintRef::new(number).unwrap());
        RsaPublicKeyRef { modulus, public_exponent }.to_der().unwrap()
    }

    proptest! {
        #[test]
        fn a_changed_public_key_never_panics(index: prop::sample::Index, value: u8, text: String) {
            let mut der = pkcs1_der(&public());
            let index = index.index(der.len());
            der[index] = value;
            let _ = RsaPublicKey::from_pem(&pem("RSA PUBLIC KEY", &der));
            der.truncate(index);
            prop_assert!(RsaPublicKey::from_pem(&pem("RSA PUBLIC KEY", &der)).is_err());
            prop_assert!(RsaPublicKey::from_pem(&text).is_err());
        }
    }
}
