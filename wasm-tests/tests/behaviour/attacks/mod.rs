//! Attacks on JWT Auth (spec §2.4, §3): one test each, named as what becomes of it. Each would fail without the check that
//! stops it.
//!
//! An attack is a request of the Hub that is right in everything but one thing. Whoever refuses it here also admits the
//! request without that thing, so that no attack is stopped by a mistake of its own.

mod algorithms;
mod encoding;
mod headers;
mod key_sets;
mod numbers_and_times;
mod signatures_and_keys;
mod spoofing;
mod subjects;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use wasm_tests::host::{Answer, Exchange, Gateway, Module, Request};
use wasm_tests::stage::pki::{Party, Pki};
use wasm_tests::stage::tokens::{Signer, SigningKey, Token};

use super::scene::*;

/// A status and an error code of spec §3.
type Code = (u16, &'static str);

const CERTIFICATE_MISSING: Code = (401, "Certificate.Missing");
const CERTIFICATE_MALFORMED: Code = (401, "Certificate.Malformed");
const CERTIFICATE_NOT_ALLOWED: Code = (403, "Certificate.NotAllowed");
const CREDENTIAL_MISSING: Code = (401, "Credential.Missing");
const CREDENTIAL_MALFORMED: Code = (401, "Credential.Malformed");
const HEADER_NOT_ALLOWED: Code = (403, "Header.NotAllowed");
const MALFORMED: Code = (401, "JWS.Malformed");
const INVALID_HEADER: Code = (401, "JWS.InvalidHeader");
const INVALID_SIGNATURE: Code = (401, "JWS.InvalidSignature");
const INVALID_CLAIM: Code = (401, "JWS.InvalidClaim");
const NO_KEYS: Code = (503, "GenericRecoverableError");

/// The attack is refused with this code, for this reason, before the bank; the Hub's right request is admitted.
fn refused(gateway: &Gateway, case: &str, attack: Request, code: Code, reason: &str) {
    refused_unlike(gateway, case, attack, right(gateway), code, reason);
}

/// The attack is refused with this code, for this reason, before the bank; the honest request is admitted.
fn refused_unlike(gateway: &Gateway, case: &str, attack: Request, honest: Request, code: Code, reason: &str) {
    stopped(&send(gateway, attack), case, code, reason);
    admitted(gateway, case, honest);
}

/// The request has ended with this code, for this reason, and the bank has not seen it.
fn stopped(exchange: &Exchange, case: &str, (status, code): Code, reason: &str) {
    assert_eq!(exchange.upstream(), None, "{case}: it reached the bank");
    let reply = exchange.reply().unwrap_or_else(|| panic!("{case}: {:?}", exchange.outcome()));
    let error = error(&reply);
    assert_eq!((reply.status, error["errorCode"].as_str()), (status, Some(code)), "{case}: {error}");
    let message = error["errorMessage"].as_str().expect("a message");
    assert!(message.contains(reason), "{case}: refused for another reason: {message}");
    let retry_after = reply.headers.text("retry-after").and_then(|seconds| seconds.parse::<u32>().ok());
    assert_eq!(retry_after.is_some_and(|seconds| seconds >= 1), status == 503, "{case}: {:?}", reply.headers);
}

/// The bank gets the request.
fn admitted(gateway: &Gateway, case: &str, request: Request) {
    assert_eq!(judge(gateway, request), "admitted", "{case}: the same without the attack");
}

/// What the Hub signs with.
fn sig3() -> Signer<'static> {
    Signer::Ps256(&hub().signing)
}

/// A request with this token, signed by the Hub.
fn signed(token: &Token) -> Request {
    with(&token.sign(sig3()))
}

/// Somebody whom the Trust Framework knows as well, with keys of its own.
fn attacker() -> &'static Party {
    &Pki::shared().tpp
}

/// A gateway whose keystore publishes exactly these JWKs for the Hub.
fn publishing_jwks(host: Host, keys: &[Value]) -> Gateway {
    started(host, &jwt_auth(), Answer::ok(json!({ "keys": keys }).to_string()))
}

/// A gateway whose keystore answers so for the Hub.
fn started(host: Host, configuration: &Value, answer: Answer) -> Gateway {
    host.with(configuration)
        .upstream(KEYSTORE, publishing(answer))
        .start(Module::release())
        .expect("the gateway starts")
}

/// The JWK of this key, with these members set, or with `null` left out.
fn jwk(key: &SigningKey, changes: Value) -> Value {
    let mut jwk = key.jwk();
    for (name, value) in changes.as_object().expect("an object") {
        jwk[name] = value.clone();
    }
    jwk.as_object_mut().expect("an object").retain(|_, value| !value.is_null());
    jwk
}

/// Every callout went to the keystore, and asked for the Hub's keys there.
fn only_the_hubs_keys_were_asked_for(gateway: &Gateway) {
    only_asked_for(gateway, &jwks_path(&hub().subject));
}

/// Every callout went to the keystore, and asked for this path there. There was one.
fn only_asked_for(gateway: &Gateway, path: &str) {
    let callouts = gateway.callouts();
    assert!(!callouts.is_empty(), "nothing was fetched");
    for callout in callouts {
        let text = |name: &str| callout.headers.text(name).map(|value| value.into_owned());
        assert_eq!(callout.upstream, KEYSTORE);
        assert_eq!(text(":authority").as_deref(), Some("keystore.sandbox.directory.openfinance.ae"));
        assert_eq!(text(":path").as_deref(), Some(path));
    }
}

fn b64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// An object as text, with one more member at its end, which may repeat an earlier one.
fn with_member(object: &Value, member: &str) -> String {
    let text = object.to_string();
    let open = text.strip_suffix('}').expect("an object");
    format!("{open},{member}}}")
}
