//! The Hub's tokens on responses (spec §1, *outbound response*), and what waits for the keys to verify them with.

use super::*;
use crate::gateway::kinds::GatewayKind;

#[test]
fn without_verification_responses_pass_and_time_means_nothing() {
    let mut outbound = outbound(|_| ());
    assert_eq!(outbound.response_header(), None);
    assert_eq!(outbound.tick_period(), None);
    assert_eq!(code(&outbound.on_response(NOW, FIRST, ResponseFacts::default()).verdict.unwrap()), "admitted");
}

#[test]
fn a_request_waits_until_its_response_can_be_verified_and_its_token_is_fresh_then() {
    let mut outbound = outbound(verifying("require"));
    let mut step = outbound.on_request(NOW, FIRST, facts());
    assert!(step.verdict.is_none());
    let fetch = step.callout().unwrap();
    assert_eq!(
        fetch.request.url.as_str(),
        "https://keystore.sandbox.directory.openfinance.ae/233bcd1d/abc123/application.jwks"
    );
    assert!(outbound.on_request(NOW, SECOND, facts()).callouts.is_empty(), "one fetch for all");
    let later = NOW.after(Duration::from_secs(3));
    let outcome = outbound.on_answer(later, fetch.id, &fetch.subject, &published("sig3"));
    assert_eq!(outcome.resumed.iter().map(|resumed| resumed.id).collect::<Vec<_>>(), [FIRST, SECOND]);
    let Verdict::Request(RequestVerdict::Admit(admission)) = &outcome.resumed[0].verdict else { panic!() };
    assert_eq!(token_of(admission).1["iat"], later.wall.as_millis() / 1000);
}

#[test]
fn the_hubs_keys_are_fetched_with_the_first_tick() {
    for mode in ["require", "report"] {
        let mut outbound = outbound(verifying(mode));
        let fetch = outbound.on_tick(NOW).callouts.remove(0);
        let _ = outbound.on_answer(NOW, fetch.id, &fetch.subject, &published("sig3"));
        let step = outbound.on_request(NOW, FIRST, facts());
        assert!(step.callouts.is_empty());
        assert_eq!(code(&step.verdict.unwrap()), "admitted", "{mode}");
    }
}

#[test]
fn with_keys_at_hand_a_request_waits_for_none() {
    let mut outbound = under_way("require");
    let step = outbound.on_request(NOW, SECOND, facts());
    assert!(step.callouts.is_empty());
    assert_eq!(code(&step.verdict.unwrap()), "admitted");
}

#[test]
fn where_responses_can_not_be_verified_only_require_keeps_requests_back() {
    for (mode, expected) in [("require", "GenericRecoverableError"), ("report", "admitted")] {
        let mut outbound = outbound(verifying(mode));
        let fetch = outbound.on_request(NOW, FIRST, facts()).callout().unwrap();
        let outcome = outbound.on_answer(NOW, fetch.id, &fetch.subject, &no_answer());
        assert_eq!(code(&outcome.resumed[0].verdict), expected, "{mode}");
        let at_once = outbound.on_request(NOW, SECOND, facts());
        assert!(at_once.callouts.is_empty(), "the pause after a failure");
        assert_eq!(code(&at_once.verdict.unwrap()), expected, "{mode}");
    }
}

#[test]
fn a_response_with_a_right_token_passes() {
    for mode in ["require", "report"] {
        let step = under_way(mode).on_response(NOW, FIRST, response_signed_by("sig3", |_| ()));
        assert!(matches!(step.verdict, Some(ResponseVerdict::Pass)), "{mode}");
    }
}

#[test]
fn a_response_without_a_right_token_is_replaced_or_reported() {
    let other_key = || {
        let now = NOW.wall.as_millis() / 1000;
        let header = r#"{"alg":"PS256","typ":"JOSE","cty":"json","kid":"sig3"}"#;
        let claims = json!({
            "iss": "Ozone", "sub": "233bcd1d", "aud": "retail", "exp": now + 30, "iat": now, "jti": "1",
        });
        let token = SigningKey::first().token(header, &claims.to_string());
        let mut facts = ResponseFacts::default();
        facts.note_token(format!("Bearer {token}").as_bytes());
        facts
    };
    let twice = || {
        let mut facts = response_signed_by("sig3", |_| ());
        let token = facts.token[0].clone();
        facts.note_token(&token);
        facts
    };
    let wrong: [(&str, ResponseFacts); 8] = [
        ("none", ResponseFacts::default()),
        ("two", twice()),
        ("iss", response_signed_by("sig3", |claims| claims["iss"] = json!("Ozon"))),
        ("sub", response_signed_by("sig3", |claims| claims["sub"] = json!("233bcd1e"))),
        ("aud", response_signed_by("sig3", |claims| claims["aud"] = json!("hub-for-retail"))),
        ("exp", response_signed_by("sig3", |claims| claims["exp"] = json!(NOW.wall.as_millis() / 1000 - 11))),
        ("key", other_key()),
        ("jti", response_signed_by("sig3", |claims| claims["jti"] = json!(""))),
    ];
    for (name, facts) in wrong {
        for (mode, expected) in [("require", "Response.NotVerified"), ("report", "tolerated")] {
            let step = under_way(mode).on_response(NOW, FIRST, facts.clone());
            assert!(step.callouts.is_empty());
            assert_eq!(code(&step.verdict.unwrap()), expected, "{name} {mode}");
        }
    }
}

