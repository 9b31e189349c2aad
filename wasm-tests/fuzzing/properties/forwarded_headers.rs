//! Of a header in which a proxy forwards its client's certificate, nothing counts that the client may have written: whatever bytes it
//! writes into a header of its own, or into a name of its certificate, the header names the certificate that the proxy saw, or none.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hub_auth_filter::facade::peer::{ForwardedCertificate, LeafCertificate};

use crate::cost::{Bound, bounded};

const HASH: &str = "9195bd8de4aea9e1632f4e493640327693ebde6a28ff229d7b6acfd7d6d29893";
const SUBJECT: &str = r"CN=abc,OU=hub,O=Hub Operator\, Limited,C=AE";

/// A certificate, from the seeds.
const LEAF: &[u8] = include_bytes!("../../../fuzz/seeds/certificates/leaf");

/// The value of a header, and then what a client writes.
pub(crate) fn check(data: &[u8]) -> bool {
    check_client(data);
    check_whole(data) | check_read(data)
}

fn read(header: &[u8]) -> Option<ForwardedCertificate> {
    bounded(Bound::TEXT, header.len(), || ForwardedCertificate::parse(header)).ok()
}

/// What was read is what the header says, in the one way to write it.
fn check_read(header: &[u8]) -> bool {
    let Some(forwarded) = read(header) else { return false };
    let mut written = Vec::new();
    if let Some(hash) = forwarded.fingerprint() {
        written.extend(format!("Hash={hash};").into_bytes());
    }
    if let Some(certificate) = forwarded.certificate() {
        written.extend([b"Cert=\"", certificate, b"\";"].concat());
        let _ = bounded(Bound::TEXT, certificate.len(), || LeafCertificate::from_url_encoded_pem(certificate));
    }
    let subject = [b"Subject=\"", forwarded.subject(), b"\""].concat();
    written.extend(&subject);
    assert_eq!(read(&written).as_ref(), Some(&forwarded));
    let value = &subject[b"Subject=".len()..];
    assert!(header.windows(value.len()).any(|window| window == value), "the Subject is not in the header");
    for more in [&b";Subject=\"O=b\""[..], b";Hash=", b",Subject=\"O=b\"", b",", b";Cert=\"\";Chain=\"\";Cert=\"\""] {
        assert_eq!(read(&[header, more].concat()), None, "{}", String::from_utf8_lossy(more));
    }
    true
}

/// What stands where a client writes changes nothing, or makes the header name nobody.
fn check_client(text: &[u8]) {
    let element = format!("Hash={HASH};Subject=\"{SUBJECT}\"");
    let expected = read(element.as_bytes()).expect("an element");
    for key in ["URI", "DNS", "X"] {
        let header = [element.as_bytes(), b";", key.as_bytes(), b"=", text].concat();
        assert!(read(&header).is_none_or(|read| read == expected), "{key}");
    }
    // A proxy that appends to the client's header.
    let appended = [text, b",", element.as_bytes()].concat();
    assert_eq!(read(&appended), None);
    // A gateway that joins two headers.
    let joined = [element.as_bytes(), b", ", text].concat();
    assert_eq!(read(&joined), None);
}

/// The formats that are the certificate itself: what reads a value, and what writes a certificate so.
const WHOLE: [(Reader, Writer); 2] = [
    (|text| LeafCertificate::from_byte_sequence(text).ok(), byte_sequence),
    (|text| LeafCertificate::from_url_encoded_pem(text).ok(), url_encoded_pem),
];

type Reader = fn(&[u8]) -> Option<LeafCertificate>;
type Writer = fn(&[u8]) -> Vec<u8>;

/// RFC 9440 §2.2.
fn byte_sequence(der: &[u8]) -> Vec<u8> {
    format!(":{}:", STANDARD.encode(der)).into_bytes()
}

fn url_encoded_pem(der: &[u8]) -> Vec<u8> {
    pem(der).bytes().flat_map(|byte| format!("%{byte:02x}").into_bytes()).collect()
}

fn pem(der: &[u8]) -> String {
    format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", STANDARD.encode(der))
}

/// Whatever the DER is, each format has the same certificate of it; two in one header are none; and a client that may write a header of
/// its own before that of the proxy cannot choose one. Whether the bytes are a value of some format themselves.
fn check_whole(data: &[u8]) -> bool {
    let expected = LeafCertificate::from_pem(pem(data).as_bytes()).ok();
    let mut is_read = false;
    for (read, write) in WHOLE {
        let read = |text: &[u8]| bounded(Bound::TEXT, text.len(), || read(text));
        let text = write(data);
        assert_eq!(read(&text), expected);
        let good = write(LEAF);
        assert!(read(&good).is_some());
        for two in
            [[data, b",", &good].concat(), [&good, &b", "[..], data].concat(), [&text, &b","[..], &good].concat()]
        {
            assert_eq!(read(&two), None);
        }
        is_read |= read(data).is_some();
    }
    is_read
}
