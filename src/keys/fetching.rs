//! What both ways of fetching have in common: which key is wanted, taking over what another worker has fetched, and the
//! request for a key set.

use crate::callout::{Callout, CalloutIds, CalloutSubject, Request};
use crate::jose::Algorithm;
use crate::time::Moment;
use crate::url::HttpUrl;

use super::entry::Entry;
use super::policy::{FetchReason, KeyPolicy};
use super::shared::SharedKeys;

/// Which key is looked for.
#[derive(Debug, Clone, Copy)]
pub(super) enum Wanted<'a> {
    /// The one with this id, for this algorithm.
    Key(&'a str, Algorithm),
    /// Any: a set has at least one.
    Any,
}

impl Wanted<'_> {
    pub(super) fn is_in(self, entry: &Entry) -> bool {
        match self {
            Self::Key(key_id, algorithm) => entry.key(key_id, algorithm).is_some(),
            Self::Any => true,
        }
    }
}

/// What both ways of fetching need beside the entry that they are about.
#[derive(Debug)]
pub(super) struct Fetcher<'a> {
    pub(super) shared: &'a SharedKeys,
    pub(super) ids: &'a mut CalloutIds,
    pub(super) policy: &'a KeyPolicy,
}

impl Fetcher<'_> {
    /// Takes over the set of another worker, if it is newer and still valid.
    ///
    /// A set stays there after its life: whoever knows none would take it for keys, and not fetch any.
    pub(super) fn adopt(&self, entry: &mut Entry, url: &HttpUrl, now: Moment) -> bool {
        match self.shared.newer_set(now, url, entry.fetched()) {
            Some((keys, fetched)) if now.aging.since(fetched.aging).is_some_and(|age| age < self.policy.max_age) => {
                entry.succeeded(fetched, keys);
                true
            }
            _ => false,
        }
    }

    /// Begins a fetch. So many have failed in a row before, by whichever workers.
    pub(super) fn start(
        &mut self,
        entry: &mut Entry,
        url: &HttpUrl,
        now: Moment,
        reason: FetchReason,
        failures: u32,
    ) -> Callout {
        let (id, policy) = (self.ids.draw(), self.policy);
        entry.started(now, id, reason, failures, policy);
        Callout {
            id,
            subject: CalloutSubject::KeySet(url.clone()),
            request: Box::new(Request {
                upstream: policy.upstream.clone(),
                method: "GET",
                url: url.clone(),
                headers: vec![("accept", "application/jwk-set+json, application/json".to_owned())],
                body: Vec::new(),
                timeout: policy.timeout,
                may_be_repeated: false,
            }),
        }
    }
}
