//! The rules of `inbound.peer.source.forwarded_header`: what is read, and that nobody is believed by leaving something out.

use serde_json::{Value, json};

use super::{FINGERPRINT, accepted, faults, with};
use crate::identity_headers::IDENTITY_HEADERS;
use crate::peer::{Fingerprint, ForwardedFormat, ForwardedHeader, Hop, PeerSource, Pins, Verification};

/// A header from a proxy that is pinned, with these settings.
fn pinned(mut settings: Value) -> Value {
    settings["proxy"] = json!({"organisational_units": ["edge"]});
    settings
}

fn with_header(settings: &Value) -> Value {
    with("/inbound/peer", json!({"organisational_units": ["a"], "source": {"forwarded_header": settings}}))
}

#[track_caller]
fn header(settings: &Value) -> ForwardedHeader {
    match accepted(&with_header(settings)).into_inbound().peer.source {
        PeerSource::ForwardedHeader(header) => header,
        PeerSource::Connection => panic!("{settings}"),
    }
}

#[track_caller]
fn refused(settings: &Value, expected: &str) {
    let expected: Vec<String> =
        expected.lines().map(|line| format!("inbound.peer.source.forwarded_header{line}")).collect();
    assert_eq!(faults(&with_header(settings)), expected.join("\n"), "{settings}");
}

#[test]
fn each_format_has_its_header_or_is_told_one() {
    use ForwardedFormat::{Rfc9440, UrlEncodedPem, Xfcc};
    for (settings, name, format) in [
        (json!({}), "x-forwarded-client-cert", Xfcc),
        (json!({"format": "xfcc"}), "x-forwarded-client-cert", Xfcc),
        (json!({"format": "xfcc", "name": "X-Client-Cert"}), "x-client-cert", Xfcc),
        (json!({"format": "rfc9440", "verified": "always"}), "client-cert", Rfc9440),
        (json!({"format": "rfc9440", "verified": "always", "name": "X-Leaf"}), "x-leaf", Rfc9440),
        (json!({"format": "url_encoded_pem", "verified": "always", "name": "x-pem"}), "x-pem", UrlEncodedPem),
    ] {
        let hop = Hop::MutualTls(Pins { organisational_units: vec!["edge".into()], ..Pins::default() });
        let expected = ForwardedHeader { name: name.into(), format, verifications: Vec::new(), hop };
        assert_eq!(header(&pinned(settings)), expected);
    }
    refused(
        &pinned(json!({"format": "url_encoded_pem", "verified": "always"})),
        ".name: expected a header name of 1 to 64 characters, got nothing",
    );
}

#[test]
fn what_says_that_a_certificate_was_verified_is_named_or_it_is_said_that_all_are() {
    let said = |verified: Value| pinned(json!({"format": "rfc9440", "verified": verified}));
    let google = json!([
        {"header": "X-Client-Cert-Present", "value": "true"},
        {"header": "x-client-cert-chain-verified", "value": "true"},
    ]);
    let verification = |header: &str| Verification { header: header.into(), value: "true".into() };
    let both = [verification("x-client-cert-present"), verification("x-client-cert-chain-verified")];
    assert_eq!(header(&said(google)).verifications, both);
    let xfcc = pinned(json!({"verified": [{"header": "x-verify", "value": "true"}]}));
    assert_eq!(header(&xfcc).verifications, [verification("x-verify")]);

    let expected = "expected the headers that say so, as in [{\"header\": \"x-client-verify\", \"value\": \"SUCCESS\"}], or \
                    \"always\" if the proxy forwards no certificate that it has not verified, got";
    for format in ["rfc9440", "url_encoded_pem"] {
        let settings = pinned(json!({"format": format, "name": "x-cert"}));
        refused(&settings, &format!(".verified: {expected} nothing"));
    }
    for (verified, got) in [
        (json!("Always"), "another string"),
        (json!(true), "true or false"),
        (json!(null), "null"),
        (json!({"header": "x", "value": "1"}), "an object"),
    ] {
        refused(&said(verified), &format!(".verified: {expected} {got}"));
    }
}

#[test]
fn the_headers_that_say_it_are_checked() {
    let said = |verified: Value| pinned(json!({"format": "rfc9440", "verified": verified}));
    let many =
        |count: usize| json!((0..count).map(|n| json!({"header": format!("x-{n}"), "value": "1"})).collect::<Vec<_>>());
    assert_eq!(header(&said(many(4))).verifications.len(), 4);
    let value = "expected a string of 1 to 64 visible ASCII characters, got";
    for (verified, expected) in [
        (json!([]), ".verified: expected an array of 1 to 4 headers, got an array of 0".to_owned()),
        (many(5), ".verified: expected an array of 1 to 4 headers, got an array of 5".to_owned()),
        (json!(["x-verify"]), ".verified[0]: expected an object, got a string".to_owned()),
        (json!([{"header": "x"}]), format!(".verified[0].value: {value} nothing")),
        (json!([{"header": "x", "value": ""}]), format!(".verified[0].value: {value} an empty string")),
        (
            json!([{"header": "x", "value": "a b"}]),
            format!(".verified[0].value: {value} a string with other characters"),
        ),
        (json!([{"header": "x", "value": true}]), format!(".verified[0].value: {value} true or false")),
        (json!([{"header": "x", "value": "1".repeat(65)}]), format!(".verified[0].value: {value} a longer string")),
        (
            json!([{"value": "1"}]),
            ".verified[0].header: expected a header name of 1 to 64 characters, got nothing".to_owned(),
        ),
        (
            json!([{"header": "x", "value": "1", "values": ["1"]}]),
            ".verified[0].values: expected \"header\" or \"value\", got an unknown key".to_owned(),
        ),
    ] {
        refused(&said(verified), &expected);
    }
    let own = "expected a header of its own, got one that means something else here";
    let same = json!([{"header": "x-a", "value": "1"}, {"header": "X-A", "value": "2"}]);
    refused(&said(same), &format!(".verified[1].header: {own}"));
    refused(&said(json!([{"header": "Client-Cert", "value": "1"}])), &format!(".verified[0].header: {own}"));
    for name in IDENTITY_HEADERS.into_iter().chain(["Authorization"]) {
        refused(
            &said(json!([{"header": name, "value": "1"}])),
            ".verified[0].header: expected another header, got \"authorization\" or an identity header",
        );
    }
}

