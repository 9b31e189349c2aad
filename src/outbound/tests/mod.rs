mod clocks;
mod per_request;
mod responses;
mod signer_keys;

use super::*;
use crate::callout::{Body, LONGEST_RETRY_AFTER};
use crate::gateway::kinds::GatewayKind;
use crate::jose::base64url;
use crate::request::Correlation;
use crate::request::NonceInput;
use crate::request_table::{LONGEST_WAIT, MAX_WAITING};
use crate::rsa::RsaPublicKey;
use crate::testing::{SigningKey, code, report, signed_line};
use crate::time::UnixTime;
use crate::verdict::{Admission, Verdict};
use serde_json::{Value as Json, json};

const NOW: Moment = Moment::by_wall_clock(UnixTime::from_secs(1_795_253_400));
const FIRST: RequestId = RequestId(1);
const SECOND: RequestId = RequestId(2);

/// An outbound direction that signs with a local key; `change` edits the configuration's `outbound` object.
fn outbound_with(capabilities: &Capabilities, change: impl FnOnce(&mut Json)) -> Outbound {
    let mut config = json!({ "outbound": {
        "audience": "hub-for-retail",
        "certificate": { "organisation": "Example Bank, PJSC", "organisational_unit": "d0c1b2a3" },
        "keys": [{ "kid": "sig4", "private_key": { "value": SigningKey::first().pem() } }],
    } });
    change(&mut config["outbound"]);
    let config = config::Config::parse(config.to_string().as_bytes()).unwrap();
    Outbound::new(config.into_outbound(), capabilities)
}

fn outbound(change: impl FnOnce(&mut Json)) -> Outbound {
    outbound_with(&GatewayKind::Envoy.capabilities(None, false), change)
}

/// The settings of a direction that verifies responses.
fn verifying(mode: &'static str) -> impl FnOnce(&mut Json) {
    move |outbound| {
        outbound["verify_responses"] = json!({
            "mode": mode,
            "hub": { "organisation": "Ozone", "organisational_unit": "233bcd1d", "common_name": "abc123" },
            "provider_ids": ["retail"],
            "jwks": { "environment": "sandbox" },
            "upstream": "keystore",
        });
    }
}

fn remote(outbound: &mut Json) {
    outbound.as_object_mut().unwrap().remove("keys");
    outbound["remote_signer"] = json!({ "vault_transit": {
        "address": "http://127.0.0.1:8200", "upstream": "bao", "key": "sig4", "kid": "sig4",
        "token": { "value": "s.secret" }, "public_key": SigningKey::first().public_pem(),
    } });
}

/// The same without a public key: the signer is asked for it.
fn unpinned(outbound: &mut Json) {
    remote(outbound);
    outbound["remote_signer"]["vault_transit"].as_object_mut().unwrap().remove("public_key");
}

fn signer_keys() -> Answer {
    let keys = json!({ "1": { "public_key": SigningKey::first().public_pem() } });
    answer(json!({ "data": { "keys": keys } }).to_string().into_bytes())
}

fn facts() -> RequestFacts {
    let correlation = Correlation { fapi_interaction_id: Some(b"f-1".to_vec().into()), ..Correlation::default() };
    RequestFacts { correlation, ..RequestFacts::default() }
}

fn admission(step: Effects<RequestVerdict>) -> Admission {
    assert!(step.callouts.is_empty());
    let Some(RequestVerdict::Admit(admission)) = step.verdict else { panic!("{step:?}") };
    *admission
}

/// Header and claims of the token that is set, once its signature has been verified with the first key.
fn token_of(admission: &Admission) -> (Json, Json) {
    let [(name, value)] = *admission.set().collect::<Vec<_>>() else { panic!("{admission:?}") };
    assert_eq!(name, "authorization");
    let (signing_input, signature) = value.strip_prefix("Bearer ").unwrap().rsplit_once('.').unwrap();
    let key = RsaPublicKey::new(&SigningKey::first().modulus(), &SigningKey::first().exponent()).unwrap();
    key.verify_ps256(signing_input.as_bytes(), &base64url(signature).unwrap()).unwrap();
    let (header, payload) = signing_input.split_once('.').unwrap();
    let part = |text| serde_json::from_slice(&base64url(text).unwrap()).unwrap();
    (part(header), part(payload))
}

fn answer(body: Vec<u8>) -> Answer {
    Answer { status: Some(b"200".to_vec()), body: Body::Read(body), ..Answer::default() }
}

