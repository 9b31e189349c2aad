//! The key cache where callouts belong to requests: no request can wait for another's fetch. Each that needs keys fetches for
//! itself, within the bounds of a [group](super::fetch_group), and the one that finds keys old refreshes them. What another
//! worker has fetched is taken over first, where workers share data. Time alone brings about nothing.

use litemap::LiteMap;

use crate::callout::Callout;
use crate::time::Moment;
use crate::url::HttpUrl;

use super::entry::Entry;
use super::fetching::{Fetcher, Wanted};
use super::policy::{FetchReason, KeyPolicy};

/// What came of the search for a key.
pub(super) enum PerRequest {
    /// What there is now is all that can be had.
    Nothing,
    /// It is being fetched, nobody can wait for that, and nobody else may fetch it now.
    Busy,
    /// This fetch has to be made.
    Fetch(Callout),
}

/// Looks whether a request has to fetch, and whether it may.
pub(super) fn obtain(
    fetcher: &mut Fetcher<'_>,
    entry: &mut Entry,
    url: &HttpUrl,
    now: Moment,
    wanted: Wanted<'_>,
) -> PerRequest {
    let policy = fetcher.policy;
    entry.give_up_timed_out(now, policy);
    let valid = entry.has_valid_keys(now, policy.max_age);
    let is_there = valid && wanted.is_in(entry);
    let reason = if valid && !is_there { FetchReason::UnknownKeyId } else { FetchReason::Age };
    let may_fetch = if is_there { entry.wants_refresh(now, policy) } else { entry.may_fetch(now, reason, policy) };
    if may_fetch {
        // Another worker may have fetched them since: nobody holds a lease here, but what came is shared where it can be.
        if fetcher.adopt(entry, url, now) && wanted.is_in(entry) && !entry.wants_refresh(now, policy) {
            return PerRequest::Nothing;
        }
        return PerRequest::Fetch(fetcher.start(entry, url, now, reason, 0));
    }
    // While a fetch is in flight nobody knows whether the key exists, so nobody may say that it does not.
    if is_there || !entry.is_fetching(now) { PerRequest::Nothing } else { PerRequest::Busy }
}

/// Forgets what is not worth keeping.
pub(super) fn forget_unused(policy: &KeyPolicy, entries: &mut LiteMap<HttpUrl, Entry>, now: Moment) {
    for (_, entry) in entries.iter_mut() {
        entry.give_up_timed_out(now, policy);
    }
    entries.retain(|_, entry| entry.is_worth_keeping(now, policy));
}
