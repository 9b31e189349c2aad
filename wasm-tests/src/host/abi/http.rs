//! Callouts and local responses. Follows `httpCall` and `sendLocalResponse` in Envoy's `context.cc`; gRPC callouts
//! exist only as far as their refusals, because no upstream here speaks gRPC.

use super::Import;
use crate::host::callout::{Act, Answer, Callout, CalloutOutcome, Response, Upstream};
use crate::host::engine::Args;
use crate::host::gateway_state::Event;
use crate::host::guest::Guest;
use crate::host::headers::Headers;
use crate::host::profile::{Dispatch, Owner, Reply, ReplyInResponse, SecondReply, Tokens};
use crate::host::status::{Answered, Refusal, Refused, Status};
use crate::host::vm_state::{Action, LocalReply, Stream};
use std::collections::VecDeque;
use std::time::Duration;

pub(super) const CALLS: &[Import] = &[
    Import::new("proxy_http_call", "iiiiiiiiii", http_call).about(0),
    Import::new("proxy_send_local_response", "iiiiiiii", send_local_response),
    Import::new("proxy_grpc_call", "iiiiiiiiiiii", |_, _| Err(Status::ParseFailure.into())).about(0),
    Import::new("proxy_grpc_stream", "iiiiiiiii", |_, _| Err(Status::ParseFailure.into())).about(0),
    Import::new("proxy_grpc_cancel", "i", |_, args| grpc_token(args)),
    Import::new("proxy_grpc_close", "i", |_, args| grpc_token(args)),
    Import::new("proxy_grpc_send", "iiii", |_, args| grpc_token(args)),
];

/// The kind of a callout is in the lowest two bits of its token: 0 is HTTP.
const TOKEN_STEP: u32 = 4;

fn http_call(guest: &mut Guest<'_>, args: &Args) -> Answered {
    let upstream = guest.bytes(args, 0)?;
    let headers = guest.bytes(args, 2)?;
    let body = guest.bytes(args, 4)?;
    guest.bytes(args, 6)?;
    let (timeout, token_pointer) = (args.int(8), args.int(9));
    // Envoy tries the pointer before it dispatches anything.
    guest.write_u32(token_pointer, 0)?;
    let upstream = String::from_utf8_lossy(&upstream).into_owned();
    let token = dispatch(guest, upstream, Headers::parse(&headers), body, timeout)?;
    guest.write_u32(token_pointer, token)
}

fn dispatch(
    guest: &mut Guest<'_>,
    upstream: String,
    headers: Headers,
    body: Vec<u8>,
    timeout: u32,
) -> Result<u32, Refusal> {
    let profile = guest.gateway().profile.clone();
    let given = headers.clone();
    let headers = if profile.keeps_pseudo_headers { with_earlier_pseudo_headers(guest, &headers) } else { headers };
    let server = find_server(guest, &upstream, &headers);
    let state = guest.state_mut();
    let (vm, worker, during, of_stream) = (state.id, state.worker, state.during, state.stream().is_some());
    let context = if profile.owner == Owner::Root { state.root() } else { state.effective() };
    let pending = guest.gateway().pending(vm, context);
    let known_upstream = server.is_some();
    let call = Dispatch { upstream: &upstream, known_upstream, headers: &headers, timeout, during, of_stream, pending };
    (profile.dispatch)(&call)?;
    if guest.state().callout_buffers_in_use && !body.is_empty() {
        let why =
            "it spins for ever: a callout with a body was sent from the buffers of another one that had no answer";
        return Err(Refused::Crash(why.to_owned()).into());
    }
    remember_pseudo_headers(guest, &given);
    let answer = match ((profile.unreachable)(&call), server) {
        (Some(failure), _) => Answer::failed(failure),
        (None, Some(server)) if profile.repeats_resets => repeated(&server, &headers, &body),
        (None, Some(server)) => server.answer(&headers, &body),
        // A profile that accepts an unknown name leaves it to the resolver.
        (None, None) => Answer::unresolved(),
    };
    let is_dead = guest.state().dead_connection.as_deref() == Some(&*upstream);
    let answer = if is_dead { Answer::reset() } else { answer };
    let answer = if profile.keeps_connections { mixed_up(guest, &upstream, answer) } else { answer };
    let answer = if profile.reads_callouts_badly { answer.read_badly() } else { answer };
    if matches!(answer.act, Act::Unavailable) {
        return Err(Status::InternalFailure.into());
    }
    let token = next_token(guest, profile.tokens);
    let timeout = (timeout > 0).then(|| Duration::from_millis(timeout.into()));
    let mut gateway = guest.gateway_mut();
    let at = gateway.clock.wall;
    let callout = gateway.callouts.len();
    let outcome = CalloutOutcome::InFlight;
    let is_kept = profile.keeps_connections && headers.get("connection") != Some(b"close");
    let leaves_dead_connection = is_kept && answer.closes;
    let owner = (vm, context);
    gateway.callouts.push(Callout {
        at,
        worker,
        upstream,
        headers,
        body,
        timeout,
        token,
        leaves_dead_connection,
        outcome,
        owner,
    });
    if let Some((delay, outcome)) = answer.within(timeout, profile.timeouts) {
        gateway.plan(delay, Event::Callout { callout, outcome });
    }
    Ok(token)
}

