//! Kong 3.9's host: nginx 1.25.3 with ngx_wasm_module 9136e463. It follows `src/common/proxy_wasm` and
//! `src/http/proxy_wasm` of that module, and what was seen running; Kong's own Lua layer was read, not run.
//!
//! | what the gateway does | test in `tests/host/kong` |
//! |---|---|
//! | peer in `ngx.ssl_client_*`, SHA-1 fingerprint, `connection.mtls` as text | `the_client_certificate_is_in_nginx_variables` |
//! | `["ngx", "x"]` is `["ngx.x"]` | `a_property_has_the_same_name_in_one_segment_and_in_two` |
//! | no certificate: `NONE` and nothing else | `without_a_client_certificate_only_the_result_…` |
//! | untrusted certificate: 400 | `an_untrusted_certificate_is_a_400_before_the_filter` |
//! | Envoy's `connection.*` absent, an alert each | `the_other_properties_of_envoys_connection_are_absent_…` |
//! | `ngx.upstream_scheme` as a guard | `the_upstream_scheme_can_be_read_and_set_…`, `an_invalid_upstream_scheme_turns_a_lost_decision_into_500` |
//! | property reads outside a request crash (for several names; here for all, so that nobody relies on the others) | `a_property_read_outside_a_request_crashes_the_worker`, `headers_replies_and_continuing_…` |
//! | `:authority`, `host`, `:path` | `authority_is_the_server_name_…`, `the_path_is_percent_decoded_…` |
//! | 100 pairs, `num_headers`, `end_of_stream` | `a_map_of_more_than_100_pairs_…`, `the_number_of_headers_is_without_…` |
//! | removal, replacement | `a_removed_header_stays_readable_…`, `replacing_overwrites_the_first_…` |
//! | upstream forms, TLS port | `an_upstream_is_a_host_…`, `a_name_without_a_port_…` |
//! | bad callouts trap | `an_unusable_upstream_and_a_missing_method_or_path_trap` |
//! | where callouts are allowed | `a_callout_in_on_configure_traps_…`, `a_tick_can_dispatch_…` |
//! | several callouts and chains | `of_several_callouts_the_last_…`, `a_callout_dispatched_in_the_callback_…` |
//! | failures, false 200, timeouts of each wait | `failures_have_no_headers_…`, `a_server_that_closes_mid_body_…`, `a_dripping_server_…` |
//! | upstream by itself after the callback | `after_the_callback_the_request_goes_upstream_by_itself`, `a_reply_in_the_callback_…` |
//! | fail-open: own trap, another's, isolation | `a_trap_in_the_callback_…`, `another_requests_trap_…`, `stream_isolation_contains_…` |
//! | Continue with a callout, Pause without | `continuing_with_a_callout_pending_…`, `pausing_without_a_callout_hangs_…` |
//! | waking other streams | `another_stream_can_not_be_woken`, `continuing_a_stream_has_no_effect` |
//! | refused configuration: traffic passes | `a_refused_configuration_lets_traffic_pass_…` |
//! | no host call at the start | `a_host_call_while_the_module_initializes_itself_…` |
//! | shared data: only configured, CRC32, cas | `shared_data_that_are_not_configured_trap`, `keys_with_the_same_crc32_…` |
//! | metrics, ticks, leaks | `metrics_count_and_their_names_…`, `a_second_tick_period_…`, `a_trap_leaks_a_ticker` |
//! | two `Authorization`, other duplicates | `two_authorization_headers_…`, `the_first_of_repeated_headers_is_found` |
//! | exports that are missing | `an_export_that_is_missing_kills_the_worker` |
//! | local replies | `a_reply_gains_a_line_feed_…`, `a_second_reply_traps` |
//! | replies in the response | `from_response_headers_only_…`, `the_details_of_a_reply_in_the_response_…`, `a_reply_in_the_response_keeps_the_length_…`, `only_the_first_part_…`, `a_reply_in_the_response_takes_the_end_away_…` |
//! | bodies of responses | `each_part_of_a_body_is_shown_…`, `rewriting_the_body_of_a_response_…` |
//! | buffers of a callout's body | `after_an_unanswered_callout_with_a_body_…`, `after_a_second_unanswered_callout_…` |
//! | bodies that are not read | `after_a_callout_a_reply_that_leaves_the_connection_open_…` |
//! | clients that hang up, answers that cannot be read | `a_client_that_hangs_up_…`, `answers_of_other_forms_…` |
//! | a response header that is there twice | `replacing_a_repeated_response_header_removes_it` |
//! | buffered proxying | `buffered_proxying_skips_the_request_phase_…` |
//! | imports | `imports_that_the_host_lacks_…`, `calls_that_are_not_implemented_trap` |
//!
//! Stricter than Kong: by Kong's source no filter is attached before the access phase of its plugins has ended, so that the answer of
//! a plugin which ends a request there is not shown to the filter; here it is (`Request::answered_before_the_filter`).
//!
//! What a harness cannot show: that `random_get` is not cryptographic (its bytes look alike; here they follow from a seed);
//! torn values of shared data (one worker runs at a time) and their loss on a reload (there is none); `Connection: close`, SNI,
//! chain depth and certificate checks of callouts (no bytes are sent: `Answer::tls_failure` is a failed check); DNS settings
//! of the root context (`Answer::unresolved` is their effect); `ssl_client_s_dn_legacy` (a rule for filters); `kong.conf`, the
//! re-encoding of `config` and `nginx_main_env` (`Builder::configuration` and `environment` are what arrives); nginx's
//! normalisation of `//` and `/../` in `:path`; Kong's exit of the whole worker after a trap in `on_configure` (the start fails).

