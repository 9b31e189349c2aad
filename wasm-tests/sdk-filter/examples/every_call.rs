//! Makes one host call at each request, in the way that the SDK offers to filters. The plugin's configuration is its name.

#![cfg(target_family = "wasm")]
#![expect(missing_docs, reason = "the SDK's macro exports a function that has no documentation")]

use proxy_wasm::hostcalls;
use proxy_wasm::traits::{Context, HttpContext, RootContext, StreamContext};
use proxy_wasm::types::{Action, BufferType, ContextType, LogLevel, MapType, MetricType};
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

proxy_wasm::main! {{
    proxy_wasm::set_root_context(|_| Box::new(Root(String::new())));
}}

struct Root(String);

impl Context for Root {}

impl RootContext for Root {
    fn on_configure(&mut self, _: usize) -> bool {
        self.0 = String::from_utf8(self.get_plugin_configuration().unwrap_or_default()).unwrap_or_default();
        true
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }

    fn create_http_context(&self, _: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Request(self.0.clone())))
    }
}

struct Request(String);

impl Context for Request {}

impl StreamContext for Request {}

impl HttpContext for Request {
    fn on_http_request_headers(&mut self, _: usize, _: bool) -> Action {
        make(self, &self.0);
        Action::Pause
    }
}

/// A result of the SDK's: for what it returns, it does not panic.
fn ignore<T>(_: T) {}

/// Makes the call, if there is one of this name. The traits have most of them; what they lack is called as the SDK calls it itself.
fn make(request: &Request, call: &str) {
    match call {
        "proxy_add_header_map_value" => request.add_http_request_header_bytes("x", b"1"),
        "proxy_call_foreign_function" => ignore(request.call_foreign_function("f", None)),
        "proxy_close_stream" => request.reset_http_request(),
        "proxy_continue_stream" => request.resume_http_request(),
        "proxy_define_metric" => ignore(hostcalls::define_metric(MetricType::Counter, "m")),
        "proxy_dequeue_shared_queue" => ignore(request.dequeue_shared_queue(1)),
        "proxy_done" => Context::done(request),
        "proxy_enqueue_shared_queue" => ignore(request.enqueue_shared_queue(1, None)),
        "proxy_get_buffer_bytes" => ignore(request.get_http_request_body(0, 1)),
        "proxy_get_current_time_nanoseconds" => ignore(request.get_current_time()),
        "proxy_get_header_map_pairs" => ignore(request.get_http_request_headers_bytes()),
        "proxy_get_header_map_value" => ignore(request.get_http_request_header_bytes("x")),
        "proxy_get_log_level" => ignore(hostcalls::get_log_level()),
        "proxy_get_metric" => ignore(hostcalls::get_metric(1)),
        "proxy_get_property" => ignore(request.get_property(vec!["plugin_name"])),
        "proxy_get_shared_data" => ignore(request.get_shared_data("k")),
        "proxy_get_status" => ignore(request.get_grpc_status()),
        "proxy_grpc_call" => ignore(request.dispatch_grpc_call("u", "s", "m", vec![], None, SECOND)),
        "proxy_grpc_cancel" => request.cancel_grpc_call(1),
        "proxy_grpc_close" => request.close_grpc_stream(1),
        "proxy_grpc_send" => request.send_grpc_stream_message(1, None, true),
        "proxy_grpc_stream" => ignore(request.open_grpc_stream("u", "s", "m", vec![])),
        // The answer to the first is where the dispatcher makes the second.
        "proxy_http_call" | "proxy_set_effective_context" => {
            let headers = vec![(":method", "GET"), (":path", "/"), (":authority", "u")];
            ignore(request.dispatch_http_call("u", headers, None, vec![], SECOND));
        }
        "proxy_increment_metric" => ignore(hostcalls::increment_metric(1, 1)),
        "proxy_log" => ignore(hostcalls::log(LogLevel::Info, "text")),
        "proxy_record_metric" => ignore(hostcalls::record_metric(1, 1)),
        "proxy_register_shared_queue" => ignore(request.register_shared_queue("q")),
        "proxy_remove_header_map_value" => request.set_http_request_header_bytes("x", None),
        "proxy_replace_header_map_value" => request.set_http_request_header_bytes("x", Some(b"1")),
        "proxy_resolve_shared_queue" => ignore(request.resolve_shared_queue("v", "q")),
        "proxy_send_local_response" => request.send_http_response(401, vec![], None),
        "proxy_set_buffer_bytes" => ignore(hostcalls::set_buffer(BufferType::HttpRequestBody, 0, 1, b"b")),
        "proxy_set_header_map_pairs" => ignore(hostcalls::set_map_bytes(MapType::HttpRequestHeaders, vec![])),
        "proxy_set_property" => request.set_property(vec!["p"], None),
        "proxy_set_shared_data" => ignore(request.set_shared_data("k", None, None)),
        "proxy_set_tick_period_milliseconds" => ignore(hostcalls::set_tick_period(SECOND)),
        _ => {}
    }
}
