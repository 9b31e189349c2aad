//! What the user gives: certificates with their keys, and CAs. What cannot be read is said with the name of its file.

use std::path::Path;
use std::{fs, io};

use hub_auth_filter::facade::peer::{DistinguishedName, LeafCertificate, Subject};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use rustls::{Error, InconsistentKeys, RootCertStore};

use super::handshake::provider;
use crate::certificates::{certificates, named, read_leaf};

/// A client certificate with those of the CAs above it, and its private key, or what was given as such.
#[derive(Debug)]
pub(super) struct Identity {
    /// The certificate itself comes first.
    pub(super) chain: Vec<CertificateDer<'static>>,
    pub(super) key: PrivateKeyDer<'static>,
    /// The certificate as the filter reads it.
    pub(super) leaf: LeafCertificate,
    /// Why the key is not the certificate's. Such a pair is used for no connection.
    pub(super) misfit: Option<String>,
}

/// CAs.
#[derive(Debug)]
pub(super) struct Authorities {
    /// All of them.
    pub(super) all: Vec<CertificateDer<'static>>,
    /// Those that are signed by themselves; if there is none of these, all.
    pub(super) roots: RootCertStore,
}

impl Identity {
    /// # Errors
    /// One of the files cannot be read, or holds something else.
    pub(super) fn read(certificate: &Path, key: &Path) -> io::Result<Self> {
        let chain = certificates(certificate)?;
        let leaf = chain.first().ok_or_else(|| named(certificate, &"expected certificates in PEM, got none"))?;
        let leaf = read_leaf(leaf).map_err(|error| named(certificate, &error))?;
        let pem = fs::read(key).map_err(|error| named(key, &error))?;
        // What a parser of PEM says could repeat a part of the key.
        let key = PrivateKeyDer::from_pem_slice(&pem)
            .map_err(|_| named(key, &"expected a private key in PEM that is not encrypted, got something else"))?;
        Ok(Self::new(chain, key, leaf))
    }

    /// The same, and the key must be the certificate's.
    ///
    /// # Errors
    /// It is not; or as [`Identity::read`].
    pub(super) fn read_fitting(certificate: &Path, key: &Path) -> io::Result<Self> {
        let identity = Self::read(certificate, key)?;
        match &identity.misfit {
            None => Ok(identity),
            Some(why) => Err(named(key, why)),
        }
    }

    pub(super) fn new(chain: Vec<CertificateDer<'static>>, key: PrivateKeyDer<'static>, leaf: LeafCertificate) -> Self {
        let loaded = provider().key_provider.load_private_key(key.clone_key());
        let misfit = match loaded.map(|loaded| CertifiedKey::new(chain.clone(), loaded).keys_match()) {
            Ok(Ok(())) => None,
            Ok(Err(Error::InconsistentKeys(InconsistentKeys::KeyMismatch))) => {
                Some("it is the private key of another certificate".to_owned())
            }
            Ok(Err(error)) => Some(format!("the certificate cannot be used in TLS: {error}")),
            Err(_) => Some("it is no private key that TLS can use".to_owned()),
        };
        Self { chain, key, leaf, misfit }
    }

    /// `O`, `OU` and `CN`, if the filter could rely on them.
    pub(super) fn subject(&self) -> Result<Subject, String> {
        let name = DistinguishedName::parse(self.leaf.subject().as_bytes()).map_err(|error| error.to_string())?;
        Subject::from_name(&name).map_err(|error| error.to_string())
    }
}

impl Authorities {
    /// # Errors
    /// The file cannot be read, or holds something else.
    pub(super) fn read(path: &Path) -> io::Result<Self> {
        let all = certificates(path)?;
        let is_root = |der: &&CertificateDer<'static>| {
            read_leaf(der).is_ok_and(|certificate| certificate.subject() == certificate.issuer())
        };
        let mut anchors: Vec<_> = all.iter().filter(is_root).cloned().collect();
        if anchors.is_empty() {
            anchors.clone_from(&all);
        }
        let mut roots = RootCertStore::empty();
        for anchor in anchors {
            roots.add(anchor).map_err(|error| named(path, &error))?;
        }
        Ok(Self { all, roots })
    }
}
