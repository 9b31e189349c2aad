//! The rules of JWKS locations: what is refused in the configuration, and that no subject leaves its path segment.

use proptest::prelude::*;

use super::*;

const SANDBOX: &str = "https://keystore.sandbox.directory.openfinance.ae/{OU}/{CN}/application.jwks";
const PRODUCTION: &str = "https://keystore.directory.openfinance.ae/{OU}/{CN}/application.jwks";

fn expanded(template: &str, organisational_unit: &str, common_name: &str) -> Result<String, ExpandError> {
    let location = JwksLocation::template(template).unwrap();
    location.expand(organisational_unit, Some(common_name)).map(|url| url.as_str().to_owned())
}

#[test]
fn the_environments_are_the_keystores_of_the_standard() {
    assert_eq!(
        JwksLocation::of_environment(Environment::Sandbox).expand("XYZ", Some("ABC")).unwrap().as_str(),
        "https://keystore.sandbox.directory.openfinance.ae/XYZ/ABC/application.jwks"
    );
    assert_eq!(
        JwksLocation::of_environment(Environment::Production).expand("XYZ", Some("ABC")).unwrap().as_str(),
        "https://keystore.directory.openfinance.ae/XYZ/ABC/application.jwks"
    );
}

#[test]
fn an_environment_passes_the_checks_of_a_template() {
    for (environment, template) in [(Environment::Sandbox, SANDBOX), (Environment::Production, PRODUCTION)] {
        let (known, written) = (JwksLocation::of_environment(environment), JwksLocation::template(template).unwrap());
        assert_eq!(known.expand("a b", Some("c/d")), written.expand("a b", Some("c/d")));
        assert_eq!(known.host_and_port(), written.host_and_port());
        assert_eq!(known.expand("a b", None), written.expand("a b", None));
    }
}

#[test]
fn placeholders_may_be_written_as_in_the_standard() {
    for template in
        ["https://a.example/${OU}/${CN}/x", "https://a.example/{OU}/{CN}/x", "https://a.example/${OU}/{CN}/x"]
    {
        assert_eq!(expanded(template, "o", "c"), Ok("https://a.example/o/c/x".to_owned()));
    }
}

#[test]
fn placeholders_are_filled_in_path_and_query_as_often_as_they_stand_there() {
    for (template, url) in [
        ("https://a.example/{OU}", "https://a.example/o"),
        ("https://a.example/{OU}{CN}/{OU}", "https://a.example/oc/o"),
        ("https://a.example/x-{CN}.jwks", "https://a.example/x-c.jwks"),
        ("https://a.example/?ou={OU}&cn={CN}", "https://a.example/?ou=o&cn=c"),
        ("https://a.example?cn={CN}", "https://a.example/?cn=c"),
        ("https://a.example/$/{CN}$", "https://a.example/$/c$"),
    ] {
        assert_eq!(expanded(template, "o", "c").as_deref(), Ok(url), "{template}");
    }
}

#[test]
fn a_url_comes_apart_into_what_a_callout_needs() {
    for (text, scheme, authority, path, upstream) in [
        ("https://a.example/jwks?x=1", Scheme::Https, "a.example", "/jwks?x=1", "a.example:443"),
        ("HTTPS://A.example:8443/B", Scheme::Https, "a.example:8443", "/B", "a.example:8443"),
        ("https://192.0.2.1", Scheme::Https, "192.0.2.1", "/", "192.0.2.1:443"),
        ("https://[2001:db8::1]:444?x", Scheme::Https, "[2001:db8::1]:444", "/?x", "[2001:db8::1]:444"),
        ("http://localhost/", Scheme::Http, "localhost", "/", "localhost:80"),
        ("http://127.9.9.9:8080/a", Scheme::Http, "127.9.9.9:8080", "/a", "127.9.9.9:8080"),
        ("http://[::1]/a//b", Scheme::Http, "[::1]", "/a//b", "[::1]:80"),
    ] {
        let location = JwksLocation::fixed(text).unwrap();
        assert_eq!(location.host_and_port(), upstream, "{text}");
        let url = location.expand("ignored", None).unwrap();
        assert_eq!((url.scheme(), url.authority(), url.path()), (scheme, authority, path), "{text}");
        assert_eq!(url.as_str(), format!("{}://{authority}{path}", scheme.as_str()), "{text}");
    }
}

