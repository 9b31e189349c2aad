//! Secrets: `{"env": "NAME"}` takes one from the gateway's environment, `{"value": "…"}` has it in the configuration
//! itself, which gateways show in their admin pages and copy into their logs.

use std::fmt;

use super::errors::ConfigErrors;
use super::reader::{Keys, Node, TextRule};

const KEYS: Keys = Keys { supported: &["env", "value"], planned: &[] };

/// The portable names of POSIX (IEEE 1003.1 §8.1). Hardly a secret that is put here by mistake looks like one, so an
/// error may show it.
const VARIABLE: TextRule = TextRule {
    expected: "the name of an environment variable: 1 to 128 of A to Z, 0 to 9 and _",
    max_bytes: 128,
    allows: |character| character.is_ascii_uppercase() || character.is_ascii_digit() || character == '_',
};

/// The gateway's environment: the value of a variable, by its name.
pub(super) type Environment<'e> = &'e dyn Fn(&str) -> Option<String>;

/// A secret. It does not print itself.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

/// Where secrets come from, and what the operator should know of it.
pub(super) struct SecretSource<'e> {
    environment: Environment<'e>,
    warnings: Vec<String>,
}

impl Secret {
    /// A secret with this text.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text, for the one place where it is used.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

impl<'e> SecretSource<'e> {
    pub(super) fn new(environment: Environment<'e>) -> Self {
        Self { environment, warnings: Vec::new() }
    }

    /// Reads a secret that must be as the rule says.
    pub(super) fn read(&mut self, node: &Node<'_>, rule: &TextRule, errors: &mut ConfigErrors) -> Option<Secret> {
        let object = node.object(&KEYS, errors)?;
        object.exactly_one(errors);
        let (variable, value) = (object.member("env"), object.member("value"));
        if !variable.is_absent() {
            return self.read_variable(&variable, rule, errors);
        }
        if value.is_absent() {
            return None;
        }
        self.warnings.push(format!(
            "{}: a secret in the configuration is shown by the gateway's admin pages; give {{\"env\": \"NAME\"}} instead",
            value.path()
        ));
        value.text(rule, errors).map(Secret::new)
    }

    pub(super) fn into_warnings(self) -> Vec<String> {
        self.warnings
    }

    fn read_variable(&self, node: &Node<'_>, rule: &TextRule, errors: &mut ConfigErrors) -> Option<Secret> {
        let name = node.text(&VARIABLE, errors)?;
        let value = (self.environment)(name).unwrap_or_default();
        if value.is_empty() {
            return node.refuse_text("an environment variable that is set", &format!("{name}, which is not"), errors);
        }
        match rule.fault(&value) {
            None => Some(Secret(value)),
            Some(fault) => node.refuse_text(rule.expected, &format!("{fault} in {name}"), errors),
        }
    }
}
