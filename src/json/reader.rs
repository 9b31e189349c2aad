//! Reads a JSON value and holds it to the rules: every member name once, bounded depth and width, nothing after the value.
//!
//! The grammar is serde_json's. Its own tree and types that serde derives are not used: of two equal members the tree keeps
//! the last without a word, and derived types say what they found instead of what they wanted, and bring code that
//! prints it.

use std::borrow::Cow;
use std::cell::Cell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

use super::value::{Object, Value};

/// The deepest nesting of arrays and objects that is read. Tokens and keys need 3, configurations 7; a bound keeps
/// the recursion far from the end of a VM's stack.
pub(crate) const MAX_DEPTH: usize = 16;

/// The most members that one object may have. It bounds the quadratic search for duplicates.
pub(crate) const MAX_MEMBERS: usize = 128;

/// Why bytes are not acceptable JSON. Lines and columns count from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JsonError {
    /// Not JSON (RFC 8259), not UTF-8, a number out of range, or something follows the value.
    Syntax {
        /// The line of the first byte that does not fit.
        line: usize,
        /// The column of that byte.
        column: usize,
    },
    /// An object names a member twice.
    DuplicateMember {
        /// The line where the second name ends.
        line: usize,
        /// The column there.
        column: usize,
    },
    /// Nested deeper than [`MAX_DEPTH`].
    TooDeep,
    /// An object has more than [`MAX_MEMBERS`] members.
    TooManyMembers,
}

impl<'a> Value<'a> {
    /// Reads exactly one JSON value.
    ///
    /// # Errors
    /// See [`JsonError`].
    pub fn parse(bytes: &'a [u8]) -> Result<Self, JsonError> {
        Self::read(bytes, Repetition::Refused)
    }

    /// Reads exactly one JSON value, for a caller that tells a person of every repeated name instead of stopping at the
    /// first: of equal members the first stays, and [`Object::repeated`] names the others.
    ///
    /// # Errors
    /// See [`JsonError`]; never [`JsonError::DuplicateMember`].
    pub fn parse_noting_repetition(bytes: &'a [u8]) -> Result<Self, JsonError> {
        Self::read(bytes, Repetition::Noted)
    }

    fn read(bytes: &'a [u8], repetition: Repetition) -> Result<Self, JsonError> {
        let broken = Cell::new(None);
        read_one(bytes, &broken, ValueSeed::new(repetition, &broken), Value::wipe)
    }
}

impl fmt::Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Syntax { line, column } => write!(f, "not valid JSON at line {line}, column {column}"),
            Self::DuplicateMember { line, column } => {
                write!(f, "a member name stands twice in one object, at line {line}, column {column}")
            }
            Self::TooDeep => write!(f, "nested deeper than {MAX_DEPTH} levels"),
            Self::TooManyMembers => write!(f, "an object has more than {MAX_MEMBERS} members"),
        }
    }
}

impl std::error::Error for JsonError {}

/// Reads one value, after which nothing may follow. If something does, what was read is given to `wipe`, because it may hold
/// secrets. In `broken` the seed notes which rule the input broke.
pub(super) fn read_one<'a, S: DeserializeSeed<'a>>(
    bytes: &'a [u8],
    broken: &Cell<Option<Bound>>,
    seed: S,
    wipe: fn(&mut S::Value),
) -> Result<S::Value, JsonError> {
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let read = seed.deserialize(&mut deserializer).and_then(|mut value| match deserializer.end() {
        Ok(()) => Ok(value),
        Err(error) => {
            wipe(&mut value);
            Err(error)
        }
    });
    read.map_err(|error| match broken.get() {
        None => JsonError::Syntax { line: error.line(), column: error.column() },
        Some(Bound::Unique) => JsonError::DuplicateMember { line: error.line(), column: error.column() },
        Some(Bound::Depth) => JsonError::TooDeep,
        Some(Bound::Members) => JsonError::TooManyMembers,
    })
}

/// The rule of ours, beyond JSON's grammar, that the input broke.
#[derive(Clone, Copy)]
pub(super) enum Bound {
    Unique,
    Depth,
    Members,
}

/// What to do with a member whose name was there before.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Repetition {
    Refused,
    Noted,
}

/// Reads one value; `depth` counts the arrays and objects around it.
#[derive(Clone, Copy)]
pub(super) struct ValueSeed<'c> {
    depth: usize,
    repetition: Repetition,
    broken: &'c Cell<Option<Bound>>,
}

