//! Gateways that wake nobody: each request is decided when it arrives, or when its own callout ends.

use super::*;

const OTHERS: [GatewayKind; 2] = [GatewayKind::Kong, GatewayKind::Apisix];

/// A request that waits for keys, and the callout that it waits for.
fn waiting(inbound: &mut Inbound, id: u32) -> crate::callout::Callout {
    let mut step = inbound.on_request(NOW, RequestId(id), bearer(&token(|_| ())));
    assert!(step.verdict.is_none());
    step.callout().expect("a callout of its own")
}

fn resumed(outcome: &CalloutOutcome) -> Vec<(u32, &'static str)> {
    outcome.resumed.iter().map(|resumed| (resumed.id.0, code(&resumed.verdict))).collect()
}

/// One of the Hub's organisation whose keys are at an address of their own.
fn other(number: usize) -> RequestFacts {
    let mut facts = bearer(&token(|_| ()));
    facts.peer.subject = Some([format!("CN=abc{number}").as_bytes(), &HUB[9..]].concat().into());
    facts
}

#[test]
fn the_end_of_a_callout_decides_on_its_own_request_only() {
    for kind in OTHERS {
        let mut inbound = inbound_in(kind, |_| ());
        let (first, second) = (waiting(&mut inbound, 1), waiting(&mut inbound, 2));
        assert_ne!(first.id, second.id);
        let outcome = inbound.on_answer(NOW, second.id, &second.subject, &published("sig3"));
        assert_eq!(resumed(&outcome), [(2, "admitted")]);
        let outcome = inbound.on_answer(NOW, first.id, &first.subject, &Answer::default());
        assert_eq!(resumed(&outcome), [(1, "admitted")], "the keys are there by now");
        let outcome = inbound.on_answer(NOW, first.id, &first.subject, &published("sig3"));
        assert_eq!(resumed(&outcome), [], "once");
    }
}

#[test]
fn clients_that_hang_up_leave_their_places_to_others() {
    for kind in OTHERS {
        let mut inbound = inbound_in(kind, |_| ());
        for id in 1..=4 {
            let _ = waiting(&mut inbound, id);
        }
        assert_eq!(at_once(&mut inbound, bearer(&token(|_| ()))), "GenericRecoverableError", "all four are taken");
        for id in 1..=4 {
            inbound.on_request_end(RequestId(id));
        }
        let callout = waiting(&mut inbound, 5);
        let outcome = inbound.on_answer(NOW, callout.id, &callout.subject, &published("sig3"));
        assert_eq!(resumed(&outcome), [(5, "admitted")]);
    }
}

#[test]
fn a_callout_that_ends_too_late_decides_all_the_same_and_admits_nobody() {
    for kind in OTHERS {
        let mut inbound = inbound_in(kind, |config| config["auth"]["jwt_auth"]["timeout"] = json!("2s"));
        let callout = waiting(&mut inbound, 1);
        let late = NOW.after(Duration::from_millis(2001));
        let outcome = inbound.on_answer(late, callout.id, &callout.subject, &published("sig3"));
        assert_eq!(resumed(&outcome), [(1, "GenericRecoverableError")]);
    }
}

#[test]
fn a_callout_that_was_long_given_up_decides_on_its_request() {
    let mut inbound = inbound_in(GatewayKind::Apisix, |_| ());
    let callout = waiting(&mut inbound, 1);
    let late = NOW.after(Duration::from_mins(1));
    // Another request finds that the first fetch is lost.
    let _ = inbound.on_request(late, RequestId(2), bearer(&token(|claims| claims["exp"] = json!(1_795_253_520))));
    let outcome = inbound.on_answer(late, callout.id, &callout.subject, &published("sig3"));
    assert_eq!(resumed(&outcome), [(1, "JWS.InvalidClaim")], "its token has expired");
}

#[test]
fn time_alone_decides_on_nothing_and_calls_nobody() {
    for kind in OTHERS {
        let mut inbound = inbound_in(kind, |_| ());
        let _ = with_keys(&mut inbound, bearer(&token(|_| ())));
        let callout = {
            let mut step = inbound.on_request(NOW, RequestId(1), other(2));
            step.callout().expect("a callout")
        };
        for seconds in [1, 60, 500, 3600] {
            let tick = inbound.on_tick(NOW.after(Duration::from_secs(seconds)));
            assert!(tick.callouts.is_empty() && tick.outcomes.iter().all(|outcome| outcome.resumed.is_empty()));
        }
        let late = NOW.after(Duration::from_hours(1));
        let outcome = inbound.on_answer(late, callout.id, &callout.subject, &published("sig3"));
        assert_eq!(outcome.resumed.len(), 1);
    }
}

