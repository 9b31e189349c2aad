//! The form in which proxy-wasm hosts exchange header maps (ABI 0.2.1): a count, the sizes, then names and values, each
//! with a NUL behind it. All numbers are 32 bits, little-endian.
//!
//! The SDK would read it too, but its calls panic on what a host may answer (`docs/decisions.md`), and it copies each name
//! and each value. Here both stay where the host wrote them.

use std::ops::Range;

/// The names of a header map, each with the place of its value in the bytes.
#[derive(Debug, Clone)]
pub struct Pairs<'a> {
    bytes: &'a [u8],
    sizes: &'a [u8],
    position: usize,
}

/// Reads a header map. `None` if the bytes are cut short or their sizes do not add up.
#[must_use]
pub fn decode(bytes: &[u8]) -> Option<Pairs<'_>> {
    // An empty map may come as no bytes at all.
    if bytes.is_empty() {
        return Some(Pairs { bytes, sizes: bytes, position: 0 });
    }
    let (count, rest) = take_number(bytes)?;
    let (sizes, _) = rest.split_at_checked(count.checked_mul(8)?)?;
    let pairs = Pairs { bytes, sizes, position: sizes.len().checked_add(4)? };
    // One whose sizes do not add up ends early.
    (pairs.clone().count() == count).then_some(pairs)
}

impl<'a> Iterator for Pairs<'a> {
    type Item = (&'a [u8], Range<usize>);

    fn next(&mut self) -> Option<Self::Item> {
        let (name_size, value_size);
        (name_size, self.sizes) = take_number(self.sizes)?;
        (value_size, self.sizes) = take_number(self.sizes)?;
        let name = self.take_text(name_size)?;
        let value = self.take_text(value_size)?;
        Some((self.bytes.get(name)?, value))
    }
}

impl Pairs<'_> {
    /// Where the next text is, which has so many bytes and a NUL behind it.
    fn take_text(&mut self, size: usize) -> Option<Range<usize>> {
        let end = self.position.checked_add(size)?;
        let _nul = self.bytes.get(end)?;
        let text = self.position..end;
        self.position = end.checked_add(1)?;
        Some(text)
    }
}

/// Writes a header map. `None` if it is too large for the format.
#[must_use]
pub fn encode(pairs: &[(&str, &str)]) -> Option<Vec<u8>> {
    // Each pair has two sizes and two NUL, and before them all is their count.
    let lengths = pairs.iter().map(|(name, value)| name.len().saturating_add(value.len()).saturating_add(10));
    let mut bytes = Vec::with_capacity(lengths.fold(4, usize::saturating_add));
    let mut number =
        |value: usize| u32::try_from(value).map(|value| bytes.extend_from_slice(&value.to_le_bytes())).ok();
    number(pairs.len())?;
    for (name, value) in pairs {
        number(name.len())?;
        number(value.len())?;
    }
    for (name, value) in pairs {
        for text in [name, value] {
            bytes.extend_from_slice(text.as_bytes());
            bytes.push(0);
        }
    }
    Some(bytes)
}

fn take_number(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let (number, rest) = bytes.split_first_chunk::<4>()?;
    Some((usize::try_from(u32::from_le_bytes(*number)).ok()?, rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Names and values.
    fn decode(bytes: &[u8]) -> Option<Vec<(&[u8], &[u8])>> {
        Some(super::decode(bytes)?.map(|(name, value)| (name, &bytes[value])).collect())
    }

    #[test]
    fn a_map_is_written_as_the_abi_says() {
        assert_eq!(
            encode(&[("a", "bc"), ("d", "")]).unwrap(),
            b"\x02\0\0\0\x01\0\0\0\x02\0\0\0\x01\0\0\0\0\0\0\0a\0bc\0d\0\0"
        );
        assert_eq!(encode(&[]).unwrap(), [0; 4]);
    }

    #[test]
    fn an_empty_map_may_have_no_bytes() {
        assert_eq!(decode(b""), Some(vec![]));
        assert_eq!(decode(&[0; 4]), Some(vec![]));
    }

    #[test]
    fn a_map_that_was_cut_or_lies_about_its_sizes_is_refused() {
        let bytes = encode(&[("name", "value"), ("other", "thing")]).unwrap();
        for length in 1..bytes.len() {
            assert_eq!(decode(&bytes[..length]), None, "{length} bytes");
        }
        for lie in [[0xff, 0xff, 0xff, 0xff], [3, 0, 0, 0], [0, 0, 0, 0x20]] {
            for at in [0, 4, 8] {
                let mut bytes = bytes.clone();
                bytes[at..at + 4].copy_from_slice(&lie);
                if bytes[..4] != [2, 0, 0, 0] || at > 0 {
                    assert!(
                        decode(&bytes).is_none_or(|pairs| pairs != [(&b"name"[..], &b"value"[..])]),
                        "{lie:?} at {at}"
                    );
                }
            }
        }
        assert_eq!(decode(&[0xff, 0xff, 0xff, 0x1f, 0, 0]), None);
    }

    proptest! {
        #[test]
        fn what_was_written_is_read_back(pairs in prop::collection::vec(("[a-z-]{0,9}", "\\PC{0,9}"), 0..9)) {
            let pairs: Vec<_> = pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            let bytes = encode(&pairs).unwrap();
            let expected: Vec<_> = pairs.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect();
            prop_assert_eq!(decode(&bytes), Some(expected));
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let _ = decode(&bytes);
        }
    }
}
