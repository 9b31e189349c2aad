//! The vocabulary of profiles: what a gateway asks its profile about, and the kinds of behaviour that gateways differ in.

use crate::host::headers::Headers;
use crate::host::request::Peer;
use crate::host::status::Refused;
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

/// What compiles and runs a module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// The release of wasmtime that this package is built with. It counts fuel: a call that does not end is a trap, and what a call
    /// costs is the same on every machine. It stands for V8, which Envoy has.
    Metered,
    /// wasmtime 0.38, in APISIX's wasm-nginx-module 0.7.
    Wasmtime0_38,
    /// wasmtime 14, in Kong 3.6.
    Wasmtime14,
    /// wasmtime 19, in Kong 3.7.
    Wasmtime19,
    /// wasmtime 26, in Kong 3.9.
    Wasmtime26,
}

impl Engine {
    /// How many there are.
    pub(crate) const COUNT: usize = 5;

    /// Whether it counts what calls cost, and ends those that cost more than they may.
    pub fn counts_fuel(self) -> bool {
        self == Engine::Metered
    }
}

impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Engine::Metered => "wasmtime with fuel",
            Engine::Wasmtime0_38 => "wasmtime 0.38",
            Engine::Wasmtime14 => "wasmtime 14",
            Engine::Wasmtime19 => "wasmtime 19",
            Engine::Wasmtime26 => "wasmtime 26",
        })
    }
}

/// What a module gets, if anything.
pub type Given<T> = Result<Option<T>, Refused>;

/// Which context a callout belongs to: it gets the callback, and its end cancels the callout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// The root context, whichever context dispatched: the callout outlives the request.
    Root,
    /// The context that dispatched: a callout of a request ends with it.
    Dispatcher,
    /// The context that dispatched, although the callback is told the number of the root context.
    DispatcherAsRoot,
}

/// What a trap leaves behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AfterTrap {
    /// The next request gets a fresh VM, if the failed one was loaded at least this long ago; until then 503. The trapping
    /// request gets 503, those who wait in the same VM keep waiting until the gateway times them out with 503, and those
    /// at the bank get 503 for the bank's answer.
    Reload(Duration),
    /// Every later request on this worker gets 503; otherwise like `Reload`.
    Dead,
    /// A trap in a request is a 500; one in the callback of a callout lets the request go upstream. Those who wait in the
    /// same VM get their callback in a fresh one, which does not know it, and go upstream too.
    FailOpen,
    /// The trapping request gets 503, those who wait get it when their callout ends, and so does every later request on this
    /// worker. Responses pass the failed plugin as they are.
    Bricked,
    /// The worker process dies.
    Crash,
}

/// What removing a header does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Removal {
    /// The header is gone.
    Removes,
    /// The header is gone from the map of all headers; it can still be read by name, and still goes upstream.
    Hides,
}

/// How a module is shown a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bodies {
    /// Its bytes, and then its end.
    BytesThenEnd,
    /// A request's once, whole; of a response's each part that nginx has read, with a guess whether it is the last.
    OfNginx,
    /// Not at all.
    Hidden,
}

/// What a second local reply to the same request does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SecondReply {
    /// Nothing: the first wins.
    Ignored,
    /// The module traps.
    Traps,
    /// It wins, and the headers of both are sent.
    Wins,
}

/// What a local reply does once the response is on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplyInResponse {
    /// It replaces the response.
    Replaces,
    /// Its status and body replace the status and the first part of the body of the response; its headers are dropped, and its
    /// details are the status line.
    StatusAndFirstPart,
    /// Its headers are added to the response; its status and body are dropped.
    HeadersOnly,
}

/// What a module gets of an answer whose connection broke in its body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HalfAnswers {
    /// A failed callout.
    Fail,
    /// A success with the whole body's size; only reading the body fails.
    FalselySucceed,
}

/// Where the numbers of callouts come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tokens {
    /// Each VM counts its own, from 4 on in steps of 4.
    OfVm,
    /// Each worker counts its own, from 0 on.
    OfWorker,
}

