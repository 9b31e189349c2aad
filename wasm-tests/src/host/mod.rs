//! A proxy-wasm ABI 0.2.1 host on gateways' own engines: a whole gateway in one thread of a test, which also sets the time.
//!
//! A [`Gateway`] of a [`Profile`] has workers, each with a VM of its own; [`Upstream`]s are scripted servers for callouts;
//! an [`Exchange`] is a request and what becomes of it. Nothing happens by itself: time stands still until
//! [`Gateway::advance`] or [`Gateway::settle`]. A trap of the module fails the test, and so does a line of JSON in the log that is not of its schema.
//!
//! ```no_run
//! use std::time::Duration;
//! use wasm_tests::host::{Answer, Gateway, Module, Outcome, Peer, Profile, Request, Upstream};
//!
//! let keystore = Upstream::new()
//!     .route("/ou/cn/application.jwks", Answer::ok(r#"{"keys": []}"#).after(Duration::from_millis(20)));
//! let gateway = Gateway::new(Profile::envoy())
//!     .workers(2)
//!     .configuration(r#"{"inbound": {}}"#)
//!     .upstream("keystore", keystore)
//!     .start(Module::release())
//!     .unwrap();
//! let request = Request::get("/accounts")
//!     .peer(Peer::verified("CN=cn,OU=ou,O=Hub,C=AE"))
//!     .header("authorization", "Bearer token");
//! let exchange = gateway.worker(0).send(request);
//! assert_eq!(exchange.outcome(), Outcome::Pending);
//! gateway.upstream("keystore", Upstream::down());
//! gateway.advance(Duration::from_millis(20));
//! assert_eq!(exchange.reply().unwrap().status, 401);
//! assert_eq!(gateway.callouts().len(), 1);
//! ```
//!
//! # Layers
//!
//! Read from top to bottom, and within a row from left to right, each module uses only those that come after it. A test holds the
//! code to this table (see [`layers`](crate::layers)).
//!
//! | layer | modules | what they are |
//! |---|---|---|
//! | gateway | `builder` `gateway` | what tests describe, start, and send requests to |
//! | simulator | `simulator` | workers, the way of requests through them, and events in the order of time |
//! | requests | `exchange` | what becomes of a request |
//! | module | `vm` `abi` `guest` | calls into the module, and how its calls to the host are answered |
//! | engines | `module` `engine` | what compiles the module and runs it |
//! | state | `vm_state` `gateway_state` | what lives in one VM, and what all workers share |
//! | rules | `profile` `interleaving` `fault` | how a gateway behaves, and what a test changes in that |
//! | values | `request` `callout` `record` `log_schema` `host_call` `status` `headers` | what all of these are about |

mod abi;
mod builder;
mod callout;
mod engine;
mod exchange;
mod fault;
mod gateway;
mod gateway_state;
mod guest;
mod headers;
mod host_call;
mod interleaving;
mod log_schema;
mod module;
mod profile;
mod record;
mod request;
mod simulator;
mod status;
mod vm;
mod vm_state;

pub use builder::{Builder, StartFailure};
pub use callout::{Answer, Callout, CalloutOutcome, Failure, Response, Timeouts, Upstream};
pub use exchange::{Cut, Outcome};
pub use fault::{Fault, FaultyCall, Garbage};
pub use gateway::{Exchange, Gateway, Interruption, Worker};
pub use gateway_state::Metric;
pub use headers::Headers;
pub use interleaving::InterleavingPoint;
pub use module::Module;
pub(crate) use module::newest;
pub use profile::{
    AfterCallback, AfterTrap, Bodies, Dispatch, Engine, Facts, Forward, Given, HalfAnswers, Isolation, Metrics, Move,
    Owner, Profile, PropertyQuery, Removal, Reply, ReplyInResponse, Returned, RootContexts, SecondReply, SharedStore,
    Slice, Ticks, Tokens, TurnedAway, Unusable,
};
pub use record::{HostCall, Level, Log, Step, VmCall};
pub use request::{Peer, Request};
pub use simulator::Reason;
pub use status::{Refused, Status};
pub use vm_state::LocalReply;
