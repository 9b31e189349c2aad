//! The rules of `inbound.auth.client_credentials`, and of the secrets in it.

use std::time::Duration;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::with;
use crate::config::{
    Auth, ClientCredentials, Config, Credential, Introspection, JwtValidation, Secret, TokenValidation,
};
use crate::gateway::kinds::GatewayKind;
use crate::jose::Algorithm;

/// The least for tokens that are JWTs.
fn jwt() -> Value {
    json!({"issuer": "https://as.example", "audience": "bank", "jwks": {"url": "https://as.example/jwks"}})
}

/// The least for tokens that the server is asked about.
fn opaque() -> Value {
    json!({"introspection": {
        "url": "https://as.example/introspect",
        "client_id": "filter",
        "client_secret": {"env": "FILTER_SECRET"},
    }})
}

fn secret(text: &str) -> Credential {
    Credential::Secret(Secret::new(text))
}

/// `settings` with the value at a JSON pointer replaced or added.
fn changed(mut settings: Value, pointer: &str, value: Value) -> Value {
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    settings.pointer_mut(parent).unwrap().as_object_mut().unwrap().insert(key.to_owned(), value);
    settings
}

fn without(mut settings: Value, pointer: &str) -> Value {
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    settings.pointer_mut(parent).unwrap().as_object_mut().unwrap().remove(key).unwrap();
    settings
}

fn environment(name: &str) -> Option<String> {
    match name {
        "FILTER_SECRET" => Some("s3cret from outside".to_owned()),
        "EMPTY" => Some(String::new()),
        "TWO_LINES" => Some("s3cret\n".to_owned()),
        "LONG" => Some("s".repeat(1025)),
        _ => None,
    }
}

#[track_caller]
fn config(settings: &Value) -> Config {
    let config = with("/inbound/auth", json!({ "client_credentials": settings }));
    Config::parse_with(config.to_string().as_bytes(), &GatewayKind::known(), &environment)
        .unwrap_or_else(|errors| panic!("{errors}"))
}

#[track_caller]
fn accepted(settings: &Value) -> ClientCredentials {
    let Auth::ClientCredentials(settings) = config(settings).into_inbound().auth else { panic!() };
    *settings
}

#[track_caller]
fn accepted_jwt(settings: &Value) -> JwtValidation {
    let TokenValidation::Jwt(validation) = accepted(settings).validation else { panic!() };
    validation
}

#[track_caller]
fn accepted_introspection(settings: &Value) -> Introspection {
    let TokenValidation::Introspection(validation) = accepted(settings).validation else { panic!() };
    validation
}

/// All faults, a line each, without the path that all of them have.
#[track_caller]
fn faults(settings: &Value) -> String {
    let config = with("/inbound/auth", json!({ "client_credentials": settings }));
    let errors =
        Config::parse_with(config.to_string().as_bytes(), &GatewayKind::known(), &environment).expect_err("accepted");
    let text = errors.to_string();
    assert!(!text.contains("s3cret"), "{text}");
    let short = |line: &str| line.strip_prefix("inbound.auth.client_credentials").unwrap_or(line).to_owned();
    text.lines().map(short).collect::<Vec<_>>().join("\n")
}

#[test]
fn tokens_that_are_jwts_have_these_defaults() {
    let ClientCredentials { issuer, audience, scopes, clock_skew, certificate_bound, validation } = accepted(&jwt());
    assert_eq!((issuer.as_deref(), audience.as_deref()), (Some("https://as.example"), Some("bank")));
    assert!(scopes.is_empty() && certificate_bound);
    assert_eq!(clock_skew, Duration::from_secs(10));
    let TokenValidation::Jwt(validation) = validation else { panic!() };
    let JwtValidation { algorithms, jwks, upstream, max_age, timeout, refetch_cooldown, token_cache_capacity } =
        validation;
    assert_eq!(token_cache_capacity, None);
    assert_eq!(algorithms, [Algorithm::Ps256]);
    assert_eq!((jwks.as_str(), upstream.as_str()), ("https://as.example/jwks", "as.example:443"));
    assert_eq!([max_age, timeout, refetch_cooldown], [600, 5, 30].map(Duration::from_secs));
}