use super::{
    AfterCallback, AfterTrap, Bodies, Dispatch, Engine, Facts, Given, HalfAnswers, Isolation, Metrics, Move, Owner,
    Profile, PropertyQuery, Removal, Reply, ReplyInResponse, Returned, RootContexts, SecondReply, SharedStore, Slice,
    Ticks, Tokens, TurnedAway, Unusable, nginx,
};
use crate::host::callout::{CalloutOutcome, Failure, Response, Timeouts};
use crate::host::headers::Headers;
use crate::host::record::Level;
use crate::host::request::Request;
use crate::host::status::{Refused, Status};
use std::time::Duration;

/// The most pairs that fit into the memory that the host asks the module for.
const MAP_LIMIT: usize = 100;
/// `max_metric_name_length` less `pw:hub-auth-filter:`.
const METRIC_NAME_LIMIT: usize = 256 - 4 - "hub-auth-filter".len();

/// Properties of Envoy that this host knows and does not have: each question is an alert in the log.
const NOT_YET: [&str; 6] = [
    "connection.subject_peer_certificate",
    "connection.sha256_peer_certificate_digest",
    "connection.dns_san_local_certificate",
    "connection.dns_san_peer_certificate",
    "connection.uri_san_local_certificate",
    "connection.uri_san_peer_certificate",
];

/// Exports that the host calls without a look whether they exist.
const UNCHECKED_EXPORTS: &[&str] = &[
    "proxy_on_request_headers",
    "proxy_on_request_body",
    "proxy_on_response_headers",
    "proxy_on_response_body",
    "proxy_on_response_trailers",
    "proxy_on_http_call_response",
    "proxy_on_done",
    "proxy_on_log",
    "proxy_on_delete",
];

/// Imports that the host does not have, or has with other parameters.
const MISSING: &[&str] = &[
    "proxy_get_log_level",
    "proxy_get_header_map_size",
    "proxy_get_buffer_status",
    "emscripten_notify_memory_growth",
    "pthread_equal",
    "clock_res_get",
    "fd_advise",
    "fd_allocate",
    "fd_datasync",
    "fd_fdstat_set_flags",
    "fd_fdstat_set_rights",
    "fd_filestat_get",
    "fd_filestat_set_size",
    "fd_filestat_set_times",
    "fd_pread",
    "fd_pwrite",
    "fd_readdir",
    "fd_renumber",
    "fd_sync",
    "fd_tell",
    "path_create_directory",
    "path_filestat_get",
    "path_filestat_set_times",
    "path_link",
    "path_readlink",
    "path_remove_directory",
    "path_rename",
    "path_symlink",
    "path_unlink_file",
    "poll_oneoff",
    "sched_yield",
    "sock_accept",
    "sock_recv",
    "sock_send",
    "sock_shutdown",
];

