//! Requests that wait for the public keys of the remote signer: one answer decides on all of them, or on its own request alone.

use super::*;
use crate::callout::Callout;

const KINDS: [GatewayKind; 3] = [GatewayKind::Envoy, GatewayKind::Kong, GatewayKind::Apisix];

fn within(kind: GatewayKind) -> Outbound {
    outbound_with(&kind.capabilities(None, kind == GatewayKind::Envoy), unpinned)
}

/// Has a request wait: the fetch, unless it waits for another's.
fn waits(outbound: &mut Outbound, id: RequestId) -> Option<Callout> {
    let mut step = outbound.on_request(NOW, id, facts());
    assert!(step.verdict.is_none());
    step.callout()
}

fn resumed(outcome: &CalloutOutcome) -> Vec<(RequestId, &'static str)> {
    outcome.resumed.iter().map(|resumed| (resumed.id, code(&resumed.verdict))).collect()
}

fn status(status: &str) -> Answer {
    Answer { status: Some(status.as_bytes().to_vec()), body: Body::Read(b"{}".to_vec()), ..Answer::default() }
}

#[test]
fn requests_wait_for_one_fetch_or_each_for_its_own() {
    for kind in KINDS {
        let mut outbound = within(kind);
        let fetch = waits(&mut outbound, FIRST).expect("a fetch");
        assert_eq!((fetch.subject.clone(), fetch.request.method), (CalloutSubject::SignerKeys, "GET"));
        let own = waits(&mut outbound, SECOND);
        assert_eq!(own.is_none(), kind == GatewayKind::Envoy);
        let mut outcome = outbound.on_answer(NOW, fetch.id, &fetch.subject, &signer_keys());
        assert!(report(&outcome.events).unwrap().is_success && outcome.resumed.is_empty());
        if let Some(own) = own {
            assert_eq!(outcome.callouts.len(), 1, "{kind:?}");
            outcome.callouts.extend(outbound.on_answer(NOW, own.id, &own.subject, &signer_keys()).callouts);
        }
        let subjects: Vec<_> = outcome.callouts.iter().map(|callout| callout.subject.clone()).collect();
        assert_eq!(subjects, [FIRST, SECOND].map(CalloutSubject::Signature));
        for (callout, id) in outcome.callouts.iter().zip([FIRST, SECOND]) {
            let outcome = outbound.on_answer(NOW, callout.id, &callout.subject, &signature_of(callout));
            assert_eq!(resumed(&outcome), [(id, "admitted")], "{kind:?}");
        }
        assert_eq!(outbound.on_request(NOW, RequestId(3), facts()).callout().unwrap().request.method, "POST");
    }
}

#[test]
fn a_fetch_that_fails_refuses_what_waited_for_it_and_nothing_else() {
    for (answer, expected) in [(status("403"), "GenericError"), (status("429"), "GenericRecoverableError")] {
        for kind in KINDS {
            let mut outbound = within(kind);
            let fetch = waits(&mut outbound, FIRST).expect("a fetch");
            let own = waits(&mut outbound, SECOND);
            let mut ended = resumed(&outbound.on_answer(NOW, fetch.id, &fetch.subject, &answer));
            if let Some(own) = own {
                ended.extend(resumed(&outbound.on_answer(NOW, own.id, &own.subject, &answer)));
            }
            assert_eq!(ended, [(FIRST, expected), (SECOND, expected)], "{kind:?}");
        }
    }
}

#[test]
fn a_signer_that_asks_to_be_left_alone_when_it_is_asked_for_its_keys_is_left_alone() {
    for kind in KINDS {
        let mut outbound = within(kind);
        let fetch = waits(&mut outbound, FIRST).expect("a fetch");
        let answer = Answer { retry_after: Some(b"7".to_vec()), ..status("429") };
        let _ = outbound.on_answer(NOW, fetch.id, &fetch.subject, &answer);
        for seconds in [0, 6] {
            let step = outbound.on_request(NOW.after(Duration::from_secs(seconds)), SECOND, facts());
            assert!(step.callouts.is_empty() && step.verdict.is_some(), "{kind:?}");
            assert!(outbound.on_tick(NOW.after(Duration::from_secs(seconds))).callouts.is_empty(), "{kind:?}");
        }
        let step = outbound.on_request(NOW.after(Duration::from_secs(7)), SECOND, facts());
        assert_eq!(step.callouts.len(), 1, "{kind:?}");
    }
}