/// The Hub's keys: the second key signs its responses.
fn published(kid: &str) -> Answer {
    answer(SigningKey::second().jwks(kid))
}

fn no_answer() -> Answer {
    Answer::default()
}

/// A response that carries a token of the Hub's; `change` edits its claims.
fn response_signed_by(kid: &str, change: impl FnOnce(&mut Json)) -> ResponseFacts {
    let now = NOW.wall.as_millis() / 1000;
    let mut claims = json!({
        "iss": "Ozone", "sub": "233bcd1d", "aud": "retail", "exp": now + 30, "iat": now, "jti": "8d5bd4e6",
    });
    change(&mut claims);
    let header = json!({ "alg": "PS256", "typ": "JOSE", "cty": "json", "kid": kid });
    let token = SigningKey::second().token(&header.to_string(), &claims.to_string());
    let mut facts = ResponseFacts::default();
    facts.note_token(format!("Bearer {token}").as_bytes());
    facts
}

/// A direction with the Hub's keys at hand, and the first request on its way.
fn under_way(mode: &'static str) -> Outbound {
    let mut outbound = outbound(verifying(mode));
    let fetch = outbound.on_request(NOW, FIRST, facts()).callout().unwrap();
    let outcome = outbound.on_answer(NOW, fetch.id, &fetch.subject, &published("sig3"));
    assert_eq!(code(&outcome.resumed[0].verdict), "admitted");
    outbound
}

fn signature_of(callout: &crate::callout::Callout) -> Answer {
    use base64::Engine as _;
    let body: Json = serde_json::from_slice(&callout.request.body).unwrap();
    let input = base64::engine::general_purpose::STANDARD.decode(body["input"].as_str().unwrap()).unwrap();
    let signature = crate::jose::to_base64url(&SigningKey::first().sign(&input));
    answer(json!({ "data": { "signature": format!("vault:v1:{signature}") } }).to_string().into_bytes())
}

#[test]
fn a_request_leaves_with_a_token_of_the_bank() {
    let admission = admission(outbound(|_| ()).on_request(NOW, FIRST, facts()));
    let (header, claims) = token_of(&admission);
    assert_eq!(header, json!({ "alg": "PS256", "typ": "JOSE", "cty": "json", "kid": "sig4" }));
    let now = NOW.wall.as_millis() / 1000;
    assert_eq!(
        claims,
        json!({
            "iss": "Example Bank, PJSC", "sub": "d0c1b2a3", "aud": "hub-for-retail",
            "exp": now + 30, "iat": now, "jti": claims["jti"],
        })
    );
    assert!(admission.removed().is_empty(), "the header is set in place of any other");
}

#[test]
fn the_lifetime_is_as_configured_and_a_token_never_from_the_future() {
    let mut outbound = outbound(|outbound| outbound["lifetime"] = json!("10s"));
    let (_, claims) = token_of(&admission(outbound.on_request(NOW.after(Duration::from_millis(999)), FIRST, facts())));
    let now = NOW.wall.as_millis() / 1000;
    assert_eq!((claims["iat"].as_u64().unwrap(), claims["exp"].as_u64().unwrap()), (now, now + 10));
}

#[test]
fn every_token_has_an_id_of_its_own_even_where_the_gateway_tells_nothing() {
    let mut outbound = outbound(|_| ());
    let mut ids: Vec<_> = (0..3)
        .map(|id| token_of(&admission(outbound.on_request(NOW, RequestId(id), facts()))).1["jti"].to_string())
        .collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 3);
}

#[test]
fn what_the_gateway_tells_of_a_request_makes_its_token_id_another() {
    let id = |client: &[u8]| {
        let nonce_input = NonceInput { client: Some(client.to_vec()), ..NonceInput::default() };
        let facts = RequestFacts { nonce_input, ..facts() };
        token_of(&admission(outbound(|_| ()).on_request(NOW, FIRST, facts))).1["jti"].to_string()
    };
    assert_ne!(id(b"127.0.0.1:1"), id(b"127.0.0.1:2"));
    assert_eq!(id(b"127.0.0.1:1"), id(b"127.0.0.1:1"), "nothing here is random by itself");
}

#[test]
fn each_signature_is_told_to_the_audit_trail() {
    let step = outbound(|_| ()).on_request(NOW, FIRST, facts());
    let line: Json = serde_json::from_str(&signed_line(&step.events, NOW).unwrap()).unwrap();
    let (_, claims) = token_of(&admission(step));
    assert_eq!(
        line,
        json!({
            "time": "2026-11-21T09:30:00.000Z", "version": 1, "event": "signed", "kid": "sig4", "jti": claims["jti"],
            "aud": "hub-for-retail", "signer": "local", "x_fapi_interaction_id": "f-1",
        })
    );
}

