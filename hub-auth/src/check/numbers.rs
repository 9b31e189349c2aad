//! The standard's own numbers: how long keys and secrets live, and how long before their use they are published.

use std::time::{Duration, UNIX_EPOCH};

use super::{Checked, Subject};
use crate::document::Node;
use crate::findings::Severity;

const MINUTE: u64 = 60;
const DAY: u64 = 24 * 60 * MINUTE;

/// An API key lives for twelve months at least (spec §2.2).
const API_KEY_LIFE: u64 = 365 * DAY;

/// A signing key is replaced after thirteen months at the latest, as its certificate ends then.
const SIGNING_KEY_LIFE: u64 = 396 * DAY;

/// Key sets are cached for so long: whoever fetched one a moment before a key was published knows it this much later.
const PUBLICATION: u64 = 10 * MINUTE;

/// Checks the numbers of one configuration.
pub(super) fn check(subject: &mut Subject<'_>, checked: &Checked) {
    let keys = |path: &str| {
        let list = checked.configuration.value(path).map(Node::items).unwrap_or_default();
        list.iter().cloned().enumerate().collect::<Vec<_>>()
    };
    for (index, key) in keys("inbound.auth.api_key.keys") {
        check_api_key(subject, checked, &format!("inbound.auth.api_key.keys[{index}]"), &key);
    }
    for owner in ["outbound", "inbound.response_token"] {
        for (index, key) in keys(&format!("{owner}.keys")) {
            check_signing_key(subject, checked, &format!("{owner}.keys[{index}].active_from"), &key);
        }
    }
}

fn check_api_key(subject: &mut Subject<'_>, checked: &Checked, path: &str, key: &Node) {
    let now = subject.settings.now;
    let Some(expires) = time(key, "expires") else { return };
    let path = format!("{path}.expires");
    let place = checked.configuration.place_of(&path);
    if expires <= now {
        subject.add(
            Severity::Warning,
            "api-key-expired",
            place,
            path,
            "this API key has expired: whoever uses it is refused",
        );
        return;
    }
    // Without its beginning the life of a key is not known; from now on it is at most as long.
    if let Some(begins) = time(key, "not_before")
        && expires.saturating_sub(begins) < API_KEY_LIFE
    {
        let message = "expected 12 months at least from the beginning, as the standard asks, got less";
        subject.add(Severity::Warning, "api-key-life", place, path, message);
    } else if expires.saturating_sub(now) < API_KEY_LIFE {
        let days = expires.saturating_sub(now) / DAY;
        let message = format!("this API key ends in {days} days; a new one has to live for 12 months at least");
        subject.add(Severity::Warning, "api-key-life", place, path, message);
    }
}

fn check_signing_key(subject: &mut Subject<'_>, checked: &Checked, path: &str, key: &Node) {
    let now = subject.settings.now;
    let Some(active_from) = time(key, "active_from") else { return };
    let place = checked.configuration.place_of(path);
    if active_from > now && active_from.saturating_sub(now) < PUBLICATION {
        let message = "expected 10 minutes at least between the publication of a key and its use, got less from now on: who \
                       has fetched the key set just now does not know it when it signs";
        subject.add(Severity::Warning, "signing-key-publication", place, path, message);
        subject.advise("publish the key first, and let it sign 10 minutes later");
    } else if now.saturating_sub(active_from) > SIGNING_KEY_LIFE {
        let message = "this key has signed for more than 13 months, which is as long as its certificate lasts";
        subject.add(Severity::Warning, "signing-key-age", place, path, message);
    }
}

/// A time of RFC 3339, in seconds since 1970. What is none is the filter's to refuse.
fn time(node: &Node, key: &str) -> Option<u64> {
    let time = humantime::parse_rfc3339(node.get(key)?.text()?).ok()?;
    time.duration_since(UNIX_EPOCH).as_ref().map(Duration::as_secs).ok()
}
