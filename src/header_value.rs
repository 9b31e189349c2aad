//! A byte string that the gateway handed over, as a part of the buffer that it came in: a token is not copied to be looked at.

use std::fmt;
use std::ops::{Deref, Range};
use std::rc::Rc;

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
        self.to_vec().into()
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
        **self == **other
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
    fn a_part_that_the_buffer_does_not_have_is_empty() {
        let buffer = Rc::new(b"abc".to_vec());
        for range in [1..4, 3..3, 4..5, usize::MAX..usize::MAX] {
            assert!(HeaderValue::of(&buffer, range).is_empty());
        }
        assert!(HeaderValue::default().is_empty());
    }
}
