//! The items of one list in a JSON object, each by itself: of a key set, one key may be unacceptable while the others count.
//!
//! Braces, brackets and commas are read by hand; serde_json skips each value between them. Its own way to cut a text into
//! values (`raw_value`) adds a branch to everything that is written as JSON, and derived types add their messages: together
//! 44 KB of the module.

use serde::de::IgnoredAny;

use super::value::Value;

/// The items of a list, which is the member of this name in an object. Each is given as it is written, unread. `None` unless
/// the bytes are one JSON object with exactly one such member.
#[must_use]
pub fn raw_items<'a>(bytes: &'a [u8], member: &str) -> Option<Vec<&'a [u8]>> {
    let mut text = Text(bytes);
    let mut found = None;
    text.each(b'{', b'}', |text| {
        let Ok(Value::Text(name)) = Value::parse(text.value()?) else { return None };
        text.punctuation().filter(|byte| *byte == b':')?;
        if name != member {
            return text.value().map(drop);
        }
        let mut items = Vec::new();
        text.each(b'[', b']', |text| text.value().map(|item| items.push(item)))?;
        found.replace(items).is_none().then_some(())
    })?;
    if text.punctuation().is_none() { found } else { None }
}

/// The part of a JSON text that has not been read yet.
struct Text<'a>(&'a [u8]);

impl<'a> Text<'a> {
    /// Reads what stands between two brackets, separated by commas.
    fn each(&mut self, open: u8, close: u8, mut item: impl FnMut(&mut Self) -> Option<()>) -> Option<()> {
        self.punctuation().filter(|byte| *byte == open)?;
        let after_open = self.0;
        if self.punctuation() == Some(close) {
            return Some(());
        }
        self.0 = after_open;
        loop {
            item(self)?;
            match self.punctuation()? {
                b',' => {}
                byte => return (byte == close).then_some(()),
            }
        }
    }

    /// A value and the white space before it.
    fn value(&mut self) -> Option<&'a [u8]> {
        let mut values = serde_json::Deserializer::from_slice(self.0).into_iter::<IgnoredAny>();
        values.next()?.ok()?;
        let (value, rest) = self.0.split_at_checked(values.byte_offset())?;
        self.0 = rest;
        Some(value)
    }

    /// The next byte that is no white space (RFC 8259 §2).
    fn punctuation(&mut self) -> Option<u8> {
        while let Some((byte, rest)) = self.0.split_first() {
            self.0 = rest;
            if !matches!(byte, b' ' | b'\t' | b'\n' | b'\r') {
                return Some(*byte);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_items_of_a_list_are_taken_apart_unread() {
        let items = |text: &'static str| {
            let items = raw_items(text.as_bytes(), "keys")?;
            Some(items.into_iter().map(|item| std::str::from_utf8(item).unwrap().trim()).collect::<Vec<_>>())
        };
        for (text, expected) in [
            (r#"{"keys":[]}"#, &[][..]),
            (
                r#" { "a" : {"keys": [1]} , "\u006beys" : [ {"a": 1, "a": 2}, [[]], "\ud800", 1e999, null ] } "#,
                &[r#"{"a": 1, "a": 2}"#, "[[]]", r#""\ud800""#, "1e999", "null"],
            ),
        ] {
            assert_eq!(items(text).as_deref(), Some(expected), "{text}");
        }
        for text in [
            "",
            "{}",
            "[]",
            "1",
            r#"{"keys":{}}"#,
            r#"{"keys":1}"#,
            r#"[{"keys":[]}]"#,
            r#"{"keys":[],"keys":[]}"#,
            r#"{"keys":[]"#,
            r#"{"keys":[1,]}"#,
            r#"{"keys":[,]}"#,
            r#"{"keys":[1 2]}"#,
            r#"{"keys":[1}]"#,
            r#"{"keys":[x]}"#,
            r#"{"keys" [1]}"#,
            r#"{keys:[1]}"#,
            r#"{1:2,"keys":[]}"#,
            r#"{"keys":[],}"#,
            r#"{"keys":[]}x"#,
            r#"{"keys":[]}{}"#,
            "{\"keys\":[]\x0c}",
            "{\"a\":tru,\"keys\":[]}",
        ] {
            assert_eq!(items(text), None, "{text}");
        }
    }

    #[test]
    fn what_is_not_read_may_be_nested_as_deep_as_it_likes() {
        let deep = "[".repeat(100_000) + &"]".repeat(100_000);
        let items = |text: &str| raw_items(text.as_bytes(), "keys").map(|items| items.len());
        assert_eq!(items(&format!("{{\"a\":{deep},\"keys\":[{deep},1]}}")), Some(2));
        assert_eq!(items(&format!("{{\"keys\":{deep}}}")), Some(1));
        assert_eq!(items(&format!("{{\"keys\":[{}", "[".repeat(100_000))), None);
    }

    proptest! {
        /// As often as not the text is JSON.
        #[test]
        fn what_is_no_json_has_no_items(
            text in prop::collection::vec(prop::sample::select(
                vec!["{", "}", "[", "]", ",", ":", "\"keys\"", "\"b\"", "1", "-", "1.5", "null", "tru", " ", "\\"],
            ), 0..10),
        ) {
            for text in [text.concat(), format!("{{\"keys\":[{}]}}", text.concat())] {
                if raw_items(text.as_bytes(), "keys").is_some() {
                    prop_assert!(serde_json::from_str::<IgnoredAny>(&text).is_ok(), "{text}");
                }
            }
        }
    }
}
