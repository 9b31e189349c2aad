//! Interleaved workers: while one worker is in the middle of a host call, another gets a request. Real workers are threads; here
//! one runs at a time, and a test says where it is interrupted.

use super::host_call;
use super::request::Request;

/// A point in the middle of a host call of some worker: by default the first such call of any other worker than the one
/// that comes between, counted from when the request was left to wait for it.
#[derive(Clone, Debug)]
pub struct InterleavingPoint {
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

/// A request that waits until another worker reaches its point.
pub(crate) struct Interruption {
    point: InterleavingPoint,
    seen: usize,
    /// The worker that is to get it.
    pub(crate) worker: usize,
    pub(crate) request: Option<Request>,
    /// The exchange that it became.
    pub(crate) exchange: Option<usize>,
}

impl InterleavingPoint {
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
        InterleavingPoint { call: host_call::known(host_call), side, worker: None, subject: None, nth: 1 }
    }
}

impl Interruption {
    pub(crate) fn new(point: InterleavingPoint, worker: usize, request: Request) -> Self {
        Interruption { point, seen: 0, worker, request: Some(request), exchange: None }
    }

    /// Whether this side of this call is the point; counts the call.
    pub(crate) fn strikes(&mut self, call: &str, side: Side, worker: usize, subject: Option<&str>) -> bool {
        let InterleavingPoint { call: wanted, side: wanted_side, worker: of, subject: about, nth } = &self.point;
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
