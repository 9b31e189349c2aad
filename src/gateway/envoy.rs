//! Envoy.

use crate::peer::PeerFacts;
use crate::reply::RejectReason;
use crate::request::{ConfiguredHeaders, RequestFacts};

use super::abi::{self, Headers};
use super::adapter::{Adapter, values};

/// See [`Adapter`].
#[derive(Debug)]
pub(super) struct Envoy;

impl Adapter for Envoy {
    /// `connection.mtls` is one byte here; anything else means that this is not Envoy, and that nothing is known.
    fn peer_facts(&self, with_fingerprint: bool) -> PeerFacts {
        let verified = abi::property("connection\0mtls").is_some_and(|mtls| mtls == [1]);
        if !verified {
            return PeerFacts::default();
        }
        let fingerprint = || abi::property("connection\0sha256_peer_certificate_digest");
        PeerFacts {
            verified,
            subject: abi::property("connection\0subject_peer_certificate"),
            fingerprint: with_fingerprint.then(fingerprint).flatten(),
            ..PeerFacts::default()
        }
    }

    fn note_request_headers(
        &self,
        _announced: usize,
        facts: &mut RequestFacts,
        configured: &ConfiguredHeaders,
    ) -> Result<(), RejectReason> {
        let headers = abi::headers(Headers::Request).ok_or(RejectReason::Internal)?;
        facts.note_headers(headers, configured, |_| false).ok_or(RejectReason::Internal)?;
        Ok(())
    }

    fn response_values(&self, name: &str, _announced: usize) -> Vec<Vec<u8>> {
        values(&abi::headers(Headers::Response).unwrap_or_default(), name)
    }

    fn client(&self) -> Option<Vec<u8>> {
        abi::property("source\0address")
    }

    fn request_id(&self) -> Option<Vec<u8>> {
        abi::property("request\0id")
    }
}
