//! Client credentials (spec §2.3): access tokens of the bank's own authorisation server, as JWTs and opaque.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::sleep;
use wasm_tests::stage::authorisation_server::{AUDIENCE, GATEWAY_ID, Grant, INTROSPECTION_PATH, ISSUER, JWKS_PATH};
use wasm_tests::stage::client::Request;
use wasm_tests::stage::pki::ARABIC_HUB_UNIT;
use wasm_tests::stage::{Setup, Stage, signed_by};

use crate::table::{Expected, Section, Table};

const INVALID: Expected = Expected::Refused(401, "AccessToken.Invalid");

/// The whole section.
pub async fn play(table: &mut Table) {
    let headline = "Client credentials: an access token of the bank's own authorisation server (oidc-provider)";
    let mut section = table.section("client_credentials", headline);
    let by_keys = json!({
        "issuer": ISSUER, "audience": AUDIENCE, "scopes": ["accounts"], "algorithms": ["PS256"],
        "jwks": {"url": format!("{ISSUER}{JWKS_PATH}")}, "upstream": "authorisation_server",
    });
    let by_introspection = json!({
        "issuer": ISSUER, "audience": AUDIENCE, "scopes": ["accounts"],
        "introspection": {
            "url": format!("{ISSUER}{INTROSPECTION_PATH}"), "upstream": "authorisation_server",
            "client_id": GATEWAY_ID, "client_secret": {"env": "INTROSPECTION_SECRET"}, "max_age": "2s",
        },
    });
    let (for_jwts, for_opaque) = tokio::join!(setup(by_keys).start(), setup(by_introspection).start());
    jwts(&for_jwts, &mut section).await;
    opaque(&for_opaque, &mut section).await;
    section.end(&[&for_jwts, &for_opaque]);
}

fn setup(settings: Value) -> Setup {
    Setup::new().pin(ARABIC_HUB_UNIT).authorisation_server().auth(&json!({"client_credentials": settings}))
}

/// Tokens that the filter reads itself.
async fn jwts(stage: &Stage, section: &mut Section<'_>) {
    let server = stage.authorisation_server();
    let right = Grant::jwt("PS256");
    let other = &stage.pki.arabic_hub.transport;
    let cases = [
        ("a JWT", Expected::Accepted, server.token(&right).await),
        ("a JWT with ES256, which is not allowed", INVALID, server.token(&Grant::jwt("ES256")).await),
        ("a JWT for another bank", INVALID, server.token(&right.clone().audience("https://other.example")).await),
        (
            "a JWT without the scope accounts",
            Expected::Refused(403, "AccessToken.InvalidScope"),
            server.token(&right.clone().scope("payments")).await,
        ),
        ("a JWT bound to another Hub's certificate", INVALID, server.token_for(other, &right).await),
        ("a JWT Auth token instead", INVALID, signed_by(&stage.pki.hub)),
    ];
    for (what, expected, token) in cases {
        section.row(what, expected, stage.send_as_hub(&Request::with_token(&token)).await);
    }
}

/// Tokens that the filter asks the authorisation server about.
async fn opaque(stage: &Stage, section: &mut Section<'_>) {
    let server = stage.authorisation_server();
    let token = server.token(&Grant::opaque()).await;
    let request = Request::with_token(&token);
    section.row("an opaque token, by introspection", Expected::Accepted, stage.send_as_hub(&request).await);
    section.row("the same, its answer cached", Expected::Accepted, stage.send_as_hub(&request).await);
    server.revoke(&token).await;
    sleep(Duration::from_millis(2100)).await;
    section.row("the same, revoked, after max_age (2 s)", INVALID, stage.send_as_hub(&request).await);
    let asked = server.asked_for(INTROSPECTION_PATH).await;

    let another = Request::with_token(&server.token(&Grant::opaque()).await);
    server.down().await;
    let outcome = stage.send_as_hub(&another).await;
    section.row("another one, the server down", Expected::Refused(503, "GenericRecoverableError"), outcome);
    section
        .note(&format!("The authorisation server was asked {asked} times about the first opaque token."), asked == 2);
}
