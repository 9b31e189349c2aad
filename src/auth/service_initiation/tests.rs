use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use proptest::prelude::*;

use super::*;
use crate::config::AllowedRequest;
use crate::testing::b64;

const ISSUER: Option<&str> = Some("https://as.bank.example");

fn allowing(requests: &[(&str, &str)]) -> ServiceInitiation {
    let request = |(method, path): &(&str, &str)| AllowedRequest { method: (*method).into(), path: (*path).into() };
    ServiceInitiation::new(config::ServiceInitiation { allow: requests.iter().map(request).collect() })
}

/// Three parts with this header.
fn headed(header: &str) -> String {
    format!("{}.e30.AA", b64(header.as_bytes()))
}

/// Three parts with these claims.
fn claiming(claims: &str) -> String {
    format!("{}.{}.AA", b64(br#"{"typ":"JWT"}"#), b64(claims.as_bytes()))
}

#[test]
fn a_request_is_allowed_by_its_exact_method_and_path() {
    let rules = allowing(&[("POST", "/payments"), ("PUT", "/"), ("POST", "/file-payments/v2.1")]);
    for (method, path) in [
        ("POST", "/payments"),
        ("POST", "/payments?"),
        ("POST", "/payments?a=%2e%2e/#&b=?"),
        ("PUT", "/"),
        ("PUT", "/?x"),
        ("POST", "/file-payments/v2.1"),
    ] {
        assert!(rules.allows(method.as_bytes(), path.as_bytes()), "{method} {path}");
    }
    for (method, path) in [
        ("GET", "/payments"),
        ("post", "/payments"),
        ("POST ", "/payments"),
        ("", "/payments"),
        ("PUT", "/payments"),
        ("POST", "/"),
        ("POST", ""),
        ("POST", "?"),
        ("POST", "payments"),
        ("POST", "/Payments"),
        ("POST", "/payments/"),
        ("POST", "//payments"),
        ("POST", "/payments/x"),
        ("POST", "/payments/../accounts"),
        ("POST", "/payments/..?"),
        ("POST", "/./payments"),
        ("POST", "/accounts/../payments"),
        ("POST", "/payments#"),
        ("POST", "/payments#?x"),
        ("POST", "/payments;x"),
        ("POST", "/payments\\"),
        ("POST", "\\payments"),
        ("POST", "/payment%73"),
        ("POST", "/payments%3f"),
        ("POST", "/payments\0"),
        ("POST", "/payments "),
        ("POST", "/accounts?/payments"),
        ("POST", "https://bank.example/payments"),
        ("POST", "/file-payments/v2x1"),
    ] {
        assert!(!rules.allows(method.as_bytes(), path.as_bytes()), "{method} {path}");
    }
}

#[test]
fn an_opaque_token_is_visible_ascii_of_at_most_8_kib() {
    let longest = "x".repeat(MAX_OPAQUE_TOKEN_BYTES);
    for token in ["x", "a.b.c", "!~", &longest] {
        assert!(is_opaque_token(token), "{token}");
    }
    for token in ["", "a b", "a\n", "a\u{7f}", "\u{628}", &format!("{longest}x")] {
        assert!(!is_opaque_token(token), "{token:?}");
    }
}

#[test]
fn a_token_with_the_header_of_jwt_auth_is_one_whatever_else_is_wrong_with_it() {
    for header in [
        r#"{"alg":"PS256","typ":"JOSE","cty":"json","kid":"k"}"#,
        r#"{"typ":"JOSE"}"#,
        r#"{"typ":"jose","alg":"none"}"#,
        r#"{"typ":"JoSe","alg":1}"#,
        r#"{"typ":"application/JOSE"}"#,
        r#"{"\u0074yp":"JOS\u0045"}"#,
        r#"{"cty":"json","alg":"PS256"}"#,
        r#"{"cty":"JSON","alg":"ps256","typ":"JWT"}"#,
        r#"{"cty":"application/json","alg":"PS256"}"#,
        "  {\"typ\":\n\"JOSE\"}  ",
    ] {
        assert!(is_jwt_auth_token(&headed(header)), "{header}");
    }
    let header = b64(br#"{"typ":"JOSE"}"#);
    for rest in ["..", ".e30.", ".not base64.!", ".@.@"] {
        assert!(is_jwt_auth_token(&format!("{header}{rest}")), "{rest}");
    }
}

#[test]
fn a_header_is_decoded_as_leniently_as_anybody_might() {
    // Its base64 has a character that the two alphabets write apart, and padding.
    let header = r#"{"typ":"JOSE","x":"~~?>"}"#;
    let [padded, standard] = [URL_SAFE.encode(header), STANDARD.encode(header)];
    assert!(padded.contains(['-', '_']) && padded.ends_with("==") && standard.contains(['+', '/']));
    for encoded in [padded.as_str(), standard.as_str(), padded.trim_end_matches('='), standard.trim_end_matches('=')] {
        assert!(is_jwt_auth_token(&format!("{encoded}.e30.AA")), "{encoded}");
    }
    // The last character of one octet's encoding has four bits that count for nothing.
    let canonical = b64(header.as_bytes());
    let (start, last) = canonical.split_at(canonical.len() - 1);
    assert_eq!(last, "Q");
    assert!(is_jwt_auth_token(&format!("{start}R.e30.AA")));
}

#[test]
fn a_repeated_member_might_be_the_one_that_counts() {
    for header in [
        r#"{"typ":"JWT","typ":"JOSE"}"#,
        r#"{"typ":"JOSE","typ":"JWT"}"#,
        r#"{"cty":"x","cty":"json","alg":"RS256","alg":"PS256"}"#,
        r#"{"cty":"json","alg":"RS256","alg":"PS256"}"#,
    ] {
        assert!(is_jwt_auth_token(&headed(header)), "{header}");
    }
    assert!(!is_jwt_auth_token(&headed(r#"{"typ":"JWT","kid":"a","kid":"b"}"#)));
    assert!(is_access_token(&claiming(r#"{"iss":"other","iss":"https://as.bank.example"}"#), ISSUER));
    assert!(is_access_token(&headed(r#"{"typ":"JWT","typ":"at+jwt"}"#), ISSUER));
}

#[test]
fn an_object_that_is_not_read_to_its_end_is_not_taken_for_opaque() {
    let deep = format!(r#"{{"x":{}{},"typ":"JOSE"}}"#, "[".repeat(20), "]".repeat(20));
    let members: String = (0..200).map(|n| format!(r#""m{n}":0,"#)).collect();
    for json in [deep, format!(r#"{{{members}"typ":"JOSE"}}"#)] {
        assert!(is_jwt_auth_token(&headed(&json)));
        assert!(is_access_token(&claiming(&json), ISSUER));
    }
}

#[test]
fn every_other_text_is_no_jwt_auth_token() {
    for header in [
        r#"{"typ":"JWT","alg":"PS256"}"#,
        r#"{"cty":"json","alg":"RS256"}"#,
        r#"{"alg":"PS256"}"#,
        r#"{"cty":"json"}"#,
        r#"{"typ":["JOSE"]}"#,
        r#"{"typ":null}"#,
        r#"{"typ":"JOSE+x"}"#,
        r#"{"typ":"text/jose"}"#,
        r#"{"TYP":"JOSE"}"#,
        r#"{"x":{"typ":"JOSE"}}"#,
        r#"[{"typ":"JOSE"}]"#,
        r#""JOSE""#,
        r#"{"typ":"JOSE"}x"#,
        r#"{"typ":"JOSE""#,
        "{}",
        "",
    ] {
        assert!(!is_jwt_auth_token(&headed(header)), "{header}");
    }
    let header = b64(br#"{"typ":"JOSE"}"#);
    for token in [
        "opaque",
        "",
        "..",
        "a.b.c",
        &header,
        &format!("{header}.e30"),
        &format!("{header}.e30.AA.AA.AA"),
        &format!("e30.{header}.AA"),
        &format!("{header}!.e30.AA"),
        &format!("={header}.e30.AA"),
    ] {
        assert!(!is_jwt_auth_token(token), "{token}");
    }
}

#[test]
fn an_access_token_is_known_by_its_type_or_its_issuer() {
    for token in [
        headed(r#"{"typ":"at+jwt"}"#),
        headed(r#"{"typ":"AT+JWT","alg":"none"}"#),
        headed(r#"{"typ":"application/at+jwt"}"#),
        headed(r#"{"typ":"Application/at+JWT"}"#),
        claiming(r#"{"iss":"https://as.bank.example"}"#),
        format!("not base64.{}.", b64(br#"{"iss":"https:\/\/as.bank.example","exp":1}"#)),
    ] {
        assert!(is_access_token(&token, ISSUER), "{token}");
    }
    for token in [
        headed(r#"{"typ":"JWT"}"#),
        headed(r#"{"typ":"at+jwt2"}"#),
        headed(r#"{"iss":"https://as.bank.example"}"#),
        claiming(r#"{"iss":"https://as.bank.example/"}"#),
        claiming(r#"{"iss":["https://as.bank.example"]}"#),
        claiming(r#"{"sub":"https://as.bank.example"}"#),
        "opaque".to_owned(),
        headed(r#"{"typ":"at+jwt"}"#) + ".",
    ] {
        assert!(!is_access_token(&token, ISSUER), "{token}");
    }
}

proptest! {
    #[test]
    fn arbitrary_text_never_panics(
        token in r"\PC{0,60}|[A-Za-z0-9_=+/-]{0,40}\.[A-Za-z0-9_=+/-]{0,40}\.[A-Za-z0-9_=+/-]{0,40}", issuer in r"\PC{0,9}",
    ) {
        let _ = (is_opaque_token(&token), is_jwt_auth_token(&token), is_access_token(&token, Some(&issuer)));
    }

    #[test]
    fn arbitrary_requests_never_panic_and_only_the_listed_one_is_allowed(
        method in prop::collection::vec(any::<u8>(), 0..6), path in prop::collection::vec(any::<u8>(), 0..12),
    ) {
        let allowed = method == b"POST" && (path == b"/payments" || path.starts_with(b"/payments?"));
        prop_assert_eq!(allowing(&[("POST", "/payments")]).allows(&method, &path), allowed);
    }
}
