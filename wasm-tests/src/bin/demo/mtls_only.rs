//! mTLS only (spec §2.1): the certificate and its pin are all that is checked.

use serde_json::json;
use wasm_tests::stage::client::Request;
use wasm_tests::stage::{Setup, signed_by};

use crate::table::{Expected, Table};

/// The whole section.
pub async fn play(table: &mut Table) {
    let mut section = table.section("mtls_only", "mTLS only: the certificate and its pin are all that is checked");
    let stage = Setup::new().auth(&json!({"mtls_only": {}})).start().await;
    let pki = stage.pki;
    let get = || Request::new("GET", "/accounts");

    section.row("the Hub, no credential", Expected::Accepted, stage.send_as_hub(&get()).await);
    let superfluous = Request::with_token(&signed_by(&pki.hub));
    section.row("the Hub, a credential, which is removed", Expected::Accepted, stage.send_as_hub(&superfluous).await);
    section.row(
        "a TPP's certificate, which is not pinned",
        Expected::Refused(403, "Certificate.NotAllowed"),
        stage.send(Some(&pki.tpp.transport), &get()).await,
    );
    section.row("no client certificate", Expected::Tls, stage.send(None, &get()).await);
    section.row("the Hub's name, but from another CA", Expected::Tls, stage.send(Some(&pki.stranger), &get()).await);
    section.end(&[&stage]);
}
