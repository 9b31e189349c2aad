//! The rules of `inbound.service_initiation`.

use serde_json::{Value, json};

use super::{accepted, faults, least, with};
use crate::config::AllowedRequest;

fn allowed(value: Value) -> Vec<(String, String)> {
    let config = accepted(&with("/inbound/service_initiation", json!({ "allow": value })));
    let requests = config.into_inbound().service_initiation.expect("service initiation").allow;
    requests.into_iter().map(|AllowedRequest { method, path }| (method, path)).collect()
}

#[track_caller]
fn refused(value: Value, expected: &str) {
    let fault = faults(&with("/inbound/service_initiation", value));
    assert_eq!(fault, format!("inbound.service_initiation{expected}"));
}

#[test]
fn service_initiation_is_off_unless_asked_for() {
    assert_eq!(accepted(&least()).into_inbound().service_initiation, None);
}

#[test]
fn requests_are_allowed_by_method_and_path() {
    let longest = format!("/{}", "x".repeat(255));
    for (method, path) in [
        ("POST", "/payments"),
        ("M-SEARCH", "/"),
        ("X1", "/a/b.c/-_~!$&'()*+,;=:@"),
        ("A".repeat(32).as_str(), longest.as_str()),
    ] {
        assert_eq!(allowed(json!([{ "method": method, "path": path }])), [(method.to_owned(), path.to_owned())]);
    }
    let two = json!([{ "method": "POST", "path": "/payments" }, { "method": "PUT", "path": "/payments" }]);
    assert_eq!(allowed(two).len(), 2);
}

#[test]
fn there_are_1_to_32_requests_without_duplicates() {
    let requests = |count: usize| json!({ "allow": (0..count).map(|n| json!({ "method": "POST", "path": format!("/{n}") })).collect::<Vec<_>>() });
    assert_eq!(allowed(requests(32)["allow"].clone()).len(), 32);
    let list = ".allow: expected an array of 1 to 32 requests, got";
    refused(json!(null), ": expected an object, got null");
    refused(json!([]), ": expected an object, got an array");
    refused(json!({}), &format!("{list} nothing"));
    refused(requests(0), &format!("{list} an array of 0"));
    refused(requests(33), &format!("{list} an array of 33"));
    refused(json!({ "allow": "POST /payments" }), &format!("{list} a string"));
    refused(json!({ "allow": ["POST /payments"] }), ".allow[0]: expected an object, got a string");
    let twice = json!({ "method": "POST", "path": "/payments" });
    refused(
        json!({ "allow": [twice, twice] }),
        ".allow[1]: expected requests without duplicates, got the same as at [0]",
    );
    let fault = ".allow[0].query: expected \"method\" or \"path\", got an unknown key";
    refused(json!({ "allow": [{ "method": "POST", "path": "/payments", "query": "s3cret" }] }), fault);
}

#[test]
fn a_method_is_an_upper_case_token() {
    let expected = ".allow[0].method: expected an upper-case HTTP method of 1 to 32 characters, got";
    for (method, got) in [
        (json!(null), "null"),
        (json!(""), "an empty string"),
        (json!("Post"), "a string with other characters"),
        (json!("post"), "a string with other characters"),
        (json!("PO ST"), "a string with other characters"),
        (json!("POST/"), "a string with other characters"),
        (json!("P\u{d6}ST"), "a string with other characters"),
        (json!("A".repeat(33)), "a longer string"),
    ] {
        refused(json!({ "allow": [{ "method": method, "path": "/payments" }] }), &format!("{expected} {got}"));
    }
}

#[test]
fn a_path_has_one_spelling() {
    let expected =
        ".allow[0].path: expected a path such as \"/payments\" without query and without encoded characters, got";
    for (path, got) in [
        (json!(null), "null"),
        (json!(""), "a string without / at its start"),
        (json!("s3cret"), "a string without / at its start"),
        (json!("/payments/"), "a string with / at its end"),
        (json!("/payments?"), "a string with other characters"),
        (json!("/payments#"), "a string with other characters"),
        (json!("/payment%73"), "a string with other characters"),
        (json!("/payments\\x"), "a string with other characters"),
        (json!("/pay ments"), "a string with other characters"),
        (json!("/بنك"), "a string with other characters"),
        (json!("/*/payments{}"), "a string with other characters"),
        (json!("//payments"), "a string with two / in a row"),
        (json!("/a/../payments"), "a string with a segment . or .."),
        (json!("/./payments"), "a string with a segment . or .."),
        (json!(format!("/{}", "x".repeat(256))), "a longer string"),
    ] {
        refused(json!({ "allow": [{ "method": "POST", "path": path }] }), &format!("{expected} {got}"));
    }
}

#[test]
fn without_identity_headers_a_backend_could_not_tell_that_a_request_is_unverified() {
    let mut config = with("/inbound/forward", json!({ "identity_headers": false }));
    accepted(&config);
    config["inbound"]["service_initiation"] = json!({ "allow": [{ "method": "POST", "path": "/payments" }] });
    assert_eq!(
        faults(&config),
        "inbound.service_initiation: expected \"identity_headers\": true in \"forward\" beside it, got false: without them \
         the backend cannot tell that such a request is not verified"
    );
    config["inbound"]["forward"]["identity_headers"] = json!(true);
    accepted(&config);
}