#[test]
fn the_newest_active_key_signs_from_its_first_moment_on() {
    let keys = |outbound: &mut Json| {
        outbound["keys"] = json!([
            { "kid": "old", "private_key": { "value": SigningKey::first().pem() }, "active_from": "2025-11-21T00:00:00Z" },
            { "kid": "new", "private_key": { "value": SigningKey::second().pem() }, "active_from": "2026-11-21T09:30:00Z" },
        ]);
    };
    let kid = |now: Moment| {
        let step = outbound(keys).on_request(now, FIRST, facts());
        let line: Json = serde_json::from_str(&signed_line(&step.events, now).unwrap()).unwrap();
        line["kid"].as_str().unwrap().to_owned()
    };
    assert_eq!(kid(Moment::by_wall_clock(UnixTime::from_millis(NOW.wall.as_millis() - 1))), "old");
    assert_eq!(kid(NOW), "new");
}

#[test]
fn before_the_first_key_is_active_nothing_leaves() {
    let keys = |outbound: &mut Json| outbound["keys"][0]["active_from"] = json!("2026-11-21T09:30:00.001Z");
    let mut outbound = outbound(keys);
    let step = outbound.on_request(NOW, FIRST, facts());
    assert_eq!(code(&step.verdict.unwrap()), "GenericError");
    assert!(outbound.on_request(NOW.after(Duration::from_millis(1)), SECOND, facts()).verdict.is_some());
}

#[test]
fn a_remote_signer_signs_while_the_request_is_held() {
    let mut outbound = outbound(remote);
    let mut step = outbound.on_request(NOW, FIRST, facts());
    assert!(step.verdict.is_none());
    let callout = step.callout().unwrap();
    assert_eq!(callout.subject, CalloutSubject::Signature(FIRST));
    let mut outcome = outbound.on_answer(NOW, callout.id, &callout.subject, &signature_of(&callout));
    assert!(report(&outcome.events).unwrap().is_success);
    assert_eq!(outcome.ended, Some((callout.id, callout.subject)));
    let Resumed { id, verdict } = outcome.resumed.remove(0);
    assert_eq!(id, FIRST);
    let Verdict::Request(RequestVerdict::Admit(admission)) = verdict else { panic!() };
    assert_eq!(token_of(&admission).1["iat"], NOW.wall.as_millis() / 1000);
    let line: Json = serde_json::from_str(&signed_line(&outcome.events, NOW).unwrap()).unwrap();
    assert_eq!((&line["signer"], &line["x_fapi_interaction_id"]), (&json!("vault_transit"), &json!("f-1")));
}

#[test]
fn what_the_signer_warns_of_is_logged_once_a_minute() {
    let mut outbound = outbound(remote);
    let mut warnings = |now: Moment, id: u32, warnings: Json| {
        let callout = outbound.on_request(now, RequestId(id), facts()).callout().unwrap();
        let signed = signature_of(&callout);
        let Body::Read(body) = signed.body else { panic!() };
        let mut body: Json = serde_json::from_slice(&body).unwrap();
        body["warnings"] = warnings;
        let outcome = outbound.on_answer(now, callout.id, &callout.subject, &answer(body.to_string().into_bytes()));
        assert_eq!(code(&outcome.resumed[0].verdict), "admitted");
        let text = |event: &Event| match event {
            Event::Warning(text) => Some(text.clone()),
            _ => None,
        };
        outcome.events.iter().filter_map(text).collect::<Vec<_>>()
    };
    let after = |seconds| NOW.after(Duration::from_secs(seconds));
    let ignored = "Endpoint ignored these unrecognized parameters: [marshaling_algorithm]";
    assert!(warnings(NOW, 1, json!(null)).is_empty());
    assert_eq!(warnings(NOW, 2, json!([ignored])), [format!("the remote signer warns: {ignored}")]);
    assert!(warnings(after(59), 3, json!([ignored])).is_empty());
    let hostile = json!(["\u{1b}[31m\n\"", "x".repeat(10_000), 7, "a", "b", "c"]);
    let told = warnings(after(60), 4, hostile);
    assert!(told[0].starts_with("the remote signer warns: ?[31m??; xxx"), "{told:?}");
    assert!(told[0].ends_with("; a; b") && told[0].len() < 1200, "{told:?}");
    assert_eq!(warnings(NOW, 5, json!(["a"])).len(), 1, "the clock was set back");
}

