//! The state of one VM: its contexts, and what host calls see and leave for later. Follows `context.cc` of proxy-wasm-cpp-host:
//! what a host call wants done to a stream is queued and done only after the VM call has returned.

use super::callout::Response;
use super::fault::Garbage;
use super::gateway_state::GatewayState;
use super::headers::Headers;
use super::profile::Facts;
use super::record::Step;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::rc::Rc;
use std::time::Duration;

/// What host calls of one VM see.
pub(crate) struct VmState {
    pub(crate) gateway: Rc<RefCell<GatewayState>>,
    pub(crate) id: u64,
    pub(crate) worker: usize,
    /// When it was made, by the steady clock of the machine.
    pub(crate) made: Duration,
    pub(crate) contexts: BTreeMap<u32, Context>,
    pub(crate) next_context: u32,
    /// Numbers of streams that have ended, by root context, where the gateway gives them out again.
    pub(crate) free_contexts: BTreeMap<u32, VecDeque<u32>>,
    /// Root contexts by configuration, where there are several.
    pub(crate) roots: BTreeMap<Vec<u8>, u32>,
    /// The context that the VM was called for.
    pub(crate) current: u32,
    /// The export that was called for it.
    pub(crate) during: &'static str,
    /// The context that the module chose instead; 0 is none.
    pub(crate) chosen: u32,
    pub(crate) phase: Phase,
    /// Whether the plugin configuration can be read.
    pub(crate) configuring: bool,
    /// Set by a local response: the stream that is being called stops, whatever the call returns.
    pub(crate) stop_iteration: bool,
    pub(crate) actions: VecDeque<Action>,
    /// The response of the callout whose callback is running.
    pub(crate) callout: Option<Response>,
    /// Whether its body can be read.
    pub(crate) callout_body_readable: bool,
    /// Whether the buffers of that callout's own body are in use: see [`Profile::reuses_callout_buffers`].
    ///
    /// [`Profile::reuses_callout_buffers`]: super::profile::Profile::reuses_callout_buffers
    pub(crate) callout_buffers_in_use: bool,
    /// The upstream to which there is a connection that the server has closed.
    pub(crate) dead_connection: Option<String>,
    /// What `proxy_get_status` gives.
    pub(crate) status: (u32, &'static str),
    pub(crate) next_token: u32,
    /// Names by metric id.
    pub(crate) metrics: BTreeMap<u32, String>,
    /// Period and generation by root context.
    pub(crate) ticks: BTreeMap<u32, (Duration, u64)>,
    /// Whether `proxy_done` is expected from the root context.
    pub(crate) done_pending: bool,
    /// Lets another worker come between, by the number of its interruption: while the VM is being called.
    pub(crate) interrupt: Option<Interrupt>,
    /// What the running host call hands out instead of its value.
    pub(crate) garbage: Option<Garbage>,
    /// How long its host calls have taken, all together.
    pub(crate) in_host: Duration,
    /// What the module has told of its functions during the call.
    pub(crate) steps: Vec<Step>,
}

/// Runs an interruption.
pub(crate) type Interrupt = Box<dyn FnMut(usize)>;

/// What the module may call at this moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    /// Everything.
    Running,
    /// What a language runtime needs to start.
    Initializing,
    /// Logs and the clock, while the host asks for memory.
    Allocating,
}

/// A root or stream context.
#[derive(Default)]
pub(crate) struct Context {
    pub(crate) stream: Option<Stream>,
    /// The configuration of a root context.
    pub(crate) configuration: Vec<u8>,
}

/// The part of a context that only streams have. A map or buffer is at hand only while Envoy's pointer to it is set.
pub(crate) struct Stream {
    pub(crate) exchange: usize,
    /// The root context above it.
    pub(crate) root: u32,
    pub(crate) facts: Facts,
    pub(crate) request: Message,
    pub(crate) response: Message,
    pub(crate) logging: bool,
    /// Whether a local reply has been sent.
    pub(crate) replied: bool,
    /// What takes the place of the first part of the response's body.
    pub(crate) replacement: Option<Replacement>,
    pub(crate) properties: BTreeMap<Vec<u8>, Vec<u8>>,
}

