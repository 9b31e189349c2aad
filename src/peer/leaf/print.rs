//! Prints a name as Envoy and nginx do (OpenSSL's `XN_FLAG_RFC2253`): most specific first, RFC 2253's escapes, everything
//! that is not printable ASCII as hex pairs of its UTF-8, unknown types as OID with the value's DER in hexadecimal.

use std::fmt::Write as _;

use der::asn1::{AnyRef, ObjectIdentifier};
use der::{Tag, Tagged as _};

use crate::der::Elements;
use crate::hex;

/// The types that OpenSSL and BoringSSL call by a name, as far as they occur in certificates.
const TYPE_NAMES: [(ObjectIdentifier, &str); 20] = [
    (ObjectIdentifier::new_unwrap("2.5.4.3"), "CN"),
    (ObjectIdentifier::new_unwrap("2.5.4.4"), "SN"),
    (ObjectIdentifier::new_unwrap("2.5.4.5"), "serialNumber"),
    (ObjectIdentifier::new_unwrap("2.5.4.6"), "C"),
    (ObjectIdentifier::new_unwrap("2.5.4.7"), "L"),
    (ObjectIdentifier::new_unwrap("2.5.4.8"), "ST"),
    (ObjectIdentifier::new_unwrap("2.5.4.9"), "street"),
    (ObjectIdentifier::new_unwrap("2.5.4.10"), "O"),
    (ObjectIdentifier::new_unwrap("2.5.4.11"), "OU"),
    (ObjectIdentifier::new_unwrap("2.5.4.12"), "title"),
    (ObjectIdentifier::new_unwrap("2.5.4.13"), "description"),
    (ObjectIdentifier::new_unwrap("2.5.4.15"), "businessCategory"),
    (ObjectIdentifier::new_unwrap("2.5.4.17"), "postalCode"),
    (ObjectIdentifier::new_unwrap("2.5.4.41"), "name"),
    (ObjectIdentifier::new_unwrap("2.5.4.42"), "GN"),
    (ObjectIdentifier::new_unwrap("2.5.4.43"), "initials"),
    (ObjectIdentifier::new_unwrap("2.5.4.46"), "dnQualifier"),
    (ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.1"), "emailAddress"),
    (ObjectIdentifier::new_unwrap("0.9.2342.19200300.100.1.25"), "DC"),
    (ObjectIdentifier::new_unwrap("0.9.2342.19200300.100.1.1"), "UID"),
];

/// The string form of a name (RFC 5280 §4.1.2.4), which is a sequence of sets of attributes. Nothing for what is no name.
pub(super) fn name(mut name: Elements<'_>) -> Option<String> {
    let mut attributes = Vec::new();
    while !name.is_at_end() {
        let mut separator = ",";
        let mut relative_name = Elements::of(name.content(Tag::Set)?)?;
        while !relative_name.is_at_end() {
            attributes.push((Attribute::read(relative_name.sequence()?)?, separator));
            separator = "+";
        }
    }
    let mut text = String::new();
    let mut attributes = attributes.iter().rev().peekable();
    while let Some((attribute, separator)) = attributes.next() {
        push_attribute(&mut text, attribute);
        if attributes.peek().is_some() {
            text.push_str(separator);
        }
    }
    Some(text)
}

/// One attribute: its type, and its value as it is encoded and decoded.
struct Attribute<'a> {
    oid: ObjectIdentifier,
    der: &'a [u8],
    value: AnyRef<'a>,
}

impl<'a> Attribute<'a> {
    fn read(mut attribute: Elements<'a>) -> Option<Self> {
        let oid = attribute.identifier()?;
        let der = attribute.rest()?;
        let value = attribute.any()?;
        attribute.end()?;
        Some(Self { oid, der, value })
    }
}

fn push_attribute(text: &mut String, Attribute { oid, der, value }: &Attribute<'_>) {
    let known = TYPE_NAMES.iter().find(|(known, _)| known == oid).map(|(_, name)| *name);
    let _ = match known {
        Some(name) => write!(text, "{name}="),
        None => write!(text, "{oid}="),
    };
    match known.and_then(|_| decoded(*value)) {
        Some(value) => push_escaped(text, &value),
        None => {
            text.push('#');
            text.extend(der.iter().copied().flat_map(hex::upper));
        }
    }
}

/// The text of a string type. Nothing for other types, and for a string that is not of its type.
fn decoded(value: AnyRef<'_>) -> Option<String> {
    let content = value.value();
    match value.tag() {
        Tag::Utf8String => std::str::from_utf8(content).ok().map(str::to_owned),
        Tag::BmpString => {
            let (units, []) = content.as_chunks::<2>() else { return None };
            char::decode_utf16(units.iter().map(|unit| u16::from_be_bytes(*unit))).collect::<Result<_, _>>().ok()
        }
        // OpenSSL takes an octet of these for the character of that number.
        Tag::PrintableString | Tag::Ia5String | Tag::TeletexString | Tag::NumericString | Tag::VisibleString => {
            Some(content.iter().copied().map(char::from).collect())
        }
        _ => None,
    }
}

