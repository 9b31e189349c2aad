//! Pins of certificates (spec §2.1): of the Hub's, and of the proxy's in front. A CA that vouches for others too makes a
//! configuration without a pin say aloud that it means to have none.

use super::errors::ConfigErrors;
use super::reader::{ListRule, Node, Object, TextRule};
use crate::peer::{Fingerprint, Pins};

/// A bank talks to a few Hubs, each with an old and a new certificate during rotation; every pin is compared on every
/// request.
const MAX_PINS: usize = 64;

pub(super) const ORGANISATIONAL_UNITS: ListRule = ListRule { of: "organisational units", min: 0, max: MAX_PINS };
pub(super) const FINGERPRINTS: ListRule = ListRule { of: "fingerprints", min: 0, max: MAX_PINS };

/// X.520 allows 64 characters, which are at most 256 bytes of UTF-8.
pub(super) const ORGANISATIONAL_UNIT: TextRule = TextRule {
    expected: "a string of 1 to 256 bytes without control characters",
    max_bytes: 256,
    allows: |character| !character.is_control(),
};

const FINGERPRINT: &str = "the SHA-256 fingerprint of a certificate in 64 hex digits";

/// Reads `organisational_units`, `fingerprints` and `allow_unpinned` of the object at this node. `without_one` says who may
/// do what when nothing is pinned.
pub(super) fn read(node: &Node<'_>, object: &Object<'_>, without_one: &str, errors: &mut ConfigErrors) -> Option<Pins> {
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
    let (organisational_units, fingerprints, allow_unpinned) = (organisational_units?, fingerprints?, allow_unpinned?);
    match (!organisational_units.is_empty() || !fingerprints.is_empty(), allow_unpinned) {
        (true, false) | (false, true) => {}
        (false, false) => node.refuse(
            format!(
                "expected \"organisational_units\" or \"fingerprints\" with at least one pin, got none: without one \
                 {without_one}, which \"allow_unpinned\": true must say"
            ),
            errors,
        ),
        // Each would say the opposite of the other.
        (true, true) => object.member("allow_unpinned").refuse("expected false beside pins, got true", errors),
    }
    Some(Pins { organisational_units, fingerprints, allow_unpinned })
}
