//! Who is believed about a forwarded certificate, what must be said beside it, and the formats that are the certificate
//! itself; [`super::xfcc`] has tests of its own.

use proptest::prelude::*;

use super::{ForwardedFormat, ForwardedHeader, Verification};
use crate::peer::leaf::LeafError;
use crate::peer::leaf::tests::{LEAF, LEAF_FINGERPRINT, STRANGE, base64_of, url_encoded};
use crate::peer::{
    Fingerprint, Hop, Malformed, NotPinned, PeerCertificate, PeerError, PeerFacts, PeerRules, PeerSource, Pins,
    ValidityError,
};
use crate::time::UnixTime;

const PROXY: &str = "CN=nginx-1,OU=edge,O=Bank";
const PROXY_HASH: &str = "00e854aadab0405e7c7e0234f6849bd2e00f7575dfd6b5e07b574a7209a550f4";
const FORMATS: [ForwardedFormat; 3] = [ForwardedFormat::Xfcc, ForwardedFormat::Rfc9440, ForwardedFormat::UrlEncodedPem];

/// The certificate of a PEM, as a proxy writes it.
fn written(format: ForwardedFormat, pem: &str) -> String {
    match format {
        ForwardedFormat::Xfcc => {
            let leaf = crate::peer::LeafCertificate::from_pem(pem.as_bytes()).unwrap();
            format!(r#"Hash={};Cert="{}";Subject="{}""#, leaf.fingerprint(), url_encoded(pem), leaf.subject())
        }
        ForwardedFormat::Rfc9440 => format!(":{}:", base64_of(pem)),
        ForwardedFormat::UrlEncodedPem => url_encoded(pem),
    }
}

fn units(units: &[&str]) -> Pins {
    Pins { organisational_units: units.iter().map(|&unit| unit.to_owned()).collect(), ..Pins::default() }
}

/// From a proxy that is pinned, and says whether it verified the certificate.
fn rules(format: ForwardedFormat) -> ForwardedHeader {
    let verification = |header: &str, value: &str| Verification { header: header.into(), value: value.into() };
    ForwardedHeader {
        name: "x-client-cert".into(),
        format,
        verifications: vec![verification("x-present", "true"), verification("x-verify", "SUCCESS")],
        hop: Hop::MutualTls(units(&["edge"])),
    }
}

/// What arrives when all is well.
fn facts(format: ForwardedFormat) -> PeerFacts {
    PeerFacts {
        verified: true,
        subject: Some(PROXY.into()),
        fingerprint: Some(PROXY_HASH.into()),
        certificate: None,
        forwarded: vec![written(format, LEAF).into()],
        verifications: vec![(1, b"SUCCESS".to_vec()), (0, b"true".to_vec())],
    }
}

fn refusal(facts: &PeerFacts, rules: &ForwardedHeader) -> PeerError {
    rules.certificate(facts).unwrap_err()
}

#[test]
fn a_certificate_is_read_in_each_format_and_is_the_clients() {
    for format in FORMATS {
        let certificate = rules(format).certificate(&facts(format)).unwrap();
        assert_eq!(certificate.subject(), b"CN=abc,OU=hub,O=Hub Operator,C=AE", "{format:?}");
        assert_eq!(certificate.fingerprint().unwrap().to_string(), LEAF_FINGERPRINT, "{format:?}");
        assert_eq!(certificate.leaf().unwrap().issuer(), "CN=Issuing CA,OU=CA,O=Trust Framework,C=AE", "{format:?}");
    }
}

#[test]
fn whoever_is_not_the_pinned_proxy_is_not_believed_whatever_the_header_says() {
    use NotPinned::{Fingerprint as Hash, FingerprintUnknown, NothingIsPinned, OrganisationalUnit as Unit};
    let hash = || vec![Fingerprint::parse(PROXY_HASH).unwrap()];
    let other = || vec![Fingerprint::parse(LEAF_FINGERPRINT).unwrap()];
    let by_hash = |fingerprints| Pins { fingerprints, ..Pins::default() };
    for (what, subject, fingerprint, pins, expected) in [
        ("another OU", "OU=batch,O=Bank", Some(PROXY_HASH), units(&["edge"]), Some(Unit)),
        ("no OU", "CN=edge,O=edge", Some(PROXY_HASH), units(&["edge"]), Some(Unit)),
        ("a second OU", "OU=edge,OU=batch,O=Bank", Some(PROXY_HASH), units(&["edge"]), Some(Unit)),
        ("an OU twice", "OU=edge,OU=edge,O=Bank", Some(PROXY_HASH), units(&["edge"]), Some(Unit)),
        ("an OU in a value", r"CN=a\,OU=edge,O=Bank", Some(PROXY_HASH), units(&["edge"]), Some(Unit)),
        ("no name", "edge", Some(PROXY_HASH), units(&["edge"]), Some(Unit)),
        ("an empty name", "", Some(PROXY_HASH), units(&["edge"]), Some(Unit)),
        ("another case", "OU=Edge,O=Bank", Some(PROXY_HASH), units(&["edge"]), Some(Unit)),
        ("another fingerprint", PROXY, Some(LEAF_FINGERPRINT), by_hash(hash()), Some(Hash)),
        ("an unknown fingerprint", PROXY, None, by_hash(hash()), Some(FingerprintUnknown)),
        ("a broken fingerprint", PROXY, Some("00"), by_hash(hash()), Some(FingerprintUnknown)),
        (
            "the OU, not the fingerprint",
            PROXY,
            Some(PROXY_HASH),
            Pins { fingerprints: other(), ..units(&["edge"]) },
            Some(Hash),
        ),
        ("no pin", PROXY, Some(PROXY_HASH), Pins::default(), Some(NothingIsPinned)),
        ("the OU", PROXY, None, units(&["other", "edge"]), None),
        ("the OU alone in a name", "OU=edge", None, units(&["edge"]), None),
        ("the fingerprint", "CN=nginx-1", Some(PROXY_HASH), by_hash(hash()), None),
        ("the fingerprint and an unreadable name", "=", Some(PROXY_HASH), by_hash(hash()), None),
        ("both", PROXY, Some(PROXY_HASH), Pins { fingerprints: hash(), ..units(&["edge"]) }, None),
        ("anybody", "CN=x", None, Pins { allow_unpinned: true, ..Pins::default() }, None),
    ] {
        for format in FORMATS {
            let rules = ForwardedHeader { hop: Hop::MutualTls(pins.clone()), ..rules(format) };
            let fingerprint = fingerprint.map(Into::into);
            let right = PeerFacts { subject: Some(subject.into()), fingerprint, ..facts(format) };
            assert_eq!(rules.certificate(&right).err(), expected.map(PeerError::UnknownProxy), "{what} {format:?}");
            // Nothing else that arrived is looked at.
            let wrong = PeerFacts { forwarded: vec![b"x".to_vec(); 2], verifications: Vec::new(), ..right.clone() };
            if let Some(expected) = expected {
                assert_eq!(refusal(&wrong, &rules), PeerError::UnknownProxy(expected), "{what} {format:?}");
            }
            let unverified = PeerFacts { verified: false, ..right };
            assert_eq!(refusal(&unverified, &rules), PeerError::Missing, "{what} {format:?}");
        }
    }
}

#[test]
fn the_proxys_certificate_itself_tells_its_fingerprint_where_the_gateway_does_not() {
    let pins = Pins { fingerprints: vec![Fingerprint::parse(LEAF_FINGERPRINT).unwrap()], ..Pins::default() };
    let rules = ForwardedHeader { hop: Hop::MutualTls(pins), ..rules(ForwardedFormat::Rfc9440) };
    let with = |certificate: &str| PeerFacts {
        fingerprint: None,
        certificate: Some(certificate.into()),
        ..facts(ForwardedFormat::Rfc9440)
    };
    assert!(rules.certificate(&with(LEAF)).is_ok());
    assert_eq!(refusal(&with(STRANGE), &rules), PeerError::UnknownProxy(NotPinned::Fingerprint));
    assert_eq!(refusal(&with("no PEM"), &rules), PeerError::UnknownProxy(NotPinned::FingerprintUnknown));
}

#[test]
fn over_a_plaintext_hop_the_header_is_believed_from_anybody_and_everything_else_still_counts() {
    for format in FORMATS {
        let rules = ForwardedHeader { hop: Hop::Plaintext, ..rules(format) };
        let plaintext = PeerFacts { verified: false, subject: None, fingerprint: None, ..facts(format) };
        assert!(rules.certificate(&plaintext).is_ok());
        assert!(rules.certificate(&PeerFacts { subject: Some("CN=x".into()), ..facts(format) }).is_ok());
        let unverified = PeerFacts { verifications: Vec::new(), ..plaintext };
        assert_eq!(refusal(&unverified, &rules), PeerError::NotVerified);
    }
}

#[test]
fn a_certificate_that_nobody_says_to_be_verified_is_refused() {
    let said = |present: &[&str], verify: &[&str]| -> Vec<(usize, Vec<u8>)> {
        let of = |place: usize, values: &[&str]| {
            values.iter().map(|value| (place, value.as_bytes().to_vec())).collect::<Vec<_>>()
        };
        [of(0, present), of(1, verify)].concat()
    };
    let twice = PeerError::Malformed(Malformed::SeveralForwardedHeaders);
    for (verifications, expected) in [
        (said(&["true"], &["SUCCESS"]), None),
        (said(&[], &[]), Some(PeerError::NotVerified)),
        (said(&["true"], &[]), Some(PeerError::NotVerified)),
        (said(&[], &["SUCCESS"]), Some(PeerError::NotVerified)),
        (said(&["SUCCESS"], &["true"]), Some(PeerError::NotVerified)),
        (said(&["false"], &["SUCCESS"]), Some(PeerError::NotVerified)),
        (said(&["true"], &["NONE"]), Some(PeerError::NotVerified)),
        (said(&["true"], &["FAILED:self-signed certificate"]), Some(PeerError::NotVerified)),
        (said(&["true"], &["success"]), Some(PeerError::NotVerified)),
        (said(&["true"], &["SUCCESS,SUCCESS"]), Some(PeerError::NotVerified)),
        (said(&["true"], &["FAILED, SUCCESS"]), Some(PeerError::NotVerified)),
        (said(&["true"], &[" SUCCESS"]), Some(PeerError::NotVerified)),
        (said(&["true"], &[""]), Some(PeerError::NotVerified)),
        (said(&["true"], &["SUCCESS", "SUCCESS"]), Some(twice)),
        (said(&["true"], &["FAILED", "SUCCESS"]), Some(twice)),
        (said(&["true", "false"], &["SUCCESS"]), Some(twice)),
    ] {
        for format in FORMATS {
            let facts = PeerFacts { verifications: verifications.clone(), ..facts(format) };
            assert_eq!(rules(format).certificate(&facts).err(), expected, "{verifications:?}");
        }
    }
    let always = ForwardedHeader { verifications: Vec::new(), ..rules(ForwardedFormat::Rfc9440) };
    let silent = PeerFacts { verifications: Vec::new(), ..facts(ForwardedFormat::Rfc9440) };
    assert!(always.certificate(&silent).is_ok());
}

#[test]
fn a_certificate_that_is_forwarded_as_a_whole_counts_in_its_time() {
    let (before, begun, ended) = (1_795_309_722, 1_795_309_723, 4_948_909_724);
    for format in FORMATS {
        let rules = PeerRules { pins: units(&["hub"]), source: PeerSource::ForwardedHeader(rules(format)) };
        let certificate = PeerCertificate::establish(&facts(format), &rules).unwrap();
        let at = |seconds| certificate.check_validity(UnixTime::from_secs(seconds)).err();
        assert_eq!(at(before), Some(PeerError::NotValid(ValidityError::NotYetValid)), "{format:?}");
        assert_eq!(at(begun), None, "{format:?}");
        assert_eq!(at(ended), Some(PeerError::NotValid(ValidityError::Expired)), "{format:?}");
    }
}

#[test]
fn one_value_counts_or_none() {
    for format in FORMATS {
        let with = |values: &[&str]| PeerFacts {
            forwarded: values.iter().map(|value| value.as_bytes().to_vec()).collect(),
            ..facts(format)
        };
        let (hub, other) = (written(format, LEAF), written(format, STRANGE));
        let several = PeerError::Malformed(Malformed::SeveralForwardedHeaders);
        for (values, expected) in [
            (vec![], PeerError::Missing),
            (vec![""], PeerError::Missing),
            (vec![hub.as_str(), hub.as_str()], several),
            (vec![other.as_str(), hub.as_str()], several),
            (vec![hub.as_str(), ""], several),
        ] {
            assert_eq!(refusal(&with(&values), &rules(format)), expected, "{format:?} {values:?}");
        }
        // Joined, as some gateways do.
        for joined in [format!("{hub},{other}"), format!("{hub}, {hub}"), format!("{hub},"), format!(",{hub}")] {
            let error = refusal(&with(&[&joined]), &rules(format));
            assert!(matches!(error, PeerError::Malformed(_)), "{format:?} {joined}: {error:?}");
        }
    }
}

#[test]
fn a_format_is_not_taken_for_another() {
    for format in FORMATS {
        for other in FORMATS.into_iter().filter(|other| *other != format) {
            let facts = PeerFacts { forwarded: vec![written(other, LEAF).into()], ..facts(format) };
            let error = refusal(&facts, &rules(format));
            assert!(matches!(error, PeerError::Malformed(_)), "{other:?} for {format:?}: {error:?}");
        }
    }
}

#[test]
fn what_is_not_one_whole_certificate_is_refused() {
    use ForwardedFormat::{Rfc9440, UrlEncodedPem};
    let (sequence, pem) = (written(Rfc9440, LEAF), written(UrlEncodedPem, LEAF));
    let (bundle, doubly) = (url_encoded(&format!("{LEAF}\n{STRANGE}")), url_encoded(&pem));
    for (format, value, expected) in [
        (Rfc9440, sequence.replacen("MII", "MIJ", 1), LeafError::NotACertificate),
        (Rfc9440, "::".to_owned(), LeafError::NotACertificate),
        (Rfc9440, sequence.replace(':', ""), LeafError::NotAByteSequence),
        (Rfc9440, format!("{sequence};verified"), LeafError::NotAByteSequence),
        (Rfc9440, "x".repeat(22 * 1024), LeafError::TooLong),
        (UrlEncodedPem, pem.replacen("MII", "MIJ", 1), LeafError::NotACertificate),
        (UrlEncodedPem, bundle, LeafError::NotPem),
        (UrlEncodedPem, doubly, LeafError::NotPem),
        (UrlEncodedPem, LEAF.replace('\n', " "), LeafError::NotUrlEncoded),
        (UrlEncodedPem, pem.replace("%0A", "%0"), LeafError::NotUrlEncoded),
        (UrlEncodedPem, format!("{pem}%00"), LeafError::NotPem),
        (UrlEncodedPem, "%41".repeat(16 * 1024) + "A", LeafError::TooLong),
    ] {
        let facts = PeerFacts { forwarded: vec![value.clone().into()], ..facts(format) };
        let expected = PeerError::Malformed(Malformed::Certificate(expected));
        assert_eq!(refusal(&facts, &rules(format)), expected, "{value}");
    }
}

proptest! {
    #[test]
    fn arbitrary_values_never_panic(
        value in prop::collection::vec(any::<u8>(), 0..100), said in prop::collection::vec((0_usize..3, "true|SUCCESS|x"), 0..5),
        format in prop::sample::select(&FORMATS),
    ) {
        let verifications = said.into_iter().map(|(place, value)| (place, value.into_bytes())).collect();
        let facts = PeerFacts { forwarded: vec![value], verifications, ..facts(format) };
        if let Ok(certificate) = rules(format).certificate(&facts) {
            let _ = (certificate.leaf(), certificate.fingerprint(), certificate.subject());
        }
    }

    #[test]
    fn a_damaged_value_is_refused_or_is_another_certificate(
        format in prop::sample::select(&FORMATS), at: prop::sample::Index, octet: u8,
    ) {
        let mut value = written(format, LEAF).into_bytes();
        let at = at.index(value.len());
        value[at] = octet;
        if let Ok(certificate) = rules(format).certificate(&PeerFacts { forwarded: vec![value], ..facts(format) }) {
            let _ = certificate.leaf();
            prop_assert!(certificate.fingerprint().is_some());
        }
    }
}