#[test]
fn tokens_that_the_server_is_asked_about_have_these_defaults() {
    let ClientCredentials { issuer, audience, scopes, clock_skew, certificate_bound, validation } = accepted(&opaque());
    assert_eq!((issuer, audience), (None, None));
    assert!(scopes.is_empty() && certificate_bound);
    assert_eq!(clock_skew, Duration::from_secs(10));
    let TokenValidation::Introspection(introspection) = validation else { panic!() };
    let Introspection {
        url,
        upstream,
        client_id,
        client_secret,
        timeout,
        max_age,
        negative_max_age,
        capacity,
        require_expiry,
    } = introspection;
    assert_eq!((url.as_str(), upstream.as_str()), ("https://as.example/introspect", "as.example:443"));
    assert_eq!((client_id.as_str(), client_secret), ("filter", secret("s3cret from outside")));
    assert_eq!([timeout, max_age, negative_max_age], [5, 60, 5].map(Duration::from_secs));
    assert_eq!((capacity, require_expiry), (10_000, false));
}

#[test]
fn each_setting_is_read_into_its_own_field() {
    let everything = json!({
        "issuer": "i", "audience": "a", "scopes": ["x", "y"], "clock_skew": "1s", "certificate_bound": false,
        "jwks": {"url": "http://localhost:8080/k"}, "algorithms": ["ES256", "RS256"], "upstream": "as",
        "max_age": "2s", "timeout": "3s", "refetch_cooldown": "4s",
        "token_cache_capacity": 5,
    });
    let ClientCredentials { issuer, audience, scopes, clock_skew, certificate_bound, .. } = accepted(&everything);
    assert_eq!((issuer.as_deref(), audience.as_deref()), (Some("i"), Some("a")));
    assert_eq!((scopes, clock_skew, certificate_bound), (vec!["x".into(), "y".into()], Duration::from_secs(1), false));
    let JwtValidation { algorithms, jwks, upstream, max_age, timeout, refetch_cooldown, token_cache_capacity } =
        accepted_jwt(&everything);
    assert_eq!(token_cache_capacity, Some(5));
    assert_eq!(algorithms, [Algorithm::Es256, Algorithm::Rs256]);
    assert_eq!((jwks.as_str(), upstream.as_str()), ("http://localhost:8080/k", "as"));
    assert_eq!([max_age, timeout, refetch_cooldown], [2, 3, 4].map(Duration::from_secs));

    let introspection = json!({"issuer": "i", "audience": "a", "introspection": {
        "url": "https://as.example/i", "upstream": "as", "client_id": "c d", "client_secret": {"value": "s e"},
        "timeout": "1s", "max_age": "2s", "negative_max_age": "3s", "capacity": 4, "require_expiry": true,
    }});
    let settings = accepted(&introspection);
    assert_eq!((settings.issuer.as_deref(), settings.audience.as_deref()), (Some("i"), Some("a")));
    let read = accepted_introspection(&introspection);
    assert_eq!((read.upstream.as_str(), read.client_id.as_str()), ("as", "c d"));
    assert_eq!((read.client_secret, read.capacity, read.require_expiry), (secret("s e"), 4, true));
    assert_eq!([read.timeout, read.max_age, read.negative_max_age], [1, 2, 3].map(Duration::from_secs));
}

#[test]
fn a_token_is_validated_in_exactly_one_way() {
    assert_eq!(faults(&json!({})), ": expected \"jwks\" or \"introspection\", got neither");
    let both = changed(jwt(), "/introspection", opaque()["introspection"].clone());
    assert_eq!(
        faults(&changed(both, "/scopes", json!([""]))),
        ": expected \"jwks\" or \"introspection\", got both\n\
         .scopes[0]: expected a scope of 1 to 128 visible ASCII characters without \" and \\, got an empty string"
    );
    assert_eq!(faults(&json!("x")), ": expected an object, got a string");
}

#[test]
fn a_jwt_needs_an_issuer_and_an_audience() {
    for key in ["issuer", "audience"] {
        let expected = format!(".{key}: expected a string of 1 to 512 bytes without control characters, got nothing");
        assert_eq!(faults(&without(jwt(), &format!("/{key}"))), expected);
    }
}

#[test]
fn issuer_and_audience_are_texts_of_1_to_512_bytes() {
    for settings in [jwt(), opaque()] {
        for key in ["issuer", "audience"] {
            for good in ["بنك", &"x".repeat(512), " "] {
                accepted(&changed(settings.clone(), &format!("/{key}"), json!(good)));
            }
            for (bad, got) in [
                (json!(""), "an empty string"),
                (json!("x".repeat(513)), "a longer string"),
                (json!("a\nb"), "a string with other characters"),
                (json!(["s3cret"]), "an array"),
                (json!(null), "null"),
            ] {
                let expected =
                    format!(".{key}: expected a string of 1 to 512 bytes without control characters, got {got}");
                assert_eq!(faults(&changed(settings.clone(), &format!("/{key}"), bad)), expected);
            }
        }
    }
}

