//! Which client certificates may call, and where the gateway says which one did (spec §2.1). Every participant of the
//! Trust Framework passes the CA check, so a configuration without a pin must say aloud that it means to have none.

use super::errors::ConfigErrors;
use super::header_name::HEADER;
use super::reader::{Keys, ListRule, Node, Object, TextRule};
use crate::identity_headers::is_reserved;
use crate::peer::{Fingerprint, PeerRules, PeerSource, forwarded};

const KEYS: Keys =
    Keys { supported: &["organisational_units", "fingerprints", "allow_unpinned", "source"], refused: &[] };
const SOURCE_KEYS: Keys = Keys { supported: &["forwarded_header"], refused: &[] };
const HEADER_KEYS: Keys = Keys { supported: &["name", "format", "trust_plaintext_hop"], refused: &[] };

/// A bank talks to a few Hubs, each with an old and a new certificate during rotation; every pin is compared on every
/// request.
const MAX_PINS: usize = 64;

const ORGANISATIONAL_UNITS: ListRule = ListRule { of: "organisational units", min: 0, max: MAX_PINS };
const FINGERPRINTS: ListRule = ListRule { of: "fingerprints", min: 0, max: MAX_PINS };

/// X.520 allows 64 characters, which are at most 256 bytes of UTF-8.
const ORGANISATIONAL_UNIT: TextRule = TextRule {
    expected: "a string of 1 to 256 bytes without control characters",
    max_bytes: 256,
    allows: |character| !character.is_control(),
};

const FINGERPRINT: &str = "the SHA-256 fingerprint of a certificate in 64 hex digits";

const SOURCE: &str = "\"connection\" or an object with \"forwarded_header\"";

/// Reads `inbound.peer`.
pub(super) fn read(node: &Node<'_>, errors: &mut ConfigErrors) -> Option<PeerRules> {
    let object = node.object(&KEYS, errors)?;
    let organisational_units =
        object.member("organisational_units").list(&ORGANISATIONAL_UNITS, errors, |item, errors| {
            item.text(&ORGANISATIONAL_UNIT, errors).map(str::to_owned)
        });
    let fingerprints = object.member("fingerprints").list(&FINGERPRINTS, errors, |item, errors| {
        let text = item.string(FINGERPRINT, errors)?;
        match Fingerprint::parse(text) {
            Ok(fingerprint) => Some(fingerprint),
            Err(_) => item.refuse_text(FINGERPRINT, "a string that is not one", errors),
        }
    });
    let allow_unpinned = object.member("allow_unpinned").boolean(false, errors);
    if let (Some(units), Some(fingerprints), Some(allow_unpinned)) =
        (&organisational_units, &fingerprints, allow_unpinned)
    {
        let pinned = !units.is_empty() || !fingerprints.is_empty();
        check_pinning(pinned, allow_unpinned, node, &object, errors);
    }
    let source = read_source(&object.member("source"), errors);
    Some(PeerRules {
        organisational_units: organisational_units?,
        fingerprints: fingerprints?,
        allow_unpinned: allow_unpinned?,
        source: source?,
    })
}

fn check_pinning(pinned: bool, allow_unpinned: bool, node: &Node<'_>, object: &Object<'_>, errors: &mut ConfigErrors) {
    match (pinned, allow_unpinned) {
        (true, false) | (false, true) => {}
        (false, false) => node.refuse(
            "expected \"organisational_units\" or \"fingerprints\" with at least one pin, got none: without one every \
             participant of the Trust Framework may call, which \"allow_unpinned\": true must say",
            errors,
        ),
        // Each would say the opposite of the other.
        (true, true) => object.member("allow_unpinned").refuse("expected false beside pins, got true", errors),
    }
}

fn read_source(node: &Node<'_>, errors: &mut ConfigErrors) -> Option<PeerSource> {
    if node.is_absent() {
        return Some(PeerSource::Connection);
    }
    if !node.is_object() {
        return match node.string(SOURCE, errors)? {
            "connection" => Some(PeerSource::Connection),
            _ => node.refuse_text(SOURCE, "another string", errors),
        };
    }
    let object = node.object(&SOURCE_KEYS, errors)?;
    object.exactly_one(errors);
    let header = object.member("forwarded_header");
    if header.is_absent() { None } else { read_forwarded_header(&header, errors) }
}

fn read_forwarded_header(node: &Node<'_>, errors: &mut ConfigErrors) -> Option<PeerSource> {
    let object = node.object(&HEADER_KEYS, errors)?;
    let name = read_header_name(&object.member("name"), errors);
    let format = object.member("format");
    if !format.is_absent() {
        format.choice(&[("xfcc", ())], errors);
    }
    let trust_plaintext_hop = object.member("trust_plaintext_hop").boolean(false, errors);
    Some(PeerSource::ForwardedHeader { name: name?, trust_plaintext_hop: trust_plaintext_hop? })
}

fn read_header_name(node: &Node<'_>, errors: &mut ConfigErrors) -> Option<String> {
    if node.is_absent() {
        return Some(forwarded::HEADER.to_owned());
    }
    let name = node.text(&HEADER, errors)?.to_ascii_lowercase();
    // The caller writes the one, and the filter the others.
    if name == "authorization" || is_reserved(name.as_bytes()) {
        return node.refuse_text("another header", "\"authorization\" or an identity header", errors);
    }
    Some(name)
}
