//! What the host tells of a request, a response, and the answer to a callout: only what the direction looks at.

use crate::callout::{Answer, Body, CalloutSubject, MAX_ANSWER_LENGTH};
use crate::inbound::Inbound;
use crate::reply::RejectReason;
use crate::request::NonceInput;
use crate::request::{Correlation, RequestFacts, ResponseFacts};

use super::direction::Direction;
use crate::gateway::abi;
use crate::gateway::adapter::Adapter;

/// The facts of the request of the effective context. `announced` is how many headers the host says it has.
pub(super) fn of_request(
    adapter: &dyn Adapter,
    direction: &Direction,
    announced: usize,
) -> Result<RequestFacts, RejectReason> {
    match direction {
        Direction::Inbound(inbound) => of_inbound_request(adapter, inbound, announced),
        Direction::Outbound(_) => {
            let correlation = correlation(adapter);
            let nonce_input = nonce_input(adapter, correlation.request_id.clone());
            Ok(RequestFacts { correlation, nonce_input, ..RequestFacts::default() })
        }
    }
}

/// What ties the request of the effective context to the logs of others. Each header is asked for by its name, which every
/// gateway bears, whatever the request.
pub(super) fn correlation(adapter: &dyn Adapter) -> Correlation {
    Correlation { request_id: adapter.request_id(), ..interaction_ids() }
}

/// The same, but for what each kind of gateway has under a name of its own.
pub(super) fn interaction_ids() -> Correlation {
    Correlation {
        request_id: None,
        fapi_interaction_id: abi::request_header("x-fapi-interaction-id").map(Into::into),
        caller_interaction_id: abi::request_header("o3-caller-interaction-id").map(Into::into),
        ozone_interaction_id: abi::request_header("o3-ozone-interaction-id").map(Into::into),
    }
}

/// The facts of the response of the effective context. Headers that cannot be read are not there.
pub(super) fn of_response(adapter: &dyn Adapter, direction: &Direction, announced: usize) -> ResponseFacts {
    let mut facts = ResponseFacts::default();
    match direction {
        Direction::Inbound(inbound) if inbound.signs_responses() => {
            facts.nonce_input = nonce_input(adapter, None);
        }
        Direction::Inbound(_) => {}
        Direction::Outbound(outbound) => {
            if let Some(header) = outbound.response_header() {
                for value in adapter.response_values(header, announced) {
                    facts.note_token(&value);
                }
            }
        }
    }
    facts
}

/// The answer to the callout on this subject that is being reported.
pub(super) fn of_answer(subject: &CalloutSubject, body_size: usize) -> Answer {
    // Whose clock matters: by the keystore's this one is checked, by the store's the memory of used tokens ends.
    let is_keystore = matches!(subject, CalloutSubject::KeySet(_));
    let is_store = matches!(subject, CalloutSubject::TokenUse(_) | CalloutSubject::StoreSession);
    let header_if = |is_wanted: bool, name| if is_wanted { abi::call_response_header(name) } else { None };
    let status = abi::call_response_header(":status");
    let retry_after = match status.as_deref() {
        None | Some(b"200") => None,
        Some(_) => abi::call_response_header("retry-after"),
    };
    Answer {
        status,
        content_length: abi::call_response_header("content-length"),
        retry_after,
        date: header_if(is_keystore || is_store, "date"),
        age: header_if(is_keystore, "age"),
        body: read_body(body_size),
    }
}

fn of_inbound_request(
    adapter: &dyn Adapter,
    inbound: &Inbound,
    announced: usize,
) -> Result<RequestFacts, RejectReason> {
    let mut facts = RequestFacts::default();
    let needs_fingerprint = inbound.needs_fingerprint();
    facts.peer = adapter.peer_facts(needs_fingerprint);
    adapter.note_request_headers(announced, &mut facts, inbound.configured_headers())?;
    if inbound.wants_nonces() {
        facts.nonce_input = nonce_input(adapter, adapter.request_id());
    }
    if inbound.signs_responses() {
        facts.correlation.request_id = adapter.request_id();
    }
    Ok(facts)
}

fn nonce_input(adapter: &dyn Adapter, request_id: Option<Vec<u8>>) -> NonceInput {
    NonceInput { random: abi::random(), request_id, client: adapter.client() }
}

fn read_body(size: usize) -> Body {
    if size > MAX_ANSWER_LENGTH {
        return Body::TooLong;
    }
    abi::call_response_body(size).map_or(Body::Unreadable, Body::Read)
}