#[test]
fn for_a_request_that_is_gone_nothing_is_signed() {
    for kind in KINDS {
        let mut outbound = within(kind);
        let fetch = waits(&mut outbound, FIRST).expect("a fetch");
        outbound.on_request_end(FIRST);
        let outcome = outbound.on_answer(NOW, fetch.id, &fetch.subject, &signer_keys());
        assert!(outcome.callouts.is_empty() && outcome.resumed.is_empty(), "{kind:?}");
        let method = outbound.on_request(NOW, SECOND, facts()).callout().unwrap().request.method;
        assert_eq!(
            method,
            if kind == GatewayKind::Envoy { "POST" } else { "GET" },
            "{kind:?}: what the plugin fetched is kept"
        );
    }
}

#[test]
fn a_signature_that_waits_for_keys_is_still_told_of_when_its_request_is_gone() {
    let mut outbound = within(GatewayKind::Envoy);
    let fetch = waits(&mut outbound, FIRST).expect("a fetch");
    let mut outcome = outbound.on_answer(NOW, fetch.id, &fetch.subject, &signer_keys());
    let callout = outcome.callouts.pop().unwrap();
    let Body::Read(body) = signature_of(&callout).body else { panic!() };
    let second = String::from_utf8(body).unwrap().replace("vault:v1:", "vault:v2:");
    let mut outcome = outbound.on_answer(NOW, callout.id, &callout.subject, &answer(second.into_bytes()));
    let fetch = outcome.callouts.pop().unwrap();
    assert_eq!(fetch.subject, CalloutSubject::SignerKeys);
    outbound.on_request_end(FIRST);
    let pem = SigningKey::first().public_pem();
    let both = json!({ "data": { "keys": { "1": { "public_key": pem }, "2": { "public_key": pem } } } });
    let outcome = outbound.on_answer(NOW, fetch.id, &fetch.subject, &answer(both.to_string().into_bytes()));
    assert!(outcome.resumed.is_empty() && signed_line(&outcome.events, NOW).is_some());
}

#[test]
fn one_answer_lets_no_more_go_than_the_stack_of_a_gateway_bears() {
    let mut outbound = within(GatewayKind::Envoy);
    let fetch = waits(&mut outbound, RequestId(0)).expect("a fetch");
    for id in (1..).take(MAX_WAITING - 1) {
        assert!(waits(&mut outbound, RequestId(id)).is_none());
    }
    let step = outbound.on_request(NOW, RequestId(1000), facts());
    assert!(step.callouts.is_empty());
    assert_eq!(code(&step.verdict.unwrap()), "GenericRecoverableError");
    let outcome = outbound.on_answer(NOW, fetch.id, &fetch.subject, &status("403"));
    assert_eq!(outcome.resumed.len(), MAX_WAITING);
}

#[test]
fn a_fetch_that_nobody_reports_on_is_made_once_more_and_then_given_up() {
    let mut outbound = within(GatewayKind::Envoy);
    let fetch = waits(&mut outbound, FIRST).expect("a fetch");
    let tick = outbound.on_tick(NOW.after(Duration::from_millis(7_001)));
    assert!(tick.callouts.is_empty(), "what is waited for comes first");
    let outcome = &tick.outcomes[0];
    assert_eq!(outcome.ended, Some((fetch.id, fetch.subject.clone())));
    assert_eq!(resumed(outcome), [(FIRST, "GenericRecoverableError")], "its deadline has passed");
    let late = outbound.on_answer(NOW, fetch.id, &fetch.subject, &signer_keys());
    assert!(late.resumed.is_empty() && late.callouts.is_empty());
}

#[test]
fn an_end_that_nobody_counts_on_any_more_refuses_its_own_request() {
    for kind in [GatewayKind::Kong, GatewayKind::Apisix] {
        let mut outbound = within(kind);
        let fetch = waits(&mut outbound, FIRST).expect("a fetch");
        let late = NOW.after(Duration::from_mins(1));
        // It gives up the one before.
        assert!(outbound.on_request(late, SECOND, facts()).verdict.is_none());
        let outcome = outbound.on_answer(late, fetch.id, &fetch.subject, &signer_keys());
        assert_eq!(resumed(&outcome), [(FIRST, "GenericRecoverableError")], "{kind:?}");
    }
}

#[test]
fn the_keys_are_there_before_the_first_request_where_the_plugin_may_call() {
    for kind in KINDS {
        let mut outbound = within(kind);
        let callouts = outbound.on_tick(NOW).callouts;
        assert_eq!(callouts.len(), usize::from(kind == GatewayKind::Envoy), "{kind:?}");
        for fetch in callouts {
            let outcome = outbound.on_answer(NOW, fetch.id, &fetch.subject, &signer_keys());
            assert!(report(&outcome.events).unwrap().is_success);
            assert_eq!(outbound.on_request(NOW, FIRST, facts()).callout().unwrap().request.method, "POST");
        }
    }
}
