//! Clocks of gateways that are wrong: ahead, behind, and set back while a gateway runs. Their timers are as
//! always.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tokio::time::sleep;
use wasm_tests::stage::client::Request;
use wasm_tests::stage::fleet::clock::Clock;
use wasm_tests::stage::fleet::etcd::EtcdSetup;
use wasm_tests::stage::fleet::{Fleet, FleetSetup};
use wasm_tests::stage::token_of;
use wasm_tests::stage::tokens::{Signer, now};

use super::beside_others;
use super::load::Presentation;

/// A token that began and ends so many seconds from now.
fn token(fleet: &Fleet, from: i64, to: i64) -> Request {
    let hub = &fleet.stage.pki.hub;
    let at = |seconds| now().saturating_add_signed(seconds);
    Request::with_token(&token_of(hub).valid(at(from), at(to)).sign(Signer::Ps256(&hub.signing)))
}

async fn presented(fleet: &Fleet, gateway: usize, request: &Request) -> Presentation {
    Presentation::of(&fleet.send(gateway, request).await)
}

/// By how many seconds the clock of a gateway is ahead, as its answers say.
async fn ahead(fleet: &Fleet, gateway: usize) -> i64 {
    let reply = fleet.send(gateway, &Request::new("GET", "/accounts")).await.reply();
    let date = httpdate::parse_http_date(reply.header("date").expect("a date")).expect("a date of HTTP");
    let seconds =
        |time: SystemTime| time.duration_since(UNIX_EPOCH).expect("a time after 1970").as_secs().cast_signed();
    seconds(date) - seconds(SystemTime::now())
}

#[tokio::test(flavor = "multi_thread")]
async fn gateways_whose_clocks_are_20_seconds_ahead_or_behind_let_no_token_pass_twice() {
    let _beside = beside_others().await;
    let etcd = EtcdSetup::new().start().await;
    let mut fleet = FleetSetup::etcd(&etcd).gateways(3, 1).start().await;
    for (gateway, seconds) in [(1, 20), (2, -20)] {
        let clock = Clock::new(&fleet.stage.file(&format!("gateway-{gateway}")));
        clock.set(seconds);
        fleet.restart(gateway, |configuration| clock.give(configuration)).await;
    }
    let clocks = [ahead(&fleet, 0).await, ahead(&fleet, 1).await, ahead(&fleet, 2).await];
    assert!(
        (-1..=1).contains(&clocks[0]) && (19..=21).contains(&clocks[1]) && (-21..=-19).contains(&clocks[2]),
        "{clocks:?}"
    );
    for first in 0..3 {
        // All three clocks are in it.
        let request = token(&fleet, -15, 45);
        assert_eq!(presented(&fleet, first, &request).await, Presentation::Admitted, "gateway {first} first");
        for gateway in [0, 1, 2, 0, 1, 2] {
            let again = presented(&fleet, gateway, &request).await;
            assert_eq!(again, Presentation::Replayed, "gateway {first} first, then gateway {gateway}");
        }
    }
    assert_eq!(fleet.stage.bank.received().len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_is_set_back_two_minutes_lets_no_token_pass_twice() {
    let _beside = beside_others().await;
    let etcd = EtcdSetup::new().start().await;
    let mut fleet = FleetSetup::etcd(&etcd).gateways(2, 1).start().await;
    let clock = Clock::new(&fleet.stage.file(""));
    fleet.restart(0, |configuration| clock.give(configuration)).await;
    // Five minutes long, and in its fourth: it is good on either clock.
    let (own, others) = (token(&fleet, -170, 120), token(&fleet, -170, 120));
    assert_eq!(presented(&fleet, 0, &own).await, Presentation::Admitted);
    assert_eq!(presented(&fleet, 1, &others).await, Presentation::Admitted);
    clock.set(-120);
    let started = Instant::now();
    // Envoy writes its date anew twice a second.
    while !(-121..=-119).contains(&ahead(&fleet, 0).await) {
        assert!(started.elapsed() < Duration::from_secs(10), "the clock is as before");
        sleep(Duration::from_millis(100)).await;
    }
    for (what, request) in [("its own", &own), ("another's", &others)] {
        for gateway in [0, 1, 0] {
            assert_ne!(presented(&fleet, gateway, request).await, Presentation::Admitted, "{what}, gateway {gateway}");
        }
    }
    assert_eq!(fleet.stage.bank.received().len(), 2);
}
