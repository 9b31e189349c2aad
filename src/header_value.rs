//! A byte string that the gateway handed over, as a part of the buffer that it came in: a token is not copied to be looked at.

use std::fmt;
use std::ops::{Deref, Range};
use std::rc::Rc;

use crate::ascii::are_same;

/// The value of a header, or something else that the gateway tells of a request. It keeps its buffer alive.
#[derive(Clone, Default)]
pub struct HeaderValue {
    /// `None` for the empty value of [`Default`].
    buffer: Option<Rc<Vec<u8>>>,
    range: Range<usize>,
}

impl HeaderValue {
    /// This part of a buffer; empty if the buffer has no such part.
    #[must_use]
    pub fn of(buffer: &Rc<Vec<u8>>, range: Range<usize>) -> Self {
        Self { buffer: Some(Rc::clone(buffer)), range }
    }

    /// The same value in a buffer of its own. Otherwise whoever keeps it keeps the whole buffer.
    #[must_use]
    pub fn detached(&self) -> Self {
        if self.is_empty() { Self::default() } else { self.to_vec().into() }
    }
}

/// The values of one header, in their order. Every rule wants at most one, and two prove that there were several: more are not kept, and
/// those two without a list of their own.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct HeaderValues {
    values: [HeaderValue; 2],
    count: usize,
}

impl HeaderValues {
    /// Keeps a value, unless there are enough.
    pub(crate) fn keep(&mut self, value: impl FnOnce() -> HeaderValue) {
        if let Some(place) = self.values.get_mut(self.count) {
            *place = value();
            self.count = self.count.saturating_add(1);
        }
    }

    /// The same values in buffers of their own.
    #[must_use]
    pub(crate) fn detached(&self) -> Self {
        Self { values: self.values.each_ref().map(HeaderValue::detached), count: self.count }
    }
}

impl Deref for HeaderValues {
    type Target = [HeaderValue];

    fn deref(&self) -> &[HeaderValue] {
        self.values.get(..self.count).unwrap_or_default()
    }
}

impl Deref for HeaderValue {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.buffer.as_ref().and_then(|buffer| buffer.get(self.range.clone())).unwrap_or_default()
    }
}

impl From<Vec<u8>> for HeaderValue {
    fn from(bytes: Vec<u8>) -> Self {
        Self { range: 0..bytes.len(), buffer: Some(Rc::new(bytes)) }
    }
}

impl PartialEq for HeaderValue {
    fn eq(&self, other: &Self) -> bool {
        are_same(self, other)
    }
}

impl Eq for HeaderValue {}

impl fmt::Debug for HeaderValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_its_part_of_the_buffer_and_nothing_else() {
        let buffer = Rc::new(b"name value".to_vec());
        let value = HeaderValue::of(&buffer, 5..10);
        assert_eq!(*value, *b"value");
        assert_eq!(value, HeaderValue::from(b"value".to_vec()));
        assert_ne!(value, HeaderValue::of(&buffer, 0..4));
        assert_eq!(format!("{value:?}"), format!("{:?}", b"value"));
        assert_eq!(Rc::strong_count(&buffer), 2, "it was not copied");
        let detached = value.detached();
        drop(value);
        assert_eq!((&*detached, Rc::strong_count(&buffer)), (&b"value"[..], 1));
    }

    #[test]
    fn two_values_of_a_header_are_kept_in_their_order() {
        let mut values = HeaderValues::default();
        assert_eq!(*values, []);
        let value = |text: &str| HeaderValue::from(text.as_bytes().to_vec());
        for (text, kept) in [("a", &["a"][..]), ("", &["a", ""]), ("c", &["a", ""])] {
            values.keep(|| value(text));
            let kept: Vec<_> = kept.iter().map(|text| value(text)).collect();
            assert_eq!((&*values, &*values.detached()), (&*kept, &*kept));
        }
    }

    #[test]
    fn a_part_that_the_buffer_does_not_have_is_empty() {
        let buffer = Rc::new(b"abc".to_vec());
        for range in [1..4, 3..3, 4..5, usize::MAX..usize::MAX] {
            assert!(HeaderValue::of(&buffer, range).is_empty());
        }
        assert!(HeaderValue::default().is_empty());
    }
}
