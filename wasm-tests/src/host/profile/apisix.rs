//! APISIX 3.18 with wasm-nginx-module 0.7.0 and wasmtime 0.38. It follows `src/http` and `lib/resty/proxy-wasm.lua` of that
//! module and `apisix/wasm.lua`, and what was seen running.
//!
//! | what the gateway does | test in `tests/host/apisix` |
//! |---|---|
//! | a property is one nginx variable | `a_property_is_one_nginx_variable` |
//! | `FAILED:…` with the distrusted DN readable | `a_distrusted_certificate_reaches_the_filter_…` |
//! | plain HTTP reaches the same route | `on_plain_http_there_is_no_certificate_variable` |
//! | properties outside a request: status 2 | `a_property_read_outside_a_request_is_status_2` |
//! | callout upstream, TLS to an IP, pseudo headers of earlier requests | `an_upstream_is_a_host_…`, `https_to_an_ip_address_fails`, `missing_pseudo_headers_are_those_of_an_earlier_callout` |
//! | callouts from request headers and chained only | `a_callout_is_for_request_headers_…`, `a_callout_dispatched_in_the_callback_…` |
//! | one call in flight; the call holds the request | `a_second_callout_…`, `the_call_itself_holds_the_request_…` |
//! | upstream by itself after the callback | `after_the_callback_the_request_goes_upstream_by_itself` |
//! | Pause without a call or reply crashes | `pausing_without_a_callout_or_reply_crashes_the_worker` |
//! | failures: 0 headers and nothing else; timeouts of each wait | `a_failure_has_no_headers_and_nothing_else`, `a_dripping_server_…` |
//! | 128 headers in an answer corrupt the heap | `an_answer_of_128_headers_crashes_the_worker` |
//! | not implemented | `calls_that_are_not_implemented_say_so`, `metrics_have_no_effect` |
//! | one VM, a root context per configuration on first use | `a_root_context_is_made_for_each_configuration_…` |
//! | on_configure false: 503 each time | `a_refused_configuration_is_a_503_…` |
//! | a module that cannot be loaded: traffic passes | `a_module_that_can_not_be_loaded_lets_traffic_pass` |
//! | two `Authorization`, first duplicate, `""`, removal | `two_authorization_headers_…`, `the_first_of_repeated_…`, `an_empty_value_removes_a_header` |
//! | map of 100, by name all, no Host | `the_map_shows_the_first_100_headers_…`, `without_a_host_the_map_…` |
//! | `num_headers` 0, `end_of_stream` true | `there_are_always_0_headers_and_the_stream_always_ends` |
//! | response callback for local replies, on fresh contexts | `the_response_callback_runs_for_local_replies_too`, `…_on_a_fresh_context` |
//! | the map of a response with more than 20 headers | `the_map_of_a_response_with_more_than_20_headers_cannot_be_read` |
//! | informational answers | `after_an_informational_answer_the_real_one_is_that_of_the_next_callout` |
//! | callouts on kept connections | `a_second_callout_is_sent_on_a_connection_that_is_dead_unless_the_first_one_closes_it` |
//! | three headers of its own | `three_headers_are_added_before_the_filter` |
//! | a write to the configuration rebuilds every context | `after_a_write_to_the_configuration_there_are_new_root_contexts` |
//! | log bytes raw, `info` hidden | `log_lines_are_written_raw_and_info_is_hidden` |
//! | traps brick the plugin or kill the worker | `a_trap_bricks_the_plugin_…`, `a_trap_may_kill_the_worker` |
//! | the steady clock begins with the VM | `the_steady_clock_begins_with_the_vm` |
//! | replies | `a_reply_keeps_repeated_headers`, `a_reply_without_a_body_is_an_error_page_of_nginx`, `in_the_response_only_headers_…` |
//!
//! What a harness cannot show: SNI, the verified name and trusted CAs of callouts (no bytes are sent: `Answer::tls_failure` is
//! a failed check); the heap that 128 headers corrupt (here the worker dies at once; really some time later); `conf` re-encoded from
//! an object and `$env://` (`Builder::configuration` is what arrives); `skip_mtls_uri_regex` and SNI routing (`Peer::untrusted`
//! and `Peer::plaintext` are what they let through); plugin priorities and phases (`Request::answered_before_the_filter` is a
//! plugin that ran earlier); the second `on_configure` of a refused request, in its response phase.