#[test]
fn scopes_are_at_most_32_scope_tokens_without_duplicates() {
    let scopes = |count: usize| (0..count).map(|index| format!("scope:{index}")).collect::<Vec<_>>();
    for good in [json!([]), json!(["openid", "a:b/c.d!#[]~"]), json!(["x".repeat(128)]), json!(scopes(32))] {
        assert_eq!(json!(accepted(&changed(jwt(), "/scopes", good.clone())).scopes), good);
    }
    let item = "expected a scope of 1 to 128 visible ASCII characters without \" and \\, got";
    for (bad, expected) in [
        (json!(scopes(33)), ": expected an array of at most 32 scopes, got an array of 33".to_owned()),
        (json!("s3cret"), ": expected an array of at most 32 scopes, got a string".to_owned()),
        (json!([1]), format!("[0]: {item} a number")),
        (json!(["a b"]), format!("[0]: {item} a string with other characters")),
        (json!(["a\"b"]), format!("[0]: {item} a string with other characters")),
        (json!(["a\\b"]), format!("[0]: {item} a string with other characters")),
        (json!(["بنك"]), format!("[0]: {item} a string with other characters")),
        (json!(["x".repeat(129)]), format!("[0]: {item} a longer string")),
        (json!(["a", "a"]), "[1]: expected scopes without duplicates, got the same as at [0]".to_owned()),
    ] {
        assert_eq!(faults(&changed(jwt(), "/scopes", bad)), format!(".scopes{expected}"));
    }
}

#[test]
fn algorithms_are_chosen_from_the_three_without_duplicates() {
    let all = changed(jwt(), "/algorithms", json!(["RS256", "PS256", "ES256"]));
    assert_eq!(accepted_jwt(&all).algorithms, [Algorithm::Rs256, Algorithm::Ps256, Algorithm::Es256]);
    let list = "expected an array of 1 to 3 algorithms, got";
    let item = "expected \"PS256\", \"ES256\" or \"RS256\", got";
    for (bad, expected) in [
        (json!([]), format!(": {list} an array of 0")),
        (json!("PS256"), format!(": {list} a string")),
        (json!(null), format!(": {list} null")),
        (json!(["none"]), format!("[0]: {item} another string")),
        (json!(["HS256"]), format!("[0]: {item} another string")),
        (json!(["ps256"]), format!("[0]: {item} another string")),
        (json!(["PS256", 1]), format!("[1]: {item} a number")),
        (json!(["PS256", "PS256"]), "[1]: expected algorithms without duplicates, got the same as at [0]".to_owned()),
    ] {
        assert_eq!(faults(&changed(jwt(), "/algorithms", bad)), format!(".algorithms{expected}"));
    }
}

#[test]
fn a_key_set_has_a_url_and_no_other_location() {
    for (bad, expected) in [
        (json!({}), ".url: expected an https:// URL without braces, got nothing"),
        (json!("https://as.example/"), ": expected an object, got a string"),
        (
            json!({"environment": "sandbox", "url": "https://a.example/"}),
            ".environment: expected \"url\", got an unknown key",
        ),
        (json!({"url": 1}), ".url: expected an https:// URL without braces, got a number"),
        (json!({"url": "https://as.example/{OU}"}), ".url: expected an https:// URL without braces, got one with"),
        (
            json!({"url": "https://as.example/{s3cret}"}),
            ".url: expected an https:// URL without braces, got one with braces around something else",
        ),
        (
            json!({"url": "http://as.example/"}),
            ".url: expected an https:// URL without braces, \
             got one with http:// to a host that is not localhost, 127.0.0.0/8 or [::1]",
        ),
    ] {
        assert_eq!(faults(&changed(jwt(), "/jwks", bad)), format!(".jwks{expected}"));
    }
    let bad_url = changed(opaque(), "/introspection/url", json!("ftp://as.example/"));
    assert_eq!(
        faults(&bad_url),
        ".introspection.url: expected an https:// URL without braces, got one with another scheme"
    );
}

#[test]
fn settings_of_a_key_set_are_refused_where_there_is_none() {
    for (key, value) in [
        ("algorithms", json!(["PS256"])),
        ("upstream", json!("as")),
        ("max_age", json!("10m")),
        ("timeout", json!("5s")),
        ("refetch_cooldown", json!("30s")),
        ("token_cache_capacity", json!(1_000)),
    ] {
        let expected = format!(".{key}: expected nothing beside \"introspection\", got a setting of \"jwks\"");
        assert_eq!(faults(&changed(opaque(), &format!("/{key}"), value)), expected);
    }
}

