//! The bank's provider ids from onboarding (spec §2.5, §7): by the id the Hub names one in `o3-provider-id`, by the audience in
//! a token's `aud`. They are the same unless the configuration says otherwise.

use super::errors::ConfigErrors;
use super::reader::{Keys, ListRule, Node};
use super::text_rules::PROVIDER_ID;
use crate::provider::Providers;

pub(super) const KEYS: Keys = Keys { supported: &["id", "audience"], refused: &[] };

/// A bank has one id for each of its segments, and none has this many. Every id is compared on every request.
pub(super) const PROVIDER_IDS: ListRule = ListRule { of: "provider ids", min: 1, max: 64 };

/// One of them.
struct Provider {
    id: String,
    audience: String,
}

impl PartialEq for Provider {
    /// An id with two audiences would leave open which one counts. Two ids may share an audience: each names just one.
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

/// Reads `provider_ids`.
pub(super) fn read(node: &Node<'_>, errors: &mut ConfigErrors) -> Option<Providers> {
    let providers = node.list(&PROVIDER_IDS, errors, read_provider)?;
    Some(providers.into_iter().map(|Provider { id, audience }| (id, audience)).collect())
}

fn read_provider(node: &Node<'_>, errors: &mut ConfigErrors) -> Option<Provider> {
    if !node.is_object() {
        let id = node.text(&PROVIDER_ID, errors)?.to_owned();
        return Some(Provider { audience: id.clone(), id });
    }
    let object = node.object(&KEYS, errors)?;
    let id = object.member("id").text(&PROVIDER_ID, errors);
    let audience = object.member("audience").text(&PROVIDER_ID, errors);
    Some(Provider { id: id?.to_owned(), audience: audience?.to_owned() })
}
