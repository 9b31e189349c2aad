//! Which client certificates may call, and where the gateway says which one did (spec §2.1). Every participant of the
//! Trust Framework passes the CA check, so a configuration without a pin must say aloud that it means to have none.

use super::errors::ConfigErrors;
use super::reader::{Keys, Node};
use super::{forwarded_header, pins};
use crate::peer::{PeerRules, PeerSource};

pub(super) const KEYS: Keys =
    Keys { supported: &["organisational_units", "fingerprints", "allow_unpinned", "source"], refused: &[] };
pub(super) const SOURCE_KEYS: Keys = Keys { supported: &["forwarded_header"], refused: &[] };

const SOURCE: &str = "\"connection\" or an object with \"forwarded_header\"";

/// Reads `inbound.peer`.
pub(super) fn read(node: &Node<'_>, errors: &mut ConfigErrors) -> Option<PeerRules> {
    let object = node.object(&KEYS, errors)?;
    let pins = pins::read(node, &object, "every participant of the Trust Framework may call", errors);
    let source = read_source(&object.member("source"), errors);
    Some(PeerRules { pins: pins?, source: source? })
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
    if header.is_absent() { None } else { forwarded_header::read(&header, errors).map(PeerSource::ForwardedHeader) }
}