/// Host functions that only say "NYI", which is a trap, and queues, of which none is configured.
const TRAPPING: &[&str] = &[
    "proxy_done",
    "proxy_get_status",
    "proxy_close_stream",
    "proxy_call_foreign_function",
    "proxy_grpc_call",
    "proxy_grpc_stream",
    "proxy_grpc_send",
    "proxy_grpc_cancel",
    "proxy_grpc_close",
    "proxy_register_shared_queue",
    "proxy_resolve_shared_queue",
    "proxy_enqueue_shared_queue",
    "proxy_dequeue_shared_queue",
];

/// Calls that do so before 3.8, beside those: `ngx_proxy_wasm_hfuncs_nop`.
const METRICS: &[&str] = &["proxy_define_metric", "proxy_increment_metric", "proxy_record_metric", "proxy_get_metric"];

/// Calls that follow a null pointer when there is no request.
const CRASHING_OUTSIDE: [&str; 8] = [
    "proxy_get_property",
    "proxy_get_header_map_value",
    "proxy_get_header_map_pairs",
    "proxy_add_header_map_value",
    "proxy_replace_header_map_value",
    "proxy_remove_header_map_value",
    "proxy_send_local_response",
    "proxy_continue_stream",
];

impl Profile {
    /// Kong 3.4 to 3.7, on which the filter refuses everything. Their hosts trap where a metric is defined, let a request go upstream
    /// after a trap in its own phase, and show headers of a response that there is not yet. Only so much of them is here as the
    /// refusal needs.
    pub fn kong_before_3_8() -> Profile {
        Profile {
            trapping: &[TRAPPING, METRICS],
            early_response_headers: Some(&[("Server", "kong"), ("Connection", "keep-alive")]),
            ..Profile::kong()
        }
    }

    /// Kong 3.8: nobody is told of a callout without an answer (`ngx_proxy_wasm_dispatch.c` of 96b4e27e), and its request goes on.
    pub fn kong_3_8() -> Profile {
        Profile { reports_failed_callouts: false, ..Profile::kong() }
    }

    /// Kong 3.9 with the module in a filter chain, without `nginx_wasm_shm_kv`; with it,
    /// `Profile { shared_data: SharedStore::ByCrc32, ..Profile::kong() }`; with `nginx_http_proxy_wasm_isolation=stream`,
    /// `Profile { isolation: Isolation::Stream, ..Profile::kong() }`.
    pub fn kong() -> Profile {
        Profile {
            name: "kong",
            engine: Engine::Wasmtime26,
            property,
            set_property,
            spelling: |path| path.iter().map(|byte| if *byte == 0 { b'.' } else { *byte }).collect(),
            receive,
            joins: |_| None,
            map,
            header: |headers, name| Ok(headers.get(name).map(<[u8]>::to_vec)),
            announced: |headers, _| (without_pseudo(headers), false),
            replace,
            removal: Removal::Hides,
            absent_map: Some(Status::BadArgument),
            early_response_headers: Some(&[]),
            keeps_at_hand: true,
            empty_removes: false,
            slice,
            callout_body_outside: Refused::Trap(
                "can only get dispatch response body during on_http_dispatch_response".to_owned(),
            ),
            bodies: Bodies::OfNginx,
            unchecked_exports: UNCHECKED_EXPORTS,
            writes_http: true,
            forward: |request| {
                nginx::forward(request, b"ngx.upstream_scheme", &nginx::decoded_path(&request.facts.path))
            },
            local_reply,
            second_reply: SecondReply::Traps,
            reply_in_response: ReplyInResponse::StatusAndFirstPart,
            callout_before_reply: false,
            reuses_callout_buffers: true,
            forgets_unread_bodies: true,
            rewriting_kills: true,
            keeps_connections: false,
            repeats_resets: false,
            notices_hang_ups_late: true,
            reads_callouts_badly: true,
            unreachable: |_| None,
            dispatch,
            keeps_pseudo_headers: false,
            timeouts: Timeouts::EachWait,
            failed: |_| None,
            half_answers: HalfAnswers::FalselySucceed,
            dispatch_status,
            answer_headers: without_pseudo,
            deadly_answer_headers: None,
            bank_failed: nginx::bank_failed,
            tokens: Tokens::OfWorker,
            owner: Owner::DispatcherAsRoot,
            reports_failed_callouts: true,
            after_callback: AfterCallback::GoesUpstream,
            after_call,
            response_always_goes: true,
            missing: MISSING,
            unimplemented: &[],
            silent: &["proxy_set_effective_context", "proxy_continue_stream"],
            trapping: &[TRAPPING],
            outside: |name| {
                CRASHING_OUTSIDE.contains(&name).then(|| Refused::Crash(format!("{name} outside a request")))
            },
            silent_start: true,
            shared_data: SharedStore::NotConfigured,
            metrics: Metrics { longest_name: Some(METRIC_NAME_LIMIT), faults_trap: true },
            ticks: Ticks { once: true, leak: true },
            root_contexts: RootContexts::AtStart,
            logs: true,
            reuses_contexts: false,
            isolation: Isolation::Worker,
            unloadable: Unusable::NoStart,
            // The raw module would not start; Kong attaches no filter chain.
            refused: Unusable::Unfiltered,
            after_trap: AfterTrap::FailOpen,
            clock_begins_with_vm: false,
            idle_timeout: Duration::MAX,
            // Kong's own default is `notice`, which the ABI does not have: `info` is below it.
            log_level: Level::Warn,
        }
    }
}