/// What becomes of a waiting request when the callback of its last callout has returned without a reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AfterCallback {
    /// It waits on, until the module continues it.
    Waits,
    /// It goes upstream by itself.
    GoesUpstream,
}

/// What becomes of a request after a call for its headers or body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Move {
    /// It goes on.
    Goes,
    /// It stays where it is.
    Stays,
    /// The worker dies, for this reason.
    Crashes(&'static str),
}

/// What a module did with a request in the call that has just returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Returned {
    /// The action that it returned: 0 is Continue, 1 is Pause.
    pub action: u32,
    /// Whether a callout of the request is in flight.
    pub pending: bool,
    /// Whether it sent a local reply.
    pub replied: bool,
}

/// How shared data work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SharedStore {
    /// By key; a cas of 0 writes over anything.
    ByKey,
    /// Keys are told apart by their CRC32 alone; a cas of 0 writes only what is absent.
    ByCrc32,
    /// There is none: both calls trap.
    NotConfigured,
}

/// How metrics differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metrics {
    /// The longest name, beyond which defining one traps; `None` is no limit.
    pub longest_name: Option<usize>,
    /// Whether a metric that is unknown, or of the wrong kind, traps instead of returning a status.
    pub faults_trap: bool,
}

/// How ticks differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticks {
    /// Whether only the root context may set a period, and only once: everything else traps.
    pub once: bool,
    /// Whether the ticks of a VM that is gone go on in the worker's VM, beside those that this one sets.
    pub leak: bool,
}

/// When root contexts are made and configured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RootContexts {
    /// One, at the start.
    AtStart,
    /// One for each distinct configuration, at the first request that needs it. There is no `proxy_on_vm_start`.
    OnFirstRequest,
}

/// Which requests share a VM.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Isolation {
    /// All of a worker.
    Worker,
    /// None: each has a VM of its own, started and configured for it.
    Stream,
}

/// What a module that cannot be loaded, or refuses its configuration, leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unusable {
    /// The gateway does not start.
    NoStart,
    /// Requests pass without the filter.
    Unfiltered,
    /// Every request is answered with this status.
    Refuses(u16),
}

/// How a gateway turns a request away before any filter sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TurnedAway {
    /// With this status.
    Status(u16),
    /// The connection ends.
    Closed,
}

/// What the gateway knows about a request and its connection.
#[derive(Clone, Debug)]
pub struct Facts {
    /// The client's end of the connection.
    pub peer: Peer,
    /// The request's method.
    pub method: String,
    /// The request's path, as it came.
    pub path: String,
    /// The value of `Host` or `:authority`, as it came.
    pub authority: String,
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
    /// The property's path in the profile's spelling, one entry a segment.
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
    /// The upstream.
    pub upstream: &'a str,
    /// Whether an upstream of that name has been scripted.
    pub known_upstream: bool,
    /// The request's headers.
    pub headers: &'a Headers,
    /// The timeout, in milliseconds.
    pub timeout: u32,
    /// The callback that dispatches.
    pub during: &'a str,
    /// Whether a stream dispatches.
    pub of_stream: bool,
    /// How many callouts of the same context are in flight.
    pub pending: usize,
}

/// A part of a buffer that the module wants.
pub struct Slice<'a> {
    /// The whole buffer.
    pub buffer: &'a [u8],
    /// Where the part begins.
    pub start: usize,
    /// How long it is at most.
    pub length: usize,
    /// Whether it is the plugin's configuration.
    pub configuration: bool,
}

/// A local reply that the module wants to send.
pub struct Reply<'a> {
    /// The status.
    pub status: u32,
    /// The headers that the module gives.
    pub headers: &'a Headers,
    /// The body.
    pub body: &'a [u8],
}

/// A request that is about to go upstream.
pub struct Forward<'a> {
    /// Its headers, as the module left them.
    pub headers: &'a Headers,
    /// What the gateway knows about it.
    pub facts: &'a Facts,
    /// The properties that the module has set, in the profile's spelling.
    pub properties: &'a BTreeMap<Vec<u8>, Vec<u8>>,
}
