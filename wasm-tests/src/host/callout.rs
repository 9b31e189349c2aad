//! Scripted servers for the module's HTTP callouts, and the record of every callout.
//! This is about what happens on the network; how a failure looks to the module is up to the profile.

use super::headers::Headers;
use std::collections::BTreeMap;
use std::fmt;
use std::rc::Rc;
use std::time::Duration;

/// A server that callouts reach under the name of an upstream (on Envoy: a cluster).
#[derive(Clone, Debug)]
pub struct Upstream {
    routes: BTreeMap<String, Answer>,
    otherwise: Answer,
    script: Option<Script>,
}

/// Finds an answer to a request: its headers and its body.
type Answering = dyn Fn(&Headers, &[u8]) -> Answer;

#[derive(Clone)]
struct Script(Rc<Answering>);

impl Default for Upstream {
    fn default() -> Self {
        Self::new()
    }
}

impl Upstream {
    /// A server that answers 404 to every path.
    pub fn new() -> Self {
        Upstream { routes: BTreeMap::new(), otherwise: Answer::status(404), script: None }
    }

    /// A server that looks at headers and body before it answers.
    pub fn scripted(answer: impl Fn(&Headers, &[u8]) -> Answer + 'static) -> Self {
        Upstream { script: Some(Script(Rc::new(answer))), ..Upstream::new() }
    }

    /// A server that refuses connections.
    pub fn down() -> Self {
        Upstream::new().otherwise(Answer::refused())
    }

    /// The answer to one path, compared with the whole `:path`.
    pub fn route(mut self, path: impl Into<String>, answer: Answer) -> Self {
        self.routes.insert(path.into(), answer);
        self
    }

    /// The answer to every path without a route.
    pub fn otherwise(mut self, answer: Answer) -> Self {
        self.otherwise = answer;
        self
    }

    pub(crate) fn answer(&self, headers: &Headers, body: &[u8]) -> Answer {
        if let Some(Script(answer)) = &self.script {
            return answer(headers, body);
        }
        let path = headers.text(":path").unwrap_or_default();
        self.routes.get(&*path).unwrap_or(&self.otherwise).clone()
    }
}

impl fmt::Debug for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Script")
    }
}

/// What a server does with one callout.
#[derive(Clone, Debug)]
pub struct Answer {
    pub(crate) closes: bool,
    pub(crate) delay: Duration,
    pub(crate) body_delay: Duration,
    pub(crate) act: Act,
}

#[derive(Clone, Debug)]
pub(crate) enum Act {
    Respond { status: u16, headers: Headers, body: Vec<u8>, form: Form },
    Fail(Failure),
    Never,
    Unavailable,
}

/// How an answer comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// As HTTP/1.1 with a length.
    Framed,
    /// After an informational one with this status.
    Announced(u16),
    /// As HTTP/1.0.
    Old,
    /// Without a length: the end of the connection ends it.
    Unframed,
}

/// What can go wrong with a callout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// No connection could be made.
    Refused,
    /// The upstream's name could not be resolved.
    Unresolved,
    /// The connection was made, and its TLS handshake failed.
    TlsHandshake,
    /// What arrived was not HTTP.
    Unreadable,
    /// The connection broke before the answer's headers had arrived.
    ResetBeforeHeaders,
    /// The connection broke after the headers and before the end of the body.
    ResetInBody,
    /// The headers did not arrive in time.
    TimeoutBeforeHeaders,
    /// The headers arrived in time, the end of the body did not.
    TimeoutInBody,
}

impl Answer {
    /// 200 with this body.
    pub fn ok(body: impl AsRef<[u8]>) -> Self {
        Self::status(200).body(body)
    }

    /// This status and no body.
    pub fn status(status: u16) -> Self {
        Self::act(Act::Respond { status, headers: Headers::new(), body: Vec::new(), form: Form::Framed })
    }

    /// Whether the connection could not be made, or ended before any answer.
    pub(crate) fn is_reset(&self) -> bool {
        matches!(
            self.act,
            Act::Fail(Failure::Refused | Failure::TlsHandshake | Failure::Unreadable | Failure::ResetBeforeHeaders)
        )
    }

    /// The server does not listen.
    pub fn refused() -> Self {
        Self::failed(Failure::Refused)
    }

    /// The server's name cannot be resolved.
    pub fn unresolved() -> Self {
        Self::failed(Failure::Unresolved)
    }

    /// The server's certificate is not accepted.
    pub fn tls_failure() -> Self {
        Self::failed(Failure::TlsHandshake)
    }

    /// The server answers something that is not HTTP.
    pub fn unreadable() -> Self {
        Self::failed(Failure::Unreadable)
    }

    /// The server closes the connection without an answer.
    pub fn reset() -> Self {
        Self::failed(Failure::ResetBeforeHeaders)
    }

    /// The server sends headers, then less than `content-length` says, and closes.
    pub fn half() -> Self {
        Self::failed(Failure::ResetInBody)
    }

    /// The server accepts the call and never says anything: only the callout's timeout ends it.
    pub fn never() -> Self {
        Self::act(Act::Never)
    }

    /// The gateway knows the upstream but has no healthy server in it: the dispatch itself fails.
    pub fn unavailable() -> Self {
        Self::act(Act::Unavailable)
    }

