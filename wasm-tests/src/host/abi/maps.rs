//! Header maps: request, response, and the response of the callout whose callback is running.
//! Follows `getConstMap`, `getMap` and their callers in Envoy's `context.cc`.

use super::Import;
use crate::host::engine::Args;
use crate::host::guest::Guest;
use crate::host::headers::Headers;
use crate::host::profile::Removal;
use crate::host::status::{Answered, Status};
use crate::host::vm_state::Message;

pub(super) const CALLS: &[Import] = &[
    Import::new("proxy_get_header_map_value", "iiiii", get).about(1),
    Import::new("proxy_get_header_map_pairs", "iii", get_pairs),
    Import::new("proxy_get_header_map_size", "ii", get_size),
    Import::new("proxy_add_header_map_value", "iiiii", add).about(1),
    Import::new("proxy_replace_header_map_value", "iiiii", replace).about(1),
    Import::new("proxy_remove_header_map_value", "iii", remove).about(1),
    Import::new("proxy_set_header_map_pairs", "iii", set_pairs),
];

const REQUEST: u32 = 0;
const RESPONSE: u32 = 2;
const CALLOUT_RESPONSE: u32 = 6;
const LAST: u32 = 7;

fn get(guest: &mut Guest<'_>, args: &Args) -> Answered {
    let map = known_map(args)?;
    let name = guest.bytes(args, 1)?;
    let (header, keeps) = (guest.gateway().profile.header, guest.gateway().profile.keeps_at_hand);
    let logging = guest.state_mut().stream().is_some_and(|stream| stream.logging);
    let absent = if logging || keeps { Status::NotFound } else { Status::BadArgument };
    let headers = readable(guest, map).ok_or(absent)?;
    let value = header(headers, &name)?.ok_or(Status::NotFound)?;
    guest.hand_out(&value, args, 3)
}

/// A map that is not at hand reads as an empty one, or has a status.
fn get_pairs(guest: &mut Guest<'_>, args: &Args) -> Answered {
    let map = known_map(args)?;
    let all = guest.gateway().profile.map;
    let headers = match message(guest, map) {
        Some(Message { headers, hidden, .. }) => {
            let fields = headers.iter().enumerate();
            fields.filter(|(place, _)| !hidden.contains(place)).map(|(_, field)| field).collect()
        }
        None => match (readable(guest, map).cloned(), early_headers(guest, map), guest.gateway().profile.absent_map) {
            (Some(headers), _, _) | (None, Some(headers), _) => headers,
            (None, None, Some(status)) => return Err(status.into()),
            (None, None, None) => Headers::new(),
        },
    };
    let headers = all(&headers)?;
    let bytes = if headers.is_empty() { Vec::new() } else { headers.serialize() };
    guest.hand_out(&bytes, args, 1)
}

/// What there is of the headers of a response before there is one.
fn early_headers(guest: &Guest<'_>, map: u32) -> Option<Headers> {
    let mut headers = Headers::new();
    let shown = guest.gateway().profile.early_response_headers.filter(|_| map == RESPONSE)?;
    shown.iter().for_each(|(name, value)| headers.push(name, value));
    Some(headers)
}

fn get_size(guest: &mut Guest<'_>, args: &Args) -> Answered {
    let map = known_map(args)?;
    let size = writable(guest, map)?.byte_size();
    guest.write_u32(args.int(1), u32::try_from(size).map_err(|_| Status::InternalFailure)?)
}

fn add(guest: &mut Guest<'_>, args: &Args) -> Answered {
    let map = known_map(args)?;
    let (name, value) = (guest.bytes(args, 1)?, guest.bytes(args, 3)?);
    let (joins, empty_removes) = (guest.gateway().profile.joins, guest.gateway().profile.empty_removes);
    let headers = writable(guest, map)?;
    if empty_removes && value.is_empty() {
        headers.remove(&name);
    } else {
        headers.add(joins, &name, &value);
    }
    Ok(())
}

