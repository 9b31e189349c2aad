//! Header maps: request, response, and the response of the callout whose callback is running.
//! Follows `getConstMap`, `getMap` and their callers in Envoy's `context.cc`.

use super::Import;
use crate::host::guest::{Args, Guest};
use crate::host::headers::Headers;
use crate::host::status::{Answered, Status};

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

/// Appends a field as the profile's gateway does: joined to an earlier one, or apart.
pub(crate) fn add_field(headers: &mut Headers, joins: fn(&[u8]) -> Option<&'static [u8]>, name: &[u8], value: &[u8]) {
    let name = name.to_ascii_lowercase();
    match (joins(&name), headers.last_mut(&name)) {
        (Some(delimiter), Some(existing)) => {
            if !existing.is_empty() && !value.is_empty() {
                existing.extend(delimiter);
            }
            existing.extend(value);
        }
        _ => headers.push(name, value),
    }
}

fn get(guest: &mut Guest<'_>, args: &Args) -> Answered {
    let map = known_map(args)?;
    let name = guest.bytes(args, 1)?;
    let logging = guest.state_mut().stream().is_some_and(|stream| stream.logging);
    let absent = if logging { Status::NotFound } else { Status::BadArgument };
    let value = readable(guest, map).ok_or(absent)?.get(name).map(<[u8]>::to_vec).ok_or(Status::NotFound)?;
    guest.hand_out(&value, args, 3)
}

/// A map that is not at hand reads as an empty one, without an error.
fn get_pairs(guest: &mut Guest<'_>, args: &Args) -> Answered {
    let map = known_map(args)?;
    let headers = readable(guest, map).cloned().unwrap_or_default();
    let bytes = if headers.is_empty() { Vec::new() } else { headers.serialize() };
    guest.hand_out(&bytes, args, 1)
}

fn get_size(guest: &mut Guest<'_>, args: &Args) -> Answered {
    let map = known_map(args)?;
    let size = writable(guest, map)?.byte_size();
    guest.write_u32(args.int(1), u32::try_from(size).map_err(|_| Status::InternalFailure)?)
}

fn add(guest: &mut Guest<'_>, args: &Args) -> Answered {
    let map = known_map(args)?;
    let (name, value) = (guest.bytes(args, 1)?, guest.bytes(args, 3)?);
    let joins = guest.world().profile.joins;
    add_field(writable(guest, map)?, joins, &name, &value);
    Ok(())
}

fn replace(guest: &mut Guest<'_>, args: &Args) -> Answered {
    let map = known_map(args)?;
    let (name, value) = (guest.bytes(args, 1)?, guest.bytes(args, 3)?);
    writable(guest, map)?.set(name, value);
    Ok(())
}

fn remove(guest: &mut Guest<'_>, args: &Args) -> Answered {
    let map = known_map(args)?;
    let name = guest.bytes(args, 1)?;
    let remove = guest.world().profile.remove_header;
    remove(writable(guest, map)?, &name);
    Ok(())
}

fn set_pairs(guest: &mut Guest<'_>, args: &Args) -> Answered {
    let map = known_map(args)?;
    let pairs = Headers::parse(&guest.bytes(args, 1)?);
    let joins = guest.world().profile.joins;
    let headers = writable(guest, map)?;
    *headers = Headers::new();
    for (name, value) in pairs.iter() {
        add_field(headers, joins, name, value);
    }
    Ok(())
}

fn known_map(args: &Args) -> Result<u32, Status> {
    Some(args.int(0)).filter(|map| *map <= LAST).ok_or(Status::BadArgument)
}

fn readable<'a>(guest: &'a mut Guest<'_>, map: u32) -> Option<&'a Headers> {
    let state = guest.state_mut();
    if map == CALLOUT_RESPONSE {
        return state.callout.as_ref().map(|response| &response.headers);
    }
    let stream = state.stream()?;
    let message = match map {
        REQUEST => &stream.request,
        RESPONSE => &stream.response,
        _ => return None,
    };
    (message.headers_at_hand || (stream.logging && !message.headers.is_empty())).then_some(&message.headers)
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
