//! Attribute values that a name gives as `#` and the hexadecimal BER of the value (RFC 4514 §2.4, RFC 2253 §2.4).
//! Decodes the string types that X.520 DirectoryString and its neighbours allow; every host dumps them as DER.

use der::asn1::{BmpString, Ia5StringRef, PrintableStringRef, TeletexStringRef, Utf8StringRef};
use der::{Decode, Length, Reader, SliceReader};

const UTF8_STRING: u8 = 0x0c;
const PRINTABLE_STRING: u8 = 0x13;
const TELETEX_STRING: u8 = 0x14;
const IA5_STRING: u8 = 0x16;
const UNIVERSAL_STRING: u8 = 0x1c;
const BMP_STRING: u8 = 0x1e;

/// The text of one encoded string. `None` unless it is exactly one string, of a known type and valid for that type.
pub(super) fn decode_string(encoded: &[u8]) -> Option<String> {
    let mut reader = SliceReader::new(encoded).ok()?;
    // The tag is read by hand because `der` does not know UniversalString.
    let tag = reader.read_byte().ok()?;
    let length = Length::decode(&mut reader).ok()?;
    let content = reader.read_slice(length).ok()?;
    reader.finish().ok()?;
    match tag {
        UTF8_STRING => Utf8StringRef::new(content).ok().map(|string| string.as_str().to_owned()),
        PRINTABLE_STRING => PrintableStringRef::new(content).ok().map(|string| string.as_str().to_owned()),
        IA5_STRING => Ia5StringRef::new(content).ok().map(|string| string.as_str().to_owned()),
        // ASCII only: above it, T.61 and the Latin-1 that many issuers write instead are different texts.
        TELETEX_STRING => TeletexStringRef::new(content).ok().map(|string| string.as_str().to_owned()),
        BMP_STRING => {
            char::decode_utf16(BmpString::from_ucs2(content).ok()?.codepoints()).collect::<Result<_, _>>().ok()
        }
        UNIVERSAL_STRING => decode_ucs4(content),
        _ => None,
    }
}

fn decode_ucs4(content: &[u8]) -> Option<String> {
    let (characters, []) = content.as_chunks::<4>() else { return None };
    characters.iter().map(|octets| char::from_u32(u32::from_be_bytes(*octets))).collect()
}

#[cfg(test)]
mod tests {
    use super::decode_string;

    #[test]
    fn every_string_type_of_a_name_is_decoded() {
        let cases: [(&str, &[u8], &str); 8] = [
            ("UTF8String", b"\x0c\x04\xd8\xa8AB", "بAB"),
            ("empty UTF8String", b"\x0c\x00", ""),
            ("PrintableString", b"\x13\x02AE", "AE"),
            ("TeletexString", b"\x14\x03A&B", "A&B"),
            ("IA5String", b"\x16\x05e@x.y", "e@x.y"),
            ("BMPString", b"\x1e\x0a\x06\x28\x06\x46\x06\x43\0 \0\xe9", "بنك é"),
            ("UniversalString", b"\x1c\x08\0\0\x06\x28\0\x01\xf6\0", "ب😀"),
            ("empty BMPString", b"\x1e\x00", ""),
        ];
        for (name, encoded, text) in cases {
            assert_eq!(decode_string(encoded).as_deref(), Some(text), "{name}");
        }
    }

    #[test]
    fn a_value_longer_than_127_octets_has_a_long_length() {
        let mut encoded = b"\x0c\x81\xc8".to_vec();
        encoded.extend([b'x'; 200]);
        assert_eq!(decode_string(&encoded), Some("x".repeat(200)));
    }

    #[test]
    fn an_encoding_that_is_not_exactly_one_value_is_refused() {
        let cases: [(&str, &[u8]); 10] = [
            ("nothing", b""),
            ("no length", b"\x0c"),
            ("no content", b"\x0c\x01"),
            ("content too short", b"\x0c\x03AB"),
            ("trailing octet", b"\x0c\x02ABC"),
            ("a second value", b"\x0c\x01A\x0c\x01B"),
            ("indefinite length", b"\x0c\x80\x0c\x01A\0\0"),
            ("constructed string", b"\x2c\x03\x0c\x01A"),
            ("length not minimal", b"\x0c\x81\x01A"),
            ("length beyond any memory", b"\x0c\x84\xff\xff\xff\xffA"),
        ];
        for (name, encoded) in cases {
            assert_eq!(decode_string(encoded), None, "{name}");
        }
    }

    #[test]
    fn content_that_its_type_does_not_allow_is_refused() {
        let cases: [(&str, &[u8]); 12] = [
            ("UTF8String, truncated character", b"\x0c\x01\xd8"),
            ("UTF8String, overlong slash", b"\x0c\x02\xc0\xaf"),
            ("UTF8String, surrogate", b"\x0c\x03\xed\xa0\x80"),
            ("PrintableString with @", b"\x13\x03A@B"),
            ("IA5String above ASCII", b"\x16\x02\xc3\xa9"),
            ("TeletexString in Latin-1", b"\x14\x01\xe9"),
            ("TeletexString in UTF-8", b"\x14\x02\xc3\xa9"),
            ("BMPString of an odd length", b"\x1e\x03\0A\0"),
            ("BMPString with a surrogate pair", b"\x1e\x04\xd8\x3d\xde\0"),
            ("UniversalString of a wrong length", b"\x1c\x05\0\0\0A\0"),
            ("UniversalString beyond Unicode", b"\x1c\x04\0\x11\0\0"),
            ("UniversalString with a surrogate", b"\x1c\x04\0\0\xd8\0"),
        ];
        for (name, encoded) in cases {
            assert_eq!(decode_string(encoded), None, "{name}");
        }
    }

    #[test]
    fn types_that_are_not_strings_of_names_are_refused() {
        let cases: [(&str, &[u8]); 5] = [
            ("OCTET STRING of RFC 4514", b"\x04\x02Hi"),
            ("INTEGER", b"\x02\x01\x01"),
            ("BIT STRING", b"\x03\x02\0A"),
            ("SEQUENCE", b"\x30\x03\x0c\x01A"),
            ("GeneralString", b"\x1b\x01A"),
        ];
        for (name, encoded) in cases {
            assert_eq!(decode_string(encoded), None, "{name}");
        }
    }
}
