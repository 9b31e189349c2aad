//! Buffers, shared data and shared queues. Follows `exports.cc` and `shared_queue.cc` of proxy-wasm-cpp-host, and
//! `getBuffer` of Envoy's `context.cc`.

use super::Import;
use crate::host::engine::Args;
use crate::host::gateway_state::{Event, Queue};
use crate::host::guest::Guest;
use crate::host::profile::Slice;
use crate::host::status::{Answered, Refused, Status};
use std::collections::VecDeque;
use std::time::Duration;

pub(super) const CALLS: &[Import] = &[
    Import::new("proxy_get_buffer_bytes", "iiiii", get_buffer_bytes),
    Import::new("proxy_get_buffer_status", "iii", get_buffer_status),
    Import::new("proxy_set_buffer_bytes", "iiiii", set_buffer_bytes),
    Import::new("proxy_get_shared_data", "iiiii", get_shared_data).about(0),
    Import::new("proxy_set_shared_data", "iiiii", set_shared_data).about(0),
    Import::new("proxy_register_shared_queue", "iii", register_shared_queue).about(0),
    Import::new("proxy_resolve_shared_queue", "iiiii", resolve_shared_queue).about(2),
    Import::new("proxy_enqueue_shared_queue", "iii", enqueue_shared_queue),
    Import::new("proxy_dequeue_shared_queue", "iii", dequeue_shared_queue),
];

const REQUEST_BODY: u32 = 0;
const RESPONSE_BODY: u32 = 1;
const CALLOUT_BODY: u32 = 4;
const VM_CONFIGURATION: u32 = 6;
const PLUGIN_CONFIGURATION: u32 = 7;
const CALL_DATA: u32 = 8;

fn get_buffer_bytes(guest: &mut Guest<'_>, args: &Args) -> Answered {
    let buffer = buffer(guest, args.int(0))?;
    let (start, length) = (args.int(1) as usize, args.int(2) as usize);
    let slice = guest.gateway().profile.slice;
    let configuration = args.int(0) == PLUGIN_CONFIGURATION;
    match slice(Slice { buffer: &buffer, start, length, configuration })? {
        Some(value) => guest.hand_out(value, args, 3),
        // Nothing is written.
        None => Ok(()),
    }
}

fn get_buffer_status(guest: &mut Guest<'_>, args: &Args) -> Answered {
    let length = buffer(guest, args.int(0))?.len();
    guest.write_u32(args.int(1), u32::try_from(length).map_err(|_| Status::InternalFailure)?)?;
    guest.write_u32(args.int(2), 0)
}

fn buffer(guest: &mut Guest<'_>, kind: u32) -> Answered<Vec<u8>> {
    match kind {
        REQUEST_BODY | RESPONSE_BODY => {
            // A body that is not at hand is empty, not an error.
            let body = guest.state_mut().stream().and_then(|stream| {
                let message = if kind == REQUEST_BODY { &stream.request } else { &stream.response };
                message.body_at_hand.then(|| message.body.clone())
            });
            Ok(body.unwrap_or_default())
        }
        // The two directions of a TCP connection, a gRPC message, and the data of other calls: always empty here.
        2 | 3 | 5 | CALL_DATA => Ok(Vec::new()),
        CALLOUT_BODY => {
            let outside = guest.gateway().profile.callout_body_outside.clone();
            let state = guest.state();
            match &state.callout {
                Some(_) if !state.callout_body_readable => Err(Status::BadArgument.into()),
                Some(response) => Ok(response.body.clone()),
                None if state.during == "proxy_on_http_call_response" => Err(Status::NotFound.into()),
                None => Err(outside.into()),
            }
        }
        VM_CONFIGURATION => Ok(guest.gateway().settings.vm_configuration.clone()),
        PLUGIN_CONFIGURATION => {
            let at_hand = guest.state().configuring || guest.gateway().profile.keeps_at_hand;
            let state = guest.state();
            let root = state.contexts.get(&state.root()).filter(|_| at_hand);
            Ok(root.map(|root| root.configuration.clone()).ok_or(Status::NotFound)?)
        }
        _ => Err(Status::BadArgument.into()),
    }
}