fn push_escaped(text: &mut String, value: &str) {
    let last = value.len().saturating_sub(1);
    for (position, octet) in value.bytes().enumerate() {
        match octet {
            b',' | b'+' | b'"' | b'\\' | b'<' | b'>' | b';' => text.extend(['\\', char::from(octet)]),
            b' ' if position == 0 || position == last => text.push_str("\\ "),
            b'#' if position == 0 => text.push_str("\\#"),
            b' '..=b'~' => text.push(char::from(octet)),
            _ => {
                text.push('\\');
                text.extend(hex::upper(octet));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::peer::name::{AttributeType, DistinguishedName, tests::as_hosts_print};

    const CN: &[u8] = b"\x06\x03\x55\x04\x03";
    const O: &[u8] = b"\x06\x03\x55\x04\x0a";

    fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
        let length = u8::try_from(content.len()).ok().filter(|length| *length < 128).expect("a short value");
        [&[tag, length], content].concat()
    }

    /// The DER of the type, the tag of the value, the value.
    type Attribute<'a> = (&'a [u8], u8, &'a [u8]);

    /// A name of relative names of attributes.
    fn printed(relative_names: &[&[Attribute<'_>]]) -> String {
        let sets = relative_names.iter().flat_map(|attributes| {
            let attribute = |(oid, tag, value): &Attribute<'_>| tlv(0x30, &[*oid, &tlv(*tag, value)].concat());
            tlv(0x31, &attributes.iter().flat_map(attribute).collect::<Vec<_>>())
        });
        name(Elements::of(&sets.collect::<Vec<_>>()).unwrap()).unwrap()
    }

    #[test]
    fn the_most_specific_comes_first_also_within_a_relative_name() {
        assert_eq!(printed(&[&[(O, 0x0c, b"a")], &[(CN, 0x0c, b"b"), (O, 0x0c, b"c")]]), "O=c+CN=b,O=a");
        assert_eq!(printed(&[]), "");
    }

    #[test]
    fn every_string_type_is_printed_as_its_text() {
        for (what, tag, content, text) in [
            ("UTF8String", 0x0c, &b"a \xd8\xa8"[..], r"a \D8\A8"),
            ("PrintableString", 0x13, b"AE", "AE"),
            ("a PrintableString with what it must not have", 0x13, b"a*b", "a*b"),
            ("TeletexString", 0x14, b"\xe9", r"\C3\A9"),
            ("IA5String", 0x16, b"a@b", "a@b"),
            ("NumericString", 0x12, b"12", "12"),
            ("VisibleString", 0x1a, b"v", "v"),
            ("BMPString", 0x1e, b"\x06\x28\0a", r"\D8\A8a"),
        ] {
            assert_eq!(printed(&[&[(O, tag, content)]]), format!("O={text}"), "{what}");
        }
    }

    #[test]
    fn what_is_no_text_is_printed_as_its_der() {
        for (what, tag, content, hex) in [
            ("an INTEGER", 0x02, &b"\x7f"[..], "02017F"),
            ("UTF-8 that is none", 0x0c, b"\xff", "0C01FF"),
            ("half a character", 0x1e, b"\0a\0", "1E03006100"),
            ("half a surrogate pair", 0x1e, b"\xd8\0", "1E02D800"),
        ] {
            assert_eq!(printed(&[&[(O, tag, content)]]), format!("O=#{hex}"), "{what}");
        }
        assert_eq!(printed(&[&[(b"\x06\x03\x55\x04\x61", 0x0c, b"x")]]), "2.5.4.97=#0C0178");
    }

    #[test]
    fn characters_that_could_end_or_forge_something_are_escaped() {
        for (value, text) in [
            (",+\"\\<>;", r#"\,\+\"\\\<\>\;"#),
            (" a ", r"\ a\ "),
            (" ", r"\ "),
            ("##", r"\##"),
            ("a=b", "a=b"),
            ("a\r\n\0\u{7f}", r"a\0D\0A\00\7F"),
            ("", ""),
        ] {
            assert_eq!(printed(&[&[(O, 0x0c, value.as_bytes())]]), format!("O={text}"));
        }
    }

    proptest! {
        #[test]
        fn what_is_printed_is_read_back_and_is_what_hosts_print(value in ".{0,20}") {
            prop_assume!(value.len() < 100);
            let text = printed(&[&[(O, 0x0c, value.as_bytes())], &[(CN, 0x0c, b"x")]]);
            prop_assert_eq!(&text, &format!("CN=x,O={}", as_hosts_print(&value)));
            prop_assert!(text.bytes().all(|byte| matches!(byte, b' '..=b'~')));
            let name = DistinguishedName::parse(text.as_bytes()).unwrap();
            prop_assert_eq!(name.values(AttributeType::Organisation).collect::<Vec<_>>(), [&value]);
        }
    }
}
