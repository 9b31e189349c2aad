//! Sends callouts, and never over a connection on which an earlier answer may still be on its way: see [`crate::spelling`].

use std::cell::RefCell;

use crate::callout::{Answer, Request};
use crate::spelling::Spellings;

use super::clock;
use crate::gateway::abi::{self, HostError};
use crate::gateway::adapter::Adapter;

thread_local! {
    /// Of the whole VM, as connections are the whole worker's.
    static SPELLINGS: RefCell<Spellings> = const { RefCell::new(Spellings::new()) };
}

/// Sends a request from the effective context. The token that its answer will carry.
pub(super) fn send(request: &Request, adapter: &dyn Adapter) -> Result<u32, HostError> {
    let upstream = &request.upstream;
    let now = clock::now().ok_or(HostError)?.steady;
    let Some(spelt) = SPELLINGS.with_borrow(|spellings| spellings.spell(now, upstream)) else {
        log::warn!("nothing is asked of \"{upstream}\" for a minute after an informational answer");
        return Err(HostError);
    };
    let mut headers = request.all_headers();
    headers.extend(adapter.callout_headers());
    if request.may_be_repeated {
        headers.extend(adapter.headers_for_repetition());
    }
    abi::http_call(&spelt, &headers, &request.body, request.timeout).inspect_err(|HostError| {
        log::error!("the gateway refused a callout to the upstream \"{upstream}\"; is it defined?");
    })
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