/// A prefix, a suffix or the whole can be written; nothing in the middle.
fn set_buffer_bytes(guest: &mut Guest<'_>, args: &Args) -> Answered {
    let kind = args.int(0);
    if buffer(guest, kind).map(|_| kind)? > RESPONSE_BODY {
        return Err(Status::BadArgument.into());
    }
    let (start, length) = (args.int(1) as usize, args.int(2) as usize);
    let data = guest.bytes(args, 3)?;
    if kind == RESPONSE_BODY && guest.gateway().profile.rewriting_kills {
        return Err(Refused::Crash("links of nginx's chains were freed with a response's body".to_owned()).into());
    }
    let stream = guest.state_mut().stream().ok_or(Status::BadArgument)?;
    let message = if kind == REQUEST_BODY { &mut stream.request } else { &mut stream.response };
    if !message.body_at_hand {
        return Err(Status::BadArgument.into());
    }
    match (start, length) {
        (0, 0) => drop(message.body.splice(..0, data)),
        (0, length) if length >= message.body.len() => message.body = data,
        (start, _) if start > 0 && start >= message.body.len() => message.body.extend(data),
        _ => return Err(Status::BadArgument.into()),
    }
    Ok(())
}

fn get_shared_data(guest: &mut Guest<'_>, args: &Args) -> Answered {
    let key = guest.bytes(args, 0)?;
    let (value, cas) = guest.gateway().shared_data.get(&key)?;
    guest.hand_out(&value, args, 2)?;
    guest.write_u32(args.int(4), cas)
}

fn set_shared_data(guest: &mut Guest<'_>, args: &Args) -> Answered {
    let (key, value) = (guest.bytes(args, 0)?, guest.bytes(args, 2)?);
    Ok(guest.gateway_mut().shared_data.set(&key, &value, args.int(4))?)
}

fn register_shared_queue(guest: &mut Guest<'_>, args: &Args) -> Answered {
    let name = guest.bytes(args, 0)?;
    let (vm, root) = (guest.state().id, guest.state().root());
    let token = find_queue(guest, &name).unwrap_or_else(|| {
        let queues = &mut guest.gateway_mut().queues;
        queues.push(Queue { name, vm, root, entries: VecDeque::new() });
        u32::try_from(queues.len()).expect("few queues")
    });
    guest.write_u32(args.int(2), token)
}

/// The VM id at the first place is not looked at: all VMs here have the same.
fn resolve_shared_queue(guest: &mut Guest<'_>, args: &Args) -> Answered {
    guest.bytes(args, 0)?;
    let name = guest.bytes(args, 2)?;
    let token = find_queue(guest, &name).ok_or(Status::NotFound)?;
    guest.write_u32(args.int(4), token)
}

fn find_queue(guest: &Guest<'_>, name: &[u8]) -> Option<u32> {
    let place = guest.gateway().queues.iter().position(|queue| queue.name == name)?;
    u32::try_from(place + 1).ok()
}

fn enqueue_shared_queue(guest: &mut Guest<'_>, args: &Args) -> Answered {
    let (token, entry) = (args.int(0), guest.bytes(args, 1)?);
    let mut gateway = guest.gateway_mut();
    let queue = queue(&mut gateway.queues, token)?;
    queue.entries.push_back(entry);
    let event = Event::Queue { vm: queue.vm, root: queue.root, token };
    gateway.plan(Duration::ZERO, event);
    Ok(())
}

fn dequeue_shared_queue(guest: &mut Guest<'_>, args: &Args) -> Answered {
    let entry = queue(&mut guest.gateway_mut().queues, args.int(0))?.entries.pop_front();
    guest.hand_out(&entry.ok_or(Status::Empty)?, args, 1)
}

fn queue(queues: &mut [Queue], token: u32) -> Result<&mut Queue, Status> {
    (token as usize).checked_sub(1).and_then(|place| queues.get_mut(place)).ok_or(Status::NotFound)
}
