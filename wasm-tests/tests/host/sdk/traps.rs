//! What a panic of the SDK does to requests: on Kong it can let them pass.

use super::guest::{described, module, profiles, with};
use wasm_tests::host::{Exchange, Fault, Gateway, Outcome, Profile, Status};

/// A gateway on which requests fail to read the answer that they get, from now on.
fn panicking(profile: Profile) -> Gateway {
    let gateway = described(profile).expect_traps().start(&module("sdk_filter")).expect("the gateway starts");
    gateway.fault(
        Fault::host_call("proxy_get_header_map_value").returns(Status::InternalFailure).only_for(":status").only_nth(1),
    );
    gateway
}

fn passed(exchange: &Exchange) -> bool {
    matches!(exchange.outcome(), Outcome::Upstream(_))
}

#[test]
fn a_panic_in_the_callback_lets_a_bad_request_pass_on_kong_alone() {
    for profile in profiles() {
        let gateway = panicking(profile.clone());
        let exchange = gateway.send(with("bad"));
        gateway.settle();
        assert_eq!(gateway.traps().len(), 1, "{}", profile.name);
        assert_eq!(passed(&exchange), profile.name == "kong", "{}", profile.name);
    }
}

#[test]
fn after_a_panic_on_kong_each_answer_that_was_on_its_way_is_another_and_lets_its_request_pass() {
    let gateway = panicking(Profile::kong());
    let exchanges = ["bad", "bad", "bad"].map(|credential| gateway.send(with(credential)));
    gateway.settle();
    // The filter of the new VM has never heard of these callouts.
    assert_eq!(gateway.traps().len(), 3);
    let logs = gateway.logs();
    assert_eq!(logs.iter().filter(|log| log.text.contains("invalid token_id")).count(), 2, "{logs:?}");
    assert!(exchanges.iter().all(passed));
}