use super::{
    AfterCallback, AfterTrap, Bodies, Dispatch, Engine, Facts, Given, HalfAnswers, Isolation, Metrics, Move, Owner,
    Profile, PropertyQuery, Removal, Reply, ReplyInResponse, Returned, RootContexts, SecondReply, SharedStore, Slice,
    Ticks, Tokens, TurnedAway, Unusable, nginx,
};
use crate::host::callout::{Failure, Response, Timeouts};
use crate::host::headers::Headers;
use crate::host::record::Level;
use crate::host::request::Request;
use crate::host::status::{Refused, Status};
use std::net::IpAddr;
use std::time::Duration;

/// How many headers of a response lie in one part of nginx's list. Of more, the host counts all and writes the last part, so that the
/// map cannot be read.
const RESPONSE_MAP_LIMIT: usize = 20;
/// How many headers `ngx_http_lua_ffi_req_get_headers` gives at most.
const MAP_LIMIT: usize = 100;
/// How many headers of an answer fill the string buffer of lua-resty-core, so that `:status` is written behind it.
const ANSWER_LIMIT: usize = 128;

/// Imports that the host does not have, or has with other parameters.
const MISSING: &[&str] = &[
    "proxy_get_log_level",
    "proxy_get_metric",
    "proxy_get_header_map_size",
    "proxy_get_buffer_status",
    "emscripten_notify_memory_growth",
    "pthread_equal",
];

const UNIMPLEMENTED: &[&str] = &[
    "proxy_call_foreign_function",
    "proxy_dequeue_shared_queue",
    "proxy_done",
    "proxy_enqueue_shared_queue",
    "proxy_get_current_time_nanoseconds",
    "proxy_get_shared_data",
    "proxy_get_status",
    "proxy_grpc_call",
    "proxy_grpc_cancel",
    "proxy_grpc_close",
    "proxy_grpc_send",
    "proxy_grpc_stream",
    "proxy_register_shared_queue",
    "proxy_resolve_shared_queue",
    "proxy_set_buffer_bytes",
    "proxy_set_header_map_pairs",
    "proxy_set_shared_data",
    "proxy_set_tick_period_milliseconds",
];

const SILENT: &[&str] = &[
    "proxy_close_stream",
    "proxy_continue_stream",
    "proxy_define_metric",
    "proxy_increment_metric",
    "proxy_record_metric",
    "proxy_set_effective_context",
];

/// Calls that are a bad argument when there is no request (`must_get_req`).
const OF_REQUESTS: [&str; 8] = [
    "proxy_set_property",
    "proxy_get_header_map_value",
    "proxy_get_header_map_pairs",
    "proxy_add_header_map_value",
    "proxy_replace_header_map_value",
    "proxy_remove_header_map_value",
    "proxy_send_local_response",
    "proxy_http_call",
];

