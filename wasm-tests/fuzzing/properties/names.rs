//! A name that AWS-LC prints (RFC 2253, as Envoy and nginx do) is read as what the certificate says. And however a name is written:
//! what stands before and behind it in a text neither hides an attribute of it nor adds one.

use hub_auth_filter::facade::peer::{AttributeType, DistinguishedName, NameError, Subject};
use hub_auth_filter::facade::url::{Environment, JwksLocation};

use crate::cost::{Bound, bounded};
use crate::reference::aws_lc;

/// The types that count, with the content of their OBJECT IDENTIFIERs.
const TYPES: [(AttributeType, [u8; 3]); 3] = [
    (AttributeType::Organisation, [0x55, 4, 10]),
    (AttributeType::OrganisationalUnit, [0x55, 4, 11]),
    (AttributeType::CommonName, [0x55, 4, 3]),
];

const MAX_BYTES: usize = 4096;
const MAX_ATTRIBUTES: usize = 64;

/// The values of each of [`TYPES`].
type Values = [Vec<String>; 3];

/// The text of a name; what begins as DER does is taken for the DER of a name too.
pub(crate) fn check(data: &[u8]) -> bool {
    if data.first() == Some(&0x30)
        && let Some(name) = aws_lc::name(data)
    {
        return check_printed(&name);
    }
    check_text(data)
}

/// Reads a name.
fn read(text: &[u8]) -> Result<Values, NameError> {
    let name = bounded(Bound::TEXT, text.len(), || DistinguishedName::parse(text))?;
    Ok(TYPES.map(|(attribute_type, _)| name.values(attribute_type).map(str::to_owned).collect()))
}

/// Whether it is read.
fn check_printed(name: &aws_lc::Name) -> bool {
    let ours = read(&name.printed);
    // Most specific first.
    let of_type = |oid: [u8; 3]| name.attributes.iter().rev().filter(move |attribute| attribute.oid == oid);
    let expected: Option<Vec<Vec<String>>> =
        TYPES.iter().map(|(_, oid)| of_type(*oid).map(|attribute| attribute.text.clone()).collect()).collect();
    match &ours {
        Ok(values) => assert_eq!(Some(values.to_vec()), expected, "{}", String::from_utf8_lossy(&name.printed)),
        Err(NameError::Empty) => assert!(name.attributes.is_empty() || name.printed.is_empty()),
        Err(NameError::TooLong) => assert!(name.printed.len() > MAX_BYTES),
        Err(NameError::TooManyAttributes) => assert!(name.attributes.len() > MAX_ATTRIBUTES),
        // Of a value that is no text OpenSSL prints what it can.
        Err(NameError::UndecodableValue) => assert!(expected.is_none(), "{}", String::from_utf8_lossy(&name.printed)),
        Err(error) => panic!("{error:?}: {}", String::from_utf8_lossy(&name.printed)),
    }
    ours.is_ok()
}

fn check_text(text: &[u8]) -> bool {
    let Ok(values) = read(text) else { return false };
    assert!(!text.is_empty() && text.len() <= MAX_BYTES && std::str::from_utf8(text).is_ok());
    let [organisations, units, names] = &values;
    for (before, behind) in
        [("OU=a,", ""), ("OU=a+", ""), ("", ",OU=a"), ("", "+2.5.4.11=#0C0161"), ("oid.2.5.4.011=b, OU=a,", "")]
    {
        let longer = [before.as_bytes(), text, behind.as_bytes()].concat();
        let mut more = units.clone();
        more.insert(if before.is_empty() { units.len() } else { 0 }, "a".to_owned());
        match read(&longer) {
            Ok(read) => assert_eq!(read, [organisations.clone(), more, names.clone()], "{behind}"),
            Err(NameError::TooLong) => assert!(longer.len() > MAX_BYTES),
            Err(NameError::TooManyAttributes) => {}
            Err(NameError::InvalidType) => assert!(before.contains("011"), "{before}"),
            Err(error) => panic!("{error:?} {before} {behind}"),
        }
    }
    check_printed_again(&values);
    check_subject(text, &values);
    true
}

/// What was read, as AWS-LC prints it, is read as the same.
fn check_printed_again(values: &Values) {
    let mut content = Vec::new();
    // A certificate has them the other way round.
    let attributes = TYPES.iter().zip(values).rev();
    for (oid, value) in attributes.flat_map(|((_, oid), values)| values.iter().rev().map(move |value| (oid, value))) {
        let attribute = [der(6, oid), der(0x0c, value.as_bytes())].concat();
        content.extend(der(0x31, &der(0x30, &attribute)));
    }
    // AWS-LC holds names to the bounds of X.520, and refuses others.
    if let Some(name) = aws_lc::name(&der(0x30, &content)) {
        check_printed(&name);
    }
}

/// A subject has what was read, once each, and the address of its keys is on the host that was configured.
fn check_subject(text: &[u8], values: &Values) {
    let name = DistinguishedName::parse(text).expect("it was read before");
    let Ok(subject) = bounded(Bound::TEXT, text.len(), || Subject::from_name(&name)) else { return };
    let [organisations, units, names] = values;
    assert_eq!([subject.organisation()], organisations[..]);
    assert_eq!([subject.organisational_unit()], units[..]);
    assert_eq!(subject.common_name().as_slice(), names);
    let location = JwksLocation::of_environment(Environment::Production);
    if let Ok(url) = location.expand(subject.organisational_unit(), subject.common_name()) {
        let path = url.as_str().strip_prefix("https://keystore.directory.openfinance.ae/").expect("the host");
        let segments: Vec<&str> = path.split('/').collect();
        assert_eq!(segments.len(), 3, "{path}");
        assert!(!segments.iter().any(|segment| matches!(*segment, "" | "." | "..")), "{path}");
        assert!(path.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~%/".contains(&byte)), "{path}");
    }
}

/// An element in DER.
pub(crate) fn der(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len()).expect("a short name").to_be_bytes();
    let header = match length {
        [0, low @ ..0x80] => vec![tag, low],
        [0, low] => vec![tag, 0x81, low],
        [high, low] => vec![tag, 0x82, high, low],
    };
    [header, content.to_vec()].concat()
}
