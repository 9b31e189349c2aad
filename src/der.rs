//! DER (X.690), element by element: for certificates, of which two names and two times are wanted, and for the parameters of RSASSA-PSS.
//!
//! The crate `der` reads tags and lengths, and insists on the one encoding that DER allows. Its types for whole structures
//! (those of `x509-cert` and `spki`) are not used: they decode everything, each by code of its own, and would make up a tenth
//! of the module.

use der::asn1::{AnyRef, ObjectIdentifier};
use der::{Decode as _, Reader as _, SliceReader, Tag, TagNumber};

/// The elements that stand one after the other in some content. Every read is `None` unless the next element is the one
/// that is asked for.
pub(crate) struct Elements<'a>(SliceReader<'a>);

impl<'a> Elements<'a> {
    /// Those in the content of an element.
    pub(crate) fn of(content: &'a [u8]) -> Option<Self> {
        SliceReader::new(content).ok().map(Self)
    }

    /// Those in the SEQUENCE that some bytes are, and nothing else.
    pub(crate) fn of_sequence(der: &'a [u8]) -> Option<Self> {
        let mut outer = Self::of(der)?;
        let elements = outer.sequence()?;
        outer.end()?;
        Some(elements)
    }

    /// The next element, whatever it is.
    pub(crate) fn any(&mut self) -> Option<AnyRef<'a>> {
        AnyRef::decode(&mut self.0).ok()
    }

    /// The content of the next element.
    pub(crate) fn content(&mut self, tag: Tag) -> Option<&'a [u8]> {
        self.any().filter(|element| element.header().tag() == tag).map(AnyRef::value)
    }

    /// The content of the next element, if it is of this type, and nothing otherwise.
    pub(crate) fn optional(&mut self, tag: Tag) -> Option<Option<&'a [u8]>> {
        if self.is_at_end() || Tag::peek(&self.0).ok()? != tag { Some(None) } else { self.content(tag).map(Some) }
    }

    /// The elements in a SEQUENCE.
    pub(crate) fn sequence(&mut self) -> Option<Self> {
        Self::of(self.content(Tag::Sequence)?)
    }

    /// An OBJECT IDENTIFIER whose numbers have 32 bits at most, and no zeros in front (X.690 §8.19.2). The crate takes others, and keeps
    /// the lowest 32 bits of each number: 2.5.4.4294967306 would be printed as 2.5.4.10, which is O.
    pub(crate) fn identifier(&mut self) -> Option<ObjectIdentifier> {
        let content = self.content(Tag::ObjectIdentifier)?;
        let mut numbers = content.split_inclusive(|octet| *octet < 0x80);
        let is_short = |number: &[u8]| match number {
            [0x80, ..] => false,
            // Seven bits in each of the last four.
            [first, _, _, _, _] => *first <= 0x8f,
            shorter => shorter.len() < 5,
        };
        numbers.all(is_short).then(|| ObjectIdentifier::from_bytes(content).ok())?
    }

    /// An INTEGER that is not negative, big-endian without the zero that keeps it so.
    pub(crate) fn natural(&mut self) -> Option<&'a [u8]> {
        match self.content(Tag::Integer)? {
            [0, digits @ ..] if digits.first().is_some_and(|digit| *digit >= 0x80) => Some(digits),
            digits @ ([0] | [1..=0x7f, ..]) => Some(digits),
            _ => None,
        }
    }

    /// The bytes of a BIT STRING, all of whose bits are used.
    pub(crate) fn octets_in_bits(&mut self) -> Option<&'a [u8]> {
        if let [0, octets @ ..] = self.content(Tag::BitString)? { Some(octets) } else { None }
    }

    /// What has not been read.
    pub(crate) fn rest(&self) -> Option<&'a [u8]> {
        let mut reader = self.0.clone();
        reader.read_slice(reader.remaining_len()).ok()
    }

    pub(crate) fn is_at_end(&self) -> bool {
        self.0.is_finished()
    }

    /// Nothing may follow.
    pub(crate) fn end(self) -> Option<()> {
        self.0.finish().ok()
    }
}

/// The tag `[number]` of an element that holds another, or of an implicit SEQUENCE.
pub(crate) fn context(number: u32) -> Tag {
    Tag::ContextSpecific { constructed: true, number: TagNumber(number) }
}