impl Profile {
    /// APISIX 3.18 with the plugin in its access phase. After a trap the plugin is bricked;
    /// `Profile { after_trap: AfterTrap::Crash, ..Profile::apisix() }` is the other thing that has been seen.
    pub fn apisix() -> Profile {
        Profile {
            name: "apisix",
            engine: Engine::Wasmtime0_38,
            property,
            set_property,
            spelling: <[u8]>::to_ascii_lowercase,
            receive,
            joins: |_| None,
            map,
            header,
            announced: |_, _| (0, true),
            replace: |headers, name, value| headers.set(name, value),
            removal: Removal::Removes,
            absent_map: Some(Status::NotFound),
            early_response_headers: None,
            keeps_at_hand: true,
            empty_removes: true,
            slice,
            callout_body_outside: Refused::Status(Status::NotFound),
            bodies: Bodies::Hidden,
            unchecked_exports: &[],
            writes_http: true,
            forward: |request| nginx::forward(request, b"upstream_scheme", request.facts.path.as_bytes()),
            local_reply,
            second_reply: SecondReply::Wins,
            reply_in_response: ReplyInResponse::HeadersOnly,
            callout_before_reply: true,
            reuses_callout_buffers: false,
            forgets_unread_bodies: false,
            rewriting_kills: false,
            keeps_connections: true,
            repeats_resets: false,
            notices_hang_ups_late: false,
            reads_callouts_badly: false,
            unreachable,
            dispatch,
            keeps_pseudo_headers: true,
            timeouts: Timeouts::EachWait,
            failed: |_| None,
            half_answers: HalfAnswers::Fail,
            dispatch_status: |_| None,
            answer_headers: Headers::len,
            deadly_answer_headers: Some(ANSWER_LIMIT),
            bank_failed: nginx::bank_failed,
            tokens: Tokens::OfWorker,
            owner: Owner::DispatcherAsRoot,
            reports_failed_callouts: true,
            after_callback: AfterCallback::GoesUpstream,
            after_call,
            response_always_goes: true,
            missing: MISSING,
            unimplemented: UNIMPLEMENTED,
            silent: SILENT,
            trapping: &[],
            outside: |name| OF_REQUESTS.contains(&name).then_some(Refused::Status(Status::BadArgument)),
            silent_start: false,
            shared_data: SharedStore::NotConfigured,
            metrics: Metrics { longest_name: None, faults_trap: false },
            ticks: Ticks { once: false, leak: false },
            root_contexts: RootContexts::OnFirstRequest,
            logs: false,
            reuses_contexts: true,
            isolation: Isolation::Worker,
            unloadable: Unusable::Unfiltered,
            refused: Unusable::Refuses(503),
            after_trap: AfterTrap::Bricked,
            clock_begins_with_vm: true,
            idle_timeout: Duration::MAX,
            log_level: Level::Warn,
        }
    }
}

/// APISIX adds three fields of its own before any plugin.
fn receive(request: &Request, facts: &Facts) -> Result<Headers, TurnedAway> {
    let mut headers = nginx::fields(request)?;
    headers.push("x-forwarded-proto", if facts.peer.tls { "https" } else { "http" });
    headers.push("x-forwarded-host", &request.authority);
    headers.push("x-forwarded-port", "9443");
    headers.push(":path", &request.path);
    headers.push(":method", &request.method);
    headers.push(":scheme", if facts.peer.tls { "https" } else { "http" });
    if !request.authority.is_empty() {
        headers.push(":authority", &request.authority);
    }
    Ok(headers)
}

fn is_without_host(headers: &Headers) -> bool {
    headers.has(":method") && !headers.has(":authority")
}

/// The first fields, and all pseudo headers.
fn map(headers: &Headers) -> Result<Headers, Refused> {
    if is_without_host(headers) {
        return Err(Refused::Crash("the map of a request without a host".to_owned()));
    }
    if headers.has(":status") && headers.len() > RESPONSE_MAP_LIMIT {
        return Ok(Headers::new());
    }
    let (pseudo, fields): (Vec<_>, Vec<_>) = headers.iter().partition(|(name, _)| name.starts_with(b":"));
    Ok(fields.into_iter().take(MAP_LIMIT).chain(pseudo).collect())
}

fn header(headers: &Headers, name: &[u8]) -> Given<Vec<u8>> {
    if name.eq_ignore_ascii_case(b":authority") && is_without_host(headers) {
        return Err(Refused::Crash("`:authority` of a request without a host".to_owned()));
    }
    Ok(headers.get(name).map(<[u8]>::to_vec))
}