#[test]
fn each_duration_is_held_to_its_range() {
    type Field = fn(&Value) -> Duration;
    type Case = (Value, &'static str, Field, [&'static str; 2], [Option<&'static str>; 2], &'static str);
    let cases: [Case; 7] = [
        (
            jwt(),
            "/clock_skew",
            |s| accepted(s).clock_skew,
            ["0s", "1m"],
            [None, Some("61s")],
            "0s to 1m such as \"10s\"",
        ),
        (
            jwt(),
            "/max_age",
            |s| accepted_jwt(s).max_age,
            ["1s", "24h"],
            [Some("0s"), Some("25h")],
            "1s to 24h such as \"10m\"",
        ),
        (
            jwt(),
            "/timeout",
            |s| accepted_jwt(s).timeout,
            ["100ms", "1m"],
            [Some("99ms"), Some("61s")],
            "100ms to 1m such as \"5s\"",
        ),
        (
            jwt(),
            "/refetch_cooldown",
            |s| accepted_jwt(s).refetch_cooldown,
            ["100ms", "10m"],
            [Some("99ms"), Some("11m")],
            "100ms to 10m such as \"30s\"",
        ),
        (
            opaque(),
            "/introspection/timeout",
            |s| accepted_introspection(s).timeout,
            ["100ms", "1m"],
            [Some("99ms"), Some("61s")],
            "100ms to 1m such as \"5s\"",
        ),
        (
            opaque(),
            "/introspection/max_age",
            |s| accepted_introspection(s).max_age,
            ["0s", "10m"],
            [None, Some("11m")],
            "0s to 10m such as \"1m\"",
        ),
        (
            opaque(),
            "/introspection/negative_max_age",
            |s| accepted_introspection(s).negative_max_age,
            ["0s", "1m"],
            [None, Some("61s")],
            "0s to 1m such as \"5s\"",
        ),
    ];
    for (settings, pointer, field, ends, [below, above], range) in cases {
        let [shortest, longest] = ends.map(|text| field(&changed(settings.clone(), pointer, json!(text))));
        assert!(shortest < longest, "{pointer}");
        let path = pointer.replace('/', ".");
        for (bad, got) in [(below, "a shorter one"), (above, "a longer one")] {
            if let Some(bad) = bad {
                let expected = format!("{path}: expected a duration from {range}, got {got}");
                assert_eq!(faults(&changed(settings.clone(), pointer, json!(bad))), expected);
            }
        }
    }
}

#[test]
fn the_capacity_is_a_number_from_1_to_100000() {
    for good in [1, 100_000] {
        assert_eq!(accepted_introspection(&changed(opaque(), "/introspection/capacity", json!(good))).capacity, good);
    }
    for (bad, got) in [
        (json!(0), "a smaller one"),
        (json!(-1), "a smaller one"),
        (json!(i64::MIN), "a smaller one"),
        (json!(100_001), "a larger one"),
        (json!(u64::MAX), "a larger one"),
        (json!(1.5), "a number"),
        (json!(1e3), "a number"),
        (json!("10"), "a string"),
        (json!(null), "null"),
    ] {
        let expected =
            format!(".introspection.capacity: expected a whole number of answers from 1 to 100000, got {got}");
        assert_eq!(faults(&changed(opaque(), "/introspection/capacity", bad)), expected);
    }
}

#[test]
fn the_client_is_named_in_printable_ascii() {
    for (bad, got) in [
        (json!(""), "an empty string"),
        (json!("x".repeat(257)), "a longer string"),
        (json!("a\tb"), "a string with other characters"),
        (json!(1), "a number"),
    ] {
        let expected =
            format!(".introspection.client_id: expected a string of 1 to 256 printable ASCII characters, got {got}");
        assert_eq!(faults(&changed(opaque(), "/introspection/client_id", bad)), expected);
    }
}

#[test]
fn url_client_and_secret_are_mandatory() {
    let fault = faults(&json!({"introspection": {}}));
    let paths: Vec<&str> = fault.lines().map(|line| line.split_once(": ").unwrap().0).collect();
    assert_eq!(paths, [".introspection.url", ".introspection.client_id", ".introspection.client_secret"]);
}

