use serde_json::{Value as Json, json};

use super::*;
use crate::callout::Body;
use crate::gateway::kinds::GatewayKind;
use crate::jose::base64url;
use crate::rsa::RsaPublicKey;
use crate::testing::{SigningKey, b64};

const NOW: u64 = 1_795_253_400;

fn minting(change: impl FnOnce(&mut Json)) -> Minting {
    let mut config = json!({ "outbound": {
        "audience": "hub-for-retail",
        "certificate": { "organisation": "Example Bank, PJSC", "organisational_unit": "d0c1b2a3" },
        "lifetime": "20s",
        "keys": [{ "kid": "sig4", "private_key": { "value": SigningKey::first().pem() } }],
    } });
    change(&mut config["outbound"]);
    let config = Config::parse(config.to_string().as_bytes()).unwrap();
    Minting::new(config, &GatewayKind::Envoy.capabilities(None, false)).unwrap()
}

fn remote(outbound: &mut Json) {
    outbound.as_object_mut().unwrap().remove("keys");
    outbound["remote_signer"] = json!({ "vault_transit": {
        "address": "https://bao.example:8200", "key": "sig4", "kid": "sig4-2026", "token": { "value": "s.secret" },
    } });
}

/// What is minted with these answers, one after the other, and what was asked.
fn minted(minting: Minting, answers: &[Answer]) -> (Result<Minted, NotMinted>, Vec<String>) {
    let mut asked = Vec::new();
    let now = || UnixTime::from_secs(NOW);
    let minted = minting.mint([7; 32], &now, &mut |callout| {
        asked.push(format!("{} {}", callout.request.method, callout.request.url.as_str()));
        let answer = answers.get(asked.len() - 1).cloned().unwrap_or_default();
        match &answer.body {
            Body::Read(body) if body.is_empty() => signature_of(callout),
            _ => answer,
        }
    });
    (minted, asked)
}

fn answer(status: &str, body: Json) -> Answer {
    let status = Some(status.as_bytes().to_vec());
    Answer { status, body: Body::Read(body.to_string().into_bytes()), ..Answer::default() }
}

fn keys() -> Answer {
    answer("200", json!({ "data": { "keys": { "1": { "public_key": SigningKey::first().public_pem() } } } }))
}

/// Stands for the signature of whatever is asked for.
fn signature() -> Answer {
    Answer { body: Body::Read(Vec::new()), ..Answer::default() }
}

fn signature_of(callout: &Callout) -> Answer {
    let body: Json = serde_json::from_slice(&callout.request.body).unwrap();
    let input = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, body["input"].as_str().unwrap());
    let signature = b64(&SigningKey::first().sign(&input.unwrap()));
    answer("200", json!({ "data": { "signature": format!("vault:v1:{signature}") }, "warnings": ["it is old"] }))
}

/// Header and claims of a token, once its signature has been verified with the first key.
fn read(token: &str) -> (Json, Json) {
    let (signing_input, signature) = token.rsplit_once('.').unwrap();
    let key = RsaPublicKey::new(&SigningKey::first().modulus(), &SigningKey::first().exponent()).unwrap();
    key.verify_ps256(signing_input.as_bytes(), &base64url(signature).unwrap()).unwrap();
    let (header, payload) = signing_input.split_once('.').unwrap();
    let part = |text| serde_json::from_slice(&base64url(text).unwrap()).unwrap();
    (part(header), part(payload))
}

#[test]
fn a_local_key_signs_at_once_what_requests_would_carry() {
    let (result, asked) = minted(minting(|_| ()), &[]);
    let minted = result.unwrap();
    assert!(asked.is_empty() && minted.told.is_empty());
    let (header, claims) = read(&minted.token);
    assert_eq!(header, json!({ "alg": "PS256", "typ": "JOSE", "cty": "json", "kid": "sig4" }));
    assert_eq!(
        (&claims["iss"], &claims["sub"], &claims["aud"], &claims["iat"], &claims["exp"]),
        (&json!("Example Bank, PJSC"), &json!("d0c1b2a3"), &json!("hub-for-retail"), &json!(NOW), &json!(NOW + 20))
    );
    let record: Json = serde_json::from_str(&minted.record).unwrap();
    assert_eq!((&record["kid"], &record["jti"], &record["signer"]), (&json!("sig4"), &claims["jti"], &json!("local")));
    assert!(!format!("{minted:?}").contains(&minted.token), "a token is printed");
}