#[test]
fn the_proxy_is_pinned_or_it_is_said_aloud_that_it_is_not() {
    let hop = |settings: Value| header(&settings).hop;
    let units = || vec!["edge".to_owned()];
    let fingerprints = || vec![Fingerprint::parse(FINGERPRINT).unwrap()];
    for (proxy, pins) in [
        (json!({"organisational_units": ["edge"]}), Pins { organisational_units: units(), ..Pins::default() }),
        (json!({"fingerprints": [FINGERPRINT]}), Pins { fingerprints: fingerprints(), ..Pins::default() }),
        (
            json!({"organisational_units": ["edge"], "fingerprints": [FINGERPRINT]}),
            Pins { organisational_units: units(), fingerprints: fingerprints(), allow_unpinned: false },
        ),
        (json!({"allow_unpinned": true}), Pins { allow_unpinned: true, ..Pins::default() }),
    ] {
        assert_eq!(hop(json!({"proxy": proxy})), Hop::MutualTls(pins));
    }
    assert_eq!(hop(json!({"trust_plaintext_hop": true})), Hop::Plaintext);

    let nothing = ": expected \"proxy\": {\"organisational_units\": [\"…\"]} or {\"fingerprints\": [\"…\"]}, of the certificate \
                   that the proxy in front shows to this gateway, got nothing: without it whoever has a certificate of the \
                   same CA could say who calls";
    refused(&json!({}), nothing);
    refused(&json!({"trust_plaintext_hop": false}), nothing);
    let no_pin = ".proxy: expected \"organisational_units\" or \"fingerprints\" with at least one pin, got none: without one \
                  whoever has a certificate that this gateway verifies may say who calls, which \"allow_unpinned\": true must say";
    for proxy in [json!({}), json!({"organisational_units": []}), json!({"allow_unpinned": false})] {
        refused(&json!({ "proxy": proxy }), no_pin);
    }
    refused(
        &json!({"proxy": {"organisational_units": ["edge"], "allow_unpinned": true}}),
        ".proxy.allow_unpinned: expected false beside pins, got true",
    );
}

#[test]
fn a_pin_beside_a_hop_that_shows_no_certificate_is_a_contradiction() {
    for proxy in [json!({"organisational_units": ["edge"]}), json!({"allow_unpinned": true}), json!({})] {
        refused(
            &json!({"trust_plaintext_hop": true, "proxy": proxy}),
            ".proxy: expected no pin beside \"trust_plaintext_hop\": true, got both: whoever shows no certificate would be \
             believed all the same",
        );
    }
}

#[test]
fn its_settings_are_checked() {
    for (settings, expected) in [
        (json!("x-cert"), ": expected an object, got a string"),
        (
            pinned(json!({"format": "pem"})),
            ".format: expected \"xfcc\", \"rfc9440\" or \"url_encoded_pem\", got another string",
        ),
        (pinned(json!({"format": null})), ".format: expected \"xfcc\", \"rfc9440\" or \"url_encoded_pem\", got null"),
        (json!({"trust_plaintext_hop": 0}), ".trust_plaintext_hop: expected true or false, got a number"),
        (
            pinned(json!({"x": 1})),
            ".x: expected \"name\", \"format\", \"verified\", \"proxy\" or \"trust_plaintext_hop\", got an unknown key",
        ),
        (json!({"proxy": ["edge"]}), ".proxy: expected an object, got an array"),
        (
            json!({"proxy": {"organisational_units": ["edge"], "source": 1}}),
            ".proxy.source: expected \"organisational_units\", \"fingerprints\" or \"allow_unpinned\", got an unknown key",
        ),
        (
            json!({"proxy": {"fingerprints": ["edge"]}}),
            ".proxy.fingerprints[0]: expected the SHA-256 fingerprint of a certificate in 64 hex digits, got a string that \
             is not one",
        ),
    ] {
        refused(&settings, expected);
    }
}

#[test]
fn a_header_name_is_a_token() {
    let expected = ".name: expected a header name of 1 to 64 characters, got";
    for (name, got) in [
        (json!(""), "an empty string"),
        (json!("x".repeat(65)), "a longer string"),
        (json!(":path"), "a string with other characters"),
        (json!("x cert"), "a string with other characters"),
        (json!("x-cert:"), "a string with other characters"),
        (json!("x\r\n"), "a string with other characters"),
        (json!("x-بنك"), "a string with other characters"),
        (json!(3), "a number"),
    ] {
        refused(&pinned(json!({ "name": name })), &format!("{expected} {got}"));
    }
    assert_eq!(header(&pinned(json!({"name": "!#$%&'*+-.^_`|~09aZ"}))).name, "!#$%&'*+-.^_`|~09az");
    assert_eq!(header(&pinned(json!({"name": "x".repeat(64)}))).name.len(), 64);
}

#[test]
fn a_header_that_the_caller_or_the_filter_writes_tells_no_certificate() {
    for name in IDENTITY_HEADERS.into_iter().chain(["authorization", "Authorization", "X-Hub-Token-Id"]) {
        refused(
            &pinned(json!({ "name": name })),
            ".name: expected another header, got \"authorization\" or an identity header",
        );
    }
}
