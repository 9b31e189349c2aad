//! Tokens on responses to the Hub (spec §1, *inbound response*).

use super::*;
use crate::jose::base64url;
use crate::request::NonceInput;
use crate::request::ResponseFacts;
use crate::rsa::RsaPublicKey;

fn signs(change: impl FnOnce(&mut Json)) -> Inbound {
    inbound(|config| {
        config["response_token"] = json!({
            "audience": "hub-for-retail",
            "certificate": { "organisation": "Example Bank, PJSC", "organisational_unit": "d0c1b2a3" },
            "keys": [{ "kid": "sig4", "private_key": { "value": SigningKey::second().pem() } }],
        });
        change(config);
    })
}

fn remote(config: &mut Json) {
    let token = config["response_token"].as_object_mut().unwrap();
    token.remove("keys");
    token.insert(
        "remote_signer".into(),
        json!({ "vault_transit": {
            "address": "http://127.0.0.1:8200", "upstream": "bao", "key": "sig4", "kid": "sig4",
            "token": { "value": "s.secret" }, "public_key": SigningKey::first().public_pem(),
        } }),
    );
}

/// A request that the gateway calls `r-1`.
fn request() -> RequestFacts {
    let mut facts = hub(&[("authorization", &format!("Bearer {}", token(|_| ()))), ("x-fapi-interaction-id", "f-1")]);
    facts.correlation.request_id = Some(b"r-1".to_vec());
    facts
}

/// Lets the request through, with the Hub's keys at hand.
fn admit(inbound: &mut Inbound) {
    let fetch = inbound.on_request(NOW, RequestId(1), request()).callout().unwrap();
    let outcome = inbound.on_answer(NOW, fetch.id, &fetch.subject, &published("sig3"));
    assert_eq!(code(&outcome.resumed[0].verdict), "admitted");
}

/// The same once the keys are there.
fn admit_again(inbound: &mut Inbound) {
    let verdict = inbound.on_request(NOW, RequestId(1), request()).verdict.unwrap();
    assert_eq!(code(&verdict), "admitted");
}

/// Its response: the gateway does not tell its id any more.
fn response() -> ResponseFacts {
    let nonce_input = NonceInput { random: Some([7; 32]), ..NonceInput::default() };
    ResponseFacts { nonce_input, ..ResponseFacts::default() }
}

