//! What is asked of every byte of a token or of a text, eight at a time. Hardly anything is inlined by itself in the module: here a call
//! for eight bytes would cost more than they do. Comparing is here too, because what the C library has for that goes byte by byte in wasm.

/// 1 in each byte.
const ONES: u64 = 0x0101_0101_0101_0101;

/// The highest bit of each byte.
const HIGHEST: u64 = 0x80 * ONES;

/// The only control character above the visible ones.
const DELETE: u8 = 0x7f;

/// Whether each byte is visible ASCII, and none this one, which is no letter.
#[must_use]
pub(crate) fn is_graphic_but(bytes: &[u8], other: u8) -> bool {
    all_are(bytes, |word| reach(word, b'!') & differ(word, DELETE) & differ(word, other))
}

/// Whether each byte is printable ASCII or 0x7f, and none a backslash: text that means the same in JSON as without it, its quotes aside.
#[must_use]
pub(crate) fn is_unescaped(bytes: &[u8]) -> bool {
    all_are(bytes, |word| reach(word, b' ') & differ(word, b'\\'))
}

/// Whether each byte is printable ASCII, and none a quote or a backslash: what stands in JSON as it is.
#[must_use]
pub(crate) fn is_plain(bytes: &[u8]) -> bool {
    all_are(bytes, |word| reach(word, b' ') & differ(word, DELETE) & differ(word, b'"') & differ(word, b'\\'))
}

/// Whether two byte strings are the same.
#[must_use]
pub(crate) fn are_same(ours: &[u8], theirs: &[u8]) -> bool {
    if ours.len() != theirs.len() {
        return false;
    }
    if let (Some(our_last), Some(their_last)) = (ours.last_chunk(), theirs.last_chunk()) {
        let mut difference = u128::from_le_bytes(*our_last) ^ u128::from_le_bytes(*their_last);
        for (ours, theirs) in ours.as_chunks().0.iter().zip(theirs.as_chunks().0) {
            difference |= u128::from_le_bytes(*ours) ^ u128::from_le_bytes(*theirs);
        }
        return difference == 0;
    }
    // Of strings of the same length, both last words are filled up in the same way.
    let ((ours, our_last), (theirs, their_last)) = (words(ours), words(theirs));
    let mut difference = u64::from_le_bytes(our_last) ^ u64::from_le_bytes(their_last);
    for (ours, theirs) in ours.iter().zip(theirs) {
        difference |= u64::from_le_bytes(*ours) ^ u64::from_le_bytes(*theirs);
    }
    difference == 0
}

/// Whether a name is this one, which is in lower case, in whatever case it is. Where it is inlined, most names are seen to be others by
/// their length.
#[inline(always)]
#[must_use]
pub(crate) fn is_named(name: &[u8], known: &str) -> bool {
    name.len() == known.len() && is_same_name(name, known.as_bytes())
}

fn is_same_name(name: &[u8], known: &[u8]) -> bool {
    // As most callers and gateways write it.
    are_same(name, known) || name.eq_ignore_ascii_case(known)
}

/// Eight bytes each. The last word ends where the bytes do, some of which it has in common with the one before. Of fewer than eight
/// bytes it is filled up with a letter.
fn words(bytes: &[u8]) -> (&[[u8; 8]], [u8; 8]) {
    let (words, rest) = bytes.as_chunks();
    let Some(last) = bytes.last_chunk() else {
        let mut last = [b'a'; 8];
        last.iter_mut().zip(rest).for_each(|(place, byte)| *place = *byte);
        return (words, last);
    };
    (words, *last)
}

/// Whether all bytes are ASCII and marked. Marks are the highest bits of bytes; beside a byte that is not ASCII they mean nothing.
#[inline(always)]
fn all_are(bytes: &[u8], mark: impl Fn(u64) -> u64) -> bool {
    let marked_ascii = |word: [u8; 8]| {
        let word = u64::from_le_bytes(word);
        mark(word) & !word
    };
    let (words, last) = words(bytes);
    let mut all = marked_ascii(last);
    for word in words {
        all &= marked_ascii(*word);
    }
    all & HIGHEST == HIGHEST
}

/// Marks the bytes that are not this one, where all are ASCII.
#[inline(always)]
fn differ(word: u64, byte: u8) -> u64 {
    reach(word ^ (ONES * u64::from(byte)), 1)
}

/// Marks the bytes that are not below `least`, where all are ASCII: then the sum reaches the highest bit of each, and never the next byte.
#[inline(always)]
fn reach(word: u64, least: u8) -> u64 {
    word.wrapping_add(ONES * u64::from(0x80 - least))
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

    #[test]
    fn a_name_is_known_in_any_case() {
        assert!(is_named(b"authorization", "authorization") && is_named(b"AuthoriZation", "authorization"));
        for other in ["authorizatiom", "authorization-", "authorizatio", "Authorizati\u{d6}", ""] {
            assert!(!is_named(other.as_bytes(), "authorization"), "{other}");
        }
        assert!(!is_named(b"x\x0d", "x-") && !is_named(b"[", "{"));
    }

    proptest! {
        #[test]
        fn two_texts_are_the_same_if_their_bytes_are(text: Vec<u8>, at: prop::sample::Index, other: u8, cut: bool) {
            let mut changed = text.clone();
            if let Some(octet) = (!text.is_empty()).then(|| at.index(text.len())).and_then(|at| changed.get_mut(at)) {
                *octet = other;
            }
            if cut {
                changed.pop();
            }
            prop_assert_eq!(are_same(&text, &changed), text == changed);
        }

        #[test]
        fn all_are_as_each_by_itself(bytes in prop::collection::vec(prop::sample::select(
            vec![0, 0x1f, b' ', b'!', b'"', b'#', b'[', b'\\', b']', b'~', 0x7f, 0x80, 0xa0, 0xa2, 0xdc, 0xff]), 0..40)) {
            prop_assert_eq!(is_graphic_but(&bytes, b'#'), bytes.iter().all(|byte| byte.is_ascii_graphic() && *byte != b'#'));
            prop_assert_eq!(is_unescaped(&bytes), bytes.iter().all(|byte| matches!(byte, b' '..=0x7f) && *byte != b'\\'));
            prop_assert_eq!(is_plain(&bytes), bytes.iter().copied().all(is_plain_by_itself));
        }
    }
}
