//! The service initiation token (spec §2.6): one that only the bank can read, where the configuration lets it pass.

use wasm_tests::stage::client::Request;
use wasm_tests::stage::tokens::with_broken_signature;
use wasm_tests::stage::{Setup, signed_by};

use crate::table::{Expected, Table};

/// A token that the bank made for its customer.
const OPAQUE: &str = "bankConnect-7Qm2v9.xK-3_f";

/// The whole section.
pub async fn play(table: &mut Table) {
    let headline = "Service initiation: on POST /payments, beside JWT Auth, a token that only the bank can read";
    let mut section = table.section("jwt_auth", headline);
    let ids = r#""provider_ids": ["retail"],"#;
    let allow = r#""service_initiation": {"allow": [{"method": "POST", "path": "/payments"}]},"#;
    let stage = Setup::new().edit(ids, &format!("{ids} {allow}")).start().await;

    let hub = &stage.pki.hub;
    let bearing = |method: &str, path: &str, token: &str| {
        Request::new(method, path).header("authorization", format!("Bearer {token}"))
    };
    let (right, malformed) = (signed_by(hub), Expected::Refused(401, "JWS.Malformed"));
    let broken = Expected::Refused(401, "JWS.InvalidSignature");
    let cases = [
        ("POST /payments, opaque token", Expected::Unverified, bearing("POST", "/payments", OPAQUE)),
        ("POST /payments, JWT Auth token", Expected::Accepted, bearing("POST", "/payments", &right)),
        ("the same with a broken signature", broken, bearing("POST", "/payments", &with_broken_signature(&right))),
        ("POST /accounts, opaque token", malformed, bearing("POST", "/accounts", OPAQUE)),
        ("GET /payments, opaque token", malformed, bearing("GET", "/payments", OPAQUE)),
        ("POST /payments, no token", Expected::Refused(401, "Credential.Missing"), Request::new("POST", "/payments")),
    ];
    for (what, expected, request) in cases {
        section.row(what, expected, stage.send_as_hub(&request).await);
    }
    let tpp = stage.send(Some(&stage.pki.tpp.transport), &bearing("POST", "/payments", OPAQUE)).await;
    section.row("opaque token, a TPP's certificate", Expected::Refused(403, "Certificate.NotAllowed"), tpp);
    section.end(&[&stage]);
}