    /// The body of a response.
    pub fn body(mut self, bytes: impl AsRef<[u8]>) -> Self {
        if let Act::Respond { body, .. } = &mut self.act {
            *body = bytes.as_ref().to_vec();
        }
        self
    }

    /// A header field of a response.
    pub fn header(mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Self {
        if let Act::Respond { headers, .. } = &mut self.act {
            headers.push(name, value);
        }
        self
    }

    /// The server sends an informational answer with this status first.
    pub fn after_informational(self, status: u16) -> Self {
        self.in_form(Form::Announced(status))
    }

    /// The server speaks HTTP/1.0.
    pub fn http_1_0(self) -> Self {
        self.in_form(Form::Old)
    }

    /// The server gives no length, and closes the connection at the end.
    pub fn until_the_end(self) -> Self {
        self.in_form(Form::Unframed)
    }

    /// The server closes the connection after its answer, and does not say so before.
    pub fn then_closes(mut self) -> Self {
        self.closes = true;
        self
    }

    fn in_form(mut self, chosen: Form) -> Self {
        if let Act::Respond { form, .. } = &mut self.act {
            *form = chosen;
        }
        self
    }

    /// The status of the informational answer that comes first, and the answer without it.
    pub(crate) fn informational(&self) -> Option<(u16, Self)> {
        match &self.act {
            Act::Respond { form: Form::Announced(status), .. } => Some((*status, self.clone().in_form(Form::Framed))),
            _ => None,
        }
    }

    /// The same for a gateway that reads HTTP/1.1 with a length alone.
    pub(crate) fn read_badly(self) -> Self {
        match self.act {
            Act::Respond { form: Form::Announced(status), .. } => Self::status(status).after(self.delay),
            Act::Respond { form: Form::Old | Form::Unframed, .. } => {
                Self::failed(Failure::Unreadable).after(self.delay)
            }
            _ => self,
        }
    }

    /// How long the server takes: until the answer, or until the failure.
    pub fn after(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    /// How much longer than the headers the end of the body takes: a dripping server.
    pub fn body_after(mut self, delay: Duration) -> Self {
        self.body_delay = delay;
        self
    }

    pub(crate) fn failed(failure: Failure) -> Self {
        Self::act(Act::Fail(failure))
    }

    fn act(act: Act) -> Self {
        Answer { closes: false, delay: Duration::ZERO, body_delay: Duration::ZERO, act }
    }

    /// When this call ends, counted from its dispatch, and how. `None`: never.
    pub(crate) fn within(&self, timeout: Option<Duration>, limits: Timeouts) -> Option<(Duration, CalloutOutcome)> {
        let limit = timeout.unwrap_or(Duration::MAX);
        let end = self.delay + self.body_delay;
        if limit <= self.delay || (matches!(self.act, Act::Never) && timeout.is_some()) {
            return Some((limit, CalloutOutcome::Failed(Failure::TimeoutBeforeHeaders)));
        }
        match &self.act {
            Act::Never | Act::Unavailable => None,
            Act::Fail(failure) => Some((self.delay, CalloutOutcome::Failed(*failure))),
            Act::Respond { .. } if limit <= end && limits == Timeouts::WholeCall => {
                Some((limit, CalloutOutcome::Failed(Failure::TimeoutInBody)))
            }
            Act::Respond { status, headers, body, form } => {
                let mut all: Headers = [(":status", status.to_string())].into_iter().collect();
                for (name, value) in headers.iter() {
                    all.push(name, value);
                }
                if !all.has("content-length") && *form != Form::Unframed {
                    all.push("content-length", body.len().to_string());
                }
                Some((end, CalloutOutcome::Answered(Response { headers: all, body: body.clone() })))
            }
        }
    }
}

/// What the timeout of a callout limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Timeouts {
    /// The whole call.
    WholeCall,
    /// Each wait for the network: a server that drips outlives it.
    EachWait,
}

/// An HTTP response: `:status` and other headers, and a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// The headers, `:status` among them.
    pub headers: Headers,
    /// The body.
    pub body: Vec<u8>,
}

impl Response {
    /// The number in `:status`, or 0 if that is not a number.
    pub fn status(&self) -> u16 {
        self.headers.text(":status").and_then(|status| status.parse().ok()).unwrap_or(0)
    }
}

/// A callout that the module has dispatched.
#[derive(Clone, Debug)]
pub struct Callout {
    /// The wall clock at dispatch, since the Unix epoch.
    pub at: Duration,
    /// The worker whose VM dispatched it.
    pub worker: usize,
    /// The upstream's name.
    pub upstream: String,
    /// The request's headers.
    pub headers: Headers,
    /// The request's body.
    pub body: Vec<u8>,
    /// How long the module is willing to wait; `None` is for ever.
    pub timeout: Option<Duration>,
    /// The number by which the module knows it.
    pub token: u32,
    /// Whether its connection is dead once it has been answered.
    pub(crate) leaves_dead_connection: bool,
    /// How it has ended.
    pub outcome: CalloutOutcome,
    /// The VM and context that get the callback.
    pub(crate) owner: (u64, u32),
}

/// How a callout has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CalloutOutcome {
    /// It has not.
    InFlight,
    /// The server answered.
    Answered(Response),
    /// It failed; the profile says how the module learns of it.
    Failed(Failure),
    /// The context or the VM that dispatched it is gone, and nothing waits for it any more.
    Cancelled,
}
