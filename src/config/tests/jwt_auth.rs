//! The rules of `inbound.auth.jwt_auth`.

use std::time::Duration;

use serde_json::{Value, json};

use super::{accepted, faults, with, without};
use crate::config::{Auth, JwtAuth, Replay, ReplayScope};

fn jwt_auth(key: &str, value: Value) -> JwtAuth {
    let config = accepted(&with(&format!("/inbound/auth/jwt_auth/{key}"), value));
    let Auth::JwtAuth(jwt_auth) = config.into_inbound().auth else { panic!() };
    jwt_auth
}

#[track_caller]
fn refused(key: &str, value: Value, expected: &str) {
    let fault = faults(&with(&format!("/inbound/auth/jwt_auth/{key}"), value));
    assert_eq!(fault, format!("inbound.auth.jwt_auth.{key}{expected}"));
}

#[test]
fn the_defaults_are_those_of_the_standard_and_the_design() {
    let JwtAuth {
        jwks: _,
        upstream,
        max_age,
        timeout,
        refetch_cooldown,
        clock_skew,
        max_lifetime,
        replay,
        token_cache_capacity,
        warm,
    } = jwt_auth("replay_detection", json!("off"));
    assert_eq!(upstream, "keystore.sandbox.directory.openfinance.ae:443");
    assert_eq!(max_age, Duration::from_secs(600));
    assert_eq!(timeout, Duration::from_secs(5));
    assert_eq!(refetch_cooldown, Duration::from_secs(30));
    assert_eq!(clock_skew, Duration::from_secs(10));
    assert_eq!(max_lifetime, Duration::from_secs(300));
    assert_eq!((replay, token_cache_capacity, warm), (None, None, vec![]));
}

#[test]
fn each_duration_is_held_to_its_range() {
    type Field = fn(JwtAuth) -> Duration;
    type Case = (&'static str, Field, [&'static str; 2], [Option<&'static str>; 2], &'static str);
    let cases: [Case; 5] = [
        ("max_age", |j| j.max_age, ["1s", "10m"], [Some("999ms"), Some("601s")], "1s to 10m such as \"10m\""),
        ("timeout", |j| j.timeout, ["100ms", "60s"], [Some("99ms"), Some("61s")], "100ms to 1m such as \"5s\""),
        (
            "refetch_cooldown",
            |j| j.refetch_cooldown,
            ["100ms", "10m"],
            [Some("99ms"), Some("11m")],
            "100ms to 10m such as \"30s\"",
        ),
        ("clock_skew", |j| j.clock_skew, ["0s", "10s"], [None, Some("10001ms")], "0s to 10s such as \"10s\""),
        ("max_lifetime", |j| j.max_lifetime, ["1s", "24h"], [Some("0s"), Some("25h")], "1s to 24h such as \"5m\""),
    ];
    for (key, field, ends, beyond, range) in cases {
        let [shortest, longest] = ends.map(|text| field(jwt_auth(key, json!(text))));
        assert!(shortest < longest, "{key}");
        let expected = format!(": expected a duration from {range}, got");
        let [below, above] = beyond;
        if let Some(below) = below {
            refused(key, json!(below), &format!("{expected} a shorter one"));
        }
        refused(key, json!(above), &format!("{expected} a longer one"));
        refused(key, json!(5), &format!("{expected} a number"));
        refused(key, json!(null), &format!("{expected} null"));
        let malformed = "a string that is not a whole number with a unit (ms, s, m or h)";
        refused(key, json!("s3cret"), &format!("{expected} {malformed}"));
    }
}