/// The configuration comes as a whole, however much is asked for.
fn slice(slice: Slice<'_>) -> Given<&[u8]> {
    let Slice { buffer, start, length, configuration } = slice;
    if buffer.is_empty() {
        return Err(Status::NotFound.into());
    }
    if configuration {
        return Ok(Some(buffer));
    }
    let rest = buffer.get(start..).filter(|rest| !rest.is_empty() && length > 0).ok_or(Status::BadArgument)?;
    Ok(Some(&rest[..length.min(rest.len())]))
}

fn property(query: &PropertyQuery<'_>) -> Result<Vec<u8>, Refused> {
    let path: Vec<&str> = query.path.iter().map(|part| std::str::from_utf8(part).unwrap_or("\u{fffd}")).collect();
    if path == ["plugin_root_id"] {
        return Ok(b"hub-auth-filter".to_vec());
    }
    let facts = query.stream.ok_or(Status::BadArgument)?;
    let [name] = path[..] else { return Err(Status::NotFound.into()) };
    nginx::variable(query, facts, name).ok_or(Refused::Status(Status::NotFound))
}

fn set_property(query: &PropertyQuery<'_>) -> Result<(), Refused> {
    let facts = query.stream.ok_or(Status::BadArgument)?;
    let name = query.path.first().and_then(|name| std::str::from_utf8(name).ok()).unwrap_or_default();
    match name {
        "args" | "upstream_scheme" | "upstream_uri" | "upstream_host" => Ok(()),
        name if nginx::variable(query, facts, name).is_some() => Err(Status::InternalFailure.into()),
        _ => Err(Status::NotFound.into()),
    }
}

/// A status below 100 is none; without a body nginx makes an error page.
fn local_reply(reply: &Reply<'_>) -> Given<Response> {
    let Some(status) = u16::try_from(reply.status).ok().filter(|status| *status >= 100) else { return Ok(None) };
    let mut headers: Headers = [(":status", status.to_string())].into_iter().collect();
    reply.headers.iter().for_each(|(name, value)| headers.push(name, value));
    let body =
        if reply.body.is_empty() && status >= 300 { nginx::error_page(status).body } else { reply.body.to_vec() };
    if !headers.has("content-type") {
        let kind = if reply.body.is_empty() { "text/html; charset=utf-8" } else { "text/plain; charset=utf-8" };
        headers.push("content-type", kind);
    }
    headers.set("content-length", body.len().to_string());
    Ok(Some(Response { headers, body }))
}

fn dispatch(call: &Dispatch<'_>) -> Result<(), Refused> {
    let may = ["proxy_on_request_headers", "proxy_on_http_call_response"].contains(&call.during);
    if !may || !call.of_stream || !is_host(call.upstream) {
        return Err(Status::BadArgument.into());
    }
    if call.pending > 0 || i32::try_from(call.timeout).is_err() {
        return Err(Status::InternalFailure.into());
    }
    Ok(())
}

/// `host` or `host:port`, and no URL.
fn is_host(upstream: &str) -> bool {
    let (host, port) = upstream.rsplit_once(':').map_or((upstream, None), |(host, port)| (host, Some(port)));
    !host.is_empty() && !host.contains('/') && port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port > 0))
}

/// The name to verify is the host, and no certificate is for an address.
fn unreachable(call: &Dispatch<'_>) -> Option<Failure> {
    let host = call.upstream.rsplit_once(':').map_or(call.upstream, |(host, _)| host);
    let address = host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok();
    (address && call.headers.get(":scheme") == Some(b"https")).then_some(Failure::TlsHandshake)
}

fn after_call(call: Returned) -> Move {
    match (call.pending || call.replied, call.action) {
        (true, _) => Move::Stays,
        (false, 0) => Move::Goes,
        (false, _) => Move::Crashes("Action::Pause without a callout or a local response"),
    }
}