#[test]
fn what_is_no_safe_url_is_refused_as_url_and_as_template() {
    use JwksLocationError::*;
    let long = format!("https://a.example/{}", "x".repeat(MAX_URL_BYTES));
    for (text, fault) in [
        ("", NotHttps),
        ("a.example/jwks", NotHttps),
        ("//a.example/jwks", NotHttps),
        ("ftp://a.example/", NotHttps),
        (" https://a.example/", NotHttps),
        ("file:///etc/passwd", NotHttps),
        ("http://a.example/", PlaintextBeyondLoopback),
        ("http://10.0.0.1/", PlaintextBeyondLoopback),
        ("http://localhost.example/", PlaintextBeyondLoopback),
        ("{OU}://a.example/", PlaceholderOutsidePath),
        ("https://{OU}/", PlaceholderOutsidePath),
        ("https://${CN}.example/", PlaceholderOutsidePath),
        ("https://a.example:{OU}/", PlaceholderOutsidePath),
        ("https://user:s3cret@a.example/", UserInfo),
        ("https://a.example\\@b.example/", UserInfo),
        ("https:///jwks", Host),
        ("https://a_b/", Host),
        ("https://a.example\\b/", Host),
        ("https://127.1/", Host),
        ("https://a.example:0/", Port),
        ("https://a.example:65536/", Port),
        ("https://a.example:/", Port),
        ("https://a.example/#x", Fragment),
        ("https://a.example#{OU}", Fragment),
        ("https://a.example/a b", Character),
        ("https://a.example/a\\b", Character),
        ("https://a.example/a\r\nHost: b", Character),
        ("https://a.example/a\0", Character),
        ("https://a.example/a\u{7f}", Character),
        ("https://a.example/بنك", Character),
        ("https://a.example/a\"b", Character),
        ("https://a.example/a}b", Character),
        ("https://a.example/%", Character),
        ("https://a.example/%2", Character),
        ("https://a.example/%2g", Character),
        ("https://a.example/%2{OU}", Character),
        ("https://a.example/%{OU}", Character),
        ("https://a.example/{O}", UnknownPlaceholder),
        ("https://a.example/{ou}", UnknownPlaceholder),
        ("https://a.example/{OU", UnknownPlaceholder),
        ("https://a.example/{}", UnknownPlaceholder),
        ("https://a.example/{{OU}}", UnknownPlaceholder),
        ("https://a.example/./jwks", Expansion(ExpandError::DotSegment)),
        ("https://a.example/a/..", Expansion(ExpandError::DotSegment)),
        ("https://a.example/%2e%2E/{OU}", Expansion(ExpandError::DotSegment)),
        (&long, Expansion(ExpandError::TooLong)),
    ] {
        assert_eq!(JwksLocation::fixed(text).err(), Some(fault), "{text}");
        assert_eq!(JwksLocation::template(text).err(), Some(fault), "{text}");
    }
}

#[test]
fn dots_are_harmless_where_they_are_no_segment() {
    for text in ["https://a.example/...", "https://a.example/.well-known/jwks.json", "https://a.example/a?x=/../"] {
        assert!(JwksLocation::fixed(text).is_ok(), "{text}");
    }
}

#[test]
fn a_fixed_url_has_no_placeholder_and_a_template_has_one() {
    for text in ["https://a.example/{OU}", "https://a.example/${CN}"] {
        assert_eq!(JwksLocation::fixed(text), Err(JwksLocationError::PlaceholderInFixedUrl));
    }
    assert_eq!(JwksLocation::template("https://a.example/OU"), Err(JwksLocationError::PlaceholderMissing));
}

#[test]
fn only_a_template_with_cn_needs_a_common_name() {
    let location = JwksLocation::template("https://a.example/{OU}").unwrap();
    assert!(location.expand("o", None).is_ok());
    let location = JwksLocation::template("https://a.example/{OU}/{CN}").unwrap();
    assert_eq!(location.expand("o", None), Err(ExpandError::CommonNameMissing));
}

#[test]
fn everything_but_unreserved_characters_is_percent_encoded_in_upper_case() {
    for (value, segment) in [
        ("AZaz09-._~", "AZaz09-._~"),
        ("a/b", "a%2Fb"),
        ("a?b#c", "a%3Fb%23c"),
        ("%2e%2F", "%252e%252F"),
        ("a b+c", "a%20b%2Bc"),
        ("a\r\nb\0", "a%0D%0Ab%00"),
        ("a;b=c&d@e:f", "a%3Bb%3Dc%26d%40e%3Af"),
        ("{CN}", "%7BCN%7D"),
        ("بنك", "%D8%A8%D9%86%D9%83"),
        ("a\\b", "a%5Cb"),
        ("...", "..."),
    ] {
        let expected = format!("https://a.example/{segment}/end");
        assert_eq!(expanded("https://a.example/{OU}/end", value, "c"), Ok(expected), "{value:?}");
    }
}

#[test]
fn a_subject_cannot_climb_in_the_path() {
    for (template, organisational_unit, common_name) in [
        (SANDBOX, ".", "c"),
        (SANDBOX, "..", "c"),
        (SANDBOX, "o", ".."),
        ("https://a.example/{OU}{CN}/x", ".", "."),
        ("https://a.example/.{OU}", ".", "c"),
        ("https://a.example/%2e{OU}", ".", "c"),
        ("https://a.example/{OU}%2E?x", ".", "c"),
        ("https://a.example/a/{CN}", "o", ".."),
    ] {
        let result = expanded(template, organisational_unit, common_name);
        assert_eq!(result, Err(ExpandError::DotSegment), "{template}");
    }
}

