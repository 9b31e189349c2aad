//! RSA keys of 2048 bits, made here.

use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der};
use aws_lc_rs::rsa::{KeyPair, KeySize};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hub_auth_filter::facade::config::Secret;

/// A new key, and its text in PEM (PKCS#8). `None` if the system has no random numbers.
pub(crate) fn generate() -> Option<(KeyPair, Secret)> {
    let key = KeyPair::generate(KeySize::Rsa2048).ok()?;
    let der: Pkcs8V1Der<'static> = key.as_der().ok()?;
    let base64 = Secret::new(STANDARD.encode(der.as_ref()));
    // With room for all, so that nothing of it is left where a shorter text was.
    let mut pem = String::with_capacity(base64.expose().len().saturating_mul(2));
    pem.push_str("-----BEGIN PRIVATE KEY-----\n");
    for line in base64.expose().as_bytes().chunks(64) {
        pem.extend(line.iter().copied().map(char::from));
        pem.push('\n');
    }
    pem.push_str("-----END PRIVATE KEY-----\n");
    Some((key, Secret::new(pem)))
}
