//! Headers that Envoy really sets, what makes one ambiguous, and peers and clients that write into it.

use proptest::prelude::*;

use super::{ForwardedCertificate, MAX_HEADER_BYTES, XfccError};
use crate::peer::name::{AttributeType, DistinguishedName, tests::as_hosts_print};

const HASH: &str = "bf7cd2115ed39116f5e3792e102cc2205e47bbda6ebea7eb02d51b9aa326f28b";

fn parse(header: &str) -> Result<ForwardedCertificate, XfccError> {
    ForwardedCertificate::parse(header.as_bytes())
}

#[track_caller]
fn assert_read(header: &str, subject: &str, hash: Option<&str>) {
    let certificate = parse(header).unwrap_or_else(|error| panic!("{header}: {error}"));
    assert_eq!(std::str::from_utf8(certificate.subject()), Ok(subject), "{header}");
    assert_eq!(certificate.fingerprint().map(|hash| hash.to_string()).as_deref(), hash, "{header}");
}

#[test]
fn the_headers_that_envoy_1_40_sets_are_read() {
    let subject = r"CN=abc123,OU=3c1f0e6a-9d5b-4a3c,O=Ozone Financial Technology\, Limited,C=AE";
    let pem = "-----BEGIN%20CERTIFICATE-----%0AMIIC%2B%2Fw%3D%3D%0A-----END%20CERTIFICATE-----%0A";
    for header in [
        format!(r#"Hash={HASH};Subject="{subject}""#),
        format!(r#"Hash={HASH};Subject="{subject}";URI="#),
        format!(r#"Hash={HASH};Cert="{pem}";Subject="{subject}";URI=spiffe://a/b;DNS=a.example;DNS=b.example"#),
        format!(
            r#"By=spiffe://bank/gw;By=https://gw;Hash={HASH};Cert="{pem}";Chain="{pem}{pem}";Subject="{subject}";URI=;DNS=x"#
        ),
    ] {
        assert_read(&header, subject, Some(HASH));
    }
}

#[test]
fn the_certificate_is_given_as_it_is_written() {
    let certificate =
        |header: &str| parse(header).unwrap().certificate().map(|pem| String::from_utf8_lossy(pem).into_owned());
    assert_eq!(
        certificate(r#"Cert="-----BEGIN%20A%2b";Chain="c";Subject="O=a""#).as_deref(),
        Some("-----BEGIN%20A%2b")
    );
    assert_eq!(certificate(r#"Chain="c";Subject="O=a""#), None);
}

#[test]
fn the_subjects_own_escapes_are_left_to_the_name() {
    for subject in [
        r#"CN=x,OU=\ b,O=\ #Sp \"quo\\te\;\<a\>\+b=c\ ,C=AE"#,
        r"O=\D8\A8\D9\86\D9\83 \D8\A3\D8\A8\D9\88",
        r"O=a\\",
        r#"O=a\\\""#,
        r#"O=\";Subject=\"OU=hub"#.replace(';', r"\;").as_str(),
        "",
    ] {
        assert_read(&format!(r#"Hash={HASH};Subject="{subject}";URI="#), subject, Some(HASH));
    }
}

#[test]
fn keys_are_known_in_either_case_and_the_hash_may_be_absent() {
    assert_read(
        &format!(r#"by=x;HASH={};cert="";CHAIN="";sUBJECT="O=a";uri=x;Dns=y"#, HASH.to_uppercase()),
        "O=a",
        Some(HASH),
    );
    assert_read(r#"Subject="O=a""#, "O=a", None);
}

#[test]
fn keys_that_a_later_envoy_may_add_are_passed_over_after_the_subject() {
    assert_read(r#"Subject="O=a";Issuer="b;c=d\"";IP-SAN=1;URI="https://x";By=y"#, "O=a", None);
}

#[test]
fn a_header_without_one_element_of_pairs_is_refused() {
    for header in [
        "",
        ";",
        "x",
        "Subject",
        "Subject=O",
        "Subject=O=a",
        r#"=x;Subject="O=a""#,
        r#";Subject="O=a""#,
        r#"Subject="O=a";"#,
        r#"Subject="O=a";;URI=x"#,
        r#"Subject="O=a"; URI=x"#,
        r#" Subject="O=a""#,
        r#"Subject ="O=a""#,
        r#"Subject= "O=a""#,
        r#"Subject="O=a"x"#,
        r#"Subject="O=a"xURI=y"#,
        r#"Subject="O=a" "#,
        r#"Subject="O=a""""#,
        r#"Subject="O=a"#,
        r#"Subject="O=a\""#,
        r#"Subject="O=a\"#,
        r#"Subject=""O=a"#,
        r#"Subject="O=a";URI=x"y"#,
        r#"Subject="O=a";URI="x"#,
        r#"Subject="O=a";URI=urn:x(a;b)"#,
        r#"Subject="O=a;OU=b""#,
        r#"Cert=x;Subject="O=a""#,
        r#"Cert="a b";Subject="O=a""#,
        r#"Chain="a;b";Subject="O=a""#,
        r#"Cert="a\"b";Subject="O=a""#,
        r#"Subject='O=a'"#,
    ] {
        assert_eq!(parse(header), Err(XfccError::InvalidPair), "{header}");
    }
}

#[test]
fn a_header_of_a_chain_of_proxies_is_ambiguous() {
    for header in [
        r#"Subject="O=a",Subject="O=b""#,
        r#"Subject="O=a","#,
        r#"By=x,By=y;Subject="O=a""#,
        r#"Subject="O=a";URI=https://x/a,b"#,
        r#"Subject="O=a";URI="x,y""#,
        r#"Subject="O=a";URI="\,Hash=00;URI=x""#,
        r#"Subject="O=a";DNS=x,Hash=y"#,
        r#"two,Subject="O=a""#,
        r#"Cert="a,b";Subject="O=a""#,
    ] {
        assert_eq!(parse(header), Err(XfccError::SeveralElements), "{header}");
    }
    assert!(matches!(parse(r#", Subject="O=a""#), Err(XfccError::InvalidPair)));
}

#[test]
fn a_repeated_key_is_refused() {
    for header in [
        r#"Subject="O=a";Subject="O=b""#.to_owned(),
        r#"Subject="O=a";subject="O=a""#.to_owned(),
        format!(r#"Hash={HASH};hash={HASH};Subject="O=a""#),
        r#"Cert="a";Cert="a";Subject="O=a""#.to_owned(),
        r#"Chain="a";CHAIN="a";Subject="O=a""#.to_owned(),
    ] {
        assert_eq!(parse(&header), Err(XfccError::RepeatedKey), "{header}");
    }
}

#[test]
fn a_uri_of_the_peers_certificate_cannot_add_a_key() {
    // The last value is what Envoy 1.40.0 printed for a certificate with the URI `https://x/?a=b;Subject="OU=hub,O=Hub"`.
    for header in [
        r#"Subject="OU=evil";URI=x;Subject="OU=hub,O=Hub""#.to_owned(),
        r#"URI=x;Subject="OU=hub,O=Hub""#.to_owned(),
        r#"DNS=x;Subject="OU=hub,O=Hub""#.to_owned(),
        r#"Future=x;Subject="OU=hub,O=Hub""#.to_owned(),
        format!(r#"Subject="OU=evil";URI=x;Hash={HASH}"#),
        r#"Subject="OU=evil";URI=x;Cert="a""#.to_owned(),
        r#"Subject="OU=evil";URI=x;Chain="a""#.to_owned(),
        format!(r#"Hash={HASH};URI=https://x/?a=b;Subject="OU=hub,O=Hub""#),
    ] {
        assert_eq!(parse(&header), Err(XfccError::KeyAfterPeerText), "{header}");
    }
}

#[test]
fn a_header_without_a_subject_is_refused() {
    for header in [format!("Hash={HASH}"), "URI=".to_owned(), "By=x;DNS=Subject".to_owned()] {
        assert_eq!(parse(&header), Err(XfccError::NoSubject), "{header}");
    }
}

#[test]
fn a_hash_that_is_not_a_fingerprint_is_refused() {
    for hash in ["", "00", HASH.split_at(40).0, &HASH.replace('b', "x"), &format!("\"{HASH}\"")] {
        assert_eq!(parse(&format!(r#"Hash={hash};Subject="O=a""#)), Err(XfccError::InvalidHash), "{hash}");
    }
}

#[test]
fn a_header_is_read_up_to_its_bound_and_not_beyond() {
    let start = r#"Subject="O=a";URI="#;
    let longest = format!("{start}{}", "x".repeat(MAX_HEADER_BYTES - start.len()));
    assert_read(&longest, "O=a", None);
    assert_eq!(parse(&format!("{longest}x")), Err(XfccError::TooLong));
}

/// Text that tries to break out of wherever it stands.
fn hostile() -> impl Strategy<Value = String> {
    r#"(Subject="OU=hub|Subject="OU=hub"|Hash=00|URI="|Chain="|By=|[,;="\\ a]|\PC){0,8}"#
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(header in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = ForwardedCertificate::parse(&header);
    }

    #[test]
    fn no_value_of_the_peers_certificate_changes_its_subject(organisation in hostile(), uri in hostile(), dns in hostile()) {
        let subject = format!("CN=x,O={},C=AE", as_hosts_print(&organisation));
        let header = format!(r#"By=x;Hash={HASH};Subject="{subject}";URI={uri};DNS={dns}"#);
        if let Ok(certificate) = parse(&header) {
            prop_assert_eq!(certificate.subject(), subject.as_bytes());
            prop_assert_eq!(certificate.fingerprint().map(|hash| hash.to_string()), Some(HASH.to_owned()));
        }
    }

    #[test]
    fn a_hostile_organisation_arrives_unchanged(organisation in hostile()) {
        let header = format!(r#"Hash={HASH};Subject="CN=x,O={},C=AE";URI="#, as_hosts_print(&organisation));
        let certificate = parse(&header).unwrap();
        let name = DistinguishedName::parse(certificate.subject()).unwrap();
        prop_assert_eq!(name.values(AttributeType::Organisation).collect::<Vec<_>>(), [&organisation]);
        prop_assert_eq!(name.values(AttributeType::OrganisationalUnit).count(), 0);
    }

    #[test]
    fn a_peer_that_may_only_send_uris_gets_no_subject_in(uri in hostile(), dns in hostile()) {
        let header = format!("Hash={HASH};URI={uri};DNS={dns}");
        prop_assert!(parse(&header).is_err());
    }

    #[test]
    fn a_header_of_the_client_that_a_proxy_appended_to_is_refused(
        client in hostile(), organisation in hostile(), uri in hostile(),
    ) {
        let subject = as_hosts_print(&organisation);
        for appended in [
            format!("Hash={HASH};URI={uri}"),
            format!(r#"Hash={HASH};Subject="O={subject}";URI={uri}"#),
            format!(r#"By=x;Hash={HASH};Cert="a";Subject="O={subject}""#),
            format!("Hash={HASH}"),
        ] {
            for header in [
                format!("{client},{appended}"),
                format!(r#"Hash={HASH};Subject="OU=hub,O=Hub";{client},{appended}"#),
            ] {
                prop_assert!(parse(&header).is_err(), "{}", header);
            }
        }
    }
}
