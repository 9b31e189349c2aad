//! The same with the release of the crate `rsa` that most use today (0.9), whose arithmetic is that of `num-bigint-dig`.

use std::hint::black_box;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rsa_09::pkcs8::DecodePrivateKey as _;
use rsa_09::pss::{BlindedSigningKey, Signature, VerifyingKey};
use rsa_09::rand_core::{CryptoRng, Error, RngCore};
use rsa_09::sha2::Sha256;
use rsa_09::signature::{RandomizedSigner as _, SignatureEncoding as _, Verifier as _};
use rsa_09::{BigUint, RsaPrivateKey, RsaPublicKey};

use crate::question::{Bytes, SignedMessage, Time};
use crate::timing::{Numbers, repeat};

/// Verifies a signature for about so many nanoseconds.
pub(crate) fn verify(signed: &SignedMessage, budget: u64, clock: impl Fn() -> u64) -> Result<Time, &'static str> {
    let [n, e] = [&signed.key.modulus, &signed.key.exponent].map(|number| BigUint::from_bytes_be(&number.0));
    let key = RsaPublicKey::new(n, e).map_err(|_| "not a public key of the crate")?;
    let (key, signature) = (VerifyingKey::<Sha256>::new(key), &*signed.signature.0);
    repeat(budget, clock, || {
        let signature = Signature::try_from(black_box(signature));
        signature.is_ok_and(|signature| key.verify(black_box(&signed.message.0), &signature).is_ok())
    })
}

/// Signs a message, blinded, for about so many nanoseconds.
pub(crate) fn sign(key: &str, message: &Bytes, budget: u64, clock: impl Fn() -> u64) -> Result<Time, &'static str> {
    let base64: String = key.lines().filter(|line| !line.starts_with('-')).collect();
    let der = STANDARD.decode(base64).map_err(|_| "not PEM")?;
    let key = RsaPrivateKey::from_pkcs8_der(&der).map_err(|_| "not PKCS#8")?;
    let (key, mut numbers) = (BlindedSigningKey::<Sha256>::new(key), Numbers(1));
    repeat(budget, clock, || {
        let signature = key.try_sign_with_rng(&mut numbers, black_box(&message.0));
        signature.is_ok_and(|signature| !black_box(signature.to_bytes()).is_empty())
    })
}

impl RngCore for Numbers {
    fn next_u32(&mut self) -> u32 {
        (self.next() >> 32) as u32
    }

    fn next_u64(&mut self) -> u64 {
        self.next()
    }

    fn fill_bytes(&mut self, output: &mut [u8]) {
        self.fill(output);
    }

    fn try_fill_bytes(&mut self, output: &mut [u8]) -> Result<(), Error> {
        self.fill(output);
        Ok(())
    }
}

impl CryptoRng for Numbers {}
