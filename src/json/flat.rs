//! A short cut for the objects that tokens consist of: each member a text or a whole number, and nothing between them.
//!
//! It is no second reader. What it reads is JSON of which there is one reading; whatever else there may be (white space, an escape,
//! a list, a name that was not asked for or that stands twice, and every fault) it leaves to the general one, which decides. That one
//! has to be ready for anything at each byte, and takes twice as long.

use std::borrow::Cow;

use memchr::memchr;

use super::value::Value;
use crate::ascii::is_unescaped;

/// The most digits of a number: those that 64 bits hold, whatever they are.
const MAX_DIGITS: usize = 19;

/// The members of these names, in their order. `None` for what the general reader has to look at.
pub(super) fn members<'a, const N: usize>(bytes: &'a [u8], names: &[&str; N]) -> Option<[Option<Value<'a>>; N]> {
    if !is_unescaped(bytes) {
        return None;
    }
    let mut rest = Rest { text: std::str::from_utf8(bytes).ok()?, at: 0 };
    let mut values = [const { None }; N];
    let mut before = b'{';
    while rest.skip(before) {
        let name = rest.text()?;
        let value = if rest.skip(b':') { rest.value()? } else { return None };
        let place =
            names.iter().zip(&mut values).find(|(wanted, _)| is_same_name(wanted, name)).map(|(_, place)| place)?;
        if place.replace(value).is_some() {
            return None;
        }
        before = b',';
    }
    (before == b',' && rest.skip(b'}') && rest.byte().is_none()).then_some(values)
}

/// Most names are seen to be others by their length and their first byte, without the call that a comparison is.
#[inline(always)]
fn is_same_name(one: &str, other: &str) -> bool {
    one.len() == other.len() && one.as_bytes().first() == other.as_bytes().first() && one == other
}

/// What is left of a text of ASCII without escapes. Nothing is taken away before it is seen to be right.
struct Rest<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Rest<'a> {
    fn byte(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// Takes one byte away, if it is this one.
    fn skip(&mut self, byte: u8) -> bool {
        let is_next = self.byte() == Some(byte);
        self.at = self.at.saturating_add(usize::from(is_next));
        is_next
    }

    fn value(&mut self) -> Option<Value<'a>> {
        if self.byte() == Some(b'"') { self.text().map(|text| Value::Text(Cow::Borrowed(text))) } else { self.number() }
    }

    /// A text in quotes.
    fn text(&mut self) -> Option<&'a str> {
        if !self.skip(b'"') {
            return None;
        }
        let start = self.at;
        let end = start.saturating_add(memchr(b'"', self.text.as_bytes().get(start..)?)?);
        self.at = end.saturating_add(1);
        self.text.get(start..end)
    }

    /// Digits, of which the first is zero only if it is the only one. Neither a fraction nor an exponent is among what may follow.
    fn number(&mut self) -> Option<Value<'a>> {
        let rest = self.text.as_bytes().get(self.at..)?;
        let (mut length, mut number) = (0, 0_u64);
        for digit in rest.iter().map(|byte| byte.wrapping_sub(b'0')).take_while(|digit| *digit < 10) {
            // What does not fit has too many digits.
            number = number.wrapping_mul(10).wrapping_add(digit.into());
            length += 1;
        }
        self.at = self.at.saturating_add(length);
        let is_number = length == 1 || ((2..=MAX_DIGITS).contains(&length) && rest.first() != Some(&b'0'));
        is_number.then(|| Value::Integer(number.into()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::json::members::general_members;

    const NAMES: [&str; 3] = ["a", "iss", ""];

    /// Whether it was read here; what is read is what the general reader makes of it.
    #[track_caller]
    fn is_read(text: &str) -> bool {
        let read = members(text.as_bytes(), &NAMES);
        if let Some(values) = &read {
            assert_eq!(general_members(text.as_bytes(), &NAMES), Ok(Some(values.clone())), "{text}");
        }
        read.is_some()
    }

    #[test]
    fn objects_of_texts_and_whole_numbers_are_read() {
        for text in [
            r#"{"a":"b"}"#,
            r#"{"iss":"Ozone Financial Technology, Limited","a":1795253430}"#,
            r#"{"a":"","iss":0,"":9999999999999999999}"#,
            r#"{"a":"{,}:"}"#,
        ] {
            assert!(is_read(text), "{text}");
        }
        let [a, iss, empty] = members(br#"{"iss":7,"a":"b"}"#, &NAMES).unwrap();
        assert_eq!((a, iss, empty), (Some(Value::Text("b".into())), Some(Value::Integer(7)), None));
    }

    #[test]
    fn all_else_is_left_to_the_general_reader() {
        for text in [
            "",
            "{",
            "{}",
            "{\"a\"",
            "{\"a\":",
            "{\"a\":1",
            "{\"a\":\"b",
            "{\"a\":1,",
            "{\"a\":1,}",
            "{\"a\":1}}",
            "{\"a\":1} ",
            " {\"a\":1}",
            "{\"a\": 1}",
            "{\"a\" :1}",
            "{\"a\":1 }",
            "{\"a\":1\n}",
            "{\"a\":1,\"a\":1}",
            "{\"a\":1,\"b\":1}",
            "{\"a\":\"\\n\"}",
            "{\"\\u0061\":1}",
            "{\"a\":\"\u{1}\"}",
            "{\"a\":\"\u{e9}\"}",
            "{\"a\":-1}",
            "{\"a\":01}",
            "{\"a\":1.5}",
            "{\"a\":1e3}",
            "{\"a\":10000000000000000000}",
            "{\"a\":true}",
            "{\"a\":null}",
            "{\"a\":[\"b\"]}",
            "{\"a\":{}}",
            "{\"a\"\"b\"}",
            "{\"a\":\"b\"\"iss\":1}",
            "{\"a\":1;\"iss\":1}",
            "{a:1}",
            "[\"a\",1]",
        ] {
            assert!(!is_read(text), "{text}");
        }
    }

    proptest! {
        #[test]
        fn whatever_is_read_is_as_the_general_reader_says(
            text in prop::collection::vec(prop::sample::select(vec![
                "{", "}", "[", "]", ",", ":", "\"", "\"a\"", "\"iss\"", "\"\"", "\"a\":", "\"iss\":", "1", "0", "19", "-", ".", "e", "\\", " ", "\u{e9}",
            ]), 0..10),
        ) {
            is_read(&text.concat());
            is_read(&format!("{{{}}}", text.concat()));
        }

        #[test]
        fn whatever_the_values_they_are_as_the_general_reader_says(
            members in prop::collection::vec((prop::sample::select(NAMES.to_vec()), "\"[ -~\u{80}-\u{ff}]{0,9}\"|[0-9]{1,21}|-?[0-9]{1,3}(\\.[0-9])?(e[0-9])?"), 1..4),
        ) {
            let members: Vec<_> = members.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
            is_read(&format!("{{{}}}", members.join(",")));
        }
    }
}
