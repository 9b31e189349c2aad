//! The key cache where no request can wait for another's fetch: each that needs keys fetches for itself, within the bounds
//! of a [round](super::fetch_group), and the one that finds keys old refreshes them. What another worker has fetched is taken
//! over first, where workers share data. Time alone brings about nothing.

use crate::time::UnixTime;
use crate::url::HttpUrl;

use super::shared::Reason;
use super::{KeyCache, Obtained, Wanted, adopt, start};

impl KeyCache {
    /// Looks whether a request has to fetch, and whether it may.
    pub(super) fn obtain_per_request(&mut self, now: UnixTime, url: &HttpUrl, wanted: Wanted<'_>) -> Obtained {
        let policy = &self.policy;
        let Some(entry) = self.entries.get_mut(url) else { return Obtained::Nothing };
        entry.drop_lost(now, policy);
        let valid = entry.has_valid_keys(now, policy.max_age);
        let is_there = valid && wanted.is_in(entry);
        let reason = if valid && !is_there { Reason::UnknownKeyId } else { Reason::Age };
        let may_fetch = if is_there { entry.wants_refresh(now, policy) } else { entry.may_fetch(now, reason, policy) };
        if may_fetch {
            // Another worker may have fetched them since: there are no turns here, but what came is shared where it can be.
            if adopt(&self.shared, entry, url, now, policy) && wanted.is_in(entry) && !entry.wants_refresh(now, policy)
            {
                return Obtained::Nothing;
            }
            return Obtained::Fetch(start(&mut self.last_fetch, entry, url, now, policy, reason, 0));
        }
        // While a fetch is under way nobody knows whether the key exists, so nobody may say that it does not.
        if is_there || !entry.is_fetching(now, policy) { Obtained::Nothing } else { Obtained::Busy }
    }

    /// Forgets what is not worth keeping.
    pub(super) fn forget_per_request(&mut self, now: UnixTime) {
        let policy = &self.policy;
        for (_, entry) in self.entries.iter_mut() {
            entry.drop_lost(now, policy);
        }
        self.entries.retain(|_, entry| entry.is_worth_keeping(now, policy));
    }
}
