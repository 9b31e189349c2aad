//! How Envoy names the client certificate and the request.

use crate::peer::PeerFacts;

use super::abi;

/// What Envoy says of the client certificate. `connection.mtls` is one byte there; anything else means that this is not
/// Envoy, and that nothing is known.
pub(super) fn peer_facts(with_fingerprint: bool) -> PeerFacts {
    let verified = abi::property(&["connection", "mtls"]).is_some_and(|mtls| mtls == [1]);
    if !verified {
        return PeerFacts::default();
    }
    PeerFacts {
        verified,
        subject: abi::property(&["connection", "subject_peer_certificate"]),
        fingerprint: with_fingerprint
            .then(|| abi::property(&["connection", "sha256_peer_certificate_digest"]))
            .flatten(),
        forwarded: Vec::new(),
    }
}

/// The client's address and port.
pub(super) fn client() -> Option<Vec<u8>> {
    abi::property(&["source", "address"])
}

/// The id that Envoy gave the request.
pub(super) fn request_id() -> Option<Vec<u8>> {
    abi::property(&["request", "id"])
}
