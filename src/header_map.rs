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
    let (sizes, texts) = rest.split_at_checked(count.checked_mul(8)?)?;
    // No overflow: there are fewer numbers than bytes.
    let mut length: u64 = 0;
    for size in sizes.as_chunks().0 {
        length = length.saturating_add(u64::from(u32::from_le_bytes(*size))).saturating_add(1);
    }
    let position = sizes.len().checked_add(4)?;
    (length <= u64::try_from(texts.len()).ok()?).then_some(Pairs { bytes, sizes, position })
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
pub fn encode<V: AsRef<str>>(pairs: &[(&str, V)]) -> Option<Vec<u8>> {
    let mut length: usize = 4;
    for (name, value) in pairs {
        // Two sizes and two NUL.
        length = length.saturating_add(name.len()).saturating_add(value.as_ref().len()).saturating_add(10);
    }
    // Each NUL is there already.
    let mut bytes = vec![0; length];
    let (count, rest) = bytes.split_first_chunk_mut::<4>()?;
    *count = u32::try_from(pairs.len()).ok()?.to_le_bytes();
    let (sizes, mut texts) = rest.split_at_mut_checked(pairs.len().checked_mul(8)?)?;
    for ((name, value), [name_size, value_size]) in
        pairs.iter().zip(sizes.as_chunks_mut::<4>().0.as_chunks_mut::<2>().0)
    {
        for (text, size) in [(*name, name_size), (value.as_ref(), value_size)] {
            *size = u32::try_from(text.len()).ok()?.to_le_bytes();
            let (place, rest) = texts.split_at_mut_checked(text.len())?;
            place.copy_from_slice(text.as_bytes());
            texts = rest.get_mut(1..)?;
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
        assert_eq!(encode::<&str>(&[]).unwrap(), [0; 4]);
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