#[test]
fn a_signer_out_of_reach_is_asked_twice_and_then_the_request_is_refused() {
    let mut outbound = outbound(remote);
    let first = outbound.on_request(NOW, FIRST, facts()).callout().unwrap();
    let mut outcome = outbound.on_answer(NOW, first.id, &first.subject, &no_answer());
    assert!(outcome.resumed.is_empty() && !report(&outcome.events).unwrap().is_success);
    let second = outcome.callouts.remove(0);
    let outcome = outbound.on_answer(NOW, second.id, &second.subject, &no_answer());
    assert!(outcome.callouts.is_empty());
    assert_eq!(code(&outcome.resumed[0].verdict), "GenericRecoverableError");
    let Verdict::Request(RequestVerdict::Reject(rejection)) = &outcome.resumed[0].verdict else { panic!() };
    let reply = rejection.reply();
    assert!(reply.headers.contains(&("x-fapi-interaction-id", "f-1".into())), "{reply:?}");
    assert!(reply.headers.iter().any(|(name, _)| *name == "retry-after"), "{reply:?}");
}

#[test]
fn a_signer_with_too_much_to_do_is_left_alone_for_as_long_as_it_asks_within_bounds() {
    let busy = |status: &str, retry_after: &str| {
        let [status, retry_after] = [status, retry_after].map(|text| text.as_bytes().to_vec());
        Answer { status: Some(status), retry_after: Some(retry_after), ..Answer::default() }
    };
    let retry_after = |verdict: &Verdict| {
        let Verdict::Request(RequestVerdict::Reject(rejection)) = verdict else { panic!() };
        let headers = rejection.reply().headers;
        headers.iter().find(|(name, _)| *name == "retry-after").map(|(_, seconds)| seconds.to_string())
    };
    let longest = LONGEST_RETRY_AFTER.as_secs();
    for (asked, seconds) in [("7", 7), ("0", 1), ("86400", longest)] {
        let mut outbound = outbound(remote);
        let [first, second] = [FIRST, SECOND].map(|id| outbound.on_request(NOW, id, facts()).callout().unwrap());
        let outcome = outbound.on_answer(NOW, first.id, &first.subject, &busy("429", asked));
        assert_eq!(retry_after(&outcome.resumed[0].verdict), Some(seconds.to_string()), "{asked}");
        let before = outbound.on_request(NOW.after(Duration::from_secs(seconds - 1)), RequestId(3), facts());
        assert!(before.callouts.is_empty(), "{asked}");
        let verdict = Verdict::Request(before.verdict.unwrap());
        assert_eq!((code(&verdict), retry_after(&verdict)), ("GenericRecoverableError", Some("1".to_owned())));
        let outcome = outbound.on_answer(NOW, second.id, &second.subject, &signature_of(&second));
        assert_eq!(code(&outcome.resumed[0].verdict), "admitted", "what it was asked before counts");
        let after = outbound.on_request(NOW.after(Duration::from_secs(seconds)), RequestId(4), facts());
        assert_eq!(after.callouts.len(), 1, "{asked}");
    }
    for (status, asked) in [("429", "soon"), ("503", "7"), ("403", "7")] {
        let mut outbound = outbound(remote);
        let callout = outbound.on_request(NOW, FIRST, facts()).callout().unwrap();
        let _ = outbound.on_answer(NOW, callout.id, &callout.subject, &busy(status, asked));
        assert_eq!(outbound.on_request(NOW, SECOND, facts()).callouts.len(), 1, "{status} {asked}");
    }
}

#[test]
fn a_signer_that_refuses_is_a_fault() {
    let mut outbound = outbound(remote);
    let callout = outbound.on_request(NOW, FIRST, facts()).callout().unwrap();
    let forbidden = Answer { status: Some(b"403".to_vec()), ..Answer::default() };
    let outcome = outbound.on_answer(NOW, callout.id, &callout.subject, &forbidden);
    assert_eq!(code(&outcome.resumed[0].verdict), "GenericError");
}

#[test]
fn a_signer_that_the_gateway_does_not_call_is_out_of_reach() {
    let mut outbound = outbound(remote);
    let callout = outbound.on_request(NOW, FIRST, facts()).callout().unwrap();
    let outcome = outbound.on_not_dispatched(NOW, callout.id, &callout.subject);
    assert!(outcome.callouts.is_empty());
    assert_eq!(code(&outcome.resumed[0].verdict), "GenericRecoverableError");
}

