//! How nginx sends a response: its body in the parts that it has read, each shown to the module, and all of it as bytes that a
//! client reads. It follows `ngx_http_wasm_filter_module.c` of ngx_wasm_module, and what was seen running.

use super::{Simulator, size, wire};
use crate::host::callout::Response;
use crate::host::exchange::{ExchangeState, Outcome, Stage};
use crate::host::vm_state::Stream;

/// How much of a response nginx reads at once: a page of memory, as its `proxy_buffers` are by default.
const NGINX_BUFFER: usize = 4096;

impl Simulator {
    /// Shows the module a response's body as nginx does: each part that has been read, and after them that it has ended. With
    /// a length, the host guesses that a part as long as the whole is the last one, and does not say when it has ended.
    ///
    /// What nginx answers itself, and a body of a server that is empty, come in one part that says that it is the last. If that
    /// is replaced by a part that does not say so, nginx waits for another one for ever.
    pub(super) fn parts_of_response(&mut self, exchange: usize) {
        let take_body = |stream: &mut Stream| std::mem::take(&mut stream.response.body);
        let Some(body) = self.with_stream(exchange, take_body) else { return };
        let length = self.exchanges[exchange].announced_length;
        self.exchanges[exchange].stage = Stage::ResponseBody;
        let has_length = length.is_some_and(|length| length > 0);
        let is_one_part = body.is_empty() || !matches!(self.exchanges[exchange].outcome, Outcome::Upstream(_));
        let is_last = |stream: &mut Stream| stream.replacement.as_ref().is_none_or(|replacement| replacement.is_last);
        if is_one_part && self.with_stream(exchange, is_last) == Some(false) {
            self.break_http("nobody says that it has ended, and the client waits for ever");
        }
        let mut parts: Vec<&[u8]> = body.chunks(NGINX_BUFFER).collect();
        if parts.is_empty() || !has_length {
            parts.push(&[]);
        }
        for part in parts {
            let part = self.with_stream(exchange, |stream| {
                let part = stream.replacement.take().map_or_else(|| part.to_vec(), |replacement| replacement.body);
                stream.response.body.clone_from(&part);
                stream.response.body_at_hand = true;
                part.len()
            });
            let Some(part) = part else { return };
            let is_last = if has_length { length == Some(part) } else { part == 0 };
            if part > 0 || is_last {
                let ExchangeState { worker, context, .. } = self.exchanges[exchange];
                let args = [context, size(part), u32::from(is_last)];
                self.call(worker, "proxy_on_response_body", context, &args, |_, _| ());
            }
            if self.exchanges[exchange].stage != Stage::ResponseBody {
                return;
            }
            self.with_stream(exchange, |stream| {
                let message = &mut stream.response;
                message.sent.append(&mut message.body);
                message.body_at_hand = false;
            });
        }
        self.complete(exchange);
    }

    /// What a client reads of a response, where the gateway writes HTTP itself.
    pub(super) fn as_the_client_reads_it(&mut self, exchange: usize, response: Response) -> Response {
        if !self.gateway.borrow().profile.writes_http || response.headers.get(":status").is_none() {
            return response;
        }
        let state = &mut self.exchanges[exchange];
        let bytes = wire::write(&response, state.status_line.as_deref(), state.is_head);
        match wire::read(&bytes, state.is_head) {
            Ok(Response { body, .. }) => Response { body, ..response },
            Err(why) => {
                self.break_http(&format!("{why}: {:?}", String::from_utf8_lossy(&bytes)));
                response
            }
        }
    }

    fn break_http(&mut self, why: &str) {
        let report = format!("the response is broken HTTP: {why}");
        assert!(self.expected.broken_http, "{report}");
        self.broken_http.push(report);
    }
}