fn without_pseudo(headers: &Headers) -> usize {
    headers.iter().filter(|(name, _)| !name.starts_with(b":")).count()
}

fn receive(request: &Request, facts: &Facts) -> Result<Headers, TurnedAway> {
    let certificate = facts.peer.certificate.as_ref();
    if facts.peer.tls && certificate.is_some_and(|certificate| certificate.distrusted.is_some()) {
        return Err(TurnedAway::Status(400));
    }
    let fields = nginx::fields(request)?;
    let scheme = if facts.peer.tls { "https" } else { "http" };
    let mut headers = Headers::new();
    headers.push(":path", nginx::decoded_path(&request.path));
    headers.push(":method", &request.method);
    headers.push(":scheme", scheme);
    headers.push(":authority", "kong:8443");
    fields.iter().for_each(|(name, value)| headers.push(name, value));
    Ok(headers)
}

/// Of a field that is there more than once, nothing is left.
fn replace(headers: &mut Headers, name: &[u8], value: &[u8]) {
    match headers.all(name).len() {
        0 | 1 => headers.set(name, value),
        _ => headers.remove(name),
    }
}

fn map(headers: &Headers) -> Result<Headers, Refused> {
    if headers.len() > MAP_LIMIT {
        return Err(Refused::Crash(format!("a map of {} headers overruns the module's memory", headers.len())));
    }
    Ok(headers.clone())
}

/// The host looks at the start only to see whether it overflows.
fn slice(slice: Slice<'_>) -> Given<&[u8]> {
    let Slice { buffer, length, .. } = slice;
    if buffer.is_empty() {
        return Err(Status::NotFound.into());
    }
    Ok(Some(&buffer[..length.min(buffer.len())]).filter(|slice| !slice.is_empty()))
}

fn property(query: &PropertyQuery<'_>) -> Result<Vec<u8>, Refused> {
    let path: Vec<&str> = query.path.iter().map(|part| std::str::from_utf8(part).unwrap_or("\u{fffd}")).collect();
    let [name] = path[..] else { return Err(Status::NotFound.into()) };
    if NOT_YET.contains(&name) {
        return Err(Refused::Alert(Status::NotFound, format!("NYI - \"{name}\" property")));
    }
    let facts = query.stream.ok_or(Status::InternalFailure)?;
    let variable = |name: &str| nginx::variable(query, facts, name);
    match name {
        "plugin_name" => Some(b"hub-auth-filter".to_vec()),
        "request.path" => variable("request_uri"),
        "request.url_path" => variable("uri"),
        "request.host" => variable("hostname"),
        "request.scheme" => variable("scheme"),
        "request.method" => variable("request_method"),
        "request.query" => variable("args"),
        "request.protocol" => variable("server_protocol"),
        "request.size" => variable("content_length"),
        "request.id" => variable("http_x_request_id"),
        "request.referer" => variable("http_referer"),
        "request.useragent" => variable("http_user_agent"),
        "response.code" => variable("status"),
        "source.address" => variable("remote_addr"),
        "source.port" => variable("remote_port"),
        "connection.id" => variable("connection"),
        "connection.tls_version" => variable("ssl_protocol"),
        "connection.requested_server_name" => variable("ssl_server_name"),
        // So the host names the peer's.
        "connection.subject_local_certificate" => variable("ssl_client_s_dn"),
        "connection.mtls" => {
            variable("ssl_client_verify").map(|verified| (verified == b"SUCCESS").to_string().into_bytes())
        }
        _ => match (name.strip_prefix("ngx."), name.strip_prefix("request.headers.")) {
            (Some(name), _) => variable(name),
            (_, Some(field)) => query.request.and_then(|headers| headers.get(field)).map(<[u8]>::to_vec),
            _ => None,
        },
    }
    .ok_or(Refused::Status(Status::NotFound))
}