#[test]
fn a_callout_to_the_signer_that_nobody_reports_on_is_given_up() {
    let mut outbound = outbound(remote);
    assert_eq!(outbound.tick_period(), Some(TICK));
    let first = outbound.on_request(NOW, FIRST, facts()).callout().unwrap();
    let tick = outbound.on_tick(NOW.after(Duration::from_secs(60)));
    let outcome = &tick.outcomes[0];
    assert_eq!(outcome.ended, Some((first.id, first.subject.clone())));
    assert_eq!(code(&outcome.resumed[0].verdict), "GenericRecoverableError");
    let late = outbound.on_answer(NOW, first.id, &first.subject, &signature_of(&first));
    assert!(late.resumed.is_empty(), "the answer came too late");
}

/// What the ticks from this time on let go, and the tick period after each, until nothing more is left over.
fn released_by_ticks(outbound: &mut Outbound, now: Moment) -> Vec<usize> {
    let mut released = Vec::new();
    for tick in 0..20 {
        let TickOutcome { callouts, outcomes, .. } = outbound.on_tick(now.after(SHORT_TICK * tick));
        assert!(callouts.is_empty());
        released.push(outcomes.iter().map(|outcome| outcome.resumed.len() + outcome.callouts.len()).sum());
        if outbound.tick_period() == Some(TICK) {
            return released;
        }
    }
    panic!("{released:?}");
}

#[test]
fn after_a_freeze_no_tick_lets_more_go_than_the_stack_of_a_gateway_bears() {
    for (waiting, expected) in [(100, vec![100]), (128, vec![128]), (300, vec![128, 128, 44])] {
        let mut outbound = outbound(remote);
        for id in 0..waiting {
            assert!(outbound.on_request(NOW, RequestId(id), facts()).verdict.is_none());
        }
        assert_eq!(released_by_ticks(&mut outbound, NOW.after(Duration::from_mins(1))), expected);
        assert!(outbound.on_tick(NOW.after(Duration::from_mins(2))).outcomes.is_empty());
    }
    let mut outbound = outbound(remote);
    for id in (0..).take(crate::signing::MAX_PENDING) {
        let _ = outbound.on_request(NOW, RequestId(id), facts());
    }
    assert_eq!(released_by_ticks(&mut outbound, NOW.after(Duration::from_mins(1))), [128; 8]);
}

#[test]
fn when_a_clock_was_set_back_by_much_no_tick_asks_the_signer_again_for_more() {
    let mut outbound = outbound(remote);
    for id in 0..200 {
        let _ = outbound.on_request(NOW.after(Duration::from_mins(1)), RequestId(id), facts());
    }
    assert_eq!(released_by_ticks(&mut outbound, NOW), [128, 72]);
}

#[test]
fn what_waits_for_keys_and_what_waits_for_its_signature_share_a_tick() {
    for mode in ["require", "report"] {
        let mut outbound = outbound(|outbound| {
            remote(outbound);
            verifying(mode)(outbound);
        });
        let fetch = outbound.on_request(NOW, FIRST, facts()).callout().unwrap();
        let _ = outbound.on_answer(NOW, fetch.id, &fetch.subject, &published("sig3"));
        for id in (1000..).take(199) {
            assert_eq!(outbound.on_request(NOW, RequestId(id), facts()).callouts.len(), 1);
        }
        let later = NOW.after(Duration::from_mins(11));
        for id in (2000..).take(100) {
            assert!(outbound.on_request(later, RequestId(id), facts()).verdict.is_none());
        }
        let frozen = later.after(Duration::from_mins(1));
        assert_eq!(released_by_ticks(&mut outbound, frozen), [128, 128, 44], "{mode}");
    }
}

#[test]
fn a_clock_that_is_set_back_by_a_little_loses_no_signature() {
    let start = NOW.after(Duration::from_secs(10));
    let back = |milliseconds| Moment::by_wall_clock(UnixTime::from_millis(start.wall.as_millis() - milliseconds));
    for milliseconds in [1, 500, 1000] {
        let mut outbound = outbound(remote);
        let callout = outbound.on_request(start, FIRST, facts()).callout().unwrap();
        assert!(outbound.on_tick(back(milliseconds)).outcomes.is_empty(), "{milliseconds}");
        let outcome = outbound.on_answer(back(milliseconds), callout.id, &callout.subject, &signature_of(&callout));
        assert_eq!(code(&outcome.resumed[0].verdict), "admitted", "{milliseconds}");
    }
    let mut outbound = outbound(remote);
    let callout = outbound.on_request(start, FIRST, facts()).callout().unwrap();
    let outcome = outbound.on_answer(back(1001), callout.id, &callout.subject, &signature_of(&callout));
    assert_eq!((outcome.resumed.len(), outcome.callouts.len()), (0, 1), "nobody knows how long it took: once more");
}

