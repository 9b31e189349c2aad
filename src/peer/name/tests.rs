//! The rules of RFC 4514 and RFC 2253, the forms that hosts really print, and the attacks on them.

use proptest::prelude::*;

use super::{AttributeType, DistinguishedName, MAX_ATTRIBUTES, MAX_NAME_BYTES, NameError};

/// A value as Envoy and nginx print it: OpenSSL's flags `XN_FLAG_RFC2253`, which escape controls and all but ASCII.
pub(in crate::peer) fn as_hosts_print(value: &str) -> String {
    let mut printed = String::new();
    for (position, byte) in value.bytes().enumerate() {
        let at_an_end = position == 0 || position + 1 == value.len();
        match byte {
            b',' | b'+' | b'"' | b'\\' | b'<' | b'>' | b';' => printed.extend(['\\', char::from(byte)]),
            b' ' if at_an_end => printed.push_str("\\ "),
            b'#' if position == 0 => printed.push_str("\\#"),
            0..0x20 | 0x7f.. => printed.push_str(&format!("\\{byte:02X}")),
            _ => printed.push(char::from(byte)),
        }
    }
    printed
}

fn parse(text: &str) -> Result<DistinguishedName, NameError> {
    DistinguishedName::parse(text.as_bytes())
}

/// `O`, `OU` and `CN` values, in the order of the string.
type Attributes = [&'static [&'static str]; 3];

#[track_caller]
fn assert_attributes(text: &str, expected: Attributes) {
    let name = parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    let types = [AttributeType::Organisation, AttributeType::OrganisationalUnit, AttributeType::CommonName];
    let found = types.map(|attribute_type| name.values(attribute_type).collect::<Vec<_>>());
    assert_eq!(found.each_ref().map(Vec::as_slice), expected, "{text}");
}