#[test]
fn a_request_that_can_not_wait_is_refused_without_a_callout_until_others_are_gone() {
    let mut inbound = inbound_in(GatewayKind::Apisix, |_| ());
    for number in 0..MAX_WAITING {
        let mut step =
            inbound.on_request(NOW, RequestId(u32::try_from(number).unwrap()), other(number % (MAX_WAITING / 2)));
        assert!(step.verdict.is_none() && step.callout().is_some(), "{number}");
    }
    let step = inbound.on_request(NOW, RequestId(1000), other(0));
    assert!(step.callouts.is_empty(), "a callout beside a reply loses the reply");
    assert_eq!(code(&step.verdict.unwrap()), "GenericRecoverableError");
    inbound.on_request_end(RequestId(7));
    assert!(inbound.on_request(NOW, RequestId(1001), other(7)).verdict.is_none());
    // The gateway says of none of them that they are gone, and nobody waits that long.
    let later = NOW.after(LONGEST_WAIT + Duration::from_secs(1));
    let mut late_token = bearer(&token(|claims| {
        claims["iat"] = json!(1_795_254_001);
        claims["exp"] = json!(1_795_254_031);
    }));
    late_token.peer.subject = other(8).peer.subject;
    assert!(inbound.on_request(later, RequestId(1002), late_token).verdict.is_none());
}

#[test]
fn where_requests_may_be_hidden_a_response_to_one_that_was_not_decided_on_is_replaced() {
    let mut inbound = inbound_in(GatewayKind::Kong, |_| ());
    assert!(inbound.wants_responses());
    let response = |inbound: &mut Inbound, id| {
        code(&inbound.on_response(NOW, RequestId(id), &ResponseFacts::default()).verdict.unwrap())
    };
    assert_eq!(response(&mut inbound, 1), "GenericError", "never seen");
    let callout = waiting(&mut inbound, 2);
    assert_eq!(response(&mut inbound, 2), "GenericError", "not decided");
    let _ = inbound.on_answer(NOW, callout.id, &callout.subject, &published("sig3"));
    assert_eq!(response(&mut inbound, 2), "admitted");
    assert_eq!(response(&mut inbound, 2), "GenericError", "once");
    assert_eq!(at_once(&mut inbound, RequestFacts::default()), "Certificate.Missing");
    assert_eq!(response(&mut inbound, 1), "admitted", "it is the rejection");
    let _ = inbound.on_fault(RequestId(3), RejectReason::TooManyHeaders, Correlation::default());
    assert_eq!(response(&mut inbound, 3), "admitted", "it is the rejection");
    let _ = inbound.on_fault(RequestId(4), RejectReason::TooManyHeaders, Correlation::default());
    inbound.on_request_end(RequestId(4));
    assert_eq!(response(&mut inbound, 4), "GenericError", "numbers are used again");
}

#[test]
fn without_a_clock_a_response_is_refused_unless_it_is_a_refusal() {
    for kind in GatewayKind::ALL {
        let mut inbound = inbound_in(kind, |_| ());
        let _ = inbound.on_fault(RequestId(1), RejectReason::Internal, Correlation::default());
        assert_eq!(code(&inbound.on_response_without_clock(RequestId(1))), "admitted");
        let expected = if kind == GatewayKind::Kong { "GenericError" } else { "admitted" };
        assert_eq!(code(&inbound.on_response_without_clock(RequestId(2))), expected, "never seen");
    }
}

#[test]
fn elsewhere_a_response_without_a_request_is_the_gateways_own() {
    for kind in [GatewayKind::Envoy, GatewayKind::Apisix] {
        let mut inbound = inbound_in(kind, |_| ());
        assert!(!inbound.wants_responses());
        let step = inbound.on_response(NOW, RequestId(1), &ResponseFacts::default());
        assert_eq!(code(&step.verdict.unwrap()), "admitted");
    }
}

#[test]
fn a_request_whose_verdict_could_not_be_carried_out_is_refused_for_good() {
    for kind in GatewayKind::ALL {
        let mut inbound = inbound_in(kind, |_| ());
        let callout = waiting(&mut inbound, 1);
        assert_eq!(
            code(&inbound.on_fault(RequestId(1), RejectReason::Internal, Correlation::default())),
            "GenericError"
        );
        let outcome = inbound.on_answer(NOW, callout.id, &callout.subject, &published("sig3"));
        assert_eq!(resumed(&outcome), []);
    }
}
