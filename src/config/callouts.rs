//! What the settings of all servers that the filter calls have in common: the name by which the gateway knows the server, and
//! how long and how often it is called.

use std::time::Duration;

use super::duration::DurationRange;
use super::errors::ConfigErrors;
use super::reader::{Node, TextRule};

/// A request waits this long for an answer, at the worst. Below 100 ms a TLS handshake may not finish; beyond a minute the
/// caller has given up.
pub(super) const TIMEOUT: DurationRange =
    DurationRange { min: Duration::from_millis(100), max: Duration::from_mins(1), default: Duration::from_secs(5) };

/// How often unknown `kid`s may cause an extra fetch. Without a lower bound, anyone with a certificate could make the
/// bank flood the keystore; beyond `max_age` it means nothing.
pub(super) const REFETCH_COOLDOWN: DurationRange =
    DurationRange { min: Duration::from_millis(100), max: Duration::from_mins(10), default: Duration::from_secs(30) };

/// The name of a cluster in Envoy; elsewhere `host` or `host:port`, to which [`super::Config::check`] holds it once the
/// gateway is known. The bound leaves room for the longest DNS name.
pub(super) const UPSTREAM: TextRule = TextRule {
    expected: "a string of 1 to 255 visible ASCII characters",
    max_bytes: 255,
    allows: |character| character.is_ascii_graphic(),
};

/// Reads `upstream`; `host_and_port` of the server's URL is the default.
pub(super) fn read_upstream(
    node: &Node<'_>,
    host_and_port: Option<String>,
    errors: &mut ConfigErrors,
) -> Option<String> {
    if node.is_absent() { host_and_port } else { node.text(&UPSTREAM, errors).map(str::to_owned) }
}