#[test]
fn keys_are_fetched_at_the_start_from_a_fixed_url_or_for_the_callers_that_are_named() {
    let urls = |jwks: Value, warm: Option<Value>| {
        let mut method = json!({ "jwks": jwks });
        warm.into_iter().for_each(|warm| method["warm"] = warm);
        let Auth::JwtAuth(read) = accepted(&with("/inbound/auth", json!({ "jwt_auth": method }))).into_inbound().auth
        else {
            panic!()
        };
        read.warm.iter().map(|url| url.as_str().to_owned()).collect::<Vec<_>>()
    };
    let template = json!({"url_template": "https://keys.example/{OU}"});
    assert_eq!(urls(json!({"url": "https://keys.example/k"}), None), ["https://keys.example/k"]);
    assert!(urls(template.clone(), None).is_empty());
    let hub = json!({"organisational_unit": "a/b"});
    assert_eq!(urls(template, Some(json!([hub]))), ["https://keys.example/a%2Fb"]);
    let two = json!([
        {"organisational_unit": "a", "common_name": "b"},
        {"organisational_unit": "c", "common_name": "d"},
    ]);
    let keystore = "https://keystore.directory.openfinance.ae";
    assert_eq!(
        urls(json!({"environment": "production"}), Some(two)),
        [format!("{keystore}/a/b/application.jwks"), format!("{keystore}/c/d/application.jwks")]
    );
}

#[test]
fn callers_whose_keys_are_fetched_at_the_start_are_named_as_the_address_needs_it() {
    refused("warm", json!([]), ": expected an array of 1 to 16 subjects, got an array of 0");
    let value = "expected a string of 1 to 256 bytes without control characters, got";
    for (item, fault) in [
        (
            json!({"organisational_unit": "a"}),
            "[0].common_name: expected the CN of the certificate, which the address of the JWKS needs, got nothing",
        ),
        (
            json!({"organisational_unit": "..", "common_name": "a"}),
            "[0]: expected values that fit into the address of the JWKS, got a path segment . or ..",
        ),
        (
            json!({"organisational_unit": "", "common_name": "a"}),
            &format!("[0].organisational_unit: {value} an empty string"),
        ),
        (
            json!({"organisational_unit": "a", "common_name": 1}),
            "[0].common_name: expected a string of 1 to 256 bytes without control characters, got a number",
        ),
    ] {
        refused("warm", json!([item]), fault);
    }
    let fixed =
        json!({"jwt_auth": {"jwks": {"url": "https://keys.example/k"}, "warm": [{"organisational_unit": "a"}]}});
    assert_eq!(
        faults(&with("/inbound/auth", fixed)),
        "inbound.auth.jwt_auth.warm: expected nothing beside a URL that is the same for all, whose keys are fetched anyway"
    );
}

#[test]
fn each_duration_is_read_into_its_own_field() {
    let given = json!({
        "jwks": {"environment": "production"},
        "max_age": "2s", "timeout": "3s", "refetch_cooldown": "4s", "clock_skew": "5s", "max_lifetime": "6s",
    });
    let Auth::JwtAuth(read) = accepted(&with("/inbound/auth", json!({"jwt_auth": given}))).into_inbound().auth else {
        panic!()
    };
    let seconds = [read.max_age, read.timeout, read.refetch_cooldown, read.clock_skew, read.max_lifetime];
    assert_eq!(seconds, [2, 3, 4, 5, 6].map(Duration::from_secs));
}

/// The method with these two settings, `null` for one that is left out.
fn replay(detection: Value, capacity: Value) -> Value {
    let mut method = json!({"jwks": {"environment": "sandbox"}});
    for (key, value) in [("replay_detection", detection), ("replay_capacity", capacity)] {
        if !value.is_null() {
            method[key] = value;
        }
    }
    with("/inbound/auth", json!({"jwt_auth": method}))
}

#[test]
fn replay_detection_is_off_or_of_a_worker_or_of_the_gateway() {
    let (worker, gateway) = (ReplayScope::Worker, ReplayScope::Gateway);
    for (detection, capacity, expected) in [
        (json!(null), json!(null), None),
        (json!("off"), json!(null), None),
        (json!("worker"), json!(null), Some(Replay { scope: worker, capacity: 100_000, store: None })),
        (json!("gateway"), json!(null), Some(Replay { scope: gateway, capacity: 100_000, store: None })),
        (json!("worker"), json!(1), Some(Replay { scope: worker, capacity: 1, store: None })),
        (json!("gateway"), json!(1_000_000), Some(Replay { scope: gateway, capacity: 1_000_000, store: None })),
    ] {
        let Auth::JwtAuth(read) = accepted(&replay(detection, capacity)).into_inbound().auth else { panic!() };
        assert_eq!(read.replay, expected);
    }
    for (value, got) in [
        (json!("on"), "another string"),
        (json!("Worker"), "another string"),
        (json!(false), "true or false"),
        (json!(null), "null"),
    ] {
        refused("replay_detection", value, &format!(": expected \"off\", \"worker\" or \"gateway\", got {got}"));
    }
}

