use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::config::Config;
use crate::peer::leaf::tests::LEAF;
use crate::peer::{ForwardedFormat, ForwardedHeader, Hop, Pins, Verification};

/// The certificate of `peer/leaf/tests.rs`, as Envoy writes it into `x-forwarded-client-cert`.
const PEM: &str = include_str!("leaf.urlencoded");
const FINGERPRINT: &str = "9195bd8de4aea9e1632f4e493640327693ebde6a28ff229d7b6acfd7d6d29893";
const SUBJECT: &str = "CN=abc,OU=hub,O=Hub Operator,C=AE";
const NOW: UnixTime = UnixTime::from_secs(1_795_700_000);
const ISSUER: &str = "CN=Issuing CA,OU=CA,O=Trust Framework,C=AE";
const OTHER: &str = "00e854aadab0405e7c7e0234f6849bd2e00f7575dfd6b5e07b574a7209a550f4";

fn checks(base_path: &str) -> HealthChecks {
    let config = json!({ "inbound": {
        "provider_ids": ["retail"],
        "peer": { "organisational_units": ["another than the certificate's"] },
        "auth": { "mtls_only": {} },
        "health_checks": { "base_path": base_path },
    } });
    HealthChecks::new(&Config::parse(config.to_string().as_bytes()).unwrap().into_inbound().health_checks.unwrap())
}

fn header(trust_plaintext_hop: bool) -> PeerSource {
    let hop = match trust_plaintext_hop {
        true => Hop::Plaintext,
        false => Hop::MutualTls(Pins { allow_unpinned: true, ..Pins::default() }),
    };
    let (name, format) = ("x-forwarded-client-cert".to_owned(), ForwardedFormat::Xfcc);
    PeerSource::ForwardedHeader(ForwardedHeader { name, format, verifications: Vec::new(), hop })
}

