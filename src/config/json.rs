//! JSON text to a small tree that keeps what `serde_json::Value` loses: the order of members, and duplicates.
//! RFC 8259 §4 leaves duplicates open, so two parsers could read two configurations out of one text: the reader refuses
//! them. Numbers keep no value, because no setting is a number.

use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

/// How deep arrays and objects may nest: the deepest setting is at 5, and recursion must end long before the stack
/// does.
const MAX_DEPTH: usize = 16;

/// A JSON value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Json {
    /// `null`.
    Null,
    /// `true` or `false`.
    Boolean(bool),
    /// Any number.
    Number,
    /// A string.
    String(String),
    /// An array.
    Array(Vec<Json>),
    /// An object: its members in order, duplicates included.
    Object(Vec<(String, Json)>),
}

/// Why a text gives no tree. The texts name the line and column and never quote the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum JsonError {
    /// Not JSON.
    Syntax(String),
    /// JSON nested beyond [`MAX_DEPTH`].
    TooDeep(String),
}

impl Json {
    /// Reads one JSON value that fills the whole text.
    pub(super) fn parse(text: &str) -> Result<Json, JsonError> {
        let mut deserializer = serde_json::Deserializer::from_str(text);
        let tree = Tree { depth_left: MAX_DEPTH }.deserialize(&mut deserializer);
        tree.and_then(|tree| deserializer.end().map(|()| tree)).map_err(|error| {
            // The visitor takes every type, so the nesting bound is its only error of its own.
            if error.is_data() { JsonError::TooDeep(error.to_string()) } else { JsonError::Syntax(error.to_string()) }
        })
    }

    /// What this is, without what it says.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Json::Null => "null",
            Json::Boolean(_) => "true or false",
            Json::Number => "a number",
            Json::String(_) => "a string",
            Json::Array(_) => "an array",
            Json::Object(_) => "an object",
        }
    }
}

#[derive(Clone, Copy)]
struct Tree {
    depth_left: usize,
}

impl Tree {
    fn deeper<E: Error>(self) -> Result<Tree, E> {
        let too_deep =
            || E::custom(format_args!("expected at most {MAX_DEPTH} levels of arrays and objects, got more"));
        self.depth_left.checked_sub(1).map(|depth_left| Tree { depth_left }).ok_or_else(too_deep)
    }
}

impl<'de> DeserializeSeed<'de> for Tree {
    type Value = Json;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Json, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Tree {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Json, E> {
        Ok(Json::Boolean(value))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Json, E> {
        Ok(Json::Number)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Json, E> {
        Ok(Json::Number)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Json, E> {
        Ok(Json::Number)
    }

    fn visit_str<E>(self, value: &str) -> Result<Json, E> {
        Ok(Json::String(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Json, A::Error> {
        let inner = self.deeper()?;
        let mut items = Vec::new();
        while let Some(item) = access.next_element_seed(inner)? {
            items.push(item);
        }
        Ok(Json::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Json, A::Error> {
        let inner = self.deeper()?;
        let mut members = Vec::new();
        while let Some(Name(name)) = access.next_key()? {
            members.push((name, access.next_value_seed(inner)?));
        }
        Ok(Json::Object(members))
    }
}

#[derive(Deserialize)]
struct Name(String);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_value_keeps_its_kind_order_and_duplicates() {
        let tree =
            Json::parse(r#" {"b": [null, true, -1, 1, 1.5, 18446744073709551616], "a": "x", "b": {}} "#).unwrap();
        let list = vec![Json::Null, Json::Boolean(true), Json::Number, Json::Number, Json::Number, Json::Number];
        let expected = Json::Object(vec![
            ("b".to_owned(), Json::Array(list)),
            ("a".to_owned(), Json::String("x".to_owned())),
            ("b".to_owned(), Json::Object(Vec::new())),
        ]);
        assert_eq!(tree, expected);
    }

    #[test]
    fn escaped_names_are_compared_as_what_they_mean() {
        let tree = Json::parse(r#"{"\u0061": null}"#).unwrap();
        assert_eq!(tree, Json::Object(vec![("a".to_owned(), Json::Null)]));
    }

    #[test]
    fn nesting_is_allowed_up_to_the_bound_only() {
        for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
            let nested = |depth: usize| format!("{}1{}", open.repeat(depth), close.repeat(depth));
            assert!(Json::parse(&nested(MAX_DEPTH)).is_ok());
            let Err(JsonError::TooDeep(fault)) = Json::parse(&nested(MAX_DEPTH + 1)) else { panic!("{open}") };
            assert!(fault.starts_with("expected at most 16 levels"), "{fault}");
            assert!(fault.contains("line 1 column"), "{fault}");
        }
    }

    #[test]
    fn a_million_brackets_do_not_exhaust_the_stack() {
        assert!(matches!(Json::parse(&"[".repeat(1_000_000)), Err(JsonError::TooDeep(_))));
    }

    #[test]
    fn what_rfc_8259_does_not_allow_is_a_syntax_error_with_line_and_column() {
        for (text, position) in [
            ("{\n  \"a\": s3cret\n}", "line 2 column 8"),
            ("{\"a\": 1,}", "line 1 column 9"),
            ("{} {}", "line 1 column 4"),
            ("{\"a\": \"s3cret", "line 1 column 13"),
            ("{\"a\": 01}", "line 1 column 8"),
            ("{s3cret: 1}", "line 1 column 2"),
            ("{\"a\": NaN}", "line 1 column 7"),
            ("{\"a\": 1} // s3cret", "line 1 column 10"),
            ("\"s3cret\\q\"", "line 1 column 9"),
            ("\"s3cret\u{1}\"", "line 1 column 8"),
            ("\"s3cret\\ud800\"", "line 1 column 14"),
            ("[1e999]", "line 1 column 6"),
        ] {
            let Err(JsonError::Syntax(fault)) = Json::parse(text) else { panic!("{text}") };
            assert!(fault.ends_with(position), "{text}: {fault}");
            assert!(!fault.contains("s3cret"), "{text}: {fault}");
        }
    }
}
