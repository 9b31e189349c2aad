//! The health checks of onboarding (spec §2.7), which the filter answers itself.

use wasm_tests::stage::client::{Outcome, Request};
use wasm_tests::stage::{Setup, signed_by};

use crate::table::{Expected, Table};

/// The CA of the stage that issues client certificates.
const ISSUER: &str = "CN=Trust Framework Issuing CA,OU=CA,O=Trust Framework (test),C=AE";

/// The whole section.
pub async fn play(table: &mut Table) {
    let headline = "Health checks: answered by the filter; TLS demands no certificate, because /hello needs none";
    let mut section = table.section("jwt_auth", headline);
    let stage = Setup::new()
        .edit(r#""provider_ids": ["retail"],"#, r#""provider_ids": ["retail"], "health_checks": {},"#)
        .edit("require_client_certificate: true", "require_client_certificate: false")
        .start()
        .await;
    let get = |path: &str| Request::new("GET", path);

    let established = Expected::Healthy("established");
    section.row("GET /hello", established, stage.send_as_hub(&get("/hello")).await);
    section.row("GET /hello-mtls", established, stage.send_as_hub(&get("/hello-mtls")).await);
    let echo = stage.send_as_hub(&get("/echo-cert")).await;
    section.row("GET /echo-cert", established, echo.clone());
    let without = stage.send(None, &get("/hello")).await;
    section.row("GET /hello without a certificate", Expected::Healthy("not-established"), without);
    for (what, path) in [
        ("GET /hello-mtls without a certificate", "/hello-mtls"),
        ("GET /echo-cert without a certificate", "/echo-cert"),
    ] {
        section.row(what, Expected::Unhealthy, stage.send(None, &get(path)).await);
    }
    let missing = Expected::Refused(401, "Credential.Missing");
    section.row("GET /accounts without a token", missing, stage.send_as_hub(&get("/accounts")).await);
    let right = Request::with_token(&signed_by(&stage.pki.hub));
    section.row("GET /accounts with a token", Expected::Accepted, stage.send_as_hub(&right).await);

    let Outcome::Reply(reply) = echo else { return section.end(&[&stage]) };
    let shown = &reply.json()["clientCertificate"];
    let text = |member: &str| shown[member].as_str().unwrap_or("nothing").to_owned();
    let (subject, issuer) = (text("subject"), text("issuer"));
    section.note("/echo-cert shows the certificate's subject and issuer:", true);
    section.note(&subject, subject.contains(&stage.pki.hub.subject.common_name));
    section.note(&issuer, issuer == ISSUER);
    section.end(&[&stage]);
}
