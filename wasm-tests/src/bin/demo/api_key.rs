//! API key (spec §2.2): the whole value of `Authorization` is the key, and the configuration has only its digest.

use aws_lc_rs::digest::{SHA256, digest};
use serde_json::{Value, json};
use wasm_tests::stage::Setup;
use wasm_tests::stage::client::Request;
use wasm_tests::stage::tokens::uuid;

use crate::table::{Expected, Table};

const INVALID: Expected = Expected::Refused(401, "ApiKey.Invalid");

/// The whole section.
pub async fn play(table: &mut Table) {
    let mut section =
        table.section("api_key", "API key: a secret in Authorization, of which the filter knows the digest");
    let [old, current, new, unknown] = [(); 4].map(|()| uuid() + &uuid());
    let keys = json!([
        known("old", &old, json!({"expires": "2020-12-31T00:00:00Z"})),
        known("current", &current, json!({"not_before": "2020-01-01T00:00:00Z"})),
        known("new", &new, json!({})),
    ]);
    let stage = Setup::new().auth(&json!({"api_key": {"keys": keys}})).start().await;

    let get = || Request::new("GET", "/accounts");
    let with = |key: &str| get().header("authorization", key);
    let cases = [
        ("the right key", Expected::Accepted, with(&current)),
        ("the next key, valid beside it", Expected::Accepted, with(&new)),
        ("an expired key", INVALID, with(&old)),
        ("a key that nobody knows", INVALID, with(&unknown)),
        ("no key", Expected::Refused(401, "Credential.Missing"), get()),
        ("two keys", Expected::Refused(401, "Credential.Malformed"), with(&current).header("authorization", &new)),
    ];
    for (what, expected, request) in cases {
        section.row(what, expected, stage.send_as_hub(&request).await);
    }
    let tpp = stage.send(Some(&stage.pki.tpp.transport), &with(&current)).await;
    section.row("the right key, a TPP's certificate", Expected::Refused(403, "Certificate.NotAllowed"), tpp);
    section.end(&[&stage]);
}

/// A key as the configuration has it, with its dates.
fn known(id: &str, key: &str, mut dates: Value) -> Value {
    let sha256: String = digest(&SHA256, key.as_bytes()).as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    dates["id"] = json!(id);
    dates["sha256"] = json!(sha256);
    dates
}