#[test]
fn a_replaced_response_is_a_502_that_names_the_reason_and_its_request() {
    let step = under_way("require").on_response(NOW, FIRST, ResponseFacts::default());
    let Some(ResponseVerdict::Replace(rejection)) = step.verdict else { panic!() };
    let reply = rejection.reply();
    assert_eq!(reply.status, 502);
    assert!(reply.body.contains("It carries no token."), "{}", reply.body);
    assert!(reply.headers.contains(&("x-fapi-interaction-id", "f-1".into())), "{reply:?}");
}

#[test]
fn a_response_with_a_new_key_waits_for_it_where_the_gateway_can_hold_it() {
    let mut outbound = under_way("require");
    let mut step = outbound.on_response(NOW, FIRST, response_signed_by("new", |_| ()));
    assert!(step.verdict.is_none());
    let fetch = step.callout().unwrap();
    let outcome = outbound.on_answer(NOW, fetch.id, &fetch.subject, &published("new"));
    assert_eq!(outcome.resumed[0].id, FIRST);
    assert!(matches!(outcome.resumed[0].verdict, Verdict::Response(_)));
    assert_eq!(code(&outcome.resumed[0].verdict), "admitted");
}

#[test]
fn a_response_with_a_key_that_is_not_there_either_is_not_verified() {
    let mut outbound = under_way("require");
    let fetch = outbound.on_response(NOW, FIRST, response_signed_by("new", |_| ())).callout().unwrap();
    let outcome = outbound.on_answer(NOW, fetch.id, &fetch.subject, &published("sig3"));
    assert_eq!(code(&outcome.resumed[0].verdict), "Response.NotVerified");
}

#[test]
fn where_the_gateway_can_not_hold_responses_an_unknown_key_is_one_at_once() {
    let mut outbound = outbound_with(
        &Capabilities { holds_responses: false, ..GatewayKind::Envoy.capabilities(None, false) },
        verifying("require"),
    );
    let fetch = outbound.on_request(NOW, FIRST, facts()).callout().unwrap();
    let _ = outbound.on_answer(NOW, fetch.id, &fetch.subject, &published("sig3"));
    let step = outbound.on_response(NOW, FIRST, response_signed_by("new", |_| ()));
    assert!(step.callouts.is_empty());
    assert_eq!(code(&step.verdict.unwrap()), "Response.NotVerified");
}

#[test]
fn keys_that_end_before_the_response_comes_are_fetched_anew() {
    let mut outbound = under_way("require");
    let later = NOW.after(Duration::from_mins(11));
    let fresh = later.wall.as_millis() / 1000;
    let facts = response_signed_by("sig3", |claims| {
        claims["iat"] = json!(fresh);
        claims["exp"] = json!(fresh + 30);
    });
    let fetch = outbound.on_response(later, FIRST, facts).callout().unwrap();
    let outcome = outbound.on_answer(later, fetch.id, &fetch.subject, &published("sig3"));
    assert_eq!(code(&outcome.resumed[0].verdict), "admitted");
}

#[test]
fn a_response_to_no_request_is_not_the_hubs() {
    for (mode, expected) in [("require", "Response.NotVerified"), ("report", "tolerated")] {
        let step = under_way(mode).on_response(NOW, SECOND, response_signed_by("sig3", |_| ()));
        assert_eq!(code(&step.verdict.unwrap()), expected, "{mode}");
    }
}

#[test]
fn a_response_to_a_request_that_has_not_left_is_not_the_hubs() {
    let mut outbound = outbound(verifying("require"));
    let _ = outbound.on_request(NOW, FIRST, facts());
    let step = outbound.on_response(NOW, FIRST, response_signed_by("sig3", |_| ()));
    assert_eq!(code(&step.verdict.unwrap()), "Response.NotVerified");
}

#[test]
fn this_filters_own_answers_pass_as_they_are() {
    let mut outbound = outbound(verifying("require"));
    let fetch = outbound.on_request(NOW, FIRST, facts()).callout().unwrap();
    let _ = outbound.on_answer(NOW, fetch.id, &fetch.subject, &no_answer());
    assert_eq!(code(&outbound.on_response(NOW, FIRST, ResponseFacts::default()).verdict.unwrap()), "admitted");
    let signing = |outbound: &mut Json| {
        verifying("require")(outbound);
        remote(outbound);
    };
    let mut outbound = self::outbound(signing);
    let fetch = outbound.on_request(NOW, FIRST, facts()).callout().unwrap();
    let mut outcome = outbound.on_answer(NOW, fetch.id, &fetch.subject, &published("sig3"));
    assert!(outcome.resumed.is_empty(), "the signature comes after the keys");
    let callout = outcome.callouts.remove(0);
    let refused = outbound.on_not_dispatched(NOW, callout.id, &callout.subject);
    assert_eq!(code(&refused.resumed[0].verdict), "GenericRecoverableError");
    assert_eq!(code(&outbound.on_response(NOW, FIRST, ResponseFacts::default()).verdict.unwrap()), "admitted");
}