#[test]
fn the_newest_active_key_signs_and_before_the_first_none() {
    let keys = |times: [&str; 2]| {
        let times = times.map(str::to_owned);
        move |outbound: &mut Json| {
            outbound["keys"] = json!([
                { "kid": "old", "private_key": { "value": SigningKey::first().pem() }, "active_from": times[0] },
                { "kid": "new", "private_key": { "value": SigningKey::second().pem() }, "active_from": times[1] },
            ]);
        }
    };
    let kid = |times| {
        let record: Json = serde_json::from_str(&minted(minting(keys(times)), &[]).0.unwrap().record).unwrap();
        record["kid"].clone()
    };
    assert_eq!(kid(["2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z"]), "new");
    assert_eq!(kid(["2026-01-01T00:00:00Z", "2027-02-01T00:00:00Z"]), "old");
    let refused = minted(minting(keys(["2027-01-01T00:00:00Z", "2027-02-01T00:00:00Z"])), &[]).0.unwrap_err();
    assert_eq!((refused.status, refused.code), (500, "GenericError"));
    assert_eq!(refused.message, "No key to sign tokens with is active yet.");
}

#[test]
fn a_remote_signer_is_asked_for_its_keys_and_for_the_signature() {
    let (result, asked) = minted(minting(remote), &[keys(), signature()]);
    let minted = result.unwrap();
    assert_eq!(read(&minted.token).0["kid"], "sig4-2026");
    assert_eq!(
        asked,
        [
            "GET https://bao.example:8200/v1/transit/keys/sig4",
            "POST https://bao.example:8200/v1/transit/sign/sig4/sha2-256"
        ]
    );
    assert_eq!(minted.told.len(), 1);
    assert!(minted.told[0].contains("it is old"), "what the signer warns of is told: {:?}", minted.told);
}

#[test]
fn why_a_remote_signer_did_not_sign_is_told_as_the_log_would() {
    for (answers, code, told) in [
        (vec![answer("403", json!({}))], "GenericError", "may not read the key"),
        (vec![keys(), answer("403", json!({}))], "GenericError", "may not sign with this key"),
        (vec![Answer::default(), Answer::default()], "GenericRecoverableError", "no answer"),
        (vec![answer("503", json!({})), answer("503", json!({}))], "GenericRecoverableError", "sealed"),
        (vec![keys(), answer("200", json!({})), answer("200", json!({}))], "GenericError", "no data.signature"),
    ] {
        let (result, asked) = minted(minting(remote), &answers);
        let refused = result.unwrap_err();
        assert_eq!((refused.code, asked.len()), (code, answers.len()), "{refused:?}");
        assert!(refused.told.iter().any(|line| line.contains(told)), "{told}: {refused:?}");
    }
}

#[test]
fn responses_are_of_no_matter_and_inbound_configurations_mint_nothing() {
    let verifying = minting(|outbound| {
        outbound["verify_responses"] = json!({
            "mode": "require", "hub": { "organisation": "Ozone", "organisational_unit": "u", "common_name": "c" },
            "provider_ids": ["retail"], "jwks": { "environment": "sandbox" }, "upstream": "keystore",
        });
    });
    let (result, asked) = minted(verifying, &[]);
    assert!(result.is_ok() && asked.is_empty());
    let inbound = json!({ "inbound": {
        "provider_ids": ["retail"],
        "peer": { "allow_unpinned": true },
        "auth": { "jwt_auth": { "jwks": { "environment": "sandbox" }, "upstream": "keystore" } },
    } });
    let config = Config::parse(inbound.to_string().as_bytes()).unwrap();
    assert!(Minting::new(config, &GatewayKind::Envoy.capabilities(None, false)).is_none());
}
