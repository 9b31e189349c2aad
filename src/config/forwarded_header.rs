//! The header in which a proxy in front forwards its client's certificate: how it is written, what says that the proxy
//! verified it, and who the proxy is. Nothing is taken for granted that would let somebody else name the caller.

use super::errors::ConfigErrors;
use super::header_name::HEADER;
use super::pins;
use super::reader::{Keys, ListRule, Node, Object, TextRule};
use super::text_rules::visible;
use crate::identity_headers::is_reserved;
use crate::peer::forwarded::xfcc;
use crate::peer::{ForwardedFormat, ForwardedHeader, Hop, Verification};

pub(super) const KEYS: Keys =
    Keys { supported: &["name", "format", "verified", "proxy", "trust_plaintext_hop"], refused: &[] };
pub(super) const PROXY_KEYS: Keys =
    Keys { supported: &["organisational_units", "fingerprints", "allow_unpinned"], refused: &[] };
pub(super) const VERIFICATION_KEYS: Keys = Keys { supported: &["header", "value"], refused: &[] };

pub(super) const FORMATS: [(&str, ForwardedFormat); 3] = [
    ("xfcc", ForwardedFormat::Xfcc),
    ("rfc9440", ForwardedFormat::Rfc9440),
    ("url_encoded_pem", ForwardedFormat::UrlEncodedPem),
];

/// Google's load balancer has two of them.
pub(super) const VERIFICATIONS: ListRule = ListRule { of: "headers", min: 1, max: 4 };

/// `SUCCESS`, `true` and `0` are what proxies say.
pub(super) const VALUE: TextRule = visible("a string of 1 to 64 visible ASCII characters", 64);

const VERIFIED: &str = "the headers that say so, as in [{\"header\": \"x-client-verify\", \"value\": \"SUCCESS\"}], or \
                        \"always\" if the proxy forwards no certificate that it has not verified";

/// Reads `inbound.peer.source.forwarded_header`.
pub(super) fn read(node: &Node<'_>, errors: &mut ConfigErrors) -> Option<ForwardedHeader> {
    let object = node.object(&KEYS, errors)?;
    let format = object.member("format");
    let format = if format.is_absent() { Some(ForwardedFormat::Xfcc) } else { format.choice(&FORMATS, errors) };
    let name = read_name(&object.member("name"), format, errors);
    let verifications = read_verifications(&object.member("verified"), format, name.as_deref(), errors);
    let hop = read_hop(node, &object, errors);
    Some(ForwardedHeader { name: name?, format: format?, verifications: verifications?, hop: hop? })
}

fn read_name(node: &Node<'_>, format: Option<ForwardedFormat>, errors: &mut ConfigErrors) -> Option<String> {
    let usual = match format {
        Some(ForwardedFormat::Xfcc) => Some(xfcc::HEADER),
        Some(ForwardedFormat::Rfc9440) => Some("client-cert"),
        Some(ForwardedFormat::UrlEncodedPem) => None,
        // What it would be is not known.
        None if node.is_absent() => return None,
        None => None,
    };
    match usual {
        Some(usual) if node.is_absent() => Some(usual.to_owned()),
        _ => read_header(node, errors),
    }
}

fn read_header(node: &Node<'_>, errors: &mut ConfigErrors) -> Option<String> {
    let name = node.text(&HEADER, errors)?.to_ascii_lowercase();
    // The caller writes the one, and the filter the others.
    if name == "authorization" || is_reserved(name.as_bytes()) {
        return node.refuse_text("another header", "\"authorization\" or an identity header", errors);
    }
    Some(name)
}

fn read_verifications(
    node: &Node<'_>,
    format: Option<ForwardedFormat>,
    certificate: Option<&str>,
    errors: &mut ConfigErrors,
) -> Option<Vec<Verification>> {
    // Envoy says nothing of it beside this header; what it verifies is for its own configuration.
    if node.is_absent() && format.is_none_or(|format| format == ForwardedFormat::Xfcc) {
        return Some(Vec::new());
    }
    if !node.is_list() {
        return match node.string(VERIFIED, errors)? {
            "always" => Some(Vec::new()),
            _ => node.refuse_text(VERIFIED, "another string", errors),
        };
    }
    let mut headers = Vec::new();
    node.list(&VERIFICATIONS, errors, |item, errors| {
        let object = item.object(&VERIFICATION_KEYS, errors)?;
        let member = object.member("header");
        let header = read_header(&member, errors);
        let value = object.member("value").text(&VALUE, errors).map(str::to_owned);
        let header = header?;
        if certificate == Some(&header) || headers.contains(&header) {
            return member.refuse_text("a header of its own", "one that means something else here", errors);
        }
        headers.push(header.clone());
        Some(Verification { header, value: value? })
    })
}

fn read_hop(node: &Node<'_>, object: &Object<'_>, errors: &mut ConfigErrors) -> Option<Hop> {
    let proxy = object.member("proxy");
    let trust_plaintext_hop = object.member("trust_plaintext_hop").boolean(false, errors);
    match (proxy.is_absent(), trust_plaintext_hop) {
        (false, Some(true)) => proxy.refuse_text(
            "no pin beside \"trust_plaintext_hop\": true",
            "both: whoever shows no certificate would be believed all the same",
            errors,
        ),
        (false, _) => {
            let pinned = proxy.object(&PROXY_KEYS, errors)?;
            let without_one = "whoever has a certificate that this gateway verifies may say who calls";
            let pins = pins::read(&proxy, &pinned, without_one, errors)?;
            trust_plaintext_hop.map(|_| Hop::MutualTls(pins))
        }
        (true, Some(true)) => Some(Hop::Plaintext),
        (true, Some(false)) => {
            node.refuse(
                "expected \"proxy\": {\"organisational_units\": [\"…\"]} or {\"fingerprints\": [\"…\"]}, of the certificate \
                 that the proxy in front shows to this gateway, got nothing: without it whoever has a certificate of the \
                 same CA could say who calls",
                errors,
            );
            None
        }
        (true, None) => None,
    }
}
