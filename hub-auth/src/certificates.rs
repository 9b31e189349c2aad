//! Certificates in PEM, as users have them in files and as the filter reads them.

use std::path::Path;
use std::{fs, io};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hub_auth_filter::facade::peer::LeafCertificate;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

/// All certificates of a file, at least one.
///
/// # Errors
/// The file cannot be read, or holds none.
pub(crate) fn certificates(path: &Path) -> io::Result<Vec<CertificateDer<'static>>> {
    let pem = fs::read(path).map_err(|error| named(path, &error))?;
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    match certificates {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        Ok(_) => Err(named(path, &"expected certificates in PEM, got none")),
        Err(_) => Err(named(path, &"expected certificates in PEM, got something that is no PEM")),
    }
}

/// A certificate as the filter reads it.
///
/// # Errors
/// It is none: a sentence.
pub(crate) fn read_leaf(der: &CertificateDer<'_>) -> Result<LeafCertificate, String> {
    LeafCertificate::from_pem(pem("CERTIFICATE", der).as_bytes()).map_err(|error| error.to_string())
}

/// PEM (RFC 7468 §2).
pub(crate) fn pem(label: &str, der: &[u8]) -> String {
    let encoded = STANDARD.encode(der);
    let lines: Vec<&str> = encoded.as_bytes().chunks(64).filter_map(|line| std::str::from_utf8(line).ok()).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

/// What is wrong, with the name of the file.
pub(crate) fn named(path: &Path, what: &dyn std::fmt::Display) -> io::Error {
    io::Error::other(format!("{}: {what}", path.display()))
}
