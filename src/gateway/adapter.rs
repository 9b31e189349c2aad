//! What differs between gateways in how they name things, and in what they need before and after a verdict.

use std::fmt::Debug;

use crate::capabilities::GatewayKind;
use crate::peer::PeerFacts;
use crate::reply::Rejection;
use crate::request::{ConfiguredHeaders, RequestFacts};

use super::abi::{self, Headers, HostError};
use super::apisix::Apisix;
use super::envoy::Envoy;
use super::kong::Kong;

/// One kind of gateway.
pub(super) trait Adapter: Debug {
    /// What it says of the client certificate; nothing unless it has verified one on this connection.
    fn peer_facts(&self, with_fingerprint: bool) -> PeerFacts;

    /// Notes the headers of the request, method and path among them. `announced` is how many the host says there are.
    fn note_request_headers(
        &self,
        announced: usize,
        facts: &mut RequestFacts,
        configured: &ConfiguredHeaders,
    ) -> Result<(), Rejection>;

    /// All headers of the response, to be read with [`crate::header_map::decode`].
    fn response_headers(&self, announced: usize) -> Option<Vec<u8>>;

    /// The client's address and port.
    fn client(&self) -> Option<Vec<u8>>;

    /// The id that the gateway gave the request.
    fn request_id(&self) -> Option<Vec<u8>>;

    /// Takes a credential away from the request; no error if it had none.
    fn take_away(&self, name: &str) -> Result<(), HostError> {
        abi::remove_header(Headers::Request, name)
    }

    /// Sees to it that the request can not go on while a callout is pending, whatever happens to this module meanwhile.
    /// `None` where nothing of the kind is needed, or possible.
    fn guard(&self) -> Result<Option<Guard>, HostError> {
        Ok(None)
    }

    /// Lets the request go on again.
    fn lift(&self, _guard: &Guard) -> Result<(), HostError> {
        Ok(())
    }
}

/// What a guarded request needs to go on.
#[derive(Debug)]
pub(super) struct Guard {
    /// The scheme with which the gateway would have sent it upstream.
    pub(super) upstream_scheme: Vec<u8>,
}

/// The adapter for a kind of gateway.
pub(super) fn of(kind: GatewayKind) -> &'static dyn Adapter {
    match kind {
        GatewayKind::Envoy => &Envoy,
        GatewayKind::Kong => &Kong,
        GatewayKind::Apisix => &Apisix,
    }
}

/// Which of the gateways that are built on nginx this is, by the name under which it has a variable that every request has.
/// To be asked in a request only: outside of one, Kong crashes.
pub(super) fn nginx_kind() -> Option<GatewayKind> {
    const ALWAYS_THERE: &str = "request_method";
    if super::kong::variable(ALWAYS_THERE).is_some() {
        Some(GatewayKind::Kong)
    } else {
        super::apisix::variable(ALWAYS_THERE).map(|_| GatewayKind::Apisix)
    }
}