#[test]
fn the_replay_capacity_is_a_whole_number_within_its_range() {
    for (value, got) in [
        ("0", "a smaller one"),
        ("-1", "a smaller one"),
        ("-9223372036854775808", "a smaller one"),
        ("1000001", "a larger one"),
        ("4294967297", "a larger one"),
        ("18446744073709551615", "a larger one"),
        ("100000.0", "a number with a fraction or an exponent"),
        ("0.5", "a number with a fraction or an exponent"),
        ("1e5", "a number with a fraction or an exponent"),
        ("18446744073709551616", "a number with a fraction or an exponent"),
        ("\"100000\"", "a string"),
        ("null", "null"),
        ("[1]", "an array"),
    ] {
        let text = replay(json!("worker"), json!("PLACE")).to_string().replace("\"PLACE\"", value);
        let faults = crate::config::Config::parse(text.as_bytes()).expect_err(value).to_string();
        let expected = "expected a whole number from 1 to 1000000 such as 100000";
        assert_eq!(faults, format!("inbound.auth.jwt_auth.replay_capacity: {expected}, got {got}"));
    }
}

#[test]
fn a_replay_capacity_without_replay_detection_is_a_mistake() {
    for detection in [json!(null), json!("off")] {
        assert_eq!(
            faults(&replay(detection, json!(1_000))),
            "inbound.auth.jwt_auth.replay_capacity: \
             expected nothing without \"replay_detection\", got a setting for it"
        );
    }
    let both = faults(&replay(json!("s3cret"), json!(0)));
    assert_eq!(both.lines().count(), 2, "{both}");
}

#[test]
fn the_token_cache_is_off_or_has_room_for_a_number_of_tokens_within_its_range() {
    assert_eq!(jwt_auth("replay_detection", json!("off")).token_cache_capacity, None);
    for capacity in [1, 1_000, 100_000] {
        assert_eq!(jwt_auth("token_cache_capacity", json!(capacity)).token_cache_capacity, Some(capacity));
    }
    for (value, got) in [
        (json!(0), "a smaller one"),
        (json!(-1), "a smaller one"),
        (json!(100_001), "a larger one"),
        (json!(1.5), "a number with a fraction or an exponent"),
        (json!("1000"), "a string"),
        (json!(true), "true or false"),
        (json!(null), "null"),
    ] {
        let expected = ": expected a whole number from 1 to 100000 such as 1000, got";
        refused("token_cache_capacity", value, &format!("{expected} {got}"));
    }
}

#[test]
fn a_token_cache_beside_replay_detection_is_a_mistake() {
    let both = |detection: &str, capacity: Value| {
        let mut config = replay(json!(detection), json!(null));
        config["inbound"]["auth"]["jwt_auth"]["token_cache_capacity"] = capacity;
        config
    };
    accepted(&both("off", json!(1_000)));
    for detection in ["worker", "gateway"] {
        assert_eq!(
            faults(&both(detection, json!(1_000))),
            "inbound.auth.jwt_auth.token_cache_capacity: expected nothing beside \"replay_detection\", which lets a token \
             pass once, got a setting for tokens that come again"
        );
    }
    let wrong = faults(&both("s3cret", json!(0)));
    assert_eq!(wrong.lines().count(), 2, "{wrong}");
}

#[test]
fn the_upstream_is_1_to_255_visible_ascii_characters() {
    for good in ["keystore", "outbound|443||keystore.example", &"x".repeat(255)] {
        assert_eq!(jwt_auth("upstream", json!(good)).upstream, good);
    }
    for (bad, got) in [
        (json!(""), "an empty string"),
        (json!("x".repeat(256)), "a longer string"),
        (json!("key store"), "a string with other characters"),
        (json!("بنك"), "a string with other characters"),
        (json!(null), "null"),
    ] {
        refused("upstream", bad, &format!(": expected a string of 1 to 255 visible ASCII characters, got {got}"));
    }
}

