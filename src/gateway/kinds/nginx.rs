//! What Kong and APISIX have from nginx, each under its own name: variables, by which the client certificate is known.

use crate::peer::PeerFacts;
use crate::reply::RejectReason;
use crate::request::{ConfiguredHeaders, RequestFacts};

use crate::gateway::abi::{self, Headers};

/// How a gateway tells the value of an nginx variable.
type Variable = fn(&str) -> Option<Vec<u8>>;

/// Whether variables can be asked for in this way: one that every request has. Outside of a request, Kong crashes.
pub(super) fn has_variables(variable: Variable) -> bool {
    variable("request_method").is_some()
}

/// What nginx says of the client certificate. Its subject can be read also when it is not trusted, or when the client did
/// not prove that it has the key: only `SUCCESS` counts. The certificate says when it is valid, and has the fingerprint, as
/// `ssl_client_fingerprint` is SHA-1.
pub(super) fn peer_facts(variable: Variable) -> PeerFacts {
    let verified = variable("ssl_client_verify").is_some_and(|verified| verified == b"SUCCESS");
    if !verified {
        return PeerFacts::default();
    }
    PeerFacts {
        verified,
        subject: variable("ssl_client_s_dn").map(Into::into),
        certificate: variable("ssl_client_raw_cert").map(Into::into),
        ..PeerFacts::default()
    }
}

/// The client's address and port.
pub(super) fn client(variable: Variable) -> Option<Vec<u8>> {
    Some([variable("remote_addr")?, variable("remote_port")?].join(&b':'))
}

/// Notes the headers of the request, but for `:path` and `:authority`: neither need be what the client sent. How many there
/// are, without those with a colon.
pub(super) fn note_request_headers(
    facts: &mut RequestFacts,
    configured: &ConfiguredHeaders,
) -> Result<usize, RejectReason> {
    let headers = abi::headers(Headers::Request).ok_or(RejectReason::Internal)?;
    let is_skipped = |name: &[u8]| matches!(name, b":path" | b":authority");
    facts.note_headers(headers, configured, is_skipped).ok_or(RejectReason::Internal)
}
