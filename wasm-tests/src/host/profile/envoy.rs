//! Envoy 1.40 with `failure_policy: FAIL_RELOAD` and the plugin configuration as a string.
//! It follows `source/extensions/common/wasm/context.cc` and the CEL attributes of Envoy, and what was seen running.

use super::{
    AfterCallback, AfterTrap, Bodies, Dispatch, Engine, Facts, Given, HalfAnswers, Isolation, Metrics, Move, Owner,
    Profile, PropertyQuery, Removal, Reply, ReplyInResponse, RootContexts, SecondReply, SharedStore, Ticks, Tokens,
    TurnedAway, Unusable,
};
use crate::host::callout::{Failure, Response, Timeouts};
use crate::host::headers::Headers;
use crate::host::record::Level;
use crate::host::request::Request;
use crate::host::status::{Refused, Status};
use std::time::Duration;

/// `plugin_name`, `plugin_root_id` and `plugin_vm_id`.
const PLUGIN: [(&str, &str); 3] =
    [("plugin_name", "hub-auth-filter"), ("plugin_root_id", ""), ("plugin_vm_id", "hub-auth-filter")];

/// The header fields that this Envoy keeps in one place (`INLINE_*_HEADERS` in `envoy/http/header_map.h`, and those that
/// its extensions register): a repeated one is joined by a comma. All others stay apart, and a lookup finds the first.
const JOINED: &[&str] = &[
    ":authority",
    ":method",
    ":path",
    ":protocol",
    ":scheme",
    "accept",
    "accept-encoding",
    "authorization",
    "cache-control",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "expect",
    "grpc-timeout",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "if-range",
    "if-unmodified-since",
    "keep-alive",
    "origin",
    "pragma",
    "proxy-connection",
    "proxy-status",
    "referer",
    "te",
    "transfer-encoding",
    "upgrade",
    "user-agent",
    "via",
    "x-client-trace-id",
    "x-forwarded-client-cert",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-port",
    "x-forwarded-proto",
    "x-request-id",
];

impl Profile {
    /// Envoy 1.40, `failure_policy: FAIL_RELOAD`.
    pub fn envoy() -> Profile {
        Profile {
            name: "envoy",
            engine: Engine::Metered,
            property,
            set_property: |query| query.stream.map(|_| ()).ok_or(Refused::Status(Status::NotFound)),
            // Envoy splits the path at its NULs, and one at the end begins no segment.
            spelling: |path| path.strip_suffix(b"\0").unwrap_or(path).to_vec(),
            receive,
            joins,
            map: |headers| Ok(headers.clone()),
            header: |headers, name| Ok(headers.get(name).map(<[u8]>::to_vec)),
            announced: |headers, end_of_stream| (headers.len(), end_of_stream),
            replace: |headers, name, value| headers.set(name, value),
            removal: Removal::Removes,
            absent_map: None,
            early_response_headers: None,
            keeps_at_hand: false,
            empty_removes: false,
            slice: |slice| {
                let rest = slice.buffer.get(slice.start..).unwrap_or_default();
                Ok(Some(&rest[..slice.length.min(rest.len())]))
            },
            callout_body_outside: Refused::Status(Status::NotFound),
            bodies: Bodies::BytesThenEnd,
            unchecked_exports: &[],
            writes_http: false,
            forward: |request| Ok(request.headers.clone()),
            local_reply,
            second_reply: SecondReply::Ignored,
            reply_in_response: ReplyInResponse::Replaces,
            callout_before_reply: false,
            reuses_callout_buffers: false,
            forgets_unread_bodies: false,
            rewriting_kills: false,
            keeps_connections: false,
            repeats_resets: true,
            notices_hang_ups_late: false,
            reads_callouts_badly: false,
            unreachable: |_| None,
            dispatch,
            keeps_pseudo_headers: false,
            timeouts: Timeouts::WholeCall,
            failed,
            half_answers: HalfAnswers::Fail,
            dispatch_status: |_| None,
            answer_headers: Headers::len,
            deadly_answer_headers: None,
            bank_failed: failed,
            tokens: Tokens::OfVm,
            // `http_call` in proxy-wasm-cpp-host acts on `root_context()`, whatever the effective context is.
            owner: Owner::Root,
            reports_failed_callouts: true,
            after_callback: AfterCallback::Waits,
            after_call: |call| if call.action == 0 && !call.replied { Move::Goes } else { Move::Stays },
            response_always_goes: false,
            missing: &[],
            unimplemented: &[],
            silent: &[],
            trapping: &[],
            outside: |_| None,
            silent_start: false,
            shared_data: SharedStore::ByKey,
            metrics: Metrics { longest_name: None, faults_trap: false },
            ticks: Ticks { once: false, leak: false },
            root_contexts: RootContexts::AtStart,
            logs: true,
            reuses_contexts: false,
            isolation: Isolation::Worker,
            unloadable: Unusable::NoStart,
            refused: Unusable::NoStart,
            // `reload_config.backoff.base_interval`; the jitter that Envoy adds (up to one half) is left out.
            after_trap: AfterTrap::Reload(Duration::from_secs(1)),
            // `stream_idle_timeout` of the connection manager, when it is not configured.
            clock_begins_with_vm: false,
            idle_timeout: Duration::from_secs(300),
            log_level: Level::Info,
        }
    }
}