#[test]
fn the_upstream_is_the_host_and_port_of_the_url_when_left_out() {
    for (jwks, upstream) in [
        (json!({"environment": "production"}), "keystore.directory.openfinance.ae:443"),
        (json!({"url": "https://a.example:8443/x"}), "a.example:8443"),
        (json!({"url": "http://localhost/x"}), "localhost:80"),
        (json!({"url_template": "https://[2001:db8::1]/{OU}"}), "[2001:db8::1]:443"),
    ] {
        assert_eq!(jwt_auth("jwks", jwks).upstream, upstream);
    }
}

#[test]
fn keys_are_at_exactly_one_place() {
    let expected = ": expected exactly one key, got";
    refused("jwks", json!({}), ": expected \"environment\", \"url_template\" or \"url\", got nothing");
    refused(
        "jwks",
        json!({"environment": "sandbox", "url": "https://a.example/"}),
        &format!("{expected} \"environment\" and \"url\""),
    );
    refused(
        "jwks",
        json!({"environment": "sandbox", "url_template": "https://a.example/{OU}", "url": "https://a.example/"}),
        &format!("{expected} \"environment\", \"url_template\" and \"url\""),
    );
    refused("jwks", json!("https://a.example/"), ": expected an object, got a string");
    assert_eq!(
        faults(&without("/inbound/auth/jwt_auth/jwks")),
        "inbound.auth.jwt_auth.jwks: expected an object, got nothing"
    );
}

#[test]
fn an_environment_is_sandbox_or_production() {
    for (environment, host) in [("sandbox", "keystore.sandbox."), ("production", "keystore.directory.")] {
        let url = jwt_auth("jwks", json!({"environment": environment})).jwks.expand("o", Some("c")).unwrap();
        assert!(url.authority().starts_with(host), "{url:?}");
    }
    for (value, got) in [(json!("Sandbox"), "another string"), (json!(""), "another string"), (json!(null), "null")] {
        let expected = format!(".environment: expected \"sandbox\" or \"production\", got {got}");
        refused("jwks", json!({"environment": value}), &expected);
    }
}

#[test]
fn a_refused_url_is_told_without_its_text() {
    let url = ".url: expected an https:// URL without {OU} and {CN}, got";
    let template = ".url_template: expected an https:// URL with {OU} or {CN} in its path or query, got";
    let long = format!("https://a.example/{{OU}}{}", "s3cret".repeat(400));
    for (value, expected) in [
        (json!({"url": 443}), format!("{url} a number")),
        (json!({"url": null}), format!("{url} null")),
        (json!({"url": "s3cret"}), format!("{url} one with another scheme")),
        (
            json!({"url": "http://s3cret.example/"}),
            format!("{url} one with http:// to a host that is not localhost, 127.0.0.0/8 or [::1]"),
        ),
        (json!({"url": "https://user:s3cret@a.example/"}), format!("{url} one with a user name or password")),
        (json!({"url": "https://a.example/s3cret#"}), format!("{url} one with a fragment (#)")),
        (
            json!({"url": "https://s3cret_/"}),
            format!("{url} one whose host is not a DNS name, an IPv4 address or an [IPv6] address"),
        ),
        (json!({"url": "https://a.example:s3cret/"}), format!("{url} one whose port is not a number from 1 to 65535")),
        (
            json!({"url": "https://a.example/s3cret "}),
            format!("{url} one with characters that RFC 3986 does not allow"),
        ),
        (json!({"url": "https://a.example/{OU}"}), format!("{url} one with: give it as \"url_template\"")),
        (json!({"url_template": []}), format!("{template} an array")),
        (json!({"url_template": "https://a.example/s3cret"}), format!("{template} one without: give it as \"url\"")),
        (json!({"url_template": "https://{OU}/"}), format!("{template} one with a placeholder outside path and query")),
        (
            json!({"url_template": "https://a.example/{s3cret}"}),
            format!("{template} one with braces around something else"),
        ),
        (json!({"url_template": "https://a.example/{OU}/.."}), format!("{template} one with a path segment . or ..")),
        (json!({"url_template": long}), format!("{template} one that is too long")),
    ] {
        refused("jwks", value, &expected);
    }
}