/// What a router gets from a server that it asks once more where it is told to and the connection ends before any answer. The server
/// sees nothing of that.
fn repeated(server: &Upstream, headers: &Headers, body: &[u8]) -> Answer {
    let wants = headers.text("x-envoy-retry-on").as_deref() == Some("reset")
        && headers.text("x-envoy-max-retries").as_deref() == Some("1");
    let mut shown = headers.clone();
    for name in ["x-envoy-retry-on", "x-envoy-max-retries"] {
        shown.remove(name);
    }
    let first = server.answer(&shown, body);
    if wants && first.is_reset() { server.answer(&shown, body) } else { first }
}

/// What a gateway gets for the answer over a connection that it keeps: an informational one counts as final, and while the real one
/// is on its way, that is the answer to the next callout.
fn mixed_up(guest: &mut Guest<'_>, upstream: &str, answer: Answer) -> Answer {
    let gateway = &mut *guest.gateway_mut();
    let now = gateway.clock.monotonic;
    let unread = gateway.unread_answers.remove(upstream).filter(|(arrives, _)| *arrives > now);
    let answer = match unread {
        Some((arrives, unread)) => unread.after(arrives - now),
        None => answer,
    };
    let Some((status, real)) = answer.informational() else { return answer };
    gateway.unread_answers.insert(upstream.to_owned(), (now + answer.delay, real));
    Answer::status(status)
}

/// The server of this name; a name without a port is also that of the scheme's own port.
fn find_server(guest: &Guest<'_>, upstream: &str, headers: &Headers) -> Option<Upstream> {
    let gateway = guest.gateway();
    let port = if headers.get(":scheme") == Some(b"https") { 443 } else { 80 };
    let named = |name: &str| {
        let is = |(known, server): (&String, &Upstream)| known.eq_ignore_ascii_case(name).then(|| server.clone());
        gateway.upstreams.iter().find_map(is)
    };
    named(upstream).or_else(|| named(&format!("{upstream}:{port}")))
}

fn next_token(guest: &mut Guest<'_>, tokens: Tokens) -> u32 {
    let state = guest.state_mut();
    match tokens {
        Tokens::OfVm => {
            state.next_token += TOKEN_STEP;
            state.next_token
        }
        Tokens::OfWorker => {
            let worker = state.worker;
            let mut gateway = guest.gateway_mut();
            let next = gateway.tokens.entry(worker).or_insert(0);
            *next += 1;
            *next - 1
        }
    }
}

/// The pseudo headers that the client library has variables for, and what it takes when they have never been set.
const REMEMBERED: [(&str, &str); 3] = [(":method", "GET"), (":path", "/"), (":scheme", "http")];

