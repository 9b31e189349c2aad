//! Answers that the gateway gives by itself: local replies of the module, and those for a filter that has failed or waited
//! too long. It follows Envoy's filter manager; what becomes of a reply once the response is on its way is the profile's.

use super::Simulator;
use crate::host::callout::Response;
use crate::host::exchange::{ExchangeState, Stage};
use crate::host::profile::ReplyInResponse;
use crate::host::vm_state::{LocalReply, Message, Replacement};

impl Simulator {
    pub(super) fn reply(&mut self, exchange: usize, reply: LocalReply) {
        let state = &mut self.exchanges[exchange];
        if state.called && state.stage < Stage::Bank {
            state.prepared.get_or_insert(reply);
            return;
        }
        if self.gateway.borrow().profile.callout_before_reply && self.pending(exchange) > 0 {
            return;
        }
        let ExchangeState { vm, context, .. } = self.exchanges[exchange];
        self.gateway.borrow_mut().cancel_callouts(vm, Some(context));
        let response = Response { headers: reply.headers, body: reply.body };
        let details = reply.details;
        match self.exchanges[exchange].stage {
            Stage::Over => {}
            Stage::RequestHeaders | Stage::RequestBody | Stage::RequestEnd | Stage::Bank => {
                self.exchanges[exchange].details = Some(details);
                self.respond(exchange, response);
            }
            Stage::ResponseHeaders | Stage::ResponseBody | Stage::ResponseEnd => {
                self.reply_in_response(exchange, response, details);
            }
        }
    }

    /// Replaces parts of a response that is on its way already. They do not pass the filter a second time.
    fn reply_in_response(&mut self, exchange: usize, reply: Response, details: String) {
        let kind = self.gateway.borrow().profile.reply_in_response;
        let Response { headers, body: sent } = reply;
        match kind {
            ReplyInResponse::Replaces => self.exchanges[exchange].details = Some(details),
            // No details: nginx has a phrase for the status.
            ReplyInResponse::StatusAndFirstPart => {
                self.exchanges[exchange].status_line = Some(details).filter(|details| !details.is_empty());
            }
            ReplyInResponse::HeadersOnly => {}
        }
        self.with_stream(exchange, |stream| match kind {
            ReplyInResponse::Replaces => stream.response = Message { headers, sent, ..Message::default() },
            ReplyInResponse::StatusAndFirstPart => {
                stream.response.headers.set(":status", headers.get(":status").unwrap_or_default());
                // A reply without a body says that this is the end, and what takes its place goes on saying so.
                let is_last = sent.is_empty() || stream.replacement.as_ref().is_some_and(|earlier| earlier.is_last);
                stream.replacement = Some(Replacement { body: sent, is_last });
            }
            ReplyInResponse::HeadersOnly => {
                // The length is that of the response.
                let added = |name: &[u8]| ![&b":status"[..], b"content-length"].contains(&name);
                for (name, value) in headers.iter().filter(|(name, _)| added(name)) {
                    stream.response.headers.push(name, value);
                }
            }
        });
        if kind == ReplyInResponse::Replaces {
            self.complete(exchange);
        }
    }

    /// Fails the request for which a VM was called when it trapped.
    pub(super) fn fail_called(&mut self, vm: u64, context: u32) {
        let hit = |state: &ExchangeState| (state.vm, state.context) == (vm, context) && state.stage != Stage::Over;
        if let Some(exchange) = self.exchanges.iter().position(hit) {
            self.fail_stream(exchange, 503);
        }
    }

    /// What the gateway answers for a filter that has failed.
    pub(super) fn fail_stream(&mut self, exchange: usize, status: u16) {
        let headers = [(":status", status.to_string())].into_iter().collect();
        self.exchanges[exchange].details = Some("wasm_fail_stream".to_owned());
        self.conclude(exchange, Response { headers, body: Vec::new() });
    }

    /// The client has waited too long.
    pub(super) fn time_out(&mut self, exchange: usize) {
        if matches!(self.exchanges[exchange].stage, Stage::Bank | Stage::Over) {
            return;
        }
        let headers = [(":status", "504"), ("content-length", "14"), ("content-type", "text/plain")];
        let headers = headers.into_iter().collect();
        let details = "stream_idle_timeout".to_owned();
        self.reply(exchange, LocalReply { status: 504, headers, body: b"stream timeout".to_vec(), details });
    }
}
