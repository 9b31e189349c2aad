//! A profile is one gateway's way of hosting proxy-wasm modules, as data: everything in which gateways differ.
//! The host asks it; the rest of the host is the ABI, which they share.
//!
//! | difference | field |
//! |---|---|
//! | what compiles and runs the module | [`Profile::engine`] |
//! | names and encodings of properties | [`Profile::property`], [`Profile::set_property`], [`Profile::spelling`] |
//! | headers that the gateway adds, joins or refuses before the filter | [`Profile::receive`], [`Profile::joins`] |
//! | what a module sees of the headers | [`Profile::map`], [`Profile::header`], [`Profile::announced`] |
//! | a removed header that is not removed | [`Profile::removal`] |
//! | imports that stop a module from loading | [`Profile::missing`] |
//! | calls that answer `Unimplemented`, do nothing, or trap | [`Profile::unimplemented`], [`Profile::silent`], [`Profile::trapping`] |
//! | calls outside a request | [`Profile::outside`], [`Profile::silent_start`] |
//! | which callouts may be dispatched, when, and with which headers | [`Profile::dispatch`], [`Profile::keeps_pseudo_headers`] |
//! | what a failed or broken callout looks like | [`Profile::failed`], [`Profile::dispatch_status`], [`Profile::half_answers`] |
//! | how long a callout may take | [`Profile::timeouts`] |
//! | whose callback it is, and whether it outlives the request | [`Profile::owner`] |
//! | exports that must exist | [`Profile::unchecked_exports`] |
//! | responses as bytes | [`Profile::writes_http`] |
//! | what a callout leaves behind | [`Profile::reuses_callout_buffers`], [`Profile::forgets_unread_bodies`] |
//! | clients that hang up | [`Profile::notices_hang_ups_late`] |
//! | answers of other forms | [`Profile::reads_callouts_badly`] |
//! | a request that goes upstream by itself after a callback | [`Profile::after_callback`], [`Profile::after_call`] |
//! | waking another stream | `proxy_set_effective_context` and `proxy_continue_stream` in [`Profile::silent`] |
//! | what a local reply becomes | [`Profile::local_reply`], [`Profile::second_reply`], [`Profile::reply_in_response`] |
//! | what a trap leaves behind | [`Profile::after_trap`] |
//! | a module that cannot be loaded, or refuses its configuration | [`Profile::unloadable`], [`Profile::refused`] |

mod apisix;
mod envoy;
mod kong;
mod nginx;
mod rules;

pub use rules::{
    AfterCallback, AfterTrap, Bodies, Dispatch, Engine, Facts, Forward, Given, HalfAnswers, Isolation, Metrics, Move,
    Owner, PropertyQuery, Removal, Reply, ReplyInResponse, Returned, RootContexts, SecondReply, SharedStore, Slice,
    Ticks, Tokens, TurnedAway, Unusable,
};

use super::callout::{CalloutOutcome, Failure, Response, Timeouts};
use super::headers::Headers;
use super::record::Level;
use super::request::Request;
use super::status::{Refused, Status};
use std::time::Duration;