/// Of nginx's variables only those can be set that Kong's configuration sets.
fn set_property(query: &PropertyQuery<'_>) -> Result<(), Refused> {
    let facts = query.stream.ok_or(Status::InternalFailure)?;
    let name =
        query.path.first().and_then(|path| std::str::from_utf8(path).ok()).and_then(|path| path.strip_prefix("ngx."));
    match name {
        Some("upstream_scheme" | "upstream_uri" | "upstream_host") => Ok(()),
        Some(name) if nginx::variable(query, facts, name).is_some() => Err(Status::InternalFailure.into()),
        _ => Err(Status::NotFound.into()),
    }
}

/// The body gains a line feed, and of repeated fields the last wins.
fn local_reply(reply: &Reply<'_>) -> Given<Response> {
    if !(100..=999).contains(&reply.status) {
        return Err(Status::BadArgument.into());
    }
    let mut headers: Headers = [(":status", reply.status.to_string())].into_iter().collect();
    reply.headers.iter().for_each(|(name, value)| headers.set(name, value));
    let mut body = reply.body.to_vec();
    if !body.is_empty() {
        body.push(b'\n');
        if !headers.has("content-type") {
            headers.push("content-type", "text/plain");
        }
    }
    headers.set("content-length", body.len().to_string());
    Ok(Some(Response { headers, body }))
}

fn dispatch(call: &Dispatch<'_>) -> Result<(), Refused> {
    let may = ["proxy_on_request_headers", "proxy_on_request_body", "proxy_on_tick", "proxy_on_http_call_response"];
    if !may.contains(&call.during) {
        return Err(Refused::Trap(format!("cannot send HTTP dispatch during {}", call.during)));
    }
    let incomplete = [":method", ":path"].iter().any(|name| call.headers.get(name).is_none_or(<[u8]>::is_empty));
    if incomplete || !is_address(call.upstream) {
        let why = "dispatch failed: bad upstream, method or path";
        // Outside a request it is only logged.
        return Err(if call.of_stream { Refused::Trap(why.to_owned()) } else { Status::InternalFailure.into() });
    }
    Ok(())
}

/// `host`, `host:port`, `[v6]`, `[v6]:port` or `unix:/path`.
fn is_address(upstream: &str) -> bool {
    if let Some(path) = upstream.strip_prefix("unix:") {
        return !path.is_empty();
    }
    let (host, port) = match upstream.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, port)) => (host, port.strip_prefix(':').or(if port.is_empty() { None } else { Some("") })),
        None => upstream.split_once(':').map_or((upstream, None), |(host, port)| (host, Some(port))),
    };
    let port_is_good = port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port > 0));
    !host.is_empty() && !host.contains('/') && port_is_good
}

fn dispatch_status(outcome: &CalloutOutcome) -> Option<&'static str> {
    Some(match outcome {
        CalloutOutcome::Failed(failure) => match failure {
            Failure::Refused | Failure::ResetBeforeHeaders => "broken connection",
            Failure::Unresolved => "resolver failure",
            Failure::TlsHandshake => "tls handshake failure",
            Failure::TimeoutBeforeHeaders | Failure::TimeoutInBody => "timeout",
            Failure::Unreadable => "reader failure",
            // What has arrived is taken for the whole.
            Failure::ResetInBody => "ok",
        },
        CalloutOutcome::Answered(_) | CalloutOutcome::InFlight | CalloutOutcome::Cancelled => "ok",
    })
}

fn after_call(call: Returned) -> Move {
    match (call.replied, call.pending, call.action) {
        (true, ..) => Move::Stays,
        (false, true, 0) => Move::Crashes("Action::Continue with a callout pending"),
        (false, false, 0) => Move::Goes,
        // With no callout pending it hangs.
        (false, ..) => Move::Stays,
    }
}
