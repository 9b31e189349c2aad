//! JWT Auth (spec §2.4): who may call, with which token, also while the keystore fails and changes, and how often.

use std::time::Duration;

use serde_json::json;
use tokio::time::sleep;
use wasm_tests::stage::client::{Outcome, Request};
use wasm_tests::stage::pki::ARABIC_HUB_UNIT;
use wasm_tests::stage::tokens::{Signer, jwks, now, with_broken_signature, with_swapped_claims};
use wasm_tests::stage::{Setup, Stage, signed_by, token_of};

use crate::table::{Expected, Section, Table};
use crate::workers::at_once;

const ACCEPTED: Expected = Expected::Accepted;
const TLS: Expected = Expected::Tls;

/// The whole section.
pub async fn play(table: &mut Table) {
    let headline = "JWT Auth: a token that the Hub signed (PS256), checked with the keys that it publishes";
    let mut section = table.section("jwt_auth", headline);
    let lenient = Setup::new().edit("require_client_certificate: true", "require_client_certificate: false");
    let once = json!({"jwt_auth": {
        "jwks": {"environment": "sandbox"}, "upstream": "keystore", "replay_detection": "gateway",
    }});
    let (stage, lenient, detecting) = tokio::join!(
        Setup::new().pin(ARABIC_HUB_UNIT).start(),
        lenient.start(),
        Setup::new().auth(&once).workers(4).start()
    );
    callers(&stage, &lenient, &mut section).await;
    tokens(&stage, &mut section).await;
    headers(&stage, &mut section).await;
    keystore(&stage, &mut section).await;
    replay(&detecting, &mut section).await;
    section.end(&[&stage, &lenient, &detecting]);
}

/// Who is let in at all.
async fn callers(stage: &Stage, lenient: &Stage, section: &mut Section<'_>) {
    let pki = stage.pki;
    let right = || Request::with_token(&signed_by(&pki.hub));
    let arabic = &pki.arabic_hub;
    let arabic_token = Request::with_token(&signed_by(arabic));
    let tpp_token = Request::with_token(&signed_by(&pki.tpp));

    section.row("the Hub, valid token", ACCEPTED, stage.send_as_hub(&right()).await);
    section.row(
        "a Hub with an Arabic name, valid token",
        ACCEPTED,
        stage.send(Some(&arabic.transport), &arabic_token).await,
    );
    section.row("no client certificate", TLS, stage.send(None, &right()).await);
    section.row("the Hub's name, but from another CA", TLS, stage.send(Some(&pki.stranger), &right()).await);
    section.row(
        "no certificate, and TLS demands none",
        Expected::Refused(401, "Certificate.Missing"),
        lenient.send(None, &right()).await,
    );
    section.row(
        "a TPP's certificate, token right for it",
        Expected::Refused(403, "Certificate.NotAllowed"),
        stage.send(Some(&pki.tpp.transport), &tpp_token).await,
    );
}

/// Tokens of the Hub that are wrong in one thing.
async fn tokens(stage: &Stage, section: &mut Section<'_>) {
    let hub = &stage.pki.hub;
    let now = now();
    let ps256 = Signer::Ps256(&hub.signing);
    let right = || token_of(hub);
    let swapped = right().claim("scope", "everything").claims;

    let claim = Expected::Refused(401, "JWS.InvalidClaim");
    let header = Expected::Refused(401, "JWS.InvalidHeader");
    let signature = Expected::Refused(401, "JWS.InvalidSignature");
    let cases = [
        ("token expired", claim, right().valid(now - 60, now - 30).sign(ps256)),
        ("token not yet valid", claim, right().claim("nbf", now + 60).sign(ps256)),
        ("aud is another bank", claim, right().claim("aud", "another-bank").sign(ps256)),
        ("iss is not the certificate's O", claim, right().claim("iss", "Another Hub").sign(ps256)),
        ("sub is not the certificate's OU", claim, right().claim("sub", ARABIC_HUB_UNIT).sign(ps256)),
        ("alg none", header, right().header("alg", "none").sign(Signer::Unsigned)),
        ("alg HS256, the public key as secret", header, {
            right().header("alg", "HS256").sign(Signer::Hs256(hub.signing.public_der()))
        }),
        ("alg RS256", header, right().header("alg", "RS256").sign(Signer::Rs256(&hub.signing))),
        ("one bit of the signature changed", signature, with_broken_signature(&right().sign(ps256))),
        ("claims changed after signing", signature, with_swapped_claims(&right().sign(ps256), &swapped)),
    ];
    for (what, expected, token) in cases {
        section.row(what, expected, stage.send_as_hub(&Request::with_token(&token)).await);
    }
}