fn xfcc(hash: &str) -> Vec<u8> {
    format!(r#"{hash}Cert="{}";Subject="{SUBJECT}";URI="#, PEM.trim()).into_bytes()
}

/// What Envoy knows of the connection where it also writes the header.
fn over_mtls() -> PeerFacts {
    PeerFacts {
        verified: true,
        subject: Some(SUBJECT.into()),
        fingerprint: Some(FINGERPRINT.into()),
        forwarded: vec![xfcc(&format!("Hash={FINGERPRINT};"))],
        ..PeerFacts::default()
    }
}

#[test]
fn a_certificate_that_has_ended_or_not_begun_is_none() {
    let on_nginx =
        PeerFacts { fingerprint: None, forwarded: Vec::new(), certificate: Some(LEAF.into()), ..over_mtls() };
    for facts in [over_mtls(), on_nginx] {
        for (now, message) in [
            (UnixTime::from_secs(1_795_309_722), "The client certificate is not valid yet."),
            (UnixTime::from_secs(4_948_909_724), "The client certificate has expired."),
        ] {
            let answer = |path: &[u8]| checks("/").answer(now, b"GET", path, None, &facts, &PeerSource::Connection);
            let hello = answer(b"/hello").unwrap();
            assert!(hello.status == 200 && hello.body.contains(r#""mtlsStatus":"not-established""#), "{}", hello.body);
            for path in [&b"/hello-mtls"[..], b"/echo-cert"] {
                let reply = answer(path).unwrap();
                assert_eq!((reply.status, reply.body), (401, format!(r#"{{"errorMessage":"{message}"}}"#)));
            }
        }
    }
}

#[track_caller]
fn get(path: &str, facts: &PeerFacts, source: &PeerSource) -> (u16, Value) {
    let reply =
        checks("/").answer(NOW, b"GET", path.as_bytes(), Some(b"bank.example:8443"), facts, source).expect("an answer");
    (reply.status, serde_json::from_str(&reply.body).expect("JSON"))
}

/// What `/echo-cert` shows of the certificate.
#[track_caller]
fn echoed(facts: &PeerFacts, source: &PeerSource) -> (String, String) {
    let (status, body) = get("/echo-cert", facts, source);
    assert_eq!(status, 200, "{body}");
    let text = |name| body["clientCertificate"][name].as_str().unwrap().to_owned();
    (text("subject"), text("issuer"))
}

#[test]
fn over_mutual_tls_each_endpoint_answers_with_its_members() {
    let hello = json!({ "connectionEstablished": true, "mtlsStatus": "established", "hostName": "bank.example" });
    let mut echo = hello.clone();
    echo["clientCertificate"] = json!({ "subject": SUBJECT, "issuer": ISSUER });
    for (path, body) in [("/hello", &hello), ("/hello-mtls", &hello), ("/echo-cert", &echo)] {
        assert_eq!(get(path, &over_mtls(), &PeerSource::Connection), (200, body.clone()), "{path}");
    }
}

#[test]
fn without_mutual_tls_hello_says_so_and_the_others_are_refused() {
    let unverified = PeerFacts { verified: false, ..over_mtls() };
    let without_subject = PeerFacts { subject: None, ..over_mtls() };
    for facts in [PeerFacts::default(), unverified, without_subject] {
        assert_eq!(
            get("/hello", &facts, &PeerSource::Connection),
            (
                200,
                json!({ "connectionEstablished": true, "mtlsStatus": "not-established", "hostName": "bank.example" })
            )
        );
        for path in ["/hello-mtls", "/echo-cert"] {
            let error = json!({ "errorMessage": "There is no verified client certificate." });
            assert_eq!(get(path, &facts, &PeerSource::Connection), (401, error), "{path}");
        }
    }
}

#[test]
fn every_answer_is_json_that_nobody_stores_and_a_401_has_a_challenge() {
    for (path, facts, status) in [
        ("/hello", PeerFacts::default(), 200),
        ("/echo-cert", PeerFacts::default(), 401),
        ("/echo-cert", over_mtls(), 200),
    ] {
        let reply = checks("/").answer(NOW, b"GET", path.as_bytes(), None, &facts, &PeerSource::Connection).unwrap();
        let header = |name| reply.headers.iter().find(|(found, _)| *found == name).map(|(_, value)| &**value);
        assert_eq!(reply.status, status);
        assert_eq!(header("content-type"), Some("application/json"));
        assert_eq!(header("cache-control"), Some("no-store"));
        assert_eq!(header("www-authenticate").is_some(), status == 401);
    }
}

#[test]
fn nothing_but_a_get_of_exactly_these_paths_is_a_health_check() {
    let answers = |base: &str, method: &str, path: &str| {
        let facts = over_mtls();
        checks(base).answer(NOW, method.as_bytes(), path.as_bytes(), None, &facts, &PeerSource::Connection).is_some()
    };
    for path in ["/hello", "/hello?", "/hello?a=b?c", "/hello-mtls", "/echo-cert?/accounts"] {
        assert!(answers("/", "GET", path), "{path}");
    }
    for method in ["get", "HEAD", "POST", "OPTIONS", "GET ", ""] {
        assert!(!answers("/", method, "/hello"), "{method}");
    }
    for path in [
        "",
        "/",
        "hello",
        "/hello/",
        "//hello",
        "/./hello",
        "/a/../hello",
        "/Hello",
        "/hell%6F",
        "/%68ello",
        "/hello#",
        "/hello;a",
        "/hello\0",
        "/hello ",
        "/hello/accounts",
        "/accounts?/hello",
        "/hello-mtls-2",
        "/echo-cert.json",
        "https://bank.example/hello",
    ] {
        assert!(!answers("/", "GET", path), "{path}");
    }
}

#[test]
fn the_endpoints_stand_below_their_base_path() {
    let answers = |base: &str, path: &str| {
        let facts = PeerFacts::default();
        checks(base).answer(NOW, b"GET", path.as_bytes(), None, &facts, &PeerSource::Connection).is_some()
    };
    for base in ["/ozone/v1", "/ozone/v1/"] {
        assert!(answers(base, "/ozone/v1/hello"), "{base}");
        assert!(!answers(base, "/hello") && !answers(base, "/ozone/v1//hello") && !answers(base, "/ozone/v1hello"));
    }
}

#[test]
fn the_subject_is_shown_as_the_gateway_prints_it() {
    for subject in [r"CN=x,O=\D8\A8\, a", "C=AE", &"x".repeat(MAX_NAME_BYTES)] {
        let facts = PeerFacts { subject: Some(subject.into()), ..over_mtls() };
        assert_eq!(echoed(&facts, &PeerSource::Connection).0, subject);
    }
}

#[test]
fn a_subject_that_is_no_plausible_text_is_not_shown() {
    for subject in [&b""[..], "O=بنك".as_bytes(), b"O=\xff", b"O=a\nb", b"O=a\0", &[b'x'; MAX_NAME_BYTES + 1]] {
        let facts = PeerFacts { subject: Some(subject.into()), ..over_mtls() };
        let error = json!({ "errorMessage": "The subject of the client certificate cannot be shown." });
        assert_eq!(get("/echo-cert", &facts, &PeerSource::Connection), (401, error));
        assert_eq!(get("/hello-mtls", &facts, &PeerSource::Connection).0, 200, "it was verified nevertheless");
    }
}

#[test]
fn the_issuer_is_empty_where_the_gateway_does_not_tell_it() {
    let without = |forwarded: Vec<Vec<u8>>| PeerFacts { forwarded, ..over_mtls() };
    for facts in [
        without(vec![]),
        without(vec![format!(r#"Hash={FINGERPRINT};Subject="{SUBJECT}""#).into()]),
        without(vec![format!(r#"Cert="-----BEGIN%20";Subject="{SUBJECT}""#).into()]),
        without(vec![b"Cert".to_vec()]),
        without(vec![xfcc(""), xfcc("")]),
    ] {
        assert_eq!(echoed(&facts, &PeerSource::Connection), (SUBJECT.to_owned(), String::new()));
    }
}

#[test]
fn the_issuer_is_read_from_a_certificate_that_the_gateway_hands_over_whatever_a_header_says() {
    let facts = |certificate: &str| PeerFacts {
        verified: true,
        subject: Some(SUBJECT.into()),
        certificate: Some(certificate.into()),
        forwarded: vec![xfcc("")],
        ..PeerFacts::default()
    };
    assert_eq!(echoed(&facts(LEAF), &PeerSource::Connection), (SUBJECT.into(), ISSUER.into()));
    assert_eq!(echoed(&facts("no certificate"), &PeerSource::Connection), (SUBJECT.into(), String::new()));
}

#[test]
fn a_forwarded_certificate_counts_only_if_it_is_the_connections() {
    let with = |fingerprint: Option<&str>| PeerFacts { fingerprint: fingerprint.map(Into::into), ..over_mtls() };
    assert_eq!(echoed(&with(Some(&FINGERPRINT.to_uppercase())), &PeerSource::Connection).1, ISSUER);
    for fingerprint in [None, Some(OTHER), Some(""), Some("x")] {
        assert_eq!(echoed(&with(fingerprint), &PeerSource::Connection).1, "", "{fingerprint:?}");
    }
    // What the header says of itself proves nothing.
    let forged = PeerFacts { fingerprint: Some(OTHER.into()), forwarded: vec![xfcc("")], ..over_mtls() };
    assert_eq!(echoed(&forged, &PeerSource::Connection).1, "");
}

#[test]
fn where_a_header_names_the_peer_the_connection_is_only_the_proxys() {
    let facts = PeerFacts { subject: Some("CN=proxy".into()), fingerprint: Some(OTHER.into()), ..over_mtls() };
    assert_eq!(echoed(&facts, &header(false)), (SUBJECT.to_owned(), ISSUER.to_owned()));
    let without_hash = PeerFacts { forwarded: vec![xfcc("")], ..facts.clone() };
    assert_eq!(echoed(&without_hash, &header(false)).1, ISSUER);
    let other_hash = PeerFacts { forwarded: vec![xfcc(&format!("Hash={OTHER};"))], ..facts };
    assert_eq!(echoed(&other_hash, &header(false)).1, "", "the header contradicts itself");
}

#[test]
fn a_forwarded_header_is_believed_as_the_rules_of_the_peer_say() {
    let plaintext = PeerFacts { verified: false, ..over_mtls() };
    let none = PeerFacts { forwarded: vec![], ..over_mtls() };
    let several = PeerFacts { forwarded: vec![xfcc(""), xfcc("")], ..over_mtls() };
    let forged = PeerFacts { forwarded: vec![br#"URI=x;Subject="O=a""#.to_vec()], ..over_mtls() };
    for (facts, trust_plaintext_hop, established) in [
        (over_mtls(), false, true),
        (plaintext.clone(), false, false),
        (plaintext, true, true),
        (none.clone(), false, false),
        (none, true, false),
        (several, true, false),
        (forged, true, false),
    ] {
        let source = header(trust_plaintext_hop);
        let status = if established { "established" } else { "not-established" };
        assert_eq!(get("/hello", &facts, &source).1["mtlsStatus"], status, "{facts:?}");
        for path in ["/hello-mtls", "/echo-cert"] {
            assert_eq!(get(path, &facts, &source).0, if established { 200 } else { 401 }, "{path} {facts:?}");
        }
    }
}

#[test]
fn a_certificate_that_is_forwarded_whole_tells_its_issuer_and_one_of_an_unknown_proxy_nothing() {
    let behind = |pin: &str| {
        let pins = Pins { organisational_units: vec![pin.to_owned()], ..Pins::default() };
        PeerSource::ForwardedHeader(ForwardedHeader {
            name: "x-client-cert".into(),
            format: ForwardedFormat::UrlEncodedPem,
            verifications: vec![Verification { header: "x-verify".into(), value: "SUCCESS".into() }],
            hop: Hop::MutualTls(pins),
        })
    };
    let facts = PeerFacts {
        subject: Some("OU=edge,O=Bank".into()),
        fingerprint: Some(OTHER.into()),
        forwarded: vec![PEM.trim().into()],
        verifications: vec![(0, b"SUCCESS".to_vec())],
        ..over_mtls()
    };
    assert_eq!(echoed(&facts, &behind("edge")), (SUBJECT.to_owned(), ISSUER.to_owned()));
    let unverified = PeerFacts { verifications: vec![(0, b"NONE".to_vec())], ..facts.clone() };
    for (facts, source) in [(&facts, behind("batch")), (&unverified, behind("edge"))] {
        assert_eq!(get("/hello", facts, &source).1["mtlsStatus"], "not-established");
        for path in ["/hello-mtls", "/echo-cert"] {
            let error = json!({ "errorMessage": "There is no verified client certificate." });
            assert_eq!(get(path, facts, &source), (401, error), "{path}");
        }
    }
}

#[test]
fn the_host_name_is_the_requests_host_without_its_port() {
    let longest = "a".repeat(MAX_HOST_BYTES);
    for (host, name) in [
        ("bank.example", "bank.example"),
        ("Bank-1.example:8443", "Bank-1.example"),
        ("bank.example:", "bank.example"),
        ("127.0.0.1:80", "127.0.0.1"),
        ("[2001:db8::1]:8443", "[2001:db8::1]"),
        ("[::ffff:1.2.3.4]", "[::ffff:1.2.3.4]"),
        (&longest, &longest),
        (&format!("{longest}a"), ""),
        ("", ""),
        (":8443", ""),
        ("2001:db8::1", ""),
        ("bank.example:80:80", ""),
        ("bank.example:http", ""),
        ("[]:1", ""),
        ("[::1", ""),
        ("::1]", ""),
        ("[::1]8443", ""),
        ("[::1]]", ""),
        ("[bank]", ""),
        ("user@bank.example", ""),
        ("bank example", ""),
        ("bank_example", ""),
        ("<b>", ""),
        ("بنك", ""),
        ("bank.example\r\nx: y", ""),
    ] {
        let reply =
            checks("/").answer(NOW, b"GET", b"/hello", Some(host.as_bytes()), &over_mtls(), &PeerSource::Connection);
        let body: Value = serde_json::from_str(&reply.unwrap().body).unwrap();
        assert_eq!(body["hostName"], name, "{host:?}");
    }
    assert_eq!(host_name(b"bank\xff"), None);
}

proptest! {
    #[test]
    fn arbitrary_facts_never_panic_and_an_answer_is_always_json(
        path in prop::sample::select(vec!["/hello", "/hello-mtls", "/echo-cert"]),
        host in any::<Option<Vec<u8>>>(), verified: bool, subject: Option<Vec<u8>>, fingerprint: Option<Vec<u8>>,
        certificate: Option<Vec<u8>>, forwarded: Vec<Vec<u8>>, verifications: Vec<(usize, Vec<u8>)>, hop: bool,
    ) {
        let [subject, fingerprint, certificate] = [subject, fingerprint, certificate].map(|text| text.map(Into::into));
        let facts = PeerFacts { verified, subject, fingerprint, certificate, forwarded, verifications };
        for source in [PeerSource::Connection, header(hop)] {
            let reply = checks("/").answer(NOW, b"GET", path.as_bytes(), host.as_deref(), &facts, &source).unwrap();
            let body: Value = serde_json::from_str(&reply.body).unwrap();
            prop_assert_eq!(body.get("errorMessage").is_some(), reply.status == 401);
            prop_assert!(reply.body.bytes().all(|byte| matches!(byte, b' '..=b'~')), "{}", reply.body);
        }
    }
}
