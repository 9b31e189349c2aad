//! The bank's provider ids, which both directions have.

use serde_json::json;

use super::definition::{Kind, Object, Setting};
use super::texts::text;
use crate::config::{provider_ids, text_rules};

/// The bank's provider ids, with what they are good for here.
pub(super) fn provider_ids(what: &'static str) -> Setting {
    let id = || Kind::from(text(&text_rules::PROVIDER_ID));
    let both = Object::new(
        &provider_ids::KEYS,
        [
            Setting::new("id", "Id", "What `o3-provider-id` says.", id()).example("fabretail"),
            Setting::new("audience", "Audience", "What `aud` must name.", id()).example("fab-retail-banking"),
        ],
    );
    let list = Kind::list(provider_ids::PROVIDER_IDS, Kind::Either(vec![id(), both.kind()]));
    Setting::new("provider_ids", "Provider ids", what, list.named("providerIds")).example(json!(["retail"])).one_line()
}
