//! Base16 digits (RFC 4648 §8), in either case, as certificate names and fingerprints use them.

/// The octet that two hexadecimal digits stand for; nothing if one of them is not such a digit.
pub(super) fn octet(high: u8, low: u8) -> Option<u8> {
    let high = char::from(high).to_digit(16)?;
    let low = char::from(low).to_digit(16)?;
    u8::try_from(high * 16 + low).ok()
}

#[cfg(test)]
mod tests {
    use super::octet;

    #[test]
    fn every_octet_is_read_from_its_two_digits_in_either_case() {
        for value in 0..=u8::MAX {
            for digits in [format!("{value:02x}"), format!("{value:02X}")] {
                assert_eq!(octet(digits.as_bytes()[0], digits.as_bytes()[1]), Some(value));
            }
        }
    }

    #[test]
    fn anything_but_two_digits_is_no_octet() {
        for [high, low] in [*b"g0", *b"0g", *b" 0", *b"+1", *b"0\0", [0xd9, b'0']] {
            assert_eq!(octet(high, low), None);
        }
    }
}
