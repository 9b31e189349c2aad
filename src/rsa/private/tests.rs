use super::*;
use crate::testing::SigningKey;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{RSA_PSS_2048_8192_SHA256, RsaPublicKeyComponents};

const NONCE: [u8; 32] = [7; 32];

/// By an implementation that is not the one under test.
fn verifies(key: &SigningKey, message: &[u8], signature: &[u8]) -> bool {
    let public = RsaPublicKeyComponents { n: key.modulus(), e: key.exponent() };
    public.verify(&RSA_PSS_2048_8192_SHA256, message, signature).is_ok()
}

#[test]
fn signatures_verify_with_another_implementation_at_every_size() {
    for size in [KeySize::Rsa2048, KeySize::Rsa3072, KeySize::Rsa4096] {
        let other = SigningKey::generate(size);
        let key = RsaPrivateKey::from_pem(&other.pem()).unwrap();
        let signature = key.sign_ps256(b"message", &NONCE).unwrap();
        assert!(verifies(&other, b"message", &signature));
        assert!(!verifies(&other, b"massage", &signature));
        assert_eq!(key.public().verify_ps256(b"message", &signature), Ok(()));
    }
}
