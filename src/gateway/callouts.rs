//! Sends callouts.

use crate::callout::Request;

use super::abi::{self, HostError};
use super::adapter::Adapter;

/// Sends a request from the effective context. The token that its answer will carry.
pub(super) fn send(request: &Request, adapter: &dyn Adapter) -> Result<u32, HostError> {
    let url = &request.url;
    // All four, always: one gateway traps without them, and another takes those of an earlier request.
    let mut headers = vec![
        (":method", request.method),
        (":scheme", url.scheme().as_str()),
        (":authority", url.authority()),
        (":path", url.path()),
    ];
    headers.extend(adapter.callout_headers());
    headers.extend(request.headers.iter().map(|(name, value)| (*name, value.as_str())));
    abi::http_call(&request.upstream, &headers, &request.body, request.timeout).inspect_err(|HostError| {
        let upstream = &request.upstream;
        log::error!("hub-auth-filter: the gateway refused a callout to the upstream \"{upstream}\"; is it defined?");
    })
}
