//! Secrets, which stand in the environment or in the configuration itself.

use super::definition::{Kind, Object, Setting};
use super::texts::text;
use crate::config::reader::TextRule;
use crate::config::secret;

/// A secret of this rule, or where it is.
pub(super) fn secret(rule: &TextRule) -> Kind {
    Object::new(&secret::KEYS, secret_settings(rule)).exactly_one().kind()
}

/// The same, or that the gateway adds it.
pub(super) fn credential(rule: &TextRule) -> Kind {
    let settings = secret_settings(rule).into_iter().chain([added_by()]);
    Object::new(&secret::CREDENTIAL_KEYS, settings).exactly_one().kind()
}

/// That the gateway adds a credential.
pub(super) fn added_by() -> Setting {
    Setting::new(
        "added_by",
        "Who adds it",
        "The filter sends none: the gateway adds it on the way.",
        Kind::choice(&secret::ADDED_BY),
    )
    .otherwise("")
}

/// What an object has that is a secret of this rule.
pub(super) fn secret_settings(rule: &TextRule) -> [Setting; 2] {
    [
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
    ]
}
