//! Typed access to the JSON tree: each read says what is allowed, notes every fault with its path, and goes on, so that
//! an operator sees all of them at once. `None` always means that a fault was noted.
//!
//! Types that serde derives would stop at the first fault, and quote in it the value that they found, which may be a secret.

use std::time::Duration;

use super::duration::DurationRange;
use super::errors::{ConfigErrors, shown_key};
use crate::json::{self, Value};

/// The keys of an object.
#[derive(Debug, Clone, Copy)]
pub(super) struct Keys {
    /// What may be given.
    pub(super) supported: &'static [&'static str],
    /// Keys that an operator may expect here but that belong elsewhere, each with what to say of it.
    pub(super) refused: &'static [(&'static str, &'static str)],
}

/// What a string may be.
#[derive(Clone, Copy)]
pub(super) struct TextRule {
    /// The rule in words, for the error.
    pub(super) expected: &'static str,
    /// The longest, in bytes.
    pub(super) max_bytes: usize,
    /// The characters.
    pub(super) allows: fn(char) -> bool,
}

/// What a whole number may be, and its value when it is left out.
#[derive(Debug, Clone, Copy)]
pub(super) struct IntegerRange {
    /// What is counted, in the plural, for the error.
    pub(super) of: Option<&'static str>,
    /// The smallest.
    pub(super) min: usize,
    /// The largest.
    pub(super) max: usize,
    /// When the setting is left out.
    pub(super) default: usize,
}

/// How many items a list may have.
#[derive(Debug, Clone, Copy)]
pub(super) struct ListRule {
    /// What the items are, in the plural, for the error.
    pub(super) of: &'static str,
    /// The fewest; a list that may be empty may be left out.
    pub(super) min: usize,
    /// The most.
    pub(super) max: usize,
}

/// A value, or its absence, at a path.
pub(super) struct Node<'a> {
    path: String,
    json: Option<&'a Value<'a>>,
}

/// An object whose keys were checked.
pub(super) struct Object<'a> {
    path: String,
    members: &'a json::Object<'a>,
    keys: &'static Keys,
}

impl TextRule {
    /// What a text is, if it is not as it may be.
    pub(super) fn fault(&self, text: &str) -> Option<&'static str> {
        if text.is_empty() {
            Some("an empty string")
        } else if text.len() > self.max_bytes {
            Some("a longer string")
        } else if !text.chars().all(self.allows) {
            Some("a string with other characters")
        } else {
            None
        }
    }
}

impl<'a> Node<'a> {
    pub(super) fn root(json: Option<&'a Value<'a>>) -> Self {
        Node { path: String::new(), json }
    }

    /// Where it is, such as `inbound.peer.fingerprints[2]`.
    pub(super) fn path(&self) -> &str {
        &self.path
    }

    pub(super) fn is_absent(&self) -> bool {
        self.json.is_none()
    }

    pub(super) fn is_null(&self) -> bool {
        matches!(self.json, Some(Value::Null))
    }

    pub(super) fn is_list(&self) -> bool {
        matches!(self.json, Some(Value::List(_)))
    }

    pub(super) fn is_object(&self) -> bool {
        matches!(self.json, Some(Value::Object(_)))
    }

    /// What `read` makes of it; `Some(None)` if it is left out.
    pub(super) fn optional<T>(&self, read: impl FnOnce(&Self) -> Option<T>) -> Option<Option<T>> {
        if self.is_absent() { Some(None) } else { read(self).map(Some) }
    }

    /// Notes a fault here.
    pub(super) fn refuse(&self, problem: impl Into<String>, errors: &mut ConfigErrors) {
        errors.add(&self.path, problem.into());
    }

    /// Notes a string of the right kind and the wrong content, which `got` describes without quoting it.
    pub(super) fn refuse_text<T>(&self, expected: &str, got: &str, errors: &mut ConfigErrors) -> Option<T> {
        self.note_other(expected, got, errors);
        None
    }

    // Inlined it would be repeated for each of a hundred settings: 4 KB.
    #[inline(never)]
    fn note_other(&self, expected: &str, got: &str, errors: &mut ConfigErrors) {
        self.refuse(format!("expected {expected}, got {got}"), errors);
    }

