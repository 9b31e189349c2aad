//! What a setting is, so that a schema and a page can say it: its name, what it means, and the rule of the reader that it is
//! held to.

use std::sync::Arc;

use serde_json::{Map, Value};

use crate::config::duration::{DurationRange, print};
use crate::config::reader::{IntegerRange, Keys, ListRule};

/// A member of an object.
pub(in crate::config) struct Setting {
    pub(in crate::config) key: &'static str,
    /// What it is, in a few words.
    pub(in crate::config) title: &'static str,
    /// What it does, in Markdown. `{range}` stands for what its rule allows.
    pub(super) text: &'static str,
    pub(in crate::config) presence: Presence,
    pub(in crate::config) kind: Kind,
    pub(in crate::config) example: Option<Value>,
    /// Of which method the page describes it, if not here.
    pub(super) described_with: Option<&'static str>,
    /// Whether the page has no lines for what is inside.
    pub(super) is_one_line: bool,
}

/// Whether a setting may be left out, and what that means.
pub(in crate::config) enum Presence {
    Required,
    /// It may, and is this then.
    Default(Value),
    /// It may, or the rules of its object say when; in words, for the page.
    Otherwise(&'static str),
}

/// What a value may be.
#[derive(Clone)]
pub(in crate::config) enum Kind {
    Boolean,
    Null,
    Text(Text),
    Duration(DurationRange),
    Integer(IntegerRange),
    /// One of these words.
    Choice(Vec<&'static str>),
    /// A list without duplicates.
    List(ListRule, Box<Kind>),
    Object(Box<Object>),
    /// One of several kinds of JSON values.
    Either(Vec<Kind>),
    /// The same in several places, under this name.
    Named(&'static str, Box<Kind>),
}

/// A string.
#[derive(Clone, Default)]
pub(in crate::config) struct Text {
    /// ECMA 262, as JSON Schema has it (2020-12 core §6.4): what it must match.
    pub(super) pattern: Option<String>,
    /// What it must not match.
    pub(super) refused: Option<String>,
    /// The fewest characters.
    pub(super) min: usize,
    /// The most characters: the reader's bound in bytes, which is the same where the pattern allows ASCII only.
    pub(super) max: Option<usize>,
}

/// An object: what it may have, and the rules for several of its members.
#[derive(Clone)]
pub(in crate::config) struct Object {
    pub(in crate::config) keys: &'static Keys,
    pub(in crate::config) settings: Vec<Arc<Setting>>,
    /// Further keywords of its schema.
    pub(super) rules: Map<String, Value>,
}

impl Setting {
    /// Required, unless its rule has a default.
    pub(super) fn new(key: &'static str, title: &'static str, text: &'static str, kind: Kind) -> Self {
        let presence = match &kind {
            Kind::Duration(range) => Presence::Default(print(range.default).into()),
            Kind::Integer(range) => Presence::Default(range.default.into()),
            Kind::List(ListRule { min: 0, .. }, _) => Presence::Default(Value::Array(Vec::new())),
            _ => Presence::Required,
        };
        Self { key, title, text, presence, kind, example: None, described_with: None, is_one_line: false }
    }

    pub(super) fn default(self, value: impl Into<Value>) -> Self {
        Self { presence: Presence::Default(value.into()), ..self }
    }

    /// It may be left out, at least if something else is there: the words are for the page.
    pub(super) fn otherwise(self, words: &'static str) -> Self {
        Self { presence: Presence::Otherwise(words), ..self }
    }

    pub(super) fn example(self, value: impl Into<Value>) -> Self {
        Self { example: Some(value.into()), ..self }
    }

    /// The page describes it at that method.
    pub(super) fn like(self, method: &'static str) -> Self {
        Self { described_with: Some(method), ..self }
    }

    /// The page has one line for it and all that is inside.
    pub(super) fn one_line(self) -> Self {
        Self { is_one_line: true, ..self }
    }

    /// The same, described in other words.
    pub(super) fn text(self, text: &'static str) -> Self {
        Self { text, ..self }
    }

    /// What it does, with what its rule allows.
    pub(in crate::config) fn description(&self) -> String {
        self.text.replace("{range}", &self.kind.range())
    }
}

impl Kind {
    pub(super) fn list(rule: ListRule, item: Kind) -> Self {
        Self::List(rule, Box::new(item))
    }

    pub(super) fn named(self, name: &'static str) -> Self {
        Self::Named(name, Box::new(self))
    }

    /// The words of a reader's choice.
    pub(super) fn choice<T>(choices: &[(&'static str, T)]) -> Self {
        Self::Choice(choices.iter().map(|(word, _)| *word).collect())
    }

    /// The kind, whatever its name.
    pub(in crate::config) fn plain(&self) -> &Self {
        if let Self::Named(_, kind) = self { kind.plain() } else { self }
    }

    /// The bounds, for a sentence of the page.
    fn range(&self) -> String {
        match self {
            Self::Duration(range) => format!("`{}` to `{}`", print(range.min), print(range.max)),
            Self::Integer(range) => format!("`{}` to `{}`", range.min, range.max),
            Self::List(ListRule { min: 0, max, .. }, _) => format!("Up to {max}"),
            Self::List(ListRule { min, max, .. }, _) => format!("{min} to {max}"),
            Self::Text(Text { max: Some(max), .. }) => format!("Up to {max}"),
            Self::Named(_, kind) => kind.range(),
            _ => String::new(),
        }
    }
}

impl Object {
    pub(super) fn new(keys: &'static Keys, settings: impl IntoIterator<Item = Setting>) -> Self {
        Self { keys, settings: settings.into_iter().map(Into::into).collect(), rules: Map::new() }
    }

    /// With further keywords in its schema.
    pub(super) fn with(mut self, rules: Value) -> Self {
        if let Value::Object(rules) = rules {
            self.rules.extend(rules);
        }
        self
    }

    #[cfg(test)]
    pub(in crate::config) fn has_exactly_one(&self) -> bool {
        self.rules.contains_key("maxProperties")
    }

    /// The rules for several of its members, as a schema.
    #[cfg(test)]
    pub(in crate::config) fn rules(&self) -> Value {
        Value::Object(self.rules.clone())
    }

    /// Of whose members there is one.
    pub(super) fn exactly_one(self) -> Self {
        self.with(serde_json::json!({"minProperties": 1, "maxProperties": 1}))
    }

    pub(super) fn kind(self) -> Kind {
        Kind::Object(Box::new(self))
    }
}
