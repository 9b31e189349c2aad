//! Workers that come between: while one worker is in the middle of a host call, another gets a request. Real workers are
//! threads; here one runs at a time, and a test says where it is interrupted.

use super::host_call;
use super::request::Request;

/// A moment in the middle of a host call of some worker: by default the first such call of any other worker than the one
/// that comes between, counted from when the moment was named.
#[derive(Clone, Debug)]
pub struct Moment {
    call: &'static str,
    side: Side,
    worker: Option<usize>,
    subject: Option<String>,
    nth: usize,
}

/// Before or after the effect of a host call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Before,
    After,
}

/// A request that waits for its moment.
pub(crate) struct Interruption {
    moment: Moment,
    seen: usize,
    /// The worker that is to get it.
    pub(crate) worker: usize,
    pub(crate) request: Option<Request>,
    /// The exchange that it became.
    pub(crate) exchange: Option<usize>,
}

impl Moment {
    /// Before the host call of this name has any effect. Panics when the ABI has no such call.
    pub fn before(host_call: &str) -> Self {
        Self::new(host_call, Side::Before)
    }

    /// After the host call of this name has had its effect, and before it returns. Panics when the ABI has no such call.
    pub fn after(host_call: &str) -> Self {
        Self::new(host_call, Side::After)
    }

    /// Only in calls of this worker.
    pub fn of_worker(mut self, worker: usize) -> Self {
        self.worker = Some(worker);
        self
    }

    /// Only when the call is about this: a property (segments joined by `.`), header, key, metric or upstream.
    pub fn only_for(mut self, subject: impl Into<String>) -> Self {
        self.subject = Some(subject.into());
        self
    }

    /// In the nth such call, counted from 1.
    pub fn nth(mut self, nth: usize) -> Self {
        self.nth = nth;
        self
    }

    fn new(host_call: &str, side: Side) -> Self {
        Moment { call: host_call::known(host_call), side, worker: None, subject: None, nth: 1 }
    }
}

impl Interruption {
    pub(crate) fn new(moment: Moment, worker: usize, request: Request) -> Self {
        Interruption { moment, seen: 0, worker, request: Some(request), exchange: None }
    }

    /// Whether this is the moment; counts the call.
    pub(crate) fn strikes(&mut self, call: &str, side: Side, worker: usize, subject: Option<&str>) -> bool {
        let Moment { call: wanted, side: wanted_side, worker: of, subject: about, nth } = &self.moment;
        if call != *wanted
            || side != *wanted_side
            || worker == self.worker
            || of.is_some_and(|of| of != worker)
            || about.as_deref().is_some_and(|about| subject != Some(about))
        {
            return false;
        }
        self.seen += 1;
        self.seen == *nth
    }
}
