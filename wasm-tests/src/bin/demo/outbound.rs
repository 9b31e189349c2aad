//! Requests to the Hub (spec §4): signed with a local key, with the next one from an instant on, and by OpenBao. The Hub of
//! the stage demands C3 and verifies every token with a library that is not the filter's.

use std::time::Duration;

use serde_json::json;
use tokio::time::sleep;
use wasm_tests::stage::client::Request;
use wasm_tests::stage::openbao::OpenBao;
use wasm_tests::stage::pki::{HEADLESS_HEIMDALL_NAME, Pki};
use wasm_tests::stage::tokens::{Signer, Token, now};
use wasm_tests::stage::{OutboundSetup, OutboundStage, PROVIDER_ID, REMOTE_KEY_ID};

use crate::table::{Expected, Section, Table};

/// The `kid`s of the bank's keys on the stage.
const FIRST_KEY: &str = "sig4-2026-05";
const NEXT_KEY: &str = "sig4-2026-11";
/// How many seconds Envoy gets to start and to send what is to be sent before the next key becomes active. A loaded machine
/// may need more: then it is started anew with more.
const HEAD_STARTS: [u64; 4] = [6, 12, 24, 48];
/// How many of them the requests before that instant take at the most.
const MARGIN: u64 = 2;

/// Both sections.
pub async fn play(table: &mut Table) {
    local_keys(table).await;
    openbao(table).await;
}

async fn local_keys(table: &mut Table) {
    let mut section =
        table.section("outbound", "Outbound, local keys: a fresh token of the bank on every request to the Hub");
    let pki = Pki::shared();
    let not_yet = OutboundSetup::new().key(&pki.bank.signing, Some("2999-01-01T00:00:00Z"));
    let verifying = OutboundSetup::new().verify_responses(&json!({}));
    let (not_yet, verifying) = tokio::join!(not_yet.start(), verifying.start());
    let (rotating, instant) = about_to_rotate().await;

    let hello = Request::new("GET", "/hello-mtls");
    let post = || Request::new("POST", "/consents").body(b"{}");
    let own = post().header("authorization", "Bearer of-the-caller");
    send(&mut section, &rotating, "GET /hello-mtls, as onboarding does", Expected::Hello, &hello).await;
    send(&mut section, &rotating, "POST to the Consent Manager", Expected::Signed(FIRST_KEY), &post()).await;
    send(&mut section, &rotating, "the caller sent an Authorization", Expected::Signed(FIRST_KEY), &own).await;
    let outcome = rotating.send(HEADLESS_HEIMDALL_NAME, &post()).await;
    section.row("POST to Headless Heimdall", Expected::Signed(FIRST_KEY), outcome);
    let refused = Expected::Refused(500, "GenericError");
    send(&mut section, &not_yet, "another bank, its key not active yet", refused, &post()).await;

    verifying.hub.respond_with(|| vec![("authorization".to_owned(), format!("Bearer {}", token_of_the_hub()))]);
    let what = "the Hub's response carries its token";
    send(&mut section, &verifying, what, Expected::Signed(FIRST_KEY), &post()).await;
    verifying.hub.respond_with(Vec::new);
    let what = "its response carries none (require)";
    send(&mut section, &verifying, what, Expected::Refused(502, "Response.NotVerified"), &post()).await;

    sleep(Duration::from_secs((instant + 1).saturating_sub(now()))).await;
    send(&mut section, &rotating, "after the next key's active_from", Expected::Signed(NEXT_KEY), &post()).await;
    // The response that was replaced answered a request that had reached the Hub.
    section.end_outbound(&[&rotating, &not_yet, &verifying], 1);
}

/// A stage whose next key becomes active at this time, soon.
async fn about_to_rotate() -> (OutboundStage, u64) {
    let pki = Pki::shared();
    for seconds in HEAD_STARTS {
        let instant = now() + seconds;
        let setup = OutboundSetup::new().key(&pki.bank.signing, None);
        let stage = setup.key(&pki.next_bank_signing, Some(&rfc3339(instant))).start().await;
        if now() + MARGIN < instant {
            return (stage, instant);
        }
    }
    panic!("Envoy takes too long to start");
}

async fn openbao(table: &mut Table) {
    let mut section =
        table.section("outbound", "Outbound, a key in OpenBao: it signs, and the filter checks what it signed");
    let files = tempfile::tempdir().expect("a temporary directory");
    let bao = OpenBao::start(Pki::shared(), files.path()).await;
    let token = bao.transit().token(600).await;
    let settings = json!({"public_key": bao.transit().public_key(1).await});
    let stage = OutboundSetup::new().remote_signer(bao.address(), &token, &settings).start().await;
    let jwk = bao.transit().jwk(1, REMOTE_KEY_ID).await;
    stage.keystore.publish(&stage.pki.bank.subject, json!({"keys": [jwk]}));

    let post = Request::new("POST", "/consents").body(b"{}");
    let signed = Expected::Signed(REMOTE_KEY_ID);
    send(&mut section, &stage, "POST to the Consent Manager", signed, &post).await;
    send(&mut section, &stage, "another one, on a warm connection", signed, &post).await;
    bao.seal().await;
    send(&mut section, &stage, "OpenBao is sealed", Expected::Refused(503, "GenericRecoverableError"), &post).await;
    bao.unseal().await;
    send(&mut section, &stage, "unsealed again", signed, &post).await;
    bao.transit().rotate().await;
    let what = "rotated there, and not published";
    send(&mut section, &stage, what, Expected::Refused(500, "GenericError"), &post).await;
    bao.revoke(&token).await;
    send(&mut section, &stage, "the filter's Vault token revoked", Expected::Refused(500, "GenericError"), &post).await;
    section.end_outbound(&[&stage], 0);
}

async fn send(section: &mut Section<'_>, stage: &OutboundStage, what: &str, expected: Expected, request: &Request) {
    section.row(what, expected, stage.send_to_consent_manager(request).await);
}

fn token_of_the_hub() -> String {
    let hub = &Pki::shared().hub;
    Token::new(&hub.subject, &hub.signing.kid, PROVIDER_ID, now()).sign(Signer::Ps256(&hub.signing))
}

/// A time of this day, in UTC.
fn rfc3339(seconds: u64) -> String {
    humantime::format_rfc3339_seconds(std::time::UNIX_EPOCH + Duration::from_secs(seconds)).to_string()
}