#[test]
fn dots_in_the_query_cannot_climb() {
    assert_eq!(expanded("https://a.example/?{OU}", "..", "c"), Ok("https://a.example/?..".to_owned()));
}

#[test]
fn an_empty_value_gives_no_url() {
    assert_eq!(expanded(SANDBOX, "", "c"), Err(ExpandError::EmptyValue));
    assert_eq!(expanded(SANDBOX, "o", ""), Err(ExpandError::EmptyValue));
}

#[test]
fn a_url_is_as_long_as_the_bound_and_no_longer() {
    let template = "https://a.example/{CN}";
    let room = MAX_URL_BYTES - "https://a.example/".len();
    assert_eq!(expanded(template, "o", &"x".repeat(room)).map(|url| url.len()), Ok(MAX_URL_BYTES));
    assert_eq!(expanded(template, "o", &"x".repeat(room + 1)), Err(ExpandError::TooLong));
    assert_eq!(expanded(template, "o", &"/".repeat(room / 3 + 1)), Err(ExpandError::TooLong));
}

#[test]
fn urls_are_equal_exactly_when_they_fetch_the_same() {
    let url = |text: &str| JwksLocation::fixed(text).unwrap().expand("o", None).unwrap();
    assert_eq!(url("https://A.example"), url("https://a.example/"));
    assert_ne!(url("https://a.example/"), url("https://a.example/x"));
    assert_ne!(url("https://localhost/"), url("http://localhost/"));
    assert!(url("https://a.example/a") < url("https://a.example/b"));
}

/// Values made of what could end a segment, start another part, or be decoded twice.
fn hostile() -> impl Strategy<Value = String> {
    let part = prop::sample::select(vec![
        "/", "?", "#", "%", "%2F", "..", ".", "\r\n", "\\", "@", ":", "{OU}", "ب", "\0", "a",
    ]);
    prop_oneof![prop::collection::vec(part, 1..8).prop_map(|parts| parts.concat()), any::<String>()]
}

fn decoded(segment: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = segment.as_bytes();
    while let [first, after @ ..] = rest {
        if *first == b'%' {
            bytes.push(u8::from_str_radix(std::str::from_utf8(&after[..2]).unwrap(), 16).unwrap());
            rest = &after[2..];
        } else {
            bytes.push(*first);
            rest = after;
        }
    }
    bytes
}

proptest! {
    #[test]
    fn no_subject_leaves_its_path_segment(ou in hostile(), cn in hostile()) {
        let location = JwksLocation::of_environment(Environment::Sandbox);
        match location.expand(&ou, Some(&cn)) {
            Ok(url) => {
                let segments: Vec<&str> = url.path().split('/').collect();
                prop_assert_eq!(segments.len(), 4);
                prop_assert_eq!((segments[0], segments[3]), ("", "application.jwks"));
                prop_assert_eq!(decoded(segments[1]), ou.as_bytes());
                prop_assert_eq!(decoded(segments[2]), cn.as_bytes());
                prop_assert!(!segments[1..3].contains(&".") && !segments[1..3].contains(&".."));
                let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~%/".contains(&byte);
                prop_assert!(url.path().bytes().all(allowed), "{}", url.path());
                prop_assert_eq!(url.authority(), "keystore.sandbox.directory.openfinance.ae");
            }
            Err(ExpandError::EmptyValue) => prop_assert!(ou.is_empty() || cn.is_empty()),
            Err(ExpandError::DotSegment) => prop_assert!([".", ".."].contains(&&*ou) || [".", ".."].contains(&&*cn)),
            Err(ExpandError::TooLong) => prop_assert!(3 * (ou.len() + cn.len()) > MAX_URL_BYTES - 100),
            Err(ExpandError::CommonNameMissing) => prop_assert!(false),
        }
    }

    #[test]
    fn different_subjects_have_different_urls(a in (hostile(), hostile()), b in (hostile(), hostile())) {
        let location = JwksLocation::of_environment(Environment::Sandbox);
        if let (Ok(first), Ok(second)) = (location.expand(&a.0, Some(&a.1)), location.expand(&b.0, Some(&b.1))) {
            prop_assert_eq!(first == second, a == b);
        }
    }

    #[test]
    fn reading_a_location_never_panics_and_gives_a_url_that_reads_the_same(
        text in prop_oneof![
            any::<String>(),
            "https?://[a-z0-9.:@\\[\\]]{0,12}[/?#]?[ -~]{0,12}",
            "https://a.example/[a-z%{}$OUCN./?#]{0,12}",
        ],
    ) {
        let _ = JwksLocation::template(&text);
        if let Ok(location) = JwksLocation::fixed(&text) {
            let url = location.expand("o", None).unwrap();
            let again = JwksLocation::fixed(url.as_str()).unwrap().expand("o", None).unwrap();
            prop_assert_eq!(again, url);
        }
    }
}
