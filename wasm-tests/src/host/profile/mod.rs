//! A profile is one gateway's way of hosting proxy-wasm modules, as data: everything in which gateways differ.
//! The host asks it; the rest of the host is the ABI, which they share.
//!
//! | difference | its seat |
//! |---|---|
//! | names and encodings of properties | [`Profile::property`] |
//! | headers that the gateway adds, joins or refuses before the filter | [`Profile::receive`], [`Profile::joins`] |
//! | a removed header that is not removed | [`Profile::remove_header`] |
//! | imports that stop a module from loading | [`Profile::missing`] |
//! | calls that answer `Unimplemented` | [`Profile::unimplemented`] |
//! | which callouts may be dispatched, when, and with which headers | [`Profile::dispatch`] |
//! | what a failed callout looks like | [`Profile::failed`] |
//! | whose callback it is, and whether it outlives the request | [`Profile::owner`] |
//! | a request that goes upstream by itself after a callback | `Machine::deliver_callout`, a new field beside `owner` |
//! | waking another stream | `set_effective_context` in `abi/control.rs`, a new field |
//! | what a trap leaves behind | [`Profile::after_trap`] |
//! | a refused configuration | `Machine::load`, a new field beside `after_trap` |

mod envoy;

use super::callout::{Failure, Response};
use super::headers::Headers;
use super::request::{Peer, Request};
use super::status::Status;
use std::time::Duration;

/// One gateway's way of hosting modules. Take one and change a field to get a variant:
/// `Profile { after_trap: AfterTrap::Dead, ..Profile::envoy() }`.
#[derive(Clone)]
pub struct Profile {
    /// The gateway's name.
    pub name: &'static str,
    /// The value of a property.
    pub property: fn(&PropertyQuery<'_>) -> Result<Vec<u8>, Status>,
    /// The headers of a request as the filter first sees them, pseudo headers among them.
    pub receive: fn(&Request, &Facts) -> Headers,
    /// The delimiter with which a repeated field of this name is joined into one; `None` keeps it apart.
    pub joins: fn(name: &[u8]) -> Option<&'static [u8]>,
    /// What removing a header does.
    pub remove_header: fn(&mut Headers, name: &[u8]),
    /// Whether a callout to a known or unknown upstream with these headers may be dispatched.
    pub dispatch: fn(&Dispatch<'_>) -> Result<(), Status>,
    /// The response that the module gets for a failed callout; `None` is a callback without headers and body.
    pub failed: fn(Failure) -> Option<Response>,
    /// Which context a callout belongs to.
    pub owner: Owner,
    /// Imports that this gateway does not have: a module that names one cannot be loaded.
    pub missing: &'static [&'static str],
    /// Imports that always answer [`Status::Unimplemented`].
    pub unimplemented: &'static [&'static str],
    /// What a trap leaves behind.
    pub after_trap: AfterTrap,
    /// How long a request may wait in the filter before the gateway ends it.
    pub idle_timeout: Duration,
}

/// Which context a callout belongs to: it gets the callback, and its end cancels the callout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// The root context, whichever context dispatched: the callout outlives the request.
    Root,
    /// The context that dispatched: a callout of a request ends with it.
    Dispatcher,
}

/// What a trap leaves behind. Either way the trapping request gets 503, those who wait in the same VM keep waiting until
/// the gateway times them out with 503, and those at the bank get 503 for the bank's answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AfterTrap {
    /// The next request gets a fresh VM, if the failed one was loaded at least this long ago; until then 503.
    Reload(Duration),
    /// Every later request on this worker gets 503.
    Dead,
}

/// What the gateway knows about a request and its connection.
#[derive(Clone, Debug)]
pub struct Facts {
    /// The client's end of the connection.
    pub peer: Peer,
    /// The length of the request's body.
    pub body_size: usize,
    /// A number for the connection.
    pub connection: u64,
    /// A unique id for the request.
    pub request_id: String,
    /// The wall clock when the request arrived.
    pub arrived: Duration,
}

/// A question about a property.
pub struct PropertyQuery<'a> {
    /// The property's path, one entry a segment.
    pub path: &'a [&'a [u8]],
    /// The stream that asks, if it is one.
    pub stream: Option<&'a Facts>,
    /// The stream's request headers, while they are at hand.
    pub request: Option<&'a Headers>,
    /// The stream's response headers, while they are at hand.
    pub response: Option<&'a Headers>,
}

/// A callout that the module wants to dispatch.
pub struct Dispatch<'a> {
    /// Whether an upstream of that name has been scripted.
    pub known_upstream: bool,
    /// The request's headers.
    pub headers: &'a Headers,
    /// The timeout, in milliseconds.
    pub timeout: u32,
}
