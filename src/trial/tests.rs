use super::*;
use crate::callout::Body;
use crate::gateway::kinds::GatewayKind;
use crate::peer::leaf::tests::LEAF;
use crate::testing::SigningKey;
use serde_json::{Value as Json, json};

const NOW: u64 = 1_795_253_400;

fn trial(change: impl FnOnce(&mut Json)) -> Trial {
    let certificate = LeafCertificate::from_pem(LEAF.as_bytes()).unwrap();
    let mut config = json!({ "inbound": {
        "provider_ids": ["retail"],
        "peer": { "allow_unpinned": true },
        "auth": { "jwt_auth": { "jwks": { "environment": "sandbox" }, "upstream": "keystore" } },
    } });
    change(&mut config["inbound"]);
    let capabilities = GatewayKind::Envoy.capabilities(None, false);
    Trial::new(Config::parse(config.to_string().as_bytes()).unwrap(), certificate, capabilities).unwrap()
}

fn token(trial: &Trial, change: impl FnOnce(&mut Json, &mut Json)) -> String {
    let (organisation, unit, _) = trial.subject().unwrap();
    let mut header = json!({ "alg": "PS256", "typ": "JOSE", "cty": "json", "kid": "sig3" });
    let mut claims =
        json!({ "iss": organisation, "sub": unit, "aud": "retail", "exp": NOW + 30, "iat": NOW, "jti": "8d5bd4e6" });
    change(&mut header, &mut claims);
    SigningKey::first().token(&header.to_string(), &claims.to_string())
}

fn decide(trial: &Trial, token: &str, keys: Option<Vec<u8>>) -> (Outcome, Vec<String>) {
    let mut asked = Vec::new();
    let authorization = format!("Bearer {token}");
    let outcome = trial.decide(
        UnixTime::from_secs(NOW),
        ("GET", "/accounts"),
        &[("authorization", &authorization)],
        &mut |callout: &Callout| {
            asked.push(callout.request.url.as_str().to_owned());
            match &keys {
                Some(keys) => {
                    Answer { status: Some(b"200".to_vec()), body: Body::Read(keys.clone()), ..Answer::default() }
                }
                None => Answer::default(),
            }
        },
    );
    (outcome, asked)
}

#[test]
fn a_right_token_passes_with_the_keys_of_the_certificates_address() {
    let trial = trial(|_| ());
    let keys = SigningKey::first().jwks("sig3");
    let (outcome, asked) = decide(&trial, &token(&trial, |_, _| ()), Some(keys));
    assert_eq!((outcome.status, outcome.code, outcome.failed), (200, None, None));
    assert_eq!(asked, [trial.jwks_url().unwrap()]);
}

#[test]
fn each_check_is_the_one_that_fails() {
    let trial = trial(|_| ());
    let keys = || Some(SigningKey::first().jwks("sig3"));
    type Change = fn(&mut Json, &mut Json);
    let changes: [(Check, Change); 12] = [
        (Check::Algorithm, |header, _| header["alg"] = json!("RS256")),
        (Check::Type, |header, _| header["typ"] = json!("JWT")),
        (Check::ContentType, |header, _| header["cty"] = json!("xml")),
        (Check::Extensions, |header, _| header["crit"] = json!(["exp"])),
        (Check::KeyId, |header, _| header["kid"] = json!(7)),
        (Check::Issuer, |_, claims| claims["iss"] = json!("Somebody")),
        (Check::Subject, |_, claims| claims["sub"] = json!("other")),
        (Check::Audience, |_, claims| claims["aud"] = json!("other")),
        (Check::Expiry, |_, claims| claims["exp"] = json!(NOW - 60)),
        (Check::IssuedAt, |_, claims| claims["iat"] = json!(NOW + 60)),
        (Check::Lifetime, |_, claims| claims["exp"] = json!(NOW + 3600)),
        (Check::TokenId, |_, claims| claims["jti"] = json!("")),
    ];
    for (check, change) in changes {
        let (outcome, _) = decide(&trial, &token(&trial, change), keys());
        assert_eq!((outcome.failed, outcome.status), (Some(check), 401));
        assert!(outcome.message.is_some());
    }
    let not_before = token(&trial, |_, claims| claims["nbf"] = json!(NOW + 60));
    assert_eq!(decide(&trial, &not_before, keys()).0.failed, Some(Check::NotBefore));
    let right = token(&trial, |_, _| ());
    assert_eq!(decide(&trial, "x", keys()).0.failed, Some(Check::Form));
    assert_eq!(decide(&trial, "a b", keys()).0.failed, Some(Check::Credential));
    assert_eq!(decide(&trial, &right, None).0.failed, Some(Check::KeySet));
    assert_eq!(decide(&trial, &right, Some(SigningKey::first().jwks("other"))).0.failed, Some(Check::Key));
    let (signed, signature) = right.rsplit_once('.').unwrap();
    let first = if signature.starts_with('A') { 'B' } else { 'A' };
    let forged = format!("{signed}.{first}{}", signature.get(1..).unwrap());
    assert_eq!(decide(&trial, &forged, keys()).0.failed, Some(Check::Signature));
    let payload = SigningKey::first().token(r#"{"alg":"PS256","typ":"JOSE","cty":"json","kid":"sig3"}"#, "[]");
    assert_eq!(decide(&trial, &payload, keys()).0.failed, Some(Check::Payload));
}

#[test]
fn a_certificate_that_is_not_pinned_fails_before_its_token_is_read() {
    let trial = trial(|inbound| inbound["peer"] = json!({ "organisational_units": ["another"] }));
    let (outcome, asked) = decide(&trial, "x", None);
    assert_eq!((outcome.failed, outcome.status, asked.len()), (Some(Check::Pin), 403, 0));
}

#[test]
fn the_order_of_the_list_is_that_of_the_checks() {
    let mut sorted = Check::ALL;
    sorted.sort_unstable();
    assert_eq!(sorted, Check::ALL);
}

#[test]
fn a_key_set_is_seen_as_the_filter_sees_it() {
    let mut set: Json = serde_json::from_slice(&SigningKey::first().jwks("sig3")).unwrap();
    let mut private = set["keys"][0].clone();
    (private["kid"], private["d"]) = (json!("published"), json!("AQAB"));
    set["keys"].as_array_mut().unwrap().push(private);
    let view = KeySetView::of(set.to_string().as_bytes(), false);
    assert_eq!(view.usable, [UsableKey { key_id: "sig3".to_owned(), algorithms: vec!["PS256"] }]);
    assert_eq!((view.skipped_count, view.skipped[0].0.as_deref(), view.refused), (1, Some("published"), None));
    let view = KeySetView::of(b"<html>", false);
    assert!(view.usable.is_empty() && view.refused.is_some());
}