/// Fills in what is missing from the callouts that this worker has sent before.
fn with_earlier_pseudo_headers(guest: &Guest<'_>, headers: &Headers) -> Headers {
    let gateway = guest.gateway();
    let earlier = gateway.pseudo_headers.get(&guest.state().worker);
    let mut filled = Headers::new();
    for (name, default) in REMEMBERED {
        let value = headers.get(name).or_else(|| earlier?.get(name));
        filled.push(name, value.unwrap_or(default.as_bytes()));
    }
    let others = headers.iter().filter(|(name, _)| REMEMBERED.iter().all(|(known, _)| known.as_bytes() != *name));
    others.for_each(|(name, value)| filled.push(name, value));
    filled
}

fn remember_pseudo_headers(guest: &mut Guest<'_>, headers: &Headers) {
    let worker = guest.state().worker;
    let mut gateway = guest.gateway_mut();
    let earlier = gateway.pseudo_headers.entry(worker).or_default();
    for (name, _) in REMEMBERED {
        if let Some(value) = headers.get(name) {
            earlier.set(name, value);
        }
    }
}

fn send_local_response(guest: &mut Guest<'_>, args: &Args) -> Answered {
    let status = args.int(0);
    let details = guest.bytes(args, 1)?;
    let body = guest.bytes(args, 3)?;
    let headers = Headers::parse(&guest.bytes(args, 5)?);
    let profile = guest.gateway().profile.clone();
    let state = guest.state_mut();
    let context = state.effective();
    let in_response =
        state.during == "proxy_on_response_headers" && profile.reply_in_response != ReplyInResponse::HeadersOnly;
    let again = state.stream().is_some_and(|stream| stream.replied) && !in_response;
    if again && profile.second_reply == SecondReply::Traps {
        return Err(Refused::Trap("a local response has been sent already".to_owned()).into());
    }
    let Some(Response { mut headers, body }) =
        (profile.local_reply)(&Reply { status, headers: &headers, body: &body })?
    else {
        return Ok(());
    };
    if again && profile.second_reply == SecondReply::Wins {
        headers = take_reply_headers(&mut state.actions, context, headers);
    }
    let details = String::from_utf8_lossy(&details).split_whitespace().collect::<Vec<_>>().join("_");
    let leaves_open = state.during == "proxy_on_http_call_response" && headers.get("connection") != Some(b"close");
    let has_body =
        |stream: &mut Stream| stream.request.headers.get("content-length").is_some_and(|length| length != b"0");
    if profile.forgets_unread_bodies && leaves_open && state.stream().is_some_and(has_body) {
        let why = "what the client still sends of the body is read as its next requests";
        return Err(Refused::Crash(why.to_owned()).into());
    }
    let is_lost = state.callout_buffers_in_use && !body.is_empty();
    let reply = LocalReply { status: u16::try_from(status).unwrap_or(0), headers, body, details };
    if let Some(stream) = state.stream() {
        stream.replied = true;
        state.actions.push_back(if is_lost { Action::Reset(context) } else { Action::Reply(context, reply) });
    }
    // Even when it was for another stream, or for none.
    state.stop_iteration = true;
    Ok(())
}

/// The later reply's headers and, after them, those of the reply that it takes the place of.
fn take_reply_headers(actions: &mut VecDeque<Action>, context: u32, mut headers: Headers) -> Headers {
    actions.retain(|action| match action {
        Action::Reply(of, reply) if *of == context => {
            let own = |name: &[u8]| name == b":status" || name == b"content-length" || name == b"content-type";
            reply.headers.iter().filter(|(name, _)| !own(name)).for_each(|(name, value)| headers.push(name, value));
            false
        }
        _ => true,
    });
    headers
}

fn grpc_token(args: &Args) -> Answered {
    let known_kind = matches!(args.int(0) & 3, 1 | 2);
    Err(if known_kind { Status::NotFound.into() } else { Status::BadArgument.into() })
}