    /// A string of any content, for settings that have a parser of their own.
    pub(super) fn string(&self, expected: &str, errors: &mut ConfigErrors) -> Option<&'a str> {
        match self.json {
            Some(Value::Text(text)) => Some(text),
            _ => self.mismatch(expected, errors),
        }
    }

    pub(super) fn text(&self, rule: &TextRule, errors: &mut ConfigErrors) -> Option<&'a str> {
        let text = self.string(rule.expected, errors)?;
        match rule.fault(text) {
            None => Some(text),
            Some(got) => self.refuse_text(rule.expected, got, errors),
        }
    }

    pub(super) fn boolean(&self, default: bool, errors: &mut ConfigErrors) -> Option<bool> {
        match self.json {
            None => Some(default),
            Some(Value::Bool(value)) => Some(*value),
            Some(_) => self.mismatch("true or false", errors),
        }
    }

    pub(super) fn duration(&self, range: &DurationRange, errors: &mut ConfigErrors) -> Option<Duration> {
        if self.is_absent() {
            return Some(range.default);
        }
        let expected = range.to_string();
        let text = self.string(&expected, errors)?;
        match range.parse(text) {
            Ok(duration) => Some(duration),
            Err(fault) => self.refuse_text(&expected, &fault.to_string(), errors),
        }
    }

    pub(super) fn integer(&self, range: &IntegerRange, errors: &mut ConfigErrors) -> Option<usize> {
        let IntegerRange { of, min, max, default } = *range;
        let expected = match of {
            Some(of) => format!("a whole number of {of} from {min} to {max}"),
            None => format!("a whole number from {min} to {max} such as {default}"),
        };
        let got = match self.json {
            None => return Some(default),
            Some(Value::Integer(number)) => match usize::try_from(*number) {
                Ok(number) if (min..=max).contains(&number) => return Some(number),
                // What is too large for the machine is also above the range.
                Ok(number) if number < min => "a smaller one",
                Err(_) if *number < 0 => "a smaller one",
                _ => "a larger one",
            },
            // 1.0 and 1e3 too: whether they are whole depends on who rounds them. Of what is counted there is no part anyway.
            Some(Value::Fraction(_)) if of.is_none() => "a number with a fraction or an exponent",
            Some(_) => return self.mismatch(&expected, errors),
        };
        self.refuse_text(&expected, got, errors)
    }

    /// One of some words.
    pub(super) fn choice<T: Copy>(&self, choices: &[(&str, T)], errors: &mut ConfigErrors) -> Option<T> {
        let words: Vec<&str> = choices.iter().map(|(word, _)| *word).collect();
        let expected = list_words(&words, "or");
        let text = self.string(&expected, errors)?;
        match choices.iter().find(|(word, _)| *word == text) {
            Some((_, choice)) => Some(*choice),
            None => self.refuse_text(&expected, "another string", errors),
        }
    }

    /// A list without duplicates.
    pub(super) fn list<T: PartialEq>(
        &self,
        rule: &ListRule,
        errors: &mut ConfigErrors,
        mut item: impl FnMut(&Self, &mut ConfigErrors) -> Option<T>,
    ) -> Option<Vec<T>> {
        let mut items: Vec<Option<T>> = Vec::new();
        for node in self.items(rule, errors)? {
            let value = item(&node, errors);
            match items.iter().position(|earlier| value.is_some() && *earlier == value) {
                Some(first) => {
                    let got = format!("the same as at [{first}]");
                    items.push(node.refuse_text(&format!("{} without duplicates", rule.of), &got, errors));
                }
                None => items.push(value),
            }
        }
        items.into_iter().collect()
    }

    /// The items of a list that has as many as it may.
    fn items(&self, rule: &ListRule, errors: &mut ConfigErrors) -> Option<Vec<Self>> {
        let ListRule { of, min, max } = rule;
        let expected = if *min == 0 {
            format!("an array of at most {max} {of}")
        } else {
            format!("an array of {min} to {max} {of}")
        };
        let json = match self.json {
            Some(Value::List(items)) => items,
            None if *min == 0 => return Some(Vec::new()),
            _ => return self.mismatch(&expected, errors),
        };
        if json.len() < *min || json.len() > *max {
            return self.refuse_text(&expected, &format!("an array of {}", json.len()), errors);
        }
        let node = |(index, json)| Node { path: format!("{}[{index}]", self.path), json: Some(json) };
        Some(json.iter().enumerate().map(node).collect())
    }

    /// An object; its unknown, refused and repeated keys are noted at once.
    pub(super) fn object(&self, keys: &'static Keys, errors: &mut ConfigErrors) -> Option<Object<'a>> {
        let members = match self.json {
            Some(Value::Object(members)) => members,
            Some(Value::Text(text)) if matches!(Value::parse(text.as_bytes()), Ok(Value::Object(_))) => {
                self.refuse("expected an object, got a string that holds JSON: it was encoded twice", errors);
                return None;
            }
            _ => return self.mismatch("an object", errors),
        };
        let object = Object { path: self.path.clone(), members, keys };
        for name in members.repeated() {
            errors.add(&object.path_of(&shown_key(name)), "expected each key once, got it again".to_owned());
        }
        for (name, _) in members.iter() {
            if let Some((_, problem)) = keys.refused.iter().find(|(refused, _)| *refused == name) {
                errors.add(&object.path_of(name), (*problem).to_owned());
            } else if !keys.supported.contains(&name) {
                let allowed = match keys.supported {
                    [] => "no key".to_owned(),
                    supported => list_words(supported, "or"),
                };
                errors.add(&object.path_of(&shown_key(name)), format!("expected {allowed}, got an unknown key"));
            }
        }
        Some(object)
    }

    fn mismatch<T>(&self, expected: &str, errors: &mut ConfigErrors) -> Option<T> {
        let got = self.json.map_or("nothing", kind);
        self.refuse_text(expected, got, errors)
    }
}

impl<'a> Object<'a> {
    pub(super) fn member(&self, key: &'static str) -> Node<'a> {
        Node { path: self.path_of(key), json: self.members.member(key) }
    }

    /// Notes a fault unless exactly one of the known keys is there.
    pub(super) fn exactly_one(&self, errors: &mut ConfigErrors) {
        self.exactly_one_of(self.keys.supported, errors);
    }

    /// Notes a fault unless exactly one of these keys is there.
    pub(super) fn exactly_one_of(&self, keys: &[&str], errors: &mut ConfigErrors) {
        let given: Vec<&str> = keys.iter().copied().filter(|key| self.members.contains(key)).collect();
        let problem = match given.as_slice() {
            [_] => return,
            [] => format!("expected {}, got nothing", list_words(keys, "or")),
            _ => format!("expected exactly one key, got {}", list_words(&given, "and")),
        };
        errors.add(&self.path, problem);
    }

    fn path_of(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }
}

/// `"a", "b" or "c"`.
fn list_words(words: &[&str], conjunction: &str) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("\"{word}\"")).collect();
    match quoted.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, others)) => format!("{} {conjunction} {last}", others.join(", ")),
        None => String::new(),
    }
}

/// What a value is, without what it says.
fn kind(value: &Value<'_>) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Integer(_) | Value::Fraction(_) => "a number",
        Value::Text(_) => "a string",
        Value::List(_) => "an array",
        Value::Object(_) => "an object",
    }
}
