//! What the host writes down while it runs, for tests to look at: log lines, host calls and calls into the module.

use std::fmt;
use std::time::Duration;

/// A log level of the proxy-wasm ABI.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// 0
    Trace,
    /// 1
    Debug,
    /// 2
    Info,
    /// 3
    Warn,
    /// 4
    Error,
    /// 5
    Critical,
}

impl Level {
    pub(crate) fn from_number(number: u32) -> Option<Self> {
        [Level::Trace, Level::Debug, Level::Info, Level::Warn, Level::Error, Level::Critical]
            .get(usize::try_from(number).ok()?)
            .copied()
    }
}

/// A line that the module logged.
#[derive(Clone, Debug)]
pub struct Log {
    /// The wall clock, since the Unix epoch.
    pub at: Duration,
    /// The worker whose VM logged it.
    pub worker: usize,
    /// Its level.
    pub level: Level,
    /// Its text, with invalid UTF-8 replaced.
    pub text: String,
    /// Its bytes as the gateway writes them: nothing is escaped or left out.
    pub bytes: Vec<u8>,
}

impl fmt::Display for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[worker {}] {:?}: {}", self.worker, self.level, self.text)
    }
}

/// A call of the module to the host.
#[derive(Clone, Debug)]
pub struct HostCall {
    /// The import's name, such as `proxy_get_property`.
    pub name: &'static str,
    /// What it was about: the property (segments joined by `.`), header, key, metric or upstream.
    pub subject: Option<String>,
    /// The status or error number that the module got.
    pub code: u32,
    /// The worker whose VM called.
    pub worker: usize,
    /// The context that the call acted upon: the effective one.
    pub context: u32,
    /// The request that this context belongs to, if it is a stream.
    pub(crate) exchange: Option<usize>,
}

impl fmt::Display for HostCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let subject = self.subject.as_deref().unwrap_or_default();
        write!(f, "[worker {}, context {}] {}({subject}) = {}", self.worker, self.context, self.name, self.code)
    }
}

/// A call of the host into the module.
#[derive(Clone, Debug)]
pub struct VmCall {
    /// The export's name, such as `proxy_on_request_headers`.
    pub export: &'static str,
    /// The worker whose VM was called.
    pub worker: usize,
    /// The context that the call was for.
    pub context: u32,
    /// The fuel that the call used: roughly, the instructions it executed. 0 where the engine counts none.
    pub fuel: u64,
    /// How long it has taken by the clock of this machine, but for its calls of the host.
    pub took: Duration,
    /// The functions that it entered and left, where the module tells of them and the engine counts fuel.
    pub steps: Vec<Step>,
    /// The request that this context belongs to, if it is a stream.
    pub(crate) exchange: Option<usize>,
}

/// A function of the module begins, or ends: what a module says that was made for a profile.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    /// The function that begins; without one, the last ends that has begun.
    pub entered: Option<u32>,
    /// The fuel that the call into the module has used by then.
    pub fuel: u64,
}
