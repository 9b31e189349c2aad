//! The rules of the decision, each for itself: what is missing, what is malformed, who is pinned, and in which order.

use proptest::prelude::*;

use super::fingerprint::{Fingerprint, FingerprintError};
use super::forwarded::xfcc::XfccError;
use super::leaf::LeafError;
use super::leaf::tests::LEAF;
use super::name::NameError;
use super::subject::SubjectError;
use super::{
    ForwardedFormat, ForwardedHeader, Hop, Malformed, NotPinned, PeerCertificate, PeerError, PeerFacts, PeerRules,
    PeerSource, Pins,
};

const HUB: &str = "CN=abc,OU=hub,O=Hub Operator,C=AE";
const HUB_HASH: &str = "bf7cd2115ed39116f5e3792e102cc2205e47bbda6ebea7eb02d51b9aa326f28b";
const OTHER_HASH: &str = "00e854aadab0405e7c7e0234f6849bd2e00f7575dfd6b5e07b574a7209a550f4";

fn hub_on_connection() -> PeerFacts {
    PeerFacts { verified: true, subject: Some(HUB.into()), fingerprint: Some(HUB_HASH.into()), ..PeerFacts::default() }
}

/// The connection's own certificate is the proxy's, which no pin allows.
fn hub_behind_a_proxy() -> PeerFacts {
    PeerFacts {
        verified: true,
        subject: Some("OU=proxy,O=Bank".into()),
        fingerprint: Some(OTHER_HASH.into()),
        forwarded: vec![format!(r#"Hash={HUB_HASH};Subject="{HUB}";URI="#).into()],
        ..PeerFacts::default()
    }
}

fn fingerprint(text: &str) -> Fingerprint {
    Fingerprint::parse(text.as_bytes()).unwrap()
}

fn pinned(organisational_units: &[&str], fingerprints: &[&str]) -> PeerRules {
    let pins = Pins {
        organisational_units: organisational_units.iter().map(|&unit| unit.to_owned()).collect(),
        fingerprints: fingerprints.iter().map(|text| fingerprint(text)).collect(),
        allow_unpinned: false,
    };
    PeerRules { pins, source: PeerSource::Connection }
}

/// Rules that have no pins, or need none because of it.
fn unpinned(rules: PeerRules) -> PeerRules {
    PeerRules { pins: Pins { allow_unpinned: true, ..rules.pins }, ..rules }
}

fn forwarded(rules: PeerRules, trust_plaintext_hop: bool) -> PeerRules {
    let hop = match trust_plaintext_hop {
        true => Hop::Plaintext,
        false => Hop::MutualTls(pinned(&["proxy"], &[OTHER_HASH]).pins),
    };
    let (name, format) = ("x-forwarded-client-cert".to_owned(), ForwardedFormat::Xfcc);
    PeerRules {
        source: PeerSource::ForwardedHeader(ForwardedHeader { name, format, verifications: Vec::new(), hop }),
        ..rules
    }
}

fn rejection(facts: &PeerFacts, rules: &PeerRules) -> PeerError {
    PeerCertificate::establish(facts, rules).unwrap_err()
}

#[test]
fn a_verified_and_pinned_peer_is_established_with_what_is_known_of_it() {
    let peer = PeerCertificate::establish(&hub_on_connection(), &pinned(&["hub"], &[])).unwrap();
    assert_eq!(peer.subject().organisation(), "Hub Operator");
    assert_eq!(peer.subject().organisational_unit(), "hub");
    assert_eq!(peer.subject().common_name(), Some("abc"));
    assert_eq!(peer.fingerprint(), Some(fingerprint(HUB_HASH)));
}

#[test]
fn a_peer_whose_fingerprint_is_not_known_is_established_without_it() {
    let facts = PeerFacts { fingerprint: None, ..hub_on_connection() };
    assert_eq!(PeerCertificate::establish(&facts, &pinned(&["hub"], &[])).unwrap().fingerprint(), None);
}

#[test]
fn a_certificate_that_was_not_verified_is_missing_even_if_its_subject_is_shown() {
    let facts = PeerFacts { verified: false, ..hub_on_connection() };
    assert_eq!(rejection(&facts, &pinned(&["hub"], &[])), PeerError::Missing);
}

#[test]
fn a_certificate_without_a_subject_fact_is_missing() {
    let facts = PeerFacts { subject: None, ..hub_on_connection() };
    assert_eq!(rejection(&facts, &pinned(&["hub"], &[])), PeerError::Missing);
    assert_eq!(rejection(&PeerFacts::default(), &pinned(&["hub"], &[])), PeerError::Missing);
}

#[test]
fn the_forwarded_header_is_nothing_to_a_connection_that_speaks_for_itself() {
    let facts = PeerFacts { subject: None, ..hub_behind_a_proxy() };
    assert_eq!(rejection(&facts, &pinned(&["hub"], &[])), PeerError::Missing);
    let facts = PeerFacts { subject: Some("OU=tpp,O=Tpp".into()), ..hub_behind_a_proxy() };
    assert_eq!(rejection(&facts, &pinned(&["hub"], &[])), NotPinned::OrganisationalUnit.into());
}

#[test]
fn a_subject_that_is_no_name_or_ambiguous_is_malformed() {
    let cases = [
        ("", Malformed::Name(NameError::Empty)),
        ("OU=hub;O=Hub", Malformed::Name(NameError::UnescapedSpecial)),
        ("OU=tpp,OU=hub,O=Hub", Malformed::Subject(SubjectError::NotOneOrganisationalUnit)),
        ("OU=hub", Malformed::Subject(SubjectError::NotOneOrganisation)),
    ];
    for (subject, expected) in cases {
        let facts = PeerFacts { subject: Some(subject.into()), ..hub_on_connection() };
        assert_eq!(rejection(&facts, &pinned(&["hub"], &[])), expected.into(), "{subject}");
        let header = format!(r#"Subject="{}""#, subject.replace(';', "<"));
        let facts = PeerFacts { forwarded: vec![header.into()], ..hub_behind_a_proxy() };
        assert_eq!(rejection(&facts, &forwarded(pinned(&["hub"], &[]), false)), expected.into(), "{subject}");
    }
}

#[test]
fn a_fingerprint_fact_that_is_no_fingerprint_is_malformed_whatever_is_pinned() {
    for rules in [pinned(&["hub"], &[]), pinned(&[], &[HUB_HASH])] {
        for (text, expected) in [
            ("", FingerprintError::WrongLength),
            (HUB_HASH.split_at(40).0, FingerprintError::WrongLength),
            (&HUB_HASH.replace('b', "x"), FingerprintError::NotHexadecimal),
        ] {
            let facts = PeerFacts { fingerprint: Some(text.into()), ..hub_on_connection() };
            assert_eq!(rejection(&facts, &rules), Malformed::Fingerprint(expected).into(), "{text}");
        }
    }
}

#[test]
fn an_organisational_unit_is_pinned_octet_by_octet() {
    assert!(PeerCertificate::establish(&hub_on_connection(), &pinned(&["other", "hub"], &[])).is_ok());
    for pin in ["other", "HUB", "hub ", "hu", "hubs", "", "hub\u{200d}"] {
        assert_eq!(
            rejection(&hub_on_connection(), &pinned(&[pin], &[])),
            NotPinned::OrganisationalUnit.into(),
            "{pin:?}"
        );
    }
}

#[test]
fn a_pinned_organisational_unit_is_not_found_in_other_attributes() {
    for subject in ["CN=hub,OU=tpp,O=hub", r"OU=tpp\,OU=hub,O=x", "L=hub,OU=tpp,O=OU=hub"] {
        let facts = PeerFacts { subject: Some(subject.into()), ..hub_on_connection() };
        assert_eq!(rejection(&facts, &pinned(&["hub"], &[])), NotPinned::OrganisationalUnit.into(), "{subject}");
    }
}

#[test]
fn a_fingerprint_is_pinned_alone_and_in_any_spelling() {
    let rules = pinned(&[], &[OTHER_HASH, HUB_HASH]);
    assert!(PeerCertificate::establish(&hub_on_connection(), &rules).is_ok());
    let facts = PeerFacts { fingerprint: Some(HUB_HASH.to_uppercase().into()), ..hub_on_connection() };
    assert!(PeerCertificate::establish(&facts, &rules).is_ok());
    assert_eq!(rejection(&hub_on_connection(), &pinned(&[], &[OTHER_HASH])), NotPinned::Fingerprint.into());
}

#[test]
fn a_pinned_fingerprint_needs_a_known_one() {
    let facts = PeerFacts { fingerprint: None, ..hub_on_connection() };
    assert_eq!(rejection(&facts, &pinned(&["hub"], &[HUB_HASH])), NotPinned::FingerprintUnknown.into());
}

#[test]
fn each_list_that_is_not_empty_must_match() {
    assert!(PeerCertificate::establish(&hub_on_connection(), &pinned(&["hub"], &[HUB_HASH])).is_ok());
    assert_eq!(rejection(&hub_on_connection(), &pinned(&["other"], &[HUB_HASH])), NotPinned::OrganisationalUnit.into());
    assert_eq!(rejection(&hub_on_connection(), &pinned(&["hub"], &[OTHER_HASH])), NotPinned::Fingerprint.into());
}

#[test]
fn a_peer_is_unpinned_only_when_that_is_said_aloud() {
    assert_eq!(rejection(&hub_on_connection(), &pinned(&[], &[])), NotPinned::NothingIsPinned.into());
    let rules = unpinned(pinned(&[], &[]));
    assert!(PeerCertificate::establish(&hub_on_connection(), &rules).is_ok());
}

#[test]
fn allowing_unpinned_peers_does_not_lift_a_pin_that_is_listed() {
    for (rules, expected) in
        [(pinned(&["other"], &[]), NotPinned::OrganisationalUnit), (pinned(&[], &[OTHER_HASH]), NotPinned::Fingerprint)]
    {
        assert_eq!(rejection(&hub_on_connection(), &unpinned(rules)), expected.into());
    }
}

#[test]
fn allowing_unpinned_peers_does_not_lift_the_need_for_a_sound_certificate() {
    let rules = unpinned(pinned(&[], &[]));
    let unverified = PeerFacts { verified: false, ..hub_on_connection() };
    assert_eq!(rejection(&unverified, &rules), PeerError::Missing);
    let ambiguous = PeerFacts { subject: Some("OU=a,OU=b,O=x".into()), ..hub_on_connection() };
    assert_eq!(rejection(&ambiguous, &rules), Malformed::Subject(SubjectError::NotOneOrganisationalUnit).into());
}

#[test]
fn a_forwarded_certificate_is_the_headers_and_not_the_proxys() {
    let rules = forwarded(pinned(&["hub"], &[HUB_HASH]), false);
    let peer = PeerCertificate::establish(&hub_behind_a_proxy(), &rules).unwrap();
    assert_eq!(peer.subject().organisational_unit(), "hub");
    assert_eq!(peer.fingerprint(), Some(fingerprint(HUB_HASH)));

    let without_hash = PeerFacts { forwarded: vec![format!(r#"Subject="{HUB}""#).into()], ..hub_behind_a_proxy() };
    let rules = forwarded(pinned(&[], &[OTHER_HASH]), false);
    assert_eq!(rejection(&without_hash, &rules), NotPinned::FingerprintUnknown.into());
}

#[test]
fn a_forwarded_header_over_a_hop_without_mutual_tls_is_believed_only_when_that_is_said_aloud() {
    let facts = PeerFacts { verified: false, subject: None, fingerprint: None, ..hub_behind_a_proxy() };
    assert_eq!(rejection(&facts, &forwarded(pinned(&["hub"], &[]), false)), PeerError::Missing);
    assert!(PeerCertificate::establish(&facts, &forwarded(pinned(&["hub"], &[]), true)).is_ok());
}

#[test]
fn the_connection_never_stands_in_for_a_forwarded_header_that_is_missing() {
    for trust_plaintext_hop in [false, true] {
        let facts = PeerFacts { forwarded: Vec::new(), ..hub_behind_a_proxy() };
        let rules = forwarded(pinned(&["hub"], &[]), trust_plaintext_hop);
        assert_eq!(rejection(&facts, &rules), PeerError::Missing);
        let facts = PeerFacts { subject: Some(HUB.into()), ..facts };
        assert!(PeerCertificate::establish(&facts, &rules).is_err());
    }
}

#[test]
fn several_forwarded_headers_are_malformed_even_if_they_agree() {
    let mut facts = hub_behind_a_proxy();
    facts.forwarded.push(facts.forwarded[0].clone());
    assert_eq!(rejection(&facts, &forwarded(pinned(&["hub"], &[]), false)), Malformed::SeveralForwardedHeaders.into());
}

#[test]
fn a_forwarded_header_that_does_not_name_one_certificate_is_malformed() {
    let header = format!(r#"Hash={HUB_HASH};URI=x;Subject="{HUB}""#);
    let facts = PeerFacts { forwarded: vec![header.into()], ..hub_behind_a_proxy() };
    let expected = Malformed::Forwarded(XfccError::KeyAfterPeerText);
    assert_eq!(rejection(&facts, &forwarded(pinned(&["hub"], &[]), false)), expected.into());
}

#[test]
fn missing_comes_before_malformed_and_malformed_before_not_pinned_and_the_proxy_before_all_that_it_forwards() {
    let mut facts = hub_behind_a_proxy();
    facts.verified = false;
    facts.subject = Some("OU=a,OU=b".into());
    facts.fingerprint = Some("x".into());
    facts.forwarded = vec![b"x".to_vec(), b"y".to_vec()];
    for rules in [pinned(&["other"], &[]), forwarded(pinned(&["other"], &[]), false)] {
        assert_eq!(rejection(&facts, &rules), PeerError::Missing);
    }
    facts.verified = true;
    for rules in [pinned(&["other"], &[]), pinned(&[], &[])] {
        assert!(matches!(rejection(&facts, &rules), PeerError::Malformed(_)));
    }
    let rules = forwarded(pinned(&["other"], &[]), false);
    assert_eq!(rejection(&facts, &rules), PeerError::UnknownProxy(NotPinned::OrganisationalUnit));
    let facts = PeerFacts { forwarded: facts.forwarded, ..hub_behind_a_proxy() };
    assert!(matches!(rejection(&facts, &rules), PeerError::Malformed(_)));
}

#[test]
fn a_message_names_the_failed_check_and_echoes_nothing() {
    let facts = PeerFacts { subject: Some("OU=secret,O=x,O=y".into()), ..hub_on_connection() };
    let cases = [
        (rejection(&PeerFacts::default(), &pinned(&["pin"], &[])), "no verified client certificate"),
        (rejection(&facts, &pinned(&["pin"], &[])), "the subject does not have exactly one O"),
        (rejection(&hub_on_connection(), &pinned(&["pin"], &[])), "the OU of the client certificate is not allowed"),
        (
            rejection(&hub_on_connection(), &forwarded(pinned(&["pin"], &[]), false)),
            "the OU of the proxy that forwards it is not allowed",
        ),
    ];
    for (error, message) in cases {
        assert_eq!(error.to_string(), message);
    }
}

#[test]
fn a_certificate_that_the_gateway_hands_over_is_pinned_by_its_digest() {
    const LEAF_HASH: &str = "9195bd8de4aea9e1632f4e493640327693ebde6a28ff229d7b6acfd7d6d29893";
    let facts = |pem: &str| PeerFacts { fingerprint: None, certificate: Some(pem.into()), ..hub_on_connection() };
    let establish = |pem, rules: &PeerRules| PeerCertificate::establish(&facts(pem), rules);
    let certificate = establish(LEAF, &pinned(&["hub"], &[LEAF_HASH])).unwrap();
    assert_eq!(certificate.fingerprint(), Some(fingerprint(LEAF_HASH)));
    assert_eq!(establish(LEAF, &pinned(&["hub"], &[HUB_HASH])), Err(PeerError::NotPinned(NotPinned::Fingerprint)));
    for text in ["", "-----BEGIN CERTIFICATE-----", &LEAF.replace('M', "*"), &format!("{LEAF}\n{LEAF}")] {
        let error = PeerError::Malformed(Malformed::Certificate(LeafError::NotPem));
        assert_eq!(establish(text, &pinned(&["hub"], &[])), Err(error), "{text}");
    }
}

proptest! {
    #[test]
    fn arbitrary_facts_never_panic_and_never_pass_unpinned(
        verified: bool, subject: Option<Vec<u8>>, fingerprint: Option<Vec<u8>>, certificate: Option<Vec<u8>>,
        forwarded_values: Vec<Vec<u8>>, verifications: Vec<(usize, Vec<u8>)>, hop: bool,
    ) {
        let [subject, fingerprint, certificate] = [subject, fingerprint, certificate].map(|text| text.map(Into::into));
        let facts =
            PeerFacts { verified, subject, fingerprint, certificate, forwarded: forwarded_values, verifications };
        for rules in [pinned(&[], &[]), forwarded(pinned(&[], &[]), hop)] {
            prop_assert!(PeerCertificate::establish(&facts, &rules).is_err());
        }
    }
}
