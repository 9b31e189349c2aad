//! Sends callouts, and never over a connection on which an earlier answer may still be on its way: see [`crate::spelling`].

use std::cell::RefCell;

use crate::callout::{Answer, CalloutSubject, Request};
use crate::spelling::Spellings;
use crate::time::Moment;

use super::clock;
use super::metrics::Metrics;
use crate::gateway::abi::{self, HostError};
use crate::gateway::adapter::Adapter;

thread_local! {
    /// Of the whole VM, as connections are the whole worker's.
    static SPELLINGS: RefCell<Spellings> = const { RefCell::new(Spellings::new()) };
}

/// Sends a request from the effective context. The token that its answer will carry, and when it was sent.
pub(super) fn send(request: &Request, adapter: &dyn Adapter) -> Result<(u32, Moment), HostError> {
    let upstream = &request.upstream;
    let now = clock::now().ok_or(HostError)?;
    let Some(spelt) = SPELLINGS.with_borrow(|spellings| spellings.spell(now.steady, upstream)) else {
        log::warn!("nothing is asked of \"{upstream}\" for a minute after an informational answer");
        return Err(HostError);
    };
    let mut headers = request.all_headers();
    headers.extend(adapter.callout_headers());
    if request.may_be_repeated {
        headers.extend(adapter.headers_for_repetition());
    }
    let sent = abi::http_call(&spelt, &headers, &request.body, request.timeout).inspect_err(|HostError| {
        log::error!("the gateway refused a callout to the upstream \"{upstream}\"; is it defined?");
    });
    sent.map(|token| (token, now))
}

/// Measures how long a callout took, and what its answer says of the clock where that comes from a keystore.
pub(super) fn measure(subject: &CalloutSubject, sent: Moment, ended: Moment, answer: &Answer, metrics: &mut Metrics) {
    if let Some(took) = ended.steady.since(sent.steady) {
        metrics.note_callout(subject, took);
    }
    if matches!(subject, CalloutSubject::KeySet(_))
        && let Some(difference) = answer.clock_difference(sent.wall, ended.wall)
    {
        metrics.note_clock(difference);
    }
}

/// Notes what an upstream has answered.
pub(super) fn note_answer(upstream: &str, answer: &Answer, adapter: &dyn Adapter) {
    let is_informational = matches!(answer.status.as_deref(), Some([b'1', _, _]));
    if !is_informational || !adapter.leaves_answers_unread() {
        return;
    }
    // Without a clock nothing is asked anyway.
    if let Some(now) = clock::now() {
        SPELLINGS.with_borrow_mut(|spellings| spellings.change(now.steady, upstream));
    }
}
