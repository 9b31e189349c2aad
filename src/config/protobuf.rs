//! Recognises a `google.protobuf.Struct` in place of JSON text, the most likely mistake in an Envoy configuration:
//! Envoy hands a Struct over as its protobuf encoding (Protocol Buffers, "Encoding"; `google/protobuf/struct.proto`).

/// Wire type 2 (length-delimited) of field 1: `Struct.fields`, and the key of a map entry.
const FIELD_1: u8 = 0x0a;
/// Wire type 2 of field 2: the value of a map entry.
const FIELD_2: u8 = 0x12;
/// The first byte of a `Value`: null, number, string, bool, struct or list.
const VALUE_TAGS: [u8; 6] = [0x08, 0x11, 0x1a, 0x20, 0x2a, 0x32];

/// Whether the bytes are a `Struct` with at least one field. Never true for JSON text, which may begin with 0x0a too:
/// every map entry holds a 0x12, and JSON has no raw control characters but whitespace.
pub(super) fn is_struct(bytes: &[u8]) -> bool {
    let mut rest = bytes;
    while !rest.is_empty() {
        match length_delimited(rest, FIELD_1) {
            Some((entry, after)) if is_entry(entry) => rest = after,
            _ => return false,
        }
    }
    !bytes.is_empty()
}

fn is_entry(entry: &[u8]) -> bool {
    let Some((key, rest)) = length_delimited(entry, FIELD_1) else { return false };
    let Some((value, rest)) = length_delimited(rest, FIELD_2) else { return false };
    rest.is_empty() && std::str::from_utf8(key).is_ok() && value.first().is_none_or(|tag| VALUE_TAGS.contains(tag))
}

/// The content of the field with this tag, and what follows it.
fn length_delimited(bytes: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (first, rest) = bytes.split_first()?;
    if *first != tag {
        return None;
    }
    let (length, rest) = varint(rest)?;
    rest.split_at_checked(length)
}

/// A length of at most 28 bits, far beyond every configuration.
fn varint(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let mut value = 0_usize;
    let mut rest = bytes;
    for shift in [0, 7, 14, 21] {
        let (byte, after) = rest.split_first()?;
        value |= usize::from(byte & 0x7f) << shift;
        rest = after;
        if byte & 0x80 == 0 {
            return Some((value, rest));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn field(tag: u8, content: &[u8]) -> Vec<u8> {
        let mut bytes = vec![tag];
        let mut length = content.len();
        while length >= 0x80 {
            bytes.push(u8::try_from(length & 0x7f).unwrap() | 0x80);
            length >>= 7;
        }
        bytes.push(u8::try_from(length).unwrap());
        bytes.extend_from_slice(content);
        bytes
    }

    fn entry(key: &[u8], value: &[u8]) -> Vec<u8> {
        field(FIELD_1, &[field(FIELD_1, key), field(FIELD_2, value)].concat())
    }

    #[test]
    fn a_struct_is_recognised_whatever_its_values_are() {
        let string = field(0x1a, b"text");
        let number = [&[0x11][..], &1.5_f64.to_le_bytes()].concat();
        let inner = field(0x2a, &entry(b"peer", &field(0x1a, &[b'x'; 300])));
        for value in [&[][..], &[0x08, 0], &[0x20, 1], &string, &number, &inner, &field(0x32, &[])] {
            assert!(is_struct(&entry(b"inbound", value)));
        }
        assert!(is_struct(&[entry(b"a", &string), entry(b"b", &inner)].concat()));
    }

    #[test]
    fn other_bytes_are_not_a_struct() {
        let good = entry(b"inbound", &field(0x1a, b"x"));
        let cases: [(&str, &[u8]); 13] = [
            ("nothing", b""),
            ("JSON", b"{}"),
            ("whitespace, then JSON", b"\n {}"),
            ("a length beyond the end", good.split_last().unwrap().1),
            ("bytes after the last entry", &[&good[..], b" "].concat()),
            ("an entry without a value", &field(FIELD_1, &field(FIELD_1, b"inbound"))),
            ("an entry without a key", &field(FIELD_1, &field(FIELD_2, b""))),
            ("an entry with a third field", &field(FIELD_1, &[&good[2..], b"\x1a\x00"].concat())),
            ("a key that is not UTF-8", &entry(b"\xff", b"")),
            ("a value that is not a Value", &entry(b"a", b"x")),
            ("another field of the message", &field(FIELD_2, &good[2..])),
            (
                "an entry with key and value swapped",
                &field(FIELD_1, &[field(FIELD_2, b"a"), field(FIELD_1, b"")].concat()),
            ),
            ("a length without an end", b"\x0a\x80\x80\x80\x80\x80"),
        ];
        for (name, bytes) in cases {
            assert!(!is_struct(bytes), "{name}");
        }
    }

    #[test]
    fn a_newline_before_json_is_not_a_struct_however_the_lengths_fall() {
        for json in ["{}", "{\"inbound\": {\"provider_ids\": []}}", "[]", "1"] {
            for space in ["\n", "\n\n", "\n\n\n", "\n\r\n", "\n\t\n \n"] {
                assert!(!is_struct(format!("{space}{json}").as_bytes()));
            }
        }
    }

    proptest! {
        #[test]
        fn recognising_never_panics(
            bytes in prop::collection::vec(prop_oneof![Just(0x0a_u8), Just(0x12), any::<u8>()], 0..64),
        ) {
            is_struct(&bytes);
        }

        #[test]
        fn what_is_recognised_is_never_json(
            fields in prop::collection::vec(("[\\s]{0,20}|\\PC{0,20}", "[\\s\\d]{0,40}"), 1..4),
        ) {
            let entries = fields.iter().map(|(key, text)| entry(key.as_bytes(), &field(0x1a, text.as_bytes())));
            let bytes = entries.collect::<Vec<_>>().concat();
            prop_assert!(is_struct(&bytes));
            prop_assert!(serde_json::from_slice::<serde_json::Value>(&bytes).is_err());
        }
    }
}
