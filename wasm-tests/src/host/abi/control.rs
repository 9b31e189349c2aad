//! Logs, time, ticks, properties, contexts and streams. Follows `exports.cc` of proxy-wasm-cpp-host.

use super::Import;
use crate::host::engine::Args;
use crate::host::gateway_state::{Event, Tick};
use crate::host::guest::Guest;
use crate::host::profile::PropertyQuery;
use crate::host::record::{Level, Log};
use crate::host::status::{Answered, Refused, Status};
use crate::host::vm_state::Action;
use std::time::Duration;

pub(super) const CALLS: &[Import] = &[
    Import::new("proxy_log", "iii", log).always(),
    Import::new("proxy_get_log_level", "i", get_log_level),
    Import::new("proxy_get_current_time_nanoseconds", "i", get_current_time),
    Import::new("proxy_set_tick_period_milliseconds", "i", set_tick_period),
    Import::new("proxy_get_property", "iiii", get_property).about(0),
    Import::new("proxy_set_property", "iiii", set_property).about(0),
    Import::new("proxy_get_status", "iii", get_status),
    Import::new("proxy_set_effective_context", "i", set_effective_context),
    Import::new("proxy_done", "", done),
    Import::new("proxy_continue_stream", "i", continue_stream),
    Import::new("proxy_close_stream", "i", close_stream),
    Import::new("proxy_call_foreign_function", "iiiiii", call_foreign_function).about(0),
];

fn log(guest: &mut Guest<'_>, args: &Args) -> Answered {
    let level = Level::from_number(args.int(0)).ok_or(Status::BadArgument)?;
    let text = guest.bytes(args, 1)?;
    write_log(guest, level, &text);
    Ok(())
}

/// Also what WASI's stdout and stderr end in.
pub(super) fn write_log(guest: &Guest<'_>, level: Level, text: &[u8]) {
    let mut gateway = guest.gateway_mut();
    if level >= gateway.settings.log_level {
        let (bytes, text) = (text.to_vec(), String::from_utf8_lossy(text).into_owned());
        let at = gateway.clock.wall;
        gateway.logs.push(Log { at, worker: guest.state().worker, level, text, bytes });
    }
}

fn get_log_level(guest: &mut Guest<'_>, args: &Args) -> Answered {
    let level = guest.gateway().settings.log_level as u32;
    guest.write_u32(args.int(0), level)
}

fn get_current_time(guest: &mut Guest<'_>, args: &Args) -> Answered {
    let now = nanoseconds(guest.gateway().clock.wall);
    guest.write_u64(args.int(0), now)
}

pub(super) fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

fn set_tick_period(guest: &mut Guest<'_>, args: &Args) -> Answered {
    let period = Duration::from_millis(args.int(0).into());
    let once = guest.gateway().profile.ticks.once;
    let state = guest.state_mut();
    let root = state.root();
    if once && state.stream().is_some() {
        return Err(Refused::Trap("only the root context can set a tick period".to_owned()).into());
    }
    let earlier = state.ticks.get(&root);
    if once && !period.is_zero() && earlier.is_some_and(|(period, _)| !period.is_zero()) {
        return Err(Refused::Trap("the tick period has already been set".to_owned()).into());
    }
    let generation = earlier.map_or(0, |(_, generation)| generation + 1);
    let (vm, worker) = (state.id, state.worker);
    state.ticks.insert(root, (period, generation));
    if !period.is_zero() {
        guest.gateway_mut().plan(period, Event::Tick(Tick { vm, worker, root, generation, period }));
    }
    Ok(())
}

fn get_property(guest: &mut Guest<'_>, args: &Args) -> Answered {
    let path = guest.bytes(args, 0)?;
    let value = property(guest, &path)?;
    guest.hand_out(&value, args, 2)
}