/// A reply in the place of the first part of a response's body.
pub(crate) struct Replacement {
    pub(crate) body: Vec<u8>,
    /// Whether it says that the response ends with it.
    pub(crate) is_last: bool,
}

/// A request or response on its way through the filter.
#[derive(Default)]
pub(crate) struct Message {
    pub(crate) headers: Headers,
    pub(crate) headers_at_hand: bool,
    /// The places of headers that the map of all headers does not show.
    pub(crate) hidden: BTreeSet<usize>,
    /// What has arrived and has not gone on.
    pub(crate) body: Vec<u8>,
    pub(crate) body_at_hand: bool,
    /// What has gone on.
    pub(crate) sent: Vec<u8>,
}

/// Something to do to a stream once the VM call has returned.
pub(crate) enum Action {
    ContinueRequest(u32),
    ContinueResponse(u32),
    Reply(u32, LocalReply),
    Reset(u32),
    Done,
}

/// A response that the gateway sends to the client by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalReply {
    /// The status.
    pub status: u16,
    /// The headers, `:status` among them.
    pub headers: Headers,
    /// The body.
    pub body: Vec<u8>,
    /// The reason for the gateway's access log.
    pub details: String,
}

impl VmState {
    /// Of a VM that has not been initialized.
    pub(crate) fn new(gateway: Rc<RefCell<GatewayState>>, worker: usize, id: u64) -> Self {
        let made = gateway.borrow().clock.monotonic;
        VmState {
            gateway,
            id,
            worker,
            made,
            contexts: BTreeMap::new(),
            next_context: 1,
            free_contexts: BTreeMap::new(),
            roots: BTreeMap::new(),
            current: 0,
            during: "",
            chosen: 0,
            phase: Phase::Initializing,
            configuring: false,
            stop_iteration: false,
            actions: VecDeque::new(),
            callout: None,
            callout_body_readable: true,
            callout_buffers_in_use: false,
            dead_connection: None,
            status: (0, ""),
            next_token: 0,
            metrics: BTreeMap::new(),
            ticks: BTreeMap::new(),
            done_pending: false,
            interrupt: None,
            garbage: None,
            in_host: Duration::ZERO,
            steps: Vec::new(),
        }
    }

    /// Makes a context, root or stream.
    pub(crate) fn new_context(&mut self, context: Context) -> u32 {
        let root = context.stream.as_ref().map(|stream| stream.root);
        let free = root.and_then(|root| self.free_contexts.get_mut(&root)?.pop_front());
        let id = free.unwrap_or_else(|| {
            self.next_context += 1;
            self.next_context - 1
        });
        self.contexts.insert(id, context);
        id
    }

    /// The context that host calls act upon. A chosen context that has gone means the true one.
    pub(crate) fn effective(&self) -> u32 {
        if self.contexts.contains_key(&self.chosen) { self.chosen } else { self.current }
    }

    /// The stream that host calls act upon, if it is one.
    pub(crate) fn stream(&mut self) -> Option<&mut Stream> {
        let id = self.effective();
        self.contexts.get_mut(&id)?.stream.as_mut()
    }

    /// The root context of the one that host calls act upon; the VM's first root when there is none.
    pub(crate) fn root(&self) -> u32 {
        match self.contexts.get(&self.effective()) {
            Some(Context { stream: Some(stream), .. }) => stream.root,
            Some(Context { stream: None, .. }) => self.effective(),
            None => self.contexts.iter().find(|(_, context)| context.stream.is_none()).map_or(0, |(id, _)| *id),
        }
    }

    pub(crate) fn exchange_of(&self, context: u32) -> Option<usize> {
        self.contexts.get(&context)?.stream.as_ref().map(|stream| stream.exchange)
    }

    pub(crate) fn stream_of(&mut self, context: u32) -> Option<&mut Stream> {
        self.contexts.get_mut(&context)?.stream.as_mut()
    }
}