#[test]
fn the_response_to_an_accepted_request_gets_a_token_of_the_bank() {
    for header in ["authorization", "x-response-token"] {
        let mut inbound = signs(|config| config["response_token"]["header"] = json!(header));
        admit(&mut inbound);
        let step = inbound.on_response(NOW, RequestId(1), &response());
        let Some(ResponseVerdict::Attach(token)) = &step.verdict else { panic!() };
        let (name, value) = token.header();
        assert_eq!(name, header);
        let (signing_input, signature) = value.strip_prefix("Bearer ").unwrap().rsplit_once('.').unwrap();
        let key = RsaPublicKey::new(&SigningKey::second().modulus(), &SigningKey::second().exponent()).unwrap();
        key.verify_ps256(signing_input.as_bytes(), &base64url(signature).unwrap()).unwrap();
        let claims = base64url(signing_input.split_once('.').unwrap().1).unwrap();
        let claims: Json = serde_json::from_slice(&claims).unwrap();
        assert_eq!((&claims["iss"], &claims["aud"]), (&json!("Example Bank, PJSC"), &json!("hub-for-retail")));
        let line = signed_line(&step.events, NOW).unwrap();
        assert!(line.contains(r#""x_fapi_interaction_id":"f-1""#), "{line}");
        assert!(line.contains(r#""request_id":"r-1""#), "{line}");
    }
}

#[test]
fn the_response_to_a_request_that_was_accepted_at_once_gets_one_too() {
    let mut inbound = signs(|config| config["auth"] = json!({ "mtls_only": {} }));
    assert_eq!(at_once(&mut inbound, hub(&[])), "admitted");
    let step = inbound.on_response(NOW, RequestId(1), &ResponseFacts::default());
    assert!(matches!(step.verdict, Some(ResponseVerdict::Attach(_))));
    assert!(signed_line(&step.events, NOW).is_some());
}

#[test]
fn nothing_is_signed_for_strangers() {
    let mut inbound = signs(|_| ());
    assert_eq!(at_once(&mut inbound, hub(&[])), "Credential.Missing");
    for id in [1, 99] {
        let step = inbound.on_response(NOW, RequestId(id), &ResponseFacts::default());
        assert!(matches!(step.verdict, Some(ResponseVerdict::Pass)));
    }
}

#[test]
fn a_response_is_signed_once_and_a_request_that_is_gone_has_none() {
    let mut inbound = signs(|_| ());
    admit(&mut inbound);
    let twice = [(); 2].map(|()| inbound.on_response(NOW, RequestId(1), &ResponseFacts::default()).verdict);
    let signed = twice.map(|verdict| matches!(verdict, Some(ResponseVerdict::Attach(_))));
    assert_eq!(signed, [true, false]);
    admit_again(&mut inbound);
    inbound.on_request_end(RequestId(1));
    let step = inbound.on_response(NOW, RequestId(1), &ResponseFacts::default());
    assert!(matches!(step.verdict, Some(ResponseVerdict::Pass)));
}

#[test]
fn without_the_setting_responses_mean_nothing() {
    let mut inbound = inbound(|_| ());
    assert!(!inbound.signs_responses());
    let step = inbound.on_response(NOW, RequestId(1), &ResponseFacts::default());
    assert!(matches!(step.verdict, Some(ResponseVerdict::Pass)));
    assert!(signs(|_| ()).signs_responses());
}

#[test]
fn a_response_is_held_for_a_remote_signer_and_replaced_where_there_is_no_signature() {
    let mut inbound = signs(remote);
    admit(&mut inbound);
    let mut step = inbound.on_response(NOW, RequestId(1), &ResponseFacts::default());
    assert!(step.verdict.is_none());
    let callout = step.callout().unwrap();
    let outcome = inbound.on_not_dispatched(NOW, callout.id, &callout.subject);
    assert_eq!(outcome.resumed[0].id, RequestId(1));
    assert!(matches!(outcome.resumed[0].verdict, Verdict::Response(_)));
    assert_eq!(code(&outcome.resumed[0].verdict), "GenericRecoverableError");
}

#[test]
fn a_response_waits_for_the_public_key_of_the_signer_where_none_is_configured() {
    let mut inbound = signs(|config| {
        remote(config);
        let settings = &mut config["response_token"]["remote_signer"]["vault_transit"];
        settings.as_object_mut().unwrap().remove("public_key");
        config["auth"] = json!({ "mtls_only": {} });
    });
    for id in [1, 2].map(RequestId) {
        assert!(inbound.on_request(NOW, id, hub(&[])).verdict.is_some());
    }
    let fetch = inbound.on_response(NOW, RequestId(1), &ResponseFacts::default()).callout().expect("a fetch");
    assert_eq!(fetch.subject, CalloutSubject::SignerKeys);
    let second = inbound.on_response(NOW, RequestId(2), &ResponseFacts::default());
    assert!(second.verdict.is_none() && second.callouts.is_empty());
    let keys = json!({ "data": { "keys": { "1": { "public_key": SigningKey::first().public_pem() } } } });
    let body = Body::Read(keys.to_string().into_bytes());
    let told = Answer { status: Some(b"200".to_vec()), body, ..Answer::default() };
    let outcome = inbound.on_answer(NOW, fetch.id, &fetch.subject, &told);
    let subjects: Vec<_> = outcome.callouts.iter().map(|callout| callout.subject.clone()).collect();
    assert_eq!(subjects, [1, 2].map(|id| CalloutSubject::Signature(RequestId(id))));
    assert!(inbound.on_tick(NOW).callouts.is_empty());

    let tick = inbound.on_tick(NOW.after(Duration::from_secs(60)));
    assert_eq!(tick.outcomes.iter().map(|outcome| outcome.resumed.len()).sum::<usize>(), 2);
}

#[test]
fn a_response_waits_for_the_login_to_the_signer() {
    let mut inbound = signs(|config| {
        remote(config);
        config["response_token"]["remote_signer"]["vault_transit"]["token"] = json!({ "app_role": { "role_id": "r" } });
        config["auth"] = json!({ "mtls_only": {} });
    });
    for id in [1, 2].map(RequestId) {
        assert!(inbound.on_request(NOW, id, hub(&[])).verdict.is_some());
    }
    let login = inbound.on_response(NOW, RequestId(1), &ResponseFacts::default()).callout().expect("a login");
    assert_eq!(login.subject, CalloutSubject::SignerToken);
    let second = inbound.on_response(NOW, RequestId(2), &ResponseFacts::default());
    assert!(second.verdict.is_none() && second.callouts.is_empty());
    let granted = json!({ "auth": { "client_token": "t", "lease_duration": 3600 } });
    let body = Body::Read(granted.to_string().into_bytes());
    let told = Answer { status: Some(b"200".to_vec()), body, ..Answer::default() };
    let outcome = inbound.on_answer(NOW, login.id, &login.subject, &told);
    let subjects: Vec<_> = outcome.callouts.iter().map(|callout| callout.subject.clone()).collect();
    assert_eq!(subjects, [1, 2].map(|id| CalloutSubject::Signature(RequestId(id))));
}

#[test]
fn a_callout_to_the_signer_that_nobody_reports_on_is_given_up_also_with_mtls_only() {
    let mut inbound = signs(|config| {
        remote(config);
        config["auth"] = json!({ "mtls_only": {} });
    });
    assert_eq!(inbound.tick_period(), Some(TICK));
    assert_eq!(at_once(&mut inbound, hub(&[])), "admitted");
    let _ = inbound.on_response(NOW, RequestId(1), &ResponseFacts::default());
    let tick = inbound.on_tick(NOW.after(Duration::from_secs(60)));
    assert_eq!(code(&tick.outcomes[0].resumed[0].verdict), "GenericRecoverableError");
}

#[test]
fn after_a_freeze_no_tick_lets_more_responses_go_than_the_stack_of_a_gateway_bears() {
    for (waiting, expected) in [(128, vec![128]), (129, vec![128, 1]), (300, vec![128, 128, 44])] {
        let mut inbound = signs(|config| {
            remote(config);
            config["auth"] = json!({ "mtls_only": {} });
        });
        for id in 0..waiting {
            assert!(inbound.on_request(NOW, RequestId(id), hub(&[])).verdict.is_some());
            assert!(inbound.on_response(NOW, RequestId(id), &ResponseFacts::default()).verdict.is_none());
        }
        for (tick, released) in (0..).zip(&expected) {
            let outcomes = inbound.on_tick(NOW.after(Duration::from_mins(1) + SHORT_TICK * tick)).outcomes;
            assert_eq!(outcomes.iter().map(|outcome| outcome.resumed.len()).sum::<usize>(), *released, "tick {tick}");
            let is_last = tick as usize + 1 == expected.len();
            assert_eq!(inbound.tick_period(), Some(if is_last { TICK } else { SHORT_TICK }));
        }
    }
}

#[test]
fn without_a_clock_a_response_that_was_to_be_signed_is_refused() {
    let mut inbound = signs(|_| ());
    admit(&mut inbound);
    assert_eq!(code(&inbound.on_response_without_clock(RequestId(1))), "GenericError");
    assert_eq!(code(&inbound.on_response_without_clock(RequestId(1))), "admitted", "it is the rejection");
}
