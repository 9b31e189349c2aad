//! Gateways that wake nobody: each exchange is decided when its request arrives, or when its own callout ends.

use super::*;
use crate::callout::Wait;

const OTHERS: [GatewayKind; 2] = [GatewayKind::Kong, GatewayKind::Apisix];

fn outbound_in(kind: GatewayKind, change: impl FnOnce(&mut Json)) -> Outbound {
    outbound_with(&kind.capabilities(None, false), change)
}

fn resumed(outcome: &CalloutOutcome) -> Vec<(RequestId, &'static str)> {
    outcome.resumed.iter().map(|resumed| (resumed.id, code(&resumed.verdict))).collect()
}

#[test]
fn the_end_of_a_callout_decides_on_its_own_request_only() {
    for kind in OTHERS {
        let mut outbound = outbound_in(kind, verifying("require"));
        let first = outbound.on_request(NOW, FIRST, facts()).callout().expect("a callout");
        let second = outbound.on_request(NOW, SECOND, facts()).callout().expect("one of its own");
        let outcome = outbound.on_answer(NOW, second.id, &second.subject, &published("sig3"));
        assert_eq!(resumed(&outcome), [(SECOND, "admitted")]);
        let outcome = outbound.on_answer(NOW, first.id, &first.subject, &no_answer());
        assert_eq!(resumed(&outcome), [(FIRST, "admitted")], "the keys are there by now");
    }
}

#[test]
fn clients_that_hang_up_leave_their_places_to_others() {
    for kind in OTHERS {
        let mut outbound = outbound_in(kind, verifying("require"));
        for id in 1..=4 {
            assert!(outbound.on_request(NOW, RequestId(id), facts()).callout().is_some());
        }
        let refused = outbound.on_request(NOW, RequestId(5), facts());
        assert_eq!(code(&refused.verdict.unwrap()), "GenericRecoverableError", "all four are taken");
        for id in 1..=4 {
            outbound.on_request_end(RequestId(id));
        }
        let fetch = outbound.on_request(NOW, RequestId(6), facts()).callout().expect("a callout");
        let outcome = outbound.on_answer(NOW, fetch.id, &fetch.subject, &published("sig3"));
        assert_eq!(resumed(&outcome), [(RequestId(6), "admitted")]);
    }
}

#[test]
fn a_request_that_needs_keys_and_a_signature_makes_one_callout_after_the_other() {
    for kind in OTHERS {
        let mut outbound = outbound_in(kind, |settings| {
            verifying("require")(settings);
            remote(settings);
        });
        let fetch = outbound.on_request(NOW, FIRST, facts()).callout().expect("a callout");
        let mut outcome = outbound.on_answer(NOW, fetch.id, &fetch.subject, &published("sig3"));
        assert_eq!(resumed(&outcome), []);
        let signature = outcome.callouts.pop().expect("the next callout");
        assert!(outcome.callouts.is_empty());
        let outcome = outbound.on_answer(NOW, signature.id, &signature.subject, &signature_of(&signature));
        assert_eq!(resumed(&outcome), [(FIRST, "admitted")]);
    }
}

#[test]
fn a_callout_that_ends_too_late_decides_all_the_same_and_brings_no_keys() {
    for kind in OTHERS {
        let mut outbound = outbound_in(kind, verifying("require"));
        let fetch = outbound.on_request(NOW, FIRST, facts()).callout().expect("a callout");
        let late = NOW.after(Duration::from_mins(1));
        assert!(outbound.on_tick(late).outcomes.is_empty(), "time alone decides on nothing");
        let outcome = outbound.on_answer(late, fetch.id, &fetch.subject, &published("sig3"));
        assert_eq!(resumed(&outcome), [(FIRST, "GenericRecoverableError")]);
    }
}

#[test]
fn a_request_that_can_not_wait_is_refused_without_a_callout() {
    let mut outbound = outbound_in(GatewayKind::Apisix, verifying("report"));
    for number in 0..MAX_WAITING {
        let awaited = Awaited::new(&Wait { subject: CalloutSubject::Signature(FIRST), callout: None }, NOW.steady);
        let id = RequestId(u32::try_from(number).unwrap() + 10);
        outbound.requests.insert(id, OutboundState::AwaitsKeys(awaited, Box::new(facts())));
    }
    let step = outbound.on_request(NOW, FIRST, facts());
    assert!(step.callouts.is_empty(), "a callout beside a verdict undoes it");
    assert_eq!(code(&step.verdict.unwrap()), "admitted", "its response is reported, not refused");
    let later = NOW.after(LONGEST_WAIT + Duration::from_secs(1));
    assert!(outbound.on_request(later, SECOND, facts()).verdict.is_none(), "nobody waits that long");
}

#[test]
fn of_a_request_that_is_gone_nothing_is_kept_because_its_callout_never_ends() {
    for kind in OTHERS {
        let mut outbound = outbound_in(kind, remote);
        let callout = outbound.on_request(NOW, FIRST, facts()).callout().expect("a callout");
        outbound.on_request_end(FIRST);
        let outcome = outbound.on_answer(NOW, callout.id, &callout.subject, &signature_of(&callout));
        assert!(outcome.resumed.is_empty() && signed_line(&outcome.events, NOW).is_none());
    }
}

#[test]
fn an_answer_of_the_filter_itself_is_not_taken_for_a_response_that_is_not_verified() {
    for kind in GatewayKind::ALL {
        let mut outbound = outbound_in(kind, verifying("require"));
        assert_eq!(code(&outbound.on_fault(FIRST, RejectReason::Internal, Correlation::default())), "GenericError");
        let step = outbound.on_response(NOW, FIRST, ResponseFacts::default());
        assert_eq!(code(&step.verdict.unwrap()), "admitted", "it stays the 500 that it is");
        let _ = outbound.on_fault(SECOND, RejectReason::Internal, Correlation::default());
        assert_eq!(code(&outbound.on_response_without_clock(SECOND)), "admitted", "likewise");
        let expected = if kind == GatewayKind::Apisix { "tolerated" } else { "GenericError" };
        assert_eq!(code(&outbound.on_response_without_clock(RequestId(3))), expected, "it cannot be verified");
    }
}