/// Requests that are wrong beside the token.
async fn headers(stage: &Stage, section: &mut Section<'_>) {
    let hub = &stage.pki.hub;
    let right = || Request::with_token(&signed_by(hub));
    let twice = right().header("authorization", format!("Bearer {}", signed_by(hub)));
    let spoofed = right().header("x-hub-client-organisation", "Somebody Else");
    let cases = [
        ("no Authorization header", "Credential.Missing", 401, Request::new("GET", "/accounts")),
        ("two Authorization headers", "Credential.Malformed", 401, twice),
        ("a spoofed identity header", "Header.NotAllowed", 403, spoofed),
    ];
    for (what, code, status, request) in cases {
        section.row(what, Expected::Refused(status, code), stage.send_as_hub(&request).await);
    }
}

/// The keystore goes and comes, and its keys change.
async fn keystore(stage: &Stage, section: &mut Section<'_>) {
    let (hub, next) = (&stage.pki.hub, &stage.pki.next_signing);
    let mut renewed = hub.subject.clone();
    renewed.common_name.push_str("-renewed");
    let transport = stage.pki.client(&renewed);
    stage.keystore.publish(&renewed, jwks([&hub.signing]));
    let right = || Request::with_token(&signed_by(hub));

    stage.keystore.down().await;
    section.row("keystore down, keys cached", ACCEPTED, stage.send_as_hub(&right()).await);
    let not_cached = stage.send(Some(&transport), &right()).await;
    let wait = retry_after(&not_cached);
    section.row("keystore down, no keys cached", Expected::Refused(503, "GenericRecoverableError"), not_cached);
    stage.keystore.up();
    sleep(wait).await;
    section.row("keystore back, after Retry-After", ACCEPTED, stage.send(Some(&transport), &right()).await);

    stage.keystore.publish(&hub.subject, jwks([&hub.signing, next]));
    let rotated = token_of(hub).header("kid", next.kid.as_str()).sign(Signer::Ps256(next));
    section.row("key rotated, first token of the new key", ACCEPTED, {
        stage.send_as_hub(&Request::with_token(&rotated)).await
    });
    let unknown = token_of(hub).header("kid", "nobody-published-this").sign(Signer::Ps256(&hub.signing));
    section.row("a kid that the keystore does not have", Expected::Refused(401, "JWS.InvalidHeader"), {
        stage.send_as_hub(&Request::with_token(&unknown)).await
    });
}

/// One token many times, with `"replay_detection": "gateway"` and four workers.
async fn replay(stage: &Stage, section: &mut Section<'_>) {
    let stolen = Request::with_token(&signed_by(&stage.pki.hub));
    let batch = at_once(stage, vec![stolen; 20]).await;
    section.many("one token 20 times, to 4 workers at once", 1, "19 × JWS.InvalidClaim", &batch, &batch.refusals());
}

fn retry_after(outcome: &Outcome) -> Duration {
    let seconds = match outcome {
        Outcome::Reply(reply) => reply.header("retry-after").and_then(|value| value.parse().ok()),
        Outcome::Refused(_) => None,
    };
    Duration::from_secs(seconds.unwrap_or_default())
}
