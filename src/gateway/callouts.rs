//! Sends callouts, but to no server whose last answer may still be on its way.
//!
//! One gateway takes an informational answer (RFC 9110 §15.2) for the final one and keeps the connection. The next callout to
//! that server, of whatever request, would get the answer to this one: somebody else's token would be called active.

use std::cell::RefCell;
use std::time::Duration;

use litemap::LiteMap;

use crate::callout::{Answer, Request};
use crate::time::UnixTime;

use super::abi::{self, HostError};
use super::adapter::Adapter;

/// How long nothing is asked of a server after an informational answer. The gateway's connections end when they were idle for as long,
/// and when something arrives on them meanwhile.
const AVOIDED: Duration = Duration::from_mins(1);

/// The most servers that are remembered. Each has its place in a configuration.
const MOST_AVOIDED: usize = 256;

thread_local! {
    /// By upstream, until when nothing is asked of it. Of the whole VM, as the connections are the whole worker's.
    static AVOIDED_UNTIL: RefCell<LiteMap<String, UnixTime>> = const { RefCell::new(LiteMap::new_vec()) };
}

/// Sends a request from the effective context. The token that its answer will carry.
pub(super) fn send(request: &Request, adapter: &dyn Adapter) -> Result<u32, HostError> {
    let (url, upstream) = (&request.url, &request.upstream);
    if adapter.leaves_answers_unread() && is_avoided(upstream) {
        log::warn!("hub-auth-filter: nothing is asked of \"{upstream}\" for a minute after an informational answer");
        return Err(HostError);
    }
    // All four, always: one gateway traps without them, and another takes those of an earlier request.
    let mut headers = vec![
        (":method", request.method),
        (":scheme", url.scheme().as_str()),
        (":authority", url.authority()),
        (":path", url.path()),
    ];
    headers.extend(adapter.callout_headers());
    headers.extend(request.headers.iter().map(|(name, value)| (*name, value.as_str())));
    abi::http_call(upstream, &headers, &request.body, request.timeout).inspect_err(|HostError| {
        log::error!("hub-auth-filter: the gateway refused a callout to the upstream \"{upstream}\"; is it defined?");
    })
}

/// Notes what an upstream has answered.
pub(super) fn note_answer(upstream: &str, answer: &Answer, adapter: &dyn Adapter) {
    let is_informational = matches!(answer.status.as_deref(), Some([b'1', _, _]));
    if !is_informational || !adapter.leaves_answers_unread() {
        return;
    }
    // Without a clock nothing is asked anyway.
    let Some(now) = abi::now() else { return };
    AVOIDED_UNTIL.with_borrow_mut(|avoided| {
        avoided.retain(|_, until| *until > now);
        if avoided.len() < MOST_AVOIDED {
            avoided.insert(upstream.to_owned(), now.after(AVOIDED));
        }
    });
}

fn is_avoided(upstream: &str) -> bool {
    let until = AVOIDED_UNTIL.with_borrow(|avoided| avoided.get(upstream).copied());
    until.is_some_and(|until| abi::now().is_none_or(|now| now < until))
}
