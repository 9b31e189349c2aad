//! Key pairs for the probe to sign with, and signatures by AWS-LC, whose RSA is not the one that is asked.

use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{KeyPair as _, RSA_PSS_2048_8192_SHA256, RSA_PSS_SHA256, RsaPublicKeyComponents};

use super::{Padding, PublicKey, SignedMessage};
use crate::stage::tokens::pem;

/// A private key with its public one.
pub struct TestKey(KeyPair);

impl TestKey {
    /// A new key with a modulus of 2048, 3072 or 4096 bits.
    #[must_use]
    pub fn generate(bits: usize) -> Self {
        let size = match bits {
            2048 => KeySize::Rsa2048,
            3072 => KeySize::Rsa3072,
            4096 => KeySize::Rsa4096,
            other => panic!("no keys of {other} bits"),
        };
        Self(KeyPair::generate(size).expect("a key"))
    }

    /// The private key in PKCS#8 PEM (RFC 5958).
    #[must_use]
    pub fn pem(&self) -> String {
        pem("PRIVATE KEY", &self.der())
    }

    /// The private key in PKCS#8 DER.
    #[must_use]
    pub fn der(&self) -> Vec<u8> {
        let der: Pkcs8V1Der<'_> = self.0.as_der().expect("PKCS#8");
        der.as_ref().to_vec()
    }

    /// The public key.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        let public = self.0.public_key();
        PublicKey {
            modulus: public.modulus().big_endian_without_leading_zero().into(),
            exponent: public.exponent().big_endian_without_leading_zero().into(),
        }
    }

    /// A message with its signature (`PS256`).
    #[must_use]
    pub fn sign(&self, message: &[u8]) -> SignedMessage {
        let mut signature = vec![0; self.0.public_modulus_len()];
        self.0.sign(&RSA_PSS_SHA256, &SystemRandom::new(), message, &mut signature).expect("a signature");
        let (message, signature) = (message.into(), signature.into());
        SignedMessage { padding: Padding::Pss, key: self.public(), message, signature }
    }
}

/// Whether AWS-LC says that this is a signature (`PS256`).
#[must_use]
pub fn verifies(key: &PublicKey, message: &[u8], signature: &[u8]) -> bool {
    let key = RsaPublicKeyComponents { n: &key.modulus.0, e: &key.exponent.0 };
    key.verify(&RSA_PSS_2048_8192_SHA256, message, signature).is_ok()
}
