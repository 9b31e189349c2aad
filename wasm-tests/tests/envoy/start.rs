//! With a bad configuration Envoy does not start, and its log says why.

use wasm_tests::stage::Setup;

/// An edit of the shipped file, and what the log must then name.
struct Case {
    what: &'static str,
    edits: &'static [(&'static str, &'static str)],
    named: &'static [&'static str],
}

const CASES: [Case; 6] = [
    Case { what: "no JSON", edits: &[(r#""inbound": {"#, r#"inbound: {"#)], named: &["JSON"] },
    Case {
        what: "an unknown key",
        edits: &[(r#""provider_ids": ["retail"]"#, r#""provider_ids": ["retail"], "provider_idz": []"#)],
        named: &["inbound", "provider_idz"],
    },
    Case {
        what: "nobody pinned",
        edits: &[(r#"["233bcd1d-4216-4b3c-a362-9e4a9282bba7"]"#, "[]")],
        named: &["inbound.peer", "allow_unpinned"],
    },
    Case {
        what: "two mistakes",
        edits: &[
            (r#"{"environment": "sandbox"}"#, r#"{"environment": "staging"}"#),
            (r#""provider_ids": ["retail"]"#, r#""provider_ids": []"#),
        ],
        named: &["inbound.provider_ids", "inbound.auth.jwt_auth.jwks"],
    },
    Case {
        what: "a part with nothing in it",
        edits: &[(r#""provider_ids": ["retail"]"#, r#""response_token": {}, "provider_ids": ["retail"]"#)],
        named: &["inbound.response_token.audience", "inbound.response_token.certificate", "remote_signer"],
    },
    Case {
        what: "a Struct instead of a StringValue",
        edits: &[
            ("type.googleapis.com/google.protobuf.StringValue", "type.googleapis.com/google.protobuf.Struct"),
            ("value: |", "value:"),
        ],
        named: &["Struct", "StringValue"],
    },
];

#[tokio::test]
async fn a_bad_configuration_stops_envoy_from_starting_and_is_named_in_its_log() {
    for case in CASES {
        let setup = case.edits.iter().fold(Setup::new(), |setup, (from, to)| setup.edit(from, to));
        assert_refusal_names(case.what, &setup.refusal().await, case.named);
    }
}

/// That Envoy ended, and that the filter's lines in its log have each of these words.
pub fn assert_refusal_names(what: &str, (code, log): &(Option<i32>, String), words: &[&str]) {
    assert_eq!(*code, Some(1), "{what}:\n{log}");
    let said: Vec<&str> = log.lines().filter(|line| line.contains("hub_auth_filter")).collect();
    for word in words {
        assert!(said.iter().any(|line| line.contains(word)), "{what}: {word} is not named:\n{said:#?}");
    }
}
