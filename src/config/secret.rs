//! Secrets: `{"env": "NAME"}` takes one from the gateway's environment, `{"value": "…"}` has it in the configuration
//! itself, which gateways show in their admin pages and copy into their logs. A credential that callouts carry may also stay
//! out of the filter's reach: `{"added_by": "gateway"}`.

use std::fmt;

use zeroize::Zeroizing;

use super::errors::ConfigErrors;
use super::reader::{Keys, Node, Object, TextRule};

pub(super) const KEYS: Keys = Keys { supported: &["env", "value"], refused: &[] };

/// The keys of a credential that callouts carry.
pub(super) const CREDENTIAL_KEYS: Keys = Keys { supported: &["env", "value", "added_by"], refused: &[] };

/// Who else may add a credential. That nobody but the gateway does has to be said: a setting that was forgotten must not look
/// like it.
pub(super) const ADDED_BY: [(&str, ()); 1] = [("gateway", ())];

const MISSING: &str = "a secret ({\"env\": \"NAME\"}), or {\"added_by\": \"gateway\"} where the gateway adds it";

/// The portable names of POSIX (IEEE 1003.1 §8.1). Hardly a secret that is put here by mistake looks like one, so an
/// error may show it.
pub(super) const VARIABLE: TextRule = TextRule {
    expected: "the name of an environment variable: 1 to 128 of A to Z, 0 to 9 and _",
    max_bytes: 128,
    allows: |character| character.is_ascii_uppercase() || character.is_ascii_digit() || character == '_',
};

/// The gateway's environment: the value of a variable, by its name.
pub(super) type Environment<'e> = &'e dyn Fn(&str) -> Option<String>;

/// A secret. It does not print itself, and is overwritten when it goes.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<String>);

/// What proves to a server who calls it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Credential {
    /// This secret.
    Secret(Secret),
    /// The filter sends none: the gateway adds it to the callout on the way.
    AddedByGateway,
}

/// Where secrets come from, and what the operator should know of how they are handled.
pub(super) struct SecretSource<'e> {
    environment: Environment<'e>,
    warnings: Vec<String>,
    /// The paths of those that stand in the configuration itself.
    inline: Vec<String>,
}

/// The text of a secret as it is given, not checked yet.
struct Given<'a> {
    node: Node<'a>,
    /// The name of the environment variable, if it comes from one.
    variable: Option<&'a str>,
    text: Zeroizing<String>,
}

impl Secret {
    /// A secret with this text.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(Zeroizing::new(text.into()))
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

impl Given<'_> {
    /// What `parse` makes of it, if it is as the rule says.
    fn parsed<T>(
        self,
        rule: &TextRule,
        parse: impl Fn(&str) -> Result<T, String>,
        errors: &mut ConfigErrors,
    ) -> Option<T> {
        let Given { node, variable, text } = self;
        match rule.fault(&text).map_or_else(|| parse(&text), |fault| Err(fault.to_owned())) {
            Ok(secret) => Some(secret),
            Err(fault) => {
                let got = variable.map_or_else(|| fault.clone(), |name| format!("{fault} in {name}"));
                node.refuse_text(rule.expected, &got, errors)
            }
        }
    }
}

impl<'e> SecretSource<'e> {
    pub(super) fn new(environment: Environment<'e>) -> Self {
        Self { environment, warnings: Vec::new(), inline: Vec::new() }
    }

    /// Reads a secret that must be as the rule says.
    pub(super) fn read(&mut self, node: &Node<'_>, rule: &TextRule, errors: &mut ConfigErrors) -> Option<Secret> {
        self.read_as(node, rule, |text| Ok(Secret::new(text)), errors)
    }

    /// Reads a credential: a secret that must be as the rule says, or the word that the gateway adds it.
    pub(super) fn read_credential(
        &mut self,
        node: &Node<'_>,
        rule: &TextRule,
        errors: &mut ConfigErrors,
    ) -> Option<Credential> {
        if node.is_absent() {
            return node.refuse_text(MISSING, "nothing", errors);
        }
        let object = node.object(&CREDENTIAL_KEYS, errors)?;
        object.exactly_one(errors);
        self.credential_in(&object, rule, errors)
    }

    /// The same of an object that may have other keys, too.
    pub(super) fn credential_in(
        &mut self,
        object: &Object<'_>,
        rule: &TextRule,
        errors: &mut ConfigErrors,
    ) -> Option<Credential> {
        let added_by = object.member("added_by");
        if !added_by.is_absent() {
            return added_by.choice(&ADDED_BY, errors).map(|()| Credential::AddedByGateway);
        }
        let given = self.given_in(object, rule, errors)?;
        given.parsed(rule, |text| Ok(Secret::new(text)), errors).map(Credential::Secret)
    }

    /// Reads a secret that must be as the rule says and that `parse` accepts, or says what it got instead.
    pub(super) fn read_as<T>(
        &mut self,
        node: &Node<'_>,
        rule: &TextRule,
        parse: impl Fn(&str) -> Result<T, String>,
        errors: &mut ConfigErrors,
    ) -> Option<T> {
        let object = node.object(&KEYS, errors)?;
        object.exactly_one(errors);
        self.given_in(&object, rule, errors)?.parsed(rule, parse, errors)
    }

    /// The text of a secret, from the one place that is named.
    fn given_in<'a>(&mut self, object: &Object<'a>, rule: &TextRule, errors: &mut ConfigErrors) -> Option<Given<'a>> {
        let (variable, value) = (object.member("env"), object.member("value"));
        if !variable.is_absent() {
            let name = variable.text(&VARIABLE, errors)?;
            return match self.variable(name) {
                Some(text) => Some(Given { node: variable, variable: Some(name), text }),
                None => {
                    let got = format!("{name}, which is not");
                    variable.refuse_text("an environment variable that is set", &got, errors)
                }
            };
        }
        if value.is_absent() {
            return None;
        }
        self.inline.push(value.path().to_owned());
        self.warn(
            &value,
            "a secret in the configuration is shown by the gateway's admin pages; give {\"env\": \"NAME\"} instead",
        );
        let text = Zeroizing::new(value.string(rule.expected, errors)?.to_owned());
        Some(Given { node: value, variable: None, text })
    }

    /// Notes what the operator should know, although it is accepted.
    pub(super) fn warn(&mut self, node: &Node<'_>, warning: &str) {
        self.warnings.push(format!("{}: {warning}", node.path()));
    }

    /// The warnings, and the paths of the secrets that stand in the configuration itself.
    pub(super) fn into_remarks(self) -> (Vec<String>, Vec<String>) {
        (self.warnings, self.inline)
    }

    /// A variable that is set to something.
    fn variable(&self, name: &str) -> Option<Zeroizing<String>> {
        (self.environment)(name).filter(|value| !value.is_empty()).map(Zeroizing::new)
    }
}
