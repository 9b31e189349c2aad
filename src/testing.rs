//! What the unit tests share: keys and tokens made by AWS-LC, an implementation of RSA that is not the one under test.

use std::sync::LazyLock;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{KeyPair as _, RSA_PSS_SHA256};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

/// A key that signs test tokens.
pub(crate) struct SigningKey(KeyPair);

static FIRST: LazyLock<SigningKey> = LazyLock::new(|| SigningKey::generate(KeySize::Rsa2048));
static SECOND: LazyLock<SigningKey> = LazyLock::new(|| SigningKey::generate(KeySize::Rsa2048));

impl SigningKey {
    /// The key that tests use where one is enough.
    pub(crate) fn first() -> &'static Self {
        &FIRST
    }

    /// Another key.
    pub(crate) fn second() -> &'static Self {
        &SECOND
    }

    pub(crate) fn generate(size: KeySize) -> Self {
        Self(KeyPair::generate(size).unwrap())
    }

    pub(crate) fn sign(&self, message: &[u8]) -> Vec<u8> {
        let mut signature = vec![0; self.0.public_modulus_len()];
        self.0.sign(&RSA_PSS_SHA256, &SystemRandom::new(), message, &mut signature).unwrap();
        signature
    }

    pub(crate) fn modulus(&self) -> Vec<u8> {
        self.0.public_key().modulus().big_endian_without_leading_zero().to_vec()
    }

    pub(crate) fn exponent(&self) -> Vec<u8> {
        self.0.public_key().exponent().big_endian_without_leading_zero().to_vec()
    }

    pub(crate) fn jwk(&self, key_id: &str) -> Value {
        json!({ "kty": "RSA", "kid": key_id, "n": b64(&self.modulus()), "e": b64(&self.exponent()) })
    }

    pub(crate) fn jwks(&self, key_id: &str) -> Vec<u8> {
        json!({ "keys": [self.jwk(key_id)] }).to_string().into_bytes()
    }

    /// A compact JWS over header and payload as they are written.
    pub(crate) fn token(&self, header: &str, payload: &str) -> String {
        let signing_input = format!("{}.{}", b64(header.as_bytes()), b64(payload.as_bytes()));
        let signature = b64(&self.sign(signing_input.as_bytes()));
        format!("{signing_input}.{signature}")
    }
}

/// A compact JWS with any bytes for a signature.
pub(crate) fn token(header: &str, payload: &str, signature: &[u8]) -> String {
    format!("{}.{}.{}", b64(header.as_bytes()), b64(payload.as_bytes()), b64(signature))
}

pub(crate) fn b64(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}
