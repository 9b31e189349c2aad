//! The form in which proxy-wasm hosts exchange header maps (ABI 0.2.1): a count, the sizes, then names and values, each
//! with a NUL behind it. All numbers are 32 bits, little-endian.

/// Reads a header map. `None` if the bytes are cut short or their sizes do not add up.
#[must_use]
pub fn decode(bytes: &[u8]) -> Option<Vec<(&[u8], &[u8])>> {
    // An empty map may come as no bytes at all.
    if bytes.is_empty() {
        return Some(Vec::new());
    }
    let (count, rest) = take_number(bytes)?;
    let (mut sizes, mut text) = rest.split_at_checked(count.checked_mul(8)?)?;
    let mut pairs = Vec::with_capacity(count);
    for _ in 0..count {
        let name_size;
        let value_size;
        (name_size, sizes) = take_number(sizes)?;
        (value_size, sizes) = take_number(sizes)?;
        let name;
        let value;
        (name, text) = take_text(text, name_size)?;
        (value, text) = take_text(text, value_size)?;
        pairs.push((name, value));
    }
    Some(pairs)
}

/// Writes a header map. `None` if it is too large for the format.
#[must_use]
pub fn encode(pairs: &[(&str, &str)]) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut number = |value: usize| u32::try_from(value).map(|value| bytes.extend(value.to_le_bytes())).ok();
    number(pairs.len())?;
    for (name, value) in pairs {
        number(name.len())?;
        number(value.len())?;
    }
    for (name, value) in pairs {
        for text in [name, value] {
            bytes.extend(text.bytes());
            bytes.push(0);
        }
    }
    Some(bytes)
}

fn take_number(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let (number, rest) = bytes.split_first_chunk::<4>()?;
    Some((usize::try_from(u32::from_le_bytes(*number)).ok()?, rest))
}

fn take_text(bytes: &[u8], size: usize) -> Option<(&[u8], &[u8])> {
    let (text, rest) = bytes.split_at_checked(size)?;
    let (_nul, rest) = rest.split_first()?;
    Some((text, rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

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
