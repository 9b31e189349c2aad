//! etcd's users: a password that is wrong, missing or changed, tokens that end, and members that forget them.

use std::time::{Duration, Instant};

use serde_json::json;
use tokio::time::sleep;
use wasm_tests::stage::client::Request;
use wasm_tests::stage::fleet::etcd::{Etcd, EtcdSetup, MEMBERS};
use wasm_tests::stage::fleet::etcd_api::{PASSWORD, USER};
use wasm_tests::stage::fleet::{Fleet, FleetSetup, PREFIX};
use wasm_tests::stage::signed_by;

use super::beside_others;
use super::load::Presentation;

async fn fresh(fleet: &Fleet) -> Presentation {
    Presentation::of(&fleet.send(0, &Request::with_token(&signed_by(&fleet.stage.pki.hub))).await)
}

async fn secured(setup: EtcdSetup) -> Etcd {
    let mut etcd = setup.start().await;
    etcd.secure(PREFIX).await;
    etcd
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_right_user_nothing_passes_and_the_log_has_no_password() {
    let _beside = beside_others().await;
    let etcd = secured(EtcdSetup::new()).await;
    let setup = || FleetSetup::etcd(&etcd).gateways(1, 1);
    let cases = [
        ("no user", setup()),
        ("a wrong password", setup().user(USER, "not-the-password")),
        ("a user that is not there", setup().user("nobody", PASSWORD)),
        ("another's prefix", setup().with_password().store("prefix", &json!("somebody-else/"))),
    ];
    for (what, setup) in cases {
        let fleet = setup.start().await;
        assert_eq!(fresh(&fleet).await, Presentation::Unavailable, "{what}");
        assert_eq!(fleet.stage.bank.received(), [], "{what}");
        let log = fleet.gateway(0).log();
        assert!(!log.contains(PASSWORD) && !log.contains("not-the-password"), "{what}: {log}");
    }
    assert_eq!(etcd.keys(PREFIX).await.len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_whose_token_ends_or_is_forgotten_gets_another_and_no_good_request_is_refused() {
    let _beside = beside_others().await;
    let mut etcd = secured(EtcdSetup::new().token_life(2)).await;
    let fleet = FleetSetup::etcd(&etcd).with_password().gateways(1, 1).start().await;
    let started = Instant::now();
    // Tokens of etcd end when nobody uses them for two seconds.
    for pause in [0, 100, 3500, 0, 3500, 100] {
        sleep(Duration::from_millis(pause)).await;
        assert_eq!(fresh(&fleet).await, Presentation::Admitted, "{pause} ms, {:?}", started.elapsed());
    }
    // A member that comes back has none of the tokens that were given out.
    for member in 0..MEMBERS {
        etcd.kill(member);
        etcd.restart(member);
        etcd.until_healthy().await;
    }
    for request in 0..6 {
        assert_eq!(fresh(&fleet).await, Presentation::Admitted, "request {request}");
    }
    // What its role may has changed: etcd refuses what was asked with the rights of before.
    etcd.grant("hub-auth/production/").await;
    for request in 0..6 {
        assert_eq!(fresh(&fleet).await, Presentation::Admitted, "request {request} after the role has changed");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn when_the_password_is_changed_nothing_passes_and_a_gateway_with_the_new_one_goes_on() {
    let _beside = beside_others().await;
    let etcd = secured(EtcdSetup::new()).await;
    let fleet = FleetSetup::etcd(&etcd).with_password().gateways(1, 1).start().await;
    assert_eq!(fresh(&fleet).await, Presentation::Admitted);
    etcd.change_password("another-password").await;
    assert_eq!(fresh(&fleet).await, Presentation::Unavailable);
    let fleet = FleetSetup::etcd(&etcd).user(USER, "another-password").gateways(1, 1).start().await;
    assert_eq!(fresh(&fleet).await, Presentation::Admitted);
}
