//! A filter as its author would write it with the official Rust SDK, so that the test host has a guest that was not made with it.
//!
//! It reads one header, asks an upstream about it, and lets the request go on when the answer is 200. All else is what the SDK
//! does by itself, such as its callbacks for bodies and responses.

#![cfg(target_family = "wasm")]
#![expect(missing_docs, reason = "the SDK's macro exports a function that has no documentation")]

use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action, ContextType};
use std::time::Duration;

/// The request header that is asked about.
const CREDENTIAL: &str = "x-credential";
/// The upstream that is asked: a cluster's name in Envoy, a host elsewhere.
const JUDGE: &str = "judge";
/// How long it may take.
const TIMEOUT: Duration = Duration::from_secs(5);

proxy_wasm::main! {{
    proxy_wasm::set_root_context(|_| Box::new(Root));
}}

struct Root;

impl Context for Root {}

impl RootContext for Root {
    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }

    fn create_http_context(&self, _: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Request))
    }
}

struct Request;

impl HttpContext for Request {
    fn on_http_request_headers(&mut self, _: usize, _: bool) -> Action {
        let Some(credential) = self.get_http_request_header_bytes(CREDENTIAL) else {
            self.send_http_response(401, vec![], Some(b"no credential"));
            return Action::Pause;
        };
        let credential = String::from_utf8_lossy(&credential);
        let headers = vec![
            (":method", "GET"),
            (":scheme", "http"),
            (":authority", JUDGE),
            (":path", "/"),
            (CREDENTIAL, &credential),
        ];
        if self.dispatch_http_call(JUDGE, headers, None, vec![], TIMEOUT).is_err() {
            self.send_http_response(503, vec![], Some(b"nobody to ask"));
        }
        Action::Pause
    }
}

impl Context for Request {
    fn on_http_call_response(&mut self, _: u32, _: usize, _: usize, _: usize) {
        match self.get_http_call_response_header_bytes(":status").as_deref() {
            Some(b"200") => self.resume_http_request(),
            Some(_) => self.send_http_response(403, vec![], Some(b"refused")),
            None => self.send_http_response(503, vec![], Some(b"no answer")),
        }
    }
}
