//! Where the tool gets what is published: a file, or a server by HTTPS, as the gateway would ask it.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use std::{fs, io};

use rustls::crypto::aws_lc_rs;
use ureq::Agent;
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};

/// As long as a gateway waits for a keystore.
const TIMEOUT: Duration = Duration::from_secs(5);

/// One byte more than the filter reads: what is too long for it shall be seen to be.
pub(crate) const MAX_BYTES: u64 = 256 * 1024 + 1;

/// What is in a file, or at an `https://` address. `ca` names a file with the certificates that the server's is checked with, in place of
/// the system's.
///
/// # Errors
/// The file cannot be read, or the server does not answer with 200: a sentence with the name of the source.
pub(crate) fn file_or_url(source: &str, ca: Option<&Path>) -> io::Result<Vec<u8>> {
    let named = |error: &dyn std::fmt::Display| io::Error::other(format!("{source}: {error}"));
    if !source.contains("://") {
        return fs::read(source).map_err(|error| named(&error));
    }
    if !source.starts_with("https://") {
        return Err(named(&"expected a file or an https:// address, as the filter asks no other"));
    }
    url(source, ca).map_err(|error| named(&error))
}

fn url(url: &str, ca: Option<&Path>) -> Result<Vec<u8>, Box<dyn std::error::Error>> {
    let mut response = agent(ca, TIMEOUT)?.get(url).call()?;
    if response.status() != 200 {
        return Err(format!("the server answers with {}, expected 200", response.status().as_u16()).into());
    }
    Ok(response.body_mut().with_config().limit(MAX_BYTES).read_to_vec()?)
}

/// What asks servers whose certificates these CAs or those of the system vouch for, and gives up after so long.
///
/// # Errors
/// The file of the CAs cannot be read.
pub(crate) fn agent(ca: Option<&Path>, timeout: Duration) -> Result<Agent, Box<dyn std::error::Error>> {
    let roots = match ca {
        None => RootCerts::PlatformVerifier,
        Some(path) => RootCerts::from(certificates(path)?),
    };
    let tls = TlsConfig::builder()
        .root_certs(roots)
        .unversioned_rustls_crypto_provider(Arc::new(aws_lc_rs::default_provider()))
        .build();
    Ok(Agent::config_builder()
        .tls_config(tls)
        .timeout_global(Some(timeout))
        // The filter follows none either.
        .max_redirects(0)
        .http_status_as_error(false)
        .user_agent(concat!("hub-auth/", env!("CARGO_PKG_VERSION")))
        .build()
        .into())
}

fn certificates(path: &Path) -> Result<Vec<Certificate<'static>>, Box<dyn std::error::Error>> {
    let pem = fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let mut certificates = Vec::new();
    for item in parse_pem(&pem) {
        if let PemItem::Certificate(certificate) = item? {
            certificates.push(certificate);
        }
    }
    if certificates.is_empty() {
        return Err(format!("{}: expected certificates in PEM, got none", path.display()).into());
    }
    Ok(certificates)
}
