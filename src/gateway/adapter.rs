//! What differs between gateways in how they are told apart, how they name things, and what they need before and after a
//! verdict.

use std::borrow::Cow;
use std::fmt::Debug;

use crate::header_map;
use crate::peer::PeerFacts;
use crate::reply::{RejectReason, Reply};
use crate::request::{ConfiguredHeaders, RequestFacts};

use super::abi::{self, Headers, HostError};

/// One kind of gateway.
pub(super) trait Adapter: Debug {
    /// Whether the host is such a gateway, if that shows outside of requests.
    fn is_found_at_start(&self) -> bool {
        false
    }

    /// Whether the host is such a gateway, if that shows only in a request. Outside of one this must not be asked.
    fn is_found_in_request(&self) -> bool {
        false
    }

    /// Why nobody must rely on this host, if that shows in the phase of a request. Outside of it this must not be asked.
    fn fault_of_host(&self) -> Option<&'static str> {
        None
    }

    /// Whether nothing passes where a plugin refuses its configuration. Elsewhere a plugin takes any, and refuses the requests.
    fn stops_without_configuration(&self) -> bool {
        false
    }

    /// Whether a plugin can have ticks. Elsewhere a tick could do nothing for requests, and would not end with the plugin.
    fn has_ticks(&self) -> bool {
        false
    }

    /// A version with which a write of shared data creates a value and never replaces one.
    fn version_of_no_value(&self) -> u32 {
        0
    }

    /// What it says of the client certificate; nothing unless it has verified one on this connection.
    fn peer_facts(&self, with_fingerprint: bool) -> PeerFacts;

    /// Notes the headers of the request, method and path among them. `announced` is how many the host says there are.
    fn note_request_headers(
        &self,
        announced: usize,
        facts: &mut RequestFacts,
        configured: &ConfiguredHeaders,
    ) -> Result<(), RejectReason>;

    /// The values of a header of the response, by its lower-case name. `announced` is how many headers the host says there are.
    /// Those that cannot be read are not there.
    fn response_values(&self, name: &str, announced: usize) -> Vec<Vec<u8>>;

    /// Whether an informational answer to a callout counts as final, and the one that follows as the answer to the next callout.
    fn leaves_answers_unread(&self) -> bool {
        false
    }

    /// Headers that a callout has beside those that it needs anywhere.
    fn callout_headers(&self) -> &'static [(&'static str, &'static str)] {
        &[]
    }

    /// Headers with which a callout that [may be repeated](crate::callout::Request::may_be_repeated) is, once, where the gateway keeps
    /// connections and finds that the server has ended one.
    fn headers_for_repetition(&self) -> &'static [(&'static str, &'static str)] {
        &[]
    }

    /// The client's address and port.
    fn client(&self) -> Option<Vec<u8>>;

    /// The id that the gateway gave the request.
    fn request_id(&self) -> Option<Vec<u8>>;

    /// Takes a credential away from the request; no error if it had none.
    fn take_away(&self, name: &str) -> Result<(), HostError> {
        abi::remove_header(Headers::Request, name)
    }

    /// Sets a header of the response, in place of any that it had.
    fn replace_response_header(&self, name: &str, value: &str) -> Result<(), HostError> {
        abi::replace_header(Headers::Response, name, value)
    }

    /// Answers the request of the effective context, or puts the answer in the place of its response. `details` are for the
    /// gateway's own access log.
    fn answer(&self, reply: &Reply, details: &str, _occasion: Occasion) -> Result<(), HostError> {
        send_whole(reply, details)
    }

    /// Sees to it that the request cannot go on while a callout is pending, whatever happens to this module meanwhile.
    /// `None` where nothing of the kind is needed, or possible.
    fn guard(&self) -> Result<Option<Guard>, HostError> {
        Ok(None)
    }

    /// Lets the request go on again.
    fn lift(&self, _guard: &Guard) -> Result<(), HostError> {
        Ok(())
    }
}

/// When an answer is given: some gateways can take only a part of it then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Occasion {
    /// To a request, at any time but the next ones.
    Request,
    /// To a request, in the callback of its callout.
    Answered,
    /// The same, of a callout that ended without a body in its answer, where it had one itself or was not the first of its request.
    Unanswered,
    /// In the place of a response that has this many headers, as the host says.
    Response {
        /// How many.
        headers: usize,
    },
}

/// For an answer without headers.
pub(super) const NO_HEADERS: &[(&str, Cow<'_, str>)] = &[];

/// Answers with all of a reply.
pub(super) fn send_whole(reply: &Reply, details: &str) -> Result<(), HostError> {
    abi::send_local_response(reply.status, details, &reply.headers, &reply.body)
        // Not every gateway can hold a request that it has no answer to: one without headers may do.
        .or_else(|HostError| abi::send_local_response(reply.status, details, NO_HEADERS, &reply.body))
}

/// The same reply, and the end of the client's connection. What the client still sends of a body would be read as its next
/// requests where the host forgets, after a callout, that it has yet to be thrown away.
pub(super) fn last_of_its_connection(reply: &Reply) -> Reply {
    let mut last = reply.clone();
    last.headers.push(("connection", "close".into()));
    last
}

/// The values of a header in a header map as the host hands it over, by its lower-case name.
pub(super) fn values(map: &[u8], name: &str) -> Vec<Vec<u8>> {
    let fields = header_map::decode(map).into_iter().flatten();
    let named = fields.filter(|(field, _)| field.eq_ignore_ascii_case(name.as_bytes()));
    named.filter_map(|(_, value)| map.get(value).map(<[u8]>::to_vec)).collect()
}

/// What a guarded request needs to go on.
#[derive(Debug)]
pub(super) struct Guard {
    /// The scheme with which the gateway would have sent it upstream.
    pub(super) upstream_scheme: Vec<u8>,
}