#[test]
fn what_waits_for_keys_is_bounded() {
    for (mode, expected) in [("require", "GenericRecoverableError"), ("report", "admitted")] {
        let mut outbound = outbound(verifying(mode));
        for id in 0..MAX_WAITING {
            let step = outbound.on_request(NOW, RequestId(u32::try_from(id).unwrap()), facts());
            assert!(step.verdict.is_none());
        }
        let step = outbound.on_request(NOW, RequestId(u32::MAX), facts());
        assert_eq!(code(&step.verdict.unwrap()), expected, "{mode}");
    }
}

#[test]
fn responses_that_wait_for_keys_are_bounded_together_with_requests() {
    let mut outbound = under_way("require");
    for id in 0..MAX_WAITING {
        let id = RequestId(100 + u32::try_from(id).unwrap());
        assert_eq!(code(&outbound.on_request(NOW, id, facts()).verdict.unwrap()), "admitted");
        assert!(outbound.on_response(NOW, id, response_signed_by("new", |_| ())).verdict.is_none());
    }
    let step = outbound.on_response(NOW, FIRST, response_signed_by("new", |_| ()));
    assert_eq!(code(&step.verdict.unwrap()), "Response.NotVerified");
}

#[test]
fn any_of_the_banks_provider_ids_may_be_the_audience_of_a_response() {
    let mut outbound = outbound(|outbound| {
        verifying("require")(outbound);
        outbound["verify_responses"]["provider_ids"] = json!(["corporate", "private"]);
    });
    let fetch = outbound.on_request(NOW, FIRST, facts()).callout().unwrap();
    let _ = outbound.on_answer(NOW, fetch.id, &fetch.subject, &published("sig3"));
    for (audience, expected) in [("private", "admitted"), ("corporate", "admitted"), ("retail", "Response.NotVerified")]
    {
        let _ = outbound.on_request(NOW, FIRST, facts());
        let step =
            outbound.on_response(NOW, FIRST, response_signed_by("sig3", |claims| claims["aud"] = json!(audience)));
        assert_eq!(code(&step.verdict.unwrap()), expected, "{audience}");
    }
}

#[test]
fn while_another_worker_fetches_time_is_looked_at_more_often() {
    let data = std::rc::Rc::new(crate::testing::SharedMemory::default());
    let capabilities = GatewayKind::Envoy.capabilities(Some(data), true);
    let mut first = outbound_with(&capabilities, verifying("require"));
    let mut second = outbound_with(&capabilities, verifying("require"));
    let fetch = first.on_request(NOW, FIRST, facts()).callout().expect("a fetch");
    assert!(second.on_request(NOW, SECOND, facts()).callouts.is_empty(), "the other worker fetches");
    assert_eq!((first.tick_period(), second.tick_period()), (Some(TICK), Some(SHORT_TICK)));
    let _ = first.on_answer(NOW, fetch.id, &fetch.subject, &published("sig3"));
    let tick = second.on_tick(NOW.after(SHORT_TICK));
    assert_eq!(code(&tick.outcomes[0].resumed[0].verdict), "admitted");
    assert_eq!(second.tick_period(), Some(TICK));
}

#[test]
fn an_exchange_that_is_gone_is_forgotten() {
    let mut outbound = under_way("require");
    outbound.on_request_end(FIRST);
    assert!(outbound.requests.get(FIRST).is_none());
    let _ = outbound.on_request(NOW, FIRST, facts());
    outbound.on_request_end(FIRST);
    assert!(outbound.requests.get(FIRST).is_none());
}

#[test]
fn a_fetch_that_nobody_reports_on_is_given_up() {
    let mut outbound = outbound(verifying("require"));
    assert_eq!(outbound.tick_period(), Some(TICK));
    let _ = outbound.on_request(NOW, FIRST, facts());
    let tick = outbound.on_tick(NOW.after(Duration::from_secs(60)));
    assert_eq!(code(&tick.outcomes[0].resumed[0].verdict), "GenericRecoverableError");
}

#[test]
fn keys_in_use_are_refreshed_in_the_background() {
    let mut outbound = under_way("require");
    assert!(outbound.on_tick(NOW.after(Duration::from_mins(7))).callouts.is_empty());
    assert_eq!(outbound.on_tick(NOW.after(Duration::from_mins(9))).callouts.len(), 1);
}
