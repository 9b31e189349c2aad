//! A certificate counts in its time alone: for a new request, for one with the certificate of the request before, and for one that
//! waited.

use super::*;
use crate::peer::leaf::tests::{LEAF, url_encoded};

/// The times of the certificate, in seconds since 1970, both included.
const FIRST: u64 = 1_795_309_723;
const LAST: u64 = 4_948_909_723;
const SUBJECT: &str = "CN=abc,OU=hub,O=Hub Operator,C=AE";
const FINGERPRINT: &str = "9195bd8de4aea9e1632f4e493640327693ebde6a28ff229d7b6acfd7d6d29893";

/// A direction that pins the certificate's OU.
fn pinned(auth: &Json) -> Inbound {
    inbound(|config| {
        config["peer"] = json!({ "organisational_units": ["hub"] });
        if !auth.is_null() {
            config["auth"] = auth.clone();
        }
    })
}

/// A request over mutual TLS of which the gateway tells so much beside the subject.
fn request(peer: PeerFacts) -> RequestFacts {
    RequestFacts {
        peer: PeerFacts { verified: true, subject: Some(SUBJECT.into()), ..peer },
        ..bearer(&token_at_the_end())
    }
}

/// A token that is right in the certificate's last second and after it.
fn token_at_the_end() -> String {
    token(|claims| {
        claims["iss"] = json!("Hub Operator");
        claims["sub"] = json!("hub");
        claims["iat"] = json!(LAST);
        claims["exp"] = json!(LAST + 30);
    })
}

/// What nginx tells, and what Envoy tells that writes the header with the certificate.
fn tellings() -> [PeerFacts; 2] {
    let header = format!("Hash={FINGERPRINT};Cert=\"{}\";Subject=\"{SUBJECT}\"", url_encoded(LEAF));
    [
        PeerFacts { certificate: Some(LEAF.into()), ..PeerFacts::default() },
        PeerFacts {
            fingerprint: Some(FINGERPRINT.into()),
            forwarded: vec![header.into_bytes()],
            ..PeerFacts::default()
        },
    ]
}

fn judge(inbound: &mut Inbound, now: Moment, peer: &PeerFacts) -> &'static str {
    code(&inbound.on_request(now, RequestId(1), request(peer.clone())).verdict.expect("a verdict at once"))
}

#[test]
fn a_certificate_counts_from_its_first_second_to_its_last_and_being_known_changes_nothing() {
    let moments = [
        (FIRST * 1000 - 1, "Certificate.Invalid"),
        (FIRST * 1000, "admitted"),
        (LAST * 1000 + 999, "admitted"),
        (LAST * 1000 + 1000, "Certificate.Invalid"),
        (FIRST * 1000, "admitted"),
    ];
    for peer in tellings() {
        let mut knows = pinned(&json!({ "mtls_only": {} }));
        for (millis, expected) in moments {
            let now = Moment::by_wall_clock(UnixTime::from_millis(millis));
            assert_eq!(judge(&mut knows, now, &peer), expected, "{millis}");
            assert_eq!(judge(&mut pinned(&json!({ "mtls_only": {} })), now, &peer), expected, "{millis}");
        }
    }
}

#[test]
fn a_request_that_waited_until_its_certificate_ended_is_refused() {
    for peer in tellings() {
        let mut inbound = pinned(&Json::Null);
        let mut step =
            inbound.on_request(Moment::by_wall_clock(UnixTime::from_secs(LAST)), RequestId(1), request(peer));
        let fetch = step.callout().expect("a fetch");
        let later = Moment::by_wall_clock(UnixTime::from_secs(LAST + 1));
        let outcome = inbound.on_answer(later, fetch.id, &fetch.subject, &published("sig3"));
        let words: Vec<_> = outcome.resumed.iter().map(|resumed| code(&resumed.verdict)).collect();
        assert_eq!(words, ["Certificate.Invalid"]);
    }
}

#[test]
fn what_is_not_known_of_a_certificate_does_not_refuse_it() {
    let [_, mut of_another] = tellings();
    of_another.fingerprint = Some("00".repeat(32).into());
    for peer in [PeerFacts::default(), of_another] {
        assert_eq!(
            judge(
                &mut pinned(&json!({ "mtls_only": {} })),
                Moment::by_wall_clock(UnixTime::from_secs(LAST + 1)),
                &peer
            ),
            "admitted"
        );
    }
}

#[test]
fn a_pin_comes_before_the_time_and_the_time_before_the_credential() {
    let [peer, _] = tellings();
    let now = Moment::by_wall_clock(UnixTime::from_secs(LAST + 1));
    let mut another = inbound(|_| ());
    assert_eq!(judge(&mut another, now, &peer), "Certificate.NotAllowed");
    let mut without_credential = request(peer);
    without_credential.authorization = RequestFacts::default().authorization;
    let verdict = pinned(&Json::Null).on_request(now, RequestId(1), without_credential).verdict.expect("a verdict");
    assert_eq!(code(&verdict), "Certificate.Invalid");
}
