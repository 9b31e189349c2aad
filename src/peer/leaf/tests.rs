use proptest::prelude::*;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{Fingerprint, LeafCertificate, LeafError, MAX_CHAIN_BYTES, MAX_DER_BYTES, MAX_PEM_BYTES, ValidityError};
use crate::testing::pem;
use crate::time::UnixTime;

/// Made and printed by OpenSSL 3.0.19, its option `-nameopt RFC2253`. The key of its issuer is gone.
pub(crate) const LEAF: &str = "-----BEGIN CERTIFICATE-----
MIIBczCCARkCAQcwCgYIKoZIzj0EAwIwSTELMAkGA1UEBhMCQUUxGDAWBgNVBAoM
D1RydXN0IEZyYW1ld29yazELMAkGA1UECwwCQ0ExEzARBgNVBAMMCklzc3Vpbmcg
Q0EwIBcNMjYxMTIyMDEwODQzWhgPMjEyNjEwMjkwMTA4NDNaMEAxCzAJBgNVBAYT
AkFFMRUwEwYDVQQKDAxIdWIgT3BlcmF0b3IxDDAKBgNVBAsMA2h1YjEMMAoGA1UE
AwwDYWJjMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEc+Z2d00SKzebiqiFVYfS
YqUnhzPWpp9bJpPHvPl+Hdb/rDSwR/cNx3UllyL3XGaJR9R2LpJfFoZ8E7kv10eh
rDAKBggqhkjOPQQDAgNIADBFAiEA/nY/A+8JGzM6dUFPgjgfkfdJ6gT/dSE24ivT
oGf+pmwCID9x8HrwbNwHXqFKYaubcvDStZULFTonuQG1EYfsWno4
-----END CERTIFICATE-----";
pub(crate) const LEAF_FINGERPRINT: &str = "9195bd8de4aea9e1632f4e493640327693ebde6a28ff229d7b6acfd7d6d29893";

/// Likewise, signed by itself, with everything in its name that needs an escape.
pub(crate) const STRANGE: &str = "-----BEGIN CERTIFICATE-----
MIICxjCCAm0CFHmsLVX+vH0Sf0sfnjid8HVJnK1PMAoGCCqGSM49BAMCMIHkMQsw
CQYDVQQGEwJBRTETMBEGA1UECgwK2KjZhtmDLCAiQTEeMAoGA1UEAxMDdHdvMBAG
A1UECwwJI29uZStDTj14MQswCQYDVQQFEwI0MjEVMBMGA1UEBwwM2KPYqNmI2LjY
qNmKMRowGAYJKoZIhvcNAQkBFgthQGIuZXhhbXBsZTEXMBUGCgmSJomT8ixkARkW
B2V4YW1wbGUxEjAQBgoJkiaJk/IsZAEBEwJ1MTEVMBMGCSsGAQQBg7IDARMGb3Bh
cXVlMQ4wDAYDVQQREwUwMDAwMDEMMAoGA1UEDBMDYT1iMCAXDTI2MTEyMjAxMDkx
NVoYDzIxMjYxMDI5MDEwOTE1WjCB5DELMAkGA1UEBhMCQUUxEzARBgNVBAoMCtio
2YbZgywgIkExHjAKBgNVBAMTA3R3bzAQBgNVBAsMCSNvbmUrQ049eDELMAkGA1UE
BRMCNDIxFTATBgNVBAcMDNij2KjZiNi42KjZijEaMBgGCSqGSIb3DQEJARYLYUBi
LmV4YW1wbGUxFzAVBgoJkiaJk/IsZAEZFgdleGFtcGxlMRIwEAYKCZImiZPyLGQB
ARMCdTExFTATBgkrBgEEAYOyAwETBm9wYXF1ZTEOMAwGA1UEERMFMDAwMDAxDDAK
BgNVBAwTA2E9YjBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABGzbkwNdTBh9e3sL
HvG0r67P/dc18/kVBwBlgpzFEL7nU6ooCkUOFTU/avENOu4K1RQaKuTxm4RmpcC9
YoEjfjowCgYIKoZIzj0EAwIDRwAwRAIgO0r+0Zc/INC2WTtkbPtY3dLooc1abdyC
vVid+gX4hpUCIBJB4ijh/+UQ+yAxpBPq/UUegM681yLOBpKwF7NAlnZ7
-----END CERTIFICATE-----";
const STRANGE_NAME: &str = r#"title=a=b,postalCode=00000,1.3.6.1.4.1.55555.1=#13066F7061717565,UID=u1,DC=example,emailAddress=a@b.example,L=\D8\A3\D8\A8\D9\88\D8\B8\D8\A8\D9\8A,serialNumber=42,OU=\#one\+CN=x+CN=two,O=\D8\A8\D9\86\D9\83\, \"A,C=AE"#;

