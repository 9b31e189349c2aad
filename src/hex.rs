//! Base16 digits (RFC 4648 §8): read in either case, written in the case that is asked for.

/// The octet that two hexadecimal digits stand for; nothing if one of them is not such a digit.
pub(crate) fn octet(high: u8, low: u8) -> Option<u8> {
    let high = char::from(high).to_digit(16)?;
    let low = char::from(low).to_digit(16)?;
    u8::try_from(high * 16 + low).ok()
}

/// The octets that exactly twice as many digits stand for.
pub(crate) fn octets<const N: usize>(digits: &[u8]) -> Option<[u8; N]> {
    let (pairs, []) = digits.as_chunks::<2>() else { return None };
    let pairs: &[[u8; 2]; N] = pairs.try_into().ok()?;
    let mut octets = [0; N];
    for (place, [high, low]) in octets.iter_mut().zip(pairs) {
        *place = octet(*high, *low)?;
    }
    Some(octets)
}

/// The two digits of an octet, in lower case.
pub(crate) fn lower(octet: u8) -> [char; 2] {
    [octet >> 4, octet & 0xf].map(|digit| char::from_digit(digit.into(), 16).unwrap_or_default())
}

/// The two digits of an octet, in upper case.
pub(crate) fn upper(octet: u8) -> [char; 2] {
    lower(octet).map(|digit| digit.to_ascii_uppercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_octet_is_read_from_its_two_digits_in_either_case() {
        for value in 0..=u8::MAX {
            for digits in [format!("{value:02x}"), format!("{value:02X}")] {
                assert_eq!(octet(digits.as_bytes()[0], digits.as_bytes()[1]), Some(value));
            }
        }
    }

    #[test]
    fn every_octet_is_written_as_two_digits() {
        for value in 0..=u8::MAX {
            assert_eq!(String::from_iter(lower(value)), format!("{value:02x}"));
            assert_eq!(String::from_iter(upper(value)), format!("{value:02X}"));
        }
    }

    #[test]
    fn octets_are_read_from_exactly_twice_as_many_digits() {
        assert_eq!(octets(b"00fFa1"), Some([0, 0xff, 0xa1]));
        assert_eq!(octets(b""), Some([]));
        for digits in [&b""[..], b"0", b"00ff", b"00ff0", b"00ff0011", b"00ff0g"] {
            assert_eq!(octets::<3>(digits), None);
        }
    }

    #[test]
    fn anything_but_two_digits_is_no_octet() {
        for [high, low] in [*b"g0", *b"0g", *b" 0", *b"+1", *b"0\0", [0xd9, b'0']] {
            assert_eq!(octet(high, low), None);
        }
    }
}