/// One gateway's way of hosting modules. Take one and change a field to get a variant:
/// `Profile { after_trap: AfterTrap::Dead, ..Profile::envoy() }`.
#[derive(Clone)]
pub struct Profile {
    /// The gateway's name.
    pub name: &'static str,
    /// The engine that runs the module.
    pub engine: Engine,
    /// The value of a property.
    pub property: fn(&PropertyQuery<'_>) -> Result<Vec<u8>, Refused>,
    /// Whether a property may be set for its stream.
    pub set_property: fn(&PropertyQuery<'_>) -> Result<(), Refused>,
    /// The one spelling of a property's path, of all that mean the same.
    pub spelling: fn(&[u8]) -> Vec<u8>,
    /// The headers of a request as the filter first sees them, pseudo headers among them.
    pub receive: fn(&Request, &Facts) -> Result<Headers, TurnedAway>,
    /// The delimiter with which a repeated field of this name is joined into one; `None` keeps it apart.
    pub joins: fn(name: &[u8]) -> Option<&'static [u8]>,
    /// The map of all headers that a module gets.
    pub map: fn(&Headers) -> Result<Headers, Refused>,
    /// The value that a module gets when it asks for a header by its name.
    pub header: fn(&Headers, name: &[u8]) -> Given<Vec<u8>>,
    /// The number of headers, and whether the stream ends with them, as the callback is told.
    pub announced: fn(&Headers, end_of_stream: bool) -> (usize, bool),
    /// What replacing a header does, unless removal hides.
    pub replace: fn(&mut Headers, name: &[u8], value: &[u8]),
    /// What removing a request header does.
    pub removal: Removal,
    /// What asking for the map of headers that are not there returns; `None` is an empty map.
    pub absent_map: Option<Status>,
    /// What the map of a response's headers shows before there is a response; `None` is as for any map that is not there.
    pub early_response_headers: Option<&'static [(&'static str, &'static str)]>,
    /// Whether headers and configuration can be read at any time, not only in their callback.
    pub keeps_at_hand: bool,
    /// Whether giving a header an empty value removes it.
    pub empty_removes: bool,
    /// What of a buffer a module gets; `None` is OK and nothing written.
    pub slice: for<'a> fn(Slice<'a>) -> Given<&'a [u8]>,
    /// What reading a callout's body does when no callout's callback is running.
    pub callout_body_outside: Refused,
    /// How bodies are shown.
    pub bodies: Bodies,
    /// Exports that are called without a look whether they exist: the worker dies where one does not.
    pub unchecked_exports: &'static [&'static str],
    /// Whether the gateway writes HTTP/1.1 itself, so that every response is read as a strict client reads it.
    pub writes_http: bool,
    /// The headers with which a request goes upstream, or the gateway's own answer to it.
    pub forward: fn(&Forward<'_>) -> Result<Headers, Response>,
    /// What a local reply becomes; `None` is no reply at all.
    pub local_reply: fn(&Reply<'_>) -> Given<Response>,
    /// What a second local reply does.
    pub second_reply: SecondReply,
    /// What a local reply does once the response is on its way.
    pub reply_in_response: ReplyInResponse,
    /// Whether a callout that is in flight swallows a local reply.
    pub callout_before_reply: bool,
    /// Whether the buffers of a callout's body, and of those before it in the same request, are in use after an answer without a
    /// body: in its callback another callout with a body has the worker spin for ever, and a reply with a body is lost with its
    /// connection.
    pub reuses_callout_buffers: bool,
    /// Whether what the client still sends of a body is read as its next requests, and kills the worker at some time, after a reply in
    /// the callback of a callout that leaves the connection open.
    pub forgets_unread_bodies: bool,
    /// Whether rewriting the body of a response frees what is not the module's, and kills the worker at some time.
    pub rewriting_kills: bool,
    /// Whether a callout in the callback of another one goes over the connection of that one, even if the server is about to close
    /// it; unless that callout has said `connection: close`. An informational answer counts as final there, and the real one as the
    /// answer to the next callout.
    pub keeps_connections: bool,
    /// Whether a callout that asks for it by `x-envoy-retry-on` is made once more where its connection ends before any answer.
    pub repeats_resets: bool,
    /// Whether a client that hangs up is noticed only when no callout of its request is in flight.
    pub notices_hang_ups_late: bool,
    /// Whether of an answer to a callout only HTTP/1.1 with a length or in chunks can be read, and one that is only
    /// informational counts as final.
    pub reads_callouts_badly: bool,
    /// How a callout that may be dispatched fails, whatever the server.
    pub unreachable: fn(&Dispatch<'_>) -> Option<Failure>,
    /// Whether a callout may be dispatched.
    pub dispatch: fn(&Dispatch<'_>) -> Result<(), Refused>,
    /// Whether a callout's missing `:method`, `:path` or `:scheme` is that of an earlier one of the worker.
    pub keeps_pseudo_headers: bool,
    /// What a callout's timeout limits.
    pub timeouts: Timeouts,
    /// The response that the module gets for a failed callout; `None` is a callback without headers and body.
    pub failed: fn(Failure) -> Option<Response>,
    /// What a module gets of an answer whose connection broke in its body.
    pub half_answers: HalfAnswers,
    /// The value of `:dispatch_status` in the answer to a callout.
    pub dispatch_status: fn(&CalloutOutcome) -> Option<&'static str>,
    /// The number of headers of an answer to a callout, as the callback is told.
    pub answer_headers: fn(&Headers) -> usize,
    /// The number of headers in the answer to a callout at which the worker dies.
    pub deadly_answer_headers: Option<usize>,
    /// The response that the client gets when the bank's backend fails.
    pub bank_failed: fn(Failure) -> Option<Response>,
    /// Where the numbers of callouts come from.
    pub tokens: Tokens,
    /// Which context a callout belongs to.
    pub owner: Owner,
    /// Whether a callout without an answer has a callback. Elsewhere it is as if that had returned.
    pub reports_failed_callouts: bool,
    /// What becomes of a request when the callback of its last callout has returned.
    pub after_callback: AfterCallback,
    /// What becomes of a request after a call for its headers or body.
    pub after_call: fn(Returned) -> Move,
    /// Whether a response goes on whatever the module returns.
    pub response_always_goes: bool,
    /// Imports that this gateway does not have: a module that names one cannot be loaded.
    pub missing: &'static [&'static str],
    /// Imports that always answer `Status::Unimplemented`.
    pub unimplemented: &'static [&'static str],
    /// Imports that always answer OK and do nothing.
    pub silent: &'static [&'static str],
    /// Imports that always trap.
    pub trapping: &'static [&'static [&'static str]],
    /// What a call of this name does outside a request, where that differs.
    pub outside: fn(name: &str) -> Option<Refused>,
    /// Whether any proxy-wasm call while the module initializes itself kills the worker.
    pub silent_start: bool,
    /// How shared data work.
    pub shared_data: SharedStore,
    /// How metrics differ.
    pub metrics: Metrics,
    /// How ticks differ.
    pub ticks: Ticks,
    /// When root contexts are made and configured.
    pub root_contexts: RootContexts,
    /// Whether streams end with `proxy_on_log`.
    pub logs: bool,
    /// Whether the numbers of contexts that have ended are given out again.
    pub reuses_contexts: bool,
    /// Which requests share a VM.
    pub isolation: Isolation,
    /// What a module that cannot be loaded leads to.
    pub unloadable: Unusable,
    /// What a module that refuses its configuration leads to.
    pub refused: Unusable,
    /// What a trap leaves behind.
    pub after_trap: AfterTrap,
    /// Whether the steady clock begins with the VM, instead of with the machine.
    pub clock_begins_with_vm: bool,
    /// How long a request may wait in the filter before the gateway ends it.
    pub idle_timeout: Duration,
    /// The lowest level that the gateway logs unless told otherwise.
    pub log_level: Level,
}

impl Profile {
    /// Panics unless its engine counts fuel.
    #[track_caller]
    pub(crate) fn assert_counts_fuel(&self) {
        assert!(self.engine.counts_fuel(), "{} counts no fuel: take Engine::Metered", self.engine);
    }
}