/// As Envoy writes it into `x-forwarded-client-cert`, and nginx as `$ssl_client_escaped_cert`.
pub(crate) fn url_encoded(pem: &str) -> String {
    let unreserved = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    pem.bytes()
        .map(|byte| if unreserved(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

fn read(pem: &str) -> Result<LeafCertificate, LeafError> {
    LeafCertificate::from_pem(pem.as_bytes())
}

#[test]
fn a_certificate_says_who_issued_it_to_whom() {
    let leaf = read(LEAF).unwrap();
    assert_eq!(leaf.issuer(), "CN=Issuing CA,OU=CA,O=Trust Framework,C=AE");
    assert_eq!(leaf.subject(), "CN=abc,OU=hub,O=Hub Operator,C=AE");
    assert_eq!(leaf.fingerprint().to_string(), LEAF_FINGERPRINT);
}

#[test]
fn names_are_printed_as_openssl_prints_them() {
    let strange = read(STRANGE).unwrap();
    assert_eq!(strange.issuer(), STRANGE_NAME);
    assert_eq!(strange.subject(), STRANGE_NAME);
}

/// The PEM of the least that is read as a certificate, whose subject is one attribute with this type (the content of its OBJECT
/// IDENTIFIER) and the value `a`.
fn with_attribute(oid: &[u8]) -> String {
    let element = |tag: u8, content: &[u8]| [&[tag, content.len().try_into().unwrap()][..], content].concat();
    let attribute = element(0x30, &[element(6, oid), element(0x0c, b"a")].concat());
    let (serial, nothing) = (element(2, &[1]), element(0x30, b""));
    let subject = element(0x30, &element(0x31, &attribute));
    let validity = element(0x30, &[element(0x17, b"200101000000Z"), element(0x17, b"490101000000Z")].concat());
    let parts = [&serial, &nothing, &nothing, &validity, &subject, &nothing].map(Vec::as_slice);
    let signed = element(0x30, &parts.concat());
    pem("CERTIFICATE", &element(0x30, &[signed, nothing, element(3, &[0])].concat()))
}

/// Found by fuzzing: the crate that reads types keeps the lowest 32 bits of their arcs, and minds no padding.
#[test]
fn a_type_that_is_not_o_is_never_printed_as_its_number() {
    assert_eq!(read(&with_attribute(&[0x55, 4, 10])).unwrap().subject(), "O=a");
    assert_eq!(
        read(&with_attribute(&[0x55, 4, 0x8f, 0xff, 0xff, 0xff, 0x7f])).unwrap().subject(),
        "2.5.4.4294967295=#0C0161"
    );
    for oid in [
        // 2.5.4.4294967306, and 2.5.4.34359738378
        &[0x55, 4, 0x90, 0x80, 0x80, 0x80, 10][..],
        &[0x55, 4, 0x81, 0x80, 0x80, 0x80, 0x80, 10],
        // 2.4294967301.4.10 has the four in another place.
        &[0x55, 0x90, 0x80, 0x80, 0x80, 4, 10],
        // Numbers have no zeros in front (X.690 §8.19.2).
        &[0x55, 4, 0x80, 10],
        &[0x55, 0x80, 4, 10],
        // It ends in the midst of a number.
        &[0x55, 4, 0x8a],
    ] {
        assert_eq!(read(&with_attribute(oid)), Err(LeafError::NotACertificate), "{oid:x?}");
    }
}

#[test]
fn pem_is_read_with_any_white_space_between_its_lines_and_around() {
    for pem in [LEAF.replace('\n', "\r\n"), LEAF.replace('\n', "\n\t"), LEAF.replace('\n', ""), format!("\n{LEAF}\n")] {
        assert_eq!(read(&pem), read(LEAF), "{pem}");
    }
}

#[test]
fn url_encoded_pem_is_read() {
    let encoded = url_encoded(LEAF);
    for text in
        [&encoded, &encoded.replace("%2B", "%2b"), &encoded.replace("%2B", "+").replace("%2F", "/").replace("%3D", "=")]
    {
        assert_eq!(LeafCertificate::from_url_encoded_pem(text.as_bytes()), read(LEAF));
    }
    for text in ["%", "%2", "%2g", "%%20", &format!("{encoded}%0"), LEAF, &format!("{encoded},{encoded}"), "a\u{628}"] {
        assert_eq!(LeafCertificate::from_url_encoded_pem(text.as_bytes()), Err(LeafError::NotUrlEncoded), "{text}");
    }
    // RFC 3986: a plus sign is a plus sign, and a space only in HTML forms.
    assert!(
        LEAF.contains('+') && LeafCertificate::from_url_encoded_pem(encoded.replace("%2B", "+").as_bytes()).is_ok()
    );
}

/// The DER of a certificate in PEM, in base64.
pub(crate) fn base64_of(pem: &str) -> String {
    pem.lines().filter(|line| !line.starts_with('-')).collect()
}

#[test]
fn a_byte_sequence_is_read() {
    let read_sequence = |text: &str| LeafCertificate::from_byte_sequence(text.as_bytes());
    let base64 = base64_of(STRANGE);
    assert_eq!(read_sequence(&format!(":{base64}:")), read(STRANGE));
    assert_eq!(read_sequence(&format!(":{}:", base64_of(LEAF))), read(LEAF));
    for text in [
        "",
        ":",
        &base64,
        &format!(":{base64}"),
        &format!("{base64}:"),
        &format!(" :{base64}:"),
        &format!(":{base64}: "),
        &format!(":{base64}:;a=1"),
        &format!(":{base64}:, :{base64}:"),
        &format!(":{base64}\n:"),
        &format!("::{base64}::"),
        &format!("\"{base64}\""),
        &format!(":{}:", base64.replace('+', "-").replace('/', "_")),
        &format!(":{}=:", base64_of(LEAF)),
        &format!(":-----BEGIN CERTIFICATE-----{base64}-----END CERTIFICATE-----:"),
    ] {
        assert_eq!(read_sequence(text), Err(LeafError::NotAByteSequence), "{text}");
    }
    for text in
        ["::", ":MAA=:", &format!(":{}:", base64.replacen("MII", "MIJ", 1)), &format!(":{}AAAA:", base64_of(LEAF))]
    {
        assert_eq!(read_sequence(text), Err(LeafError::NotACertificate), "{text}");
    }
}

#[test]
fn a_byte_sequence_is_read_up_to_its_bound_and_not_beyond() {
    let of = |length: usize| LeafCertificate::from_byte_sequence(format!(":{}:", "A".repeat(length)).as_bytes());
    // The certificate, its name and so all of it is made longer: only one that is read proves that it was read to its end.
    let long = certificate_of(MAX_DER_BYTES);
    let text = format!(":{}:", STANDARD.encode(&long));
    assert_eq!(LeafCertificate::from_byte_sequence(text.as_bytes()).unwrap().fingerprint(), Fingerprint::of(&long));
    assert_eq!(of(MAX_DER_BYTES.div_ceil(3) * 4), Err(LeafError::NotACertificate));
    assert_eq!(of(MAX_DER_BYTES.div_ceil(3) * 4 + 4), Err(LeafError::TooLong));
}

/// A certificate of this many octets, of which an extension takes up most.
fn certificate_of(length: usize) -> Vec<u8> {
    let tlv = |tag: u8, content: &[u8]| {
        let length = u16::try_from(content.len()).unwrap().to_be_bytes();
        let header: &[u8] =
            if content.len() > 0xff { &[tag, 0x82, length[0], length[1]] } else { &[tag, 0x81, length[1]] };
        let header = if content.len() < 0x80 { &[tag, length[1]] } else { header };
        [header, content].concat()
    };
    let around = |filler: usize| {
        let empty = tlv(0x30, &[]);
        let time = tlv(0x17, b"260101000000Z");
        let validity = tlv(0x30, &[&*time, &time].concat());
        let parts: [&[u8]; 7] = [&[2, 1, 1], &empty, &empty, &validity, &empty, &empty, &tlv(0xa3, &vec![0; filler])];
        tlv(0x30, &[tlv(0x30, &parts.concat()), empty, vec![3, 1, 0]].concat())
    };
    let certificate = around(length - (around(length / 2).len() - length / 2));
    assert_eq!(certificate.len(), length);
    certificate
}

#[test]
fn anything_but_the_pem_of_one_certificate_is_refused() {
    let body = LEAF.trim_start_matches("-----BEGIN CERTIFICATE-----").trim_end_matches("-----END CERTIFICATE-----");
    for pem in [
        "",
        "-----BEGIN CERTIFICATE-----",
        body,
        &format!("{LEAF}\n{STRANGE}"),
        &format!("{LEAF}{LEAF}"),
        &format!("text\n{LEAF}"),
        &format!("{LEAF}\ntext"),
        &LEAF.replace("CERTIFICATE", "PUBLIC KEY"),
        &LEAF.replacen("MII", "M.I", 1),
        &LEAF.replacen("MII", "M=I", 1),
    ] {
        assert_eq!(read(pem), Err(LeafError::NotPem), "{pem}");
    }
}

#[test]
fn pem_that_holds_no_certificate_is_refused() {
    let cut = LEAF.lines().enumerate().filter(|(number, _)| *number != 2).map(|(_, line)| line).collect::<Vec<_>>();
    for pem in [
        "-----BEGIN CERTIFICATE----------END CERTIFICATE-----",
        "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----",
        &cut.join("\n"),
        &LEAF.replacen("MII", "MIJ", 1),
    ] {
        assert_eq!(read(pem), Err(LeafError::NotACertificate), "{pem}");
    }
}

#[test]
fn of_a_chain_the_first_certificate_is_read() {
    let first = |pem: &str| LeafCertificate::first_of_chain(pem);
    for pem in [
        LEAF.to_owned(),
        format!("{LEAF}\n{STRANGE}\n"),
        format!("subject=CN = \u{628}\n{}\nissuer=...\n{STRANGE}", LEAF.replace('\n', "\r\n")),
        format!("{LEAF}\n-----BEGIN CERTIFICATE-----\nno certificate\n"),
    ] {
        assert_eq!(first(&pem), read(LEAF), "{pem}");
    }
    assert_eq!(first(&format!("{STRANGE}\n{LEAF}")), read(STRANGE));
    let (end, begin) = ("-----END CERTIFICATE-----", "-----BEGIN CERTIFICATE-----");
    for pem in ["", begin, end, &LEAF.replace(end, ""), &LEAF.replace(begin, ""), &format!("{begin}\n{LEAF}")] {
        assert_eq!(first(pem), Err(LeafError::NotPem), "{pem}");
    }
    assert_eq!(first(&format!("{begin}{end}\n{LEAF}")), Err(LeafError::NotACertificate));
}

#[test]
fn a_chain_is_read_up_to_its_bound_and_not_beyond() {
    let padded = |length: usize| format!("{}{LEAF}", " ".repeat(length - LEAF.len()));
    assert!(LeafCertificate::first_of_chain(&padded(MAX_CHAIN_BYTES)).is_ok());
    assert_eq!(LeafCertificate::first_of_chain(&padded(MAX_CHAIN_BYTES + 1)), Err(LeafError::TooLong));
}

#[test]
fn pem_is_read_up_to_its_bound_and_not_beyond() {
    let padded = |length: usize| format!("{LEAF}{}", " ".repeat(length - LEAF.len()));
    assert!(read(&padded(MAX_PEM_BYTES)).is_ok());
    assert_eq!(read(&padded(MAX_PEM_BYTES + 1)), Err(LeafError::TooLong));
    let encoded = "%20".repeat(MAX_PEM_BYTES) + "x";
    assert_eq!(LeafCertificate::from_url_encoded_pem(encoded.as_bytes()), Err(LeafError::TooLong));
}

/// The leaf with something else in the place of its first time.
fn beginning(time: &[u8; 15]) -> String {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    let mut der = STANDARD.decode(LEAF.lines().filter(|line| !line.starts_with('-')).collect::<String>()).unwrap();
    let at = der.windows(15).position(|window| window == b"\x17\x0d261122010843Z").unwrap();
    der[at..at + 15].copy_from_slice(time);
    format!("-----BEGIN CERTIFICATE-----{}-----END CERTIFICATE-----", STANDARD.encode(der))
}

#[test]
fn a_certificate_says_when_it_is_valid() {
    // Its `notBefore` is a UTCTime, its `notAfter`, a century later, a GeneralizedTime.
    for (seconds, expected) in [
        (1_795_309_722, Err(ValidityError::NotYetValid)),
        (1_795_309_723, Ok(())),
        (4_948_909_723, Ok(())),
        (4_948_909_724, Err(ValidityError::Expired)),
    ] {
        assert_eq!(read(LEAF).unwrap().validity().check(UnixTime::from_secs(seconds)), expected, "{seconds}");
    }
    let earlier = read(&beginning(b"\x17\x0d200101000000Z")).unwrap();
    assert_eq!(earlier.validity().check(UnixTime::from_secs(1_600_000_000)), Ok(()));
}

#[test]
fn a_certificate_whose_time_makes_no_sense_is_refused() {
    for time in [b"\x17\x0d2611220108430", b"\x17\x0d261322010843Z", b"\x17\x0d            Z", b"\x0c\x0d261122010843Z"]
    {
        assert_eq!(read(&beginning(time)), Err(LeafError::NotACertificate), "{time:?}");
    }
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(text in prop::collection::vec(any::<u8>(), 0..100)) {
        let _ = LeafCertificate::from_url_encoded_pem(&text);
        let _ = LeafCertificate::from_byte_sequence(&text);
        let _ = LeafCertificate::from_byte_sequence(format!(":{}:", STANDARD.encode(&text)).as_bytes());
    }

    #[test]
    fn a_damaged_certificate_never_panics(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut der = STANDARD.decode(base64_of(STRANGE)).unwrap();
        let at = at.index(der.len());
        der[at] = byte;
        let pem = format!("-----BEGIN CERTIFICATE-----{}-----END CERTIFICATE-----", STANDARD.encode(&der));
        prop_assert_eq!(LeafCertificate::from_byte_sequence(format!(":{}:", STANDARD.encode(der)).as_bytes()), read(&pem));
        if let Ok(certificate) = read(&pem) {
            prop_assert!(certificate.issuer().is_ascii() && certificate.subject().is_ascii());
        }
    }
}