#[test]
fn the_examples_of_rfc_4514_section_4_are_read() {
    let cases: [(&str, Attributes); 6] = [
        ("UID=jsmith,DC=example,DC=net", [&[], &[], &[]]),
        ("OU=Sales+CN=J.  Smith,DC=example,DC=net", [&[], &["Sales"], &["J.  Smith"]]),
        (r#"CN=James \"Jim\" Smith\, III,DC=example,DC=net"#, [&[], &[], &["James \"Jim\" Smith, III"]]),
        (r"CN=Before\0dAfter,DC=example,DC=net", [&[], &[], &["Before\rAfter"]]),
        ("1.3.6.1.4.1.1466.0=#04024869", [&[], &[], &[]]),
        (r"CN=Lu\C4\8Di\C4\87", [&[], &[], &["Lučić"]]),
    ];
    for (text, expected) in cases {
        assert_attributes(text, expected);
    }
}

#[test]
fn the_examples_of_rfc_2253_section_5_are_read() {
    let cases: [(&str, Attributes); 6] = [
        ("CN=Steve Kille,O=Isode Limited,C=GB", [&["Isode Limited"], &[], &["Steve Kille"]]),
        ("OU=Sales+CN=J. Smith,O=Widget Inc.,C=US", [&["Widget Inc."], &["Sales"], &["J. Smith"]]),
        (r"CN=L. Eagle,O=Sue\, Grabbit and Runn,C=GB", [&["Sue, Grabbit and Runn"], &[], &["L. Eagle"]]),
        (r"CN=Before\0DAfter,O=Test,C=GB", [&["Test"], &[], &["Before\rAfter"]]),
        ("1.3.6.1.4.1.1466.0=#04024869,O=Test,C=GB", [&["Test"], &[], &[]]),
        (r"SN=Lu\C4\8Di\C4\87", [&[], &[], &[]]),
    ];
    for (text, expected) in cases {
        assert_attributes(text, expected);
    }
}

#[test]
fn the_names_that_envoy_and_openssl_print_are_read() {
    let cases: [(&str, Attributes); 6] = [
        // The open finance standard's own example, with the spaces of RFC 2253 §4.
        ("CN=ABC, OU=XYZ, O=Acme Bank, C=AE", [&["Acme Bank"], &["XYZ"], &["ABC"]]),
        // Printed by Envoy 1.40.0.
        (
            r"CN=abc123,OU=3c1f0e6a-9d5b-4a3c,O=Ozone Financial Technology\, Limited,C=AE",
            [&["Ozone Financial Technology, Limited"], &["3c1f0e6a-9d5b-4a3c"], &["abc123"]],
        ),
        (
            r"CN=abc,OU=233bcd1d,O=\D8\A8\D9\86\D9\83 \D8\A3\D8\A8\D9\88\D8\B8\D8\A8\D9\8A,C=AE",
            [&["بنك أبوظبي"], &["233bcd1d"], &["abc"]],
        ),
        (
            concat!(
                "x500UniqueIdentifier=x,SN=sn,GN=g,postalCode=1,street=s,DC=d,UID=u,",
                "1.3.6.1.4.1.311.60.2.1.3=#13024145,businessCategory=Private,1.2.3.4.5.6=#0C04C3BC6E6B,",
                "serialNumber=SN1,2.5.4.97=#0C0750534441452D31,emailAddress=e@x.y+CN=x,",
                r#"OU=\ b,OU=a,O=\ #Sp \"quo\\te\;\<a\>\+b=c\ ,C=AE"#
            ),
            [&[" #Sp \"quo\\te;<a>+b=c "], &[" b", "a"], &["x"]],
        ),
        // Printed by OpenSSL 3 with -nameopt RFC2253,dump_all,dump_der and RFC2253,lname.
        ("CN=#0C0178,OU=#130175,O=#1E0A062806460643002000E9,C=#13024145", [&["بنك é"], &["u"], &["x"]]),
        (
            "emailAddress=e@x.y+commonName=x,organizationalUnitName=a,organizationName=o,countryName=AE",
            [&["o"], &["a"], &["x"]],
        ),
    ];
    for (text, expected) in cases {
        assert_attributes(text, expected);
    }
}

#[test]
fn an_attribute_type_is_known_by_every_name_that_it_has() {
    for text in
        ["OU=x", "ou=x", "Ou=x", "2.5.4.11=x", "OID.2.5.4.11=x", "oid.2.5.4.11=#0c0178", "ORGANIZATIONALUNITNAME=x"]
    {
        assert_attributes(text, [&[], &["x"], &[]]);
    }
    for text in ["O=x", "o=x", "2.5.4.10=x", "Oid.2.5.4.10=x", "organizationname=x"] {
        assert_attributes(text, [&["x"], &[], &[]]);
    }
    for text in ["CN=x", "cn=x", "2.5.4.3=x", "OID.2.5.4.3=x", "commonname=x"] {
        assert_attributes(text, [&[], &[], &["x"]]);
    }
    for text in ["OUX=x", "O-U=x", "U=x", "2.5.4.1=x", "2.5.4.110=x", "2.5.4.11.1=x", "0.2.5.4.11=x", "OID=x"] {
        assert_attributes(text, [&[], &[], &[]]);
    }
}

#[test]
fn an_invalid_attribute_type_is_refused() {
    let cases = [
        "=x",
        " =x",
        "OU",
        "OU ",
        "x",
        "CN=a,",
        "CN=a,,O=b",
        "CN=a+",
        ",CN=a",
        "+CN=a",
        " ",
        ",",
        "O U=x",
        "OU_=x",
        "-OU=x",
        "1OU=x",
        "2=x",
        "2.=x",
        ".5=x",
        "2..5=x",
        "2.5.4.011=x",
        "02.5.4.11=x",
        "2.5.4.11a=x",
        "OU.1=x",
        "OID.=x",
        "OID.OU=x",
        "OID.2=x",
        "OID.OID.2.5.4.11=x",
        r"O\55=x",
        r"\4F\55=x",
        "\"OU\"=x",
        "OU\u{a0}=x",
        "\u{ff2f}=x",
        "OU\t=x",
        "\nOU=x",
    ];
    for text in cases {
        assert_eq!(parse(text), Err(NameError::InvalidType), "{text:?}");
    }
}

#[test]
fn text_inside_a_value_never_poses_as_an_attribute() {
    let cases: [(&str, Attributes); 9] = [
        (r"OU=CN=victim", [&[], &["CN=victim"], &[]]),
        (r"O=x\,OU=victim", [&["x,OU=victim"], &[], &[]]),
        (r"O=x\2COU=victim", [&["x,OU=victim"], &[], &[]]),
        (r"O=x\+OU=victim", [&["x+OU=victim"], &[], &[]]),
        (r"O=x\2bOU\3dvictim", [&["x+OU=victim"], &[], &[]]),
        (r"L=x\,OU=victim,OU=a", [&[], &["a"], &[]]),
        (r"L=x\\,OU=a", [&[], &["a"], &[]]),
        (r"L=x\\\,OU=victim,OU=a", [&[], &["a"], &[]]),
        // `x,OU=v` as BER.
        ("L=#0C06782C4F553D76,OU=a", [&[], &["a"], &[]]),
    ];
    for (text, expected) in cases {
        assert_attributes(text, expected);
    }
}

#[test]
fn every_occurrence_is_kept_wherever_it_stands() {
    assert_attributes("OU=a,O=x,OU=b", [&["x"], &["a", "b"], &[]]);
    assert_attributes("OU=a+OU=b,O=x", [&["x"], &["a", "b"], &[]]);
    assert_attributes("OU=a,OID.2.5.4.11=#0C0162,2.5.4.11=c,ou=d", [&[], &["a", "b", "c", "d"], &[]]);
    assert_attributes("L=l+O=x+OU=a + CN=n", [&["x"], &["a"], &["n"]]);
}

#[test]
fn spaces_belong_to_a_value_only_inside_it_or_escaped() {
    let cases: [(&str, Attributes); 8] = [
        ("  O  =  a b  ,  OU  =  c  +  CN  =  d  ", [&["a b"], &["c"], &["d"]]),
        (r"O=\ a\ ,OU=b", [&[" a "], &["b"], &[]]),
        (r"O= \ a\ \ ,OU=b", [&[" a  "], &["b"], &[]]),
        (r"O=a\   ,OU=b", [&["a "], &["b"], &[]]),
        (r"O=a\20 ,OU=b", [&["a "], &["b"], &[]]),
        ("O= #0c0161 ,OU=b", [&["a"], &["b"], &[]]),
        ("O=,OU= +CN=", [&[""], &[""], &[""]]),
        // Only U+0020 is such a space.
        ("O=\u{a0}a\u{a0},OU=\tb", [&["\u{a0}a\u{a0}"], &["\tb"], &[]]),
    ];
    for (text, expected) in cases {
        assert_attributes(text, expected);
    }
}

#[test]
fn every_escape_of_the_standard_is_undone_once() {
    let text = r#"O=\"\+\,\;\<\>\\\ \#\=\41\C3\a9"#;
    assert_attributes(text, [&["\"+,;<>\\ #=Aé"], &[], &[]]);
    assert_attributes(r"O=a\\2C", [&[r"a\2C"], &[], &[]]);
    assert_attributes(r"O=\5C2C", [&[r"\2C"], &[], &[]]);
    assert_attributes(r"O=\#41,OU=a#41", [&["#41"], &["a#41"], &[]]);
    assert_attributes(r"O=\00,OU=a\0Ab", [&["\0"], &["a\nb"], &[]]);
}

#[test]
fn an_escape_that_the_standard_does_not_know_is_refused() {
    for text in [
        r"O=a\",
        r"O=a\4",
        r"O=\n",
        r"O=\x41",
        r"O=\g0",
        r"O=\0g",
        r"O=\U0628",
        r"O=\W0001F600",
        r"O=\'",
        r"O=\=\",
        r"O=\4,OU=a",
        r"L=\",
        "O=\\ب",
    ] {
        assert_eq!(parse(text), Err(NameError::InvalidEscape), "{text}");
    }
}

#[test]
fn a_special_character_without_an_escape_is_refused() {
    for text in [
        "O=\"a\"",
        "O=\"a,OU=b\"",
        "O=a\"",
        "O=a;OU=b",
        "O=a<",
        "O=>a",
        "O=a\0b",
        "L=a;OU=b",
        "L=\"",
        "O=#41;OU=b",
        "O= \"a\"",
    ] {
        assert!(
            matches!(parse(text), Err(NameError::UnescapedSpecial | NameError::InvalidHexString)),
            "{text:?}: {:?}",
            parse(text)
        );
    }
}

#[test]
fn an_equals_sign_and_an_inner_hash_need_no_escape() {
    assert_attributes("O=a=b==,OU=c#d,CN=e #", [&["a=b=="], &["c#d"], &["e #"]]);
}

#[test]
fn a_hexadecimal_value_is_whole_octets_and_nothing_else() {
    for text in [
        "O=#",
        "O=#0",
        "O=#0c016",
        "O=#0c0161x",
        "O=#0c01 61",
        "O=# 0c0161",
        "O=#0c0161=",
        "O=##0c0161",
        r"O=#0c0161\20",
    ] {
        assert_eq!(parse(text), Err(NameError::InvalidHexString), "{text}");
        assert_eq!(parse(&text.replacen('O', "L", 1)), Err(NameError::InvalidHexString), "{text}");
    }
}

#[test]
fn a_value_that_is_not_text_refuses_only_the_attributes_that_matter() {
    // Foreign BER, trailing BER, a cut character, an overlong `,`, a surrogate, a character beyond Unicode.
    for value in ["#04024869", "#0C016100", r"\D8", r"\C0\AC", r"\ED\A0\80", r"\F4\90\80\80", r"a\D8b"] {
        for attribute_type in ["O", "ou", "2.5.4.3", "OID.2.5.4.10", "organizationalUnitName"] {
            let text = format!("C=AE,{attribute_type}={value}");
            assert_eq!(parse(&text), Err(NameError::UndecodableValue), "{text}");
        }
        assert_attributes(&format!("L={value},2.5.4.97={value}+OU=a"), [&[], &["a"], &[]]);
    }
}

#[test]
fn a_character_is_not_put_together_across_a_separator() {
    assert_eq!(parse(r"O=\D8,OU=\A8"), Err(NameError::UndecodableValue));
}

#[test]
fn text_that_is_not_utf8_is_refused() {
    for text in [&b"O=\xd8"[..], b"L=\xff,O=a", b"O=\xc0\xac", b"O=\xd8\\A8"] {
        assert_eq!(DistinguishedName::parse(text), Err(NameError::NotUtf8));
    }
    assert_attributes("O=بنك,OU=a", [&["بنك"], &["a"], &[]]);
}

#[test]
fn an_empty_text_is_no_name() {
    assert_eq!(parse(""), Err(NameError::Empty));
}

#[test]
fn a_name_is_read_up_to_its_bounds_and_not_beyond() {
    let longest = format!("O={}", "a".repeat(MAX_NAME_BYTES - 2));
    assert!(parse(&longest).is_ok());
    assert_eq!(parse(&format!("{longest}a")), Err(NameError::TooLong));

    let most = vec!["L=a"; MAX_ATTRIBUTES].join(",");
    assert!(parse(&most).is_ok());
    assert_eq!(parse(&format!("{most}+OU=a")), Err(NameError::TooManyAttributes));
}

/// Any way in which RFC 4514 lets a value be written: each octet plain where that is allowed, escaped, or as a hex pair.
fn any_spelling() -> impl Strategy<Value = (String, String)> {
    (".{0,40}", prop::collection::vec(0..3_u8, 256)).prop_map(|(value, choices)| {
        let mut written = String::new();
        for (character, choice) in value.chars().zip(choices.iter().cycle()) {
            match choice {
                0 => {
                    for byte in character.to_string().bytes() {
                        written.push_str(&format!("\\{byte:02x}"));
                    }
                }
                _ if "\"+,;<>\\ #=".contains(character) => written.extend(['\\', character]),
                _ if character == '\0' => written.push_str("\\00"),
                _ => written.push(character),
            }
        }
        (value, written)
    })
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(text in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = DistinguishedName::parse(&text);
    }

    #[test]
    fn text_of_the_grammars_own_characters_never_panics(text in r#"(O|OU|CN|2\.5\.4\.11|[=,+;#\\"<> 0-9a-f.]|\\[0-9a-f]{2}){0,40}"#) {
        let _ = parse(&text);
    }

    #[test]
    fn a_value_that_a_host_prints_is_read_back(value in "\\PC{0,40}|[ #,+\"\\\\<>;=\0\r\na]{0,20}") {
        let printed = as_hosts_print(&value);
        let name = parse(&format!("CN=x,O={printed}+OU={printed},C=AE")).unwrap();
        prop_assert_eq!(name.values(AttributeType::Organisation).collect::<Vec<_>>(), [&value]);
        prop_assert_eq!(name.values(AttributeType::OrganisationalUnit).collect::<Vec<_>>(), [&value]);
        prop_assert_eq!(name.values(AttributeType::CommonName).collect::<Vec<_>>(), ["x"]);
    }

    #[test]
    fn a_value_is_read_back_however_it_is_escaped((value, written) in any_spelling()) {
        let name = parse(&format!("L={written} , O = {written} + OU=u")).unwrap();
        prop_assert_eq!(name.values(AttributeType::Organisation).collect::<Vec<_>>(), [&value]);
        prop_assert_eq!(name.values(AttributeType::OrganisationalUnit).collect::<Vec<_>>(), ["u"]);
    }

    #[test]
    fn a_value_written_as_ber_is_read_back(value in ".{0,30}") {
        let mut encoded = format!("0c{:02x}", value.len());
        value.bytes().for_each(|byte| encoded.push_str(&format!("{byte:02x}")));
        prop_assume!(value.len() < 128);
        let name = parse(&format!("2.5.4.10=#{encoded},OU=u")).unwrap();
        prop_assert_eq!(name.values(AttributeType::Organisation).collect::<Vec<_>>(), [&value]);
    }
}
