//! The key cache where callouts belong to the plugin: one fetch for all requests that wait for it, by one worker for all
//! workers that share data, and a tick that refreshes what is used before it is too old.

use litemap::LiteMap;

use crate::callout::Callout;
use crate::time::Moment;
use crate::url::HttpUrl;

use super::entry::Entry;
use super::fetching::{Fetcher, Wanted};
use super::policy::FetchReason;
use super::shared::LeaseAnswer;

/// What time alone brought about.
#[derive(Debug, Default)]
pub(crate) struct Due {
    /// Fetches to make in the background.
    pub fetches: Vec<Callout>,
    /// The addresses whose fetch by another worker has ended.
    pub ended_elsewhere: Vec<HttpUrl>,
}

/// What came of the search for a missing key.
pub(super) enum ForAll {
    /// What there is now is all that can be had.
    Nothing,
    /// A fetch is in flight, here or in another worker.
    Wait,
    /// This fetch has to be made.
    Fetch(Callout),
}

/// Looks for a key: in what is known here, in what other workers fetched, and then, if it may, at its source.
pub(super) fn obtain(
    fetcher: &mut Fetcher<'_>,
    entry: &mut Entry,
    url: &HttpUrl,
    now: Moment,
    wanted: Wanted<'_>,
) -> ForAll {
    let policy = fetcher.policy;
    if entry.has_valid_keys(now, policy.max_age) && wanted.is_in(entry) {
        return ForAll::Nothing;
    }
    if entry.is_fetching(now) && !entry.is_fetched_elsewhere() {
        return ForAll::Wait;
    }
    if fetcher.adopt(entry, url, now) && wanted.is_in(entry) {
        return ForAll::Nothing;
    }
    if entry.is_fetching(now) {
        return ForAll::Wait;
    }
    let valid = entry.has_valid_keys(now, policy.max_age);
    if !entry.may_try(now) || valid && entry.is_cooling(now, policy.refetch_cooldown) {
        return ForAll::Nothing;
    }
    let reason = if valid { FetchReason::UnknownKeyId } else { FetchReason::Age };
    match fetcher.shared.claim(now.steady, url, reason, policy) {
        LeaseAnswer::Granted { failures } => ForAll::Fetch(fetcher.start(entry, url, now, reason, failures)),
        LeaseAnswer::Held(until) => {
            entry.started_elsewhere(until);
            ForAll::Wait
        }
        LeaseAnswer::TooSoon(not_before) => {
            if !valid {
                entry.pause(not_before);
            }
            ForAll::Nothing
        }
    }
}

/// The fetches that are due in the background, and those of other workers that have ended.
pub(super) fn due(fetcher: &mut Fetcher<'_>, entries: &mut LiteMap<HttpUrl, Entry>, now: Moment) -> Due {
    let policy = fetcher.policy;
    entries.retain(|_, entry| entry.is_worth_keeping(now, policy));
    let mut due = Due::default();
    for (url, entry) in entries.iter_mut() {
        if entry.is_fetched_elsewhere() {
            if has_ended(fetcher, entry, url, now) {
                due.ended_elsewhere.push(url.clone());
            }
        } else if entry.wants_refresh(now, policy)
            && !fetcher.adopt(entry, url, now)
            && let LeaseAnswer::Granted { failures } = fetcher.shared.claim(now.steady, url, FetchReason::Age, policy)
        {
            due.fetches.push(fetcher.start(entry, url, now, FetchReason::Age, failures));
        }
    }
    due
}

/// Whether the fetch of another worker has ended, with whatever result; takes the result over.
fn has_ended(fetcher: &Fetcher<'_>, entry: &mut Entry, url: &HttpUrl, now: Moment) -> bool {
    let ended = match fetcher.shared.is_taken(now.steady, url, fetcher.policy) {
        Ok(()) => !entry.is_fetching(now),
        Err(pause) => {
            if let Some(not_before) = pause {
                entry.pause(not_before);
            }
            true
        }
    };
    // The set is published before the lease is given back.
    let adopted = fetcher.adopt(entry, url, now);
    if ended || adopted {
        entry.ended_elsewhere();
    }
    ended || adopted
}
