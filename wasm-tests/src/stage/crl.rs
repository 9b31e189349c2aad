//! Certificate revocation lists (RFC 5280 §5) of the Trust Framework's CAs, good and bad.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rcgen::{
    CertificateRevocationListParams, CertifiedIssuer, KeyIdMethod, KeyPair, RevokedCertParams, SerialNumber,
    date_time_ymd,
};
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer;

use super::pki::{Identity, Pki, in_seconds};

/// A list in the making.
pub struct Crl {
    params: CertificateRevocationListParams,
}

impl Crl {
    /// An empty one that has this number (§5.2.3), began an hour ago and ends in an hour.
    #[must_use]
    pub fn new(number: u64) -> Self {
        Self::lasting(number, -3600, 3600)
    }

    /// One that began and ends so many seconds from now.
    #[must_use]
    pub fn lasting(number: u64, from: i64, to: i64) -> Self {
        Self {
            params: CertificateRevocationListParams {
                this_update: date_time_ymd(1970, 1, 1) + in_seconds(from),
                next_update: date_time_ymd(1970, 1, 1) + in_seconds(to),
                crl_number: SerialNumber::from(number),
                issuing_distribution_point: None,
                revoked_certs: Vec::new(),
                key_identifier_method: KeyIdMethod::Sha256,
            },
        }
    }

    /// With this certificate on it.
    #[must_use]
    pub fn revoking(mut self, identity: &Identity) -> Self {
        let (_, certificate) = X509Certificate::from_der(&identity.chain[0]).expect("a certificate");
        self.params.revoked_certs.push(RevokedCertParams {
            serial_number: SerialNumber::from_slice(certificate.raw_serial()),
            revocation_time: date_time_ymd(1970, 1, 1) + in_seconds(-7200),
            reason_code: None,
            invalidity_date: None,
        });
        self
    }

    /// Signed by the CA that issues the certificates of the Trust Framework, DER.
    #[must_use]
    pub fn issued(&self, pki: &Pki) -> Vec<u8> {
        self.signed_by(&pki.issuing)
    }

    /// Signed by its root, DER.
    #[must_use]
    pub fn issued_by_root(&self, pki: &Pki) -> Vec<u8> {
        self.signed_by(&pki.root)
    }

    /// Signed by the bank's own CA, DER.
    #[must_use]
    pub fn issued_by_the_bank(&self, pki: &Pki) -> Vec<u8> {
        self.signed_by(&pki.internal)
    }

    /// Signed by a CA that has the name of the issuing CA and is another one, DER.
    #[must_use]
    pub fn forged(&self, pki: &Pki) -> Vec<u8> {
        self.signed_by(&pki.nobody)
    }

    fn signed_by(&self, issuer: &CertifiedIssuer<'static, KeyPair>) -> Vec<u8> {
        self.params.signed_by(issuer).expect("a CRL").der().to_vec()
    }

    /// A CRL in PEM.
    #[must_use]
    pub fn pem(der: &[u8]) -> String {
        let base64 = STANDARD.encode(der);
        let lines = base64.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).expect("ASCII"));
        format!("-----BEGIN X509 CRL-----\n{}\n-----END X509 CRL-----\n", lines.collect::<Vec<_>>().join("\n"))
    }
}