fn joins(name: &[u8]) -> Option<&'static [u8]> {
    JOINED.iter().any(|joined| joined.as_bytes() == name).then_some(b",".as_slice())
}

fn receive(request: &Request, facts: &Facts) -> Result<Headers, TurnedAway> {
    if facts.peer.certificate.as_ref().is_some_and(|certificate| certificate.distrusted.is_some()) {
        // The handshake fails.
        return Err(TurnedAway::Closed);
    }
    let scheme = if facts.peer.tls { "https" } else { "http" };
    let mut headers: Headers = [
        (":authority", request.authority.as_str()),
        (":path", &request.path),
        (":method", &request.method),
        (":scheme", scheme),
    ]
    .into_iter()
    .collect();
    for (name, value) in request.headers.iter() {
        headers.push(name, value);
    }
    if !request.body.is_empty() {
        headers.push("content-length", request.body.len().to_string());
    }
    headers.push("x-forwarded-proto", scheme);
    headers.push("x-request-id", &facts.request_id);
    Ok(headers)
}

/// Fields of the reply are joined as those of a request are; a body has a length and a type.
fn local_reply(reply: &Reply<'_>) -> Given<Response> {
    let mut headers: Headers = [(":status", reply.status.to_string())].into_iter().collect();
    for (name, value) in reply.headers.iter() {
        headers.add(joins, name, value);
    }
    if reply.body.is_empty() {
        headers.remove("content-length");
        headers.remove("content-type");
    } else {
        headers.set("content-length", reply.body.len().to_string());
        if !headers.has("content-type") {
            headers.push("content-type", "text/plain");
        }
    }
    Ok(Some(Response { headers, body: reply.body.to_vec() }))
}

fn dispatch(call: &Dispatch<'_>) -> Result<(), Refused> {
    // Envoy reads the timeout as a signed number.
    let negative = i32::try_from(call.timeout).is_err();
    let incomplete = [":path", ":method", ":authority"].iter().any(|name| !call.headers.has(name));
    if negative || !call.known_upstream || incomplete { Err(Status::BadArgument.into()) } else { Ok(()) }
}

/// Envoy's router answers a callout itself when no response has begun, and resets it when one has.
fn failed(failure: Failure) -> Option<Response> {
    let (status, body) = match failure {
        Failure::ResetInBody | Failure::TimeoutInBody => return None,
        Failure::TimeoutBeforeHeaders => ("504", "upstream request timeout"),
        Failure::Refused | Failure::Unresolved | Failure::TlsHandshake => (
            "503",
            "upstream connect error or disconnect/reset before headers. reset reason: remote connection failure",
        ),
        Failure::Unreadable => {
            ("502", "upstream connect error or disconnect/reset before headers. reset reason: protocol error")
        }
        Failure::ResetBeforeHeaders => {
            ("503", "upstream connect error or disconnect/reset before headers. reset reason: connection termination")
        }
    };
    let length = body.len().to_string();
    let headers = [(":status", status), ("content-length", &length), ("content-type", "text/plain")];
    Some(Response { headers: headers.into_iter().collect(), body: body.as_bytes().to_vec() })
}

