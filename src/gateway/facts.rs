//! What the host tells of a request, a response, and the answer to a callout: only what the direction looks at.

use crate::callout::{Answer, Body, MAX_ANSWER_LENGTH};
use crate::header_map;
use crate::inbound::Inbound;
use crate::request::{Correlation, RequestFacts, ResponseFacts};
use crate::signing::Freshness;

use super::abi::{self, Headers};
use super::direction::Direction;
use super::envoy;

/// The facts of the request of the effective context.
pub(super) fn of_request(direction: &Direction) -> Option<RequestFacts> {
    match direction {
        Direction::Inbound(inbound) => of_inbound_request(inbound),
        Direction::Outbound(_) => {
            let correlation = Correlation {
                request_id: envoy::request_id(),
                fapi_interaction_id: abi::request_header("x-fapi-interaction-id"),
                caller_interaction_id: abi::request_header("o3-caller-interaction-id"),
                ozone_interaction_id: abi::request_header("o3-ozone-interaction-id"),
            };
            let freshness = freshness(correlation.request_id.clone());
            Some(RequestFacts { correlation, freshness, ..RequestFacts::default() })
        }
    }
}

/// The facts of the response of the effective context.
pub(super) fn of_response(direction: &Direction) -> Option<ResponseFacts> {
    let mut facts = ResponseFacts::default();
    match direction {
        Direction::Inbound(_) => facts.freshness = freshness(envoy::request_id()),
        Direction::Outbound(outbound) => {
            if let Some(header) = outbound.response_header() {
                for (name, value) in header_map::decode(&abi::headers(Headers::Response)?)? {
                    facts.note_header(name, value, header);
                }
            }
        }
    }
    Some(facts)
}

/// The answer to the callout that is being reported.
pub(super) fn of_answer(body_size: usize) -> Answer {
    Answer {
        status: abi::call_response_header(":status"),
        content_length: abi::call_response_header("content-length"),
        body: read_body(body_size),
    }
}

fn of_inbound_request(inbound: &Inbound) -> Option<RequestFacts> {
    let mut facts = RequestFacts { peer: envoy::peer_facts(inbound.needs_fingerprint()), ..RequestFacts::default() };
    for (name, value) in header_map::decode(&abi::headers(Headers::Request)?)? {
        facts.note_header(name, value, inbound.configured_headers());
    }
    facts.correlation.request_id = envoy::request_id();
    Some(facts)
}

fn freshness(request_id: Option<Vec<u8>>) -> Freshness {
    Freshness { random: abi::random(), request_id, client: envoy::client() }
}

fn read_body(size: usize) -> Body {
    if size > MAX_ANSWER_LENGTH {
        return Body::TooLong;
    }
    abi::call_response_body(size).map_or(Body::Unreadable, Body::Read)
}
