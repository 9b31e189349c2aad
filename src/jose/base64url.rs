//! base64url without padding (RFC 7515 §2): the encoding of a JWS and of the numbers in a JWK.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// Decodes base64url. Padding, white space, foreign characters and non-zero trailing bits
/// are refused, so that no two texts stand for the same bytes.
pub(crate) fn base64url(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}

/// Decodes like [`base64url`] to the beginning of `room`, of which the rest is left. There is always enough for a text that is not longer.
///
/// All but the last one to four characters are read here, in two thirds of the instructions. What may be at the end is left to the library.
pub(crate) fn base64url_into<'a>(room: &mut &'a mut [u8], text: &str) -> Option<&'a [u8]> {
    let text = text.as_bytes();
    let (fours, _) = text.get(..text.len().saturating_sub(1))?.as_chunks::<4>();
    let (last, place) = (text.get(fours.as_flattened().len()..)?, fours.len().saturating_mul(3));
    let (threes, _) = room.get_mut(..place)?.as_chunks_mut::<3>();
    let mut all = 0;
    for (four, three) in fours.iter().zip(threes) {
        let [first, second, third, above] = bits_of(*four).to_le_bytes();
        *three = [first, second, third];
        all |= above;
    }
    let length = place.saturating_add(URL_SAFE_NO_PAD.decode_slice(last, room.get_mut(place..)?).ok()?);
    let (decoded, rest) = std::mem::take(room).split_at_mut_checked(length)?;
    *room = rest;
    (all == 0).then_some(decoded)
}

/// The bits of four characters, the byte that they begin with lowest. What is above the third byte is zero, unless one of them is none
/// of the alphabet.
fn bits_of(characters: [u8; 4]) -> u32 {
    let bits = |(table, character): (&[u32; 256], u8)| table.get(usize::from(character)).copied().unwrap_or(FOREIGN);
    let [first, second, third, fourth] = characters;
    let [a, b, c, d] = &BITS;
    bits((a, first)) | bits((b, second)) | bits((c, third)) | bits((d, fourth))
}

/// What is no character of the alphabet.
const FOREIGN: u32 = 0xff00_0000;

/// The bits of each character, as they lie in memory: for the first to the fourth of four. A table each, so that none has to be moved.
static BITS: [[u32; 256]; 4] = tables();

#[expect(clippy::indexing_slicing, reason = "the compiler calculates it, and refuses an index beyond the end")]
const fn tables() -> [[u32; 256]; 4] {
    let mut tables = [[FOREIGN; 256]; 4];
    let mut bits = 0_u32;
    while bits < 64 {
        let character = ALPHABET[bits as usize] as usize;
        tables[0][character] = bits << 2;
        tables[1][character] = (bits >> 4) | ((bits & 0xf) << 12);
        tables[2][character] = ((bits >> 2) << 8) | ((bits & 3) << 22);
        tables[3][character] = bits << 16;
        bits += 1;
    }
    tables
}

/// RFC 4648 §5.
const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// How many bytes a text has that [`base64url`] decodes.
pub(super) fn decoded_length(text: &str) -> usize {
    text.len().saturating_mul(3) / 4
}

/// Encodes as [`base64url`] decodes.
pub(crate) fn to_base64url(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What the library makes of it.
    #[track_caller]
    fn assert_as_expected(text: &str) {
        let mut room = vec![0xaa; text.len() + 5];
        let mut rest = room.as_mut_slice();
        let decoded = base64url_into(&mut rest, text).map(<[u8]>::to_vec);
        assert_eq!(decoded, base64url(text), "{text:?}");
        if let Some(decoded) = decoded {
            assert_eq!(rest.len(), text.len() + 5 - decoded.len());
            assert!(rest.iter().all(|byte| *byte == 0xaa), "{text:?}");
        }
    }

    #[test]
    fn each_character_counts_wherever_it_is() {
        for length in 0..=9 {
            for place in 0..length {
                for character in (0..=0x7f).map(char::from).chain(['\u{80}', '\u{c9}']) {
                    let mut text: Vec<_> = "AbC4-_xYz".chars().take(length).collect();
                    text[place] = character;
                    assert_as_expected(&text.into_iter().collect::<String>());
                }
            }
        }
        assert_as_expected("");
    }

    #[test]
    fn a_text_needs_no_more_room_than_it_is_long() {
        for length in 0..40 {
            let text = "A".repeat(length);
            let mut room = vec![0; length];
            let expected = if length % 4 == 1 { None } else { Some(length * 3 / 4) };
            assert_eq!(base64url_into(&mut room.as_mut_slice(), &text).map(<[u8]>::len), expected);
            assert_eq!(base64url_into(&mut [0; 1].as_mut_slice(), &"A".repeat(8)), None, "no room");
        }
    }

    proptest! {
        #[test]
        fn whatever_is_encoded_is_decoded(bytes: Vec<u8>) {
            let text = to_base64url(&bytes);
            let mut room = vec![0; text.len()];
            prop_assert_eq!(base64url_into(&mut room.as_mut_slice(), &text), Some(&*bytes));
        }

        #[test]
        fn whatever_the_text_it_is_decoded_as_by_the_library(text in "[A-Za-z0-9_-]{0,30}.?[A-Za-z0-9_-]{0,3}.?") {
            assert_as_expected(&text);
        }
    }

    #[test]
    fn base64url_is_canonical_or_refused() {
        // RFC 7515 appendix C
        assert_eq!(base64url("A-z_4ME"), Some(vec![3, 236, 255, 224, 193]));
        assert_eq!(to_base64url(&[3, 236, 255, 224, 193]), "A-z_4ME");
        assert_eq!(base64url(""), Some(vec![]));
        for text in ["A-z_4ME=", "A+z/4ME", "A-z_4MF", "A", "A-z_ 4ME", "A-z_4ME\n", "A-z_4M\u{c9}"] {
            assert_eq!(base64url(text), None, "{text:?}");
        }
    }
}
