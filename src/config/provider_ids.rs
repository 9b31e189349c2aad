//! The bank's `PROVIDER_ID`s from onboarding, one of which a token's `aud` must name.

use super::errors::ConfigErrors;
use super::reader::{ListRule, Node};
use super::text_rules::PROVIDER_ID;

/// A bank has one id for each of its segments, and none has this many. Every id is compared on every request.
const PROVIDER_IDS: ListRule = ListRule { of: "provider ids", min: 1, max: 64 };

/// Reads `provider_ids`.
pub(super) fn read(node: &Node<'_>, errors: &mut ConfigErrors) -> Option<Vec<String>> {
    node.list(&PROVIDER_IDS, errors, |item, errors| item.text(&PROVIDER_ID, errors).map(str::to_owned))
}
