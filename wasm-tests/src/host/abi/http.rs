//! Callouts and local responses. Follows `httpCall` and `sendLocalResponse` in Envoy's `context.cc`; gRPC callouts
//! exist only as far as their refusals, because no upstream here speaks gRPC.

use super::Import;
use crate::host::callout::{Act, Callout, CalloutOutcome};
use crate::host::guest::{Args, Guest};
use crate::host::headers::Headers;
use crate::host::profile::{Dispatch, Owner};
use crate::host::status::{Answered, Refusal, Status};
use crate::host::vm::{Action, LocalReply};
use crate::host::world::Event;
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
    let world = guest.world();
    let server = world.upstreams.get(&upstream).cloned();
    let may = world.profile.dispatch;
    let owner = world.profile.owner;
    drop(world);
    may(&Dispatch { known_upstream: server.is_some(), headers: &headers, timeout })?;
    let answer = server.ok_or(Status::BadArgument)?.answer(&headers, &body);
    if matches!(answer.act, Act::Unavailable) {
        return Err(Status::InternalFailure.into());
    }
    let state = guest.state_mut();
    state.next_token += TOKEN_STEP;
    let (vm, worker, token) = (state.id, state.worker, state.next_token);
    let context = match owner {
        Owner::Root => state.root(),
        Owner::Dispatcher => state.effective(),
    };
    let timeout = (timeout > 0).then(|| Duration::from_millis(timeout.into()));
    let mut world = guest.world_mut();
    let at = world.clock.wall;
    let callout = world.callouts.len();
    let outcome = CalloutOutcome::InFlight;
    world.callouts.push(Callout { at, worker, upstream, headers, body, timeout, token, outcome, owner: (vm, context) });
    if let Some((delay, outcome)) = answer.within(timeout) {
        world.plan(delay, Event::Callout { callout, outcome });
    }
    Ok(token)
}

fn send_local_response(guest: &mut Guest<'_>, args: &Args) -> Answered {
    let status = args.int(0);
    let details = guest.bytes(args, 1)?;
    let body = guest.bytes(args, 3)?;
    let additional = Headers::parse(&guest.bytes(args, 5)?);
    let mut headers: Headers = [(":status", status.to_string())].into_iter().collect();
    let joins = guest.world().profile.joins;
    for (name, value) in additional.iter() {
        super::maps::add_field(&mut headers, joins, name, value);
    }
    if body.is_empty() {
        headers.remove("content-length");
        headers.remove("content-type");
    } else {
        headers.set("content-length", body.len().to_string());
        if !headers.has("content-type") {
            headers.push("content-type", "text/plain");
        }
    }
    let details = String::from_utf8_lossy(&details).split_whitespace().collect::<Vec<_>>().join("_");
    let reply = LocalReply { status: u16::try_from(status).unwrap_or(0), headers, body, details };
    let state = guest.state_mut();
    let context = state.effective();
    if state.stream().is_some() {
        state.actions.push_back(Action::Reply(context, reply));
    }
    // Even when it was for another stream, or for none.
    state.stop_iteration = true;
    Ok(())
}

fn grpc_token(args: &Args) -> Answered {
    let known_kind = matches!(args.int(0) & 3, 1 | 2);
    Err(if known_kind { Status::NotFound.into() } else { Status::BadArgument.into() })
}
