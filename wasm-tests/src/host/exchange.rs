//! A request and what becomes of it: as the gateway knows it, and as a test is told.

use super::callout::Response;
use super::headers::Headers;
use super::vm_state::{LocalReply, Stream};

/// What has become of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It waits in the filter.
    Pending,
    /// It has reached the bank, with these headers. This stays so, whatever the client gets.
    Upstream(Headers),
    /// It has never reached the bank: the gateway answered.
    Replied(LocalReply),
    /// It has never reached the bank, and nobody answered.
    Failed(Cut),
}

/// How a request ended without an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// The client went away.
    ClientGone,
    /// The gateway closed the stream.
    Reset,
}

/// A request and what became of it.
pub(crate) struct ExchangeState {
    pub(crate) outcome: Outcome,
    pub(crate) response: Option<Response>,
    /// The request's body as the bank got it.
    pub(crate) body: Vec<u8>,
    /// The place of its VM.
    pub(crate) worker: usize,
    pub(crate) vm: u64,
    pub(crate) context: u32,
    pub(crate) stage: Stage,
    pub(crate) flow: Flow,
    /// The stream, while it is in no VM.
    pub(crate) parked: Option<Stream>,
    /// Whether nothing more of it is shown to the filter.
    pub(crate) unfiltered: bool,
    /// The plugin configuration of its route.
    pub(crate) configuration: Vec<u8>,
    /// Whether the module is being called for the request: a reply has to wait until that is over.
    pub(crate) called: bool,
    /// The reply that waits; the first of several.
    pub(crate) prepared: Option<LocalReply>,
    /// The details of a local reply on its way out.
    pub(crate) details: Option<String>,
    /// The length of the response's body, as it was announced before the filter saw it.
    pub(crate) announced_length: Option<usize>,
    /// What stands in the status line of the response after the protocol, where it is not the status and its phrase.
    pub(crate) status_line: Option<String>,
    /// Whether the response has no body, whatever its headers say.
    pub(crate) is_head: bool,
    /// Whether the client has gone, and the gateway has not noticed.
    pub(crate) hung_up: bool,
}

/// Where a request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stage {
    RequestHeaders,
    /// The body's bytes; after them, its end.
    RequestBody,
    RequestEnd,
    Bank,
    ResponseHeaders,
    ResponseBody,
    ResponseEnd,
    Over,
}

/// What it does there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flow {
    Paused,
    Goes,
}