fn property(query: &PropertyQuery<'_>) -> Result<Vec<u8>, Refused> {
    let path: Vec<&str> = query.path.iter().map(|part| std::str::from_utf8(part).unwrap_or("\u{fffd}")).collect();
    if let [name] = path[..]
        && let Some((_, value)) = PLUGIN.iter().find(|(known, _)| *known == name)
    {
        return Ok(value.as_bytes().to_vec());
    }
    if path == [""] {
        return Err(Status::SerializationFailure.into());
    }
    let facts = query.stream.ok_or(Status::NotFound)?;
    match path[..] {
        ["connection_id"] => Some(facts.connection.to_le_bytes().to_vec()),
        // A map without its keys: Envoy cannot write it down.
        ["connection" | "request" | "source" | "destination" | "upstream" | "response"] => {
            return Err(Status::SerializationFailure.into());
        }
        ["connection", name] => connection(facts, name),
        ["request", "headers", name] => query.request.and_then(|headers| joined(headers, name)),
        ["response", "headers", name] => query.response.and_then(|headers| joined(headers, name)),
        ["response", "code"] => status(query.response),
        ["request", name] => request(facts, query.request, name),
        ["source", "address"] => Some(b"192.0.2.7:50443".to_vec()),
        ["source", "port"] => Some(50443_i64.to_le_bytes().to_vec()),
        ["destination", "address"] => Some(b"192.0.2.1:8443".to_vec()),
        ["destination", "port"] => Some(8443_i64.to_le_bytes().to_vec()),
        _ => None,
    }
    .ok_or(Refused::Status(Status::NotFound))
}

fn connection(facts: &Facts, name: &str) -> Option<Vec<u8>> {
    let certificate = facts.peer.certificate.as_ref();
    match name {
        "id" => return Some(facts.connection.to_le_bytes().to_vec()),
        // "Presented", in Envoy's words; that it was verified is the listener's configuration.
        "mtls" => return Some(vec![u8::from(certificate.is_some())]),
        _ => {}
    }
    if !facts.peer.tls {
        return None;
    }
    match name {
        "tls_version" => Some(b"TLSv1.3".to_vec()),
        "requested_server_name" => Some(b"bank.example".to_vec()),
        "subject_local_certificate" => Some(b"CN=bank.example".to_vec()),
        // Without a certificate Envoy gives the empty string, not "not found".
        "subject_peer_certificate" => Some(certificate.map(|one| one.subject.clone()).unwrap_or_default()),
        "sha256_peer_certificate_digest" => certificate?.fingerprint.clone().map(String::into_bytes),
        "dns_san_peer_certificate" => certificate?.dns.clone().map(String::into_bytes),
        _ => None,
    }
}

fn request(facts: &Facts, headers: Option<&Headers>, name: &str) -> Option<Vec<u8>> {
    let header = |name: &str| headers.and_then(|headers| headers.get(name)).map(<[u8]>::to_vec);
    match name {
        "id" => header("x-request-id"),
        "path" => header(":path"),
        "url_path" => Some(header(":path")?.split(|byte| *byte == b'?').next()?.to_vec()),
        "query" => Some(header(":path")?.splitn(2, |byte| *byte == b'?').nth(1).unwrap_or_default().to_vec()),
        "host" => header(":authority"),
        "scheme" => header(":scheme"),
        "method" => header(":method"),
        "referer" => header("referer"),
        "useragent" => header("user-agent"),
        "protocol" => Some(b"HTTP/1.1".to_vec()),
        "time" => Some(i64::try_from(facts.arrived.as_nanos()).ok()?.to_le_bytes().to_vec()),
        "size" => Some(i64::try_from(facts.body_size).ok()?.to_le_bytes().to_vec()),
        _ => None,
    }
}

fn status(response: Option<&Headers>) -> Option<Vec<u8>> {
    let status: i64 = response?.text(":status")?.parse().ok()?;
    Some(status.to_le_bytes().to_vec())
}

/// Unlike a lookup by `proxy_get_header_map_value`, the attribute joins all values.
fn joined(headers: &Headers, name: &str) -> Option<Vec<u8>> {
    let values = headers.all(name);
    (!values.is_empty()).then(|| values.join(b",".as_slice()))
}
