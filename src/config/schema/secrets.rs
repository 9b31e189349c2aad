//! Secrets, which stand in the environment or in the configuration itself.

use super::definition::{Kind, Object, Setting};
use super::texts::text;
use crate::config::reader::TextRule;
use crate::config::secret;

/// A secret of this rule, or where it is.
pub(super) fn secret(rule: &TextRule) -> Kind {
    let settings = [
        Setting::new(
            "env",
            "Environment variable",
            "The secret stands in this environment variable, which the gateway must hand to the module.",
            Kind::from(text(&secret::VARIABLE)).named("variable"),
        )
        .otherwise(""),
        Setting::new(
            "value",
            "The secret itself",
            "The secret stands here; the log warns, because gateways show their configuration.",
            text(rule).into(),
        )
        .otherwise(""),
    ];
    Object::new(&secret::KEYS, settings).exactly_one().kind()
}
