//! Issuer and subject of a certificate are printed as AWS-LC prints them, and it is valid from the second to the second that AWS-LC reads.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hub_auth_filter::facade::peer::{Fingerprint, LeafCertificate, Validity, ValidityError};
use hub_auth_filter::facade::time::UnixTime;

use crate::cost::{Bound, bounded};
use crate::reference::aws_lc;

/// The DER of a certificate.
pub(crate) fn check(data: &[u8]) -> bool {
    let pem = format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", STANDARD.encode(data));
    let ours = bounded(Bound::TEXT, pem.len(), || LeafCertificate::from_pem(pem.as_bytes()));
    let theirs = aws_lc::certificate(data);
    if let Ok(ours) = &ours {
        assert_eq!(ours.fingerprint(), Fingerprint::of(data));
        if let Some(theirs) = &theirs {
            for (ours, theirs) in [(ours.issuer(), &theirs.issuer), (ours.subject(), &theirs.subject)] {
                assert!(
                    is_same(ours, &String::from_utf8_lossy(theirs)),
                    "{ours}, and {}",
                    String::from_utf8_lossy(theirs)
                );
            }
        }
    }
    if let (Ok(ours), Some(theirs)) = (&ours, &theirs) {
        check_validity(ours.validity(), theirs.validity.expect("what we read as a time is one"));
    }
    for chain in [format!("text\n{pem}"), format!("{pem}text\n{pem}")] {
        let first = bounded(Bound::TEXT, chain.len(), || LeafCertificate::first_of_chain(&chain));
        assert_eq!(first, ours);
    }
    ours.is_ok()
}

fn check_validity(ours: Validity, [first, last]: [i64; 2]) {
    let at = |seconds: i64| u64::try_from(seconds).map_or(UnixTime::EPOCH, UnixTime::from_secs);
    if first > last {
        // It never is.
        return assert!(ours.check(at(first)).is_err() && ours.check(at(last)).is_err());
    }
    assert_eq!([first, last].map(|time| ours.check(at(time))), [Ok(()); 2]);
    assert_eq!(ours.check(at(last + 1)), Err(ValidityError::Expired));
    assert!(first == 0 || ours.check(at(first - 1)) == Err(ValidityError::NotYetValid), "{first}");
}

/// Whether two printed names are the same, but for types that only theirs knows by name: ours prints those as it prints any unknown one,
/// and nobody takes them for an O, OU or CN.
fn is_same(ours: &str, theirs: &str) -> bool {
    let (ours, theirs) = (attributes(ours), attributes(theirs));
    let is_unknown = |ours: &str, theirs: &str| {
        let is_dumped = ours.starts_with(|first: char| first.is_ascii_digit()) && ours.contains("=#");
        is_dumped && theirs.starts_with(|first: char| first.is_ascii_alphabetic())
    };
    ours.len() == theirs.len()
        && ours.iter().zip(&theirs).all(|(ours, theirs)| ours == theirs || is_unknown(ours, theirs))
}

/// The attributes of a printed name, each with the separator behind it.
fn attributes(name: &str) -> Vec<&str> {
    let mut is_escaped = false;
    name.split_inclusive(|character| {
        let separates = !is_escaped && matches!(character, ',' | '+');
        is_escaped = !is_escaped && character == '\\';
        separates
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_the_same_attribute_by_attribute() {
        for (ours, theirs, same) in [
            (r"O=a\,b,CN=c", r"O=a\,b,CN=c", true),
            ("2.5.4.34=#0C0161,CN=c", "seeAlso=a,CN=c", true),
            ("2.5.4.34=#0C0161,CN=c", "seeAlso=a,CN=d", false),
            ("CN=c+O=a", "CN=c,O=a", false),
            ("2.5.4.10=#0C0161", "2.5.4.11=#0C0161", false),
            ("O=a", "2.5.4.10=#0C0161", false),
            ("O=a", "O=a,CN=c", false),
        ] {
            assert_eq!(is_same(ours, theirs), same, "{ours}, and {theirs}");
        }
    }
}
