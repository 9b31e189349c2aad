//! A key that is made here, and written to a file.

use std::io;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeyPair;
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256};
use hub_auth_filter::facade::config::Secret;
use hub_auth_filter::facade::rsa::RsaPublicKey;

use super::Signer;
use crate::rsa_key;

pub(super) struct LocalKey {
    pair: KeyPair,
    public_key: RsaPublicKey,
}

/// A new key, and its text in PEM.
pub(super) fn generate() -> io::Result<(LocalKey, Secret)> {
    let failed = || io::Error::other("the system gives no random numbers");
    let (pair, pem) = rsa_key::generate().ok_or_else(failed)?;
    let public_key = {
        let numbers = pair.public_key();
        let modulus = numbers.modulus().big_endian_without_leading_zero();
        RsaPublicKey::new(modulus, numbers.exponent().big_endian_without_leading_zero()).map_err(|_| failed())?
    };
    Ok((LocalKey { pair, public_key }, pem))
}

impl Signer for LocalKey {
    fn place(&self) -> String {
        "the new key".to_owned()
    }

    fn public_key(&self) -> &RsaPublicKey {
        &self.public_key
    }

    fn sign(&self, message: &[u8]) -> io::Result<Vec<u8>> {
        let mut signature = vec![0; self.pair.public_modulus_len()];
        self.pair
            .sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message, &mut signature)
            .map_err(|_| io::Error::other("the new key does not sign"))?;
        Ok(signature)
    }
}
