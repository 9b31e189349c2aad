//! The request for a certificate (PKCS#10, RFC 2986), signed with `sha256WithRSAEncryption` (RFC 4055 §5).

use std::cell::RefCell;
use std::io;

use hub_auth_filter::facade::rsa::RsaPublicKey;
use rcgen::{
    CertificateParams, DistinguishedName, DnType, DnValue, PKCS_RSA_SHA256, PublicKeyData, SanType, SignatureAlgorithm,
    SigningKey,
};

use super::signer::Signer;
use crate::arguments::{NewKey, Purpose};

/// What the Trust Framework takes, in bytes of the modulus.
const MODULUS_BYTES: usize = 256;

/// The only country of the Trust Framework.
const COUNTRY: &str = "AE";

/// The request, PEM. Its signature was verified.
///
/// # Errors
/// The key is not one that the Trust Framework takes, or the signer does not sign.
pub(super) fn request(arguments: &NewKey, signer: &dyn Signer) -> io::Result<String> {
    let public_key = signer.public_key();
    if public_key.modulus().len() != MODULUS_BYTES {
        let bits = public_key.modulus().len().saturating_mul(8);
        let problem = format!("expected an RSA key of 2048 bits, as the Trust Framework demands, got one of {bits}");
        return Err(io::Error::other(format!("{}: {problem}", signer.place())));
    }
    let mut params = CertificateParams::default();
    params.distinguished_name = subject(arguments)?;
    for name in &arguments.dns_name {
        params.subject_alt_names.push(SanType::DnsName(name.as_str().try_into().map_err(io::Error::other)?));
    }
    let key = RequestKey { signer, der: pkcs1(public_key), error: RefCell::default() };
    let request = params.serialize_request(&key);
    if let Some(error) = key.error.take() {
        return Err(error);
    }
    request.and_then(|request| request.pem()).map_err(io::Error::other)
}

/// The subject as people read it.
pub(super) fn subject_text(arguments: &NewKey) -> String {
    let NewKey { organisation, organisation_id, .. } = arguments;
    format!("C={COUNTRY}, O={organisation}, OU={organisation_id}, CN={}", common_name(arguments))
}

/// C, O, OU and CN, in this order. As OpenSSL writes them: C is a PrintableString, the others are UTF8Strings.
fn subject(arguments: &NewKey) -> io::Result<DistinguishedName> {
    let mut name = DistinguishedName::new();
    let country = COUNTRY.try_into().map_err(io::Error::other)?;
    name.push(DnType::CountryName, DnValue::PrintableString(country));
    name.push(DnType::OrganizationName, arguments.organisation.as_str());
    name.push(DnType::OrganizationalUnitName, arguments.organisation_id.as_str());
    name.push(DnType::CommonName, common_name(arguments));
    Ok(name)
}

/// The client id of the application, and of a server the id of the organisation.
fn common_name(arguments: &NewKey) -> &str {
    match (arguments.purpose, &arguments.client_id) {
        (Purpose::C3 | Purpose::Sig4, Some(client_id)) => client_id,
        _ => &arguments.organisation_id,
    }
}

/// The public key in PKCS#1 (RFC 8017 appendix A.1.1).
fn pkcs1(key: &RsaPublicKey) -> Vec<u8> {
    yasna::construct_der(|writer| {
        writer.write_sequence(|writer| {
            writer.next().write_bigint_bytes(&key.modulus(), true);
            writer.next().write_bigint_bytes(&key.exponent(), true);
        });
    })
}

/// A key of ours for the library that writes the request.
struct RequestKey<'s> {
    signer: &'s dyn Signer,
    der: Vec<u8>,
    /// Why there is no signature: the library has no room for it.
    error: RefCell<Option<io::Error>>,
}

impl PublicKeyData for RequestKey<'_> {
    fn der_bytes(&self) -> &[u8] {
        &self.der
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        &PKCS_RSA_SHA256
    }
}

impl SigningKey for RequestKey<'_> {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        let signature = self.signer.sign(message).and_then(|signature| {
            let is_right = self.signer.public_key().verify_rs256(message, &signature).is_ok();
            let wrong = || io::Error::other(format!("{}: the signature is not by this key", self.signer.place()));
            is_right.then_some(signature).ok_or_else(wrong)
        });
        signature.map_err(|error| {
            self.error.replace(Some(error));
            rcgen::Error::RemoteKeyError
        })
    }
}
