//! A header, a callout, and what its answer decides, on every gateway.

use super::guest::{A_MOMENT, described, gateway, module, profiles, with};
use wasm_tests::host::{Answer, Exchange, Fault, Outcome, Profile, Request, Status, Upstream};

fn status(exchange: &Exchange) -> Option<u16> {
    exchange.reply().map(|reply| reply.status)
}

#[test]
fn a_request_waits_for_the_answer_and_goes_on_with_a_good_one() {
    for profile in profiles() {
        let gateway = gateway(profile.clone());
        let exchange = gateway.send(with("good"));
        assert_eq!(exchange.outcome(), Outcome::Pending, "{}", profile.name);
        gateway.advance(A_MOMENT);
        assert!(exchange.upstream().expect(profile.name).has("x-credential"));
        let asked = gateway.callouts();
        assert_eq!(asked.len(), 1, "{}", profile.name);
        assert_eq!((asked[0].upstream.as_str(), asked[0].headers.get("x-credential")), ("judge", Some(&b"good"[..])));
    }
}

#[test]
fn a_bad_answer_refuses_it() {
    for profile in profiles() {
        let gateway = gateway(profile.clone());
        let exchange = gateway.send(with("bad"));
        gateway.settle();
        assert_eq!(status(&exchange), Some(403), "{}", profile.name);
    }
}

#[test]
fn without_the_header_it_is_refused_at_once_and_nobody_is_asked() {
    for profile in profiles() {
        let gateway = gateway(profile.clone());
        let exchange = gateway.send(Request::get("/accounts"));
        assert_eq!(status(&exchange), Some(401), "{}", profile.name);
        assert!(gateway.callouts().is_empty(), "{}", profile.name);
    }
}

#[test]
fn a_failed_callout_refuses_it() {
    for profile in profiles() {
        for answer in [Answer::refused(), Answer::reset(), Answer::never(), Answer::unreadable()] {
            let gateway = gateway(profile.clone());
            gateway.upstream("judge", Upstream::new().otherwise(answer.clone()));
            let exchange = gateway.send(with("good"));
            gateway.settle();
            // Envoy makes up an answer, with 503 or 504. The others have none.
            let expected = if profile.name == "envoy" { 403 } else { 503 };
            assert_eq!(status(&exchange), Some(expected), "{} {answer:?}", profile.name);
        }
    }
}

#[test]
fn a_callout_that_envoy_does_not_dispatch_refuses_it_at_once() {
    let gateway = gateway(Profile::envoy());
    gateway.upstream("judge", Upstream::new().otherwise(Answer::unavailable()));
    assert_eq!(status(&gateway.send(with("good"))), Some(503));
}

#[test]
fn each_of_several_requests_gets_its_own_answer() {
    for profile in profiles() {
        let gateway = gateway(profile.clone());
        let exchanges = ["good", "bad", "good"].map(|credential| gateway.send(with(credential)));
        gateway.settle();
        let statuses = exchanges.each_ref().map(status);
        assert_eq!(statuses, [None, Some(403), None], "{}", profile.name);
        assert!(exchanges[0].upstream().is_some() && exchanges[2].upstream().is_some(), "{}", profile.name);
    }
}

#[test]
fn the_callbacks_that_the_sdk_has_by_default_leave_bodies_and_responses_as_they_are() {
    for profile in profiles() {
        let gateway = gateway(profile.clone());
        gateway.bank(Answer::ok("the answer").header("x-bank", "1").after(A_MOMENT));
        let exchange = gateway.send(Request::post("/payments").header("x-credential", "good").body("the order"));
        gateway.settle();
        assert_eq!(exchange.upstream_body(), b"the order", "{}", profile.name);
        let response = exchange.response().expect(profile.name);
        assert_eq!((response.status(), response.headers.get("x-bank")), (200, Some(&b"1"[..])), "{}", profile.name);
        assert_eq!(response.body, b"the answer", "{}", profile.name);
    }
}

#[test]
fn a_client_that_leaves_meanwhile_harms_nobody() {
    for profile in profiles() {
        let gateway = gateway(profile.clone());
        gateway.send(with("good")).disconnect();
        let exchange = gateway.send(with("good"));
        gateway.settle();
        assert!(exchange.upstream().is_some(), "{}", profile.name);
    }
}

/// What becomes of a request that the judge finds good, when a host call says OK and does nothing.
fn when_nothing_comes_of(call: &str, profile: Profile) -> Outcome {
    let gateway = gateway(profile);
    gateway.fault(Fault::host_call(call).returns(Status::Ok));
    let exchange = gateway.send(with("good"));
    gateway.settle();
    exchange.outcome()
}

#[test]
fn only_on_envoy_it_takes_a_call_for_a_request_to_go_on() {
    for profile in profiles() {
        let (name, outcome) = (profile.name, when_nothing_comes_of("proxy_continue_stream", profile));
        match name {
            "envoy" => assert_eq!(outcome, Outcome::Pending),
            _ => assert!(matches!(outcome, Outcome::Upstream(_)), "after the callback it goes by itself on {name}"),
        }
    }
}

#[test]
fn only_on_envoy_it_matters_which_context_is_in_effect() {
    for profile in profiles() {
        let (name, outcome) = (profile.name, when_nothing_comes_of("proxy_set_effective_context", profile));
        match name {
            "envoy" => assert_eq!(outcome, Outcome::Pending, "there the answer is the root context's"),
            _ => assert!(matches!(outcome, Outcome::Upstream(_)), "on {name} the call has no effect anyway"),
        }
    }
}

#[test]
fn every_worker_has_a_filter_of_its_own() {
    for profile in profiles() {
        let gateway = described(profile.clone()).workers(2).start(&module("sdk_filter")).expect("the gateway starts");
        let exchanges = [0, 1].map(|worker| gateway.worker(worker).send(with("good")));
        gateway.settle();
        assert!(exchanges.iter().all(|exchange| exchange.upstream().is_some()), "{}", profile.name);
    }
}
