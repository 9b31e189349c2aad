//! One TLS handshake, to see what the server does in it: which version it speaks, which certificates it sends. Nothing is believed here,
//! and nothing but the handshake is sent.

use std::io;
use std::sync::Arc;

use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, Error, ProtocolVersion, SignatureScheme,
    SupportedProtocolVersion,
};

use super::connect::Server;
use super::given::Identity;

/// What the server did.
#[derive(Debug)]
pub(super) struct Handshake {
    /// The version that it chose; nothing if it did not get that far.
    pub(super) version: Option<ProtocolVersion>,
    /// What it sent.
    pub(super) chain: Vec<CertificateDer<'static>>,
    /// Why the handshake ended early.
    pub(super) error: Option<io::Error>,
}

/// The one provider of TLS.
pub(super) fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

/// Makes a handshake in one of these versions with this client certificate.
///
/// # Errors
/// There is no connection; or certificate and key are none that can be used.
pub(super) fn shake_hands(
    server: &Server,
    versions: &[&'static SupportedProtocolVersion],
    identity: &Identity,
) -> io::Result<Handshake> {
    let builder = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(versions)
        .map_err(io::Error::other)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anybody(provider())));
    let mut config =
        builder.with_client_auth_cert(identity.chain.clone(), identity.key.clone_key()).map_err(io::Error::other)?;
    config.resumption = Resumption::disabled();
    let name = server.name().ok_or_else(|| io::Error::other("the host is neither a name nor an address"))?;
    let mut connection = ClientConnection::new(Arc::new(config), name).map_err(io::Error::other)?;
    let mut stream = server.connect()?;
    let mut error = None;
    while connection.is_handshaking() && error.is_none() {
        error = connection.complete_io(&mut stream).err();
    }
    Ok(Handshake {
        version: connection.protocol_version(),
        chain: connection.peer_certificates().unwrap_or_default().to_vec(),
        error,
    })
}

/// Takes every certificate, if only the server has its key: whether it is the right one is checked afterwards, each question by itself.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