#[test]
fn a_secret_is_given_in_exactly_one_way() {
    let path = ".introspection.client_secret";
    for (bad, expected) in [
        (json!("s3cret"), ": expected an object, got a string"),
        (json!({}), ": expected \"env\", \"value\" or \"added_by\", got nothing"),
        (json!({"env": "FILTER_SECRET", "value": "s3cret"}), ": expected exactly one key, got \"env\" and \"value\""),
        (
            json!({"file": "s3cret"}),
            ".file: expected \"env\", \"value\" or \"added_by\", got an unknown key\n\
             .introspection.client_secret: expected \"env\", \"value\" or \"added_by\", got nothing",
        ),
    ] {
        assert_eq!(faults(&changed(opaque(), "/introspection/client_secret", bad)), format!("{path}{expected}"));
    }
}

#[test]
fn a_variable_that_gives_no_secret_is_named() {
    let rule = "expected a secret of 1 to 1024 printable ASCII characters, got";
    for (name, expected) in [
        ("UNSET", "expected an environment variable that is set, got UNSET, which is not".to_owned()),
        ("EMPTY", "expected an environment variable that is set, got EMPTY, which is not".to_owned()),
        ("TWO_LINES", format!("{rule} a string with other characters in TWO_LINES")),
        ("LONG", format!("{rule} a longer string in LONG")),
    ] {
        let settings = changed(opaque(), "/introspection/client_secret", json!({ "env": name }));
        assert_eq!(faults(&settings), format!(".introspection.client_secret.env: {expected}"));
    }
}

/// What does not look like the name of a variable may be the secret itself.
#[test]
fn what_is_no_name_of_a_variable_is_not_shown() {
    let rule = "expected the name of an environment variable: 1 to 128 of A to Z, 0 to 9 and _, got";
    for (name, got) in [
        (json!("s3cret"), "a string with other characters"),
        (json!("$S"), "a string with other characters"),
        (json!("A=B"), "a string with other characters"),
        (json!(""), "an empty string"),
        (json!("A".repeat(129)), "a longer string"),
        (json!(["s3cret"]), "an array"),
    ] {
        let settings = changed(opaque(), "/introspection/client_secret", json!({ "env": name }));
        assert_eq!(faults(&settings), format!(".introspection.client_secret.env: {rule} {got}"));
    }
}

#[test]
fn a_value_in_the_configuration_is_held_to_the_same_rule() {
    let rule = "expected a secret of 1 to 1024 printable ASCII characters, got";
    for (value, got) in [
        (json!(""), "an empty string"),
        (json!("s3cret\n"), "a string with other characters"),
        (json!("s3cret".repeat(200)), "a longer string"),
        (json!(1), "a number"),
    ] {
        let settings = changed(opaque(), "/introspection/client_secret", json!({ "value": value }));
        assert_eq!(faults(&settings), format!(".introspection.client_secret.value: {rule} {got}"));
    }
}

#[test]
fn a_secret_in_the_configuration_causes_a_warning_and_one_in_the_environment_none() {
    assert!(config(&opaque()).warnings().is_empty());
    let inline = changed(opaque(), "/introspection/client_secret", json!({"value": "s3cret"}));
    assert_eq!(
        config(&inline).warnings(),
        ["inbound.auth.client_credentials.introspection.client_secret.value: a secret in the configuration is shown \
             by the gateway's admin pages; give {\"env\": \"NAME\"} instead"]
    );
}

#[test]
fn without_an_environment_no_variable_is_set() {
    let config = with("/inbound/auth", json!({ "client_credentials": opaque() }));
    let errors = Config::parse(config.to_string().as_bytes()).unwrap_err().to_string();
    assert!(errors.ends_with("got FILTER_SECRET, which is not"), "{errors}");
}

#[test]
fn a_configuration_does_not_print_its_secrets() {
    let printed = format!("{:?}", config(&opaque()));
    assert!(printed.contains("client_secret: Secret([redacted])") && !printed.contains("s3cret"), "{printed}");
}

proptest! {
    #[test]
    fn a_secret_is_read_as_it_is_or_refused_without_being_shown(secret in "\\PC{0,20}|[ -~]{1,40}") {
        let settings = changed(opaque(), "/introspection/client_secret", json!({ "env": "NAME" }));
        let config = with("/inbound/auth", json!({ "client_credentials": settings })).to_string();
        let environment = |name: &str| (name == "NAME").then(|| secret.clone());
        match Config::parse_with(config.as_bytes(), &GatewayKind::known(), &environment) {
            Ok(config) => {
                let Auth::ClientCredentials(settings) = config.into_inbound().auth else { panic!() };
                let TokenValidation::Introspection(read) = settings.validation else { panic!() };
                prop_assert_eq!(read.client_secret, Credential::Secret(Secret::new(secret)));
            }
            Err(_) => prop_assert!(secret.is_empty() || !secret.bytes().all(|byte| (b' '..=b'~').contains(&byte))),
        }
    }
}
