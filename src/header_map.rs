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
    /// Of each name and its value.
    sizes: std::slice::Iter<'a, [u8; 8]>,
    position: usize,
}

/// Reads a header map. `None` if the bytes are cut short or their sizes do not add up.
#[must_use]
pub fn decode(bytes: &[u8]) -> Option<Pairs<'_>> {
    // An empty map may come as no bytes at all.
    if bytes.is_empty() {
        return Some(Pairs { bytes, sizes: [].iter(), position: 0 });
    }
    let (count, rest) = bytes.split_first_chunk::<4>()?;
    let count = usize::try_from(u32::from_le_bytes(*count)).ok()?;
    let (sizes, texts) = rest.split_at_checked(count.checked_mul(8)?)?;
    let position = sizes.len().checked_add(4)?;
    let (sizes, _) = sizes.as_chunks();
    // No overflow: there are fewer of them than bytes.
    let mut length: u64 = 0;
    for of_both in sizes {
        let [name, value] = both(*of_both);
        length = length.saturating_add(name.into()).saturating_add(value.into()).saturating_add(2);
    }
    (length <= u64::try_from(texts.len()).ok()?).then_some(Pairs { bytes, sizes: sizes.iter(), position })
}

impl<'a> Iterator for Pairs<'a> {
    type Item = (&'a [u8], Range<usize>);

    fn next(&mut self) -> Option<Self::Item> {
        let [name_size, value_size] = both(*self.sizes.next()?);
        // Behind each is a NUL.
        let name_end = self.position.checked_add(usize::try_from(name_size).ok()?)?;
        let value_start = name_end.checked_add(1)?;
        let value_end = value_start.checked_add(usize::try_from(value_size).ok()?)?;
        let name = self.bytes.get(self.position..name_end)?;
        self.position = value_end.checked_add(1)?;
        Some((name, value_start..value_end))
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
    let (count, rest) = bytes.split_first_chunk_mut()?;
    *count = u32::try_from(pairs.len()).ok()?.to_le_bytes();
    let (sizes, mut texts) = rest.split_at_mut_checked(pairs.len().checked_mul(8)?)?;
    let (sizes, _) = sizes.as_chunks_mut::<4>();
    let (sizes, _) = sizes.as_chunks_mut();
    for ((name, value), [name_size, value_size]) in pairs.iter().zip(sizes) {
        texts = put(name, name_size, texts)?;
        texts = put(value.as_ref(), value_size, texts)?;
    }
    Some(bytes)
}

/// Writes a text and its size. The rest of the place for texts.
fn put<'t>(text: &str, size: &mut [u8; 4], texts: &'t mut [u8]) -> Option<&'t mut [u8]> {
    *size = u32::try_from(text.len()).ok()?.to_le_bytes();
    let (place, rest) = texts.split_at_mut_checked(text.len())?;
    place.copy_from_slice(text.as_bytes());
    rest.get_mut(1..)
}

/// The sizes of a name and its value.
#[inline(always)]
fn both(bytes: [u8; 8]) -> [u32; 2] {
    let [a, b, c, d, e, f, g, h] = bytes;
    [u32::from_le_bytes([a, b, c, d]), u32::from_le_bytes([e, f, g, h])]
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