impl<'c> ValueSeed<'c> {
    /// Reads the outermost value.
    pub(super) fn new(repetition: Repetition, broken: &'c Cell<Option<Bound>>) -> Self {
        Self { depth: 0, repetition, broken }
    }

    /// Records which rule was broken, because a serde error could carry it only as text.
    pub(super) fn broke<E: serde::de::Error>(self, bound: Bound) -> E {
        self.broken.set(Some(bound));
        E::custom("refused")
    }

    /// The seed for what is inside this array or object.
    pub(super) fn inner<E: serde::de::Error>(self) -> Result<Self, E> {
        if self.depth >= MAX_DEPTH {
            return Err(self.broke(Bound::Depth));
        }
        Ok(Self { depth: self.depth.saturating_add(1), ..self })
    }

    fn read_items<'de, A: SeqAccess<'de>>(self, mut items: A, list: &mut Vec<Value<'de>>) -> Result<(), A::Error> {
        let inner = self.inner()?;
        while let Some(item) = items.next_element_seed(inner)? {
            list.push(item);
        }
        Ok(())
    }

    fn read_members<'de, A: MapAccess<'de>>(self, mut members: A, object: &mut Object<'de>) -> Result<(), A::Error> {
        let inner = self.inner()?;
        while let Some(name) = members.next_key_seed(NameSeed)? {
            let repeated = object.contains(&name);
            if repeated && self.repetition == Repetition::Refused {
                return Err(self.broke(Bound::Unique));
            }
            if object.members.len().saturating_add(object.repeated.len()) >= MAX_MEMBERS {
                return Err(self.broke(Bound::Members));
            }
            let mut value = members.next_value_seed(inner)?;
            if repeated {
                value.wipe();
                object.repeated.push(name);
            } else {
                object.members.push((name, value));
            }
        }
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for ValueSeed<'_> {
    type Value = Value<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value<'de>, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for ValueSeed<'_> {
    type Value = Value<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value<'de>, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value<'de>, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value<'de>, E> {
        Ok(Value::Integer(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value<'de>, E> {
        Ok(Value::Integer(value.into()))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Value<'de>, E> {
        if value.is_finite() { Ok(Value::Fraction(value)) } else { Err(E::custom("not finite")) }
    }

    fn visit_borrowed_str<E>(self, value: &'de str) -> Result<Value<'de>, E> {
        Ok(Value::Text(Cow::Borrowed(value)))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value<'de>, E> {
        Ok(Value::Text(Cow::Owned(value.to_owned())))
    }

    // What was read before a fault may hold a secret as well.
    fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<Value<'de>, A::Error> {
        let mut list = Vec::new();
        match self.read_items(items, &mut list) {
            Ok(()) => Ok(Value::List(list)),
            Err(error) => {
                list.iter_mut().for_each(Value::wipe);
                Err(error)
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<Value<'de>, A::Error> {
        let mut object = Object::default();
        match self.read_members(members, &mut object) {
            Ok(()) => Ok(Value::Object(object)),
            Err(error) => {
                object.wipe();
                Err(error)
            }
        }
    }
}

/// Reads a member name without copying it, where it holds no escape.
pub(super) struct NameSeed;

impl<'de> DeserializeSeed<'de> for NameSeed {
    type Value = Cow<'de, str>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Cow<'de, str>, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for NameSeed {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a member name")
    }

    fn visit_borrowed_str<E>(self, value: &'de str) -> Result<Cow<'de, str>, E> {
        Ok(Cow::Borrowed(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Cow<'de, str>, E> {
        Ok(Cow::Owned(value.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn each_kind_of_value_is_told_apart() {
        let cases = [
            ("null", Value::Null),
            ("true", Value::Bool(true)),
            ("-7", Value::Integer(-7)),
            ("18446744073709551615", Value::Integer(u64::MAX.into())),
            ("1.5", Value::Fraction(1.5)),
            ("1e3", Value::Fraction(1000.0)),
            ("[1]", Value::List(vec![Value::Integer(1)])),
            (r#""\u0061""#, Value::Text("a".into())),
        ];
        for (text, value) in cases {
            assert_eq!(Value::parse(text.as_bytes()), Ok(value), "{text}");
        }
    }

    #[test]
    fn a_member_is_found_by_its_unescaped_name() {
        let Value::Object(object) = Value::parse(br#"{"\u0069ss": "a", "n": 1}"#).unwrap() else { panic!() };
        assert_eq!(object.text("iss"), Some("a"));
        assert_eq!(object.text("n"), None);
        assert!(object.contains("n"));
    }

    #[test]
    fn duplicate_members_are_refused_at_every_level_and_behind_escapes() {
        for text in [
            r#"{"a":1,"a":1}"#,
            r#"{"a":1,"\u0061":2}"#,
            r#"{"x":{"b":1,"b":2}}"#,
            r#"{"x":[{"b":1,"b":2}]}"#,
            r#"{"":1,"":2}"#,
        ] {
            assert!(matches!(Value::parse(text.as_bytes()), Err(JsonError::DuplicateMember { .. })), "{text}");
        }
    }

    #[test]
    fn repetition_is_noted_where_a_person_is_told_of_it() {
        let value = Value::parse_noting_repetition(br#"{"a":1,"b":{"c":1,"\u0063":2},"a":2,"a":3}"#).unwrap();
        let Value::Object(object) = value else { panic!() };
        assert_eq!(object.member("a"), Some(&Value::Integer(1)));
        assert_eq!(object.repeated().collect::<Vec<_>>(), ["a", "a"]);
        let Some(Value::Object(inner)) = object.member("b") else { panic!() };
        assert_eq!(inner.repeated().collect::<Vec<_>>(), ["c"]);
        let many = format!("{{{}\"a\":0}}", "\"a\":0,".repeat(MAX_MEMBERS));
        assert_eq!(Value::parse_noting_repetition(many.as_bytes()), Err(JsonError::TooManyMembers));
    }

    #[test]
    fn what_is_not_one_json_value_is_refused() {
        for text in
            ["", " ", "{", "{}{}", "{} x", "{'a':1}", "{\"a\":1,}", "[1 2]", "nul", "1e400", "-", "01", "\u{feff}{}"]
        {
            assert!(matches!(Value::parse(text.as_bytes()), Err(JsonError::Syntax { .. })), "{text}");
        }
        assert!(matches!(Value::parse(b"\"\xff\""), Err(JsonError::Syntax { .. })), "not UTF-8");
        assert!(matches!(Value::parse(b"\"\\ud800\""), Err(JsonError::Syntax { .. })), "a lone surrogate");
        assert!(matches!(Value::parse(b"\"\n\""), Err(JsonError::Syntax { .. })), "a raw control character");
    }

    #[test]
    fn depth_and_width_are_bounded() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(Value::parse(nested(MAX_DEPTH).as_bytes()).is_ok());
        assert_eq!(Value::parse(nested(MAX_DEPTH + 1).as_bytes()), Err(JsonError::TooDeep));
        assert_eq!(Value::parse("[".repeat(100_000).as_bytes()), Err(JsonError::TooDeep));
        let wide = |members: usize| {
            let members: Vec<_> = (0..members).map(|n| format!("\"{n}\":0")).collect();
            format!("{{{}}}", members.join(","))
        };
        assert!(Value::parse(wide(MAX_MEMBERS).as_bytes()).is_ok());
        assert_eq!(Value::parse(wide(MAX_MEMBERS + 1).as_bytes()), Err(JsonError::TooManyMembers));
    }

    #[test]
    fn wiping_empties_every_text_that_was_copied_and_leaves_the_input_alone() {
        let json = br#"{"\u0061": "\u0062", "c": ["d", "\u0065", {"f": "\u0067"}], "\u0063": 1, "n": 1}"#;
        let mut value = Value::parse_noting_repetition(json).unwrap();
        value.wipe();
        let text = |text: &'static str| Value::Text(text.into());
        let inner = Object { members: vec![("f".into(), text(""))], repeated: vec![] };
        let members = vec![
            ("".into(), text("")),
            ("c".into(), Value::List(vec![text("d"), text(""), Value::Object(inner)])),
            ("n".into(), Value::Integer(1)),
        ];
        assert_eq!(value, Value::Object(Object { members, repeated: vec!["".into()] }));
    }

    #[test]
    fn an_error_says_where() {
        assert_eq!(Value::parse(b"{\n  \"a\": x}").unwrap_err().to_string(), "not valid JSON at line 2, column 8");
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..512)) {
            let _ = Value::parse(&bytes);
        }
    }
}
