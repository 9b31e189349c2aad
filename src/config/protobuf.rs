//! Recognises a `google.protobuf.Struct` in place of JSON text, the most likely mistake in an Envoy configuration:
//! Envoy hands a Struct over as its protobuf encoding (Protocol Buffers, "Encoding"; `google/protobuf/struct.proto`).

/// Wire type 2 (length-delimited) of field 1: `Struct.fields`, which every Struct begins with. It is a line feed too.
const FIELD_1: u8 = 0x0a;
/// Wire type 2 of field 2: the value of a map entry, which each has. JSON has no raw control characters but white space.
const FIELD_2: u8 = 0x12;

/// Whether the bytes look like a `Struct` with at least one field. Never true for JSON text.
pub(super) fn is_struct(bytes: &[u8]) -> bool {
    bytes.first() == Some(&FIELD_1) && bytes.contains(&FIELD_2)
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
        let cases: [(&str, &[u8]); 6] = [
            ("nothing", b""),
            ("JSON", b"{}"),
            ("whitespace, then JSON", b"\n {}"),
            ("an entry without a value", &field(FIELD_1, &field(FIELD_1, b"inbound"))),
            ("another field of the message", &field(FIELD_2, &good[2..])),
            ("a length without an end", b"\x0a\x80\x80\x80\x80\x80"),
        ];
        for (name, bytes) in cases {
            assert!(!is_struct(bytes), "{name}");
        }
    }

    /// They are refused either way, and a Struct that was cut or damaged is the best guess.
    #[test]
    fn what_only_looks_like_a_struct_is_not_json_either() {
        let good = entry(b"inbound", &field(0x1a, b"x"));
        let cases: [(&str, &[u8]); 7] = [
            ("a length beyond the end", good.split_last().unwrap().1),
            ("bytes after the last entry", &[&good[..], b" "].concat()),
            ("an entry without a key", &field(FIELD_1, &field(FIELD_2, b""))),
            ("an entry with a third field", &field(FIELD_1, &[&good[2..], b"\x1a\x00"].concat())),
            ("a key that is not UTF-8", &entry(b"\xff", b"")),
            ("a value that is not a Value", &entry(b"a", b"x")),
            (
                "an entry with key and value swapped",
                &field(FIELD_1, &[field(FIELD_2, b"a"), field(FIELD_1, b"")].concat()),
            ),
        ];
        for (name, bytes) in cases {
            assert!(is_struct(bytes), "{name}");
            assert!(serde_json::from_slice::<serde_json::Value>(bytes).is_err(), "{name}");
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
        /// Many of them are JSON but for a byte.
        #[test]
        fn nothing_that_is_recognised_is_json(
            before in prop::collection::vec(prop_oneof![Just(0x0a_u8), Just(0x12), Just(b' '), any::<u8>()], 0..8),
            after in prop::collection::vec(prop_oneof![Just(0x0a_u8), Just(0x12), Just(b' '), any::<u8>()], 0..8),
            json in prop::sample::select(vec!["{}", "{\"a\":\"b\"}", "\"\\u0012\"", "[1, 2]", "0"]),
        ) {
            let bytes = [&before[..], json.as_bytes(), &after].concat();
            if is_struct(&bytes) {
                prop_assert!(serde_json::from_slice::<serde_json::Value>(&bytes).is_err());
            }
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
