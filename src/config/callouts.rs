//! What the settings of all servers that the filter calls have in common: the name by which the gateway knows the server, and
//! how long and how often it is called.

use std::time::Duration;

use super::duration::{DurationRange, print};
use super::errors::ConfigErrors;
use super::reader::{Node, Object, TextRule};
use super::secret::SecretSource;
use super::text_rules::visible;
use crate::url::Origin;

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
pub(super) const UPSTREAM: TextRule = visible("a string of 1 to 255 visible ASCII characters", 255);

const ADDRESS: &str = "http:// or https:// with a host and, if need be, a port";

/// How long a server is waited for that may be asked twice for one thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// How long one try may take.
    pub timeout: Duration,
    /// How long all tries together may take: at least as long as one.
    pub deadline: Duration,
}

/// What `timeout` and `deadline` of a server may be.
pub(super) struct PatienceRule {
    pub timeout: DurationRange,
    pub deadline: DurationRange,
}

impl PatienceRule {
    /// Reads `timeout` and `deadline`.
    pub(super) fn read(&self, object: &Object<'_>, errors: &mut ConfigErrors) -> Option<Patience> {
        let timeout = object.member("timeout").duration(&self.timeout, errors);
        let deadline = object.member("deadline");
        let until = deadline.duration(&self.deadline, errors);
        if let (Some(timeout), Some(until)) = (timeout, until)
            && until < timeout
        {
            let default = format!("nothing, which means {}", print(self.deadline.default));
            let got = if deadline.is_absent() { &default } else { "a shorter one" };
            return deadline.refuse_text("a duration that is not shorter than \"timeout\"", got, errors);
        }
        Some(Patience { timeout: timeout?, deadline: until? })
    }
}

/// Reads `address`. Plaintext to another machine is warned of: `danger` is what follows from it.
pub(super) fn read_address(
    node: &Node<'_>,
    danger: &str,
    secrets: &mut SecretSource<'_>,
    errors: &mut ConfigErrors,
) -> Option<Origin> {
    let origin = match Origin::parse(node.string(ADDRESS, errors)?) {
        Ok(origin) => origin,
        Err(fault) => return node.refuse_text(ADDRESS, &fault.to_string(), errors),
    };
    if origin.is_plaintext_beyond_loopback() {
        secrets.warn(node, danger);
    }
    Some(origin)
}

/// Reads `upstream`; `host_and_port` of the server's URL is the default.
pub(super) fn read_upstream(
    node: &Node<'_>,
    host_and_port: Option<String>,
    errors: &mut ConfigErrors,
) -> Option<String> {
    if node.is_absent() { host_and_port } else { node.text(&UPSTREAM, errors).map(str::to_owned) }
}
