//! What is asked of every byte of a token or of a text, eight at a time. The module is built for size, where nothing is inlined by
//! itself: here a call for eight bytes would cost more than they do.

/// 1 in each byte.
const ONES: u64 = 0x0101_0101_0101_0101;

/// The highest bit of each byte.
const HIGHEST: u64 = 0x80 * ONES;

/// The only control character above the visible ones.
const DELETE: u8 = 0x7f;

/// Whether each byte is visible ASCII, and none this one.
#[must_use]
pub(crate) fn is_graphic_but(bytes: &[u8], other: u8) -> bool {
    let (words, last) = words(bytes);
    let mut is_graphic = is_graphic_word(last) && none_is(u64::from_le_bytes(last), other);
    for word in words {
        is_graphic &= is_graphic_word(*word) && none_is(u64::from_le_bytes(*word), other);
    }
    is_graphic
}

/// Whether each byte is printable ASCII or 0x7f, and none a backslash: text that means the same in JSON as without it, its quotes aside.
#[must_use]
pub(crate) fn is_unescaped(bytes: &[u8]) -> bool {
    let (words, last) = words(bytes);
    let mut is_unescaped = is_unescaped_word(last);
    for word in words {
        is_unescaped &= is_unescaped_word(*word);
    }
    is_unescaped
}

/// Whether each byte is printable ASCII, and none a quote or a backslash: what stands in JSON as it is.
#[must_use]
pub(crate) fn is_plain(bytes: &[u8]) -> bool {
    let (words, last) = words(bytes);
    let mut is_plain = is_plain_word(last);
    for word in words {
        is_plain &= is_plain_word(*word);
    }
    is_plain
}

/// Eight bytes each. The last word is filled up with a letter.
fn words(bytes: &[u8]) -> (&[[u8; 8]], [u8; 8]) {
    let (words, rest) = bytes.as_chunks();
    let mut last = [b'a'; 8];
    last.iter_mut().zip(rest).for_each(|(place, byte)| *place = *byte);
    (words, last)
}

#[inline(always)]
fn is_graphic_word(word: [u8; 8]) -> bool {
    let word = u64::from_le_bytes(word);
    is_ascii_from(word, b'!') && none_is(word, DELETE)
}

#[inline(always)]
fn is_plain_word(word: [u8; 8]) -> bool {
    let word = u64::from_le_bytes(word);
    is_ascii_from(word, b' ') && none_is(word, DELETE) && none_is(word, b'"') && none_is(word, b'\\')
}

#[inline(always)]
fn is_unescaped_word(word: [u8; 8]) -> bool {
    let word = u64::from_le_bytes(word);
    is_ascii_from(word, b' ') && none_is(word, b'\\')
}

/// Whether no byte is below `least` or above the last of ASCII.
#[inline(always)]
fn is_ascii_from(word: u64, least: u8) -> bool {
    word & HIGHEST == 0 && all_reach(word, least)
}

/// Whether no byte is this one, where all are ASCII.
#[inline(always)]
fn none_is(word: u64, byte: u8) -> bool {
    all_reach(word ^ (ONES * u64::from(byte)), 1)
}

/// Whether no byte is below `least`, where all are ASCII: then the sum reaches the highest bit of each, and never the next byte.
#[inline(always)]
fn all_reach(word: u64, least: u8) -> bool {
    word.wrapping_add(ONES * u64::from(0x80 - least)) & HIGHEST == HIGHEST
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn is_plain_by_itself(byte: u8) -> bool {
        matches!(byte, b' '..=b'~') && !matches!(byte, b'"' | b'\\')
    }

    #[test]
    fn each_byte_counts_wherever_it_is() {
        for byte in 0..=u8::MAX {
            for place in 0..20 {
                let mut bytes = [b'b'; 20];
                bytes[place] = byte;
                assert_eq!(is_plain(&bytes), is_plain_by_itself(byte), "{byte:#x} at {place}");
                assert_eq!(
                    is_graphic_but(&bytes, b','),
                    byte.is_ascii_graphic() && byte != b',',
                    "{byte:#x} at {place}"
                );
                assert_eq!(is_unescaped(&bytes), matches!(byte, b' '..=0x7f) && byte != b'\\', "{byte:#x} at {place}");
            }
        }
        assert!(is_graphic_but(b"", b',') && is_unescaped(b"") && is_plain(b""));
    }

    proptest! {
        #[test]
        fn all_are_as_each_by_itself(bytes in prop::collection::vec(prop::sample::select(
            vec![0, 0x1f, b' ', b'!', b'"', b'#', b'[', b'\\', b']', b'~', 0x7f, 0x80, 0xa0, 0xa2, 0xdc, 0xff]), 0..40)) {
            prop_assert_eq!(is_graphic_but(&bytes, b'#'), bytes.iter().all(|byte| byte.is_ascii_graphic() && *byte != b'#'));
            prop_assert_eq!(is_unescaped(&bytes), bytes.iter().all(|byte| matches!(byte, b' '..=0x7f) && *byte != b'\\'));
            prop_assert_eq!(is_plain(&bytes), bytes.iter().copied().all(is_plain_by_itself));
        }
    }
}
