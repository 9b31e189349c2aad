//! The members of one JSON object that the reader asks for: the whole object is held to the rules of [`Value`], and only
//! these are kept.
//!
//! Every token is read this way. A type that serde derives would not hold the members that it skips to the rules, and a tree
//! of everything would be built for each token to be thrown away.

use std::borrow::Cow;
use std::cell::Cell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

use super::flat;
use super::reader::{Bound, JsonError, MAX_MEMBERS, NameSeed, Repetition, ValueSeed, read_one};
use super::value::Value;

/// Reads exactly one JSON value: of an object the members of these names, in their order, and `None` for any other value.
///
/// # Errors
/// See [`JsonError`]: the same as those of [`Value::parse`].
pub fn members<'a, const N: usize>(
    bytes: &'a [u8],
    names: &[&str; N],
) -> Result<Option<[Option<Value<'a>>; N]>, JsonError> {
    match flat::members(bytes, names) {
        Some(values) => Ok(Some(values)),
        None => general_members(bytes, names),
    }
}

/// The same, without the short cut.
pub(super) fn general_members<'a, const N: usize>(
    bytes: &'a [u8],
    names: &[&str; N],
) -> Result<Option<[Option<Value<'a>>; N]>, JsonError> {
    let broken = Cell::new(None);
    let value = ValueSeed::new(Repetition::Refused, &broken);
    read_one(bytes, &broken, MembersSeed { names, value }, |_| ())
}

/// Reads an object, or anything else.
struct MembersSeed<'n, 'c, const N: usize> {
    names: &'n [&'n str; N],
    value: ValueSeed<'c>,
}

impl<'de, const N: usize> DeserializeSeed<'de> for MembersSeed<'_, '_, N> {
    type Value = Option<[Option<Value<'de>>; N]>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, const N: usize> Visitor<'de> for MembersSeed<'_, '_, N> {
    type Value = Option<[Option<Value<'de>>; N]>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_bool<E>(self, _value: bool) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_i64<E>(self, _value: i64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_u64<E>(self, _value: u64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Self::Value, E> {
        self.value.visit_f64(value).map(|_| None)
    }

    fn visit_str<E>(self, _value: &str) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<Self::Value, A::Error> {
        self.value.visit_seq(items).map(|_| None)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
        let inner = self.value.inner()?;
        let mut values = [const { None }; N];
        // Their names, to refuse the second of two. The tokens of this protocol have none.
        let mut others: Vec<Cow<'de, str>> = Vec::new();
        let mut count: usize = 0;
        while let Some(name) = members.next_key_seed(NameSeed)? {
            let wanted =
                self.names.iter().zip(&mut values).find(|(wanted, _)| **wanted == name).map(|(_, value)| value);
            let repeated = wanted.as_ref().map_or_else(|| others.contains(&name), |value| value.is_some());
            if repeated {
                return Err(self.value.broke(Bound::Unique));
            }
            if count >= MAX_MEMBERS {
                return Err(self.value.broke(Bound::Members));
            }
            count = count.saturating_add(1);
            let value = members.next_value_seed(inner)?;
            match wanted {
                Some(wanted) => *wanted = Some(value),
                None => others.push(name),
            }
        }
        Ok(Some(values))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::reader::MAX_DEPTH;
    use proptest::prelude::*;

    /// What the general reader makes of it.
    fn expected<'a>(bytes: &'a [u8], names: &[&str; 2]) -> Result<Option<[Option<Value<'a>>; 2]>, JsonError> {
        Value::parse(bytes).map(|value| match value {
            Value::Object(object) => Some(names.map(|name| object.member(name).cloned())),
            _ => None,
        })
    }

    #[track_caller]
    fn assert_as_expected(text: &str) {
        let names = ["a", "b"];
        assert_eq!(members(text.as_bytes(), &names), expected(text.as_bytes(), &names), "{text}");
    }

    #[test]
    fn the_members_asked_for_are_kept_in_the_order_of_their_names() {
        let found = members(br#"{"b": 2, "c": [1], "\u0061": "x"}"#, &["a", "b", "d"]);
        assert_eq!(found, Ok(Some([Some(Value::Text("x".into())), Some(Value::Integer(2)), None])));
    }

    #[test]
    fn everything_is_held_to_the_rules_of_a_value() {
        let deep = |depth: usize| format!("{{\"c\":{}{}}}", "[".repeat(depth), "]".repeat(depth));
        let wide = |count: usize| {
            let members: Vec<_> = (0..count).map(|n| format!("\"{n}\":0")).collect();
            format!("{{{}}}", members.join(","))
        };
        let wide_and = |last: &str| wide(MAX_MEMBERS).replace('}', last);
        for text in [
            "{}",
            "[]",
            "[{\"x\":1,\"x\":2}]",
            "1",
            "-1",
            "1.5",
            "1e400",
            "[1e400]",
            "true",
            "null",
            "\"a\"",
            "\"\\u0061\"",
            "",
            "{",
            "{}{}",
            "{} x",
            "{\"a\":1,}",
            "[1 2]",
            "nul",
            "\"\\ud800\"",
            r#"{"a":1,"a":1}"#,
            r#"{"a":1,"\u0061":2}"#,
            r#"{"c":1,"c":1}"#,
            r#"{"c":1,"\u0063":1}"#,
            r#"{"a":null,"a":1}"#,
            r#"{"a":{"x":1,"x":2}}"#,
            r#"{"c":[{"x":1,"x":2}]}"#,
            r#"{"a":1e400}"#,
            r#"{"c":1e400}"#,
            &deep(MAX_DEPTH - 1),
            &deep(MAX_DEPTH),
            &wide(MAX_MEMBERS),
            &wide(MAX_MEMBERS + 1),
            &wide_and(",\"0\":1}"),
            &wide_and(",\"a\":1}"),
            &wide(MAX_MEMBERS).replace("\"0\"", "\"a\""),
        ] {
            assert_as_expected(text);
        }
        assert!(matches!(members(b"\"\xff\"", &[]), Err(JsonError::Syntax { .. })), "not UTF-8");
    }

    proptest! {
        #[test]
        fn whatever_the_text_it_is_as_the_general_reader_says(
            text in prop::collection::vec(prop::sample::select(
                vec!["{", "}", "[", "]", ",", ":", "\"a\"", "\"b\"", "\"c\"", "\"\\u0061\"", "1", "1.5", "null", "true", " "],
            ), 0..12),
        ) {
            assert_as_expected(&text.concat());
        }

        #[test]
        fn whatever_the_members_they_are_as_the_general_reader_says(
            pairs in prop::collection::vec((
                prop::sample::select(vec!["a", "b", "c", "d", "\\u0061", "e"]),
                prop::sample::select(vec!["1", "{}", "[1,\"x\"]", "{\"a\":1,\"a\":2}", "\"\\n\"", "1e999", "-0.5", "x"]),
            ), 0..6),
        ) {
            let pairs: Vec<_> = pairs.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
            assert_as_expected(&format!("{{{}}}", pairs.join(",")));
        }
    }
}