fn property(guest: &mut Guest<'_>, path: &[u8]) -> Answered<Vec<u8>> {
    let (read, spelling) = (guest.gateway().profile.property, guest.gateway().profile.spelling);
    let path = spelling(path);
    if let Some(stream) = guest.state_mut().stream() {
        if let Some(overridden) = stream.facts.peer.overridden(&path, spelling) {
            return Ok(overridden.map(<[u8]>::to_vec).ok_or(Status::NotFound)?);
        }
        if let Some(value) = stream.properties.get(&path) {
            return Ok(value.clone());
        }
    }
    let answer = ask(guest, &path, read);
    if let Err(Refused::Alert(_, line)) = &answer {
        write_log(guest, Level::Critical, format!("[alert] {line}").as_bytes());
    }
    Ok(answer?)
}

/// Asks the profile about a property in its own spelling.
fn ask<T>(guest: &mut Guest<'_>, path: &[u8], question: fn(&PropertyQuery<'_>) -> T) -> T {
    let segments: Vec<&[u8]> = path.split(|byte| *byte == 0).collect();
    let stream = guest.state_mut().stream();
    let stream = stream.as_deref();
    question(&PropertyQuery {
        path: &segments,
        stream: stream.map(|stream| &stream.facts),
        request: stream
            .filter(|stream| stream.request.headers_at_hand || stream.logging)
            .map(|stream| &stream.request.headers),
        response: stream
            .filter(|stream| stream.response.headers_at_hand || stream.logging)
            .map(|stream| &stream.response.headers),
    })
}

fn set_property(guest: &mut Guest<'_>, args: &Args) -> Answered {
    let (path, value) = (guest.bytes(args, 0)?, guest.bytes(args, 2)?);
    let (may, spelling) = (guest.gateway().profile.set_property, guest.gateway().profile.spelling);
    let path = spelling(&path);
    ask(guest, &path, may)?;
    let stream = guest.state_mut().stream().ok_or(Status::NotFound)?;
    stream.properties.insert(path, value);
    Ok(())
}

fn get_status(guest: &mut Guest<'_>, args: &Args) -> Answered {
    let (code, message) = guest.state().status;
    guest.write_u32(args.int(0), code)?;
    guest.hand_out(message.as_bytes(), args, 1)
}

fn set_effective_context(guest: &mut Guest<'_>, args: &Args) -> Answered {
    let context = args.int(0);
    let state = guest.state_mut();
    // 0 is the VM's own context: always there, and the same as none.
    if context != 0 && !state.contexts.contains_key(&context) {
        return Err(Status::BadArgument.into());
    }
    state.chosen = context;
    Ok(())
}

fn done(guest: &mut Guest<'_>, _: &Args) -> Answered {
    let state = guest.state_mut();
    if !std::mem::take(&mut state.done_pending) {
        return Err(Status::NotFound.into());
    }
    state.actions.push_back(Action::Done);
    Ok(())
}

fn continue_stream(guest: &mut Guest<'_>, args: &Args) -> Answered {
    let action = match args.int(0) {
        0 => Action::ContinueRequest,
        1 => Action::ContinueResponse,
        // The two sides of a TCP connection.
        2 => return Ok(()),
        3 => return Err(Status::Unimplemented.into()),
        _ => return Err(Status::BadArgument.into()),
    };
    let state = guest.state_mut();
    let context = state.effective();
    if let Some(stream) = state.stream() {
        // Envoy lets go of the request at once, although the stream moves on only after the VM call.
        stream.request.headers_at_hand = false;
        stream.request.body_at_hand = false;
        state.actions.push_back(action(context));
    }
    Ok(())
}

fn close_stream(guest: &mut Guest<'_>, args: &Args) -> Answered {
    match args.int(0) {
        0 | 1 => {
            let state = guest.state_mut();
            if state.stream().is_some() {
                state.actions.push_back(Action::Reset(state.effective()));
            }
            Ok(())
        }
        2 | 3 => Ok(()),
        _ => Err(Status::BadArgument.into()),
    }
}

/// Of Envoy's own functions only the one without effect here is known.
fn call_foreign_function(guest: &mut Guest<'_>, args: &Args) -> Answered {
    let name = guest.bytes(args, 0)?;
    guest.bytes(args, 2)?;
    if name == b"clear_route_cache" { Ok(()) } else { Err(Status::NotFound.into()) }
}