#[test]
fn a_token_from_the_future_does_not_leave_after_the_clock_was_set_back() {
    let start = NOW.after(Duration::from_hours(2));
    let back = |milliseconds| Moment::by_wall_clock(UnixTime::from_millis(start.wall.as_millis() - milliseconds));
    for (milliseconds, expected) in
        [(10_000, "admitted"), (10_001, "GenericRecoverableError"), (3_600_000, "GenericRecoverableError")]
    {
        let now = back(milliseconds);
        // The first answer counts as late when the clock was set back, and the second is in time by any clock.
        let mut outbound = outbound(remote);
        let first = outbound.on_request(start, FIRST, facts()).callout().unwrap();
        let mut outcome = outbound.on_answer(now, first.id, &first.subject, &signature_of(&first));
        if let Some(second) = outcome.callouts.pop() {
            outcome = outbound.on_answer(now, second.id, &second.subject, &signature_of(&second));
        }
        assert_eq!(code(&outcome.resumed[0].verdict), expected, "{milliseconds}");
        assert!(outbound.on_request(now, SECOND, facts()).callouts.len() == 1, "the next one is of now");
        // The same when the first brings nothing, and when a tick gives it up.
        for tells in [true, false] {
            let mut outbound = self::outbound(remote);
            let first = outbound.on_request(start, FIRST, facts()).callout().unwrap();
            let mut outcome = if tells {
                outbound.on_answer(now, first.id, &first.subject, &no_answer())
            } else {
                outbound.on_tick(now).outcomes.remove(0)
            };
            let second = outcome.callouts.pop();
            assert_eq!(second.is_some(), expected == "admitted", "{milliseconds} {tells}: nothing is asked in vain");
            if let Some(second) = second {
                outcome = outbound.on_answer(now, second.id, &second.subject, &signature_of(&second));
            }
            assert_eq!(code(&outcome.resumed[0].verdict), expected, "{milliseconds} {tells}");
        }
    }
}

#[test]
fn a_request_that_is_gone_gets_no_token_and_the_audit_trail_still_learns_of_the_signature() {
    let mut outbound = outbound(remote);
    let callout = outbound.on_request(NOW, FIRST, facts()).callout().unwrap();
    outbound.on_request_end(FIRST);
    let outcome = outbound.on_answer(NOW, callout.id, &callout.subject, &signature_of(&callout));
    assert!(outcome.resumed.is_empty());
    let line = signed_line(&outcome.events, NOW).unwrap();
    assert!(line.contains(r#""event":"signed""#) && line.contains(r#""x_fapi_interaction_id":"f-1""#), "{line}");
}

#[test]
fn for_a_request_that_is_gone_the_signer_is_not_asked_again() {
    let mut outbound = outbound(remote);
    let callout = outbound.on_request(NOW, FIRST, facts()).callout().unwrap();
    outbound.on_request_end(FIRST);
    let outcome = outbound.on_answer(NOW, callout.id, &callout.subject, &no_answer());
    assert!(outcome.callouts.is_empty() && outcome.resumed.is_empty() && signed_line(&outcome.events, NOW).is_none());
    assert!(outbound.on_tick(NOW.after(Duration::from_mins(9))).outcomes.is_empty(), "nothing is left of it");
    let second = outbound.on_request(NOW, FIRST, facts()).callout().unwrap();
    let outcome = outbound.on_answer(NOW, second.id, &second.subject, &signature_of(&second));
    assert_eq!(code(&outcome.resumed[0].verdict), "admitted", "the number may be another request's now");
}

#[test]
fn no_more_than_so_many_requests_wait_for_the_signer() {
    let mut outbound = outbound(remote);
    for id in 0..crate::signing::MAX_PENDING {
        let step = outbound.on_request(NOW, RequestId(u32::try_from(id).unwrap()), facts());
        assert!(step.verdict.is_none());
    }
    let step = outbound.on_request(NOW, RequestId(u32::MAX), facts());
    assert!(step.callouts.is_empty());
    assert_eq!(code(&step.verdict.unwrap()), "GenericRecoverableError");
}