fn replace(guest: &mut Guest<'_>, args: &Args) -> Answered {
    let map = known_map(args)?;
    let (name, value) = (guest.bytes(args, 1)?, guest.bytes(args, 3)?);
    let (replace, removal) = (guest.gateway().profile.replace, guest.gateway().profile.removal);
    let empty_removes = guest.gateway().profile.empty_removes;
    let headers = writable(guest, map)?;
    if empty_removes && value.is_empty() {
        headers.remove(&name);
    } else if (removal, map) != (Removal::Hides, REQUEST) {
        replace(headers, &name, &value);
    } else if let Some(message) = message(guest, map) {
        replace_visible(message, &name, &value);
    }
    Ok(())
}

/// Sets the first visible field of the name and hides its other visible ones; without any, appends one.
fn replace_visible(message: &mut Message, name: &[u8], value: &[u8]) {
    let mut places = visible(message, name).into_iter();
    match places.next() {
        Some(first) => message.headers.set_at(first, value),
        None => message.headers.push(name, value),
    }
    message.hidden.extend(places);
}

fn visible(message: &Message, name: &[u8]) -> Vec<usize> {
    let name = name.to_ascii_lowercase();
    let fields = message.headers.iter().enumerate();
    let visible = fields.filter(|(place, (field, _))| *field == name && !message.hidden.contains(place));
    visible.map(|(place, _)| place).collect()
}

fn remove(guest: &mut Guest<'_>, args: &Args) -> Answered {
    let map = known_map(args)?;
    let name = guest.bytes(args, 1)?;
    let removal = guest.gateway().profile.removal;
    let headers = writable(guest, map)?;
    match (removal, map) {
        (Removal::Hides, REQUEST) => {
            if let Some(message) = message(guest, map) {
                let places = visible(message, &name);
                message.hidden.extend(places);
            }
        }
        _ => headers.remove(&name),
    }
    Ok(())
}

fn set_pairs(guest: &mut Guest<'_>, args: &Args) -> Answered {
    let map = known_map(args)?;
    let pairs = Headers::parse(&guest.bytes(args, 1)?);
    let (joins, removal) = (guest.gateway().profile.joins, guest.gateway().profile.removal);
    let headers = writable(guest, map)?;
    if (removal, map) == (Removal::Hides, REQUEST) {
        if let Some(message) = message(guest, map) {
            message.hidden.extend(0..message.headers.len());
            pairs.iter().for_each(|(name, value)| replace_visible(message, name, value));
        }
        return Ok(());
    }
    *headers = Headers::new();
    for (name, value) in pairs.iter() {
        headers.add(joins, name, value);
    }
    Ok(())
}

fn known_map(args: &Args) -> Result<u32, Status> {
    Some(args.int(0)).filter(|map| *map <= LAST).ok_or(Status::BadArgument)
}

fn message<'a>(guest: &'a mut Guest<'_>, map: u32) -> Option<&'a mut Message> {
    let stream = guest.state_mut().stream()?;
    let message = match map {
        REQUEST => &mut stream.request,
        RESPONSE => &mut stream.response,
        _ => return None,
    };
    (message.headers_at_hand || (stream.logging && !message.headers.is_empty())).then_some(message)
}

fn readable<'a>(guest: &'a mut Guest<'_>, map: u32) -> Option<&'a Headers> {
    if map == CALLOUT_RESPONSE {
        return guest.state().callout.as_ref().map(|response| &response.headers);
    }
    message(guest, map).map(|message| &message.headers)
}

fn writable<'a>(guest: &'a mut Guest<'_>, map: u32) -> Result<&'a mut Headers, Status> {
    let stream = guest.state_mut().stream().ok_or(Status::BadArgument)?;
    let message = match map {
        REQUEST => &mut stream.request,
        RESPONSE => &mut stream.response,
        _ => return Err(Status::BadArgument),
    };
    message.headers_at_hand.then_some(&mut message.headers).ok_or(Status::BadArgument)
}
