//! Names of the headers that carry a credential (RFC 9110 §5.1): read in any case, kept in lower case, and none that means
//! something else to the gateway, to HTTP or to this filter.

use super::errors::ConfigErrors;
use super::reader::{Node, TextRule};
use super::text_rules::token;
use crate::identity_headers::{is_misspelt_provider, is_reserved};

/// The name of any header.
pub(super) const HEADER: TextRule = token("a header name of 1 to 64 characters");

/// Headers that mean something else in a request and, most of them, in a response. The interaction ids are even logged.
pub(super) const OTHER_HEADERS: [&str; 22] = [
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "date",
    "expect",
    "host",
    "keep-alive",
    "o3-aspsp-id",
    "o3-caller-interaction-id",
    "o3-ozone-interaction-id",
    "o3-provider-id",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "via",
    "x-fapi-interaction-id",
    "x-forwarded-client-cert",
    "x-forwarded-for",
    "x-request-id",
];

/// Headers that mean something else in a response only.
pub(super) const OTHER_RESPONSE_HEADERS: [&str; 18] = [
    "accept-ranges",
    "age",
    "allow",
    "alt-svc",
    "cache-control",
    "content-language",
    "content-location",
    "content-range",
    "etag",
    "expires",
    "last-modified",
    "location",
    "retry-after",
    "server",
    "set-cookie",
    "strict-transport-security",
    "vary",
    "www-authenticate",
];

/// The header of a request that carries a credential, `authorization` if it is left out.
pub(super) fn read_of_request(node: &Node<'_>, errors: &mut ConfigErrors) -> Option<String> {
    read(node, &[], errors)
}

/// The header of a response that carries a token, `authorization` if it is left out.
pub(super) fn read_of_response(node: &Node<'_>, errors: &mut ConfigErrors) -> Option<String> {
    read(node, &OTHER_RESPONSE_HEADERS, errors)
}

fn read(node: &Node<'_>, others: &[&str], errors: &mut ConfigErrors) -> Option<String> {
    if node.is_absent() {
        return Some("authorization".to_owned());
    }
    let name = node.text(&HEADER, errors)?.to_ascii_lowercase();
    let is_other = OTHER_HEADERS.contains(&name.as_str()) || others.contains(&name.as_str());
    if is_other || is_reserved(name.as_bytes()) || is_misspelt_provider(name.as_bytes()) {
        return node.refuse_text("a header of its own", "one that means something else", errors);
    }
    Some(name)
}
