//! What Kong and APISIX have from nginx: its variables, its own refusals before any filter, and its error pages.

use super::{Facts, Forward, PropertyQuery, TurnedAway};
use crate::host::callout::{Failure, Response};
use crate::host::headers::Headers;
use crate::host::request::{Certificate, Request};

/// Header fields that nginx refuses with 400 when they are repeated (`ngx_http_process_unique_header_line`).
const UNIQUE: [&str; 9] = [
    "authorization",
    "content-length",
    "host",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "if-unmodified-since",
    "range",
    "transfer-encoding",
];

/// The schemes with which nginx can send a request upstream.
const SCHEMES: [&[u8]; 4] = [b"http", b"https", b"grpc", b"grpcs"];

/// The header fields of a request, without pseudo headers, unless nginx turns it away.
pub(super) fn fields(request: &Request) -> Result<Headers, TurnedAway> {
    let mut fields = Headers::new();
    if !request.authority.is_empty() {
        fields.push("host", &request.authority);
    }
    for (name, value) in request.headers.iter() {
        fields.push(name, value);
    }
    if !request.body.is_empty() {
        fields.push("content-length", request.body.len().to_string());
    }
    if UNIQUE.iter().any(|name| fields.all(name).len() > 1) {
        return Err(TurnedAway::Status(400));
    }
    Ok(fields)
}

/// The request's path with its percent-encoding undone; the query stays as it is.
pub(super) fn decoded_path(path: &str) -> Vec<u8> {
    let (path, query) = path.split_once('?').map_or((path, None), |(path, query)| (path, Some(query)));
    let mut out = Vec::new();
    let mut rest = path.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        let digits = tail.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) if *first == b'%' => {
                out.push(byte);
                rest = &tail[2..];
            }
            _ => {
                out.push(*first);
                rest = tail;
            }
        }
    }
    if let Some(query) = query {
        out.push(b'?');
        out.extend(query.as_bytes());
    }
    out
}

/// A request's headers as nginx sends them upstream: with the path as it came, unless the module has changed it. A scheme
/// that nginx does not know ends in 500.
pub(super) fn forward(request: &Forward<'_>, scheme: &[u8], shown_path: &[u8]) -> Result<Headers, Response> {
    if request.properties.get(scheme).is_some_and(|scheme| !SCHEMES.contains(&scheme.as_slice())) {
        return Err(error_page(500));
    }
    let mut headers = Headers::new();
    for (name, value) in request.headers.iter() {
        match name {
            b":path" if value == shown_path => headers.push(name, &request.facts.path),
            b":authority" => headers.push(name, &request.facts.authority),
            _ => headers.push(name, value),
        }
    }
    Ok(headers)
}

/// An answer of nginx itself.
pub(super) fn error_page(status: u16) -> Response {
    let body = format!("<html>\r\n<body>\r\n<center><h1>{status}</h1></center>\r\n</body>\r\n</html>\r\n").into_bytes();
    let status = status.to_string();
    let length = body.len().to_string();
    let headers = [(":status", status.as_str()), ("content-type", "text/html"), ("content-length", &length)];
    Response { headers: headers.into_iter().collect(), body }
}

/// What the client gets when the bank's backend fails.
pub(super) fn bank_failed(failure: Failure) -> Option<Response> {
    match failure {
        Failure::ResetInBody | Failure::TimeoutInBody => None,
        Failure::TimeoutBeforeHeaders => Some(error_page(504)),
        Failure::Refused
        | Failure::Unresolved
        | Failure::TlsHandshake
        | Failure::Unreadable
        | Failure::ResetBeforeHeaders => Some(error_page(502)),
    }
}

/// The value of an nginx variable, if it has one for this request.
pub(super) fn variable(query: &PropertyQuery<'_>, facts: &Facts, name: &str) -> Option<Vec<u8>> {
    let header = |name: &str| query.request?.get(name).map(<[u8]>::to_vec);
    let text = |text: &str| Some(text.as_bytes().to_vec());
    let (path, arguments) = facts.path.split_once('?').unwrap_or((&facts.path, ""));
    match name {
        "request_uri" => text(&facts.path),
        "uri" => Some(decoded_path(path)),
        "args" | "query_string" => text(arguments),
        "request_method" => text(&facts.method),
        "scheme" => text(if facts.peer.tls { "https" } else { "http" }),
        "https" => text(if facts.peer.tls { "on" } else { "" }),
        "host" => text(facts.authority.rsplit_once(':').map_or(facts.authority.as_str(), |(host, _)| host)),
        "hostname" => text("gateway"),
        "server_protocol" => text("HTTP/1.1"),
        "server_port" => text("8443"),
        "remote_addr" => text("192.0.2.7"),
        "remote_port" => text("50443"),
        "connection" => text(&facts.connection.to_string()),
        "request_id" => text(&facts.request_id.replace('-', "")),
        "content_length" => header("content-length"),
        "status" => query.response?.get(":status").map(<[u8]>::to_vec),
        "upstream_scheme" => text("http"),
        // Of a response that a server has given.
        _ if name.starts_with("upstream_http_") => {
            let field = name.trim_start_matches("upstream_http_").replace('_', "-");
            let values = query.response?.all(field);
            (!values.is_empty()).then(|| values.join(&b", "[..]))
        }
        _ => match name.strip_prefix("http_") {
            Some(field) => header(&field.replace('_', "-")),
            None => tls_variable(facts, name),
        },
    }
}

/// Without TLS none exists; without a certificate only the result of its verification does.
fn tls_variable(facts: &Facts, name: &str) -> Option<Vec<u8>> {
    if !facts.peer.tls {
        return None;
    }
    let certificate = facts.peer.certificate.as_ref();
    match name {
        "ssl_protocol" => return Some(b"TLSv1.3".to_vec()),
        "ssl_server_name" => return Some(b"bank.example".to_vec()),
        "ssl_client_verify" => {
            let verified = match certificate {
                None => "NONE".to_owned(),
                Some(Certificate { distrusted: None, .. }) => "SUCCESS".to_owned(),
                Some(Certificate { distrusted: Some(reason), .. }) => format!("FAILED:{reason}"),
            };
            return Some(verified.into_bytes());
        }
        _ => {}
    }
    let certificate = certificate?;
    match name {
        "ssl_client_s_dn" => Some(certificate.subject.clone()),
        "ssl_client_i_dn" => Some(certificate.issuer.clone()),
        "ssl_client_raw_cert" => certificate.pem.clone().map(String::into_bytes),
        "ssl_client_fingerprint" => certificate.sha1.clone().map(String::into_bytes),
        _ => None,
    }
}
