//! A JSON value in memory, and what is asked of it. Only the reader makes one from bytes.

use std::borrow::Cow;

use zeroize::Zeroize as _;

/// A JSON value whose member names are unique.
#[derive(Debug, Clone, PartialEq)]
pub enum Value<'a> {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A number without fraction and exponent that fits 64 bits, signed or unsigned.
    Integer(i128),
    /// Any other number; always finite.
    Fraction(f64),
    /// A string, unescaped.
    Text(Cow<'a, str>),
    /// An array.
    List(Vec<Self>),
    /// An object.
    Object(Object<'a>),
}

/// The members of a JSON object in the order in which they were written, each name once.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Object<'a> {
    pub(super) members: Vec<(Cow<'a, str>, Value<'a>)>,
    pub(super) repeated: Vec<Cow<'a, str>>,
}

impl<'a> Value<'a> {
    /// The text, if this is a string.
    #[must_use]
    pub(crate) fn as_text(&self) -> Option<&str> {
        if let Value::Text(text) = self { Some(text) } else { None }
    }

    /// The text, if this is a string.
    #[must_use]
    pub(crate) fn into_text(self) -> Option<Cow<'a, str>> {
        if let Value::Text(text) = self { Some(text) } else { None }
    }

    /// Overwrites every text that this value owns: those whose escapes were resolved. The others are part of the input,
    /// for its owner to overwrite.
    pub(crate) fn wipe(&mut self) {
        match self {
            Value::Null | Value::Bool(_) | Value::Integer(_) | Value::Fraction(_) => {}
            Value::Text(text) => wipe_text(text),
            Value::List(items) => items.iter_mut().for_each(Value::wipe),
            Value::Object(object) => object.wipe(),
        }
    }
}

impl<'a> Object<'a> {
    /// The member of this name.
    #[must_use]
    pub(crate) fn member(&self, name: &str) -> Option<&Value<'a>> {
        self.members.iter().find(|(member, _)| member == name).map(|(_, value)| value)
    }

    /// The member of this name, if it is a string.
    #[must_use]
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.member(name).and_then(Value::as_text)
    }

    /// Whether there is a member of this name, of whatever kind.
    #[must_use]
    pub(crate) fn contains(&self, name: &str) -> bool {
        self.member(name).is_some()
    }

    /// All members in the order in which they were written.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value<'a>)> {
        self.members.iter().map(|(name, value)| (name.as_ref(), value))
    }

    /// The names that were given again, once for each time; see [`Value::parse_noting_repetition`].
    pub fn repeated(&self) -> impl Iterator<Item = &str> {
        self.repeated.iter().map(AsRef::as_ref)
    }

    /// See [`Value::wipe`].
    pub(super) fn wipe(&mut self) {
        for (name, value) in &mut self.members {
            wipe_text(name);
            value.wipe();
        }
        self.repeated.iter_mut().for_each(wipe_text);
    }
}

fn wipe_text(text: &mut Cow<'_, str>) {
    if let Cow::Owned(text) = text {
        text.zeroize();
    }
}
